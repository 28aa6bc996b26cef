/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is seen of all nodes of the cluster. */
#ifndef VFHOOK_SHOW_SEEN_CLUSTER_H
#define VFHOOK_SHOW_SEEN_CLUSTER_H

#include "src/port/context.h"
#include "src/show/inventory.h"
#include "src/show/seen.h"

struct seen_cluster {
	struct seen_node *nodes; /* in the order of their names */
	size_t n;
};

/*
 * This node as inv has it, the others as they tell (src/show/seen_told.h); pool: this one alone, or
 * NULL. Release with seen_cluster_free(), also on failure.
 */
int seen_cluster_read(struct hook *h, const struct inventory *inv, const char *pool,
		      struct seen_cluster *out, struct error *err);
void seen_cluster_free(struct seen_cluster *c);

#endif
