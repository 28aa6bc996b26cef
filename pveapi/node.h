/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The node this program runs on, and what a node may be called. */
#ifndef VFHOOK_PVEAPI_NODE_H
#define VFHOOK_PVEAPI_NODE_H

#include <stddef.h>

#include "src/base/error.h"

/*
 * The folder of `node` this program runs on: the target of /etc/pve/local
 * ("nodes/<node>"), else the host name up to its first dot, as
 * PVE::INotify::nodename makes it. Returns 0 or a negative errno.
 */
int pve_node_name(int root, char *buf, size_t size, struct error *err);

/* Refuse (-EINVAL) what is no node's name; NULL too. It may go into a path then. */
int pve_node_check(const char *name, struct error *err);

#endif
