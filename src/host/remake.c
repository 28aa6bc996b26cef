/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Planning to take all VFs of a PF away and to make others, and who has one meanwhile. */
#include "src/host/remake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pveapi/reservations.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/port/objects.h"
#include "src/port/foreseen.h"
#include "src/vf/lease.h"
#include "src/vf/plan_park.h"
#include "src/vf/sysfs.h"

const char *vf_host_use(const struct vf_state *v, bool no_net, char *buf, size_t size)
{
	const struct vf_info *i = &v->info;
	char addr[PCI_ADDR_LEN];

	pci_addr_format(&i->addr, addr);
	if (i->netdev_user[0])
		snprintf(buf, size, "%s on this host uses VF %s (%s)", i->netdev_user, addr,
			 i->ifname);
	else if (i->netdev_up || v->has_address)
		snprintf(buf, size, "this host uses VF %s (%s)", addr, i->ifname);
	else if (i->driver[0] && strcmp(i->driver, "vfio-pci") != 0 && !i->ifindex)
		snprintf(buf, size, "the driver %s has VF %s%s", i->driver, addr,
			 no_net ? "" : ", and its interface is not on this host (a container's?)");
	else
		return NULL;
	return buf;
}

/* --- Who has one? --- */

static const char *lease_use(const struct vf_state *v, char *buf, size_t size)
{
	char addr[PCI_ADDR_LEN];

	pci_addr_format(&v->info.addr, addr);
	if (v->lease_broken)
		snprintf(buf, size, "VF %s has a lease that cannot be read: %s", addr,
			 v->lease_why);
	else if (v->lease.vmid == LEASE_SELF)
		snprintf(buf, size, "vfhook itself has VF %s: vfhook repair", addr);
	else
		snprintf(buf, size, "%s %u has VF %s", lease_is_ct(&v->lease) ? "CT" : "VM",
			 v->lease.vmid, addr);
	return buf;
}

/* The PF with all its VFs. Anything that could not be read: -EBUSY. */
static int read_pf(struct hook *h, const struct pf_id *pf, const struct vf_claim *claims, size_t n,
		   bool look_only, struct snapshot *s, struct error *err)
{
	const struct observer o = {.root = h->root,
				   .kernel = h->kernel,
				   .claims = claims,
				   .n_claims = n,
				   .vmid = LEASE_SELF,
				   .look_only = look_only};
	const struct pf_state *p;

	if (foreseen_snapshot(h, &o, pf, 1, NULL, 0, true, s, err) < 0)
		return error_code(err);
	p = &s->pfs[0];
	if (p->broken || p->n_unread || p->n_vfs != p->info.num_vfs)
		return fail(err, EBUSY, "its VFs cannot be looked at%s%s", p->broken ? ": " : "",
			    p->broken ? p->why : "");
	return 0;
}

const char *vfs_leased_by(struct hook *h, const struct pf_info *pf, char *buf, size_t size)
{
	for (unsigned i = 0; i < pf->num_vfs; i++) {
		struct vf_state v = {0};
		struct error why = ERROR_INIT;
		int r = sysfs_vf_addr(h->root, &pf->addr, i, &v.info.addr);

		if (!r)
			r = lease_read(h->root, &v.info.addr, &v.lease, &why);
		v.lease_broken = r == -EINVAL && why.code;
		snprintf(v.lease_why, sizeof(v.lease_why), "%.255s", why.text);
		if (!r || v.lease_broken)
			return lease_use(&v, buf, size);
	}
	return "somebody took one of its VFs meanwhile";
}

/* --- Who uses one? --- */

/* Of all VMs that run, and of all that are about to: what PVE has reserved. */
struct claims {
	struct vf_claim *list;
	size_t n;
};

static void claims_free(struct claims *c)
{
	free(c->list);
}

static int read_claims(struct hook *h, struct claims *c, struct error *err)
{
	AUTO_FREE struct pci_reservation *res = NULL;
	AUTO_FREE struct vm_device *devices = NULL;
	size_t n_devices;
	size_t n_res;
	int64_t now = time(NULL);

	*c = (struct claims){0};
	if (pci_reservations(h->root, &res, &n_res, err) < 0 ||
	    vm_devices(h->root, &devices, &n_devices, err) < 0)
		return error_code(err);
	c->list = calloc(n_res + n_devices + 1, sizeof(*c->list));
	if (!c->list)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < n_res; i++) {
		struct vf_claim *claim = &c->list[c->n];

		if (!pci_reservation_live(h->root, &res[i], now))
			continue;
		*claim = (struct vf_claim){.addr = res[i].addr, .firm = true};
		snprintf(claim->who, sizeof(claim->who), "PVE has reserved it for VM %u",
			 res[i].vmid);
		c->n++;
	}
	for (size_t i = 0; i < n_devices; i++) {
		struct vf_claim *claim = &c->list[c->n++];

		*claim = (struct vf_claim){.addr = devices[i].addr, .firm = true};
		snprintf(claim->who, sizeof(claim->who), "VM %u runs with it", devices[i].vmid);
	}
	return 0;
}

/* held: it is to be leased to us; otherwise to nobody. */
static const char *vf_in_use(const struct vf_state *v, bool no_net, bool held, char *buf,
			     size_t size)
{
	char addr[PCI_ADDR_LEN];

	pci_addr_format(&v->info.addr, addr);
	if (!held && v->leased)
		return lease_use(v, buf, size);
	if (held && (!v->leased || v->lease_broken || v->lease.vmid != LEASE_SELF))
		snprintf(buf, size, "vfhook has lost VF %s", addr);
	else if (v->claim)
		snprintf(buf, size, "VF %s: %s", addr, v->claim->who);
	else if (v->busy != ANSWER_NO)
		snprintf(buf, size, "VF %s %s open in some process (/dev/vfio/%d)", addr,
			 v->busy == ANSWER_YES ? "is" : "may be", v->info.iommu_group);
	else
		return vf_host_use(v, no_net, buf, size);
	return buf;
}

/* 0, or -EBUSY with who uses one, or that this cannot be told. */
static int look(struct hook *h, const struct pf_id *pf, unsigned n, bool held, struct snapshot *s,
		struct error *err)
{
	CLEANUP(claims_free) struct claims c = {0};
	char why[320];

	if (read_claims(h, &c, err) < 0 || read_pf(h, pf, c.list, c.n, !held, s, err) < 0)
		return error_code(err);
	if (s->pfs[0].n_vfs != n)
		return fail(err, EBUSY, "somebody has changed its VFs meanwhile");
	for (size_t i = 0; i < n; i++) {
		if (vf_in_use(&s->pfs[0].vfs[i], pf->no_net, held, why, sizeof(why)))
			return fail(err, EBUSY, "%s", why);
	}
	return 0;
}

int vfs_look_held(struct hook *h, const struct pf_id *pf, unsigned n, struct error *err)
{
	CLEANUP(snapshot_free) struct snapshot s = {0};

	return look(h, pf, n, true, &s, err);
}

int plan_numvfs(const struct pf_id *pf, const struct pf_info *info, unsigned from, unsigned to,
		struct plan *p, struct error *err)
{
	char name[PF_NAME_LEN];
	char was[16];
	char want[16];
	char what[160];
	/* Making some takes nothing from anybody; and whoever comes next counts them himself. */
	const struct step_object o = {.kind = OBJECT_NUMVFS,
				      .name = pf_object_name(pf, name),
				      .from = was,
				      .to = want,
				      .what = what,
				      .harmless = to != 0};

	snprintf(was, sizeof(was), "%u", from);
	snprintf(want, sizeof(want), "%u", to);
	snprintf(what, sizeof(what), "PF %s: sriov_numvfs %u -> %u", info->ifname, from, to);
	return plan_add_object(p, &o, err);
}

int plan_remake(struct hook *h, const struct pf_id *pf, const struct pf_info *info, unsigned to,
		struct plan *p, struct error *err)
{
	CLEANUP(snapshot_free) struct snapshot s = {0};
	size_t first = p->n_steps;
	int r = look(h, pf, info->num_vfs, false, &s, err);

	for (unsigned i = 0; !r && s.pfs && i < info->num_vfs; i++)
		r = plan_hold(&s.pfs[0], &s.pfs[0].vfs[i], time(NULL), p, err);
	if (!r)
		r = plan_numvfs(pf, info, info->num_vfs, 0, p, err);
	if (!r)
		r = plan_numvfs(pf, info, 0, to, p, err);
	for (unsigned i = 0; !r && p->steps && i < info->num_vfs; i++) {
		const struct lease held = p->steps[first + i].lease;

		r = plan_let_go(&held, p, err);
	}
	return r;
}
