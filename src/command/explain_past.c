/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leases and events of one guest, in words and as JSON. */
#include "src/command/explain_past.h"

#include <stdio.h>
#include <stdlib.h>

#include "src/command/event_words.h"
#include "src/show/time_words.h"

/* How many of its events are shown. */
#define SHOWN 20

int past_read(struct hook *h, uint32_t vmid, struct guest_past *out, struct error *err)
{
	size_t kept = 0;

	if (lease_list(h->root, &out->leases, &out->n_leases, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < out->n_leases; i++) {
		if (!out->leases[i].broken && out->leases[i].lease.vmid == vmid)
			out->leases[kept++] = out->leases[i];
	}
	out->n_leases = kept;
	if (events_read(h, vmid, &out->events, &out->n_events, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < out->n_events; i++) {
		if (out->events[i].kind == EVENT_START || out->events[i].kind == EVENT_REFUSED)
			out->last_start = &out->events[i];
	}
	return 0;
}

void past_free(struct guest_past *p)
{
	free(p->leases);
	events_free(p->events, p->n_events);
}

const struct lease *past_lease_of(const struct guest_past *p, unsigned slot)
{
	for (size_t i = 0; i < p->n_leases; i++) {
		if (p->leases[i].lease.slot == slot)
			return &p->leases[i].lease;
	}
	return NULL;
}

void past_print_start(const struct guest_past *p)
{
	char when[TIME_WORDS_LEN];

	if (!p->last_start) {
		puts("last start: none is known");
		return;
	}
	printf("last start: %s at %s: %s\n",
	       p->last_start->kind == EVENT_START ? "it got its VFs" : "REFUSED",
	       time_words(p->last_start->time, when), p->last_start->text);
}

void past_print_events(const struct guest_past *p)
{
	size_t from = p->n_events > SHOWN ? p->n_events - SHOWN : 0;

	puts(p->n_events ? "events:" : "events: none");
	for (size_t i = from; i < p->n_events; i++) {
		fputs("  ", stdout);
		event_print(&p->events[i], false);
	}
}

json_t *past_start_json(const struct guest_past *p)
{
	return p->last_start ? event_json(p->last_start) : json_null();
}

json_t *past_leases_json(const struct guest_past *p)
{
	json_t *leases = json_array();

	for (size_t i = 0; i < p->n_leases; i++)
		json_array_append_new(leases, lease_to_json(&p->leases[i].lease));
	return leases;
}

json_t *past_events_json(const struct guest_past *p)
{
	json_t *events = json_array();

	for (size_t i = 0; i < p->n_events; i++)
		json_array_append_new(events, event_json(&p->events[i]));
	return events;
}
