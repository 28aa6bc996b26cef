/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking for a container's monitor and for processes in its cgroups. */
#include "pveapi/ct_state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pveapi/lines.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"

#define UNIX_SOCKETS_MAX (64 << 20)
#define CGROUP_MAX	 (1 << 20)

/*
 * "0000000000000000: 00000002 00000000 00010000 0001 01 1234 @/var/lib/lxc/110/command"
 * (net/unix/af_unix.c: unix_seq_show): of a socket that listens, which its flags tell. Connections
 * have the name too, and a `pct stop` keeps one until post-stop is over.
 */
static bool is_listener(struct span line, const char *name)
{
	size_t len = strlen(name);
	struct span flags = {NULL, 0};
	struct span part;

	if (line.len <= len || memcmp(line.p + line.len - len, name, len) != 0)
		return false;
	for (int field = 0; field < 4 && span_cut(&line, ' ', &part); field++)
		flags = part;
	return span_is(flags, "00010000");
}

/* Does the kernel's list have the command socket? */
static enum answer has_socket(int root, uint32_t vmid, struct error *err)
{
	AUTO_FREE char *text = NULL;
	struct lines lines;
	struct span line;
	char name[48];
	ssize_t len = file_read(root, "proc/net/unix", UNIX_SOCKETS_MAX, &text, err);

	if (len < 0)
		return ANSWER_UNKNOWN;
	snprintf(name, sizeof(name), " @/var/lib/lxc/%u/command", vmid);
	lines = lines_of(text, (size_t)len);
	while (lines_next(&lines, &line)) {
		if (is_listener(line, name))
			return ANSWER_YES;
	}
	return ANSWER_NO;
}

/* A process that called us is a hook's, or the monitor that waits for it: it is over. */
static bool calls_us(int root, pid_t pid)
{
	return pid == getpid() || proc_is_ancestor(root, pid) == 1;
}

/* Is a process in lxc.monitor/<vmid> that is none of those? */
static enum answer monitor_there(int root, uint32_t vmid, struct proc_id *monitor,
				 struct error *err)
{
	AUTO_FREE char *text = NULL;
	char path[64];
	struct lines lines;
	struct span line;
	ssize_t len;

	snprintf(path, sizeof(path), "sys/fs/cgroup/lxc.monitor/%u/cgroup.procs", vmid);
	len = file_read(root, path, CGROUP_MAX, &text, err);
	if (len == -ENOENT || len == -ENODEV) {
		error_clear(err);
		return ANSWER_NO;
	}
	if (len < 0)
		return ANSWER_UNKNOWN;
	lines = lines_of(text, (size_t)len);
	while (lines_next(&lines, &line)) {
		char number[16];
		uint32_t pid;

		if (!span_copy(line, number, sizeof(number)) || parse_u32(number, INT_MAX, &pid) ||
		    !pid || calls_us(root, (pid_t)pid) ||
		    proc_id_get(root, (pid_t)pid, monitor) == -ESRCH)
			continue;
		return ANSWER_YES;
	}
	return ANSWER_NO;
}

/* Is a process anywhere below lxc/<vmid>, whose monitor may be dead? */
static enum answer payload_there(int root, uint32_t vmid, struct error *err)
{
	char path[64];
	char text[256];
	ssize_t len;

	snprintf(path, sizeof(path), "sys/fs/cgroup/lxc/%u/cgroup.events", vmid);
	len = attr_read(root, path, text, sizeof(text));
	if (len == -ENOENT || len == -ENODEV)
		return ANSWER_NO;
	if (len < 0) {
		fail_errno(err, (int)-len, "read /%s", path);
		return ANSWER_UNKNOWN;
	}
	return strstr(text, "populated 1") ? ANSWER_YES : ANSWER_NO;
}

enum answer ct_runs(int root, uint32_t vmid, struct proc_id *monitor, struct error *err)
{
	enum answer socket = has_socket(root, vmid, err);
	enum answer there;

	*monitor = (struct proc_id){0};
	if (socket == ANSWER_UNKNOWN)
		return ANSWER_UNKNOWN;
	there = monitor_there(root, vmid, monitor, err);
	if (there == ANSWER_NO && socket == ANSWER_NO)
		there = payload_there(root, vmid, err);
	return socket == ANSWER_YES ? ANSWER_YES : there;
}

enum answer ct_lives(int root, uint32_t vmid, struct proc_id *monitor, struct error *err)
{
	enum answer runs = ct_runs(root, vmid, monitor, err);
	struct stat st;
	char path[32];
	time_t age;

	if (runs != ANSWER_NO)
		return runs;
	snprintf(path, sizeof(path), "var/lib/lxc/%u", vmid);
	if (fstatat(root, path, &st, 0) < 0) {
		if (errno == ENOENT)
			return ANSWER_NO;
		fail_errno(err, errno, "look at /%s", path);
		return ANSWER_UNKNOWN;
	}
	age = time(NULL) - st.st_mtime;
	if (age < 0 || age >= CT_REBOOT_S)
		return ANSWER_NO;
	fail(err, EAGAIN, "it may be rebooting (/%s was changed %d s ago): look again in %d s",
	     path, (int)age, CT_REBOOT_S);
	return ANSWER_UNKNOWN;
}

static bool is_monitor(int root, const struct proc_id *p)
{
	AUTO_FREE char *cmdline = NULL;
	const char *base;

	if (proc_cmdline(root, p, &cmdline) <= 0)
		return false;
	base = strrchr(cmdline, '/');
	return !strncmp(cmdline, "[lxc monitor]", 13) ||
	       !strcmp(base ? base + 1 : cmdline, "lxc-start");
}

void ct_calling_monitor(int root, struct proc_id *out)
{
	pid_t pid = getppid();

	for (int i = 0; i < PROC_ANCESTORS_MAX && pid > 1; i++) {
		if (!proc_id_get(root, pid, out) && is_monitor(root, out))
			return;
		pid = proc_parent(root, pid);
	}
	*out = (struct proc_id){0};
}
