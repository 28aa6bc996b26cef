/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is the guest off, as pre-start and post-stop want it: a VM and a container alike. */
#ifndef VFHOOK_HOOK_GUEST_OFF_H
#define VFHOOK_HOOK_GUEST_OFF_H

#include <stdint.h>

#include "pveapi/process.h"
#include "src/base/answer.h"
#include "src/base/error.h"
#include "src/port/context.h"

/*
 * Does it run, as what h->container says it is? For its own phases: PVE has just written what a
 * container that may be rebooting is told by, so that it is not waited for. UNKNOWN with err.
 */
enum answer guest_runs_now(struct hook *h, uint32_t vmid, struct proc_id *process,
			   struct error *err);

/*
 * What runs, or may, is not to be started: what it runs on would be set anew. 0, or a negative
 * errno with err; in a dry run one that runs is taken for stopped.
 */
int guest_off_for_start(struct hook *h, uint32_t vmid, struct error *err);

/* Before its VFs are given back. 0: it has stopped; 1: it runs, or may: told. A dry run as above.
 */
int guest_off_for_release(struct hook *h, uint32_t vmid);

#endif
