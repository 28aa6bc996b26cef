/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PFs of this node whose filters are kept, or were: those of pools that say `fdb on`, and those
 * that have a note. */
#ifndef VFHOOK_FDB_SERVED_PFS_H
#define VFHOOK_FDB_SERVED_PFS_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/error.h"
#include "src/fdb/served_pf.h"
#include "src/port/context.h"

/* Zeroed is empty; release with served_pfs_free(). */
struct served_pfs {
	struct served_pf *list;
	size_t n;
	bool other_filter; /* one of them has another interface than before: only a look at all
			      there is tells what is in its filter; the caller's to clear */
};

/* Free what it owns, and leave it empty. */
void served_pfs_free(struct served_pfs *s);

/*
 * Which PFs there are by vfhook.cfg and by notes, where they are now, and which are wanted. Without
 * a vfhook.cfg (has_config) or a whole one, what it does not say is unknown: a PF that is kept
 * stays so. 0 or a negative errno with err.
 */
int served_pfs_locate(struct hook *h, struct served_pfs *s, bool has_config, struct error *err);

#endif
