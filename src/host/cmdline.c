/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words of a kernel command line: found, added, taken away. */
#include "src/host/cmdline.h"

#include <stdio.h>
#include <string.h>

#include "src/base/text.h"

size_t cmdline_word(const char **at)
{
	bool quoted = false;
	size_t n = 0;

	while (is_blank(**at))
		++*at;
	for (; (*at)[n] && (*at)[n] != '\n'; n++) {
		if ((*at)[n] == '"')
			quoted = !quoted;
		if (!quoted && is_blank((*at)[n]))
			break;
	}
	return n;
}

static char as_kernel(char c)
{
	return (char)(c == '-' ? '_' : c);
}

/* Are the first n characters equal as a parameter's name is? */
static bool name_equal(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (as_kernel(a[i]) != as_kernel(b[i]))
			return false;
	}
	return true;
}

static bool word_equal(const char *at, size_t len, const char *word)
{
	size_t name = strcspn(word, "=");

	return len == strlen(word) && name_equal(at, word, name) &&
	       !memcmp(at + name, word + name, len - name);
}

bool cmdline_has(const char *line, const char *word)
{
	const char *at = line;
	size_t n;

	for (; (n = cmdline_word(&at)); at += n) {
		if (word_equal(at, n, word))
			return true;
	}
	return false;
}

/* The value of the parameter at a word ("" for a bare name), or NULL if it is another one. */
static const char *value_of(const char *at, size_t len, const char *name, size_t *value_len)
{
	size_t n = strlen(name);

	if (len <= n || at[n] != '=' || !name_equal(at, name, n))
		return NULL;
	*value_len = len - n - 1;
	return at + n + 1;
}

bool cmdline_has_value(const char *line, const char *name, const char *value)
{
	const char *at = line;
	size_t want = strlen(value);
	size_t len;
	size_t n;

	for (; (n = cmdline_word(&at)); at += n) {
		const char *v = value_of(at, n, name, &len);

		while (v) {
			const char *comma = memchr(v, ',', len);
			size_t part = comma ? (size_t)(comma - v) : len;

			if (part == want && !memcmp(v, value, part))
				return true;
			len -= comma ? part + 1 : part;
			v = comma ? comma + 1 : NULL;
		}
	}
	return false;
}

bool cmdline_get(const char *line, const char *name, char *value, size_t size)
{
	const char *at = line;
	size_t len;
	size_t n;

	for (; (n = cmdline_word(&at)); at += n) {
		const char *v = value_of(at, n, name, &len);

		if (v) {
			snprintf(value, size, "%.*s", (int)(len < size ? len : size), v);
			return true;
		}
	}
	return false;
}

void cmdline_add(const char *text, const char *const *words, size_t n, struct str *out)
{
	size_t line = strcspn(text, "\n");
	size_t used = line;

	while (used && is_blank(text[used - 1]))
		used--;
	str_append_len(out, text, used);
	for (size_t i = 0; i < n; i++) {
		if (!cmdline_has(text, words[i]))
			str_printf(out, "%s%s", out->len ? " " : "", words[i]);
	}
	str_append(out, text + line);
}

static bool is_one_of(const char *at, size_t len, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (word_equal(at, len, words[i]))
			return true;
	}
	return false;
}

void cmdline_remove(const char *text, const char *const *words, size_t n, struct str *out)
{
	const char *start = text; /* of the first word that stays, as far as is known */
	const char *from = text;  /* what is not copied yet */
	const char *at = text;
	size_t len;

	for (; (len = cmdline_word(&at)); at += len) {
		const char *cut = at;

		if (!is_one_of(at, len, words, n))
			continue;
		if (cut > from && is_blank(cut[-1]))
			cut--;
		str_append_len(out, from, (size_t)(cut - from));
		from = at + len;
		/* The first word has no blank before it: take the one behind it. */
		if (cut == start && is_blank(*from))
			start = ++from;
	}
	str_append(out, from);
}

/* The value of one assignment, quotes taken off; false if the line is no such assignment. */
static bool grub_value(const char *line, size_t len, const char **value, size_t *value_len)
{
	static const char *const names[] = {"GRUB_CMDLINE_LINUX=", "GRUB_CMDLINE_LINUX_DEFAULT="};

	while (len && is_blank(*line)) {
		line++;
		len--;
	}
	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(names[i]);
		const char *v = line + n;
		size_t quote;

		if (len < n || memcmp(line, names[i], n) != 0)
			continue;
		len -= n;
		quote = len && (*v == '"' || *v == '\'');
		*value = v + quote;
		*value_len = 0;
		/* Without quotes the shell ends the value at a blank. */
		while (*value_len < len - quote &&
		       (quote ? (*value)[*value_len] != *v : !is_blank((*value)[*value_len])))
			++*value_len;
		return true;
	}
	return false;
}

void grub_words(const char *text, struct str *out)
{
	for (const char *at = text; *at;) {
		size_t len = strcspn(at, "\n");
		const char *value;
		size_t n;

		if (grub_value(at, len, &value, &n)) {
			str_append(out, " ");
			str_append_len(out, value, n);
		}
		at += len + (at[len] == '\n');
	}
}
