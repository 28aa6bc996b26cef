/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/show/table.h"

#include <time.h>

#include "src/base/cleanup.h"
#include "tests/unit/tree.h"
#include "tests/unit/lines.h"

enum { VF, VM, MAC, FLAG, DRIVER, COLUMNS };

static const struct column columns[COLUMNS] = {
	[VF] = {.head = "VF", .right = true, .rank = 0},
	[VM] = {.head = "VM", .rank = 1, .least = 10, .wanted = 30},
	[MAC] = {.head = "MAC", .rank = 2},
	[FLAG] = {.head = "FLAG", .rank = 3},
	[DRIVER] = {.head = "DRIVER", .rank = 4, .extra = true},
};

static void fill(struct table *t, unsigned rows, const char *name)
{
	table_init(t, columns, COLUMNS);
	for (unsigned i = 0; i < rows; i++) {
		table_row(t);
		table_cell(t, VF, STYLE_PLAIN, "%u", i);
		table_cell(t, VM, STYLE_GOOD, "%u %s", 100 + i, name);
		table_cell(t, MAC, STYLE_PLAIN, "bc:24:11:00:00:%02x", i & 0xff);
		table_cell(t, FLAG, STYLE_BAD, "on!");
		table_cell(t, DRIVER, STYLE_PLAIN, "vfio-pci");
	}
}

static void check_table(unsigned rows, size_t width, const char *name, const char *has,
			const char *has_not)
{
	CLEANUP(str_free) struct str out = STR_INIT;
	CLEANUP(table_free) struct table t;

	fill(&t, rows, name);
	table_print(&t, width, false, &out);
	assert_true(str_ok(&out));
	check_lines(str_get(&out), width, rows ? rows + 1 : 0);
	if (has)
		assert_has(str_get(&out), has);
	if (has_not)
		assert_null(strstr(str_get(&out), has_not));
}

#define LONG_NAME "a-name-that-is-as-long-as-a-dns-label-may-be-and-not-a-bit-less"

static void test_widths(void **state)
{
	static const unsigned rows[] = {0, 1, 16, 256};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		check_table(rows[i], 80, "web", rows[i] ? "DRIVER" : NULL, "~");
		check_table(rows[i], 80, LONG_NAME, rows[i] ? "a-name" : NULL, LONG_NAME);
		check_table(rows[i], 120, LONG_NAME, rows[i] ? LONG_NAME : NULL, "~");
		check_table(rows[i], 200, LONG_NAME, rows[i] ? LONG_NAME : NULL, "~");
		for (size_t width = 1; width < 130; width++)
			check_table(rows[i], width, LONG_NAME, NULL, NULL);
	}
}

static void test_the_most_important_stay(void **state)
{
	(void)state;
	check_table(16, 33, LONG_NAME, "bc:24:11:00:00:0f", "FLAG");
	check_table(16, 32, LONG_NAME, "FLAG", "bc:24");
	check_table(16, 14, LONG_NAME, "115 a-nam~", "FLAG");
	/* An extra column comes only when the name has the room it wants. */
	check_table(16, 66, LONG_NAME, "FLAG", "DRIVER");
	check_table(16, 69, LONG_NAME, "DRIVER", NULL);
}

static void test_exact(void **state)
{
	CLEANUP(str_free) struct str out = STR_INIT;
	CLEANUP(table_free) struct table t;

	(void)state;
	fill(&t, 1, "web");
	table_row(&t);
	table_cell(&t, VF, STYLE_PLAIN, "%s", "11");
	table_cell(&t, MAC, STYLE_PLAIN, "%s", "");
	table_cell(&t, MAC, STYLE_PLAIN, "-"); /* the second one counts */
	table_print(&t, 80, false, &out);
	assert_string_equal(str_get(&out), "VF  VM       MAC                FLAG  DRIVER\n"
					   " 0  100 web  bc:24:11:00:00:00  on!   vfio-pci\n"
					   "11           -\n");
}

static void test_colour(void **state)
{
	CLEANUP(str_free) struct str out = STR_INIT;
	CLEANUP(table_free) struct table t;

	(void)state;
	fill(&t, 1, "web");
	table_print(&t, 80, true, &out);
	assert_has(str_get(&out), "\033[1mVF\033[0m");
	assert_has(str_get(&out), "\033[32m100 web\033[0m  bc:");
	assert_has(str_get(&out), "\033[1;31mon!\033[0m");
}

static void test_hostile_names(void **state)
{
	static const char *const names[] = {
		"\033]0;owned\007\033[2J\033[31m",
		"tab\there\r\nnew line",
		"\xc2\x9b"
		"31m C1",
		"\xe2\x80\xae"
		"right to left",
		"e\xcc\x81\xcc\x81\xcc\x81\xcc\x81 combining",
		"zero\xe2\x80\x8bwidth\xef\xbb\xbf",
		"broken \xff\xfe\xc3",
		"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97"
		"\xa5",
		"\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		for (size_t width = 1; width < 90; width++)
			check_table(16, width, names[i], NULL, NULL);
	}
}

static void fit(const char *text, size_t max, const char *want, size_t want_width)
{
	CLEANUP(str_free) struct str out = STR_INIT;

	assert_int_equal(text_fit(text, max, &out), want_width);
	assert_string_equal(str_get(&out), want);
}

static void test_fit(void **state)
{
	(void)state;
	fit("abc", 3, "abc", 3);
	fit("abcd", 3, "ab~", 3);
	fit("abcd", 1, "~", 1);
	fit("abcd", 0, "", 0);
	fit("", 5, "", 0);
	fit("\xe6\x97\xa5\xe6\x9c\xac", 4, "\xe6\x97\xa5\xe6\x9c\xac", 4);
	fit("\xe6\x97\xa5\xe6\x9c\xac", 3, "\xe6\x97\xa5~", 3);
	fit("\xe6\x97\xa5\xe6\x9c\xac", 2, "~", 1);
	fit("a\033b", 9, "a?b", 3);
}

static void paragraph(const char *text, size_t indent, size_t width, const char *want)
{
	CLEANUP(str_free) struct str out = STR_INIT;

	paragraph_print(text, indent, width, STYLE_PLAIN, false, &out);
	assert_string_equal(str_get(&out), want);
}

static void test_paragraph(void **state)
{
	(void)state;
	paragraph("one two three", 2, 80, "one two three\n");
	paragraph("one two three", 2, 8, "one two\n  three\n");
	paragraph("  one two", 4, 7, "  one\n    two\n");
	paragraph("abcdefghij", 2, 6, "abcdef\n  ghij\n");
	paragraph("x abcdefghij", 2, 6, "x\n  abcd\n  efgh\n  ij\n");
	paragraph("", 2, 6, "\n");
	paragraph("a\nb", 2, 6, "a?b\n");
	for (size_t width = 1; width < 40; width++) {
		CLEANUP(str_free) struct str out = STR_INIT;
		size_t lines = 0;

		paragraph_print("  VF 3: \xe6\x97\xa5\xe6\x9c\xac " LONG_NAME " end", 4, width,
				STYLE_PLAIN, false, &out);
		for (const char *c = str_get(&out); *c; c++)
			lines += *c == '\n';
		if (width > 1) /* a wide character has no room in one column */
			check_lines(str_get(&out), width, (unsigned)lines);
	}
}

/* An event's text, or an error's: its time grows as it does, not as its square. */
static void test_long_paragraph(void **state)
{
	CLEANUP(str_free) struct str text = STR_INIT;
	CLEANUP(str_free) struct str out = STR_INIT;
	clock_t begun = clock();

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		str_append(&text, "w\xc3\xb6rd ");
	paragraph_print(str_get(&text), 2, 80, STYLE_PLAIN, false, &out);
	assert_true(clock() - begun < 5 * (clock_t)CLOCKS_PER_SEC);
	assert_true(out.len > text.len);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_the_most_important_stay),
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_colour),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_fit),
		cmocka_unit_test(test_paragraph),
		cmocka_unit_test(test_long_paragraph),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
