/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/port/cluster_vfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/port/host_mac.h"
#include "src/port/objects.h"
#include "src/base/say.h"
#include "pveapi/section.h"
#include "src/base/json.h"
#include "src/vf/sysfs.h"

#define PUBLISH_VERSION 1
/* A node with more has them for guests. */
#define MACS_MAX 256

static void publish_path(char path[160], const char *node)
{
	snprintf(path, 160, "etc/pve/nodes/%s/vfhook.json", node);
}

static json_t *vf_to_json(const struct vf_info *v)
{
	char vf[PCI_ADDR_LEN];
	char pf[PCI_ADDR_LEN];

	return json_pack("{s:s s:s s:i s:s s:s s:i}", "pf", pci_addr_format(&v->pf, pf), "vf",
			 pci_addr_format(&v->addr, vf), "index", (int)v->index, "id", v->id,
			 "subsystem-id", v->subsystem_id, "iommugroup", v->iommu_group);
}

/* What is not there, or has no VFs, is left out; what cannot be read is an error. */
static bool is_absent(int r)
{
	return r == -ENODEV || r == -ENOENT || r == -EOPNOTSUPP;
}

/* Those that are this host's own are nobody's to name in a mapping. */
static int add_pf(struct hook *h, const struct pf_id *id, json_t *vfs, struct error *err)
{
	const struct pci_addr *addr = &id->addr;
	struct error why = ERROR_INIT;
	struct pf_info pf;
	int r = sysfs_pf_read(h->root, addr, &pf, &why);

	if (r < 0)
		return is_absent(r) ? 0 : fail(err, why.code, "%s", why.text);
	for (unsigned i = 0; i < pf.num_vfs; i++) {
		struct pci_addr vf;
		struct vf_info info;

		if (vf_set_has(&id->host, i))
			continue;
		r = sysfs_vf_addr(h->root, addr, i, &vf);
		if (!r)
			r = sysfs_vf_read(h->root, NULL, &vf, addr, i, &info, NULL);
		if (!r)
			r = sysfs_vf_ids(h->root, &info, NULL);
		if (r < 0 && !is_absent(r))
			return fail_errno(err, -r, "read VF %u of %s", i, pf.ifname);
		if (!r && json_array_append_new(vfs, vf_to_json(&info)) < 0)
			return fail(err, ENOMEM, "out of memory");
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct host_mac *)a)->ifname, ((const struct host_mac *)b)->ifname);
}

/* Sorted: readdir() has an order of its own, and the file is written only where something is new.
 */
static int add_macs(struct hook *h, json_t *macs, struct error *err)
{
	AUTO_FREE struct host_mac *list = NULL;
	size_t n;

	if (host_macs(h, &list, &n, err) < 0)
		return error_code(err);
	if (n)
		qsort(list, n, sizeof(*list), by_name);
	for (size_t i = 0; i < n && i < MACS_MAX; i++) {
		char mac[MAC_LEN];

		if (json_array_append_new(macs, json_pack("{s:s s:s}", "mac",
							  mac_format(list[i].mac, mac), "ifname",
							  list[i].ifname)) < 0)
			return fail(err, ENOMEM, "out of memory");
	}
	return 0;
}

int publish_vfs(struct hook *h, const struct config *c, struct error *err)
{
	AUTO_JSON json_t *j =
		json_pack("{s:i s:[] s:[]}", "version", PUBLISH_VERSION, "vfs", "macs");
	json_t *vfs = json_object_get(j, "vfs");
	AUTO_FREE char *old = NULL;
	AUTO_FREE char *text = NULL;
	bool has_pool = false;
	char path[160];

	if (!vfs)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < c->n_pools; i++) {
		for (size_t k = 0; k < c->pools[i].n_pfs; k++) {
			if (strcmp(c->pools[i].pfs[k].node, h->node) != 0)
				continue;
			has_pool = true;
			if (add_pf(h, &c->pools[i].pfs[k].id, vfs, err) < 0)
				return error_code(err);
		}
	}
	publish_path(path, h->node);
	if (h->dry_run && (has_pool || path_exists(h->root, path)))
		say("  /%s: %s", path,
		    has_pool ? "this node's VFs, for the other nodes' mappings" : "removed");
	if (h->dry_run)
		return 0;
	if (!has_pool) {
		if (unlinkat(h->root, path, 0) < 0 && errno != ENOENT)
			return fail_errno(err, errno, "remove /%s", path);
		return 0;
	}
	if (add_macs(h, json_object_get(j, "macs"), err) < 0)
		return error_code(err);
	text = json_dumps(j, JSON_INDENT(1));
	if (!text)
		return fail(err, ENOMEM, "out of memory");
	if (file_read(h->root, path, PVE_FILE_MAX, &old, NULL) >= 0 && !strcmp(old, text))
		return 0;
	return file_replace(h->root, path, 0640, text, strlen(text), err);
}

static int vfs_from_json(const json_t *vfs, struct published_vf **list, size_t *n)
{
	*list = calloc(json_array_size(vfs) + 1, sizeof(**list));
	if (!*list)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(vfs); i++) {
		const json_t *vf = json_array_get(vfs, i);
		struct published_vf *v = &(*list)[*n];
		json_int_t index;

		if (json_need_addr(vf, "vf", &v->vf, NULL) < 0 ||
		    json_need_addr(vf, "pf", &v->pf, NULL) < 0 ||
		    json_need_int(vf, "index", 0, UINT16_MAX, &index, NULL) < 0)
			continue;
		v->index = (unsigned)index;
		++*n;
	}
	return 0;
}

int published_vfs(struct hook *h, struct published_vf **list, size_t *n)
{
	AUTO_JSON json_t *j = NULL;
	char path[160];

	*list = NULL;
	*n = 0;
	publish_path(path, h->node);
	if (json_file_read(h->root, path, PVE_FILE_MAX, &j, NULL) < 0)
		return 0;
	return vfs_from_json(json_object_get(j, "vfs"), list, n);
}

static int macs_from_json(const json_t *macs, struct published_mac **list, size_t *n)
{
	*list = calloc(json_array_size(macs) + 1, sizeof(**list));
	if (!*list)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(macs); i++) {
		const json_t *j = json_array_get(macs, i);
		const char *mac = json_string_value(json_object_get(j, "mac"));
		const char *ifname = json_string_value(json_object_get(j, "ifname"));
		struct published_mac *m = &(*list)[*n];

		if (!mac || mac_parse(mac, m->mac) < 0 || mac_is_zero(m->mac) || !ifname ||
		    strlen(ifname) >= IFNAME_LEN)
			continue;
		/* Another node wrote it, and it is shown here. */
		text_clean(ifname, m->ifname, sizeof(m->ifname));
		++*n;
	}
	return 0;
}

int published_macs(struct hook *h, const char *node, struct published_mac **list, size_t *n)
{
	AUTO_JSON json_t *j = NULL;
	char path[160];

	*list = NULL;
	*n = 0;
	publish_path(path, node);
	if (json_file_read(h->root, path, PVE_FILE_MAX, &j, NULL) < 0)
		return 0;
	return macs_from_json(json_object_get(j, "macs"), list, n);
}

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
	char path[160];

	publish_path(path, node);
	if (json_file_read(h->root, path, PVE_FILE_MAX, &j, &why) < 0) {
		say("mapping %s: no entry for node %s, which has not told its VFs: %s; run "
		    "`vfhook pool add %s --pf ...` there",
		    id, node, why.text, p->name);
		return 0;
	}
	entry = choose_entry(f, p, node, json_object_get(j, "vfs"));
	if (entry)
		return plan_map_entry(id, node, NULL, entry, false, plan, err);
	say("mapping %s: no entry for node %s: /%s lists no VF of pool '%s'", id, node, path,
	    p->name);
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
