/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The phases and jobs by their names, each under the locks that it runs under. */
#include "hook/run_phase.h"

#include <string.h>

#include "hook/chain.h"
#include "hook/guest_off.h"
#include "hook/phase_lock.h"
#include "hook/phases.h"
#include "hook/restart_job.h"
#include "hook/start_watch.h"
#include "pveapi/guest_list.h"
#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/options.h"
#include "src/base/say.h"
#include "src/port/hook_lock.h"
#include "src/port/give_back.h"
#include "src/port/vmid.h"

/* How long another run of ours for the same VM may take. */
#define LOCK_WAIT_MS 30000
/* How long a phase that PVE did not call waits for PVE: as long as PVE itself does (lock_config).
 */
#define PVE_LOCK_WAIT_MS 10000

struct phase {
	const char *name;
	int (*run)(struct hook *h, uint32_t vmid);
	int (*run_ct)(struct hook *h, uint32_t vmid); /* a container's */
	/* A job of ours: PVE has nothing to do with it, and it waits for PVE's lock. */
	bool detached;
};

static const struct phase phases[] = {
	{"pre-start", phase_pre_start, ct_pre_start, false},
	{"post-start", phase_post_start, ct_post_start, false},
	{"pre-stop", phase_pre_stop, phase_pre_stop, false},
	{"post-stop", phase_post_stop, ct_post_stop, false},
};

/* What we start ourselves: hook/job_control.h, hook/start_watch.h. */
static const struct phase detached[] = {
	{"job", run_job, NULL, true},
	{"write-job", run_write_job, NULL, true},
	{"watch", run_watch, NULL, true},
};

/* One of them, on one VM. */
struct call {
	uint32_t vmid;
	const struct phase *phase;
	struct restart restart; /* of a restart job */
};

/* A start that the chained script refuses is over: nothing else would take the VFs back. */
static void give_back(struct hook *h, uint32_t vmid)
{
	AUTO_OWNER struct owner *o = NULL;
	struct error err = ERROR_INIT;
	struct proc_id qemu;
	int r = hook_lock_vm(h, vmid, LOCK_WAIT_MS, &o, &err);
	enum answer runs = r < 0 ? ANSWER_UNKNOWN : guest_runs_now(h, vmid, &qemu, &err);

	/* A call by hand may find the VM running. */
	if (runs == ANSWER_NO)
		r = give_back_vm(h, o, NULL, 0, NULL, &err);
	if (runs == ANSWER_UNKNOWN || r < 0)
		complain("%s", err.text);
	complain("%s %u is not started: its other hookscript refused", hook_guest(h), vmid);
}

/* Our own work, on a VM or a container that is none of an ordinary start's. */
static int other_phase(struct hook *h, uint32_t vmid, const struct phase *p,
		       const struct phase_look *seen, int *lock)
{
	/* LXC's own call, and whoever waits for it has PVE's lock (hook/phase_lock.h). */
	bool needs_lock = !h->dry_run && !p->detached && p->run != phase_pre_stop;
	struct error err = ERROR_INIT;

	/* A config that cannot be looked at: what a start says of it is said there, and a stop goes
	 * by the leases alone. */
	h->container = !p->detached && guest_is_ct(h->root, h->node, vmid) == ANSWER_YES;
	if (h->container && p->run == phase_post_stop)
		needs_lock = false;
	if (needs_lock &&
	    phase_lock(h->root, h->container, vmid, seen, PVE_LOCK_WAIT_MS, lock, &err) < 0) {
		complain("%s %u: %s: %s", hook_guest(h), vmid, p->name, err.text);
		return EXIT_REFUSED;
	}
	h->by_hand = *lock >= 0;
	return h->container ? p->run_ct(h, vmid) : p->run(h, vmid);
}

/* Under PVE's lock: the caller's as a rule, which costs one look, else our own. */
static int locked_phase(struct hook *h, uint32_t vmid, const struct phase *p, int *lock)
{
	bool locked = !h->dry_run && !p->detached && p->run != phase_pre_stop;
	struct phase_look seen;

	if (locked && phase_lock_is_callers(h->root, vmid, &seen))
		return p->run(h, vmid);
	return other_phase(h, vmid, p, locked ? &seen : NULL, lock);
}

/* Then the script that we stand in front of. */
static int phase_and_chain(struct hook *h, void *arg)
{
	const struct call *c = arg;
	const struct phase *p = c->phase;
	uint32_t vmid = c->vmid;
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
			struct call c = {.vmid = vmid, .phase = &phases[i]};

			if (g->dry_run)
				say("dry run: nothing is changed");
			return globals_run(g, phase_and_chain, &c);
		}
		names[i] = phases[i].name;
	}
	near = nearest_word(argv[1], names, ARRAY_SIZE(names));
	complain("unknown phase '%s'%s%s%s; see vfhook --help", argv[1],
		 near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
	return EXIT_USAGE;
}

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
	struct call c = {.phase = p};

	return vmid_parse(vmid_text, &c.vmid) ? EXIT_USAGE : globals_run(g, phase_and_chain, &c);
}

static int restart(struct hook *h, void *arg)
{
	const struct call *c = arg;

	return run_restart(h, c->vmid, &c->restart);
}

static int run_restart_job(const struct globals *g, char **argv)
{
	struct call c = {0};

	if (vmid_parse(argv[1], &c.vmid))
		return EXIT_USAGE;
	if (!restart_parse(argv[2], &c.restart)) {
		complain("restart-job is for vfhook itself; see vfhook --help");
		return EXIT_USAGE;
	}
	return globals_run(g, restart, &c);
}

static bool is_restart_job(int argc, char **argv)
{
	return argc == 3 && !strcmp(argv[0], "restart-job");
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

bool is_phase_call(int argc, char **argv)
{
	return (argc == 2 && find_detached(argv[0])) || is_restart_job(argc, argv) ||
	       is_hook_call(argc, argv);
}

int run_phase_call(const struct globals *g, int argc, char **argv)
{
	if (argc == 2 && find_detached(argv[0]))
		return run_detached(g, find_detached(argv[0]), argv[1]);
	if (is_restart_job(argc, argv))
		return run_restart_job(g, argv);
	return run_phase(g, argc, argv);
}
