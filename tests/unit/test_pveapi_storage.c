/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "pveapi/storage.h"

/* Last: it makes a macro of fail(). */
#include <cmocka.h>

#include "tests/unit/test_pveapi_tree.h"

static void test_none(void **state)
{
	const struct tree *t = *state;
	CLEANUP(storages_free) struct storages s = {0};
	struct error err = ERROR_INIT;
	char path[64];

	assert_int_equal(storages_load(t->root, "pve1", &s, &err), 0);
	assert_int_equal(s.n, 1);
	assert_string_equal(s.list[0].id, "local");
	assert_string_equal(s.list[0].path, "/var/lib/vz");
	assert_true(s.list[0].here && storage_has_content(&s.list[0], "snippets"));
	assert_int_equal(storage_path(t->root, "local", path, sizeof(path), &err), 0);
	assert_int_equal(storage_path(t->root, "local", path, 5, &err), -ENAMETOOLONG);
	assert_int_equal(storage_path(t->root, "other", path, sizeof(path), &err), -ENOENT);
}

static void test_kinds(void **state)
{
	const struct tree *t = *state;
	CLEANUP(storages_free) struct storages s = {0};
	struct error err = ERROR_INIT;
	char path[64];

	tree_write(t->root, STORAGE_CFG,
		   "dir: local\n\tpath /var/lib/vz\n\tcontent iso,snippetsx\n\nlvm: lvm\n\tvgname "
		   "x\n\n"
		   "nfs: nas\n\tserver x\n\tnodes pve2,pve1\n\ndir: off\n\tpath /x\n\tdisable\n\n"
		   "dir: far\n\tpath /y\n\tnodes pve10\n\ndir: up\n\tpath /a/../b\n\n"
		   "dir: rel\n\tpath a/b\n\ndir: end\n\tpath /mnt//share/\n");
	assert_int_equal(storages_load(t->root, "pve1", &s, &err), 0);
	assert_int_equal(s.n, 5);
	assert_false(storage_has_content(&s.list[0], "snippets"));
	assert_true(storage_has_content(&s.list[0], "iso"));
	assert_string_equal(s.list[1].path, "/mnt/pve/nas");
	assert_string_equal(s.list[1].content, "");
	assert_true(s.list[1].here);
	assert_false(s.list[2].here || s.list[3].here);
	assert_string_equal(s.list[4].path, "/mnt/share");
	assert_int_equal(storage_path(t->root, "end", path, sizeof(path), &err), 0);
	assert_string_equal(path, "/mnt/share");
	assert_int_equal(storage_path(t->root, "lvm", path, sizeof(path), &err), -EINVAL);
	assert_int_equal(storage_path(t->root, "up", path, sizeof(path), &err), -EINVAL);
	tree_write(t->root, STORAGE_CFG, "\tno section\n");
	storages_free(&s);
	assert_true(storages_load(t->root, "pve1", &s, &err) < 0);
	assert_non_null(strstr(err.text, "/etc/pve/storage.cfg:1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_none, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_kinds, tree_setup, tree_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
