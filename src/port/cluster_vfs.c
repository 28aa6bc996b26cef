/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing and reading the files. */
#include "src/port/cluster_vfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pveapi/section.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/json.h"
#include "src/base/say.h"
#include "src/port/config.h"
#include "src/port/host_mac.h"
#include "src/vf/sysfs.h"
#include "src/vf/vf_walk.h"

#define PUBLISH_VERSION 1
/* A node with more has them for guests. */
#define MACS_MAX 256

const char *published_path(const char *node, char path[PUBLISHED_PATH_LEN])
{
	snprintf(path, PUBLISHED_PATH_LEN, "etc/pve/nodes/%s/vfhook.json", node);
	return path;
}

int published_read(struct hook *h, const char *node, json_t **j, struct error *err)
{
	char path[PUBLISHED_PATH_LEN];

	return json_file_read(h->root, published_path(node, path), PVE_FILE_MAX, j, err);
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
	struct vf_walk walk = {.root = h->root,
			       .pf = &pf,
			       .unread = VF_UNREAD_FAIL,
			       .leave_out = &id->host,
			       .ids = true};
	struct vf_info vf;
	int r = sysfs_pf_read_as(h->root, addr, id->no_net, &pf, &why);

	if (r < 0)
		return is_absent(r) ? 0 : fail(err, why.code, "%s", why.text);
	while ((r = vf_walk_next(&walk, &vf, err)) > 0) {
		if (json_array_append_new(vfs, vf_to_json(&vf)) < 0)
			return fail(err, ENOMEM, "out of memory");
	}
	return r;
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
	char path[PUBLISHED_PATH_LEN];

	if (!vfs)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < c->n_pools; i++) {
		for (size_t k = 0; k < c->pools[i].n_pfs; k++) {
			if (strcmp(c->pools[i].pfs[k].node, h->node) != 0)
				continue;
			has_pool = true;
			/* vfhook.cfg is written by hand, too. */
			if (config_pf_before(c, i, k, true))
				continue;
			if (add_pf(h, &c->pools[i].pfs[k].id, vfs, err) < 0)
				return error_code(err);
		}
	}
	published_path(h->node, path);
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

	*list = NULL;
	*n = 0;
	if (published_read(h, h->node, &j, NULL) < 0)
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

	*list = NULL;
	*n = 0;
	if (published_read(h, node, &j, NULL) < 0)
		return 0;
	return macs_from_json(json_object_get(j, "macs"), list, n);
}
