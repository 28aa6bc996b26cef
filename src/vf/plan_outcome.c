/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan would leave behind, and the plan that takes it back: looked at, not done. */
#include "src/vf/plan_outcome.h"

#include <errno.h>
#include <string.h>

#include "src/base/text.h"
#include "src/vf/vf_keys.h"

static void foresee_setting(struct snapshot *s, const struct step *step,
			    const struct vf_settings *to, uint32_t bits)
{
	for (size_t i = 0; i < s->n_pfs; i++) {
		struct pf_state *pf = &s->pfs[i];

		if (pci_addr_cmp(&pf->info.addr, &step->pf) != 0)
			continue;
		if (step->index < pf->link.n_vfs)
			vf_settings_merge(&pf->link.vfs[step->index], to, bits);
		for (size_t k = 0; k < pf->n_vfs; k++) {
			if (pf->vfs[k].info.index == step->index)
				vf_settings_merge(&pf->vfs[k].now, to, bits);
		}
	}
}

static void foresee_vf(struct vf_state *v, const struct step *step)
{
	switch (step->kind) {
	case STEP_LEASE_TAKE:
	case STEP_LEASE_WRITE:
	case STEP_LEASE_SEIZE:
		v->leased = true;
		v->lease_broken = false;
		v->lease = step->lease;
		break;
	case STEP_LEASE_DROP:
		/* Nobody gives back what some process still has open. */
		v->leased = false;
		v->lease_broken = false;
		v->busy = ANSWER_NO;
		break;
	case STEP_OVERRIDE:
		memcpy(v->info.driver_override, step->to_text, sizeof(v->info.driver_override));
		break;
	default:
		break;
	}
}

void plan_foresee(const struct plan *p, struct snapshot *s)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		const struct step *step = &p->steps[i];
		struct vf_settings to = step->to;
		struct vf_state *v;

		switch (step->kind) {
		case STEP_SET:
			foresee_setting(s, step, &to, vf_attr_bits(step->attr));
			break;
		case STEP_CLEAR_MAC:
			to.has = HAS_MAC;
			memset(to.mac, 0, sizeof(to.mac));
			foresee_setting(s, step, &to, HAS_MAC);
			break;
		case STEP_CUT:
			to.has = HAS_LINK_STATE;
			to.link_state = VF_LINK_DISABLE;
			foresee_setting(s, step, &to, HAS_LINK_STATE);
			break;
		case STEP_GUARD:
			to.has = HAS_SPOOFCHK;
			to.spoofchk = true;
			foresee_setting(s, step, &to, HAS_SPOOFCHK);
			break;
		default:
			v = (struct vf_state *)snapshot_find(s, &step->vf, NULL);
			if (v)
				foresee_vf(v, step);
		}
	}
}

/* The opposite of a step of a start; false if there is nothing to undo. */
static bool invert_step(const struct step *s, struct step *out)
{
	struct vf_settings from = s->from;

	*out = *s;
	from.has &= vf_attr_bits(s->attr);
	switch (s->kind) {
	case STEP_LEASE_TAKE:
	case STEP_LEASE_WRITE:
		out->kind = s->has_old_lease ? STEP_LEASE_WRITE : STEP_LEASE_DROP;
		out->lease = s->old_lease;
		out->old_lease = s->lease;
		out->has_old_lease = true;
		return true;
	case STEP_OVERRIDE:
		memcpy(out->from_text, s->to_text, sizeof(out->from_text));
		memcpy(out->to_text, s->from_text, sizeof(out->to_text));
		return true;
	case STEP_CALL:
		out->object.from = s->object.to;
		out->object.to = s->object.from;
		out->object.what = NULL;
		return !s->object.harmless;
	case STEP_SET:
		if (!from.has)
			return false;
		out->from = s->to;
		out->to = from;
		if (s->attr == VF_MAC && mac_is_zero(from.mac))
			out->kind = STEP_CLEAR_MAC;
		return true;
	default:
		return false;
	}
}

int plan_undoing(const struct plan *p, struct plan *out, struct error *err)
{
	for (size_t i = p->n_steps; i-- > 0;) {
		struct step s;

		if (invert_step(&p->steps[i], &s) && !plan_add_step(out, &s, err))
			return -ENOMEM;
	}
	return 0;
}
