/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steps that make a port, and those that take one away: its section in vfhook.cfg, its mapping,
 * hostpciN (its text: hostpci_judge.h; written: port_changes.h) and the hookscript. Each is planned
 * from what is there now, so that a plan of what is half done is the rest of it.
 */
#ifndef VFHOOK_PORT_PORT_PLAN_H
#define VFHOOK_PORT_PORT_PLAN_H

#include <stdint.h>

#include "pveapi/guest.h"
#include "src/base/error.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/port/vm_ports.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"

/* Into what is known of the config, so that the VM can be judged as it would be. */
int vm_ports_add(struct vm_ports *v, const struct port *p, struct error *err);

/* The port comes into vfhook.cfg. */
int plan_port_section(const struct port *port, struct plan *p, struct error *err);
/* It goes from there; no step if it is not there. */
int plan_port_removal(struct hook *h, uint32_t vmid, unsigned slot, struct plan *p,
		      struct error *err);
/* The VM's other hookscript is kept in vfhook.cfg, or with NULL is not any more. */
int plan_chain(struct hook *h, uint32_t vmid, const char *volid, struct plan *p, struct error *err);
/*
 * The hookscript, or hostpciN, of the VM becomes that, NULL: none. From what g has, the config that
 * was judged: what somebody writes into it meanwhile is looked at first, and not written over.
 */
int plan_hookscript(struct hook *h, const struct guest_config *g, const char *volid, struct plan *p,
		    struct error *err);
int plan_hostpci(const struct guest_config *g, unsigned slot, const char *value, struct plan *p,
		 struct error *err);
/*
 * The mappings of the VM's ports name VFs, free ones if there are any, and have an entry for each
 * node of the pool. With slot >= 0 only that port's, else those of the entries that are to be
 * written: the mapping of a running VM must not change. The wishes must be there.
 */
int plan_port_mappings(struct hook *h, struct vm_ports *v, int slot, struct plan *p,
		       struct error *err);
/* A port's mapping goes, whoever made it. */
int plan_mapping_removal(struct hook *h, uint32_t vmid, unsigned slot, struct plan *p,
			 struct error *err);
/* From here on the VM is off, and kept so. */
int plan_off(struct hook *h, uint32_t vmid, struct plan *p, struct error *err);

/*
 * Begin to change what PVE has of a VM: the lock for that, and what a run that was cut off left is
 * put right. Not to be called with PVE's lock on the VM, or ours.
 */
int config_begin(struct hook *h, uint32_t vmid, struct owner **out, struct error *err);

#endif
