/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The link of a VF taken down, whoever has its lease. */
#ifndef VFHOOK_VF_PLAN_CUT_OFF_H
#define VFHOOK_VF_PLAN_CUT_OFF_H

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/vf/plan.h"
#include "src/vf/sysfs.h"

/*
 * The steps that take the link of a VF down whoever has its lease: its VM, p->vmid, runs on a VF
 * that is not its own. Read back, since a driver may take the wish and do nothing (ixgbe). p is a
 * PLAN_CUT_OFF.
 */
int plan_cut_off(const struct pf_info *pf, const struct pci_addr *vf, unsigned index,
		 struct plan *p, struct error *err);

#endif
