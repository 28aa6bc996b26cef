/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listing guests by their configs' file names, and pmxcfs's own list of them. */
#include "pveapi/guest_list.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pveapi/ct_config.h"
#include "pveapi/guest.h"
#include "pveapi/guest_dir.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"

#define VMLIST_MAX (16 << 20) /* about 60 bytes a guest */

struct guests {
	struct guest_ref *list;
	size_t n;
	size_t cap;
};

static int add_guest(struct guests *g, uint32_t vmid, const char *node, bool container)
{
	struct guest_ref *r;

	if (g->n == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 32;
		struct guest_ref *list = reallocarray(g->list, cap, sizeof(*list));

		if (!list)
			return -ENOMEM;
		g->list = list;
		g->cap = cap;
	}
	r = &g->list[g->n++];
	*r = (struct guest_ref){.vmid = vmid, .container = container};
	snprintf(r->node, sizeof(r->node), "%s", node);
	return 0;
}

static int guests_of_dir(int root, const char *node, bool container, struct guests *g,
			 struct error *err)
{
	CLEANUP(dir_names_free) struct dir_names names = {NULL, 0};
	char dir[128];
	int r;

	snprintf(dir, sizeof(dir), "/etc/pve/nodes/%s/%s", node, container ? "lxc" : "qemu-server");
	r = list_configs(root, dir, &names, err);
	/* A stray file among the nodes' folders has no guests. */
	if (r == -ENOTDIR) {
		error_clear(err);
		r = 0;
	}
	for (int i = 0; !r && i < names.n; i++) {
		uint32_t vmid = 0;

		(void)conf_vmid(names.list[i]->d_name, &vmid);
		if (add_guest(g, vmid, node, container) < 0)
			r = fail(err, ENOMEM, "list %s: out of memory", dir);
	}
	return r;
}

static int by_vmid(const void *a, const void *b)
{
	const struct guest_ref *x = a;
	const struct guest_ref *y = b;

	if (x->vmid != y->vmid)
		return x->vmid < y->vmid ? -1 : 1;
	return strcmp(x->node, y->node);
}

int guest_list(int root, struct guest_ref **list, size_t *n, struct error *err)
{
	CLEANUP(dir_names_free) struct dir_names nodes = {NULL, 0};
	struct guests g = {0};
	int r = list_nodes(root, &nodes, err);

	*list = NULL;
	*n = 0;
	for (int i = 0; !r && i < nodes.n; i++) {
		r = guests_of_dir(root, nodes.list[i]->d_name, false, &g, err);
		if (!r)
			r = guests_of_dir(root, nodes.list[i]->d_name, true, &g, err);
	}
	if (r < 0) {
		free(g.list);
		return r;
	}
	if (g.n)
		qsort(g.list, g.n, sizeof(*g.list), by_vmid);
	*list = g.list;
	*n = g.n;
	return 0;
}

static int is_vmid(const void *key, const void *item)
{
	uint32_t vmid = *(const uint32_t *)key;
	const struct guest_ref *r = item;

	return vmid < r->vmid ? -1 : vmid > r->vmid;
}

const struct guest_ref *guest_find(const struct guest_ref *list, size_t n, uint32_t vmid)
{
	return n ? bsearch(&vmid, list, n, sizeof(*list), is_vmid) : NULL;
}

/* The member of /etc/pve/.vmlist: 1, 0, -ENOENT if there is no such file, or another errno. */
static int vmlist_has(int root, uint32_t vmid, struct error *err)
{
	AUTO_FREE char *text = NULL;
	json_t *j;
	const json_t *ids;
	char key[16];
	bool has;
	bool good;
	ssize_t len = file_read(root, "etc/pve/.vmlist", VMLIST_MAX, &text, err);

	if (len < 0)
		return (int)len;
	j = json_loadb(text, (size_t)len, 0, NULL);
	ids = json_object_get(j, "ids");
	snprintf(key, sizeof(key), "%u", vmid);
	good = json_is_object(ids);
	has = json_object_get(ids, key) != NULL;
	json_decref(j);
	return good ? has : fail(err, EBADMSG, "/etc/pve/.vmlist cannot be understood");
}

static enum answer folders_have(int root, uint32_t vmid, struct error *err)
{
	AUTO_FREE struct guest_ref *list = NULL;
	size_t n;

	if (guest_list(root, &list, &n, err) < 0)
		return ANSWER_UNKNOWN;
	return guest_find(list, n, vmid) ? ANSWER_YES : ANSWER_NO;
}

enum answer guest_exists(int root, uint32_t vmid, struct error *err)
{
	int listed = vmlist_has(root, vmid, err);
	enum answer found;

	if (listed > 0)
		return ANSWER_YES;
	if (listed < 0 && listed != -ENOENT)
		return ANSWER_UNKNOWN;
	error_clear(err);
	found = folders_have(root, vmid, err);
	return listed == -ENOENT && found == ANSWER_NO ? folders_have(root, vmid, err) : found;
}

/* 1: it is there; 0; or a negative errno. */
static int config_there(int root, const char *path, struct error *err)
{
	if (!faccessat(root, path, F_OK, 0))
		return 1;
	return errno == ENOENT || errno == ENOTDIR ? 0
						   : fail_errno(err, errno, "look at /%s", path);
}

enum guest_kind guest_kind(int root, const char *node, uint32_t vmid, struct error *err)
{
	char path[GUEST_PATH_LEN];
	int r = config_there(root, ct_config_path(node, vmid, path), err);

	if (r)
		return r < 0 ? GUEST_UNKNOWN : GUEST_CT;
	r = config_there(root, guest_config_path(node, vmid, path), err);
	if (r)
		return r < 0 ? GUEST_UNKNOWN : GUEST_VM;
	return GUEST_NONE;
}

enum answer guest_is_ct(int root, const char *node, uint32_t vmid)
{
	char path[GUEST_PATH_LEN];
	int r = config_there(root, ct_config_path(node, vmid, path), NULL);

	return r < 0 ? ANSWER_UNKNOWN : r ? ANSWER_YES : ANSWER_NO;
}
