/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vfhook status` as tables. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/limits.h"
#include "src/base/cleanup.h"
#include "src/port/config.h"
#include "src/show/status.h"
#include "src/show/table.h"
#include "src/show/vf_words.h"
#include "src/vf/kernel.h"
#include "src/vf/lease.h"
#include "src/vf/sysfs.h"

enum {
	COL_VF,
	COL_STATE,
	COL_VM,
	COL_SLOT,
	COL_MAC,
	COL_VLAN,
	COL_SPOOF,
	COL_TRUST,
	COL_LINK,
	COL_RATE,
	COL_ADDRESS,
	COL_DRIVER,
	COL_GROUP,
	COL_RX, /* from here on only when watching */
	COL_TX,
	COL_SPARK,
	COL_COUNT
};

/* Which VF, whose, and what it is on the network; then the rest. */
static const struct column columns[COL_COUNT] = {
	[COL_VF] = {.head = "VF", .right = true, .rank = 0},
	[COL_STATE] = {.head = "STATE", .rank = 1},
	[COL_VM] = {.head = "VM", .rank = 2, .least = 14, .wanted = 28},
	[COL_MAC] = {.head = "MAC", .rank = 3},
	[COL_VLAN] = {.head = "VLAN", .rank = 4},
	[COL_RX] = {.head = "RXb/s", .right = true, .rank = 5},
	[COL_TX] = {.head = "TXb/s", .right = true, .rank = 6},
	[COL_SPARK] = {.head = "TRAFFIC", .rank = 15, .extra = true},
	[COL_SPOOF] = {.head = "SPOOF", .rank = 7},
	[COL_SLOT] = {.head = "SLOT", .right = true, .rank = 10},
	[COL_TRUST] = {.head = "TRUST", .rank = 8},
	[COL_LINK] = {.head = "LINK", .rank = 9},
	[COL_RATE] = {.head = "MBIT/S", .rank = 11, .extra = true},
	[COL_ADDRESS] = {.head = "ADDRESS", .rank = 12, .extra = true},
	[COL_DRIVER] = {.head = "DRIVER", .rank = 13, .extra = true},
	[COL_GROUP] = {.head = "GROUP", .right = true, .rank = 14, .extra = true},
};

enum { CARD_VF, CARD_STATE, CARD_VM, CARD_SLOT, CARD_ADDRESS, CARD_DRIVER, CARD_GROUP, CARD_COUNT };

/* Of a card without a network there is nothing more to tell. */
static const struct column card_columns[CARD_COUNT] = {
	[CARD_VF] = {.head = "VF", .right = true, .rank = 0},
	[CARD_STATE] = {.head = "STATE", .rank = 1},
	[CARD_VM] = {.head = "VM", .rank = 2, .least = 14, .wanted = 28},
	[CARD_SLOT] = {.head = "SLOT", .right = true, .rank = 3},
	[CARD_ADDRESS] = {.head = "ADDRESS", .rank = 4},
	[CARD_DRIVER] = {.head = "DRIVER", .rank = 5},
	[CARD_GROUP] = {.head = "GROUP", .right = true, .rank = 6},
};

/* --- Cells --- */

static void state_cell(struct table *t, size_t column, const struct vf_report *r)
{
	const char *word = vf_state_word(r);

	table_cell(t, column, vf_state_style(word), "%s", word);
}

static void rate_text(const struct vf_settings *s, char *buf, size_t size)
{
	if (!(s->has & (HAS_MIN_RATE | HAS_MAX_RATE)) || (!s->min_rate && !s->max_rate))
		snprintf(buf, size, "-");
	else if (!s->min_rate)
		snprintf(buf, size, "max %u", s->max_rate);
	else if (!s->max_rate)
		snprintf(buf, size, "min %u", s->min_rate);
	else
		snprintf(buf, size, "%u-%u", s->min_rate, s->max_rate);
}

static void attr_cell(struct table *t, size_t column, const struct vf_report *r, enum vf_attr attr)
{
	const struct vf_settings *now = &r->vf->now;
	bool differs = r->differs & (1U << attr);
	char vlan[16];
	char text[64];

	if (attr == VF_VLAN)
		snprintf(text, sizeof(text), "%s",
			 vf_vlan_words(now, vlan, sizeof(vlan))[0] ? vlan : "-");
	else if (attr == VF_RATE)
		rate_text(now, text, sizeof(text));
	else if (attr == VF_MAC && mac_is_zero(now->mac) && !differs)
		snprintf(text, sizeof(text), "-");
	else
		vf_attr_value(attr, now, text, sizeof(text));
	table_cell(t, column,
		   differs		? STYLE_BAD
		   : r->use == USE_FREE ? STYLE_DIM
					: STYLE_PLAIN,
		   "%s%s", text, differs ? "!" : "");
}

static void rate_cell(struct table *t, size_t column, bool known, double bits)
{
	static const char units[] = " kMGT";
	size_t unit = 0;

	if (!known) {
		table_cell(t, column, STYLE_PLAIN, "-");
		return;
	}
	for (; bits >= 999.5 && unit + 2 < sizeof(units); unit++)
		bits /= 1000;
	if (!unit)
		table_cell(t, column, STYLE_PLAIN, "%.0f", bits);
	else
		table_cell(t, column, STYLE_PLAIN, bits < 9.95 ? "%.1f%c" : "%.0f%c", bits,
			   units[unit]);
}

static void traffic_cells(struct table *t, const struct status_view *v, const struct vf_report *r)
{
	const struct traffic *all = v->rows.traffic;
	const struct vf_traffic *of = all ? traffic_of(all, &r->vf->info.addr) : NULL;
	char spark[SPARK_LEN] = "";

	rate_cell(t, COL_RX, of && of->known, of ? of->rx : 0);
	rate_cell(t, COL_TX, of && of->known, of ? of->tx : 0);
	if (of)
		table_cell(t, COL_SPARK, STYLE_DIM, "%s", traffic_spark(of, spark));
}

static void vm_cells(struct table *t, size_t vm, size_t slot, const struct vf_report *r)
{
	if (r->vmid)
		table_cell(t, vm, STYLE_PLAIN, "%u%s%s", r->vmid, r->name[0] ? " " : "", r->name);
	if (vf_use_is_lease(r->use) && lease_is_ct(&r->vf->lease))
		table_cell(t, slot, STYLE_PLAIN, "%s", r->vf->lease.netname);
	else if (r->vmid && r->slot < PVE_HOSTPCI_MAX)
		table_cell(t, slot, STYLE_PLAIN, "%u", r->slot);
}

static void card_row(struct table *t, const struct vf_report *r)
{
	const struct vf_info *info = &r->vf->info;
	char addr[PCI_ADDR_LEN];

	table_row(t);
	table_cell(t, CARD_VF, STYLE_PLAIN, "%u", info->index);
	state_cell(t, CARD_STATE, r);
	vm_cells(t, CARD_VM, CARD_SLOT, r);
	table_cell(t, CARD_ADDRESS, STYLE_PLAIN, "%s", pci_addr_format(&info->addr, addr));
	table_cell(t, CARD_DRIVER, STYLE_PLAIN, "%s", info->driver[0] ? info->driver : "-");
	if (info->iommu_group >= 0)
		table_cell(t, CARD_GROUP, STYLE_PLAIN, "%d", info->iommu_group);
}

static void vf_row(struct table *t, const struct status_view *v, const struct vf_report *r)
{
	const struct vf_info *info = &r->vf->info;
	char addr[PCI_ADDR_LEN];

	table_row(t);
	table_cell(t, COL_VF, STYLE_PLAIN, "%u", info->index);
	state_cell(t, COL_STATE, r);
	vm_cells(t, COL_VM, COL_SLOT, r);
	attr_cell(t, COL_MAC, r, VF_MAC);
	attr_cell(t, COL_VLAN, r, VF_VLAN);
	attr_cell(t, COL_SPOOF, r, VF_SPOOFCHK);
	attr_cell(t, COL_TRUST, r, VF_TRUST);
	attr_cell(t, COL_LINK, r, VF_LINK_STATE);
	attr_cell(t, COL_RATE, r, VF_RATE);
	table_cell(t, COL_ADDRESS, STYLE_PLAIN, "%s", pci_addr_format(&info->addr, addr));
	table_cell(t, COL_DRIVER, STYLE_PLAIN, "%s", info->driver[0] ? info->driver : "-");
	if (info->iommu_group >= 0)
		table_cell(t, COL_GROUP, STYLE_PLAIN, "%d", info->iommu_group);
	if (v->watch)
		traffic_cells(t, v, r);
}

/* --- Lines --- */

static void line(const struct status_view *v, struct str *out, enum style style, size_t indent,
		 const char *fmt, ...) __attribute__((format(printf, 5, 6)));
static void line(const struct status_view *v, struct str *out, enum style style, size_t indent,
		 const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	paragraph_print(text, indent, v->width, style, v->colour, out);
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static const char *counts_text(const struct vf_counts *c, char *buf, size_t size)
{
	CLEANUP(str_free) struct str s = STR_INIT;

	str_printf(&s, "%zu VF%s: %zu leased, %zu free", c->total, plural(c->total), c->leased,
		   c->use[USE_FREE]);
	if (c->others)
		str_printf(&s, ", %zu in other use", c->others);
	if (c->use[USE_HOST])
		str_printf(&s, ", %zu of this host", c->use[USE_HOST]);
	if (c->use[USE_UNUSABLE])
		str_printf(&s, ", %zu unusable", c->use[USE_UNUSABLE]);
	snprintf(buf, size, "%s", str_get(&s));
	return buf;
}

/* The attributes that differ: "MAC is .., wanted ..; VLAN is none, wanted 20". */
static void note_differences(const struct status_view *v, const struct vf_report *r,
			     struct str *out)
{
	CLEANUP(str_free) struct str s = STR_INIT;

	vf_differences(r, &s);
	line(v, out, STYLE_BAD, 4, "  VF %u, %s %u: %s", r->vf->info.index,
	     lease_is_ct(&r->vf->lease) ? "CT" : "VM", r->vmid, str_get(&s));
}

/* Everything about single VFs that a table cannot hold. */
static void pf_notes(const struct status_view *v, const struct pf_report *pf, struct str *out)
{
	for (size_t i = 0; i < pf->n_vfs; i++) {
		const struct vf_report *r = &pf->vfs[i];
		unsigned first = r->vf->info.index;

		if (r->differs)
			note_differences(v, r, out);
		if (r->note[0])
			line(v, out, STYLE_PLAIN, 4, "  VF %u, this host's: %s", first, r->note);
		if (!r->why[0] || (pf->why[0] && !strcmp(r->why, "its PF is down")))
			continue;
		while (i + 1 < pf->n_vfs && !strcmp(pf->vfs[i + 1].why, r->why))
			i++;
		if (pf->vfs[i].vf->info.index == first)
			line(v, out, STYLE_WARN, 4, "  VF %u: %s", first, r->why);
		else
			line(v, out, STYLE_WARN, 4, "  VF %u-%u: %s", first,
			     pf->vfs[i].vf->info.index, r->why);
	}
}

static void pf_head(const struct status_view *v, const struct pf_report *pf, bool alone,
		    struct str *out)
{
	const struct pf_info *info = &pf->pf->info;
	struct vf_counts c = {0};
	char addr[PCI_ADDR_LEN];
	char counts[120];

	pci_addr_format(&info->addr, addr);
	if (pf->pf->broken) {
		line(v, out, STYLE_BAD, 4, "PF %s cannot be used: %s", addr, pf->why);
		return;
	}
	count_vfs(pf, &c);
	if (info->no_net)
		line(v, out, STYLE_PLAIN, 4, "PF %s (%s)%s%s", addr,
		     info->driver[0] ? info->driver : "no driver", alone ? "" : ": ",
		     alone ? "" : counts_text(&c, counts, sizeof(counts)));
	else
		line(v, out, STYLE_PLAIN, 4, "PF %s (%s, %s): %s, %s%s%s", info->ifname, addr,
		     info->driver, pf->pf->link.up ? "up" : "DOWN",
		     pf->pf->link.carrier ? "carrier" : "NO CARRIER", alone ? "" : "; ",
		     alone ? "" : counts_text(&c, counts, sizeof(counts)));
	if (pf->why[0])
		line(v, out, STYLE_BAD, 4, "  problem: %s", pf->why);
	if (pf->named_by[0])
		line(v, out, STYLE_WARN, 4,
		     "  note: this PF itself is named by %s: its start takes all VFs away",
		     pf->named_by);
	if (pf->fdb.on) {
		bool bad;
		char text[200];

		fdb_report_text(&pf->fdb, &bad, text, sizeof(text));
		line(v, out, bad ? STYLE_WARN : STYLE_PLAIN, 4, "  bridge: %s", text);
	}
	if (v->watch && pf->no_stats[0] && v->first)
		line(v, out, STYLE_WARN, 4, "  no traffic is shown: %s", pf->no_stats);
}

size_t status_table(const struct status_view *v, const struct pool_report *p,
		    const struct pf_report *pf, struct table *t)
{
	AUTO_FREE const struct vf_report **rows =
		calloc(pf->n_vfs + 1, sizeof(const struct vf_report *));
	size_t n = rows ? row_order(pf, &v->rows, rows) : 0;

	if (p->pool->no_net)
		table_init(t, card_columns, CARD_COUNT);
	else
		table_init(t, columns, v->watch ? COL_COUNT : COL_RX);
	for (size_t k = 0; k < n; k++) {
		if (p->pool->no_net)
			card_row(t, rows[k]);
		else
			vf_row(t, v, rows[k]);
	}
	t->failed = t->failed || !rows;
	return n;
}

static void pf_table(const struct status_view *v, const struct pool_report *p,
		     const struct pf_report *pf, struct str *out)
{
	CLEANUP(table_free) struct table t;
	size_t n = status_table(v, p, pf, &t);

	table_print(&t, v->width, v->colour, out);
	if (n < pf->n_vfs)
		line(v, out, STYLE_DIM, 4, "  %zu of %zu VFs are shown", n, pf->n_vfs);
}

static void pool_text(const struct status_view *v, const struct pool_report *p, struct str *out)
{
	struct vf_counts c = {0};
	char counts[120];

	for (size_t i = 0; i < p->n_pfs; i++)
		count_vfs(&p->pfs[i], &c);
	if (p->n_pfs)
		line(v, out, STYLE_HEAD, 4, "Pool %s: %s", p->pool->name,
		     counts_text(&c, counts, sizeof(counts)));
	else
		line(v, out, STYLE_HEAD, 4, "Pool %s has no PF on node %s", p->pool->name, v->node);
	if (p->pool->bad)
		line(v, out, STYLE_BAD, 4, "  Not used: %s", p->pool->bad);
	else if (p->pool->shared)
		line(v, out, STYLE_BAD, 4, "  %s", p->pool->shared);
	for (size_t i = 0; i < p->n_pfs; i++) {
		pf_head(v, &p->pfs[i], p->n_pfs == 1, out);
		pf_table(v, p, &p->pfs[i], out);
		pf_notes(v, &p->pfs[i], out);
	}
}

static void strays_text(const struct inventory *inv, const struct status_view *v, struct str *out)
{
	char who[LEASE_HOLDER_LEN];
	char addr[PCI_ADDR_LEN];

	if (!inv->n_strays)
		return;
	line(v, out, STYLE_WARN, 4, "Leased VFs that no usable PF of a pool has:");
	for (size_t i = 0; i < inv->n_strays; i++) {
		const struct lease_entry *e = &inv->strays[i];

		pci_addr_format(&e->vf, addr);
		if (e->broken)
			line(v, out, STYLE_BAD, 4, "  %s: %s", addr, e->why);
		else
			line(v, out, STYLE_WARN, 4, "  %s: %s %u%s%s %s, %s, pool %s", addr,
			     lease_is_ct(&e->lease) ? "CT" : "VM", e->lease.vmid,
			     e->lease.name[0] ? " " : "", e->lease.name,
			     strrchr(lease_holder(&e->lease, who), ' ') + 1,
			     lease_phase_name(e->lease.phase), e->lease.pool);
	}
}

/* What a person should do now, if anything. */
static void advice_text(const struct vf_counts *c, const struct status_view *v, struct str *out)
{
	CLEANUP(str_free) struct str s = STR_INIT;

	vf_advice_words(c, &s);
	if (s.len)
		line(v, out, STYLE_BAD, 4, "%s", str_get(&s));
}

void status_text(const struct inventory *inv, const struct status_view *v, struct str *out)
{
	struct vf_counts c = {0};
	bool first = true;

	for (size_t i = 0; i < inv->n_pools; i++) {
		const struct pool_report *p = &inv->pools[i];

		if (v->pool && strcmp(v->pool, p->pool->name) != 0)
			continue;
		if (!first)
			str_append(out, "\n");
		first = false;
		pool_text(v, p, out);
		for (size_t k = 0; k < p->n_pfs; k++)
			count_vfs(&p->pfs[k], &c);
	}
	if (!v->pool) {
		if (!inv->n_pools)
			line(v, out, STYLE_PLAIN, 4,
			     "/" VFHOOK_CFG " has no pools yet: vfhook pool --help");
		strays_text(inv, v, out);
		for (size_t i = 0; i < inv->config.n_ports; i++) {
			if (inv->config.ports[i].bad)
				line(v, out, STYLE_BAD, 4, "Port not used: %s",
				     inv->config.ports[i].bad);
		}
		if (inv->broken_guests)
			line(v, out, STYLE_WARN, 4,
			     "Guest configs that cannot be read, so VFs named in them are not "
			     "known: %s",
			     inv->broken_guests);
	}
	advice_text(&c, v, out);
}
