/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Comparing pools with the NICs there are. */
#include "src/port/pf_where.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/port/config.h"
#include "src/vf/card.h"
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

static void read_card(struct hook *h, const struct pf_info *info, struct nic *out)
{
	struct error why = ERROR_INIT;

	*out = (struct nic){.info = *info};
	if (card_read(h->root, &info->addr, &out->card, &why) < 0)
		snprintf(out->card_why, sizeof(out->card_why), "%.199s", why.text);
}

bool has_card_pool(const struct config *c)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		if (c->pools[i].no_net)
			return true;
	}
	return false;
}

int nics_read(struct hook *h, bool all, struct nic **list, size_t *n, struct error *err)
{
	AUTO_FREE struct pf_info *pfs = NULL;

	*list = NULL;
	if (hook_kernel(h, err) < 0 || sysfs_pf_list(h->root, all, &pfs, n, err) < 0)
		return error_code(err);
	*list = calloc(*n + 1, sizeof(**list));
	if (!*list)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < *n; i++) {
		if (pfs[i].no_net)
			read_card(h, &pfs[i], &(*list)[i]);
		else
			read_nic(h, &pfs[i], &(*list)[i]);
	}
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

static void locate_nic(const struct nic *nics, size_t n, struct pf_where *w)
{
	const struct nic *at = nic_at(nics, n, &w->id.addr);
	const struct nic *other = w->id.has_mac ? nic_with_mac(nics, n, &w->id, &w->alike) : NULL;

	/* A graphics card in its slot is none. */
	if (at && at->info.no_net)
		at = NULL;
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

/* --- Cards without a network --- */

/*
 * Is it that card, somewhere else? By its serial number, and by its function, since all functions
 * of a card have one number; without a number by the slot that it is in, which the board names
 * whatever the address. A card of that model in another slot may be another one.
 */
static bool is_card(const struct nic *nic, const struct pf_id *id)
{
	const struct card_id *c = &id->card;

	if (!nic->info.no_net || nic->card_why[0] || !c->model[0] ||
	    nic->info.addr.fn != id->addr.fn || !card_is(c, &nic->card))
		return false;
	return c->serial[0] || (c->slot[0] && !strcmp(c->slot, nic->card.slot));
}

static const struct nic *find_card(const struct nic *nics, size_t n, struct pf_where *w)
{
	const struct nic *found = NULL;

	w->alike = 0;
	for (size_t i = 0; nics && i < n; i++) {
		if (!is_card(&nics[i], &w->id))
			continue;
		found = &nics[i];
		w->alike++;
	}
	return w->alike == 1 ? found : NULL;
}

/* Its number may be told by its driver, which is not there yet (card_read()). */
static bool may_be_card(const struct nic *at, const struct pf_id *id)
{
	return at->card_why[0] || (!at->info.driver[0] && id->card.serial[0] &&
				   !at->card.serial[0] && !strcmp(id->card.model, at->card.model));
}

static void locate_card(const struct nic *nics, size_t n, struct pf_where *w)
{
	const struct nic *at = nic_at(nics, n, &w->id.addr);
	const struct nic *other;

	if (at && !at->info.no_net)
		at = NULL;
	w->nic = at;
	if (at && (may_be_card(at, &w->id) || card_is(&w->id.card, &at->card))) {
		w->place = at->card_why[0] || !at->info.driver[0] ||
					   !strcmp(at->info.driver, "vfio-pci")
				   ? PF_NO_NETDEV
				   : PF_HERE;
		return;
	}
	other = find_card(nics, n, w);
	if (other)
		w->nic = other;
	w->place = other ? PF_MOVED : at ? PF_STRANGER : PF_MISSING;
}

static void locate(const struct nic *nics, size_t n, struct pf_where *w)
{
	if (w->id.no_net)
		locate_card(nics, n, w);
	else
		locate_nic(nics, n, w);
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
		if (!nics[i].info.no_net && !nics[i].info.ifindex &&
		    strcmp(nics[i].info.driver, "vfio-pci") != 0)
			return true;
	}
	/* Whose number only its driver tells (an NVMe drive's). */
	for (size_t i = 0; w->id.no_net && w->id.card.serial[0] && i < n; i++) {
		if (nics[i].info.no_net && !nics[i].info.driver[0] &&
		    !strcmp(nics[i].card.model, w->id.card.model))
			return true;
	}
	return false;
}
