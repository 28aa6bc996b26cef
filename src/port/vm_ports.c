/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judging a VM's hostpciN, and looking at the VFs its ports may get. */
#include "src/port/vm_ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pveapi/hostpci.h"
#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/port/claims.h"
#include "src/port/config_load.h"
#include "src/port/host_mac.h"
#include "src/port/mapping_id.h"
#include "src/port/port_keys.h"
#include "src/port/foreseen.h"

void vm_ports_free(struct vm_ports *v)
{
	config_free(&v->config);
	guest_config_free(&v->guest);
	mapping_file_free(&v->mappings);
	others_free(&v->others);
	for (size_t i = 0; i < PVE_HOSTPCI_MAX; i++) {
		free(v->pool_pfs[i]);
		entry_free(&v->entries[i]);
	}
	*v = (struct vm_ports){0};
}

struct raw_look {
	struct hook *h;
	const struct config *c;
	struct raw_vf *raw;
};

static void see_function(struct raw_look *l, const struct pci_addr *a)
{
	struct pci_addr pf;
	unsigned index;
	int r = sysfs_vf_identify(l->h->root, a, &pf, &index);

	if (r == -ENODEV)
		return;
	l->raw->n_functions++;
	/* Of several the first that is in a pool. */
	if (r < 0 || (l->raw->is_vf && config_pool_of_pf(l->c, l->h->node, &l->raw->pf)))
		return;
	l->raw->is_vf = true;
	l->raw->vf = *a;
	l->raw->pf = pf;
}

static int see_address(const struct pci_addr *a, bool whole_device, void *arg)
{
	struct pci_addr at = *a;

	/* All functions of a device: 0 to 7. */
	do
		see_function(arg, &at);
	while (whole_device && ++at.fn < 8);
	return 0;
}

/* What a raw hostpciN means: as a rule one function. */
static void look_up_raw(struct hook *h, const struct config *c, const struct hostpci *e,
			struct raw_vf *raw)
{
	struct raw_look look = {.h = h, .c = c, .raw = raw};

	*raw = (struct raw_vf){0};
	if (!e->present || !e->host)
		return;
	hostpci_each_addr(e, see_address, &look);
}

bool vm_ports_judge(struct hook *h, struct vm_ports *v)
{
	bool ours = false;

	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		struct raw_vf raw;

		look_up_raw(h, &v->config, &v->guest.hostpci[slot], &raw);
		entry_free(&v->entries[slot]);
		entry_judge(&v->config, h->node, &v->guest, slot, &raw, &v->entries[slot]);
		ours = ours || v->entries[slot].verdict != ENTRY_NOT_OURS;
	}
	return ours;
}

/* The VM itself, and those whose ports its hostpciN name: it may be a clone of them. */
static int load_config(struct hook *h, struct vm_ports *v, struct error *err)
{
	uint32_t vmids[1 + PVE_HOSTPCI_MAX] = {v->guest.vmid};
	size_t n = 1;

	for (size_t i = 0; i < PVE_HOSTPCI_MAX; i++) {
		unsigned slot;

		if (v->guest.hostpci[i].mapping &&
		    port_mapping_parse(v->guest.hostpci[i].mapping, &vmids[n], &slot))
			n++;
	}
	return config_load_for(h->root, vmids, n, &v->config, err);
}

int vm_ports_load(struct hook *h, uint32_t vmid, struct vm_ports *v, struct error *err)
{
	*v = (struct vm_ports){0};
	if (guest_config_load(h->root, h->node, h->migrated_from, vmid, &v->guest, err) < 0) {
		struct error off = ERROR_INIT;

		/* Then no config is there at all, and one that is missing says nothing. */
		if (hook_pve(h, &off) < 0)
			*err = off;
		return error_code(err);
	}
	/* PVE drops hostpci when it starts a template for a backup, and calls no post-start. */
	if (v->guest.is_template)
		return 0;
	if (load_config(h, v, err) < 0)
		return error_code(err);
	h->nothing_chained = !config_guest(&v->config, vmid);
	return vm_ports_judge(h, v);
}

int vm_ports_first(const struct vm_ports *v, enum entry_verdict verdict)
{
	for (int slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		if (v->entries[slot].verdict == verdict)
			return slot;
	}
	return -1;
}

bool vm_ports_migrate_live(const struct vm_ports *v)
{
	for (size_t i = 0; i < v->config.n_ports; i++) {
		const struct port *p = &v->config.ports[i];

		if (p->vmid == v->guest.vmid && p->live_migration && !p->bad)
			return true;
	}
	return false;
}

/* The VF that the port's mapping names on this node, if it names exactly one. */
static bool last_vf(const struct hook *h, const struct vm_ports *v, unsigned slot,
		    struct pci_addr *out)
{
	char id[NAME_LEN];
	const struct mapping *m =
		mapping_find(&v->mappings, port_mapping_id(v->guest.vmid, slot, id));
	const struct mapping_entry *e;
	size_t n;

	e = m ? mapping_node_entry(m, h->node, &n) : NULL;
	return e && !pci_addr_parse(e->path, out);
}

int vm_ports_wish(struct hook *h, struct vm_ports *v, const struct port *port, struct error *err)
{
	struct port_wish *w = &v->wishes[v->n_wishes];
	const struct pool *pool = config_pool(&v->config, port->pool);
	const struct entry *e = &v->entries[port->slot];
	char called[PORT_CALLED_LEN];
	char clean[NAME_LEN];
	int n;

	if (!pool)
		return fail(err, EINVAL, "%s: /" VFHOOK_CFG " has no pool '%s'",
			    port_called(port, called),
			    text_clean(port->pool, clean, sizeof(clean)));
	if (pool->bad)
		return fail(err, EINVAL, "%s", pool->bad);
	if (mac_check_pfs(&v->config, port, err) < 0)
		return error_code(err);
	*w = (struct port_wish){
		.vmid = port->vmid,
		.slot = port->slot,
		.allow_pf_down = pool->allow_pf_down,
		.want = port->want,
		.numa_node = v->guest.numa_known ? v->guest.numa_node : -1,
		.keep_driver = v->guest.hostpci[port->slot].keep_driver,
	};
	memcpy(w->pool, pool->name, sizeof(w->pool));
	memcpy(w->netname, port->netname, sizeof(w->netname));
	if (v->guest.name)
		text_clean(v->guest.name, w->name, sizeof(w->name));
	/* PVE's variable is there, and empty, at an ordinary start. */
	if (port->live_migration && h->migrated_from && h->migrated_from[0])
		snprintf(w->from, sizeof(w->from), "%s", v->guest.node);
	n = pool_node_pfs(pool, h->node, &v->pool_pfs[v->n_wishes]);
	if (n < 0)
		return fail(err, ENOMEM, "out of memory");
	w->pfs = v->pool_pfs[v->n_wishes];
	w->n_pfs = (size_t)n;
	w->has_last = e->has_vf || last_vf(h, v, port->slot, &w->last);
	if (e->has_vf)
		w->last = e->vf;
	v->n_wishes++;
	return 0;
}

int vm_ports_wishes(struct hook *h, struct vm_ports *v, bool all, struct error *err)
{
	char prefix[NAME_LEN];

	port_mapping_prefix(v->guest.vmid, prefix);
	mapping_file_free(&v->mappings);
	if (mapping_load_some(h->root, prefix, &v->mappings, err) < 0)
		return error_code(err);
	v->n_wishes = 0;
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		enum entry_verdict verdict = v->entries[slot].verdict;
		const struct port *port = config_port(&v->config, v->guest.vmid, slot);
		int r;

		if (!port || (verdict != ENTRY_GOOD && !(all && verdict == ENTRY_REWRITE)))
			continue;
		r = vm_ports_wish(h, v, port, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool add_pf(struct pf_id *pfs, size_t *n, const struct pf_id *pf)
{
	for (size_t i = 0; i < *n; i++) {
		if (!pci_addr_cmp(&pfs[i].addr, &pf->addr))
			return false;
	}
	pfs[(*n)++] = *pf;
	return true;
}

/* The PFs to read: for a glance only those that carry a last VF, in a pool or not. */
static size_t pfs_to_read(struct hook *h, const struct vm_ports *v, bool all, struct pf_id *pfs)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n_wishes; i++) {
		const struct port_wish *w = &v->wishes[i];
		struct pci_addr pf;

		if (all) {
			for (size_t k = 0; k < w->n_pfs; k++)
				add_pf(pfs, &n, &w->pfs[k]);
		} else if (w->has_last && !sysfs_vf_pf(h->root, &w->last, &pf)) {
			for (size_t k = 0; k < w->n_pfs; k++) {
				if (!pci_addr_cmp(&w->pfs[k].addr, &pf))
					add_pf(pfs, &n, &w->pfs[k]);
			}
		}
	}
	return n;
}

/* Who else there is, for a choice among all VFs. */
static int observe_others(struct hook *h, struct vm_ports *v, struct observer *o, struct error *err)
{
	if (others_gather(h, v->guest.vmid, v->entries, &v->others, err) < 0)
		return error_code(err);
	o->claims = v->others.claims;
	o->n_claims = v->others.n_claims;
	for (size_t i = 0; i < v->n_wishes; i++) {
		v->wishes[i].spoken = v->others.spoken;
		v->wishes[i].n_spoken = v->others.n_spoken;
	}
	return 0;
}

int observe_wishes(struct hook *h, struct vm_ports *v, bool all, struct vf_claim **claims,
		   struct snapshot *s, struct error *err)
{
	struct observer o = {
		.root = h->root, .kernel = h->kernel, .vmid = v->guest.vmid, .glance = !all};
	struct pci_addr last[PVE_HOSTPCI_MAX];
	AUTO_FREE struct pf_id *pfs = NULL;
	size_t n_pfs = 0;
	size_t n_last = 0;

	for (size_t i = 0; i < v->n_wishes; i++) {
		n_pfs += v->wishes[i].n_pfs;
		if (v->wishes[i].has_last)
			last[n_last++] = v->wishes[i].last;
	}
	pfs = calloc(n_pfs + 1, sizeof(*pfs));
	if (!pfs)
		return fail(err, ENOMEM, "out of memory");
	n_pfs = pfs_to_read(h, v, all, pfs);
	if (all) {
		if (observe_others(h, v, &o, err) < 0)
			return error_code(err);
	} else {
		if (gather_claims(h, v->guest.vmid, last, n_last, false, claims, &o.n_claims, err) <
		    0)
			return error_code(err);
		o.claims = *claims;
	}
	return foreseen_snapshot(h, &o, pfs, n_pfs, last, n_last, all, s, err);
}
