/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One place for all kinds of objects: finding a kind by its word, and what the executor asks of it.
 */
#include "src/port/objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"

static const struct object_kind *const kinds[] = {
	&object_map_entry, &object_mapping,    &object_port,   &object_pool,	&object_guest,
	&object_hostpci,   &object_hookscript, &object_off,    &object_pf_link, &object_autoprobe,
	&object_numvfs,	   &object_lease,      &object_driver, &object_device,	&object_reservation,
	&object_map_flag,  &object_ct_net,     &object_netdev,
};

static const struct object_kind *find_kind(const struct step_object *o)
{
	for (size_t i = 0; o->kind && o->name && i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp(kinds[i]->name, o->kind))
			return kinds[i];
	}
	return NULL;
}

/*
 * Back to what it was. What somebody else has made of it since is his, and so was what was found
 * instead of `from` when the step itself was refused: nothing of ours is left in it.
 */
static int undo_object(struct hook *h, const struct object_kind *k, const struct step_object *o,
		       struct error *err)
{
	AUTO_FREE char *now = NULL;
	int r = k->set(h, o->name, OBJECT_UNDO, o->to, o->from, err);

	if (r != -EAGAIN || !k->read || k->read(h, o->name, &now, NULL) < 0 ||
	    text_same(now, o->to))
		return r;
	error_clear(err);
	return 0;
}

int object_call(void *arg, const struct step *s, bool undo, struct error *err)
{
	const struct step_object *o = &s->object;
	const struct object_kind *k = find_kind(o);
	struct hook *h = arg;
	char clean[64];

	if (!k)
		return fail(err, EINVAL, "this version of vfhook knows no '%s'",
			    text_clean(o->kind ? o->kind : "", clean, sizeof(clean)));
	if (k->rest && hook_rest(h, err) < 0)
		return error_code(err);
	if (undo)
		return undo_object(h, k, o, err);
	return k->set(h, o->name, o->harmless ? OBJECT_ANYHOW : OBJECT_DO, o->from, o->to, err);
}

bool object_is_from(struct hook *h, const struct step_object *o)
{
	const struct object_kind *k = find_kind(o);
	AUTO_FREE char *now = NULL;

	return !k || !k->read || k->read(h, o->name, &now, NULL) < 0 || text_same(now, o->from);
}

void object_tell(struct hook *h, const struct step_object *o)
{
	const struct object_kind *k = find_kind(o);

	if (k && k->tell)
		k->tell(h, o->name, o->from, o->to);
}

bool plan_needs_rest(const struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		const struct object_kind *k =
			p->steps[i].kind == STEP_CALL ? find_kind(&p->steps[i].object) : NULL;

		if (k && k->rest)
			return true;
	}
	return false;
}

int plan_object(struct hook *h, const char *kind, const char *name, const char *to,
		const char *what, struct plan *p, struct error *err)
{
	struct step_object o = {.kind = kind, .name = name, .to = to, .what = what};
	const struct object_kind *k = find_kind(&o);
	AUTO_FREE char *now = NULL;

	if (!k || !k->read)
		return fail(err, EINVAL, "a '%s' cannot be planned for", kind);
	if (k->read(h, name, &now, err) < 0)
		return error_code(err);
	o.from = now;
	if (text_same(now, to))
		return 0;
	return plan_add_object(p, &o, err);
}
