/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The folders that guest configs are in: /etc/pve/nodes/<node>/{qemu-server,lxc}. */
#ifndef VFHOOK_PVEAPI_GUEST_DIR_H
#define VFHOOK_PVEAPI_GUEST_DIR_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

#include "src/base/error.h"

/* Release with dir_names_free(). */
struct dir_names {
	struct dirent **list; /* in the order of their names */
	int n;
};

void dir_names_free(struct dir_names *names);

/*
 * The nodes' folders, and the configs in one of them; path is absolute, below root. What has no
 * such name is left out, and a folder that is not there has none. 0, or a negative errno with err.
 */
int list_nodes(int root, struct dir_names *out, struct error *err);
int list_configs(int root, const char *path, struct dir_names *out, struct error *err);

/* "100.conf": is it a config's name, and whose? */
bool conf_vmid(const char *name, uint32_t *vmid);

#endif
