/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A command line, taken apart. */
#ifndef VFHOOK_BASE_OPTIONS_H
#define VFHOOK_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* One option: with a value (`--vlan 20`, `--vlan=20`) or a flag (`--watch`). Exactly one is set. */
struct opt {
	const char *name; /* without the dashes */
	const char **value;
	bool *flag;
};

/*
 * Take argv[1..] apart: options into their places, everything else into args
 * (at most max; "--" ends the options). An option that is not known, lacks its
 * value or comes twice, and one argument too many, is complained of, an unknown one with the
 * nearest that is known. Returns 0 or EXIT_USAGE.
 */
int opts_parse(int argc, char **argv, const struct opt *opts, size_t n_opts, const char **args,
	       size_t max, size_t *n_args);

/* The word out of list (n names) that text was probably meant to be, or NULL. */
const char *nearest_word(const char *text, const char *const *list, size_t n);

#endif
