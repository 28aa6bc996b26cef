/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Giving VFs back under the locks of their VM, and undoing what a crashed run has left. */
#include "src/port/reclaim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pveapi/ct_state.h"
#include "pveapi/limits.h"
#include "pveapi/process.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/say.h"
#include "src/port/apply.h"
#include "src/port/device.h"
#include "src/port/events.h"
#include "src/port/hook_lock.h"
#include "src/port/foreseen.h"
#include "src/port/netdev.h"
#include "src/port/vm_locks.h"
#include "src/vf/journal.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"
#include "src/vf/plan_release.h"
#include "src/vf/snapshot.h"
#include "src/vf/sysfs.h"

/* A QEMU that is just gone may need a moment until the kernel has closed its VFIO groups: so long
 * for all that one run gives back. */
#define BUSY_WAIT_MS 3000
#define BUSY_NAP_MS  20

static int recover_journal(struct hook *h, const struct owner *o, struct error *err)
{
	int r = hook_kernel(h, err);

	if (!r)
		r = apply_recovery(h, o, err);
	return r < 0 ? r : 0;
}

int recover_own(struct hook *h, const struct owner *o, struct error *err)
{
	return journal_exists(h->root, JOURNAL_VFS, owner_vmid(o)) ? recover_journal(h, o, err) : 0;
}

static void recover_other(struct hook *h, uint32_t vmid)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	struct error why = ERROR_INIT;

	if (try_vm_locks(h, vmid, &locks) && recover_own(h, locks.ours, &why) < 0)
		complain("%s", why.text);
}

int recover_all(struct hook *h, const struct owner *o, struct error *err)
{
	AUTO_FREE uint32_t *vms = NULL;
	size_t n;

	if (journal_list(h->root, JOURNAL_VFS, &vms, &n, err) < 0)
		return error_code(err);
	/* The owner's first. It is there or not since before the list was read: we have its lock.
	 */
	for (size_t i = 0; i < n; i++) {
		if (vms[i] == owner_vmid(o) && recover_journal(h, o, err) < 0)
			return error_code(err);
	}
	for (size_t i = 0; i < n; i++) {
		if (vms[i] != owner_vmid(o))
			recover_other(h, vms[i]);
	}
	return 0;
}

int recover_configs(struct hook *h, struct error *err)
{
	AUTO_FREE uint32_t *vms = NULL;
	int left = 0;
	size_t n;

	if (journal_list(h->root, JOURNAL_CONFIG, &vms, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		AUTO_OWNER struct owner *o = NULL;
		struct error why = ERROR_INIT;

		/* Whoever has the lock is the one whose journal it is, or puts it right himself. */
		if (hook_lock_config(h, vms[i], 0, &o, &why) < 0 ||
		    !journal_exists(h->root, JOURNAL_CONFIG, vms[i]) ||
		    apply_config_recovery(h, o, &why) >= 0)
			continue;
		complain("%s", why.text);
		left++;
	}
	return left;
}

/* Is the group still open, once a QEMU that is just gone has had its moment? */
static enum answer group_stays_busy(struct hook *h, int group)
{
	enum answer busy = group < 0 ? ANSWER_NO : vfio_group_busy(h->root, group);

	for (; busy == ANSWER_YES && h->waited_ms < BUSY_WAIT_MS && !h->dry_run;
	     h->waited_ms += BUSY_NAP_MS) {
		nap_ms(BUSY_NAP_MS);
		busy = vfio_group_busy(h->root, group);
	}
	return busy;
}

static const char *parked_text(const struct plan *p, bool no_net, char *buf, size_t size)
{
	bool cut = false;

	if (no_net) {
		snprintf(buf, size, "it has nothing that could be cleared");
		return buf;
	}

	for (size_t i = 0; i < p->n_steps; i++)
		cut = cut || p->steps[i].kind == STEP_CUT;
	snprintf(buf, size, "%s%s",
		 plan_changes_vfs(p) ? "MAC, VLAN and trust cleared, spoofchk on"
				     : "it was clean already",
		 cut ? ", link down" : "");
	return buf;
}

/* "VM 100", "CT 110", or who has no number. */
static const char *whose(uint32_t vmid, bool container, char out[24])
{
	if (vmid == LEASE_SELF)
		snprintf(out, 24, "vfhook itself");
	else
		snprintf(out, 24, "%s %u", container ? "CT" : "VM", vmid);
	return out;
}

/* What releasing a lease takes. */
static int release_plan(struct hook *h, const struct lease *l, struct snapshot *s, struct plan *p,
			struct error *err)
{
	struct observer o = {.root = h->root, .kernel = h->kernel, .vmid = l->vmid};
	const struct pf_id pf_id = lease_pf_id(l);
	const struct pf_state *pf = NULL;
	const struct vf_state *v;
	enum answer busy = ANSWER_NO;
	char addr[PCI_ADDR_LEN];
	char who[24];

	pci_addr_format(&l->vf, addr);
	whose(l->vmid, lease_is_ct(l), who);
	if (foreseen_snapshot(h, &o, &pf_id, 1, &l->vf, 1, false, s, err) < 0)
		return error_code(err);
	v = snapshot_find(s, &l->vf, &pf);
	if (v && h->thought_stopped != l->vmid)
		busy = group_stays_busy(h, v->info.iommu_group);
	if (busy != ANSWER_NO)
		return fail(err, EBUSY,
			    "%s: VF %s %s (/dev/vfio/%d): not released, the next start that "
			    "needs a VF tries again",
			    who, addr,
			    busy == ANSWER_YES ? "is still open in some process"
					       : "may still be open in some process",
			    v->info.iommu_group);
	if (!v) {
		struct pci_addr of;
		unsigned index;
		int r = sysfs_vf_identify(h->root, &l->vf, &of, &index);

		/* One that is there, or may be, and cannot be asked is not clean: nobody may have
		 * it. */
		if (r != -ENODEV && r != -EINVAL)
			return fail(err, EIO, "%s: VF %s cannot be cleaned: %s", who, addr,
				    s->pfs[0].broken ? s->pfs[0].why : "it cannot be read");
	}
	if ((lease_is_ct(l) || (l->vmid == LEASE_SELF && v && netdev_is_ours(&v->info))) &&
	    plan_netdev_parking(h, l, v ? &v->info : NULL, p, err) < 0)
		return fail_context(err, "%s: VF %s is not released, and nobody gets it", who,
				    addr);
	return plan_release(pf, v, l, p, err);
}

static void tell_release(struct hook *h, const struct lease *l, const struct snapshot *s,
			 const struct plan *p, enum event_kind kind)
{
	const struct pf_state *pf = NULL;
	const struct vf_state *v = snapshot_find(s, &l->vf, &pf);
	const char *would = h->dry_run ? "would be " : "";
	bool self = l->vmid == LEASE_SELF;
	char addr[PCI_ADDR_LEN];
	char who[LEASE_HOLDER_LEN];
	char text[80];
	char line[256];

	pci_addr_format(&l->vf, addr);
	if (v)
		snprintf(line, sizeof(line), "VF %s (VF %u of %s) %s%s: %s", addr, l->index,
			 pf->info.ifname, would, self ? "parked" : "released",
			 parked_text(p, l->no_net, text, sizeof(text)));
	else
		snprintf(line, sizeof(line), "VF %s is no longer there, its lease %s dropped", addr,
			 h->dry_run ? "would be" : "is");
	if (self)
		say("%s", line);
	else
		say("%s: %s", lease_holder(l, who), line);
	if (self)
		event_add(h, 0, kind, "%s", line);
	else
		event_add(h, l->vmid, kind, "%s: %s", strrchr(lease_holder(l, who), ' ') + 1, line);
}

static int release_one(struct hook *h, const struct owner *o, const struct lease *l,
		       enum event_kind kind, struct error *err)
{
	CLEANUP(snapshot_free) struct snapshot s = {0};
	CLEANUP(plan_free) struct plan p;
	char addr[PCI_ADDR_LEN];
	char who[24];

	plan_init(&p, PLAN_RELEASE, l->vmid);
	if (release_plan(h, l, &s, &p, err) < 0)
		return error_code(err);
	if (apply_plan(h, o, &p, err) < 0)
		return fail_context(err, "%s: VF %s is not clean and stays out of use",
				    whose(l->vmid, lease_is_ct(l), who),
				    pci_addr_format(&l->vf, addr));
	tell_release(h, l, &s, &p, kind);
	return 0;
}

int foresee_stop(struct hook *h, uint32_t vmid, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	size_t n;

	h->thought_stopped = vmid;
	if (foreseen_leases(h, &all, &n, err) < 0 || hook_kernel(h, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(snapshot_free) struct snapshot s = {0};
		CLEANUP(plan_free) struct plan p;

		plan_init(&p, PLAN_RELEASE, vmid);
		if (all[i].broken || all[i].lease.vmid != vmid)
			continue;
		if (release_plan(h, &all[i].lease, &s, &p, err) < 0 || foresee(h, &p, err) < 0)
			return error_code(err);
	}
	return 0;
}

int foresee_release(struct hook *h, uint32_t vmid, struct error *err)
{
	AUTO_OWNER struct owner *o = NULL;
	int r = hook_lock_vm(h, vmid, 0, &o, err);

	if (!r)
		r = recover_own(h, o, err);
	if (!r)
		r = release_vm(h, o, NULL, 0, NULL, err);
	return r < 0 ? r : 0;
}

static bool is_kept(const struct pci_addr *vf, const struct pci_addr *keep, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!pci_addr_cmp(vf, &keep[i]))
			return true;
	}
	return false;
}

static int release_leases(struct hook *h, const struct owner *o, const struct pci_addr *keep,
			  size_t n_keep, size_t *found, enum event_kind kind, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	uint32_t vmid = owner_vmid(o);
	size_t n;
	bool container = false;
	char who[24];
	int released = 0;
	int bad = 0;

	if (found)
		*found = 0;
	if (foreseen_leases(h, &all, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		if (all[i].broken || all[i].lease.vmid != vmid || is_kept(&all[i].vf, keep, n_keep))
			continue;
		if (found)
			++*found;
		container = lease_is_ct(&all[i].lease);
		if (hook_kernel(h, err) < 0)
			return error_code(err);
		if (!release_one(h, o, &all[i].lease, kind, err)) {
			released++;
			continue;
		}
		complain("%s", err->text);
		bad++;
		/* A kernel that does not answer for one VF will not for the next. */
		if (err->code == ETIMEDOUT)
			break;
	}
	if (bad)
		return fail(err, EIO, "%s: %d VF%s could not be released",
			    whose(vmid, container, who), bad, bad == 1 ? "" : "s");
	return released;
}

int release_vm(struct hook *h, const struct owner *o, const struct pci_addr *keep, size_t n_keep,
	       size_t *found, struct error *err)
{
	return release_leases(h, o, keep, n_keep, found, EVENT_RELEASE, err);
}

enum answer lease_is_live(struct hook *h, const struct lease *l)
{
	const struct proc_id qemu = {.pid = l->qemu_pid, .start = l->qemu_start};
	struct proc_id now;
	enum answer runs;

	if (lease_is_ct(l))
		return ct_lives(h->root, l->vmid, &now, NULL);
	runs = vm_runs(h->root, l->vmid, &now, NULL);
	/* The process that post-start saw may live on without its pid file. */
	return runs == ANSWER_NO && qemu.pid ? proc_alive(h->root, &qemu) : runs;
}

/*
 * Does the VM, which runs, do so without that VF? A post-start that was cut off may have moved it
 * to another one. To be asked under the VM's locks: a start that is under way has no devices yet.
 */
static enum answer runs_without(struct hook *h, const struct lease *l)
{
	struct vm_hostpci has;
	struct proc_id qemu;
	enum answer runs;

	/* A container's is not to be had before it is over: its interface may be anywhere. */
	if (lease_is_ct(l))
		return ANSWER_NO;
	runs = vm_runs(h->root, l->vmid, &qemu, NULL);
	if (runs != ANSWER_YES)
		return runs;
	/* It was taken from the VM while it ran, and is kept for it. */
	if (lease_is_unplugged(l, &qemu))
		return ANSWER_NO;
	if (running_hostpci(h, l->vmid, &qemu, &has, NULL) < 0)
		return ANSWER_UNKNOWN;
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		if (has.has[slot] && !pci_addr_cmp(&has.vf[slot], &l->vf))
			return ANSWER_NO;
	}
	return ANSWER_YES;
}

static void tell_stale(const struct hook *h, uint32_t vmid, bool container)
{
	const char *what = h->dry_run ? "they would be taken back" : "taking them back";

	if (vmid == LEASE_SELF)
		say("VFs that vfhook itself was parking when it was cut off: %s", what);
	else
		say("%s %u is not running but holds VFs (a start that failed, or a stop that "
		    "nobody told us of): %s",
		    container ? "CT" : "VM", vmid, what);
}

static int take_back_one(struct hook *h, const struct owner *o, const struct lease *l)
{
	struct error why = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	int r;

	say("VM %u runs without VF %s, which is leased to it: %s", l->vmid,
	    pci_addr_format(&l->vf, addr),
	    h->dry_run ? "it would be taken back" : "taking it back");
	r = hook_kernel(h, &why);
	if (!r)
		r = release_one(h, o, l, EVENT_RECLAIM, &why);
	if (r < 0)
		complain("%s", why.text);
	return r;
}

/* Those of a running VM on VFs that it runs without. */
static int take_back_some(struct hook *h, const struct owner *o, const struct lease_entry *all,
			  size_t n)
{
	int released = 0;

	for (size_t i = 0; i < n; i++) {
		if (!all[i].broken && all[i].lease.vmid == owner_vmid(o) &&
		    runs_without(h, &all[i].lease) == ANSWER_YES &&
		    !take_back_one(h, o, &all[i].lease))
			released++;
	}
	return released;
}

/*
 * A VM that seemed to be over, or to run without a VF of its own, as it is under its locks: its
 * leases are read again, for what was read before may be another VM's by now.
 */
static int take_back_vm(struct hook *h, const struct owner *o)
{
	AUTO_FREE struct lease_entry *now = NULL;
	struct error why = ERROR_INIT;
	uint32_t vmid = owner_vmid(o);
	enum answer live = ANSWER_NO;
	bool container = false;
	bool any = false;
	size_t n = 0;
	int r = recover_own(h, o, &why);

	if (!r)
		r = foreseen_leases(h, &now, &n, &why);
	for (size_t i = 0; !r && i < n; i++) {
		if (now[i].broken || now[i].lease.vmid != vmid)
			continue;
		any = true;
		container = lease_is_ct(&now[i].lease);
		/* One that lives, or may, is enough. */
		if (live == ANSWER_NO)
			live = lease_is_live(h, &now[i].lease);
	}
	if (r < 0)
		complain("%s", why.text);
	if (r < 0 || !any || live == ANSWER_UNKNOWN)
		return 0;
	if (live == ANSWER_YES)
		return take_back_some(h, o, now, n);
	tell_stale(h, vmid, container);
	r = release_leases(h, o, NULL, 0, NULL, EVENT_RECLAIM, &why);
	return r < 0 ? 0 : r;
}

static bool was_before(const struct lease_entry *all, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (!all[k].broken && all[k].lease.vmid == all[i].lease.vmid)
			return true;
	}
	return false;
}

/* Without any lock, and so only a reason to look again under them. */
static bool seems_stale(struct hook *h, const struct lease_entry *all, size_t n, uint32_t vmid)
{
	for (size_t i = 0; i < n; i++) {
		const struct lease *l = &all[i].lease;

		if (all[i].broken || l->vmid != vmid)
			continue;
		if (lease_is_live(h, l) == ANSWER_NO || runs_without(h, l) == ANSWER_YES)
			return true;
	}
	return false;
}

int reclaim_stale(struct hook *h, uint32_t own_vmid, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	int released = 0;
	size_t n;

	if (foreseen_leases(h, &all, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
		uint32_t vmid = all[i].lease.vmid;

		if (all[i].broken) {
			complain("%s: VF stays out of use: vfhook repair", all[i].why);
			continue;
		}
		if (vmid == own_vmid || was_before(all, i) || !seems_stale(h, all, n, vmid) ||
		    !try_vm_locks(h, vmid, &locks))
			continue;
		released += take_back_vm(h, locks.ours);
	}
	return released;
}
