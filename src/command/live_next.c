/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One question after the other: is the VM here, is it on its way, what does it lack. */
#include "src/command/live_next.h"

#include <string.h>

/*
 * PVE's worker holds the flock from the first phase to the last (PVE/AbstractMigrate.pm: migrate).
 * If it was killed, `lock: migrate` stays, and QEMU goes on with what it was told to do.
 */
static bool is_migrating(const struct live_facts *f)
{
	if (!f->migrating)
		return false;
	if (f->pve_busy != ANSWER_NO || strcmp(f->status, "running") != 0)
		return true;
	/* QEMU tells of the last one for ever; one that is completed and runs all the same came
	 * here. */
	return strcmp(f->outgoing, "none") != 0 && strcmp(f->outgoing, "failed") != 0 &&
	       strcmp(f->outgoing, "cancelled") != 0 && strcmp(f->outgoing, "completed") != 0;
}

enum live_next live_next(const struct live_facts *f)
{
	if (f->runs != ANSWER_YES)
		return f->runs == ANSWER_NO ? LIVE_GONE : LIVE_WAIT;
	/* Before the switch-over on the target, or behind it on the source. */
	if (!f->here)
		return LIVE_WAIT;
	/* What leases say may be half of what is true until then. */
	if (f->cut_off)
		return LIVE_MEND;
	/* The config moves before the guest goes on; only a guest that runs can let go of a device.
	 */
	if (f->arriving)
		return strcmp(f->status, "running") != 0 ? LIVE_WAIT : LIVE_ARRIVE;
	if (is_migrating(f))
		return LIVE_WAIT;
	if (f->unplugged || f->lost)
		return strcmp(f->status, "running") != 0 ? LIVE_WAIT : LIVE_PLUG;
	if (f->flags_on == ANSWER_YES)
		return f->asked ? LIVE_WATCH : LIVE_DONE;
	return f->locked || f->flags_on == ANSWER_UNKNOWN ? LIVE_WAIT : LIVE_FLAG;
}
