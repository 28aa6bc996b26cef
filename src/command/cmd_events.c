/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook events: what happened on this node, and what happens. */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/base/text.h"
#include "src/command/command.h"
#include "src/command/event_words.h"
#include "src/port/events.h"
#include "src/port/vmid.h"

#define DEFAULT_LINES 50
#define MAX_LINES     100000
#define FOLLOW_NAP_MS 500

struct options {
	uint32_t vmid; /* 0: of all */
	uint32_t lines;
	bool follow;
	bool json;
};

static bool print_event(const struct options *o, const struct event *e)
{
	json_t *j;
	bool good;

	if (!o->json)
		return event_print(e, true);
	j = event_json(e);
	good = j && output_json(j, OUTPUT_JSON) == EXIT_DONE;
	json_decref(j);
	return good;
}

/* The last ones of the list, or all of it. */
static int print_events(const struct options *o, const struct event *list, size_t n, size_t last)
{
	for (size_t i = n > last ? n - last : 0; i < n; i++) {
		if (!print_event(o, &list[i]))
			break;
	}
	if (!fflush(stdout) && !ferror(stdout))
		return EXIT_DONE;
	complain("cannot write the output");
	return EXIT_REFUSED;
}

static int show(struct hook *h, const struct options *o, struct events_mark *mark, size_t last)
{
	struct error err = ERROR_INIT;
	struct event *list;
	bool lost;
	size_t n;
	int r;

	if (events_since(h, o->vmid, mark, &list, &n, &lost, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	if (lost)
		complain("events were lost: too many came at once, or their files were removed");
	r = print_events(o, list, n, last);
	events_free(list, n);
	return r;
}

/* Has whoever read our output gone? */
static bool is_unheard(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO};

	return poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLNVAL));
}

static int follow(struct hook *h, const struct options *o, struct events_mark *mark)
{
	while (!is_unheard()) {
		int r;

		nap_ms(FOLLOW_NAP_MS);
		r = show(h, o, mark, SIZE_MAX);
		if (r)
			return r;
	}
	return EXIT_DONE;
}

static int parse(int argc, char **argv, struct options *o)
{
	enum output_format format = OUTPUT_TEXT;
	const char *lines = NULL;
	const char *text = NULL;
	const char *guest = NULL;
	const struct opt opts[] = {
		{.name = "follow", .flag = &o->follow},
		{.name = "lines", .value = &lines},
		{.name = "output-format", .value = &text},
	};
	size_t n;
	int r = opts_parse(argc, argv, opts, ARRAY_SIZE(opts), &guest, 1, &n);

	if (r)
		return r;
	o->lines = DEFAULT_LINES;
	if (lines && parse_u32(lines, MAX_LINES, &o->lines) < 0) {
		complain("events: --lines is 0 to %d, not '%s'", MAX_LINES, lines);
		return EXIT_USAGE;
	}
	if (guest && vmid_parse(guest, &o->vmid))
		return EXIT_USAGE;
	if (output_format_parse(text, &format))
		return EXIT_USAGE;
	if (format == OUTPUT_JSON_PRETTY) {
		complain("events: as JSON they are one object a line: --output-format json");
		return EXIT_USAGE;
	}
	o->json = format == OUTPUT_JSON;
	return 0;
}

static int run(struct hook *h, int argc, char **argv)
{
	struct events_mark mark = {0};
	struct options o = {0};
	int r = parse(argc, argv, &o);

	if (!r)
		r = show(h, &o, &mark, o.lines);
	return r || !o.follow ? r : follow(h, &o, &mark);
}

const struct command cmd_events = {
	.name = "events",
	.summary = "what happened on this node: starts, refusals, VFs taken back",
	.help = "Usage: vfhook events [<vmid>] [--follow] [--lines N]\n"
		"                     [--output-format text|json]\n"
		"\n"
		"Shows what happened on this node, oldest first: when, what, to which guest.\n"
		"\n"
		"  <vmid>           only of this VM or container\n"
		"  --follow         and what happens from now on, until Ctrl-C\n"
		"  --lines N        only the last N of those that there are (0 to 100000,\n"
		"                   default 50)\n"
		"  --output-format json\n"
		"                   one JSON object a line: time (seconds since 1970), vmid,\n"
		"                   kind, text\n"
		"\n"
		"Kinds: start, refused, mended (post-start found another VF than meant),\n"
		"cut-off, release, reclaim (from a guest that is over), repair, unplug, plug.\n"
		"The last 256 KiB are kept at least; vfhook metrics counts all there have been.\n"
		"\n"
		"Exit status: 0 done, 1 they cannot be read or written, 2 wrong call.\n",
	.run = run,
	.without_pve = "",
};
