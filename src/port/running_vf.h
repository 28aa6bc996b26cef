/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM that runs already, and the VF that it runs on. */
#ifndef VFHOOK_PORT_RUNNING_VF_H
#define VFHOOK_PORT_RUNNING_VF_H

#include "pveapi/process.h"
#include "src/base/answer.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/port/context.h"
#include "src/port/vm_ports.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"
#include "src/vf/port_wish.h"

/* The lease of a port: on the VF its mapping names, or wherever it is. UNKNOWN with err. */
enum answer port_lease(struct hook *h, const struct port_wish *w, struct lease *out,
		       struct error *err);

/*
 * Write into a lease that this process runs with it. from: the node that the VM comes from in a
 * live migration, so that its guest has not seen the device yet (LEASE_ARRIVING); else NULL. 0, or
 * a negative errno with err.
 */
int mark_running(struct hook *h, const struct owner *o, const struct lease *l,
		 const struct proc_id *qemu, const char *from, struct error *err);

/*
 * The steps by which a port takes the VF that its VM runs on: lease, settings,
 * mapping. -EBUSY if the VF is not the VM's to have. They go into p, which the caller
 * has made with plan_init(PLAN_MEND).
 */
int plan_take_over(struct hook *h, const struct vm_ports *v, const struct port_wish *w,
		   const struct pci_addr *actual, struct plan *p, struct error *err);

#endif
