/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathering what the configs of a node name. */
#include "pveapi/guest_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/guest.h"
#include "pveapi/guest_dir.h"
#include "pveapi/hostpci.h"
#include "pveapi/limits.h"
#include "pveapi/node.h"
#include "pveapi/section.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"

struct naming {
	struct guest_names *out;
	uint32_t vmid;
	unsigned slot;
	bool keep;
};

/* Room for one more behind n: it doubles at each power of two. False: out of memory. */
static bool grow(void **list, size_t n, size_t size)
{
	void *more;

	if (n && (n < 16 || (n & (n - 1))))
		return true;
	more = reallocarray(*list, n ? n * 2 : 16, size);
	if (more)
		*list = more;
	return more;
}

static int add_raw(const struct pci_addr *a, bool whole_device, void *arg)
{
	struct naming *s = arg;
	struct guest_names *g = s->out;

	if (!grow((void **)&g->raw, g->n_raw, sizeof(*g->raw)))
		return -ENOMEM;
	g->raw[g->n_raw++] = (struct guest_claim){*a, whole_device, s->vmid, s->slot, s->keep};
	return 0;
}

static int add_mapped(struct naming *s, const char *mapping)
{
	struct guest_names *g = s->out;
	char *id;

	if (!grow((void **)&g->mapped, g->n_mapped, sizeof(*g->mapped)))
		return -ENOMEM;
	id = strdup(mapping);
	if (!id)
		return -ENOMEM;
	g->mapped[g->n_mapped] =
		(struct guest_mapped){.vmid = s->vmid, .slot = s->slot, .keep_driver = s->keep};
	g->mapped[g->n_mapped++].mapping = id;
	return 0;
}

static int names_of_config(struct naming *s, const char *path, const char *text, size_t len,
			   bool *broken)
{
	CLEANUP(guest_config_free) struct guest_config g = {.numa_node = -1};
	int r = guest_config_skim(path, text, len, &g, broken);

	if (r < 0)
		return r;
	if (g.is_template)
		return 0;
	if (!grow((void **)&s->out->vmids, s->out->n_vmids, sizeof(*s->out->vmids)))
		return -ENOMEM;
	s->out->vmids[s->out->n_vmids++] = s->vmid;
	for (s->slot = 0; s->slot < PVE_HOSTPCI_MAX; s->slot++) {
		const struct hostpci *h = &g.hostpci[s->slot];

		s->keep = h->keep_driver;
		r = h->present && h->mapping ? add_mapped(s, h->mapping)
					     : hostpci_each_addr(h, add_raw, s);
		if (r < 0)
			return r;
	}
	return 0;
}

static int names_of_file(int root, const char *path, struct naming *s, bool *broken,
			 struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t len = file_read(root, path + 1, PVE_FILE_MAX, &text, NULL);

	/* Moved to another node or deleted since the folder was read. */
	if (len == -ENOENT)
		return 0;
	if (len < 0) {
		*broken = true;
		return 0;
	}
	if (names_of_config(s, path, text, (size_t)len, broken) < 0)
		return fail(err, ENOMEM, "%s: out of memory", path);
	return 0;
}

void guest_names_free(struct guest_names *g)
{
	for (size_t i = 0; i < g->n_mapped; i++)
		free(g->mapped[i].mapping);
	free(g->mapped);
	free(g->raw);
	free(g->vmids);
	free(g->broken);
	*g = (struct guest_names){0};
}

static int read_names(int root, const char *node, struct guest_names *out, struct error *err)
{
	CLEANUP(dir_names_free) struct dir_names names = {NULL, 0};
	CLEANUP(str_free) struct str bad = STR_INIT;
	struct naming s = {.out = out};
	char dir[128];
	int r;

	r = pve_node_check(node, err);
	if (r < 0)
		return r;
	snprintf(dir, sizeof(dir), "/etc/pve/nodes/%s/qemu-server", node);
	r = list_configs(root, dir, &names, err);
	for (int i = 0; !r && i < names.n; i++) {
		bool is_bad = false;
		char path[192];

		(void)conf_vmid(names.list[i]->d_name, &s.vmid);
		snprintf(path, sizeof(path), "%s/%u.conf", dir, s.vmid);
		r = names_of_file(root, path, &s, &is_bad, err);
		if (is_bad)
			str_printf(&bad, "%s%s", bad.len ? ", " : "", path);
	}
	if (r || !bad.len)
		return r;
	out->broken = str_take(&bad);
	return out->broken ? 0 : fail(err, ENOMEM, "list %s: out of memory", dir);
}

int guest_names_read(int root, const char *node, struct guest_names *out, struct error *err)
{
	int r;

	*out = (struct guest_names){0};
	r = read_names(root, node, out, err);
	if (r < 0)
		guest_names_free(out);
	return r;
}
