/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What wants a VM's lock, done under it. Include behind tests/unit/tree.h. */
#ifndef VFHOOK_TESTS_LOCKED_H
#define VFHOOK_TESTS_LOCKED_H

#include "src/base/run_dir.h"
#include "src/vf/execute.h"
#include "src/vf/executor.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"
#include "src/vf/recover.h"

static inline struct owner *owner_of(int root, uint32_t vmid)
{
	struct owner *o = NULL;

	assert_int_equal(owner_lock(root, vmid, 0, &o, NULL), 0);
	return o;
}

static inline int locked_execute(const struct executor *x, const struct plan *p, struct error *err)
{
	AUTO_OWNER struct owner *o = owner_of(x->root, p->vmid);

	return execute(x, o, p, err);
}

static inline int locked_recover(const struct executor *x, uint32_t vmid, struct error *err)
{
	AUTO_OWNER struct owner *o = owner_of(x->root, vmid);

	return recover(x, o, err);
}

static inline int locked_take(int root, const struct lease *l, struct error *err)
{
	AUTO_OWNER struct owner *o = owner_of(root, l->vmid);

	return lease_take(root, o, l, err);
}

static inline int locked_write(int root, const struct lease *l, struct error *err)
{
	AUTO_OWNER struct owner *o = owner_of(root, l->vmid);

	return lease_write(root, o, l, err);
}

static inline int locked_drop(int root, uint32_t vmid, const struct pci_addr *vf, struct error *err)
{
	AUTO_OWNER struct owner *o = owner_of(root, vmid);

	return lease_drop(root, o, vf, NULL, err);
}

/* A lease file taken away as a person would, whoever it is of. */
static inline void wipe_lease(int root, const struct pci_addr *vf)
{
	char addr[PCI_ADDR_LEN];
	char path[128];

	snprintf(path, sizeof(path), LEASE_DIR "/%s", pci_addr_format(vf, addr));
	unlinkat(root, path, 0);
}

#endif
