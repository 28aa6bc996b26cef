/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PVE's lock on the VM during a phase. PVE calls a hookscript from the process that took
 * flock(2) on /var/lock/qemu-server/lock-<vmid>.conf (PVE::Tools lock_file_full: in that very
 * process, kept while the code runs; exec_hookscript forks): vm_start, vm_stop, `qm cleanup`,
 * vzdump and the target of a migration alike. Two calls come with the lock held by nobody:
 * post-stop on the target of a migration that failed (vm_stop with $migratedfrom), and
 * pre-start of a migration from another cluster (mtunnel: vm_start_nolock).
 *
 * A phase that a person calls has nobody's lock either. It must not clear the VF of a start
 * that is under way meanwhile.
 */
#ifndef VFHOOK_HOOK_PHASE_LOCK_H
#define VFHOOK_HOOK_PHASE_LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "src/base/error.h"

/* For phase_lock_is_callers() and phase_lock() alone. */
struct phase_look {
	int holder;
	pid_t pid;
	struct stat lock;
};

enum phase_lock {
	PHASE_LOCK_CALLERS, /* whoever called us holds it, or what called that */
	PHASE_LOCK_OURS,    /* nobody did: we do now */
	/*
	 * Somebody does, and who cannot be told: the process that took it is gone and left it
	 * to a child (a shell with `flock 9`), it is in another PID namespace, /proc is
	 * unreadable. PVE's own call looks like none of these, but a start of PVE must not
	 * depend on that: it goes on.
	 */
	PHASE_LOCK_UNKNOWN,
};

/*
 * Whose lock this phase runs under. Free: it is taken, and *fd is what keeps it until it is
 * closed (else -1). Held by a process that did not call us: waited for, for wait_ms at most, then
 * -EWOULDBLOCK with err saying what to do instead. Under PVE's own lock this costs a stat() and
 * a read of /proc/locks.
 *
 * A container's is another file, held in pre-start and post-start alike (PVE::API2::LXC::Status).
 * Its post-stop is LXC's own call, with a `pct stop` that waits for it holding the lock, or nobody:
 * not to be asked for then.
 */
int phase_lock(int root, bool container, uint32_t vmid, const struct phase_look *seen, int wait_ms,
	       int *fd, struct error *err);

/*
 * Is it a VM's phase, under PVE's own lock? The first look of the above, and nothing is taken.
 * *seen is what was found, for phase_lock() right behind it; NULL there: it looks itself.
 */
bool phase_lock_is_callers(int root, uint32_t vmid, struct phase_look *seen);

#endif
