/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is written by hand, read by a JSON library. */
#include "src/base/json.h"
#include "tests/unit/tree.h"

static void test_shape(void **state)
{
	struct json_out o = JSON_OUT_INIT;

	(void)state;
	json_out_begin(&o, NULL, '{');
	json_out_int(&o, "a", 1);
	json_out_begin(&o, "b", '[');
	json_out_begin(&o, NULL, '{');
	json_out_end(&o, '}');
	json_out_begin(&o, NULL, '{');
	json_out_bool(&o, "c", true);
	json_out_bool(&o, "d", false);
	json_out_end(&o, '}');
	json_out_text(&o, NULL, "e");
	json_out_end(&o, ']');
	json_out_begin(&o, "f", '[');
	json_out_end(&o, ']');
	json_out_text(&o, "g", "");
	json_out_end(&o, '}');
	assert_string_equal(str_get(&o.text), "{\"a\":1,\"b\":[{},{\"c\":true,\"d\":false},"
					      "\"e\"],\"f\":[],\"g\":\"\"}");
	json_out_free(&o);
}

static void number(int64_t n)
{
	struct json_out o = JSON_OUT_INIT;
	json_t *j;

	json_out_begin(&o, NULL, '[');
	json_out_int(&o, NULL, n);
	json_out_end(&o, ']');
	j = json_out_parse(&o);
	assert_non_null(j);
	assert_true(json_integer_value(json_array_get(j, 0)) == n);
	json_decref(j);
}

static void test_numbers(void **state)
{
	(void)state;
	number(0);
	number(-1);
	number(1795532418);
	number(INT64_MAX);
	number(INT64_MIN);
}

/* As text in JSON, and read back. */
static void text_is(const char *text, const char *want)
{
	struct json_out o = JSON_OUT_INIT;
	json_t *j;

	json_out_begin(&o, NULL, '{');
	json_out_text(&o, "t", text);
	json_out_end(&o, '}');
	j = json_out_parse(&o);
	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(j, "t")), want);
	assert_int_equal(json_object_size(j), 1);
	json_decref(j);
}

static void test_texts(void **state)
{
	char all[256];

	(void)state;
	text_is("plain", "plain");
	text_is("\"quoted\" back\\slash", "\"quoted\" back\\slash");
	text_is("\",\"vmid\":1", "\",\"vmid\":1");
	text_is("Grün 日本 \xf0\x9f\x98\x80", "Grün 日本 \xf0\x9f\x98\x80");
	text_is("cut \xc3", "cut ?");
	text_is("\xff\xfe", "??");
	text_is("over \xc0\xaf long", "over ?? long");
	for (int i = 1; i < 128; i++)
		all[i - 1] = (char)i;
	all[127] = '\0';
	text_is(all, all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
