/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook repair: leases that cannot be used, and those of VMs that are over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "hook/apply.h"
#include "hook/mend.h"
#include "hook/repair.h"
#include "hook/say.h"
#include "pveapi/vmstate.h"
#include "src/lease.h"

/* --- Broken leases --- */

/*
 * A VF whose lease file cannot be used becomes vfhook's own first, in one step, so that nobody gets
 * it meanwhile: whose it was is not known. Then it is parked and given back like any other.
 */
static int adopt_broken(struct repair *r, const struct pci_addr *vf, struct error *err)
{
	struct lease l = {.vf = *vf, .vmid = LEASE_SELF, .taken = time(NULL)};
	struct step s = {.kind = STEP_LEASE_SEIZE, .vf = *vf};
	const struct plan p = {.kind = PLAN_MEND, .vmid = LEASE_SELF, .steps = &s, .n_steps = 1};
	int found = sysfs_vf_identify(r->h->root, vf, &l.pf, &l.index);

	if (found < 0 && found != -ENODEV && found != -EINVAL)
		return fail_errno(err, -found, "look at the VF");
	l.before.proto = l.want.proto = VLAN_PROTO_8021Q;
	s.lease = l;
	s.pf = l.pf;
	return apply_plan(r->h, r->self, &p, err);
}

static bool is_broken(struct repair *r, const struct pci_addr *vf)
{
	struct lease l;

	return seen_lease(r->h, vf, &l, NULL) == -EINVAL;
}

static bool is_reserved(struct repair *r, const struct pci_addr *vf)
{
	AUTO_FREE struct pci_reservation *all = NULL;
	struct error err = ERROR_INIT;
	int64_t now = time(NULL);
	size_t n;

	if (pci_reservations(r->h->root, &all, &n, &err) < 0)
		return true;
	for (size_t i = 0; i < n; i++) {
		if (!pci_addr_cmp(&all[i].addr, vf) &&
		    pci_reservation_live(r->h->root, &all[i], now))
			return true;
	}
	return false;
}

static void repair_one_broken(struct repair *r, const struct lease_entry *e)
{
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];

	pci_addr_format(&e->vf, addr);
	if (r->unsure) {
		repair_leave(r, "%s", e->why);
		return;
	}
	if (repair_is_used(r, &e->vf) || is_reserved(r, &e->vf)) {
		repair_leave(r, "%s, and a VM has that VF now: stop it first", e->why);
		return;
	}
	if (!is_broken(r, &e->vf))
		return;
	repair_announce(r, 0, "%s: the VF is parked, the file kept as %s.broken", e->why, addr);
	if (adopt_broken(r, &e->vf, &err) < 0 ||
	    release_vm(r->h, r->self, NULL, 0, NULL, &err) < 0) {
		fail_context(&err, "VF %s", addr);
		repair_undone(r, &err);
	}
}

void repair_broken(struct repair *r)
{
	AUTO_FREE struct lease_entry *all = NULL;
	struct error err = ERROR_INIT;
	size_t n;

	if (seen_leases(r->h, &all, &n, &err) < 0) {
		repair_leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (all[i].broken)
			repair_one_broken(r, &all[i]);
	}
}

/* --- Leases of VMs that are over --- */

/* A lease that was there when all were looked at: of a VM that is over, for all that was seen. */
static void check_over(struct repair *r, const struct lease *seen)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	struct lease l;

	if (lease_is_live(r->h, seen) != ANSWER_NO || !repair_lock_vm(r, seen->vmid, &locks))
		return;
	/* A start or stop that was under way then is over now, and may have used it or not. */
	if (seen_lease(r->h, &seen->vf, &l, NULL) < 0 || l.vmid != seen->vmid ||
	    lease_is_live(r->h, &l) != ANSWER_NO)
		return;
	pci_addr_format(&l.vf, addr);
	repair_announce(r, l.vmid, "VF %s is leased to VM %u, which is over: released", addr,
			l.vmid);
	if (recover_own(r->h, locks.ours, &err) < 0 ||
	    release_vm(r->h, locks.ours, NULL, 0, NULL, &err) < 0) {
		fail_context(&err, "VF %s stays leased to VM %u, which is over", addr, l.vmid);
		repair_undone(r, &err);
	}
}

/* What vfhook itself held when it was cut off: nobody else holds its lock now. */
static void repair_self(struct repair *r)
{
	struct error err = ERROR_INIT;
	int released = release_vm(r->h, r->self, NULL, 0, NULL, &err);

	if (released > 0)
		r->done += (unsigned)released;
	if (released < 0)
		repair_leave(r, "%s", err.text);
}

void repair_stale(struct repair *r)
{
	AUTO_FREE struct lease_entry *all = NULL;
	struct error err = ERROR_INIT;
	size_t n;
	int released;

	repair_self(r);
	released = reclaim_stale(r->h, LEASE_SELF, &err);

	if (released > 0)
		r->done += (unsigned)released;
	if (released < 0 || seen_leases(r->h, &all, &n, &err) < 0) {
		repair_leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (!all[i].broken && all[i].lease.vmid != LEASE_SELF)
			check_over(r, &all[i].lease);
	}
}
