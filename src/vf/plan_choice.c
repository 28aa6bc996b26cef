/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which VF a port gets: the one it had, or the best of those that are free. */
#include "src/vf/plan_choice.h"

#include <errno.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/vf/why_not_free.h"

static bool already_chosen(const struct port_choice *c, size_t n, size_t pf, size_t vf)
{
	for (size_t i = 0; i < n; i++) {
		if (c[i].chosen && c[i].pf == pf && c[i].vf == vf)
			return true;
	}
	return false;
}

/* How many ports of this VM already sit on that PF. */
static unsigned ports_on_pf(const struct port_choice *c, size_t n, size_t pf)
{
	unsigned k = 0;

	for (size_t i = 0; i < n; i++)
		k += c[i].chosen && c[i].pf == pf;
	return k;
}

/* The order of preference of the design, most important first; larger is better. */
struct rank {
	int other_pf; /* bonding wants two cables */
	int carrier;  /* a cable that is plugged in */
	int numa;
	int spoken;   /* a VF that nobody else is likely to want */
	int unspoken; /* and many more of these */
	int free_vfs;
};

static int rank_cmp(const struct rank *a, const struct rank *b)
{
	if (a->other_pf != b->other_pf)
		return a->other_pf - b->other_pf;
	if (a->carrier != b->carrier)
		return a->carrier - b->carrier;
	if (a->numa != b->numa)
		return a->numa - b->numa;
	if (a->spoken != b->spoken)
		return a->spoken - b->spoken;
	if (a->unspoken != b->unspoken)
		return a->unspoken - b->unspoken;
	return a->free_vfs - b->free_vfs;
}

/* The free VFs of one PF. */
struct candidates {
	unsigned n;
	unsigned unspoken; /* that nobody names */
	size_t best;	   /* the index of the one to take */
	unsigned cost;	   /* what others' naming it weighs */
	unsigned equals;   /* how many cost the same */
};

static struct rank pf_rank(const struct pf_state *pf, const struct port_wish *w, unsigned ports,
			   const struct candidates *c)
{
	return (struct rank){
		.other_pf = -(int)ports,
		.carrier = pf->link.carrier,
		.numa = w->numa_node < 0 || pf->info.numa_node == w->numa_node,
		.spoken = -(int)c->cost,
		.unspoken = (int)c->unspoken,
		.free_vfs = (int)c->n,
	};
}

static unsigned spoken_cost(const struct port_wish *w, const struct pci_addr *vf)
{
	unsigned cost = 0;

	for (size_t i = 0; i < w->n_spoken; i++) {
		if (!pci_addr_cmp(&w->spoken[i].vf, vf))
			cost += w->spoken[i].weight;
	}
	return cost;
}

/*
 * One more free VF: of those that others name least, keep the first, or with a spread, the one
 * that the spread falls on.
 */
static void keep_candidate(size_t k, unsigned cost, unsigned spread, struct candidates *c)
{
	c->unspoken += !cost;
	if (!c->n++ || cost < c->cost)
		*c = (struct candidates){c->n, c->unspoken, k, cost, 1};
	/* Any rule will do that sends different spreads to different VFs. */
	else if (cost == c->cost && spread && spread % ++c->equals == 0)
		c->best = k;
}

/* The free VFs of a PF; notes on the others. */
static struct candidates scan_pf(const struct snapshot *s, const struct port_wish *w,
				 const struct port_choice *choices, size_t n, size_t pf_index,
				 struct plan *p)
{
	const struct pf_state *pf = &s->pfs[pf_index];
	struct candidates c = {0};
	char why[320];

	/* Once, not for each of its VFs. */
	if (pf_why_not(pf, w, why, sizeof(why))) {
		plan_add_note(p, false, &pf->info.addr, "%s", why);
		return c;
	}
	if (!pf->n_vfs)
		plan_add_note(p, false, &pf->info.addr,
			      "PF %s has no VFs (sriov_numvfs is %u of %u)", pf->info.ifname,
			      pf->info.num_vfs, pf->info.total_vfs);
	for (size_t k = 0; k < pf->n_vfs; k++) {
		const struct vf_state *v = &pf->vfs[k];

		if (already_chosen(choices, n, pf_index, k)) {
			plan_add_note(p, false, &v->info.addr,
				      "goes to another port of this guest");
		} else if (vf_why_not_free(s, pf, v, w, why, sizeof(why))) {
			plan_add_note(p, false, &v->info.addr, "%s", why);
		} else {
			keep_candidate(k, spoken_cost(w, &v->info.addr), w->spread, &c);
		}
	}
	return c;
}

static bool choose_last(const struct snapshot *s, const struct port_wish *w,
			const struct port_choice *choices, size_t n, struct port_choice *out,
			struct plan *p)
{
	char why[320];

	if (!w->has_last)
		return false;
	for (size_t i = 0; i < s->n_pfs; i++) {
		const struct pf_state *pf = &s->pfs[i];

		if (!wish_allows_pf(w, &pf->info.addr))
			continue;
		for (size_t k = 0; k < pf->n_vfs; k++) {
			if (pci_addr_cmp(&pf->vfs[k].info.addr, &w->last) != 0)
				continue;
			if (already_chosen(choices, n, i, k) ||
			    vf_why_not_free(s, pf, &pf->vfs[k], w, why, sizeof(why)))
				return false;
			/* Who holds the rest of its group is not in a glance at this VF. */
			if (!s->complete && !pf->vfs[k].info.group_alone)
				return false;
			*out = (struct port_choice){.chosen = true, .pf = i, .vf = k};
			plan_add_note(p, true, &w->last, "the VF that hostpci%u had last", w->slot);
			return true;
		}
	}
	return false;
}

static bool choose_best(const struct snapshot *s, const struct port_wish *w,
			const struct port_choice *choices, size_t n, struct port_choice *out,
			struct plan *p)
{
	struct rank best = {0};

	*out = (struct port_choice){0};
	for (size_t i = 0; i < s->n_pfs; i++) {
		const struct pf_state *pf = &s->pfs[i];
		struct candidates c;
		struct rank r;

		if (!wish_allows_pf(w, &pf->info.addr))
			continue;
		c = scan_pf(s, w, choices, n, i, p);
		if (!c.n)
			continue;
		r = pf_rank(pf, w, ports_on_pf(choices, n, i), &c);
		if (!out->chosen || rank_cmp(&r, &best) > 0) {
			*out = (struct port_choice){.chosen = true, .pf = i, .vf = c.best};
			best = r;
		}
	}
	if (out->chosen)
		plan_add_note(p, true, &s->pfs[out->pf].vfs[out->vf].info.addr,
			      "free, on %s (%d free%s%s%s)", s->pfs[out->pf].info.ifname,
			      best.free_vfs,
			      s->pfs[out->pf].info.no_net ? ""
			      : best.carrier		  ? ", carrier"
							  : ", no carrier",
			      w->numa_node < 0 ? ""
			      : best.numa      ? ", the VM's NUMA node"
					       : ", another NUMA node",
			      best.spoken ? ", none left that no other mapping names" : "");
	return out->chosen;
}

/*
 * No VF for that wish. -ENOSPC: all are taken, so that other VMs' stopping would help; -ENETDOWN:
 * no PF of the pool can be used, and err has why of each.
 */
static int refuse_wish(const struct snapshot *s, const struct port_wish *w, struct error *err)
{
	CLEANUP(str_free) struct str all = STR_INIT;
	char device[WISH_DEVICE_LEN];
	char why[320];

	for (size_t i = 0; i < s->n_pfs; i++) {
		if (!wish_allows_pf(w, &s->pfs[i].info.addr))
			continue;
		if (!pf_why_not(&s->pfs[i], w, why, sizeof(why)))
			return fail(err, ENOSPC, "no VF of pool '%s' is free for %s", w->pool,
				    wish_device(w, device));
		str_printf(&all, "%s%s", all.len ? "; " : "", why);
	}
	return fail(err, ENETDOWN, "pool '%s' of %s: %s", w->pool, wish_device(w, device),
		    str_get(&all));
}

int plan_choose(const struct snapshot *s, const struct port_wish *wishes, size_t n,
		struct port_choice *choices, struct plan *p, struct error *err)
{
	memset(choices, 0, n * sizeof(*choices));
	/* All that can keep their VF do, before anyone chooses anew. */
	for (size_t i = 0; i < n; i++)
		choose_last(s, &wishes[i], choices, n, &choices[i], p);
	for (size_t i = 0; i < n; i++) {
		struct port_choice c;

		if (choices[i].chosen)
			continue;
		if (!s->complete)
			return -EAGAIN;
		if (!choose_best(s, &wishes[i], choices, n, &c, p))
			return refuse_wish(s, &wishes[i], err);
		choices[i] = c;
	}
	return 0;
}
