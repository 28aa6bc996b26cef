/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Undoing: the last step first, only on VFs that are still the VM's, and told where it fails. */
#include "src/vf/undo.h"

#include <errno.h>

#include "src/base/error.h"
#include "src/vf/executor.h"
#include "src/vf/lease.h"
#include "src/vf/plan.h"
#include "src/vf/plan_words.h"
#include "src/vf/sysfs.h"
#include "src/vf/vf_step.h"

static int undo_lease(struct run *r, const struct step *s, bool clean, struct error *err)
{
	bool was_live = s->kind == STEP_LEASE_WRITE && s->has_old_lease &&
			lease_phase_is_live(s->old_lease.phase);

	/* A VM that runs on it, or is to have it again, has it, however it is set: nobody else gets
	 * it, and repair sets it. */
	if (!clean && !was_live && !run_vf_is_gone(r, &s->vf))
		return run_mark_dirty(r, &s->lease, err);
	if (s->kind == STEP_LEASE_WRITE && s->has_old_lease)
		return lease_write(r->x->root, r->owner, &s->old_lease, err);
	return lease_drop(r->x->root, r->owner, &s->vf, &r->seen, err);
}

static bool same_vf_failed(const struct plan *p, const bool *failed, size_t i)
{
	for (size_t k = i + 1; k < p->n_steps; k++) {
		if (failed[k] && !pci_addr_cmp(&p->steps[k].vf, &p->steps[i].vf))
			return true;
	}
	return false;
}

static int undo_override(struct run *r, const struct step *s, struct error *err)
{
	int done = sysfs_set_driver_override(r->x->root, &s->vf, s->from_text, err);

	/* Without that file nothing was overridden. */
	return done == -ENOENT ? 0 : done;
}

static int undo_owned(struct run *r, const bool *failed, size_t i, struct error *err)
{
	const struct step *s = &r->p->steps[i];

	switch (s->kind) {
	case STEP_LEASE_TAKE:
	case STEP_LEASE_WRITE:
		return undo_lease(r, s, !same_vf_failed(r->p, failed, i), err);
	case STEP_OVERRIDE:
		return undo_override(r, s, err);
	case STEP_SET:
		return step_undo_set(r->x, s, err);
	default: /* what cleans a VF, or only looks at it */
		return 0;
	}
}

/*
 * Only VFs that are leased to this VM are touched: another one's may be anybody's by now. Where
 * that cannot be told the step counts as not undone: passed over, it would leave a VF free that
 * is not clean.
 */
static int undo_step(struct run *r, const bool *failed, size_t i, struct error *err)
{
	const struct step *s = &r->p->steps[i];
	struct error why = ERROR_INIT;

	char what[600];

	if (s->kind == STEP_CALL && s->object.harmless) {
		executor_say(r->x, "kept, and harmless: %s", step_describe(s, what, sizeof(what)));
		return 0;
	}
	if (s->kind == STEP_CALL)
		return r->x->call(r->x->arg, s, true, err);
	switch (run_owns_vf(r, &s->vf, &why)) {
	case ANSWER_YES:
		return undo_owned(r, failed, i, err);
	case ANSWER_NO:
		return 0;
	default:
		return fail(err, why.code, "%s", why.text);
	}
}

unsigned run_undo(struct run *r, size_t n)
{
	bool failed[PLAN_STEPS_MAX] = {false};
	unsigned bad = 0;

	for (size_t i = n; i-- > 0;) {
		const struct step *s = &r->p->steps[i];
		struct error why = ERROR_INIT;
		char what[600];

		if (undo_step(r, failed, i, &why) >= 0)
			continue;
		failed[i] = true;
		if (run_step_is_moot(r, s))
			continue;
		bad++;
		r->not_ours = s->kind == STEP_CALL && why.code == ECANCELED;
		if (r->not_ours)
			return bad;
		executor_say(r->x, "could not undo \"%s\": %s",
			     step_describe(s, what, sizeof(what)), why.text);
	}
	return bad;
}
