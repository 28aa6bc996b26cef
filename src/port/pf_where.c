/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Comparing pools with the NICs there are. */
#include "src/port/pf_where.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/port/config.h"
#include "src/vf/kernel.h"

static void read_nic(struct hook *h, const struct pf_info *info, struct nic *out)
{
	CLEANUP(pf_link_free) struct pf_link link = {0};
	int r = -ENODEV;

	*out = (struct nic){.info = *info};
	if (info->ifindex)
		r = kernel_pf_read(h->kernel, info->ifindex, &link, NULL);
	out->link_known = !r || r == -EMSGSIZE;
	if (!out->link_known)
		return;
	out->up = link.up;
	out->has_mac = link.has_perm_mac;
	memcpy(out->mac, link.perm_mac, sizeof(out->mac));
}

int nics_read(struct hook *h, struct nic **list, size_t *n, struct error *err)
{
	AUTO_FREE struct pf_info *pfs = NULL;

	*list = NULL;
	if (hook_kernel(h, err) < 0 || sysfs_pf_list(h->root, &pfs, n, err) < 0)
		return error_code(err);
	*list = calloc(*n + 1, sizeof(**list));
	if (!*list)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < *n; i++)
		read_nic(h, &pfs[i], &(*list)[i]);
	return 0;
}

static const struct nic *nic_at(const struct nic *nics, size_t n, const struct pci_addr *addr)
{
	for (size_t i = 0; i < n; i++) {
		if (!pci_addr_cmp(&nics[i].info.addr, addr))
			return &nics[i];
	}
	return NULL;
}

static bool has_mac(const struct nic *nic, const struct pf_id *id)
{
	return nic->has_mac && !memcmp(nic->mac, id->mac, sizeof(nic->mac));
}

/* The only one with that MAC: two are no answer. */
static const struct nic *nic_with_mac(const struct nic *nics, size_t n, const struct pf_id *id,
				      unsigned *alike)
{
	const struct nic *found = NULL;

	*alike = 0;
	for (size_t i = 0; i < n; i++) {
		if (!has_mac(&nics[i], id))
			continue;
		found = &nics[i];
		++*alike;
	}
	return *alike == 1 ? found : NULL;
}

static void locate(const struct nic *nics, size_t n, struct pf_where *w)
{
	const struct nic *at = nic_at(nics, n, &w->id.addr);
	const struct nic *other = w->id.has_mac ? nic_with_mac(nics, n, &w->id, &w->alike) : NULL;

	w->nic = at;
	if (at && at->info.ifindex && (!w->id.has_mac || !at->has_mac || has_mac(at, &w->id))) {
		w->place = PF_HERE;
	} else if (other) {
		w->place = PF_MOVED;
		w->nic = other;
	} else if (!at) {
		w->place = PF_MISSING;
	} else {
		w->place = at->info.ifindex ? PF_STRANGER : PF_NO_NETDEV;
	}
}

int pfs_locate(const struct config *c, const char *node, const struct nic *nics, size_t n,
	       struct pf_where **out, size_t *n_out)
{
	size_t max = 1;

	*n_out = 0;
	for (size_t i = 0; i < c->n_pools; i++)
		max += c->pools[i].n_pfs;
	*out = calloc(max, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_pools; i++) {
		const struct pool *p = &c->pools[i];

		for (size_t k = 0; k < p->n_pfs; k++) {
			struct pf_where *w = &(*out)[*n_out];

			if (strcmp(p->pfs[k].node, node) != 0)
				continue;
			*w = (struct pf_where){.pool = p, .id = p->pfs[k].id};
			locate(nics, n, w);
			++*n_out;
		}
	}
	return 0;
}

bool pf_may_appear(const struct pf_where *w, const struct nic *nics, size_t n)
{
	if (w->place == PF_HERE || w->place == PF_MOVED)
		return false;
	if (w->place == PF_NO_NETDEV)
		return strcmp(w->nic->info.driver, "vfio-pci") != 0;
	for (size_t i = 0; w->id.has_mac && i < n; i++) {
		if (!nics[i].info.ifindex && strcmp(nics[i].info.driver, "vfio-pci") != 0)
			return true;
	}
	return false;
}
