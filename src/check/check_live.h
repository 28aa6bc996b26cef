/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: ports with live-migration ([live-migration]; src/port/live_needs.h) */
#ifndef VFHOOK_CHECK_CHECK_LIVE_H
#define VFHOOK_CHECK_CHECK_LIVE_H

#include "src/check/report.h"
#include "src/port/config.h"
#include "src/port/context.h"

/* What the ports of this node's VMs lack for it, and whether PVE has been told. */
void check_live(struct hook *h, const struct config *c, struct report *r);

#endif
