/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan is: its kinds, and how its steps, notes and texts come into it and go. */
#include "src/vf/plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/vf/drivers.h"
#include "src/vf/vf_keys.h"

void plan_init(struct plan *p, enum plan_kind kind, uint32_t vmid)
{
	*p = (struct plan){.kind = kind, .vmid = vmid};
}

/* What a plan is, in words and after a crash. */
static const struct {
	const char *name;
	bool undone;
	bool config;
} plan_kinds[] = {
	[PLAN_START] = {"start", true, false},	     [PLAN_RELEASE] = {"release", false, false},
	[PLAN_MEND] = {"mending", false, false},     [PLAN_CHANGE] = {"change", true, false},
	[PLAN_CONFIG] = {"attach", true, true},	     [PLAN_REMOVE] = {"detach", false, true},
	[PLAN_VFS] = {"making of VFs", true, false}, [PLAN_CUT_OFF] = {"cut-off", false, false},
	[PLAN_SWAP] = {"change", true, false},	     [PLAN_UNPLUG] = {"unplugging", true, false},
	[PLAN_PLUG] = {"plugging", false, false},
};

bool plan_kind_is_undone(enum plan_kind kind)
{
	return plan_kinds[kind].undone;
}

bool plan_kind_is_config(enum plan_kind kind)
{
	return plan_kinds[kind].config;
}

bool plan_kind_has_journal(enum plan_kind kind)
{
	return kind != PLAN_CUT_OFF && kind != PLAN_SWAP;
}

const char *plan_kind_name(enum plan_kind kind)
{
	return plan_kinds[kind].name;
}

void step_object_free(struct step_object *o)
{
	free((char *)o->kind);
	free((char *)o->name);
	free((char *)o->from);
	free((char *)o->to);
	free((char *)o->what);
	*o = (struct step_object){0};
}

static bool copy_text(const char *from, const char **to)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

static int object_copy(const struct step_object *from, struct step_object *to, struct error *err)
{
	*to = (struct step_object){.harmless = from->harmless};
	if (copy_text(from->kind, &to->kind) && copy_text(from->name, &to->name) &&
	    copy_text(from->from, &to->from) && copy_text(from->to, &to->to) &&
	    copy_text(from->what, &to->what))
		return 0;
	step_object_free(to);
	return fail(err, ENOMEM, "plan: out of memory");
}

void plan_free(struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++)
		step_object_free(&p->steps[i].object);
	free(p->steps);
	free(p->notes);
	p->steps = NULL;
	p->notes = NULL;
	p->n_steps = 0;
	p->n_notes = 0;
}

bool step_touches_vf(const struct step *s)
{
	switch (s->kind) {
	case STEP_OVERRIDE:
	case STEP_SET:
	case STEP_CLEAR_MAC:
	case STEP_GUARD:
	case STEP_CUT:
		return true;
	default:
		return false;
	}
}

bool plan_changes_vfs(const struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		if (step_touches_vf(&p->steps[i]))
			return true;
	}
	return false;
}

struct step *plan_add_step(struct plan *p, const struct step *s, struct error *err)
{
	struct step_object object;

	/* Grown by sixteen: a port needs about ten. */
	if (p->n_steps % 16 == 0) {
		struct step *more = realloc(p->steps, (p->n_steps + 16) * sizeof(*more));

		if (!more) {
			fail(err, ENOMEM, "plan: out of memory");
			return NULL;
		}
		p->steps = more;
	}
	if (object_copy(&s->object, &object, err) < 0)
		return NULL;
	p->steps[p->n_steps] = *s;
	p->steps[p->n_steps].object = object;
	return &p->steps[p->n_steps++];
}

int __attribute__((format(printf, 4, 5)))
plan_add_note(struct plan *p, bool taken, const struct pci_addr *vf, const char *fmt, ...)
{
	va_list ap;

	if (p->n_notes % 64 == 0) {
		struct plan_note *more = realloc(p->notes, (p->n_notes + 64) * sizeof(*more));

		if (!more)
			return -ENOMEM; /* a note lost is no reason to refuse a start */
		p->notes = more;
	}
	p->notes[p->n_notes] = (struct plan_note){.taken = taken, .vf = *vf};
	va_start(ap, fmt);
	vsnprintf(p->notes[p->n_notes].text, sizeof(p->notes[p->n_notes].text), fmt, ap);
	va_end(ap);
	p->n_notes++;
	return 0;
}

int plan_add_object(struct plan *p, const struct step_object *o, struct error *err)
{
	const char *const texts[] = {o->kind, o->name, o->from, o->to, o->what};
	const struct step s = {.kind = STEP_CALL, .object = *o};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (texts[i] && strlen(texts[i]) > OBJECT_TEXT_MAX)
			return fail(err, E2BIG, "%s %s is too long", o->kind, o->name);
	}
	return plan_add_step(p, &s, err) ? 0 : -ENOMEM;
}

bool plan_has_object(const struct plan *p, const char *kind)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		if (p->steps[i].kind == STEP_CALL &&
		    (!kind || (p->steps[i].object.kind && !strcmp(p->steps[i].object.kind, kind))))
			return true;
	}
	return false;
}

int plan_append(struct plan *p, const struct plan *more, struct error *err)
{
	for (size_t i = 0; i < more->n_steps; i++) {
		if (!plan_add_step(p, &more->steps[i], err))
			return -ENOMEM;
	}
	return 0;
}
