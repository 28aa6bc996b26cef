/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carries plans out. The whole plan goes into the journal before its first
 * step; every step's undo can be done more than once; so after a crash at any
 * instruction the next run undoes (a start) or finishes (a release) it.
 */
#ifndef VFHOOK_VF_EXECUTE_H
#define VFHOOK_VF_EXECUTE_H

#include "src/base/error.h"
#include "src/vf/executor.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"

/*
 * Carry a plan out.
 *
 * PLAN_START, PLAN_CHANGE, PLAN_CONFIG: at the first failure everything done is undone; what cannot
 * be undone is told, and such a VF's lease is marked dirty so that nobody gets it. -EEXIST:
 * somebody else took a VF of the plan since the snapshot (undone; plan again). -EAGAIN from a
 * PLAN_CONFIG: an object was changed since (undone; plan again). A PLAN_CONFIG that could not be
 * undone keeps its journal, and the next run tries again.
 *
 * PLAN_RELEASE: goes on past failures; a VF that could not be cleaned keeps a
 * dirty lease (the next release tries again); one that is no longer there loses it.
 *
 * PLAN_MEND: goes on past failures and undoes nothing, since the VM already runs
 * on that VF; only a lease that somebody else has (-EEXIST) ends it.
 *
 * PLAN_REMOVE: ends at the first failure, and whoever looks again finds what is left.
 *
 * PLAN_VFS: as PLAN_START; but an object that is still being changed (-EINPROGRESS) ends it where
 * it is, with the leases of VFs that may go at any time, and without a journal: what hangs in the
 * kernel nobody can undo. One that this run may not put back (-ECANCELED) keeps journal and leases.
 *
 * PLAN_SWAP: one object, compared and set in one stroke by who sets it. No journal, since a crash
 * leaves it done or not done; no owner (NULL), since it is no VM's.
 *
 * PLAN_UNPLUG, PLAN_PLUG: as PLAN_START. A device that cannot be undone is left as it is, and told.
 *
 * PLAN_CUT_OFF: as PLAN_REMOVE, but whoever has the lease of its VFs, and without a journal: a
 * crash leaves nothing that another run could put right without knowing whose the VF is by then.
 *
 * owner is p->vmid's: owner_lock(), or for plan_kind_is_config() owner_lock_config(). Before each
 * step that touches a VF its lease is asked for: one that is not this VM's (any more) is left
 * alone, and one that cannot be read is touched by nobody. A step that failed is undone like those
 * before it: a driver may do what it refuses. Returns 0 or a negative errno with err saying what
 * failed, and whether all was undone.
 */
int execute(const struct executor *x, const struct owner *owner, const struct plan *p,
	    struct error *err);

#endif
