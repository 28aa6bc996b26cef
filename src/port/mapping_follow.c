/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Choosing a VF for each mapping, and writing what has to change. */
#include "src/port/mapping_follow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/guest.h"
#include "pveapi/guest_names.h"
#include "pveapi/hostpci.h"
#include "pveapi/mapping.h"
#include "pveapi/process.h"
#include "pveapi/rest.h"
#include "pveapi/vmstate.h"
#include "src/base/answer.h"
#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/base/text.h"
#include "src/port/apply.h"
#include "src/port/config.h"
#include "src/port/hook_lock.h"
#include "src/port/mapping_id.h"
#include "src/port/mapping_owner.h"
#include "src/port/mapping_vf.h"
#include "src/port/objects.h"
#include "src/port/vm_locks.h"
#include "src/vf/plan.h"
#include "src/vf/plan_words.h"
#include "src/vf/vf_walk.h"

#define REST_WAIT_MS 60000
/* Worse than any number of ports, which PVE does not start without us. */
#define RAW_WEIGHT 1000
#define MAX_TRIES  3

/* --- Which VF --- */

static size_t vf_at(const struct refresh_facts *f, const struct pci_addr *a)
{
	size_t i;

	for (i = 0; i < f->n_vfs; i++) {
		if (!pci_addr_cmp(&f->vfs[i].addr, a))
			break;
	}
	return i;
}

/* The VF of the same number on the same card, wherever that is now. n_vfs: not known. */
static size_t vf_meant(const struct refresh_facts *f, const struct pci_addr *path)
{
	for (size_t b = 0; b < f->n_before; b++) {
		const struct published_vf *was = &f->before[b];

		if (pci_addr_cmp(&was->vf, path) != 0)
			continue;
		for (size_t i = 0; i < f->n_vfs; i++) {
			if (!pci_addr_cmp(&f->vfs[i].pf, &was->pf) && f->vfs[i].index == was->index)
				return i;
		}
	}
	return f->n_vfs;
}

/* The one that the fewest mappings name. */
static size_t least_taken(const struct refresh_facts *f)
{
	size_t best = 0;

	for (size_t i = 1; i < f->n_vfs; i++) {
		if (f->taken[i] < f->taken[best])
			best = i;
	}
	return best;
}

const struct vf_info *refresh_choose(const struct refresh_facts *f)
{
	size_t meant = f->n_vfs;
	struct pci_addr path;
	size_t least;

	if (!f->n_vfs)
		return NULL;
	if (f->entry_path && !pci_addr_parse(f->entry_path, &path)) {
		/* What an address means may have changed: then what was meant comes first. */
		meant = vf_meant(f, &path);
		if (meant == f->n_vfs)
			meant = vf_at(f, &path);
	}
	least = least_taken(f);
	/* With more ports than VFs some share one: moving them about would make none free. */
	if (meant < f->n_vfs && (!f->taken[meant] || f->taken[least]))
		return &f->vfs[meant];
	return &f->vfs[least];
}

/* --- Facts --- */

/* The VFs of a pool on this node. */
struct pool_vfs {
	const struct pool *pool;
	struct vf_info *vfs;
	unsigned *taken;
	unsigned *raw; /* RAW_WEIGHT: named by the raw address of a VM */
	size_t n;
};

static void pool_vfs_free(struct pool_vfs *p)
{
	free(p->vfs);
	free(p->taken);
	free(p->raw);
}

static int add_vfs_of(struct hook *h, const struct pf_id *id, struct pool_vfs *out,
		      struct error *err)
{
	struct error why = ERROR_INIT;
	struct pf_info info;
	struct vf_walk walk = {.root = h->root,
			       .pf = &info,
			       .unread = VF_UNREAD_FAIL, /* a mapping must not leave such a VF */
			       .leave_out = &id->host,
			       .ids = true};
	struct vf_info *more;
	int r = sysfs_pf_read_as(h->root, &id->addr, id->no_net, &info, &why);

	if (r == -ENODEV || r == -EOPNOTSUPP || (!r && info.num_vfs > UINT16_MAX))
		return 0;
	if (r < 0)
		return fail(err, why.code, "%s", why.text);
	more = reallocarray(out->vfs, out->n + info.num_vfs + 1, sizeof(*more));
	if (!more)
		return fail(err, ENOMEM, "out of memory");
	out->vfs = more;
	while ((r = vf_walk_next(&walk, &out->vfs[out->n], err)) > 0)
		out->n++;
	return r;
}

/* A start that keeps the VF of its mapping does not ask who else names it. */
static int mark_raw(struct hook *h, struct pool_vfs *p, struct error *err)
{
	CLEANUP(guest_names_free) struct guest_names names = {0};

	if (guest_names_read(h->root, h->node, &names, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < names.n_raw; i++) {
		for (size_t k = 0; k < p->n; k++) {
			struct pci_addr at = p->vfs[k].addr;

			if (names.raw[i].whole_device)
				at.fn = names.raw[i].addr.fn;
			if (!pci_addr_cmp(&at, &names.raw[i].addr))
				p->raw[k] = RAW_WEIGHT;
		}
	}
	return 0;
}

static int read_pool(struct hook *h, const struct pool *pool, struct pool_vfs *out,
		     struct error *err)
{
	*out = (struct pool_vfs){.pool = pool};
	for (size_t i = 0; i < pool->n_pfs; i++) {
		int r = 0;

		if (!strcmp(pool->pfs[i].node, h->node))
			r = add_vfs_of(h, &pool->pfs[i].id, out, err);
		if (r < 0)
			return r;
	}
	out->taken = calloc(out->n + 1, sizeof(*out->taken));
	out->raw = calloc(out->n + 1, sizeof(*out->raw));
	if (out->taken && out->raw)
		return mark_raw(h, out, err);
	fail(err, ENOMEM, "out of memory");
	return -ENOMEM;
}

static void take_vf(const struct mapping_entry *e, bool ours, const struct pci_addr *a,
		    bool whole_device, struct pool_vfs *p)
{
	for (size_t k = 0; k < p->n; k++) {
		struct pci_addr at = p->vfs[k].addr;

		if (whole_device)
			at.fn = a->fn;
		if (!pci_addr_cmp(&at, a) && (!ours || mapping_entry_is(e, &p->vfs[k])))
			p->taken[k]++;
	}
}

struct taking {
	const struct mapping_entry *e;
	bool ours;
	struct pool_vfs *p;
};

static int take_address(const struct pci_addr *a, bool whole_device, void *arg)
{
	const struct taking *t = arg;

	take_vf(t->e, t->ours, a, whole_device, t->p);
	return 0;
}

/*
 * Which VFs raw addresses, and mappings of others name: those stay where they are. One of ours only
 * if its entry is right, since it will be written anew otherwise; of the user's own, each function
 * of each entry.
 */
static void mark_taken(const struct hook *h, const struct mapping_file *f, const char *own,
		       struct pool_vfs *p)
{
	memcpy(p->taken, p->raw, p->n * sizeof(*p->taken));
	for (size_t i = 0; i < f->n_mappings; i++) {
		const struct mapping *m = &f->mappings[i];
		struct taking t = {.p = p};
		uint32_t vmid;
		unsigned slot;

		t.ours = port_mapping_parse(m->id, &vmid, &slot);
		if (!strcmp(m->id, own))
			continue;
		for (size_t k = 0; k < m->n_entries; k++) {
			const struct hostpci entry = {.present = true, .host = m->entries[k].path};

			t.e = &m->entries[k];
			if (!strcmp(t.e->node, h->node))
				hostpci_each_addr(&entry, take_address, &t);
		}
	}
}

/* --- One mapping --- */

struct refresh {
	struct hook *h;
	const struct published_vf *before;
	size_t n_before;
	const struct deadline *until;
	bool asked; /* pveproxy has answered, or there is no more waiting for it */
	unsigned failed;
};

/* By its comment, or by the hostpciN of the port's VM that names it: one that is here to be asked.
 */
static bool is_ours(struct hook *h, const struct mapping *m, uint32_t vmid, unsigned slot)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	const char *named;

	if (mapping_has_our_mark(m))
		return true;
	if (guest_config_load(h->root, h->node, NULL, vmid, &g, NULL) < 0)
		return false;
	named = g.hostpci[slot].mapping;
	return named && !strcmp(named, m->id);
}

/*
 * What is to be done for a mapping, if anything. No journal: it is one PUT with the digest of what
 * was read, done or not done, and each start and boot looks anew.
 */
static int look(const struct refresh *r, const struct port *port, struct pool_vfs *p,
		struct plan *out, struct error *err)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	struct refresh_facts facts = {.vfs = p->vfs,
				      .taken = p->taken,
				      .n_vfs = p->n,
				      .before = r->before,
				      .n_before = r->n_before};
	AUTO_FREE char *entry = NULL;
	const struct mapping_entry *e;
	const struct mapping *m;
	const struct vf_info *vf;
	char id[NAME_LEN];
	size_t n;

	port_mapping_id(port->vmid, port->slot, id);
	if (mapping_load(r->h->root, &f, err) < 0)
		return error_code(err);
	m = mapping_find(&f, id);
	if (!m)
		return 0;
	e = mapping_node_entry(m, r->h->node, &n);
	mark_taken(r->h, &f, id, p);
	facts.entry_path = e ? e->path : NULL;
	vf = refresh_choose(&facts);
	if (!vf) {
		say("mapping %s: pool '%s' has no VF on this node for it", id, p->pool->name);
		return 0;
	}
	if (mapping_says(m, r->h->node, vf))
		return 0;
	if (!is_ours(r->h, m, port->vmid, port->slot)) {
		say("mapping %s is not vfhook's (by its comment), and left alone", id);
		return 0;
	}
	entry = vf_map_entry(r->h, vf);
	if (!entry)
		return fail(err, ENOMEM, "out of memory");
	return plan_map_entry(id, r->h->node, e, entry, false, out, err);
}

/*
 * At boot pveproxy may be started, but not answer yet. Waited for once, and under no lock: whoever
 * holds PVE's lock on a VM keeps it from starting. What else is wrong each call will tell.
 */
static void wait_for_pveproxy(struct refresh *r)
{
	struct deadline end = deadline_in(deadline_share(r->until, REST_WAIT_MS));
	struct error why = ERROR_INIT;
	bool told = false;

	while (!r->asked && !r->h->dry_run && deadline_left(&end)) {
		int got = hook_rest(r->h, &why);

		if (!got)
			got = rest_call(r->h->rest, "GET", "/version", NULL, 0, NULL, &why);
		if (got != -ECONNREFUSED)
			break;
		if (!told)
			say("pveproxy does not answer yet: waiting for up to %d s",
			    deadline_left(&end) / 1000 + 1);
		told = true;
		nap_ms(deadline_share(&end, 500));
	}
	r->asked = true;
}

/*
 * Look and write: what somebody else has written in between is looked at, not overwritten. The VFs
 * as well: a boot may have made them anew, in other IOMMU groups. One that does so after this look
 * follows with the mappings itself, behind us.
 */
static int look_and_write(struct refresh *r, const struct port *port, const struct pool *pool,
			  struct error *err)
{
	int done = -EAGAIN;

	for (int i = 0; i < MAX_TRIES && done == -EAGAIN; i++) {
		CLEANUP(pool_vfs_free) struct pool_vfs now = {0};
		CLEANUP(plan_free) struct plan plan;
		char what[600];

		error_clear(err);
		plan_init(&plan, PLAN_SWAP, port->vmid);
		done = read_pool(r->h, pool, &now, err);
		if (!done)
			done = look(r, port, &now, &plan, err);
		if (!done && plan.n_steps && !r->h->dry_run)
			say("%s", step_describe(&plan.steps[0], what, sizeof(what)));
		if (!done)
			done = apply_plan(r->h, NULL, &plan, err);
	}
	return done;
}

/* Under the locks of its VM, so what was looked at before may be otherwise by now. */
static int change(struct refresh *r, const struct port *port, const struct pool *pool,
		  struct error *err)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	struct proc_id qemu;
	char id[NAME_LEN];

	port_mapping_id(port->vmid, port->slot, id);
	/* Wherever its config is: in a migration to here it is the source's to the end. */
	if (!try_vm_locks(r->h, port->vmid, &locks)) {
		say("mapping %s: VM %u is being started or stopped just now: left to it", id,
		    port->vmid);
		return 0;
	}
	if (vm_runs(r->h->root, port->vmid, &qemu, NULL) != ANSWER_NO) {
		say("mapping %s: VM %u runs, or may, and PVE needs it as it is: left alone", id,
		    port->vmid);
		return 0;
	}
	return look_and_write(r, port, pool, err);
}

static int refresh_one(struct refresh *r, const struct port *port, struct pool_vfs *p,
		       struct error *err)
{
	CLEANUP(plan_free) struct plan first;
	char id[NAME_LEN];

	port_mapping_id(port->vmid, port->slot, id);
	plan_init(&first, PLAN_SWAP, port->vmid);
	if (look(r, port, p, &first, err) < 0)
		return error_code(err);
	if (!first.n_steps)
		return 0;
	wait_for_pveproxy(r);
	if (!r->h->dry_run && !deadline_left(r->until))
		return fail(err, ECONNREFUSED,
			    "mapping %s is not changed, since the time for it is over; those "
			    "behind it are not looked at (the starts of their VMs will do it)",
			    id);
	if (change(r, port, p->pool, err) < 0)
		return fail_context(err,
				    "mapping %s is not changed (the start of VM %u will do it)", id,
				    port->vmid);
	return 0;
}

int refresh_mappings(struct hook *h, const struct config *c, const struct published_vf *before,
		     size_t n_before, const struct deadline *until, struct error *err)
{
	struct refresh r = {.h = h, .before = before, .n_before = n_before, .until = until};

	for (size_t i = 0; i < c->n_pools; i++) {
		CLEANUP(pool_vfs_free) struct pool_vfs p = {0};

		/* Its PFs are not known for certain: what mappings have of them stays. */
		if (c->pools[i].bad)
			continue;
		if (read_pool(h, &c->pools[i], &p, err) < 0)
			return error_code(err);
		for (size_t k = 0; p.n && k < c->n_ports; k++) {
			struct error why = ERROR_INIT;

			/* A container's has no mapping. */
			if (c->ports[k].bad || c->ports[k].netname[0] ||
			    strcmp(c->ports[k].pool, p.pool->name) != 0 ||
			    refresh_one(&r, &c->ports[k], &p, &why) >= 0)
				continue;
			complain("%s", why.text);
			/* What one of them met, all will meet. */
			if (++r.failed && why.code == ECONNREFUSED)
				return (int)r.failed;
		}
	}
	return (int)r.failed;
}
