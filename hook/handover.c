/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hook/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/say.h"
#include "src/lease.h"

static const char *const states[] = {
	[JOB_NONE] = "none\n", [JOB_WAITING] = "waiting\n", [JOB_RESTARTING] = "restarting\n"};

static void lock_path(char path[64], uint32_t vmid)
{
	snprintf(path, 64, RUN_DIR "/locks/job-%u", vmid);
}

enum job_state job_state(struct hook *h, uint32_t vmid)
{
	AUTO_CLOSE int fd = -1;
	char path[64];
	char text[16] = "";
	ssize_t n;

	lock_path(path, vmid);
	fd = openat(h->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return JOB_NONE;
	/* Nobody holds it: the job is over, or died. */
	if (!flock(fd, LOCK_SH | LOCK_NB))
		return JOB_NONE;
	n = read(fd, text, sizeof(text) - 1);
	return n > 0 && !strcmp(text, states[JOB_RESTARTING]) ? JOB_RESTARTING : JOB_WAITING;
}

int job_lock(struct hook *h, uint32_t vmid, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	char path[64];

	if (run_dirs_make(h->root, err) < 0)
		return error_code(err);
	lock_path(path, vmid);
	fd = lock_take(h->root, path, 0, err);
	/* What the last job wrote there is not this one's state. */
	if (fd >= 0 && ftruncate(fd, 0) < 0)
		return fail_errno(err, errno, "write /%s", path);
	return fd < 0 ? fd : STEAL_FD(fd);
}

int job_set_state(int lock, enum job_state state, struct error *err)
{
	size_t len = strlen(states[state]);

	if (ftruncate(lock, 0) < 0 || pwrite(lock, states[state], len, 0) != (ssize_t)len)
		return fail_errno(err, errno ? errno : EIO, "write the state of the job");
	return 0;
}

/* The child's side: nothing of ours stays open but what it is given. */
static void exec_clean(int out, char *const argv[])
{
	int null = open("/dev/null", O_RDWR | O_NOCTTY);

	if (null < 0 || dup2(null, 0) < 0 || dup2(out >= 0 ? out : null, 1) < 0 ||
	    dup2(out >= 0 ? out : null, 2) < 0)
		_exit(127);
	close_range(3, UINT_MAX, 0);
	say_child();
	if (chdir("/") < 0)
		_exit(127);
	execv(argv[0], argv);
	_exit(127);
}

static int wait_exit(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool spawn_unit(struct hook *h, uint32_t vmid, char *self, char *vmid_text)
{
	char unit[64];
	char description[64];
	char *argv[16];
	size_t n = 0;
	pid_t pid;

	if (!path_exists(h->root, "run/systemd/system"))
		return false;
	snprintf(unit, sizeof(unit), "--unit=vfhook-start-%u", vmid);
	snprintf(description, sizeof(description), "--description=vfhook: write hostpci of VM %u",
		 vmid);
	argv[n++] = (char *)"/usr/bin/systemd-run";
	argv[n++] = (char *)"--quiet";
	argv[n++] = (char *)"--collect";
	argv[n++] = (char *)"--no-block";
	argv[n++] = unit;
	argv[n++] = description;
	argv[n++] = (char *)"--";
	argv[n++] = self;
	if (h->root_text) {
		argv[n++] = (char *)"--root";
		argv[n++] = (char *)h->root_text;
	}
	argv[n++] = (char *)"job";
	argv[n++] = vmid_text;
	argv[n] = NULL;
	pid = fork();
	if (!pid)
		exec_clean(-1, argv);
	return pid > 0 && !wait_exit(pid);
}

/* Without systemd: a process in a session of its own, whose parent is gone. */
static int spawn_process(struct hook *h, char *self, char *vmid_text, const char *log,
			 struct error *err)
{
	AUTO_CLOSE int out =
		openat(h->root, log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	char *argv[6];
	size_t n = 0;
	pid_t pid;

	if (out < 0)
		return fail_errno(err, errno, "create /%s", log);
	argv[n++] = self;
	if (h->root_text) {
		argv[n++] = (char *)"--root";
		argv[n++] = (char *)h->root_text;
	}
	argv[n++] = (char *)"job";
	argv[n++] = vmid_text;
	argv[n] = NULL;
	pid = fork();
	if (pid < 0)
		return fail_errno(err, errno, "fork");
	if (!pid) {
		setsid();
		pid = fork();
		if (!pid)
			exec_clean(out, argv);
		_exit(pid < 0 ? 127 : 0);
	}
	if (wait_exit(pid))
		return fail(err, EIO, "the job could not be started");
	return 0;
}

int job_spawn(struct hook *h, uint32_t vmid, char *where, size_t size, struct error *err)
{
	char self[PATH_MAX];
	char log[64];
	char vmid_text[16];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return fail_errno(err, errno, "find our own program file");
	self[n] = '\0';
	if (run_dirs_make(h->root, err) < 0)
		return error_code(err);
	snprintf(vmid_text, sizeof(vmid_text), "%u", vmid);
	if (spawn_unit(h, vmid, self, vmid_text)) {
		snprintf(where, size, "journalctl -u vfhook-start-%u", vmid);
		return 0;
	}
	snprintf(log, sizeof(log), RUN_DIR "/job-%u.log", vmid);
	snprintf(where, size, "cat /%s", log);
	return spawn_process(h, self, vmid_text, log, err);
}
