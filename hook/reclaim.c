/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hook/reclaim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/apply.h"
#include "hook/events.h"
#include "hook/say.h"
#include "pveapi/vmstate.h"
#include "src/lease.h"
#include "src/sysfs.h"

/* A QEMU that is just gone may need a moment until the kernel has closed its VFIO group. */
#define BUSY_WAIT_MS 3000
#define BUSY_NAP_MS  20

void vm_locks_drop(struct vm_locks *l)
{
	cleanup_close(&l->ours);
	cleanup_close(&l->pve);
}

bool try_vm_locks(struct hook *h, uint32_t vmid, struct vm_locks *l)
{
	char ours[64];
	char pve[64];
	struct error busy = ERROR_INIT; /* or any other reason: then it is not our turn either */

	if (h->dry_run) {
		snprintf(ours, sizeof(ours), RUN_DIR "/locks/%u", vmid);
		vm_lock_path(vmid, pve);
		return lock_is_free(h->root, ours) && lock_is_free(h->root, pve);
	}
	l->ours = hook_lock_vm(h, vmid, 0, &busy);
	if (l->ours < 0)
		return false;
	/* No VM has our own number: there is nothing of PVE's to wait for. */
	if (vmid == LEASE_SELF)
		return true;
	l->pve = vm_lock(h->root, vmid, 0, &busy);
	return l->pve >= 0;
}

int recover_all(struct hook *h, uint32_t own_vmid, struct error *err)
{
	AUTO_FREE uint32_t *vms = NULL;
	size_t n;

	if (journal_list(h->root, &vms, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;

		if (vms[i] != own_vmid && !try_vm_locks(h, vms[i], &locks))
			continue;
		if (hook_kernel(h, err) < 0)
			return error_code(err);
		if (apply_recovery(h, vms[i], err) < 0) {
			if (vms[i] == own_vmid)
				return error_code(err);
			complain("%s", err->text);
			error_clear(err);
		}
	}
	return 0;
}

static bool group_stays_busy(struct hook *h, int group)
{
	for (int waited = 0; group >= 0 && vfio_group_busy(h->root, group); waited += BUSY_NAP_MS) {
		if (waited >= BUSY_WAIT_MS || h->dry_run)
			return true;
		nanosleep(&(struct timespec){0, BUSY_NAP_MS * 1000000L}, NULL);
	}
	return false;
}

static const char *parked_text(const struct plan *p, char *buf, size_t size)
{
	bool cut = false;

	for (size_t i = 0; i < p->n_steps; i++)
		cut = cut || p->steps[i].kind == STEP_CUT;
	snprintf(buf, size, "%s%s",
		 plan_changes_vfs(p) ? "MAC, VLAN and trust cleared, spoofchk on"
				     : "it was clean already",
		 cut ? ", link down" : "");
	return buf;
}

/* What releasing a lease takes. */
static int release_plan(struct hook *h, const struct lease *l, struct snapshot *s, struct plan *p,
			struct error *err)
{
	struct observer o = {.root = h->root, .kernel = h->kernel, .vmid = l->vmid};
	const struct pf_state *pf = NULL;
	const struct vf_state *v;
	char addr[PCI_ADDR_LEN];

	pci_addr_format(&l->vf, addr);
	if (seen_snapshot(h, &o, &(struct pf_id){.addr = l->pf}, 1, &l->vf, 1, false, s, err) < 0)
		return error_code(err);
	v = snapshot_find(s, &l->vf, &pf);
	if (v && h->thought_stopped != l->vmid && group_stays_busy(h, v->info.iommu_group))
		return fail(err, EBUSY,
			    "VM %u: VF %s is still open in some process (/dev/vfio/%d): not "
			    "released, the next start that needs a VF tries again",
			    l->vmid, addr, v->info.iommu_group);
	if (!v) {
		struct pci_addr of;
		unsigned index;
		int r = sysfs_vf_identify(h->root, &l->vf, &of, &index);

		/* One that is there, or may be, and cannot be asked is not clean: nobody may have
		 * it. */
		if (r != -ENODEV && r != -EINVAL)
			return fail(err, EIO, "VM %u: VF %s cannot be cleaned: %s", l->vmid, addr,
				    s->pfs[0].broken ? s->pfs[0].why : "it cannot be read");
	}
	return plan_release(pf, v, l, p, err);
}

static void tell_release(struct hook *h, const struct lease *l, const struct snapshot *s,
			 const struct plan *p, enum event_kind kind)
{
	const struct pf_state *pf = NULL;
	const struct vf_state *v = snapshot_find(s, &l->vf, &pf);
	char addr[PCI_ADDR_LEN];
	char text[80];
	char line[256];

	pci_addr_format(&l->vf, addr);
	if (v)
		snprintf(line, sizeof(line), "hostpci%u: VF %s (VF %u of %s) %sreleased: %s",
			 l->slot, addr, l->index, pf->info.ifname, h->dry_run ? "would be " : "",
			 parked_text(p, text, sizeof(text)));
	else
		snprintf(line, sizeof(line),
			 "hostpci%u: VF %s is no longer there, its lease %s dropped", l->slot, addr,
			 h->dry_run ? "would be" : "is");
	say("VM %u %s", l->vmid, line);
	event_add(h, l->vmid, kind, "%s", line);
}

static int release_one(struct hook *h, const struct lease *l, enum event_kind kind,
		       struct error *err)
{
	CLEANUP(snapshot_free) struct snapshot s = {0};
	CLEANUP(plan_free) struct plan p;
	char addr[PCI_ADDR_LEN];

	plan_init(&p, PLAN_RELEASE, l->vmid);
	if (release_plan(h, l, &s, &p, err) < 0)
		return error_code(err);
	if (apply_plan(h, &p, err) < 0)
		return fail_context(err, "VM %u: VF %s is not clean and stays out of use", l->vmid,
				    pci_addr_format(&l->vf, addr));
	tell_release(h, l, &s, &p, kind);
	return 0;
}

int foresee_stop(struct hook *h, uint32_t vmid, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	size_t n;

	h->thought_stopped = vmid;
	if (seen_leases(h, &all, &n, err) < 0 || hook_kernel(h, err) < 0)
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

static bool is_kept(const struct pci_addr *vf, const struct pci_addr *keep, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!pci_addr_cmp(vf, &keep[i]))
			return true;
	}
	return false;
}

static int release_leases(struct hook *h, uint32_t vmid, const struct pci_addr *keep, size_t n_keep,
			  size_t *found, enum event_kind kind, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	size_t n;
	int released = 0;
	int bad = 0;

	if (found)
		*found = 0;
	if (seen_leases(h, &all, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		if (all[i].broken || all[i].lease.vmid != vmid || is_kept(&all[i].vf, keep, n_keep))
			continue;
		if (found)
			++*found;
		if (hook_kernel(h, err) < 0)
			return error_code(err);
		if (!release_one(h, &all[i].lease, kind, err)) {
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
		return fail(err, EIO, "VM %u: %d VF%s could not be released", vmid, bad,
			    bad == 1 ? "" : "s");
	return released;
}

int release_vm(struct hook *h, uint32_t vmid, const struct pci_addr *keep, size_t n_keep,
	       size_t *found, struct error *err)
{
	return release_leases(h, vmid, keep, n_keep, found, EVENT_RELEASE, err);
}

bool lease_is_live(struct hook *h, const struct lease *l)
{
	struct proc_id qemu = {.pid = l->qemu_pid, .start = l->qemu_start};
	struct proc_id now;

	/* Not knowing is no reason to take a VF away. */
	return vm_process(h->root, l->vmid, &now, NULL) != 0 ||
	       (qemu.pid && proc_alive(h->root, &qemu));
}

/*
 * Does the VM run, without that VF? A post-start that was cut off may have moved it to another
 * one. To be asked under the VM's locks: a start that is under way has no devices yet.
 */
static bool runs_without(struct hook *h, const struct lease *l)
{
	struct proc_id qemu;

	if (vm_process(h->root, l->vmid, &qemu, NULL) != 1)
		return false;
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		struct pci_addr vf;
		int r = vm_hostpci_actual(h->root, &qemu, slot, &vf, NULL);

		if (r < 0 || (r && !pci_addr_cmp(&vf, &l->vf)))
			return false;
	}
	return true;
}

static void tell_stale(const struct hook *h, uint32_t vmid)
{
	const char *what = h->dry_run ? "they would be taken back" : "taking them back";

	if (vmid == LEASE_SELF)
		say("VFs that vfhook itself was parking when it was cut off: %s", what);
	else
		say("VM %u is not running but holds VFs (a start that failed, or a stop that "
		    "nobody told us of): %s",
		    vmid, what);
}

static int take_back_one(struct hook *h, const struct lease *l)
{
	struct error why = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	int r;

	say("VM %u runs without VF %s, which is leased to it: %s", l->vmid,
	    pci_addr_format(&l->vf, addr),
	    h->dry_run ? "it would be taken back" : "taking it back");
	r = hook_kernel(h, &why);
	if (!r)
		r = apply_recovery(h, l->vmid, &why);
	if (r >= 0)
		r = release_one(h, l, EVENT_RECLAIM, &why);
	if (r < 0)
		complain("%s", why.text);
	return r;
}

int reclaim_stale(struct hook *h, uint32_t own_vmid, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	uint32_t seen = 0;
	int released = 0;
	size_t n;

	if (seen_leases(h, &all, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
		const struct lease *l = &all[i].lease;
		struct error why = ERROR_INIT;
		int r;

		if (all[i].broken) {
			complain("%s: VF stays out of use until the file is removed", all[i].why);
			continue;
		}
		if (l->vmid == own_vmid || l->vmid == seen ||
		    (lease_is_live(h, l) && !runs_without(h, l)))
			continue;
		if (!try_vm_locks(h, l->vmid, &locks))
			continue;
		/* It may have started, or ended properly, until we had its locks. */
		if (lease_is_live(h, l)) {
			if (runs_without(h, l) && !take_back_one(h, l))
				released++;
			continue;
		}
		seen = l->vmid;
		tell_stale(h, l->vmid);
		if (hook_kernel(h, &why) < 0 || apply_recovery(h, l->vmid, &why) < 0) {
			complain("%s", why.text);
			continue;
		}
		r = release_leases(h, l->vmid, NULL, 0, NULL, EVENT_RECLAIM, &why);
		if (r > 0)
			released += r;
	}
	return released;
}
