/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A picture for a terminal: a tree, as wide as that at most. */
#ifndef VFHOOK_SHOW_GRAPH_TEXT_H
#define VFHOOK_SHOW_GRAPH_TEXT_H

#include "src/show/graph.h"

/* Append it. */
void graph_text(const struct graph *g, size_t width, bool colour, struct str *out);

#endif
