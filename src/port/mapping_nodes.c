/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Choosing among what another node has published, none of which is trusted. */
#include "src/port/mapping_nodes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/mapping.h"
#include "src/base/cleanup.h"
#include "src/base/json.h"
#include "src/base/say.h"
#include "src/base/text.h"
#include "src/port/cluster_vfs.h"
#include "src/port/config.h"
#include "src/port/mapping_id.h"
#include "src/port/objects.h"

/* Is that VF of that node named by another mapping already? */
static bool is_named(const struct mapping_file *f, const char *node, const char *vf)
{
	for (size_t i = 0; i < f->n_mappings; i++) {
		size_t n;
		const struct mapping_entry *e = mapping_node_entry(&f->mappings[i], node, &n);

		if (e && !strcmp(e->path, vf))
			return true;
	}
	return false;
}

static bool is_pf_of(const struct pool *p, const char *node, const char *text)
{
	struct pci_addr a;

	if (!text || pci_addr_parse(text, &a) < 0)
		return false;
	for (size_t i = 0; i < p->n_pfs; i++) {
		if (!strcmp(p->pfs[i].node, node) && !pci_addr_cmp(&p->pfs[i].id.addr, &a))
			return true;
	}
	return false;
}

/* "8086:10ca" and nothing else: it goes into a property string. */
static bool is_id(const char *s)
{
	return s && strlen(s) == 9 && strspn(s, "0123456789abcdef") == 4 && s[4] == ':' &&
	       strspn(s + 5, "0123456789abcdef") == 4;
}

/*
 * The map value of one published VF, or NULL if it is none of this pool, or is not sound. vf
 * receives its address as sysfs spells it, which is what PVE compares (PVE::Mapping::PCI).
 */
static char *entry_of(const struct pool *p, const char *node, const json_t *j,
		      char vf[PCI_ADDR_LEN])
{
	const char *id = json_string_value(json_object_get(j, "id"));
	const char *subsystem = json_string_value(json_object_get(j, "subsystem-id"));
	json_int_t group;
	struct pci_addr a;

	if (!is_pf_of(p, node, json_string_value(json_object_get(j, "pf"))) ||
	    json_need_addr(j, "vf", &a, NULL) < 0 || !is_id(id) || !subsystem ||
	    (subsystem[0] && !is_id(subsystem)) ||
	    json_need_int(j, "iommugroup", -1, INT32_MAX, &group, NULL) < 0)
		return NULL;
	pci_addr_format(&a, vf);
	return mapping_entry_format(node, vf, id, subsystem[0] ? subsystem : NULL, (int)group);
}

/* A VF for the entry: one that no mapping names yet, else the first. NULL: none. */
static char *choose_entry(const struct mapping_file *f, const struct pool *p, const char *node,
			  const json_t *vfs)
{
	AUTO_FREE char *first = NULL;

	for (size_t i = 0; i < json_array_size(vfs); i++) {
		char vf[PCI_ADDR_LEN];
		AUTO_FREE char *entry = entry_of(p, node, json_array_get(vfs, i), vf);

		if (entry && !is_named(f, node, vf))
			return STEAL(entry);
		if (entry && !first)
			first = STEAL(entry);
	}
	return STEAL(first);
}

static int add_entry(struct hook *h, const struct mapping_file *f, const struct pool *p,
		     const char *node, const char *id, struct plan *plan, struct error *err)
{
	AUTO_JSON json_t *j = NULL;
	AUTO_FREE char *entry = NULL;
	struct error why = ERROR_INIT;
	char path[PUBLISHED_PATH_LEN];

	if (published_read(h, node, &j, &why) < 0) {
		say("mapping %s: no entry for node %s, which has not told its VFs: %s; run "
		    "`vfhook pool add %s --pf ...` there",
		    id, node, why.text, p->name);
		return 0;
	}
	entry = choose_entry(f, p, node, json_object_get(j, "vfs"));
	if (entry)
		return plan_map_entry(id, node, NULL, entry, false, plan, err);
	say("mapping %s: no entry for node %s: /%s lists no VF of pool '%s'", id, node,
	    published_path(node, path), p->name);
	return 0;
}

/* Was that node of the pool looked at already, for another PF of it? */
static bool seen_before(const struct pool *p, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (!strcmp(p->pfs[k].node, p->pfs[i].node))
			return true;
	}
	return false;
}

int publish_entries(struct hook *h, const struct vm_ports *v, const struct port_wish *w,
		    struct plan *plan, struct error *err)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	const struct pool *p = config_pool(&v->config, w->pool);
	char id[NAME_LEN];

	port_mapping_id(w->vmid, w->slot, id);
	if (!p)
		return 0;
	if (mapping_load(h->root, &f, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < p->n_pfs; i++) {
		const char *node = p->pfs[i].node;
		const struct mapping *m = mapping_find(&f, id);
		size_t n;

		if (!strcmp(node, h->node) || seen_before(p, i) ||
		    (m && mapping_node_entry(m, node, &n)))
			continue;
		if (add_entry(h, &f, p, node, id, plan, err) < 0)
			return error_code(err);
	}
	return 0;
}
