/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many VFs a PF has is changed: all are taken away, or some are made from none. */
#include "src/host/write_numvfs.h"

#include <errno.h>
#include <unistd.h>

#include "pveapi/reservations.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/progress.h"
#include "src/base/text.h"
#include "src/host/remake.h"
#include "src/port/context.h"
#include "src/port/vf_advice.h"
#include "src/port/vfs_maker.h"
#include "src/vf/kernel.h"
#include "src/vf/numvfs.h"
#include "src/vf/owner.h"
#include "src/vf/sysfs.h"

/*
 * PVE waits 5 s for its lock when it reserves, and 2 s when it gives back, and only warns then: a
 * write that takes longer goes on without the lock.
 */
#define PVE_LOCK_WAIT_MS 10000
#define PVE_LOCK_HOLD_MS 1500
/* A driver in reset answers EAGAIN or EBUSY. */
#define BUSY_WAIT_MS 15000
#define BUSY_NAP_MS  300
/* The functions are gone when write(2) returns, as far as we know; looked at all the same. */
#define GONE_WAIT_MS 5000
#define LINK_WAIT_MS 5000
#define NAP_MS	     100
/* One that makes none is asked again: a firmware reset takes some seconds. */
#define MAKE_TRIES 5
#define TRY_NAP_MS 500 /* and twice that each time */

/* --- Less is none --- */

static int wait_until_gone(struct hook *h, const struct pf_id *pf, struct error *err)
{
	struct deadline end = deadline_in(GONE_WAIT_MS);
	struct pf_info now;
	struct pci_addr vf;

	for (;;) {
		if (!sysfs_pf_read_as(h->root, &pf->addr, pf->no_net, &now, NULL) && !now.num_vfs &&
		    sysfs_vf_addr(h->root, &pf->addr, 0, &vf) == -ENOENT)
			return 0;
		if (!deadline_left(&end))
			return fail(err, EIO,
				    "0 was written to sriov_numvfs, and it reads back as %u: look "
				    "at dmesg",
				    now.num_vfs);
		nap_ms(20);
	}
}

/* One try, and the only place that takes VFs away. Those that there are are leased to us. */
static int write_none(struct hook *h, const struct pf_id *pf, unsigned had, struct error *err)
{
	const struct vfs_maker *m = h->maker;
	CLEANUP(numvfs_end) struct numvfs_write w = NUMVFS_WRITE_INIT;
	AUTO_CLOSE int lock =
		pci_reservations_lock(h->root, deadline_share(&m->until, PVE_LOCK_WAIT_MS), err);
	int r;

	if (lock < 0)
		return fail_context(err, "PVE's lock on what it has reserved");
	if (vfs_look_held(h, pf, had, err) < 0)
		return error_code(err);
	if (numvfs_begin(h->root, &pf->addr, 0, owner_lock_fd(m->self), &w, err) < 0)
		return error_code(err);
	r = numvfs_wait(&w, PVE_LOCK_HOLD_MS);
	if (r == -EINPROGRESS) {
		close(STEAL_FD(lock));
		r = numvfs_wait(&w, deadline_left(&m->until));
	}
	return r;
}

/*
 * Look once more whether anybody uses one of the VFs, which are leased to us, then write 0, under
 * PVE's lock on its reservations: a start that has not reserved its VF by then finds it gone and is
 * refused by PVE; one that has is seen. -EBUSY: somebody has one. -EINPROGRESS: the kernel has not
 * finished the write, which holds our lock on the leases itself, so that nobody takes them back
 * before it is over.
 */
static int take_away(struct hook *h, const struct pf_id *pf, unsigned had, struct error *err)
{
	struct deadline patience = deadline_in(deadline_share(&h->maker->until, BUSY_WAIT_MS));
	int r;

	for (;;) {
		error_clear(err);
		r = write_none(h, pf, had, err);
		if (!r)
			return wait_until_gone(h, pf, err);
		/* Ours, not the driver's. */
		if (err->code)
			return r;
		if ((r != -EAGAIN && r != -EBUSY) || !deadline_left(&patience))
			break;
		nap_ms(BUSY_NAP_MS);
	}
	/* EBUSY is for who finds that somebody has one. */
	return fail_errno(err, r == -EBUSY ? EAGAIN : -r, "write 0 to sriov_numvfs");
}

/* --- From none --- */

/*
 * How many there are once the number in sysfs is to be believed: the functions come with it, or
 * soon after. Read twice, if it is not the one that was written. -ETIMEDOUT: they do not come.
 */
static int settled(struct hook *h, const struct pf_id *pf, unsigned n)
{
	struct deadline end = deadline_in(LINK_WAIT_MS);
	unsigned before = n;

	for (;;) {
		unsigned now;
		struct pci_addr last;
		int r = sysfs_numvfs(h->root, &pf->addr, &now);

		if (!r && now == n && !sysfs_vf_addr(h->root, &pf->addr, n - 1, &last))
			return (int)n;
		if (!r && now != n && now == before)
			return (int)now;
		if (!deadline_left(&end))
			return -ETIMEDOUT;
		if (!r)
			before = now;
		nap_ms(NAP_MS);
	}
}

/* One write of n > 0, which takes nothing from anybody: the kernel refuses it if there are VFs. */
static int write_some(struct hook *h, const struct pf_info *pf, unsigned n, struct error *err)
{
	const struct deadline *until = &h->maker->until;
	struct deadline patience = deadline_in(deadline_share(until, BUSY_WAIT_MS));

	for (;;) {
		CLEANUP(numvfs_end) struct numvfs_write w = NUMVFS_WRITE_INIT;
		int r;

		if (numvfs_begin(h->root, &pf->addr, n, -1, &w, err) < 0)
			return error_code(err);
		r = numvfs_wait(&w, deadline_left(until));
		if (!r)
			return 0;
		if ((r != -EAGAIN && r != -EBUSY) || !deadline_left(&patience))
			return numvfs_refused(pf, n, -r, err);
		nap_ms(NAP_MS);
	}
}

static int tell_made(const struct pf_info *pf, unsigned n, int got, struct error *err)
{
	if (got == (int)n)
		return 0;
	if (got < 0)
		return fail(err, EIO, "the kernel made no VF %u within %d s: look at dmesg", n - 1,
			    LINK_WAIT_MS / 1000);
	if (got > 0)
		return fail(err, EIO,
			    "it was told to make %u VFs, and the driver %s made %d: if the card "
			    "can have no more, lower `vfs` of the pool",
			    n, pf->driver, got);
	return fail(err, EIO,
		    "the driver %s took the number %u and made no VFs, %d times: it does so while "
		    "its PF is down or its firmware resets; look at dmesg, set %s up, then: vfhook "
		    "boot",
		    pf->driver, n, MAKE_TRIES, pf->ifname);
}

/* bnxt_sriov_configure() answers 0 VFs, which is no error, while its firmware resets. */
static int make_some(struct hook *h, const struct pf_id *pf, const struct pf_info *info, unsigned n,
		     struct error *err)
{
	const struct deadline *until = &h->maker->until;
	AUTO_PROGRESS struct progress p = {0};
	int got = 0;

	progress_begin(&p, deadline_left(until), "PF %s: %u VFs are being made", info->ifname, n);

	for (int tries = 1; tries <= MAKE_TRIES; tries++) {
		if (write_some(h, info, n, err) < 0)
			return error_code(err);
		got = settled(h, pf, n);
		if (got || !deadline_left(until))
			break;
		if (tries < MAKE_TRIES)
			nap_ms(deadline_share(until, TRY_NAP_MS << (tries - 1)));
	}
	return tell_made(info, n, got, err);
}

int write_numvfs(struct hook *h, const struct pf_id *pf, const struct pf_info *now, unsigned n,
		 struct error *err)
{
	return n ? make_some(h, pf, now, n, err) : take_away(h, pf, now->num_vfs, err);
}
