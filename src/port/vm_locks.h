/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both locks of a VM, PVE's on its config and vfhook's own, as they are held (hook_lock.h takes
 * them). */
#ifndef VFHOOK_PORT_VM_LOCKS_H
#define VFHOOK_PORT_VM_LOCKS_H

#include "src/base/error.h"
#include "src/vf/owner.h"

/* Release with vm_locks_drop(). */
struct vm_locks {
	struct owner *ours; /* NULL: not held */
	int pve;	    /* a descriptor, -1: not held */
	struct error why;   /* after a failure, why: EWOULDBLOCK or none where somebody has one */
};

#define VM_LOCKS_INIT ((struct vm_locks){.pve = -1})

/* Let go of those that are held, and hold none. */
void vm_locks_drop(struct vm_locks *l);

#endif
