/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A write to sriov_numvfs, done by a child. A FIFO that is full stands for a driver that waits. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/vf/numvfs.h"
#include "tests/unit/tree.h"

#define NUMVFS DEV PF0 "/sriov_numvfs"

/* Returns the FIFO's other end. */
static int hang(const struct tree *t)
{
	char byte = 'x';
	int fd;

	assert_int_equal(unlinkat(t->root, NUMVFS, 0), 0);
	assert_int_equal(mkfifoat(t->root, NUMVFS, 0600), 0);
	fd = openat(t->root, NUMVFS, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	while (write(fd, &byte, 1) == 1)
		;
	return fd;
}

static bool is_free(int root, const char *lock)
{
	AUTO_CLOSE int fd = lock_take(root, lock, 0, NULL);

	return fd >= 0;
}

static void test_written(void **state)
{
	CLEANUP(numvfs_end) struct numvfs_write w = NUMVFS_WRITE_INIT;
	const struct tree *t = *state;
	struct pci_addr pf = addr_of(PF0);
	struct pci_addr none = addr_of("0000:99:00.0");
	struct error err = ERROR_INIT;
	char text[16];

	assert_int_equal(numvfs_begin(t->root, &pf, 3, -1, &w, &err), 0);
	assert_int_equal(numvfs_wait(&w, 20000), 0);
	assert_true(attr_read(t->root, NUMVFS, text, sizeof(text)) > 0);
	assert_int_equal(text[0], '3');
	assert_int_equal(numvfs_begin(t->root, &none, 3, -1, &w, &err), -ENOENT);
	assert_has(err.text, "0000:99:00.0/sriov_numvfs");
}

static void test_refused(void **state)
{
	CLEANUP(numvfs_end) struct numvfs_write w = NUMVFS_WRITE_INIT;
	const struct tree *t = *state;
	struct pci_addr pf = addr_of(PF0);

	assert_int_equal(unlinkat(t->root, NUMVFS, 0), 0);
	assert_int_equal(symlinkat("/dev/full", t->root, NUMVFS), 0);
	assert_int_equal(numvfs_begin(t->root, &pf, 3, -1, &w, NULL), 0);
	assert_int_equal(numvfs_wait(&w, 20000), -ENOSPC);
}

/* It keeps the one lock that it was given, and no other, until it is over. */
static void test_hangs(void **state)
{
	CLEANUP(numvfs_end) struct numvfs_write w = NUMVFS_WRITE_INIT;
	const struct tree *t = *state;
	struct pci_addr pf = addr_of(PF0);
	int fifo = hang(t);
	int kept = lock_take(t->root, "kept", 0, NULL);
	int other = lock_take(t->root, "other", 0, NULL);

	assert_int_equal(numvfs_begin(t->root, &pf, 0, kept, &w, NULL), 0);
	close(kept);
	close(other);
	assert_int_equal(numvfs_wait(&w, 100), -EINPROGRESS);
	assert_false(is_free(t->root, "kept"));
	assert_true(is_free(t->root, "other"));
	numvfs_end(&w);
	assert_true(is_free(t->root, "kept"));
	close(fifo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		nic_test(test_written),
		nic_test(test_refused),
		nic_test(test_hangs),
	};

	return cmocka_run_group_tests(tests, tree_group_setup, tree_group_teardown);
}
