/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists in order: where something stands in one, and room for it there. */
#ifndef VFHOOK_BASE_SORTED_H
#define VFHOOK_BASE_SORTED_H

#include <stddef.h>

/*
 * Where in a list of n items, each of that size and in the order of compare(item, key), the key's
 * item is, or would stand: the first that is not below it. May be n.
 */
size_t sorted_place(const void *list, size_t n, size_t size, const void *key,
		    int (*compare)(const void *item, const void *key));

/*
 * Room for one more at place i of a list that has n items and holds *room of them: returns the
 * list, which may be at another place then and is the caller's to free() as before. What is at i is
 * the caller's to write, and n to count. NULL: out of memory, and nothing has changed.
 */
void *sorted_open(void *list, size_t n, size_t *room, size_t size, size_t i);

/* Close the gap that item i of n leaves. */
void sorted_close(void *list, size_t n, size_t size, size_t i);

#endif
