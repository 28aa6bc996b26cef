/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All that vfhook check looks at, in its order. */
#ifndef VFHOOK_CHECK_CHECK_ALL_H
#define VFHOOK_CHECK_CHECK_ALL_H

#include "src/check/report.h"
#include "src/port/context.h"

/* A config that cannot be read is a finding, and the rest is looked at without it. */
void check_all(struct hook *h, struct report *r);

/* "PASS", "WARN", "FAIL". */
const char *check_level_name(enum check_level level);
/* How many findings are of that level. */
size_t check_count(const struct report *r, enum check_level level);

#endif
