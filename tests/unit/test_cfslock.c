/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <time.h>

#include "src/port/cfs_lock.h"
#include "tests/unit/tree.h"

#define LOCK "etc/pve/priv/lock/vfhook"

/* A lock directory that somebody made so many seconds ago. */
static void held_since(const struct tree *t, long seconds)
{
	struct timespec at[2];

	sys_parent(t->root, LOCK);
	assert_int_equal(mkdirat(t->root, LOCK, 0700), 0);
	clock_gettime(CLOCK_REALTIME, &at[0]);
	at[0].tv_sec -= seconds;
	at[1] = at[0];
	assert_int_equal(utimensat(t->root, LOCK, at, 0), 0);
}

static void test_lock(void **state)
{
	const struct tree *t = *state;
	struct cfs_lock l = CFS_LOCK_INIT;
	struct error err = ERROR_INIT;

	cfs_unlock(&l); /* nothing taken, nothing freed */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(cfs_lock(t->root, &l, &err), 0);
		assert_true(path_exists(t->root, LOCK));
		cfs_unlock(&l);
		assert_false(path_exists(t->root, LOCK));
	}
	cfs_unlock(&l);
}

/* Its holder is dead: two minutes are enough. */
static void test_stale(void **state)
{
	const struct tree *t = *state;
	struct cfs_lock l = CFS_LOCK_INIT;
	struct error err = ERROR_INIT;

	held_since(t, 200);
	assert_int_equal(cfs_lock(t->root, &l, &err), 0);
	assert_true(l.held);
	assert_true(path_exists(t->root, LOCK));
	cfs_unlock(&l);
	assert_false(path_exists(t->root, LOCK));
}

static int lock_and_count(const struct tree *t)
{
	for (int i = 0; i < 10; i++) {
		struct cfs_lock l = CFS_LOCK_INIT;
		char buf[32];
		unsigned long long n;
		int e;

		if (cfs_lock(t->root, &l, NULL) < 0)
			return 1;
		/* A counter that loses steps if two are in here. */
		if (attr_read_u64(t->root, "counter", 1000, &n) < 0)
			return 2;
		snprintf(buf, sizeof(buf), "%llu", n + 1);
		e = file_replace(t->root, "counter", 0644, buf, strlen(buf), NULL);
		cfs_unlock(&l);
		if (e < 0)
			return 3;
	}
	return 0;
}

static void test_one_at_a_time(void **state)
{
	const struct tree *t = *state;
	unsigned long long n;
	pid_t pids[6];

	tree_write(t->root, "counter", "0");
	for (int i = 0; i < 6; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(lock_and_count(t));
	}
	for (int i = 0; i < 6; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(attr_read_u64(t->root, "counter", 1000, &n), 0);
	assert_int_equal(n, 60);
}

/* Another node's lock goes away in time. */
static void test_waits_for_another_node(void **state)
{
	const struct tree *t = *state;
	struct cfs_lock l = CFS_LOCK_INIT;
	struct error err = ERROR_INIT;
	pid_t pid;

	held_since(t, 0);
	pid = fork();
	if (!pid) {
		nanosleep(&(struct timespec){0, 300000000}, NULL);
		_exit(unlinkat(t->root, LOCK, AT_REMOVEDIR) != 0);
	}
	assert_int_equal(cfs_lock(t->root, &l, &err), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	cfs_unlock(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ram_test(test_lock),
		ram_test(test_stale),
		ram_test(test_one_at_a_time),
		ram_test(test_waits_for_another_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
