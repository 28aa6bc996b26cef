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

static int hear_in(struct macs *m, unsigned n, uint16_t vlan, int port)
{
	struct fdb_entry e = {
		.mac = {2, 0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n}, .vlan = vlan, .ifindex = port};

	return macs_heard(m, &e, BRIDGE, true, 1000);
}

static bool knows(const struct macs *m, unsigned n)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->list[i].mac[4] == (uint8_t)(n >> 8) && m->list[i].mac[5] == (uint8_t)n)
			return true;
	}
	return false;
}

/* What counts are MACs: one in many VLANs is one. */
static void test_vlans_of_one(void **state)
{
	struct macs m = {0};

	(void)state;
	for (uint16_t vlan = 1; vlan <= 2000; vlan++)
		assert_int_equal(hear_in(&m, 1, vlan, TAP), 1);
	for (unsigned n = 2; n <= MACS_OF_PORT; n++)
		assert_int_equal(hear_in(&m, n, 0, TAP), 1);
	assert_int_equal(hear_in(&m, 5000, 0, TAP), 0);
	/* It goes with the last of its VLANs, and not before. */
	assert_int_equal(hear_in(&m, 1, 1, TAP2), 1);
	assert_int_equal(hear_in(&m, 5000, 0, TAP), 0);
	for (uint16_t vlan = 2; vlan <= 2000; vlan++)
		assert_int_equal(hear_in(&m, 1, vlan, TAP2), 1);
	assert_int_equal(hear_in(&m, 5000, 0, TAP), 1);
	assert_int_equal(hear_in(&m, 5001, 0, TAP), 0);
	/* VLANs without end are not kept either. */
	for (unsigned n = 6000; n < 6008; n++) {
		for (uint16_t vlan = 1; vlan < 4095; vlan++)
			hear_in(&m, n, vlan, TAP2);
	}
	assert_true(m.n < 8 * 4094);
	assert_true(macs_port_gone(&m, TAP2));
	assert_int_equal(m.n, MACS_OF_PORT);
	macs_free(&m);
}

/* Whatever the others have made up, a port has room for a guest's own. */
static void test_room_of_others(void **state)
{
	struct macs m = {0};
	unsigned n = 0;

	(void)state;
	for (int port = 10; port < 10 + 2 * MACS_AT_MOST / MACS_OF_PORT; port++) {
		for (unsigned i = 0; i < MACS_OF_PORT; i++)
			hear_in(&m, n++, 0, port);
	}
	assert_true(m.n < 2 * MACS_AT_MOST);
	assert_int_equal(hear_in(&m, n, 0, TAP), 1);
	assert_int_equal(hear_in(&m, n + 1, 0, TAP), 1);
	for (unsigned i = 0; i < MACS_OF_PORT; i++)
		hear_in(&m, n++, 0, TAP);
	assert_true(m.n < 2 * MACS_AT_MOST);
	macs_free(&m);
}

/* --- From port to port --- */

static struct heard *only(struct macs *m)
{
	assert_int_equal(m->n, 1);
	return m->list;
}

static void test_moves(void **state)
{
	struct macs m = {0};
	long long now = 1000;
	long long next;

	(void)state;
	hear(&m, 1, TAP, true, now);
	for (unsigned i = 1; i <= MACS_MOVES; i++) {
		assert_int_equal(hear(&m, 1, i & 1 ? TAP2 : TAP, false, now += 1000), 1);
		assert_int_equal(only(&m)->port, i & 1 ? TAP2 : TAP);
		assert_false(heard_wanders(only(&m), now));
	}
	assert_false(macs_expire(&m, keeps_none, NULL, now, &next));
	assert_int_equal(next, 0);
	/* Once too often: out, until it has rested; and somebody looks then without an event. */
	hear(&m, 1, TAP2, false, now += 1000);
	assert_true(heard_wanders(only(&m), now));
	assert_false(macs_expire(&m, keeps_none, NULL, now, &next));
	assert_int_equal(next, now + MACS_MOVES_MS);
	assert_true(macs_expire(&m, keeps_none, NULL, next, &next));
	assert_false(heard_wanders(only(&m), now + MACS_MOVES_MS));
	assert_false(macs_expire(&m, keeps_none, NULL, now + MACS_MOVES_MS, &next));
	assert_int_equal(next, 0);
	macs_free(&m);
}

/* As long as it goes on it is not believed, not even for the first of each minute. */
static void test_wanders_on(void **state)
{
	struct macs m = {0};
	long long now = 1000;

	(void)state;
	hear(&m, 1, TAP, true, now);
	for (unsigned i = 1; i <= 60; i++) {
		hear(&m, 1, i & 1 ? TAP2 : TAP, false, now += 9000);
		if (i > MACS_MOVES)
			assert_true(heard_wanders(only(&m), now));
	}
	/* Now and then is a guest that is moved. */
	now += 2 * MACS_MOVES_MS;
	for (unsigned i = 1; i <= 20; i++) {
		hear(&m, 1, i & 1 ? TAP2 : TAP, false, now += MACS_MOVES_MS / 3);
		assert_false(heard_wanders(only(&m), now));
	}
	macs_free(&m);
}

/* --- What goes at once, and what stays quiet --- */

static bool keeps_all(void *arg, const uint8_t mac[6])
{
	(void)arg;
	(void)mac;
	return true;
}

static bool is_tap(void *arg, int port, int bridge)
{
	(void)arg;
	return port == TAP && bridge == BRIDGE;
}

static void test_forgotten(void **state)
{
	struct fdb_entry fixed = {.mac = {2, 0, 0, 0, 0, 9}, .ifindex = TAP, .state = FDB_STATIC};
	struct fdb_entry learned = {.mac = {2, 0, 0, 0, 0, 1}, .ifindex = TAP};
	struct fdb_entry elsewhere = {.mac = {2, 0, 0, 0, 0, 1}, .ifindex = TAP2};
	struct macs m = {0};

	(void)state;
	assert_int_equal(macs_heard(&m, &fixed, BRIDGE, true, 1000), 1);
	assert_int_equal(macs_heard(&m, &learned, BRIDGE, true, 1000), 1);
	assert_int_equal(macs_heard(&m, &learned, BRIDGE, true, 1000), 0);
	/* Put there, and taken away: gone. Learned, and forgotten: quiet, told once. */
	assert_true(macs_forgotten(&m, &fixed, BRIDGE, 2000));
	assert_false(knows(&m, 9));
	assert_false(macs_forgotten(&m, &fixed, BRIDGE, 2000));
	assert_false(macs_forgotten(&m, &elsewhere, BRIDGE, 2000));
	assert_true(macs_forgotten(&m, &learned, BRIDGE, 2000));
	assert_false(macs_forgotten(&m, &learned, BRIDGE, 3000));
	assert_int_equal(only(&m)->quiet, 2000);
	/* It speaks again; then it is the port's own address, and nobody's behind it. */
	assert_int_equal(macs_heard(&m, &learned, BRIDGE, false, 4000), 1);
	assert_int_equal(only(&m)->quiet, 0);
	learned.state = FDB_LOCAL;
	assert_int_equal(macs_heard(&m, &learned, BRIDGE, false, 4000), 1);
	assert_int_equal(m.n, 0);
	/* Static, and gone while nobody was listening. */
	assert_int_equal(macs_heard(&m, &fixed, BRIDGE, true, 5000), 1);
	macs_look_begin(&m);
	assert_true(macs_look_end(&m, 6000));
	assert_int_equal(m.n, 0);
	macs_free(&m);
}

static void test_remembered(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	static const uint8_t other[6] = {2, 0, 0, 0, 0, 2};
	struct macs m = {0};
	long long next;

	(void)state;
	hear_in(&m, 2, 20, TAP2);
	assert_int_equal(macs_remember(&m, mac, BRIDGE, TAP, 1000), 1);
	/* Its bridge knows better, in whichever VLAN. */
	assert_int_equal(macs_remember(&m, other, BRIDGE, TAP, 1000), 0);
	assert_int_equal(m.n, 2);
	assert_int_equal(m.list[0].quiet, 1000);
	assert_int_equal(m.list[1].port, TAP2);
	/* A quiet one of a guest's config stays for as long as its port does. */
	assert_false(macs_expire(&m, keeps_all, NULL, 1000 + 2 * MACS_QUIET_MS, &next));
	assert_int_equal(next, 0);
	assert_true(macs_check_ports(&m, is_tap, NULL));
	assert_true(knows(&m, 1) && !knows(&m, 2));
	assert_false(macs_check_ports(&m, is_tap, NULL));
	assert_int_equal(m.n_ports, 1);
	assert_true(macs_port_gone(&m, TAP));
	assert_false(macs_port_gone(&m, TAP));
	assert_int_equal(m.n, 0);
	macs_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),	     cmocka_unit_test(test_taken_over),
		cmocka_unit_test(test_look_again),   cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_vlans_of_one), cmocka_unit_test(test_room_of_others),
		cmocka_unit_test(test_moves),	     cmocka_unit_test(test_wanders_on),
		cmocka_unit_test(test_forgotten),    cmocka_unit_test(test_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
