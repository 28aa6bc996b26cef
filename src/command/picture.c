/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From facts to a picture on standard output. */
#include "src/command/picture.h"

#include <stdio.h>
#include <time.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/show/graph.h"
#include "src/show/graph_svg.h"
#include "src/show/graph_text.h"
#include "src/show/seen_here.h"
#include "src/show/time_words.h"

int picture_print(struct hook *h, const struct inventory *inv, const struct picture *p)
{
	CLEANUP(seen_node_free) struct seen_node here = {.n_pfs = 0};
	CLEANUP(graph_free) struct graph g = {.n = 0};
	CLEANUP(str_free) struct str out = STR_INIT;
	struct error err = ERROR_INIT;
	int64_t now = time(NULL);
	char when[TIME_WORDS_LEN];

	if (seen_here(h, inv, p->pool, &here, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	graph_make(&here, 1, now, &g);
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
