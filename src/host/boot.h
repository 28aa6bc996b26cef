/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What vfhook boot is made of: the PFs of this node's pools, and what becomes of them. */
#ifndef VFHOOK_HOST_BOOT_H
#define VFHOOK_HOST_BOOT_H

#include "src/base/clock.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/port/pf_where.h"
#include "src/port/vfs_maker.h"
#include "src/vf/owner.h"

struct boot {
	struct hook *h;
	struct owner *self; /* of what vfhook itself holds */
	struct vfs_maker maker;
	bool early; /* before the network: no /etc/pve, nothing set up, nothing parked */
	struct config config;
	struct nic *nics;
	size_t n_nics;
	struct pf_where *where;
	size_t n_where;
	struct deadline until;
	unsigned failed;
};

/* What could not be done for one PF: told and counted. */
void boot_give_up(struct boot *b, const struct pf_where *w, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Find the PFs, with patience for drivers that are still being loaded: b->where. 0 or a negative
 * errno.
 */
int boot_locate(struct boot *b, struct error *err);
/* Can it be used? */
bool boot_is_found(const struct pf_where *w);
/* Another line of vfhook.cfg that means the same PF, and comes before it; NULL: there is none. */
const struct pf_where *boot_same_pf_before(const struct boot *b, const struct pf_where *w);
/* Why not, once the waiting is over. */
void boot_tell_lost(struct boot *b, const struct pf_where *w);

/*
 * New addresses of PFs that moved, and MACs of those that had none, into vfhook.cfg: one edit of
 * one file under its lock, where each line is compared; no journal could add to that.
 */
int boot_follow_pfs(struct boot *b, struct error *err);

#endif
