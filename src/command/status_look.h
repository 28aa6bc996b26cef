/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What vfhook status is made of: one look (cmd_status.c), and one after the other (status_watch.c).
 */
#ifndef VFHOOK_COMMAND_STATUS_LOOK_H
#define VFHOOK_COMMAND_STATUS_LOOK_H

#include "src/command/command.h"
#include "src/show/status.h"

struct status_options {
	const char *pool; /* only that one, or NULL */
	enum output_format format;
	bool graph;   /* a picture, no table */
	bool cluster; /* of all nodes */
	bool watch;
	uint32_t interval; /* seconds */
};

/* Read what there is to show. 0, or a negative errno with err. */
int status_look(struct hook *h, const struct status_options *o, struct inventory *inv,
		struct error *err);
/* And print it. Returns an exit status. */
int status_print(const struct status_options *o, const struct inventory *inv,
		 struct status_view *v);

/* Again and again, until it is interrupted. Returns an exit status. */
int status_watch(struct hook *h, const struct status_options *o);

#endif
