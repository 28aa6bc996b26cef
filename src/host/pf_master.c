/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The master of an interface, out of sysfs. */
#include "src/host/pf_master.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "src/base/file.h"

#define NET_DIR "sys/class/net"

static enum master_kind kind_of(int root, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), NET_DIR "/%s/bonding", name);
	if (path_exists(root, path))
		return MASTER_BOND;
	snprintf(path, sizeof(path), NET_DIR "/%s/bridge", name);
	if (path_exists(root, path))
		return MASTER_BRIDGE;
	/* All ports of all its bridges have this one. */
	return strcmp(name, "ovs-system") != 0 ? MASTER_OTHER : MASTER_OVS;
}

static bool master_of(int root, const char *ifname, char name[IFNAME_LEN])
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), NET_DIR "/%s/master", ifname);
	return !link_basename(root, path, name, IFNAME_LEN);
}

void pf_master_read(int root, const char *ifname, struct pf_master *m)
{
	char path[PATH_MAX];

	*m = (struct pf_master){.kind = MASTER_NONE};
	if (!master_of(root, ifname, m->name))
		return;
	m->kind = kind_of(root, m->name);
	if (m->kind != MASTER_BOND)
		return;
	/* "802.3ad 4" */
	snprintf(path, sizeof(path), NET_DIR "/%s/bonding/mode", m->name);
	if (attr_read(root, path, m->mode, sizeof(m->mode)) < 0)
		m->mode[0] = '\0';
	m->mode[strcspn(m->mode, " ")] = '\0';
}
