/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How vfhook.cfg is changed, for src/port/config_*.c: read under the cluster-wide lock
 * /etc/pve/priv/lock/vfhook, and written as a whole. Every byte that is not to change stays as it
 * is, comments too.
 */
#ifndef VFHOOK_PORT_CONFIG_EDIT_H
#define VFHOOK_PORT_CONFIG_EDIT_H

#include <stddef.h>

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/port/cfs_lock.h"
#include "src/port/config.h"

/* The file under its lock, as it is and as it will be. */
struct edit {
	struct cfs_lock lock;
	char *text;
	struct config now;
	struct str out;
};

#define EDIT_INIT ((struct edit){.lock = CFS_LOCK_INIT, .out = STR_INIT})

/*
 * The file as it is now and what is in it, without the lock; a missing one is "". *text is the
 * caller's to free() and *c to config_free(), after a failure too.
 */
int edit_look(int root, char **text, struct config *c, struct error *err);
/* The same with the lock, into *e. edit_end() it, after a failure too. */
int edit_begin(int root, struct edit *e, struct error *err);
/* Write e->out; the file goes if that is empty. */
int edit_store(int root, struct edit *e, struct error *err);
/* Release everything, the lock too. */
void edit_end(struct edit *e);

/* A key and its new value, NULL to take it out. */
struct key_change {
	const char *key;
	const char *value;
};

/* Each makes e->out, which is empty before, of e->text; memory that runs out shows in e->out. */

/* The file as it is, and a blank line to begin a section after. */
void edit_new_section(struct edit *e);
/* Everything but the section at head, and the blank line that stood between it and the rest. */
void edit_leave_out(struct edit *e, const char *head);
/* Keys that are there change in their place, new ones come behind the section's last one; at most
 * 64 changes. */
void edit_change_keys(struct edit *e, const char *head, const struct key_change *changes, size_t n);
/* Another text for the section at head (NULL: a new one); `to` NULL leaves it out. */
void edit_swap(struct edit *e, const char *head, const char *to);

#endif
