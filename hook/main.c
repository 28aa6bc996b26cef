/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program that PVE calls, /usr/lib/vfhook/hook, which the snippet links to: the phases and our
 * own jobs, and nothing else, so that a start reads no command of a person's from the disk.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hook/globals.h"
#include "hook/run_phase.h"
#include "pveapi/guest_list.h"
#include "pveapi/process.h"
#include "pveapi/vmstate.h"
#include "src/base/exit_status.h"
#include "src/base/process.h"
#include "src/base/say.h"
#include "src/base/version.h"
#include "src/port/context.h"

static int print_usage(void)
{
	fputs("Usage: hook [--root DIR] [--dry-run] <vmid> <phase>\n"
	      "Proxmox VE calls it as a VM's hookscript: pre-start, post-start, pre-stop, "
	      "post-stop.\n"
	      "The commands for you are in /usr/sbin/vfhook: vfhook --help\n",
	      stdout);
	return EXIT_DONE;
}

/*
 * Told, and not passed on to it: PVE never does so, and a hookscript that becomes another program,
 * perhaps of another version, is no help to whoever mixed the two up.
 */
static int refer(const char *word)
{
	complain("this program is for Proxmox VE, and knows phases only, not '%s'; commands are "
		 "/usr/sbin/vfhook's: vfhook --help",
		 word);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
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
		complain("wanted: a VM id and a phase; commands are /usr/sbin/vfhook's: vfhook "
			 "--help");
		return EXIT_USAGE;
	}
	if (!strcmp(argv[0], "--help"))
		return print_usage();
	if (!strcmp(argv[0], "--version"))
		return printf("vfhook %s\n", vfhook_version) < 0;
	if (is_phase_call(argc, argv))
		return run_phase_call(&g, argc, argv);
	return refer(argv[0]);
}
