/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One step of a plan on one VF: how it is done through its PF, and how it is undone. Whose the VF
 * is has been asked by the caller (src/vf/plan_run.h).
 */
#ifndef VFHOOK_VF_VF_STEP_H
#define VFHOOK_VF_VF_STEP_H

#include "src/base/error.h"
#include "src/vf/executor.h"
#include "src/vf/plan.h"

/* What the VF of that step is set to now. -ENODEV: it is gone. */
int step_read_now(const struct executor *x, const struct step *s, struct vf_settings *now,
		  struct error *err);

/* Set what the step says, and take the driver's word for it: a refusal fails a start. */
int step_set(const struct executor *x, const struct step *s, struct error *err);

/*
 * The same for who goes on past a refusal. Drivers may do what they refuse (bnxt_set_vf_mac,
 * i40e_ndo_set_vf_spoofchk, mlx5 and ice rates change their own copy before the firmware
 * answers): what then reads back as wanted is done.
 */
int step_set_surely(const struct executor *x, const struct step *s, struct error *err);

/* MAC to zero, or to the parking address where the driver refuses zero. */
int step_clear_mac(const struct executor *x, const struct step *s, struct error *err);
/* spoofchk on; where the driver wants an address for that, the parking address. */
int step_guard(const struct executor *x, const struct step *s, struct error *err);
/* The link down, where the driver can. */
int step_cut(const struct executor *x, const struct step *s, struct error *err);
/* Read the VF back: -EIO if anything is not as the step says. */
int step_verify(const struct executor *x, const struct step *s, struct error *err);
/*
 * -EEXIST with err: a process has the VF's VFIO group open, and so the VF; -EIO: that cannot be
 * told. Under the VF's lease only: asking makes the group busy for a moment (vfio_group_busy()).
 */
int step_unused(const struct executor *x, const struct step *s, struct error *err);

/* Put the attribute of a STEP_SET back, if it is not what it was. */
int step_undo_set(const struct executor *x, const struct step *s, struct error *err);

#endif
