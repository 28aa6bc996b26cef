/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook explain: what is written down of a guest, its leases and events, for VMs and containers.
 */
#ifndef VFHOOK_COMMAND_EXPLAIN_PAST_H
#define VFHOOK_COMMAND_EXPLAIN_PAST_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/port/context.h"
#include "src/port/events.h"
#include "src/vf/lease.h"

struct guest_past {
	struct lease_entry *leases; /* its own, those that can be read */
	size_t n_leases;
	struct event *events;
	size_t n_events;
	const struct event *last_start; /* one of them, or NULL */
};

/* Read it. 0 and *out, for past_free(); or a negative errno with err, past_free() is harmless then.
 */
int past_read(struct hook *h, uint32_t vmid, struct guest_past *out, struct error *err);
void past_free(struct guest_past *p);

/* The lease of its port of that slot, which is p's; NULL: it has none. */
const struct lease *past_lease_of(const struct guest_past *p, unsigned slot);

/* To standard output, in lines: how the last start ended, and the latest events. */
void past_print_start(const struct guest_past *p);
void past_print_events(const struct guest_past *p);

/* For its JSON, the caller's: null if there is none. */
json_t *past_start_json(const struct guest_past *p);
/* Arrays, the caller's. */
json_t *past_leases_json(const struct guest_past *p);
json_t *past_events_json(const struct guest_past *p);

#endif
