/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a running VM that is migrated live needs next: judged from facts alone. */
#ifndef VFHOOK_COMMAND_LIVE_NEXT_H
#define VFHOOK_COMMAND_LIVE_NEXT_H

#include <stdbool.h>

#include "pveapi/qmp.h"
#include "src/base/answer.h"

/* How things stand with the VM on this node. */
struct live_facts {
	enum answer runs;     /* here */
	bool here;	      /* its config is this node's */
	bool locked;	      /* its config has a lock (`lock: migrate`, `lock: backup`) */
	bool migrating;	      /* and that is a migration's */
	enum answer pve_busy; /* somebody holds PVE's flock on it: a migration's worker does */
	char status[QMP_STATUS_LEN];   /* "running", ...; "": QEMU does not say */
	char outgoing[QMP_STATUS_LEN]; /* of a migration from here: "active", ...; "": likewise */
	bool arriving;		       /* a VF that the guest has not seen yet */
	bool cut_off;		       /* a run of ours was killed in the middle of something */
	bool unplugged;		       /* a VF that was taken from it for a migration */
	bool asked;	      /* its guest was asked for a VF and did not let go; it may yet */
	bool lost;	      /* such a VF is gone from QEMU */
	enum answer flags_on; /* of its mappings; UNKNOWN: cannot be read now */
};

enum live_next {
	LIVE_WAIT,   /* a migration is under way, or something cannot be told now */
	LIVE_GONE,   /* the VM runs here no more: its leases are over */
	LIVE_MEND,   /* what a killed run has left is to be undone or finished */
	LIVE_ARRIVE, /* the guest is to be told of its VF */
	LIVE_PLUG,   /* no migration any more: it gets its VF back */
	LIVE_FLAG,   /* it may be migrated: PVE is to be told */
	LIVE_WATCH,  /* all is well, and may change without us */
	LIVE_DONE
};

enum live_next live_next(const struct live_facts *f);

#endif
