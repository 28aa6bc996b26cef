/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deciding how many VFs a PF gets, and having the plan for that carried out. */
#include "src/host/make_vfs.h"

#include <errno.h>
#include <stdio.h>

#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/host/remake.h"
#include "src/port/apply.h"
#include "src/port/objects.h"
#include "src/port/vf_advice.h"
#include "src/vf/kernel.h"
#include "src/vf/lease.h"
#include "src/vf/plan.h"

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

/* --- What comes before VFs --- */

/* Harmless: it is wanted whatever becomes of the VFs. */
static int plan_pf(const struct vfs_job *j, const char *kind, const char *from, const char *to,
		   const char *word, struct plan *p, struct error *err)
{
	char name[PF_NAME_LEN];
	char what[160];
	const struct step_object o = {.kind = kind,
				      .name = pf_object_name(j->id, name),
				      .from = from,
				      .to = to,
				      .what = what,
				      .harmless = true};

	snprintf(what, sizeof(what), "PF %s: %s%s -> %s", j->pf->ifname, word, from, to);
	return plan_add_object(p, &o, err);
}

/* `up` is a flag at once; that the driver is ready is another thing, but then it says EAGAIN. */
static int plan_first(const struct vfs_job *j, const struct vfs_plan *v, struct plan *p,
		      struct error *err)
{
	if (v->raise) {
		say("PF %s is down: %s up, or no VM could start on it (`allow-pf-down 1` in its "
		    "pool leaves it)",
		    j->pf->ifname, j->h->dry_run ? "would be set" : "set");
		if (plan_pf(j, OBJECT_PF_LINK, "down", "up", "", p, err) < 0)
			return error_code(err);
	}
	if (!v->no_probe)
		return 0;
	say("PF %s: sriov_drivers_autoprobe 1 -> 0, so that VFs come without %s on this host",
	    j->pf->ifname, j->id->no_net ? "a driver" : "an interface");
	return plan_pf(j, OBJECT_AUTOPROBE, "1", "0", "sriov_drivers_autoprobe ", p, err);
}

/* --- VFs --- */

static int plan_vfs(const struct vfs_job *j, const struct vfs_plan *v, struct plan *p,
		    struct error *err)
{
	if (v->what != VFS_MAKE && v->what != VFS_REMAKE)
		return 0;
	say("PF %s: %s %u -> %u VFs", j->pf->ifname,
	    j->h->dry_run ? "would be set from" : "set from", j->pf->num_vfs, v->to);
	if (v->what == VFS_MAKE)
		return plan_numvfs(j->id, j->pf, 0, v->to, p, err);
	return plan_remake(j->h, j->id, j->pf, v->to, p, err);
}

/* What state a failure has left, as far as it can be read. */
static int tell_left(const struct vfs_job *j, struct error *err)
{
	struct pf_info now;

	if (sysfs_pf_read_as(j->h->root, &j->pf->addr, j->id->no_net, &now, NULL) < 0)
		return error_code(err);
	if (!now.num_vfs)
		return fail_context(err, "it has no VFs now, and had %u", j->pf->num_vfs);
	return fail_context(err, "it has %s%u VFs%s", now.num_vfs == j->pf->num_vfs ? "its " : "",
			    now.num_vfs, now.num_vfs == j->pf->num_vfs ? " as before" : "");
}

static int tell_failed(const struct vfs_job *j, const struct vfs_plan *v, int r, struct error *err)
{
	char who[320];

	if (r == -EINPROGRESS)
		return fail(
			err, EINPROGRESS,
			"the driver %s does not finish a write to sriov_numvfs, and nothing can "
			"end that from outside: look at dmesg; if it stays so, reboot",
			j->pf->driver);
	if (r == -EEXIST)
		r = fail(err, EBUSY, "%s", vfs_leased_by(j->h, j->pf, who, sizeof(who)));
	if (v->what != VFS_REMAKE)
		return r;
	if (r == -EBUSY)
		return fail_context(err,
				    "it has %u VFs, the pool wants %u, and more can only be made "
				    "by way of none; left as it is, since somebody came meanwhile",
				    j->pf->num_vfs, v->to);
	return tell_left(j, err);
}

int vfs_apply(const struct vfs_job *j, const struct vfs_plan *v, struct error *err)
{
	CLEANUP(plan_free) struct plan p;
	CLEANUP(plan_free) struct plan vfs;
	struct error busy = ERROR_INIT;
	char words[320];
	int r;

	plan_init(&p, PLAN_VFS, LEASE_SELF);
	plan_init(&vfs, PLAN_VFS, LEASE_SELF);
	if (plan_first(j, v, &p, err) < 0)
		return error_code(err);
	r = plan_vfs(j, v, &vfs, &busy);
	if ((!r && plan_append(&p, &vfs, err) < 0) || hook_kernel(j->h, err) < 0)
		return error_code(err);
	/* What is wanted of the PF itself is so even if its VFs are in use. */
	if (apply_plan(j->h, j->self, &p, err) < 0)
		return tell_failed(j, v, -err->code, err);
	if (r < 0) {
		*err = busy;
		return tell_failed(j, v, r, err);
	}
	if (v->what == VFS_NONE)
		return fail(err, EOPNOTSUPP, "it can have no VFs (sriov_totalvfs is 0): %s",
			    firmware_words(j->pf, words, sizeof(words)));
	return 0;
}
