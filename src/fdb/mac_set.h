/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MACs in order, each once. */
#ifndef VFHOOK_FDB_MAC_SET_H
#define VFHOOK_FDB_MAC_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed is empty; release with mac_set_free(). */
struct mac_set {
	uint8_t (*list)[6];
	size_t n;
	size_t room;
};

/* Free what it owns, and leave it empty. */
void mac_set_free(struct mac_set *s);
/* Is it in it? */
bool mac_set_has(const struct mac_set *s, const uint8_t mac[6]);
/* 1: it is new in it, 0: it was there; -ENOMEM. */
int mac_set_add(struct mac_set *s, const uint8_t mac[6]);
/* False: it was not there. */
bool mac_set_drop(struct mac_set *s, const uint8_t mac[6]);

#endif
