/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook repair: VMs that run, and the VFs that they run on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pveapi/limits.h"
#include "pveapi/process.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/command/repair.h"
#include "src/port/apply.h"
#include "src/port/device.h"
#include "src/port/hook_lock.h"
#include "src/port/plan_print.h"
#include "src/port/give_back.h"
#include "src/port/reclaim.h"
#include "src/port/running_vf.h"
#include "src/port/foreseen.h"
#include "src/port/vm_locks.h"
#include "src/port/vm_ports.h"
#include "src/vf/card.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"
#include "src/vf/port_wish.h"
#include "src/vf/sysfs.h"

static int add_used(struct repair *r, const struct pci_addr *vf, struct error *err)
{
	struct pci_addr *more = reallocarray(r->used, r->n_used + 1, sizeof(*more));

	if (!more)
		return fail(err, ENOMEM, "out of memory");
	r->used = more;
	r->used[r->n_used++] = *vf;
	return 0;
}

/* --- Running VMs --- */

static int drop_foreign(struct repair *r, const struct owner *o, const struct lease *l,
			struct error *err)
{
	struct step s = {.kind = STEP_LEASE_DROP,
			 .vf = l->vf,
			 .pf = l->pf,
			 .has_old_lease = true,
			 .old_lease = *l};
	const struct plan p = {.kind = PLAN_RELEASE, .vmid = l->vmid, .steps = &s, .n_steps = 1};

	return apply_plan(r->h, o, &p, err);
}

/*
 * Of another VM's lease on a VF that VM vmid runs on, under that VM's locks: ANSWER_NO in the way
 * of nobody any more, with *l the lease that may be dropped, or l->vmid 0 if there is none by now.
 * What else it is has been told: a VM is to be stopped only for a lease that is alive.
 */
static enum answer foreign_is_live(struct repair *r, uint32_t vmid, const struct lease *seen,
				   struct lease *l)
{
	struct error err = ERROR_INIT;
	enum answer live = ANSWER_UNKNOWN;
	char addr[PCI_ADDR_LEN];
	int found = foreseen_lease(r->h, &seen->vf, l, &err);

	pci_addr_format(&seen->vf, addr);
	if (found == -ENOENT) {
		l->vmid = 0;
		return ANSWER_NO;
	}
	if (found < 0) {
		repair_leave(r, "VM %u runs on VF %s: %s", vmid, addr, err.text);
		return ANSWER_UNKNOWN;
	}
	if (l->vmid == seen->vmid)
		live = lease_is_live(r->h, l);
	if (live == ANSWER_YES)
		repair_leave(r, "VM %u runs on VF %s, which is leased to VM %u: qm stop %u", vmid,
			     addr, l->vmid, vmid);
	if (live == ANSWER_UNKNOWN)
		repair_leave(r,
			     "VM %u runs on VF %s, which is leased to VM %u, and whether that VM "
			     "is over cannot be told now: vfhook repair, once more",
			     vmid, addr, l->vmid);
	return live;
}

/* The locks of the VM that a lease on a VF that VM vmid runs on is of: told if they cannot be had.
 */
static bool lock_foreign(struct repair *r, uint32_t vmid, const struct lease *seen,
			 struct vm_locks *l)
{
	char addr[PCI_ADDR_LEN];

	if (try_vm_locks(r->h, seen->vmid, l))
		return true;
	pci_addr_format(&seen->vf, addr);
	if (l->why.code && l->why.code != EWOULDBLOCK)
		repair_leave(r, "VM %u runs on VF %s, which is leased to VM %u: %s", vmid, addr,
			     seen->vmid, l->why.text);
	else
		repair_leave(
			r,
			"VM %u runs on VF %s, which is leased to VM %u, and that VM is being "
			"started, stopped or changed just now: vfhook repair, when that is over",
			vmid, addr, seen->vmid);
	return false;
}

/*
 * A lease of somebody else on a VF that this VM runs on: true if it is out of the way. It is
 * judged and dropped under the locks of the VM that it is of.
 */
static bool clear_foreign_lease(struct repair *r, uint32_t vmid, const struct lease *seen)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	struct lease l;

	if (!lock_foreign(r, vmid, seen, &locks) || foreign_is_live(r, vmid, seen, &l) != ANSWER_NO)
		return false;
	if (!l.vmid)
		return true;
	repair_announce(r, vmid,
			"VF %s: lease of VM %u, which is over, is dropped: VM %u runs on that VF",
			pci_addr_format(&l.vf, addr), l.vmid, vmid);
	if (!drop_foreign(r, locks.ours, &l, &err))
		return true;
	repair_undone(r, &err);
	return false;
}

/* A file that is no lease, on a VF that this VM runs on: the VM's, for all that is known. */
static bool clear_broken_lease(struct repair *r, const struct owner *o, const struct pci_addr *vf)
{
	struct lease l = {.vf = *vf, .vmid = owner_vmid(o), .taken = time(NULL)};
	struct step s = {.kind = STEP_LEASE_SEIZE, .vf = *vf};
	const struct plan p = {.kind = PLAN_MEND, .vmid = owner_vmid(o), .steps = &s, .n_steps = 1};
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];

	l.before.proto = l.want.proto = VLAN_PROTO_8021Q;
	repair_announce(r, l.vmid,
			"VF %s, which VM %u runs on, has a lease file that cannot be used: kept as "
			"%s.broken",
			pci_addr_format(vf, addr), l.vmid, addr);
	if (sysfs_vf_identify(r->h->root, vf, &l.pf, &l.index) < 0) {
		fail(&err, EIO, "VF %s cannot be looked at", addr);
		repair_undone(r, &err);
		return false;
	}
	l.no_net = card_is_without_network(r->h->root, &l.pf);
	s.lease = l;
	s.pf = l.pf;
	if (!apply_plan(r->h, o, &p, &err))
		return true;
	repair_undone(r, &err);
	return false;
}

/* Whatever lease is on a VF that this VM runs on becomes this VM's, or none: false if it cannot. */
static bool clear_lease(struct repair *r, const struct owner *o, const struct pci_addr *vf)
{
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	struct lease l;
	int found = foreseen_lease(r->h, vf, &l, &err);

	if (found == -ENOENT || (!found && l.vmid == owner_vmid(o)))
		return true;
	if (!found)
		return clear_foreign_lease(r, owner_vmid(o), &l);
	if (found == -EINVAL)
		return clear_broken_lease(r, o, vf);
	repair_leave(r, "VM %u runs on VF %s: %s", owner_vmid(o), pci_addr_format(vf, addr),
		     err.text);
	return false;
}

/* A container's monitor is another one after each reboot from inside. */
static bool is_up_to_date(const struct lease *l, const struct port_wish *w,
			  const struct proc_id *process)
{
	return l->slot == w->slot && l->phase == LEASE_RUNNING &&
	       (lease_is_ct(l) || (l->qemu_pid == process->pid && l->qemu_start == process->start));
}

/* Lease, settings and mapping of a VF that is this guest's, whoever else may be written there. */
void repair_port(struct repair *r, const struct owner *o, const struct vm_ports *v,
		 const struct port_wish *w, const struct pci_addr *vf,
		 const struct proc_id *process)
{
	CLEANUP(plan_free) struct plan p;
	struct error err = ERROR_INIT;
	char device[WISH_DEVICE_LEN];
	char addr[PCI_ADDR_LEN];
	struct lease l = {0};
	char from[sizeof(l.peer)];
	bool leased;
	bool hot;

	plan_init(&p, PLAN_MEND, w->vmid);
	pci_addr_format(vf, addr);
	wish_device(w, device);
	leased = !foreseen_lease(r->h, vf, &l, NULL);
	/* Its job sees to it (repair_plugging()). */
	if (leased && l.phase == LEASE_ARRIVING && l.qemu_pid == process->pid)
		return;
	if (plan_take_over(r->h, v, w, vf, &p, &err) < 0) {
		repair_leave(r, "%s %u %s: %s", vm_ports_guest(v), w->vmid, device, err.text);
		return;
	}
	if (leased && is_up_to_date(&l, w, process) && !plan_changes_vfs(&p) &&
	    !plan_has_object(&p, NULL))
		return;
	repair_announce(
		r, w->vmid, "%s %u %s runs on VF %s%s", vm_ports_guest(v), w->vmid, device, addr,
		!leased			    ? " without a lease: it gets one"
		: plan_changes_vfs(&p)	    ? ", which is not set as its port wants: set again"
		: plan_has_object(&p, NULL) ? ", which its mapping does not name: written again"
					    : ", whose lease is out of date: written again");
	if (!r->h->dry_run)
		plan_print(r->h, &p);
	hot = leased && l.hot;
	if (apply_plan(r->h, o, &p, &err) < 0 || foreseen_lease(r->h, vf, &l, &err) < 0) {
		repair_undone(r, &err);
		return;
	}
	/* A post-start that was cut off: l is as pre-start has left it, or the plan. */
	snprintf(from, sizeof(from), "%s", l.phase == LEASE_STARTING ? l.peer : "");
	/* As it was: the plan knows nothing of how QEMU got it. */
	if (hot) {
		l.hot = true;
		l.qemu_pid = process->pid;
		l.qemu_start = process->start;
	}
	if (mark_running(r->h, o, &l, process, from[0] ? from : NULL, &err) < 0)
		repair_undone(r, &err);
}

/* Leases of a running VM on VFs that it does not run on. */
static void drop_others(struct repair *r, const struct owner *o, const struct pci_addr *keep,
			size_t n_keep)
{
	uint32_t vmid = owner_vmid(o);
	AUTO_FREE struct lease_entry *all = NULL;
	struct error err = ERROR_INIT;
	bool any = false;
	char addr[PCI_ADDR_LEN];
	size_t n;

	if (foreseen_leases(r->h, &all, &n, &err) < 0) {
		repair_leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		bool kept = all[i].broken || all[i].lease.vmid != vmid;

		for (size_t k = 0; k < n_keep && !kept; k++)
			kept = !pci_addr_cmp(&keep[k], &all[i].vf);
		if (kept)
			continue;
		any = true;
		repair_announce(r, vmid,
				"VF %s is leased to VM %u, which runs without it: released",
				pci_addr_format(&all[i].vf, addr), vmid);
	}
	if (any && give_back_vm(r->h, o, keep, n_keep, NULL, &err) < 0)
		repair_undone(r, &err);
}

/* 1: it runs, and what it has is known; 0: it does not run, or that cannot be told: said. */
static int look_at_qemu(struct repair *r, uint32_t vmid, struct proc_id *qemu,
			struct vm_hostpci *has)
{
	struct error err = ERROR_INIT;
	enum answer runs = vm_runs(r->h->root, vmid, qemu, &err);
	int found;

	if (runs == ANSWER_UNKNOWN)
		repair_leave(r, "VM %u: whether it runs cannot be told: %s", vmid, err.text);
	if (runs != ANSWER_YES)
		return 0;
	found = running_hostpci(r->h, vmid, qemu, has, &err);
	/* It ended this moment: its VFs are taken back below. */
	if (found < 0 && found != -ESRCH)
		repair_leave(r, "VM %u: what it runs on cannot be told: %s", vmid, err.text);
	return !found;
}

static void check_running(struct repair *r, uint32_t vmid)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	AUTO_FREE struct pci_addr *keep = NULL;
	struct error err = ERROR_INIT;
	struct vm_hostpci has;
	struct proc_id qemu;
	int found;

	if (!repair_lock_vm(r, vmid, &locks))
		return;
	/* Whoever had the locks until now may have been killed: what leases say is half of it then.
	 */
	if (!r->h->dry_run)
		repair_own_journal(r, locks.ours);
	if (!look_at_qemu(r, vmid, &qemu, &has))
		return;
	found = vm_ports_load(r->h, vmid, &v, &err);
	if (found == -ENOENT) {
		say("VM %u runs here, but its config is not this node's (a migration under way?): "
		    "left alone",
		    vmid);
		return;
	}
	if (found < 0 || vm_ports_wishes(r->h, &v, false, &err) < 0) {
		repair_leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < v.n_wishes; i++) {
		const struct port_wish *w = &v.wishes[i];

		if (has.has[w->slot] && clear_lease(r, locks.ours, &has.vf[w->slot]))
			repair_port(r, locks.ours, &v, w, &has.vf[w->slot], &qemu);
	}
	found = running_keeps(r->h, vmid, &qemu, &has, &keep, &err);
	if (found < 0)
		repair_leave(r, "%s", err.text);
	else
		drop_others(r, locks.ours, keep, (size_t)found);
	repair_plugging(r, locks.ours, &qemu, &has);
}

/* The VFs of a VM that runs are not to be parked as nobody's, also where not all can be told. */
static enum answer note_used(struct repair *r, uint32_t vmid, struct error *err)
{
	struct vm_hostpci has;
	struct proc_id qemu;
	enum answer runs = vm_runs(r->h->root, vmid, &qemu, err);
	int found;

	if (runs != ANSWER_YES)
		return runs;
	found = running_hostpci(r->h, vmid, &qemu, &has, err);
	if (found < 0)
		return found == -ESRCH ? ANSWER_NO : ANSWER_UNKNOWN;
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		if (has.has[slot] && add_used(r, &has.vf[slot], err) < 0)
			return ANSWER_UNKNOWN;
	}
	return ANSWER_YES;
}

void repair_running(struct repair *r)
{
	for (size_t i = 0; i < r->n_vms; i++) {
		struct error err = ERROR_INIT;
		enum answer runs = note_used(r, r->vms[i], &err);

		if (runs == ANSWER_UNKNOWN) {
			r->unsure = true;
			repair_leave(r, "VM %u: what it runs on cannot be told: %s", r->vms[i],
				     err.text);
		}
		if (runs == ANSWER_YES)
			check_running(r, r->vms[i]);
	}
}
