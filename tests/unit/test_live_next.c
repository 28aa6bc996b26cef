/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "src/command/live_next.h"

/* Last: it makes a macro of fail(). */
#include <cmocka.h>

/* A VM that runs here, with all it needs. */
static struct live_facts at_home(void)
{
	struct live_facts f = {
		.runs = ANSWER_YES, .here = true, .pve_busy = ANSWER_NO, .flags_on = ANSWER_YES};

	strcpy(f.status, "running");
	strcpy(f.outgoing, "none");
	return f;
}

static void test_at_home(void **state)
{
	struct live_facts f = at_home();

	(void)state;
	assert_int_equal(live_next(&f), LIVE_DONE);
	f.flags_on = ANSWER_NO;
	assert_int_equal(live_next(&f), LIVE_FLAG);
	/* A backup has it: it may stop in a moment. */
	f.locked = true;
	assert_int_equal(live_next(&f), LIVE_WAIT);
	f.locked = false;
	f.flags_on = ANSWER_UNKNOWN;
	assert_int_equal(live_next(&f), LIVE_WAIT);
}

/* A guest that did not let go in time may do so later: at its next reboot, say. */
static void test_asked(void **state)
{
	struct live_facts f = at_home();

	(void)state;
	f.asked = true;
	assert_int_equal(live_next(&f), LIVE_WATCH);
	f.lost = true;
	assert_int_equal(live_next(&f), LIVE_PLUG);
	f.locked = f.migrating = true;
	f.pve_busy = ANSWER_YES;
	assert_int_equal(live_next(&f), LIVE_WAIT);
}

/* Whatever its leases say: a run that was killed has left something. */
static void test_cut_off(void **state)
{
	struct live_facts f = at_home();

	(void)state;
	f.cut_off = true;
	assert_int_equal(live_next(&f), LIVE_MEND);
	f.locked = f.migrating = f.unplugged = true;
	assert_int_equal(live_next(&f), LIVE_MEND);
	f.here = false;
	assert_int_equal(live_next(&f), LIVE_WAIT);
	f.runs = ANSWER_NO;
	assert_int_equal(live_next(&f), LIVE_GONE);
}

static void test_gone(void **state)
{
	struct live_facts f = at_home();

	(void)state;
	f.runs = ANSWER_NO;
	assert_int_equal(live_next(&f), LIVE_GONE);
	/* Unknown is never "no": its leases are not given back. */
	f.runs = ANSWER_UNKNOWN;
	assert_int_equal(live_next(&f), LIVE_WAIT);
}

static void test_source(void **state)
{
	struct live_facts f = at_home();

	(void)state;
	f.unplugged = true;
	f.locked = f.migrating = true;
	f.pve_busy = ANSWER_YES;
	f.flags_on = ANSWER_NO;
	assert_int_equal(live_next(&f), LIVE_WAIT);
	/* Switched over: the config is the target's, QEMU here stands still and is ended soon. */
	f.here = false;
	strcpy(f.status, "postmigrate");
	assert_int_equal(live_next(&f), LIVE_WAIT);
	f.runs = ANSWER_NO;
	assert_int_equal(live_next(&f), LIVE_GONE);
	/* Or it ended without success. */
	f = at_home();
	f.unplugged = true;
	f.flags_on = ANSWER_NO;
	assert_int_equal(live_next(&f), LIVE_PLUG);
	f.unplugged = false;
	assert_int_equal(live_next(&f), LIVE_FLAG);
}

static void test_worker_killed(void **state)
{
	static const struct {
		const char *status;
		const char *outgoing;
		enum live_next next;
	} rows[] = {
		{"running", "none", LIVE_PLUG},
		{"running", "failed", LIVE_PLUG},
		{"running", "cancelled", LIVE_PLUG},
		/* The one that it came here by. */
		{"running", "completed", LIVE_PLUG},
		/* QEMU goes on with what it was told to do. */
		{"running", "active", LIVE_WAIT},
		{"running", "setup", LIVE_WAIT},
		{"running", "cancelling", LIVE_WAIT},
		{"running", "", LIVE_WAIT},
		{"postmigrate", "completed", LIVE_WAIT},
		{"", "", LIVE_WAIT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct live_facts f = at_home();

		f.unplugged = f.locked = f.migrating = true;
		f.flags_on = ANSWER_NO;
		strcpy(f.status, rows[i].status);
		strcpy(f.outgoing, rows[i].outgoing);
		assert_int_equal(live_next(&f), rows[i].next);
		/* As long as the worker lives it is the worker's. */
		f.pve_busy = ANSWER_YES;
		assert_int_equal(live_next(&f), LIVE_WAIT);
		f.pve_busy = ANSWER_UNKNOWN;
		assert_int_equal(live_next(&f), LIVE_WAIT);
	}
}

static void test_target(void **state)
{
	struct live_facts f = at_home();

	(void)state;
	f.arriving = true;
	f.flags_on = ANSWER_NO;
	f.here = false;
	strcpy(f.status, "inmigrate");
	assert_int_equal(live_next(&f), LIVE_WAIT);
	/* The config is moved first, then the guest goes on. */
	f.here = f.locked = f.migrating = true;
	assert_int_equal(live_next(&f), LIVE_WAIT);
	strcpy(f.status, "running");
	f.pve_busy = ANSWER_YES;
	assert_int_equal(live_next(&f), LIVE_ARRIVE);
	/* A VM that was paused when it was migrated cannot let go of anything. */
	strcpy(f.status, "paused");
	assert_int_equal(live_next(&f), LIVE_WAIT);
	/* PVE's last phase is not over: no flag yet. */
	f.arriving = false;
	strcpy(f.status, "running");
	assert_int_equal(live_next(&f), LIVE_WAIT);
	f.locked = f.migrating = false;
	assert_int_equal(live_next(&f), LIVE_FLAG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_home), cmocka_unit_test(test_asked),
		cmocka_unit_test(test_cut_off), cmocka_unit_test(test_gone),
		cmocka_unit_test(test_source),	cmocka_unit_test(test_worker_killed),
		cmocka_unit_test(test_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
