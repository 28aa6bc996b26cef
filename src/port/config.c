/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking things up in what was read of vfhook.cfg. */
#include "src/port/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void pool_free(struct pool *p)
{
	free(p->pfs);
	free(p->hosts);
	free(p->bad);
	free(p->shared);
}

void config_free(struct config *c)
{
	for (size_t i = 0; i < c->n_pools; i++)
		pool_free(&c->pools[i]);
	for (size_t i = 0; i < c->n_ports; i++)
		free(c->ports[i].bad);
	for (size_t i = 0; i < c->n_guests; i++)
		free(c->guests[i].bad);
	free(c->guests);
	free(c->pools);
	free(c->ports);
	*c = (struct config){0};
}

const struct pool *config_pool(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		if (!strcmp(c->pools[i].name, name))
			return &c->pools[i];
	}
	return NULL;
}

const struct port *config_port(const struct config *c, uint32_t vmid, unsigned slot)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		if (c->ports[i].vmid == vmid && c->ports[i].slot == slot)
			return &c->ports[i];
	}
	return NULL;
}

const struct guest_note *config_guest(const struct config *c, uint32_t vmid)
{
	for (size_t i = 0; i < c->n_guests; i++) {
		if (c->guests[i].vmid == vmid)
			return &c->guests[i];
	}
	return NULL;
}

const struct pool *config_pool_of_pf(const struct config *c, const char *node,
				     const struct pci_addr *pf)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		for (size_t k = 0; k < c->pools[i].n_pfs; k++) {
			const struct pool_pf *p = &c->pools[i].pfs[k];

			if (!strcmp(p->node, node) && !pci_addr_cmp(&p->id.addr, pf))
				return &c->pools[i];
		}
	}
	return NULL;
}

bool config_pf_before(const struct config *c, size_t pool, size_t pf, bool same)
{
	const struct pool_pf *that = &c->pools[pool].pfs[pf];

	for (size_t i = 0; i <= pool; i++) {
		for (size_t k = 0; k < (i == pool ? pf : c->pools[i].n_pfs); k++) {
			const struct pool_pf *p = &c->pools[i].pfs[k];

			if (!strcmp(p->node, that->node) &&
			    (!same || !pci_addr_cmp(&p->id.addr, &that->id.addr)))
				return true;
		}
	}
	return false;
}

int pool_node_pfs(const struct pool *p, const char *node, struct pf_id **out)
{
	int n = 0;

	*out = calloc(p->n_pfs + 1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_pfs; i++) {
		if (!strcmp(p->pfs[i].node, node))
			(*out)[n++] = p->pfs[i].id;
	}
	return n;
}
