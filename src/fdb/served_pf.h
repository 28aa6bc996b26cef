/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PF whose filter is kept, or was: what is known of it, and what is done to it. The note is
 * written before the card is touched, so that whoever comes after a crash knows what is ours.
 */
#ifndef VFHOOK_FDB_SERVED_PF_H
#define VFHOOK_FDB_SERVED_PF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/fdb/bridge_socket.h"
#include "src/fdb/fdb_plan.h"
#include "src/port/context.h"

/* Why a PF is left alone whose pool says `fdb on`. */
enum alone {
	ALONE_NOT,
	ALONE_SWITCHDEV, /* representors of its VFs are the bridges' ports */
	ALONE_VEPA,	 /* frames between its VFs and the PF come back from the switch outside */
};

struct served_pf {
	struct pci_addr addr;
	int ifindex; /* 0: it has no interface now */
	char name[IFNAME_LEN];
	bool wanted;	/* its pool says `fdb on` */
	bool dirty;	/* something has changed since it was planned for */
	bool vfs_stale; /* its VFs' addresses may be others by now */
	enum side *sides;
	bool *host;
	uint8_t (*vf_macs)[6]; /* by VF number; of one that the kernel left out, the last that was
				  told */
	size_t n_vfs;
	struct mac_set vfs;
	struct mac_set card; /* its filter's unicast addresses */
	struct fdb_note note;
	size_t most;	/* what its filter takes, 0: not known */
	bool unwritten; /* the note in its file is an older one */
	bool vepa;	/* its switch leaves all frames to the one outside */
	enum alone told_alone;
	bool told_full; /* that there is no room for all has been said, and not that it is over */
	struct error told;  /* what was said of the last failure */
	unsigned failures;  /* in a row */
	long long again_at; /* clock_ms() of when to try again after one, 0: there was none */
};

/* What all of them share. */
struct surroundings {
	const struct links *links;
	const struct macs *macs;
	const struct mac_set *configured;
	struct bridge_socket *socket;
};

/* Read what there is to read of a PF at addr: its note. 0 or a negative errno with err. */
int served_pf_init(struct hook *h, const struct pci_addr *addr, struct served_pf *pf,
		   struct error *err);
/* Free what it owns, and leave it empty. */
void served_pf_free(struct served_pf *pf);

/* The interfaces have changed: what is above it is worked out anew. -ENOMEM. */
int served_pf_place(struct served_pf *pf, const struct links *links);

/* Has something changed, or is it time to try again what failed? now is clock_ms(). */
bool served_pf_is_due(const struct served_pf *pf, long long now);

/*
 * Plan, note, do; tells what was done, and a failure once, until it is another or over. 0 or a
 * negative errno with err: then pf->again_at is when to try again, and what need not wait for that
 * is done. In a dry run only tells.
 */
int served_pf_serve(struct hook *h, struct served_pf *pf, const struct surroundings *around,
		    struct error *err);

/* Is any bridge on it? */
bool served_pf_has_bridge(const struct served_pf *pf, const struct links *links);

#endif
