/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listing the folders of guest configs. */
#include "pveapi/guest_dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/limits.h"
#include "src/base/text.h"

void dir_names_free(struct dir_names *names)
{
	for (int i = 0; i < names->n; i++)
		free(names->list[i]);
	free(names->list);
}

bool conf_vmid(const char *name, uint32_t *vmid)
{
	const char *dot = strchr(name, '.');
	char digits[16];

	if (!dot || strcmp(dot, ".conf") != 0 || (size_t)(dot - name) >= sizeof(digits))
		return false;
	memcpy(digits, name, (size_t)(dot - name));
	digits[dot - name] = '\0';
	return digits[0] != '0' && !parse_u32(digits, PVE_VMID_MAX, vmid) && *vmid >= PVE_VMID_MIN;
}

static int is_conf(const struct dirent *d)
{
	uint32_t vmid;

	return conf_vmid(d->d_name, &vmid);
}

static int is_node(const struct dirent *d)
{
	return is_plain_name(d->d_name, PVE_NODE_MAX_LEN);
}

/* In the order of their names; a folder that is not there has none. */
static int list_dir(int root, const char *path, int (*filter)(const struct dirent *),
		    struct dir_names *out, struct error *err)
{
	int n = scandirat(root, path + 1, &out->list, filter, versionsort);

	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0)
		return fail_errno(err, errno, "list %s", path);
	out->n = n;
	return 0;
}

int list_nodes(int root, struct dir_names *out, struct error *err)
{
	return list_dir(root, "/etc/pve/nodes", is_node, out, err);
}

int list_configs(int root, const char *path, struct dir_names *out, struct error *err)
{
	return list_dir(root, path, is_conf, out, err);
}
