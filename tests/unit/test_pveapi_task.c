/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sys/stat.h>

#include "pveapi/ha.h"
#include "pveapi/task.h"
#include "tests/unit/tree.h"

static void test_types(void **state)
{
	static const char *const none[] = {
		"",
		"UPID:",
		"UPID:pve1:0000:0000:0000",
		"UPID:pve1:0000:0000:0000:qmstart",
		"UPID:pve1:0000:0000:0000::100:root@pam:",
		"UPID:pve1:0000:0000:0000:a/b:100:root@pam:",
		"UPID:pve1:0000:0000:0000:"
		"longer-than-any-type-that-there-is-anywhere:100:root@pam:",
		"upid:pve1:0000:0000:0000:qmstart:100:root@pam:",
	};
	char type[TASK_TYPE_LEN];

	(void)state;
	assert_true(upid_type("UPID:pve1:00004B61:00033DAF:6B0AA8FE:qmstart:100:root@pam:", type));
	assert_string_equal(type, "qmstart");
	/* A backup of several guests has no id. */
	assert_true(upid_type("UPID:pve1:00004B61:00033DAF:6B0AA8FE:vzdump::root@pam:", type));
	assert_string_equal(type, "vzdump");
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(upid_type(none[i], type));
}

/* A made-up /proc, in which our parent and its parents are what the test says. */
static void process(int root, pid_t pid, pid_t parent, const char *cmdline)
{
	char path[64];
	char text[128];

	snprintf(path, sizeof(path), "proc/%d/cmdline", (int)pid);
	tree_write(root, path, cmdline);
	snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	snprintf(text, sizeof(text), "%d (a b) 1) S %d 1 1 0", (int)pid, (int)parent);
	tree_write(root, path, text);
}

static void test_ancestors(void **state)
{
	const struct tree *t = *state;
	char type[TASK_TYPE_LEN];

	process(t->root, getppid(), 4001, "/bin/bash");
	process(t->root, 4001, 4002, "task UPID:pve1:1:2:3:qmstart:100:root@pam:");
	process(t->root, 4002, 1, "task UPID:pve1:1:2:3:vzdump:100:root@pam:");
	assert_int_equal(task_type_of_ancestor(t->root, type), 1);
	assert_string_equal(type, "qmstart"); /* the nearest */
	process(t->root, 4001, 4002, "/usr/bin/perl");
	assert_int_equal(task_type_of_ancestor(t->root, type), 1);
	assert_string_equal(type, "vzdump");
	process(t->root, 4002, 1, "/sbin/init");
	assert_int_equal(task_type_of_ancestor(t->root, type), 0);
	/* Gone, or not to be read: that is no answer. */
	process(t->root, 4001, 4003, "/usr/bin/perl");
	assert_int_equal(task_type_of_ancestor(t->root, type), -ENOENT);
	process(t->root, 4001, 4001, "/usr/bin/perl");
	assert_int_equal(task_type_of_ancestor(t->root, type), 0);
}

static void test_ha_states(void **state)
{
	const struct tree *t = *state;
	char found[HA_STATE_LEN];

	assert_int_equal(ha_vm_state(t->root, 100, found), 0);
	tree_write(t->root, "etc/pve/ha/manager_status",
		   "{\"service_status\":{\"vm:100\":{\"node\":\"pve1\",\"state\":\"error\"}}}");
	assert_int_equal(ha_vm_state(t->root, 100, found), 1);
	assert_string_equal(found, "error");
	assert_int_equal(ha_vm_state(t->root, 101, found), 0);
	tree_write(t->root, "etc/pve/ha/manager_status", "{\"service_status\":{\"vm:100\":");
	assert_int_equal(ha_vm_state(t->root, 100, found), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ram_test(test_types),
		ram_test(test_ancestors),
		ram_test(test_ha_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
