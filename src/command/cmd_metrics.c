/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook metrics: what happened and what is, for a monitoring system. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/file.h"
#include "src/base/say.h"
#include "src/command/command.h"
#include "src/port/context.h"
#include "src/port/events.h"
#include "src/port/watch_note.h"
#include "src/show/metrics.h"

static bool count_events(struct hook *h, uint64_t counts[EVENT_KINDS])
{
	struct error err = ERROR_INIT;

	if (!events_totals(h, counts, &err))
		return true;
	complain("no vfhook_events: %s", err.text);
	return false;
}

/*
 * Replace the file in one step. node_exporter reads every *.prom in the folder, so
 * not even the file that is still being written may have such a name.
 */
static int write_file(const char *path, const struct str *text, struct error *err)
{
	char fresh[4096];

	if (snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh))
		return fail(err, ENAMETOOLONG, "write %s: name too long", path);
	if (file_replace(AT_FDCWD, fresh, 0644, text->data, text->len, err) < 0)
		return error_code(err);
	if (rename(fresh, path) < 0) {
		fail_errno(err, errno, "write %s", path);
		remove(fresh);
		return error_code(err);
	}
	return 0;
}

static int run(struct hook *h, int argc, char **argv)
{
	CLEANUP(inventory_free) struct inventory inv = INVENTORY_INIT;
	CLEANUP(str_free) struct str text = STR_INIT;
	struct error err = ERROR_INIT;
	struct watch_note note;
	uint64_t events[EVENT_KINDS];
	const char *output = NULL;
	const struct opt opts[] = {{.name = "output", .value = &output}};
	size_t n;
	int r = opts_parse(argc, argv, opts, ARRAY_SIZE(opts), NULL, 0, &n);

	if (r)
		return r;
	if (inventory_read(h, true, &inv, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	metrics_text(&inv, count_events(h, events) ? events : NULL,
		     watch_note_read(h, &note) ? &note : NULL, &text);
	if (!str_ok(&text)) {
		complain("out of memory");
		return EXIT_REFUSED;
	}
	if (output) {
		if (!write_file(output, &text, &err))
			return EXIT_DONE;
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	if (fputs(str_get(&text), stdout) < 0 || fflush(stdout)) {
		complain("cannot write the output");
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}

const struct command cmd_metrics = {
	.name = "metrics",
	.summary = "all of that as OpenMetrics text, for node_exporter",
	.help = "Usage: vfhook metrics [--output FILE]\n"
		"\n"
		"Prints the state of all VFs, PFs and pools of this node as OpenMetrics text,\n"
		"with what each VF has received and sent where the driver counts that.\n"
		"\n"
		"  --output FILE  write it into that file, in one step: a reader never sees half.\n"
		"\n"
		"vfhook-metrics.timer, once it is enabled and started, writes it once a minute\n"
		"for node_exporter: /var/lib/prometheus/node-exporter/vfhook.prom\n"
		"Dashboard for Grafana and alert rules for Prometheus: /usr/share/vfhook\n"
		"\n"
		"Exit status: 0 done, 1 something cannot be read or written, 2 wrong call.\n",
	.run = run,
};
