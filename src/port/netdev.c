/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Binding a container's VF to its network driver, naming its interface, and parking it. */
#include "src/port/netdev.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/reservations.h"
#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/file.h"
#include "src/base/text.h"
#include "src/port/ct_net.h"
#include "src/port/device.h"
#include "src/port/objects.h"
#include "src/vf/drivers.h"
#include "src/vf/kernel.h"

/* iavf makes its interface some seconds after it was bound. */
#define NETDEV_WAIT_MS 15000
/* udev names an interface that is new, by what it has seen of it before: until it has. At boot it
 * has a lot to do. */
#define UDEV_WAIT_MS  30000
#define UDEV_DATA_MAX 65536
/* A network namespace that dies gives its interfaces back a moment later. */
#define BACK_WAIT_MS   3000
#define DRIVER_WAIT_MS 3000
#define NAP_MS	       20

/* "igbvf vf110n0": what the VF's driver and interface become. */
struct netdev_text {
	char driver[DRIVER_LEN];
	char link[IFNAME_LEN];
};

static int parse_text(const char *text, struct netdev_text *out, struct error *err)
{
	const char *blank = strchr(text, ' ');

	if (!blank || (size_t)(blank - text) >= sizeof(out->driver) ||
	    strlen(blank + 1) >= sizeof(out->link))
		return fail(err, EINVAL, "this says no driver and interface");
	snprintf(out->driver, sizeof(out->driver), "%.*s", (int)(blank - text), text);
	snprintf(out->link, sizeof(out->link), "%s", blank + 1);
	return 0;
}

/* As it is now: driver and interface. -ENODEV: it is gone. */
static int look(int root, const struct pci_addr *vf, struct vf_info *out, struct error *err)
{
	char addr[PCI_ADDR_LEN];
	struct pci_addr pf;
	unsigned index;
	int r = sysfs_vf_identify(root, vf, &pf, &index);

	if (r < 0)
		return fail(err, -r, "VF %s cannot be looked at: %s", pci_addr_format(vf, addr),
			    strerror(-r));
	return sysfs_vf_read(root, NULL, vf, &pf, index, out, err);
}

static bool has_netdriver(const struct vf_info *vf)
{
	return vf->driver[0] && !is_vfio_driver(vf->driver);
}

bool netdev_is_ours(const struct vf_info *vf)
{
	return has_netdriver(vf) && !strcmp(vf->driver, vf->driver_override);
}

/* --- Binding --- */

static int unbind(int root, const struct pci_addr *vf, struct error *err)
{
	struct deadline end = deadline_in(DRIVER_WAIT_MS);
	char addr[PCI_ADDR_LEN];
	struct vf_info now = {0};
	char path[96];
	int r;

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/driver/unbind",
		 pci_addr_format(vf, addr));
	r = attr_write(root, path, addr);
	if (r < 0 && r != -ENOENT)
		return fail_errno(err, -r, "VF %s: take its driver away", addr);
	for (;;) {
		if (look(root, vf, &now, err) < 0)
			return error_code(err);
		if (!now.driver[0])
			return 0;
		if (!deadline_left(&end))
			return fail(err, EBUSY, "VF %s: its driver %s does not let go of it", addr,
				    now.driver);
		nap_ms(NAP_MS);
	}
}

static int bind_driver(int root, const struct pci_addr *vf, const char *driver, struct error *err)
{
	char path[64 + DRIVER_LEN];
	char addr[PCI_ADDR_LEN];
	int r;

	pci_addr_format(vf, addr);
	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s", driver);
	if (!path_exists(root, path))
		return fail(err, ENODEV,
			    "the network driver for VF %s, %s, is not loaded: modprobe %s (and a "
			    "line with it in /etc/modules-load.d/*.conf; a blacklist in "
			    "/etc/modprobe.d keeps it away)",
			    addr, driver, driver);
	if (sysfs_set_driver_override(root, vf, driver, err) < 0)
		return error_code(err);
	r = attr_write(root, "sys/bus/pci/drivers_probe", addr);
	return r < 0 ? fail_errno(err, -r, "VF %s: bind it to %s", addr, driver) : 0;
}

static int wait_for_netdev(int root, const struct pci_addr *vf, const char *driver,
			   struct vf_info *now, struct error *err)
{
	struct deadline end = deadline_in(NETDEV_WAIT_MS);
	struct deadline bound = deadline_in(DRIVER_WAIT_MS);
	char addr[PCI_ADDR_LEN];

	for (;;) {
		if (look(root, vf, now, err) < 0)
			return error_code(err);
		if (now->ifname[0])
			return 0;
		if (!deadline_left(&end) || (!now->driver[0] && !deadline_left(&bound)))
			return fail(err, EIO, "VF %s: the driver %s %s: look at dmesg",
				    pci_addr_format(vf, addr), driver,
				    now->driver[0] ? "made no interface for it"
						   : "does not take it");
		nap_ms(NAP_MS);
	}
}

/*
 * udev gives an interface that is new another name, by its number, and does not look again whether
 * it has one from somebody else by then. Its file of the interface is written before that, with
 * ID_RENAMING, and again without it once the kernel has told of the new name (systemd:
 * src/udev/udev-event.c, rename_netif; /run/udev/data/n<ifindex>).
 */
static bool udev_is_through(int root, const char *path)
{
	AUTO_FREE char *text = NULL;

	return file_read(root, path, UDEV_DATA_MAX, &text, NULL) >= 0 &&
	       !strstr(text, "E:ID_RENAMING=1");
}

static void wait_for_udev(int root, int ifindex)
{
	struct deadline end = deadline_in(UDEV_WAIT_MS);
	char path[48];

	snprintf(path, sizeof(path), "run/udev/data/n%d", ifindex);
	while (path_exists(root, "run/udev/control") && !udev_is_through(root, path) &&
	       deadline_left(&end))
		nap_ms(NAP_MS);
}

static int name_it(struct hook *h, const struct pci_addr *vf, const char *link, struct error *err)
{
	struct deadline end = deadline_in(UDEV_WAIT_MS);
	struct vf_info now = {0};
	int r;

	for (;;) {
		if (look(h->root, vf, &now, err) < 0)
			return error_code(err);
		if (!strcmp(now.ifname, link))
			return 0;
		r = now.ifindex ? kernel_link_rename(h->kernel, now.ifindex, link, err) : -ENODEV;
		/* Here -EEXIST is no race about a lease. */
		if (r == -EEXIST)
			return fail(err, EBUSY,
				    "this host has an interface %s (or one with that alternative "
				    "name) already: give it another name",
				    link);
		if (!deadline_left(&end))
			return r < 0 ? r
				     : fail(err, EBUSY, "interface %s: somebody renames it", link);
		error_clear(err);
		if (r < 0)
			nap_ms(NAP_MS);
	}
}

/* Somebody else's interface must not go into the container. */
static int check_name(int root, const struct vf_info *vf, const char *link, struct error *err)
{
	char path[48];

	snprintf(path, sizeof(path), "sys/class/net/%s", link);
	if (!strcmp(vf->ifname, link) || !path_exists(root, path))
		return 0;
	return fail(err, EBUSY,
		    "this host has an interface %s already, which is not this VF's: give it "
		    "another name (ip link set %s name ...)",
		    link, link);
}

static int make_netdev(struct hook *h, const struct pci_addr *vf, const char *text,
		       struct error *err)
{
	struct netdev_text to;
	struct vf_info now = {0};

	if (parse_text(text, &to, err) < 0 || look(h->root, vf, &now, err) < 0 ||
	    check_name(h->root, &now, to.link, err) < 0 || hook_kernel(h, err) < 0)
		return error_code(err);
	/* A driver that has the VF since before its MAC was set has the old one. */
	if ((now.driver[0] && unbind(h->root, vf, err) < 0) ||
	    bind_driver(h->root, vf, to.driver, err) < 0 ||
	    wait_for_netdev(h->root, vf, to.driver, &now, err) < 0)
		return error_code(err);
	wait_for_udev(h->root, now.ifindex);
	return name_it(h, vf, to.link, err);
}

/* --- Parking --- */

/* Unbound, an interface would go wherever it is: out of a container that lives. */
static int wait_until_back(struct hook *h, const struct pci_addr *vf, struct vf_info *now,
			   struct error *err)
{
	char addr[PCI_ADDR_LEN];

	for (;;) {
		if (look(h->root, vf, now, err) < 0)
			return error_code(err);
		if (!has_netdriver(now) || now->ifname[0])
			return 0;
		if (h->dry_run || h->waited_ms >= BACK_WAIT_MS)
			return fail(err, EBUSY,
				    "the interface of VF %s is not back on this host: it is still "
				    "in the container's network namespace, or in another one",
				    pci_addr_format(vf, addr));
		nap_ms(NAP_MS);
		h->waited_ms += NAP_MS;
	}
}

static int park_netdev(struct hook *h, const struct pci_addr *vf, struct error *err)
{
	struct vf_info now = {0};
	int r = wait_until_back(h, vf, &now, err);

	if (!r && has_netdriver(&now))
		r = unbind(h->root, vf, err);
	return r < 0 ? r : sysfs_set_driver_override(h->root, vf, "vfio-pci", err);
}

static int netdev_set(struct hook *h, const char *name, enum object_how how, const char *from,
		      const char *to, struct error *err)
{
	char addr[PCI_ADDR_LEN];
	struct lease l = {0};
	struct pci_addr vf;
	struct pci_addr pf;
	uint32_t vmid = 0;
	unsigned index;
	int r;

	(void)from;
	if (vm_vf_parse(name, &vmid, &vf, err) < 0)
		return error_code(err);
	/* Gone with its PF's VFs: nothing is left to be undone. */
	if ((how == OBJECT_UNDO || !to) && sysfs_vf_identify(h->root, &vf, &pf, &index) == -ENODEV)
		return 0;
	/* Under the locks of its guest, who alone can drop the lease: but a person may have. */
	r = lease_read(h->root, &vf, &l, err);
	if (r < 0 && r != -ENOENT)
		return r;
	error_clear(err);
	if (r < 0 || l.vmid != vmid)
		return how == OBJECT_UNDO
			       ? 0
			       : fail(err, EEXIST, "VF %s is not leased to CT %u any more",
				      pci_addr_format(&vf, addr), vmid);
	/* Undone: what it was before is parked, as any VF that nobody has. */
	return to && how != OBJECT_UNDO ? make_netdev(h, &vf, to, err) : park_netdev(h, &vf, err);
}

const struct object_kind object_netdev = {OBJECT_NETDEV, false, NULL, netdev_set, NULL};

/* --- Steps --- */

/* Where it cannot be undone, the VF is not clean. */
static int add_vf_object(const struct step_object *o, const struct pci_addr *vf, struct plan *p,
			 struct error *err)
{
	if (plan_add_object(p, o, err) < 0)
		return error_code(err);
	p->steps[p->n_steps - 1].vf = *vf;
	return 0;
}

static const char *object_name(uint32_t vmid, const struct pci_addr *vf, char buf[32])
{
	char addr[PCI_ADDR_LEN];

	snprintf(buf, 32, "%u %s", vmid, pci_addr_format(vf, addr));
	return buf;
}

static void reservation_what(const struct pci_addr *vf, uint32_t vmid, const char *how,
			     char buf[120])
{
	char addr[PCI_ADDR_LEN];

	snprintf(buf, 120, "VF %s: PVE's reservation for CT %u%s", pci_addr_format(vf, addr), vmid,
		 how);
}

static int plan_reserved(uint32_t vmid, const struct pci_addr *vf, struct plan *p,
			 struct error *err)
{
	char what[120];
	char name[32];
	char to[32];

	snprintf(to, sizeof(to), "time:%lld", (long long)PCI_RESERVED_FOR_CT);
	reservation_what(vf, vmid, "", what);
	return add_vf_object(&(struct step_object){.kind = OBJECT_RESERVATION,
						   .name = object_name(vmid, vf, name),
						   .to = to,
						   .what = what},
			     vf, p, err);
}

/* The container that PVE's list says has it, 0: none. A list that cannot be read may name one. */
static int reserved_for(struct hook *h, const struct pci_addr *vf, uint32_t *vmid,
			struct error *err)
{
	AUTO_FREE struct pci_reservation *all = NULL;
	size_t n;

	*vmid = 0;
	if (pci_reservations(h->root, &all, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n && !*vmid; i++) {
		if (all[i].expires == PCI_RESERVED_FOR_CT && !pci_addr_cmp(&all[i].addr, vf))
			*vmid = all[i].vmid;
	}
	return 0;
}

static int plan_unreserved(struct hook *h, const struct lease *l, struct plan *p, struct error *err)
{
	uint32_t vmid = l->vmid;
	char what[120];
	char name[32];

	if (vmid == LEASE_SELF && reserved_for(h, &l->vf, &vmid, err) < 0)
		return error_code(err);
	if (!vmid)
		return 0;
	reservation_what(&l->vf, vmid, ": there -> none", what);
	return plan_object(h, OBJECT_RESERVATION, object_name(vmid, &l->vf, name), NULL, what, p,
			   err);
}

static int plan_netdev(uint32_t vmid, const struct vf_info *vf, const char *to, struct plan *p,
		       struct error *err)
{
	char addr[PCI_ADDR_LEN];
	char what[240];
	char from[DRIVER_LEN + IFNAME_LEN];
	char name[32];

	pci_addr_format(&vf->addr, addr);
	snprintf(from, sizeof(from), "%s%s%s", vf->driver[0] ? vf->driver : "none",
		 vf->ifname[0] ? " " : "", vf->ifname);
	snprintf(what, sizeof(what), "VF %s: driver and interface %s -> %s", addr, from,
		 to ? to : "none");
	return add_vf_object(&(struct step_object){.kind = OBJECT_NETDEV,
						   .name = object_name(vmid, &vf->addr, name),
						   .from = to ? NULL : from,
						   .to = to,
						   .what = what},
			     &vf->addr, p, err);
}

int plan_netdevs(const struct vm_ports *v, const struct snapshot *s,
		 const struct port_choice *choices, struct plan *p, struct error *err)
{
	for (size_t i = 0; i < v->n_wishes; i++) {
		const struct port_wish *w = &v->wishes[i];
		const struct pf_state *pf = &s->pfs[choices[i].pf];
		const char *driver = nic_vf_driver(pf->info.driver);
		char to[DRIVER_LEN + IFNAME_LEN];
		char link[IFNAME_LEN];

		if (!driver)
			return fail(err, EOPNOTSUPP,
				    "%s: vfhook knows no network driver for VFs of %s (driver %s): "
				    "no container can have one",
				    w->netname, pf->info.ifname, pf->info.driver);
		snprintf(to, sizeof(to), "%s %s", driver, ct_link_name(w->vmid, w->slot, link));
		if (plan_reserved(w->vmid, &pf->vfs[choices[i].vf].info.addr, p, err) < 0 ||
		    plan_netdev(w->vmid, &pf->vfs[choices[i].vf].info, to, p, err) < 0)
			return error_code(err);
	}
	return 0;
}

int plan_netdev_parking(struct hook *h, const struct lease *l, const struct vf_info *vf,
			struct plan *p, struct error *err)
{
	struct vf_info now = {0};

	if (!vf)
		return plan_unreserved(h, l, p, err);
	now = *vf;
	/* A dry run that thinks the container stopped has its interface back. */
	if (h->thought_stopped != l->vmid && wait_until_back(h, &l->vf, &now, err) < 0)
		return error_code(err);
	if ((has_netdriver(&now) || strcmp(now.driver_override, "vfio-pci") != 0) &&
	    plan_netdev(l->vmid, &now, NULL, p, err) < 0)
		return error_code(err);
	return plan_unreserved(h, l, p, err);
}
