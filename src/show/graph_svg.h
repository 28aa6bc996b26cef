/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A picture for a browser: SVG, which needs nothing from elsewhere, has no script, and is light or
 * dark as its reader's screen is.
 */
#ifndef VFHOOK_SHOW_GRAPH_SVG_H
#define VFHOOK_SHOW_GRAPH_SVG_H

#include "src/show/graph.h"

/*
 * Append it, as a file of its own, or as an element for a page of HTML. when: what it is a picture
 * of in time, in words.
 */
void graph_svg(const struct graph *g, const char *when, bool file, struct str *out);

#endif
