/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook attach: which hostpciN, and what is there of it already. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pveapi/guest.h"
#include "pveapi/hostpci.h"
#include "pveapi/mapping.h"
#include "pveapi/section.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/command/attach.h"
#include "src/port/guest_note.h"
#include "src/port/mapping_id.h"
#include "src/port/vm_ports.h"
#include "src/vf/port_wish.h"

/* Does a pending change set the key at the next start? Yes too if that cannot be told. */
static bool has_pending_hostpci(struct hook *h, const struct attach *a, unsigned slot)
{
	AUTO_FREE char *text = NULL;
	char path[GUEST_PATH_LEN];
	char key[24];
	bool pending = false;

	snprintf(key, sizeof(key), "hostpci%u:", slot);
	if (file_read(h->root, guest_config_path(h->node, a->vmid, path), PVE_FILE_MAX, &text,
		      NULL) < 0)
		return true;
	for (const char *at = text; *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : "") {
		if (*at == '[')
			pending = !strncmp(at, "[PENDING]", 9);
		else if (pending && !strncmp(at, key, strlen(key)))
			return true;
	}
	return false;
}

static bool slot_is_free(struct hook *h, const struct attach *a, unsigned slot)
{
	return !a->guest.hostpci[slot].present && !config_port(&a->config, a->vmid, slot) &&
	       !has_pending_hostpci(h, a, slot);
}

static int refuse_taken(const struct attach *a, unsigned slot, struct error *err)
{
	const struct hostpci *e = &a->guest.hostpci[slot];

	return fail(err, EEXIST,
		    "hostpci%u is in use (%s): take another --slot, or remove it first: qm set %u "
		    "--delete hostpci%u",
		    slot, e->present ? e->raw : "pending", a->vmid, slot);
}

static int refuse_other(const struct attach *a, const struct port *p, struct error *err)
{
	char which[WISH_DEVICE_LEN];

	snprintf(which, sizeof(which), "%u", p->slot);
	return fail(err, EEXIST,
		    "port %u-%u is in /" VFHOOK_CFG " already, and is not as asked here: vfhook "
		    "set %u %s %s changes it",
		    a->vmid, p->slot, a->vmid, p->netname[0] ? "--name" : "--slot",
		    p->netname[0] ? p->netname : which);
}

/* It is the VM's own, and PVE's to change: a running VM has it pending then. */
static int refuse_options(const struct attach *a, unsigned slot, struct error *err)
{
	AUTO_FREE char *value = hostpci_with_options(a->guest.hostpci[slot].raw, a->hostpci);

	return fail(err, EEXIST,
		    "hostpci%u is the port's already, without these properties: qm set %u "
		    "--hostpci%u %s",
		    slot, a->vmid, slot, value ? value : "...");
}

static bool same_wishes(const struct port *a, const struct port *b)
{
	for (int i = 0; i < VF_ATTR_COUNT; i++) {
		uint32_t bits = vf_attr_bits((enum vf_attr)i);

		if ((a->want.has & bits) != (b->want.has & bits) ||
		    ((a->want.has & bits) && !vf_attr_equal((enum vf_attr)i, &a->want, &b->want)))
			return false;
	}
	return true;
}

bool attach_has_mapping(struct hook *h, uint32_t vmid, unsigned slot)
{
	CLEANUP(mapping_file_free) struct mapping_file m = {0};
	char id[NAME_LEN];

	return !mapping_load(h->root, &m, NULL) &&
	       mapping_find(&m, port_mapping_id(vmid, slot, id));
}

int attach_same_port(struct hook *h, const struct attach *a, const struct port *p,
		     struct error *err)
{
	struct port asked = *p;

	if (a->pool && strcmp(a->pool, p->pool) != 0)
		return refuse_other(a, p, err);
	if (port_args_apply(h, &a->config, &a->args, false, &asked, err) < 0)
		return error_code(err);
	return same_wishes(&asked, p) && asked.mtu == p->mtu ? 0 : refuse_other(a, p, err);
}

/* The port is there: what else belongs to it is written where it is missing. 1: nothing is. */
static int judge_port(struct hook *h, struct attach *a, const struct port *p, const struct entry *e,
		      struct error *err)
{
	unsigned slot = p->slot;

	if (e->verdict != ENTRY_GOOD && e->verdict != ENTRY_REWRITE)
		return fail(err, EEXIST, "hostpci%u: %s", slot, e->why);
	if (attach_same_port(h, a, p, err) < 0)
		return error_code(err);
	if (a->hostpci && e->verdict == ENTRY_GOOD &&
	    !hostpci_has_options(a->guest.hostpci[slot].raw, a->hostpci))
		return refuse_options(a, slot, err);
	a->port = *p;
	a->has_port = true;
	a->slot = slot;
	return e->verdict == ENTRY_GOOD && a->guest.hookscript &&
	       hookscript_is_ours(a->guest.hookscript) && attach_has_mapping(h, a->vmid, slot);
}

/*
 * Something is there. A port, or what names a mapping of ours, a pool or a VF of a pool: snapshots,
 * rollbacks, restores, clones and an attach that was cut off leave a part of what belongs together,
 * and attach writes the rest. 1: nothing is missing.
 */
static int judge_taken_slot(struct hook *h, struct attach *a, unsigned slot, struct error *err)
{
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	const struct port *p = config_port(&a->config, a->vmid, slot);
	const struct hostpci *now = &a->guest.hostpci[slot];
	const struct entry *e = &v.entries[slot];

	if (!now->present && has_pending_hostpci(h, a, slot)) {
		if (!p)
			return refuse_taken(a, slot, err);
		return fail(err, EEXIST,
			    "port %u-%u is in /" VFHOOK_CFG " already (PVE keeps hostpci pending): "
			    "vfhook set %u --slot %u changes it",
			    a->vmid, slot, a->vmid, slot);
	}
	if (vm_ports_load(h, a->vmid, &v, err) < 0)
		return error_code(err);
	a->port.slot = slot;
	if (p)
		return judge_port(h, a, p, e, err);
	if (e->verdict == ENTRY_NOT_OURS)
		return takeover_proposed(h, &a->config, &a->guest, slot, false, err) < 0
			       ? error_code(err)
			       : refuse_taken(a, slot, err);
	if (e->verdict == ENTRY_REFUSE && e->was_raw)
		return fail(err, EEXIST, "hostpci%u: %s", slot, e->why);
	if (e->was_raw && !a->args.value[VF_KEY_MAC] &&
	    takeover_proposed(h, &a->config, &a->guest, slot, true, err) < 0)
		return error_code(err);
	if (e->verdict == ENTRY_ADOPT) {
		memcpy(a->port.pool, e->adopt.pool, sizeof(a->port.pool));
		a->port.want = e->adopt.want;
		a->origin = e->origin;
	}
	return 0;
}

/* A port of this VM that has no hostpci yet: one written by hand, or an attach that was cut off. */
static const struct port *unfinished_port(struct hook *h, const struct attach *a)
{
	for (size_t i = 0; i < a->config.n_ports; i++) {
		const struct port *p = &a->config.ports[i];

		if (p->vmid == a->vmid && !a->guest.hostpci[p->slot].present &&
		    !has_pending_hostpci(h, a, p->slot))
			return p;
	}
	return NULL;
}

static int choose_by_hand(struct hook *h, struct attach *a, struct error *err)
{
	unsigned slot = a->slot;

	if (!a->slot_text && takeover_slot(h, &a->config, &a->guest, &slot, err) < 0)
		return error_code(err);
	/* It was taken over before: what is missing is written. */
	if (config_port(&a->config, a->vmid, slot))
		return judge_taken_slot(h, a, slot, err);
	if (has_pending_hostpci(h, a, slot))
		return fail(err, EEXIST,
			    "PVE keeps another hostpci%u pending: qm reboot %u (or qm set %u "
			    "--revert hostpci%u), then this again",
			    slot, a->vmid, a->vmid, slot);
	if (takeover_look(h, &a->config, &a->guest, slot, &a->over, err) < 0)
		return error_code(err);
	a->port.slot = slot;
	a->port.want = a->over.want;
	memcpy(a->port.pool, a->over.pool, sizeof(a->port.pool));
	if (a->pool && strcmp(a->pool, a->port.pool) != 0)
		return fail(err, EINVAL, "hostpci%u names a VF of pool '%s'", slot, a->port.pool);
	return 0;
}

/* 1: attached already. */
int attach_choose_slot(struct hook *h, struct attach *a, struct error *err)
{
	const struct port *unfinished = unfinished_port(h, a);
	unsigned slot = 0;

	if (a->take_over)
		return choose_by_hand(h, a, err);
	if (a->slot_text) {
		slot = a->slot;
		if (!slot_is_free(h, a, slot))
			return judge_taken_slot(h, a, slot, err);
	} else if (unfinished) {
		/* Another one beside it is not what is wanted by who says the same again. */
		return judge_taken_slot(h, a, unfinished->slot, err);
	} else {
		while (slot < PVE_HOSTPCI_MAX && !slot_is_free(h, a, slot))
			slot++;
		if (slot == PVE_HOSTPCI_MAX)
			return fail(err, ENOSPC, "all of hostpci0 to hostpci%d are in use",
				    PVE_HOSTPCI_MAX - 1);
	}
	a->port.slot = slot;
	return 0;
}
