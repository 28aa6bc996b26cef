/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking back: what crashed runs of ours left (journal), and VFs of VMs that
 * no longer run (leases). "No longer runs" is never told by the lease alone:
 * PVE's lock on the VM must be free, or held by our own parent, and its QEMU gone.
 */
#ifndef VFHOOK_PORT_RECLAIM_H
#define VFHOOK_PORT_RECLAIM_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/answer.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/port/context.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"

/*
 * Put right what a crashed run left for the owner's VM. 0 or a negative errno with err. Other VMs'
 * journals are left to starts, boot and repair (recover_all()): a stop must not wait for them.
 */
int recover_own(struct hook *h, const struct owner *o, struct error *err);

/*
 * The same, and then for all other VMs; a VM that somebody else holds a lock of is left to him. 0,
 * or a negative errno with err if it is the owner's that could not be put right, or nobody can tell
 * what there is; of the others' that is told.
 */
int recover_all(struct hook *h, const struct owner *o, struct error *err);

/*
 * What commands and the job left on PVE's side of any VM. Not for a phase
 * (apply_config_recovery()). Returns how many could not be put right, which is told and left to the
 * next run, or a negative errno.
 */
int recover_configs(struct hook *h, struct error *err);

/*
 * Release every lease of the owner's VM, except those on the n_keep VFs of keep. Goes on past
 * failures; they are told as they happen. Returns how many VFs were released, or a negative errno
 * if any could not be. *found, if not NULL, counts the leases there were.
 */
int release_vm(struct hook *h, const struct owner *o, const struct pci_addr *keep, size_t n_keep,
	       size_t *found, struct error *err);

/*
 * Release the VFs of all other VMs that are over without a post-stop, and those that a running VM
 * runs without. What is done is decided by leases that are read under the locks of their VM.
 * Returns how many.
 */
int reclaim_stale(struct hook *h, uint32_t own_vmid, struct error *err);

/* In a dry run: go on as if the VM, which runs, had been stopped and its VFs released. */
int foresee_stop(struct hook *h, uint32_t vmid, struct error *err);
/*
 * For a dry run of a detach: what the guest still holds would be released, too, and is told like a
 * plan's own steps. 0, or a negative errno with err.
 */
int foresee_release(struct hook *h, uint32_t vmid, struct error *err);

/* Does the lease's VM run? */
enum answer lease_is_live(struct hook *h, const struct lease *l);

#endif
