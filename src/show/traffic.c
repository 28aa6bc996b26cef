/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rates, and a short history of them for each VF. */
#include "src/show/traffic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Less than this is silence: broadcasts and a switch's own frames. */
#define SILENCE 1000.0

static int by_address(const void *a, const void *b)
{
	return pci_addr_cmp(&((const struct vf_traffic *)a)->vf,
			    &((const struct vf_traffic *)b)->vf);
}

const struct vf_traffic *traffic_of(const struct traffic *t, const struct pci_addr *vf)
{
	const struct vf_traffic key = {.vf = *vf};

	return t->n ? bsearch(&key, t->rows, t->n, sizeof(key), by_address) : NULL;
}

void traffic_free(struct traffic *t)
{
	free(t->rows);
	*t = (struct traffic){0};
}

static void add_past(struct vf_traffic *v)
{
	if (v->n_past == TRAFFIC_KEPT)
		memmove(v->past, v->past + 1, sizeof(v->past) - sizeof(v->past[0]));
	else
		v->n_past++;
	v->past[v->n_past - 1] = v->rx + v->tx;
}

static void look_at(struct vf_traffic *v, const struct inventory *before,
		    const struct pf_report *pf, const struct vf_report *r, double seconds)
{
	const struct vf_stats *now = vf_stats_of(pf, r);
	const struct vf_stats *was = before ? vf_stats_before(before, pf, r) : NULL;

	v->known = now && was && seconds > 0;
	v->rx = v->known ? (double)(now->rx_bytes - was->rx_bytes) * 8 / seconds : 0;
	v->tx = v->known ? (double)(now->tx_bytes - was->tx_bytes) * 8 / seconds : 0;
	if (v->known)
		add_past(v);
}

static size_t count_all(const struct inventory *inv)
{
	size_t n = 0;

	for (size_t i = 0; i < inv->n_pools; i++) {
		for (size_t k = 0; k < inv->pools[i].n_pfs; k++)
			n += inv->pools[i].pfs[k].n_vfs;
	}
	return n;
}

static void look_at_pf(const struct traffic *was, const struct inventory *before,
		       const struct pf_report *pf, double seconds, struct traffic *now)
{
	for (size_t i = 0; i < pf->n_vfs; i++) {
		const struct pci_addr *vf = &pf->vfs[i].vf->info.addr;
		const struct vf_traffic *known = traffic_of(was, vf);
		struct vf_traffic *v = &now->rows[now->n++];

		*v = known ? *known : (struct vf_traffic){.vf = *vf};
		look_at(v, before, pf, &pf->vfs[i], seconds);
	}
}

int traffic_update(struct traffic *t, const struct inventory *before, const struct inventory *now,
		   double seconds)
{
	struct traffic fresh = {.rows = calloc(count_all(now) + 1, sizeof(*fresh.rows))};

	if (!fresh.rows)
		return -ENOMEM;
	for (size_t i = 0; i < now->n_pools; i++) {
		for (size_t k = 0; k < now->pools[i].n_pfs; k++)
			look_at_pf(t, before, &now->pools[i].pfs[k], seconds, &fresh);
	}
	qsort(fresh.rows, fresh.n, sizeof(*fresh.rows), by_address);
	traffic_free(t);
	*t = fresh;
	return 0;
}

const char *traffic_spark(const struct vf_traffic *v, char buf[SPARK_LEN])
{
	static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	double most = SILENCE;

	buf[v->n_past * BAR_LEN] = '\0';
	for (size_t i = 0; i < v->n_past; i++)
		most = v->past[i] > most ? v->past[i] : most;
	for (size_t i = 0; i < v->n_past; i++) {
		size_t bar = v->past[i] < SILENCE ? 0 : (size_t)(v->past[i] / most * 7);

		memcpy(buf + i * BAR_LEN, bars[bar > 7 ? 7 : bar], BAR_LEN);
	}
	return buf;
}
