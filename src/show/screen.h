/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A terminal that is drawn on again and again, with keys. Only lines that have changed are sent,
 * and the terminal is put back whatever happens to who draws: another process sees to it.
 */
#ifndef VFHOOK_SHOW_SCREEN_H
#define VFHOOK_SHOW_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keys that are no characters; a character is its own byte. */
enum {
	KEY_NONE = 0, /* none within the time */
	KEY_END = -1, /* Ctrl-C, a signal, or the terminal is gone */
	KEY_REDRAW = -2,
	KEY_UP = -3,
	KEY_DOWN = -4,
	KEY_PAGE_UP = -5,
	KEY_PAGE_DOWN = -6,
	KEY_HOME = -7,
	KEY_BACK = -8,	 /* backspace */
	KEY_ESCAPE = -9, /* alone */
};

struct screen;

/* Are standard input and output a terminal that can be drawn on? */
bool screen_possible(void);

/*
 * Call fn with a screen, in a child: nothing of what it changes in memory comes back. Returns what
 * it returned (an exit status), also if it was killed (then 1). -1: no child could be made.
 */
int screen_run(int (*fn)(struct screen *s, void *arg), void *arg);

/* How large it is just now; at least 20 by 4. */
void screen_size(struct screen *s, size_t *columns, size_t *lines);

/*
 * Show text, lines that are no wider than the screen, from line number *top on, and below it a line
 * of its own. *top becomes less if that is behind the end. False: it cannot be written any more.
 */
bool screen_draw(struct screen *s, const char *text, size_t *top, const char *footer);

/* The next key within so many milliseconds. */
int screen_key(struct screen *s, int64_t ms);

#endif
