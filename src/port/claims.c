/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading reservations, guests' configs and mappings, and counting who may want what. */
#include "src/port/claims.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pveapi/hostpci.h"
#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/port/mapping_id.h"
#include "src/port/foreseen.h"
#include "src/vf/lease.h"

/* Naming a VF in the mapping of a port whose VM is on this node, or is not. */
#define WEIGHT_HERE	 3
#define WEIGHT_ELSEWHERE 1
/* One entry more than the guests that name a user's mapping: used when there is nothing else. */
#define WEIGHT_SURPLUS 1000

/* --- Reservations and raw addresses --- */

static bool is_among(const struct pci_addr *a, bool whole, const struct pci_addr *only, size_t n)
{
	if (!only)
		return true;
	for (size_t i = 0; i < n; i++) {
		struct pci_addr at = only[i];

		if (whole)
			at.fn = a->fn;
		if (!pci_addr_cmp(a, &at))
			return true;
	}
	return false;
}

static void reservation_claim(const struct pci_reservation *r, struct vf_claim *c)
{
	*c = (struct vf_claim){.addr = r->addr, .firm = true};
	snprintf(c->who, sizeof(c->who), "reserved by PVE for VM %u (%s)", r->vmid,
		 r->pid ? "running" : "starting");
}

static void raw_claim(const struct guest_claim *g, struct vf_claim *c)
{
	*c = (struct vf_claim){.addr = g->addr, .whole_device = g->whole_device};
	snprintf(c->who, sizeof(c->who), "named raw in hostpci%u of VM %u", g->slot, g->vmid);
}

/* Those that are live, of others than vmid, and about a function in `only`. */
static size_t reservation_claims(struct hook *h, uint32_t vmid, const struct pci_reservation *res,
				 size_t n_res, const struct pci_addr *only, size_t n_only,
				 struct vf_claim *claims)
{
	int64_t now = time(NULL);
	size_t n = 0;

	for (size_t i = 0; i < n_res; i++) {
		/* Whether one is live costs a look at a process: only for those that matter. */
		if (res[i].vmid != vmid && is_among(&res[i].addr, false, only, n_only) &&
		    pci_reservation_live(h->root, &res[i], now))
			reservation_claim(&res[i], &claims[n++]);
	}
	return n;
}

static size_t raw_claims(uint32_t vmid, const struct guest_names *g, const struct pci_addr *only,
			 size_t n_only, struct vf_claim *claims)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n_raw; i++) {
		if (g->raw[i].vmid != vmid &&
		    is_among(&g->raw[i].addr, g->raw[i].whole_device, only, n_only))
			raw_claim(&g->raw[i], &claims[n++]);
	}
	return n;
}

static int read_names(struct hook *h, struct guest_names *names, struct error *err)
{
	if (guest_names_read(h->root, h->node, names, err) < 0)
		return error_code(err);
	if (names->broken)
		say("note: guest configs that cannot be read, so that VFs named in them are not "
		    "known: %s",
		    names->broken);
	return 0;
}

int gather_claims(struct hook *h, uint32_t vmid, const struct pci_addr *only, size_t n_only,
		  bool raw, struct vf_claim **claims, size_t *n, struct error *err)
{
	CLEANUP(guest_names_free) struct guest_names names = {0};
	AUTO_FREE struct pci_reservation *res = NULL;
	size_t n_res;

	if (pci_reservations(h->root, &res, &n_res, err) < 0 ||
	    (raw && read_names(h, &names, err) < 0))
		return error_code(err);
	*claims = calloc(n_res + names.n_raw + 1, sizeof(**claims));
	if (!*claims)
		return fail(err, ENOMEM, "out of memory");
	*n = reservation_claims(h, vmid, res, n_res, only, n_only, *claims);
	*n += raw_claims(vmid, &names, only, n_only, *claims + *n);
	return 0;
}

/* --- Mappings of the user's own --- */

/* Calls fn for each function that an entry of the node has; one that is no address has none. */
static int each_function(const struct mapping_entry *e,
			 int (*fn)(const struct pci_addr *a, bool whole_device, void *arg),
			 void *arg)
{
	/* hostpciN and a mapping's path spell several functions alike. */
	const struct hostpci h = {.present = true, .host = e->path};

	return hostpci_each_addr(&h, fn, arg);
}

struct taken {
	struct hook *h;
	const struct pci_reservation *res;
	size_t n_res;
	const struct lease_entry *leases;
	size_t n_leases;
	bool unknown; /* the leases cannot be read */
	int64_t now;
	uint32_t vmid; /* not 0: only this VM's reservations count, and no leases */
};

static int is_taken(const struct pci_addr *a, bool whole_device, void *arg)
{
	const struct taken *t = arg;

	for (size_t i = 0; i < t->n_res; i++) {
		if ((!t->vmid || t->res[i].vmid == t->vmid) &&
		    is_among(a, whole_device, &t->res[i].addr, 1) &&
		    pci_reservation_live(t->h->root, &t->res[i], t->now))
			return 1;
	}
	for (size_t i = 0; !t->vmid && i < t->n_leases; i++) {
		if (is_among(a, whole_device, &t->leases[i].vf, 1))
			return 1;
	}
	return 0;
}

static const struct mapping_entry *next_entry(const struct mapping *m, const char *node, size_t *at)
{
	while (*at < m->n_entries) {
		const struct mapping_entry *e = &m->entries[(*at)++];

		if (!strcmp(e->node, node))
			return e;
	}
	return NULL;
}

static bool has_one(struct taken *t, const struct mapping *m, uint32_t vmid)
{
	const struct mapping_entry *e;
	size_t at = 0;
	bool has = false;

	t->vmid = vmid;
	while (!has && (e = next_entry(m, t->h->node, &at)))
		has = each_function(e, is_taken, t) == 1;
	t->vmid = 0;
	return has;
}

struct list {
	struct mapped_function *all;
	size_t n;
	struct mapped_function like;
};

static int add_function(const struct pci_addr *a, bool whole_device, void *arg)
{
	struct list *l = arg;

	if (l->n % 16 == 0) {
		struct mapped_function *more = reallocarray(l->all, l->n + 16, sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->all = more;
	}
	l->all[l->n] = l->like;
	l->all[l->n].addr = *a;
	l->all[l->n++].whole_device = whole_device;
	return 0;
}

/* names->mapped[first] is the first that names m. */
static int add_mapping(struct taken *t, const struct mapping *m, const struct guest_names *names,
		       size_t first, struct list *l)
{
	const struct mapping_entry *e;
	size_t wanted = 0;
	size_t left = 0;
	size_t at = 0;

	l->like = (struct mapped_function){.mapping = m->id};
	for (size_t i = first; i < names->n_mapped; i++) {
		const struct guest_mapped *g = &names->mapped[i];

		if (strcmp(g->mapping, m->id) != 0 || has_one(t, m, g->vmid))
			continue;
		if (!wanted++) {
			l->like.vmid = g->vmid;
			l->like.slot = g->slot;
		}
	}
	while ((e = next_entry(m, t->h->node, &at)))
		left += each_function(e, is_taken, t) == 0;
	if (!wanted || !left)
		return 0;
	l->like.needed = left <= wanted || t->unknown;
	at = 0;
	while ((e = next_entry(m, t->h->node, &at))) {
		if (!each_function(e, is_taken, t) && each_function(e, add_function, l) < 0)
			return -ENOMEM;
	}
	return 0;
}

static bool named_before(const struct guest_names *names, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (!strcmp(names->mapped[k].mapping, names->mapped[i].mapping))
			return true;
	}
	return false;
}

int mapped_functions(struct hook *h, const struct mapping_file *f, const struct guest_names *names,
		     const struct pci_reservation *res, size_t n_res, struct mapped_function **list,
		     size_t *n, struct error *err)
{
	AUTO_FREE struct lease_entry *leases = NULL;
	struct taken t = {.h = h, .res = res, .n_res = n_res, .now = time(NULL)};
	struct list l = {0};

	/* Without them nobody knows how many of a mapping's VFs are left: then none is to be had.
	 */
	t.unknown = foreseen_leases(h, &leases, &t.n_leases, NULL) < 0;
	t.leases = leases;
	for (size_t i = 0; i < names->n_mapped; i++) {
		const char *id = names->mapped[i].mapping;
		const struct mapping *m;
		uint32_t vmid;
		unsigned slot;

		if (port_mapping_parse(id, &vmid, &slot) || named_before(names, i))
			continue;
		m = mapping_find(f, id);
		if (m && add_mapping(&t, m, names, i, &l) < 0) {
			free(l.all);
			return fail(err, ENOMEM, "out of memory");
		}
	}
	*list = l.all;
	*n = l.n;
	return 0;
}

/* --- All of it --- */

/* Of the VM itself those count that no port has to do with: PVE gives a function to one slot. */
static void leave_out_own(uint32_t vmid, const struct entry *entries, struct guest_names *names)
{
	size_t kept = 0;

	for (size_t i = 0; i < names->n_mapped; i++) {
		struct guest_mapped *g = &names->mapped[i];

		if (g->vmid == vmid && entries[g->slot].verdict != ENTRY_NOT_OURS) {
			free(g->mapping);
			continue;
		}
		names->mapped[kept++] = *g;
	}
	names->n_mapped = kept;
}

static bool is_here(const struct guest_names *names, uint32_t vmid)
{
	for (size_t i = 0; i < names->n_vmids; i++) {
		if (names->vmids[i] == vmid)
			return true;
	}
	return false;
}

/* What the mappings of others' ports name on this node. */
static int add_ports(struct hook *h, uint32_t own, const struct mapping_file *f,
		     const struct guest_names *names, struct others *o)
{
	for (size_t i = 0; i < f->n_mappings; i++) {
		const struct mapping *m = &f->mappings[i];
		const struct mapping_entry *e;
		struct spoken_for *more;
		uint32_t vmid;
		unsigned slot;
		size_t n;

		if (!port_mapping_parse(m->id, &vmid, &slot) || vmid == own)
			continue;
		e = mapping_node_entry(m, h->node, &n);
		more = reallocarray(o->spoken, o->n_spoken + 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		o->spoken = more;
		if (!e || pci_addr_parse(e->path, &more[o->n_spoken].vf) < 0)
			continue;
		more[o->n_spoken++].weight = is_here(names, vmid) ? WEIGHT_HERE : WEIGHT_ELSEWHERE;
	}
	return 0;
}

static int add_mapped(const struct mapped_function *list, size_t n, struct others *o)
{
	struct spoken_for *more = reallocarray(o->spoken, o->n_spoken + n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	o->spoken = more;
	for (size_t i = 0; i < n; i++) {
		const struct mapped_function *m = &list[i];
		struct vf_claim *c = &o->claims[o->n_claims];

		if (!m->needed) {
			more[o->n_spoken++] = (struct spoken_for){m->addr, WEIGHT_SURPLUS};
			continue;
		}
		*c = (struct vf_claim){.addr = m->addr, .whole_device = m->whole_device};
		snprintf(c->who, sizeof(c->who), "named by hostpci%u of VM %u (mapping '%.60s')",
			 m->slot, m->vmid, m->mapping);
		o->n_claims++;
	}
	return 0;
}

void others_free(struct others *o)
{
	free(o->claims);
	free(o->spoken);
	*o = (struct others){0};
}

int others_gather(struct hook *h, uint32_t vmid, const struct entry *entries, struct others *out,
		  struct error *err)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	CLEANUP(guest_names_free) struct guest_names names = {0};
	AUTO_FREE struct pci_reservation *res = NULL;
	AUTO_FREE struct mapped_function *mapped = NULL;
	size_t n_mapped = 0;
	size_t n_res = 0;

	others_free(out);
	if (pci_reservations(h->root, &res, &n_res, err) < 0 || read_names(h, &names, err) < 0 ||
	    mapping_load(h->root, &f, err) < 0)
		return error_code(err);
	leave_out_own(vmid, entries, &names);
	if (mapped_functions(h, &f, &names, res, n_res, &mapped, &n_mapped, err) < 0)
		return error_code(err);
	out->claims = calloc(n_res + names.n_raw + n_mapped + 1, sizeof(*out->claims));
	if (!out->claims)
		return fail(err, ENOMEM, "out of memory");
	out->n_claims = reservation_claims(h, vmid, res, n_res, NULL, 0, out->claims);
	out->n_claims += raw_claims(vmid, &names, NULL, 0, out->claims + out->n_claims);
	if (add_mapped(mapped, n_mapped, out) < 0 || add_ports(h, vmid, &f, &names, out) < 0)
		return fail(err, ENOMEM, "out of memory");
	return 0;
}
