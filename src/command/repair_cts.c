/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook repair: containers that run, and the VFs that their interfaces are of. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pveapi/ct_config.h"
#include "pveapi/ct_state.h"
#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/command/repair.h"
#include "src/port/apply.h"
#include "src/port/config_load.h"
#include "src/port/ct_net.h"
#include "src/port/ct_ports.h"
#include "src/port/foreseen.h"
#include "src/port/running_vf.h"
#include "src/port/vm_locks.h"
#include "src/port/vm_ports.h"
#include "src/show/inventory.h"
#include "src/vf/drivers.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"

/* --- VFs whose lease is lost --- */

/*
 * Whose is a VF that a network driver has, if no lease tells? By the name that its interface got
 * for a container; while it is away, in one, by its MAC, which the PF has. NULL: nobody's.
 */
static const struct port *port_of(const struct config *c, const struct vf_state *v)
{
	const struct vf_info *i = &v->info;
	unsigned slot;
	uint32_t vmid;

	if (!i->driver[0] || is_vfio_driver(i->driver) || v->unread)
		return NULL;
	if (i->ifname[0])
		return ct_link_parse(i->ifname, &vmid, &slot) ? config_port(c, vmid, slot) : NULL;
	for (size_t n = 0; n < c->n_ports; n++) {
		const struct port *p = &c->ports[n];

		if (p->netname[0] && !p->bad && (p->want.has & v->now.has & HAS_MAC) &&
		    !memcmp(p->want.mac, v->now.mac, sizeof(p->want.mac)))
			return p;
	}
	return NULL;
}

/* As it would have been written, but for what the VF was before. */
static int give_lease(struct repair *r, const struct owner *o, const struct pf_state *pf,
		      const struct vf_state *v, const struct port *p, bool broken,
		      struct error *err)
{
	struct step s = {.kind = broken ? STEP_LEASE_SEIZE : STEP_LEASE_TAKE,
			 .vf = v->info.addr,
			 .pf = pf->info.addr,
			 .from = v->now};
	const struct plan plan = {.kind = PLAN_MEND, .vmid = p->vmid, .steps = &s, .n_steps = 1};

	s.lease = (struct lease){.vf = v->info.addr,
				 .pf = pf->info.addr,
				 .index = v->info.index,
				 .vmid = p->vmid,
				 .slot = p->slot,
				 .taken = time(NULL),
				 .want = p->want};
	s.lease.before.proto = VLAN_PROTO_8021Q;
	memcpy(s.lease.pool, p->pool, sizeof(s.lease.pool));
	memcpy(s.lease.netname, p->netname, sizeof(s.lease.netname));
	return apply_plan(r->h, o, &plan, err);
}

/* Under the container's locks, as a start would take it. */
static void restore_lease(struct repair *r, const struct pf_state *pf, const struct vf_state *v,
			  const struct port *p)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	struct lease l;
	int found;

	if (!repair_lock_vm(r, p->vmid, &locks))
		return;
	found = foreseen_lease(r->h, &v->info.addr, &l, &err);
	if (found != -ENOENT && found != -EINVAL)
		return;
	repair_announce(r, p->vmid, "VF %s is CT %u's, as %s, and has %s: it gets one",
			pci_addr_format(&v->info.addr, addr), p->vmid, p->netname,
			found == -ENOENT ? "no lease" : "a lease file that cannot be used");
	error_clear(&err);
	if (give_lease(r, locks.ours, pf, v, p, found == -EINVAL, &err) < 0)
		repair_undone(r, &err);
}

static bool has_cts(const struct config *c)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		if (c->ports[i].netname[0])
			return true;
	}
	return false;
}

static void restore_leases(struct repair *r)
{
	CLEANUP(inventory_free) struct inventory inv = INVENTORY_INIT;
	CLEANUP(config_free) struct config c = {0};
	struct error ignored = ERROR_INIT;

	/* What cannot be read is told by those who look at all VFs. */
	if (config_load(r->h->root, &c, &ignored) < 0 || !has_cts(&c) ||
	    inventory_read(r->h, false, &inv, &ignored) < 0)
		return;
	for (size_t i = 0; i < inv.snapshot.n_pfs; i++) {
		const struct pf_state *pf = &inv.snapshot.pfs[i];

		for (size_t k = 0; !pf->broken && k < pf->n_vfs; k++) {
			const struct vf_state *v = &pf->vfs[k];
			const struct port *p = v->host || (v->leased && !v->lease_broken)
						       ? NULL
						       : port_of(&inv.config, v);

			if (p && p->netname[0] && !p->bad)
				restore_lease(r, pf, v, p);
		}
	}
}

/* --- Those that run --- */

/* Its lease, and how it is set at the PF. What it is called in there is the guest's. */
static void check_wish(struct repair *r, const struct owner *o, const struct vm_ports *v,
		       const struct port_wish *w, const struct proc_id *monitor)
{
	struct error err = ERROR_INIT;
	struct lease l;

	switch (port_lease(r->h, w, &l, &err)) {
	case ANSWER_UNKNOWN:
		repair_leave(r, "CT %u %s: %s", w->vmid, w->netname, err.text);
		return;
	case ANSWER_NO:
		repair_leave(r, "CT %u runs without the VF of its port %s: pct reboot %u", w->vmid,
			     w->netname, w->vmid);
		return;
	default:
		break;
	}
	if (strcmp(l.netname, w->netname) != 0) {
		repair_leave(r,
			     "CT %u runs with its interface as %s, which its port calls %s by now, "
			     "and nobody renames it while it runs: pct reboot %u",
			     w->vmid, l.netname, w->netname, w->vmid);
		return;
	}
	if (l.phase != LEASE_DIRTY)
		repair_port(r, o, v, w, &l.vf, monitor);
}

/* 1: it runs; 0: it does not, or may not: said. */
static int look_at_monitor(struct repair *r, uint32_t vmid, struct proc_id *monitor)
{
	struct error err = ERROR_INIT;
	enum answer runs = ct_lives(r->h->root, vmid, monitor, &err);

	if (runs == ANSWER_UNKNOWN && err.code == EAGAIN)
		say("CT %u: %s", vmid, err.text);
	else if (runs == ANSWER_UNKNOWN)
		repair_leave(r, "CT %u: whether it runs cannot be told: %s", vmid, err.text);
	return runs == ANSWER_YES;
}

static void check_ct(struct repair *r, uint32_t vmid)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	CLEANUP(ct_config_free) struct ct_config c = {0};
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	struct error err = ERROR_INIT;
	struct proc_id monitor;
	int found;

	if (!repair_lock_vm(r, vmid, &locks))
		return;
	if (!r->h->dry_run)
		repair_own_journal(r, locks.ours);
	if (!look_at_monitor(r, vmid, &monitor))
		return;
	found = ct_ports_load(r->h, vmid, &v, &c, &err);
	if (!found)
		return;
	if (found < 0 || ct_ports_wishes(r->h, &v, &err) < 0) {
		repair_leave(r, "CT %u: %s", vmid, err.text);
		return;
	}
	for (size_t i = 0; i < v.n_wishes; i++)
		check_wish(r, locks.ours, &v, &v.wishes[i], &monitor);
}

/* Has one before it in the list the same guest? */
static bool seen_before(const struct lease_entry *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!all[i].broken && all[i].lease.vmid == all[n].lease.vmid)
			return true;
	}
	return false;
}

void repair_cts(struct repair *r)
{
	AUTO_FREE struct lease_entry *all = NULL;
	struct error err = ERROR_INIT;
	size_t n;

	restore_leases(r);
	if (foreseen_leases(r->h, &all, &n, &err) < 0) {
		repair_leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (!all[i].broken && lease_is_ct(&all[i].lease) && !seen_before(all, i))
			check_ct(r, all[i].lease.vmid);
	}
}
