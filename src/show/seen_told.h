/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is seen of other nodes: each tells it in /etc/pve/nodes/<node>/vfhook-status.json, which
 * pmxcfs carries to the others. A file of its own, beside vfhook.json: that one is what mappings
 * are made from, and must not be put back to what it was by who only looks.
 */
#ifndef VFHOOK_SHOW_SEEN_TOLD_H
#define VFHOOK_SHOW_SEEN_TOLD_H

#include "src/port/config.h"
#include "src/port/context.h"
#include "src/show/seen.h"

/* How long nothing is written while all is as it was told; what is older than twice that is old. */
#define SEEN_TELL_S 3000

/*
 * Tell the others what is seen of this node now, in a dry run too (nothing of this node is changed
 * by it). Without a PF in a pool here the file goes.
 */
int seen_tell(struct hook *h, struct error *err);

/*
 * What another node tells, or what is known of one that does not: which VFs it has, by its
 * vfhook.json, or which PFs vfhook.cfg has of it. Release with seen_node_free(), also on failure,
 * which is for want of memory only.
 */
int seen_told(struct hook *h, const struct config *c, const char *node, struct seen_node *out,
	      struct error *err);

#endif
