/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Storages that are a folder, out of /etc/pve/storage.cfg: where snippets can be. */
#ifndef VFHOOK_PVEAPI_STORAGE_H
#define VFHOOK_PVEAPI_STORAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/error.h"

#define STORAGE_CFG "etc/pve/storage.cfg"

struct storage {
	char *id;
	char *path;    /* absolute */
	char *content; /* "iso,vztmpl,backup"; "" if the file does not say */
	bool here;     /* not disabled, and not kept to other nodes */
};

struct storages {
	struct storage *list;
	size_t n;
};

/*
 * All storages with a folder, in the order of the file, as `node` sees them. A
 * missing file has "local" alone, which PVE has in any case (PVE::Storage::Plugin
 * parse_config); others' kinds (LVM, ZFS) are left out. Release with
 * storages_free(). 0, or a negative errno with err that names file and line.
 */
int storages_load(int root, const char *node, struct storages *out, struct error *err);
void storages_free(struct storages *s);

/* Does the storage list that kind ("snippets")? One that says nothing has images and rootdir. */
bool storage_has_content(const struct storage *s, const char *kind);

/* The folder of one storage, absolute. -ENOENT: no such storage, -EINVAL: it is no folder. */
int storage_path(int root, const char *id, char *path, size_t size, struct error *err);

#endif
