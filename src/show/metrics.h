/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An inventory as OpenMetrics text: what `vfhook metrics` writes. */
#ifndef VFHOOK_SHOW_METRICS_H
#define VFHOOK_SHOW_METRICS_H

#include "src/port/events.h"
#include "src/port/watch_note.h"
#include "src/show/inventory.h"

/*
 * Append the whole exposition, "# EOF" included
 * (https://prometheus.io/docs/specs/om/open_metrics_spec/). events: how many of each kind, or
 * NULL if they cannot be told. watch: the same of the last repair --check.
 */
void metrics_text(const struct inventory *inv, const uint64_t events[EVENT_KINDS],
		  const struct watch_note *watch, struct str *out);

#endif
