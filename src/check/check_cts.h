/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: a container, as its config is ([hookscript], [port]). */
#ifndef VFHOOK_CHECK_CHECK_CTS_H
#define VFHOOK_CHECK_CHECK_CTS_H

#include "pveapi/guest_list.h"
#include "src/check/report.h"
#include "src/port/config.h"
#include "src/port/context.h"

/* What a start of the container would say, if it is on this node: with ports, or with lines of
 * vfhook's that no port goes with. */
void check_ct(struct hook *h, const struct config *c, const struct guest_ref *g, struct report *r);

#endif
