/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events, a JSON object a line. max_len=512 */
#include "src/port/events.c"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = bytes_of(data, size);
	struct event_list l = {0};

	NEED(read_lines(text, size, 0, &l) >= 0);
	for (size_t i = 0; i < l.n; i++) {
		NEED(l.events[i].time >= 0 && l.events[i].vmid <= PVE_VMID_MAX);
		NEED(l.events[i].text && is_printable(l.events[i].text));
		NEED(strcmp(event_kind_name(l.events[i].kind), "?") != 0);
	}
	events_free(l.events, l.n);
	return 0;
}
