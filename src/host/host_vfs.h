/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VFs of a pool that are this host's own: set as wished, and given to their network driver. */
#ifndef VFHOOK_HOST_HOST_VFS_H
#define VFHOOK_HOST_HOST_VFS_H

#include "src/base/clock.h"
#include "src/port/context.h"
#include "src/port/pf_where.h"
#include "src/vf/owner.h"

/*
 * Once the PF has its VFs: its pool's host VFs get their settings, their driver and an interface;
 * one that has a driver already is left alone. The PF is up by then, unless its pool has
 * allow-pf-down: a VF's driver asks the PF for its address (igbvf takes a random one if the PF does
 * not answer). sriov_drivers_autoprobe is 1 for a moment, and the PF's other VFs get
 * driver_override before that, so that only these get a driver. Tells what it does, in a dry run
 * what it would do; each failure too. Returns how many VFs are not as they should be.
 */
unsigned host_vfs_ready(struct hook *h, const struct owner *self, const struct pf_where *w,
			const struct deadline *until);

/*
 * Tell of VFs that something on this host uses, and that are not set aside for it: they come
 * without a driver after the next boot. For boot, of a PF whose pool makes its VFs.
 */
void host_vfs_warn(struct hook *h, const struct pf_where *w);

#endif
