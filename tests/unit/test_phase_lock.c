/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <sys/prctl.h>

#include "src/base/cleanup.h"
#include "hook/phase_lock.h"
#include "pveapi/vm_lock.h"
#include "tests/unit/tree.h"

static int setup(void **state)
{
	struct tree *t;

	if (ram_setup(state))
		return -1;
	t = *state;
	tree_link(t->root, "proc", "/proc");
	return 0;
}

/* What a child, or a child's child, of this process is told; -1 for a refusal. */
static int asked_below(int root, int generations, int wait_ms)
{
	pid_t pid = fork();
	int status;
	int fd;

	if (!pid) {
		if (generations > 1)
			_exit(asked_below(root, generations - 1, wait_ms));
		_exit(phase_lock(root, false, 100, NULL, wait_ms, &fd, NULL) & 0xff);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_callers(void **state)
{
	const struct tree *t = *state;
	int lock = vm_lock(t->root, 100, 0, NULL);

	assert_true(lock >= 0);
	assert_int_equal(asked_below(t->root, 1, 0), PHASE_LOCK_CALLERS);
	assert_int_equal(asked_below(t->root, 3, 0), PHASE_LOCK_CALLERS);
	close(lock);
}

static void test_nobodys(void **state)
{
	const struct tree *t = *state;
	int fd;

	assert_int_equal(phase_lock(t->root, false, 100, NULL, 0, &fd, NULL), PHASE_LOCK_OURS);
	assert_true(fd >= 0);
	assert_int_equal(vm_lock(t->root, 100, 0, NULL), -EWOULDBLOCK);
	close(fd);
	fd = vm_lock(t->root, 100, 0, NULL);
	assert_true(fd >= 0);
	close(fd);
}

/* A process beside this one that has the lock, until it is killed. */
static pid_t holder(const struct tree *t, bool leave_to_child)
{
	int ready[2];
	pid_t pid;
	pid_t who;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		if (vm_lock(t->root, 100, 0, NULL) < 0)
			_exit(1);
		if (leave_to_child && fork())
			_exit(0);
		who = getpid();
		if (write(ready[1], &who, sizeof(who)) != sizeof(who))
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &who, sizeof(who)), sizeof(who));
	close(ready[0]);
	close(ready[1]);
	if (leave_to_child)
		waitpid(pid, NULL, 0);
	return who;
}

static void test_anothers(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	pid_t pid = holder(t, false);
	char who[32];
	int fd;

	assert_int_equal(phase_lock(t->root, false, 100, NULL, 20, &fd, &err), -EWOULDBLOCK);
	assert_int_equal(fd, -1);
	snprintf(who, sizeof(who), "process %d", (int)pid);
	assert_has(err.text, who);
	assert_has(err.text, "vfhook release 100");
	/* The lock of another VM is none of ours. */
	assert_int_equal(phase_lock(t->root, false, 101, NULL, 0, &fd, &err), PHASE_LOCK_OURS);
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(phase_lock(t->root, false, 100, NULL, 20, &fd, &err), PHASE_LOCK_OURS);
	close(fd);
}

/* Whoever took it is gone, a child of it has it still. */
static void test_of_the_dead(void **state)
{
	const struct tree *t = *state;
	pid_t pid;
	int fd;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	pid = holder(t, true);
	assert_int_equal(phase_lock(t->root, false, 100, NULL, 0, &fd, NULL), PHASE_LOCK_UNKNOWN);
	assert_int_equal(fd, -1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Without /proc it can be taken, or not be told. */
static void test_no_proc(void **state)
{
	const struct tree *t = *state;
	pid_t pid;
	int fd;

	assert_int_equal(unlinkat(t->root, "proc", 0), 0);
	assert_int_equal(phase_lock(t->root, false, 100, NULL, 0, &fd, NULL), PHASE_LOCK_OURS);
	close(fd);
	pid = holder(t, false);
	assert_int_equal(phase_lock(t->root, false, 100, NULL, 0, &fd, NULL), PHASE_LOCK_UNKNOWN);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_callers, setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_nobodys, setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_anothers, setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_of_the_dead, setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_no_proc, setup, tree_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
