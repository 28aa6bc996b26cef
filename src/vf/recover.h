/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a run that was cut off left: its journal, undone or finished. */
#ifndef VFHOOK_VF_RECOVER_H
#define VFHOOK_VF_RECOVER_H

#include "src/base/error.h"
#include "src/vf/executor.h"
#include "src/vf/owner.h"

/*
 * Is there a plan that a crashed run left for the owner's VM? (Of the owner's lock's sort: on the
 * VM's VFs, or on what PVE has of it.) Undo or finish it, as far as its VFs are still leased to
 * that VM. 1: something was found and mended; 2: VFs that were taken away could not be made
 * again, which was told; 0: nothing there. A plan on PVE's side that cannot be
 * put right now stays, and is an error.
 * A journal that cannot be read is put aside as <name>.broken and told: its
 * VF keeps its lease and is released like any other leftover.
 */
int recover(const struct executor *x, const struct owner *owner, struct error *err);

#endif
