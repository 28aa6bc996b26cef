/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the detached jobs share: have PVE start a VM, and see that it runs. */
#ifndef VFHOOK_HOOK_START_VM_H
#define VFHOOK_HOOK_START_VM_H

#include "src/port/context.h"

/*
 * Is the VM's config on this node? 0, or -ENOENT with err saying where it is instead: one that is
 * started elsewhere, by HA say, gets there what it needs.
 */
int vm_still_here(struct hook *h, uint32_t vmid, struct error *err);

/*
 * Ask PVE to start it, and wait until QEMU runs; one that somebody else has started meanwhile is
 * fine. For a VM of HA's the task only tells HA, which is waited for.
 */
int vm_start_wait(struct hook *h, uint32_t vmid, struct error *err);

/* Wait until HA has started it, here; at most some rounds of its manager. */
int vm_wait_for_ha(struct hook *h, uint32_t vmid, struct error *err);

#endif
