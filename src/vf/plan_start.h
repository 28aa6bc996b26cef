/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM's VFs as its ports wish: at a start, for a VM that runs, and when the wishes change. */
#ifndef VFHOOK_VF_PLAN_START_H
#define VFHOOK_VF_PLAN_START_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/vf/plan.h"
#include "src/vf/plan_choice.h"
#include "src/vf/port_wish.h"
#include "src/vf/snapshot.h"

/*
 * Choose a VF for each wish and put the steps for all of them into the plan.
 * choices[i] belongs to wishes[i]. Returns 0; -EAGAIN if the snapshot is not
 * complete and the answer is not in it (read everything and ask again); -ENOSPC
 * if no VF is free for some wish (err says for which; the notes say why not,
 * VF by VF); -ENETDOWN if no PF of its pool can be used (err says why); -EINVAL
 * if the wishes contradict each other or the facts.
 */
int plan_start(const struct snapshot *s, const struct port_wish *wishes, size_t n, int64_t now,
	       struct port_choice *choices, struct plan *p, struct error *err);

/*
 * The steps that give one certain VF to a wish, whatever a better choice might
 * be: for a VM that already runs with it. -EBUSY with err if it is not free for that VM.
 */
int plan_port_on(const struct snapshot *s, const struct port_wish *wish, const struct pci_addr *vf,
		 int64_t now, struct plan *p, struct error *err);

/*
 * The steps that bring a leased VF, whose VM runs on it, from what its lease
 * wanted to other wishes. The MAC stays as it is: the guest's driver has it. What is no longer
 * wished for becomes what a release would make of it.
 */
int plan_change(const struct pf_state *pf, const struct vf_state *vf,
		const struct vf_settings *want, struct plan *p, struct error *err);

#endif
