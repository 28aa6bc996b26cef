/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every phase and command works with: the root, the node's name, the connections, and what is
 * known of this run.
 */
#ifndef VFHOOK_PORT_CONTEXT_H
#define VFHOOK_PORT_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pveapi/guest.h"
#include "pveapi/mapping.h"
#include "pveapi/rest.h"
#include "src/base/error.h"
#include "src/port/vm_locks.h"
#include "src/vf/executor.h"
#include "src/vf/kernel.h"
#include "src/vf/plan.h"

struct vfs_maker; /* src/host/remake.h */

struct hook {
	int root;	       /* descriptor of "/", or of --root DIR */
	const char *root_text; /* --root's argument, or NULL */
	char node[NAME_LEN];   /* this node's name */
	const char *migrated_from;
	uint32_t thought_stopped; /* a dry run's: the VM that runs, but is planned for as if not */
	int waited_ms;	/* for VFIO groups that are still open, in this run (src/port/reclaim.c) */
	int unplug_ms;	/* how long a guest may take to let go of a VF; 0: UNPLUG_WAIT_MS */
	bool dry_run;	/* tell, and change nothing: not on disk, in the kernel, or in PVE */
	bool container; /* it is about a container: for words */
	bool by_hand;	/* a phase under PVE's lock of our own: no start of PVE's */
	bool nothing_chained;  /* vfhook.cfg was read, and the VM has no other hookscript */
	struct kernel *kernel; /* opened at first need */
	struct rest *rest;     /* likewise: an ordinary start never loads libcurl */
	/* Boot's and repair's alone: may make VFs, and take them away (src/port/vfs_maker.h). */
	const struct vfs_maker *maker;
	/* Of a VM that is off, and kept so (OBJECT_OFF) while what it needs is taken away. */
	struct vm_locks off;
	bool new_mapping; /* the last plan of a start changes a mapping */
	struct plan
		foreseen; /* a dry run's: what would have been done by now (src/port/foreseen.h) */
	char detail[800]; /* for a refusal's event: what was told in lines of their own */
};

#define HOOK_INIT ((struct hook){.root = -1, .off = VM_LOCKS_INIT})

/* "VM" or "CT", as PVE has it in its tasks. */
static inline const char *hook_guest(const struct hook *h)
{
	return h->container ? "CT" : "VM";
}

/*
 * Open the root directory (root_text, or "/" if that is NULL; it must outlive h), find the node's
 * name. Everything else comes at first need. 0, or a negative errno with err; hook_free() in any
 * case.
 */
int hook_init(struct hook *h, const char *root_text, struct error *err);
void hook_free(struct hook *h);

/*
 * Is /etc/pve the cluster's (pveapi/pmxcfs.h)? Commands are asked this before they run; a phase is
 * not (PVE has read the VM's config there just now), but has the words for what it cannot read.
 */
int hook_pve(const struct hook *h, struct error *err);

/*
 * The rtnetlink socket, and the REST connection, opened at first need and kept until hook_free().
 * 0, or a negative errno with err.
 */
int hook_kernel(struct hook *h, struct error *err);
int hook_rest(struct hook *h, struct error *err);

/*
 * The absolute path of a file below the root, to give to execv(). For a child that fork()
 * has just made: no memory is taken. False with errno set if the root has no path.
 */
bool hook_host_path(const struct hook *h, const char *path, char *buf, size_t size);

#endif
