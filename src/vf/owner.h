/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may change what belongs to a VM: whoever holds our lock on it, /run/vfhook/locks/<vmid>. A
 * struct owner is made by taking that lock and by nothing else, and every function that takes,
 * writes or drops a lease wants one, so that the compiler refuses to do it without.
 */
#ifndef VFHOOK_VF_OWNER_H
#define VFHOOK_VF_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/cleanup.h"
#include "src/base/error.h"

struct owner;

/*
 * Take the lock of that VM (or of LEASE_SELF), waiting at most timeout_ms; the folders are made if
 * need be. 0 and *out, released with owner_unlock(); -EWOULDBLOCK if somebody holds it; another
 * negative errno with err.
 */
int owner_lock(int root, uint32_t vmid, int timeout_ms, struct owner **out, struct error *err);

/* The owner of a dry run: no lock is taken and no file made, and leases cannot be changed with it.
 */
int owner_pretend(uint32_t vmid, struct owner **out, struct error *err);

/*
 * The lock for plans that change what PVE has of the VM (plan_kind_is_config()):
 * /run/vfhook/locks/<vmid>.config. It is no lock on the VM's VFs, and comes before all others, also
 * PVE's on the VM: who holds it asks PVE to write the VM's config, which takes that lock.
 */
int owner_lock_config(int root, uint32_t vmid, int timeout_ms, struct owner **out,
		      struct error *err);

/* NULL is fine. */
void owner_unlock(struct owner *o);

/* Whose lock it is: a VM, or LEASE_SELF (src/vf/lease.h). */
uint32_t owner_vmid(const struct owner *o);
/* May it touch VFs and leases? Not that of a dry run, nor one for the VM's config. */
bool owner_is_real(const struct owner *o);
/* May it change what PVE has of the VM? */
bool owner_is_config(const struct owner *o);

/*
 * The lock's descriptor, for a child that may outlive this process: the lock is free when the last
 * who has it has closed it. -1 for one of a dry run.
 */
int owner_lock_fd(const struct owner *o);

/* Where the lock is, below the root. Returns buf. */
const char *owner_lock_path(uint32_t vmid, char buf[64]);

static inline void cleanup_owner(struct owner **o)
{
	owner_unlock(*o);
}

#define AUTO_OWNER CLEANUP(cleanup_owner)

#endif
