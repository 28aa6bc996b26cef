/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan's steps, one after the other, and what a failure means for the rest. */
#ifndef VFHOOK_VF_CARRY_OUT_H
#define VFHOOK_VF_CARRY_OUT_H

#include "src/base/error.h"
#include "src/vf/plan_run.h"

/* Carry the plan out, without its journal. As execute(), src/vf/execute.h, which it is for. */
int run_carry_out(struct run *r, struct error *err);

#endif
