/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The target of a live migration asks its source, by PVE's own ssh. */
#include "hook/migration.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "pveapi/peer.h"
#include "src/base/say.h"
#include "src/port/device.h"
#include "src/port/live_flag.h"

#define VFHOOK "/usr/sbin/vfhook"
/* The guest's time, and for the locks, the connection and the card. */
#define ASK_LIMIT_MS (UNPLUG_WAIT_MS + 45000)

static int ask_source(struct hook *h, uint32_t vmid, struct error *err)
{
	char ssh[PATH_MAX];
	const char *why = "has not unplugged its VF: see above";
	char id[16];
	const char *const argv[] = {VFHOOK, "unplug", id, "--migration-to", h->node, NULL};
	int r;

	if (!hook_host_path(h, "usr/bin/ssh", ssh, sizeof(ssh)))
		return fail(err, ENAMETOOLONG, "the path of ssh");
	snprintf(id, sizeof(id), "%u", vmid);
	r = peer_run(h->root, ssh, h->migrated_from, argv, ASK_LIMIT_MS, err);
	if (r < 0)
		return fail_context(err, "node %s cannot be asked to unplug its VF",
				    h->migrated_from);
	switch (r) {
	case 0:
		return 0;
	case 2:
		why = "has a vfhook that knows no `unplug`: update it";
		break;
	case 127:
		why = "has no " VFHOOK ": install it there";
		break;
	case 255:
		return fail(err, EHOSTUNREACH,
			    "node %s cannot be reached by ssh: pvecm updatecerts, and try: ssh %s "
			    "true",
			    h->migrated_from, h->migrated_from);
	default:
		break;
	}
	return fail(err, EREMOTEIO, "node %s %s", h->migrated_from, why);
}

int migration_begin(struct hook *h, const struct vm_ports *v, struct error *err)
{
	if (!h->migrated_from || !h->migrated_from[0] || !vm_ports_migrate_live(v))
		return 0;
	/* From another cluster: its nodes are none of this one, whatever they are called. */
	if (!v->guest.node || strcmp(v->guest.node, h->migrated_from) != 0)
		return fail(err, EOPNOTSUPP,
			    "live-migration works within a cluster, and this VM does not come from "
			    "a node of it: stop it, or unplug its VF there first");
	if (h->dry_run) {
		say("VM %u: node %s would be asked to unplug its VF", v->guest.vmid,
		    h->migrated_from);
		return 0;
	}
	say("VM %u: live migration: node %s is asked to unplug its VF", v->guest.vmid,
	    h->migrated_from);
	if (ask_source(h, v->guest.vmid, err) < 0)
		return error_code(err);
	/* QEMU would refuse to start with it. From here on the source's live job puts all back. */
	return live_flags_set(h, v->guest.vmid, false, err);
}
