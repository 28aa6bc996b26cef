/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading /proc/<pid>/stat and cmdline. */
#include "pveapi/process.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"

#define CMDLINE_MAX 262144

/*
 * State and start time: fields 3 and 22. The name, field 2, stands in brackets and may itself
 * hold anything, brackets too.
 */
static int parse_stat(const char *text, char *state, unsigned long long *start)
{
	const char *p = strrchr(text, ')');
	char *end;

	if (!p || p[1] != ' ' || !p[2])
		return -EINVAL;
	*state = p[2];
	p += 2;
	for (int field = 3; p && field < 22; field++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	if (!p || *p < '0' || *p > '9')
		return -EINVAL;
	errno = 0;
	*start = strtoull(p, &end, 10);
	return errno || (*end && *end != ' ') ? -EINVAL : 0;
}

static int read_stat(int root, pid_t pid, char *state, unsigned long long *start)
{
	char path[64];
	char buf[2048];
	ssize_t n;

	if (pid <= 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	n = attr_read(root, path, buf, sizeof(buf));
	if (n == -ENOENT || n == -ESRCH || n == -ENOTDIR)
		return -ESRCH;
	return n < 0 ? (int)n : parse_stat(buf, state, start);
}

int proc_id_get(int root, pid_t pid, struct proc_id *out)
{
	unsigned long long start;
	char state;
	int r = read_stat(root, pid, &state, &start);

	if (r < 0)
		return r;
	if (state == 'Z' || state == 'X' || state == 'x')
		return -ESRCH;
	*out = (struct proc_id){pid, start};
	return 0;
}

enum answer proc_alive(int root, const struct proc_id *p)
{
	struct proc_id now;
	int r = proc_id_get(root, p->pid, &now);

	if (r < 0)
		return r == -ESRCH ? ANSWER_NO : ANSWER_UNKNOWN;
	return now.start == p->start ? ANSWER_YES : ANSWER_NO;
}

ssize_t proc_cmdline(int root, const struct proc_id *p, char **out)
{
	AUTO_FREE char *buf = malloc(CMDLINE_MAX);
	struct proc_id now;
	char path[64];
	ssize_t n;
	int r;

	if (!buf)
		return -ENOMEM;
	snprintf(path, sizeof(path), "proc/%d/cmdline", (int)p->pid);
	n = attr_read(root, path, buf, CMDLINE_MAX);
	if (n == -ENOENT || n == -ESRCH)
		return 0;
	if (n < 0)
		return n;
	/* Read under the number of a process that ended meanwhile: it may be another's. */
	r = proc_id_get(root, p->pid, &now);
	if (r < 0 && r != -ESRCH)
		return r;
	if (r < 0 || now.start != p->start)
		return 0;
	*out = STEAL(buf);
	return n;
}

/* Field 4 of /proc/<pid>/stat; the name before it, in brackets, may hold anything. */
pid_t proc_parent(int root, pid_t pid)
{
	char path[64];
	char buf[1024];
	const char *p;
	char *end;
	long parent;

	snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	if (attr_read(root, path, buf, sizeof(buf)) < 0)
		return -1;
	p = strrchr(buf, ')');
	/* ") S 4711 ..." */
	if (!p || strlen(p) < 5)
		return -1;
	parent = strtol(p + 4, &end, 10);
	return end == p + 4 || parent < 0 || parent > INT_MAX ? -1 : (pid_t)parent;
}

int proc_is_ancestor(int root, pid_t pid)
{
	pid_t p = getppid();

	for (int i = 0; i < PROC_ANCESTORS_MAX && p > 0; i++) {
		if (p == pid)
			return 1;
		if (p == 1)
			return 0;
		p = proc_parent(root, p);
	}
	return p ? -1 : 0; /* 0: a parent outside our PID namespace, the end of what is seen */
}
