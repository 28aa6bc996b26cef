/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan would leave behind, and the plan that takes it back. */
#ifndef VFHOOK_VF_PLAN_OUTCOME_H
#define VFHOOK_VF_PLAN_OUTCOME_H

#include "src/base/error.h"
#include "src/vf/plan.h"
#include "src/vf/snapshot.h"

/*
 * The facts as they would be once the plan was carried out: leases, settings
 * and overrides of the VFs that are in the snapshot. For looking further ahead
 * without doing anything.
 */
void plan_foresee(const struct plan *p, struct snapshot *s);

/* Append to `out` what undoes p, last step first (see execute.h on what a start's undo is). */
int plan_undoing(const struct plan *p, struct plan *out, struct error *err);

#endif
