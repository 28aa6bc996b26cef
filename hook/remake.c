/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hook/remake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "hook/apply.h"
#include "hook/say.h"
#include "pveapi/vmstate.h"
#include "src/lease.h"
#include "src/numvfs.h"
#include "src/sysfs.h"

/*
 * PVE waits 5 s for its lock when it reserves, and 2 s when it gives back, and only warns then: a
 * write that takes longer goes on without the lock.
 */
#define PVE_LOCK_WAIT_MS 10000
#define PVE_LOCK_HOLD_MS 1500
/* A driver in reset answers EAGAIN or EBUSY. */
#define BUSY_WAIT_MS 15000
#define BUSY_NAP_MS  300
/* The functions are gone when write(2) returns, as far as we know; looked at all the same. */
#define GONE_WAIT_MS 5000

void held_vfs_free(struct held_vfs *held)
{
	free(held->leases);
	*held = (struct held_vfs)HELD_VFS_INIT;
}

const char *vf_host_use(const struct vf_state *v, char *buf, size_t size)
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
		snprintf(buf, size,
			 "the driver %s has VF %s, and its interface is not on this host (a "
			 "container's?)",
			 i->driver, addr);
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
		snprintf(buf, size, "VM %u has VF %s", v->lease.vmid, addr);
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

	if (seen_snapshot(h, &o, pf, 1, NULL, 0, true, s, err) < 0)
		return error_code(err);
	p = &s->pfs[0];
	if (p->broken || p->n_unread || p->n_vfs != p->info.num_vfs)
		return fail(err, EBUSY, "its VFs cannot be looked at%s%s", p->broken ? ": " : "",
			    p->broken ? p->why : "");
	return 0;
}

/* Whose lease kept us from ours. */
static const char *who_was_faster(struct hook *h, const struct pf_state *pf, char *buf, size_t size)
{
	for (size_t i = 0; i < pf->n_vfs; i++) {
		struct vf_state v = pf->vfs[i];
		struct error why = ERROR_INIT;
		int r = lease_read(h->root, &v.info.addr, &v.lease, &why);

		v.lease_broken = r == -EINVAL;
		snprintf(v.lease_why, sizeof(v.lease_why), "%.255s", why.text);
		if (!r || v.lease_broken)
			return lease_use(&v, buf, size);
	}
	return "somebody took one of its VFs meanwhile";
}

int vfs_hold(struct hook *h, const struct owner *self, const struct pf_id *pf, struct held_vfs *out,
	     struct error *err)
{
	CLEANUP(snapshot_free) struct snapshot s = {0};
	CLEANUP(plan_free) struct plan p;
	char why[320];
	int r;

	*out = (struct held_vfs)HELD_VFS_INIT;
	plan_init(&p, PLAN_START, LEASE_SELF);
	if (read_pf(h, pf, NULL, 0, true, &s, err) < 0)
		return error_code(err);
	out->leases = calloc(s.pfs[0].n_vfs + 1, sizeof(*out->leases));
	if (!out->leases)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < s.pfs[0].n_vfs; i++) {
		const struct vf_state *v = &s.pfs[0].vfs[i];

		if (v->leased)
			return fail(err, EBUSY, "%s", lease_use(v, why, sizeof(why)));
		if (plan_hold(&s.pfs[0], v, time(NULL), &p, err) < 0)
			return error_code(err);
		out->leases[out->n++] = p.steps[p.n_steps - 1].lease;
	}
	r = apply_plan(h, self, &p, err);
	if (r == -EEXIST)
		r = fail(err, EBUSY, "%s", who_was_faster(h, &s.pfs[0], why, sizeof(why)));
	return r;
}

int vfs_let_go(struct hook *h, const struct owner *self, const struct held_vfs *held,
	       struct error *err)
{
	CLEANUP(plan_free) struct plan p;

	plan_init(&p, PLAN_RELEASE, LEASE_SELF);
	for (size_t i = 0; i < held->n; i++) {
		if (plan_let_go(&held->leases[i], &p, err) < 0)
			return error_code(err);
	}
	return apply_plan(h, self, &p, err);
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

static const char *vf_in_use(const struct vf_state *v, char *buf, size_t size)
{
	char addr[PCI_ADDR_LEN];

	pci_addr_format(&v->info.addr, addr);
	if (!v->leased || v->lease_broken || v->lease.vmid != LEASE_SELF)
		snprintf(buf, size, "vfhook has lost VF %s", addr);
	else if (v->claim)
		snprintf(buf, size, "VF %s: %s", addr, v->claim->who);
	else if (v->busy != ANSWER_NO)
		snprintf(buf, size, "VF %s %s open in some process (/dev/vfio/%d)", addr,
			 v->busy == ANSWER_YES ? "is" : "may be", v->info.iommu_group);
	else
		return vf_host_use(v, buf, size);
	return buf;
}

/* Under the leases: 0, or -EBUSY with who uses one, or that this cannot be told. */
static int look_again(struct hook *h, const struct pf_id *pf, const struct held_vfs *held,
		      struct error *err)
{
	CLEANUP(claims_free) struct claims c = {0};
	CLEANUP(snapshot_free) struct snapshot s = {0};
	char why[320];

	if (read_claims(h, &c, err) < 0 || read_pf(h, pf, c.list, c.n, h->dry_run, &s, err) < 0)
		return error_code(err);
	if (s.pfs[0].n_vfs != held->n)
		return fail(err, EBUSY, "somebody has changed its VFs meanwhile");
	for (size_t i = 0; i < s.pfs[0].n_vfs; i++) {
		if (vf_in_use(&s.pfs[0].vfs[i], why, sizeof(why)))
			return fail(err, EBUSY, "%s", why);
	}
	return 0;
}

/* --- Gone --- */

static int wait_until_gone(struct hook *h, const struct pf_id *pf, struct error *err)
{
	struct deadline end = deadline_in(GONE_WAIT_MS);
	struct pf_info now;
	struct pci_addr vf;

	for (;;) {
		if (!sysfs_pf_read(h->root, &pf->addr, &now, NULL) && !now.num_vfs &&
		    sysfs_vf_addr(h->root, &pf->addr, 0, &vf) == -ENOENT)
			return 0;
		if (!deadline_left(&end))
			return fail(err, EIO,
				    "0 was written to sriov_numvfs, and it reads back as %u: look "
				    "at dmesg",
				    now.num_vfs);
		nap_ms(20);
	}
}

/* One try, and the only place that takes VFs away. */
static int write_none(struct hook *h, const struct owner *self, const struct pf_id *pf,
		      const struct held_vfs *held, const struct deadline *until, struct error *err)
{
	CLEANUP(numvfs_end) struct numvfs_write w = NUMVFS_WRITE_INIT;
	AUTO_CLOSE int lock =
		pci_reservations_lock(h->root, deadline_share(until, PVE_LOCK_WAIT_MS), err);
	int r;

	if (lock < 0)
		return fail_context(err, "PVE's lock on what it has reserved");
	if (look_again(h, pf, held, err) < 0)
		return error_code(err);
	if (numvfs_begin(h->root, &pf->addr, 0, owner_lock_fd(self), &w, err) < 0)
		return error_code(err);
	r = numvfs_wait(&w, PVE_LOCK_HOLD_MS);
	if (r == -EINPROGRESS) {
		close(STEAL_FD(lock));
		r = numvfs_wait(&w, deadline_left(until));
	}
	return r;
}

int vfs_take_away(struct hook *h, const struct owner *self, const struct pf_id *pf,
		  const struct held_vfs *held, const struct deadline *until, struct error *err)
{
	struct deadline patience = deadline_in(deadline_share(until, BUSY_WAIT_MS));
	int r;

	if (h->dry_run)
		return look_again(h, pf, held, err);
	for (;;) {
		error_clear(err);
		r = write_none(h, self, pf, held, until, err);
		if (!r)
			return wait_until_gone(h, pf, err);
		/* Ours, not the driver's. */
		if (err->code)
			return r;
		if ((r != -EAGAIN && r != -EBUSY) || !deadline_left(&patience))
			break;
		nap_ms(BUSY_NAP_MS);
	}
	/* EBUSY is for who finds that somebody has one. */
	return fail_errno(err, r == -EBUSY ? EAGAIN : -r, "write 0 to sriov_numvfs");
}
