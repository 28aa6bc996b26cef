/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An event as a line of text, and as JSON: for `vfhook events` and `vfhook explain`. */
#ifndef VFHOOK_COMMAND_EVENT_WORDS_H
#define VFHOOK_COMMAND_EVENT_WORDS_H

#include <jansson.h>
#include <stdbool.h>

#include "src/port/events.h"

/* To stdout; with_guest: and of which guest it is. False if it cannot be written. */
bool event_print(const struct event *e, bool with_guest);
/* A new reference, or NULL when memory ran out. */
json_t *event_json(const struct event *e);

#endif
