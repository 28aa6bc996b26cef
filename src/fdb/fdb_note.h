/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /run/vfhook/fdb/<pci address of the PF>: which MACs we have put into a PF's filter, and which
 * ones it had no room for. Written before the card is touched: what is in the card and not
 * in the note is somebody else's.
 */
#ifndef VFHOOK_FDB_FDB_NOTE_H
#define VFHOOK_FDB_FDB_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "src/base/error.h"
#include "src/vf/sysfs.h"

enum fdb_place {
	FDB_IN,	     /* in the card, or about to be */
	FDB_REFUSED, /* wanted, and there is no room for it */
};

struct fdb_noted {
	uint8_t mac[6];
	enum fdb_place place;
	char port[IFNAME_LEN]; /* the bridge's port that it lives behind, or the interface whose it
				  is */
	time_t since;
	bool fixed; /* only put into the bridge by somebody: once it is there no more it is gone */
};

/* Sorted by MAC. Zeroed is empty; release with fdb_note_free(). */
struct fdb_note {
	struct pci_addr pf;
	char ifname[IFNAME_LEN];
	size_t most;   /* MACs that the filter takes, as found out; 0: not known */
	size_t others; /* entries in it that are not ours */
	struct fdb_noted *macs;
	size_t n;
	size_t room;
};

/* Free what it owns, and leave it empty. */
void fdb_note_free(struct fdb_note *n);
/* NULL: there is none. Owned by n. */
struct fdb_noted *fdb_note_find(const struct fdb_note *n, const uint8_t mac[6]);
/* In its place, or over the one that is there; -ENOMEM. */
int fdb_note_put(struct fdb_note *n, const struct fdb_noted *m);
/* If it is there. */
void fdb_note_drop(struct fdb_note *n, const uint8_t mac[6]);

/*
 * The note on one PF. -ENOENT: there is none (no text). -EINVAL: it is not usable; other errors: it
 * could not be read. *out is to be freed in any case.
 */
int fdb_note_read(int root, const struct pci_addr *pf, struct fdb_note *out, struct error *err);
/* Replace it, or remove it if nothing is noted. 0 or a negative errno with err. */
int fdb_note_write(int root, const struct fdb_note *n, struct error *err);
/* All there are, those that cannot be read left out and told by *err's text. *list is the caller's:
 * fdb_notes_free(). */
int fdb_notes_read(int root, struct fdb_note **list, size_t *n, struct error *err);
void fdb_notes_free(struct fdb_note *list, size_t n);

/* How many of them are in that place? */
size_t fdb_note_count(const struct fdb_note *n, enum fdb_place place);

#endif
