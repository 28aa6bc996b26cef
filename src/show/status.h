/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An inventory in words, and as JSON: the two outputs of `vfhook status`. */
#ifndef VFHOOK_SHOW_STATUS_H
#define VFHOOK_SHOW_STATUS_H

#include <jansson.h>

#include "src/show/inventory.h"
#include "src/show/row_order.h"
#include "src/show/table.h"

struct status_view {
	const char *node;
	const char *pool; /* this one only, or NULL for all */
	size_t width;
	bool colour;
	bool watch; /* with columns for what goes through each VF */
	bool first; /* of many: what is told once */
	struct row_choice rows;
};

/* Append the report; no line is wider than the view. */
void status_text(const struct inventory *inv, const struct status_view *v, struct str *out);

/*
 * The table of one PF of a pool, with all its columns; the caller's to table_free(). Returns how
 * many VFs are in it.
 */
size_t status_table(const struct status_view *v, const struct pool_report *p,
		    const struct pf_report *pf, struct table *t);

/* A new reference, or NULL when memory ran out. */
json_t *status_json(const struct inventory *inv, const struct status_view *v);

#endif
