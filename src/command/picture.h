/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A node's VFs, or those of all nodes, as a picture: vfhook status --graph, and as SVG. */
#ifndef VFHOOK_COMMAND_PICTURE_H
#define VFHOOK_COMMAND_PICTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "src/port/context.h"
#include "src/show/inventory.h"
#include "src/show/seen_cluster.h"

struct picture {
	const char *pool; /* this one alone, or NULL for all */
	bool cluster;	  /* of all nodes */
	bool svg;
	size_t width; /* of the terminal */
	bool colour;
};

/* Print it. Returns an exit status. */
int picture_print(struct hook *h, const struct inventory *inv, const struct picture *p);

/* What is in it. Release with seen_cluster_free(), also on failure. */
int picture_seen(struct hook *h, const struct inventory *inv, const char *pool, bool cluster,
		 struct seen_cluster *out, struct error *err);

#endif
