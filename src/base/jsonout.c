/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON written into a growing text, without building objects. */
#include "src/base/jsonout.h"

#include <string.h>

/* What stands before a value: a comma, the key. In one go: a journal has a hundred members. */
static void start(struct json_out *o, const char *key)
{
	size_t len = key ? strlen(key) : 0;
	char *at = str_extend(&o->text, (size_t)o->more + (key ? len + 3 : 0));

	if (!at)
		return;
	if (o->more)
		*at++ = ',';
	o->more = true;
	if (!key)
		return;
	*at++ = '"';
	at = stpcpy(at, key);
	at[0] = '"';
	at[1] = ':';
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

/* How many bytes at the beginning of a text stand in JSON as they are. */
static size_t plain_len(const char *text)
{
	const char *at = text;
	size_t n;

	while (*at && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20) {
		n = (unsigned char)*at < 0x80 ? 1 : utf8_len(at);
		if (!n)
			break;
		at += n;
	}
	return (size_t)(at - text);
}

void json_out_text(struct json_out *o, const char *key, const char *value)
{
	start(o, key);
	str_append_len(&o->text, "\"", 1);
	for (size_t n = plain_len(value);; n = plain_len(value)) {
		str_append_len(&o->text, value, n);
		value += n;
		if (!*value)
			break;
		if ((unsigned char)*value < 0x80)
			escape(&o->text, (unsigned char)*value);
		else
			str_append_len(&o->text, "?", 1);
		value++;
	}
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
