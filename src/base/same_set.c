/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hash table behind same_set.h: open addressing over the numbers of things. */
#include "src/base/same_set.h"

#include <errno.h>
#include <stdlib.h>

int seen_init(struct seen *s, size_t n, bool (*same)(size_t a, size_t b, const void *arg),
	      const void *arg)
{
	size_t slots = 16;

	while (slots < 2 * n)
		slots *= 2;
	*s = (struct seen){.mask = slots - 1, .same = same, .arg = arg};
	s->slots = calloc(slots, sizeof(*s->slots));
	/* Where memory is differs from run to run. */
	s->seed = (uint64_t)(uintptr_t)s->slots * 0x9e3779b97f4a7c15ULL;
	return s->slots ? 0 : -ENOMEM;
}

void seen_free(struct seen *s)
{
	free(s->slots);
	s->slots = NULL;
}

uint64_t seen_hash(const struct seen *s, uint64_t before, const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t h = before ^ s->seed;

	/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return h ^ h >> 32;
}

size_t seen_add(struct seen *s, uint64_t hash, size_t i)
{
	size_t at = (size_t)hash & s->mask;

	for (; s->slots[at]; at = (at + 1) & s->mask) {
		if (s->same(s->slots[at] - 1, i, s->arg))
			return s->slots[at] - 1;
	}
	s->slots[at] = i + 1;
	return i;
}
