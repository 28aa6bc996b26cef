/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MACs in order, each once. */
#include "src/fdb/mac_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void mac_set_free(struct mac_set *s)
{
	free(s->list);
	*s = (struct mac_set){0};
}

/* Where it is, or where it would stand. */
static size_t place(const struct mac_set *s, const uint8_t mac[6])
{
	size_t low = 0;
	size_t high = s->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (memcmp(s->list[mid], mac, 6) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool mac_set_has(const struct mac_set *s, const uint8_t mac[6])
{
	size_t i = place(s, mac);

	return i < s->n && !memcmp(s->list[i], mac, 6);
}

int mac_set_add(struct mac_set *s, const uint8_t mac[6])
{
	size_t i = place(s, mac);

	if (i < s->n && !memcmp(s->list[i], mac, 6))
		return 0;
	if (s->n == s->room) {
		size_t room = s->room ? s->room * 2 : 32;
		uint8_t(*more)[6] = reallocarray(s->list, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->list = more;
		s->room = room;
	}
	memmove(s->list[i + 1], s->list[i], (s->n - i) * sizeof(*s->list));
	memcpy(s->list[i], mac, 6);
	s->n++;
	return 1;
}

bool mac_set_drop(struct mac_set *s, const uint8_t mac[6])
{
	size_t i = place(s, mac);

	if (i >= s->n || memcmp(s->list[i], mac, 6) != 0)
		return false;
	s->n--;
	memmove(s->list[i], s->list[i + 1], (s->n - i) * sizeof(*s->list));
	return true;
}
