/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PVE's own lock on a guest: a VM, or a container. */
#ifndef VFHOOK_PVEAPI_VM_LOCK_H
#define VFHOOK_PVEAPI_VM_LOCK_H

#include <stdint.h>

#include "src/base/error.h"

/*
 * Try PVE's own lock on the VM's config, /var/lock/qemu-server/lock-<vmid>.conf
 * (PVE::AbstractConfig lock_config; flock). Returns a descriptor whose close()
 * frees it; -EWOULDBLOCK if a start, stop or other work holds it now; another
 * negative errno with err filled. Waits at most timeout_ms. Creates directory
 * and file if need be, as PVE does.
 */
int vm_lock(int root, uint32_t vmid, int timeout_ms, struct error *err);

/* Where that lock is, below the root. Returns buf. */
const char *vm_lock_path(uint32_t vmid, char buf[64]);

/*
 * The same for a container: /run/lock/lxc/pve-config-<vmid>.lock (PVE::LXC::Config
 * config_file_lock).
 */
int ct_lock(int root, uint32_t vmid, int timeout_ms, struct error *err);
const char *ct_lock_path(uint32_t vmid, char buf[64]);

#endif
