/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many VFs a PF gets, and making them. */
#ifndef VFHOOK_HOST_MAKE_VFS_H
#define VFHOOK_HOST_MAKE_VFS_H

#include "src/port/context.h"
#include "src/vf/owner.h"
#include "src/vf/sysfs.h"

/* What a decision rests on. */
struct vfs_facts {
	unsigned wanted; /* by its pool, 0: as many as there are */
	unsigned now;
	unsigned total;
	bool autoprobe;
	bool pf_up;	    /* or nobody can tell */
	bool pf_up_first;   /* its driver makes none while it is down */
	bool raise;	    /* it may be set up for that */
	const char *in_use; /* who has one of its VFs, NULL: nobody */
};

enum vfs_what {
	VFS_KEEP,   /* there are enough, or nobody wants any */
	VFS_MAKE,   /* from none */
	VFS_REMAKE, /* by way of none: nobody has one */
	VFS_IN_USE, /* too few, and somebody has one: not before a reboot */
	VFS_DOWN,   /* the PF has to be up first, and nobody may raise it here */
	VFS_NONE,   /* the PF cannot have any */
};

struct vfs_plan {
	enum vfs_what what;
	unsigned to;
	bool raise;    /* the PF, first */
	bool no_probe; /* sriov_drivers_autoprobe 1 -> 0, first */
	bool clamped;  /* the pool wants more than there can be */
};

/* Looks at nothing but the facts. Never makes more than PF_VFS_LISTED. */
void vfs_decide(const struct vfs_facts *f, struct vfs_plan *p);

/* Whose VFs are made, and in whose name. */
struct vfs_job {
	struct hook *h;
	const struct owner *self; /* LEASE_SELF's */
	const struct pf_info *pf;
	const struct pf_id *id;
};

/*
 * Carry it out as a plan (PLAN_VFS, src/host/remake.h), telling it; in a dry run only that. Needs
 * h->maker. Nothing is taken from anybody: -EBUSY if somebody has a VF by now that would have to
 * go. -EOPNOTSUPP: the PF can have no VFs; -EINPROGRESS: the kernel does not finish a write to
 * sriov_numvfs; -EIO: it made fewer than it was told; else what sysfs or the driver answered. err
 * says how many VFs there are then: as many as before, wherever that could be.
 */
int vfs_apply(const struct vfs_job *j, const struct vfs_plan *p, struct error *err);

#endif
