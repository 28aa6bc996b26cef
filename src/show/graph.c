/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From facts to items and words. */
#include "src/show/graph.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/show/vf_words.h"

#define TEXT_LEN 1024
/* A node tells its facts anew within the hour. */
#define OLD_SECONDS 7200

void graph_free(struct graph *g)
{
	for (size_t i = 0; i < g->n; i++) {
		for (size_t w = 0; w < g->items[i].n_words; w++)
			free(g->items[i].words[w].text);
		free(g->items[i].name);
	}
	free(g->items);
	*g = (struct graph){.n = 0};
}

const struct graph_word *graph_word(const struct graph_item *i, enum graph_key key)
{
	for (size_t w = 0; w < i->n_words; w++) {
		if (i->words[w].key == key)
			return &i->words[w];
	}
	return NULL;
}

/* --- Adding --- */

__attribute__((format(printf, 2, 0))) static char *text_of(struct graph *g, const char *fmt,
							   va_list ap)
{
	char text[TEXT_LEN];
	char *copy;

	vsnprintf(text, sizeof(text), fmt, ap);
	copy = strdup(text);
	g->failed = g->failed || !copy;
	return copy;
}

/* Its index, or that of the last one there is when memory has run out: for words that get lost. */
__attribute__((format(printf, 5, 6))) static size_t
add(struct graph *g, enum graph_kind kind, size_t parent, enum style style, const char *fmt, ...)
{
	va_list ap;

	if (g->n == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 64;
		struct graph_item *more = reallocarray(g->items, cap, sizeof(*more));

		if (!more) {
			g->failed = true;
			return g->n - 1;
		}
		g->items = more;
		g->cap = cap;
	}
	g->items[g->n] = (struct graph_item){.kind = kind, .parent = parent, .style = style};
	va_start(ap, fmt);
	g->items[g->n].name = text_of(g, fmt, ap);
	va_end(ap);
	if (parent != GRAPH_ROOT)
		g->items[g->n].faint = g->items[parent].faint;
	return g->n++;
}

__attribute__((format(printf, 5, 6))) static void
say_word(struct graph *g, size_t item, enum graph_key key, enum style style, const char *fmt, ...)
{
	struct graph_item *i;
	va_list ap;
	char *text;

	if (g->failed)
		return;
	i = &g->items[item];
	va_start(ap, fmt);
	text = text_of(g, fmt, ap);
	va_end(ap);
	if (text && i->n_words < GRAPH_WORDS)
		i->words[i->n_words++] =
			(struct graph_word){.key = key, .style = style, .text = text};
	else
		free(text);
}

static void add_marks(struct graph *g, size_t parent, const struct seen_marks *m)
{
	static const enum style styles[] = {
		[SEEN_NOTE] = STYLE_DIM, [SEEN_WARN] = STYLE_WARN, [SEEN_BAD] = STYLE_BAD};

	for (size_t i = 0; i < m->n && !g->failed; i++)
		add(g, GRAPH_MARK, parent, styles[m->list[i].level], "%s", m->list[i].text);
}

/* --- VFs and guests --- */

static bool same_marks(const struct seen_marks *a, const struct seen_marks *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (a->list[i].level != b->list[i].level ||
		    strcmp(a->list[i].text, b->list[i].text) != 0)
			return false;
	}
	return true;
}

/* Are they one line? Free ones, such that nobody can have, for one reason, or not told of. */
static bool is_same(const struct seen_vf *a, const struct seen_vf *b)
{
	return (!strcmp(a->state, "free") || !strcmp(a->state, "unusable") ||
		!strcmp(a->state, SEEN_UNTOLD)) &&
	       !a->vmid && !b->vmid && b->index == a->index + 1 && !strcmp(a->state, b->state) &&
	       !a->vlan[0] && !b->vlan[0] && same_marks(&a->marks, &b->marks);
}

static void add_guest(struct graph *g, size_t vf, const struct seen_vf *v)
{
	size_t item;

	if (!v->vmid)
		return;
	item = add(g, GRAPH_GUEST, vf, STYLE_PLAIN, "%s %" PRIu32 "%s%s",
		   v->container ? "CT" : "VM", v->vmid, v->guest[0] ? " " : "", v->guest);
	if (g->failed)
		return;
	g->items[item].container = v->container;
	if (v->place[0])
		say_word(g, item, WORD_PLACE, STYLE_DIM, "%s", v->place);
}

static void say_vf(struct graph *g, size_t item, const struct seen_vf *v)
{
	say_word(g, item, WORD_STATE, vf_state_style(v->state), "%s", v->state);
	if (v->vlan[0] || v->vlan_differs)
		say_word(g, item, WORD_VLAN, v->vlan_differs ? STYLE_BAD : STYLE_PLAIN, "%s%s%s",
			 v->vlan[0] ? "VLAN " : "no VLAN", v->vlan, v->vlan_differs ? "!" : "");
	if (v->mac[0])
		say_word(g, item, WORD_MAC, v->mac_differs ? STYLE_BAD : STYLE_PLAIN, "%s%s",
			 v->mac, v->mac_differs ? "!" : "");
	if (v->group >= 0)
		say_word(g, item, WORD_GROUP, STYLE_DIM, "group %d", v->group);
}

/* The VF, or the run of VFs, that begins with v; returns how many they are. */
static size_t add_vf(struct graph *g, size_t pf, const struct seen_vf *v, size_t left)
{
	size_t n = 1;
	size_t item;

	while (n < left && is_same(&v[n - 1], &v[n]))
		n++;
	if (n > 1 || !strcmp(v->state, "free")) {
		item = n > 1 ? add(g, GRAPH_RUN, pf, STYLE_DIM, "VF %u-%u", v->index,
				   v[n - 1].index)
			     : add(g, GRAPH_RUN, pf, STYLE_DIM, "VF %u", v->index);
		say_word(g, item, WORD_STATE, vf_state_style(v->state), "%s", v->state);
	} else {
		item = add(g, GRAPH_VF, pf, STYLE_PLAIN, "VF %u", v->index);
		say_vf(g, item, v);
	}
	if (!g->failed) {
		g->items[item].vfs = v;
		g->items[item].n_vfs = n;
		add_guest(g, item, v);
		add_marks(g, item, &v->marks);
	}
	return n;
}

void graph_vf_title(const struct seen_vf *v, struct str *out)
{
	str_printf(out, "VF %u%s%s: %s", v->index, v->addr[0] ? ", " : "", v->addr, v->state);
	if (v->vmid)
		str_printf(out, ", %s %" PRIu32 "%s%s%s%s", v->container ? "CT" : "VM", v->vmid,
			   v->guest[0] ? " " : "", v->guest, v->place[0] ? " " : "", v->place);
	if (v->mac[0])
		str_printf(out, ", MAC %s", v->mac);
	if (v->vlan[0])
		str_printf(out, ", VLAN %s", v->vlan);
	if (v->group >= 0)
		str_printf(out, ", IOMMU group %d", v->group);
	for (size_t i = 0; i < v->marks.n; i++)
		str_printf(out, "; %s", v->marks.list[i].text);
}

/* --- PFs and cards --- */

static void say_link(struct graph *g, size_t item, const struct seen_pf *pf)
{
	if (pf->up == ANSWER_NO)
		say_word(g, item, WORD_LINK, STYLE_BAD, "DOWN");
	else if (pf->carrier == ANSWER_NO)
		say_word(g, item, WORD_LINK, STYLE_BAD, "NO CARRIER");
	else if (pf->up == ANSWER_YES)
		say_word(g, item, WORD_LINK, STYLE_GOOD, "up");
	if (pf->speed >= 1000 && pf->speed % 1000)
		say_word(g, item, WORD_SPEED, STYLE_PLAIN, "%u.%u Gbit/s", pf->speed / 1000,
			 pf->speed % 1000 / 100);
	else if (pf->speed >= 1000)
		say_word(g, item, WORD_SPEED, STYLE_PLAIN, "%u Gbit/s", pf->speed / 1000);
	else if (pf->speed)
		say_word(g, item, WORD_SPEED, STYLE_PLAIN, "%u Mbit/s", pf->speed);
	if (pf->mtu)
		say_word(g, item, WORD_MTU, STYLE_PLAIN, "MTU %u", pf->mtu);
}

static void add_pf(struct graph *g, size_t card, const struct seen_pf *pf)
{
	size_t item =
		add(g, GRAPH_PF, card, STYLE_HEAD, "%s", pf->ifname[0] ? pf->ifname : pf->addr);
	size_t n_free = 0;
	bool told = true;

	if (g->failed)
		return;
	g->items[item].pf = pf;
	say_link(g, item, pf);
	if (pf->above[0])
		say_word(g, item, WORD_ABOVE, STYLE_PLAIN, "in %s", pf->above);
	if (pf->pools[0])
		say_word(g, item, WORD_POOL, STYLE_PLAIN, "pool %s", pf->pools);
	for (size_t i = 0; i < pf->n_vfs; i++) {
		n_free += !strcmp(pf->vfs[i].state, "free");
		told = told && strcmp(pf->vfs[i].state, SEEN_UNTOLD) != 0;
	}
	if (pf->n_vfs && !told)
		say_word(g, item, WORD_FREE, STYLE_PLAIN, "%zu VFs", pf->n_vfs);
	else if (pf->n_vfs)
		say_word(g, item, WORD_FREE, STYLE_PLAIN, "%zu of %zu VFs free", n_free, pf->n_vfs);
	if (pf->ifname[0])
		say_word(g, item, WORD_ADDRESS, STYLE_DIM, "%s", pf->addr);
	if (pf->driver[0])
		say_word(g, item, WORD_DRIVER, STYLE_DIM, "%s", pf->driver);
	add_marks(g, item, &pf->marks);
	for (size_t i = 0; i < pf->n_vfs && !g->failed;)
		i += add_vf(g, item, &pf->vfs[i], pf->n_vfs - i);
}

/* The number of the first PF that is on the same card, its own if there is none before it. */
static size_t card_of(const struct seen_node *n, size_t pf)
{
	for (size_t k = 0; k < pf; k++) {
		if (seen_same_card(&n->pfs[k], &n->pfs[pf]))
			return card_of(n, k);
	}
	return pf;
}

/* One with all PFs of the node that it has, the first of which is at `first`. */
static void add_card(struct graph *g, size_t node, const struct seen_node *n, size_t first)
{
	const struct seen_pf *pf = &n->pfs[first];
	int device = (int)strcspn(pf->addr, ".");
	size_t item;

	if (pf->card_name[0] || pf->card.model[0])
		item = add(g, GRAPH_CARD, node, STYLE_HEAD, "%s",
			   pf->card_name[0] ? pf->card_name : pf->card.model);
	else
		item = add(g, GRAPH_CARD, node, STYLE_HEAD, "at %.*s", device, pf->addr);
	if (pf->card_name[0] && pf->card.model[0])
		say_word(g, item, WORD_MODEL, STYLE_DIM, "%s", pf->card.model);
	if (pf->card.slot[0])
		say_word(g, item, WORD_SLOT, STYLE_PLAIN, "slot %s", pf->card.slot);
	for (size_t i = first; i < n->n_pfs && !g->failed; i++) {
		if (card_of(n, i) == first)
			add_pf(g, item, &n->pfs[i]);
	}
}

/* --- Nodes --- */

static void say_age(struct graph *g, size_t item, int64_t seconds)
{
	enum style style = seconds > OLD_SECONDS ? STYLE_WARN : STYLE_DIM;

	if (seconds < 120)
		say_word(g, item, WORD_SOURCE, style, "as told just now");
	else if (seconds < OLD_SECONDS)
		say_word(g, item, WORD_SOURCE, style, "as told %" PRId64 " minutes ago",
			 seconds / 60);
	else if (seconds < 172800)
		say_word(g, item, WORD_SOURCE, style, "as told %" PRId64 " hours ago",
			 seconds / 3600);
	else
		say_word(g, item, WORD_SOURCE, style, "as told %" PRId64 " days ago",
			 seconds / 86400);
}

static void say_source(struct graph *g, size_t item, const struct seen_node *n, int64_t now)
{
	if (n->online == ANSWER_NO)
		say_word(g, item, WORD_SOURCE, STYLE_BAD, "OFFLINE");
	if (n->source == SEEN_TOLD)
		say_age(g, item, now - n->time);
	else if (n->source == SEEN_ADDRESSES)
		say_word(g, item, WORD_SOURCE, STYLE_WARN, "tells which VFs it has, and no more");
	else if (n->source == SEEN_SILENT && !n->n_pfs)
		say_word(g, item, WORD_SOURCE, STYLE_DIM, "no pool has a PF of it");
	else if (n->source == SEEN_SILENT)
		say_word(g, item, WORD_SOURCE, STYLE_WARN, "tells nothing of VFs");
}

static void add_node(struct graph *g, const struct seen_node *n, int64_t now)
{
	size_t item = add(g, GRAPH_NODE, GRAPH_ROOT, STYLE_HEAD, "%s", n->name);

	if (g->failed)
		return;
	g->items[item].faint =
		n->online == ANSWER_NO || (n->source == SEEN_TOLD && now - n->time > OLD_SECONDS);
	say_source(g, item, n, now);
	add_marks(g, item, &n->marks);
	for (size_t i = 0; i < n->n_pfs && !g->failed; i++) {
		if (card_of(n, i) == i)
			add_card(g, item, n, i);
	}
}

/* Which of its siblings is the last is known from the end. */
static void find_last(struct graph *g)
{
	for (size_t i = g->n; i-- > 0;) {
		struct graph_item *item = &g->items[i];
		struct graph_item *parent =
			item->parent == GRAPH_ROOT ? NULL : &g->items[item->parent];

		if (item->kind == GRAPH_MARK)
			continue;
		item->last = !parent || !parent->inner;
		if (parent)
			parent->inner = true;
	}
}

void graph_make(const struct seen_node *nodes, size_t n, int64_t now, struct graph *out)
{
	*out = (struct graph){.n = 0};
	for (size_t i = 0; i < n && !out->failed; i++)
		add_node(out, &nodes[i], now);
	find_last(out);
}
