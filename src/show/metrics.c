/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing an inventory as OpenMetrics text. */
#include "src/show/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pveapi/limits.h"
#include "src/base/cleanup.h"
#include "src/vf/kernel.h"

static void family(struct str *out, const char *name, const char *type, const char *help)
{
	str_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* key="value", with what the format wants escaped; begins a list of labels or goes on with it. */
static void label(struct str *out, bool first, const char *key, const char *value)
{
	char clean[256];

	str_printf(out, "%s%s=\"", first ? "{" : ",", key);
	text_clean(value, clean, sizeof(clean));
	for (const char *c = clean; *c; c++) {
		if (*c == '"' || *c == '\\')
			str_append(out, "\\");
		str_append_len(out, c, 1);
	}
	str_append(out, "\"");
}

static void number_label(struct str *out, const char *key, bool known, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	label(out, false, key, known ? text : "");
}

static void value(struct str *out, uint64_t n)
{
	str_printf(out, "} %" PRIu64 "\n", n);
}

/* The name of a sample and the labels of a PF. A PF is named by its address: ifnames move. */
static void pf_sample(struct str *out, const char *name, const struct pool_report *pool,
		      const struct pf_report *pf)
{
	char addr[PCI_ADDR_LEN];

	str_append(out, name);
	label(out, true, "pool", pool->pool->name);
	label(out, false, "pf", pci_addr_format(&pf->pf->info.addr, addr));
}

static void vf_sample(struct str *out, const char *name, const struct pool_report *pool,
		      const struct pf_report *pf, const struct vf_report *r)
{
	pf_sample(out, name, pool, pf);
	number_label(out, "vf", true, r->vf->info.index);
	number_label(out, "vmid", r->vmid, r->vmid);
	number_label(out, "slot", r->vmid && r->slot < PVE_HOSTPCI_MAX, r->slot);
}

typedef void each_pf(struct str *out, const struct pool_report *pool, const struct pf_report *pf);

static void for_each_pf(const struct inventory *inv, each_pf *fn, struct str *out)
{
	for (size_t i = 0; i < inv->n_pools; i++) {
		for (size_t k = 0; k < inv->pools[i].n_pfs; k++)
			fn(out, &inv->pools[i], &inv->pools[i].pfs[k]);
	}
}

static void put_states(struct str *out, const struct pool_report *pool, const struct pf_report *pf)
{
	struct vf_counts c = {0};

	count_vfs(pf, &c);
	for (unsigned use = 0; use < USE_COUNT; use++) {
		pf_sample(out, "vfhook_vfs", pool, pf);
		label(out, false, "state", vf_use_name((enum vf_use)use));
		value(out, c.use[use]);
	}
}

static void put_mismatched(struct str *out, const struct pool_report *pool,
			   const struct pf_report *pf)
{
	struct vf_counts c = {0};

	count_vfs(pf, &c);
	pf_sample(out, "vfhook_mismatched_vfs", pool, pf);
	value(out, c.mismatched);
}

static void put_up(struct str *out, const struct pool_report *pool, const struct pf_report *pf)
{
	pf_sample(out, "vfhook_pf_up", pool, pf);
	value(out, !pf->pf->broken && pf->pf->link.up);
}

static void put_carrier(struct str *out, const struct pool_report *pool, const struct pf_report *pf)
{
	if (pool->pool->no_net)
		return;
	pf_sample(out, "vfhook_pf_carrier", pool, pf);
	value(out, !pf->pf->broken && pf->pf->link.carrier);
}

/* Of PFs whose pool says fdb on. */
static void put_fdb(struct str *out, const struct pool_report *pool, const struct pf_report *pf)
{
	const struct {
		const char *state;
		size_t n;
	} all[] = {{"in", pf->fdb.in}, {"refused", pf->fdb.refused}, {"others", pf->fdb.others}};

	for (size_t i = 0; pf->fdb.known && i < ARRAY_SIZE(all); i++) {
		pf_sample(out, "vfhook_fdb_addresses", pool, pf);
		label(out, false, "state", all[i].state);
		value(out, all[i].n);
	}
}

static void put_fdb_service(struct str *out, const struct pool_report *pool,
			    const struct pf_report *pf)
{
	if (!pf->fdb.on || pf->fdb.service == ANSWER_UNKNOWN)
		return;
	pf_sample(out, "vfhook_fdb_service", pool, pf);
	value(out, pf->fdb.service == ANSWER_YES);
}

static void put_vf_info(struct str *out, const struct pool_report *pool, const struct pf_report *pf)
{
	for (size_t i = 0; i < pf->n_vfs; i++) {
		const struct vf_report *r = &pf->vfs[i];
		const struct vf_settings *now = &r->vf->now;
		char addr[PCI_ADDR_LEN];
		char mac[MAC_LEN];

		vf_sample(out, "vfhook_vf_info", pool, pf, r);
		label(out, false, "ifname", pf->pf->info.no_net ? "" : pf->pf->info.ifname);
		label(out, false, "address", pci_addr_format(&r->vf->info.addr, addr));
		label(out, false, "state", r->stale ? "stale" : vf_use_name(r->use));
		label(out, false, "kind", vf_guest_kind(r) ? vf_guest_kind(r) : "");
		label(out, false, "name", r->name);
		label(out, false, "net_name", vf_use_is_lease(r->use) ? r->vf->lease.netname : "");
		label(out, false, "mac", now->has & HAS_MAC ? mac_format(now->mac, mac) : "");
		number_label(out, "vlan", now->has & HAS_VLAN, now->vlan);
		label(out, false, "driver", r->vf->info.driver);
		value(out, 1);
	}
}

/* Counters of VFs: where in struct vf_stats each one is. */
struct counter {
	const char *name; /* without "_total" */
	const char *help;
	size_t offset;
};

static const struct counter counters[] = {
	{"vfhook_vf_receive_bytes", "Bytes that came to the VF.",
	 offsetof(struct vf_stats, rx_bytes)},
	{"vfhook_vf_transmit_bytes", "Bytes that the VF sent.",
	 offsetof(struct vf_stats, tx_bytes)},
	{"vfhook_vf_receive_packets", "Packets that came to the VF.",
	 offsetof(struct vf_stats, rx_packets)},
	{"vfhook_vf_transmit_packets", "Packets that the VF sent.",
	 offsetof(struct vf_stats, tx_packets)},
	{"vfhook_vf_receive_dropped", "Packets to the VF that were dropped.",
	 offsetof(struct vf_stats, rx_dropped)},
	{"vfhook_vf_transmit_dropped", "Packets of the VF that were dropped.",
	 offsetof(struct vf_stats, tx_dropped)},
};

static void put_counter(struct str *out, const struct counter *c, const struct pool_report *pool,
			const struct pf_report *pf)
{
	char name[64];
	uint64_t n;

	snprintf(name, sizeof(name), "%s_total", c->name);
	for (size_t i = 0; i < pf->n_vfs; i++) {
		const struct vf_stats *s = vf_stats_of(pf, &pf->vfs[i]);

		if (!s)
			continue;
		memcpy(&n, (const char *)s + c->offset, sizeof(n));
		vf_sample(out, name, pool, pf, &pf->vfs[i]);
		value(out, n);
	}
}

static void put_counters(const struct inventory *inv, struct str *out)
{
	for (size_t c = 0; c < ARRAY_SIZE(counters); c++) {
		family(out, counters[c].name, "counter", counters[c].help);
		for (size_t i = 0; i < inv->n_pools; i++) {
			for (size_t k = 0; k < inv->pools[i].n_pfs; k++)
				put_counter(out, &counters[c], &inv->pools[i],
					    &inv->pools[i].pfs[k]);
		}
	}
}

static void put_ports(const struct inventory *inv, struct str *out)
{
	for (size_t i = 0; i < inv->n_pools; i++) {
		const char *pool = inv->pools[i].pool->name;
		uint64_t n = 0;

		for (size_t k = 0; k < inv->config.n_ports; k++)
			n += !strcmp(inv->config.ports[k].pool, pool);
		str_append(out, "vfhook_ports");
		label(out, true, "pool", pool);
		value(out, n);
	}
}

static uint64_t stale_leases(const struct inventory *inv)
{
	struct vf_counts c = {0};

	for (size_t i = 0; i < inv->n_pools; i++) {
		for (size_t k = 0; k < inv->pools[i].n_pfs; k++)
			count_vfs(&inv->pools[i].pfs[k], &c);
	}
	return c.stale;
}

void metrics_text(const struct inventory *inv, const uint64_t events[EVENT_KINDS],
		  const struct watch_note *watch, struct str *out)
{
	family(out, "vfhook_vfs", "gauge", "VFs of a PF by state.");
	for_each_pf(inv, put_states, out);
	family(out, "vfhook_mismatched_vfs", "gauge",
	       "VFs of running guests that are not set as their ports ask for.");
	for_each_pf(inv, put_mismatched, out);
	family(out, "vfhook_stale_leases", "gauge", "Leases whose guest does not run.");
	str_printf(out, "vfhook_stale_leases %" PRIu64 "\n", stale_leases(inv));
	family(out, "vfhook_pf_up", "gauge", "1 if the PF is there, and up if it has a network.");
	for_each_pf(inv, put_up, out);
	family(out, "vfhook_pf_carrier", "gauge", "1 if the PF has a link.");
	for_each_pf(inv, put_carrier, out);
	family(out, "vfhook_fdb_addresses", "gauge",
	       "MACs behind bridges over the PF: in its filter, refused by it, in it by others.");
	for_each_pf(inv, put_fdb, out);
	family(out, "vfhook_fdb_service", "gauge", "1 if a vfhook fdb keeps the filter of the PF.");
	for_each_pf(inv, put_fdb_service, out);
	family(out, "vfhook_ports", "gauge", "Ports of the whole cluster by pool.");
	put_ports(inv, out);
	family(out, "vfhook_vf_info", "gauge", "Who has a VF and how it is set; always 1.");
	for_each_pf(inv, put_vf_info, out);
	put_counters(inv, out);
	if (events) {
		family(out, "vfhook_events", "counter", "Events by kind, since the first one.");
		for (unsigned kind = 0; kind < EVENT_KINDS; kind++) {
			str_append(out, "vfhook_events_total");
			label(out, true, "kind", event_kind_name((enum event_kind)kind));
			value(out, events[kind]);
		}
	}
	if (watch) {
		family(out, "vfhook_watch_findings", "gauge",
		       "What the last vfhook repair --check found wrong.");
		str_printf(out, "vfhook_watch_findings %u\n", watch->findings);
		family(out, "vfhook_watch_timestamp_seconds", "gauge", "When that was.");
		str_printf(out, "vfhook_watch_timestamp_seconds %" PRId64 "\n", watch->time);
	}
	str_append(out, "# EOF\n");
}
