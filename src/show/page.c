/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whatever is text goes through xml_text(); tags are written here and nowhere else. */
#include "src/show/page.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/version.h"
#include "src/show/graph_svg.h"
#include "src/show/page_style.h"
#include "src/show/status.h"
#include "src/show/time_words.h"
#include "src/show/xml.h"

/* How many of the latest events are told. */
#define EVENTS_SHOWN 200
/* A table that is longer is opened by who wants to see it. */
#define ROWS_OPEN 32

/* An element that has text and nothing else; class may be NULL. */
static void put(struct str *out, const char *tag, const char *class, const char *text)
{
	str_printf(out, class ? "<%s class=\"%s\">" : "<%s>", tag, class);
	xml_text(text, out);
	str_printf(out, "</%s>", tag);
}

__attribute__((format(printf, 4, 5))) static void putf(struct str *out, const char *tag,
						       const char *class, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put(out, tag, class, text);
}

/* --- Numbers on top --- */

static void put_tile(struct str *out, size_t n, const char *class, const char *word)
{
	str_append(out, "<li>");
	putf(out, "b", n ? class : NULL, "%zu", n);
	put(out, "span", NULL, word);
	str_append(out, "</li>\n");
}

static size_t count_level(const struct page *p, enum page_level level)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_findings; i++)
		n += p->findings[i].level == level;
	return n;
}

static void put_tiles(const struct page *p, struct str *out)
{
	struct vf_counts c = {0};

	for (size_t i = 0; p->inv && i < p->inv->n_pools; i++) {
		for (size_t k = 0; k < p->inv->pools[i].n_pfs; k++)
			count_vfs(&p->inv->pools[i].pfs[k], &c);
	}
	str_append(out, "<ul class=\"tiles\">\n");
	if (p->inv) {
		put_tile(out, c.total, NULL, "VFs");
		put_tile(out, c.leased, "good", "with a guest");
		put_tile(out, c.use[USE_FREE], NULL, "free");
		put_tile(out, c.mismatched + c.stale + c.use[USE_DIRTY], "bad",
			 "not as they should be");
	}
	put_tile(out, count_level(p, PAGE_FAIL), "bad", "checks failed");
	put_tile(out, count_level(p, PAGE_WARN), "warn", "warnings");
	str_append(out, "</ul>\n");
}

/* --- Tables of VFs --- */

static void put_cell(struct str *out, const struct cell *cell)
{
	static const char *const classes[] = {
		[STYLE_PLAIN] = NULL, [STYLE_HEAD] = NULL,   [STYLE_GOOD] = "good",
		[STYLE_DIM] = "dim",  [STYLE_WARN] = "warn", [STYLE_BAD] = "bad"};

	put(out, "td", classes[cell->style], cell->text ? cell->text : "");
}

static void put_table(struct str *out, const struct table *t)
{
	out->failed = out->failed || t->failed;
	str_append(out, "<div class=\"wide\"><table>\n<thead><tr>");
	for (size_t c = 0; c < t->n_columns; c++)
		put(out, "th", NULL, t->columns[c].head);
	str_append(out, "</tr></thead>\n<tbody>\n");
	for (size_t r = 0; r < t->n_rows; r++) {
		str_append(out, "<tr>");
		for (size_t c = 0; c < t->n_columns; c++)
			put_cell(out, &t->cells[r * t->n_columns + c]);
		str_append(out, "</tr>\n");
	}
	str_append(out, "</tbody></table></div>\n");
}

static void put_pf(const struct page *p, const struct pool_report *pool, const struct pf_report *pf,
		   struct str *out)
{
	const struct status_view v = {.node = p->node};
	CLEANUP(table_free) struct table t = {0};
	struct vf_counts c = {0};
	char addr[PCI_ADDR_LEN];

	count_vfs(pf, &c);
	pci_addr_format(&pf->pf->info.addr, addr);
	str_append(out, c.total <= ROWS_OPEN ? "<details open=\"open\"><summary>"
					     : "<details><summary>");
	putf(out, "b", NULL, "%s",
	     pf->pf->info.ifname[0] && !pool->pool->no_net ? pf->pf->info.ifname : addr);
	putf(out, "span", "dim", " pool %s, %zu VFs, %zu leased, %zu free", pool->pool->name,
	     c.total, c.leased, c.use[USE_FREE]);
	str_append(out, "</summary>\n");
	status_table(&v, pool, pf, &t);
	if (t.n_rows || t.failed)
		put_table(out, &t);
	else
		put(out, "p", "dim", pf->why[0] ? pf->why : "It has no VFs.");
	str_append(out, "</details>\n");
}

static void put_vfs(const struct page *p, struct str *out)
{
	str_append(out, "<section>\n<h2>VFs</h2>\n");
	for (size_t i = 0; i < p->inv->n_pools; i++) {
		for (size_t k = 0; k < p->inv->pools[i].n_pfs; k++)
			put_pf(p, &p->inv->pools[i], &p->inv->pools[i].pfs[k], out);
	}
	if (!p->inv->n_pools)
		put(out, "p", "dim", "/" VFHOOK_CFG " has no pools.");
	str_append(out, "</section>\n");
}

/* --- Findings --- */

static void put_findings_of(const struct page *p, enum page_level level, struct str *out)
{
	static const char *const words[] = {"FAIL", "WARN", "PASS"};
	static const char *const classes[] = {"bad", "warn", "good"};

	for (size_t i = 0; i < p->n_findings; i++) {
		const struct page_finding *f = &p->findings[i];

		if (f->level != level)
			continue;
		str_append(out, "<tr>");
		put(out, "td", classes[level], words[level]);
		put(out, "td", NULL, f->subject);
		str_append(out, "<td>");
		put(out, "div", NULL, f->text);
		if (f->remedy[0])
			put(out, "div", "dim", f->remedy);
		str_append(out, "</td></tr>\n");
	}
}

static void put_findings(const struct page *p, struct str *out)
{
	size_t passed = count_level(p, PAGE_PASS);

	str_append(out, "<section>\n<h2>What vfhook check finds</h2>\n");
	if (passed < p->n_findings) {
		str_append(out, "<div class=\"wide\"><table class=\"text\"><tbody>\n");
		put_findings_of(p, PAGE_FAIL, out);
		put_findings_of(p, PAGE_WARN, out);
		str_append(out, "</tbody></table></div>\n");
	}
	if (passed) {
		str_append(out, "<details><summary>");
		putf(out, "b", NULL, "%zu passed", passed);
		str_append(out, "</summary>\n<div class=\"wide\"><table class=\"text\"><tbody>\n");
		put_findings_of(p, PAGE_PASS, out);
		str_append(out, "</tbody></table></div>\n</details>\n");
	}
	str_append(out, "</section>\n");
}

/* --- Events --- */

static const char *kind_class(enum event_kind kind)
{
	switch (kind) {
	case EVENT_REFUSED:
	case EVENT_CUT_OFF:
		return "bad";
	case EVENT_MENDED:
	case EVENT_REPAIR:
	case EVENT_RECLAIM:
		return "warn";
	default:
		return NULL;
	}
}

static void put_event(struct str *out, const struct event *e)
{
	char when[TIME_WORDS_LEN];

	str_append(out, "<tr>");
	put(out, "td", "when", time_words(e->time, when));
	if (e->vmid)
		putf(out, "td", NULL, "%" PRIu32, e->vmid);
	else
		put(out, "td", NULL, "");
	put(out, "td", kind_class(e->kind), event_kind_name(e->kind));
	put(out, "td", NULL, e->text);
	str_append(out, "</tr>\n");
}

/* The latest first. */
static void put_events(const struct page *p, struct str *out)
{
	size_t shown = p->n_events < EVENTS_SHOWN ? p->n_events : EVENTS_SHOWN;

	str_append(out, "<section>\n<h2>What happened</h2>\n");
	if (p->no_events)
		put(out, "p", "bad", p->no_events);
	else if (!shown)
		put(out, "p", "dim", "Nothing yet.");
	if (shown) {
		str_append(out,
			   "<div class=\"wide\"><table class=\"text\">\n<thead><tr><th>When</th>"
			   "<th>Guest</th><th>What</th><th></th></tr></thead>\n<tbody>\n");
		for (size_t i = 0; i < shown; i++)
			put_event(out, &p->events[p->n_events - 1 - i]);
		str_append(out, "</tbody></table></div>\n");
	}
	if (shown < p->n_events)
		putf(out, "p", "dim", "And %zu before: vfhook explain.", p->n_events - shown);
	str_append(out, "</section>\n");
}

/* --- All of it --- */

/* Whatever a name may bring along, nothing is run and nothing is loaded. */
static void put_head(const struct page *p, struct str *out)
{
	str_append(out,
		   "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">"
		   "\n<head>\n<meta charset=\"utf-8\"/>\n"
		   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		   "style-src 'unsafe-inline'\"/>\n"
		   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
		   "<meta name=\"color-scheme\" content=\"light dark\"/>\n");
	putf(out, "title", NULL, "VFs of %s", p->node);
	str_printf(out, "\n<style>\n%s</style>\n</head>\n", page_style());
}

void page_html(const struct page *p, struct str *out)
{
	char when[TIME_WORDS_LEN];

	time_words(p->now, when);
	put_head(p, out);
	str_append(out, "<body>\n<header>\n");
	putf(out, "h1", NULL, "VFs of %s", p->node);
	put(out, "p", "dim", when);
	str_append(out, "</header>\n<main>\n");
	put_tiles(p, out);
	if (p->no_inv)
		put(out, "p", "bad", p->no_inv);
	if (p->graph) {
		str_append(out, "<div class=\"picture\">\n");
		graph_svg(p->graph, when, false, out);
		str_append(out, "</div>\n");
	}
	put_findings(p, out);
	if (p->inv)
		put_vfs(p, out);
	put_events(p, out);
	str_append(out, "</main>\n<footer>");
	putf(out, "p", "dim",
	     "vfhook %s report --html, on %s at %s. This page is all there is to it: "
	     "no script, and nothing from elsewhere.",
	     vfhook_version, p->node, when);
	str_append(out, "</footer>\n</body>\n</html>\n");
}
