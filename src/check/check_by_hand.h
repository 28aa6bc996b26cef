/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: VMs that name VFs or PFs of a pool by hand ([by-hand]; src/show/by_hand.h) */
#ifndef VFHOOK_CHECK_CHECK_BY_HAND_H
#define VFHOOK_CHECK_CHECK_BY_HAND_H

#include "src/check/report.h"
#include "src/port/context.h"

/* A finding for each. */
void check_byhand(struct hook *h, const struct config *c, struct report *r);

#endif
