/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What comes before the phase or command on a command line of ours, and the node that it is for. */
#ifndef VFHOOK_HOOK_GLOBALS_H
#define VFHOOK_HOOK_GLOBALS_H

#include <stdbool.h>

#include "src/port/context.h"

struct globals {
	const char *root; /* --root's argument, or NULL */
	bool dry_run;
};

/*
 * Options in front; *i is where the rest begins, also at --help and --version, which are the
 * caller's. Returns 0 or EXIT_USAGE, complained of.
 */
int globals_parse(int argc, char **argv, int *i, struct globals *g);

/* Run fn on this node as those options want it. Returns fn's exit status, or EXIT_REFUSED. */
int globals_run(const struct globals *g, int (*fn)(struct hook *h, void *arg), void *arg);

#endif
