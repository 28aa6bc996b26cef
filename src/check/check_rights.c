/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the token may do against what it needs: the judge of src/check/check_token.c. */
#include "src/check/check_rights.h"

#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"

#define BIT(right)     (1U << (right))
#define VM_RIGHTS      (BIT(RIGHT_HWTYPE) | BIT(RIGHT_POWER))
#define MAPPING_RIGHTS (BIT(RIGHT_USE) | BIT(RIGHT_MODIFY))

const char *const right_names[RIGHT_COUNT] = {
	[RIGHT_HWTYPE] = "VM.Config.HWType",
	[RIGHT_POWER] = "VM.PowerMgmt",
	[RIGHT_USE] = "Mapping.Use",
	[RIGHT_MODIFY] = "Mapping.Modify",
};

bool is_surplus(const char *privilege)
{
	static const char *const harmless[] = {"VM.Config.", "VM.Console", "VM.Snapshot",
					       "VM.Backup",  "Mapping.",   "SDN.Use"};
	size_t len = strlen(privilege);

	for (unsigned i = 0; i < RIGHT_COUNT; i++) {
		if (!strcmp(privilege, right_names[i]))
			return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
		if (!strncmp(privilege, harmless[i], strlen(harmless[i])))
			return false;
	}
	/* Who may only look does no harm. */
	return len < 6 || strcmp(privilege + len - 6, ".Audit") != 0;
}

struct right_judge {
	const struct token_facts *f;
	struct report *r;
	enum right right;
	const struct path_rights *general; /* /vms or /mapping/pci */
};

static bool lacks(const struct path_rights *p, enum right right)
{
	return p->asked && (!(p->has & BIT(right)) || (p->refused & BIT(right)));
}

static bool concerns(const struct path_rights *p, enum right right)
{
	return p->asked && (p->vmid ? VM_RIGHTS : MAPPING_RIGHTS) & BIT(right);
}

static void say_lack(const struct right_judge *j, enum check_level level,
		     const struct path_rights *p, const char *more)
{
	const char *privilege = right_names[j->right];
	const char *user = j->f->name;
	char remedy[480];
	bool refused = p->has & p->refused & BIT(j->right);

	snprintf(
		remedy, sizeof(remedy),
		"pveum role modify VFHook --append 1 --privs %s; pveum acl modify %s --roles "
		"VFHook --users %.*s (and --tokens '%s' if it has privilege separation; a NoAccess "
		"on that path must go: pveum acl list)",
		privilege, p->path, (int)strcspn(user, "!"), user, user);
	report_add(j->r, level, "token-rights", "", remedy, "token %s lacks %s on %s%s%s", user,
		   privilege, p->path, more, refused ? p->why[j->right] : "");
}

static const char *lack_reason(const struct right_judge *j, const struct path_rights *p)
{
	if (p->has & p->refused & BIT(j->right))
		return ": it is told to have it, but the call is refused: ";
	if (p == j->general && (p->has & BIT(j->right)))
		return ": it has it there, but not for what is below (no propagate)";
	return "";
}

/* Does the general path lack the right for what will be below it one day? */
static bool general_lacks(const struct right_judge *j)
{
	const struct path_rights *g = j->general;

	return g->asked && (lacks(g, j->right) || !(g->propagates & BIT(j->right)));
}

static void judge_objects(const struct right_judge *j, size_t n_lacking)
{
	size_t told = 0;

	for (size_t i = 0; i < j->f->n_objects; i++) {
		const struct path_rights *p = &j->f->objects[i];

		if (!concerns(p, j->right) || !lacks(p, j->right))
			continue;
		/* Fifty lines that say the same help nobody. */
		if (++told > 5) {
			report_add(j->r, CHECK_FAIL, "token-rights", "", "as above",
				   "token %s lacks %s on %zu more paths", j->f->name,
				   right_names[j->right], n_lacking - 5);
			return;
		}
		say_lack(j, CHECK_FAIL, p, lack_reason(j, p));
	}
}

static void judge_right(const struct right_judge *j)
{
	size_t n = 0;
	size_t n_lacking = 0;

	for (size_t i = 0; i < j->f->n_objects; i++) {
		const struct path_rights *p = &j->f->objects[i];

		n += concerns(p, j->right);
		n_lacking += concerns(p, j->right) && lacks(p, j->right);
	}
	/* To make and delete mappings is a right on /mapping/pci itself. */
	if (general_lacks(j) &&
	    (n == n_lacking || (j->right == RIGHT_MODIFY && lacks(j->general, j->right)))) {
		say_lack(j, CHECK_FAIL, j->general, lack_reason(j, j->general));
		return;
	}
	if (general_lacks(j))
		say_lack(j, CHECK_WARN, j->general,
			 ": what is attached next will not work without it");
	judge_objects(j, n_lacking);
}

void judge_rights(const struct token_facts *f, struct report *r)
{
	size_t before = r->n;

	for (unsigned i = 0; i < RIGHT_COUNT; i++) {
		const struct right_judge j = {f, r, (enum right)i,
					      BIT(i) & VM_RIGHTS ? &f->vms : &f->mappings};

		judge_right(&j);
	}
	if (f->incomplete)
		report_add(r, CHECK_WARN, "token-rights", "", "run it again when PVE is less busy",
			   "not every right could be asked for: PVE refused, or was too slow");
	pass_unless_worse(r, before, "token-rights",
			  "token %s has every right that it needs: each asked for, and tried where "
			  "that changes nothing",
			  f->name);
	if (f->surplus[0])
		report_add(r, CHECK_WARN, "token-rights", "",
			   "a token of a user of its own with the role VFHook alone: remove the "
			   "file, then /usr/lib/vfhook/setup token",
			   "token %s may do more than vfhook needs: %s", f->name, f->surplus);
}
