/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Detached jobs of a VM: how one is started, and how far the one that lives is. */
#include "hook/job_control.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pveapi/task.h"
#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/file.h"
#include "src/base/locks.h"
#include "src/base/run_dir.h"
#include "src/base/say.h"

/* A job writes what it is right after it has its lock. */
#define STATE_TRIES   50
#define STATE_WAIT_MS 4

static const char *const states[] = {[JOB_WAITING] = "waiting\n",
				     [JOB_WRITING] = "writing\n",
				     [JOB_RESTARTING] = "restarting\n",
				     [JOB_ANEW] = "anew\n"};

static const char *const unit_names[] = {[JOB_START] = "vfhook-start",
					 [JOB_WRITE] = "vfhook-write",
					 [JOB_RESTART] = "vfhook-restart",
					 [JOB_LIVE] = "vfhook-live"};

static const char *const commands[] = {[JOB_START] = "job",
				       [JOB_WRITE] = "write-job",
				       [JOB_RESTART] = "restart-job",
				       [JOB_LIVE] = "live-job"};

/* How a job begins. */
static const enum job_state begins[] = {
	[JOB_START] = JOB_WAITING, [JOB_WRITE] = JOB_WRITING, [JOB_RESTART] = JOB_ANEW};

static void lock_path(char path[64], uint32_t vmid)
{
	snprintf(path, 64, LOCKS_DIR "/job-%u", vmid);
}

static bool read_state(struct hook *h, const char *path, enum job_state *out)
{
	AUTO_CLOSE int fd = openat(h->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	char text[16] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (!states[i] || strcmp(text, states[i]) != 0)
			continue;
		*out = (enum job_state)i;
		return true;
	}
	return false;
}

enum job_state job_state(struct hook *h, uint32_t vmid)
{
	enum job_state state;
	char path[64];
	enum answer held;

	lock_path(path, vmid);
	for (int i = 0; i < STATE_TRIES; i++) {
		bool has_state = read_state(h, path, &state);

		held = lock_look(h->root, path);
		if (held != ANSWER_YES)
			return has_state && held == ANSWER_NO ? JOB_KILLED : JOB_NONE;
		if (has_state)
			return state;
		nap_ms(STATE_WAIT_MS);
	}
	/* No job has its lock for so long without a word. */
	return JOB_NONE;
}

#define LIVE_LOCK_WAIT_MS 20000

static void live_lock_path(char path[64], uint32_t vmid)
{
	snprintf(path, 64, LOCKS_DIR "/live-%u", vmid);
}

int live_job_lock(struct hook *h, uint32_t vmid, struct error *err)
{
	char path[64];

	if (run_dirs_make(h->root, err) < 0)
		return error_code(err);
	live_lock_path(path, vmid);
	return lock_take(h->root, path, LIVE_LOCK_WAIT_MS, err);
}

enum answer live_job_runs(struct hook *h, uint32_t vmid)
{
	char path[64];

	live_lock_path(path, vmid);
	return lock_look(h->root, path);
}

enum job_kind job_kind_of(enum job_state state)
{
	return state == JOB_WRITING ? JOB_WRITE : state == JOB_ANEW ? JOB_RESTART : JOB_START;
}

int job_set_state(int lock, enum job_state state, struct error *err)
{
	const char *text = states[state] ? states[state] : "";
	size_t len = strlen(text);

	if (ftruncate(lock, 0) < 0 || pwrite(lock, text, len, 0) != (ssize_t)len)
		return fail_errno(err, errno ? errno : EIO, "write the state of the job");
	return 0;
}

int job_lock(struct hook *h, uint32_t vmid, enum job_kind kind, int timeout_ms, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	char path[64];

	if (run_dirs_make(h->root, err) < 0)
		return error_code(err);
	lock_path(path, vmid);
	fd = lock_take(h->root, path, timeout_ms, err);
	/* What the last job wrote there is not this one's state. */
	if (fd >= 0 && job_set_state(fd, begins[kind], err) < 0)
		return error_code(err);
	return fd < 0 ? fd : STEAL_FD(fd);
}

/*
 * vzdump marks the config with `lock: backup` and starts the VM in its own worker. The worker's
 * title says more than the mark: after a backup in stop mode that failed, vzdump has a VM that
 * ran before started again (`qm start --skiplock`, a qmstart task), with the mark still there.
 */
enum start_reason start_reason(const struct hook *h, const struct guest_config *g)
{
	char type[TASK_TYPE_LEN];
	int r = task_type_of_ancestor(h->root, type);

	if (r == 1 && !strcmp(type, "vzdump"))
		return START_FOR_BACKUP;
	if (r != 1 && g->lock && !strcmp(g->lock, "backup"))
		return START_FOR_BACKUP;
	if (g->lock && !strcmp(g->lock, "suspended"))
		return START_RESUME;
	return h->by_hand ? START_BY_HAND : START_WANTED;
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
	/* The job outlives the start that it is begun in. */
	unsetenv("PVE_MIGRATED_FROM");
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

static bool has_systemd(const struct hook *h)
{
	return path_exists(h->root, "run/systemd/system");
}

static void log_path(char path[64], uint32_t vmid, enum job_kind kind)
{
	snprintf(path, 64, RUN_DIR "/%s-%u.log", commands[kind], vmid);
}

const char *job_log(const struct hook *h, uint32_t vmid, enum job_kind kind, char *buf, size_t size)
{
	char path[64];

	log_path(path, vmid, kind);
	if (has_systemd(h))
		snprintf(buf, size, "journalctl -u %s-%u", unit_names[kind], vmid);
	else
		snprintf(buf, size, "cat /%s", path);
	return buf;
}

/* What a job is started with. */
struct order {
	enum job_kind kind;
	char self[PATH_MAX];
	char vmid[16];
	const char *word; /* or NULL */
};

/* `<our program> [--root DIR] job <vmid> [<word>]`, with the NULL. */
#define COMMAND_WORDS 7
static void add_command(const struct hook *h, const struct order *o, char **argv)
{
	size_t n = 0;

	argv[n++] = (char *)o->self;
	if (h->root_text) {
		argv[n++] = (char *)"--root";
		argv[n++] = (char *)h->root_text;
	}
	argv[n++] = (char *)commands[o->kind];
	argv[n++] = (char *)o->vmid;
	argv[n++] = (char *)o->word;
	argv[n] = NULL;
}

static bool spawn_unit(struct hook *h, const struct order *o)
{
	char unit[64];
	char description[64];
	char *argv[10 + COMMAND_WORDS];
	size_t n = 0;
	pid_t pid;

	if (!has_systemd(h))
		return false;
	snprintf(unit, sizeof(unit), "--unit=%s-%s", unit_names[o->kind], o->vmid);
	snprintf(description, sizeof(description), "--description=vfhook: %s VM %s",
		 o->kind == JOB_RESTART ? "stop and start"
		 : o->kind == JOB_LIVE	? "live migration of"
					: "write hostpci of",
		 o->vmid);
	argv[n++] = (char *)"/usr/bin/systemd-run";
	argv[n++] = (char *)"--quiet";
	argv[n++] = (char *)"--collect";
	argv[n++] = (char *)"--no-block";
	argv[n++] = unit;
	argv[n++] = description;
	/* It goes on where things are, and is the only one who would. */
	if (o->kind == JOB_LIVE) {
		argv[n++] = (char *)"--property=Restart=on-failure";
		argv[n++] = (char *)"--property=RestartPreventExitStatus=1 2";
	}
	argv[n++] = (char *)"--";
	add_command(h, o, &argv[n]);
	pid = fork();
	if (!pid)
		exec_clean(-1, argv);
	return pid > 0 && !wait_exit(pid);
}

/* Without systemd: a process in a session of its own, whose parent is gone. */
static int spawn_process(struct hook *h, const struct order *o, const char *log, struct error *err)
{
	AUTO_CLOSE int out =
		openat(h->root, log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	char *argv[COMMAND_WORDS];
	pid_t pid;

	if (out < 0)
		return fail_errno(err, errno, "create /%s", log);
	add_command(h, o, argv);
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

/*
 * Our own program; for a live job a person's, which PVE's own calls (hook) stand beside:
 * .../lib/vfhook/hook and .../sbin/vfhook, or where they are built, both in one folder.
 */
static int find_program(enum job_kind kind, char self[PATH_MAX], struct error *err)
{
	ssize_t n = readlink("/proc/self/exe", self, PATH_MAX - 1);
	char *name;

	if (n < 0)
		return fail_errno(err, errno, "find our own program file");
	self[n] = '\0';
	name = strrchr(self, '/');
	if (kind != JOB_LIVE || !name || strncmp(name, "/hook", 5) != 0)
		return 0;
	if ((size_t)n + sizeof("/../../sbin/vfhook") > PATH_MAX)
		return fail(err, ENAMETOOLONG, "find the program vfhook");
	/* "/hook-plain" is a test's: "/vfhook-plain". */
	memmove(name + 3, name + 1, strlen(name + 1) + 1);
	memcpy(name, "/vf", 3);
	if (!access(self, X_OK))
		return 0;
	memcpy(name, "/../../sbin/vfhook", sizeof("/../../sbin/vfhook"));
	return access(self, X_OK) ? fail_errno(err, errno, "find the program %s", self) : 0;
}

int job_spawn(struct hook *h, uint32_t vmid, enum job_kind kind, const char *word, char *where,
	      size_t size, struct error *err)
{
	struct order o = {.kind = kind, .word = word};
	char log[64];

	if (find_program(kind, o.self, err) < 0)
		return error_code(err);
	if (run_dirs_make(h->root, err) < 0)
		return error_code(err);
	snprintf(o.vmid, sizeof(o.vmid), "%u", vmid);
	job_log(h, vmid, kind, where, size);
	if (spawn_unit(h, &o))
		return 0;
	log_path(log, vmid, kind);
	snprintf(where, size, "cat /%s", log);
	return spawn_process(h, &o, log, err);
}

int live_job_begin(struct hook *h, uint32_t vmid, struct error *err)
{
	char where[128];

	return h->dry_run ? 0 : job_spawn(h, vmid, JOB_LIVE, NULL, where, sizeof(where), err);
}

void live_job_begin_or_tell(struct hook *h, uint32_t vmid)
{
	struct error err = ERROR_INIT;

	if (live_job_begin(h, vmid, &err) < 0)
		complain("VM %u: the job that sees to its VF cannot be begun (%s): vfhook plug %u "
			 "begins it",
			 vmid, err.text, vmid);
}
