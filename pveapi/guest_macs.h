/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The MACs of all guests of the cluster. */
#ifndef VFHOOK_PVEAPI_GUEST_MACS_H
#define VFHOOK_PVEAPI_GUEST_MACS_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"

/* A MAC and the guest whose config has it. */
struct guest_mac {
	uint8_t mac[6];
	uint32_t vmid;
};

/*
 * Every MAC that a netN line of a guest (QEMU and containers) in the whole
 * cluster has, for finding a free one: /etc/pve/nodes/<node>/{qemu-server,lxc}.
 * Those of snapshots and pending changes too: a rollback brings them back. A
 * config that cannot be read is left out. *macs is the caller's to free().
 */
int guest_all_macs(int root, struct guest_mac **macs, size_t *n_macs, struct error *err);

#endif
