/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook repair: leases that cannot be used, those of VMs that are over, and VFs without one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pveapi/reservations.h"
#include "src/base/cleanup.h"
#include "src/command/repair.h"
#include "src/port/apply.h"
#include "src/port/give_back.h"
#include "src/port/netdev.h"
#include "src/port/reclaim.h"
#include "src/port/foreseen.h"
#include "src/port/vm_locks.h"
#include "src/show/inventory.h"
#include "src/vf/lease.h"
#include "src/vf/plan.h"
#include "src/vf/card.h"
#include "src/vf/drivers.h"
#include "src/vf/plan_park.h"
#include "src/vf/snapshot.h"
#include "src/vf/sysfs.h"

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
	l.no_net = !found && card_is_without_network(r->h->root, &l.pf);
	l.before.proto = l.want.proto = VLAN_PROTO_8021Q;
	if (!l.no_net)
		lease_set_unknown_owner(&l, HAS_MIN_RATE | HAS_MAX_RATE | HAS_QUERY_RSS);
	s.lease = l;
	s.pf = l.pf;
	return apply_plan(r->h, r->self, &p, err);
}

/* As it is now; one that cannot be read is told. */
static bool is_broken(struct repair *r, const struct pci_addr *vf)
{
	struct error err = ERROR_INIT;
	struct lease l;
	int found = foreseen_lease(r->h, vf, &l, &err);

	if (found < 0 && found != -EINVAL && found != -ENOENT)
		repair_leave(r, "%s", err.text);
	return found == -EINVAL;
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

/* A network driver of this host has it, which may be a container's interface: nobody can tell. */
static bool has_host_driver(struct repair *r, const struct lease_entry *e)
{
	char addr[PCI_ADDR_LEN];
	struct vf_info now;
	struct pci_addr pf;
	unsigned index;

	if (sysfs_vf_identify(r->h->root, &e->vf, &pf, &index) < 0 ||
	    sysfs_vf_read(r->h->root, NULL, &e->vf, &pf, index, &now, NULL) < 0 || !now.driver[0] ||
	    is_vfio_driver(now.driver))
		return false;
	repair_leave(
		r,
		"%s, and the driver %s of this host has that VF, perhaps in a container: once "
		"nobody uses it, take it from there (echo %s >/sys/bus/pci/drivers/%s/unbind), "
		"then vfhook repair",
		e->why, now.driver, pci_addr_format(&e->vf, addr), now.driver);
	return true;
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
		repair_leave(r, "%s, and a guest has that VF now: stop it first", e->why);
		return;
	}
	if (!is_broken(r, &e->vf) || has_host_driver(r, e))
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

	if (foreseen_leases(r->h, &all, &n, &err) < 0) {
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
	char who[LEASE_HOLDER_LEN];
	char addr[PCI_ADDR_LEN];
	struct lease l;

	if (lease_is_live(r->h, seen) != ANSWER_NO || !repair_lock_vm(r, seen->vmid, &locks))
		return;
	/* A start or stop that was under way then is over now, and may have used it or not. */
	if (foreseen_lease(r->h, &seen->vf, &l, NULL) < 0 || l.vmid != seen->vmid ||
	    lease_is_live(r->h, &l) != ANSWER_NO)
		return;
	pci_addr_format(&l.vf, addr);
	repair_announce(r, l.vmid, "VF %s is leased to %s, which is over: released", addr,
			lease_holder(&l, who));
	if (give_back_vm(r->h, locks.ours, NULL, 0, NULL, &err) < 0) {
		fail_context(&err, "VF %s stays leased to %s, which is over", addr,
			     lease_holder(&l, who));
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
	if (released < 0 || foreseen_leases(r->h, &all, &n, &err) < 0) {
		repair_leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (!all[i].broken && all[i].lease.vmid != LEASE_SELF)
			check_over(r, &all[i].lease);
	}
}

/* --- VFs that nobody has --- */

/* What came of a parking that was announced. */
static void tell_parked(struct repair *r, const char *addr, int done, struct error *err)
{
	if (done == -EEXIST) {
		/* A start was faster, and sets it as it wants it. */
		r->done--;
	} else if (done < 0) {
		fail_context(err, "VF %s", addr);
		repair_undone(r, err);
	}
}

static void park_marked(struct repair *r, const struct pf_state *pf, const struct vf_state *v)
{
	CLEANUP(plan_free) struct plan p;
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	int done;

	plan_init(&p, PLAN_START, LEASE_SELF);
	pci_addr_format(&v->info.addr, addr);
	done = plan_park(pf, v, time(NULL), &p, &err);
	if (!done && !p.n_steps)
		return;
	repair_announce(r, 0, "VF %s (VF %u of %s) is nobody's, and still set for a guest: parked",
			addr, v->info.index, pf->info.ifname);
	if (!done)
		done = apply_plan(r->h, r->self, &p, &err);
	tell_parked(r, addr, done, &err);
}

/* A container had it, and its lease is lost: under one of vfhook's own it is parked as ever. */
static void park_bound(struct repair *r, const struct pf_state *pf, const struct vf_state *v)
{
	CLEANUP(plan_free) struct plan p;
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	int done;

	plan_init(&p, PLAN_START, LEASE_SELF);
	repair_announce(r, 0,
			"VF %s (VF %u of %s) is nobody's, and its driver is a container's: parked",
			pci_addr_format(&v->info.addr, addr), v->info.index, pf->info.ifname);
	done = plan_hold(pf, v, time(NULL), &p, &err);
	if (!done)
		done = apply_plan(r->h, r->self, &p, &err);
	if (!done && !r->h->dry_run)
		done = release_vm(r->h, r->self, NULL, 0, NULL, &err);
	tell_parked(r, addr, done, &err);
}

static bool is_to_be_parked(struct repair *r, const struct vf_report *v)
{
	return vf_is_left_over(v) && !repair_is_used(r, &v->vf->info.addr);
}

void repair_free_vfs(struct repair *r)
{
	CLEANUP(inventory_free) struct inventory inv = INVENTORY_INIT;
	struct error err = ERROR_INIT;

	/* What a VM may run on is not to be parked as nobody's. */
	if (r->unsure)
		return;
	if (inventory_read(r->h, false, &inv, &err) < 0) {
		repair_leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < inv.n_pools; i++) {
		for (size_t k = 0; k < inv.pools[i].n_pfs; k++) {
			const struct pf_report *pf = &inv.pools[i].pfs[k];

			for (size_t n = 0; !pf->pf->broken && n < pf->n_vfs; n++) {
				const struct vf_state *vf = pf->vfs[n].vf;

				if (!is_to_be_parked(r, &pf->vfs[n]))
					continue;
				if (netdev_is_ours(&vf->info))
					park_bound(r, pf->pf, vf);
				else
					park_marked(r, pf->pf, vf);
			}
		}
	}
}
