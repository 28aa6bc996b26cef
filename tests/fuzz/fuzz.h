/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all fuzz targets share. A target is one file: it takes the bytes as
 * what came from outside, and a property that does not hold is a crash. Code
 * with static parsers is included as a file, so that they can be called. The
 * comment "max_len=N" in a target is for tests/fuzz/run.
 */
#ifndef VFHOOK_TESTS_FUZZ_H
#define VFHOOK_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/error.h"
#include "src/base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NEED(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__,          \
				#condition);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* A copy of exactly that size, so that one byte read behind it is seen. Never NULL. */
static inline char *bytes_of(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1);

	NEED(copy);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

/* The same with a NUL behind it. */
static inline char *text_of(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1);

	NEED(copy);
	if (size)
		memcpy(copy, data, size);
	copy[size] = '\0';
	return copy;
}

/* Takes the bytes up to a NUL (or all) off the front. free() it. */
static inline char *next_text(const uint8_t **data, size_t *size)
{
	const uint8_t *nul = *size ? memchr(*data, '\0', *size) : NULL;
	size_t len = nul ? (size_t)(nul - *data) : *size;
	char *text = text_of(*data, len);

	len += nul != NULL;
	*data += len;
	*size -= len;
	return text;
}

/* The last byte chooses what is done, so that a seed can be an ordinary file. */
static inline unsigned last_byte(const uint8_t *data, size_t *size)
{
	return *size ? data[--*size] : 0;
}

/* Valid UTF-8 (RFC 3629) without anything that a terminal may obey; written apart from base/. */
static inline bool is_printable(const char *text)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

	for (const unsigned char *s = (const unsigned char *)text; *s;) {
		unsigned n = *s < 0x80 ? 1 : *s < 0xc0 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
		uint32_t c = n < 2 ? *s : *s & (0x7fU >> n);

		if (!n || *s > 0xf7)
			return false;
		for (unsigned i = 1; i < n; i++) {
			if ((s[i] & 0xc0) != 0x80)
				return false;
			c = c << 6 | (s[i] & 0x3f);
		}
		if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			return false;
		if (c < 0x20 || (c >= 0x7f && c < 0xa0))
			return false;
		s += n;
	}
	return true;
}

/* What every failure owes a person: a code, and one line that can be shown. */
static inline void check_error(int r, const struct error *err)
{
	char clean[sizeof(err->text)];

	NEED(r < 0);
	NEED(err->code > 0);
	NEED(err->text[0]);
	NEED(!strchr(err->text, '\n'));
	NEED(is_printable(text_clean(err->text, clean, sizeof(clean))));
}

#endif
