/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Can PVE find the program as hookscript, and does systemd run it at boot? */
#include "src/check/check_install.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "pveapi/storage.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/host/unit_file.h"
#include "src/port/config.h"
#include "src/port/context.h"

/* What the snippet leads to; in older versions to a person's program, which runs the phases too. */
#define PROGRAM	    "usr/lib/vfhook/hook"
#define OLD_PROGRAM "usr/sbin/vfhook"

/* --- The snippet --- */

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Is it one of the installed programs, or this very one (the check may run from a build tree)? */
static bool is_our_program(int root, const struct stat *st)
{
	struct stat us;

	return (!stat("/proc/self/exe", &us) && same_file(st, &us)) ||
	       (!fstatat(root, PROGRAM, &us, 0) && same_file(st, &us)) ||
	       (!fstatat(root, OLD_PROGRAM, &us, 0) && same_file(st, &us));
}

static enum snippet_state snippet_state(int root, const struct storage *s)
{
	char path[PATH_MAX];
	struct stat st;

	/* PVE follows symbolic links here (PVE::GuestHelpers check_hookscript: -f, -x). */
	if (snprintf(path, sizeof(path), "%s/snippets/vfhook", s->path + 1) >= (int)sizeof(path) ||
	    fstatat(root, path, &st, 0) < 0 || !S_ISREG(st.st_mode))
		return SNIPPET_NONE;
	if (faccessat(root, path, X_OK, AT_EACCESS) < 0)
		return SNIPPET_NO_EXEC;
	return is_our_program(root, &st) ? SNIPPET_OURS : SNIPPET_OTHER;
}

static void judge_snippet(const struct snippet_facts *s, struct report *r)
{
	const struct storage *st = s->storage;
	char subject[64];
	char remedy[512];

	snprintf(subject, sizeof(subject), "storage %.50s", st->id);
	if (s->state == SNIPPET_NO_EXEC) {
		snprintf(remedy, sizeof(remedy), "chmod +x %s/snippets/vfhook", st->path);
		report_add(r, CHECK_FAIL, "snippet", subject, remedy,
			   "%s/snippets/vfhook is not executable: PVE refuses it as hookscript",
			   st->path);
	} else if (s->state == SNIPPET_OTHER) {
		snprintf(remedy, sizeof(remedy), "ln -sfn /" PROGRAM " %s/snippets/vfhook",
			 st->path);
		report_add(r, CHECK_WARN, "snippet", subject, remedy,
			   "%s/snippets/vfhook is another file than /" PROGRAM
			   ": VMs run that one, perhaps an old copy",
			   st->path);
	}
	if (!s->listed) {
		snprintf(remedy, sizeof(remedy), "pvesm set %s --content %s,snippets", st->id,
			 st->content[0] ? st->content : "images,rootdir");
		report_add(r, CHECK_WARN, "snippet", subject, remedy,
			   "its content has no snippets: %s:snippets/vfhook works, but PVE does "
			   "not list it",
			   st->id);
	}
	if (s->state == SNIPPET_OURS && s->listed)
		report_add(r, CHECK_PASS, "snippet", subject, "", "%s:snippets/vfhook is vfhook",
			   st->id);
}

void judge_snippets(const struct snippet_facts *s, size_t n, struct report *r)
{
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		if (s[i].state == SNIPPET_NONE)
			continue;
		found = true;
		judge_snippet(&s[i], r);
	}
	if (!found)
		report_add(r, CHECK_FAIL, "snippet", "",
			   "mkdir -p /var/lib/vz/snippets; ln -sfn /" PROGRAM
			   " /var/lib/vz/snippets/vfhook",
			   "no storage of this node has snippets/vfhook: PVE cannot run vfhook as "
			   "hookscript");
}

void check_snippet(struct hook *h, struct report *r)
{
	CLEANUP(storages_free) struct storages all = {0};
	AUTO_FREE struct snippet_facts *facts = NULL;
	struct error err = ERROR_INIT;
	size_t n = 0;

	if (storages_load(h->root, h->node, &all, &err) < 0) {
		report_add(r, CHECK_FAIL, "snippet", "", "mend the file by hand", "%s", err.text);
		return;
	}
	facts = calloc(all.n + 1, sizeof(*facts));
	if (!facts) {
		r->failed = true;
		return;
	}
	for (size_t i = 0; i < all.n; i++) {
		if (!all.list[i].here)
			continue;
		facts[n++] = (struct snippet_facts){
			.storage = &all.list[i],
			.state = snippet_state(h->root, &all.list[i]),
			.listed = storage_has_content(&all.list[i], "snippets"),
		};
	}
	judge_snippets(facts, n, r);
}

/* --- systemd --- */

/* Is there a pool whose PFs here are to have their filters kept? */
static const struct pool *fdb_pool(const struct config *c, const char *node)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		const struct pool *p = &c->pools[i];

		for (size_t k = 0; k < p->n_pfs && p->fdb && !p->bad; k++) {
			if (!strcmp(p->pfs[k].node, node))
				return p;
		}
	}
	return NULL;
}

static void check_fdb_service(struct hook *h, const struct config *c, struct report *r)
{
	const struct pool *p = fdb_pool(c, h->node);

	if (!p)
		return;
	if (!unit_is_there(h->root, FDB_UNIT))
		report_add(r, CHECK_WARN, "boot-service", "",
			   "install vfhook again, as it was installed: ./install.sh, or apt-get "
			   "install --reinstall vfhook",
			   FDB_UNIT " is not installed, and pool '%s' says fdb on: guests on "
				    "bridges and guests on its VFs may not reach each other",
			   p->name);
	else if (!unit_is_enabled(h->root, FDB_UNIT))
		report_add(r, CHECK_WARN, "boot-service", "", "systemctl enable --now " FDB_UNIT,
			   FDB_UNIT
			   " is not enabled, and pool '%s' says fdb on: after a boot guests "
			   "on bridges and guests on its VFs may not reach each other",
			   p->name);
	else
		report_add(r, CHECK_PASS, "boot-service", "", "", FDB_UNIT " is enabled");
}

void check_boot_service(struct hook *h, const struct config *c, struct report *r)
{
	static const char *const units[] = {"vfhook-vfs.service", "vfhook-boot.service"};
	size_t before = r->n;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		char remedy[96];

		snprintf(remedy, sizeof(remedy), "systemctl enable %s", units[i]);
		if (!unit_is_enabled(h->root, units[i]))
			report_add(r, CHECK_WARN, "boot-service", "", remedy,
				   "%s is not enabled: after a boot the VFs are not made, or "
				   "mappings not brought up to date",
				   units[i]);
	}
	pass_unless_worse(r, before, "boot-service", "%s and %s are enabled", units[0], units[1]);
	check_fdb_service(h, c, r);
}
