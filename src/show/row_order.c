/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of a table of VFs: left out, and put in order. */
#include "src/show/row_order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/vf/kernel.h"
#include "src/vf/sysfs.h"

const char *row_sort_name(enum row_sort sort)
{
	static const char *const names[SORT_COUNT] = {"VF", "VM", "state", "RX", "TX"};

	return (unsigned)sort < SORT_COUNT ? names[sort] : "?";
}

static bool is_wanted(const struct vf_report *r, const struct row_choice *c)
{
	const struct vf_info *info = &r->vf->info;
	const struct vf_settings *now = &r->vf->now;
	char addr[PCI_ADDR_LEN];
	char mac[MAC_LEN] = "";
	char text[512];

	if (c->taken && r->use == USE_FREE)
		return false;
	if (!c->filter || !c->filter[0])
		return true;
	if (now->has & HAS_MAC)
		mac_format(now->mac, mac);
	snprintf(text, sizeof(text), "%s %s %u %s %s vlan %u %s %s %s", vf_use_name(r->use),
		 r->stale ? "stale" : "", r->vmid, r->name, mac,
		 now->has & HAS_VLAN ? (unsigned)now->vlan : 0U, pci_addr_format(&info->addr, addr),
		 info->driver, r->vf->leased ? r->vf->lease.netname : "");
	return strcasestr(text, c->filter) != NULL;
}

static double rate_of(const struct vf_report *r, const struct row_choice *c)
{
	const struct vf_traffic *v = c->traffic ? traffic_of(c->traffic, &r->vf->info.addr) : NULL;

	return !v ? 0 : c->sort == SORT_RX ? v->rx : v->tx;
}

static int compare(const struct vf_report *a, const struct vf_report *b, const struct row_choice *c)
{
	uint32_t x = a->vmid ? a->vmid : UINT32_MAX;
	uint32_t y = b->vmid ? b->vmid : UINT32_MAX;
	double ra;
	double rb;

	switch (c->sort) {
	case SORT_VM:
		return (x > y) - (x < y);
	case SORT_STATE:
		return strcmp(a->stale ? "stale" : vf_use_name(a->use),
			      b->stale ? "stale" : vf_use_name(b->use));
	case SORT_RX:
	case SORT_TX:
		ra = rate_of(a, c);
		rb = rate_of(b, c);
		return (ra < rb) - (ra > rb);
	default:
		return 0;
	}
}

static int by_choice(const void *a, const void *b, void *choice)
{
	const struct vf_report *x = *(const struct vf_report *const *)a;
	const struct vf_report *y = *(const struct vf_report *const *)b;
	int r = compare(x, y, choice);

	if (r)
		return r;
	return (x->vf->info.index > y->vf->info.index) - (x->vf->info.index < y->vf->info.index);
}

size_t row_order(const struct pf_report *pf, const struct row_choice *c,
		 const struct vf_report **rows)
{
	struct row_choice choice = *c;
	size_t n = 0;

	for (size_t i = 0; i < pf->n_vfs; i++) {
		if (is_wanted(&pf->vfs[i], c))
			rows[n++] = &pf->vfs[i];
	}
	qsort_r(rows, n, sizeof(const struct vf_report *), by_choice, &choice);
	return n;
}
