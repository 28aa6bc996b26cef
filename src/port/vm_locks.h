/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both locks of a VM: PVE's on its config, and vfhook's own. Holding them; taking them is
 * hook_lock.h's. */
#ifndef VFHOOK_PORT_VM_LOCKS_H
#define VFHOOK_PORT_VM_LOCKS_H

#include "src/base/error.h"
#include "src/vf/owner.h"

/* Both locks of a VM, ours and PVE's. */
struct vm_locks {
	struct owner *ours;
	int pve;
	struct error why; /* after a failure, why: EWOULDBLOCK or none where somebody has one */
};

#define VM_LOCKS_INIT                                                                              \
	{                                                                                          \
		.pve = -1                                                                          \
	}

/* Let go of those that are held, and hold none. */
void vm_locks_drop(struct vm_locks *l);

#endif
