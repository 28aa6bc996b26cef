/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Letting go of them. */
#include "src/port/vm_locks.h"

#include "src/base/cleanup.h"

void vm_locks_drop(struct vm_locks *l)
{
	owner_unlock(l->ours);
	l->ours = NULL;
	cleanup_close(&l->pve);
	l->pve = -1;
}
