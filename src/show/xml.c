/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Escaping. */
#include "src/show/xml.h"

#include <stdint.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/show/table.h"

static const char *entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

/* U+FFFE and U+FFFF are UTF-8, and no characters (XML 1.0, 2.2). */
static bool is_none(const char *s)
{
	return !strncmp(s, "\xef\xbf\xbe", 3) || !strncmp(s, "\xef\xbf\xbf", 3);
}

size_t xml_fit(const char *text, size_t max, struct str *out)
{
	CLEANUP(str_free) struct str fit = STR_INIT;
	size_t width = text_fit(text, max, &fit);

	out->failed = out->failed || fit.failed;
	for (const char *s = str_get(&fit); *s;) {
		const char *e = entity(*s);
		size_t n = utf8_len(s);

		if (e)
			str_append(out, e);
		else if (!n || is_none(s))
			str_append(out, "?");
		else
			str_append_len(out, s, n);
		s += n ? n : 1;
	}
	return width;
}

void xml_text(const char *text, struct str *out)
{
	xml_fit(text, SIZE_MAX, out);
}
