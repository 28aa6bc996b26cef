/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both programs have in front of a phase or command: --root, --dry-run, and the node. */
#include "hook/globals.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/options.h"
#include "src/base/say.h"

int globals_parse(int argc, char **argv, int *i, struct globals *g)
{
	static const char *const names[] = {"--root", "--dry-run", "--help", "--version"};
	const char *near;

	for (*i = 1; *i < argc && argv[*i][0] == '-' && argv[*i][1] == '-'; ++*i) {
		if (!strcmp(argv[*i], "--root") && *i + 1 < argc) {
			g->root = argv[++*i];
		} else if (!strcmp(argv[*i], "--dry-run")) {
			g->dry_run = true;
		} else if (!strcmp(argv[*i], "--help") || !strcmp(argv[*i], "--version")) {
			return 0;
		} else {
			near = nearest_word(argv[*i], names, ARRAY_SIZE(names));
			complain("unknown option '%s'%s%s%s; see vfhook --help", argv[*i],
				 near ? ", did you mean '" : "", near ? near : "",
				 near ? "'?" : "");
			return EXIT_USAGE;
		}
	}
	return 0;
}

int globals_run(const struct globals *g, int (*fn)(struct hook *h, void *arg), void *arg)
{
	CLEANUP(hook_free) struct hook h = HOOK_INIT;
	struct error err = ERROR_INIT;
	int status;

	if (hook_init(&h, g->root, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	h.dry_run = g->dry_run;
	h.migrated_from = getenv("PVE_MIGRATED_FROM");
	if (h.migrated_from && h.migrated_from[0])
		say_into_migration();
	status = fn(&h, arg);
	/* Most of what it was refused is for that reason. */
	if (status == EXIT_REFUSED && geteuid())
		complain("it was not run as root, which vfhook needs: sudo vfhook ...");
	return status;
}
