/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happened, kept for `vfhook explain` and `vfhook metrics`: one JSON
 * object a line in /var/lib/vfhook/events, at most EVENTS_MAX bytes; what is
 * older goes to events.1, and what is older than that goes.
 */
#ifndef VFHOOK_PORT_EVENTS_H
#define VFHOOK_PORT_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/port/context.h"

/*
 * What goes is counted into /var/lib/vfhook/events.totals first, so that the counters of metrics
 * never go down. That is done when events.1 goes, once in a thousand events, and under the lock
 * that the file's end is written under: an ordinary start, which adds one event, pays nothing for
 * it. Beside the events, and not in /run: it is about them, and they outlive a reboot.
 */
#define EVENTS_MAX 262144 /* 256 KiB */

/* Kinds of events; their names are what is stored and what metrics count. */
enum event_kind {
	EVENT_START,   /* a pre-start gave the VM its VFs */
	EVENT_REFUSED, /* a pre-start refused */
	EVENT_MENDED,  /* post-start found another VF than meant, and mended it */
	EVENT_CUT_OFF, /* it could not, and took the link down */
	EVENT_RELEASE, /* a VF was given back */
	EVENT_RECLAIM, /* a VF was taken back from a VM that is over */
	EVENT_REPAIR,  /* repair or recovery changed something */
	EVENT_UNPLUG,  /* a running VM lost a VF: for a migration, or by hand */
	EVENT_PLUG,    /* a running VM was given a VF */
	EVENT_KINDS
};

/* Its word in the file of events and in metrics. */
const char *event_kind_name(enum event_kind kind);

/*
 * Keep an event of a VM. text is what a person was told, without "vfhook: ".
 * Never fails for the caller: a full disk must not keep a VM from starting.
 * Nothing in a dry run.
 */
void event_add(struct hook *h, uint32_t vmid, enum event_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

struct event {
	int64_t time; /* epoch seconds */
	uint32_t vmid;
	enum event_kind kind;
	char *text; /* owned */
};

/*
 * All events there are of a VM (0: of all), oldest first. Lines that cannot be
 * read are skipped. Release with events_free().
 */
int events_read(struct hook *h, uint32_t vmid, struct event **list, size_t *n, struct error *err);
/*
 * How far somebody has read; all zero: nothing yet. The file may become the old one meanwhile.
 */
struct events_mark {
	uint64_t device;
	uint64_t inode;
	int64_t at;
};
/*
 * The same, of those that came after the mark, which is moved behind them. *lost: so many came
 * meanwhile that some are gone, or somebody has removed the files.
 */
int events_since(struct hook *h, uint32_t vmid, struct events_mark *mark, struct event **list,
		 size_t *n, bool *lost, struct error *err);
/*
 * How many there have been of each kind since the first one, those that are gone too. 0, or a
 * negative errno with err.
 */
int events_totals(struct hook *h, uint64_t totals[EVENT_KINDS], struct error *err);
void events_free(struct event *list, size_t n);

#endif
