/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is seen of this node: an inventory, and what is around its PFs. */
#ifndef VFHOOK_SHOW_SEEN_HERE_H
#define VFHOOK_SHOW_SEEN_HERE_H

#include "src/port/context.h"
#include "src/show/inventory.h"
#include "src/show/seen.h"

/*
 * pool: this one alone, or NULL for all. Release with seen_node_free(), also on failure, which is
 * for want of memory only.
 */
int seen_here(struct hook *h, const struct inventory *inv, const char *pool, struct seen_node *out,
	      struct error *err);

#endif
