/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a VM's ports to wishes that can be planned, and the facts that a plan
 * for them needs.
 */
#ifndef VFHOOK_PORT_VM_PORTS_H
#define VFHOOK_PORT_VM_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pveapi/guest.h"
#include "pveapi/limits.h"
#include "pveapi/mapping.h"
#include "src/base/error.h"
#include "src/port/claims.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/port/hostpci_judge.h"
#include "src/vf/plan.h"
#include "src/vf/port_wish.h"
#include "src/vf/snapshot.h"
#include "src/vf/sysfs.h"

/* Everything about the ports of one VM, or of one container (src/port/ct_ports.h). Owns what it
 * points to; release with vm_ports_free(). */
struct vm_ports {
	struct config config;
	struct guest_config guest;
	struct mapping_file mappings;
	struct entry entries[PVE_HOSTPCI_MAX]; /* by slot */
	struct port_wish wishes[PVE_HOSTPCI_MAX];
	struct pf_id *pool_pfs[PVE_HOSTPCI_MAX]; /* by wish */
	size_t n_wishes;
	struct others others; /* of the last look at all VFs */
	bool container;
};

/* "VM" or "CT", for a message. */
static inline const char *vm_ports_guest(const struct vm_ports *v)
{
	return v->container ? "CT" : "VM";
}

/*
 * Load the config of the VM and vfhook.cfg, and judge every hostpciN. Returns
 * 1, 0 if the VM is none of ours (no port, nothing of ours in it, a template),
 * or a negative errno.
 */
int vm_ports_load(struct hook *h, uint32_t vmid, struct vm_ports *v, struct error *err);
/* Judge every hostpciN anew, after a change of v->config. Is anything in it ours? */
bool vm_ports_judge(struct hook *h, struct vm_ports *v);
void vm_ports_free(struct vm_ports *v);

/* Is there an entry with that verdict? The first one's slot, or -1. */
int vm_ports_first(const struct vm_ports *v, enum entry_verdict verdict);

/* Is one of its ports to be migrated live? */
bool vm_ports_migrate_live(const struct vm_ports *v);

/*
 * Make a wish of each port that is to get a VF: those whose entry is good, or,
 * with all, those too that are still to be written. Reads the mapping file for
 * the VF each had last.
 */
int vm_ports_wishes(struct hook *h, struct vm_ports *v, bool all, struct error *err);

/* One more wish, of that port: for vm_ports_wishes() and for a container's ports. */
int vm_ports_wish(struct hook *h, struct vm_ports *v, const struct port *port, struct error *err);

/*
 * Snapshot of the VFs that the wishes had last, or with all, of every VF of their pools; then the
 * wishes learn what others name, too. The claims, and v, must live as long as the snapshot.
 */
int observe_wishes(struct hook *h, struct vm_ports *v, bool all, struct vf_claim **claims,
		   struct snapshot *s, struct error *err);

#endif
