/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VF that a VM names by hand, by a raw address or a mapping of the user's own, becomes its port's
 * as it is: same VF, same settings, also while the VM runs on it.
 */
#ifndef VFHOOK_COMMAND_TAKEOVER_H
#define VFHOOK_COMMAND_TAKEOVER_H

#include "pveapi/guest.h"
#include "pveapi/process.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/vf/plan.h"
#include "src/vf/sysfs.h"

struct takeover {
	struct vf_info vf;
	bool no_net; /* it is of a PF without a network */
	char pool[NAME_LEN];
	struct vf_settings want; /* what is set on it, and not as on any free VF */
	struct vf_settings now;	 /* all that the kernel shows */
	bool live;		 /* the VM's QEMU, qemu, has it */
	struct proc_id qemu;
};

/*
 * Which VF does hostpciN of the VM mean, and how is it set? Of a VM that runs it is the one that
 * its QEMU has. 0, or a negative errno with err: why it cannot be taken over.
 */
int takeover_look(struct hook *h, const struct config *c, const struct guest_config *g,
		  unsigned slot, struct takeover *out, struct error *err);

/*
 * -EEXIST with err, which proposes it, if hostpciN can be taken over; only_set: and only if a MAC
 * is set on the VF, which must not be lost for want of a word: a guest that has had it for years
 * would come up with another one. Else 0.
 */
int takeover_proposed(struct hook *h, const struct config *c, const struct guest_config *g,
		      unsigned slot, bool only_set, struct error *err);
/* The only hostpci of the VM that can be taken over. */
int takeover_slot(struct hook *h, const struct config *c, const struct guest_config *g,
		  unsigned *slot, struct error *err);

/*
 * The VM is off, and its port is there: what was set by hand goes from the VF, as if the VM had run
 * and stopped, or a rate would stay on it for ever. Told if it cannot be.
 */
void takeover_park(struct hook *h, const struct takeover *t, const struct port *port);

/* The step by which a VM that runs on the VF gets its lease (OBJECT_LEASE). name: the VM's. */
int plan_live_lease(const struct takeover *t, const struct port *port, const char *name,
		    struct plan *p, struct error *err);

#endif
