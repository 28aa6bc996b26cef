/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pools come, change and go, and their PFs get other names. */
#include "src/port/config_pools.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/port/config_load.h"
#include "src/port/config_text.h"
#include "src/port/host_vfs_config.h"
#include "src/port/pool_keys.h"

/* The PF that a line of a pool names, if it is one of that node's. */
static bool line_names_pf(const char *at, const char *node, struct pool_pf *pf)
{
	char value[256];

	return config_line_value(at, "pf", value) && !pool_pf_parse(value, pf, NULL) &&
	       !strcmp(pf->node, node);
}

/* The same for a line about VFs that are the host's. */
static bool line_has_hosts(const char *at, const char *node, struct host_vfs *v)
{
	char value[256];

	return config_line_value(at, "host-vfs", value) && !host_vfs_parse(value, v, NULL) &&
	       !strcmp(v->node, node);
}

static const struct pf_change *find_pf_change(const struct pci_addr *pf,
					      const struct pf_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!pci_addr_cmp(&changes[i].from, pf))
			return &changes[i];
	}
	return NULL;
}

/* Copy text, with other names for some of the node's PFs. Returns how many lines changed. */
static size_t rewrite_pfs(const char *text, const char *node, const struct pf_change *changes,
			  size_t n, struct str *out)
{
	size_t changed = 0;

	for (const char *at = text; *at; at = config_line_next(at)) {
		const struct pf_change *found = NULL;
		struct host_vfs host;
		struct pool_pf pf;

		if (line_names_pf(at, node, &pf))
			found = find_pf_change(&pf.id.addr, changes, n);
		if (found) {
			pool_pf_text(node, &found->to, out);
			changed++;
		} else if (line_has_hosts(at, node, &host) &&
			   (found = find_pf_change(&host.pf, changes, n))) {
			host.pf = found->to.addr;
			host_vfs_text(&host, out);
		} else {
			str_append_len(out, at, (size_t)(config_line_next(at) - at));
		}
	}
	return changed;
}

int config_change_pfs(int root, const char *node, const struct pf_change *changes, size_t n,
		      struct error *err)
{
	CLEANUP(edit_end) struct edit e = EDIT_INIT;

	if (edit_begin(root, &e, err) < 0)
		return error_code(err);
	return rewrite_pfs(e.text, node, changes, n, &e.out) ? edit_store(root, &e, err) : 0;
}

static bool same_id(const struct pf_id *a, const struct pf_id *b)
{
	return a->has_mac == b->has_mac && (!a->has_mac || !memcmp(a->mac, b->mac, 6)) &&
	       !strcmp(a->card.model, b->card.model) && !strcmp(a->card.serial, b->card.serial) &&
	       !strcmp(a->card.slot, b->card.slot);
}

/* What is to be done about the PFs of an addition: those to append, those to rename. */
struct pf_split {
	struct pf_id *fresh;
	size_t n_fresh;
	struct pf_change *changes;
	size_t n_changes;
};

static void pf_split_free(struct pf_split *s)
{
	free(s->fresh);
	free(s->changes);
}

/* -EEXIST: one is in another pool. */
static int split_pfs(const struct config *c, const struct pool_addition *a, struct pf_split *out,
		     struct error *err)
{
	char addr[PCI_ADDR_LEN];

	out->fresh = calloc(a->n_pfs + 1, sizeof(*out->fresh));
	out->changes = calloc(a->n_pfs + 1, sizeof(*out->changes));
	if (!out->fresh || !out->changes)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < a->n_pfs; i++) {
		const struct pf_id *pf = &a->pfs[i];
		const struct pool *owner = config_pool_of_pf(c, a->node, &pf->addr);

		if (owner && strcmp(owner->name, a->name) != 0)
			return fail(err, EEXIST, "PF %s is in pool '%s' of node %s already",
				    pci_addr_format(&pf->addr, addr), owner->name, a->node);
		if (!owner)
			out->fresh[out->n_fresh++] = *pf;
		for (size_t k = 0; owner && (pf->has_mac || pf->no_net) && k < owner->n_pfs; k++) {
			if (!strcmp(owner->pfs[k].node, a->node) &&
			    !pci_addr_cmp(&owner->pfs[k].id.addr, &pf->addr) &&
			    !same_id(&owner->pfs[k].id, pf))
				out->changes[out->n_changes++] =
					(struct pf_change){.from = pf->addr, .to = *pf};
		}
	}
	return 0;
}

static bool is_added_pf(const struct pool_addition *a, const struct pci_addr *pf)
{
	for (size_t i = 0; i < a->n_pfs; i++) {
		if (!pci_addr_cmp(&a->pfs[i].addr, pf))
			return true;
	}
	return false;
}

/* A section's lines up to `end`, without those about the host's VFs that are said anew. */
static void copy_pool_lines(const struct pool_addition *a, const char *at, const char *end,
			    struct str *out)
{
	for (; at < end; at = config_line_next(at)) {
		struct host_vfs host;

		if (!a->sets_hosts || !line_has_hosts(at, a->node, &host) ||
		    !is_added_pf(a, &host.pf))
			str_append_len(out, at, (size_t)(config_line_next(at) - at));
	}
}

/* The pool's other keys first, then its new PFs behind the last line of the section. */
static void extend_pool(struct edit *e, const char *head, const struct pool_addition *a,
			const struct pf_split *pfs)
{
	struct key_change changes[3];
	struct str first = STR_INIT;
	size_t n_changes = 0;
	const char *end;

	if (a->vfs)
		changes[n_changes++] = (struct key_change){"vfs", a->vfs};
	if (a->allow_pf_down)
		changes[n_changes++] = (struct key_change){"allow-pf-down", a->allow_pf_down};
	if (a->fdb)
		changes[n_changes++] = (struct key_change){"fdb", a->fdb};
	edit_change_keys(e, head, changes, n_changes);
	first = e->out;
	e->out = STR_INIT;
	head = config_section_head(str_get(&first), "pool", a->name);
	/* Not there: memory ran out on the way, and edit_store() is to say so. */
	if (!head) {
		e->out.failed = true;
		str_free(&first);
		return;
	}
	end = config_line_next(head);
	for (const char *p = end; config_line_goes_on(p); p = config_line_next(p)) {
		if (config_line_is_property(p))
			end = config_line_next(p);
	}
	str_append_len(&e->out, str_get(&first),
		       (size_t)(config_line_next(head) - str_get(&first)));
	copy_pool_lines(a, config_line_next(head), end, &e->out);
	for (size_t i = 0; i < pfs->n_fresh; i++)
		pool_pf_text(a->node, &pfs->fresh[i], &e->out);
	for (size_t i = 0; i < a->n_hosts; i++)
		host_vfs_text(&a->hosts[i], &e->out);
	str_append(&e->out, end);
	str_free(&first);
	first = e->out;
	e->out = STR_INIT;
	rewrite_pfs(str_get(&first), a->node, pfs->changes, pfs->n_changes, &e->out);
	e->out.failed = e->out.failed || first.failed;
	str_free(&first);
}

/* The section and the file as they are, and as they would be with e->out. */
static int told_pool(struct edit *e, const char *name, struct pool_change *out, struct error *err)
{
	const struct pool *p;

	if (!str_ok(&e->out))
		return fail(err, ENOMEM, "out of memory");
	if (config_section_copy(e->text, "pool", name, &out->from, err) < 0 ||
	    config_section_copy(str_get(&e->out), "pool", name, &out->to, err) < 0)
		return error_code(err);
	if (config_parse("/" VFHOOK_CFG, str_get(&e->out), e->out.len, &out->after, err) < 0)
		return error_code(err);
	p = config_pool(&out->after, name);
	/* Fewer VFs than the host has by another line, say. */
	return p && p->bad ? fail(err, EINVAL, "it would be a mistake: %s", p->bad) : 0;
}

void pool_change_free(struct pool_change *c)
{
	free(c->from);
	free(c->to);
	config_free(&c->after);
	*c = (struct pool_change){0};
}

static int extended_pool(struct edit *e, const struct pool_addition *a, const struct pf_split *pfs,
			 struct error *err)
{
	const char *head = config_section_head(e->text, "pool", a->name);

	if (!head)
		return fail(err, EINVAL,
			    "the line of pool '%s' in /" VFHOOK_CFG
			    " is not where it was read: write it as 'pool: %s'",
			    a->name, a->name);
	extend_pool(e, head, a, pfs);
	return 0;
}

static void new_pool(struct edit *e, const struct pool_addition *a, const struct pf_split *pfs)
{
	edit_new_section(e);
	str_printf(&e->out, "pool: %s\n", a->name);
	for (size_t i = 0; i < pfs->n_fresh; i++)
		pool_pf_text(a->node, &pfs->fresh[i], &e->out);
	if (a->no_net)
		str_append(&e->out, "\tnetwork off\n");
	if (a->vfs)
		str_printf(&e->out, "\tvfs %s\n", a->vfs);
	if (a->allow_pf_down)
		str_printf(&e->out, "\tallow-pf-down %s\n", a->allow_pf_down);
	if (a->fdb)
		str_printf(&e->out, "\tfdb %s\n", a->fdb);
	for (size_t i = 0; i < a->n_hosts; i++)
		host_vfs_text(&a->hosts[i], &e->out);
}

int config_pool_addition(int root, const struct pool_addition *a, struct pool_change *out,
			 struct error *err)
{
	CLEANUP(edit_end) struct edit e = EDIT_INIT;
	CLEANUP(pf_split_free) struct pf_split pfs = {0};
	const struct pool *pool;

	*out = (struct pool_change){0};
	if (edit_look(root, &e.text, &e.now, err) < 0 || split_pfs(&e.now, a, &pfs, err) < 0)
		return error_code(err);
	pool = config_pool(&e.now, a->name);
	if (pool && pool->bad)
		return fail(err, EINVAL, "%s", pool->bad);
	if (pool && pool->no_net != a->no_net)
		return fail(err, EINVAL,
			    "pool '%s' is one of %s, and a pool has PFs of one kind: give these a "
			    "pool of their own",
			    a->name,
			    pool->no_net ? "cards without a network (`network off`)"
					 : "network cards");
	out->added = pfs.n_fresh;
	if (!pool)
		new_pool(&e, a, &pfs);
	else if (!pfs.n_fresh && !pfs.n_changes && !a->vfs && !a->allow_pf_down && !a->fdb &&
		 !a->sets_hosts)
		str_append(&e.out, e.text);
	else if (extended_pool(&e, a, &pfs, err) < 0)
		return error_code(err);
	return told_pool(&e, a->name, out, err);
}

/* -EBUSY if ports use it. */
static int check_unused(const struct config *c, const char *name, struct error *err)
{
	CLEANUP(str_free) struct str users = STR_INIT;

	for (size_t i = 0; i < c->n_ports; i++) {
		const struct port *p = &c->ports[i];

		if (!strcmp(p->pool, name))
			str_printf(&users, "%s%u-%u", users.len ? ", " : "", p->vmid, p->slot);
	}
	if (!users.len)
		return 0;
	return fail(err, EBUSY,
		    "pool '%s' is in use by port%s %s: vfhook detach <vmid> --slot <N> "
		    "first",
		    name, strchr(str_get(&users), ',') ? "s" : "", str_get(&users));
}

int config_pool_removal(int root, const char *name, struct pool_change *out, struct error *err)
{
	CLEANUP(edit_end) struct edit e = EDIT_INIT;
	const char *head;

	*out = (struct pool_change){0};
	if (edit_look(root, &e.text, &e.now, err) < 0 || check_unused(&e.now, name, err) < 0)
		return error_code(err);
	head = config_section_head(e.text, "pool", name);
	if (!head)
		return fail(err, ENOENT, "there is no pool '%s' in /" VFHOOK_CFG, name);
	edit_leave_out(&e, head);
	return told_pool(&e, name, out, err);
}

/* What somebody else has written since it was planned must not become wrong by it. */
int pool_check_edited(const struct edit *e, const char *name, const char *to, struct error *err)
{
	CLEANUP(config_free) struct config after = {0};
	char addr[PCI_ADDR_LEN];
	const struct pool *p;

	if (!to)
		return check_unused(&e->now, name, err);
	if (!str_ok(&e->out))
		return fail(err, ENOMEM, "out of memory");
	if (config_parse("/" VFHOOK_CFG, str_get(&e->out), e->out.len, &after, err) < 0)
		return error_code(err);
	p = config_pool(&after, name);
	/* A mistake too, but one with an error of its own. */
	for (size_t i = 0; p && i < p->n_pfs; i++) {
		const struct pool_pf *pf = &p->pfs[i];
		const struct pool *first = config_pool_of_pf(&after, pf->node, &pf->id.addr);

		if (first && first != p)
			return fail(err, EEXIST, "PF %s is in pool '%s' of node %s already",
				    pci_addr_format(&pf->id.addr, addr), first->name, pf->node);
	}
	return !p || p->bad ? fail(err, EINVAL, "%s", p ? p->bad : "the pool is gone") : 0;
}
