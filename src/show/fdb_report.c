/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the note on a PF's filter to numbers and words. */
#include "src/show/fdb_report.h"

#include <stdio.h>

#include "src/base/cleanup.h"
#include "src/fdb/fdb_note.h"
#include "src/port/fdb_lock.h"

void fdb_report_read(int root, const struct pool *pool, const struct pci_addr *pf,
		     struct fdb_report *out)
{
	CLEANUP(fdb_note_free) struct fdb_note n = {0};

	*out = (struct fdb_report){.on = pool->fdb};
	if (!pool->fdb)
		return;
	out->service = fdb_service_runs(root);
	if (fdb_note_read(root, pf, &n, NULL) < 0)
		return;
	out->known = true;
	out->others = n.others;
	out->room = n.most;
	out->in = fdb_note_count(&n, FDB_IN);
	out->refused = fdb_note_count(&n, FDB_REFUSED);
}

const char *fdb_report_text(const struct fdb_report *r, bool *bad, char *buf, size_t size)
{
	*bad = r->service != ANSWER_YES || r->refused;
	if (r->service == ANSWER_NO)
		snprintf(buf, size,
			 "vfhook-fdb.service does not run: new guests on bridges over this PF "
			 "cannot be "
			 "reached from its VFs: systemctl start vfhook-fdb");
	else if (r->service == ANSWER_UNKNOWN)
		snprintf(buf, size,
			 "it cannot be told whether vfhook-fdb.service runs, without which new "
			 "guests on bridges over this PF cannot be reached from its VFs: systemctl "
			 "status vfhook-fdb");
	else if (r->refused)
		snprintf(
			buf, size,
			"%zu addresses behind it let in, and no room for %zu more: vfhook fdb list",
			r->in, r->refused);
	else
		snprintf(buf, size, "%zu addresses behind it let in", r->in);
	return buf;
}
