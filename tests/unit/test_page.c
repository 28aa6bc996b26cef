/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/show/page.h"

#include "src/base/cleanup.h"
#include "tests/unit/tree.h"

#define HOSTILE "</td><script>alert(1)</script>&\"'\033[2J\xe2\x80\xae\xef\xbf\xbe"

static void check_page(const struct page *p, const char *has)
{
	CLEANUP(str_free) struct str out = STR_INIT;

	page_html(p, &out);
	assert_true(str_ok(&out));
	assert_has(str_get(&out), has);
	assert_null(strstr(str_get(&out), "<script"));
	assert_null(strchr(str_get(&out), '\033'));
	/* Neither links nor loads; the names of the languages are no addresses to go to. */
	assert_null(strstr(str_get(&out), "href"));
	assert_null(strstr(str_get(&out), "src="));
	assert_null(strstr(str_get(&out), "url("));
	assert_null(strstr(str_get(&out), "@import"));
	assert_has(str_get(&out), "default-src 'none'; style-src 'unsafe-inline'");
}

static void test_hostile(void **state)
{
	const struct page_finding findings[] = {
		{PAGE_PASS, "", "fine", ""},
		{PAGE_WARN, HOSTILE, HOSTILE, HOSTILE},
		{PAGE_FAIL, "VM 100", "no VF", "qm start 100"},
	};
	char text[] = HOSTILE;
	const struct event events[] = {{.time = 1, .vmid = 100, .kind = EVENT_START, .text = text}};
	struct page p = {.node = HOSTILE,
			 .no_inv = HOSTILE,
			 .findings = findings,
			 .n_findings = 3,
			 .events = events,
			 .n_events = 1,
			 .no_events = HOSTILE};

	(void)state;
	check_page(&p, "<td class=\"bad\">FAIL</td><td>VM 100</td>");
	check_page(&p, "&lt;/td&gt;&lt;script&gt;alert(1)");
	check_page(&p, "<b>1 passed</b>");
	check_page(&p, "<li><b class=\"bad\">1</b><span>checks failed</span></li>");
}

/* The worst first, and of what happened the latest. */
static void test_order(void **state)
{
	const struct page_finding findings[] = {{PAGE_WARN, "", "a warning", ""},
						{PAGE_FAIL, "", "a failure", ""}};
	struct event events[300];
	struct page p = {.node = "pve1",
			 .findings = findings,
			 .n_findings = 2,
			 .events = events,
			 .n_events = ARRAY_SIZE(events)};
	char texts[ARRAY_SIZE(events)][16];
	CLEANUP(str_free) struct str out = STR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		snprintf(texts[i], sizeof(texts[i]), "event %zu.", i);
		events[i] = (struct event){.time = (int64_t)i, .text = texts[i]};
	}
	page_html(&p, &out);
	assert_true(strstr(str_get(&out), "a failure") < strstr(str_get(&out), "a warning"));
	assert_true(strstr(str_get(&out), "event 299.") < strstr(str_get(&out), "event 298."));
	assert_has(str_get(&out), "event 100.");
	assert_null(strstr(str_get(&out), "event 99."));
	assert_has(str_get(&out), "And 100 before");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
