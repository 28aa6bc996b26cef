/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an event is called in words. */
#include "src/command/event_words.h"

#include <stdio.h>

#include "src/show/time_words.h"

bool event_print(const struct event *e, bool with_guest)
{
	char when[TIME_WORDS_LEN];

	time_words(e->time, when);
	if (with_guest && e->vmid)
		return printf("%s  %-8s %u  %s\n", when, event_kind_name(e->kind), e->vmid,
			      e->text) > 0;
	return printf("%s  %-8s %s\n", when, event_kind_name(e->kind), e->text) > 0;
}

json_t *event_json(const struct event *e)
{
	return json_pack("{s:I s:o s:s s:s}", "time", (json_int_t)e->time, "vmid",
			 e->vmid ? json_integer(e->vmid) : json_null(), "kind",
			 event_kind_name(e->kind), "text", e->text);
}
