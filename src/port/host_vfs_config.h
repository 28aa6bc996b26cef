/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VFs of a pool's PF that are the host's own: a bridge, an address or a container of this node has
 * them, and no VM ever gets one. One line of the pool for each, or for some alike:
 *
 *	host-vfs node=pve1,path=0000:06:00.0,vf=0,mac=02:00:00:00:00:01,vlan=30
 *	host-vfs node=pve1,path=0000:06:00.0,vf=1-2
 */
#ifndef VFHOOK_PORT_HOST_VFS_CONFIG_H
#define VFHOOK_PORT_HOST_VFS_CONFIG_H

#include "src/port/config.h"

/* The value of such a line. -EINVAL with what is wrong. */
int host_vfs_parse(const char *value, struct host_vfs *out, struct error *err);

/*
 * What `pool add --host-vfs` takes, for one PF: "0,vlan=30+1-2" or "none" (then *n is 0). *out is
 * the caller's to free(). -EINVAL with what is wrong.
 */
int host_vfs_list_parse(const char *list, const char *node, const struct pci_addr *pf,
			struct host_vfs **out, size_t *n, struct error *err);

/* Append the whole line, tab and line break too; and what host_vfs_list_parse() reads, of one. */
void host_vfs_text(const struct host_vfs *v, struct str *out);
void host_vfs_list_text(const struct host_vfs *v, struct str *out);

/*
 * Let the pool's PFs know which of their VFs are the host's. -EINVAL: a line names a PF that is not
 * the pool's, or a VF that another line has, or more VFs than the pool wants.
 */
int host_vfs_join(struct pool *p, struct error *err);

/* The line that a VF of a PF stands in, or NULL. */
const struct host_vfs *host_vfs_find(const struct pool *p, const char *node,
				     const struct pci_addr *pf, unsigned index);

#endif
