/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of many things are equal, in linear time: a hash table of their numbers. */
#ifndef VFHOOK_BASE_SAME_SET_H
#define VFHOOK_BASE_SAME_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen {
	size_t *slots; /* number of a thing + 1, 0: empty */
	size_t mask;
	uint64_t seed; /* so that nobody can choose what collides */
	bool (*same)(size_t a, size_t b, const void *arg);
	const void *arg; /* for same(), the caller's */
};

/* Room for n things. 0 or -ENOMEM. Release with seen_free(). */
int seen_init(struct seen *s, size_t n, bool (*same)(size_t a, size_t b, const void *arg),
	      const void *arg);
void seen_free(struct seen *s);

/* A value to begin with, and a text or bytes added to it. */
uint64_t seen_hash(const struct seen *s, uint64_t before, const void *data, size_t len);

/* The number of the first thing that is the same as thing i, i itself if there is none yet. */
size_t seen_add(struct seen *s, uint64_t hash, size_t i);

#endif
