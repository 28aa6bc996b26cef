/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing and reading boot.cfg. */
#include "src/port/boot_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pveapi/section.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/say.h"
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/host_vfs_config.h"
#include "src/port/pool_keys.h"

static void pool_text(const struct pool *p, const char *node, struct str *out)
{
	str_printf(out, "\npool: %s\n", p->name);
	if (p->vfs)
		str_printf(out, "\tvfs %u\n", p->vfs);
	for (size_t i = 0; i < p->n_pfs; i++) {
		if (!strcmp(p->pfs[i].node, node))
			pool_pf_text(node, &p->pfs[i].id, out);
	}
	if (p->no_net)
		str_append(out, "\tnetwork off\n");
	if (p->allow_pf_down)
		str_append(out, "\tallow-pf-down 1\n");
	if (p->fdb)
		str_append(out, "\tfdb 1\n");
	for (size_t i = 0; i < p->n_hosts; i++) {
		if (!strcmp(p->hosts[i].node, node))
			host_vfs_text(&p->hosts[i], out);
	}
}

static bool has_pf(const struct pool *p, const char *node)
{
	for (size_t i = 0; i < p->n_pfs; i++) {
		if (!strcmp(p->pfs[i].node, node))
			return true;
	}
	return false;
}

static bool makes_vfs(const struct pool *p, const char *node)
{
	for (size_t i = 0; i < p->n_hosts; i++) {
		if (!strcmp(p->hosts[i].node, node))
			return true;
	}
	return p->vfs && has_pf(p, node);
}

/* For its VFs, or for vfhook fdb, which may begin before /etc/pve is there. */
static bool is_for_boot(const struct pool *p, const char *node)
{
	return !p->bad && (makes_vfs(p, node) || (p->fdb && has_pf(p, node)));
}

int bootcfg_save(struct hook *h, const struct config *c, struct error *err)
{
	CLEANUP(str_free) struct str text = STR_INIT;
	AUTO_FREE char *old = NULL;
	bool any = false;

	str_append(&text,
		   "# Written by vfhook from /" VFHOOK_CFG ", for the start of this node.\n");
	for (size_t i = 0; i < c->n_pools; i++) {
		if (!is_for_boot(&c->pools[i], h->node))
			continue;
		any = true;
		pool_text(&c->pools[i], h->node, &text);
	}
	if (!str_ok(&text))
		return fail(err, ENOMEM, "out of memory");
	if (h->dry_run && (any || path_exists(h->root, BOOT_CFG)))
		say("  /" BOOT_CFG ": %s", any ? "this node's own copy of its pools" : "removed");
	if (h->dry_run)
		return 0;
	if (!any)
		return unlinkat(h->root, BOOT_CFG, 0) < 0 && errno != ENOENT
			       ? fail_errno(err, errno, "remove /" BOOT_CFG)
			       : 0;
	if (file_read(h->root, BOOT_CFG, PVE_FILE_MAX, &old, NULL) >= 0 &&
	    !strcmp(old, str_get(&text)))
		return 0;
	if (dir_make(h->root, "var/lib/vfhook", 0755, err) < 0)
		return error_code(err);
	return file_replace(h->root, BOOT_CFG, 0644, str_get(&text), text.len, err);
}

int bootcfg_load(struct hook *h, struct config *out, struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t len = file_read(h->root, BOOT_CFG, PVE_FILE_MAX, &text, err);

	*out = (struct config){0};
	if (len == -ENOENT) {
		error_clear(err);
		return 0;
	}
	return len < 0 ? (int)len : config_parse("/" BOOT_CFG, text, (size_t)len, out, err);
}

int bootcfg_load_makers(struct hook *h, struct config *out, struct error *err)
{
	size_t kept = 0;

	if (bootcfg_load(h, out, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < out->n_pools; i++) {
		/* One with a mistake is told by whoever asks. */
		if (out->pools[i].bad || makes_vfs(&out->pools[i], h->node))
			out->pools[kept++] = out->pools[i];
		else
			pool_free(&out->pools[i]);
	}
	out->n_pools = kept;
	return 0;
}
