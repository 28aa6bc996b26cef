/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines and sections of vfhook.cfg as text. */
#include "src/port/config_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"

/* The line after the one that `at` is in. */
const char *config_line_next(const char *at)
{
	const char *nl = strchr(at, '\n');

	return nl ? nl + 1 : at + strlen(at);
}

/* A line of blanks, or of nothing: it ends a section. */
bool config_line_is_empty(const char *at)
{
	while (is_blank(*at))
		at++;
	return *at == '\n';
}

bool config_line_is_property(const char *at)
{
	return is_blank(*at) && !config_line_is_empty(at);
}

/* Does the section go on with this line? A comment in the first column may stand in it. */
bool config_line_goes_on(const char *at)
{
	return (is_blank(*at) && !config_line_is_empty(at)) || *at == '#';
}

bool config_line_has_key(const char *at, const char *key)
{
	size_t len = strlen(key);

	if (!is_blank(*at))
		return false;
	while (is_blank(*at))
		at++;
	return !strncmp(at, key, len) && (is_blank(at[len]) || at[len] == '\n' || !at[len]);
}

/* The value of a key, if the line has that. */
bool config_line_value(const char *at, const char *key, char value[256])
{
	size_t len = strcspn(at, "\r\n");

	if (!config_line_has_key(at, key) || len >= 256)
		return false;
	at += strspn(at, " \t") + strlen(key);
	at += strspn(at, " \t");
	len = strcspn(at, "\r\n");
	while (len && is_blank(at[len - 1]))
		len--;
	snprintf(value, 256, "%.*s", (int)len, at);
	return true;
}

/* Where the section "<type>: <id>" begins in text, or NULL. */
const char *config_section_head(const char *text, const char *type, const char *id)
{
	size_t type_len = strlen(type);
	size_t len = strlen(id);

	for (const char *at = text; *at; at = config_line_next(at)) {
		const char *p = at;

		if (strncmp(p, type, type_len) != 0 || p[type_len] != ':')
			continue;
		p += type_len + 1;
		while (is_blank(*p))
			p++;
		if (!strncmp(p, id, len) &&
		    (p[len] == '\n' || p[len] == '\r' || is_blank(p[len]) || !p[len]))
			return at;
	}
	return NULL;
}

/* Behind the last property of the section at head. */
const char *config_section_end(const char *head)
{
	const char *end = config_line_next(head);

	for (const char *p = end; config_line_goes_on(p); p = config_line_next(p)) {
		if (config_line_is_property(p))
			end = config_line_next(p);
	}
	return end;
}

/* The section's text, always with a line break at its end; NULL in *out: there is none. */
int config_section_copy(const char *text, const char *type, const char *id, char **out,
			struct error *err)
{
	const char *head = config_section_head(text, type, id);
	CLEANUP(str_free) struct str s = STR_INIT;

	*out = NULL;
	if (!head)
		return 0;
	str_append_len(&s, head, (size_t)(config_section_end(head) - head));
	if (s.len && s.data[s.len - 1] != '\n')
		str_append(&s, "\n");
	*out = str_take(&s);
	return *out ? 0 : fail(err, ENOMEM, "out of memory");
}
