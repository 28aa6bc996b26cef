/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Going up the processes to a worker of PVE's. */
#include "pveapi/task.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/file.h"
#include "src/base/text.h"

/* A hookscript is run by the task itself, or by a script that is; nobody nests deeper. */
#define MAX_LEVELS 8

bool upid_type(const char *upid, char type[TASK_TYPE_LEN])
{
	size_t len;

	if (strncmp(upid, "UPID:", 5) != 0)
		return false;
	for (int field = 0; upid && field < 5; field++) {
		upid = strchr(upid, ':');
		upid = upid ? upid + 1 : NULL;
	}
	if (!upid)
		return false;
	len = strcspn(upid, ":");
	if (!len || len >= TASK_TYPE_LEN || upid[len] != ':')
		return false;
	memcpy(type, upid, len);
	type[len] = '\0';
	return is_plain_name(type, TASK_TYPE_LEN - 1);
}

/* The beginning of a command line: up to its first NUL, since a title is one word to the kernel. */
static int read_title(int root, pid_t pid, char *buf, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "proc/%d/cmdline", (int)pid);
	n = attr_read(root, path, buf, size);
	return n < 0 ? (int)n : 0;
}

/* Field 4 of /proc/<pid>/stat, behind the name in brackets, which may hold anything. */
static int read_parent(int root, pid_t pid, pid_t *parent)
{
	char path[64];
	char stat[2048];
	const char *p;
	char *end;
	long number;
	ssize_t n;

	snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	n = attr_read(root, path, stat, sizeof(stat));
	if (n < 0)
		return (int)n;
	p = strrchr(stat, ')');
	if (!p || strlen(p) < 5)
		return -EINVAL;
	number = strtol(p + 4, &end, 10);
	if (*end != ' ' || number < 0 || number > INT_MAX)
		return -EINVAL;
	*parent = (pid_t)number;
	return 0;
}

int task_type_of_ancestor(int root, char type[TASK_TYPE_LEN])
{
	pid_t pid = getppid();
	char title[4096];

	for (int level = 0; level < MAX_LEVELS && pid > 1; level++) {
		int r = read_title(root, pid, title, sizeof(title));

		/* Longer than a title ever is: somebody's command line. */
		if (r < 0 && r != -EFBIG)
			return r;
		if (!r && !strncmp(title, "task ", 5) && upid_type(title + 5, type))
			return 1;
		r = read_parent(root, pid, &pid);
		if (r < 0)
			return r;
	}
	return 0;
}
