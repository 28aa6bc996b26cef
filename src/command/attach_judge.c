/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook attach: pool, wishes and hookscripts, judged before anything is changed. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook/chain.h"
#include "pveapi/guest.h"
#include "pveapi/hostpci.h"
#include "pveapi/mapping.h"
#include "pveapi/rest.h"
#include "pveapi/rest_token.h"
#include "pveapi/vmstate.h"
#include "src/base/answer.h"
#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/command/attach.h"
#include "src/port/config_load.h"
#include "src/port/guest_note.h"
#include "src/port/live_needs.h"
#include "src/port/mac.h"
#include "src/port/mapping_id.h"
#include "src/port/port_changes.h"
#include "src/port/port_keys.h"
#include "src/vf/sysfs.h"

void attach_free(struct attach *a)
{
	config_free(&a->config);
	guest_config_free(&a->guest);
	ct_config_free(&a->ct);
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

		if (!sysfs_pf_read_as(h->root, &pfs[i].addr, pool->no_net, &pf, &why)) {
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
	return a->take_over && !a->args.value[VF_KEY_MAC] && a->over.want.has & HAS_MAC;
}

static int check_wishes(struct hook *h, struct attach *a, struct error *err)
{
	const struct port_args *args = &a->args;
	const struct pool *pool = config_pool(&a->config, a->port.pool);

	if (a->has_port)
		return 0;
	if (port_args_apply(h, &a->config, args, false, &a->port, err) < 0 ||
	    port_check(&a->port, port_args_have_details(args), err) < 0)
		return error_code(err);
	if (pool && pool->no_net)
		return port_check_network(&a->port, pool, err);
	if (takes_mac(a))
		return vf_mac_check(a->port.want.mac, err) < 0
			       ? error_code(err)
			       : mac_check_free(h, &a->config, a->vmid, a->port.slot, false,
						a->port.want.mac, err);
	if (!args->value[VF_KEY_MAC] || a->port.mac_auto) { /* never a clone's origin's */
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
		return fail_context(err, "it has another hookscript, which cannot be run");
	snprintf(a->old_hook, sizeof(a->old_hook), "%s", now);
	return 0;
}

static int check_options(const struct attach *a, struct error *err)
{
	bool pcie;

	if (!a->hostpci)
		return 0;
	if (hostpci_options_check(a->hostpci, &pcie, err) < 0)
		return fail_context(err, "--hostpci");
	if (pcie && !(a->guest.machine && strstr(a->guest.machine, "q35")))
		return fail(err, EINVAL,
			    "--hostpci: 'pcie=1' wants a machine of type q35, and the VM is none: "
			    "PVE would not start it (qm set %u --machine q35)",
			    a->vmid);
	return 0;
}

int attach_judge_rest(struct hook *h, struct attach *a, struct error *err)
{
	const struct pool *pool = NULL;

	if (choose_pool(h, a, &pool, err) < 0 || !pool || check_pool_here(h, pool, err) < 0)
		return error_code(err);
	memcpy(a->port.pool, pool->name, sizeof(a->port.pool));
	if (check_wishes(h, a, err) < 0 || (!h->container && rest_token_check(h->root, err) < 0))
		return error_code(err);
	return check_hookscripts(h, a, err);
}

/* 1: attached already. Nothing is changed here. */
int attach_judge(struct hook *h, struct attach *a, struct error *err)
{
	struct proc_id qemu;
	int r;

	if (guest_here(h, a->vmid, &a->guest, err) < 0)
		return error_code(err);
	if (a->guest.is_template)
		return fail(err, EINVAL, "it is a template: attach its clones");
	if (config_load(h->root, &a->config, err) < 0 || check_options(a, err) < 0)
		return error_code(err);
	a->port.vmid = a->vmid;
	r = attach_choose_slot(h, a, err);
	if (r)
		return r;
	if (attach_judge_rest(h, a, err) < 0)
		return error_code(err);
	if (a->port.live_migration && live_pve_can(h, err) < 0)
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
