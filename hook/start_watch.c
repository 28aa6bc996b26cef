/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Was a start refused by PVE for an old mapping? Then it is asked for once more. */
#include "hook/start_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hook/job_control.h"
#include "pveapi/api_vm.h"
#include "pveapi/process.h"
#include "pveapi/vm_lock.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/file.h"
#include "src/base/say.h"
#include "src/base/text.h"
#include "src/port/events.h"
#include "src/port/foreseen.h"
#include "src/vf/lease.h"

#define TASKS "var/log/pve/tasks"
/* A start takes its time: big guests, slow storage. */
#define START_OVER_MS 300000
#define START_WAIT_MS 600000
#define LOG_END	      4096

/* --- PVE's task logs --- */

/* The number behind the n-th colon of a UPID (PVE/UPID.pm), in hex. */
static bool upid_hex(const char *upid, unsigned n, uint32_t *out)
{
	char *end;

	for (; n && upid; n--) {
		upid = strchr(upid, ':');
		upid = upid ? upid + 1 : NULL;
	}
	if (!upid)
		return false;
	*out = (uint32_t)strtoul(upid, &end, 16);
	return end != upid && *end == ':';
}

/* UPID:<node>:<pid>:<pstart>:<starttime>:qmstart:<vmid>:<user>: */
static bool is_start_of(const char *name, uint32_t vmid, uint32_t *start)
{
	char part[32];

	snprintf(part, sizeof(part), ":qmstart:%u:", vmid);
	return !strncmp(name, "UPID:", 5) && strstr(name, part) && upid_hex(name, 4, start);
}

/* The log of the newest start task, below the root. False: there is none. */
static bool newest_log(int root, uint32_t vmid, char path[PATH_MAX])
{
	static const char digits[] = "0123456789ABCDEF";
	uint32_t newest = 0;
	bool found = false;

	for (const char *digit = digits; *digit; digit++) {
		char dir[sizeof(TASKS) + 2];
		AUTO_CLOSEDIR DIR *d = NULL;
		const struct dirent *e;

		snprintf(dir, sizeof(dir), TASKS "/%c", *digit);
		d = dir_open(root, dir);
		while (d && (e = readdir(d))) {
			uint32_t start;

			if (!is_start_of(e->d_name, vmid, &start) || (found && start < newest))
				continue;
			newest = start;
			found = true;
			snprintf(path, PATH_MAX, "%s/%s", dir, e->d_name);
		}
	}
	return found;
}

/* The end of a log, of a task that ended at `since` or later, without its last line breaks. */
static bool read_end(int root, const char *path, int64_t since, char text[LOG_END + 1])
{
	AUTO_CLOSE int fd = openat(root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_mtime < since)
		return false;
	n = pread(fd, text, LOG_END, st.st_size > LOG_END ? st.st_size - LOG_END : 0);
	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (n <= 0)
		return false;
	text[n] = '\0';
	return true;
}

/*
 * PVE::QemuServer::PCI: what a mapping names that is no news any more. Another VM has the VF
 * (reserve_pci_usage), or the VM's own other port (choose_hostpci_devices).
 */
static bool tells_stale_mapping(const char *line)
{
	if (strstr(line, "PCI device '"))
		return strstr(line, "already in use by VMID '") ||
		       strstr(line, "reserved for use by VMID '");
	return strstr(line, "device '") && strstr(line, "' assigned more than once");
}

/*
 * QEMU has ended for a mapping that still said live-migration-capable: PVE gives it
 * enable-migration=on then (PVE/QemuServer/PCI.pm), and a VF that cannot migrate is refused
 * (QEMU hw/vfio/migration.c: vfio_migration_realize). The line is QEMU's; the task's last one tells
 * only that it has ended.
 */
static const char *tells_stale_flag(const char *text, const char *line)
{
	static const char *const words[] = {"VFIO migration is not supported in kernel",
					    "Migration couldn't be initialized for VFIO device"};

	if (!strstr(line, "QEMU exited with code"))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strstr(text, words[i]))
			return words[i];
	}
	return NULL;
}

bool start_was_stale(int root, uint32_t vmid, int64_t since, char *why, size_t size)
{
	char path[PATH_MAX];
	char text[LOG_END + 1];
	char line[LOG_END];
	const char *begin;
	const char *flag;

	if (!newest_log(root, vmid, path) || !read_end(root, path, since, text))
		return false;
	begin = strrchr(text, '\n');
	text_clean(begin ? begin + 1 : text, line, sizeof(line));
	flag = tells_stale_flag(text, line);
	if (strncmp(line, "TASK ERROR: ", 12) != 0 || (!flag && !tells_stale_mapping(line)))
		return false;
	snprintf(why, size, "%s", flag ? flag : line + 12);
	return true;
}

/* --- The watcher --- */

/* The lease that a start left behind which went no further. */
static bool left_starting(struct hook *h, uint32_t vmid, int64_t *taken)
{
	AUTO_FREE struct lease_entry *all = NULL;
	size_t n = 0;
	bool found = false;

	if (foreseen_leases(h, &all, &n, NULL) < 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (all[i].broken || all[i].lease.vmid != vmid)
			continue;
		if (all[i].lease.phase != LEASE_STARTING)
			return false;
		*taken = all[i].lease.taken;
		found = true;
	}
	return found;
}

static bool is_refused(struct hook *h, uint32_t vmid, char *why, size_t size)
{
	struct proc_id qemu;
	int64_t taken = 0;

	return vm_runs(h->root, vmid, &qemu, NULL) == ANSWER_NO && left_starting(h, vmid, &taken) &&
	       start_was_stale(h->root, vmid, taken, why, size);
}

static int start_once_more(struct hook *h, uint32_t vmid, struct error *err)
{
	AUTO_FREE char *upid = NULL;
	AUTO_CLOSE int job = job_lock(h, vmid, JOB_START, 0, err);
	int r;

	if (job < 0 || job_set_state(job, JOB_RESTARTING, err) < 0 || hook_rest(h, err) < 0 ||
	    api_vm_start(h->rest, h->node, vmid, &upid, err) < 0)
		return error_code(err);
	say("VM %u: started once more: %s", vmid, upid);
	r = api_task_wait(h->rest, h->node, upid, START_WAIT_MS, err);
	/* Else it would seem to have been killed. */
	job_set_state(job, JOB_NONE, NULL);
	return r;
}

static int wait_for_start(struct hook *h, uint32_t vmid, struct error *err)
{
	AUTO_CLOSE int lock = vm_lock(h->root, vmid, START_OVER_MS, err);

	return lock < 0 ? lock : 0;
}

int run_watch(struct hook *h, uint32_t vmid)
{
	struct error err = ERROR_INIT;
	char why[300];
	int tries = 20;

	if (h->dry_run)
		return 0;
	if (wait_for_start(h, vmid, &err) < 0) {
		complain("%s", err.text);
		return 1;
	}
	/* PVE gives its lock back a moment before it writes the last line of the task's log. */
	while (!is_refused(h, vmid, why, sizeof(why)) && tries-- > 0 &&
	       vm_runs(h->root, vmid, &(struct proc_id){0}, NULL) == ANSWER_NO)
		nap_ms(100);
	if (!is_refused(h, vmid, why, sizeof(why)))
		return 0;
	event_add(h, vmid, EVENT_REFUSED,
		  "PVE refused it after vfhook was done, with an old mapping from a worker's "
		  "cache: %s; "
		  "it is started once more",
		  why);
	if (start_once_more(h, vmid, &err) == 0)
		return 0;
	complain("VM %u is not running: %s", vmid, err.text);
	event_add(h, vmid, EVENT_REFUSED,
		  "started once more, and not running: %s; next: qm start %u", err.text, vmid);
	return 1;
}

/* --- Starting it --- */

static void exec_watch(const struct hook *h, char *self, char *vmid_text)
{
	char *argv[6];
	size_t n = 0;
	int null = open("/dev/null", O_RDWR | O_NOCTTY);

	argv[n++] = self;
	if (h->root_text) {
		argv[n++] = (char *)"--root";
		argv[n++] = (char *)h->root_text;
	}
	argv[n++] = (char *)"watch";
	argv[n++] = vmid_text;
	argv[n] = NULL;
	/* PVE's task waits for whoever holds its pipes. */
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		_exit(127);
	close_range(3, UINT_MAX, 0);
	if (chdir("/") < 0)
		_exit(127);
	execv(self, argv);
	_exit(127);
}

void watch_spawn(struct hook *h, uint32_t vmid)
{
	char self[PATH_MAX];
	char vmid_text[16];
	ssize_t n;
	pid_t pid;

	enum job_state job = job_state(h, vmid);

	/* A job that is alive sees for itself whether its start succeeds. */
	if (h->dry_run || (h->migrated_from && h->migrated_from[0]) ||
	    (job != JOB_NONE && job != JOB_KILLED))
		return;
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0)
		return;
	self[n] = '\0';
	snprintf(vmid_text, sizeof(vmid_text), "%u", vmid);
	pid = fork();
	if (!pid) {
		/* In a session of its own: PVE ends the task's when the task is over. */
		setsid();
		if (!fork())
			exec_watch(h, self, vmid_text);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
