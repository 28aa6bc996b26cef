/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is printed for a terminal, held against that terminal. Include after tree.h. */
#ifndef VFHOOK_TESTS_LINES_H
#define VFHOOK_TESTS_LINES_H

#include <locale.h>
#include <wchar.h>

/* Checks every line: its width on the screen is at most max, nothing in it commands a terminal. */
static inline void check_lines(const char *text, size_t max, unsigned want_lines)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t was = uselocale(utf8);
	mbstate_t state = {0};
	unsigned lines = 0;
	size_t width = 0;
	size_t len = strlen(text);

	for (size_t i = 0; i < len;) {
		wchar_t wc;
		size_t n = mbrtowc(&wc, text + i, len - i, &state);

		assert_true(n > 0 && n <= len - i);
		if (wc == L'\n') {
			assert_true(width <= max);
			assert_true(!i || text[i - 1] != ' ');
			width = 0;
			lines++;
		} else {
			assert_true(wcwidth(wc) > 0);
			width += (size_t)wcwidth(wc);
		}
		i += n;
	}
	assert_int_equal(width, 0);
	assert_int_equal(lines, want_lines);
	uselocale(was);
	freelocale(utf8);
}

#endif
