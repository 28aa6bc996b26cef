/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan under way, kept as /run/vfhook/journal/<vmid>. */
#ifndef VFHOOK_VF_JOURNAL_H
#define VFHOOK_VF_JOURNAL_H

#include <stdbool.h>

#include "src/base/error.h"
#include "src/vf/plan.h"

/*
 * A VM may have two: of what is done to its VFs, /run/vfhook/journal/<vmid>, and of what is done to
 * what PVE has of it, <vmid>.config (plan_kind_is_config()).
 */
enum journal { JOURNAL_VFS, JOURNAL_CONFIG };

/*
 * Write the plan down before it starts. 0; -EEXIST: an earlier one was not recovered; -E2BIG: it
 * has more than PLAN_STEPS_MAX steps, or too long texts; others with err.
 */
int journal_write(int root, const struct plan *p, struct error *err);
/* Is there one? True, too, where that cannot be told. */
bool journal_exists(int root, enum journal which, uint32_t vmid);
/* -ENOENT: none. -EINVAL: it is there but cannot be used; others: it cannot be read now. Release
 * *out with plan_free(). */
int journal_read(int root, enum journal which, uint32_t vmid, struct plan *out, struct error *err);
/* Remove it; none is fine. 0 or a negative errno with err. */
int journal_drop(int root, enum journal which, uint32_t vmid, struct error *err);
/* Rename one that cannot be read to <name>.broken. 0 or a negative errno with err. */
int journal_put_aside(int root, enum journal which, uint32_t vmid, struct error *err);
/* The VMs that have such a journal, *list is the caller's to free(). */
int journal_list(int root, enum journal which, uint32_t **list, size_t *n, struct error *err);

#endif
