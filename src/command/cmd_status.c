/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook status: who has which VF, once or again and again. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/command/command.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/show/status.h"

#define DEFAULT_WIDTH	 80
#define LEAST_WIDTH	 20
#define DEFAULT_INTERVAL 2
#define MAX_INTERVAL	 3600

struct options {
	const char *pool;
	enum output_format format;
	bool watch;
	uint32_t interval;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* What the program's start has kept of the environment: see clean_process() in main.c. */
static bool wants_colour(void)
{
	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && !getenv("TERM");
}

static bool can_clear(void)
{
	return isatty(STDOUT_FILENO) && !getenv("TERM");
}

/* The size of the terminal; without one 80 columns and lines without end. */
static void terminal_size(size_t *columns, size_t *lines)
{
	struct winsize ws;

	*columns = DEFAULT_WIDTH;
	*lines = SIZE_MAX;
	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0)
		return;
	if (ws.ws_col)
		*columns = ws.ws_col < LEAST_WIDTH ? LEAST_WIDTH : ws.ws_col;
	if (ws.ws_row > 2)
		*lines = ws.ws_row;
}

static void complain_of_pool(const struct inventory *inv, const char *name)
{
	AUTO_FREE const char **names = calloc(inv->n_pools + 1, sizeof(*names));
	const char *near;

	for (size_t i = 0; names && i < inv->n_pools; i++)
		names[i] = inv->pools[i].pool->name;
	near = names ? nearest_word(name, names, inv->n_pools) : NULL;
	complain("/" VFHOOK_CFG " has no pool '%s'%s%s%s", name, near ? ", did you mean '" : "",
		 near ? near : "", near ? "'?" : "");
}

/* A frame that is higher than the screen would scroll its own head away. */
static void cut_frame(struct str *s, size_t lines)
{
	size_t n = 0;
	size_t more = 0;
	size_t at = 0;

	for (size_t i = 0; i < s->len; i++) {
		if (s->data[i] != '\n')
			continue;
		n++;
		if (n == lines - 2)
			at = i + 1;
		more += n > lines - 2;
	}
	if (n < lines || !at)
		return;
	s->len = at;
	s->data[at] = '\0';
	str_printf(s, "... %zu more lines: enlarge the window, or --pool NAME\n", more);
}

static int print_text(const struct options *o, const struct inventory *inv, struct status_view *v)
{
	CLEANUP(str_free) struct str out = STR_INIT;
	size_t lines;

	terminal_size(&v->width, &lines);
	v->colour = wants_colour();
	status_text(inv, v, &out);
	if (o->watch && can_clear() && lines != SIZE_MAX)
		cut_frame(&out, lines);
	if (!str_ok(&out) || fputs(str_get(&out), stdout) < 0 || fflush(stdout)) {
		complain("cannot write the output");
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}

static int print_json(const struct options *o, const struct inventory *inv,
		      const struct status_view *v)
{
	json_t *j = status_json(inv, v);
	int r;

	if (!j) {
		complain("out of memory");
		return EXIT_REFUSED;
	}
	r = output_json(j, o->format);
	json_decref(j);
	return r;
}

static int show(struct hook *h, const struct options *o, struct inventory *inv,
		struct status_view *v)
{
	bool text = o->format == OUTPUT_TEXT;
	struct error err = ERROR_INIT;

	if (inventory_read(h, o->watch || !text, inv, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	if (o->pool && !config_pool(&inv->config, o->pool)) {
		complain_of_pool(inv, o->pool);
		return EXIT_REFUSED;
	}
	return text ? print_text(o, inv, v) : print_json(o, inv, v);
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The frame before the one that is shown now. */
struct frame {
	struct inventory inv;
	double at; /* 0: there is none */
};

static void frame_free(struct frame *f)
{
	inventory_free(&f->inv);
}

static int show_frame(struct hook *h, const struct options *o, struct frame *before, bool first)
{
	CLEANUP(inventory_free) struct inventory now = INVENTORY_INIT;
	double at = seconds_now();
	struct status_view v = {.node = h->node,
				.pool = o->pool,
				.watch = true,
				.before = before->at > 0 ? &before->inv : NULL,
				.seconds = at - before->at};
	struct inventory swap;
	int r;

	if (o->format == OUTPUT_TEXT && can_clear())
		fputs("\033[H\033[2J", stdout);
	else if (o->format == OUTPUT_TEXT && !first)
		fputs("\n", stdout);
	r = show(h, o, &now, &v);
	if (r)
		return r;
	swap = before->inv;
	before->inv = now;
	before->at = at;
	now = swap;
	return 0;
}

/* Also over a moment in which the config cannot be read: somebody may be editing it. */
static int watch(struct hook *h, const struct options *o)
{
	CLEANUP(frame_free) struct frame before = {.at = 0};
	struct sigaction act = {.sa_handler = on_signal};
	bool first = true;
	sigset_t signals;
	sigset_t was;

	/* Blocked but for the wait: none gets lost between the look at the flag and the sleep. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, &was);
	sigdelset(&was, SIGINT);
	sigdelset(&was, SIGTERM);
	act.sa_mask = signals;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	while (!interrupted) {
		int r = show_frame(h, o, &before, first);

		if (r && first)
			return r;
		first = false;
		ppoll(NULL, 0, &(struct timespec){.tv_sec = o->interval}, &was);
	}
	return EXIT_DONE;
}

static int parse(int argc, char **argv, struct options *o)
{
	const char *interval = NULL;
	const char *format = NULL;
	const struct opt opts[] = {
		{.name = "pool", .value = &o->pool},
		{.name = "watch", .flag = &o->watch},
		{.name = "interval", .value = &interval},
		{.name = "output-format", .value = &format},
	};
	size_t n;
	int r = opts_parse(argc, argv, opts, ARRAY_SIZE(opts), NULL, 0, &n);

	if (r)
		return r;
	o->interval = DEFAULT_INTERVAL;
	if (interval && !o->watch) {
		complain("status: --interval goes with --watch");
		return EXIT_USAGE;
	}
	if (interval && (parse_u32(interval, MAX_INTERVAL, &o->interval) < 0 || !o->interval)) {
		complain("status: --interval is 1 to %d seconds, not '%s'", MAX_INTERVAL, interval);
		return EXIT_USAGE;
	}
	return output_format_parse(format, &o->format);
}

static int run(struct hook *h, int argc, char **argv)
{
	CLEANUP(inventory_free) struct inventory inv = INVENTORY_INIT;
	struct status_view v = {.node = h->node};
	struct options o = {0};
	int r = parse(argc, argv, &o);

	if (r)
		return r;
	v.pool = o.pool;
	return o.watch ? watch(h, &o) : show(h, &o, &inv, &v);
}

const struct command cmd_status = {
	.name = "status",
	.summary = "every VF of the pools: who has it, how it is set, what is wrong",
	.help = "Usage: vfhook status [--pool NAME] [--watch [--interval SEC]]\n"
		"                     [--output-format text|json|json-pretty]\n"
		"\n"
		"Shows the pools of this node with their PFs and every VF. It only looks:\n"
		"nothing is locked or changed.\n"
		"\n"
		"  --pool NAME      only this pool\n"
		"  --watch          again and again until Ctrl-C, with the bits per second that\n"
		"                   each VF receives (RX) and sends (TX), if the driver counts\n"
		"  --interval SEC   every so many seconds (1 to 3600, default 2)\n"
		"\n"
		"States: free; starting, running: leased by a VM; stale: leased, but its VM\n"
		"does not run; dirty: its VM is gone, but it could not be cleaned; reserved: by\n"
		"PVE for a VM; raw, mapped: named in a VM's config by its address, or by a\n"
		"mapping that is not vfhook's; busy: open in some process; unusable: a line\n"
		"below the table says why.\n"
		"A value with '!' is not what the VM's port asked for. VLAN '20 q3 ad' is VLAN\n"
		"20, priority 3, protocol 802.1ad. A wide terminal shows more columns.\n"
		"\n"
		"Exit status: 0, also if something is wrong with a VF (the last line says what\n"
		"to do); 1 if it cannot be read; 2 wrong call.\n",
	.run = run,
};
