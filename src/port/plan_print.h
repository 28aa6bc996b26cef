/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan in words, for a person. */
#ifndef VFHOOK_PORT_PLAN_PRINT_H
#define VFHOOK_PORT_PLAN_PRINT_H

#include "src/port/context.h"
#include "src/vf/plan.h"

/* The plan's steps, and what would be sent for each. */
void plan_print(struct hook *h, const struct plan *p);
/* Why each VF was or was not taken. */
void notes_print(const struct plan *p);

#endif
