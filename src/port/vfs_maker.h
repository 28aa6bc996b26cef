/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may change how many VFs there are: boot and repair (struct hook's maker), and nobody else. */
#ifndef VFHOOK_PORT_VFS_MAKER_H
#define VFHOOK_PORT_VFS_MAKER_H

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/vf/owner.h"
#include "src/vf/sysfs.h"

struct hook;
struct pf_id;

struct vfs_maker {
	const struct owner *self; /* LEASE_SELF's: it is done under this lock, */
	struct deadline until;	  /* and over by then */
	/* src/host/write_numvfs.h, which a start does not have. */
	int (*write)(struct hook *h, const struct pf_id *pf, const struct pf_info *now, unsigned n,
		     struct error *err);
};

#endif
