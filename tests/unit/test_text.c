/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/tree.h"

static void test_numbers(void **state)
{
	static const char *const bad[] = {"",	"-1",  "+1", " 1",  "1 ", "0x1",
					  "1a", "1.0", "a",  "1\n", "٣",  "--"};
	uint64_t n = 77;
	uint32_t m = 77;

	(void)state;
	assert_int_equal(parse_u64("0", 10, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(parse_u64("18446744073709551615", UINT64_MAX, &n), 0);
	assert_true(n == UINT64_MAX);
	n = 77;
	assert_int_equal(parse_u64("18446744073709551616", UINT64_MAX, &n), -ERANGE);
	assert_int_equal(parse_u64("99999999999999999999999", UINT64_MAX, &n), -ERANGE);
	assert_int_equal(parse_u64("11", 10, &n), -ERANGE);
	assert_int_equal(parse_u64(NULL, 10, &n), -EINVAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse_u64(bad[i], 100, &n), -EINVAL);
		assert_int_equal(parse_u32(bad[i], 100, &m), -EINVAL);
	}
	assert_int_equal(parse_u32("4294967296", UINT32_MAX, &m), -ERANGE);
	/* *out is untouched on error. */
	assert_int_equal(n, 77);
	assert_int_equal(m, 77);
	assert_int_equal(parse_u32("4294967295", UINT32_MAX, &m), 0);
	assert_int_equal(m, UINT32_MAX);
	assert_int_equal(parse_u32("007", 100, &m), 0);
	assert_int_equal(m, 7);
}

static void test_bools(void **state)
{
	static const char *const yes[] = {"1", "on", "yes", "true", "ON", "Yes"};
	static const char *const no[] = {"0", "off", "no", "false", "OFF", "No"};
	static const char *const bad[] = {"", "2", "y", "n", "enable", "on ", " 1", "01"};
	bool b;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		b = false;
		assert_int_equal(parse_bool(yes[i], &b), 0);
		assert_true(b);
		assert_int_equal(parse_bool(no[i], &b), 0);
		assert_false(b);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_bool(bad[i], &b), -EINVAL);
	assert_int_equal(parse_bool(NULL, &b), -EINVAL);
}

static void test_pci_addresses(void **state)
{
	static const struct {
		const char *in;
		const char *out;
	} good[] = {
		{"0000:06:10.1", "0000:06:10.1"},
		{"06:10.1", "0000:06:10.1"},
		{"0000:AF:1F.7", "0000:af:1f.7"},
		{"10000:01:00.0", "10000:01:00.0"}, /* VMD */
		{"ffffffff:ff:1f.7", "ffffffff:ff:1f.7"},
	};
	static const char *const bad[] = {
		"",
		"06:10",
		"06:10.8",
		"06:20.0",
		"6:10.1",
		"0000:06:10.1 ",
		" 06:10.1",
		"0000:06:10.12",
		"000:06:10.1",
		"0000:06:10",
		"0000-06:10.1",
		"fffffffff:06:10.1",
		"0000:0006:10.1",
		"06:10.g",
		"../06:10.1",
		"0000:06:10.1/",
		":06:10.1",
		"06.10.1",
		"06:1.1",
		"0000::10.1",
	};
	struct pci_addr a;
	struct pci_addr b;
	char buf[PCI_ADDR_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(pci_addr_parse(good[i].in, &a), 0);
		assert_string_equal(pci_addr_format(&a, buf), good[i].out);
		assert_int_equal(pci_addr_parse(buf, &b), 0);
		assert_int_equal(pci_addr_cmp(&a, &b), 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (pci_addr_parse(bad[i], &a) != -EINVAL)
			print_error("'%s' was taken\n", bad[i]);
		assert_int_equal(pci_addr_parse(bad[i], &a), -EINVAL);
	}
	assert_int_equal(pci_addr_parse(NULL, &a), -EINVAL);
}

static void test_pci_order(void **state)
{
	static const char *const order[] = {"0000:05:1f.7", "0000:06:00.0", "0000:06:00.7",
					    "0000:06:10.0", "0001:00:00.0", "10000:00:00.0"};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		for (size_t k = 0; k < 6; k++) {
			struct pci_addr a = addr_of(order[i]);
			struct pci_addr b = addr_of(order[k]);
			int r = pci_addr_cmp(&a, &b);

			assert_true(i < k ? r < 0 : i > k ? r > 0 : !r);
		}
	}
}

static void test_macs(void **state)
{
	static const char *const bad[] = {"",
					  "bc:24:11:00:00",
					  "bc:24:11:00:00:01:02",
					  "bc:24:11:00:00:0",
					  "bc:24:11:00:00:0g",
					  "bc2411000001",
					  "bc.24.11.00.00.01",
					  " bc:24:11:00:00:01",
					  "bc:24:11:00:00:01 ",
					  "b:c24:11:00:00:01",
					  "bc:24:11:00:00:001"};
	uint8_t mac[6];
	char buf[MAC_LEN];

	(void)state;
	assert_int_equal(mac_parse("BC:24:11:0a:0B:0c", mac), 0);
	assert_string_equal(mac_format(mac, buf), "bc:24:11:0a:0b:0c");
	assert_int_equal(mac_parse("bc-24-11-0a-0b-0c", mac), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(mac, 0x55, 6);
		assert_int_equal(mac_parse(bad[i], mac), -EINVAL);
		assert_int_equal(mac[0], 0x55);
		assert_int_equal(mac[5], 0x55);
	}
	assert_int_equal(mac_parse(NULL, mac), -EINVAL);
	assert_true(mac_is_zero((uint8_t[6]){0}));
	assert_false(mac_is_zero((uint8_t[6]){0, 0, 0, 0, 0, 1}));
	assert_true(mac_is_multicast((uint8_t[6]){1}));
	assert_true(mac_is_multicast((uint8_t[6]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff}));
	assert_false(mac_is_multicast((uint8_t[6]){0x02}));
}

static void test_growing_string(void **state)
{
	struct str s = STR_INIT;
	char *taken;

	(void)state;
	assert_string_equal(str_get(&s), "");
	for (int i = 0; i < 5000; i++)
		str_printf(&s, "%04d,", i);
	assert_true(str_ok(&s));
	assert_int_equal(s.len, 25000);
	assert_memory_equal(str_get(&s) + 24995, "4999,", 6);
	str_append_len(&s, "ab\0cd", 5);
	assert_int_equal(s.len, 25005);
	taken = str_take(&s);
	assert_memory_equal(taken, "0000,", 5);
	free(taken);
	assert_int_equal(s.len, 0);
	taken = str_take(&s); /* nothing appended is an empty text, not NULL */
	assert_string_equal(taken, "");
	free(taken);
	str_append(&s, "x");
	str_free(&s);
	assert_string_equal(str_get(&s), "");
	str_free(&s);
}

static void test_clean(void **state)
{
	static const struct {
		const char *in;
		const char *out;
	} cases[] = {
		{"plain", "plain"},
		{"", ""},
		{"a\nb\tc\x1b[31m\x7f", "a?b?c?[31m?"},
		{"Straße €", "Straße €"},
		{"\xff\xfe", "??"},
		{"\xc2\x9b"
		 "31m",
		 "??31m"}, /* a C1 control: CSI */
		{"\xc0\xaf", "??"},
		{"\xed\xa0\x80", "???"}, /* a surrogate */
		{"\xf4\x90\x80\x80", "????"},
		{"\xe2\x82", "??"}, /* cut off */
		{"\xf0\x9f\x90\xa7", "\xf0\x9f\x90\xa7"},
		/* What turns the text behind it around, hides, or begins a line. */
		{"a\xe2\x80\xae"
		 "b\xe2\x81\xa6"
		 "c",
		 "a???b???c"},
		{"\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\xaa", "?????????"},
		{"\xe2\x81\xa9\xe2\x80\xa8\xe2\x80\xa9", "?????????"},
		{"\xd8\x9c\xef\xbb\xbf", "?????"},
		{"\xf3\xa0\x81\x81", "????"}, /* a tag: letters that nobody sees */
		{"\xe2\x80\x90\xe2\x80\xb0", "\xe2\x80\x90\xe2\x80\xb0"}, /* hyphen, per mille */
	};
	char buf[64];
	char small[4];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(text_clean(cases[i].in, buf, sizeof(buf)), cases[i].out);
	/* Cut at a character, never inside one. */
	assert_string_equal(text_clean("ab€", small, sizeof(small)), "ab");
	assert_string_equal(text_clean("abcdef", small, sizeof(small)), "abc");
	buf[0] = 'x';
	text_clean("abc", buf, 0);
	assert_int_equal(buf[0], 'x');
	text_clean("abc", buf, 1);
	assert_string_equal(buf, "");
}

static void test_plain_names(void **state)
{
	static const char *const bad[] = {"",	 ".",	"..", "-x",  ".x",
					  "a/b", "a b", "ä",  "a\n", "a:b"};

	(void)state;
	assert_true(is_plain_name("wan", 8));
	assert_true(is_plain_name("_a.b-C9", 8));
	assert_true(is_plain_name("12345678", 8));
	assert_false(is_plain_name("123456789", 8));
	assert_false(is_plain_name(NULL, 8));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(is_plain_name(bad[i], 8));
}

static void test_words(void **state)
{
	(void)state;
	assert_true(has_word("images,snippets", "snippets", ",; "));
	assert_true(has_word(" images; snippets ", "images", ",; "));
	assert_false(has_word("mysnippets,snippets2", "snippets", ",; "));
	assert_false(has_word("", "vmx", BLANKS));
	assert_false(has_word("a,,b", "", ",; "));
	assert_true(has_word("flags\t: fpu vmx\n", "vmx", BLANKS));
	assert_false(has_word("vmx_x", "vmx", BLANKS));
	assert_true(ends_with("mlx5_vfio_pci", "vfio_pci"));
	assert_true(ends_with("x", ""));
	assert_false(ends_with("pci", "vfio-pci"));
	for (int c = 0; c < 256; c++)
		assert_int_equal(is_blank((char)c), c && strchr(" \t\v\f\r", c) != NULL);
}

static void test_tidy_paths(void **state)
{
	static const char *const cases[][2] = {{"/mnt/share", "/mnt/share"},
					       {"/mnt//share/", "/mnt/share"},
					       {"///mnt/share///", "/mnt/share"},
					       {"/", "/"},
					       {"//", "/"},
					       {"", ""},
					       {"a//b", "a/b"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[32];

		snprintf(path, sizeof(path), "%s", cases[i][0]);
		path_tidy(path);
		assert_string_equal(path, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),	      cmocka_unit_test(test_bools),
		cmocka_unit_test(test_pci_addresses), cmocka_unit_test(test_pci_order),
		cmocka_unit_test(test_macs),	      cmocka_unit_test(test_growing_string),
		cmocka_unit_test(test_clean),	      cmocka_unit_test(test_plain_names),
		cmocka_unit_test(test_words),	      cmocka_unit_test(test_tidy_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
