/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nodes that there are, each by what is known of it. */
#include "src/show/seen_cluster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/guest_dir.h"
#include "pveapi/peer.h"
#include "src/base/cleanup.h"
#include "src/show/seen_here.h"
#include "src/show/seen_told.h"

void seen_cluster_free(struct seen_cluster *c)
{
	for (size_t i = 0; i < c->n; i++)
		seen_node_free(&c->nodes[i]);
	free(c->nodes);
	*c = (struct seen_cluster){NULL, 0};
}

/* Keep the PFs of a pool, as here --pool does. */
static void keep_pool(struct seen_node *n, const char *pool)
{
	size_t kept = 0;

	for (size_t i = 0; i < n->n_pfs; i++) {
		if (has_word(n->pfs[i].pools, pool, ", "))
			n->pfs[kept++] = n->pfs[i];
		else
			seen_pf_free(&n->pfs[i]);
	}
	n->n_pfs = kept;
}

/* False: a folder that a node left behind which is no member any more, and tells nothing. */
static bool is_there(struct hook *h, struct seen_node *n)
{
	bool member;

	n->online = peer_online(h->root, n->name, &member);
	return member || n->online == ANSWER_UNKNOWN || n->n_pfs;
}

int seen_cluster_read(struct hook *h, const struct inventory *inv, const char *pool,
		      struct seen_cluster *out, struct error *err)
{
	CLEANUP(dir_names_free) struct dir_names names = {0};

	*out = (struct seen_cluster){NULL, 0};
	if (list_nodes(h->root, &names, err) < 0)
		return error_code(err);
	out->nodes = calloc((size_t)names.n + 1, sizeof(*out->nodes));
	if (!out->nodes)
		return fail(err, ENOMEM, "out of memory");
	for (int i = 0; i < names.n; i++) {
		const char *name = names.list[i]->d_name;
		struct seen_node *n = &out->nodes[out->n++];

		if (!strcmp(name, h->node)) {
			if (seen_here(h, inv, pool, n, err) < 0)
				return error_code(err);
			continue;
		}
		if (seen_told(h, &inv->config, name, n, err) < 0)
			return error_code(err);
		if (!is_there(h, n)) {
			seen_node_free(n);
			out->n--;
		} else if (pool) {
			keep_pool(n, pool);
		}
	}
	return 0;
}
