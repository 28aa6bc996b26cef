/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfhook attach: port, mapping, hookscript and hostpciN of a VM in one go.
 * Everything is judged before anything is changed; then it is one plan, whose steps are undone if
 * one fails, or by the next command if this one is killed.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "pveapi/guest.h"
#include "pveapi/hostpci.h"
#include "pveapi/mapping.h"
#include "pveapi/process.h"
#include "pveapi/section.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/command/attach.h"
#include "src/command/command.h"
#include "src/command/takeover.h"
#include "src/port/apply.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/port/hostpci_judge.h"
#include "src/port/objects.h"
#include "src/port/port_changes.h"
#include "src/port/port_keys.h"
#include "src/port/port_plan.h"
#include "src/port/vmid.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"
#include "src/vf/plan_words.h"
#include "src/vf/sysfs.h"

#define MAX_TRIES 3

/* Before any lock is taken, or file made. */
static int may_attach(struct hook *h, const struct attach *a, struct error *err)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};

	if (geteuid())
		return fail(err, EPERM, "only root can set a hookscript (PVE): run it as root");
	if (h->container)
		return 0;
	return guest_here(h, a->vmid, &g, err);
}

static void tell_hookscript(const struct hook *h, const struct attach *a)
{
	if (a->old_hook[0])
		say("%s %u: hookscript %s, which runs %s after itself", hook_guest(h), a->vmid,
		    a->hookscript, a->old_hook);
	else
		say("%s %u: hookscript %s", hook_guest(h), a->vmid, a->hookscript);
}

static void tell_steps(const struct hook *h, const struct attach *a, const struct plan *p)
{
	char called[PORT_CALLED_LEN];
	char words[PORT_WORDS_LEN];
	char text[600];

	for (size_t i = 0; i < p->n_steps; i++) {
		const struct step_object *o = &p->steps[i].object;

		if (!strcmp(o->kind, OBJECT_PORT))
			say("%s: port %u-%u in /" VFHOOK_CFG ": %s", port_called(&a->port, called),
			    a->vmid, a->port.slot, port_describe(&a->port, words));
		else if (!strcmp(o->kind, OBJECT_HOSTPCI))
			say("VM %u hostpci%u: %s", a->vmid, a->port.slot, o->to);
		else if (!strcmp(o->kind, OBJECT_MAP_ENTRY) || !strcmp(o->kind, OBJECT_CT_NET))
			say("%s", step_describe(&p->steps[i], text, sizeof(text)));
	}
	if (a->set_hook)
		tell_hookscript(h, a);
}

/* 1: attached already. -EAGAIN: something was changed meanwhile. */
static int try_attach(struct hook *h, struct attach *a, const struct owner *o, struct error *err)
{
	CLEANUP(plan_free) struct plan p;
	int r;

	plan_init(&p, PLAN_CONFIG, a->vmid);
	r = h->container ? attach_ct_judge(h, a, err) : attach_judge(h, a, err);
	if (!r)
		r = h->container ? attach_ct_plan(h, a, &p, err) : attach_plan(h, a, &p, err);
	if (!r)
		r = apply_plan(h, o, &p, err);
	if (!r && !h->dry_run)
		tell_steps(h, a, &p);
	return r;
}

static void tell_next(const struct hook *h, const struct attach *a)
{
	char addr[PCI_ADDR_LEN];

	if (h->dry_run)
		return;
	if (a->over.live)
		say("VM %u keeps running on VF %s as it is set, which is leased to it from now on; "
		    "hostpci%u names the port from its next start on",
		    a->vmid, pci_addr_format(&a->over.vf.addr, addr), a->port.slot);
	else if (a->running)
		say("VM %u runs: PVE keeps hostpci%u pending, it takes effect at the next start "
		    "(qm "
		    "reboot %u)",
		    a->vmid, a->port.slot, a->vmid);
	else
		say("%s %u is attached; next: %s start %u", hook_guest(h), a->vmid,
		    h->container ? "pct" : "qm", a->vmid);
}

static int attach(struct hook *h, struct attach *a)
{
	AUTO_OWNER struct owner *o = NULL;
	struct error err = ERROR_INIT;
	struct attach wanted = *a;
	int r = may_attach(h, a, &err);

	if (!r)
		r = config_begin(h, a->vmid, &o, &err);
	if (!r)
		r = -EAGAIN;
	for (int i = 0; i < MAX_TRIES && r == -EAGAIN; i++) {
		error_clear(&err);
		attach_free(a);
		*a = wanted;
		r = try_attach(h, a, o, &err);
	}
	if (r == 1 && h->container) {
		say("CT %u %s is attached already (pool %s); vfhook set %u --name %s changes its "
		    "settings",
		    a->vmid, a->port.netname, a->port.pool, a->vmid, a->port.netname);
		return EXIT_DONE;
	}
	if (r == 1) {
		say("VM %u hostpci%u is attached already (pool %s); vfhook set %u --slot %u "
		    "changes "
		    "its settings",
		    a->vmid, a->slot, a->port.pool, a->vmid, a->slot);
		return EXIT_DONE;
	}
	if (r < 0) {
		complain("%s %u %s: %s", hook_guest(h), a->vmid,
			 h->dry_run ? "would not be attached" : "is not attached", err.text);
		return EXIT_REFUSED;
	}
	if (a->take_over && !a->running && !a->has_port && !h->dry_run)
		takeover_park(h, &a->over, &a->port);
	port_tell_lacks(h, &a->config, &a->guest, &a->port);
	tell_next(h, a);
	return EXIT_DONE;
}

static int run(struct hook *h, int argc, char **argv)
{
	CLEANUP(attach_free) struct attach a = {.port = {.want = {.proto = VLAN_PROTO_8021Q}}};
	struct opt opts[PORT_OPTS + 6] = {
		{"pool", &a.pool, NULL},	   {"slot", &a.slot_text, NULL},
		{"hostpci", &a.hostpci, NULL},	   {"name", &a.name, NULL},
		{"take-over", NULL, &a.take_over}, {"dry-run", NULL, &h->dry_run},
	};
	const char *args[1];
	size_t n_opts = 6;
	int kind;
	size_t n_args;

	port_args_opts(&a.args, opts, &n_opts);
	if (opts_parse(argc, argv, opts, n_opts, args, 1, &n_args))
		return EXIT_USAGE;
	if (!n_args) {
		complain("attach: wanted: a VM id; see vfhook attach --help");
		return EXIT_USAGE;
	}
	if (vmid_parse(args[0], &a.vmid) || (a.slot_text && slot_parse(a.slot_text, &a.slot)))
		return EXIT_USAGE;
	kind = port_args_kind(h, a.vmid, a.slot_text, a.name, &a.args);
	if (kind < 0)
		return -kind;
	if (kind && (a.take_over || a.hostpci)) {
		complain("%u is a container: --%s is for VMs", a.vmid,
			 a.take_over ? "take-over" : "hostpci");
		return EXIT_USAGE;
	}
	return attach(h, &a);
}

const struct command cmd_attach = {
	.name = "attach",
	.summary = "give a VM or container a port: a VF of its own from its next start",
	.help = "Usage: vfhook attach <vmid> [options]\n"
		"\n"
		"Writes the port, its mapping, hostpciN (a container's: lxc.net lines) and the\n"
		"hookscript; with --slot, what is missing of a port that is there. What is not\n"
		"given is not touched on the VF.\n"
		"  --pool NAME          the pool; needed if there are several\n"
		"  --slot N             the N of hostpciN; the lowest free one\n"
		"  --hostpci KEY=V,...  what else hostpciN is to have, as PVE knows it: rombar=0\n"
		"  --name ETH           a container's: what its interface is called there\n"
		"  --take-over          of the VF that hostpciN names by hand, set as it is now\n"
		"  --mac auto|ADDR      auto (as without it): one is made, and kept\n",
	.help_more = port_args_help,
	.help_end = "  --dry-run            tell what would be done, and do nothing\n",
	.run = run,
};
