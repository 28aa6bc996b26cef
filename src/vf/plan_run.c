/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan under way: whose VF a step touches, and is it still there. */
#include "src/vf/plan_run.h"

#include <errno.h>

#include "src/vf/sysfs.h"

enum answer run_owns_vf(struct run *r, const struct pci_addr *vf, struct error *err)
{
	return lease_owned(r->x->root, r->owner, vf, &r->seen, err);
}

int run_may_do(struct run *r, const struct step *s, struct error *err)
{
	bool fresh = r->just_taken && !pci_addr_cmp(&r->seen.vf, &s->vf);
	struct error why = ERROR_INIT;

	r->just_taken = false;
	/* The one exception: its VM runs on a VF that is another's. */
	if (!step_touches_vf(s) || r->p->kind == PLAN_CUT_OFF)
		return 0;
	/* Taking it has looked at it a moment ago. */
	if (fresh)
		return 0;
	switch (run_owns_vf(r, &s->vf, &why)) {
	case ANSWER_YES:
		return 0;
	case ANSWER_NO:
		return fail(err, EEXIST, "%s", why.text);
	default:
		return fail(err, why.code, "%s", why.text);
	}
}

int run_mark_dirty(struct run *r, const struct lease *lease, struct error *err)
{
	struct lease l = *lease;

	l.phase = LEASE_DIRTY;
	l.qemu_pid = 0;
	l.qemu_start = 0;
	return lease_write(r->x->root, r->owner, &l, err);
}

bool run_vf_is_gone(const struct run *r, const struct pci_addr *vf)
{
	struct pci_addr pf;
	unsigned index;

	return sysfs_vf_identify(r->x->root, vf, &pf, &index) == -ENODEV;
}

bool run_step_is_moot(const struct run *r, const struct step *s)
{
	return s->kind != STEP_CALL && run_vf_is_gone(r, &s->vf);
}
