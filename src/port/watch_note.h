/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the last `vfhook repair --check` found, for metrics: /run/vfhook/watch.json. */
#ifndef VFHOOK_PORT_WATCH_NOTE_H
#define VFHOOK_PORT_WATCH_NOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/port/context.h"

struct watch_note {
	int64_t time; /* when it was done, seconds since the epoch */
	unsigned findings;
};

/* 0 or a negative errno with err. */
int watch_note_write(struct hook *h, const struct watch_note *n, struct error *err);
/* False: it has not run since the boot, or its file cannot be read. */
bool watch_note_read(struct hook *h, struct watch_note *n);

#endif
