/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both programs do with their command lines: options in front, phases, and a word of their
 * own. */
#ifndef VFHOOK_HOOK_PROGRAM_H
#define VFHOOK_HOOK_PROGRAM_H

#include "hook/globals.h"

struct program {
	int (*usage)(void); /* prints it; returns an exit status */
	const char *wanted; /* what is complained of where no word is left */
	/* The words behind the options are no phase and no job. Returns an exit status. */
	int (*other)(const struct globals *g, int argc, char **argv);
};

/* All of main(). Returns the process's exit status. */
int program_run(const struct program *p, int argc, char **argv);

#endif
