/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of a text that need not end in a NUL, their "key: value", and parts between commas. */
#ifndef VFHOOK_PVEAPI_LINES_H
#define VFHOOK_PVEAPI_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "src/base/text.h"

struct lines {
	const char *next;
	const char *end;
	unsigned number; /* of the line that lines_next() gave last, from 1 */
};

/* A piece of a text; not NUL-terminated. */
struct span {
	const char *p;
	size_t len;
};

static inline struct lines lines_of(const char *text, size_t len)
{
	return (struct lines){text, text + len, 0};
}

/* The next line without its line break; a last one without a break counts too. */
static inline bool lines_next(struct lines *l, struct span *line)
{
	const char *nl;

	if (l->next == l->end)
		return false;
	nl = memchr(l->next, '\n', (size_t)(l->end - l->next));
	line->p = l->next;
	line->len = (size_t)((nl ? nl : l->end) - l->next);
	l->next = nl ? nl + 1 : l->end;
	l->number++;
	return true;
}

static inline struct span span_trim(struct span s)
{
	while (s.len && is_blank(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

static inline bool span_is(struct span s, const char *text)
{
	return s.len == strlen(text) && !memcmp(s.p, text, s.len);
}

/* Into a string, if it fits and has no NUL in it. */
static inline bool span_copy(struct span s, char *buf, size_t size)
{
	if (s.len >= size || memchr(s.p, '\0', s.len))
		return false;
	memcpy(buf, s.p, s.len);
	buf[s.len] = '\0';
	return true;
}

/* Cuts *rest at the first sep: what is before it goes to *part. False when *rest is used up. */
static inline bool span_cut(struct span *rest, char sep, struct span *part)
{
	const char *at;

	if (!rest->p)
		return false;
	at = rest->len ? memchr(rest->p, sep, rest->len) : NULL;
	*part = *rest;
	if (!at) {
		*rest = (struct span){NULL, 0};
		return true;
	}
	part->len = (size_t)(at - rest->p);
	rest->p = at + 1;
	rest->len -= part->len + 1;
	return true;
}

/*
 * "key: value" as PVE/QemuServer.pm: parse_vm_config takes it: lower-case letters, '_' and '-',
 * then digits. False for everything else (comments too). Both point into line.
 */
bool line_split(struct span line, struct span *key, struct span *value);

/* The N of a key "<prefix>N", N < max and without leading zeros, or -1. */
int key_index(struct span key, const char *prefix, unsigned max);

#define SPAN_CLEAN_LEN 80
/* At most the beginning of what somebody wrote, fit for a message. Returns buf. */
const char *span_clean(struct span s, char buf[SPAN_CLEAN_LEN]);

#endif
