/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands a person runs by hand, one file each (src/command/cmd_*.c), and their
 * command lines.
 */
#ifndef VFHOOK_COMMAND_COMMAND_H
#define VFHOOK_COMMAND_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "src/base/exit_status.h"
#include "src/port/context.h"

struct command {
	const char *name;
	const char *summary; /* one line, for vfhook --help */
	const char *help;    /* `vfhook <command> --help`; all of it, or with these behind it: */
	void (*help_more)(FILE *out);
	const char *help_end;
	/* argv[0] is the command's name. Returns an exit status. */
	int (*run)(struct hook *h, int argc, char **argv);
	/* The option with which it needs no /etc/pve; "": it never does; NULL: it always does. */
	const char *without_pve;
};

/* Print it. Returns an exit status. */
int command_help(const struct command *c);

/* A NULL-terminated list, in the order of --help. */
extern const struct command *const commands[];

extern const struct command cmd_attach;
extern const struct command cmd_boot;
extern const struct command cmd_check;
extern const struct command cmd_detach;
extern const struct command cmd_explain;
extern const struct command cmd_host;
extern const struct command cmd_metrics;
extern const struct command cmd_pool;
extern const struct command cmd_release;
extern const struct command cmd_repair;
extern const struct command cmd_set;
extern const struct command cmd_status;

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

/* A VM id from a command line: complains and returns EXIT_USAGE if it is none. */
int vmid_parse(const char *text, uint32_t *vmid);

/* --output-format as PVE's own tools have it. */
enum output_format { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_JSON_PRETTY };
/* NULL is text. Complains and returns EXIT_USAGE for anything unknown. */
int output_format_parse(const char *text, enum output_format *out);
/* Print a JSON value and a line break in that format; takes no reference. 0 or EXIT_REFUSED. */
int output_json(const json_t *j, enum output_format format);

#endif
