/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every phase and command works with. */
#ifndef VFHOOK_PORT_HOOK_H
#define VFHOOK_PORT_HOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/port/config.h"
#include "pveapi/guest.h"
#include "pveapi/mapping.h"
#include "pveapi/rest.h"
#include "src/vf/execute.h"
#include "src/vf/kernel.h"
#include "src/vf/plan.h"

struct vfs_maker;

struct hook {
	int root;	       /* descriptor of "/", or of --root DIR */
	const char *root_text; /* --root's argument, or NULL */
	char node[NAME_LEN];   /* this node's name */
	const char *migrated_from;
	uint32_t thought_stopped; /* a dry run's: the VM that runs, but is planned for as if not */
	bool dry_run;	       /* tell, and change nothing: not on disk, in the kernel, or in PVE */
	bool by_hand;	       /* a phase under PVE's lock of our own: no start of PVE's */
	bool nothing_chained;  /* vfhook.cfg was read, and the VM has no other hookscript */
	struct kernel *kernel; /* opened at first need */
	struct rest *rest;     /* likewise: an ordinary start never loads libcurl */
	struct executor exec;
	/* Boot's and repair's alone: may make VFs, and take them away (src/port/vfs_maker.h). */
	const struct vfs_maker *maker;
	/* The locks of a VM that is off, and kept so while what it needs is taken away. */
	struct owner *off;
	int off_pve;
	bool new_mapping;     /* the last plan of a start changes a mapping */
	struct plan foreseen; /* a dry run's: what would have been done by now (src/port/apply.h) */
	char detail[800];     /* for a refusal's event: what was told in lines of their own */
};

#define HOOK_INIT                                                                                  \
	{                                                                                          \
		.root = -1, .off_pve = -1                                                          \
	}

/* Open the root directory, find the node's name. Everything else comes at first need. */
int hook_init(struct hook *h, const char *root_text, struct error *err);
void hook_free(struct hook *h);

/*
 * Is /etc/pve the cluster's (pveapi/pmxcfs.h)? Commands are asked this before they run; a phase is
 * not (PVE has read the VM's config there just now), but has the words for what it cannot read.
 */
int hook_pve(const struct hook *h, struct error *err);

/* The rtnetlink socket and the executor over it. */
int hook_kernel(struct hook *h, struct error *err);
/* The REST connection. */
int hook_rest(struct hook *h, struct error *err);

/*
 * Our own lock on a VM: two runs for one VM come one after the other. PVE's lock is held by our
 * parent during a phase and cannot serve for that. 0 and *out, released with owner_unlock(), or a
 * negative errno with err (-EWOULDBLOCK: somebody holds it). A dry run takes no lock and makes no
 * file: it tells if another run holds it.
 */
int hook_lock_vm(struct hook *h, uint32_t vmid, int timeout_ms, struct owner **out,
		 struct error *err);

/*
 * The lock for plans that change what PVE has of a VM, before all others, for a person's commands
 * and the job; a phase must not take it. -EBUSY: another command has it.
 */
int hook_lock_config(struct hook *h, uint32_t vmid, int timeout_ms, struct owner **out,
		     struct error *err);

/* "vf-100-0": the id of a port's mapping. Returns buf. */
const char *port_mapping_id(uint32_t vmid, unsigned slot, char buf[NAME_LEN]);
/* The reverse; false if id is no mapping of ours. */
bool port_mapping_parse(const char *id, uint32_t *vmid, unsigned *slot);
/* "vf-100-": what the ids of a VM's mappings begin with. Returns buf. */
const char *port_mapping_prefix(uint32_t vmid, char buf[NAME_LEN]);

/*
 * The absolute path of a file below the root, to give to execv(). For a child that fork()
 * has just made: no memory is taken. False with errno set if the root has no path.
 */
bool hook_host_path(const struct hook *h, const char *path, char *buf, size_t size);

/* The phases. Each returns the process's exit status. */
int phase_pre_start(struct hook *h, uint32_t vmid);
int phase_post_start(struct hook *h, uint32_t vmid);
int phase_pre_stop(struct hook *h, uint32_t vmid);
int phase_post_stop(struct hook *h, uint32_t vmid);
/* The detached jobs of hook/job_control.h. */
int run_job(struct hook *h, uint32_t vmid);
int run_write_job(struct hook *h, uint32_t vmid);

#endif
