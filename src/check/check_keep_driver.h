/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: `driver=keep` in hostpciN ([driver-keep]; src/port/keep_driver.h) */
#ifndef VFHOOK_CHECK_CHECK_KEEP_DRIVER_H
#define VFHOOK_CHECK_CHECK_KEEP_DRIVER_H

#include "src/check/report.h"
#include "src/port/context.h"

/* Which NICs have a VFIO driver of their own, and who wants it. */
void check_keep_drivers(struct hook *h, const struct config *c, struct report *r);

#endif
