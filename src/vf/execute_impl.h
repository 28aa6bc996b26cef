/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What carrying plans out and putting right what a crash left of one have in common. */
#ifndef VFHOOK_VF_EXECUTE_IMPL_H
#define VFHOOK_VF_EXECUTE_IMPL_H

#include "src/vf/execute.h"
#include "src/vf/lease.h"
#include "src/vf/plan.h"

/* A plan under way: who carries it out, in whose name, and what of its leases was seen. */
struct run {
	const struct executor *x;
	const struct owner *owner;
	const struct plan *p;
	struct lease_stamp seen;
	bool undone;   /* nothing of it is left, if it failed */
	bool not_ours; /* undoing stopped at what this program's run may not do (-ECANCELED) */
};

/* Carry the plan out, without its journal. */
int run_carry_out(struct run *r, struct error *err);

/*
 * Undo the first n steps, last one first. Returns how many could not be undone. It stops at an
 * object that is still being changed (-EINPROGRESS), or that this run may not change (-ECANCELED,
 * not_ours): leases that were taken before stay.
 */
unsigned run_undo(struct run *r, size_t n);

void executor_say(const struct executor *x, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
