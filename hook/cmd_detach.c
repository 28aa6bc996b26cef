/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfhook detach: takes back what attach made. Each step may have been done
 * before, so that a detach that failed half way is finished by the next one.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "hook/chain.h"
#include "hook/ports.h"
#include "hook/reclaim.h"
#include "hook/say.h"
#include "pveapi/api.h"
#include "pveapi/vmstate.h"

#define LOCK_WAIT_MS 30000

struct detach {
	uint32_t vmid;
	const char *slot_text;
	unsigned slot;
};

static int refuse_running(uint32_t vmid, struct error *err)
{
	return fail(err, EBUSY,
		    "it runs, and PVE needs its mapping until it stops: qm stop %u, then detach "
		    "again",
		    vmid);
}

/*
 * The VM must be off, and what a failed start may have left it is given back
 * now, while no start can come between.
 */
static int settle(struct hook *h, uint32_t vmid, struct error *err)
{
	/* In the order of a start, whose parent has PVE's lock: neither waits for the other. */
	AUTO_CLOSE int pve = vm_lock(h->root, vmid, LOCK_WAIT_MS, err);
	AUTO_OWNER struct owner *ours = NULL;
	struct proc_id qemu;
	int r = pve < 0 ? pve : hook_lock_vm(h, vmid, LOCK_WAIT_MS, &ours, err);

	if (r < 0)
		return r;
	switch (vm_runs(h->root, vmid, &qemu, err)) {
	case ANSWER_YES:
		return refuse_running(vmid, err);
	case ANSWER_UNKNOWN:
		return error_code(err);
	default:
		break;
	}
	if (h->dry_run)
		return 0;
	r = recover_own(h, ours, err);
	if (!r)
		r = release_vm(h, ours, NULL, 0, NULL, err);
	return r < 0 ? r : 0;
}

/* Something else has the port's place, and nothing of ours: the port alone is given up. */
static bool is_foreign(struct hook *h, uint32_t vmid, unsigned slot)
{
	CLEANUP(vm_ports_free) struct vm_ports v = {0};

	return vm_ports_load(h, vmid, &v, NULL) > 0 && v.entries[slot].verdict == ENTRY_REFUSE &&
	       !strncmp(v.entries[slot].mend, "vfhook detach ", 14);
}

/* Is hostpciN ours to remove? 1: yes, 0: there is none, or it stays. */
static int judge_hostpci(struct hook *h, const struct guest_config *g, unsigned slot,
			 struct error *err)
{
	const struct hostpci *e = &g->hostpci[slot];
	char id[NAME_LEN];

	if (!e->present)
		return 0;
	if (e->mapping && !strcmp(e->mapping, port_mapping_id(g->vmid, slot, id)))
		return 1;
	if (is_foreign(h, g->vmid, slot)) {
		say("VM %u hostpci%u: it is '%s', nothing of vfhook's: it stays", g->vmid, slot,
		    e->raw);
		return 0;
	}
	return fail(err, EINVAL,
		    "hostpci%u is '%s', not the port's mapping: look at it, and remove it yourself "
		    "(qm set %u --delete hostpci%u), then detach again",
		    slot, e->raw, g->vmid, slot);
}

/* Judged again, and deleted only if it is still what was judged: it may have been changed since. */
static int delete_hostpci(struct hook *h, const struct detach *d, struct error *err)
{
	CLEANUP(guest_config_free) struct guest_config now = {0};
	int r = guest_here(h, d->vmid, &now, err);

	if (!r)
		r = judge_hostpci(h, &now, d->slot, err);
	if (r == 1)
		r = ports_delete_hostpci(h, &now, d->slot, err);
	return r < 0 ? fail_context(err, "hostpci%u cannot be deleted", d->slot) : 0;
}

static int remove_hostpci(struct hook *h, const struct detach *d, struct error *err)
{
	CLEANUP(guest_config_free) struct guest_config after = {0};
	struct error undo = ERROR_INIT;
	struct hostpci_change back = {.slot = d->slot};
	struct proc_id qemu;

	if (delete_hostpci(h, d, err) < 0)
		return error_code(err);
	/* A start may have been faster: then PVE only keeps the deletion in mind. */
	if (guest_here(h, d->vmid, &after, err) < 0)
		return error_code(err);
	back.value = after.hostpci[d->slot].raw;
	if (vm_runs(h->root, d->vmid, &qemu, NULL) == ANSWER_NO || !back.value) {
		say("VM %u hostpci%u: removed", d->vmid, d->slot);
		return 0;
	}
	if (ports_change_hostpci(h, &after, &back, 1, &undo) < 0)
		complain("VM %u hostpci%u: its deletion stays pending: %s", d->vmid, d->slot,
			 undo.text);
	return refuse_running(d->vmid, err);
}

/* With the last of its ports the VM needs no hook of ours any more. */
static int restore_hookscript(struct hook *h, const struct detach *d, struct error *err)
{
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	const struct guest_note *note;
	const char *hook;
	char chain[VOLID_LEN] = "";
	int r = vm_ports_load(h, d->vmid, &v, err);

	if (r)
		return r < 0 ? r : 0;
	note = config_guest(&v.config, d->vmid);
	if (note && note->bad)
		return fail(err, EINVAL, "%s", note->bad);
	if (note)
		snprintf(chain, sizeof(chain), "%s", note->chain);
	hook = v.guest.hookscript;
	if (hook && hookscript_is_ours(hook)) {
		r = chain[0] ? qm_set(h, d->vmid, "--hookscript", chain, err)
			     : qm_set(h, d->vmid, "--delete", "hookscript", err);
		if (r < 0)
			return fail_context(err,
					    "the hookscript is still vfhook, detach again once it "
					    "can be changed");
		if (chain[0])
			say("VM %u: hookscript %s, as before", d->vmid, chain);
		else
			say("VM %u: hookscript removed", d->vmid);
	}
	return config_set_chain(h->root, d->vmid, NULL, err);
}

static int change(struct hook *h, const struct detach *d, bool has_hostpci, struct error *err)
{
	char id[NAME_LEN];
	int r;

	if (has_hostpci && remove_hostpci(h, d, err) < 0)
		return error_code(err);
	r = config_remove_port(h->root, d->vmid, d->slot, err);
	if (!r)
		say("VM %u hostpci%u: port %u-%u removed from /" VFHOOK_CFG, d->vmid, d->slot,
		    d->vmid, d->slot);
	else if (r != -ENOENT)
		return r;
	error_clear(err);
	port_mapping_id(d->vmid, d->slot, id);
	if (hook_rest(h, err) < 0 || api_mapping_delete(h->rest, h->root, id, err) < 0)
		return fail_context(err, "mapping %s cannot be deleted", id);
	say("mapping %s deleted", id);
	return restore_hookscript(h, d, err);
}

static bool has_port(const struct config *c, uint32_t vmid)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		if (c->ports[i].vmid == vmid)
			return true;
	}
	return false;
}

/* Is there a mapping of the port, or an entry that names it? */
static bool is_left(const struct mapping_file *m, const struct guest_config *g, unsigned slot)
{
	const char *named = g->hostpci[slot].mapping;
	char id[NAME_LEN];

	port_mapping_id(g->vmid, slot, id);
	return mapping_find(m, id) || (named && !strcmp(named, id));
}

/*
 * A port whose section is gone, but not all that belongs to it: a detach that was cut off, or
 * somebody took it out by hand. Down to the hookscript of a VM that has no port.
 */
static bool find_left(struct hook *h, const struct config *c, const struct guest_config *g,
		      struct detach *d)
{
	CLEANUP(mapping_file_free) struct mapping_file m = {0};

	if (mapping_load(h->root, &m, NULL) < 0)
		return false;
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		if ((d->slot_text && slot != d->slot) || !is_left(&m, g, slot))
			continue;
		d->slot = slot;
		return true;
	}
	return !has_port(c, d->vmid) &&
	       (config_guest(c, d->vmid) || (g->hookscript && hookscript_is_ours(g->hookscript)));
}

/* The port that is meant, or what is left of one. */
static int choose(struct hook *h, const struct config *c, const struct guest_config *g,
		  struct detach *d)
{
	int r;

	if (d->slot_text || has_port(c, d->vmid)) {
		r = port_choose(c, d->vmid, d->slot_text, &d->slot);
		if (r || config_port(c, d->vmid, d->slot))
			return r;
	}
	if (find_left(h, c, g, d))
		return 0;
	if (!d->slot_text)
		return port_choose(c, d->vmid, NULL, &d->slot);
	complain("VM %u has no port %u-%u in /" VFHOOK_CFG, d->vmid, d->vmid, d->slot);
	return EXIT_REFUSED;
}

/* Everything that can be known before. has_hostpci: there is one to remove. */
static int judge(struct hook *h, const struct detach *d, const struct guest_config *g,
		 bool *has_hostpci, struct error *err)
{
	struct proc_id qemu;
	int r = judge_hostpci(h, g, d->slot, err);

	if (r < 0)
		return r;
	*has_hostpci = r;
	switch (vm_runs(h->root, d->vmid, &qemu, err)) {
	case ANSWER_YES:
		return refuse_running(d->vmid, err);
	case ANSWER_UNKNOWN:
		return error_code(err);
	default:
		break;
	}
	if (rest_token_check(h->root, err) < 0)
		return error_code(err);
	return settle(h, d->vmid, err);
}

static int detach(struct hook *h, struct detach *d)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};
	CLEANUP(config_free) struct config c = {0};
	struct error err = ERROR_INIT;
	bool has_hostpci;
	int r = 0;

	if (geteuid())
		r = fail(&err, EPERM, "only root can change a hookscript (PVE): run it as root");
	if (!r)
		r = guest_here(h, d->vmid, &g, &err);
	if (!r)
		r = config_load(h->root, &c, &err);
	if (!r) {
		int status = choose(h, &c, &g, d);

		if (status)
			return status;
		r = judge(h, d, &g, &has_hostpci, &err);
	}
	if (!r && h->dry_run) {
		say("VM %u hostpci%u: would remove hostpci%u, port %u-%u and its mapping", d->vmid,
		    d->slot, d->slot, d->vmid, d->slot);
		return EXIT_DONE;
	}
	if (!r)
		r = change(h, d, has_hostpci, &err);
	if (r < 0) {
		complain("VM %u is not detached: %s", d->vmid, err.text);
		return EXIT_REFUSED;
	}
	say("VM %u hostpci%u is detached", d->vmid, d->slot);
	return EXIT_DONE;
}

static int run(struct hook *h, int argc, char **argv)
{
	struct detach d = {0};
	const struct opt opts[] = {{"slot", &d.slot_text, NULL}};
	const char *args[1];
	size_t n_args;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), args, 1, &n_args))
		return EXIT_USAGE;
	if (!n_args) {
		complain("detach: wanted: a VM id; see vfhook detach --help");
		return EXIT_USAGE;
	}
	if (vmid_parse(args[0], &d.vmid) || (d.slot_text && slot_parse(d.slot_text, &d.slot)))
		return EXIT_USAGE;
	return detach(h, &d);
}

const struct command cmd_detach = {
	.name = "detach",
	.summary = "take a port from a VM, and all that attach made for it",
	.help = "Usage: vfhook detach <vmid> [--slot N]\n"
		"\n"
		"Removes hostpciN, the port in /etc/pve/vfhook.cfg and the mapping vf-<vmid>-<N>.\n"
		"With the last port of the VM goes the hookscript, or the one that the VM had\n"
		"before comes back. A running VM must be stopped first.\n"
		"\n"
		"  --slot N    the N of hostpciN; needed if the VM has several ports\n",
	.run = run,
};
