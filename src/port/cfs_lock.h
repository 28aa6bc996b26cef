/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cluster-wide lock under which /etc/pve/vfhook.cfg is changed: a directory
 * below /etc/pve/priv/lock, which pmxcfs lets only one node make (PVE::Cluster
 * cfs_lock). Within one node a flock orders us first, so that the directory is
 * not fought over by polling.
 */
#ifndef VFHOOK_PORT_CFS_LOCK_H
#define VFHOOK_PORT_CFS_LOCK_H

#include <stdbool.h>

#include "src/base/error.h"

struct cfs_lock {
	int root;
	int local; /* descriptor of this node's flock */
	bool held;
};

#define CFS_LOCK_INIT ((struct cfs_lock){-1, -1, false})

/*
 * Waits at most 10 s, for each of the two. -EWOULDBLOCK: another run or node has it; -EROFS: no
 * quorum. cfs_unlock() it, after a failure too.
 */
int cfs_lock(int root, struct cfs_lock *l, struct error *err);
void cfs_unlock(struct cfs_lock *l);

#endif
