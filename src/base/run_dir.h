/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /run/vfhook: what is kept of VFs and VMs until the next boot. */
#ifndef VFHOOK_BASE_RUN_DIR_H
#define VFHOOK_BASE_RUN_DIR_H

#include "src/base/error.h"
#include "src/base/text.h"

/* Below the root directory, as all paths (src/base/file.h). */
#define RUN_DIR	    "run/vfhook"
#define LEASE_DIR   RUN_DIR "/leases"
#define LOCKS_DIR   RUN_DIR "/locks" /* root's alone: whoever can open a lock can hold it */
#define JOURNAL_DIR RUN_DIR "/journal"

/*
 * Make what is missing of /run/vfhook and the folders in it: 0755, since everybody may look at
 * leases, and locks 0700, since whoever can open a file can flock(2) it, for as long as he likes.
 * 0 or a negative errno with err.
 */
int run_dirs_make(int root, struct error *err);

/*
 * Create a file in there that must not exist, as file_create(); a folder that is missing is made
 * first. 0; -EEXIST with err: somebody was first; another negative errno with err.
 */
int run_file_create(int root, const char *path, const struct str *text, struct error *err);

#endif
