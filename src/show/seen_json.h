/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is seen of a node, as JSON: what it tells the others of its cluster. */
#ifndef VFHOOK_SHOW_SEEN_JSON_H
#define VFHOOK_SHOW_SEEN_JSON_H

#include <jansson.h>

#include "src/base/error.h"
#include "src/show/seen.h"

/* A new reference; NULL when memory ran out. Of free VFs only their numbers are in it. */
json_t *seen_to_json(const struct seen_node *n);

/*
 * The other way, whatever version wrote it: what is missing, or is not what it should be, is
 * unknown, and nothing is more or longer than this program would have written. Fills pfs, marks and
 * time of out, which is zeroed; release with seen_node_free(), also on failure: -ENOMEM, or -EINVAL
 * for a version that is read otherwise. With err.
 */
int seen_from_json(const json_t *j, struct seen_node *out, struct error *err);

#endif
