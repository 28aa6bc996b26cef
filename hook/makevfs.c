/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hook/makevfs.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "hook/say.h"

/* A driver in reset answers EAGAIN or EBUSY; hundreds of VFs take some seconds. */
#define MAKE_WAIT_MS 15000
#define LINK_WAIT_MS 5000
#define NAP_MS	     100

void vfs_decide(const struct vfs_facts *f, struct vfs_plan *p)
{
	unsigned most = f->total < PF_VFS_LISTED ? f->total : PF_VFS_LISTED;

	*p = (struct vfs_plan){.what = VFS_KEEP, .to = f->now};
	p->raise = f->raise && !f->pf_up;
	if (!f->wanted)
		return;
	p->no_probe = f->autoprobe;
	p->clamped = f->wanted > most;
	p->to = p->clamped ? most : f->wanted;
	if (!f->total)
		p->what = VFS_NONE;
	else if (f->now >= p->to)
		p->to = f->now;
	else if (f->now && f->in_use)
		p->what = VFS_IN_USE;
	else if (f->pf_up_first && !f->pf_up && !p->raise)
		p->what = VFS_DOWN;
	else
		p->what = f->now ? VFS_REMAKE : VFS_MAKE;
}

static void nap(void)
{
	nanosleep(&(struct timespec){0, NAP_MS * 1000000L}, NULL);
}

/* `up` is a flag at once; that the driver is ready is another thing, but then it says EAGAIN. */
static int raise_pf(struct hook *h, const struct pf_info *pf, struct error *err)
{
	say("PF %s is down: %s up, or no VM could start on it (`allow-pf-down 1` in its pool "
	    "leaves it)",
	    pf->ifname, h->dry_run ? "would be set" : "set");
	if (h->dry_run)
		return 0;
	return kernel_link_up(h->kernel, pf->ifindex, err);
}

/* The number in sysfs is the kernel's word; the functions themselves come with it, or soon after.
 */
static int wait_for_vfs(struct hook *h, const struct pf_info *pf, unsigned n, struct error *err)
{
	struct pci_addr last;

	for (int waited = 0; waited <= LINK_WAIT_MS; waited += NAP_MS) {
		struct pf_info now;

		if (!sysfs_pf_read(h->root, &pf->addr, &now, NULL) && now.num_vfs == n &&
		    !sysfs_vf_addr(h->root, &pf->addr, n - 1, &last))
			return 0;
		nap();
	}
	return fail(err, ETIMEDOUT, "the kernel made no VF %u within %d s: look at dmesg", n - 1,
		    LINK_WAIT_MS / 1000);
}

static int make(struct hook *h, const struct pf_info *pf, const struct vfs_plan *p,
		struct error *err)
{
	say("PF %s: %s %u -> %u VFs", pf->ifname, h->dry_run ? "would be set from" : "set from",
	    pf->num_vfs, p->to);
	if (h->dry_run)
		return 0;
	if (p->what == VFS_REMAKE && sysfs_set_numvfs(h->root, &pf->addr, 0, MAKE_WAIT_MS, err) < 0)
		return error_code(err);
	if (sysfs_set_numvfs(h->root, &pf->addr, p->to, MAKE_WAIT_MS, err) < 0)
		return error_code(err);
	return wait_for_vfs(h, pf, p->to, err);
}

int vfs_apply(struct hook *h, const struct pf_info *pf, const struct vfs_plan *p, struct error *err)
{
	if (p->raise && raise_pf(h, pf, err) < 0)
		return error_code(err);
	if (p->no_probe) {
		say("PF %s: sriov_drivers_autoprobe 1 -> 0, so that VFs come without an interface "
		    "on this host",
		    pf->ifname);
		if (!h->dry_run && sysfs_set_autoprobe(h->root, &pf->addr, false, err) < 0)
			return error_code(err);
	}
	switch (p->what) {
	case VFS_MAKE:
	case VFS_REMAKE:
		return make(h, pf, p, err);
	case VFS_NONE:
		return fail(err, EOPNOTSUPP,
			    "it can have no VFs (sriov_totalvfs is 0): turn SR-IOV on in the "
			    "firmware of the board and of the card");
	default:
		return 0;
	}
}
