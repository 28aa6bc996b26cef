/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: CPU, firmware, IOMMU, kernel command line, interrupt remapping, VFIO modules */
#ifndef VFHOOK_CHECK_CHECK_HOST_H
#define VFHOOK_CHECK_CHECK_HOST_H

#include "src/check/report.h"
#include "src/host/host_facts.h"
#include "src/port/context.h"

/* Gather and judge them. */
void check_host(struct hook *h, struct report *r);
/* Judge; looks at nothing but the facts. */
void judge_host(const struct host_facts *f, struct report *r);

#endif
