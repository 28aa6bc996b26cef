/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's side of bridges and of PFs' filters, through rtnetlink: what there is, what becomes
 * of it, and an address put into a filter or taken out of it.
 */
#ifndef VFHOOK_FDB_BRIDGE_SOCKET_H
#define VFHOOK_FDB_BRIDGE_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/fdb/bridge_msg.h"

struct bridge_socket;

/* Who is told. Each returns 0 or a negative errno, which ends the reading. */
struct bridge_sink {
	int (*link)(void *arg, const struct link_info *l, bool gone);
	int (*entry)(void *arg, const struct fdb_entry *e, bool gone);
	int (*mode)(void *arg, int ifindex, bool vepa); /* of a card's own switch */
	void *arg;
};

/*
 * Events are gathered from here on, so that nothing is missed between a look at all there is and
 * the first of them. *out is the caller's to close. 0 or a negative errno with err.
 */
int bridge_socket_open(struct bridge_socket **out, struct error *err);
/* NULL is none. */
void bridge_socket_close(struct bridge_socket *s);

/* Readable when there are events. */
int bridge_socket_fd(const struct bridge_socket *s);

/*
 * All interfaces, how cards forward, and all entries of bridges and of interfaces' own filters.
 * -EINTR: something changed meanwhile, and some of it may be missing; -ENOBUFS, -ETIMEDOUT: some of
 * it was lost: to be asked again later.
 */
int bridge_socket_look(struct bridge_socket *s, const struct bridge_sink *to, struct error *err);

/*
 * What has happened, until there is nothing more. -ENOBUFS: there was more than the kernel
 * kept for us (no text): only a look at all of it tells what is.
 */
int bridge_socket_events(struct bridge_socket *s, const struct bridge_sink *to, struct error *err);

/*
 * Put a MAC into an interface's own filter (`bridge fdb add MAC dev IF self permanent`), or take it
 * out. Returns the kernel's -errno without a text: -EEXIST, it was there; -ENOENT, it was not;
 * -ENOMEM or -ENOSPC, the card is full (igb_ndo_fdb_add, ixgbe_ndo_fdb_add).
 */
int bridge_fdb_set(struct bridge_socket *s, int ifindex, const uint8_t mac[6], bool add);

#endif
