/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Detached jobs: for what a start is called (start_reason), how a job is begun, and how far it is.
 *
 * When hostpciN itself must change, the start under way cannot see it: PVE has
 * read the config before the hook and holds its lock (PVE/QemuServer.pm:
 * vm_start). The start is refused and a detached job takes over: it waits for
 * the lock to go, writes hostpciN through REST and starts the VM again, once;
 * or, if nobody wanted the VM to run, leaves it off.
 *
 * A start that finds a job before its writing is refused at once and never waits for it: what it
 * waits for needs the lock that its own parent holds, and the config that PVE has read for it stays
 * as it is in any case. HA tries again some ten seconds later (PVE::HA::LRM: max_restart, one
 * round), when the job has long had the lock.
 */
#ifndef VFHOOK_HOOK_JOB_CONTROL_H
#define VFHOOK_HOOK_JOB_CONTROL_H

#include "pveapi/guest.h"
#include "src/port/context.h"

/* What a job is to do once hostpciN is written. */
enum job_kind {
	JOB_START, /* `vfhook job <vmid>`: start the VM */
	JOB_WRITE, /* `vfhook write-job <vmid>`: leave it off */
	/*
	 * `vfhook restart-job <vmid> <what>`: stop the VM, which runs on a VF that is not its own,
	 * and start it (hook/restart_job.h).
	 */
	JOB_RESTART,
	/*
	 * `vfhook live-job <vmid>`: see a VM through a live migration (src/command/cmd_live_job.c).
	 * It has a lock of its own, and no state.
	 */
	JOB_LIVE,
};

enum job_state {
	JOB_NONE,	/* no job for this VM */
	JOB_WAITING,	/* one is at work and has not started the VM yet */
	JOB_WRITING,	/* one is at work and will not start the VM */
	JOB_RESTARTING, /* one has done its work: this is the start that it asked for */
	JOB_ANEW,	/* one stops the VM and starts it: hostpci is right */
	JOB_KILLED,	/* none is at work, and the last one did not come to its end */
};

/*
 * Is a job alive for this VM, and how far is it? It holds a lock as long as it lives, which is only
 * looked at here. If that cannot be told the answer is JOB_NONE: two jobs find each other by the
 * lock itself.
 */
enum job_state job_state(struct hook *h, uint32_t vmid);

/* Of what kind such a job is. */
enum job_kind job_kind_of(enum job_state state);

/* Why PVE starts a VM. */
enum start_reason {
	START_WANTED,	  /* a person, HA or the node's boot wants it to run */
	START_FOR_BACKUP, /* vzdump starts a VM that is off, paused, and stops it again */
	START_BY_HAND,	  /* it does not: a person has called the phase */
	START_RESUME,	  /* from hibernation: nothing of its config may change */
};
enum start_reason start_reason(const struct hook *h, const struct guest_config *g);

/*
 * Start the job, with one word more than the VM's number (or NULL): a transient systemd unit,
 * vfhook-start-<vmid>, vfhook-write-<vmid> or vfhook-restart-<vmid>, or where there is no systemd a
 * process of its own with its output in a file of /run/vfhook. Neither keeps our stdout open: the
 * start would wait for it. where receives where its output can be read.
 */
int job_spawn(struct hook *h, uint32_t vmid, enum job_kind kind, const char *word, char *where,
	      size_t size, struct error *err);

/* A command that shows what such a job has said. Returns buf. */
const char *job_log(const struct hook *h, uint32_t vmid, enum job_kind kind, char *buf,
		    size_t size);

/* In words, what the job would do; for a dry run. */
int job_preview(struct hook *h, uint32_t vmid, enum job_kind kind, struct error *err);

/*
 * Begin the live job of a VM, beside one that may be there; a dry run begins none. 0, or a negative
 * errno with err.
 */
int live_job_begin(struct hook *h, uint32_t vmid, struct error *err);
/* The same, where nothing depends on it: a failure is told, with what to do. */
void live_job_begin_or_tell(struct hook *h, uint32_t vmid);

/*
 * For a live job: be the one of that VM, which is waited for some seconds. Returns a descriptor to
 * keep open; -EWOULDBLOCK: there is one.
 */
int live_job_lock(struct hook *h, uint32_t vmid, struct error *err);
/* Is there one? */
enum answer live_job_runs(struct hook *h, uint32_t vmid);

/*
 * For the job itself: be the one job of that VM, at its beginning. -EWOULDBLOCK: there is one, even
 * after timeout_ms. Returns a descriptor to keep open.
 */
int job_lock(struct hook *h, uint32_t vmid, enum job_kind kind, int timeout_ms, struct error *err);
/* JOB_NONE: it has come to its end, well or not. */
int job_set_state(int lock, enum job_state state, struct error *err);

#endif
