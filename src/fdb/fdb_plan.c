/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what bridges know to what a PF's filter is to have. */
#include "src/fdb/fdb_plan.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"

const char *fdb_why_text(enum fdb_why why)
{
	switch (why) {
	case FDB_HOST:
		return "this host's own, through the bridge";
	case FDB_CONFIGURED:
		return "of a guest behind the bridge";
	case FDB_HEARD:
		return "heard behind the bridge";
	case FDB_QUIET:
		return "behind the bridge, quiet since";
	case FDB_GONE:
		return "nobody behind the bridge has it any more";
	case FDB_AT_WIRE:
		return "it is on the wire now";
	case FDB_OF_VF:
		return "a VF of this PF has it";
	case FDB_WANDERS:
		return "it comes from the wire and from the bridge in turn";
	case FDB_NO_ROOM:
		return "no room for it on the card beside those that go first";
	case FDB_ALONE:
		return "the card needs no such entries as it is set now";
	case FDB_OFF:
		break;
	}
	return "its pool does not say fdb on, or no bridge is on the PF";
}

/* One that somebody wants to be reached by. */
struct candidate {
	uint8_t mac[6];
	enum fdb_why why;
	int port;
	bool on_card; /* by us */
	bool fixed;   /* in bridges by somebody's hand only */
	time_t since;
};

struct wanted {
	struct candidate *list;
	size_t n;
	size_t room;
};

void fdb_plan_free(struct fdb_plan *p)
{
	free(p->changes);
	fdb_note_free(&p->after);
	*p = (struct fdb_plan){0};
}

static bool is_ours(const struct fdb_facts *f, const uint8_t mac[6])
{
	const struct fdb_noted *m = fdb_note_find(f->note, mac);

	return m && m->place == FDB_IN;
}

static int want(struct wanted *w, const struct fdb_facts *f, const uint8_t mac[6], enum fdb_why why,
		int port, time_t since)
{
	struct candidate *c;

	if (w->n == w->room) {
		size_t room = w->room ? w->room * 2 : 64;

		c = reallocarray(w->list, room, sizeof(*c));
		if (!c)
			return -ENOMEM;
		w->list = c;
		w->room = room;
	}
	c = &w->list[w->n++];
	*c = (struct candidate){.why = why, .port = port, .since = since};
	memcpy(c->mac, mac, 6);
	c->on_card = is_ours(f, mac) && mac_set_has(f->card, mac);
	return 0;
}

/* What the card knows of itself. */
static bool is_cards_own(const struct fdb_facts *f, const uint8_t mac[6])
{
	return !memcmp(mac, f->own, 6) || mac_set_has(f->vfs, mac);
}

/* --- Who is wanted --- */

/* What all that was heard of one MAC comes to: a why that is wanted, or one that is not. */
struct verdict {
	enum fdb_why why;
	const struct heard *best;
	bool learned; /* behind a bridge somewhere, not only put there */
};

static enum fdb_why why_behind(const struct fdb_facts *f, const struct heard *h)
{
	if (h->state == FDB_STATIC || mac_set_has(f->configured, h->mac))
		return FDB_CONFIGURED;
	return h->quiet ? FDB_QUIET : FDB_HEARD;
}

/*
 * n entries of one MAC: of several VLANs and bridges. The card's filter knows no VLANs
 * (ndo_dflt_fdb_add), so one that is behind a bridge in one VLAN and on the wire in another is left
 * to the wire: else a guest could take the MAC of a router in another VLAN away from all VFs.
 */
static struct verdict judge(const struct fdb_facts *f, const struct heard *list, size_t n)
{
	struct verdict v = {.why = FDB_GONE};
	bool at_wire = false;
	bool wanders = false;
	bool learned = false;

	for (size_t i = 0; i < n; i++) {
		const struct heard *h = &list[i];
		enum side side = side_of(f->links, f->sides, h->port);
		enum fdb_why why;

		at_wire = at_wire || (side == SIDE_WIRE && !h->quiet);
		if (side != SIDE_BEHIND)
			continue;
		learned = learned || h->state == FDB_LEARNED;
		wanders = wanders || heard_wanders(h, f->now);
		why = why_behind(f, h);
		if (!v.best || why < v.why)
			v = (struct verdict){.why = why, .best = h};
	}
	if (at_wire && v.best)
		v = (struct verdict){.why = FDB_AT_WIRE};
	else if (wanders && v.best && v.why != FDB_CONFIGURED)
		v = (struct verdict){.why = FDB_WANDERS};
	else if (at_wire)
		v.why = FDB_AT_WIRE;
	v.learned = learned;
	return v;
}

static size_t run_length(const struct macs *m, size_t i)
{
	size_t n = 1;

	while (i + n < m->n && !memcmp(m->list[i].mac, m->list[i + n].mac, 6))
		n++;
	return n;
}

/* Is it among the first n? */
static bool has(const struct wanted *w, const uint8_t mac[6], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!memcmp(w->list[i].mac, mac, 6))
			return true;
	}
	return false;
}

static int gather_heard(const struct fdb_facts *f, struct wanted *w)
{
	const size_t n_host = w->n;
	size_t n;

	for (size_t i = 0; i < f->macs->n; i += n) {
		struct verdict v;

		n = run_length(f->macs, i);
		v = judge(f, &f->macs->list[i], n);
		if (!v.best || is_cards_own(f, v.best->mac) || has(w, v.best->mac, n_host))
			continue;
		if (want(w, f, v.best->mac, v.why, v.best->port, v.best->since) < 0)
			return -ENOMEM;
		w->list[w->n - 1].fixed = !v.learned;
	}
	return 0;
}

/* Addresses of this host: there are few. */
static int gather_host(const struct fdb_facts *f, struct wanted *w)
{
	for (size_t i = 0; i < f->links->n; i++) {
		const struct link_info *l = &f->links->list[i];

		if (!f->host[i] || mac_is_zero(l->mac) || mac_is_multicast(l->mac) ||
		    is_cards_own(f, l->mac) || has(w, l->mac, w->n))
			continue;
		if (want(w, f, l->mac, FDB_HOST, l->ifindex, 0) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Who goes first: by why, then who is in already (nobody is put out for his equal), then the older.
 */
static int by_rank(const void *a, const void *b)
{
	const struct candidate *x = a;
	const struct candidate *y = b;

	if (x->why != y->why)
		return x->why < y->why ? -1 : 1;
	if (x->on_card != y->on_card)
		return x->on_card ? -1 : 1;
	if (x->since != y->since)
		return x->since < y->since ? -1 : 1;
	return memcmp(x->mac, y->mac, 6);
}

static int gather(const struct fdb_facts *f, struct wanted *w)
{
	if (!f->wanted || f->alone)
		return 0;
	/* The host's own first: the others are looked up among these few. */
	if (gather_host(f, w) < 0)
		return -ENOMEM;
	if (gather_heard(f, w) < 0)
		return -ENOMEM;
	if (w->n)
		qsort(w->list, w->n, sizeof(*w->list), by_rank);
	return 0;
}

/* --- What is to be done --- */

static int add_change(struct fdb_plan *p, const uint8_t mac[6], bool add, enum fdb_why why,
		      int port)
{
	struct fdb_change *more;

	/* Full whenever there is a power of two of them: twice as many then. */
	if (!(p->n_changes & (p->n_changes - 1))) {
		more = reallocarray(p->changes, p->n_changes ? p->n_changes * 2 : 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		p->changes = more;
	}
	p->changes[p->n_changes] = (struct fdb_change){.add = add, .why = why, .port = port};
	memcpy(p->changes[p->n_changes++].mac, mac, 6);
	return 0;
}

static int note_it(const struct fdb_facts *f, const struct candidate *c, enum fdb_place place,
		   struct fdb_plan *p)
{
	const struct fdb_noted *before = fdb_note_find(f->note, c->mac);
	const struct link_info *port = links_find(f->links, c->port);
	struct fdb_noted m = {.place = place, .since = time(NULL), .fixed = c->fixed};

	memcpy(m.mac, c->mac, 6);
	snprintf(m.port, sizeof(m.port), "%s", port ? port->name : "?");
	if (before && before->place == place)
		m.since = before->since;
	return fdb_note_put(&p->after, &m);
}

/* Why is one of ours not to stay? */
static enum fdb_why why_gone(const struct fdb_facts *f, const uint8_t mac[6])
{
	size_t n;

	if (!f->wanted)
		return FDB_OFF;
	if (f->alone)
		return FDB_ALONE;
	if (is_cards_own(f, mac))
		return FDB_OF_VF;
	for (size_t i = 0; i < f->macs->n; i += n) {
		n = run_length(f->macs, i);
		if (!memcmp(f->macs->list[i].mac, mac, 6)) {
			enum fdb_why why = judge(f, &f->macs->list[i], n).why;

			return why < FDB_GONE ? FDB_NO_ROOM : why;
		}
	}
	return FDB_GONE;
}

static int plan_deletions(const struct fdb_facts *f, struct fdb_plan *p)
{
	for (size_t i = 0; i < f->note->n; i++) {
		const struct fdb_noted *m = &f->note->macs[i];
		const struct fdb_noted *stays = fdb_note_find(&p->after, m->mac);

		if (m->place != FDB_IN || !mac_set_has(f->card, m->mac) ||
		    (stays && stays->place == FDB_IN))
			continue;
		if (add_change(p, m->mac, false, stays ? FDB_NO_ROOM : why_gone(f, m->mac), 0) < 0)
			return -ENOMEM;
	}
	return 0;
}

static size_t count_others(const struct fdb_facts *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->card->n; i++)
		n += !is_ours(f, f->card->list[i]);
	return n;
}

/* Into the note, as many as there is room for, those that go first; what others have put there
 * already needs none of ours. */
static int choose(const struct fdb_facts *f, const struct wanted *w, struct fdb_plan *p)
{
	size_t left = SIZE_MAX;

	if (f->most)
		left = f->most > p->n_others ? f->most - p->n_others : 0;
	for (size_t i = 0; i < w->n; i++) {
		const struct candidate *c = &w->list[i];
		bool in = left > 0;

		if (mac_set_has(f->card, c->mac) && !is_ours(f, c->mac))
			continue;
		left -= in;
		p->n_refused += !in;
		if (note_it(f, c, in ? FDB_IN : FDB_REFUSED, p) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int plan_additions(const struct fdb_facts *f, const struct wanted *w, struct fdb_plan *p)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct candidate *c = &w->list[i];
		const struct fdb_noted *m = fdb_note_find(&p->after, c->mac);

		if (!m || m->place != FDB_IN || mac_set_has(f->card, c->mac))
			continue;
		if (add_change(p, c->mac, true, c->why, c->port) < 0)
			return -ENOMEM;
	}
	return 0;
}

int fdb_plan_make(const struct fdb_facts *f, struct fdb_plan *out)
{
	const bool kept = f->wanted && !f->alone;
	struct wanted w = {0};
	int r;

	*out = (struct fdb_plan){.after = {.pf = f->note->pf, .most = kept ? f->most : 0}};
	memcpy(out->after.ifname, f->note->ifname, sizeof(out->after.ifname));
	out->n_others = count_others(f);
	out->after.others = kept ? out->n_others : 0;
	r = gather(f, &w);
	if (!r)
		r = choose(f, &w, out);
	if (!r)
		r = plan_deletions(f, out);
	if (!r)
		r = plan_additions(f, &w, out);
	free(w.list);
	return r;
}
