/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking the locks of a VM: vfhook's own, and PVE's. A dry run takes none, and only looks. */
#ifndef VFHOOK_PORT_HOOK_LOCK_H
#define VFHOOK_PORT_HOOK_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/port/context.h"
#include "src/port/vm_locks.h"
#include "src/vf/owner.h"

/*
 * Our own lock on a VM: two runs for one VM come one after the other. PVE's lock is held by our
 * parent during a phase and cannot serve for that. 0 and *out, released with owner_unlock(), or a
 * negative errno with err (-EWOULDBLOCK: somebody holds it). A dry run takes no lock and makes no
 * file: it tells if another run holds it.
 */
int hook_lock_vm(struct hook *h, uint32_t vmid, int timeout_ms, struct owner **out,
		 struct error *err);

/*
 * The lock for plans that change what PVE has of a VM, before all others, for a person's commands
 * and the job; a phase must not take it. -EBUSY: another command has it.
 */
int hook_lock_config(struct hook *h, uint32_t vmid, int timeout_ms, struct owner **out,
		     struct error *err);

/*
 * PVE's own lock on the guest, a VM or a container (guest_kind_here()), waiting at most timeout_ms:
 * a descriptor whose close() frees it; -EWOULDBLOCK: somebody holds it; another negative errno with
 * err.
 */
int guest_lock(struct hook *h, uint32_t vmid, int timeout_ms, struct error *err);

/*
 * Both locks, without waiting: *l is VM_LOCKS_INIT, and is to be released with vm_locks_drop() in
 * any case. False at once if anybody else holds one of them, or one cannot be taken: l->why tells
 * which. A dry run only looks whether it could.
 */
bool try_vm_locks(struct hook *h, uint32_t vmid, struct vm_locks *l);

/*
 * Both locks of a VM, in the order of a start, whose parent has PVE's; waits for either. To be
 * given back with vm_locks_drop(), also after a failure. 0 or a negative errno with err.
 */
int vm_locks_take(struct hook *h, uint32_t vmid, struct vm_locks *l, struct error *err);

#endif
