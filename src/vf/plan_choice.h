/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which VF each port of a VM gets. A pure function of a snapshot. */
#ifndef VFHOOK_VF_PLAN_CHOICE_H
#define VFHOOK_VF_PLAN_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/error.h"
#include "src/vf/plan.h"
#include "src/vf/port_wish.h"
#include "src/vf/snapshot.h"

/* What was decided for a port: indices into the snapshot. */
struct port_choice {
	bool chosen;
	size_t pf;
	size_t vf;
};

/*
 * Choose a VF for each wish; choices[i] belongs to wishes[i]. The plan gets notes only: VF by VF,
 * why it was or was not taken. Returns 0; -EAGAIN if the snapshot is not complete and the answer is
 * not in it; -ENOSPC if no VF is free for some wish, -ENETDOWN if no PF of its pool can be used
 * (both with err).
 */
int plan_choose(const struct snapshot *s, const struct port_wish *wishes, size_t n,
		struct port_choice *choices, struct plan *p, struct error *err);

#endif
