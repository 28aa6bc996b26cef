/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes stand below each other; in each its cards as panels; in these a box for each PF, with its
 * VFs beside it and their guests beside these. Free VFs are small squares. What text takes in width
 * is not known here: it stands in columns that have room for it, and is cut by characters; names,
 * which can be any, by a frame of their own as well.
 */
#include "src/show/graph_svg.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/show/svg_style.h"
#include "src/show/vf_words.h"
#include "src/show/xml.h"

#define WIDTH	  1200
#define MARGIN	  24
#define PAD	  16
#define RIGHT	  (WIDTH - MARGIN - PAD)
#define PF_X	  (MARGIN + PAD)
#define PF_WIDTH  270
#define TRUNK_X	  (PF_X + PF_WIDTH + 22)
#define VF_X	  (PF_X + PF_WIDTH + 44)
#define VF_WIDTH  470
#define GUEST_X	  (VF_X + VF_WIDTH + 48)
#define GUEST_W	  (RIGHT - GUEST_X)
#define ROW	  26 /* a VF's box */
#define ROW_GAP	  7
#define LINE	  18 /* of text */
#define FIRST_ROW 22 /* its middle, below the top of the PF's box */
#define CELL	  14 /* a free VF's square */
#define CELL_STEP 18
#define CELLS_X	  (VF_X + 92)
#define CELLS	  ((RIGHT - CELLS_X + CELL_STEP - CELL) / CELL_STEP)

struct pen {
	const struct graph *g;
	struct str *out;
	int y;	   /* below what is drawn */
	int trunk; /* where the branch before left the trunk of this PF; 0: none did */
};

/* --- Elements --- */

/* x: 'e' in the class is its end. max: columns. */
static void put_text(struct str *out, int x, int y, const char *class, size_t max, const char *text)
{
	str_printf(out, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
	xml_fit(text, max, out);
	str_append(out, "</text>\n");
}

/* In a frame that cuts what is wider: glyphs may be. */
static void put_framed(struct str *out, int x, int y, int width, const char *class,
		       const char *text)
{
	/* No glyph that is worth reading is narrower than 5. */
	size_t max = (size_t)(width > 0 ? width / 7 : 0);

	str_printf(out, "<svg x=\"%d\" y=\"%d\" width=\"%d\" height=\"24\">", x, y - 17, width);
	put_text(out, 0, 17, class, max, text);
	str_append(out, "</svg>\n");
}

static void put_box(struct str *out, int x, int y, int width, int height, int round,
		    const char *class)
{
	str_printf(out,
		   "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\" class=\"%s\"/>\n",
		   x, y, width, height, round, class);
}

static const char *fill_class(enum style style)
{
	static const char *const classes[] = {
		[STYLE_PLAIN] = "t", [STYLE_HEAD] = "t",  [STYLE_GOOD] = "fg",
		[STYLE_DIM] = "d",   [STYLE_WARN] = "fw", [STYLE_BAD] = "fb"};

	return classes[style];
}

static const char *stroke_class(enum style style)
{
	static const char *const classes[] = {
		[STYLE_PLAIN] = "sl", [STYLE_HEAD] = "sl", [STYLE_GOOD] = "sg",
		[STYLE_DIM] = "sl",   [STYLE_WARN] = "sw", [STYLE_BAD] = "sb"};

	return classes[style];
}

/* A word of an item, if it has it; class is added to that of its style. */
static void put_word(struct str *out, int x, int y, const struct graph_item *i, enum graph_key key,
		     const char *class, size_t max)
{
	const struct graph_word *w = graph_word(i, key);
	char both[32];

	if (!w)
		return;
	snprintf(both, sizeof(both), "%s %s", fill_class(w->style), class);
	put_text(out, x, y, both, max, w->text);
}

/* Text in lines of so many columns; returns the y below it. */
static int put_lines(struct str *out, int x, int y, const char *class, size_t columns,
		     const char *text)
{
	CLEANUP(str_free) struct str lines = STR_INIT;

	paragraph_print(text, 0, columns, STYLE_PLAIN, false, &lines);
	if (!str_ok(&lines)) {
		out->failed = true;
		return y;
	}
	for (char *line = lines.data, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		*end = '\0';
		y += LINE;
		put_text(out, x, y - 5, class, columns, line);
	}
	return y;
}

/* The marks of an item, below y. */
static int put_marks(const struct pen *p, size_t item, struct str *out, int x, int y,
		     size_t columns)
{
	for (size_t i = item + 1; i < p->g->n; i++) {
		const struct graph_item *m = &p->g->items[i];

		if (m->kind <= p->g->items[item].kind)
			break;
		if (m->kind == GRAPH_MARK && m->parent == item)
			y = put_lines(out, x, y, fill_class(m->style), columns, m->name);
	}
	return y;
}

/* --- VFs and guests --- */

static enum style state_style(const struct graph_item *vf)
{
	const struct graph_word *w = graph_word(vf, WORD_STATE);

	return w ? w->style : STYLE_PLAIN;
}

/* Its border tells of the worst: the state, or something that is said of it. */
static enum style worst_style(const struct graph_item *vf)
{
	enum style style = state_style(vf);
	enum seen_level level = seen_worst(&vf->vfs->marks);

	if (level == SEEN_BAD || style == STYLE_BAD)
		return STYLE_BAD;
	return level == SEEN_WARN || style == STYLE_WARN ? STYLE_WARN : STYLE_DIM;
}

/* From the PF's box, or from the branch before, to what is at height y. */
static void put_branch(struct pen *p, int top, int y)
{
	if (!p->trunk && y == top + FIRST_ROW)
		str_printf(p->out, "<path class=\"e1\" d=\"M%d %dH%d\"/>\n", PF_X + PF_WIDTH, y,
			   VF_X);
	else if (!p->trunk)
		str_printf(p->out, "<path class=\"e1\" d=\"M%d %dH%dV%dq0 8 8 8H%d\"/>\n",
			   PF_X + PF_WIDTH, top + FIRST_ROW, TRUNK_X, y - 8, VF_X);
	else
		str_printf(p->out, "<path class=\"e1\" d=\"M%d %dV%dq0 8 8 8H%d\"/>\n", TRUNK_X,
			   p->trunk, y - 8, VF_X);
	/* The first one is straight: the next begins at the corner. */
	p->trunk = p->trunk || y != top + FIRST_ROW ? y - 8 : y;
}

static void put_title(struct str *out, const struct seen_vf *v)
{
	CLEANUP(str_free) struct str title = STR_INIT;

	graph_vf_title(v, &title);
	str_append(out, "<title>");
	xml_text(str_get(&title), out);
	str_append(out, "</title>\n");
}

static void put_guest(const struct pen *p, const struct graph_item *guest, enum style state, int y)
{
	const struct graph_word *place = graph_word(guest, WORD_PLACE);
	int reserved = place ? (int)strlen(place->text) * 7 + 10 : 0;
	char line[16];

	snprintf(line, sizeof(line), "e2 %s", stroke_class(state));
	str_printf(p->out, "<path class=\"%s\" d=\"M%d %dH%d\"/>\n", line, VF_X + VF_WIDTH, y,
		   GUEST_X);
	put_box(p->out, GUEST_X, y - ROW / 2, GUEST_W, ROW, ROW / 2,
		guest->container ? "g ct" : "g vm");
	put_framed(p->out, GUEST_X + 14, y + 5, GUEST_W - 28 - reserved, "t b", guest->name);
	if (place)
		put_text(p->out, GUEST_X + GUEST_W - 13, y + 4, "d s e", 15, place->text);
}

static void draw_vf(struct pen *p, size_t item, int top)
{
	const struct graph_item *i = &p->g->items[item];
	enum style state = state_style(i);
	int y = p->y + ROW / 2;
	char class[16];

	put_branch(p, top, y);
	str_append(p->out, "<g>\n");
	put_title(p->out, i->vfs);
	snprintf(class, sizeof(class), "v %s", stroke_class(worst_style(i)));
	put_box(p->out, VF_X, p->y, VF_WIDTH, ROW, 6, class);
	put_text(p->out, VF_X + 12, y + 5, "t b", 9, i->name);
	str_printf(p->out, "<circle cx=\"%d\" cy=\"%d\" r=\"4\" class=\"%s\"/>\n", VF_X + 76, y,
		   fill_class(state));
	put_word(p->out, VF_X + 86, y + 5, i, WORD_STATE, "", 10);
	put_word(p->out, VF_X + 164, y + 5, i, WORD_VLAN, "", 16);
	put_word(p->out, VF_X + 262, y + 4, i, WORD_MAC, "m", 18);
	put_word(p->out, VF_X + VF_WIDTH - 10, y + 4, i, WORD_GROUP, "s e", 10);
	if (i->inner)
		put_guest(p, i + 1, state, y);
	str_append(p->out, "</g>\n");
	p->y = put_marks(p, item, p->out, VF_X + 12, p->y + ROW + 2, 118) + ROW_GAP - 2;
}

static void draw_cell(const struct pen *p, const struct seen_vf *v, size_t n, int y,
		      const char *class)
{
	str_append(p->out, "<g>");
	put_title(p->out, v);
	put_box(p->out, CELLS_X + (int)(n % CELLS) * CELL_STEP, y + (int)(n / CELLS) * CELL_STEP,
		CELL, CELL, 3, class);
	str_append(p->out, "</g>\n");
}

/* VFs as squares behind a word for how many they are. */
static void end_cells(struct pen *p, size_t n, const char *state, int top, const char *class)
{
	char text[48];

	put_branch(p, top, p->y + ROW / 2);
	snprintf(text, sizeof(text), "%zu %s", n, state);
	put_text(p->out, VF_X + 12, p->y + ROW / 2 + 5, class, 12, text);
	p->y += ROW / 2 + CELL / 2 + (int)((n - 1) / CELLS) * CELL_STEP + ROW_GAP;
}

static void draw_run(struct pen *p, size_t item, int top)
{
	const struct graph_item *i = &p->g->items[item];
	bool warn = state_style(i) == STYLE_WARN;

	for (size_t k = 0; k < i->n_vfs; k++)
		draw_cell(p, &i->vfs[k], k, p->y + ROW / 2 - CELL / 2, warn ? "c sw" : "c");
	end_cells(p, i->n_vfs, i->vfs->state, top, warn ? "fw" : "d");
	p->y = put_marks(p, item, p->out, VF_X + 12, p->y - ROW_GAP, 118) + ROW_GAP;
}

static bool is_free(const struct graph_item *i)
{
	return i->kind == GRAPH_RUN && !strcmp(i->vfs->state, "free");
}

/* All free ones together, whatever is between them. */
static void draw_free(struct pen *p, size_t pf, int top)
{
	size_t n = 0;

	for (size_t k = pf + 1; k < p->g->n && p->g->items[k].kind > GRAPH_PF; k++) {
		const struct graph_item *i = &p->g->items[k];

		for (size_t v = 0; is_free(i) && v < i->n_vfs; v++)
			draw_cell(p, &i->vfs[v], n++, p->y + ROW / 2 - CELL / 2, "c");
	}
	if (n)
		end_cells(p, n, "free", top, "d");
}

/* --- PFs --- */

/* How many of its VFs are free, well used, and in trouble, as one bar. */
static void put_bar(struct str *out, const struct seen_pf *pf, int y)
{
	static const char *const classes[] = {"fg", "fw", "fb"};
	size_t n[3] = {0};
	int x = PF_X + 14;
	int all = PF_WIDTH - 28;

	for (size_t i = 0; i < pf->n_vfs; i++) {
		const struct seen_vf *v = &pf->vfs[i];
		enum style style = vf_state_style(v->state);
		enum seen_level worst = seen_worst(&v->marks);
		bool bad = style == STYLE_BAD || worst == SEEN_BAD;

		if (strcmp(v->state, "free") != 0 && strcmp(v->state, SEEN_UNTOLD) != 0)
			n[bad ? 2 : style == STYLE_WARN || worst == SEEN_WARN ? 1 : 0]++;
	}
	put_box(out, x, y, all, 6, 3, "c");
	for (size_t k = 0; k < ARRAY_SIZE(n); k++) {
		int part = (int)(n[k] * (size_t)all / (pf->n_vfs ? pf->n_vfs : 1));

		if (n[k])
			put_box(out, x, y, part > 2 ? part : 2, 6, 3, classes[k]);
		x += part;
	}
}

static void put_pair(struct str *out, const struct graph_item *i, int y, enum graph_key first,
		     enum graph_key second, const char *class)
{
	const struct graph_word *a = graph_word(i, first);
	const struct graph_word *b = graph_word(i, second);
	char text[160];

	snprintf(text, sizeof(text), "%s%s%s", a ? a->text : "", a && b ? " · " : "",
		 b ? b->text : "");
	if (a || b)
		put_text(out, PF_X + 14, y, class, 40, text);
}

/* Returns the y below its text. */
static int pf_words(const struct pen *p, size_t item, struct str *out, int y)
{
	const struct graph_item *i = &p->g->items[item];
	const struct graph_word *above = graph_word(i, WORD_ABOVE);
	const struct graph_word *link = graph_word(i, WORD_LINK);

	str_printf(out, "<circle cx=\"%d\" cy=\"%d\" r=\"5\" class=\"%s\"/>\n", PF_X + 19, y + 22,
		   fill_class(link ? link->style : STYLE_DIM));
	put_framed(out, PF_X + 32, y + 27, PF_WIDTH - 46 - 80, "t h", i->name);
	put_word(out, PF_X + PF_WIDTH - 14, y + 27, i, WORD_LINK, "e", 10);
	y += 36;
	if (graph_word(i, WORD_SPEED) || graph_word(i, WORD_MTU)) {
		put_pair(out, i, y + 12, WORD_SPEED, WORD_MTU, "t");
		y += LINE;
	}
	if (above)
		y = put_lines(out, PF_X + 14, y, "t", 36, above->text);
	if (graph_word(i, WORD_ADDRESS) || graph_word(i, WORD_DRIVER)) {
		put_pair(out, i, y + 12, WORD_ADDRESS, WORD_DRIVER, "d m");
		y += LINE;
	}
	y += 6;
	put_word(out, PF_X + 14, y + 12, i, WORD_POOL, "b", 20);
	put_word(out, PF_X + PF_WIDTH - 14, y + 12, i, WORD_FREE, "s e", 22);
	return y + LINE;
}

static void draw_pf_box(struct pen *p, size_t item, int *bottom)
{
	const struct graph_item *i = &p->g->items[item];
	CLEANUP(str_free) struct str text = STR_INIT;
	int y = pf_words(p, item, &text, p->y);

	if (i->pf->n_vfs) {
		put_bar(&text, i->pf, y + 4);
		y += 10;
	}
	y = put_marks(p, item, &text, PF_X + 14, y + 6, 36) + 6;
	put_box(p->out, PF_X, p->y, PF_WIDTH, y - p->y, 8,
		seen_worst(&i->pf->marks) == SEEN_BAD ? "p sb" : "p");
	str_append(p->out, str_get(&text));
	p->out->failed = p->out->failed || text.failed;
	*bottom = y;
}

static void draw_pf(struct pen *p, size_t item)
{
	int top = p->y;
	int bottom;

	draw_pf_box(p, item, &bottom);
	p->trunk = 0;
	p->y = top + FIRST_ROW - ROW / 2;
	for (size_t k = item + 1; k < p->g->n && p->g->items[k].kind > GRAPH_PF; k++) {
		const struct graph_item *i = &p->g->items[k];

		if (i->kind == GRAPH_VF)
			draw_vf(p, k, top);
		else if (i->kind == GRAPH_RUN && !is_free(i))
			draw_run(p, k, top);
	}
	draw_free(p, item, top);
	p->y = (p->y - ROW_GAP > bottom ? p->y - ROW_GAP : bottom) + PAD;
}

/* --- Cards and nodes --- */

static void card_head(const struct pen *p, const struct graph_item *i, struct str *out)
{
	const struct graph_word *model = graph_word(i, WORD_MODEL);
	const struct graph_word *slot = graph_word(i, WORD_SLOT);
	char name[SEEN_CARD_LEN + 8];
	char right[96];

	snprintf(right, sizeof(right), "%s%s%s", model ? model->text : "",
		 model && slot ? " · " : "", slot ? slot->text : "");
	/* One that nobody knows the name of is "at" a place. */
	snprintf(name, sizeof(name), "%s%s", strncmp(i->name, "at ", 3) != 0 ? "" : "Card ",
		 i->name);
	put_framed(out, PF_X, p->y + 26, RIGHT - PF_X - 330, "t h", name);
	put_text(out, RIGHT, p->y + 26, "d s e", 50, right);
}

static void draw_card(struct pen *p, size_t item)
{
	CLEANUP(str_free) struct str text = STR_INIT;
	struct str *out = p->out;
	int top = p->y;

	p->out = &text;
	card_head(p, &p->g->items[item], &text);
	p->y += 40;
	for (size_t i = item + 1; i < p->g->n && p->g->items[i].kind > GRAPH_CARD; i++) {
		if (p->g->items[i].kind == GRAPH_PF)
			draw_pf(p, i);
	}
	p->out = out;
	put_box(out, MARGIN, top, WIDTH - 2 * MARGIN, p->y - top, 12, "k");
	str_append(out, str_get(&text));
	out->failed = out->failed || text.failed;
	p->y += 14;
}

/* Words stand at the right end, the last one outermost. */
static void node_head(const struct pen *p, const struct graph_item *i, const char *when)
{
	CLEANUP(str_free) struct str said = STR_INIT;
	enum style style = STYLE_DIM;
	char class[16];

	put_framed(p->out, MARGIN + 4, p->y + 26, WIDTH / 2, "t n", i->name);
	for (size_t w = 0; w < i->n_words; w++) {
		str_printf(&said, "%s%s", said.len ? ", " : "", i->words[w].text);
		style = i->words[w].style > style ? i->words[w].style : style;
	}
	snprintf(class, sizeof(class), "%s e", fill_class(style));
	put_text(p->out, WIDTH - MARGIN - 4, p->y + 26, class, 80,
		 said.len ? str_get(&said) : when);
	p->out->failed = p->out->failed || said.failed;
}

static void draw_node(struct pen *p, size_t item, const char *when)
{
	const struct graph_item *i = &p->g->items[item];

	node_head(p, i, when);
	p->y = put_marks(p, item, p->out, MARGIN + 4, p->y + 36, 170) + 10;
	str_append(p->out, i->faint ? "<g opacity=\".6\">\n" : "<g>\n");
	for (size_t k = item + 1; k < p->g->n && p->g->items[k].kind > GRAPH_NODE; k++) {
		if (p->g->items[k].kind == GRAPH_CARD)
			draw_card(p, k);
	}
	str_append(p->out, "</g>\n");
	p->y += 14;
}

/* --- All of it --- */

static void draw_legend(struct pen *p)
{
	static const struct {
		int width;
		const char *class;
		const char *word;
	} all[] = {{116, "fg", "running"},
		   {88, "c", "free"},
		   {214, "fw", "on its way, or not usable"},
		   {190, "fb", "not as it should be"},
		   {68, "g vm", "VM"},
		   {110, "g ct", "container"}};
	int x = MARGIN + 4;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		put_box(p->out, x, p->y + 2, CELL, CELL, all[i].class[0] == 'g' ? CELL / 2 : 3,
			all[i].class);
		put_text(p->out, x + CELL + 7, p->y + CELL - 1, "d s", 40, all[i].word);
		x += all[i].width;
	}
	p->y += CELL + MARGIN;
}

void graph_svg(const struct graph *g, const char *when, bool file, struct str *out)
{
	CLEANUP(str_free) struct str body = STR_INIT;
	struct pen p = {.g = g, .out = &body, .y = MARGIN};

	for (size_t i = 0; i < g->n && !g->failed; i++) {
		if (g->items[i].kind == GRAPH_NODE)
			draw_node(&p, i, when);
	}
	draw_legend(&p);
	if (file)
		str_append(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
	str_printf(out,
		   "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"vfhook\" width=\"%d\" "
		   "height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\" "
		   "aria-label=\"SR-IOV VFs and their guests\">\n<style>\n%s</style>\n",
		   WIDTH, p.y, WIDTH, p.y, svg_style());
	str_printf(out, "<rect width=\"%d\" height=\"%d\" class=\"bg\"/>\n", WIDTH, p.y);
	str_append(out, str_get(&body));
	str_append(out, "</svg>\n");
	out->failed = out->failed || body.failed || g->failed;
}
