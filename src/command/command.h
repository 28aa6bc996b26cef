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

#include "src/base/options.h"
#include "src/port/context.h"

struct command {
	const char *name;
	const char
		*summary; /* one line, for vfhook --help; NULL: for vfhook itself, not told there */
	const char *help; /* `vfhook <command> --help`; all of it, or with these behind it: */
	void (*help_more)(FILE *out);
	const char *help_end;
	/* argv[0] is the command's name. Returns an exit status. */
	int (*run)(struct hook *h, int argc, char **argv);
	/* The option with which it needs no /etc/pve; "": it never does; NULL: it always does. */
	const char *without_pve;
};

/* Print its help. Returns an exit status. */
int command_help(const struct command *c);

extern const struct command cmd_attach;
extern const struct command cmd_boot;
extern const struct command cmd_check;
extern const struct command cmd_detach;
extern const struct command cmd_events;
extern const struct command cmd_explain;
extern const struct command cmd_fdb;
extern const struct command cmd_host;
extern const struct command cmd_live_job;
extern const struct command cmd_metrics;
extern const struct command cmd_evacuate;
extern const struct command cmd_plug;
extern const struct command cmd_unplug;
extern const struct command cmd_pool;
extern const struct command cmd_release;
extern const struct command cmd_repair;
extern const struct command cmd_report;
extern const struct command cmd_set;
extern const struct command cmd_status;

/* --output-format as PVE's own tools have it. */
enum output_format { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_JSON_PRETTY, OUTPUT_SVG };
/* NULL is text. Complains and returns EXIT_USAGE for anything unknown. */
int output_format_parse(const char *text, enum output_format *out);
/* The same for a command that can draw: svg as well. */
int output_format_parse_svg(const char *text, enum output_format *out);
/* Print a JSON value and a line break in that format; takes no reference. 0 or EXIT_REFUSED. */
int output_json(const json_t *j, enum output_format format);

#endif
