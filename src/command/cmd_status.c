/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook status: who has which VF, once or again and again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/command/picture.h"
#include "src/command/status_look.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/show/status.h"

#define DEFAULT_WIDTH	 80
#define LEAST_WIDTH	 20
#define DEFAULT_INTERVAL 2
#define MAX_INTERVAL	 3600

/* What the program's start has kept of the environment: see clean_process() in main.c. */
static bool wants_colour(void)
{
	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && !getenv("TERM");
}

/* Without a terminal 80 columns. */
static size_t terminal_width(void)
{
	struct winsize ws;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0 || !ws.ws_col)
		return DEFAULT_WIDTH;
	return ws.ws_col < LEAST_WIDTH ? LEAST_WIDTH : ws.ws_col;
}

static int fail_pool(const struct inventory *inv, const char *name, struct error *err)
{
	AUTO_FREE const char **names = calloc(inv->n_pools + 1, sizeof(*names));
	const char *near;

	for (size_t i = 0; names && i < inv->n_pools; i++)
		names[i] = inv->pools[i].pool->name;
	near = names ? nearest_word(name, names, inv->n_pools) : NULL;
	return fail(err, ENOENT, "/" VFHOOK_CFG " has no pool '%s'%s%s%s", name,
		    near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int print_text(const struct inventory *inv, struct status_view *v)
{
	CLEANUP(str_free) struct str out = STR_INIT;

	v->width = terminal_width();
	v->colour = wants_colour();
	status_text(inv, v, &out);
	if (!str_ok(&out) || fputs(str_get(&out), stdout) < 0 || fflush(stdout)) {
		complain("cannot write the output");
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}

static int print_json(const struct status_options *o, const struct inventory *inv,
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

int status_look(struct hook *h, const struct status_options *o, struct inventory *inv,
		struct error *err)
{
	if (inventory_read(h, !o->graph && (o->watch || o->format != OUTPUT_TEXT), inv, err) < 0)
		return error_code(err);
	if (o->pool && !config_pool(&inv->config, o->pool))
		return fail_pool(inv, o->pool, err);
	return 0;
}

int status_print(const struct status_options *o, const struct inventory *inv, struct status_view *v)
{
	return o->format == OUTPUT_TEXT ? print_text(inv, v) : print_json(o, inv, v);
}

static int print_graph(struct hook *h, const struct status_options *o, const struct inventory *inv)
{
	const struct picture p = {.pool = o->pool,
				  .cluster = o->cluster,
				  .svg = o->format == OUTPUT_SVG,
				  .width = terminal_width(),
				  .colour = wants_colour()};

	return picture_print(h, inv, &p);
}

/* SVG is a picture without being asked for one, and so is the cluster. */
static int check_graph(struct status_options *o)
{
	o->graph = o->graph || o->cluster || o->format == OUTPUT_SVG;
	if (o->graph && o->watch) {
		complain("status: --watch is a table that is drawn again: without --graph, "
			 "--cluster and svg");
		return EXIT_USAGE;
	}
	if (o->graph && o->format != OUTPUT_TEXT && o->format != OUTPUT_SVG) {
		complain("status: --graph and --cluster are text or svg");
		return EXIT_USAGE;
	}
	return 0;
}

static int parse(int argc, char **argv, struct status_options *o)
{
	const char *interval = NULL;
	const char *format = NULL;
	const struct opt opts[] = {
		{.name = "pool", .value = &o->pool},
		{.name = "graph", .flag = &o->graph},
		{.name = "cluster", .flag = &o->cluster},
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
	r = output_format_parse_svg(format, &o->format);
	return r ? r : check_graph(o);
}

static int run(struct hook *h, int argc, char **argv)
{
	CLEANUP(inventory_free) struct inventory inv = INVENTORY_INIT;
	struct status_view v = {.node = h->node};
	struct status_options o = {0};
	struct error err = ERROR_INIT;
	int r = parse(argc, argv, &o);

	if (r)
		return r;
	if (o.watch)
		return status_watch(h, &o);
	v.pool = o.pool;
	if (!status_look(h, &o, &inv, &err))
		return o.graph ? print_graph(h, &o, &inv) : status_print(&o, &inv, &v);
	complain("%s", err.text);
	return EXIT_REFUSED;
}

const struct command cmd_status = {
	.name = "status",
	.summary = "every VF of the pools: who has it, how it is set, what is wrong",
	.help = "Usage: vfhook status [--pool NAME] [--graph] [--cluster]\n"
		"                     [--watch [--interval SEC]]\n"
		"                     [--output-format text|json|json-pretty|svg]\n"
		"\n"
		"Every VF of this node's pools. It only looks: nothing is locked or changed.\n"
		"\n"
		"  --pool NAME      only this pool\n"
		"  --graph          a tree: node, card, PF, VF, guest; '!': not as it should be.\n"
		"                   As a picture for a browser: --output-format svg\n"
		"  --cluster        that of all nodes, the others as they told every ten minutes\n"
		"  --watch          again and again, with the bits per second that each VF\n"
		"                   receives (RX) and sends (TX), if the driver counts. Keys:\n"
		"                   s sort, f taken ones, / search, arrows, PgUp, PgDn, q end\n"
		"  --interval SEC   every so many seconds (1 to 3600, default 2)\n"
		"\n"
		"States: free; starting, running: leased by a VM; stale: leased, but its VM\n"
		"does not run; dirty: its VM is gone, but it could not be cleaned; reserved: by\n"
		"PVE for a VM; raw, mapped: named in a VM's config by its address, or by a\n"
		"mapping that is not vfhook's; busy: open in some process; unusable: a line\n"
		"below says why. A value with '!' is not what the port asked for. VLAN '20 q3 ad'\n"
		"is VLAN 20, priority 3, protocol 802.1ad. A wide terminal shows more columns.\n"
		"\n"
		"Exit status: 0, also if something is wrong with a VF (the last line says what\n"
		"to do); 1 if it cannot be read; 2 wrong call.\n",
	.run = run,
};
