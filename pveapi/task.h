/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The task of PVE that this process works for. */
#ifndef VFHOOK_PVEAPI_TASK_H
#define VFHOOK_PVEAPI_TASK_H

#include <stdbool.h>
#include <stddef.h>

#define TASK_TYPE_LEN 32

/*
 * Find the nearest ancestor of this process that is a task's worker, and the task's type:
 * "qmstart", "vzdump", ... A worker's title is "task <UPID>" (PVE::RESTEnvironment fork_worker),
 * and a UPID is "UPID:node:pid:pstart:starttime:type:id:user:" (PVE::UPID). The id says nothing: a
 * backup of several guests has none. Returns 1 and fills type; 0: there is no such ancestor; a
 * negative errno if that cannot be told.
 */
int task_type_of_ancestor(int root, char type[TASK_TYPE_LEN]);

/* The type in a UPID. False if this is none, or the type is longer than any of PVE's. */
bool upid_type(const char *upid, char type[TASK_TYPE_LEN]);

#endif
