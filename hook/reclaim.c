/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hook/reclaim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/say.h"
#include "pveapi/vmstate.h"
#include "src/lease.h"
#include "src/sysfs.h"

/* A QEMU that is just gone may need a moment until the kernel has closed its VFIO group. */
#define BUSY_WAIT_MS 3000
#define BUSY_NAP_MS  20

struct vm_locks {
	int ours;
	int pve;
};

static void vm_locks_drop(struct vm_locks *l)
{
	cleanup_close(&l->ours);
	cleanup_close(&l->pve);
}

/* Both locks of another VM, or false at once if anybody is at work on it. */
static bool try_vm_locks(struct hook *h, uint32_t vmid, struct vm_locks *l)
{
	struct error busy = ERROR_INIT; /* or any other reason: then it is not our turn either */

	l->ours = hook_lock_vm(h, vmid, 0, &busy);
	if (l->ours < 0)
		return false;
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
		CLEANUP(vm_locks_drop) struct vm_locks locks = {-1, -1};

		if (vms[i] != own_vmid && !try_vm_locks(h, vms[i], &locks))
			continue;
		if (hook_kernel(h, err) < 0)
			return error_code(err);
		if (recover(&h->exec, vms[i], err) < 0) {
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
		if (waited >= BUSY_WAIT_MS)
			return true;
		nanosleep(&(struct timespec){0, BUSY_NAP_MS * 1000000L}, NULL);
	}
	return false;
}

static const char *parked_text(const struct plan *p, char *buf, size_t size)
{
	snprintf(buf, size, "%s",
		 plan_changes_vfs(p) ? "MAC, VLAN and trust cleared, spoofchk on"
				     : "it was clean already");
	return buf;
}

static int release_one(struct hook *h, const struct lease *l, struct error *err)
{
	struct observer o = {.root = h->root, .kernel = h->kernel, .vmid = l->vmid};
	CLEANUP(snapshot_free) struct snapshot s = {0};
	CLEANUP(plan_free) struct plan p;
	const struct pf_state *pf = NULL;
	const struct vf_state *v;
	char addr[PCI_ADDR_LEN];
	char text[80];

	plan_init(&p, PLAN_RELEASE, l->vmid);
	pci_addr_format(&l->vf, addr);
	if (snapshot_read(&o, &l->pf, 1, &l->vf, 1, false, &s, err) < 0)
		return error_code(err);
	v = snapshot_find(&s, &l->vf, &pf);
	if (v && group_stays_busy(h, v->info.iommu_group))
		return fail(err, EBUSY,
			    "VM %u: VF %s is still open in some process (/dev/vfio/%d): not "
			    "released, the next start that needs a VF tries again",
			    l->vmid, addr, v->info.iommu_group);
	if (!v && s.pfs[0].broken && path_exists(h->root, "sys/bus/pci/devices")) {
		struct pci_addr of;
		unsigned index;

		/* A VF whose PF cannot be asked is not clean, so it is nobody's to have. */
		if (!sysfs_vf_identify(h->root, &l->vf, &of, &index))
			return fail(err, EIO, "VM %u: VF %s cannot be cleaned: %s", l->vmid, addr,
				    s.pfs[0].why);
	}
	if (plan_release(pf, v, l, &p, err) < 0)
		return error_code(err);
	if (execute(&h->exec, &p, err) < 0) {
		fail_context(err, "VM %u: VF %s is not clean and stays out of use", l->vmid, addr);
		return error_code(err);
	}
	if (v)
		say("VM %u hostpci%u: VF %s (VF %u of %s) released: %s", l->vmid, l->slot, addr,
		    l->index, pf->info.ifname, parked_text(&p, text, sizeof(text)));
	else
		say("VM %u hostpci%u: VF %s is no longer there, its lease is dropped", l->vmid,
		    l->slot, addr);
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

int release_vm(struct hook *h, uint32_t vmid, const struct pci_addr *keep, size_t n_keep,
	       size_t *found, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	size_t n;
	int released = 0;
	int bad = 0;

	if (found)
		*found = 0;
	if (lease_list(h->root, &all, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		if (all[i].broken || all[i].lease.vmid != vmid || is_kept(&all[i].vf, keep, n_keep))
			continue;
		if (found)
			++*found;
		if (hook_kernel(h, err) < 0)
			return error_code(err);
		if (!release_one(h, &all[i].lease, err)) {
			released++;
			continue;
		}
		complain("%s", err->text);
		bad++;
	}
	if (bad)
		return fail(err, EIO, "VM %u: %d VF%s could not be released", vmid, bad,
			    bad == 1 ? "" : "s");
	return released;
}

static bool lease_is_live(struct hook *h, const struct lease *l)
{
	struct proc_id qemu = {.pid = l->qemu_pid, .start = l->qemu_start};
	struct proc_id now;

	/* Not knowing is no reason to take a VF away. */
	return vm_process(h->root, l->vmid, &now, NULL) != 0 ||
	       (qemu.pid && proc_alive(h->root, &qemu));
}

int reclaim_stale(struct hook *h, uint32_t own_vmid, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	uint32_t seen = 0;
	int released = 0;
	size_t n;

	if (lease_list(h->root, &all, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(vm_locks_drop) struct vm_locks locks = {-1, -1};
		const struct lease *l = &all[i].lease;
		struct error why = ERROR_INIT;
		int r;

		if (all[i].broken) {
			complain("%s: VF stays out of use until the file is removed", all[i].why);
			continue;
		}
		if (l->vmid == own_vmid || l->vmid == seen || lease_is_live(h, l))
			continue;
		if (!try_vm_locks(h, l->vmid, &locks))
			continue;
		/* It may have started, or ended properly, until we had its locks. */
		if (lease_is_live(h, l))
			continue;
		seen = l->vmid;
		say("VM %u is not running but holds VFs (a start that failed, or a stop that "
		    "nobody told us of): taking them back",
		    l->vmid);
		if (hook_kernel(h, &why) < 0 || recover(&h->exec, l->vmid, &why) < 0) {
			complain("%s", why.text);
			continue;
		}
		r = release_vm(h, l->vmid, NULL, 0, NULL, &why);
		if (r > 0)
			released += r;
	}
	return released;
}
