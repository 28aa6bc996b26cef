/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From main() to a phase, a job, or what the program itself knows. */
#include "hook/program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hook/run_phase.h"
#include "src/base/exit_status.h"
#include "src/base/process.h"
#include "src/base/say.h"
#include "src/base/version.h"

int program_run(const struct program *p, int argc, char **argv)
{
	struct globals g = {0};
	int i;

	if (!process_clean()) {
		complain("cannot begin: %s", strerror(errno));
		return EXIT_REFUSED;
	}
	if (globals_parse(argc, argv, &i, &g))
		return EXIT_USAGE;
	argc -= i;
	argv += i;
	if (!argc) {
		complain("wanted: %s", p->wanted);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[0], "--help"))
		return p->usage();
	if (!strcmp(argv[0], "--version"))
		return printf("vfhook %s\n", vfhook_version) < 0;
	if (is_phase_call(argc, argv))
		return run_phase_call(&g, argc, argv);
	return p->other(&g, argc, argv);
}
