/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking all VFs of a PF away, to make more of them: the kernel knows no other way. Nobody may
 * have one then, and nobody may get one while it is done. It is a plan (PLAN_VFS): every VF is
 * leased to vfhook itself (all or none), the number goes to 0 and to what is wanted, the leases are
 * dropped. If it is cut off or fails, there are as many VFs again as there were.
 */
#ifndef VFHOOK_HOST_REMAKE_H
#define VFHOOK_HOST_REMAKE_H

#include "src/port/context.h"
#include "src/vf/plan.h"
#include "src/vf/snapshot.h"
#include "src/vf/sysfs.h"

/* Does this host use the VF, or may it? In words, or NULL. Looks at nothing but the facts. */
const char *vf_host_use(const struct vf_state *v, bool no_net, char *buf, size_t size);

/* Which lease keeps us from having all VFs of that PF, in words. */
const char *vfs_leased_by(struct hook *h, const struct pf_info *pf, char *buf, size_t size);

/*
 * Are all n VFs of the PF leased to vfhook itself, and does nobody use one? Looks at everything
 * that tells of a user. 0, or -EBUSY: somebody has one, or that cannot be told; err says who.
 */
int vfs_look_held(struct hook *h, const struct pf_id *pf, unsigned n, struct error *err);

/* Append the step that makes `from` VFs `to`: one of them is 0. */
int plan_numvfs(const struct pf_id *pf, const struct pf_info *info, unsigned from, unsigned to,
		struct plan *p, struct error *err);

/*
 * Append the steps that make the VFs of a PF that has some `to`. -EBUSY with err: somebody has one,
 * or that cannot be told.
 */
int plan_remake(struct hook *h, const struct pf_id *pf, const struct pf_info *info, unsigned to,
		struct plan *p, struct error *err);

#endif
