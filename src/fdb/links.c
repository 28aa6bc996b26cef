/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interfaces of this node, and what stands above a PF. */
#include "src/fdb/links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/sorted.h"

void links_free(struct links *l)
{
	free(l->list);
	*l = (struct links){0};
}

static int compare(const void *item, const void *ifindex)
{
	const struct link_info *l = item;
	const int *key = ifindex;

	return (l->ifindex > *key) - (l->ifindex < *key);
}

/* Where it is, or where it would stand. */
static size_t place(const struct links *l, int ifindex)
{
	return sorted_place(l->list, l->n, sizeof(*l->list), &ifindex, compare);
}

static bool is_at(const struct links *l, size_t i, int ifindex)
{
	return i < l->n && l->list[i].ifindex == ifindex;
}

const struct link_info *links_find(const struct links *l, int ifindex)
{
	size_t i = place(l, ifindex);

	return is_at(l, i, ifindex) ? &l->list[i] : NULL;
}

static bool same(const struct link_info *a, const struct link_info *b)
{
	return a->kind == b->kind && a->master == b->master && a->lower == b->lower &&
	       a->represents_vf == b->represents_vf && !pci_addr_cmp(&a->device, &b->device) &&
	       !strcmp(a->name, b->name) && !memcmp(a->mac, b->mac, 6);
}

int links_put(struct links *l, const struct link_info *info)
{
	size_t i = place(l, info->ifindex);
	struct link_info *more;

	if (is_at(l, i, info->ifindex)) {
		bool is_new = !same(&l->list[i], info);

		l->list[i] = *info;
		return is_new;
	}
	more = sorted_open(l->list, l->n, &l->room, sizeof(*l->list), i);
	if (!more)
		return -ENOMEM;
	l->list = more;
	l->list[i] = *info;
	l->n++;
	return 1;
}

bool links_drop(struct links *l, int ifindex)
{
	size_t i = place(l, ifindex);

	if (!is_at(l, i, ifindex))
		return false;
	sorted_close(l->list, l->n--, sizeof(*l->list), i);
	return true;
}

bool links_represent(const struct links *l, const struct pci_addr *pf)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->list[i].represents_vf && !pci_addr_cmp(&l->list[i].device, pf))
			return true;
	}
	return false;
}

/* --- What stands above a PF --- */

/* What is known of an interface while it is worked out. */
struct mark {
	bool above;	/* on the way between the PF and whoever talks through it */
	bool host;	/* its own address is this host's, through a bridge */
	bool over_veth; /* reached over a pair of veth */
};

/* i is above what `from` describes: by its bond or bridge, by sitting on it, by a veth. */
static bool raise(struct mark *m, const struct mark *from, bool bridge, bool over_veth)
{
	if (m->above)
		return false;
	m->above = true;
	m->over_veth = from->over_veth || over_veth;
	m->host = !m->over_veth && (bridge || from->host);
	return true;
}

static bool raise_master(const struct links *l, struct mark *marks, size_t i)
{
	size_t at = place(l, l->list[i].master);

	if (!l->list[i].master || !is_at(l, at, l->list[i].master))
		return false;
	return raise(&marks[at], &marks[i], l->list[at].kind == LINK_BRIDGE, false);
}

/* A bridge's port that is a veth, and whose peer is a port of another bridge: so is that peer. */
static bool raise_peer(const struct links *l, struct mark *marks, size_t i)
{
	const struct link_info *port = &l->list[i];
	size_t bridge = place(l, port->master);
	size_t peer = place(l, port->lower);
	const struct link_info *second;

	if (port->kind != LINK_VETH || !port->master || !is_at(l, bridge, port->master) ||
	    !marks[bridge].above || l->list[bridge].kind != LINK_BRIDGE ||
	    !is_at(l, peer, port->lower))
		return false;
	second = links_find(l, l->list[peer].master);
	if (!second || second->kind != LINK_BRIDGE || second->ifindex == port->master)
		return false;
	return raise(&marks[peer], &marks[bridge], false, true);
}

/* What sits on something above: a VLAN, a macvlan. */
static bool raise_upper(const struct links *l, struct mark *marks, size_t i)
{
	size_t lower = place(l, l->list[i].lower);

	if (l->list[i].kind == LINK_VETH || !l->list[i].lower ||
	    !is_at(l, lower, l->list[i].lower) || !marks[lower].above)
		return false;
	return raise(&marks[i], &marks[lower], false, false);
}

/* Once over all of them: did anything come to it? */
static bool raise_all(const struct links *l, struct mark *marks)
{
	bool any = false;

	for (size_t i = 0; i < l->n; i++) {
		if (marks[i].above)
			any = raise_master(l, marks, i) || any;
		else
			any = raise_peer(l, marks, i) || raise_upper(l, marks, i) || any;
	}
	return any;
}

static enum side tell_side(const struct links *l, const struct mark *marks, size_t i)
{
	size_t master = place(l, l->list[i].master);

	if (marks[i].above)
		return l->list[i].kind == LINK_BRIDGE ? SIDE_BRIDGE : SIDE_WIRE;
	if (l->list[i].master && is_at(l, master, l->list[i].master) && marks[master].above &&
	    l->list[master].kind == LINK_BRIDGE)
		return SIDE_BEHIND;
	return SIDE_NONE;
}

/* marks: one for each, zeroed. */
static void mark_all(const struct links *l, int pf, struct mark *marks)
{
	size_t at = place(l, pf);

	if (!is_at(l, at, pf))
		return;
	marks[at].above = true;
	/* Each round raises one at least, or is the last. */
	while (raise_all(l, marks))
		;
}

int links_sides(const struct links *l, int pf, enum side **sides, bool **host)
{
	struct mark *marks = calloc(l->n + 1, sizeof(*marks));

	*sides = calloc(l->n + 1, sizeof(**sides));
	*host = calloc(l->n + 1, sizeof(**host));
	if (!marks || !*sides || !*host) {
		free(marks);
		return -ENOMEM;
	}
	mark_all(l, pf, marks);
	for (size_t i = 0; i < l->n; i++) {
		(*sides)[i] = tell_side(l, marks, i);
		(*host)[i] = marks[i].host;
	}
	free(marks);
	return 0;
}

enum side side_of(const struct links *l, const enum side *sides, int ifindex)
{
	size_t i = place(l, ifindex);

	return is_at(l, i, ifindex) ? sides[i] : SIDE_NONE;
}
