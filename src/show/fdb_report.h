/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a PF's own filter is kept (vfhook fdb), for status, metrics and check. */
#ifndef VFHOOK_SHOW_FDB_REPORT_H
#define VFHOOK_SHOW_FDB_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/answer.h"
#include "src/port/config.h"

struct fdb_report {
	bool on;	     /* the pool says `fdb on` */
	enum answer service; /* is there one that does it? */
	bool known;	     /* there is a note of it: what follows is right */
	size_t in;	     /* MACs in the filter, put there by vfhook */
	size_t refused;	     /* MACs that it had no room for */
	size_t others;	     /* put there by somebody else */
	size_t room;	     /* how many it takes, 0: not found out */
};

/* What is noted of that PF; nothing is asked of a pool that does not say so. */
void fdb_report_read(int root, const struct pool *pool, const struct pci_addr *pf,
		     struct fdb_report *out);

/*
 * In words, behind "bridge: ": what guests on bridges over the PF can count on. *bad: it needs
 * somebody. Returns buf.
 */
const char *fdb_report_text(const struct fdb_report *r, bool *bad, char *buf, size_t size);

#endif
