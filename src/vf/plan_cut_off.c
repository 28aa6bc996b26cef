/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The link of a VF taken down, whoever has its lease. */
#include "src/vf/plan_cut_off.h"

#include <errno.h>
#include <string.h>

int plan_cut_off(const struct pf_info *pf, const struct pci_addr *vf, unsigned index,
		 struct plan *p, struct error *err)
{
	struct step s = {
		.kind = STEP_SET,
		.vf = *vf,
		.pf = pf->addr,
		.index = index,
		.ifindex = pf->ifindex,
		.attr = VF_LINK_STATE,
		.to = {.has = HAS_LINK_STATE, .link_state = VF_LINK_DISABLE},
	};

	memcpy(s.pf_name, pf->ifname, sizeof(s.pf_name));
	memcpy(s.driver, pf->driver, sizeof(s.driver));
	if (!plan_add_step(p, &s, err))
		return -ENOMEM;
	s.kind = STEP_VERIFY;
	return plan_add_step(p, &s, err) ? 0 : -ENOMEM;
}
