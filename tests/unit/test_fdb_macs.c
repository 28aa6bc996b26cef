/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What bridges know: bounds, and what time does to it. */
#include "src/fdb/macs.h"
#include "tests/unit/tree.h"

enum { BRIDGE = 2, TAP = 3, TAP2 = 4 };

static int hear(struct macs *m, unsigned n, int port, bool dump, long long now)
{
	struct fdb_entry e = {.mac = {2, 0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n}, .ifindex = port};

	return macs_heard(m, &e, BRIDGE, dump, now);
}

static void test_bounds(void **state)
{
	struct macs m = {0};
	unsigned n = 0;

	(void)state;
	while (hear(&m, n, TAP, false, 1000) == 1)
		n++;
	assert_int_equal(n, MACS_BURST);
	assert_int_equal(m.look_again, 2000);
	assert_int_equal(hear(&m, 5000, TAP2, false, 1000), 1);
	for (unsigned i = 0; i < 2 * MACS_OF_PORT; i++)
		hear(&m, i, TAP, true, 1000);
	assert_true(m.n <= MACS_OF_PORT + 1);
	assert_true(macs_port_gone(&m, TAP));
	assert_int_equal(m.n, 1);
	assert_int_equal(m.n_ports, 1);
	assert_true(macs_port_gone(&m, BRIDGE));
	assert_int_equal(m.n, 0);
	macs_free(&m);
}

/* Two ports of one guest that take each other's addresses over have no more than two others. */
static void test_taken_over(void **state)
{
	struct macs m = {0};

	(void)state;
	for (unsigned round = 0; round < 8; round++) {
		for (unsigned i = 0; i < MACS_OF_PORT; i++)
			hear(&m, round * MACS_OF_PORT + i, TAP, true, 1000);
		for (unsigned i = 0; i < MACS_OF_PORT; i++)
			hear(&m, round * MACS_OF_PORT + i, TAP2, true, 1000);
	}
	assert_true(m.n <= 2 * MACS_OF_PORT);
	macs_free(&m);
}

/* A flood that has ended does not make the next one wait for a minute. */
static void test_look_again(void **state)
{
	struct macs m = {0};
	long long now = 1000;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned k = 0; k < 2 * MACS_BURST; k++)
			hear(&m, i * 200 + k, TAP, false, now);
		assert_int_equal(m.look_again, now + (1000LL << i));
		now = m.look_again;
		macs_look_begin(&m);
		macs_look_end(&m, now);
	}
	now += 3600 * 1000;
	for (unsigned k = 0; k < 2 * MACS_BURST; k++)
		hear(&m, 2000 + k, TAP, false, now);
	assert_int_equal(m.look_again, now + 1000);
	macs_free(&m);
}

static bool keeps_none(void *arg, const uint8_t mac[6])
{
	(void)arg;
	(void)mac;
	return false;
}

static void test_quiet(void **state)
{
	struct macs m = {0};
	long long next;

	(void)state;
	hear(&m, 1, TAP, true, 1000);
	macs_look_begin(&m);
	assert_true(macs_look_end(&m, 5000));
	assert_int_equal(m.list[0].quiet, 5000);
	assert_false(macs_expire(&m, keeps_none, NULL, 6000, &next));
	assert_int_equal(next, 5000 + MACS_QUIET_MS);
	assert_true(macs_expire(&m, keeps_none, NULL, next, &next));
	assert_int_equal(m.n, 0);
	macs_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_taken_over),
		cmocka_unit_test(test_look_again),
		cmocka_unit_test(test_quiet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
