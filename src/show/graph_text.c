/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines, branches and columns of a tree on a terminal. */
#include "src/show/graph_text.h"

#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"

#define BRANCH_WIDTH 3
#define GAP	     2
/* Less of a guest than this is worth less than the columns before it. */
#define GUEST_LEAST 16

enum { COL_NAME, COL_STATE, COL_VLAN, COL_MAC, COL_GROUP, COL_COUNT };

static const enum graph_key keys[COL_COUNT] = {[COL_STATE] = WORD_STATE,
					       [COL_VLAN] = WORD_VLAN,
					       [COL_MAC] = WORD_MAC,
					       [COL_GROUP] = WORD_GROUP};

struct drawing {
	const struct graph *g;
	size_t width;
	bool colour;
	struct str *out;
	size_t columns[COL_COUNT]; /* of the VFs of the PF that is drawn; 0: not shown */
};

/* --- Branches --- */

static size_t depth_of(const struct graph *g, size_t item)
{
	size_t depth = 0;

	while (g->items[item].parent != GRAPH_ROOT) {
		item = g->items[item].parent;
		depth++;
	}
	return depth;
}

static void draw_branch(const struct drawing *d, const char *branch)
{
	if (d->colour)
		str_append(d->out, "\033[2m");
	str_append(d->out, branch);
	if (d->colour)
		str_append(d->out, "\033[0m");
}

/* What goes on from the items above, past a line of this one. */
static void draw_trunks(const struct drawing *d, size_t item)
{
	const struct graph_item *i = &d->g->items[item];

	if (i->parent == GRAPH_ROOT)
		return;
	draw_trunks(d, i->parent);
	draw_branch(d, i->last ? "   " : "│  ");
}

/* How many columns are left of it. */
static size_t draw_head(const struct drawing *d, size_t item)
{
	const struct graph_item *i = &d->g->items[item];
	size_t used = depth_of(d->g, item) * BRANCH_WIDTH;

	if (i->parent != GRAPH_ROOT) {
		draw_trunks(d, i->parent);
		draw_branch(d, i->last ? "└─ " : "├─ ");
	}
	return used < d->width ? d->width - used : 0;
}

/* Of a further line of the item. */
static size_t draw_margin(const struct drawing *d, size_t item)
{
	const struct graph_item *i = &d->g->items[item];
	size_t used = (depth_of(d->g, item) + 1) * BRANCH_WIDTH;

	draw_trunks(d, item);
	draw_branch(d, i->inner && i->kind != GRAPH_VF ? "│  " : "   ");
	return used < d->width ? d->width - used : 0;
}

/* --- Sentences --- */

/* What is wrong begins with a '!'. Broken between words; as narrow as it may be, words are cut. */
static void draw_mark(const struct drawing *d, size_t item)
{
	const struct graph_item *i = &d->g->items[item];
	CLEANUP(str_free) struct str said = STR_INIT;
	CLEANUP(str_free) struct str lines = STR_INIT;
	size_t margin = (depth_of(d->g, i->parent) + 1) * BRANCH_WIDTH;

	str_printf(&said, "%s%s", i->style == STYLE_DIM ? "" : "! ", i->name);
	paragraph_print(str_get(&said), 2, d->width > margin + 1 ? d->width - margin : 2,
			STYLE_PLAIN, false, &lines);
	if (!str_ok(&lines)) {
		d->out->failed = true;
		return;
	}
	for (char *line = lines.data, *end; *line; line = end + 1) {
		size_t left = draw_margin(d, i->parent);

		end = strchr(line, '\n');
		*end = '\0';
		text_styled(line, left, i->style, d->colour, d->out);
		str_append(d->out, "\n");
	}
}

/* --- Nodes, cards, PFs: a name, and words as many as there are --- */

static void draw_words(const struct drawing *d, size_t item, const char *kind)
{
	const struct graph_item *i = &d->g->items[item];
	size_t left = draw_head(d, item);
	bool fresh = false;

	left -= text_styled(kind, left, STYLE_DIM, d->colour, d->out);
	left -= text_styled(i->name, left, i->style, d->colour, d->out);
	for (size_t w = 0; w < i->n_words; w++) {
		const struct graph_word *word = &i->words[w];
		CLEANUP(str_free) struct str fit = STR_INIT;
		/* With what is before it, and a comma behind. */
		size_t need = text_fit(word->text, d->width, &fit) + GAP + 1;

		if (need > left) {
			str_append(d->out, w && left ? ",\n" : "\n");
			left = draw_margin(d, item);
			fresh = true;
		}
		if (!fresh)
			left -= text_fit(w ? ", " : "  ", left, d->out);
		left -= text_styled(word->text, left, word->style, d->colour, d->out);
		fresh = false;
	}
	str_append(d->out, "\n");
}

/* --- VFs: columns, and the guest behind them --- */

static size_t width_of(const char *text)
{
	CLEANUP(str_free) struct str fit = STR_INIT;

	return text_fit(text, SIZE_MAX, &fit);
}

/* "group 12" where there is room for it, else "g12". */
static const char *column_text(const struct drawing *d, const struct graph_item *i, size_t column,
			       char *buf, size_t size)
{
	const struct graph_word *w;

	if (column == COL_NAME)
		return i->name;
	w = graph_word(i, keys[column]);
	if (!w || column != COL_GROUP || d->width >= 100)
		return w ? w->text : "";
	snprintf(buf, size, "g%s", w->text + strcspn(w->text, "0123456789"));
	return buf;
}

/* What the columns take that are shown, with the branches before them. */
static size_t columns_width(const struct drawing *d)
{
	size_t sum = (size_t)3 * BRANCH_WIDTH;

	for (size_t c = 0; c < COL_COUNT; c++)
		sum += d->columns[c] ? d->columns[c] + GAP : 0;
	return sum;
}

/* Where it has the VF is said where there is room for all of it. */
static void draw_guest(const struct drawing *d, const struct graph_item *guest, size_t left)
{
	const struct graph_word *place = graph_word(guest, WORD_PLACE);

	left -= text_styled(guest->name, left, guest->style, d->colour, d->out);
	if (!place || width_of(place->text) + 1 > left)
		return;
	str_append(d->out, " ");
	text_styled(place->text, left - 1, place->style, d->colour, d->out);
}

/* How wide the columns of this PF's VFs are, and which there are, so that guests have room. */
static void measure(struct drawing *d, size_t pf)
{
	static const size_t dropped[] = {COL_GROUP, COL_MAC, COL_VLAN};
	size_t guest = 0;

	memset(d->columns, 0, sizeof(d->columns));
	for (size_t k = pf + 1; k < d->g->n && d->g->items[k].kind > GRAPH_PF; k++) {
		const struct graph_item *i = &d->g->items[k];
		size_t w = i->kind == GRAPH_GUEST ? width_of(i->name) : 0;
		char buf[32];

		guest = w > guest ? w : guest;
		for (size_t c = 0; (i->kind == GRAPH_VF || i->kind == GRAPH_RUN) && c < COL_COUNT;
		     c++) {
			w = width_of(column_text(d, i, c, buf, sizeof(buf)));
			d->columns[c] = w > d->columns[c] ? w : d->columns[c];
		}
	}
	guest = guest < GUEST_LEAST ? guest : GUEST_LEAST;
	for (size_t i = 0; i < ARRAY_SIZE(dropped); i++) {
		if (columns_width(d) + guest > d->width)
			d->columns[dropped[i]] = 0;
	}
}

static enum style column_style(const struct graph_item *i, size_t column)
{
	const struct graph_word *w = column == COL_NAME ? NULL : graph_word(i, keys[column]);

	return column == COL_NAME ? i->style : w ? w->style : STYLE_PLAIN;
}

static void draw_blanks(const struct drawing *d, size_t n)
{
	while (n--)
		str_append(d->out, " ");
}

/* Blanks are owed until there is something behind them. */
static void draw_vf(const struct drawing *d, size_t item)
{
	const struct graph_item *i = &d->g->items[item];
	const struct graph_item *below = i->inner ? i + 1 : NULL;
	size_t left = draw_head(d, item);
	size_t owed = 0;

	for (size_t c = 0; c < COL_COUNT; c++) {
		char buf[32];
		const char *text = column_text(d, i, c, buf, sizeof(buf));
		size_t used = 0;

		if (!d->columns[c])
			continue;
		if (text[0] && left > owed) {
			draw_blanks(d, owed);
			left -= owed;
			owed = 0;
			used = text_styled(text, left < d->columns[c] ? left : d->columns[c],
					   column_style(i, c), d->colour, d->out);
			left -= used;
		}
		owed += d->columns[c] - used + GAP;
	}
	if (below && left > owed) {
		draw_blanks(d, owed);
		draw_guest(d, below, left - owed);
	}
	str_append(d->out, "\n");
}

void graph_text(const struct graph *g, size_t width, bool colour, struct str *out)
{
	struct drawing d = {.g = g, .width = width, .colour = colour, .out = out};

	out->failed = out->failed || g->failed;
	for (size_t i = 0; i < g->n && !out->failed; i++) {
		switch (g->items[i].kind) {
		case GRAPH_NODE:
			if (i)
				str_append(out, "\n");
			draw_words(&d, i, "");
			break;
		case GRAPH_CARD:
			draw_words(&d, i, "card ");
			break;
		case GRAPH_PF:
			draw_words(&d, i, "PF ");
			measure(&d, i);
			break;
		case GRAPH_VF:
		case GRAPH_RUN:
			draw_vf(&d, i);
			break;
		case GRAPH_MARK:
			draw_mark(&d, i);
			break;
		case GRAPH_GUEST: /* on the line of its VF */
			break;
		}
	}
}
