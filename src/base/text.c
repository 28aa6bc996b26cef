/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Growing texts, numbers out of texts, and texts that can be shown. */
#include "src/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"

int parse_u64(const char *s, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (!s || !*s)
		return -EINVAL;
	for (; *s; s++) {
		unsigned digit = (unsigned char)*s - '0';

		if (digit > 9)
			return -EINVAL;
		if (n > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		n = n * 10 + digit;
	}
	if (n > max)
		return -ERANGE;
	*out = n;
	return 0;
}

int parse_u32(const char *s, uint32_t max, uint32_t *out)
{
	uint64_t n;
	int r = parse_u64(s, max, &n);

	if (!r)
		*out = (uint32_t)n;
	return r;
}

int parse_bool(const char *s, bool *out)
{
	static const char *const yes[] = {"1", "on", "yes", "true"};
	static const char *const no[] = {"0", "off", "no", "false"};

	if (!s)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (!strcasecmp(s, yes[i])) {
			*out = true;
			return 0;
		}
		if (!strcasecmp(s, no[i])) {
			*out = false;
			return 0;
		}
	}
	return -EINVAL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Reads min..max hex digits; returns how many, or -1. */
static int hex_field(const char *s, int min, int max, uint32_t *out)
{
	uint32_t v = 0;
	int n = 0;

	while (n < max && hex_digit(s[n]) >= 0) {
		v = v << 4 | (uint32_t)hex_digit(s[n]);
		n++;
	}
	if (n < min)
		return -1;
	*out = v;
	return n;
}

int pci_addr_parse(const char *s, struct pci_addr *out)
{
	uint32_t domain = 0;
	uint32_t bus;
	uint32_t dev;
	uint32_t fn;
	int n;

	if (!s)
		return -EINVAL;
	n = hex_field(s, 4, 8, &domain);
	if (n > 0) {
		if (s[n] != ':')
			return -EINVAL;
		s += n + 1;
	} else {
		domain = 0;
	}
	if (hex_field(s, 2, 2, &bus) != 2 || s[2] != ':')
		return -EINVAL;
	if (hex_field(s + 3, 2, 2, &dev) != 2 || s[5] != '.')
		return -EINVAL;
	if (hex_field(s + 6, 1, 1, &fn) != 1 || s[7])
		return -EINVAL;
	if (dev > 31 || fn > 7)
		return -EINVAL;
	out->domain = domain;
	out->bus = (uint8_t)bus;
	out->dev = (uint8_t)dev;
	out->fn = (uint8_t)fn;
	return 0;
}

/* At least min hex digits of v. Returns where to go on. */
static char *put_hex(char *at, uint32_t v, int min)
{
	static const char digits[] = "0123456789abcdef";
	int n = min;

	while (n < 8 && v >> (4 * n))
		n++;
	while (n-- > 0)
		*at++ = digits[v >> (4 * n) & 15];
	return at;
}

/* By hand: a start formats some sixty of them, and printf() takes a thousand instructions each. */
const char *pci_addr_format(const struct pci_addr *a, char buf[PCI_ADDR_LEN])
{
	char *at = put_hex(buf, a->domain, 4);

	*at++ = ':';
	at = put_hex(at, a->bus, 2);
	*at++ = ':';
	at = put_hex(at, a->dev & 31U, 2);
	*at++ = '.';
	*at++ = (char)('0' + (a->fn & 7U));
	*at = '\0';
	return buf;
}

int pci_addr_cmp(const struct pci_addr *a, const struct pci_addr *b)
{
	if (a->domain != b->domain)
		return a->domain < b->domain ? -1 : 1;
	if (a->bus != b->bus)
		return a->bus < b->bus ? -1 : 1;
	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return (int)a->fn - (int)b->fn;
}

int mac_parse(const char *s, uint8_t out[6])
{
	uint8_t mac[6];

	if (!s)
		return -EINVAL;
	for (int i = 0; i < 6; i++) {
		uint32_t v;

		if (hex_field(s, 2, 2, &v) != 2)
			return -EINVAL;
		mac[i] = (uint8_t)v;
		s += 2;
		if (i < 5) {
			if (*s != ':' && *s != '-')
				return -EINVAL;
			s++;
		}
	}
	if (*s)
		return -EINVAL;
	memcpy(out, mac, 6);
	return 0;
}

const char *mac_format(const uint8_t mac[6], char buf[MAC_LEN])
{
	char *at = buf;

	for (int i = 0; i < 6; i++) {
		at = put_hex(at, mac[i], 2);
		*at++ = i < 5 ? ':' : '\0';
	}
	return buf;
}

bool text_same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

bool mac_is_zero(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return !memcmp(mac, zero, 6);
}

bool mac_is_multicast(const uint8_t mac[6])
{
	return mac[0] & 1;
}

static bool str_grow(struct str *s, size_t more)
{
	size_t cap = s->cap ? s->cap : 64;
	char *data;

	if (s->failed)
		return false;
	if (s->len + more + 1 <= s->cap)
		return true;
	while (cap < s->len + more + 1)
		cap *= 2;
	data = realloc(s->data, cap);
	if (!data) {
		s->failed = true;
		return false;
	}
	s->data = data;
	s->cap = cap;
	return true;
}

char *str_extend(struct str *s, size_t n)
{
	char *at;

	if (!str_grow(s, n) || !s->data)
		return NULL;
	at = s->data + s->len;
	s->len += n;
	s->data[s->len] = '\0';
	return at;
}

void str_append_len(struct str *s, const char *text, size_t len)
{
	char *at = str_extend(s, len);

	if (at)
		memcpy(at, text, len);
}

void str_append(struct str *s, const char *text)
{
	str_append_len(s, text, strlen(text));
}

void str_printf(struct str *s, const char *fmt, ...)
{
	va_list ap;
	int need;

	va_start(ap, fmt);
	need = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (need < 0 || !str_grow(s, (size_t)need)) {
		s->failed = true;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(s->data + s->len, (size_t)need + 1, fmt, ap);
	va_end(ap);
	s->len += (size_t)need;
}

bool str_ok(const struct str *s)
{
	return !s->failed;
}

const char *str_get(const struct str *s)
{
	return s->data ? s->data : "";
}

char *str_take(struct str *s)
{
	char *data;

	if (!s->data)
		str_append(s, "");
	data = s->failed ? NULL : s->data;
	if (!data)
		free(s->data);
	*s = STR_INIT;
	return data;
}

void str_free(struct str *s)
{
	free(s->data);
	*s = STR_INIT;
}

size_t utf8_len(const char *text)
{
	static const unsigned char min3 = 0xa0;
	const unsigned char *s = (const unsigned char *)text;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if (s[0] == 0xc2 && s[1] < 0xa0) /* U+0080..U+009F: a terminal may obey them */
		return 0;
	if (s[0] == 0xe0 && s[1] < min3)
		return 0;
	if (s[0] == 0xed && s[1] > 0x9f)
		return 0;
	if (s[0] == 0xf0 && s[1] < 0x90)
		return 0;
	if (s[0] == 0xf4 && s[1] > 0x8f)
		return 0;
	return n;
}

/*
 * Characters without a shape that change how what stands around them is shown: orders of text
 * that runs the other way (a name could make a line read as another), marks of lines and
 * paragraphs, joiners, tags. Unicode's category Cf with Zl and Zp.
 */
static bool is_format(const char *text, size_t n)
{
	static const struct {
		uint32_t first;
		uint32_t last;
	} ranges[] = {
		{0xad, 0xad},	    {0x600, 0x605},	{0x61c, 0x61c},	  {0x6dd, 0x6dd},
		{0x70f, 0x70f},	    {0x180e, 0x180e},	{0x200b, 0x200f}, {0x2028, 0x202e},
		{0x2060, 0x206f},   {0xfeff, 0xfeff},	{0xfff9, 0xfffb}, {0x110bd, 0x110bd},
		{0x1d173, 0x1d17a}, {0xe0000, 0xe007f},
	};
	uint32_t c = (unsigned char)text[0];

	if (n < 2)
		return false;
	c &= 0x7fU >> n;
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)text[i] & 0x3fU);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	}
	return false;
}

const char *text_clean(const char *text, char *buf, size_t size)
{
	size_t used = 0;

	if (!size)
		return buf;
	while (*text) {
		size_t n = utf8_len(text);
		bool shown =
			n && (unsigned char)*text >= 0x20 && *text != 0x7f && !is_format(text, n);

		if (used + (n ? n : 1) >= size)
			break;
		do {
			buf[used] = '?';
			if (shown)
				buf[used] = *text;
			used++;
			text++;
		} while (n-- > 1);
	}
	buf[used] = '\0';
	return buf;
}

bool is_plain_name(const char *s, size_t max_len)
{
	size_t len;

	if (!s || !(isalnum((unsigned char)*s) || *s == '_'))
		return false;
	for (len = 0; s[len]; len++) {
		unsigned char c = (unsigned char)s[len];

		if (len >= max_len)
			return false;
		if (c >= 0x80 || !(isalnum(c) || c == '.' || c == '_' || c == '-'))
			return false;
	}
	return true;
}

bool has_word(const char *text, const char *word, const char *separators)
{
	size_t len = strlen(word);

	while (*text) {
		size_t n = strcspn(text, separators);

		if (n && n == len && !memcmp(text, word, n))
			return true;
		text += n + (text[n] != '\0');
	}
	return false;
}

bool ends_with(const char *s, const char *end)
{
	size_t len = strlen(s);
	size_t tail = strlen(end);

	return len >= tail && !memcmp(s + len - tail, end, tail);
}

void path_tidy(char *path)
{
	char *to = path;

	for (const char *at = path; *at; at++) {
		if (*at != '/' || at[1] != '/')
			*to++ = *at;
	}
	if (to > path + 1 && to[-1] == '/')
		to--;
	*to = '\0';
}
