/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>

#include "hook/job_control.h"
#include "hook/restart_job.h"
#include "tests/unit/tree.h"
#include "src/port/context.h"

/* Who holds a lock is told from /proc/locks. */
static struct hook hook_in(const struct tree *t)
{
	tree_link(t->root, "proc", "/proc");
	return (struct hook){.root = t->root};
}

static void test_job_states(void **state)
{
	const struct tree *t = *state;
	struct hook h = hook_in(t);
	struct error err = ERROR_INIT;
	int lock;

	assert_int_equal(job_state(&h, 100), JOB_NONE);
	lock = job_lock(&h, 100, JOB_START, 0, &err);
	assert_true(lock >= 0);
	assert_int_equal(job_state(&h, 100), JOB_WAITING);
	assert_int_equal(job_state(&h, 101), JOB_NONE);
	assert_int_equal(job_set_state(lock, JOB_WAITING, &err), 0);
	assert_int_equal(job_state(&h, 100), JOB_WAITING);
	assert_int_equal(job_set_state(lock, JOB_RESTARTING, &err), 0);
	assert_int_equal(job_state(&h, 100), JOB_RESTARTING);
	assert_int_equal(job_set_state(lock, JOB_WAITING, &err), 0);
	assert_int_equal(job_state(&h, 100), JOB_WAITING);
	assert_int_equal(job_set_state(lock, JOB_NONE, &err), 0);
	close(lock);
	assert_int_equal(job_state(&h, 100), JOB_NONE);
	lock = job_lock(&h, 100, JOB_WRITE, 0, &err);
	assert_true(lock >= 0);
	assert_int_equal(job_state(&h, 100), JOB_WRITING);
	close(lock);
}

/* A look at any moment is no reason for the job to go away. */
static void test_looks_do_not_lock(void **state)
{
	const struct tree *t = *state;
	struct hook h = hook_in(t);
	struct error err = ERROR_INIT;
	int lock = job_lock(&h, 100, JOB_START, 0, &err);
	int busy = 0;
	pid_t pid;

	assert_true(lock >= 0);
	close(lock);
	pid = fork();
	if (!pid) {
		for (;;) {
			job_state(&h, 100);
			lock_is_free(h.root, "run/vfhook/locks/job-100");
		}
	}
	for (int i = 0; i < 3000; i++) {
		lock = job_lock(&h, 100, JOB_START, 0, &err);
		if (lock == -EWOULDBLOCK)
			busy++;
		else
			close(lock);
		usleep(10);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(busy, 0);
}

/* Somebody has the lock who is no job: none has written what it is. */
static void test_lock_of_a_stranger(void **state)
{
	const struct tree *t = *state;
	struct hook h = hook_in(t);
	struct error err = ERROR_INIT;
	int lock = job_lock(&h, 100, JOB_START, 0, &err);

	assert_true(lock >= 0);
	assert_int_equal(job_set_state(lock, JOB_NONE, &err), 0);
	assert_int_equal(job_state(&h, 100), JOB_NONE);
	close(lock);
}

static void test_one_job_at_a_time(void **state)
{
	const struct tree *t = *state;
	struct hook h = hook_in(t);
	struct error err = ERROR_INIT;
	int lock = job_lock(&h, 100, JOB_START, 0, &err);
	int other;

	assert_true(lock >= 0);
	assert_int_equal(job_lock(&h, 100, JOB_START, 0, &err), -EWOULDBLOCK);
	other = job_lock(&h, 101, JOB_START, 0, &err);
	assert_true(other >= 0);
	close(other);
	/* To look does not disturb. */
	assert_int_equal(job_state(&h, 100), JOB_WAITING);
	assert_int_equal(job_lock(&h, 100, JOB_START, 0, &err), -EWOULDBLOCK);
	close(lock);
	lock = job_lock(&h, 100, JOB_START, 0, &err);
	assert_true(lock >= 0);
	close(lock);
}

/* The last job was at its end; the next one is at its beginning from its first moment on. */
static void test_next_job_begins_anew(void **state)
{
	const struct tree *t = *state;
	struct hook h = hook_in(t);
	struct error err = ERROR_INIT;
	int lock = job_lock(&h, 100, JOB_START, 0, &err);

	assert_true(lock >= 0);
	assert_int_equal(job_set_state(lock, JOB_RESTARTING, &err), 0);
	close(lock);
	lock = job_lock(&h, 100, JOB_START, 0, &err);
	assert_true(lock >= 0);
	assert_int_equal(job_state(&h, 100), JOB_WAITING);
	close(lock);
}

static void test_dead_job(void **state)
{
	const struct tree *t = *state;
	struct hook h = hook_in(t);
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		int lock = job_lock(&h, 100, JOB_START, 0, NULL);

		if (lock < 0 || job_set_state(lock, JOB_RESTARTING, NULL) < 0 ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(job_state(&h, 100), JOB_RESTARTING);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(job_state(&h, 100), JOB_KILLED);
	close(ready[0]);
}

/* A symbolic link in the place of the lock leads nowhere. */
static void test_link_for_a_lock(void **state)
{
	const struct tree *t = *state;
	struct hook h = hook_in(t);
	struct error err = ERROR_INIT;

	tree_write(t->root, "victim", "keep me");
	tree_link(t->root, "run/vfhook/locks/job-100", "../../../victim");
	assert_true(job_lock(&h, 100, JOB_START, 0, &err) < 0);
	assert_int_equal(job_state(&h, 100), JOB_NONE);
}

/* One that stops and starts the VM says so until it is over. */
static void test_restart_job(void **state)
{
	const struct tree *t = *state;
	struct hook h = hook_in(t);
	int lock = job_lock(&h, 100, JOB_RESTART, 0, NULL);

	assert_true(lock >= 0);
	assert_int_equal(job_state(&h, 100), JOB_ANEW);
	assert_int_equal(job_kind_of(JOB_ANEW), JOB_RESTART);
	assert_int_equal(job_kind_of(JOB_WRITING), JOB_WRITE);
	assert_int_equal(job_kind_of(JOB_WAITING), JOB_START);
	close(lock);
	assert_int_equal(job_state(&h, 100), JOB_KILLED);
}

static void test_restart_word(void **state)
{
	static const char *const wrong[] = {
		"",	      "1:2:paused",  "0:2:link",	   "-5:2:link",	 "77:2:not",
		"77:2",	      "77:2:link ",  " 77:2:link",	   "77:2:linkx", "077:2:link",
		"77:-2:link", "77:2:link:3", "99999999999:2:link", "77::link"};
	struct restart r;

	(void)state;
	assert_true(restart_parse("77:123456789012:paused", &r));
	assert_int_equal(r.qemu.pid, 77);
	assert_int_equal(r.qemu.start, 123456789012);
	assert_int_equal(r.how, CUT_OFF_PAUSED);
	assert_true(restart_parse("77:1:link", &r) && r.how == CUT_OFF_LINK);
	assert_true(restart_parse("77:1:failed", &r) && r.how == CUT_OFF_FAILED);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_false(restart_parse(wrong[i], &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ram_test(test_job_states),	     ram_test(test_restart_job),
		cmocka_unit_test(test_restart_word), ram_test(test_one_job_at_a_time),
		ram_test(test_next_job_begins_anew), ram_test(test_dead_job),
		ram_test(test_link_for_a_lock),	     ram_test(test_looks_do_not_lock),
		ram_test(test_lock_of_a_stranger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
