/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/text.h"
#include "pveapi/section.h"

/* Last: it makes a macro of fail(). */
#include <cmocka.h>

#define NAME "/etc/pve/vfhook.cfg"

static struct section_file parse_ok(const char *text, bool typed)
{
	struct error err = ERROR_INIT;
	struct section_file f;
	int r = section_parse(NAME, text, strlen(text), typed, NULL, &f, &err);

	if (r)
		print_error("%s\n", err.text);
	assert_int_equal(r, 0);
	assert_string_equal(err.text, "");
	return f;
}

/* The error must begin with NAME, the line, and go on with part somewhere. */
static void refused_len(const char *text, size_t len, bool typed, unsigned line, const char *part)
{
	struct error err = ERROR_INIT;
	struct section_file f;
	char begin[64];

	assert_int_equal(section_parse(NAME, text, len, typed, NULL, &f, &err), -EINVAL);
	assert_int_equal(err.code, EINVAL);
	snprintf(begin, sizeof(begin), NAME ":%u: ", line);
	if (strncmp(err.text, begin, strlen(begin)) != 0 || !strstr(err.text, part))
		print_error("got \"%s\"\n", err.text);
	assert_memory_equal(err.text, begin, strlen(begin));
	assert_non_null(strstr(err.text, part));
	assert_null(strchr(err.text, '\n'));
	assert_null(f.sections);
	assert_int_equal(f.n_sections, 0);
}

static void refused(const char *text, bool typed, unsigned line, const char *part)
{
	refused_len(text, strlen(text), typed, line, part);
}

/* In a file without types: so many lines are passed over, this the first, because of this. */
static void ignored(struct section_file *f, size_t n, unsigned line, const char *part)
{
	assert_int_equal(f->n_ignored, n);
	assert_int_equal(f->ignored_line, line);
	if (!strstr(f->ignored_why, part))
		print_error("got \"%s\"\n", f->ignored_why);
	assert_non_null(strstr(f->ignored_why, part));
	section_file_free(f);
}

static void test_typed(void **state)
{
	struct section_file f = parse_ok("# comment\n"
					 "pool: wan\n"
					 "\tpf pve1 0000:06:00.0\n"
					 "\t# inside\n"
					 "    pf   pve2\t0000:07:00.0  \n"
					 "\tautostart\n"
					 "\n"
					 "\n"
					 "port: 100-0\n"
					 "\tpool wan\n",
					 true);
	const struct section *s = section_find(&f, "pool", "wan");

	(void)state;
	assert_int_equal(f.n_sections, 2);
	assert_non_null(s);
	assert_int_equal(s->line, 2);
	assert_int_equal(s->n_props, 3);
	assert_string_equal(s->props[0].key, "pf");
	assert_string_equal(s->props[0].value, "pve1 0000:06:00.0");
	assert_string_equal(s->props[1].value, "pve2\t0000:07:00.0");
	assert_int_equal(s->props[1].line, 5);
	assert_string_equal(section_get(s, "pf"), "pve1 0000:06:00.0");
	assert_string_equal(section_get(s, "autostart"), "");
	assert_null(section_get(s, "nosuch"));
	assert_null(section_find(&f, "port", "wan"));
	assert_ptr_equal(section_find(&f, NULL, "100-0"), &f.sections[1]);
	section_file_free(&f);
}

static void test_untyped(void **state)
{
	struct section_file f = parse_ok("a-mapping\n\tmap id=1,node=n\n\tmap id=2\n\nb", false);

	(void)state;
	assert_int_equal(f.n_sections, 2);
	assert_string_equal(f.sections[0].type, "");
	assert_string_equal(f.sections[0].id, "a-mapping");
	assert_int_equal(f.sections[0].n_props, 2);
	assert_string_equal(f.sections[1].id, "b");
	section_file_free(&f);
}

static void test_empty(void **state)
{
	struct section_file f = parse_ok("", true);

	(void)state;
	assert_int_equal(f.n_sections, 0);
	section_file_free(&f);
	f = parse_ok("\n\n# only this", true);
	assert_int_equal(f.n_sections, 0);
	section_file_free(&f);
}

static void test_no_newline_at_end(void **state)
{
	struct section_file f = parse_ok("pool: wan\n\tkey value", true);

	(void)state;
	assert_string_equal(section_get(&f.sections[0], "key"), "value");
	section_file_free(&f);
}

static void test_new_section_without_blank_line(void **state)
{
	struct section_file f = parse_ok("pool: a\n\tk v\npool: b\n\tk w\n", true);

	(void)state;
	assert_int_equal(f.n_sections, 2);
	section_file_free(&f);
	/* PVE reads this one otherwise than it looks. */
	f = parse_ok("a1\n\tmap x\nb1\n\tmap y\n", false);
	assert_int_equal(f.n_sections, 1);
	assert_int_equal(f.sections[0].n_props, 2);
	ignored(&f, 1, 3, "empty line");
}

static void test_same_id_of_two_types(void **state)
{
	struct section_file f = parse_ok("pool: x\n\nport: x\n", true);

	(void)state;
	assert_int_equal(f.n_sections, 2);
	section_file_free(&f);
	refused("pool: x\n\nport: x\n\npool: x\n", true, 5, "line 1");
	/* The last one counts. */
	f = parse_ok("x1\n\tk 1\n\ny1\n\nx1\n\tk 2\n\nx1\n\tk 3\n", false);
	assert_int_equal(f.n_sections, 2);
	assert_string_equal(section_get(section_find(&f, NULL, "x1"), "k"), "3");
	ignored(&f, 2, 6, "same id");
}

static void test_bad_headers(void **state)
{
	(void)state;
	refused("pool wan\n", true, 1, "type: id");
	refused("\n\nwan\n", true, 3, "type: id");
	refused("pool:\n", true, 1, "no id");
	refused(": wan\n", true, 1, "type");
	refused("1pool: wan\n", true, 1, "type");
	refused("pool: wan lan\n", true, 1, "behind the id \"wan\"");
}

static void test_properties_out_of_place(void **state)
{
	(void)state;
	refused("\tkey value\n", true, 1, "outside of a section");
	refused("pool: wan\n\n\tkey value\n", true, 3, "outside of a section");
	refused("pool: wan\n  \t \n", true, 2, "blanks");
}

static void test_bytes_that_do_not_belong(void **state)
{
	static const char nul[] = "pool: wan\n\tkey val\0ue\n";

	(void)state;
	refused_len(nul, sizeof(nul) - 1, true, 2, "0x00");
	refused("pool: wan\n\tkey \x1b[31mred\n", true, 2, "0x1b in column 6");
	refused("pool: wan\n\tkey \x7f\n", true, 2, "0x7f");
	refused("# \x01\n", true, 1, "0x01");
	refused("pool: wan\r\n\tkey value\r\n", true, 1, "CR LF");
	refused("pool: w\ran\n", true, 1, "0x0d");
}

/* PVE goes on behind each of these, so do we. */
static void test_untyped_rubbish(void **state)
{
	struct section_file f = parse_ok("two words\n\tk 1\n\na1\n\tk 2\n", false);

	(void)state;
	assert_int_equal(f.n_sections, 1);
	assert_string_equal(section_get(&f.sections[0], "k"), "2");
	ignored(&f, 2, 1, "id alone");
	f = parse_ok("a1\n \t\n\tk 1\n\tl \x1b[31m\n", false);
	assert_int_equal(f.sections[0].n_props, 1);
	ignored(&f, 2, 2, "blanks");
	f = parse_ok("a\x01\n\tk 1\nb1\n\nc1\r\n\tk 2\r\n", false);
	assert_int_equal(f.n_sections, 1);
	assert_string_equal(f.sections[0].id, "c1");
	assert_string_equal(section_get(&f.sections[0], "k"), "2");
	ignored(&f, 2, 1, "no id");
}

static char *repeat(const char *head, char c, size_t n, const char *tail)
{
	struct str s = STR_INIT;

	str_append(&s, head);
	for (size_t i = 0; i < n; i++)
		str_append_len(&s, &c, 1);
	str_append(&s, tail);
	assert_true(str_ok(&s));
	return str_take(&s);
}

static void test_huge_line(void **state)
{
	struct section_file f;
	char *text = repeat("pool: wan\n\tkey ", 'x', 8192 - 5, "\n");

	(void)state;
	f = parse_ok(text, true);
	assert_int_equal(strlen(section_get(&f.sections[0], "key")), 8192 - 5);
	section_file_free(&f);
	free(text);
	text = repeat("pool: wan\n\tkey ", 'x', 8192 - 4, "\n");
	refused(text, true, 2, "longer than 8192");
	free(text);
	text = repeat("", 'x', 1048576, "");
	f = parse_ok(text, false);
	ignored(&f, 1, 1, "no id");
	free(text);
}

static void test_many_lines(void **state)
{
	char *text = repeat("", '\n', 65536, "");
	struct section_file f = parse_ok(text, true);

	(void)state;
	section_file_free(&f);
	free(text);
	text = repeat("", '\n', 65537, "");
	refused(text, true, 65537, "more than 65536 lines");
	free(text);
}

static void test_many_sections(void **state)
{
	struct str text = STR_INIT;
	struct section_file f;

	(void)state;
	for (unsigned i = 0; i < 32000; i++)
		str_printf(&text, "s%u\n\n", i);
	f = parse_ok(str_get(&text), false);
	assert_int_equal(f.n_sections, 32000);
	section_file_free(&f);
	str_append(&text, "s17\n");
	f = parse_ok(str_get(&text), false);
	assert_int_equal(f.n_sections, 32000);
	ignored(&f, 1, 35, "same id");
	str_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_typed),
		cmocka_unit_test(test_untyped),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_no_newline_at_end),
		cmocka_unit_test(test_new_section_without_blank_line),
		cmocka_unit_test(test_same_id_of_two_types),
		cmocka_unit_test(test_bad_headers),
		cmocka_unit_test(test_properties_out_of_place),
		cmocka_unit_test(test_bytes_that_do_not_belong),
		cmocka_unit_test(test_untyped_rubbish),
		cmocka_unit_test(test_huge_line),
		cmocka_unit_test(test_many_lines),
		cmocka_unit_test(test_many_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
