/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One page of HTML that tells of a node: its picture, its tables, what check has found, what
 * happened. It needs nothing from elsewhere, has no script, and is XML as well.
 */
#ifndef VFHOOK_SHOW_PAGE_H
#define VFHOOK_SHOW_PAGE_H

#include <stdint.h>

#include "src/port/events.h"
#include "src/show/graph.h"
#include "src/show/inventory.h"

/* How a finding of check is shown; the worst first. */
enum page_level { PAGE_FAIL, PAGE_WARN, PAGE_PASS, PAGE_LEVELS };

struct page_finding {
	enum page_level level;
	const char *subject;
	const char *text;
	const char *remedy;
};

/* Nothing in it is owned. */
struct page {
	const char *node;
	int64_t now;
	const struct inventory *inv; /* NULL: it cannot be read, and */
	const char *no_inv;	     /* why */
	const struct graph *graph;   /* NULL likewise */
	const struct page_finding *findings;
	size_t n_findings;
	const struct event *events; /* oldest first */
	size_t n_events;
	const char *no_events; /* why there are none to be read, or NULL */
};

/* Append it. */
void page_html(const struct page *p, struct str *out);

#endif
