/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal's file: a plan as JSON, written before its first step and dropped behind its last. */
#include "src/vf/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/json.h"
#include "src/base/jsonout.h"
#include "src/base/names.h"
#include "src/base/run_dir.h"
#include "src/base/text.h"
#include "src/vf/lease.h"
#include "src/vf/vf_keys.h"

#define JOURNAL_MAX	1048576
#define JOURNAL_VERSION 1 /* as with leases: raised when an older vfhook would misread it */
#define CONFIG_END	".config"

static const char *const kinds[] = {
	[STEP_LEASE_TAKE] = "lease-take",
	[STEP_LEASE_WRITE] = "lease-write",
	[STEP_LEASE_DROP] = "lease-drop",
	[STEP_LEASE_SEIZE] = "lease-seize",
	[STEP_OVERRIDE] = "driver-override",
	[STEP_SET] = "set",
	[STEP_CLEAR_MAC] = "clear-mac",
	[STEP_GUARD] = "guard",
	[STEP_CUT] = "cut",
	[STEP_VERIFY] = "verify",
	[STEP_UNUSED] = "unused",
	[STEP_CALL] = "call",
};

static const char *const plan_kinds[] = {
	[PLAN_START] = "start",	  [PLAN_RELEASE] = "release", [PLAN_MEND] = "mend",
	[PLAN_CHANGE] = "change", [PLAN_CONFIG] = "config",   [PLAN_REMOVE] = "remove",
	[PLAN_VFS] = "vfs",	  [PLAN_UNPLUG] = "unplug",   [PLAN_PLUG] = "plug",
};

static void journal_path(char path[64], enum journal which, uint32_t vmid)
{
	snprintf(path, 64, JOURNAL_DIR "/%u%s", vmid, which == JOURNAL_CONFIG ? CONFIG_END : "");
}

static enum journal journal_of(const struct plan *p)
{
	return plan_kind_is_config(p->kind) ? JOURNAL_CONFIG : JOURNAL_VFS;
}

/* The way back to a MAC may lead over spoofchk (src/vf/vf_step.c: step_clear_mac). */
static uint32_t bits_to_undo(enum vf_attr attr)
{
	return vf_attr_bits(attr) | (attr == VF_MAC ? (uint32_t)HAS_SPOOFCHK : 0);
}

static void print_part(const struct vf_settings *s, uint32_t bits, const char *key,
		       struct json_out *o)
{
	struct vf_settings part = *s;

	part.has &= bits;
	vf_settings_print(&part, key, o);
}

static void object_print(const struct step_object *object, struct json_out *o)
{
	if (object->kind)
		json_out_text(o, "object", object->kind);
	if (object->name)
		json_out_text(o, "name", object->name);
	if (object->from)
		json_out_text(o, "from", object->from);
	if (object->to)
		json_out_text(o, "to", object->to);
	if (object->what)
		json_out_text(o, "what", object->what);
	if (object->harmless)
		json_out_bool(o, "harmless", true);
}

static void step_print(const struct step *s, struct json_out *o)
{
	char addr[PCI_ADDR_LEN];

	json_out_begin(o, NULL, '{');
	json_out_text(o, "kind", kinds[s->kind]);
	json_out_text(o, "vf", pci_addr_format(&s->vf, addr));
	json_out_text(o, "pf", pci_addr_format(&s->pf, addr));
	json_out_int(o, "index", s->index);
	switch (s->kind) {
	case STEP_SET:
		json_out_int(o, "attr", s->attr);
		print_part(&s->from, bits_to_undo(s->attr), "from", o);
		print_part(&s->to, vf_attr_bits(s->attr), "to", o);
		break;
	case STEP_GUARD:
	case STEP_CUT:
	case STEP_CLEAR_MAC:
		json_out_int(o, "attr", s->attr);
		vf_settings_print(&s->from, "from", o);
		vf_settings_print(&s->to, "to", o);
		break;
	case STEP_OVERRIDE:
		json_out_text(o, "from", s->from_text);
		json_out_text(o, "to", s->to_text);
		break;
	case STEP_LEASE_TAKE:
	case STEP_LEASE_WRITE:
	case STEP_LEASE_SEIZE:
		lease_print(&s->lease, "lease", o);
		break;
	case STEP_VERIFY:
		vf_settings_print(&s->to, "to", o);
		break;
	case STEP_CALL:
		object_print(&s->object, o);
		break;
	default:
		break;
	}
	if (s->has_old_lease)
		lease_print(&s->old_lease, "old-lease", o);
	json_out_end(o, '}');
}

static void plan_print(const struct plan *p, struct json_out *o)
{
	json_out_begin(o, NULL, '{');
	json_out_int(o, "version", JOURNAL_VERSION);
	json_out_text(o, "kind", plan_kinds[p->kind]);
	json_out_int(o, "vmid", p->vmid);
	json_out_begin(o, "steps", '[');
	for (size_t i = 0; i < p->n_steps; i++)
		step_print(&p->steps[i], o);
	json_out_end(o, ']');
	json_out_end(o, '}');
}

int journal_write(int root, const struct plan *p, struct error *err)
{
	CLEANUP(json_out_free) struct json_out o = JSON_OUT_INIT;
	char path[64];

	/* What journal_read() would not take must not be begun. */
	if (p->n_steps > PLAN_STEPS_MAX)
		return fail(err, E2BIG, "the plan has %zu steps, more than %d", p->n_steps,
			    PLAN_STEPS_MAX);
	plan_print(p, &o);
	if (!str_ok(&o.text))
		return fail(err, ENOMEM, "journal: out of memory");
	if (o.text.len > JOURNAL_MAX)
		return fail(err, E2BIG, "the plan is too large for a journal");
	journal_path(path, journal_of(p), p->vmid);
	return run_file_create(root, path, &o.text, err);
}

/* The place of the member 'kind' in a list of names, or a negative errno. */
static int kind_from_json(const json_t *j, const char *const *names, size_t n, struct error *err)
{
	const char *name = json_need_string(j, "kind", err);

	for (size_t i = 0; name && i < n; i++) {
		/* Plans without a journal have no name there. */
		if (names[i] && !strcmp(name, names[i]))
			return (int)i;
	}
	return name ? fail(err, EINVAL, "'kind' has an unknown value") : -EINVAL;
}

static int text_from_json(const json_t *j, const char *key, char *buf, size_t size,
			  struct error *err)
{
	const char *s = json_need_string(j, key, err);

	if (!s)
		return -EINVAL;
	if (strlen(s) >= size)
		return fail(err, EINVAL, "'%s' is too long", key);
	snprintf(buf, size, "%s", s);
	return 0;
}

/* need: it must be there. NULL where it is not. */
static int object_text(const json_t *j, const char *key, bool need, const char **out,
		       struct error *err)
{
	const char *s = need || json_object_get(j, key) ? json_need_string(j, key, err) : NULL;

	if (!s)
		return need || json_object_get(j, key) ? -EINVAL : 0;
	if (strlen(s) > OBJECT_TEXT_MAX)
		return fail(err, EINVAL, "'%s' is too long", key);
	*out = strdup(s);
	return *out ? 0 : fail(err, ENOMEM, "journal: out of memory");
}

static int object_from_json(const json_t *j, struct step_object *o, struct error *err)
{
	bool known = json_object_get(j, "object");

	/* One of a version that knew only harmless ones, and not by name. */
	o->harmless = !known || json_is_true(json_object_get(j, "harmless"));
	if (object_text(j, "object", known, &o->kind, err) < 0 ||
	    object_text(j, "name", known, &o->name, err) < 0 ||
	    object_text(j, "from", false, &o->from, err) < 0 ||
	    object_text(j, "to", false, &o->to, err) < 0 ||
	    object_text(j, "what", !known, &o->what, err) < 0)
		return error_code(err);
	return 0;
}

/* The members that only some kinds have. */
static int step_details_from_json(const json_t *j, struct step *s, struct error *err)
{
	json_int_t n;

	switch (s->kind) {
	case STEP_SET:
	case STEP_GUARD:
	case STEP_CUT:
	case STEP_CLEAR_MAC:
		if (json_need_int(j, "attr", 0, VF_ATTR_COUNT - 1, &n, err) < 0)
			return -EINVAL;
		s->attr = (enum vf_attr)n;
		if (vf_settings_from_json(json_object_get(j, "from"), &s->from, err) < 0)
			return -EINVAL;
		return vf_settings_from_json(json_object_get(j, "to"), &s->to, err);
	case STEP_OVERRIDE:
		if (text_from_json(j, "from", s->from_text, sizeof(s->from_text), err) < 0)
			return -EINVAL;
		return text_from_json(j, "to", s->to_text, sizeof(s->to_text), err);
	case STEP_LEASE_TAKE:
	case STEP_LEASE_WRITE:
	case STEP_LEASE_SEIZE:
		return lease_from_json(json_object_get(j, "lease"), &s->lease, err);
	case STEP_VERIFY:
		return vf_settings_from_json(json_object_get(j, "to"), &s->to, err);
	case STEP_CALL:
		return object_from_json(j, &s->object, err);
	default:
		return 0;
	}
}

static int step_from_json(const json_t *j, struct step *s, struct error *err)
{
	const json_t *old = json_object_get(j, "old-lease");
	int kind = kind_from_json(j, kinds, ARRAY_SIZE(kinds), err);
	json_int_t index;

	if (kind < 0)
		return -EINVAL;
	s->kind = (enum step_kind)kind;
	if (json_need_addr(j, "vf", &s->vf, err) < 0 || json_need_addr(j, "pf", &s->pf, err) < 0 ||
	    json_need_int(j, "index", 0, 65535, &index, err) < 0)
		return -EINVAL;
	s->index = (unsigned)index;
	if (old) {
		if (lease_from_json(old, &s->old_lease, err) < 0)
			return -EINVAL;
		s->has_old_lease = true;
	}
	return step_details_from_json(j, s, err);
}

static int add_step_from_json(const json_t *j, struct plan *p, struct error *err)
{
	struct step s = {0};
	int r = step_from_json(j, &s, err);

	if (!r && !plan_add_step(p, &s, err))
		r = -ENOMEM;
	step_object_free(&s.object);
	return r;
}

static int plan_from_json(const json_t *j, enum journal which, uint32_t vmid, struct plan *p,
			  struct error *err)
{
	const json_t *steps = json_object_get(j, "steps");
	json_int_t n;
	int kind;

	/* The version first: what a newer one's kinds are, only that one knows. */
	if (json_need_version(j, JOURNAL_VERSION, err) < 0)
		return -EINVAL;
	kind = kind_from_json(j, plan_kinds, ARRAY_SIZE(plan_kinds), err);
	if (kind < 0 || json_need_int(j, "vmid", vmid, vmid, &n, err) < 0)
		return -EINVAL;
	if (!json_is_array(steps) || json_array_size(steps) > PLAN_STEPS_MAX)
		return fail(err, EINVAL, "'steps' is no list, or too long a one");
	plan_init(p, (enum plan_kind)kind, vmid);
	if (journal_of(p) != which)
		return fail(err, EINVAL, "a plan of this kind has another journal");
	for (size_t i = 0; i < json_array_size(steps); i++) {
		if (add_step_from_json(json_array_get(steps, i), p, err) < 0)
			return fail_context(err, "step %zu", i + 1);
	}
	return 0;
}

int journal_read(int root, enum journal which, uint32_t vmid, struct plan *out, struct error *err)
{
	AUTO_JSON json_t *j = NULL;
	char path[64];
	int r;

	plan_init(out, PLAN_START, vmid);
	journal_path(path, which, vmid);
	r = json_file_read(root, path, JOURNAL_MAX, &j, err);
	if (r < 0)
		return r == -EFBIG ? -EINVAL : r; /* what could not be read may be good */
	if (plan_from_json(j, which, vmid, out, err) < 0) {
		plan_free(out);
		fail_context(err, "/%s", path);
		return -EINVAL;
	}
	return 0;
}

bool journal_exists(int root, enum journal which, uint32_t vmid)
{
	char path[64];

	journal_path(path, which, vmid);
	return !faccessat(root, path, F_OK, AT_SYMLINK_NOFOLLOW) || errno != ENOENT;
}

int journal_drop(int root, enum journal which, uint32_t vmid, struct error *err)
{
	char path[64];

	journal_path(path, which, vmid);
	if (unlinkat(root, path, 0) < 0 && errno != ENOENT)
		return fail_errno(err, errno, "remove /%s", path);
	return 0;
}

int journal_put_aside(int root, enum journal which, uint32_t vmid, struct error *err)
{
	char path[64];
	char aside[80];

	journal_path(path, which, vmid);
	snprintf(aside, sizeof(aside), "%s.broken", path);
	if (renameat(root, path, root, aside) < 0)
		return fail_errno(err, errno, "rename /%s", path);
	return 0;
}

/* Whose journal of that sort is a file of that name? */
static bool name_is(const char *name, enum journal which, uint32_t *vmid)
{
	char number[16];
	size_t len = strcspn(name, ".");

	if (len >= sizeof(number) ||
	    strcmp(name + len, which == JOURNAL_CONFIG ? CONFIG_END : "") != 0)
		return false;
	snprintf(number, sizeof(number), "%.*s", (int)len, name);
	return !parse_u32(number, 999999999, vmid);
}

int journal_list(int root, enum journal which, uint32_t **list, size_t *n, struct error *err)
{
	AUTO_NAMES struct names d = NAMES_INIT;
	AUTO_FREE uint32_t *all = NULL;
	const char *name;
	size_t used = 0;

	*list = NULL;
	*n = 0;
	if (names_open_own(root, JOURNAL_DIR, &d) == -ENOENT)
		return 0;
	while ((name = names_next(&d))) {
		uint32_t vmid;
		uint32_t *more;

		if (!name_is(name, which, &vmid))
			continue;
		more = realloc(all, (used + 1) * sizeof(*all));
		if (!more)
			return fail(err, ENOMEM, "read /" JOURNAL_DIR ": out of memory");
		all = more;
		all[used++] = vmid;
	}
	if (d.error)
		return fail_errno(err, -d.error, "read /" JOURNAL_DIR);
	*list = STEAL(all);
	*n = used;
	return 0;
}
