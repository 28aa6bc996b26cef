/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing this node's file, and reading those of others, none of which is trusted. */
#include "src/show/seen_told.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pveapi/section.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/json.h"
#include "src/port/cluster_vfs.h"
#include "src/show/inventory.h"
#include "src/show/seen_here.h"
#include "src/show/seen_json.h"

#define PATH_LEN 160
#define VFS_MAX	 1024

static const char *told_path(const char *node, char path[PATH_LEN])
{
	snprintf(path, PATH_LEN, "etc/pve/nodes/%s/vfhook-status.json", node);
	return path;
}

/* --- Telling --- */

/* Was the same told, and not too long ago? */
static bool is_told(struct hook *h, const char *path, const json_t *now)
{
	AUTO_JSON json_t *old = NULL;
	AUTO_JSON json_t *then = NULL;
	json_int_t age;

	if (json_file_read(h->root, path, PVE_FILE_MAX, &old, NULL) < 0)
		return false;
	age = json_integer_value(json_object_get(now, "time")) -
	      json_integer_value(json_object_get(old, "time"));
	then = json_copy((json_t *)now);
	json_object_del(then, "time");
	json_object_del(old, "time");
	return age >= 0 && age < SEEN_TELL_S && json_equal(then, old);
}

int seen_tell(struct hook *h, struct error *err)
{
	CLEANUP(inventory_free) struct inventory inv = INVENTORY_INIT;
	CLEANUP(seen_node_free) struct seen_node here = {.n_pfs = 0};
	AUTO_JSON json_t *j = NULL;
	AUTO_FREE char *text = NULL;
	char path[PATH_LEN];

	told_path(h->node, path);
	if (inventory_read(h, false, &inv, err) < 0 || seen_here(h, &inv, NULL, &here, err) < 0)
		return error_code(err);
	if (!here.n_pfs) {
		if (unlinkat(h->root, path, 0) < 0 && errno != ENOENT)
			return fail_errno(err, errno, "remove /%s", path);
		return 0;
	}
	here.time = time(NULL);
	j = seen_to_json(&here);
	text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	if (!text)
		return fail(err, ENOMEM, "out of memory");
	if (is_told(h, path, j))
		return 0;
	return file_replace(h->root, path, 0640, text, strlen(text), err);
}

/* --- What is known of one that does not tell --- */

/* The PF of that address, made if it is not there yet; NULL: there are too many, or no memory. */
static struct seen_pf *pf_of(struct seen_node *n, const struct config *c,
			     const struct pci_addr *addr)
{
	const struct pool *pool = config_pool_of_pf(c, n->name, addr);
	char text[PCI_ADDR_LEN];
	struct seen_pf *more;

	pci_addr_format(addr, text);
	for (size_t i = 0; i < n->n_pfs; i++) {
		if (!strcmp(n->pfs[i].addr, text))
			return &n->pfs[i];
	}
	more = n->n_pfs < SEEN_PFS_MAX ? reallocarray(n->pfs, n->n_pfs + 1, sizeof(*more)) : NULL;
	if (!more)
		return NULL;
	n->pfs = more;
	more += n->n_pfs++;
	*more = (struct seen_pf){
		.up = ANSWER_UNKNOWN, .carrier = ANSWER_UNKNOWN, .no_net = pool && pool->no_net};
	memcpy(more->addr, text, sizeof(more->addr));
	snprintf(more->pools, sizeof(more->pools), "%s", pool ? pool->name : "");
	return more;
}

static void add_vf(struct seen_pf *pf, const struct pci_addr *addr, unsigned index, int group)
{
	struct seen_vf *more =
		pf->n_vfs < VFS_MAX ? reallocarray(pf->vfs, pf->n_vfs + 1, sizeof(*more)) : NULL;

	if (!more)
		return;
	pf->vfs = more;
	more += pf->n_vfs++;
	*more = (struct seen_vf){.index = index, .state = SEEN_UNTOLD, .group = group};
	pci_addr_format(addr, more->addr);
}

/* Out of its vfhook.json. */
static void see_addresses(struct hook *h, const struct config *c, struct seen_node *n)
{
	AUTO_JSON json_t *j = NULL;
	const json_t *vfs;

	if (published_read(h, n->name, &j, NULL) < 0)
		return;
	vfs = json_object_get(j, "vfs");
	for (size_t i = 0; i < json_array_size(vfs); i++) {
		const json_t *vf = json_array_get(vfs, i);
		struct pci_addr addr;
		struct pci_addr pf_addr;
		struct seen_pf *pf;
		json_int_t index;
		json_int_t group = -1;

		if (json_need_addr(vf, "vf", &addr, NULL) < 0 ||
		    json_need_addr(vf, "pf", &pf_addr, NULL) < 0 ||
		    json_need_int(vf, "index", 0, UINT16_MAX, &index, NULL) < 0)
			continue;
		json_need_int(vf, "iommugroup", -1, INT32_MAX, &group, NULL);
		pf = pf_of(n, c, &pf_addr);
		if (pf)
			add_vf(pf, &addr, (unsigned)index, (int)group);
	}
	for (size_t i = 0; i < n->n_pfs; i++)
		seen_vfs_sort(&n->pfs[i]);
}

/* Those that the cluster's pools have of it: that much is sure. */
static void see_pools(const struct config *c, struct seen_node *n)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		for (size_t k = 0; k < c->pools[i].n_pfs; k++) {
			if (!strcmp(c->pools[i].pfs[k].node, n->name))
				pf_of(n, c, &c->pools[i].pfs[k].id.addr);
		}
	}
}

static int see_others_words(struct hook *h, const struct config *c, struct seen_node *n,
			    struct error *err)
{
	bool ok = true;

	see_addresses(h, c, n);
	n->source = n->n_pfs ? SEEN_ADDRESSES : SEEN_SILENT;
	see_pools(c, n);
	if (n->source == SEEN_ADDRESSES)
		ok = seen_mark_add(&n->marks, SEEN_NOTE,
				   "an older vfhook, or vfhook-watch.timer does not run there: "
				   "systemctl enable --now vfhook-watch.timer");
	else if (n->n_pfs)
		ok = seen_mark_add(&n->marks, SEEN_WARN,
				   "pools have PFs of it: is vfhook installed there? vfhook check");
	return ok ? 0 : fail(err, ENOMEM, "out of memory");
}

int seen_told(struct hook *h, const struct config *c, const char *node, struct seen_node *out,
	      struct error *err)
{
	AUTO_JSON json_t *j = NULL;
	struct error why = ERROR_INIT;
	char path[PATH_LEN];
	int r;

	*out = (struct seen_node){.online = ANSWER_UNKNOWN};
	text_clean(node, out->name, sizeof(out->name));
	r = json_file_read(h->root, told_path(node, path), PVE_FILE_MAX, &j, &why);
	if (!r)
		r = seen_from_json(j, out, &why);
	if (!r) {
		out->source = SEEN_TOLD;
		return 0;
	}
	if (r == -ENOMEM)
		return fail(err, ENOMEM, "out of memory");
	if (r != -ENOENT && !seen_mark_add(&out->marks, SEEN_WARN, "%s", why.text))
		return fail(err, ENOMEM, "out of memory");
	return see_others_words(h, c, out, err);
}
