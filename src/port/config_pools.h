/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sections of pools in vfhook.cfg are changed, and the names that PFs have there. */
#ifndef VFHOOK_PORT_CONFIG_POOLS_H
#define VFHOOK_PORT_CONFIG_POOLS_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/error.h"
#include "src/port/config.h"
#include "src/port/config_edit.h"

/* The PFs of one node for a pool, which is made if it is not there. NULL: leave the key alone. */
struct pool_addition {
	const char *name;
	const char *node;
	const struct pf_id *pfs;
	size_t n_pfs;
	const char *vfs;
	const char *allow_pf_down;
	const char *fdb;
	bool no_net;	 /* of what kind all of the PFs are */
	bool sets_hosts; /* these are the host's VFs of the PFs above from now on, and no others */
	const struct host_vfs *hosts;
	size_t n_hosts;
};

/* A pool's section as it is and as it would be (NULL: not there), and all of the file then. */
struct pool_change {
	char *from;
	char *to;
	size_t added; /* PFs that it has not yet */
	struct config after;
};

void pool_change_free(struct pool_change *c);

/*
 * What a pool becomes with those PFs, and what the file becomes without a pool. Nothing is written,
 * and all is judged. Free *out with pool_change_free(), after a failure too.
 *
 * config_pool_addition: -EEXIST if one of the PFs is in another pool of that node. Those that are
 * in this pool already stay where they are and get the MAC that is given. config_pool_removal:
 * -ENOENT: no such pool; -EBUSY: ports use it, err names them.
 */
int config_pool_addition(int root, const struct pool_addition *a, struct pool_change *out,
			 struct error *err);
int config_pool_removal(int root, const char *name, struct pool_change *out, struct error *err);

/* What a PF of a node is called in the file, and what it is to be called. */
struct pf_change {
	struct pci_addr from;
	struct pf_id to;
};

/* Rewrite `pf` lines of this node; all changes are taken for made at once, so two may swap. */
int config_change_pfs(int root, const char *node, const struct pf_change *changes, size_t n,
		      struct error *err);

/*
 * For a section that becomes `to` (NULL: it goes) in e->out: what somebody else has written since
 * it was planned must not become wrong by it. -EINVAL, -EEXIST, -EBUSY: see config_swap_section().
 */
int pool_check_edited(const struct edit *e, const char *name, const char *to, struct error *err);

#endif
