/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hook/makevfs.h"

#include <errno.h>

#include "base/cleanup.h"
#include "hook/remake.h"
#include "hook/say.h"
#include "src/numvfs.h"

/* A driver in reset answers EAGAIN or EBUSY. */
#define MAKE_WAIT_MS 15000
#define LINK_WAIT_MS 5000
#define NAP_MS	     100
/* One that makes none is asked again: a firmware reset takes some seconds. */
#define MAKE_TRIES 5
#define TRY_NAP_MS 500 /* and twice that each time */

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

/* --- Making --- */

/*
 * How many there are once the number in sysfs is to be believed: the functions come with it, or
 * soon after. Read twice, if it is not the one that was written. -ETIMEDOUT: they do not come.
 */
static int settled(const struct vfs_job *j, unsigned n)
{
	struct deadline end = deadline_in(LINK_WAIT_MS);
	unsigned before = n;

	for (;;) {
		struct pf_info now;
		struct pci_addr last;
		int r = sysfs_pf_read(j->h->root, &j->pf->addr, &now, NULL);

		if (!r && now.num_vfs == n &&
		    !sysfs_vf_addr(j->h->root, &j->pf->addr, n - 1, &last))
			return (int)n;
		if (!r && now.num_vfs != n && now.num_vfs == before)
			return (int)now.num_vfs;
		if (!deadline_left(&end))
			return -ETIMEDOUT;
		if (!r)
			before = now.num_vfs;
		nap_ms(NAP_MS);
	}
}

/* One write of n > 0, which takes nothing from anybody: the kernel refuses it if there are VFs. */
static int write_some(const struct vfs_job *j, unsigned n, struct error *err)
{
	struct deadline patience = deadline_in(deadline_share(&j->until, MAKE_WAIT_MS));

	for (;;) {
		CLEANUP(numvfs_end) struct numvfs_write w = NUMVFS_WRITE_INIT;
		int r;

		if (numvfs_begin(j->h->root, &j->pf->addr, n, -1, &w, err) < 0)
			return error_code(err);
		r = numvfs_wait(&w, deadline_left(&j->until));
		if (!r)
			return 0;
		if ((r != -EAGAIN && r != -EBUSY) || !deadline_left(&patience))
			return fail_errno(err, -r, "write %u to sriov_numvfs", n);
		nap_ms(NAP_MS);
	}
}

/* bnxt_sriov_configure() answers 0 VFs, which is no error, while its firmware resets. */
static int make_some(const struct vfs_job *j, unsigned n, struct error *err)
{
	int got = 0;

	for (int tries = 1; tries <= MAKE_TRIES; tries++) {
		if (write_some(j, n, err) < 0)
			return error_code(err);
		got = settled(j, n);
		if (got || !deadline_left(&j->until))
			break;
		if (tries < MAKE_TRIES)
			nap_ms(deadline_share(&j->until, TRY_NAP_MS << (tries - 1)));
	}
	if (got == (int)n)
		return 0;
	if (got < 0)
		return fail(err, EIO, "the kernel made no VF %u within %d s: look at dmesg", n - 1,
			    LINK_WAIT_MS / 1000);
	if (got > 0)
		return fail(err, EIO,
			    "it was told to make %u VFs, and the driver %s made %d: if the card "
			    "can have no more, lower `vfs` of the pool",
			    n, j->pf->driver, got);
	return fail(err, EIO,
		    "the driver %s took the number %u and made no VFs, %d times: it does so while "
		    "its PF is down or its firmware resets; look at dmesg, set %s up, then: vfhook "
		    "boot",
		    j->pf->driver, n, MAKE_TRIES, j->pf->ifname);
}

/* --- Making more --- */

/* Between none and more: if it does not become more, as many as there were. */
static int make_again(const struct vfs_job *j, unsigned n, struct error *err)
{
	struct error why = ERROR_INIT;
	int r = make_some(j, n, err);

	if (!r || r == -EINPROGRESS)
		return r;
	if (settled(j, n)) /* fewer than we wanted, but some */
		return r;
	if (make_some(j, j->pf->num_vfs, &why) < 0)
		return fail_context(err, "it has no VFs now (and had %u: %s)", j->pf->num_vfs,
				    why.text);
	return fail_context(err, "it has its %u VFs again", j->pf->num_vfs);
}

static int remake(const struct vfs_job *j, const struct vfs_plan *p, struct error *err)
{
	CLEANUP(held_vfs_free) struct held_vfs held = HELD_VFS_INIT;
	struct error late = ERROR_INIT;
	int r = vfs_hold(j->h, j->self, j->id, &held, err);

	if (r < 0)
		return r;
	r = vfs_take_away(j->h, j->self, j->id, &held, &j->until, err);
	/* They may go at any time, and nobody must get one: see vfs_take_away(). */
	if (r == -EINPROGRESS)
		return r;
	if (!r && !j->h->dry_run)
		r = make_again(j, p->to, err);
	if (vfs_let_go(j->h, j->self, &held, &late) < 0 && !r)
		r = fail(err, late.code, "%s: vfhook repair", late.text);
	return r;
}

static int make(const struct vfs_job *j, const struct vfs_plan *p, struct error *err)
{
	int r = 0;

	say("PF %s: %s %u -> %u VFs", j->pf->ifname,
	    j->h->dry_run ? "would be set from" : "set from", j->pf->num_vfs, p->to);
	if (p->what == VFS_REMAKE)
		r = remake(j, p, err);
	else if (!j->h->dry_run)
		r = make_some(j, p->to, err);
	if (r == -EBUSY && p->what == VFS_REMAKE)
		return fail_context(err,
				    "it has %u VFs, the pool wants %u, and more can only be made "
				    "by way of none; left as it is, since somebody came meanwhile",
				    j->pf->num_vfs, p->to);
	if (r == -EINPROGRESS)
		return fail(
			err, EINPROGRESS,
			"the driver %s does not finish a write to sriov_numvfs, and nothing can "
			"end that from outside: look at dmesg; if it stays so, reboot",
			j->pf->driver);
	return r;
}

int vfs_apply(const struct vfs_job *j, const struct vfs_plan *p, struct error *err)
{
	if (p->raise && raise_pf(j->h, j->pf, err) < 0)
		return error_code(err);
	if (p->no_probe) {
		say("PF %s: sriov_drivers_autoprobe 1 -> 0, so that VFs come without an interface "
		    "on this host",
		    j->pf->ifname);
		if (!j->h->dry_run && sysfs_set_autoprobe(j->h->root, &j->pf->addr, false, err) < 0)
			return error_code(err);
	}
	switch (p->what) {
	case VFS_MAKE:
	case VFS_REMAKE:
		return make(j, p, err);
	case VFS_NONE:
		return fail(err, EOPNOTSUPP,
			    "it can have no VFs (sriov_totalvfs is 0): turn SR-IOV on in the "
			    "firmware of the board and of the card");
	default:
		return 0;
	}
}
