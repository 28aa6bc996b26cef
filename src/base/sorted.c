/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists in order, in one piece of memory that doubles. */
#include "src/base/sorted.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 32

size_t sorted_place(const void *list, size_t n, size_t size, const void *key,
		    int (*compare)(const void *item, const void *key))
{
	const char *items = list;
	size_t low = 0;
	size_t high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (compare(items + mid * size, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void *sorted_open(void *list, size_t n, size_t *room, size_t size, size_t i)
{
	char *items = list;

	if (n == *room) {
		size_t more = *room ? *room * 2 : ROOM_FIRST;

		items = reallocarray(items, more, size);
		if (!items)
			return NULL;
		*room = more;
	}
	if (i < n)
		memmove(items + (i + 1) * size, items + i * size, (n - i) * size);
	return items;
}

void sorted_close(void *list, size_t n, size_t size, size_t i)
{
	char *items = list;

	memmove(items + i * size, items + (i + 1) * size, (n - i - 1) * size);
}
