/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines "key: value" of guest configs and datacenter.cfg. */
#include "pveapi/lines.h"

#include <ctype.h>
#include <string.h>

#include "src/base/text.h"

bool line_split(struct span line, struct span *key, struct span *value)
{
	size_t n = 0;

	while (n < line.len &&
	       (islower((unsigned char)line.p[n]) || (n && (line.p[n] == '_' || line.p[n] == '-'))))
		n++;
	if (!n)
		return false;
	while (n < line.len && isdigit((unsigned char)line.p[n]))
		n++;
	if (n == line.len || line.p[n] != ':')
		return false;
	*key = (struct span){line.p, n};
	*value = span_trim((struct span){line.p + n + 1, line.len - n - 1});
	return value->len > 0;
}

int key_index(struct span key, const char *prefix, unsigned max)
{
	size_t len = strlen(prefix);
	char digits[4];
	uint32_t n;

	if (key.len <= len || key.len - len >= sizeof(digits) || memcmp(key.p, prefix, len) != 0)
		return -1;
	memcpy(digits, key.p + len, key.len - len);
	digits[key.len - len] = '\0';
	if (digits[0] == '0' && digits[1])
		return -1;
	return parse_u32(digits, max - 1, &n) < 0 ? -1 : (int)n;
}

const char *span_clean(struct span s, char buf[SPAN_CLEAN_LEN])
{
	char text[72];
	size_t len = s.len < sizeof(text) ? s.len : sizeof(text) - 1;

	memcpy(text, s.p, len);
	text[len] = '\0';
	return text_clean(text, buf, SPAN_CLEAN_LEN);
}
