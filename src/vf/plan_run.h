/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan under way, and what is asked before each of its steps: whose is the VF, by its lease? For
 * src/vf/{carry_out,undo,execute,recover}.c.
 */
#ifndef VFHOOK_VF_PLAN_RUN_H
#define VFHOOK_VF_PLAN_RUN_H

#include <stdbool.h>

#include "src/base/answer.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/vf/executor.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"

/* Who carries it out, in whose name, and what of its leases was seen. Nothing in it is owned. */
struct run {
	const struct executor *x;
	const struct owner *owner;
	const struct plan *p;
	struct lease_stamp seen;
	bool just_taken; /* the last step took the lease that `seen` is of */
	bool undone;	 /* nothing of it is left, if it failed */
	bool not_ours;	 /* undoing stopped at what this program's run may not do (-ECANCELED) */
};

/*
 * Is the VF leased to the owner's VM? Asked before each step that touches a VF, since a lease can
 * go in two ways only: by its owner's hand, and we are that, or by a person's, who removes the
 * file. NO and UNKNOWN with err (which may be NULL).
 */
enum answer run_owns_vf(struct run *r, const struct pci_addr *vf, struct error *err);

/*
 * May the step be done now? 0; -EEXIST with err: it touches a VF that is not the owner's (any
 * more); others: that cannot be told. A PLAN_CUT_OFF may always: its VM runs on a VF that is
 * another's.
 */
int run_may_do(struct run *r, const struct step *s, struct error *err);

/* Nobody may have a VF in an unknown state: its lease stays, marked. As lease_write(). */
int run_mark_dirty(struct run *r, const struct lease *lease, struct error *err);

/* Is there no such VF any more? */
bool run_vf_is_gone(const struct run *r, const struct pci_addr *vf);

/* Does it not matter that the step failed, since its VF is gone? */
bool run_step_is_moot(const struct run *r, const struct step *s);

#endif
