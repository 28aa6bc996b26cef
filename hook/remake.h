/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking all VFs of a PF away, to make more of them: the kernel knows no other way. Nobody may
 * have one then, and nobody may get one while it is done.
 */
#ifndef VFHOOK_HOOK_REMAKE_H
#define VFHOOK_HOOK_REMAKE_H

#include "base/clock.h"
#include "hook/hook.h"
#include "src/snapshot.h"

/* All VFs of a PF, leased to vfhook itself. */
struct held_vfs {
	struct lease *leases;
	size_t n;
};

#define HELD_VFS_INIT                                                                              \
	{                                                                                          \
		.n = 0                                                                             \
	}

/* Does this host use the VF, or may it? In words, or NULL. Looks at nothing but the facts. */
const char *vf_host_use(const struct vf_state *v, char *buf, size_t size);

/*
 * Lease every VF of the PF to vfhook itself: all or none. -EBUSY: somebody has one, or that cannot
 * be told; err says who. Free *out with held_vfs_free(), which drops no lease.
 */
int vfs_hold(struct hook *h, const struct owner *self, const struct pf_id *pf, struct held_vfs *out,
	     struct error *err);
void held_vfs_free(struct held_vfs *held);

/* Drop the leases again. */
int vfs_let_go(struct hook *h, const struct owner *self, const struct held_vfs *held,
	       struct error *err);

/*
 * Look once more whether anybody uses one of the VFs that are held, then write 0 to sriov_numvfs,
 * under PVE's lock on its reservations: a start that has not reserved its VF by then finds it gone
 * and is refused by PVE; one that has is seen.
 *
 * -EBUSY: somebody has one. -EINPROGRESS: the kernel has not finished the write, and VFs may go at
 * any time: the leases must stay. The write then holds vfhook's lock on them itself, so that nobody
 * takes them back before it is over. Others: nothing was taken away.
 */
int vfs_take_away(struct hook *h, const struct owner *self, const struct pf_id *pf,
		  const struct held_vfs *held, const struct deadline *until, struct error *err);

#endif
