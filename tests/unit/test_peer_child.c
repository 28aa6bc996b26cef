/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where no process can be made for ssh, this one must not become it: it has locks and a plan. */
#include <sys/resource.h>

#include "pveapi/peer.h"
#include "tests/unit/tree.h"

#define STILL_US  42
#define SSH_EXITS 7

/* The lowest free descriptor, and how many more may be open from here on. */
static void leave_descriptors(unsigned n)
{
	int next = dup(STDIN_FILENO);
	const struct rlimit limit = {(rlim_t)next + n, (rlim_t)next + n};

	close(next);
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* One descriptor is enough to read a file, and not for a pipe. */
static int without_child(void *arg)
{
	static const char *const argv[] = {"true", NULL};
	const struct tree *t = arg;
	struct error err = ERROR_INIT;
	char ssh[128];
	int r;

	snprintf(ssh, sizeof(ssh), "%s/ssh", t->path);
	leave_descriptors(1);
	r = peer_run(t->root, ssh, "pve2", argv, 5000, &err);
	return r < 0 && err.code == -r && strstr(err.text, "pve2") ? STILL_US : 1;
}

static void test_never_becomes_ssh(void **state)
{
	struct tree *t = *state;
	char text[64];
	int status;

	snprintf(text, sizeof(text), "#!/bin/sh\nexit %d\n", SSH_EXITS);
	tree_write(t->root, "ssh", text);
	assert_int_equal(fchmodat(t->root, "ssh", 0755, 0), 0);
	tree_write(t->root, "etc/pve/.members",
		   "{\"nodelist\": {\"pve2\": {\"id\": 2, \"ip\": \"192.0.2.2\"}}}");
	status = in_child(without_child, t);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), STILL_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ram_test(test_never_becomes_ssh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
