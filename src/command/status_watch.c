/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook status --watch: on a terminal with keys, elsewhere one table after the other. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/command/status_look.h"
#include "src/show/screen.h"
#include "src/show/table.h"

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The last look, and what has gone through the VFs up to it. */
struct watch {
	struct hook *h;
	const struct status_options *o;
	struct inventory inv;
	double at; /* 0: there was none yet */
	struct traffic traffic;
};

static void watch_free(struct watch *w)
{
	inventory_free(&w->inv);
	traffic_free(&w->traffic);
}

/* What cannot be read for a moment, since somebody edits it, leaves the last look as it is. */
static int look_again(struct watch *w, struct error *err)
{
	CLEANUP(inventory_free) struct inventory now = INVENTORY_INIT;
	double at = seconds_now();
	struct inventory swap = w->inv;

	if (status_look(w->h, w->o, &now, err) < 0)
		return error_code(err);
	if (traffic_update(&w->traffic, w->at > 0 ? &w->inv : NULL, &now, at - w->at) < 0)
		return fail(err, ENOMEM, "out of memory");
	w->inv = now;
	w->at = at;
	now = swap;
	return 0;
}

static struct status_view view_of(const struct watch *w, bool first)
{
	return (struct status_view){.node = w->h->node,
				    .pool = w->o->pool,
				    .watch = true,
				    .first = first,
				    .rows = {.traffic = &w->traffic}};
}

/* --- On a terminal --- */

#define FILTER_LEN 41

struct keys {
	struct row_choice rows;
	char filter[FILTER_LEN];
	bool typing; /* the filter */
	size_t top;  /* the first line that is shown */
};

static void type_filter(struct keys *k, int key)
{
	size_t len = strlen(k->filter);

	if (key == '\r' || key == '\n') {
		k->typing = false;
	} else if (key == KEY_ESCAPE) {
		k->typing = false;
		k->filter[0] = '\0';
	} else if (key == KEY_BACK && len) {
		/* The whole character. */
		while (len && (k->filter[len - 1] & 0xc0) == 0x80)
			len--;
		k->filter[len ? len - 1 : 0] = '\0';
	} else if (key >= ' ' && len + 1 < sizeof(k->filter)) {
		k->filter[len] = (char)key;
		k->filter[len + 1] = '\0';
	}
}

static void scroll(struct keys *k, int key, size_t page)
{
	size_t by = key == KEY_PAGE_UP || key == KEY_PAGE_DOWN || key == ' ' ? page : 1;

	if (key == KEY_UP || key == KEY_PAGE_UP)
		k->top -= k->top < by ? k->top : by;
	else if (key == KEY_DOWN || key == KEY_PAGE_DOWN || key == ' ')
		k->top += by;
	else if (key == KEY_HOME)
		k->top = 0;
}

/* False: to end. */
static bool obey(struct keys *k, int key, size_t page)
{
	if (key == KEY_END || (!k->typing && (key == 'q' || key == 'Q')))
		return false;
	if (k->typing)
		type_filter(k, key);
	else if (key == 's')
		k->rows.sort = (enum row_sort)((k->rows.sort + 1) % SORT_COUNT);
	else if (key == 'f')
		k->rows.taken = !k->rows.taken;
	else if (key == '/')
		k->typing = true;
	else if (key == KEY_ESCAPE)
		k->filter[0] = '\0';
	else
		scroll(k, key, page);
	return true;
}

static void footer_text(const struct keys *k, const struct error *err, size_t width,
			struct str *out)
{
	CLEANUP(str_free) struct str s = STR_INIT;

	if (err->text[0])
		str_printf(&s, "not read just now: %s", err->text);
	else if (k->typing)
		str_printf(&s, "search: %s_  (Enter: keep, Esc: all)", k->filter);
	else
		str_printf(&s, "s sort: %s  f %s  / %s%s  q end", row_sort_name(k->rows.sort),
			   k->rows.taken ? "all" : "only taken",
			   k->filter[0] ? "search: " : "search", k->filter);
	text_fit(str_get(&s), width, out);
}

static bool draw(struct screen *s, const struct watch *w, struct keys *k, const struct error *err)
{
	CLEANUP(str_free) struct str footer = STR_INIT;
	CLEANUP(str_free) struct str text = STR_INIT;
	struct status_view v = view_of(w, true);
	size_t lines;

	screen_size(s, &v.width, &lines);
	v.colour = !getenv("NO_COLOR");
	v.rows.sort = k->rows.sort;
	v.rows.taken = k->rows.taken;
	v.rows.filter = k->filter;
	status_text(&w->inv, &v, &text);
	footer_text(k, err, v.width, &footer);
	return str_ok(&text) && str_ok(&footer) &&
	       screen_draw(s, str_get(&text), &k->top, str_get(&footer));
}

static int watch_screen(struct screen *s, void *arg)
{
	struct watch *w = arg;
	struct error err = ERROR_INIT;
	struct keys k = {0};
	double next = seconds_now() + w->o->interval;

	while (draw(s, w, &k, &err)) {
		double left = next - seconds_now();
		size_t columns;
		size_t lines;
		int key = screen_key(s, left > 0 ? (int64_t)(left * 1000) + 1 : 0);

		screen_size(s, &columns, &lines);
		if (!obey(&k, key, lines - 1))
			return EXIT_DONE;
		if (seconds_now() < next)
			continue;
		err = ERROR_INIT;
		look_again(w, &err);
		next = seconds_now() + w->o->interval;
	}
	return EXIT_REFUSED;
}

/* --- Elsewhere --- */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* Blocked but for the wait: none gets lost between the look at the flag and the sleep. */
static void catch_signals(sigset_t *was)
{
	struct sigaction act = {.sa_handler = on_signal};
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, was);
	sigdelset(was, SIGINT);
	sigdelset(was, SIGTERM);
	act.sa_mask = signals;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
}

static int print_frame(const struct watch *w, bool first)
{
	struct status_view v = view_of(w, first);

	if (w->o->format == OUTPUT_TEXT && isatty(STDOUT_FILENO) && !getenv("TERM"))
		fputs("\033[H\033[2J", stdout);
	else if (w->o->format == OUTPUT_TEXT && !first)
		fputs("\n", stdout);
	return status_print(w->o, &w->inv, &v);
}

static int watch_frames(struct watch *w)
{
	struct error err = ERROR_INIT;
	bool first = true;
	sigset_t was;
	int r = 0;

	catch_signals(&was);
	while (!interrupted && !r) {
		r = print_frame(w, first);
		first = false;
		ppoll(NULL, 0, &(struct timespec){.tv_sec = w->o->interval}, &was);
		err = ERROR_INIT;
		if (!interrupted && look_again(w, &err) < 0)
			complain("%s", err.text);
	}
	return r;
}

int status_watch(struct hook *h, const struct status_options *o)
{
	CLEANUP(watch_free) struct watch w = {.h = h, .o = o};
	struct error err = ERROR_INIT;
	int r;

	if (look_again(&w, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	if (o->format == OUTPUT_TEXT && screen_possible()) {
		r = screen_run(watch_screen, &w);
		if (r >= 0)
			return r;
	}
	return watch_frames(&w);
}
