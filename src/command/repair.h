/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vfhook repair is made of: one file for what it looks at. Every change is named before it is
 * made, and made as a plan under the locks of the VM that it belongs to; a VM that somebody is at
 * work on is left to him.
 */
#ifndef VFHOOK_COMMAND_REPAIR_H
#define VFHOOK_COMMAND_REPAIR_H

#include "pveapi/process.h"
#include "pveapi/vmstate.h"
#include "src/port/context.h"
#include "src/port/vm_locks.h"
#include "src/port/vm_ports.h"
#include "src/vf/owner.h"
#include "src/vf/port_wish.h"

#define NODES_PATH "etc/pve/nodes"

struct repair {
	struct hook *h;
	struct owner *self; /* of what vfhook itself holds: one repair at a time, and no boot */
	unsigned done;
	unsigned left; /* wrong, and not repaired */
	uint32_t *vms; /* with a config on any node */
	size_t n_vms;
	uint32_t *cts; /* containers likewise */
	size_t n_cts;
	struct pci_addr *used; /* the VFs that running VMs of this node have */
	size_t n_used;
	bool unsure; /* not all of them could be read */
	bool check;  /* only tell: what would be repaired is a finding */
};

/* What is about to be done. vmid 0: it is nobody's. */
void repair_announce(struct repair *r, uint32_t vmid, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* What is wrong and stays so. */
void repair_leave(struct repair *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* With --check: what is wrong, and what mends it, which is not this command. */
void repair_find(struct repair *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A repair that was announced and did not succeed. */
void repair_undone(struct repair *r, const struct error *err);
/* Both locks of a VM; false, and said, if somebody else has one; one that cannot be taken is left
 * as not repaired. */
bool repair_lock_vm(struct repair *r, uint32_t vmid, struct vm_locks *l);
/* Undo or finish what a run for the owner's VM has left, if there is anything: told. */
void repair_own_journal(struct repair *r, const struct owner *o);
/*
 * The lock for what PVE has of a VM, to be given back with owner_unlock(). NULL, and said: another
 * command or job of vfhook has it; or it cannot be taken, which is left as not repaired.
 */
struct owner *repair_lock_config(struct repair *r, uint32_t vmid);
/* Does a VM of this node run on that VF? */
bool repair_is_used(const struct repair *r, const struct pci_addr *vf);

/* Running VMs: their VFs have their leases and settings. Fills used and unsure. */
void repair_running(struct repair *r);
/*
 * Of one port of a guest that runs as that process, under its locks: the VF that it has is leased
 * to it, set as the port wants it, and named by its mapping.
 */
void repair_port(struct repair *r, const struct owner *o, const struct vm_ports *v,
		 const struct port_wish *w, const struct pci_addr *vf,
		 const struct proc_id *process);
/* Containers: VFs whose lease is lost get it, and those of running ones are set as they should be.
 */
void repair_cts(struct repair *r);
/* Of one running VM, under its locks: VFs that are unplugged, arriving, or lost by QEMU. */
void repair_plugging(struct repair *r, const struct owner *o, const struct proc_id *qemu,
		     const struct vm_hostpci *has);
/* Lease files that cannot be used; after repair_running(). */
void repair_broken(struct repair *r);
/* Leases of vfhook itself and of VMs that are over. */
void repair_stale(struct repair *r);
/* VFs that nobody has, and that are still set for a guest; after repair_stale(). */
void repair_free_vfs(struct repair *r);
/* VFs that VMs name by hand, and that PVE could not bind (src/show/unarmed.h). */
void repair_byhand(struct repair *r);
/* Ports and mappings of guests that are gone from the cluster. */
void repair_gone(struct repair *r);

/* With --check: this node's PFs, their VFs and sriov_drivers_autoprobe. */
void repair_check_pfs(struct repair *r);

#endif
