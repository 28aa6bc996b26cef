/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trees with a made-up sysfs in them, and the fake kernel's pages. A tree is
 * made by pvesim once per program and copied for each test. Include after
 * every other header: cmocka.h, which makes a macro of fail(), is in here.
 */
#ifndef VFHOOK_TESTS_TREE_H
#define VFHOOK_TESTS_TREE_H

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/file.h"
#include "src/base/text.h"

#include <cmocka.h>

#include "tests/unit/test_pveapi_tree.h"

/* Two PFs: igb with seven VFs, i40e with four. */
#define TREE_PFS                                                                                   \
	"--pf 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=7,numvfs=7,up=1,autoprobe=0 "            \
	"--pf 0000:07:00.0,driver=i40e,ifname=enp7s0,vfs=4,numvfs=4,up=1,autoprobe=0"
#define PF0   "0000:06:00.0"
#define PF1   "0000:07:00.0"
#define DEV   "sys/bus/pci/devices/"
#define PAGE0 "fake-kernel/enp6s0f0.json"
#define PAGE1 "fake-kernel/enp7s0.json"

#define assert_has(text, part)                                                                     \
	do {                                                                                       \
		if (!strstr(text, part))                                                           \
			print_error("\"%s\" is not in \"%s\"\n", part, text);                      \
		assert_non_null(strstr(text, part));                                               \
	} while (0)

static char tree_template[64];

/* The top of the source: $TOP, or three folders above build/tests/unit. */
static inline const char *tree_top(void)
{
	static char top[PATH_MAX];
	const char *env = getenv("TOP");
	ssize_t n;

	if (env)
		return env;
	n = readlink("/proc/self/exe", top, sizeof(top) - 1);
	for (int up = 0; up < 4 && n > 0; up++) {
		top[n] = '\0';
		n = strrchr(top, '/') ? strrchr(top, '/') - top : 0;
	}
	top[n > 0 ? n : 0] = '\0';
	return top;
}

static inline int __attribute__((format(printf, 1, 2))) tree_shell(const char *fmt, ...)
{
	char command[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	return system(command);
}

/* In memory where there is such a place: what these tests do is mostly small files. */
static inline const char *tree_place(const char *name, char path[64])
{
	snprintf(path, 64, "%s/%s-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", name);
	return mkdtemp(path);
}

static inline int ram_setup(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	if (!t || !tree_place("vfhook-test", t->path))
		return -1;
	t->root = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = t;
	return t->root < 0 ? -1 : 0;
}

#define ram_test(f) cmocka_unit_test_setup_teardown(f, ram_setup, tree_teardown)

static inline int tree_group_setup(void **state)
{
	(void)state;
	if (!tree_place("vfhook-tmpl", tree_template))
		return -1;
	return tree_shell("'%s/tests/sim/pvesim' --root %s mktree " TREE_PFS " >/dev/null",
			  tree_top(), tree_template);
}

static inline int tree_group_teardown(void **state)
{
	(void)state;
	nftw(tree_template, tree_remove, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static inline int nic_setup(void **state)
{
	const struct tree *t;

	if (ram_setup(state) < 0)
		return -1;
	t = *state;
	return tree_shell("cp -a %s/. %s", tree_template, t->path);
}

#define nic_test(f) cmocka_unit_test_setup_teardown(f, nic_setup, tree_teardown)

static inline struct pci_addr addr_of(const char *text)
{
	struct pci_addr a;

	assert_int_equal(pci_addr_parse(text, &a), 0);
	return a;
}

/* The whole of a file as text; the caller's to free(). NULL if it is not there. */
static inline char *tree_read(int root, const char *path)
{
	char *text = NULL;

	return file_read(root, path, 1 << 22, &text, NULL) < 0 ? NULL : text;
}

/* The folders above path; symbolic links on the way are followed, as sysfs is full of them. */
static inline void sys_parent(int root, const char *path)
{
	char dir[512];

	for (const char *at = path; (at = strchr(at, '/')); at++) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(at - path), path);
		mkdirat(root, dir, 0755);
	}
}

static inline void sys_write(int root, const char *path, const char *text)
{
	int fd;

	sys_parent(root, path);
	fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static inline void sys_link(int root, const char *path, const char *target)
{
	sys_parent(root, path);
	unlinkat(root, path, 0);
	assert_int_equal(symlinkat(target, root, path), 0);
}

/* VF n of the igb PF as the tree has it: offset 128, stride 2. */
static inline struct pci_addr igb_vf(unsigned n)
{
	unsigned devfn = 128 + n * 2;

	return (struct pci_addr){.bus = 6, .dev = (uint8_t)(devfn >> 3), .fn = devfn & 7};
}

/* How many names a directory has, "." and ".." not counted; 0 if it is not there. */
static inline unsigned tree_count(int root, const char *path)
{
	int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	unsigned n = 0;

	while (d && (e = readdir(d)))
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	if (d)
		closedir(d);
	return n;
}

/* Runs fn(arg) in a process of its own and returns its wait status. fn's result is its exit. */
static inline int in_child(int (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(fn(arg));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#endif
