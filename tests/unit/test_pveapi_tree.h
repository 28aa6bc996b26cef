/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A temporary directory that stands in for "/", for tests. Include after src/base/file.h and
 * cmocka.h.
 */
#ifndef VFHOOK_TESTS_PVEAPI_TREE_H
#define VFHOOK_TESTS_PVEAPI_TREE_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tree {
	int root;
	char path[64];
};

static inline int tree_open(struct tree *t)
{
	snprintf(t->path, sizeof(t->path), "%s", "/tmp/vfhook-test-XXXXXX");
	if (!mkdtemp(t->path))
		return -1;
	t->root = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return t->root < 0 ? -1 : 0;
}

static inline int tree_setup(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	*state = t;
	return t ? tree_open(t) : -1;
}

static inline int tree_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int tree_teardown(void **state)
{
	struct tree *t = *state;

	close(t->root);
	nftw(t->path, tree_remove, 16, FTW_DEPTH | FTW_PHYS);
	free(t);
	return 0;
}

static inline void tree_parent(int root, const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[512];

	if (!slash)
		return;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	assert_int_equal(dir_make(root, dir, 0755, NULL), 0);
}

static inline void tree_write_len(int root, const char *path, const char *data, size_t len)
{
	int fd;

	tree_parent(root, path);
	fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static inline void tree_write(int root, const char *path, const char *text)
{
	tree_write_len(root, path, text, strlen(text));
}

static inline void tree_link(int root, const char *path, const char *target)
{
	tree_parent(root, path);
	unlinkat(root, path, 0);
	assert_int_equal(symlinkat(target, root, path), 0);
}

#define tree_test(f) cmocka_unit_test_setup_teardown(f, tree_setup, tree_teardown)

#endif
