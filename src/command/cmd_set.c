/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfhook set: other wishes for a port. On a running VM the kernel takes them
 * at once, through a plan that is undone if it fails; then they are written.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook/job_control.h"
#include "pveapi/ct_config.h"
#include "pveapi/guest.h"
#include "pveapi/guest_macs.h"
#include "pveapi/process.h"
#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/command/command.h"
#include "src/command/port_args.h"
#include "src/port/apply.h"
#include "src/port/config.h"
#include "src/port/config_edit.h"
#include "src/port/config_load.h"
#include "src/port/config_ports.h"
#include "src/port/context.h"
#include "src/port/ct_net.h"
#include "src/port/device.h"
#include "src/port/guest_runs.h"
#include "src/port/hook_lock.h"
#include "src/port/live_flag.h"
#include "src/port/live_needs.h"
#include "src/port/mac.h"
#include "src/port/objects.h"
#include "src/port/port_changes.h"
#include "src/port/port_keys.h"
#include "src/port/port_plan.h"
#include "src/port/reclaim.h"
#include "src/port/vm_locks.h"
#include "src/port/vmid.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"
#include "src/vf/plan_start.h"
#include "src/vf/plan_words.h"
#include "src/vf/port_wish.h"
#include "src/vf/snapshot.h"
#include "src/vf/sysfs.h"
#include "src/vf/vf_keys.h"

#define LOCK_WAIT_MS 30000

struct set {
	uint32_t vmid;
	unsigned slot;
	const char *slot_text;
	const char *name;	      /* a container's port, or NULL */
	char device[WISH_DEVICE_LEN]; /* "hostpci0", "eth1" */
	struct port_args args;
	struct key_change changes[PORT_OPTS + 2];
	size_t n_changes;
	char mac[MAC_LEN];
	bool new_mac; /* the MAC becomes another one, or none */
	bool new_vf;  /* a setting of the VF is among the changes */
	bool runs;    /* the VM, on a VF of this port or not */
};

static void add_change(struct set *s, const char *key, const char *value)
{
	if (value && !strcmp(value, "unset"))
		value = NULL;
	s->changes[s->n_changes++] = (struct key_change){key, value};
}

/* Its own netN may have the port's MAC only as long as that is migrated live. */
static int check_not_own(struct hook *h, const struct port *p, struct error *err)
{
	AUTO_FREE struct guest_mac *macs = NULL;
	char text[MAC_LEN];
	size_t n;

	if (guest_all_macs(h->root, &macs, &n, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		if (macs[i].vmid == p->vmid && !memcmp(macs[i].mac, p->want.mac, 6))
			return fail(err, EEXIST,
				    "a netN of VM %u has MAC %s, too, which only live-migration "
				    "allows: with --mac auto the port gets another one",
				    p->vmid, mac_format(p->want.mac, text));
	}
	return 0;
}

/* What was typed, as keys and values for the file. */
static int make_changes(struct hook *h, struct set *s, const struct config *c,
			const struct port *now, struct error *err)
{
	const char *const *v = s->args.value;
	bool no_vlan = v[VF_KEY_VLAN] && !strcmp(v[VF_KEY_VLAN], "unset");
	struct port p = *now;

	p.mac_auto = false;
	if (s->args.live_migration)
		p.live_migration = false;
	if (port_args_apply(h, c, &s->args, true, &p, err) < 0)
		return error_code(err);
	if (s->args.live_migration && p.live_migration && live_pve_can(h, err) < 0)
		return error_code(err);
	/* A MAC that is typed with it has been looked at. */
	if (now->live_migration && !p.live_migration && (p.want.has & HAS_MAC) && !v[VF_KEY_MAC] &&
	    check_not_own(h, &p, err) < 0)
		return error_code(err);
	if (p.mac_auto && mac_make(h->root, c, p.want.mac, err) < 0)
		return error_code(err);
	mac_format(p.want.mac, s->mac);
	for (size_t i = 0; i < VF_KEY_COUNT; i++) {
		if (v[i] && i == VF_KEY_MAC && strcmp(v[i], "unset") != 0)
			add_change(s, vf_keys[i].name, s->mac);
		else if (v[i])
			add_change(s, vf_keys[i].name, v[i]);
		else if (no_vlan && vf_keys[i].left_out)
			add_change(s, vf_keys[i].name, NULL); /* they are nothing without it */
	}
	s->new_vf = s->n_changes > 0;
	/* Off is as without it. */
	if (s->args.live_migration)
		add_change(s, "live-migration", p.live_migration ? "1" : NULL);
	return 0;
}

/* --- The VM that runs --- */

/* 1: the VM runs, on the VF of this lease; 0: it does not run, or not on one. */
static int find_running(struct hook *h, struct set *s, struct lease *l, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	struct vm_hostpci has;
	struct proc_id qemu;
	size_t n;
	enum answer runs = guest_runs(h, s->vmid, &qemu, err);

	if (runs != ANSWER_YES)
		return runs == ANSWER_NO ? 0 : error_code(err);
	s->runs = true;
	/* If that cannot be told it is not "not on it": the file would be changed, and the VF not.
	 */
	if (lease_list(h->root, &all, &n, err) < 0 ||
	    (!h->container && running_hostpci(h, s->vmid, &qemu, &has, err) < 0))
		return error_code(err);
	for (size_t i = 0; i < n; i++) {
		if (all[i].broken || all[i].lease.vmid != s->vmid || all[i].lease.slot != s->slot)
			continue;
		*l = all[i].lease;
		/* A container's interface is where it is: what its lease says counts. */
		if (h->container && l->phase == LEASE_RUNNING)
			return 1;
		if (!h->container && has.has[s->slot] && !pci_addr_cmp(&has.vf[s->slot], &l->vf))
			return 1;
	}
	if (s->new_vf)
		say("%s %u runs, but not on a VF of %s: nothing is changed live", hook_guest(h),
		    s->vmid, s->device);
	return 0;
}

static void tell_live(const struct hook *h, const struct set *s, const struct plan *p)
{
	char what[600];
	size_t n = 0;

	for (size_t i = 0; i < p->n_steps; i++) {
		if (p->steps[i].kind != STEP_SET)
			continue;
		say("%s %u %s: live: %s", hook_guest(h), s->vmid, s->device,
		    step_describe(&p->steps[i], what, sizeof(what)));
		n++;
	}
	if (!n)
		say("%s %u %s: nothing to change live", hook_guest(h), s->vmid, s->device);
}

/* The steps that bring the VF of that lease to those wishes. */
static int plan_live(struct hook *h, const struct set *s, const struct lease *l,
		     const struct vf_settings *want, struct plan *p, struct error *err)
{
	struct observer look = {.root = h->root, .kernel = h->kernel, .vmid = s->vmid};
	CLEANUP(snapshot_free) struct snapshot snap = {0};
	const struct pf_id of = lease_pf_id(l);
	const struct pf_state *pf = NULL;
	const struct vf_state *v;

	if (snapshot_read(&look, &of, 1, &l->vf, 1, false, &snap, err) < 0)
		return error_code(err);
	v = snapshot_find(&snap, &l->vf, &pf);
	if (!v || !v->leased || v->lease_broken)
		return fail(err, EIO, "the VF cannot be read: %s",
			    snap.n_pfs && snap.pfs[0].broken ? snap.pfs[0].why : "it is gone");
	return plan_change(pf, v, want, p, err);
}

/* --- The command --- */

/* The section of the port, as the last step: then the VF is as it says. */
static int plan_file(struct hook *h, struct set *s, struct port *after, struct plan *p, char **from,
		     struct error *err)
{
	AUTO_FREE char *to = NULL;
	char words[PORT_WORDS_LEN];
	char what[PORT_WORDS_LEN + 96];
	char id[32];

	if (config_change_keys(h->root, s->vmid, s->slot, s->changes, s->n_changes, from, &to,
			       after, err) < 0)
		return error_code(err);
	snprintf(id, sizeof(id), "%u-%u", s->vmid, s->slot);
	snprintf(what, sizeof(what), "port %s in /" VFHOOK_CFG ": -> %s", id,
		 port_describe(after, words));
	return plan_add_object(
		p,
		&(struct step_object){
			.kind = OBJECT_PORT, .name = id, .from = *from, .to = to, .what = what},
		err);
}

static void tell_done(const struct hook *h, const struct set *s, const struct port *after,
		      bool running)
{
	char words[PORT_WORDS_LEN];

	say("%s %u %s: %s %u-%u in /" VFHOOK_CFG ": %s", hook_guest(h), s->vmid, s->device,
	    h->dry_run ? "would be port" : "port", s->vmid, s->slot, port_describe(after, words));
	if (!s->new_vf)
		return;
	if (!running)
		say("%s %u %s: takes effect at the next start", hook_guest(h), s->vmid, s->device);
	else if (s->new_mac)
		say("%s %u %s: the MAC takes effect at the next start", hook_guest(h), s->vmid,
		    s->device);
}

/* The other ports of the VM, and what PVE looks at besides, are told in lines of their own. */
static void tell_live_migration(struct hook *h, const struct set *s, const struct config *c,
				const struct guest_config *g, const struct port *after)
{
	const char *would = h->dry_run ? "would be" : "is";

	if (!after->live_migration) {
		say("VM %u hostpci%u: live migration %s off: PVE does not migrate it while it runs",
		    s->vmid, s->slot, would);
		return;
	}
	say("VM %u hostpci%u: live migration %s on: the VM may be migrated while it runs, from %s",
	    s->vmid, s->slot, would, s->runs ? "now on" : "its next start on");
	port_tell_lacks(h, c, g, after);
}

static int change(struct hook *h, const struct owner *o, struct set *s, const struct config *c,
		  const struct guest_config *g, struct error *err)
{
	CLEANUP(plan_free) struct plan file;
	CLEANUP(plan_free) struct plan p;
	AUTO_FREE char *from = NULL;
	struct port after;
	struct lease l = {0};
	int running;

	plan_init(&file, PLAN_CHANGE, s->vmid);
	plan_init(&p, PLAN_CHANGE, s->vmid);
	if (plan_file(h, s, &after, &file, &from, err) < 0)
		return error_code(err);
	running = find_running(h, s, &l, err);
	if (running < 0)
		return running;
	if (running && (hook_kernel(h, err) < 0 || plan_live(h, s, &l, &after.want, &p, err) < 0))
		return fail_context(err, "the running %s's VF does not take it", hook_guest(h));
	/* PVE may start to migrate it at any time. */
	if (s->args.live_migration && !after.live_migration &&
	    plan_flag_away(h, s->vmid, s->slot, &p, err) < 0)
		return error_code(err);
	if (plan_append(&p, &file, err) < 0)
		return error_code(err);
	if (apply_plan(h, o, &p, err) < 0)
		return running && s->new_vf
			       ? fail_context(err, "the running %s's VF does not take it",
					      hook_guest(h))
			       : error_code(err);
	if (running && s->new_vf && !h->dry_run)
		tell_live(h, s, &p);
	tell_done(h, s, &after, running);
	if (s->args.live_migration)
		tell_live_migration(h, s, c, g, &after);
	/* The mapping's flag, which needs the port in the file as it is to be: beside the VM. */
	if (s->runs && after.live_migration)
		live_job_begin_or_tell(h, s->vmid);
	return 0;
}

/*
 * PVE's lock too, and before ours, as a start has it: a VM that is between pre-start and its QEMU
 * would be taken for one that does not run. A dry run only says whether they are free.
 */
static int lock(struct hook *h, const struct set *s, struct vm_locks *l, struct error *err)
{
	int r = 0;

	if (!h->dry_run) {
		l->pve = guest_lock(h, s->vmid, LOCK_WAIT_MS, err);
		r = l->pve < 0 ? l->pve : 0;
	}
	if (!r)
		r = hook_lock_vm(h, s->vmid, LOCK_WAIT_MS, &l->ours, err);
	if (!r)
		r = recover_own(h, l->ours, err);
	return r;
}

/*
 * A container's MTU: in its config, too, which PVE's own lock must be free for, so it is a plan of
 * its own, before the others. 0 or a negative errno with err.
 */
static int set_mtu(struct hook *h, const struct owner *config, const struct set *s,
		   struct error *err)
{
	const char *value = strcmp(s->args.mtu, "unset") != 0 ? s->args.mtu : NULL;
	const struct key_change change = {"mtu", value};
	CLEANUP(ct_config_free) struct ct_config ct = {0};
	CLEANUP(plan_free) struct plan p;
	AUTO_FREE char *from = NULL;
	AUTO_FREE char *to = NULL;
	AUTO_FREE char *lines = NULL;
	char id[32];
	char called[PORT_CALLED_LEN];
	struct port after;

	plan_init(&p, PLAN_CONFIG, s->vmid);
	if (config_change_keys(h->root, s->vmid, s->slot, &change, 1, &from, &to, &after, err) <
		    0 ||
	    ct_config_load(h->root, h->node, s->vmid, &ct, err) < 0)
		return error_code(err);
	lines = ct_net_text(&ct, &after);
	if (!lines)
		return fail(err, ENOMEM, "out of memory");
	snprintf(id, sizeof(id), "%u-%u", s->vmid, s->slot);
	if (plan_add_object(
		    &p,
		    &(struct step_object){.kind = OBJECT_PORT, .name = id, .from = from, .to = to},
		    err) < 0 ||
	    plan_ct_net(&ct, s->slot, lines, &p, err) < 0 || apply_plan(h, config, &p, err) < 0)
		return error_code(err);
	if (!h->dry_run)
		say("%s: MTU %s, from its next start on", port_called(&after, called),
		    value ? value : "as it is");
	return 0;
}

/* Which port; 0 or an exit status. */
static int choose(struct hook *h, struct set *s, const struct config *c)
{
	int status = h->container ? port_choose_named(c, s->vmid, s->name, &s->slot)
				  : port_choose(c, s->vmid, s->slot_text, &s->slot);
	const struct port *p = status ? NULL : config_port(c, s->vmid, s->slot);

	if (p && h->container)
		snprintf(s->device, sizeof(s->device), "%s", p->netname);
	else
		snprintf(s->device, sizeof(s->device), "hostpci%u", s->slot);
	return status;
}

/*
 * What a container has beside its VF; *more: there is something else to set. If not, *status is the
 * command's: what is wrong with its words has been told.
 */
static int begin_ct(struct hook *h, const struct owner *config, struct set *s, bool *more,
		    int *status, struct error *err)
{
	CLEANUP(config_free) struct config c = {0};

	*more = true;
	*status = EXIT_DONE;
	if (!h->container || !s->args.mtu)
		return 0;
	if (config_load(h->root, &c, err) < 0)
		return error_code(err);
	*more = false;
	*status = port_choose_named(&c, s->vmid, s->name, &s->slot);
	if (*status)
		return 0;
	for (size_t i = 0; i < VF_KEY_COUNT; i++)
		*more = *more || s->args.value[i];
	return set_mtu(h, config, s, err);
}

static int set(struct hook *h, struct set *s)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	CLEANUP(config_free) struct config c = {0};
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	AUTO_OWNER struct owner *config = NULL;
	struct error err = ERROR_INIT;
	const struct port *p;
	bool more;
	int status;
	int r = h->container ? 0 : guest_here(h, s->vmid, &g, &err);

	if (!r)
		r = config_begin(h, s->vmid, &config, &err);
	if (!r)
		r = begin_ct(h, config, s, &more, &status, &err);
	if (!r && !more)
		return status;
	if (!r)
		r = lock(h, s, &locks, &err);
	if (!r)
		r = config_load(h->root, &c, &err);
	if (!r) {
		status = choose(h, s, &c);
		if (status)
			return status;
		p = config_port(&c, s->vmid, s->slot);
		r = p ? make_changes(h, s, &c, p, &err)
		      : fail(&err, ENOENT,
			     "there is no port %u-%u in /" VFHOOK_CFG
			     ": vfhook attach %u --slot %u",
			     s->vmid, s->slot, s->vmid, s->slot);
	}
	if (!r)
		r = change(h, locks.ours, s, &c, &g, &err);
	if (r < 0) {
		complain("%s %u: nothing is changed: %s", hook_guest(h), s->vmid, err.text);
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}

static int run(struct hook *h, int argc, char **argv)
{
	struct set s = {0};
	struct opt opts[PORT_OPTS + 3] = {{"slot", &s.slot_text, NULL},
					  {"name", &s.name, NULL},
					  {"dry-run", NULL, &h->dry_run}};
	const char *args[1];
	size_t n_opts = 3;
	size_t n_args;
	bool any;
	int kind;

	port_args_opts(&s.args, opts, &n_opts);
	if (opts_parse(argc, argv, opts, n_opts, args, 1, &n_args))
		return EXIT_USAGE;
	any = s.args.live_migration || s.args.mtu;
	for (size_t i = 0; i < VF_KEY_COUNT; i++)
		any = any || s.args.value[i];
	if (!n_args || !any) {
		complain("set: wanted: a VM id and something to set; see vfhook set --help");
		return EXIT_USAGE;
	}
	if (vmid_parse(args[0], &s.vmid) || (s.slot_text && slot_parse(s.slot_text, &s.slot)))
		return EXIT_USAGE;
	s.new_mac = s.args.value[VF_KEY_MAC] != NULL;
	kind = port_args_kind(h, s.vmid, s.slot_text, s.name, &s.args);
	return kind < 0 ? -kind : set(h, &s);
}

const struct command cmd_set = {
	.name = "set",
	.summary = "change the settings of a port, on a running VM at once",
	.help = "Usage: vfhook set <vmid> [--slot N] <option>...\n"
		"\n"
		"Changes a port in /etc/pve/vfhook.cfg. If the VM runs, its VF is changed at once\n"
		"and read back, all of it or nothing; only a MAC waits for the next start.\n"
		"`unset` as a value takes an option out of the port: it is left alone then.\n"
		"\n"
		"  --slot N             the N of hostpciN; needed if the VM has several ports\n"
		"  --name ETH           of a container: what the port's interface is called there\n"
		"  --mac auto|ADDR      auto: a new one is made, and kept\n",
	.help_more = port_args_help,
	.help_end = "  --dry-run            tell what would be done, and do nothing\n",
	.run = run,
};
