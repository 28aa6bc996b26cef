/* SPDX-License-Identifier: GPL-2.0-or-later */
/* With what plans are carried out: where, through which kernel, and who is told. */
#ifndef VFHOOK_VF_EXECUTOR_H
#define VFHOOK_VF_EXECUTOR_H

#include "src/base/error.h"
#include "src/vf/kernel.h"
#include "src/vf/plan.h"

/* Nothing in it is owned. */
struct executor {
	int root;
	struct kernel *kernel;
	/*
	 * Does a STEP_CALL: sets the object to `to` if it is `from`, or is `to` already; undo: the
	 * other way round. -EAGAIN: it is neither, and stays as it is. -EINPROGRESS: it is still
	 * being done, and nobody can tell how it ends. -ECANCELED, of an undo: this run may not do
	 * it. Needed only for plans that have one.
	 */
	int (*call)(void *arg, const struct step *s, bool undo, struct error *err);
	/* One line for a person; never NULL. */
	void (*say)(void *arg, const char *line);
	void *arg;
};

/* A line for a person, through x->say. */
void executor_say(const struct executor *x, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
