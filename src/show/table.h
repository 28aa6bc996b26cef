/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables for a terminal: as many columns as fit its width, the most important
 * first; no line is ever longer. Widths are counted in columns of the screen, so
 * wide characters do not push a row out of its place, and whatever a terminal
 * might obey or not show (control, format, combining characters) becomes '?'.
 */
#ifndef VFHOOK_SHOW_TABLE_H
#define VFHOOK_SHOW_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/text.h"

enum style { STYLE_PLAIN, STYLE_HEAD, STYLE_GOOD, STYLE_DIM, STYLE_WARN, STYLE_BAD };

struct column {
	const char *head;
	size_t least;  /* may be cut down to this; 0: never cut */
	size_t wanted; /* before extra columns get any room; 0: all of it */
	unsigned rank; /* 0 is the most important, 31 the least; no two the same */
	bool right;    /* aligned to the right */
	bool extra;    /* only where the others have all the room they want */
};

struct cell {
	char *text; /* owned, fit to be shown; NULL is empty */
	size_t width;
	enum style style;
};

/* Start with table_init(), release with table_free(). A failed allocation is kept in failed. */
struct table {
	const struct column *columns;
	size_t n_columns;
	struct cell *cells; /* row by row */
	size_t n_rows;
	size_t cap_rows;
	bool failed;
};

/* At most 32 columns. */
void table_init(struct table *t, const struct column *columns, size_t n_columns);
void table_free(struct table *t);
void table_row(struct table *t);
/* Fill a cell of the last row. */
void table_cell(struct table *t, size_t column, enum style style, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Append the table to out. Without rows nothing at all. */
void table_print(const struct table *t, size_t width, bool colour, struct str *out);

/*
 * Append a paragraph: broken between words at the width, every line after the
 * first indented by indent columns; a word longer than a line is cut apart.
 */
void paragraph_print(const char *text, size_t indent, size_t width, enum style style, bool colour,
		     struct str *out);

/*
 * Append text fit to be shown, at most max columns wide ('~' as the last one if
 * something was cut off). Returns how wide it became.
 */
size_t text_fit(const char *text, size_t max, struct str *out);
/* The same in a style, if there are colours. */
size_t text_styled(const char *text, size_t max, enum style style, bool colour, struct str *out);

#endif
