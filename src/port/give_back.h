/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving VFs back while a driver may not answer: done by a process of its own, which is given up
 * after some time, so that neither a stop, a start, nor a person waits for a card for ever.
 */
#ifndef VFHOOK_PORT_GIVE_BACK_H
#define VFHOOK_PORT_GIVE_BACK_H

#include <stddef.h>

#include "src/base/error.h"
#include "src/port/context.h"
#include "src/vf/owner.h"
#include "src/vf/sysfs.h"

/*
 * recover_own(), then release_vm() (src/port/reclaim.h), and what they return. -ETIMEDOUT with err:
 * given up after kernel_release_limit_ms(); the VFs that are not clean stay leased. In a dry run
 * nothing hangs, and no process is made.
 */
int give_back_vm(struct hook *h, const struct owner *o, const struct pci_addr *keep, size_t n_keep,
		 size_t *found, struct error *err);

/*
 * What somebody whose pool is full does first: the owner's own leases but for those of keep, and
 * those of VMs that are over (reclaim_stale()). What cannot be given back is told. 0, or -ETIMEDOUT
 * with err as above: then no other VF can be set either, since the driver has the kernel's
 * rtnl_lock.
 */
int give_back_for_start(struct hook *h, const struct owner *o, const struct pci_addr *keep,
			size_t n_keep, struct error *err);

#endif
