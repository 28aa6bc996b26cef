/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interfaces of this node, and what stands above a PF: the bridges whose frames go out through
 * it, over VLANs, bonds and other bridges, and by which of their ports.
 */
#ifndef VFHOOK_FDB_LINKS_H
#define VFHOOK_FDB_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/fdb/bridge_msg.h"

/* Sorted by ifindex. Zeroed is empty; release with links_free(). */
struct links {
	struct link_info *list;
	size_t n;
	size_t room;
};

/* Free what it owns, and leave it empty. */
void links_free(struct links *l);
/* NULL: there is none of that number. Owned by l, until the next change of it. */
const struct link_info *links_find(const struct links *l, int ifindex);
/* Take in what the kernel said: 1 if anything but `up` is new, 0 if not, -ENOMEM. */
int links_put(struct links *l, const struct link_info *info);
/* False: it was not there. */
bool links_drop(struct links *l, int ifindex);

/*
 * Are there interfaces that stand for VFs of this card's function (representors)? Then it is in
 * switchdev mode. A phys_switch_id alone says nothing: mlx5_core shows one in legacy mode as well
 * (en/devlink: mlx5e_devlink_get_port_parent_id).
 */
bool links_represent(const struct links *l, const struct pci_addr *pf);

/* What an interface is to one PF. */
enum side {
	SIDE_NONE,   /* nothing */
	SIDE_WIRE,   /* on the way to the PF: it, its bond, VLANs on it, a bridge's port to it */
	SIDE_BRIDGE, /* a bridge whose frames go out through the PF */
	SIDE_BEHIND, /* another port of such a bridge */
};

/*
 * sides[i] is what l->list[i] is to the PF. host[i]: frames to its own address come from the wire
 * through such a bridge to this host, so that the card must let that address through as well: the
 * bridge itself, and what sits on it. Of bridges that are reached over a pair of veth
 * (SDN, PVE's firewall) it does not count: the bridge in front of them learns the address if it
 * is used. Both are the caller's to free(). -ENOMEM.
 *
 * A port that leads to a second bridge by a veth is both: behind the first, and the second one's
 * way to the wire.
 */
int links_sides(const struct links *l, int pf, enum side **sides, bool **host);

/* sides as links_sides() gave them: that of one interface; SIDE_NONE if l has none of that number.
 */
enum side side_of(const struct links *l, const enum side *sides, int ifindex);

#endif
