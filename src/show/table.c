/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fitting columns to a terminal and cutting what does not fit. */
#include "src/show/table.h"

#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "src/base/cleanup.h"

#define GAP	 2
#define CELL_MAX 1024
#define RANKS	 32 /* as many columns, too */

static const char *const styles[] = {
	[STYLE_PLAIN] = "",	 [STYLE_HEAD] = "\033[1m",  [STYLE_GOOD] = "\033[32m",
	[STYLE_DIM] = "\033[2m", [STYLE_WARN] = "\033[33m", [STYLE_BAD] = "\033[1;31m",
};

static void style_on(enum style style, bool colour, struct str *out)
{
	if (colour)
		str_append(out, styles[style]);
}

static void style_off(enum style style, bool colour, struct str *out)
{
	if (colour && styles[style][0])
		str_append(out, "\033[0m");
}

/*
 * How wide characters are is the C library's to know, but our locale is C.
 * Where C.UTF-8 is missing, nothing but ASCII is shown.
 */
static void need_utf8(void)
{
	static locale_t utf8;

	if (utf8)
		return;
	utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (utf8)
		uselocale(utf8);
}

/* The character at *s: its bytes and how wide it is; one that is not to be shown has width 0. */
static size_t next_char(const char *s, size_t *width)
{
	mbstate_t state = {0};
	wchar_t wc;
	/* Not strlen(): a long text would take the square of its length. */
	size_t n = mbrtowc(&wc, s, strnlen(s, MB_LEN_MAX), &state);
	int w;

	*width = 0;
	if (n == (size_t)-1 || n == (size_t)-2 || !n)
		return 1;
	w = wcwidth(wc);
	if (w > 0)
		*width = (size_t)w;
	return n;
}

/* Up to the first character that is not printable ASCII: as wide as it is long. */
static size_t plain_len(const char *s)
{
	size_t n = 0;

	while (s[n] >= ' ' && s[n] <= '~')
		n++;
	return n;
}

size_t text_fit(const char *text, size_t max, struct str *out)
{
	size_t used = plain_len(text);
	size_t mark_len = out->len; /* where to cut so that a '~' fits */
	size_t mark_used = 0;

	if (!text[used] && used <= max) {
		str_append_len(out, text, used);
		return used;
	}
	used = 0;
	need_utf8();
	for (const char *s = text; *s;) {
		size_t w;
		size_t n = next_char(s, &w);

		if (used + (w ? w : 1) > max) {
			if (!max || !str_ok(out))
				return used;
			out->len = mark_len;
			if (out->data)
				out->data[mark_len] = '\0';
			str_append(out, "~");
			return mark_used + 1;
		}
		if (used + (w ? w : 1) < max) {
			mark_used = used + (w ? w : 1);
			mark_len = out->len + (w ? n : 1);
		}
		if (w)
			str_append_len(out, s, n);
		else
			str_append(out, "?");
		used += w ? w : 1;
		s += n;
	}
	return used;
}

size_t text_styled(const char *text, size_t max, enum style style, bool colour, struct str *out)
{
	size_t used;

	style_on(style, colour, out);
	used = text_fit(text, max, out);
	style_off(style, colour, out);
	return used;
}

void table_init(struct table *t, const struct column *columns, size_t n_columns)
{
	*t = (struct table){.columns = columns, .n_columns = n_columns};
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->n_rows * t->n_columns; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct table){0};
}

void table_row(struct table *t)
{
	if (t->n_rows == t->cap_rows) {
		size_t cap = t->cap_rows ? t->cap_rows * 2 : 16;
		struct cell *more = realloc(t->cells, cap * t->n_columns * sizeof(*more));

		if (!more) {
			t->failed = true;
			return;
		}
		t->cells = more;
		t->cap_rows = cap;
	}
	memset(&t->cells[t->n_rows * t->n_columns], 0, t->n_columns * sizeof(*t->cells));
	t->n_rows++;
}

void table_cell(struct table *t, size_t column, enum style style, const char *fmt, ...)
{
	CLEANUP(str_free) struct str fit = STR_INIT;
	char raw[CELL_MAX];
	struct cell *c;
	va_list ap;

	if (t->failed)
		return;
	c = &t->cells[(t->n_rows - 1) * t->n_columns + column];
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	free(c->text);
	c->style = style;
	c->width = text_fit(raw, sizeof(raw), &fit);
	str_append(&fit, "");
	c->text = str_take(&fit);
	t->failed = !c->text;
}

struct layout {
	bool shown;
	size_t natural;
	size_t width;
};

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t bounded(size_t natural, size_t bound)
{
	return bound ? smaller(natural, bound) : natural;
}

static void measure(const struct table *t, struct layout *l)
{
	for (size_t c = 0; c < t->n_columns; c++) {
		l[c] = (struct layout){.natural = strlen(t->columns[c].head)};
		for (size_t r = 0; r < t->n_rows; r++) {
			size_t w = t->cells[r * t->n_columns + c].width;

			if (w > l[c].natural)
				l[c].natural = w;
		}
	}
}

/* How wide the shown columns are together, at their least or at what they want. */
static size_t together(const struct table *t, const struct layout *l, bool wanted)
{
	size_t sum = 0;

	for (size_t c = 0; c < t->n_columns; c++) {
		size_t bound = wanted ? t->columns[c].wanted : t->columns[c].least;

		if (l[c].shown)
			sum += bounded(l[c].natural, bound) + (sum ? GAP : 0);
	}
	return sum;
}

static const struct column *by_rank(const struct table *t, unsigned rank, size_t *index)
{
	for (size_t c = 0; c < t->n_columns; c++) {
		if (t->columns[c].rank == rank) {
			*index = c;
			return &t->columns[c];
		}
	}
	return NULL;
}

static void grow(const struct table *t, struct layout *l, size_t *room, bool to_wanted)
{
	for (size_t c = 0; c < t->n_columns; c++) {
		size_t goal =
			to_wanted ? bounded(l[c].natural, t->columns[c].wanted) : l[c].natural;
		size_t more;

		if (!l[c].shown || goal <= l[c].width)
			continue;
		more = smaller(goal - l[c].width, *room);
		l[c].width += more;
		*room -= more;
	}
}

static void lay_out(const struct table *t, size_t width, struct layout *l)
{
	size_t room;

	measure(t, l);
	for (unsigned rank = 0; rank < RANKS; rank++) {
		size_t i;
		const struct column *c = by_rank(t, rank, &i);

		if (!c)
			continue;
		l[i].shown = true;
		if (together(t, l, c->extra) > width)
			l[i].shown = false;
	}
	room = together(t, l, false);
	room = room < width ? width - room : 0;
	for (size_t c = 0; c < t->n_columns; c++)
		l[c].width = bounded(l[c].natural, t->columns[c].least);
	grow(t, l, &room, true);
	grow(t, l, &room, false);
}

static void pad(size_t n, struct str *out)
{
	while (n--)
		str_append(out, " ");
}

struct line {
	struct str *out;
	bool colour;
	bool begun;
	size_t owed; /* blanks before the next text: a line has none at its end */
};

static void print_cell(struct line *line, const char *text, size_t width, bool right,
		       enum style style)
{
	CLEANUP(str_free) struct str fit = STR_INIT;
	size_t used = text_fit(text, width, &fit);

	line->owed += line->begun ? GAP : 0;
	line->begun = true;
	if (right)
		line->owed += width - used;
	if (used) {
		pad(line->owed, line->out);
		line->owed = 0;
		style_on(style, line->colour, line->out);
		str_append(line->out, str_get(&fit));
		style_off(style, line->colour, line->out);
	}
	if (!right)
		line->owed += width - used;
}

void table_print(const struct table *t, size_t width, bool colour, struct str *out)
{
	struct layout l[RANKS] = {0};
	struct line line = {.out = out, .colour = colour};

	if (t->failed)
		out->failed = true;
	if (!t->n_rows)
		return;
	lay_out(t, width, l);
	for (size_t c = 0; c < t->n_columns; c++) {
		if (l[c].shown)
			print_cell(&line, t->columns[c].head, l[c].width, t->columns[c].right,
				   STYLE_HEAD);
	}
	str_append(out, "\n");
	for (size_t r = 0; r < t->n_rows; r++) {
		line = (struct line){.out = out, .colour = colour};
		for (size_t c = 0; c < t->n_columns; c++) {
			const struct cell *cell = &t->cells[r * t->n_columns + c];

			if (l[c].shown)
				print_cell(&line, cell->text ? cell->text : "", l[c].width,
					   t->columns[c].right, cell->style);
		}
		str_append(out, "\n");
	}
}

static size_t width_of(const char *s, size_t len)
{
	size_t sum = 0;

	for (size_t i = 0; i < len;) {
		size_t w;

		i += next_char(s + i, &w);
		sum += w ? w : 1;
	}
	return sum;
}

void paragraph_print(const char *text, size_t indent, size_t width, enum style style, bool colour,
		     struct str *out)
{
	CLEANUP(str_free) struct str clean = STR_INIT;
	size_t column = strspn(text, " ");
	const char *s;
	bool fresh = true; /* nothing on this line but its indent */

	text_fit(text + column, SIZE_MAX, &clean);
	s = str_get(&clean);
	/* Room for one wide character at least. */
	if (indent + 2 > width)
		indent = 0;
	if (column + 2 > width)
		column = 0;
	pad(column, out);
	style_on(style, colour, out);
	while (*s) {
		size_t len = strcspn(s, " ");
		size_t w = width_of(s, len);

		if (!fresh && column + 1 + w > width) {
			str_append(out, "\n");
			pad(indent, out);
			column = indent;
			fresh = true;
		}
		if (!fresh) {
			str_append(out, " ");
			column++;
		}
		for (size_t i = 0; i < len;) {
			size_t cw;
			size_t n = next_char(s + i, &cw);

			if (column + cw > width && column > indent) {
				str_append(out, "\n");
				pad(indent, out);
				column = indent;
			}
			str_append_len(out, s + i, n);
			column += cw;
			i += n;
		}
		fresh = fresh && !len;
		s += len;
		s += strspn(s, " ");
	}
	style_off(style, colour, out);
	str_append(out, "\n");
}
