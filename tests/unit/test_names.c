/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/names.h"
#include "src/base/cleanup.h"
#include "tests/unit/tree.h"

/* More than one getdents64() holds: each name once, and none that is hidden. */
static void test_all_once(void **state)
{
	const struct tree *t = *state;
	AUTO_NAMES struct names d = NAMES_INIT;
	bool seen[1000] = {false};
	const char *name;
	size_t n = 0;

	tree_shell("mkdir %s/d && cd %s/d && touch .hidden && seq -f 'a-name-of-some-length-%%g' 0 "
		   "999 | xargs touch",
		   t->path, t->path);
	assert_int_equal(names_open(t->root, "d", &d), 0);
	while ((name = names_next(&d))) {
		unsigned i;

		assert_int_equal(sscanf(name, "a-name-of-some-length-%u", &i), 1);
		assert_in_range(i, 0, 999);
		assert_false(seen[i]);
		seen[i] = true;
		n++;
	}
	assert_int_equal(n, 1000);
	assert_int_equal(d.error, 0);
	assert_null(names_next(&d));
}

static void test_none(void **state)
{
	const struct tree *t = *state;
	struct names d = NAMES_INIT;

	assert_null(names_next(&d)); /* not opened */
	names_close(&d);
	tree_shell("mkdir %s/empty", t->path);
	assert_int_equal(names_open(t->root, "empty", &d), 0);
	assert_null(names_next(&d));
	assert_int_equal(d.error, 0);
	names_close(&d);
}

/* What could not be read is no empty folder. */
static void test_errors(void **state)
{
	const struct tree *t = *state;
	struct names d = NAMES_INIT;

	assert_int_equal(names_open(t->root, "nothing", &d), -ENOENT);
	assert_null(names_next(&d));
	assert_int_equal(d.error, -ENOENT);
	names_close(&d);
	tree_write(t->root, "file", "x");
	assert_int_equal(names_open(t->root, "file", &d), -ENOTDIR);
	names_close(&d);
	tree_shell("mkdir %s/real && touch %s/real/name && ln -s real %s/link", t->path, t->path,
		   t->path);
	assert_int_equal(names_open(t->root, "link", &d), 0);
	assert_string_equal(names_next(&d), "name");
	names_close(&d);
	assert_int_equal(names_open_own(t->root, "link", &d), -ENOTDIR);
	names_close(&d);
	/* It stops in the middle: the descriptor is taken away. */
	assert_int_equal(names_open_own(t->root, "real", &d), 0);
	close(d.fd);
	assert_null(names_next(&d));
	assert_int_equal(d.error, -EBADF);
	d.fd = -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(test_all_once),
		tree_test(test_none),
		tree_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
