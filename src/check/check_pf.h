/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: the PFs of this node's pools, or the SR-IOV NICs there are */
#ifndef VFHOOK_CHECK_CHECK_PF_H
#define VFHOOK_CHECK_CHECK_PF_H

#include "src/check/report.h"
#include "src/port/context.h"

/* Every PF of this node's pools and their VFs; where there is no pool, the SR-IOV NICs there are.
 */
void check_pfs(struct hook *h, const struct config *c, struct report *r);

#endif
