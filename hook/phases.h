/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The phases that PVE calls a hookscript in, and the detached jobs. Each returns the exit status of
 * the process.
 */
#ifndef VFHOOK_HOOK_PHASES_H
#define VFHOOK_HOOK_PHASES_H

#include <stdint.h>

#include "src/port/context.h"

int phase_pre_start(struct hook *h, uint32_t vmid);
int phase_post_start(struct hook *h, uint32_t vmid);
int phase_pre_stop(struct hook *h, uint32_t vmid);
int phase_post_stop(struct hook *h, uint32_t vmid);
/* Those of a container, which has nothing to do in pre-stop. */
int ct_pre_start(struct hook *h, uint32_t vmid);
int ct_post_start(struct hook *h, uint32_t vmid);
int ct_post_stop(struct hook *h, uint32_t vmid);
/* The detached jobs of hook/job_control.h. */
int run_job(struct hook *h, uint32_t vmid);
int run_write_job(struct hook *h, uint32_t vmid);

#endif
