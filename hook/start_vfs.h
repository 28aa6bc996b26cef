/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a VM's pre-start and a container's have in common: the ports' VFs, or a refusal. */
#ifndef VFHOOK_HOOK_START_VFS_H
#define VFHOOK_HOOK_START_VFS_H

#include <stdint.h>

#include "src/base/error.h"
#include "src/port/context.h"
#include "src/port/vm_ports.h"
#include "src/vf/owner.h"

/* Tell that the guest is not started, and why; kept as an event. The exit status. */
int start_refuse(struct hook *h, uint32_t vmid, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* `mac auto` becomes an address that is kept for ever. 0 or a negative errno with err. */
int start_settle_macs(struct hook *h, struct vm_ports *v, struct error *err);

/*
 * A VF for each wish of v, leased and set, with what goes with it, and told; what stood in the way
 * and is nobody's any more is taken back first. 0 or a negative errno with err. The owner's VM is
 * off, and its journal recovered.
 */
int start_get_vfs(struct hook *h, const struct owner *o, struct vm_ports *v, struct error *err);

/*
 * Guests on bridges over a PF cannot be reached from its VFs unless somebody keeps the PF's filter:
 * no reason to refuse the start, which has its network all the same. Told.
 */
void start_tell_filters(struct hook *h, const struct vm_ports *v);

#endif
