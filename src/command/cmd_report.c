/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook report: all that there is to tell of this node, as one page for a browser. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/file.h"
#include "src/base/say.h"
#include "src/check/check_all.h"
#include "src/command/command.h"
#include "src/command/picture.h"
#include "src/port/context.h"
#include "src/port/events.h"
#include "src/show/page.h"

/* Guests' names and MACs are in it. */
#define MODE_NEW 0600

/* All that a page points into. */
struct report_facts {
	struct inventory inv;
	struct seen_cluster seen;
	struct graph graph;
	struct report findings;
	struct page_finding *shown;
	struct event *events;
	size_t n_events;
	struct error no_inv;
	struct error no_events;
};

static void facts_free(struct report_facts *f)
{
	graph_free(&f->graph);
	seen_cluster_free(&f->seen);
	inventory_free(&f->inv);
	report_free(&f->findings);
	free(f->shown);
	events_free(f->events, f->n_events);
}

/* What cannot be read is said on the page, which has the rest all the same. */
static void read_facts(struct hook *h, bool cluster, int64_t now, struct report_facts *f)
{
	if (!inventory_read(h, false, &f->inv, &f->no_inv) &&
	    !picture_seen(h, &f->inv, NULL, cluster, &f->seen, &f->no_inv))
		graph_make(f->seen.nodes, f->seen.n, now, &f->graph);
	events_read(h, 0, &f->events, &f->n_events, &f->no_events);
	check_all(h, &f->findings);
}

static int show_findings(struct report_facts *f)
{
	static const enum page_level levels[] = {
		[CHECK_PASS] = PAGE_PASS, [CHECK_WARN] = PAGE_WARN, [CHECK_FAIL] = PAGE_FAIL};

	f->shown = calloc(f->findings.n + 1, sizeof(*f->shown));
	for (size_t i = 0; f->shown && i < f->findings.n; i++) {
		const struct finding *found = &f->findings.list[i];

		f->shown[i] = (struct page_finding){.level = levels[found->level],
						    .subject = found->subject,
						    .text = found->text,
						    .remedy = found->remedy};
	}
	return f->shown && !f->findings.failed ? 0 : -ENOMEM;
}

static int draw(struct hook *h, struct report_facts *f, int64_t now, struct str *out)
{
	bool seen = !f->no_inv.code;
	const struct page p = {.node = h->node,
			       .now = now,
			       .inv = seen ? &f->inv : NULL,
			       .no_inv = seen ? NULL : f->no_inv.text,
			       .graph = seen ? &f->graph : NULL,
			       .findings = f->shown,
			       .n_findings = f->findings.n,
			       .events = f->events,
			       .n_events = f->n_events,
			       .no_events = f->no_events.code ? f->no_events.text : NULL};

	page_html(&p, out);
	return str_ok(out) ? 0 : -ENOMEM;
}

/* One that is there keeps its mode and its owner; what is no file is not replaced by one. */
static int write_page(const char *path, const struct str *text, struct error *err)
{
	struct stat st;
	bool is_there = !stat(path, &st);

	if (is_there && !S_ISREG(st.st_mode))
		return fail(err, EINVAL, "%s is no file", path);
	if (file_replace(AT_FDCWD, path, is_there ? st.st_mode & 0777 : MODE_NEW, text->data,
			 text->len, err) < 0)
		return error_code(err);
	if (is_there && (st.st_uid != geteuid() || st.st_gid != getegid()) &&
	    lchown(path, st.st_uid, st.st_gid) < 0)
		return fail_errno(err, errno, "give %s back to its owner", path);
	return 0;
}

static int report(struct hook *h, const char *path, bool cluster)
{
	CLEANUP(facts_free) struct report_facts f = {.inv = INVENTORY_INIT};
	CLEANUP(str_free) struct str text = STR_INIT;
	struct error err = ERROR_INIT;
	int64_t now = time(NULL);

	read_facts(h, cluster, now, &f);
	if (show_findings(&f) < 0 || draw(h, &f, now, &text) < 0) {
		complain("out of memory");
		return EXIT_REFUSED;
	}
	if (!strcmp(path, "-")) {
		if (fputs(str_get(&text), stdout) >= 0 && !fflush(stdout))
			return EXIT_DONE;
		complain("cannot write the output");
		return EXIT_REFUSED;
	}
	if (write_page(path, &text, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}

static int run(struct hook *h, int argc, char **argv)
{
	const char *html = NULL;
	bool cluster = false;
	const struct opt opts[] = {{.name = "html", .value = &html},
				   {.name = "cluster", .flag = &cluster}};
	size_t n;
	int r = opts_parse(argc, argv, opts, ARRAY_SIZE(opts), NULL, 0, &n);

	if (r)
		return r;
	if (!html) {
		complain("report: into which file? vfhook report --html FILE");
		return EXIT_USAGE;
	}
	return report(h, html, cluster);
}

const struct command cmd_report = {
	.name = "report",
	.summary = "status, what check finds, what happened: one page for a browser",
	.help = "Usage: vfhook report --html FILE [--cluster]\n"
		"\n"
		"Writes one page of HTML: the picture of this node (vfhook status --graph), the\n"
		"tables of vfhook status, what vfhook check finds, and what happened last. It\n"
		"needs nothing from elsewhere, has no script, and is light or dark as the screen\n"
		"is. There is nothing secret in it but what guests are called and which MACs\n"
		"they have. Nothing is changed.\n"
		"\n"
		"  --html FILE  written in one step: a reader never sees half. A new file is for\n"
		"               its owner only (mode 0600), one that is there keeps its mode and\n"
		"               owner. -: to standard output\n"
		"  --cluster    the picture of all nodes, from what each has told\n"
		"\n"
		"Exit status: 0 done, also if something is wrong with the node (the page says\n"
		"what); 1 it cannot be written; 2 wrong call.\n",
	.run = run,
};
