/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When hostpciN itself must change, the start under way cannot see it: PVE has
 * read the config before the hook and holds its lock (PVE/QemuServer.pm:
 * vm_start). The start is refused and a detached job takes over: it waits for
 * the lock to go, writes hostpciN through REST and starts the VM again, once.
 */
#ifndef VFHOOK_HOOK_HANDOVER_H
#define VFHOOK_HOOK_HANDOVER_H

#include "hook/hook.h"

enum job_state {
	JOB_NONE,	/* no job for this VM */
	JOB_WAITING,	/* one is at work and has not started the VM yet */
	JOB_RESTARTING, /* one has done its work: this is the start that it asked for */
};

/* Is a job alive for this VM, and how far is it? It holds a lock as long as it lives. */
enum job_state job_state(struct hook *h, uint32_t vmid);

/*
 * Start the job: a transient systemd unit, vfhook-start-<vmid>, or where there
 * is no systemd a process of its own with its output in /run/vfhook/job-<vmid>.log. Neither
 * keeps our stdout open: the start would wait for it.
 * where receives where its output can be read.
 */
int job_spawn(struct hook *h, uint32_t vmid, char *where, size_t size, struct error *err);

/* In words, what the job would do; for a dry run. */
int job_preview(struct hook *h, uint32_t vmid, struct error *err);

/* For the job itself: be the one job of that VM. -EWOULDBLOCK: there is one. Returns a
 * descriptor to keep open. */
int job_lock(struct hook *h, uint32_t vmid, struct error *err);
int job_set_state(int lock, enum job_state state, struct error *err);

#endif
