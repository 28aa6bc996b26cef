/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which PFs' filters are kept, by vfhook.cfg and by what was noted. */
#include "src/fdb/served_pfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/fdb/fdb_note.h"
#include "src/port/boot_config.h"
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/pf_where.h"

void served_pfs_free(struct served_pfs *s)
{
	for (size_t i = 0; i < s->n; i++)
		served_pf_free(&s->list[i]);
	free(s->list);
	*s = (struct served_pfs){0};
}

static struct served_pf *need_pf(struct hook *h, struct served_pfs *s, const struct pci_addr *addr,
				 struct error *err)
{
	struct served_pf *more;

	for (size_t i = 0; i < s->n; i++) {
		if (!pci_addr_cmp(&s->list[i].addr, addr))
			return &s->list[i];
	}
	more = reallocarray(s->list, s->n + 1, sizeof(*more));
	if (!more) {
		fail(err, ENOMEM, "out of memory");
		return NULL;
	}
	s->list = more;
	if (served_pf_init(h, addr, &more[s->n], err) < 0)
		return NULL;
	return &more[s->n++];
}

/* The interface that a PF has now; its filter is another one then. */
static void give_interface(struct served_pfs *s, struct served_pf *pf, const struct nic *nic)
{
	int ifindex = nic ? nic->info.ifindex : 0;

	if (nic)
		snprintf(pf->name, sizeof(pf->name), "%s", nic->info.ifname);
	if (ifindex == pf->ifindex)
		return;
	pf->ifindex = ifindex;
	pf->most = 0;
	pf->vepa = false;
	s->other_filter = true;
}

static const struct nic *nic_at(const struct nic *nics, size_t n, const struct pci_addr *addr)
{
	for (size_t i = 0; i < n; i++) {
		if (!pci_addr_cmp(&nics[i].info.addr, addr))
			return &nics[i];
	}
	return NULL;
}

/* PFs that have had something put into them by us, whatever vfhook.cfg says of them now. */
static int take_noted(struct hook *h, struct served_pfs *s, const struct nic *nics, size_t n_nics,
		      struct error *err)
{
	struct fdb_note *notes = NULL;
	size_t n = 0;
	int r = fdb_notes_read(h->root, &notes, &n, err);

	for (size_t i = 0; i < n && !r; i++) {
		struct served_pf *pf = need_pf(h, s, &notes[i].pf, err);

		if (!pf)
			r = error_code(err);
		else
			give_interface(s, pf, nic_at(nics, n_nics, &pf->addr));
	}
	fdb_notes_free(notes, n);
	return r;
}

static int take_wanted(struct hook *h, struct served_pfs *s, const struct config *c,
		       const struct nic *nics, size_t n_nics, struct error *err)
{
	AUTO_FREE struct pf_where *where = NULL;
	size_t n = 0;

	if (pfs_locate(c, h->node, nics, n_nics, &where, &n) < 0)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const struct pf_where *w = &where[i];
		bool here = w->place == PF_HERE || w->place == PF_MOVED;
		struct served_pf *pf;

		if (!w->pool->fdb || w->alike > 1)
			continue;
		pf = need_pf(h, s, here ? &w->nic->info.addr : &w->id.addr, err);
		if (!pf)
			return error_code(err);
		pf->wanted = true;
		give_interface(s, pf, here ? w->nic : NULL);
	}
	return 0;
}

/* A pool that is a mistake may be one that says `fdb on`. */
static bool has_bad_pool(const struct config *c)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		if (c->pools[i].bad)
			return true;
	}
	return false;
}

/* *certain: what it does not say is not so. */
static int load(struct hook *h, bool has_config, struct config *c, bool *certain, struct error *err)
{
	if (!config_load(h->root, c, err) && (has_config || !hook_pve(h, NULL))) {
		*certain = !has_bad_pool(c);
		return 0;
	}
	/* /etc/pve is not there, or not whole: this node's own copy, which has not all pools. */
	*certain = false;
	config_free(c);
	error_clear(err);
	return bootcfg_load(h, c, err);
}

int served_pfs_locate(struct hook *h, struct served_pfs *s, bool has_config, struct error *err)
{
	CLEANUP(config_free) struct config c = {0};
	AUTO_FREE struct nic *nics = NULL;
	bool certain;
	size_t n = 0;

	if (load(h, has_config, &c, &certain, err) < 0 || nics_read(h, false, &nics, &n, err) < 0)
		return error_code(err);
	if (take_noted(h, s, nics, n, err) < 0)
		return error_code(err);
	/* Unknown is not off: what was let in stays, and is kept. */
	for (size_t i = 0; i < s->n; i++)
		s->list[i].wanted = !certain && (s->list[i].wanted || s->list[i].note.n);
	return take_wanted(h, s, &c, nics, n, err);
}
