/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MACs in order, each once. */
#include "src/fdb/mac_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/sorted.h"

void mac_set_free(struct mac_set *s)
{
	free(s->list);
	*s = (struct mac_set){0};
}

static int compare(const void *item, const void *mac)
{
	return memcmp(item, mac, 6);
}

/* Where it is, or where it would stand. */
static size_t place(const struct mac_set *s, const uint8_t mac[6])
{
	return sorted_place(s->list, s->n, sizeof(*s->list), mac, compare);
}

bool mac_set_has(const struct mac_set *s, const uint8_t mac[6])
{
	size_t i = place(s, mac);

	return i < s->n && !memcmp(s->list[i], mac, 6);
}

int mac_set_add(struct mac_set *s, const uint8_t mac[6])
{
	size_t i = place(s, mac);
	void *more;

	if (i < s->n && !memcmp(s->list[i], mac, 6))
		return 0;
	more = sorted_open(s->list, s->n, &s->room, sizeof(*s->list), i);
	if (!more)
		return -ENOMEM;
	s->list = more;
	memcpy(s->list[i], mac, 6);
	s->n++;
	return 1;
}

bool mac_set_drop(struct mac_set *s, const uint8_t mac[6])
{
	size_t i = place(s, mac);

	if (i >= s->n || memcmp(s->list[i], mac, 6) != 0)
		return false;
	sorted_close(s->list, s->n--, sizeof(*s->list), i);
	return true;
}
