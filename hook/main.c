/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program that PVE calls, /usr/lib/vfhook/hook, which the snippet links to: the phases and our
 * own jobs, and nothing else, so that a start reads no command of a person's from the disk.
 */
#include <stdio.h>

#include "hook/program.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"

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
static int refer(const struct globals *g, int argc, char **argv)
{
	(void)g;
	(void)argc;
	complain("this program is for Proxmox VE, and knows phases only, not '%s'; commands are "
		 "/usr/sbin/vfhook's: vfhook --help",
		 argv[0]);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const struct program hook = {
		.usage = print_usage,
		.wanted = "a VM id and a phase; commands are /usr/sbin/vfhook's: vfhook --help",
		.other = refer,
	};

	return program_run(&hook, argc, argv);
}
