/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Another node: its address, and a fake ssh that writes down how it was called. */
#include "pveapi/peer.h"
#include "src/base/clock.h"
#include "tests/unit/tree.h"

#define MEMBERS	 "etc/pve/.members"
#define GOOD	 "{\"nodelist\": {\"pve2\": {\"id\": 2, \"ip\": \"192.0.2.2\"}}}"
#define PATIENCE 20000

static void test_address(void **state)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"{\"nodelist\": []}",
		"{\"nodelist\": {\"pve1\": {}}}",
		"{\"nodelist\": {\"pve2\": 5}}",
		"{\"nodelist\": {\"pve2\": {\"ip\": 5}}}",
		"{\"nodelist\": {\"pve2\": {\"ip\": \"\"}}}",
		"{\"nodelist\": {\"pve2\": {\"ip\": \"-oProxyCommand=x\"}}}",
		"{\"nodelist\": {\"pve2\": {\"ip\": \"192.0.2.2 x\"}}}"};
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	char ip[PEER_IP_LEN];

	assert_int_equal(peer_address(t->root, "pve2", ip, &err), -ENOENT);
	tree_write(t->root, MEMBERS, GOOD);
	assert_int_equal(peer_address(t->root, "pve2", ip, &err), 0);
	assert_string_equal(ip, "192.0.2.2");
	assert_int_equal(peer_address(t->root, "../x", ip, &err), -EINVAL);
	tree_write(t->root, MEMBERS, "{\"nodelist\": {\"pve2\": {\"ip\": \"2001:db8::2\"}}}");
	assert_int_equal(peer_address(t->root, "pve2", ip, &err), 0);
	tree_write(t->root, MEMBERS, "rubbish");
	assert_int_equal(peer_address(t->root, "pve2", ip, &err), -EBADMSG);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		tree_write(t->root, MEMBERS, bad[i]);
		assert_int_equal(peer_address(t->root, "pve2", ip, &err), -ENOENT);
	}
}

/* A script of one line in place of ssh; $D is the tree. */
static int call(const struct tree *t, const char *line, const char *const argv[], int ms,
		struct error *err)
{
	char text[512];
	char ssh[128];

	snprintf(text, sizeof(text), "#!/bin/sh\nD='%s'\n%s\n", t->path, line);
	tree_write(t->root, "ssh", text);
	assert_int_equal(fchmodat(t->root, "ssh", 0755, 0), 0);
	tree_write(t->root, MEMBERS, GOOD);
	snprintf(ssh, sizeof(ssh), "%s/ssh", t->path);
	return peer_run(t->root, ssh, "pve2", argv, ms, err);
}

static void check_args(const struct tree *t, const char *want)
{
	char *got = tree_read(t->root, "args");

	assert_non_null(got);
	assert_string_equal(got, want);
	free(got);
}

static void test_arguments(void **state)
{
	static const char *const argv[] = {"/usr/sbin/vfhook", "unplug", "100", NULL};
	const struct tree *t = *state;
	struct error err = ERROR_INIT;

	assert_int_equal(call(t, "echo \"$*\" >$D/args", argv, PATIENCE, &err), 0);
	check_args(t, "-e none -o BatchMode=yes -o HostKeyAlias=pve2 -o "
		      "ControlPath=none "
		      "-o ConnectTimeout=10 "
		      "-o ServerAliveInterval=5 -o ServerAliveCountMax=3 root@192.0.2.2 -- "
		      "/usr/sbin/vfhook unplug 100\n");
	tree_write(t->root, "etc/pve/nodes/pve2/ssh_known_hosts", "x");
	assert_int_equal(call(t, "echo \"$*\" >$D/args", argv, PATIENCE, &err), 0);
	check_args(t, "-e none -o BatchMode=yes -o HostKeyAlias=pve2 "
		      "-o UserKnownHostsFile=/etc/pve/nodes/pve2/ssh_known_hosts "
		      "-o GlobalKnownHostsFile=none -o ControlPath=none "
		      "-o ConnectTimeout=10 "
		      "-o ServerAliveInterval=5 -o ServerAliveCountMax=3 root@192.0.2.2 -- "
		      "/usr/sbin/vfhook unplug 100\n");
}

static void test_ends(void **state)
{
	static const char *const argv[] = {"true", NULL};
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	long long start;

	assert_int_equal(call(t, "exit 3", argv, PATIENCE, &err), 3);
	assert_int_equal(call(t, "exit 255", argv, PATIENCE, &err), 255);
	assert_int_equal(peer_run(t->root, "/nowhere/ssh", "pve2", argv, PATIENCE, &err), 255);
	start = clock_ms();
	assert_int_equal(call(t, "exec sleep 60", argv, 300, &err), -ETIMEDOUT);
	assert_true(clock_ms() - start < PATIENCE);
	/* It is asked to end, so that it can tell the other side; one that does not is killed. */
	assert_int_equal(call(t, "trap 'echo asked >$D/args; exit 1' TERM; sleep 60 & wait", argv,
			      1500, &err),
			 -ETIMEDOUT);
	check_args(t, "asked\n");
	assert_int_equal(call(t, "trap '' TERM; exec sleep 60", argv, 300, &err), -ETIMEDOUT);
}

static void test_output_passed_on(void **state)
{
	static const char *const argv[] = {"true", NULL};
	const struct tree *t = *state;
	struct error err = ERROR_INIT;
	int out = openat(t->root, "out", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	int old = dup(STDOUT_FILENO);
	char *text;
	int r;

	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	r = call(t, "echo said there", argv, PATIENCE, &err);
	dup2(old, STDOUT_FILENO);
	close(old);
	close(out);
	assert_int_equal(r, 0);
	text = tree_read(t->root, "out");
	assert_string_equal(text, "said there\n");
	free(text);
}

static void test_words_refused(void **state)
{
	static const char *const bad[] = {"", "a b", "$x", "`x`", "a;b", "a\nb", "a'b", "*", "~"};
	const struct tree *t = *state;
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const char *const argv[] = {"vfhook", bad[i], NULL};

		assert_int_equal(call(t, ": >$D/args", argv, PATIENCE, &err), -EINVAL);
	}
	assert_null(tree_read(t->root, "args"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(test_address),
		tree_test(test_arguments),
		tree_test(test_ends),
		tree_test(test_words_refused),
		tree_test(test_output_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
