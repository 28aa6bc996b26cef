/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan, or a part of it, undone: in which order, and on which VFs; what it means for a setting is
 * in vf_step.h. */
#ifndef VFHOOK_VF_UNDO_H
#define VFHOOK_VF_UNDO_H

#include <stddef.h>

#include "src/vf/plan_run.h"

/*
 * Undo the first n steps, last one first. Returns how many could not be undone. It stops at an
 * object that is still being changed (-EINPROGRESS), or that this run may not change (-ECANCELED,
 * not_ours): leases that were taken before stay.
 */
unsigned run_undo(struct run *r, size_t n);

#endif
