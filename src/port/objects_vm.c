/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What vfhook.cfg and PVE have of one VM, as objects of a plan. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/api_vm.h"
#include "pveapi/ct_config.h"
#include "pveapi/guest.h"
#include "pveapi/limits.h"
#include "pveapi/process.h"
#include "pveapi/vm_lock.h"
#include "pveapi/vmstate.h"
#include "src/base/answer.h"
#include "src/base/cleanup.h"
#include "src/base/error.h"
#include "src/base/say.h"
#include "src/base/text.h"
#include "src/port/config.h"
#include "src/port/config_section.h"
#include "src/port/context.h"
#include "src/port/guest_runs.h"
#include "src/port/hook_lock.h"
#include "src/port/hostpci_planned.h"
#include "src/port/objects.h"
#include "src/port/port_changes.h"
#include "src/port/reclaim.h"
#include "src/port/vm_locks.h"

#define MAX_TRIES 3

/* --- Sections of vfhook.cfg --- */

static int port_read(struct hook *h, const char *id, char **text, struct error *err)
{
	return config_section(h->root, "port", id, text, err);
}

static int port_set(struct hook *h, const char *id, enum object_how how, const char *from,
		    const char *to, struct error *err)
{
	/* What is put back may be a mistake: it was there. */
	return config_swap_section(h->root, "port", id, from, to, how == OBJECT_DO, err);
}

const struct object_kind object_port = {OBJECT_PORT, false, port_read, port_set, NULL};

static int guest_read(struct hook *h, const char *id, char **text, struct error *err)
{
	return config_section(h->root, "guest", id, text, err);
}

static int guest_set(struct hook *h, const char *id, enum object_how how, const char *from,
		     const char *to, struct error *err)
{
	(void)how;
	return config_swap_section(h->root, "guest", id, from, to, false, err);
}

const struct object_kind object_guest = {OBJECT_GUEST, false, guest_read, guest_set, NULL};

static int pool_read(struct hook *h, const char *id, char **text, struct error *err)
{
	return config_section(h->root, "pool", id, text, err);
}

static int pool_set(struct hook *h, const char *id, enum object_how how, const char *from,
		    const char *to, struct error *err)
{
	return config_swap_section(h->root, "pool", id, from, to, how == OBJECT_DO, err);
}

const struct object_kind object_pool = {OBJECT_POOL, false, pool_read, pool_set, NULL};

/* --- hostpciN --- */

/* "100 0" */
static int split_hostpci_name(const char *name, uint32_t *vmid, unsigned *slot, struct error *err)
{
	const char *blank = strchr(name, ' ');
	char number[16];
	uint32_t n;

	if (blank && (size_t)(blank - name) < sizeof(number)) {
		snprintf(number, sizeof(number), "%.*s", (int)(blank - name), name);
		if (!parse_u32(number, PVE_VMID_MAX, vmid) &&
		    !parse_u32(blank + 1, PVE_HOSTPCI_MAX - 1, &n)) {
			*slot = n;
			return 0;
		}
	}
	return fail(err, EINVAL, "this names no hostpci");
}

static int vmid_of(const char *name, uint32_t *vmid, struct error *err)
{
	return parse_u32(name, PVE_VMID_MAX, vmid) < 0 ? fail(err, EINVAL, "this names no VM") : 0;
}

static int hostpci_read(struct hook *h, const char *name, char **text, struct error *err)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	uint32_t vmid = 0;
	unsigned slot = 0;

	*text = NULL;
	if (split_hostpci_name(name, &vmid, &slot, err) < 0 || guest_here(h, vmid, &g, err) < 0)
		return error_code(err);
	*text = hostpci_planned(&g, slot);
	return 0;
}

/*
 * What a running VM has stays until it stops: PVE keeps the deletion in mind. Then its port cannot
 * go, and the deletion is taken back.
 */
static int check_deleted(struct hook *h, uint32_t vmid, unsigned slot, struct error *err)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	struct hostpci_change back = {.slot = slot};
	struct error undo = ERROR_INIT;

	if (guest_here(h, vmid, &g, err) < 0)
		return error_code(err);
	back.value = g.hostpci[slot].raw;
	if (!g.hostpci[slot].present)
		return 0;
	if (ports_change_hostpci(h, &g, &back, 1, &undo) < 0)
		complain("VM %u hostpci%u: its deletion stays pending: %s", vmid, slot, undo.text);
	return fail(err, EBUSY,
		    "it runs, and PVE needs its mapping until it stops: qm stop %u, then detach "
		    "again",
		    vmid);
}

static int try_hostpci(struct hook *h, uint32_t vmid, unsigned slot, const char *from,
		       const char *to, struct error *err)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	const struct hostpci_change change = {slot, to};
	AUTO_FREE char *now = NULL;

	if (guest_here(h, vmid, &g, err) < 0)
		return error_code(err);
	now = hostpci_planned(&g, slot);
	if (text_same(now, to))
		return 0;
	if (!text_same(now, from))
		return fail(err, ESTALE, "hostpci%u was changed meanwhile, it is '%s' now", slot,
			    now ? now : "");
	return ports_change_hostpci(h, &g, &change, 1, err);
}

/*
 * The guest went to another node while a plan for it was under way: what this one wrote went with
 * it, and is that node's. Said; an undo is over with it, or its journal would stay for ever.
 */
static bool is_undone_elsewhere(struct hook *h, uint32_t vmid, enum object_how how,
				const char *what, struct error *err)
{
	char node[NAME_LEN];
	int r = how == OBJECT_UNDO ? guest_elsewhere(h, vmid, node) : 0;

	if (!r || !strcmp(node, h->node))
		return false;
	say("%s %u is on node %s by now, with the %s that it was given here; what is wrong with it "
	    "there is told there: vfhook explain %u",
	    r == 1 ? "VM" : "CT", vmid, node, what, vmid);
	error_clear(err);
	return true;
}

static int hostpci_set(struct hook *h, const char *name, enum object_how how, const char *from,
		       const char *to, struct error *err)
{
	int r = -EAGAIN;
	uint32_t vmid = 0;
	unsigned slot = 0;

	if (split_hostpci_name(name, &vmid, &slot, err) < 0)
		return error_code(err);
	/* Somebody changed the config, though perhaps not this: its digest is another. */
	for (int i = 0; i < MAX_TRIES && r == -EAGAIN; i++) {
		error_clear(err);
		r = try_hostpci(h, vmid, slot, from, to, err);
	}
	if (r == -ESTALE)
		err->code = EAGAIN;
	if (r < 0 && is_undone_elsewhere(h, vmid, how, "hostpci", err))
		return 0;
	if (r < 0)
		return fail_context(err, "hostpci%u of VM %u cannot be %s", slot, vmid,
				    to ? "written" : "deleted");
	return to ? 0 : check_deleted(h, vmid, slot, err);
}

static void hostpci_tell(struct hook *h, const char *name, const char *from, const char *to)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	struct hostpci_change change = {.value = to};
	uint32_t vmid = 0;

	(void)from;
	if (split_hostpci_name(name, &vmid, &change.slot, NULL) < 0 ||
	    guest_here(h, vmid, &g, NULL) < 0)
		return;
	ports_tell_hostpci(h, &g, &change, 1);
}

const struct object_kind object_hostpci = {
	OBJECT_HOSTPCI, true, hostpci_read, hostpci_set, hostpci_tell,
};

/* --- The hookscript --- */

static bool is_ct(struct hook *h, uint32_t vmid)
{
	return guest_kind(h->root, h->node, vmid, NULL) == GUEST_CT;
}

static int ct_hookscript_read(struct hook *h, uint32_t vmid, char **text, struct error *err)
{
	CLEANUP(ct_config_free) struct ct_config c = {0};

	if (ct_config_load(h->root, h->node, vmid, &c, err) < 0)
		return error_code(err);
	*text = STEAL(c.hookscript);
	return 0;
}

static int hookscript_read(struct hook *h, const char *name, char **text, struct error *err)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	uint32_t vmid = 0;

	*text = NULL;
	if (vmid_of(name, &vmid, err) < 0)
		return error_code(err);
	if (is_ct(h, vmid))
		return ct_hookscript_read(h, vmid, text, err);
	if (guest_here(h, vmid, &g, err) < 0)
		return error_code(err);
	*text = STEAL(g.hookscript);
	return 0;
}

/* Only root@pam may: PVE's own tool, whose lock on the VM keeps it from a start. */
static int hookscript_set(struct hook *h, const char *name, enum object_how how, const char *from,
			  const char *to, struct error *err)
{
	int (*set)(struct hook *, uint32_t, const char *, const char *, struct error *);
	AUTO_FREE char *now = NULL;
	uint32_t vmid = 0;
	int r;

	if (vmid_of(name, &vmid, err) < 0)
		return error_code(err);
	if (hookscript_read(h, name, &now, err) < 0)
		return is_undone_elsewhere(h, vmid, how, "hookscript", err) ? 0 : error_code(err);
	if (text_same(now, to))
		return 0;
	if (!text_same(now, from))
		return fail(err, EAGAIN, "the hookscript of %s %u was changed meanwhile",
			    is_ct(h, vmid) ? "CT" : "VM", vmid);
	set = is_ct(h, vmid) ? pct_set : qm_set;
	r = to ? set(h, vmid, "--hookscript", to, err)
	       : set(h, vmid, "--delete", "hookscript", err);
	return r;
}

static void hookscript_tell(struct hook *h, const char *name, const char *from, const char *to)
{
	const char *tool = h->container ? "pct" : "qm";

	(void)from;
	if (to)
		say("    %s set %s --hookscript %s", tool, name, to);
	else
		say("    %s set %s --delete hookscript", tool, name);
}

const struct object_kind object_hookscript = {
	OBJECT_HOOKSCRIPT, false, hookscript_read, hookscript_set, hookscript_tell,
};

/* --- The VM is off --- */

static int off_read(struct hook *h, const char *name, char **text, struct error *err)
{
	(void)h;
	(void)name;
	(void)err;
	*text = NULL;
	return 0;
}

static int be_off(struct hook *h, uint32_t vmid, struct error *err)
{
	struct proc_id qemu;
	int r;

	r = vm_locks_take(h, vmid, &h->off, err);
	if (r < 0)
		return r;
	switch (guest_runs(h, vmid, &qemu, err)) {
	case ANSWER_NO:
		r = recover_own(h, h->off.ours, err);
		break;
	case ANSWER_YES:
		return fail(err, EBUSY,
			    h->container ? "it runs: pct shutdown %u, then detach again"
					 : "it runs, and PVE needs its mapping until it stops: qm "
					   "stop %u, then detach again",
			    vmid);
	default:
		return error_code(err);
	}
	if (!r)
		r = release_vm(h, h->off.ours, NULL, 0, NULL, err);
	return r < 0 ? r : 0;
}

static int off_set(struct hook *h, const char *name, enum object_how how, const char *from,
		   const char *to, struct error *err)
{
	uint32_t vmid = 0;
	int r;

	(void)how;
	(void)from;
	if (!to || h->off.ours)
		return 0;
	r = vmid_of(name, &vmid, err);
	if (!r)
		r = be_off(h, vmid, err);
	if (r < 0)
		vm_locks_drop(&h->off);
	return r;
}

const struct object_kind object_off = {OBJECT_OFF, false, off_read, off_set, NULL};
