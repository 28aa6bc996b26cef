/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/jsonout.h"

#include <string.h>

static void start(struct json_out *o, const char *key)
{
	if (o->more)
		str_append_len(&o->text, ",", 1);
	o->more = true;
	if (!key)
		return;
	str_append_len(&o->text, "\"", 1);
	str_append(&o->text, key);
	str_append_len(&o->text, "\":", 2);
}

static void escape(struct str *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	if (c >= 0x20) {
		text[1] = (char)c;
		str_append_len(out, text, 2);
	} else {
		str_append_len(out, text, sizeof(text));
	}
}

void json_out_text(struct json_out *o, const char *key, const char *value)
{
	const char *plain = value; /* from here on nothing had to be changed yet */

	start(o, key);
	str_append_len(&o->text, "\"", 1);
	while (*value) {
		size_t n = utf8_len(value);
		unsigned char c = (unsigned char)*value;

		if (n && c >= 0x20 && c != '"' && c != '\\') {
			value += n;
			continue;
		}
		str_append_len(&o->text, plain, (size_t)(value - plain));
		if (n)
			escape(&o->text, c);
		else
			str_append_len(&o->text, "?", 1);
		plain = ++value;
	}
	str_append_len(&o->text, plain, (size_t)(value - plain));
	str_append_len(&o->text, "\"", 1);
}

void json_out_int(struct json_out *o, const char *key, int64_t value)
{
	uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char digits[24];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	if (value < 0)
		digits[--at] = '-';
	start(o, key);
	str_append_len(&o->text, digits + at, sizeof(digits) - at);
}

void json_out_bool(struct json_out *o, const char *key, bool value)
{
	start(o, key);
	str_append(&o->text, value ? "true" : "false");
}

void json_out_begin(struct json_out *o, const char *key, char bracket)
{
	start(o, key);
	str_append_len(&o->text, &bracket, 1);
	o->more = false;
}

void json_out_end(struct json_out *o, char bracket)
{
	str_append_len(&o->text, &bracket, 1);
	o->more = true;
}
