/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes of this node: told from later ones with the same number, and their command lines. */
#ifndef VFHOOK_PVEAPI_PROCESS_H
#define VFHOOK_PVEAPI_PROCESS_H

#include <sys/types.h>

#include "src/base/answer.h"

/* A process, told from a later one with the same number by its start time. */
struct proc_id {
	pid_t pid;		  /* 0: none */
	unsigned long long start; /* clock ticks after boot: field 22 of /proc/<pid>/stat */
};

/* Does that very process live? A zombie does not. UNKNOWN: it cannot be told now. */
enum answer proc_alive(int root, const struct proc_id *p);
/* Fills start for pid; -ESRCH if there is no such process. */
int proc_id_get(int root, pid_t pid, struct proc_id *out);

/*
 * The command line of that very process: NUL after each argument, and one more behind the last.
 * Returns its length, 0 if the process is gone (or has none), or a negative errno. *out is the
 * caller's to free(), and is set only for a length above 0.
 */
ssize_t proc_cmdline(int root, const struct proc_id *p, char **out);

/* No chain of callers is followed further. */
#define PROC_ANCESTORS_MAX 64
/* Who made that process: field 4 of /proc/<pid>/stat. -1: cannot be told. */
pid_t proc_parent(int root, pid_t pid);
/* Did that process call us, or what called us? 1, 0, or -1: cannot be told. */
int proc_is_ancestor(int root, pid_t pid);

#endif
