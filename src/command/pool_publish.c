/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changing a pool's section, and telling the rest of the cluster. */
#include "src/command/pool_publish.h"

#include <errno.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/base/text.h"
#include "src/port/apply.h"
#include "src/port/boot_config.h"
#include "src/port/cluster_vfs.h"
#include "src/port/config_load.h"
#include "src/port/mapping_follow.h"
#include "src/port/objects.h"
#include "src/vf/plan.h"

/* A person waits for it. */
#define PUBLISH_MS 60000
#define MAX_TRIES  3

/*
 * What a pool's change means beyond vfhook.cfg: the other nodes' mappings name our VFs
 * from what we tell of them, mappings that are there get an entry for this node, and the
 * next boot reads this node's own copy. Each is one file that is made anew from what is true, or a
 * plan of its own: whoever is cut off before it is mended by the next `pool` or `boot`.
 */
static int publish_of(struct hook *h, const struct config *c)
{
	const struct deadline until = deadline_in(PUBLISH_MS);
	struct error err = ERROR_INIT;

	if (!publish_vfs(h, c, &err) && !bootcfg_save(h, c, &err) &&
	    refresh_mappings(h, c, NULL, 0, &until, &err) == 0)
		return EXIT_DONE;
	complain(
		"the pool is changed, but not all that goes with it%s%s: mend that and run `vfhook "
		"boot`",
		err.code ? ": " : "", err.text);
	return EXIT_REFUSED;
}

int pool_publish(struct hook *h, const struct config *then)
{
	CLEANUP(config_free) struct config c = {0};
	struct error err = ERROR_INIT;

	if (h->dry_run)
		return publish_of(h, then);
	if (!config_load(h->root, &c, &err))
		return publish_of(h, &c);
	complain("the pool is changed, but not all that goes with it: %s: mend that and run "
		 "`vfhook boot`",
		 err.text);
	return EXIT_REFUSED;
}

/* A section in one line, without its head: "pf node=pve1,path=0000:06:00.0; vfs 4". */
static void tell_section(const char *text, struct str *out)
{
	const char *at = text ? strchr(text, '\n') : NULL;

	if (!at) {
		str_append(out, "none");
		return;
	}
	for (const char *sep = ""; at && at[1]; sep = "; ") {
		at += 1 + strspn(at + 1, " \t");
		str_printf(out, "%s%.*s", sep, (int)strcspn(at, "\n"), at);
		at = strchr(at, '\n');
	}
}

/* The one step that it takes: a section of vfhook.cfg for another. */
static int apply_pool(struct hook *h, const char *name, const struct pool_change *c,
		      struct error *err)
{
	CLEANUP(str_free) struct str what = STR_INIT;
	CLEANUP(plan_free) struct plan p;
	struct step_object o = {.kind = OBJECT_POOL, .name = name, .from = c->from, .to = c->to};

	plan_init(&p, PLAN_SWAP, 0);
	if (text_same(c->from, c->to))
		return 0;
	str_printf(&what, "pool %s in /" VFHOOK_CFG ": ", name);
	tell_section(c->from, &what);
	str_append(&what, " -> ");
	tell_section(c->to, &what);
	o.what = str_get(&what);
	if (!str_ok(&what))
		return fail(err, ENOMEM, "out of memory");
	if (plan_add_object(&p, &o, err) < 0)
		return error_code(err);
	return apply_plan(h, NULL, &p, err);
}

/* Whoever else changes the pool meanwhile: looked at again. */
int pool_apply(struct hook *h, const struct pool_addition *a, const char *name,
	       struct pool_change *c, struct error *err)
{
	int r = -EAGAIN;

	for (int i = 0; i < MAX_TRIES && r == -EAGAIN; i++) {
		error_clear(err);
		pool_change_free(c);
		r = a ? config_pool_addition(h->root, a, c, err)
		      : config_pool_removal(h->root, name, c, err);
		if (!r)
			r = apply_pool(h, name, c, err);
	}
	return r;
}
