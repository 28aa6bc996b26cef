/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: what an admin set up by hand before */
#ifndef VFHOOK_CHECK_CHECK_LEFTOVERS_H
#define VFHOOK_CHECK_CHECK_LEFTOVERS_H

#include "src/check/report.h"
#include "src/port/context.h"

/* Units, scripts and lines that do by hand what vfhook does. */
void check_leftovers(struct hook *h, const struct config *c, struct report *r);

#endif
