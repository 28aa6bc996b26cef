/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfhook boot: after it, every PF of this node's pools has its VFs, parked, and
 * the mappings name them. Can be run at any time, and again: what is as it should
 * be is left alone, and nothing is taken from a running VM. What fails for one
 * PF is told, and the others go on.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/exit_status.h"
#include "src/base/file.h"
#include "src/base/run_dir.h"
#include "src/base/say.h"
#include "src/command/arm_by_hand.h"
#include "src/command/command.h"
#include "src/host/boot.h"
#include "src/host/host_vfs.h"
#include "src/host/make_vfs.h"
#include "src/host/remake.h"
#include "src/host/write_numvfs.h"
#include "src/port/apply.h"
#include "src/port/boot_config.h"
#include "src/port/cluster_vfs.h"
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/context.h"
#include "src/port/hook_lock.h"
#include "src/port/mapping_follow.h"
#include "src/port/pf_where.h"
#include "src/port/reclaim.h"
#include "src/show/by_hand.h"
#include "src/show/inventory.h"
#include "src/vf/drivers.h"
#include "src/vf/kernel.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"
#include "src/vf/plan_park.h"
#include "src/vf/sysfs.h"

/*
 * One limit for all of it, since the VMs' start waits for it; what each thing may take at most
 * comes out of that. The units' TimeoutStartSec are longer by what may be under way at its end
 * (packaging/vfhook-*.service).
 */
#define LIMIT_S	      180
#define LIMIT_EARLY_S 90
#define LIMIT_MOST_S  3600

#define LOCK_WAIT_MS 60000
/* Drivers take up to some tenths of a second for each VF. */
#define MAKE_MS 60000

static void boot_free(struct boot *b)
{
	b->h->maker = NULL;
	config_free(&b->config);
	free(b->nics);
	free(b->where);
	owner_unlock(b->self);
}

/* --- VFs --- */

/* Who has a VF of that PF, in words, or NULL. */
static const char *pf_user(const struct inventory *inv, const struct pci_addr *pf, char *buf,
			   size_t size)
{
	char addr[PCI_ADDR_LEN];

	for (size_t i = 0; i < inv->n_pools; i++) {
		for (size_t k = 0; k < inv->pools[i].n_pfs; k++) {
			const struct pf_report *r = &inv->pools[i].pfs[k];

			if (pci_addr_cmp(&r->pf->info.addr, pf) != 0)
				continue;
			if (r->pf->broken || r->pf->n_unread) {
				snprintf(buf, size, "its VFs cannot be looked at%s%s",
					 r->pf->broken ? ": " : "", r->pf->why);
				return buf;
			}
			for (size_t v = 0; v < r->n_vfs; v++) {
				const struct vf_report *vf = &r->vfs[v];

				pci_addr_format(&vf->vf->info.addr, addr);
				if (vf->use == USE_HOST)
					snprintf(buf, size, "VF %s is this host's", addr);
				else if (vf->vmid == LEASE_SELF)
					snprintf(buf, size, "vfhook itself has VF %s", addr);
				else if (vf->use != USE_FREE && vf->use != USE_RAW &&
					 vf->use != USE_MAPPED && vf->use != USE_UNUSABLE)
					snprintf(buf, size, "%s %u has VF %s",
						 vf_use_is_lease(vf->use) &&
								 lease_is_ct(&vf->vf->lease)
							 ? "CT"
							 : "VM",
						 vf->vmid, addr);
				else if (vf->vf->leased)
					snprintf(buf, size, "VF %s has a lease", addr);
				else if (!vf_host_use(vf->vf, r->pf->info.no_net, buf, size))
					continue;
				return buf;
			}
		}
	}
	return NULL;
}

static void tell_vfs(struct boot *b, const struct pf_where *w, const struct vfs_plan *p,
		     const struct vfs_facts *f)
{
	const struct pf_info *pf = &w->nic->info;

	if (p->clamped && f->total > PF_VFS_LISTED)
		say("pool '%s': PF %s gets %d VFs, not %u: newer kernels list no more than that of "
		    "a PF's VFs, and one that is not listed cannot be read or given to a VM; let "
		    "the pool want fewer: vfs in /" VFHOOK_CFG,
		    w->pool->name, pf->ifname, PF_VFS_LISTED, f->wanted);
	else if (p->clamped)
		say("pool '%s': PF %s can have %u VFs, not %u: it gets all it can", w->pool->name,
		    pf->ifname, f->total, f->wanted);
	if (p->what == VFS_IN_USE && b->early)
		say("PF %s has %u VFs, the pool wants %u: left to vfhook-boot", pf->ifname,
		    pf->num_vfs, p->to);
	else if (p->what == VFS_IN_USE)
		boot_give_up(
			b, w,
			"it has %u VFs, the pool wants %u, and more can only be made by way of "
			"none, but %s: stop what uses them and run vfhook boot, or reboot",
			pf->num_vfs, p->to, f->in_use);
	if (p->what == VFS_DOWN)
		say("PF %s: the driver %s makes no VFs while it is down: left to vfhook-boot",
		    pf->ifname, pf->driver);
}

/* Its part of the time: what the kernel does not finish for one must not be all that there is. */
static struct deadline share_of(const struct boot *b, size_t pfs_left)
{
	int part = deadline_left(&b->until) / (int)(pfs_left + 1);

	return deadline_in(part < MAKE_MS ? part : MAKE_MS);
}

static void make_vfs(struct boot *b, const struct pf_where *w, const struct inventory *inv,
		     size_t pfs_left)
{
	const struct pf_info *pf = &w->nic->info;
	const struct nic_driver *driver = nic_driver(pf->driver);
	/* By the address it has now: the MAC tells that it is the same card. */
	struct pf_id id = {.addr = pf->addr,
			   .no_net = w->id.no_net,
			   .card = w->nic->card,
			   .has_mac = w->nic->has_mac,
			   .host = w->id.host};
	struct vfs_job job = {.h = b->h, .self = b->self, .pf = pf, .id = &id};
	struct error err = ERROR_INIT;
	struct vfs_plan plan;
	char who[320];
	struct vfs_facts facts = {
		.wanted = w->pool->vfs,
		.now = pf->num_vfs,
		.total = pf->total_vfs,
		.autoprobe = sysfs_autoprobe(b->h->root, &pf->addr) != ANSWER_NO,
		.pf_up = w->nic->up || !w->nic->link_known, /* without a network it is not known */
		.pf_up_first = driver && driver->pf_up_first,
		/* A host VF's driver needs it up, and the network is configured before the later
		   run. */
		.raise = (!b->early || vf_set_any(&w->id.host)) && !w->pool->allow_pf_down,
		.in_use = inv ? pf_user(inv, &pf->addr, who, sizeof(who)) : "nobody can tell yet",
	};

	memcpy(id.mac, w->nic->mac, sizeof(id.mac));
	vfs_decide(&facts, &plan);
	tell_vfs(b, w, &plan, &facts);
	b->maker.until = share_of(b, pfs_left);
	if (!b->early && !w->id.no_net)
		host_vfs_warn(b->h, w);
	if (vfs_apply(&job, &plan, &err) < 0)
		boot_give_up(b, w, "%s", err.text);
	else
		b->failed += host_vfs_ready(b->h, b->self, w, &b->maker.until);
}

static int make_all(struct boot *b, struct error *err)
{
	CLEANUP(inventory_free) struct inventory inv = INVENTORY_INIT;

	if (!b->early && inventory_read(b->h, false, &inv, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < b->n_where; i++) {
		const struct pf_where *before = boot_same_pf_before(b, &b->where[i]);

		if (boot_is_found(&b->where[i]) && before)
			boot_give_up(b, &b->where[i],
				     "pool '%s' has it as well, so it is left at what that says: "
				     "take it out of one of them (/" VFHOOK_CFG ")",
				     before->pool->name);
		else if (boot_is_found(&b->where[i]))
			make_vfs(b, &b->where[i], b->early ? NULL : &inv, b->n_where - i);
		else
			boot_tell_lost(b, &b->where[i]);
	}
	return 0;
}

/* --- Parking --- */

/* Is the time over? Said, and counted, once for what is left undone then. */
static bool __attribute__((format(printf, 2, 3))) is_late(struct boot *b, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	if (deadline_left(&b->until))
		return false;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	b->failed++;
	complain("%s: the time for it is over; run `vfhook boot` again", text);
	return true;
}

static bool park_one(struct boot *b, const struct pf_report *pf, const struct vf_report *vf)
{
	CLEANUP(plan_free) struct plan p;
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	int r;

	plan_init(&p, PLAN_START, LEASE_SELF);
	r = plan_park(pf->pf, vf->vf, time(NULL), &p, &err);
	if (!r && p.n_steps)
		r = apply_plan(b->h, b->self, &p, &err);
	/* Somebody took it meanwhile, and sets it as he wants it, or has it open. */
	if (r < 0 && r != -EEXIST) {
		b->failed++;
		complain("VF %s cannot be parked: %s", pci_addr_format(&vf->vf->info.addr, addr),
			 err.text);
	}
	return !r && p.n_steps;
}

/* Those that are not were told before. */
static bool pf_is_found(const struct boot *b, const struct pci_addr *pf)
{
	for (size_t i = 0; i < b->n_where; i++) {
		if (boot_is_found(&b->where[i]) && !pci_addr_cmp(&b->where[i].nic->info.addr, pf))
			return true;
	}
	return false;
}

static void park_pf(struct boot *b, const struct pf_report *pf)
{
	char addr[PCI_ADDR_LEN];
	unsigned parked = 0;
	unsigned n = 0;

	if (pf->pf->broken) {
		if (!pf_is_found(b, &pf->pf->info.addr))
			return;
		b->failed++;
		complain("PF %s: its VFs are not parked: %s",
			 pci_addr_format(&pf->pf->info.addr, addr), pf->pf->why);
		return;
	}
	if (pf->pf->n_unread) {
		b->failed++;
		complain("PF %s: %zu of its VFs cannot be read, and are not parked: run `vfhook "
			 "boot` again",
			 pf->pf->info.ifname, pf->pf->n_unread);
	}

	for (size_t i = 0; i < pf->n_vfs; i++) {
		if (pf->vfs[i].use != USE_FREE)
			continue;
		n++;
		/* Without a link a VM that PVE starts on it has none (byhand_arm()). */
		if (pf->vfs[i].spare_of)
			continue;
		if (is_late(b, "VFs of PF %s are not parked", pf->pf->info.ifname))
			break;
		parked += park_one(b, pf, &pf->vfs[i]);
	}
	if (b->h->dry_run || !parked)
		say("PF %s: %zu VFs, %u free", pf->pf->info.ifname, pf->n_vfs, n);
	else
		say("PF %s: %zu VFs, %u free, %u parked just now", pf->pf->info.ifname, pf->n_vfs,
		    n, parked);
}

/*
 * What is left of runs that were cut off: before anything is looked at or decided, for they hold
 * VFs. Before the network that can only be earlier making of VFs.
 */
static void tidy(struct boot *b)
{
	struct error err = ERROR_INIT;
	int r = b->early ? recover_own(b->h, b->self, &err) : recover_all(b->h, b->self, &err);

	if (!r && !b->early)
		r = recover_configs(b->h, &err);
	if (r > 0)
		b->failed += (unsigned)r;
	if (r >= 0 && !b->early)
		r = reclaim_stale(b->h, LEASE_SELF, &err);
	if (r >= 0 && !b->early)
		r = release_vm(b->h, b->self, NULL, 0, NULL, &err);
	if (r >= 0)
		return;
	b->failed++;
	complain("%s", err.text);
}

/* Every VF that nobody has. Of a pool with a mistake in it one may be the host's: left alone. */
static int park_all(struct boot *b, struct error *err)
{
	CLEANUP(inventory_free) struct inventory inv = INVENTORY_INIT;

	if (inventory_read(b->h, false, &inv, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < inv.n_pools; i++) {
		for (size_t k = 0; !inv.pools[i].pool->bad && k < inv.pools[i].n_pfs; k++)
			park_pf(b, &inv.pools[i].pfs[k]);
	}
	return 0;
}

/* --- Mappings --- */

/* Where the PF is now that this node's VFs were told to be on before. */
static struct pci_addr pf_now(const struct boot *b, const struct pci_addr *before)
{
	for (size_t i = 0; i < b->n_where; i++) {
		if (boot_is_found(&b->where[i]) && !pci_addr_cmp(&b->where[i].id.addr, before))
			return b->where[i].nic->info.addr;
	}
	return *before;
}

static int refresh(struct boot *b, const struct config *c, struct error *err)
{
	AUTO_FREE struct published_vf *before = NULL;
	size_t n;
	int r;

	if (published_vfs(b->h, &before, &n) < 0)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		before[i].pf = pf_now(b, &before[i].pf);
	r = refresh_mappings(b->h, c, before, n, &b->until, err);
	if (r < 0)
		return r;
	b->failed += (unsigned)r;
	return 0;
}

/* --- All of it --- */

static int load(struct boot *b, struct error *err)
{
	char path[160];

	if (b->early)
		return bootcfg_load_makers(b->h, &b->config, err);
	snprintf(path, sizeof(path), "etc/pve/nodes/%s", b->h->node);
	if (!path_exists(b->h->root, path))
		return fail(err, ENOENT, "/%s is not there: is pve-cluster running?", path);
	return config_load(b->h->root, &b->config, err);
}

/* A pool with a mistake in it is none: said once, and the rest goes on. */
static void tell_bad_pools(struct boot *b)
{
	for (size_t i = 0; i < b->config.n_pools; i++) {
		if (!b->config.pools[i].bad)
			continue;
		b->failed++;
		complain("%s", b->config.pools[i].bad);
	}
}

/* With vfhook.cfg as it is after follow_pfs(): b->where still has the addresses of before. */
static int finish(struct boot *b, struct error *err)
{
	CLEANUP(config_free) struct config now = {0};

	if (park_all(b, err) < 0 || config_load(b->h->root, &now, err) < 0)
		return error_code(err);
	b->failed += byhand_arm(b->h, b->self);
	byhand_tell(b->h, &now);
	if (refresh(b, &now, err) < 0)
		return error_code(err);
	if (b->h->dry_run)
		return 0;
	if (publish_vfs(b->h, &now, err) < 0)
		return fail_context(err, "the other nodes are not told of this node's VFs");
	return bootcfg_save(b->h, &now, err);
}

static int boot(struct boot *b, struct error *err)
{
	if (load(b, err) < 0)
		return error_code(err);
	tell_bad_pools(b);
	tidy(b);
	if (boot_locate(b, err) < 0)
		return error_code(err);
	if (!b->early && boot_follow_pfs(b, err) < 0) {
		/* The VFs can be made all the same; the VMs are refused until this is written. */
		b->failed++;
		complain("%s; run `vfhook boot` again", err->text);
		error_clear(err);
	}
	if (make_all(b, err) < 0)
		return error_code(err);
	return b->early ? 0 : finish(b, err);
}

static int limit_parse(const char *text, bool early, unsigned *seconds)
{
	uint32_t n = early ? LIMIT_EARLY_S : LIMIT_S;

	if (text && (parse_u32(text, LIMIT_MOST_S, &n) < 0 || !n)) {
		complain("--timeout: \"%s\" is no number of seconds from 1 to %d", text,
			 LIMIT_MOST_S);
		return EXIT_USAGE;
	}
	*seconds = n;
	return 0;
}

static int lock_self(struct boot *b, struct error *err)
{
	int r = hook_lock_vm(b->h, LEASE_SELF, deadline_share(&b->until, LOCK_WAIT_MS), &b->self,
			     err);

	b->maker.self = b->self;
	b->maker.write = write_numvfs;
	b->h->maker = &b->maker;

	if (r == -EWOULDBLOCK)
		return fail(err, EWOULDBLOCK,
			    "another run of vfhook is making or parking VFs; or the kernel does "
			    "not finish a write to sriov_numvfs, which holds the lock "
			    "(/" LOCKS_DIR "/%d) until then: look at dmesg, reboot",
			    LEASE_SELF);
	return r;
}

static int run(struct hook *h, int argc, char **argv)
{
	CLEANUP(boot_free) struct boot b = {.h = h};
	const char *timeout = NULL;
	const struct opt opts[] = {{"early", NULL, &b.early},
				   {"timeout", &timeout, NULL},
				   {"dry-run", NULL, &h->dry_run}};
	struct error err = ERROR_INIT;
	const char *args[1];
	unsigned limit;
	size_t n_args;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), args, 0, &n_args) ||
	    limit_parse(timeout, b.early, &limit))
		return EXIT_USAGE;
	b.until = deadline_in(limit * 1000LL);
	b.maker.until = deadline_in(deadline_share(&b.until, MAKE_MS));
	if (lock_self(&b, &err) < 0 || boot(&b, &err) < 0) {
		complain("boot: %s", err.text);
		return EXIT_REFUSED;
	}
	if (!b.n_where)
		say("no pool has a PF of node %s%s: nothing to do", h->node,
		    b.early ? " (/" BOOT_CFG ")" : "; vfhook pool add <name> --pf <interface>");
	if (b.failed)
		complain("boot: %u thing%s could not be done, see above; the rest is ready",
			 b.failed, b.failed == 1 ? "" : "s");
	return b.failed ? EXIT_REFUSED : EXIT_DONE;
}

const struct command cmd_boot = {
	.name = "boot",
	.summary = "make and park this node's VFs; systemd runs it at boot",
	.help = "Usage: vfhook boot [--early] [--timeout SECONDS] [--dry-run]\n"
		"\n"
		"Gives each PF of this node's pools the VFs its pool wants (`vfs N`), parks those\n"
		"that nobody has, finds PFs whose address moved by their MAC, and lets mappings\n"
		"name the VFs that are there. Never takes a VF from a running VM. Can be run at\n"
		"any time; vfhook-boot.service does after each boot.\n"
		"\n"
		"  --early    only make the VFs, from this node's own copy of its pools: before\n"
		"             the network and /etc/pve are there (vfhook-vfs.service)\n"
		"  --timeout  how long all of it may take, drivers, quorum and pveproxy\n"
		"             included: 180 seconds, 90 with --early. What is not done by then\n"
		"             is told, and left to the next run\n"
		"  --dry-run  tell what would be done, and do nothing\n",
	.run = run,
	.without_pve = "--early",
};
