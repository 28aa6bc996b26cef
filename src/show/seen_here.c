/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the inventory's reports to the facts of a picture. */
#include "src/show/seen_here.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/limits.h"
#include "src/base/cleanup.h"
#include "src/host/pci_names.h"
#include "src/host/pf_around.h"
#include "src/show/vf_words.h"

/* --- A VF --- */

static void see_holder(const struct vf_report *r, struct seen_vf *v)
{
	v->vmid = r->vmid;
	text_clean(r->name, v->guest, sizeof(v->guest));
	v->container = vf_use_is_lease(r->use) && lease_is_ct(&r->vf->lease);
	if (v->container)
		text_clean(r->vf->lease.netname, v->place, sizeof(v->place));
	else if (r->vmid && r->slot < PVE_HOSTPCI_MAX)
		snprintf(v->place, sizeof(v->place), "hostpci%u", r->slot);
}

static bool see_vf_marks(const struct pf_report *pf, const struct vf_report *r,
			 struct seen_marks *m)
{
	CLEANUP(str_free) struct str s = STR_INIT;
	bool ok = true;

	vf_differences(r, &s);
	if (s.len || s.failed)
		ok = str_ok(&s) && seen_mark_add(m, SEEN_BAD, "%s", str_get(&s));
	if (r->note[0])
		ok = ok && seen_mark_add(m, SEEN_NOTE, "%s", r->note);
	/* That the PF is down is said once, there. */
	if (r->why[0] && !(pf->why[0] && !strcmp(r->why, "its PF is down")))
		ok = ok && seen_mark_add(m, SEEN_WARN, "%s", r->why);
	if (r->use == USE_UNPLUGGED && r->vf->lease.why[0])
		ok = ok && seen_mark_add(m, SEEN_NOTE, "unplugged: %s", r->vf->lease.why);
	return ok;
}

static bool see_vf(const struct pf_report *pf, const struct vf_report *r, struct seen_vf *v)
{
	const struct vf_info *info = &r->vf->info;
	const struct vf_settings *now = &r->vf->now;

	*v = (struct seen_vf){.index = info->index, .group = info->iommu_group};
	pci_addr_format(&info->addr, v->addr);
	snprintf(v->state, sizeof(v->state), "%s", vf_state_word(r));
	see_holder(r, v);
	vf_vlan_words(now, v->vlan, sizeof(v->vlan));
	v->mac_differs = r->differs & (1U << VF_MAC);
	v->vlan_differs = r->differs & (1U << VF_VLAN);
	if ((now->has & HAS_MAC) && (!mac_is_zero(now->mac) || v->mac_differs))
		mac_format(now->mac, v->mac);
	return see_vf_marks(pf, r, &v->marks);
}

/* --- A PF --- */

static bool see_pf_marks(const struct pool *pool, const struct pf_report *r, struct seen_marks *m)
{
	bool ok = true;
	bool bad = false;
	char text[200];

	if (r->pf->broken)
		ok = seen_mark_add(m, SEEN_BAD, "cannot be used: %s", r->pf->why);
	else if (r->why[0])
		ok = seen_mark_add(m, SEEN_BAD, "%s", r->why);
	else if (pool->vfs && r->pf->info.num_vfs < pool->vfs)
		ok = seen_mark_add(m, SEEN_WARN,
				   "it has %u VFs, and pool '%s' wants %u: vfhook boot",
				   r->pf->info.num_vfs, pool->name, pool->vfs);
	if (r->named_by[0])
		ok = ok && seen_mark_add(m, SEEN_WARN, "named by %s: its start takes all VFs away",
					 r->named_by);
	if (r->fdb.on) {
		fdb_report_text(&r->fdb, &bad, text, sizeof(text));
		ok = ok && seen_mark_add(m, bad ? SEEN_WARN : SEEN_NOTE, "bridge: %s", text);
	}
	return ok;
}

static void see_around(struct hook *h, const struct pci_names *names, const struct pf_report *r,
		       struct seen_pf *pf)
{
	char name[SEEN_CARD_LEN];
	struct pf_around a;

	pf_around_read(h->root, &r->pf->info.addr, pf->ifname, &a);
	pf->card = a.card;
	pf->speed = a.speed;
	if (pci_name(names, a.card.model, name, sizeof(name)))
		text_clean(name, pf->card_name, sizeof(pf->card_name));
	pf_above_text(&a, pf->above, sizeof(pf->above));
}

static bool see_pf(struct hook *h, const struct pci_names *names, const struct pool *pool,
		   const struct pf_report *r, struct seen_pf *pf)
{
	const struct pf_info *info = &r->pf->info;
	bool linked = !pool->no_net && !r->pf->broken;

	*pf = (struct seen_pf){
		.no_net = pool->no_net, .up = ANSWER_UNKNOWN, .carrier = ANSWER_UNKNOWN};
	pci_addr_format(&info->addr, pf->addr);
	snprintf(pf->pools, sizeof(pf->pools), "%s", pool->name);
	snprintf(pf->driver, sizeof(pf->driver), "%s", info->driver);
	if (!pool->no_net)
		snprintf(pf->ifname, sizeof(pf->ifname), "%s", info->ifname);
	if (linked) {
		pf->up = r->pf->link.up ? ANSWER_YES : ANSWER_NO;
		pf->carrier = r->pf->link.carrier ? ANSWER_YES : ANSWER_NO;
		pf->mtu = r->pf->link.mtu;
	}
	see_around(h, names, r, pf);
	/* One without a link has no speed, whatever its driver says. */
	if (pf->carrier != ANSWER_YES)
		pf->speed = 0;
	pf->vfs = calloc(r->n_vfs + 1, sizeof(*pf->vfs));
	for (size_t i = 0; pf->vfs && i < r->n_vfs; i++) {
		if (!see_vf(r, &r->vfs[i], &pf->vfs[pf->n_vfs++]))
			return false;
	}
	return pf->vfs && see_pf_marks(pool, r, &pf->marks);
}

/* --- The node --- */

static struct seen_pf *find_pf(struct seen_node *n, const struct pci_addr *addr)
{
	char text[PCI_ADDR_LEN];

	pci_addr_format(addr, text);
	for (size_t i = 0; i < n->n_pfs; i++) {
		if (!strcmp(n->pfs[i].addr, text))
			return &n->pfs[i];
	}
	return NULL;
}

static bool see_pool(struct hook *h, const struct pci_names *names, const struct pool_report *p,
		     struct seen_node *out)
{
	struct seen_pf *more = reallocarray(out->pfs, out->n_pfs + p->n_pfs + 1, sizeof(*more));

	if (!more)
		return false;
	out->pfs = more;
	for (size_t i = 0; i < p->n_pfs; i++) {
		struct seen_pf *twice = find_pf(out, &p->pfs[i].pf->info.addr);
		size_t len = twice ? strlen(twice->pools) : 0;

		if (twice)
			snprintf(twice->pools + len, sizeof(twice->pools) - len, ", %s",
				 p->pool->name);
		else if (!see_pf(h, names, p->pool, &p->pfs[i], &out->pfs[out->n_pfs++]))
			return false;
	}
	return true;
}

static bool mark_pool(const struct pool_report *p, struct seen_marks *m)
{
	if (p->pool->bad)
		return seen_mark_add(m, SEEN_BAD, "pool '%s' is not used: %s", p->pool->name,
				     p->pool->bad);
	if (p->pool->shared)
		return seen_mark_add(m, SEEN_BAD, "pool '%s': %s", p->pool->name, p->pool->shared);
	return true;
}

static bool mark_stray(const struct lease_entry *e, struct seen_marks *m)
{
	char addr[PCI_ADDR_LEN];
	char who[LEASE_HOLDER_LEN];

	pci_addr_format(&e->vf, addr);
	if (e->broken)
		return seen_mark_add(m, SEEN_BAD, "VF %s, of no pool: %s", addr, e->why);
	return seen_mark_add(m, SEEN_WARN, "VF %s, of no usable PF of a pool: leased by %s, %s",
			     addr, lease_holder(&e->lease, who), lease_phase_name(e->lease.phase));
}

/* What belongs to no PF of the picture. */
static bool mark_node(const struct inventory *inv, struct seen_marks *m)
{
	bool ok = true;

	if (!inv->n_pools)
		ok = seen_mark_add(m, SEEN_NOTE,
				   "/" VFHOOK_CFG " has no pools yet: vfhook pool --help");
	for (size_t i = 0; ok && i < inv->n_strays; i++)
		ok = mark_stray(&inv->strays[i], m);
	for (size_t i = 0; ok && i < inv->config.n_ports; i++) {
		if (inv->config.ports[i].bad)
			ok = seen_mark_add(m, SEEN_BAD, "port not used: %s",
					   inv->config.ports[i].bad);
	}
	if (ok && inv->broken_guests)
		ok = seen_mark_add(
			m, SEEN_WARN,
			"guest configs that cannot be read, so VFs named in them are not "
			"known: %s",
			inv->broken_guests);
	return ok;
}

static bool mark_advice(const struct vf_counts *c, struct seen_marks *m)
{
	CLEANUP(str_free) struct str s = STR_INIT;

	vf_advice_words(c, &s);
	return !s.failed && (!s.len || seen_mark_add(m, SEEN_BAD, "%s", str_get(&s)));
}

static int by_addr(const void *a, const void *b)
{
	return strcmp(((const struct seen_pf *)a)->addr, ((const struct seen_pf *)b)->addr);
}

int seen_here(struct hook *h, const struct inventory *inv, const char *pool, struct seen_node *out,
	      struct error *err)
{
	CLEANUP(pci_names_free) struct pci_names names = {NULL};
	struct vf_counts c = {0};
	bool ok = true;

	*out = (struct seen_node){.source = SEEN_HERE, .online = ANSWER_YES};
	snprintf(out->name, sizeof(out->name), "%s", h->node);
	pci_names_read(h->root, &names);
	for (size_t i = 0; ok && i < inv->n_pools; i++) {
		const struct pool_report *p = &inv->pools[i];

		if (pool && strcmp(pool, p->pool->name) != 0)
			continue;
		ok = mark_pool(p, &out->marks) && see_pool(h, &names, p, out);
		for (size_t k = 0; k < p->n_pfs; k++)
			count_vfs(&p->pfs[k], &c);
	}
	if (ok && !pool)
		ok = mark_node(inv, &out->marks);
	if (!ok || !mark_advice(&c, &out->marks))
		return fail(err, ENOMEM, "out of memory");
	if (out->n_pfs)
		qsort(out->pfs, out->n_pfs, sizeof(*out->pfs), by_addr);
	return 0;
}
