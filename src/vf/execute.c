/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan carried out, with its journal around it. */
#include "src/vf/execute.h"

#include <errno.h>

#include "src/vf/carry_out.h"
#include "src/vf/journal.h"
#include "src/vf/owner.h"
#include "src/vf/undo.h"

/* What PLAN_SWAP changes is nobody's: that it still is what was read is asked where it is set. */
static bool may_execute(const struct owner *o, const struct plan *p)
{
	if (p->kind == PLAN_SWAP)
		return p->n_steps == 1 && p->steps[0].kind == STEP_CALL;
	return owner_vmid(o) == p->vmid &&
	       (plan_kind_is_config(p->kind) ? owner_is_config(o) : owner_is_real(o));
}

/* The journal goes, unless it says what is still to be undone. */
static int end_journal(struct run *run, int r, struct error *err)
{
	const struct plan *p = run->p;
	enum journal which = plan_kind_is_config(p->kind) ? JOURNAL_CONFIG : JOURNAL_VFS;
	struct error late = ERROR_INIT;

	if (r < 0 && p->kind == PLAN_CONFIG && !run->undone)
		return r;
	if (journal_drop(run->x->root, which, p->vmid, &late) >= 0 || r)
		return r;
	/* A journal that stays would undo what is good: this failure is the run's. */
	if (plan_kind_is_undone(p->kind))
		run_undo(run, p->n_steps);
	*err = late;
	return -late.code;
}

int execute(const struct executor *x, const struct owner *owner, const struct plan *p,
	    struct error *err)
{
	struct run run = {.x = x, .owner = owner, .p = p};
	int r;

	if (!p->n_steps)
		return 0;
	if (!may_execute(owner, p))
		return fail(err, EPERM, "a plan for guest %u without its lock", p->vmid);
	if (!plan_kind_has_journal(p->kind))
		return run_carry_out(&run, err);
	r = journal_write(x->root, p, err);
	/* -EEXIST would be taken for a lost race, and tried again, which cannot help. */
	if (r == -EEXIST)
		return fail(err, EBUSY,
			    "an earlier run for guest %u left its journal, and it could not "
			    "be recovered",
			    p->vmid);
	if (r < 0)
		return r;
	return end_journal(&run, run_carry_out(&run, err), err);
}
