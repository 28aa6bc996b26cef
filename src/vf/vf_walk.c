/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Going over a PF's VFs by their numbers. */
#include "src/vf/vf_walk.h"

#include <errno.h>

#include "src/base/text.h"
#include "src/vf/vf.h"

/* 0; -ENOENT: it is not there; others: it cannot be read. */
static int read_one(const struct vf_walk *w, unsigned index, struct vf_info *out)
{
	struct pci_addr vf;
	int r = sysfs_vf_addr(w->root, &w->pf->addr, index, &vf);

	if (!r)
		r = sysfs_vf_read(w->root, w->groups, &vf, &w->pf->addr, index, out, NULL);
	if (!r && w->ids)
		r = sysfs_vf_ids(w->root, out, NULL);
	return r == -ENODEV ? -ENOENT : r;
}

int vf_walk_next(struct vf_walk *w, struct vf_info *out, struct error *err)
{
	while (w->next < w->pf->num_vfs && w->next < PF_VFS_MAX) {
		unsigned index = w->next++;
		int r;

		if (w->leave_out && vf_set_has(w->leave_out, index))
			continue;
		r = read_one(w, index, out);
		if (!r)
			return 1;
		if (r == -ENOENT)
			continue;
		w->n_unread++;
		if (w->unread == VF_UNREAD_FAIL)
			return fail_errno(err, -r, "read VF %u of %s", index, w->pf->ifname);
	}
	return 0;
}
