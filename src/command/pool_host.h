/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook pool: what this host has of a PF, before a pool takes it and when it lets it go. */
#ifndef VFHOOK_COMMAND_POOL_HOST_H
#define VFHOOK_COMMAND_POOL_HOST_H

#include "src/port/config.h"
#include "src/port/config_pools.h"
#include "src/port/context.h"
#include "src/vf/sysfs.h"

/*
 * Before the pool is written: tell which VFs are in use on this host and would come without a
 * driver after the next boot, and the command that keeps them. -EBUSY: one is in use for certain,
 * and nobody has said (a->sets_hosts) that it is not to be kept.
 */
int pool_tell_uses(struct hook *h, const struct pool_addition *a, struct error *err);

/* What boot has set for the PFs of a pool on this node, and for their free VFs. */
struct pool_traces {
	struct pf_info *pfs;
	size_t n_pfs;
	struct pci_addr *vfs;
	size_t n_vfs;
};

/* Which are they? None, if there is no such pool. Release with pool_traces_free(). */
int pool_traces_read(struct hook *h, const char *pool, struct pool_traces *out, struct error *err);
void pool_traces_free(struct pool_traces *t);

/*
 * Just before the pool goes: sriov_drivers_autoprobe 1, as the kernel has it, and no
 * driver_override on VFs that nobody has. Tells each, in a dry run what would be; and what cannot
 * be put back, and how a person does it. Returns how many were not.
 */
unsigned pool_traces_undo(struct hook *h, const struct pool_traces *t);

#endif
