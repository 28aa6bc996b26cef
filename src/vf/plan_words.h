/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A step in words. */
#ifndef VFHOOK_VF_PLAN_WORDS_H
#define VFHOOK_VF_PLAN_WORDS_H

#include <stddef.h>

#include "src/vf/plan.h"

/* One step in words, "VF 0000:06:10.1: VLAN none -> 20". Returns buf. */
const char *step_describe(const struct step *s, char *buf, size_t size);

#endif
