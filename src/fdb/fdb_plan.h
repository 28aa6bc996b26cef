/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which MACs a PF's own filter is to have, so that guests on the bridge above it and guests on its
 * VFs can talk. A card's switch delivers to the PF what is in the PF's unicast list, and sends
 * everything else out of the port, promiscuous or not: a guest behind the bridge is not on the
 * wire, and frames of a VF to it are lost.
 *
 * Pure: what is wanted (what bridges know), what the card has, and what of that is our own, to
 * what is to be added and deleted.
 */
#ifndef VFHOOK_FDB_FDB_PLAN_H
#define VFHOOK_FDB_FDB_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "src/fdb/fdb_note.h"
#include "src/fdb/links.h"
#include "src/fdb/mac_set.h"
#include "src/fdb/macs.h"

/* What is known of one PF. All belongs to the caller. */
struct fdb_facts {
	const struct links *links;
	const enum side *sides; /* links_sides() of this PF */
	const bool *host;
	const struct macs *macs;
	const struct mac_set *configured; /* in a config of PVE's: first when the card is full */
	bool wanted;		     /* the PF's pool says `fdb on`, and a bridge is on the PF */
	bool alone;		     /* its card does without: it is left alone, wanted or not */
	uint8_t own[6];		     /* the PF's address: the card knows it */
	const struct mac_set *vfs;   /* addresses of this PF's VFs: the card knows them as well */
	const struct mac_set *card;  /* what its filter has */
	const struct fdb_note *note; /* what of that we have put there, and since when */
	size_t most;		     /* MACs that the filter takes, 0: not known */
	long long now;		     /* clock_ms() */
};

enum fdb_why {
	FDB_HOST,	/* the bridge's own address, or one of what sits on it */
	FDB_CONFIGURED, /* behind the bridge, and in a guest's config or put into the bridge */
	FDB_HEARD,	/* behind the bridge, learned */
	FDB_QUIET,	/* ... and forgotten by the bridge */
	FDB_GONE,	/* to be deleted: nobody behind the bridge has it any more */
	FDB_AT_WIRE,	/* ... it is on the wire */
	FDB_OF_VF,	/* ... a VF has it */
	FDB_WANDERS,	/* ... it comes from the wire and from the bridge in turn */
	FDB_NO_ROOM,	/* ... for one that goes before it */
	FDB_ALONE,	/* ... the card does without such entries */
	FDB_OFF,	/* ... the pool says so, or the PF has no bridge */
};

/* Why, in words: "behind vmbr0", "now on the wire"... */
const char *fdb_why_text(enum fdb_why why);

struct fdb_change {
	uint8_t mac[6];
	bool add;
	enum fdb_why why;
	int port; /* behind which it lives, or 0 */
};

/* Release with fdb_plan_free(). */
struct fdb_plan {
	struct fdb_change *changes; /* deletions first: they make room */
	size_t n_changes;
	struct fdb_note after; /* what the note says once all of it is done, the refused ones too */
	size_t n_refused;
	size_t n_others; /* entries of the card that are not ours */
};

/* Free what it owns, and leave it empty. */
void fdb_plan_free(struct fdb_plan *p);
/* *out is to be freed in any case. -ENOMEM. */
int fdb_plan_make(const struct fdb_facts *f, struct fdb_plan *out);

#endif
