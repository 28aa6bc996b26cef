/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VFs of one PF, one after the other, as sysfs has them. */
#ifndef VFHOOK_VF_VF_WALK_H
#define VFHOOK_VF_VF_WALK_H

#include "src/base/error.h"
#include "src/vf/sysfs.h"

/*
 * A VF that is there, and cannot be read now. One that is not there (any more) is passed over in
 * either case: netdevsim has VFs without PCI functions, and a VF may go while we look.
 */
enum vf_unread {
	VF_UNREAD_COUNT, /* goes into n_unread, and the walk goes on: for who shows what there is */
	VF_UNREAD_FAIL,	 /* ends the walk: for who writes what it finds, and must leave none out */
};

/* Nothing in it is owned. Set the first members, and leave the rest zero. */
struct vf_walk {
	int root;
	const struct pf_info *pf;
	enum vf_unread unread;
	const struct vf_set *leave_out; /* these are not read at all: the host's; or NULL */
	const struct group_map *groups; /* of sysfs_vf_read(); or NULL */
	bool ids;			/* sysfs_vf_ids(), too */
	unsigned n_unread;
	unsigned next;
};

/*
 * The next VF, of PF_VFS_MAX at most. 1: *out is it. 0: there are no more, and *out may be
 * anything. A negative errno with err (which may be NULL): one cannot be read, and that is to end
 * the walk.
 */
int vf_walk_next(struct vf_walk *w, struct vf_info *out, struct error *err);

#endif
