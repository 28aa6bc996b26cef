/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One step of a plan on one VF, done and undone through its PF. */
#include "src/vf/vf_step.h"

#include <errno.h>
#include <string.h>

int step_read_now(const struct executor *x, const struct step *s, struct vf_settings *now,
		  struct error *err)
{
	return kernel_vf_read(x->kernel, s->ifindex, s->index, now, err);
}

int step_set(const struct executor *x, const struct step *s, struct error *err)
{
	return kernel_vf_set(x->kernel, s->ifindex, s->index, s->attr, &s->to, err);
}

/* Set it; where the driver refuses, see whether it was done all the same. */
static int set_or_see(const struct executor *x, const struct step *s, enum vf_attr attr,
		      const struct vf_settings *to, struct error *err)
{
	int r = kernel_vf_set(x->kernel, s->ifindex, s->index, attr, to, err);
	struct vf_settings want = *to;
	struct vf_settings now;

	/* What a driver does not know it does not do, and who is not there did nothing. */
	if (!r || r == -EOPNOTSUPP || r == -ENODEV)
		return r;
	want.has &= vf_attr_bits(attr);
	if (step_read_now(x, s, &now, NULL) < 0 || !vf_attr_equal(attr, &want, &now))
		return r;
	error_clear(err);
	return 0;
}

int step_set_surely(const struct executor *x, const struct step *s, struct error *err)
{
	return set_or_see(x, s, s->attr, &s->to, err);
}

static int set_spoofchk(const struct executor *x, const struct step *s, bool on, struct error *err)
{
	return set_or_see(x, s, VF_SPOOFCHK,
			  &(struct vf_settings){.has = HAS_SPOOFCHK, .spoofchk = on}, err);
}

static int set_parking_mac(const struct executor *x, const struct step *s, struct error *err)
{
	struct vf_settings parked = {.has = HAS_MAC};

	vf_parking_mac(&s->vf, parked.mac);
	return set_or_see(x, s, VF_MAC, &parked, err);
}

/*
 * MAC to zero. Drivers differ: some refuse zero while spoofchk is on, some
 * refuse it always; then the VF gets an address that nobody else has.
 */
int step_clear_mac(const struct executor *x, const struct step *s, struct error *err)
{
	struct vf_settings zero = {.has = HAS_MAC};
	int r = set_or_see(x, s, VF_MAC, &zero, err);

	if (!r || r == -ENODEV)
		return r;
	if ((s->from.has & HAS_SPOOFCHK) && s->from.spoofchk && !set_spoofchk(x, s, false, NULL)) {
		r = set_or_see(x, s, VF_MAC, &zero, err);
		if (!r)
			return 0;
		set_spoofchk(x, s, true, NULL);
	}
	return set_parking_mac(x, s, err);
}

/* spoofchk on; where the driver wants an address for that, one that nobody else has. */
int step_guard(const struct executor *x, const struct step *s, struct error *err)
{
	int r = set_spoofchk(x, s, true, err);

	if (!r || r == -ENODEV)
		return r;
	r = set_parking_mac(x, s, err);
	return r < 0 ? r : set_spoofchk(x, s, true, err);
}

/* Not every driver can, and a VF is as clean without. */
int step_cut(const struct executor *x, const struct step *s, struct error *err)
{
	int r = set_or_see(
		x, s, VF_LINK_STATE,
		&(struct vf_settings){.has = HAS_LINK_STATE, .link_state = VF_LINK_DISABLE}, err);

	if (r != -EOPNOTSUPP)
		return r;
	error_clear(err);
	return 0;
}

int step_verify(const struct executor *x, const struct step *s, struct error *err)
{
	struct vf_settings now;
	int r = step_read_now(x, s, &now, err);

	if (r < 0)
		return r;
	for (int a = 0; a < VF_ATTR_COUNT; a++) {
		enum vf_attr attr = (enum vf_attr)a;
		char want[64];
		char got[64];

		if (!(s->to.has & vf_attr_bits(attr)) || vf_attr_equal(attr, &s->to, &now))
			continue;
		return fail(err, EIO,
			    "the driver accepted %s %s, but reads back %s: it does not really "
			    "support it",
			    vf_attr_name(attr), vf_attr_value(attr, &s->to, want, sizeof(want)),
			    (now.has & vf_attr_bits(attr))
				    ? vf_attr_value(attr, &now, got, sizeof(got))
				    : "nothing");
	}
	return 0;
}

int step_unused(const struct executor *x, const struct step *s, struct error *err)
{
	enum answer busy;
	int group;
	int r = sysfs_vf_group(x->root, &s->vf, &group, err);

	if (r < 0)
		return r;
	busy = group < 0 ? ANSWER_NO : vfio_group_busy(x->root, group);
	if (busy == ANSWER_UNKNOWN)
		return fail(err, EIO, "whether a process has /dev/vfio/%d open cannot be told",
			    group);
	return busy == ANSWER_NO ? 0 : fail(err, EEXIST, "a process has /dev/vfio/%d open", group);
}

/* MAC back to zero; the way there may have led over spoofchk off. */
static int undo_mac(const struct executor *x, const struct step *s, struct error *err)
{
	struct vf_settings now;
	int r = step_clear_mac(x, s, err);

	if (r < 0 || !(s->from.has & HAS_SPOOFCHK) || !s->from.spoofchk)
		return r;
	r = step_read_now(x, s, &now, err);
	return r < 0 || now.spoofchk ? r : step_guard(x, s, err);
}

/* Put one attribute back, if it is not what it was. */
int step_undo_set(const struct executor *x, const struct step *s, struct error *err)
{
	struct vf_settings from = s->from;
	struct vf_settings now;
	int r;

	from.has &= vf_attr_bits(s->attr);
	if (!from.has) /* the driver does not tell what it was */
		return 0;
	r = step_read_now(x, s, &now, err);
	if (r < 0 || vf_attr_equal(s->attr, &from, &now))
		return r;
	if (s->attr == VF_MAC && mac_is_zero(from.mac))
		return undo_mac(x, s, err);
	r = set_or_see(x, s, s->attr, &from, err);
	/* What the driver cannot set, it has not changed either. */
	return r == -EOPNOTSUPP ? 0 : r;
}
