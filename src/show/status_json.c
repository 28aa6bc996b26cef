/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vfhook status` as JSON. */
#include <string.h>
#include <time.h>

#include "pveapi/limits.h"
#include "src/show/status.h"
#include "src/vf/kernel.h"
#include "src/vf/lease.h"
#include "src/vf/sysfs.h"
#include "src/vf/vf_keys.h"

/* Raised when a member goes or changes its meaning; new ones may come at any time. */
#define STATUS_VERSION 1

/* Text from outside, or null when there is none. */
static json_t *text_or_null(const char *text)
{
	char clean[1024];

	return text && text[0] ? json_string(text_clean(text, clean, sizeof(clean))) : json_null();
}

static json_t *integer_or_null(bool known, json_int_t n)
{
	return known ? json_integer(n) : json_null();
}

static json_t *addr_json(const struct pci_addr *a)
{
	char addr[PCI_ADDR_LEN];

	return json_string(pci_addr_format(a, addr));
}

static json_t *counts_json(const struct vf_counts *c)
{
	return json_pack("{s:I s:I s:I s:I s:I s:I s:I s:I s:I}", "vfs", (json_int_t)c->total,
			 "free", (json_int_t)c->use[USE_FREE], "host", (json_int_t)c->use[USE_HOST],
			 "leased", (json_int_t)c->leased, "other", (json_int_t)c->others,
			 "unusable", (json_int_t)c->use[USE_UNUSABLE], "dirty",
			 (json_int_t)c->use[USE_DIRTY], "stale", (json_int_t)c->stale, "mismatched",
			 (json_int_t)c->mismatched);
}

static json_t *stats_json(const struct vf_stats *s)
{
	if (!s)
		return json_null();
	return json_pack("{s:I s:I s:I s:I s:I s:I s:I s:I}", "rx-packets",
			 (json_int_t)s->rx_packets, "tx-packets", (json_int_t)s->tx_packets,
			 "rx-bytes", (json_int_t)s->rx_bytes, "tx-bytes", (json_int_t)s->tx_bytes,
			 "broadcast", (json_int_t)s->broadcast, "multicast",
			 (json_int_t)s->multicast, "rx-dropped", (json_int_t)s->rx_dropped,
			 "tx-dropped", (json_int_t)s->tx_dropped);
}

static json_t *differs_json(unsigned differs)
{
	json_t *j = json_array();

	for (unsigned a = 0; a < VF_ATTR_COUNT; a++) {
		if (differs & (1U << a))
			json_array_append_new(j, json_string(vf_attr_key((enum vf_attr)a)));
	}
	return j;
}

/* Does its port say so? null: it is no port's. */
static json_t *live_migration_json(const struct config *c, const struct vf_report *r, bool lease)
{
	const struct port *p = lease ? config_port(c, r->vmid, r->slot) : NULL;

	return p && !p->bad ? json_boolean(p->live_migration) : json_null();
}

static json_t *vf_json(const struct config *c, const struct pf_report *pf,
		       const struct vf_report *r)
{
	const struct vf_info *info = &r->vf->info;
	bool lease = vf_use_is_lease(r->use);

	return json_pack(
		"{s:I s:o s:s s:b s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o}",
		"index", (json_int_t)info->index, "address", addr_json(&info->addr), "state",
		vf_use_name(r->use), "stale", r->stale, "problem", text_or_null(r->why), "note",
		text_or_null(r->note), "vmid", integer_or_null(r->vmid, r->vmid), "guest-kind",
		text_or_null(vf_guest_kind(r)), "vm-name", text_or_null(r->name), "slot",
		integer_or_null(r->vmid && r->slot < PVE_HOSTPCI_MAX, r->slot), "live-migration",
		live_migration_json(c, r, lease), "net-name",
		text_or_null(lease ? r->vf->lease.netname : ""), "leased-since",
		integer_or_null(lease, r->vf->lease.taken), "actual",
		vf_settings_to_json(&r->vf->now), "wanted",
		lease ? vf_settings_to_json(&r->vf->lease.want) : json_null(), "differs",
		differs_json(r->differs), "driver", text_or_null(info->driver), "netdev",
		text_or_null(info->ifname), "iommu-group",
		integer_or_null(info->iommu_group >= 0, info->iommu_group), "statistics",
		stats_json(vf_stats_of(pf, r)));
}

/* null: the pool does not say fdb on. */
static json_t *fdb_json(const struct fdb_report *r)
{
	if (!r->on)
		return json_null();
	return json_pack("{s:o s:o s:o s:o s:o}", "service",
			 r->service == ANSWER_UNKNOWN ? json_null()
						      : json_boolean(r->service == ANSWER_YES),
			 "in", integer_or_null(r->known, (json_int_t)r->in), "refused",
			 integer_or_null(r->known, (json_int_t)r->refused), "others",
			 integer_or_null(r->known, (json_int_t)r->others), "room",
			 integer_or_null(r->room, (json_int_t)r->room));
}

static json_t *pf_json(const struct config *config, const struct pf_report *pf)
{
	const struct pf_info *info = &pf->pf->info;
	bool ok = !pf->pf->broken;
	bool linked = ok && !info->no_net;
	struct vf_counts c = {0};
	json_t *vfs = json_array();

	count_vfs(pf, &c);
	for (size_t i = 0; i < pf->n_vfs; i++)
		json_array_append_new(vfs, vf_json(config, pf, &pf->vfs[i]));
	return json_pack("{s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o}", "address",
			 addr_json(&info->addr), "ifname",
			 text_or_null(info->no_net ? NULL : info->ifname), "driver",
			 text_or_null(info->driver), "problem", text_or_null(pf->why), "up",
			 linked ? json_boolean(pf->pf->link.up) : json_null(), "carrier",
			 linked ? json_boolean(pf->pf->link.carrier) : json_null(), "numa-node",
			 integer_or_null(ok && info->numa_node >= 0, info->numa_node),
			 "possible-vfs", integer_or_null(ok, info->total_vfs), "statistics-problem",
			 text_or_null(pf->no_stats), "fdb", fdb_json(&pf->fdb), "totals",
			 counts_json(&c), "vfs", vfs);
}

static json_t *pool_json(const struct config *config, const struct pool_report *p,
			 struct vf_counts *all)
{
	struct vf_counts c = {0};
	json_t *pfs = json_array();

	for (size_t i = 0; i < p->n_pfs; i++) {
		count_vfs(&p->pfs[i], &c);
		count_vfs(&p->pfs[i], all);
		json_array_append_new(pfs, pf_json(config, &p->pfs[i]));
	}
	return json_pack("{s:s s:o s:b s:b s:o s:o}", "name", p->pool->name, "problem",
			 text_or_null(p->pool->bad), "network", !p->pool->no_net, "allow-pf-down",
			 p->pool->allow_pf_down, "totals", counts_json(&c), "pfs", pfs);
}

static json_t *stray_json(const struct lease_entry *e)
{
	const struct lease *l = &e->lease;

	if (e->broken)
		return json_pack("{s:o s:n s:n s:n s:n s:n s:n s:n s:o}", "address",
				 addr_json(&e->vf), "state", "vmid", "guest-kind", "vm-name",
				 "slot", "net-name", "pool", "problem", text_or_null(e->why));
	return json_pack(
		"{s:o s:s s:I s:o s:o s:I s:o s:s s:n}", "address", addr_json(&e->vf), "state",
		lease_phase_name(l->phase), "vmid", (json_int_t)l->vmid, "guest-kind",
		l->vmid == LEASE_SELF ? json_null() : json_string(lease_is_ct(l) ? "ct" : "vm"),
		"vm-name", text_or_null(l->name), "slot", (json_int_t)l->slot, "net-name",
		text_or_null(l->netname), "pool", l->pool, "problem");
}

static void add_text(json_t *list, const char *text)
{
	if (text)
		json_array_append_new(list, text_or_null(text));
}

json_t *status_json(const struct inventory *inv, const struct status_view *v)
{
	struct vf_counts all = {0};
	json_t *pools = json_array();
	json_t *strays = json_array();
	json_t *problems = json_array();
	json_t *guests = json_array();

	for (size_t i = 0; i < inv->n_pools; i++) {
		if (!v->pool || !strcmp(v->pool, inv->pools[i].pool->name))
			json_array_append_new(pools, pool_json(&inv->config, &inv->pools[i], &all));
	}
	for (size_t i = 0; !v->pool && i < inv->n_strays; i++)
		json_array_append_new(strays, stray_json(&inv->strays[i]));
	for (size_t i = 0; !v->pool && i < inv->config.n_ports; i++)
		add_text(problems, inv->config.ports[i].bad);
	add_text(guests, inv->broken_guests);
	return json_pack("{s:i s:s s:I s:o s:o s:o s:o s:o}", "version", STATUS_VERSION, "node",
			 v->node, "time", (json_int_t)time(NULL), "totals", counts_json(&all),
			 "pools", pools, "other-leases", strays, "port-problems", problems,
			 "unreadable-guests", guests);
}
