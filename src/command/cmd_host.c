/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook host prepare, restore: the kernel command line and modules that VFs need. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/file.h"
#include "src/base/say.h"
#include "src/command/command.h"
#include "src/host/host_plan.h"
#include "src/port/context.h"

/* --- Showing --- */

static void show_lines(const char *text, char sign)
{
	while (text && *text) {
		size_t len = strcspn(text, "\n");

		say("  %c %.*s", sign, (int)(len < 1000 ? len : 1000), text);
		text += len + (text[len] == '\n');
	}
}

static void show(const struct host_plan *p, bool apply)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct file_change *c = &p->changes[i];

		if (c->quiet) {
			say("/%s: %s", c->path,
			    c->to ? "a copy of what is there now" : "the copy is deleted");
			continue;
		}
		say("/%s%s:", c->path, c->from ? (c->to ? "" : " is deleted") : " is new");
		show_lines(c->from, '-');
		show_lines(c->to, '+');
	}
	if (p->program != BOOT_NOTHING && !p->n)
		say("an earlier run was cut off before the boot loader was told");
	if (p->program != BOOT_NOTHING)
		say("%s: %s", apply ? "then" : "then would be run",
		    p->program == BOOT_TOOL_REFRESH ? "proxmox-boot-tool refresh" : "update-grub");
	if (p->note[0])
		say("%s", p->note);
}

/* --- Doing --- */

static int write_file(int root, const char *path, const char *text, struct error *err)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (!text) {
		if (unlinkat(root, path, 0) < 0 && errno != ENOENT)
			return fail_errno(err, errno, "delete /%s", path);
		return 0;
	}
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	if (dir_make(root, dir, 0755, err) < 0)
		return error_code(err);
	return file_replace(root, path, 0644, text, strlen(text), err);
}

/* The first n changes back, the last one first. */
static void undo(int root, const struct host_plan *p, size_t n)
{
	struct error err = ERROR_INIT;

	while (n--) {
		if (write_file(root, p->changes[n].path, p->changes[n].from, &err) < 0)
			complain("/%s is not put back: %s", p->changes[n].path, err.text);
	}
}

static int write_files(int root, const struct host_plan *p, struct error *err)
{
	for (size_t i = 0; i < p->n; i++) {
		if (write_file(root, p->changes[i].path, p->changes[i].to, err) < 0) {
			undo(root, p, i);
			return error_code(err);
		}
	}
	return 0;
}

/* Where a program is, below the root; false if it is not installed. */
static bool find_program(int root, const char *name, char path[64])
{
	static const char *const dirs[] = {"usr/sbin", "usr/bin"};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, 64, "%s/%s", dirs[i], name);
		if (!faccessat(root, path, X_OK, 0))
			return true;
	}
	return false;
}

static void exec_program(const struct hook *h, const char *path, const char *arg)
{
	char full[PATH_MAX + 64];

	if (!hook_host_path(h, path, full, sizeof(full)))
		_exit(127);
	close_range(3, UINT_MAX, 0);
	say_child();
	execl(full, full, arg, (char *)NULL);
	_exit(127);
}

/* What it prints is the user's to see. */
static int run_program(const struct hook *h, enum boot_program program, struct error *err)
{
	const char *name = program == BOOT_TOOL_REFRESH ? "proxmox-boot-tool" : "update-grub";
	char path[64];
	int status;
	pid_t pid;

	if (program == BOOT_NOTHING)
		return 0;
	if (!find_program(h->root, name, path))
		return fail(err, ENOENT, "%s is not installed", name);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return fail_errno(err, errno, "run %s", name);
	if (!pid)
		exec_program(h, path, program == BOOT_TOOL_REFRESH ? "refresh" : NULL);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return fail_errno(err, errno, "wait for %s", name);
	}
	if (!WIFEXITED(status))
		return fail(err, EIO, "%s was killed by signal %d", name, WTERMSIG(status));
	if (WEXITSTATUS(status))
		return fail(err, EIO, "%s failed with exit status %d", name, WEXITSTATUS(status));
	return 0;
}

/* Files that the boot loader does not know of would look like done the next time. */
static int apply(struct hook *h, const struct host_plan *p)
{
	struct error err = ERROR_INIT;

	if (geteuid()) {
		complain("--apply is for root: sudo vfhook host ...");
		return EXIT_REFUSED;
	}
	if ((p->program != BOOT_NOTHING && write_file(h->root, BOOT_PENDING, "\n", &err) < 0) ||
	    write_files(h->root, p, &err) < 0) {
		complain("nothing is changed: %s", err.text);
		return EXIT_REFUSED;
	}
	if (run_program(h, p->program, &err) < 0) {
		undo(h->root, p, p->n);
		complain("%s: the files are put back; mend that, then run this again", err.text);
		return EXIT_REFUSED;
	}
	if (p->program != BOOT_NOTHING && write_file(h->root, BOOT_PENDING, NULL, &err) < 0) {
		complain("all is done, but %s", err.text);
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}

/* --- The commands --- */

static int finish(struct hook *h, const struct host_plan *p, const char *command, bool wanted)
{
	bool really = wanted && !h->dry_run;

	bool any = p->n || p->program != BOOT_NOTHING;

	if (!any)
		say("nothing to do: %s",
		    strcmp(command, "prepare") ? "there is nothing of vfhook's in this host's boot"
					       : "command line and modules are as VFs need them");
	else
		show(p, really);
	if (any && really && apply(h, p))
		return EXIT_REFUSED;
	if (any && !really)
		say("nothing is changed yet; to do it: vfhook host %s --apply", command);
	if (p->reboot && (really || !any))
		say("reboot this host: the running kernel has the old command line");
	return EXIT_DONE;
}

static void show_facts(const struct boot_facts *f)
{
	const char *words[2];
	size_t n = words_wanted(&f->host, words);

	say("this host: %s, IOMMU %s, boots with %s%s; wanted on the kernel command line: %s%s%s",
	    f->host.vendor == CPU_INTEL ? "Intel CPU"
	    : f->host.vendor == CPU_AMD ? "AMD CPU"
					: "CPU of another make",
	    f->host.iommu ? "on" : "off",
	    f->loader[0] ? f->loader
	    : f->efi	 ? "EFI"
			 : "GRUB",
	    f->boot_tool ? " (proxmox-boot-tool)" : "", words[0], n > 1 ? " " : "",
	    n > 1 ? words[1] : "");
	if (!f->host.iommu && !f->host.dmar && !f->host.ivrs)
		say("the firmware offers no IOMMU: switch on VT-d or AMD-Vi there first, or this "
		    "does not help (vfhook check)");
}

static int prepare(struct hook *h, bool wanted)
{
	CLEANUP(boot_facts_free) struct boot_facts f = {0};
	CLEANUP(host_plan_free) struct host_plan p = {0};
	struct error err = ERROR_INIT;

	if (boot_facts_read(h->root, &f, &err) < 0) {
		complain("nothing is changed: %s", err.text);
		return EXIT_REFUSED;
	}
	show_facts(&f);
	if (plan_prepare(&f, &p, &err) < 0) {
		complain("nothing is changed: %s", err.text);
		return EXIT_REFUSED;
	}
	return finish(h, &p, "prepare", wanted);
}

static int restore(struct hook *h, bool wanted)
{
	CLEANUP(boot_facts_free) struct boot_facts f = {0};
	CLEANUP(host_plan_free) struct host_plan p = {0};
	struct error err = ERROR_INIT;

	if (boot_facts_read(h->root, &f, &err) < 0 || plan_restore(&f, &p, &err) < 0) {
		complain("nothing is changed: %s", err.text);
		return EXIT_REFUSED;
	}
	return finish(h, &p, "restore", wanted);
}

static int run(struct hook *h, int argc, char **argv)
{
	const char *const names[] = {"prepare", "restore"};
	bool wanted = false;
	const struct opt opts[] = {{"apply", NULL, &wanted}};
	const char *verb = NULL;
	const char *near;
	size_t n_args;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), &verb, 1, &n_args))
		return EXIT_USAGE;
	if (!n_args) {
		complain("host: wanted: prepare or restore; see vfhook host --help");
		return EXIT_USAGE;
	}
	if (!strcmp(verb, "prepare"))
		return prepare(h, wanted);
	if (!strcmp(verb, "restore"))
		return restore(h, wanted);
	near = nearest_word(verb, names, ARRAY_SIZE(names));
	complain("host: no such thing to do: '%s'%s%s%s; see vfhook host --help", verb,
		 near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
	return EXIT_USAGE;
}

const struct command cmd_host = {
	.name = "host",
	.summary = "host prepare, restore: kernel command line and modules",
	.help = "Usage: vfhook host prepare [--apply]\n"
		"       vfhook host restore [--apply]\n"
		"\n"
		"`prepare` shows what this host's boot lacks for VFs; with --apply it writes it:\n"
		"  iommu=pt, and intel_iommu=on where the IOMMU is off without it, for GRUB in\n"
		"    /etc/default/grub.d/vfhook.cfg, for systemd-boot in /etc/kernel/cmdline (a\n"
		"    copy is kept), then runs update-grub or proxmox-boot-tool refresh\n"
		"  the VFIO modules in /etc/modules-load.d/vfhook.conf\n"
		"No other word of the command line is touched. A reboot is needed then.\n"
		"\n"
		"`restore` takes all of that back.\n"
		"\n"
		"  --apply    do it, as root; without it, and with --dry-run, only show\n",
	.run = run,
	.without_pve = "",
};
