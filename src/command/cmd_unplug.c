/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook unplug: a running VM loses its VFs, for its migration or by hand. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pveapi/node.h"
#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"
#include "src/command/command.h"
#include "src/command/port_args.h"
#include "src/command/unplugging.h"
#include "src/port/vmid.h"

/* 0, or an exit status. */
static int parse_reason(const char *peer, char why[LEASE_WHY_LEN], struct unplug_reason *out)
{
	*out = (struct unplug_reason){.why = "by hand"};
	if (!peer)
		return 0;
	if (pve_node_check(peer, NULL) < 0) {
		complain("unplug: --migration-to wants a node's name");
		return EXIT_USAGE;
	}
	say_into_migration();
	snprintf(why, LEASE_WHY_LEN, "migration to %.40s", peer);
	*out = (struct unplug_reason){peer, why};
	return 0;
}

static int unplug(struct hook *h, const struct unplugging *u)
{
	struct error err = ERROR_INIT;
	int n = unplug_vm(h, u, &err);

	if (n < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	if (!n)
		say("VM %u: it has no VF%s that could be unplugged", u->vmid,
		    u->slot >= 0 ? " in that slot" : "");
	else if (!u->reason.peer && !h->dry_run)
		say("VM %u: to give it back: vfhook plug %u", u->vmid, u->vmid);
	return EXIT_DONE;
}

static int run(struct hook *h, int argc, char **argv)
{
	struct unplugging u = {.slot = -1};
	const char *peer = NULL;
	const char *slot = NULL;
	const char *wait = NULL;
	const struct opt opts[] = {{"slot", &slot, NULL},
				   {"wait", &wait, NULL},
				   {"migration-to", &peer, NULL},
				   {"dry-run", NULL, &h->dry_run}};
	char why[LEASE_WHY_LEN];
	const char *arg = NULL;
	unsigned number;
	size_t n;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), &arg, 1, &n))
		return EXIT_USAGE;
	if (!n) {
		complain("unplug: wanted: a VM id; see vfhook unplug --help");
		return EXIT_USAGE;
	}
	if (vmid_parse(arg, &u.vmid) || (slot && slot_parse(slot, &number)) ||
	    unplug_wait_parse(h, wait) || parse_reason(peer, why, &u.reason))
		return EXIT_USAGE;
	if (slot)
		u.slot = (int)number;
	return unplug(h, &u);
}

const struct command cmd_unplug = {
	.name = "unplug",
	.summary = "take the VFs from a running VM, and keep them for it",
	.help = "Usage: vfhook unplug <vmid> [--slot N] [--wait SECONDS] [--dry-run]\n"
		"\n"
		"The guest is asked to let go of the device, as if it were pulled out; then the\n"
		"VF is parked, and kept for the VM: `vfhook plug <vmid>` gives it back. A guest\n"
		"that does not let go keeps it.\n"
		"\n"
		"  --slot N        the N of hostpciN; all of them without it\n"
		"  --wait SECONDS  how long the guest may take; 30\n"
		"  --dry-run       tell what would be done, and do nothing\n",
	.run = run,
};
