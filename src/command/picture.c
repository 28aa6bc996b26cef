/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From facts to a picture on standard output. */
#include "src/command/picture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/show/graph.h"
#include "src/show/graph_svg.h"
#include "src/show/graph_text.h"
#include "src/show/seen_here.h"
#include "src/show/time_words.h"

int picture_seen(struct hook *h, const struct inventory *inv, const char *pool, bool cluster,
		 struct seen_cluster *out, struct error *err)
{
	if (cluster)
		return seen_cluster_read(h, inv, pool, out, err);
	*out = (struct seen_cluster){.nodes = calloc(1, sizeof(*out->nodes)), .n = 1};
	if (out->nodes)
		return seen_here(h, inv, pool, out->nodes, err);
	out->n = 0;
	return fail(err, ENOMEM, "out of memory");
}

int picture_print(struct hook *h, const struct inventory *inv, const struct picture *p)
{
	CLEANUP(seen_cluster_free) struct seen_cluster seen = {NULL, 0};
	CLEANUP(graph_free) struct graph g = {.n = 0};
	CLEANUP(str_free) struct str out = STR_INIT;
	struct error err = ERROR_INIT;
	int64_t now = time(NULL);
	char when[TIME_WORDS_LEN];

	if (picture_seen(h, inv, p->pool, p->cluster, &seen, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	graph_make(seen.nodes, seen.n, now, &g);
	if (p->svg)
		graph_svg(&g, time_words(now, when), true, &out);
	else
		graph_text(&g, p->width, p->colour, &out);
	if (!str_ok(&out) || fputs(str_get(&out), stdout) < 0 || fflush(stdout)) {
		complain("cannot write the output");
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}
