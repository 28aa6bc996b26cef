/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/tree.h"

#undef fail /* cmocka's; ours is tested here */

static void test_fail_fills_and_returns(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(fail(&err, EBUSY, "VF %u of %s", 3, "enp6s0f0"), -EBUSY);
	assert_int_equal(err.code, EBUSY);
	assert_string_equal(err.text, "VF 3 of enp6s0f0");
	assert_int_equal(fail(NULL, EBUSY, "nobody listens"), -EBUSY);
}

static void test_fail_errno_says_why(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(fail_errno(&err, ENOENT, "read /%s", "etc/x"), -ENOENT);
	assert_string_equal(err.text, "read /etc/x: No such file or directory");
	assert_int_equal(fail_errno(NULL, ENOENT, "x"), -ENOENT);
}

static void test_context_goes_in_front(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	fail(&err, EFBIG, "too large");
	assert_int_equal(fail_context(&err, "step %d", 4), -EFBIG);
	assert_string_equal(err.text, "step 4: too large");
	assert_int_equal(err.code, EFBIG);
	assert_int_equal(fail_context(NULL, "x"), -EIO);
	error_clear(&err);
	assert_int_equal(err.code, 0);
	assert_string_equal(err.text, "");
	assert_true(fail_context(&err, "x") < 0);
	error_clear(NULL);
}

static void test_long_texts_are_cut(void **state)
{
	struct error err = ERROR_INIT;
	char big[5000];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	fail(&err, EIO, "%s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	fail_errno(&err, EIO, "%s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	fail_context(&err, "VF 0000:06:10.0");
	assert_true(strlen(err.text) < sizeof(err.text));
	assert_memory_equal(err.text, "VF 0000:06:10.0: xxx", 20);
	fail_context(&err, "%s", big);
	assert_true(strlen(err.text) < sizeof(err.text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fail_fills_and_returns),
		cmocka_unit_test(test_fail_errno_says_why),
		cmocka_unit_test(test_context_goes_in_front),
		cmocka_unit_test(test_long_texts_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
