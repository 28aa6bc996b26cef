/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/show/graph_svg.h"

#include "src/base/cleanup.h"
#include "src/show/xml.h"
#include "tests/unit/tree.h"

static void check_text(const char *text, const char *want)
{
	CLEANUP(str_free) struct str out = STR_INIT;

	xml_text(text, &out);
	assert_true(str_ok(&out));
	assert_string_equal(str_get(&out), want);
}

static void test_escape(void **state)
{
	(void)state;
	check_text("", "");
	check_text("a web-1.example", "a web-1.example");
	check_text("<b a=\"1\" b='2'>&amp;</b>]]>",
		   "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;amp;&lt;/b&gt;]]&gt;");
	/* What XML has no way to say, and what turns a line around. */
	check_text("\033[2J\a\b\x7f", "?[2J???");
	check_text("a\xe2\x80\xae"
		   "b\xe2\x80\x8f"
		   "c\xc2\x9b",
		   "a?b?c?");
	check_text("\xff\xc0\x80\xed\xa0\x80", "??????");
	check_text("\xef\xbf\xbe\xef\xbf\xbf", "??");
	/* Whole characters stay. */
	check_text("\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80", "\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80");
	check_text("\xd7\xa9\xd7\x9c", "\xd7\xa9\xd7\x9c");
	check_text("e\xcc\x81\xcc\x81", "e??");
}

static void test_fit(void **state)
{
	CLEANUP(str_free) struct str out = STR_INIT;

	(void)state;
	assert_int_equal(xml_fit("<<<<<<", 4, &out), 4);
	assert_string_equal(str_get(&out), "&lt;&lt;&lt;~");
	out.len = 0;
	assert_int_equal(xml_fit("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4, &out), 3);
	assert_string_equal(str_get(&out), "\xe6\x97\xa5~");
}

/* Every '<' begins one of our own elements, every '&' an entity, and what is opened is closed. */
static void check_markup(const char *svg)
{
	static const char *const tags[] = {"svg", "g", "text", "title", "style"};
	int open[ARRAY_SIZE(tags)] = {0};

	for (const char *s = svg; *s; s++) {
		assert_true(*s == '\n' || (unsigned char)*s >= ' ');
		if (*s == '&')
			assert_true(!strncmp(s, "&lt;", 4) || !strncmp(s, "&gt;", 4) ||
				    !strncmp(s, "&amp;", 5) || !strncmp(s, "&quot;", 6) ||
				    !strncmp(s, "&#39;", 5));
		if (*s != '<' || s[1] == '?')
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
			size_t n = strlen(tags[i]);

			if (!strncmp(s + 1, tags[i], n) && (s[n + 1] == ' ' || s[n + 1] == '>'))
				open[i]++;
			if (s[1] == '/' && !strncmp(s + 2, tags[i], n) && s[n + 2] == '>')
				open[i]--;
		}
		assert_true(s[1] == '/' || !strncmp(s + 1, "svg ", 4) || !strncmp(s + 1, "g", 1) ||
			    !strncmp(s + 1, "text ", 5) || !strncmp(s + 1, "title>", 6) ||
			    !strncmp(s + 1, "style>", 6) || !strncmp(s + 1, "rect ", 5) ||
			    !strncmp(s + 1, "path ", 5) || !strncmp(s + 1, "circle ", 7));
	}
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
		assert_int_equal(open[i], 0);
}

#define HOSTILE "</g><script>&\"'\033\xef\xbf\xbf"

static void test_hostile(void **state)
{
	struct seen_vf vfs[3] = {{.index = 0,
				  .state = "running",
				  .vmid = 100,
				  .guest = HOSTILE,
				  .place = HOSTILE,
				  .vlan = "<&>",
				  .mac = "<&>"},
				 {.index = 1, .state = "free"},
				 {.index = 2, .state = "<script>"}};
	struct seen_pf pf = {.addr = "<&>",
			     .ifname = "<\"&'>",
			     .driver = HOSTILE,
			     .card_name = HOSTILE,
			     .pools = HOSTILE,
			     .above = HOSTILE,
			     .card = {.model = "<&>", .slot = "<&>", .serial = "<&>"},
			     .vfs = vfs,
			     .n_vfs = 3};
	struct seen_node node = {.name = HOSTILE, .pfs = &pf, .n_pfs = 1};
	CLEANUP(str_free) struct str out = STR_INIT;
	CLEANUP(graph_free) struct graph g;

	(void)state;
	assert_true(seen_mark_add(&vfs[0].marks, SEEN_BAD, HOSTILE));
	assert_true(seen_mark_add(&pf.marks, SEEN_BAD, HOSTILE));
	assert_true(seen_mark_add(&node.marks, SEEN_BAD, HOSTILE));
	graph_make(&node, 1, 0, &g);
	graph_svg(&g, HOSTILE, true, &out);
	assert_true(str_ok(&out));
	check_markup(str_get(&out));
	assert_null(strstr(str_get(&out), "<script"));
	seen_marks_free(&vfs[0].marks);
	seen_marks_free(&pf.marks);
	seen_marks_free(&node.marks);
}

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	while ((text = strstr(text, part))) {
		text += strlen(part);
		n++;
	}
	return n;
}

/* A square for each that is free, a box with a guest for each that is not; nothing else of them. */
static void test_many(void **state)
{
	struct seen_pf pf = {.addr = "0000:06:00.0", .ifname = "enp6s0f0", .n_vfs = 256};
	struct seen_node node = {.name = "pve1", .pfs = &pf, .n_pfs = 1};
	CLEANUP(str_free) struct str out = STR_INIT;
	CLEANUP(graph_free) struct graph g;

	(void)state;
	pf.vfs = calloc(256, sizeof(*pf.vfs));
	for (unsigned i = 0; i < 256; i++)
		pf.vfs[i] = (struct seen_vf){.index = i, .state = "free", .group = -1};
	for (unsigned i = 0; i < 256; i += 8) {
		snprintf(pf.vfs[i].state, sizeof(pf.vfs[i].state), "running");
		pf.vfs[i].vmid = 100 + i;
		pf.vfs[i].container = i >= 128;
	}
	graph_make(&node, 1, 0, &g);
	graph_svg(&g, "now", true, &out);
	check_markup(str_get(&out));
	assert_int_equal(count(str_get(&out), "class=\"c\"/>\n</g>"), 224);
	assert_int_equal(count(str_get(&out), "class=\"g vm\""), 16 + 1);
	assert_int_equal(count(str_get(&out), "class=\"g ct\""), 16 + 1);
	assert_has(str_get(&out), "<title>VF 255: free</title>");
	assert_has(str_get(&out), ">224 free<");
	assert_has(str_get(&out), "prefers-color-scheme:dark");
	/* Nothing from elsewhere. */
	assert_int_equal(count(str_get(&out), "://"), 1);
	assert_has(str_get(&out), "xmlns=\"http://www.w3.org/2000/svg\"");
	out.len = 0;
	graph_svg(&g, "now", false, &out);
	assert_null(strstr(str_get(&out), "<?xml"));
	free(pf.vfs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_fit),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("svg", tests, NULL, NULL);
}
