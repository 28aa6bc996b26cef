/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PVE runs one hookscript a VM. One that was there before us is kept in
 * vfhook.cfg (guest: <vmid>, chain <volid>) and run by us after our own work.
 */
#ifndef VFHOOK_HOOK_CHAIN_H
#define VFHOOK_HOOK_CHAIN_H

#include "src/port/context.h"

/*
 * Run the VM's chained script with <vmid> <phase>. Returns its exit status (128
 * + N for signal N, 1 if it cannot be run, which is complained of); nothing chained:
 * 0. A vfhook.cfg that cannot be read is complained of and counts as nothing chained.
 */
int chain_run(struct hook *h, uint32_t vmid, const char *phase);

/*
 * The file of a hookscript, below the root ("var/lib/vz/snippets/x"), as PVE
 * would find it through /etc/pve/storage.cfg. Checks that it is there and executable.
 */
int hookscript_path(int root, const char *volid, char *path, size_t size, struct error *err);

#endif
