/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook.cfg, read and edited. max_len=768 */
#include "src/port/config_load.c"
#include "src/port/config_pools.c"
#include "src/port/config_ports.c"
#include "pveapi/guest.h"
#include "tests/fuzz/fuzz.h"
#include "pveapi/limits.h"
#include "src/vf/sysfs.h"

/* Are the sections of b those of a, but for the one left out (SIZE_MAX: none)? */
static void same_ports(const struct config *a, const struct config *b, size_t but)
{
	size_t k = 0;

	for (size_t i = 0; i < a->n_ports; i++) {
		if (i == but)
			continue;
		NEED(k < b->n_ports);
		NEED(a->ports[i].vmid == b->ports[k].vmid && a->ports[i].slot == b->ports[k].slot);
		/* What is wrong with one may be that another has its MAC. */
		NEED(a->ports[i].bad || b->ports[k].bad ||
		     !strcmp(a->ports[i].pool, b->ports[k].pool));
		k++;
	}
}

static void same_pools(const struct config *a, const struct config *b, size_t but)
{
	size_t k = 0;

	for (size_t i = 0; i < a->n_pools; i++) {
		if (i == but)
			continue;
		NEED(k < b->n_pools && !strcmp(a->pools[i].name, b->pools[k].name));
		NEED(!a->pools[i].bad == !b->pools[k].bad);
		NEED(a->pools[i].n_pfs == b->pools[k].n_pfs);
		k++;
	}
	NEED(a->n_guests == b->n_guests);
}

static void parse_again(const struct edit *e, struct config *after)
{
	struct error err = ERROR_INIT;
	int r = config_parse("again", str_get(&e->out), e->out.len, after, &err);

	if (r < 0)
		fprintf(stderr, "%s\n%s\n", err.text, str_get(&e->out));
	NEED(!r);
}

static void remove_port(struct edit *e, size_t i)
{
	CLEANUP(config_free) struct config after = {0};
	const struct port *p = &e->now.ports[i];
	const char *head = find_port_text(e->text, p->vmid, p->slot);

	NEED(head);
	edit_leave_out(e, head);
	parse_again(e, &after);
	NEED(after.n_ports == e->now.n_ports - 1);
	NEED(!config_port(&after, p->vmid, p->slot));
	same_ports(&e->now, &after, i);
	same_pools(&e->now, &after, SIZE_MAX);
}

static void set_keys(struct edit *e, size_t i)
{
	static const struct key_change changes[] = {
		{"vlan", "20"}, {"vlan-qos", NULL}, {"trust", "1"}};
	CLEANUP(config_free) struct config after = {0};
	const struct port *p = &e->now.ports[i];
	const char *head = find_port_text(e->text, p->vmid, p->slot);
	const struct port *now;

	NEED(head);
	edit_change_keys(e, head, changes, ARRAY_SIZE(changes));
	parse_again(e, &after);
	same_ports(&e->now, &after, SIZE_MAX);
	same_pools(&e->now, &after, SIZE_MAX);
	now = config_port(&after, p->vmid, p->slot);
	NEED(now->bad || (now->want.vlan == 20 && !now->want.qos && now->want.trust));
	NEED(now->bad || p->bad || !strcmp(now->pool, p->pool));
}

static void set_other_mac(struct edit *e, size_t i)
{
	static const uint8_t mac[6] = {0x02, 0xfe, 0xdc, 0xba, 0x98, 0x76};
	CLEANUP(config_free) struct config after = {0};
	const struct port *p = &e->now.ports[i];
	const char *head = find_port_text(e->text, p->vmid, p->slot);
	const struct port *now;

	NEED(head);
	change_mac(e, head, mac);
	parse_again(e, &after);
	same_ports(&e->now, &after, SIZE_MAX);
	same_pools(&e->now, &after, SIZE_MAX);
	now = config_port(&after, p->vmid, p->slot);
	NEED(now->bad || !memcmp(now->want.mac, mac, 6));
	NEED(!now->bad || p->bad || after.n_ports > 1);
}

static void add_port(struct edit *e)
{
	struct port p = {.vmid = 999999, .slot = 15, .pool = "wan", .mac_auto = true};
	CLEANUP(config_free) struct config after = {0};
	AUTO_FREE char *to = NULL;

	if (config_port(&e->now, p.vmid, p.slot))
		return;
	NEED(!config_port_section(&p, &to, NULL));
	edit_swap(e, NULL, to);
	parse_again(e, &after);
	NEED(after.n_ports == e->now.n_ports + 1 && !after.ports[after.n_ports - 1].bad);
	same_ports(&e->now, &after, SIZE_MAX);
	same_pools(&e->now, &after, SIZE_MAX);
}

static void add_to_pool(struct edit *e, size_t i)
{
	const struct pf_id pfs[] = {
		{.addr = {0, 6, 0, 0}, .has_mac = true, .mac = {0xa0, 1, 2, 3, 4, 5}},
		{.addr = {0, 6, 0, 1}}};
	CLEANUP(pf_split_free) struct pf_split split = {0};
	CLEANUP(config_free) struct config after = {0};
	struct pool_addition a = {.node = "pve1", .pfs = pfs, .n_pfs = 2, .vfs = "7"};
	struct error err = ERROR_INIT;
	const struct pool *old = &e->now.pools[i];
	const struct pool *p;

	a.name = old->name;
	if (old->bad)
		return;
	if (split_pfs(&e->now, &a, &split, &err) < 0) {
		check_error(-EEXIST, &err);
		return;
	}
	extend_pool(e, config_section_head(e->text, "pool", a.name), &a, &split);
	parse_again(e, &after);
	p = config_pool(&after, a.name);
	NEED(p && !p->bad && p->vfs == 7 && p->n_pfs == old->n_pfs + split.n_fresh);
	NEED(config_pool_of_pf(&after, "pve1", &pfs[0].addr) == p);
	same_ports(&e->now, &after, SIZE_MAX);
}

static void remove_pool(struct edit *e, size_t i)
{
	CLEANUP(config_free) struct config after = {0};
	const char *head = config_section_head(e->text, "pool", e->now.pools[i].name);

	/* A name that is too long is cut in memory. */
	if (!head && e->now.pools[i].bad)
		return;
	NEED(head);
	edit_leave_out(e, head);
	parse_again(e, &after);
	NEED(after.n_pools == e->now.n_pools - 1);
	same_ports(&e->now, &after, SIZE_MAX);
}

/* Two PFs change places. */
static void move_pfs(struct edit *e)
{
	const struct pf_change changes[] = {{{0, 6, 0, 0}, {.addr = {0, 6, 0, 1}}},
					    {{0, 6, 0, 1}, {.addr = {0, 6, 0, 0}}}};
	CLEANUP(config_free) struct config after = {0};

	rewrite_pfs(e->text, "pve1", changes, 2, &e->out);
	parse_again(e, &after);
	same_ports(&e->now, &after, SIZE_MAX);
	same_pools(&e->now, &after, SIZE_MAX);
	for (size_t i = 0; i < 2; i++) {
		const struct pool *p = config_pool_of_pf(&e->now, "pve1", &changes[i].from);
		const struct pool *q = config_pool_of_pf(&after, "pve1", &changes[i].to.addr);

		NEED(!p == !q && (!p || !strcmp(p->name, q->name)));
	}
}

static void set_chain(struct edit *e, const char *volid)
{
	CLEANUP(config_free) struct config after = {0};
	const char *head = config_section_head(e->text, "guest", "100");
	const struct guest_note *g;
	AUTO_FREE char *to = NULL;

	if (!head && !volid)
		return;
	NEED(!volid || !config_guest_section(100, volid, &to, NULL));
	edit_swap(e, head, to);
	parse_again(e, &after);
	g = config_guest(&after, 100);
	NEED(!volid == !g);
	NEED(!g || g->bad || !strcmp(g->chain, volid));
	same_ports(&e->now, &after, SIZE_MAX);
}

static void edit_with(struct edit *e, unsigned what)
{
	size_t port = e->now.n_ports ? what / 8 % e->now.n_ports : 0;
	size_t pool = e->now.n_pools ? what / 8 % e->now.n_pools : 0;

	what %= 8;
	if (what == 0 && e->now.n_ports)
		remove_port(e, port);
	else if (what == 1 && e->now.n_ports)
		set_keys(e, port);
	else if (what == 2 && e->now.n_ports)
		set_other_mac(e, port);
	else if (what == 3 && e->now.n_pools)
		add_to_pool(e, pool);
	else if (what == 4 && e->now.n_pools)
		remove_pool(e, pool);
	else if (what == 5)
		move_pfs(e);
	else if (what == 6)
		set_chain(e, "local:snippets/x.pl");
	else if (what == 7)
		set_chain(e, NULL);
	else
		add_port(e);
	NEED(str_ok(&e->out));
}

static void check_facts(const struct config *c)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		const struct port *p = &c->ports[i];

		NEED(p->vmid >= PVE_VMID_MIN && p->slot < PVE_HOSTPCI_MAX);
		NEED(p->bad || (p->pool[0] && p->want.vlan <= VLAN_ID_MAX));
		NEED(p->bad || !(p->want.has & HAS_MAC) || !(p->want.mac[0] & 1));
	}
	for (size_t i = 0; i < c->n_pools; i++)
		NEED(c->pools[i].bad || is_plain_name(c->pools[i].name, NAME_LEN - 1));
	for (size_t i = 0; i < c->n_guests; i++)
		NEED(!c->guests[i].chain[0] || hookscript_valid(c->guests[i].chain));
}

/* What one VM's start reads of the file is what all of it says of that VM. */
static void check_one_vm(const struct config *all, const char *text, size_t size)
{
	uint32_t vmid = all->n_ports ? all->ports[0].vmid : PVE_VMID_MIN;
	const struct section_filter filter = {of_concern, &(struct concern){&vmid, 1}};
	CLEANUP(section_file_free) struct section_file f = {0};
	CLEANUP(config_free) struct config some = {0};
	struct error err = ERROR_INIT;
	size_t k = 0;

	NEED(!section_parse("/" VFHOOK_CFG, text, size, true, &filter, &f, &err));
	NEED(!parse_sections("/" VFHOOK_CFG, &f, &some, &err));
	NEED(some.n_pools == all->n_pools);
	NEED(!config_guest(&some, vmid) == !config_guest(all, vmid));
	for (size_t i = 0; i < all->n_ports; i++) {
		const struct port *p = &all->ports[i];

		if (p->vmid != vmid)
			continue;
		NEED(k < some.n_ports && p->slot == some.ports[k].slot);
		/* A MAC that is there twice in another's section counts with both, or with one. */
		NEED(p->bad || some.ports[k].bad ||
		     (!memcmp(p->pool, some.ports[k].pool, sizeof(p->pool)) &&
		      p->want.has == some.ports[k].want.has));
		k++;
	}
	NEED(k == some.n_ports);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned what = last_byte(data, &size);
	AUTO_FREE char *exact = bytes_of(data, size);
	struct edit e = EDIT_INIT;
	struct error err = ERROR_INIT;
	int r = config_parse("/" VFHOOK_CFG, exact, size, &e.now, &err);

	if (r < 0) {
		check_error(r, &err);
		NEED(!e.now.n_ports && !e.now.n_pools);
		return 0;
	}
	check_facts(&e.now);
	check_one_vm(&e.now, exact, size);
	e.text = text_of(data, size);
	edit_with(&e, what);
	edit_end(&e);
	return 0;
}
