/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Those of this node, those that the other nodes publish, and those of the pools' PFs. */
#include "src/port/cluster_macs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/port/cluster_vfs.h"

static int add_published(struct hook *h, const char *node, struct mac_list *l)
{
	AUTO_FREE struct published_mac *macs = NULL;
	size_t n;
	int r = published_macs(h, node, &macs, &n);

	for (size_t i = 0; !r && i < n; i++)
		r = mac_list_add(l, macs[i].mac, macs[i].ifname, node);
	return r;
}

static int add_nodes(struct hook *h, const struct config *c, struct mac_list *l)
{
	int r = 0;

	for (size_t i = 0; i < c->n_pools; i++) {
		for (size_t k = 0; !r && k < c->pools[i].n_pfs; k++) {
			const struct pool_pf *pf = &c->pools[i].pfs[k];

			/* That node's file is read once, not for each PF. */
			if (strcmp(pf->node, h->node) != 0 && !config_pf_before(c, i, k, false))
				r = add_published(h, pf->node, l);
			if (!r && pf->id.has_mac)
				r = mac_list_add(l, pf->id.mac, "", pf->node);
		}
	}
	return r;
}

int all_host_macs(struct hook *h, const struct config *c, struct host_mac **list, size_t *n,
		  struct error *err)
{
	struct mac_list l = {0};
	int r = mac_list_add_own(h, &l, err);

	*list = NULL;
	*n = 0;
	if (!r && add_nodes(h, c, &l) < 0)
		r = fail(err, ENOMEM, "out of memory");
	if (r < 0) {
		free(l.all);
		return r;
	}
	*list = l.all;
	*n = l.n;
	return 0;
}
