/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook pool: the pools of vfhook.cfg, and what this node has in them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/json.h"
#include "src/base/say.h"
#include "src/command/command.h"
#include "src/command/pool_add.h"
#include "src/command/pool_host.h"
#include "src/command/pool_publish.h"
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/config_pools.h"
#include "src/port/context.h"
#include "src/vf/sysfs.h"

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
	if (sysfs_pf_read_as(h->root, &pf->id.addr, pf->id.no_net, &info, &err) < 0) {
		json_object_set_new(j, "error", json_string(err.text));
		return j;
	}
	if (!info.no_net)
		json_object_set_new(j, "ifname", json_string(info.ifname));
	json_object_set_new(j, "driver", json_string(info.driver));
	json_object_set_new(j, "vfs", json_integer(info.num_vfs));
	json_object_set_new(j, "vfs-total", json_integer(info.total_vfs));
	return j;
}

static json_t *pool_json(struct hook *h, const struct config *c, const struct pool *p)
{
	json_t *pfs = json_array();
	json_t *j = json_pack("{s:s s:o s:o s:b s:b s:b}", "pool", p->name, "pfs", pfs, "ports",
			      port_list(c, p), "network", !p->no_net, "allow-pf-down",
			      p->allow_pf_down, "fdb", p->fdb);

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
	if (!r && pool_apply(h, NULL, args[0], &change, &err) < 0)
		r = fail_context(&err, "(`vfhook boot` sets its PFs as before)");
	if (r < 0) {
		/* A removal that was cut off may have left the rest to be done. */
		if (err.code == ENOENT && !h->dry_run)
			pool_publish(h, NULL);
		complain("pool is not removed: %s", err.text);
		return EXIT_REFUSED;
	}
	if (!h->dry_run)
		say("pool '%s' removed from /" VFHOOK_CFG, args[0]);
	return pool_publish(h, &change.after);
}

static int run(struct hook *h, int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(struct hook *h, int argc, char **argv);
	} verbs[] = {{"add", pool_add_run}, {"list", list}, {"remove", remove_pool}};
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
		"port uses is not removed. GPUs, NVMe drives and the like have pools of their own\n"
		"(`network off`): nothing of a network is set on their VFs.\n"
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
