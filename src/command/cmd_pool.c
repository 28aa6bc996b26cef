/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook pool: the pools of vfhook.cfg, and what this node has in them. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/json.h"
#include "src/base/say.h"
#include "src/command/command.h"
#include "src/command/pool_host.h"
#include "src/host/pf_name.h"
#include "src/port/apply.h"
#include "src/port/boot_config.h"
#include "src/port/cluster_vfs.h"
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/config_pools.h"
#include "src/port/context.h"
#include "src/port/host_vfs_config.h"
#include "src/port/mapping_follow.h"
#include "src/port/objects.h"
#include "src/port/pool_keys.h"
#include "src/show/by_hand.h"
#include "src/vf/kernel.h"
#include "src/vf/plan.h"
#include "src/vf/sysfs.h"

#define MAX_PFS 64

/* --- add --- */

struct addition {
	struct pool_addition a;
	struct pf_id pfs[MAX_PFS];
	struct pf_info infos[MAX_PFS];
	const char *pf_list;
	const char *host_vfs;
	struct host_vfs *hosts;
	bool allow_pf_down;
	char vfs[16];
};

static void addition_free(struct addition *add)
{
	free(add->hosts);
}

/* What the PF is known again by when its address has moved. */
static int read_mac(struct hook *h, const struct pf_info *info, struct pf_id *id, struct error *err)
{
	CLEANUP(pf_link_free) struct pf_link link = {0};

	if (hook_kernel(h, err) < 0 || kernel_pf_read(h->kernel, info->ifindex, &link, err) < 0)
		return error_code(err);
	id->has_mac = link.has_perm_mac;
	memcpy(id->mac, link.perm_mac, sizeof(id->mac));
	return 0;
}

static int read_info(struct hook *h, const struct pci_addr *pf, const char *named,
		     struct pf_info *info, struct error *err)
{
	char remedy[300];
	char text[300];

	if (sysfs_pf_read(h->root, pf, info, err) < 0) {
		if (err->code != ENODEV || !info->total_vfs)
			return error_code(err);
		pf_no_netdev(h, info, text, remedy);
		return fail(err, ENODEV, "%s: %s", text, remedy);
	}
	return pf_name_check(h, named, info, err);
}

static int add_one(struct hook *h, struct addition *add, const char *text, struct error *err)
{
	struct pf_id *id = &add->pfs[add->a.n_pfs];
	struct pci_addr *pf = &id->addr;
	char named[IFNAME_LEN];
	unsigned index;
	struct pci_addr of;

	if (add->a.n_pfs == MAX_PFS)
		return fail(err, E2BIG, "more than %d PFs", MAX_PFS);
	if (pf_name_resolve(h, text, pf, named, err) < 0)
		return error_code(err);
	if (!sysfs_vf_identify(h->root, pf, &of, &index)) {
		char addr[PCI_ADDR_LEN];

		return fail(err, EINVAL, "'%s' is a VF: its PF is %s", text,
			    pci_addr_format(&of, addr));
	}
	if (read_info(h, pf, named, &add->infos[add->a.n_pfs], err) < 0 ||
	    read_mac(h, &add->infos[add->a.n_pfs], id, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < add->a.n_pfs; i++) {
		if (!pci_addr_cmp(&add->pfs[i].addr, pf))
			return fail(err, EINVAL, "PF %s is there twice", text);
	}
	add->a.n_pfs++;
	return 0;
}

static int read_pfs(struct hook *h, struct addition *add, struct error *err)
{
	AUTO_FREE char *copy = strdup(add->pf_list);
	char *rest = copy;
	char *part;

	if (!copy)
		return fail(err, ENOMEM, "out of memory");
	while ((part = pf_list_next(h, &rest))) {
		if (add_one(h, add, part, err) < 0)
			return error_code(err);
	}
	return 0;
}

static int check_vfs(struct addition *add, struct error *err)
{
	uint32_t n;

	if (!add->a.vfs)
		return 0;
	if (parse_u32(add->a.vfs, 65535, &n) < 0 || !n)
		return fail(err, EINVAL, "--vfs is a number of VFs for each PF, not '%s'",
			    add->a.vfs);
	if (n > PF_VFS_LISTED)
		return fail(
			err, EINVAL,
			"--vfs %u: %d is the most: newer kernels list no more VFs of a PF, and one "
			"that is not listed cannot be used",
			n, PF_VFS_LISTED);
	for (size_t i = 0; i < add->a.n_pfs; i++) {
		if (n > add->infos[i].total_vfs)
			return fail(err, EINVAL, "--vfs %u: PF %s has at most %u", n,
				    add->infos[i].ifname, add->infos[i].total_vfs);
	}
	snprintf(add->vfs, sizeof(add->vfs), "%u", n);
	add->a.vfs = add->vfs;
	return 0;
}

static int check_fdb(struct addition *add, struct error *err)
{
	bool on;

	if (!add->a.fdb)
		return 0;
	if (parse_bool(add->a.fdb, &on) < 0)
		return fail(err, EINVAL, "--fdb is on or off, not '%s'", add->a.fdb);
	add->a.fdb = on ? "1" : "0";
	return 0;
}

static int read_hosts(const struct hook *h, struct addition *add, struct error *err)
{
	if (!add->host_vfs)
		return 0;
	add->a.sets_hosts = true;
	if (!strcmp(add->host_vfs, "none"))
		return 0;
	if (add->a.n_pfs != 1)
		return fail(err, EINVAL,
			    "--host-vfs is of one PF: run this once for each that has some");
	if (host_vfs_list_parse(add->host_vfs, h->node, &add->pfs[0].addr, &add->hosts,
				&add->a.n_hosts, err) < 0)
		return fail_context(err, "--host-vfs");
	add->a.hosts = add->hosts;
	return 0;
}

static void tell_added(const struct hook *h, const struct addition *add, size_t added, bool made)
{
	char addr[PCI_ADDR_LEN];

	if (made)
		say("pool '%s' added to /" VFHOOK_CFG, add->a.name);
	for (size_t i = 0; i < add->a.n_pfs; i++)
		say("pool '%s' on %s: PF %s (%s, %s), %u of %u VFs", add->a.name, h->node,
		    pci_addr_format(&add->pfs[i].addr, addr), add->infos[i].ifname,
		    add->infos[i].driver[0] ? add->infos[i].driver : "no driver",
		    add->infos[i].num_vfs, add->infos[i].total_vfs);
	if (!added && !made)
		say("pool '%s' has %s already", add->a.name,
		    add->a.n_pfs == 1 ? "this PF" : "these PFs");
}

/* A person waits for it. */
#define PUBLISH_MS 60000
#define MAX_TRIES  3

/*
 * What a pool's change means beyond vfhook.cfg: the other nodes' mappings name our VFs
 * from what we tell of them, mappings that are there get an entry for this node, and the
 * next boot reads this node's own copy. Each is one file that is made anew from what is true, or a
 * plan of its own: whoever is cut off before it is mended by the next `pool` or `boot`.
 */
static int publish_of(struct hook *h, const struct config *c)
{
	const struct deadline until = deadline_in(PUBLISH_MS);
	struct error err = ERROR_INIT;

	if (!publish_vfs(h, c, &err) && !bootcfg_save(h, c, &err) &&
	    refresh_mappings(h, c, NULL, 0, &until, &err) == 0)
		return EXIT_DONE;
	complain(
		"the pool is changed, but not all that goes with it%s%s: mend that and run `vfhook "
		"boot`",
		err.code ? ": " : "", err.text);
	return EXIT_REFUSED;
}

/* then: the config as it would be, for a dry run. */
static int publish(struct hook *h, const struct config *then)
{
	CLEANUP(config_free) struct config c = {0};
	struct error err = ERROR_INIT;

	if (h->dry_run)
		return publish_of(h, then);
	if (!config_load(h->root, &c, &err))
		return publish_of(h, &c);
	complain("the pool is changed, but not all that goes with it: %s: mend that and run "
		 "`vfhook boot`",
		 err.text);
	return EXIT_REFUSED;
}

/* A section in one line, without its head: "pf node=pve1,path=0000:06:00.0; vfs 4". */
static void tell_section(const char *text, struct str *out)
{
	const char *at = text ? strchr(text, '\n') : NULL;

	if (!at) {
		str_append(out, "none");
		return;
	}
	for (const char *sep = ""; at && at[1]; sep = "; ") {
		at += 1 + strspn(at + 1, " \t");
		str_printf(out, "%s%.*s", sep, (int)strcspn(at, "\n"), at);
		at = strchr(at, '\n');
	}
}

/* The one step that it takes: a section of vfhook.cfg for another. */
static int apply_pool(struct hook *h, const char *name, const struct pool_change *c,
		      struct error *err)
{
	CLEANUP(str_free) struct str what = STR_INIT;
	CLEANUP(plan_free) struct plan p;
	struct step_object o = {.kind = OBJECT_POOL, .name = name, .from = c->from, .to = c->to};

	plan_init(&p, PLAN_SWAP, 0);
	if (text_same(c->from, c->to))
		return 0;
	str_printf(&what, "pool %s in /" VFHOOK_CFG ": ", name);
	tell_section(c->from, &what);
	str_append(&what, " -> ");
	tell_section(c->to, &what);
	o.what = str_get(&what);
	if (!str_ok(&what))
		return fail(err, ENOMEM, "out of memory");
	if (plan_add_object(&p, &o, err) < 0)
		return error_code(err);
	return apply_plan(h, NULL, &p, err);
}

/* What is still to be done for the pool's VFs to be there, now and after the next boot. */
static void tell_next(struct hook *h, const char *name)
{
	CLEANUP(config_free) struct config c = {0};
	const struct pool *p;

	if (config_load(h->root, &c, NULL) < 0 || !(p = config_pool(&c, name)) || p->bad)
		return;
	if (!p->vfs)
		say("pool '%s' does not say how many VFs its PFs are to have, so nothing makes "
		    "them "
		    "after a reboot: vfhook pool add %s --pf <interface> --vfs <N>",
		    name, name);
	for (size_t i = 0; i < p->n_pfs; i++) {
		struct pf_info pf;

		if (!strcmp(p->pfs[i].node, h->node) &&
		    !sysfs_pf_read(h->root, &p->pfs[i].id.addr, &pf, NULL) && pf.num_vfs < p->vfs) {
			say("next: vfhook boot, which makes the VFs now; after a reboot they are "
			    "made by themselves");
			return;
		}
	}
}

/* Whoever else changes the pool meanwhile: looked at again. */
static int change_pool(struct hook *h, const struct pool_addition *a, const char *name,
		       struct pool_change *c, struct error *err)
{
	int r = -EAGAIN;

	for (int i = 0; i < MAX_TRIES && r == -EAGAIN; i++) {
		error_clear(err);
		pool_change_free(c);
		r = a ? config_pool_addition(h->root, a, c, err)
		      : config_pool_removal(h->root, name, c, err);
		if (!r)
			r = apply_pool(h, name, c, err);
	}
	return r;
}

static int add(struct hook *h, int argc, char **argv)
{
	CLEANUP(addition_free) struct addition add = {.a = {.node = h->node}};
	const struct opt opts[] = {
		{"pf", &add.pf_list, NULL},	   {"vfs", &add.a.vfs, NULL},
		{"host-vfs", &add.host_vfs, NULL}, {"allow-pf-down", NULL, &add.allow_pf_down},
		{"fdb", &add.a.fdb, NULL},	   {"dry-run", NULL, &h->dry_run},
	};
	CLEANUP(pool_change_free) struct pool_change change = {0};
	struct error err = ERROR_INIT;
	size_t n_args;
	int r;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), &add.a.name, 1, &n_args))
		return EXIT_USAGE;
	if (!n_args || !add.pf_list) {
		complain("pool add: wanted: a name and --pf; see vfhook pool --help");
		return EXIT_USAGE;
	}
	add.a.pfs = add.pfs;
	add.a.allow_pf_down = add.allow_pf_down ? "1" : NULL;
	r = pool_name_check(add.a.name, &err);
	if (!r)
		r = read_pfs(h, &add, &err);
	if (!r)
		r = check_vfs(&add, &err);
	if (!r)
		r = check_fdb(&add, &err);
	if (!r)
		r = read_hosts(h, &add, &err);
	if (!r)
		r = pool_tell_uses(h, &add.a, &err);
	if (!r)
		r = change_pool(h, &add.a, add.a.name, &change, &err);
	if (r < 0) {
		complain("pool is not changed: %s", err.text);
		return EXIT_REFUSED;
	}
	if (!h->dry_run) {
		tell_added(h, &add, change.added, !change.from);
		tell_next(h, add.a.name);
	}
	byhand_tell(h, &change.after);
	return publish(h, &change.after);
}

/* --- list --- */

static json_t *port_list(const struct config *c, const struct pool *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_ports; i++) {
		char id[32];

		if (strcmp(c->ports[i].pool, p->name) != 0)
			continue;
		snprintf(id, sizeof(id), "%u-%u", c->ports[i].vmid, c->ports[i].slot);
		json_array_append_new(list, json_string(id));
	}
	return list;
}

/* What is known of a PF on another node is where it is. */
static json_t *pf_json(struct hook *h, const struct pool_pf *pf)
{
	struct error err = ERROR_INIT;
	struct pf_info info;
	char addr[PCI_ADDR_LEN];
	json_t *j =
		json_pack("{s:s s:s}", "node", pf->node, "pf", pci_addr_format(&pf->id.addr, addr));

	if (!j || strcmp(pf->node, h->node) != 0)
		return j;
	if (sysfs_pf_read(h->root, &pf->id.addr, &info, &err) < 0) {
		json_object_set_new(j, "error", json_string(err.text));
		return j;
	}
	json_object_set_new(j, "ifname", json_string(info.ifname));
	json_object_set_new(j, "driver", json_string(info.driver));
	json_object_set_new(j, "vfs", json_integer(info.num_vfs));
	json_object_set_new(j, "vfs-total", json_integer(info.total_vfs));
	return j;
}

static json_t *pool_json(struct hook *h, const struct config *c, const struct pool *p)
{
	json_t *pfs = json_array();
	json_t *j = json_pack("{s:s s:o s:o s:b s:b}", "pool", p->name, "pfs", pfs, "ports",
			      port_list(c, p), "allow-pf-down", p->allow_pf_down, "fdb", p->fdb);

	if (!j)
		return NULL;
	if (p->vfs)
		json_object_set_new(j, "vfs", json_integer(p->vfs));
	if (p->bad)
		json_object_set_new(j, "error", json_string(p->bad));
	for (size_t i = 0; i < p->n_pfs; i++)
		json_array_append_new(pfs, pf_json(h, &p->pfs[i]));
	return j;
}

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s && *s ? s : "-";
}

/* Of a pool, in a line; --output-format json has all. */
#define PORTS_SHOWN 8

#define ROW "%-12s %-10s %-13s %-10s %-8s %-10s %s\n"

static void print_pool(const json_t *j)
{
	CLEANUP(str_free) struct str ports = STR_INIT;
	const json_t *pfs = json_object_get(j, "pfs");
	const json_t *list = json_object_get(j, "ports");
	const json_t *bad = json_object_get(j, "error");

	for (size_t i = 0; i < json_array_size(list) && i < PORTS_SHOWN; i++)
		str_printf(&ports, "%s%s", i ? "," : "",
			   json_string_value(json_array_get(list, i)));
	if (json_array_size(list) > PORTS_SHOWN)
		str_printf(&ports, " and %zu more", json_array_size(list) - PORTS_SHOWN);
	for (size_t i = 0; i < json_array_size(pfs); i++) {
		const json_t *pf = json_array_get(pfs, i);
		char vfs[32] = "-";

		if (json_object_get(pf, "vfs"))
			snprintf(vfs, sizeof(vfs), "%lld/%lld",
				 (long long)json_integer_value(json_object_get(pf, "vfs")),
				 (long long)json_integer_value(json_object_get(pf, "vfs-total")));
		printf(ROW, text_of(j, "pool"), text_of(pf, "node"), text_of(pf, "pf"),
		       text_of(pf, "ifname"), vfs, text_of(pf, "driver"),
		       ports.len ? str_get(&ports) : "-");
	}
	if (!json_array_size(pfs))
		printf(ROW, text_of(j, "pool"), "-", "-", "-", "-", "-",
		       ports.len ? str_get(&ports) : "-");
	fflush(stdout);
	if (bad)
		complain("%s", json_string_value(bad));
	for (size_t i = 0; i < json_array_size(pfs); i++) {
		const json_t *why = json_object_get(json_array_get(pfs, i), "error");

		if (why)
			complain("pool '%s': %s", text_of(j, "pool"), json_string_value(why));
	}
}

static int list(struct hook *h, int argc, char **argv)
{
	CLEANUP(config_free) struct config c = {0};
	AUTO_JSON json_t *all = json_array();
	const char *format_text = NULL;
	const struct opt opts[] = {{"output-format", &format_text, NULL}};
	struct error err = ERROR_INIT;
	enum output_format format;
	const char *args[1];
	size_t n_args;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), args, 0, &n_args) ||
	    output_format_parse(format_text, &format))
		return EXIT_USAGE;
	if (config_load(h->root, &c, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	for (size_t i = 0; i < c.n_pools; i++)
		json_array_append_new(all, pool_json(h, &c, &c.pools[i]));
	if (format != OUTPUT_TEXT)
		return output_json(all, format);
	if (!c.n_pools) {
		say("there is no pool yet: vfhook pool add <name> --pf <interface>");
		return EXIT_DONE;
	}
	printf(ROW, "POOL", "NODE", "PF", "INTERFACE", "VFS", "DRIVER", "PORTS");
	for (size_t i = 0; i < c.n_pools; i++)
		print_pool(json_array_get(all, i));
	return EXIT_DONE;
}

/* --- remove --- */

/*
 * Before the pool goes: a removal that is cut off has the rest done by the next one, which would
 * find no pool to ask for its PFs. What boot has set it sets again, if the pool stays after all.
 */
static int put_back_traces(struct hook *h, const char *name, struct error *err)
{
	CLEANUP(pool_change_free) struct pool_change look = {0};
	CLEANUP(pool_traces_free) struct pool_traces traces = {0};
	int r = config_pool_removal(h->root, name, &look, err);

	if (!r)
		r = pool_traces_read(h, name, &traces, err);
	if (!r && pool_traces_undo(h, &traces))
		r = fail(err, EIO, "what boot has set could not be put back, see above: try again");
	return r;
}

static int remove_pool(struct hook *h, int argc, char **argv)
{
	const struct opt opts[] = {{"dry-run", NULL, &h->dry_run}};
	CLEANUP(pool_change_free) struct pool_change change = {0};
	struct error err = ERROR_INIT;
	const char *args[1];
	size_t n_args;
	int r;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), args, 1, &n_args))
		return EXIT_USAGE;
	if (!n_args) {
		complain("pool remove: wanted: a pool's name; see vfhook pool --help");
		return EXIT_USAGE;
	}
	r = put_back_traces(h, args[0], &err);
	if (!r && change_pool(h, NULL, args[0], &change, &err) < 0)
		r = fail_context(&err, "(`vfhook boot` sets its PFs as before)");
	if (r < 0) {
		/* A removal that was cut off may have left the rest to be done. */
		if (err.code == ENOENT && !h->dry_run)
			publish(h, NULL);
		complain("pool is not removed: %s", err.text);
		return EXIT_REFUSED;
	}
	if (!h->dry_run)
		say("pool '%s' removed from /" VFHOOK_CFG, args[0]);
	return publish(h, &change.after);
}

static int run(struct hook *h, int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(struct hook *h, int argc, char **argv);
	} verbs[] = {{"add", add}, {"list", list}, {"remove", remove_pool}};
	const char *names[ARRAY_SIZE(verbs)];
	const char *near;

	if (argc < 2) {
		complain("pool: wanted: add, list or remove; see vfhook pool --help");
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		/* argv[0] stays the command's name, for what it says about its options. */
		if (!strcmp(argv[1], verbs[i].name)) {
			argv[1] = argv[0];
			return verbs[i].run(h, argc - 1, argv + 1);
		}
		names[i] = verbs[i].name;
	}
	near = nearest_word(argv[1], names, ARRAY_SIZE(names));
	complain("pool: no such thing to do: '%s'%s%s%s; see vfhook pool --help", argv[1],
		 near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
	return EXIT_USAGE;
}

const struct command cmd_pool = {
	.name = "pool",
	.summary = "which PFs lead to which network: pool add, list, remove",
	.help = "Usage: vfhook pool add <name> --pf PF[,PF...] [--vfs N] [--host-vfs LIST]\n"
		"                       [--allow-pf-down] [--fdb on|off] [--dry-run]\n"
		"       vfhook pool list [--output-format text|json|json-pretty]\n"
		"       vfhook pool remove <name> [--dry-run]\n"
		"\n"
		"A pool is the PFs, on each node, that lead to one network. `add` makes it, or\n"
		"gives an existing one the PFs of this node; run it on each node. A pool that a\n"
		"port uses is not removed.\n"
		"\n"
		"  --pf PF,PF...      by interface name (or altname) or PCI address; kept as\n"
		"                     PCI address\n"
		"  --vfs N            how many VFs each PF is to have, for every node\n"
		"  --host-vfs LIST    VFs of that PF (only one then) that are this host's own, by\n"
		"                     number, with their settings: 0,vlan=30+1-2. They are made\n"
		"                     with a driver before the network comes up, and no VM gets\n"
		"                     them. none: all are for VMs\n"
		"  --allow-pf-down    start VMs even while the PF is down\n"
		"  --fdb on|off       keep the PFs' filters, so that guests on bridges over them\n"
		"                     and guests on their VFs can talk: vfhook fdb --help\n"
		"  --dry-run          tell what would be done, and do nothing\n",
	.run = run,
};
