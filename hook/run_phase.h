/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What PVE calls us with, `<vmid> <phase>`, and what we start ourselves (hook/job_control.h,
 * hook/start_watch.h), found by its name and run.
 */
#ifndef VFHOOK_HOOK_RUN_PHASE_H
#define VFHOOK_HOOK_RUN_PHASE_H

#include <stdbool.h>

#include "hook/globals.h"

/* Are these words, the first behind the options, a phase or a job, or meant to be? */
bool is_phase_call(int argc, char **argv);

/* Run what they are. Returns an exit status; what is wrong with the words is complained of. */
int run_phase_call(const struct globals *g, int argc, char **argv);

#endif
