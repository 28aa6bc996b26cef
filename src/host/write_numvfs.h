/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many VFs a PF has is changed. Boot and repair alone have this (struct vfs_maker's write); the
 * program that PVE calls has not.
 */
#ifndef VFHOOK_HOST_WRITE_NUMVFS_H
#define VFHOOK_HOST_WRITE_NUMVFS_H

#include "src/port/context.h"

/*
 * Make the VFs of a PF, now->num_vfs, n: one of them is 0. Those that there are must be leased to
 * vfhook itself. 0, or a negative errno with err, -EBUSY: somebody has one, or that cannot be told;
 * -EINPROGRESS: the kernel has not finished the write by h->maker->until, and it may still come.
 */
int write_numvfs(struct hook *h, const struct pf_id *pf, const struct pf_info *now, unsigned n,
		 struct error *err);

#endif
