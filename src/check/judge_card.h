/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: what a card without a network needs of its driver, module and firmware. */
#ifndef VFHOOK_CHECK_JUDGE_CARD_H
#define VFHOOK_CHECK_JUDGE_CARD_H

#include "src/check/pf_facts.h"
#include "src/check/report.h"

/* One PF of a pool with `network off`, which is there: can its driver make VFs? */
void judge_card(const struct pf_facts *f, const char *subject, struct report *r);

#endif
