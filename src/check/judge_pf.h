/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: the verdicts on one PF and its VFs */
#ifndef VFHOOK_CHECK_JUDGE_PF_H
#define VFHOOK_CHECK_JUDGE_PF_H

#include <stddef.h>

#include "src/check/pf_facts.h"
#include "src/check/report.h"

/* Judge one PF of a pool; looks at nothing but its arguments. */
void judge_pf(const struct pf_facts *f, const struct port_view *ports, size_t n_ports,
	      struct report *r);

#endif
