/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does a guest run, of whichever kind it is? */
#ifndef VFHOOK_PORT_GUEST_RUNS_H
#define VFHOOK_PORT_GUEST_RUNS_H

#include <stdbool.h>
#include <stdint.h>

#include "pveapi/guest_list.h"
#include "pveapi/process.h"
#include "src/base/answer.h"
#include "src/base/error.h"
#include "src/port/context.h"

/*
 * VM or container: by the folder of its config, and for one that this node has no config of, by the
 * leases that it has here. A guest that is nowhere is a VM. UNKNOWN with err.
 */
enum guest_kind guest_kind_here(struct hook *h, uint32_t vmid, struct error *err);

/* "CT" or "VM", for a message that must not fail. */
const char *guest_word(struct hook *h, uint32_t vmid);

/*
 * Does it run? *process: its QEMU, or the container's monitor, if that is known. vm_runs() and
 * ct_lives(): a container that may be rebooting is UNKNOWN.
 */
enum answer guest_runs(struct hook *h, uint32_t vmid, struct proc_id *process, struct error *err);

#endif
