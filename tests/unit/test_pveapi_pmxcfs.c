/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "src/base/error.h"
#include "src/base/file.h"
#include "pveapi/pmxcfs.h"

/* Last: it makes a macro of fail(). */
#include <cmocka.h>

#include "tests/unit/test_pveapi_tree.h"

static void test_check(void **state)
{
	const struct tree *t = *state;
	struct error err = ERROR_INIT;

	assert_int_equal(pmxcfs_check(t->root, false, &err), -ENODEV);
	assert_non_null(strstr(err.text, "no Proxmox VE node"));
	assert_int_equal(mkdirat(t->root, "etc", 0755), 0);
	assert_int_equal(mkdirat(t->root, "etc/pve", 0755), 0);
	assert_int_equal(pmxcfs_check(t->root, false, &err), -ENODEV);
	assert_non_null(strstr(err.text, "pve-cluster is not running"));
	/* What vfhook itself may have written there before does not make it the cluster's. */
	assert_int_equal(mkdirat(t->root, "etc/pve/priv", 0755), 0);
	assert_int_equal(pmxcfs_check(t->root, false, &err), -ENODEV);
	assert_int_equal(symlinkat("nodes/pve1", t->root, "etc/pve/local"), 0);
	assert_int_equal(pmxcfs_check(t->root, false, &err), 0);
	/* A backup that was put back while nothing was mounted. */
	assert_int_equal(pmxcfs_check(t->root, true, &err), -ENODEV);
	assert_non_null(strstr(err.text, "pve-cluster is not running"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_check, tree_setup, tree_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
