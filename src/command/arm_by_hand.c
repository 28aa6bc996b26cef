/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VFs that VMs name by hand, made ready for PVE's own bind. */
#include "src/command/arm_by_hand.h"

#include <errno.h>
#include <time.h>

#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/port/apply.h"
#include "src/show/unarmed.h"
#include "src/vf/lease.h"
#include "src/vf/plan_park.h"

int byhand_arm_one(struct hook *h, const struct owner *self, const struct unarmed *u,
		   struct error *err)
{
	CLEANUP(plan_free) struct plan p;

	plan_init(&p, PLAN_START, LEASE_SELF);
	return plan_ready_for_pve(u->pf->pf, u->vf->vf, u->keeps_driver, time(NULL), &p, err) < 0
		       ? error_code(err)
		       : apply_plan(h, self, &p, err);
}

struct arming {
	struct hook *h;
	const struct owner *self;
	unsigned failed;
};

static void arm_one(void *arg, const struct unarmed *u)
{
	struct arming *a = arg;
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	int done = byhand_arm_one(a->h, a->self, u, &err);

	if (!done || done == -EEXIST)
		return;
	a->failed++;
	complain("VF %s, which VM %u names by hand: PVE may not be able to bind it: %s",
		 pci_addr_format(&u->vf->vf->info.addr, addr), u->vmid, err.text);
}

unsigned byhand_arm(struct hook *h, const struct owner *self)
{
	struct arming a = {.h = h, .self = self};
	struct error err = ERROR_INIT;

	if (unarmed_each(h, arm_one, &a, &err) < 0) {
		a.failed++;
		complain("VFs that VMs name by hand: %s", err.text);
	}
	return a.failed;
}
