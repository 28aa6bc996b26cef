/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which VFs of a PF a table shows, and in which order: what a person chose in `status --watch`. */
#ifndef VFHOOK_SHOW_ROW_ORDER_H
#define VFHOOK_SHOW_ROW_ORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "src/show/inventory.h"
#include "src/show/traffic.h"

enum row_sort { SORT_VF, SORT_VM, SORT_STATE, SORT_RX, SORT_TX, SORT_COUNT };
/* "VF", "VM", ... */
const char *row_sort_name(enum row_sort sort);

/* All zero: every VF by its number. */
struct row_choice {
	enum row_sort sort;	       /* rates: the busiest first */
	bool taken;		       /* no free ones */
	const char *filter;	       /* only those that have this in them, or NULL or "": all */
	const struct traffic *traffic; /* or NULL */
};

/*
 * The VFs to show of a PF into rows, which has room for pf->n_vfs. Returns how many. The filter
 * looks at state, VM, MAC, address, driver and "vlan 20", and does not tell A from a.
 */
size_t row_order(const struct pf_report *pf, const struct row_choice *c,
		 const struct vf_report **rows);

#endif
