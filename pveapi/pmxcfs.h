/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /etc/pve: the cluster's file system, which pve-cluster's pmxcfs mounts there. */
#ifndef VFHOOK_PVEAPI_PMXCFS_H
#define VFHOOK_PVEAPI_PMXCFS_H

#include <stdbool.h>

#include "src/base/error.h"

/*
 * 0 if /etc/pve is the cluster's, -ENODEV if it is only the folder of that name below it (what is
 * written there is hidden once pmxcfs comes, and nobody's until then), or what keeps it from being
 * looked at; err says what to do. pmxcfs always shows `local` and `nodes` (pve-cluster, cfs-plug.c
 * and memdb.c), with and without quorum. real: root is this machine's own, where something must be
 * mounted as well: a backup of /etc that was put back has such names, too.
 */
int pmxcfs_check(int root, bool real, struct error *err);

#endif
