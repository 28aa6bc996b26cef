/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program of a person, vfhook: every command, and the phases too, for a dry run by hand. */
#include <stdio.h>
#include <string.h>

#include "hook/globals.h"
#include "hook/program.h"
#include "src/base/exit_status.h"
#include "src/base/options.h"
#include "src/base/say.h"
#include "src/command/command.h"

static const struct command *const commands[] = {
	&cmd_status,  &cmd_pool,   &cmd_attach,	  &cmd_set,	 &cmd_detach,
	&cmd_explain, &cmd_events, &cmd_release,  &cmd_repair,	 &cmd_metrics,
	&cmd_check,   &cmd_report, &cmd_host,	  &cmd_boot,	 &cmd_fdb,
	&cmd_unplug,  &cmd_plug,   &cmd_evacuate, &cmd_live_job, NULL,
};

/* Fits a screen of 24 lines. */
static int print_usage(void)
{
	fputs("Usage: vfhook [--root DIR] [--dry-run] <vmid> <phase>\n"
	      "       vfhook [--root DIR] [--dry-run] <command> ...  (vfhook <command> --help)\n"
	      "Gives VMs and containers of Proxmox VE SR-IOV Virtual Functions (VFs). PVE calls\n"
	      "it with a phase, once it is the guest's hookscript; the commands are for you.\n",
	      stdout);
	for (size_t i = 0; commands[i]; i++) {
		if (!commands[i]->summary)
			continue;
		printf("  %-10s  %s\n", commands[i]->name, commands[i]->summary);
	}
	fputs("--root DIR: each file below DIR. --dry-run: tell what would be done, do nothing.\n"
	      "Exit status: 0 done, 1 refused or failed (the lines say why), 2 wrong call.\n",
	      stdout);
	return EXIT_DONE;
}

static bool needs_pve(const struct command *c, int argc, char **argv)
{
	for (int i = 1; c->without_pve && i < argc; i++) {
		if (!strcmp(argv[i], c->without_pve))
			return false;
	}
	return !c->without_pve || c->without_pve[0];
}

struct command_line {
	const struct command *command;
	int argc;
	char **argv;
};

static int run_here(struct hook *h, void *arg)
{
	const struct command_line *l = arg;
	struct error err = ERROR_INIT;

	if (needs_pve(l->command, l->argc, l->argv) && hook_pve(h, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	return l->command->run(h, l->argc, l->argv);
}

static int run_command(const struct globals *g, int argc, char **argv)
{
	const char *names[32] = {NULL};
	const char *near;
	size_t n = 0;

	for (size_t i = 0; commands[i]; i++) {
		if (!strcmp(argv[0], commands[i]->name)) {
			struct command_line line = {commands[i], argc, argv};

			for (int k = 1; k < argc; k++) {
				if (!strcmp(argv[k], "--help"))
					return command_help(commands[i]);
			}
			return globals_run(g, run_here, &line);
		}
		if (n < ARRAY_SIZE(names) && commands[i]->summary)
			names[n++] = commands[i]->name;
	}
	near = nearest_word(argv[0], names, n);
	complain("no such command: '%s'%s%s%s; see vfhook --help", argv[0],
		 near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const struct program vfhook = {
		.usage = print_usage,
		.wanted = "a VM id and a phase, or a command; see vfhook --help",
		.other = run_command,
	};

	return program_run(&vfhook, argc, argv);
}
