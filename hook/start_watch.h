/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A start whose pre-start had to write a mapping may be refused by PVE all the same: a worker of
 * pvedaemon may serve the old mapping from its cache (PVE/Cluster.pm: cfs_read_file), and if
 * another VM has that VF by now, PVE ends with "PCI device '..' already in use by VMID '..'"
 * (PVE/QemuServer/PCI.pm: reserve_pci_usage) and calls no hook any more. So somebody looks once the
 * start is over, and has the VM started once more: by then the mapping is no news.
 */
#ifndef VFHOOK_HOOK_START_WATCH_H
#define VFHOOK_HOOK_START_WATCH_H

#include "src/port/context.h"

/*
 * Start `vfhook watch <vmid>` beside this start: it waits for PVE's lock on the VM, looks, and
 * ends. Nothing if a job is alive for the VM (this is the start that it asked for: no second try),
 * or in a migration. A watcher that cannot be started is no reason to refuse the start.
 */
void watch_spawn(struct hook *h, uint32_t vmid);

/* The watcher itself. Returns the process's exit status. */
int run_watch(struct hook *h, uint32_t vmid);

/*
 * Did PVE refuse the newest start task of the VM, which ended at `since` (epoch seconds) or later,
 * because another VM, or another port of it, has the VF of an old mapping, or QEMU for a mapping
 * that was marked for live migration? Then *why (size bytes) is PVE's line. Only a task of a start
 * by a person, a daemon or HA counts (qmstart): a backup's start has none.
 */
bool start_was_stale(int root, uint32_t vmid, int64_t since, char *why, size_t size);

#endif
