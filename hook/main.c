/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "hook/chain.h"
#include "src/command/command.h"
#include "hook/phase_lock.h"
#include "hook/phases.h"
#include "src/port/context.h"
#include "src/port/hook_lock.h"
#include "src/port/reclaim.h"
#include "hook/restart_job.h"
#include "src/base/say.h"
#include "hook/start_watch.h"
#include "pveapi/guest_list.h"
#include "pveapi/process.h"
#include "pveapi/vmstate.h"
#include "src/vf/owner.h"

#ifndef VFHOOK_VERSION
#define VFHOOK_VERSION "unknown"
#endif

/* How long another run of ours for the same VM may take. */
#define LOCK_WAIT_MS 30000
/* How long a phase that PVE did not call waits for PVE: as long as PVE itself does (lock_config).
 */
#define PVE_LOCK_WAIT_MS 10000

struct phase {
	const char *name;
	int (*run)(struct hook *h, uint32_t vmid);
	bool detached; /* a job of ours: PVE has nothing to do with it, and it waits for PVE's lock
			*/
};

static const struct phase phases[] = {
	{"pre-start", phase_pre_start, false},
	{"post-start", phase_post_start, false},
	{"pre-stop", phase_pre_stop, false},
	{"post-stop", phase_post_stop, false},
};

const struct command *const commands[] = {
	&cmd_status, &cmd_pool,	   &cmd_attach, &cmd_set,  &cmd_detach, &cmd_explain, &cmd_release,
	&cmd_repair, &cmd_metrics, &cmd_check,	&cmd_host, &cmd_boot,	NULL,
};

/*
 * Two facts about who looks at our output outlive the environment: NO_COLOR is
 * set if colour is not wanted (https://no-color.org), TERM if it is a terminal that
 * only knows text.
 */
static bool keep_output_facts(bool no_colour, bool dumb)
{
	return (!no_colour || !setenv("NO_COLOR", "1", 1)) && (!dumb || !setenv("TERM", "dumb", 1));
}

/*
 * PVE's daemons hand us their environment and we run as root: nothing of it is
 * needed but the source node of a migration. Standard descriptors must exist,
 * or a file that we open would become one of them.
 */
static bool clean_process(void)
{
	const char *from = getenv("PVE_MIGRATED_FROM");
	AUTO_FREE char *kept = from ? strdup(from) : NULL;
	const char *no_colour = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	bool plain = no_colour && no_colour[0];
	bool dumb = !term || !term[0] || !strcmp(term, "dumb");
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_NOCTTY);
		if (fd < 0)
			return false;
	} while (fd <= 2);
	close(fd);
	if (clearenv() || setenv("PATH", "/sbin:/bin:/usr/sbin:/usr/bin", 1) ||
	    setenv("LC_ALL", "C", 1) || (kept && setenv("PVE_MIGRATED_FROM", kept, 1)) ||
	    !keep_output_facts(plain, dumb))
		return false;
	umask(022);
	say_to_nobody_too();
#if !defined(__SANITIZE_ADDRESS__)
	/* No core files: a token may be in memory. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	return true;
}

/* Fits a screen of 24 lines. */
static int print_usage(void)
{
	fputs("Usage: vfhook [--root DIR] [--dry-run] <vmid> <phase>\n"
	      "       vfhook [--root DIR] [--dry-run] <command> ...  (vfhook <command> --help)\n"
	      "Gives a VM of Proxmox VE its SR-IOV Virtual Function (VF). PVE calls it with a\n"
	      "phase once it is the VM's hookscript; the commands are for you.\n"
	      "\n"
	      "  pre-start   take a free VF, set MAC, VLAN ... on it, let its mapping name it\n"
	      "  post-start  check that QEMU has that VF; mend it if not\n"
	      "  post-stop   clear the VF and give it back (pre-stop does nothing)\n",
	      stdout);
	for (size_t i = 0; commands[i]; i++)
		printf("  %-10s  %s\n", commands[i]->name, commands[i]->summary);
	fputs("  --root DIR  take every file below DIR instead of /\n"
	      "  --dry-run   tell what the phase or command would do, and do nothing\n"
	      "Exit status: 0 done, 1 refused or failed (the lines say why), 2 wrong call.\n",
	      stdout);
	return EXIT_DONE;
}

/* What comes before the phase or command. */
struct globals {
	const char *root;
	bool dry_run;
};

/* A start that the chained script refuses is over: nothing else would take the VFs back. */
static void give_back(struct hook *h, uint32_t vmid)
{
	AUTO_OWNER struct owner *o = NULL;
	struct error err = ERROR_INIT;
	struct proc_id qemu;
	int r = hook_lock_vm(h, vmid, LOCK_WAIT_MS, &o, &err);
	enum answer runs = r < 0 ? ANSWER_UNKNOWN : vm_runs(h->root, vmid, &qemu, &err);

	/* A call by hand may find the VM running. */
	if (runs == ANSWER_NO)
		r = release_vm(h, o, NULL, 0, NULL, &err);
	if (runs == ANSWER_UNKNOWN || r < 0)
		complain("%s", err.text);
	complain("VM %u is not started: its other hookscript refused", vmid);
}

/* Our own work, under PVE's lock: the caller's as a rule, else our own (hook/phase_lock.h). */
static int locked_phase(struct hook *h, uint32_t vmid, const struct phase *p, int *lock)
{
	struct error err = ERROR_INIT;
	int locked = PHASE_LOCK_UNKNOWN;

	if (!h->dry_run && !p->detached && p->run != phase_pre_stop)
		locked = phase_lock(h->root, vmid, PVE_LOCK_WAIT_MS, lock, &err);
	/* A container's phases come under a lock of another name: an ordinary start does not ask.
	 */
	if (locked != PHASE_LOCK_CALLERS && guest_is_container(h->root, h->node, vmid)) {
		say("%u is a container: only VMs get VFs in this way; nothing is done (to take the "
		    "hookscript off: pct set %u --delete hookscript)",
		    vmid, vmid);
		return EXIT_DONE;
	}
	if (locked < 0) {
		complain("VM %u: %s: %s", vmid, p->name, err.text);
		return EXIT_REFUSED;
	}
	h->by_hand = *lock >= 0;
	return p->run(h, vmid);
}

/* Then the script that we stand in front of. */
static int phase_and_chain(struct hook *h, uint32_t vmid, const struct phase *p)
{
	AUTO_CLOSE int lock = -1;
	int status = locked_phase(h, vmid, p, &lock);
	bool starts = p->run == phase_pre_start;
	int chained;

	if (p->detached || (starts && status))
		return status;
	chained = chain_run(h, vmid, p->name);
	if (chained && starts)
		give_back(h, vmid);
	return status ? status : chained;
}

static bool needs_pve(const struct command *c, int argc, char **argv)
{
	for (int i = 1; c->without_pve && i < argc; i++) {
		if (!strcmp(argv[i], c->without_pve))
			return false;
	}
	return !c->without_pve || c->without_pve[0];
}

static int run_here(struct hook *h, const struct command *c, int argc, char **argv)
{
	struct error err = ERROR_INIT;

	if (needs_pve(c, argc, argv) && hook_pve(h, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	return c->run(h, argc, argv);
}

/* The node, then the phase or command on it. */
static int with_hook(const struct globals *g, uint32_t vmid, const struct phase *phase,
		     const struct command *command, int argc, char **argv)
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
	if (phase)
		status = phase_and_chain(&h, vmid, phase);
	else
		status = command ? run_here(&h, command, argc, argv) : EXIT_USAGE;
	/* Most of what it was refused is for that reason. */
	if (status == EXIT_REFUSED && geteuid())
		complain("it was not run as root, which vfhook needs: sudo vfhook ...");
	return status;
}

static int run_phase(const struct globals *g, int argc, char **argv)
{
	const char *names[ARRAY_SIZE(phases)];
	const char *near;
	uint32_t vmid;

	if (vmid_parse(argv[0], &vmid))
		return EXIT_USAGE;
	if (argc != 2) {
		complain("wanted: a VM id and a phase; see vfhook --help");
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		if (!strcmp(argv[1], phases[i].name)) {
			if (g->dry_run)
				say("dry run: nothing is changed");
			return with_hook(g, vmid, &phases[i], NULL, 0, NULL);
		}
		names[i] = phases[i].name;
	}
	near = nearest_word(argv[1], names, ARRAY_SIZE(names));
	complain("unknown phase '%s'%s%s%s; see vfhook --help", argv[1],
		 near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
	return EXIT_USAGE;
}

/* What we start ourselves: hook/job_control.h, hook/start_watch.h. */
static const struct phase detached[] = {
	{"job", run_job, true}, {"write-job", run_write_job, true}, {"watch", run_watch, true}};

static const struct phase *find_detached(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(detached); i++) {
		if (!strcmp(name, detached[i].name))
			return &detached[i];
	}
	return NULL;
}

static int run_detached(const struct globals *g, const struct phase *p, const char *vmid_text)
{
	uint32_t vmid;

	return vmid_parse(vmid_text, &vmid) ? EXIT_USAGE : with_hook(g, vmid, p, NULL, 0, NULL);
}

static int run_restart_job(const struct globals *g, char **argv)
{
	CLEANUP(hook_free) struct hook h = HOOK_INIT;
	struct error err = ERROR_INIT;
	struct restart what;
	uint32_t vmid;

	if (vmid_parse(argv[1], &vmid))
		return EXIT_USAGE;
	if (!restart_parse(argv[2], &what)) {
		complain("restart-job is for vfhook itself; see vfhook --help");
		return EXIT_USAGE;
	}
	if (hook_init(&h, g->root, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	h.dry_run = g->dry_run;
	return run_restart(&h, vmid, &what);
}

static int run_command(const struct globals *g, int argc, char **argv)
{
	const char *names[32] = {NULL};
	const char *near;
	size_t n = 0;

	for (size_t i = 0; commands[i]; i++) {
		if (!strcmp(argv[0], commands[i]->name)) {
			for (int k = 1; k < argc; k++) {
				if (!strcmp(argv[k], "--help"))
					return command_help(commands[i]);
			}
			return with_hook(g, 0, NULL, commands[i], argc, argv);
		}
		if (n < ARRAY_SIZE(names))
			names[n++] = commands[i]->name;
	}
	near = nearest_word(argv[0], names, n);
	complain("no such command: '%s'%s%s%s; see vfhook --help", argv[0],
		 near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
	return EXIT_USAGE;
}

/* A number in front, or what was meant to be one with a phase behind it. */
static bool is_hook_call(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(phases); i++) {
		if (!strcmp(argv[1], phases[i].name))
			return true;
	}
	return strspn(argv[0], "+-0123456789") > 0;
}

/* Options in front; *i is where the rest begins. */
static int parse_globals(int argc, char **argv, int *i, struct globals *g)
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

int main(int argc, char **argv)
{
	struct globals g = {0};
	int i;

	if (!clean_process()) {
		complain("cannot begin: %s", strerror(errno));
		return EXIT_REFUSED;
	}
	if (parse_globals(argc, argv, &i, &g))
		return EXIT_USAGE;
	argc -= i;
	argv += i;
	if (!argc) {
		complain("wanted: a VM id and a phase, or a command; see vfhook --help");
		return EXIT_USAGE;
	}
	if (!strcmp(argv[0], "--help"))
		return print_usage();
	if (!strcmp(argv[0], "--version"))
		return puts("vfhook " VFHOOK_VERSION) < 0;
	if (argc == 2 && find_detached(argv[0]))
		return run_detached(&g, find_detached(argv[0]), argv[1]);
	if (argc == 3 && !strcmp(argv[0], "restart-job"))
		return run_restart_job(&g, argv);
	if (is_hook_call(argc, argv))
		return run_phase(&g, argc, argv);
	return run_command(&g, argc, argv);
}
