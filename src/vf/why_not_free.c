/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why a VF is not free: asked of the facts alone, the first reason that a person can do something
 * about. */
#include "src/vf/why_not_free.h"

#include <stdio.h>
#include <string.h>

#include "src/base/text.h"
#include "src/vf/drivers.h"
#include "src/vf/lease.h"

/* Another VF of the same IOMMU group that another VM holds: PVE would bind and QEMU take both. */
static const struct vf_state *group_neighbour(const struct snapshot *s, const struct vf_state *vf,
					      uint32_t vmid)
{
	if (vf->info.group_alone)
		return NULL;
	for (size_t i = 0; i < s->n_pfs; i++) {
		for (size_t k = 0; k < s->pfs[i].n_vfs; k++) {
			const struct vf_state *o = &s->pfs[i].vfs[k];

			if (o != vf && o->info.iommu_group == vf->info.iommu_group && o->leased &&
			    (o->lease_broken || o->lease.vmid != vmid))
				return o;
		}
	}
	return NULL;
}

static const char *why_not_netdev(const struct vf_state *v, char *buf, size_t size)
{
	const struct vf_info *i = &v->info;

	if (i->netdev_user[0])
		snprintf(buf, size, "its host interface %s is used by %s", i->ifname,
			 i->netdev_user);
	else if (i->netdev_up)
		snprintf(buf, size, "its host interface %s is up", i->ifname);
	else if (v->has_address == ANSWER_YES)
		snprintf(buf, size, "its host interface %s has an IP address", i->ifname);
	else if (v->has_address != ANSWER_NO)
		snprintf(buf, size,
			 "it cannot be told whether its host interface %s has an IP address",
			 i->ifname);
	else
		return NULL;
	return buf;
}

const char *driver_without_netdev_words(const char *driver, char *buf, size_t size)
{
	/* uio_pci_generic, igb_uio: never a network interface. */
	if (!strncmp(driver, "uio", 3) || ends_with(driver, "uio"))
		snprintf(buf, size, "driver %s: used by a program of its own (DPDK)?", driver);
	else
		snprintf(buf, size, "driver %s, interface not on this host: in a container?",
			 driver);
	return buf;
}

/*
 * A VF that a driver has, and no interface of this host: it is in a container's network namespace,
 * or in a program of its own (DPDK). vfio-pci and its variants (mlx5_vfio_pci, ...) are told by
 * their group instead.
 */
static const char *why_not_driver(const struct vf_info *i, bool no_net, char *buf, size_t size)
{
	char addr[PCI_ADDR_LEN];

	pci_addr_format(&i->addr, addr);
	if (!i->driver[0] || i->ifname[0] || is_vfio_driver(i->driver))
		return NULL;
	if (no_net) {
		snprintf(buf, size,
			 "driver %s of this host has it, and may use it: echo %s "
			 ">/sys/bus/pci/devices/%s/driver/unbind",
			 i->driver, addr, addr);
		return buf;
	}
	return driver_without_netdev_words(i->driver, buf, size);
}

static const char *why_not_group(const struct snapshot *s, const struct vf_state *v,
				 const struct port_wish *w, char *buf, size_t size)
{
	const struct vf_state *other;
	char addr[PCI_ADDR_LEN];

	/* Nobody binds the whole group for a container, and no IOMMU is needed. */
	if (w->netname[0] && v->info.iommu_group < 0)
		return NULL;
	if (v->info.iommu_group < 0) {
		snprintf(buf, size,
			 "it has no IOMMU group: is the IOMMU on (BIOS, kernel command "
			 "line)?");
		return buf;
	}
	if (!v->info.group_pure && !w->netname[0]) {
		snprintf(buf, size,
			 "its IOMMU group %d also holds %s, which is no VF and would be taken from "
			 "the host with it (no ACS?)",
			 v->info.iommu_group, v->info.group_intruder);
		return buf;
	}
	other = group_neighbour(s, v, w->vmid);
	if (other) {
		snprintf(buf, size, "its IOMMU group %d is shared with VF %s, which is leased",
			 v->info.iommu_group, pci_addr_format(&other->info.addr, addr));
		return buf;
	}
	return NULL;
}

const char *pf_why_not(const struct pf_state *pf, const struct port_wish *w, char *buf, size_t size)
{
	char addr[PCI_ADDR_LEN];

	if (pf->broken) {
		snprintf(buf, size, "%s", pf->why);
		return buf;
	}
	if (!pf->link.up && !w->allow_pf_down) {
		snprintf(buf, size,
			 "PF %s (%s) is down: `ip link set %s up`, or `allow-pf-down 1` in pool "
			 "'%s'",
			 pf->info.ifname, pci_addr_format(&pf->info.addr, addr), pf->info.ifname,
			 w->pool);
		return buf;
	}
	return NULL;
}

const char *vf_why_not_lease(const struct vf_state *v, uint32_t vmid, char *buf, size_t size)
{
	if (v->lease_broken) {
		snprintf(buf, size, "its lease cannot be read: %s", v->lease_why);
		return buf;
	}
	if (v->leased && v->lease.vmid == LEASE_SELF && vmid != LEASE_SELF) {
		snprintf(buf, size,
			 "vfhook itself has it just now, to park it or to make the PF's VFs anew: "
			 "try "
			 "again in a moment");
		return buf;
	}
	if (v->leased && v->lease.vmid != vmid) {
		bool ct = lease_is_ct(&v->lease);
		char slot[24];

		snprintf(slot, sizeof(slot), "hostpci%u", v->lease.slot);
		snprintf(buf, size, "leased by %s %u%s%s%s (%s, %s)", ct ? "CT" : "VM",
			 v->lease.vmid, v->lease.name[0] ? " '" : "", v->lease.name,
			 v->lease.name[0] ? "'" : "", ct ? v->lease.netname : slot,
			 lease_phase_name(v->lease.phase));
		return buf;
	}
	return NULL;
}

const char *vf_why_not_free(const struct snapshot *s, const struct pf_state *pf,
			    const struct vf_state *vf, const struct port_wish *wish, char *buf,
			    size_t size)
{
	bool had = wish->has_last && !pci_addr_cmp(&wish->last, &vf->info.addr);
	const char *why = pf_why_not(pf, wish, buf, size);

	if (!why)
		why = vf_why_not_lease(vf, wish->vmid, buf, size);
	if (!why && vf->host) {
		snprintf(buf, size, "it is set aside for this host (`host-vfs` of its pool)");
		why = buf;
	}
	/* A stranger's config that merely names our VF does not take it from us. */
	if (!why && vf->claim && (vf->claim->firm || !had)) {
		snprintf(buf, size, "%s", vf->claim->who);
		why = buf;
	}
	if (!why && vf->unread) {
		snprintf(buf, size, "%s", vf->unread_why);
		why = buf;
	}
	if (!why)
		why = why_not_group(s, vf, wish, buf, size);
	if (!why)
		why = why_not_driver(&vf->info, pf->info.no_net, buf, size);
	if (!why)
		why = why_not_netdev(vf, buf, size);
	if (!why && vf->busy != ANSWER_NO) {
		snprintf(buf, size, "/dev/vfio/%d %s", vf->info.iommu_group,
			 vf->busy == ANSWER_YES ? "is in use by some process"
						: "cannot be opened: it may be in use");
		why = buf;
	}
	return why;
}
