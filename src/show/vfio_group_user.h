/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which process has a VFIO group open: asked of /proc, for opening a group ourselves could be in a
 * start's way. */
#ifndef VFHOOK_SHOW_VFIO_GROUP_USER_H
#define VFHOOK_SHOW_VFIO_GROUP_USER_H

#include <stdint.h>

/* Its process id in the tree at root (a directory's descriptor). 0: none, or it cannot be told. */
uint32_t vfio_group_user(int root, int group);

#endif
