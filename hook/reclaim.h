/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking back: what crashed runs of ours left (journal), and VFs of VMs that
 * no longer run (leases). "No longer runs" is never told by the lease alone:
 * PVE's lock on the VM must be free, or held by our own parent, and its QEMU gone.
 */
#ifndef VFHOOK_HOOK_RECLAIM_H
#define VFHOOK_HOOK_RECLAIM_H

#include "hook/hook.h"

/*
 * Mend what crashed runs left for any VM. own_vmid's lock is held by the
 * caller; a VM that somebody is at work on is left to him.
 */
int recover_all(struct hook *h, uint32_t own_vmid, struct error *err);

/*
 * Release every lease of a VM whose lock the caller holds, except those on the
 * n_keep VFs of keep. Goes on past failures; they are told as they happen. Returns how many
 * VFs were released, or a negative errno if any could not be. *found, if not NULL,
 * counts the leases there were.
 */
int release_vm(struct hook *h, uint32_t vmid, const struct pci_addr *keep, size_t n_keep,
	       size_t *found, struct error *err);

/* Release the VFs of all other VMs that are over without a post-stop. Returns how many. */
int reclaim_stale(struct hook *h, uint32_t own_vmid, struct error *err);

/* In a dry run: go on as if the VM, which runs, had been stopped and its VFs released. */
int foresee_stop(struct hook *h, uint32_t vmid, struct error *err);

/* Both locks of a VM, ours and PVE's. */
struct vm_locks {
	int ours;
	int pve;
};

#define VM_LOCKS_INIT                                                                              \
	{                                                                                          \
		-1, -1                                                                             \
	}

/* False at once if anybody is at work on that VM. A dry run only looks whether it could. */
bool try_vm_locks(struct hook *h, uint32_t vmid, struct vm_locks *l);
void vm_locks_drop(struct vm_locks *l);

/* Does the lease's VM run, as far as can be known? */
bool lease_is_live(struct hook *h, const struct lease *l);

#endif
