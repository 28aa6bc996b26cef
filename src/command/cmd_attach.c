/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfhook attach: port, mapping, hookscript and hostpciN of a VM in one go.
 * Everything is judged before anything is changed; then it is one plan, whose steps are undone if
 * one fails, or by the next command if this one is killed.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/command/command.h"
#include "src/base/file.h"
#include "hook/chain.h"
#include "src/port/apply.h"
#include "src/port/mac.h"
#include "src/port/objects.h"
#include "src/port/port_plan.h"
#include "src/port/port_changes.h"
#include "src/port/cluster_vfs.h"
#include "src/base/say.h"
#include "src/command/takeover.h"
#include "pveapi/section.h"
#include "pveapi/vmstate.h"

#define MAX_TRIES 3

struct attach {
	char hookscript[VOLID_LEN]; /* our own, as this node has it */
	uint32_t vmid;
	const char *pool;
	const char *slot_text;
	unsigned slot; /* if it was named */
	struct wish_args wishes;
	struct config config;
	struct guest_config guest;
	struct port port;
	bool running;
	char old_hook[VOLID_LEN]; /* "" if there was none, or ours */
	bool set_hook;		  /* the hookscript is not ours yet */
	bool has_port;		  /* it is in vfhook.cfg, and something else is missing */
	uint32_t origin;	  /* whose clone it is, 0: nobody's */
	bool take_over;		  /* what is named by hand becomes the port as it is */
	struct takeover over;	  /* then, unless the port is there already */
};

static void attach_free(struct attach *a)
{
	config_free(&a->config);
	guest_config_free(&a->guest);
}

/* --- Judgement --- */

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

static int refuse_other(const struct attach *a, unsigned slot, struct error *err)
{
	return fail(err, EEXIST,
		    "port %u-%u is in /" VFHOOK_CFG " already, and is not as asked here: vfhook "
		    "set %u --slot %u changes it",
		    a->vmid, slot, a->vmid, slot);
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

static bool has_mapping(struct hook *h, uint32_t vmid, unsigned slot)
{
	CLEANUP(mapping_file_free) struct mapping_file m = {0};
	char id[NAME_LEN];

	return !mapping_load(h->root, &m, NULL) &&
	       mapping_find(&m, port_mapping_id(vmid, slot, id));
}

/* The port is there: what else belongs to it is written where it is missing. 1: nothing is. */
static int judge_port(struct hook *h, struct attach *a, const struct port *p, const struct entry *e,
		      struct error *err)
{
	struct port asked = *p;
	unsigned slot = p->slot;
	int r;

	if (e->verdict != ENTRY_GOOD && e->verdict != ENTRY_REWRITE)
		return fail(err, EEXIST, "hostpci%u: %s", slot, e->why);
	if (a->pool && strcmp(a->pool, p->pool) != 0)
		return refuse_other(a, slot, err);
	r = wish_apply(h, &a->config, &a->wishes, false, &asked, err);
	if (r < 0)
		return r;
	if (!same_wishes(&asked, p))
		return refuse_other(a, slot, err);
	a->port = *p;
	a->has_port = true;
	a->slot = slot;
	return e->verdict == ENTRY_GOOD && a->guest.hookscript &&
	       hookscript_is_ours(a->guest.hookscript) && has_mapping(h, a->vmid, slot);
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
	if (e->was_raw && !a->wishes.value[WISH_MAC] &&
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
static int choose_slot(struct hook *h, struct attach *a, struct error *err)
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

/* The pool of the VF that the slot's mapping names, if there is one: "" otherwise. */
static void pool_of_mapping(struct hook *h, struct attach *a)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	const struct mapping_entry *e = NULL;
	const struct mapping *m = NULL;
	const struct pool *pool = NULL;
	struct pci_addr vf;
	struct pci_addr pf;
	char id[NAME_LEN];
	unsigned index;
	size_t n;

	if (!mapping_load(h->root, &f, NULL))
		m = mapping_find(&f, port_mapping_id(a->vmid, a->port.slot, id));
	if (m)
		e = mapping_node_entry(m, h->node, &n);
	if (e && !pci_addr_parse(e->path, &vf) && !sysfs_vf_identify(h->root, &vf, &pf, &index))
		pool = config_pool_of_pf(&a->config, h->node, &pf);
	if (pool)
		memcpy(a->port.pool, pool->name, sizeof(a->port.pool));
}

static int choose_pool(struct hook *h, struct attach *a, const struct pool **out, struct error *err)
{
	CLEANUP(str_free) struct str names = STR_INIT;
	const struct pool *p = NULL;
	char clean[NAME_LEN];

	for (size_t i = 0; i < a->config.n_pools; i++)
		str_printf(&names, "%s%s", i ? ", " : "", a->config.pools[i].name);
	if (!a->config.n_pools)
		return fail(err, ENOENT,
			    "there is no pool yet: vfhook pool add <name> --pf <interface>");
	if (!a->pool && !a->port.pool[0] && a->config.n_pools > 1)
		pool_of_mapping(h, a);
	if (a->pool)
		p = config_pool(&a->config, a->pool);
	else if (a->port.pool[0])
		p = config_pool(&a->config, a->port.pool);
	else if (a->config.n_pools == 1)
		p = &a->config.pools[0];
	else
		return fail(err, EINVAL, "there are several pools: say which one with --pool (%s)",
			    str_get(&names));
	if (!p)
		return fail(err, ENOENT, "there is no pool '%s' (%s)",
			    text_clean(a->pool ? a->pool : a->port.pool, clean, sizeof(clean)),
			    str_get(&names));
	if (p->bad)
		return fail(err, EINVAL, "%s", p->bad);
	*out = p;
	return 0;
}

/* A pool without a VF on this node could not even have a mapping. */
static int check_pool_here(struct hook *h, const struct pool *pool, struct error *err)
{
	AUTO_FREE struct pf_id *pfs = NULL;
	struct error why = ERROR_INIT;
	int n = pool_node_pfs(pool, h->node, &pfs);

	if (n < 0)
		return fail(err, ENOMEM, "out of memory");
	if (!n)
		return fail(err, ENODEV,
			    "pool '%s' has no PF on node %s: vfhook pool add %s --pf <interface>",
			    pool->name, h->node, pool->name);
	for (int i = 0; i < n; i++) {
		struct pf_info pf;

		if (!sysfs_pf_read(h->root, &pfs[i].addr, &pf, &why)) {
			if (pf.num_vfs)
				return 0;
			fail(&why, ENODEV,
			     "PF %s has no VFs: vfhook pool add %s --pf %s --vfs <N>, then vfhook "
			     "boot",
			     pf.ifname, pool->name, pf.ifname);
		}
	}
	return fail(err, ENODEV, "pool '%s' has no VF on node %s: %s", pool->name, h->node,
		    why.text);
}

/* Is its MAC the one that is on the VF? */
static bool takes_mac(const struct attach *a)
{
	return a->take_over && !a->wishes.value[WISH_MAC] && a->over.want.has & HAS_MAC;
}

static int check_wishes(struct hook *h, struct attach *a, struct error *err)
{
	const struct wish_args *w = &a->wishes;

	if (a->has_port)
		return 0;
	if (wish_apply(h, &a->config, w, false, &a->port, err) < 0 ||
	    port_check(&a->port, w->value[WISH_VLAN_QOS] || w->value[WISH_VLAN_PROTO], err) < 0)
		return error_code(err);
	if (takes_mac(a))
		return vf_mac_check(a->port.want.mac, err) < 0
			       ? error_code(err)
			       : mac_check_free(h, &a->config, a->vmid, a->port.slot,
						a->port.want.mac, err);
	if (!w->value[WISH_MAC] || a->port.mac_auto) { /* never a clone's origin's */
		if (mac_make(h->root, &a->config, a->port.want.mac, err) < 0)
			return error_code(err);
		a->port.mac_auto = false;
		a->port.want.has |= HAS_MAC;
	}
	return 0;
}

/* Our own script must be there for PVE, and a foreign one must be one that we can run. */
static int check_hookscripts(struct hook *h, struct attach *a, struct error *err)
{
	const struct guest_note *note = config_guest(&a->config, a->vmid);
	const char *now = a->guest.hookscript;
	char path[PATH_MAX];

	our_hookscript(h, a->hookscript);
	if (hookscript_path(h->root, a->hookscript, path, sizeof(path), err) < 0)
		return fail_context(
			err, "PVE would not find vfhook (make it with "
			     "/usr/lib/vfhook/setup configure, or: ln -s /usr/lib/vfhook/hook "
			     "/var/lib/vz/snippets/vfhook)");
	if (note && note->bad)
		return fail(err, EINVAL, "%s", note->bad);
	a->set_hook = !now || !hookscript_is_ours(now);
	if (!a->set_hook) {
		/* A clone runs what its origin has chained behind ours, too. */
		note = a->origin && !note ? config_guest(&a->config, a->origin) : NULL;
		if (note && !note->bad)
			snprintf(a->old_hook, sizeof(a->old_hook), "%s", note->chain);
		return 0;
	}
	if (!now)
		return 0;
	if (hookscript_path(h->root, now, path, sizeof(path), err) < 0)
		return fail_context(err, "the VM has another hookscript, which cannot be run");
	snprintf(a->old_hook, sizeof(a->old_hook), "%s", now);
	return 0;
}

/* Before any lock is taken, or file made. */
static int may_attach(struct hook *h, const struct attach *a, struct error *err)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};

	if (geteuid())
		return fail(err, EPERM, "only root can set a hookscript (PVE): run it as root");
	return guest_here(h, a->vmid, &g, err);
}

/* 1: attached already. Nothing is changed here. */
static int judge(struct hook *h, struct attach *a, struct error *err)
{
	const struct pool *pool = NULL;
	struct proc_id qemu;
	int r;

	if (guest_here(h, a->vmid, &a->guest, err) < 0)
		return error_code(err);
	if (a->guest.is_template)
		return fail(err, EINVAL, "it is a template: attach its clones");
	if (config_load(h->root, &a->config, err) < 0)
		return error_code(err);
	a->port.vmid = a->vmid;
	r = choose_slot(h, a, err);
	if (r)
		return r;
	if (choose_pool(h, a, &pool, err) < 0 || !pool || check_pool_here(h, pool, err) < 0)
		return error_code(err);
	memcpy(a->port.pool, pool->name, sizeof(a->port.pool));
	if (check_wishes(h, a, err) < 0 || rest_token_check(h->root, err) < 0 ||
	    check_hookscripts(h, a, err) < 0)
		return error_code(err);
	switch (vm_runs(h->root, a->vmid, &qemu, err)) {
	case ANSWER_UNKNOWN:
		return error_code(err);
	case ANSWER_YES:
		a->running = true;
		return 0;
	default:
		return 0;
	}
}

/* --- The plan --- */

/* The VM as it is once the port is there. */
static int load_with_port(struct hook *h, const struct attach *a, struct vm_ports *v,
			  struct error *err)
{
	struct entry *e = &v->entries[a->port.slot];

	if (vm_ports_load(h, a->vmid, v, err) < 0)
		return error_code(err);
	if ((config_port(&v->config, a->vmid, a->port.slot) != NULL) != a->has_port)
		return fail(err, EAGAIN, "port %u-%u came or went meanwhile", a->vmid,
			    a->port.slot);
	if (!a->has_port && vm_ports_add(v, &a->port, err) < 0)
		return error_code(err);
	vm_ports_judge(h, v);
	/* A mapping of the user's is not ours to replace, unless he says so. */
	if (a->take_over && !a->has_port && e->verdict == ENTRY_REFUSE) {
		entry_free(e);
		*e = (struct entry){.verdict = ENTRY_REWRITE,
				    .value = entry_value(&v->guest, a->port.slot)};
		if (!e->value)
			return fail(err, ENOMEM, "out of memory");
	}
	if (e->verdict != ENTRY_REWRITE && e->verdict != ENTRY_GOOD)
		return fail(err, EAGAIN, "hostpci%u was changed meanwhile: %s", a->port.slot,
			    e->why);
	return vm_ports_wishes(h, v, true, err);
}

/* The mapping names the VF that is taken over, and has an entry for each node of the pool. */
static int plan_same_vf(struct hook *h, const struct attach *a, struct vm_ports *v, struct plan *p,
			struct error *err)
{
	if (plan_mapping(h, v, a->port.slot, &a->over.vf, false, p, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < v->n_wishes; i++) {
		if (v->wishes[i].slot == a->port.slot &&
		    publish_entries(h, v, &v->wishes[i], p, err) < 0)
			return error_code(err);
	}
	return 0;
}

static int make_plan(struct hook *h, const struct attach *a, struct plan *p, struct error *err)
{
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	unsigned slot = a->port.slot;

	if (load_with_port(h, a, &v, err) < 0 || hook_kernel(h, err) < 0)
		return error_code(err);
	if (a->old_hook[0] && plan_chain(h, a->vmid, a->old_hook, p, err) < 0)
		return error_code(err);
	if (!a->has_port && plan_port_section(&a->port, p, err) < 0)
		return error_code(err);
	if (a->take_over && !a->has_port && plan_same_vf(h, a, &v, p, err) < 0)
		return error_code(err);
	/* PVE needs the mapping of a running VM as it is. */
	if (!(a->take_over && !a->has_port) && !(a->running && has_mapping(h, a->vmid, slot)) &&
	    plan_port_mappings(h, &v, (int)slot, p, err) < 0)
		return error_code(err);
	/* Before hostpci: a VM whose config names a VF must not start without its hook. */
	if (a->set_hook && plan_hookscript(&v.guest, a->hookscript, p, err) < 0)
		return error_code(err);
	if (v.entries[slot].verdict == ENTRY_GOOD)
		return 0;
	if (plan_hostpci(&v.guest, slot, v.entries[slot].value, p, err) < 0)
		return error_code(err);
	return a->over.live ? plan_live_lease(&a->over, &a->port, v.guest.name, p, err) : 0;
}

static void tell_hookscript(const struct attach *a)
{
	if (a->old_hook[0])
		say("VM %u: hookscript %s, which runs %s after itself", a->vmid, a->hookscript,
		    a->old_hook);
	else
		say("VM %u: hookscript %s", a->vmid, a->hookscript);
}

static void tell_steps(const struct attach *a, const struct plan *p)
{
	char text[600];

	for (size_t i = 0; i < p->n_steps; i++) {
		const struct step_object *o = &p->steps[i].object;

		if (!strcmp(o->kind, OBJECT_PORT))
			say("VM %u hostpci%u: port %u-%u in /" VFHOOK_CFG ": pool %s, %s", a->vmid,
			    a->port.slot, a->vmid, a->port.slot, a->port.pool,
			    vf_settings_describe(&a->port.want, text, sizeof(text)));
		else if (!strcmp(o->kind, OBJECT_HOSTPCI))
			say("VM %u hostpci%u: %s", a->vmid, a->port.slot, o->to);
		else if (!strcmp(o->kind, OBJECT_MAP_ENTRY))
			say("%s", step_describe(&p->steps[i], text, sizeof(text)));
	}
	if (a->set_hook)
		tell_hookscript(a);
}

/* 1: attached already. -EAGAIN: something was changed meanwhile. */
static int try_attach(struct hook *h, struct attach *a, const struct owner *o, struct error *err)
{
	CLEANUP(plan_free) struct plan p;
	int r;

	plan_init(&p, PLAN_CONFIG, a->vmid);
	r = judge(h, a, err);
	if (!r)
		r = make_plan(h, a, &p, err);
	if (!r)
		r = apply_plan(h, o, &p, err);
	if (!r && !h->dry_run)
		tell_steps(a, &p);
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
		say("VM %u is attached; next: qm start %u", a->vmid, a->vmid);
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
	if (r == 1) {
		say("VM %u hostpci%u is attached already (pool %s); vfhook set %u --slot %u "
		    "changes "
		    "its settings",
		    a->vmid, a->slot, a->port.pool, a->vmid, a->slot);
		return EXIT_DONE;
	}
	if (r < 0) {
		complain("VM %u %s: %s", a->vmid,
			 h->dry_run ? "would not be attached" : "is not attached", err.text);
		return EXIT_REFUSED;
	}
	if (a->take_over && !a->running && !a->has_port && !h->dry_run)
		takeover_park(h, &a->over, &a->port);
	tell_next(h, a);
	return EXIT_DONE;
}

static int run(struct hook *h, int argc, char **argv)
{
	CLEANUP(attach_free) struct attach a = {.port = {.want = {.proto = VLAN_PROTO_8021Q}}};
	struct opt opts[WISH_COUNT + 4] = {
		{"pool", &a.pool, NULL},
		{"slot", &a.slot_text, NULL},
		{"take-over", NULL, &a.take_over},
		{"dry-run", NULL, &h->dry_run},
	};
	const char *args[1];
	size_t n_opts = 4;
	size_t n_args;

	wish_opts(&a.wishes, opts, &n_opts);
	if (opts_parse(argc, argv, opts, n_opts, args, 1, &n_args))
		return EXIT_USAGE;
	if (!n_args) {
		complain("attach: wanted: a VM id; see vfhook attach --help");
		return EXIT_USAGE;
	}
	if (vmid_parse(args[0], &a.vmid) || (a.slot_text && slot_parse(a.slot_text, &a.slot)))
		return EXIT_USAGE;
	return attach(h, &a);
}

const struct command cmd_attach = {
	.name = "attach",
	.summary = "give a VM a port: a VF of its own from its next start on",
	.help = "Usage: vfhook attach <vmid> [options]\n"
		"\n"
		"Writes the port, its mapping vf-<vmid>-<N>, hostpciN and the hookscript. Another\n"
		"hookscript of the VM is kept and run after vfhook. With --slot, what is there of\n"
		"a port (after a rollback, a restore, a clone, an attach that was cut off) is\n"
		"kept, and what is missing is written.\n"
		"\n"
		"  --pool NAME          the pool; needed if there are several\n"
		"  --slot N             the N of hostpciN; the lowest free one\n"
		"  --take-over          of the VF that hostpciN names by hand, set as it is now\n"
		"  --mac auto|ADDR      auto (as without it): one is made, and kept\n" WISH_HELP
		"\n"
		"What is not given is not touched on the VF.\n"
		"  --dry-run            tell what would be done, and do nothing\n",
	.run = run,
};
