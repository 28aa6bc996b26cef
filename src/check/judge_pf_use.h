/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: what a PF is used for beside its VFs, and what that means for them */
#ifndef VFHOOK_CHECK_JUDGE_PF_USE_H
#define VFHOOK_CHECK_JUDGE_PF_USE_H

#include <stddef.h>

#include "src/check/pf_facts.h"
#include "src/check/report.h"

/* judge_pf()'s part on bond, bridge; private flags, VEB. */
void judge_pf_use(const struct pf_facts *f, const char *subject, const struct port_view *ports,
		  size_t n_ports, struct report *r);

#endif
