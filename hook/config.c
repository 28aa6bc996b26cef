/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hook/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/cfslock.h"
#include "pveapi/guest.h"
#include "pveapi/section.h"

static int bad_value(const char *key, const char *value, const char *want, struct error *err)
{
	char clean[64];

	return fail(err, EINVAL, "'%s' cannot be '%s': %s", key,
		    text_clean(value, clean, sizeof(clean)), want);
}

/* --- One key of a port --- */

static int set_mac(const char *v, struct port *p, struct error *err)
{
	if (!strcmp(v, "auto")) {
		p->mac_auto = true;
		return 0;
	}
	if (mac_parse(v, p->want.mac) < 0)
		return bad_value("mac", v, "an address like BC:24:11:12:34:56, or auto", err);
	p->want.has |= HAS_MAC;
	return vf_mac_check(p->want.mac, err);
}

static int set_number(const char *key, const char *v, uint32_t max, uint32_t *out,
		      struct error *err)
{
	char want[64];

	if (!parse_u32(v, max, out))
		return 0;
	snprintf(want, sizeof(want), "a number from 0 to %u", max);
	return bad_value(key, v, want, err);
}

static int set_flag(const char *key, const char *v, bool *out, struct error *err)
{
	return parse_bool(v, out) < 0 ? bad_value(key, v, "1 or 0, on or off", err) : 0;
}

static int set_vlan_proto(const char *v, struct port *p, struct error *err)
{
	if (!strcasecmp(v, "802.1q"))
		p->want.proto = VLAN_PROTO_8021Q;
	else if (!strcasecmp(v, "802.1ad"))
		p->want.proto = VLAN_PROTO_8021AD;
	else
		return bad_value("vlan-proto", v, "802.1Q or 802.1ad", err);
	return 0;
}

static int set_pool_name(const char *v, struct port *p, struct error *err)
{
	if (!is_plain_name(v, NAME_LEN - 1))
		return bad_value("pool", v, "a name of letters, digits, '-' and '_'", err);
	snprintf(p->pool, sizeof(p->pool), "%s", v);
	return 0;
}

static int set_port_key(const char *key, const char *v, struct port *p, struct error *err)
{
	struct vf_settings *w = &p->want;
	uint32_t n = 0;
	int r;

	if (!strcmp(key, "comment"))
		return 0;
	if (!strcmp(key, "pool"))
		return set_pool_name(v, p, err);
	if (!strcmp(key, "mac"))
		return set_mac(v, p, err);
	if (!strcmp(key, "vlan")) {
		r = set_number(key, v, VLAN_ID_MAX, &n, err);
		w->vlan = (uint16_t)n;
		w->has |= HAS_VLAN;
		return r;
	}
	if (!strcmp(key, "vlan-qos")) {
		r = set_number(key, v, VLAN_QOS_MAX, &n, err);
		w->qos = (uint8_t)n;
		return r;
	}
	if (!strcmp(key, "vlan-proto"))
		return set_vlan_proto(v, p, err);
	if (!strcmp(key, "spoofchk")) {
		w->has |= HAS_SPOOFCHK;
		return set_flag(key, v, &w->spoofchk, err);
	}
	if (!strcmp(key, "trust")) {
		w->has |= HAS_TRUST;
		return set_flag(key, v, &w->trust, err);
	}
	if (!strcmp(key, "query-rss")) {
		w->has |= HAS_QUERY_RSS;
		return set_flag(key, v, &w->query_rss, err);
	}
	if (!strcmp(key, "min-rate")) {
		w->has |= HAS_MIN_RATE;
		return set_number(key, v, 10000000, &w->min_rate, err);
	}
	if (!strcmp(key, "max-rate")) {
		w->has |= HAS_MAX_RATE;
		return set_number(key, v, 10000000, &w->max_rate, err);
	}
	if (!strcmp(key, "link-state")) {
		w->has |= HAS_LINK_STATE;
		return vf_link_state_parse(v, &w->link_state) < 0
			       ? bad_value(key, v, "auto, enable or disable", err)
			       : 0;
	}
	/* A typing mistake must not become a VLAN that is silently not set. */
	return fail(err, EINVAL, "a port has no '%s'", key);
}

/* "100-0", and no other spelling of it: two would be two ports for one hostpci. */
static int port_id(const char *id, struct port *p, struct error *err)
{
	const char *dash = strchr(id, '-');
	char vmid[16] = "";
	char again[32];
	char clean[64];
	uint32_t slot = 0;

	if (dash && (size_t)(dash - id) < sizeof(vmid))
		memcpy(vmid, id, (size_t)(dash - id));
	if (!parse_u32(vmid, PVE_VMID_MAX, &p->vmid) && p->vmid >= PVE_VMID_MIN &&
	    !parse_u32(dash + 1, PVE_HOSTPCI_MAX - 1, &slot)) {
		p->slot = slot;
		snprintf(again, sizeof(again), "%u-%u", p->vmid, p->slot);
		if (!strcmp(again, id))
			return 0;
	}
	return fail(err, EINVAL, "'%s' is no port: it wants <vmid>-<hostpci number>, like 100-0",
		    text_clean(id, clean, sizeof(clean)));
}

/* Once is enough, and twice is a question that nobody can answer. `pf` repeats by design. */
static int check_once(const struct section *s, size_t i, struct error *err)
{
	for (size_t k = 0; k < i; k++) {
		if (!strcmp(s->props[k].key, s->props[i].key) && strcmp(s->props[i].key, "pf") != 0)
			return fail(err, EINVAL, "'%s' is here a second time, see line %u",
				    s->props[i].key, s->props[k].line);
	}
	return 0;
}

static int check_port(const struct port *p, const struct section *s, struct error *err)
{
	if (!p->pool[0])
		return fail(err, EINVAL, "the port has no 'pool'");
	if (!(p->want.has & HAS_VLAN) &&
	    (section_get(s, "vlan-qos") || section_get(s, "vlan-proto")))
		return fail(err, EINVAL, "'vlan-qos' and 'vlan-proto' want a 'vlan' with them");
	if ((p->want.has & HAS_VLAN) && !p->want.vlan &&
	    (p->want.qos || p->want.proto != VLAN_PROTO_8021Q))
		return fail(err, EINVAL, "'vlan 0' is no VLAN: it has no priority or protocol");
	if ((p->want.has & HAS_MIN_RATE) && (p->want.has & HAS_MAX_RATE) && p->want.max_rate &&
	    p->want.min_rate > p->want.max_rate)
		return fail(err, EINVAL, "'min-rate' is above 'max-rate'");
	return 0;
}

/* --- One key of a pool --- */

static int add_pf(const char *v, struct pool *p, struct error *err)
{
	struct pool_pf pf = {0};
	char copy[256];
	char *rest = copy;
	char *part;
	bool has_path = false;
	struct pool_pf *more;

	if (snprintf(copy, sizeof(copy), "%s", v) >= (int)sizeof(copy))
		return fail(err, EINVAL, "'pf' is too long");
	while ((part = strsep(&rest, ","))) {
		if (!strncmp(part, "node=", 5) && is_plain_name(part + 5, NAME_LEN - 1)) {
			snprintf(pf.node, sizeof(pf.node), "%s", part + 5);
		} else if (!strncmp(part, "path=", 5) && !pci_addr_parse(part + 5, &pf.addr)) {
			has_path = true;
		} else {
			return bad_value("pf", v, "node=<node>,path=<PCI address of the PF>", err);
		}
	}
	if (!pf.node[0] || !has_path)
		return bad_value("pf", v, "node=<node>,path=<PCI address of the PF>", err);
	more = realloc(p->pfs, (p->n_pfs + 1) * sizeof(*more));
	if (!more)
		return fail(err, ENOMEM, "out of memory");
	p->pfs = more;
	p->pfs[p->n_pfs++] = pf;
	return 0;
}

static int set_pool_key(const char *key, const char *v, struct pool *p, struct error *err)
{
	uint32_t n = 0;
	int r;

	if (!strcmp(key, "comment"))
		return 0;
	if (!strcmp(key, "pf"))
		return add_pf(v, p, err);
	if (!strcmp(key, "allow-pf-down"))
		return set_flag(key, v, &p->allow_pf_down, err);
	if (!strcmp(key, "vfs")) {
		r = set_number(key, v, 65535, &n, err);
		p->vfs = n;
		return r;
	}
	return fail(err, EINVAL, "a pool has no '%s'", key);
}

/* --- Sections --- */

static char *keep_bad(const char *name, unsigned line, const struct error *why)
{
	char *text = NULL;

	if (asprintf(&text, "%s:%u: %s", name, line, why->text) < 0)
		return NULL;
	return text;
}

static int parse_pool(const char *name, const struct section *s, struct pool *p)
{
	struct error why = ERROR_INIT;
	unsigned line = s->line;

	*p = (struct pool){0};
	snprintf(p->name, sizeof(p->name), "%.*s", NAME_LEN - 1, s->id);
	if (!is_plain_name(s->id, NAME_LEN - 1))
		fail(&why, EINVAL, "the pool's name wants letters, digits, '-' and '_'");
	for (size_t i = 0; !why.code && i < s->n_props; i++) {
		line = s->props[i].line;
		if (!set_pool_key(s->props[i].key, s->props[i].value, p, &why))
			check_once(s, i, &why);
	}
	if (why.code)
		p->bad = keep_bad(name, line, &why);
	return why.code && !p->bad ? -ENOMEM : 0;
}

static int parse_port(const char *name, const struct section *s, struct port *p, struct error *err)
{
	struct error why = ERROR_INIT;
	unsigned line = s->line;

	*p = (struct port){.want = {.proto = VLAN_PROTO_8021Q}};
	/* Without its VM nobody could be told: then the file as a whole is wrong. */
	if (port_id(s->id, p, err) < 0)
		return fail_context(err, "%s:%u", name, s->line);
	for (size_t i = 0; !why.code && i < s->n_props; i++) {
		line = s->props[i].line;
		if (!set_port_key(s->props[i].key, s->props[i].value, p, &why))
			check_once(s, i, &why);
	}
	if (!why.code && check_port(p, s, &why) < 0)
		line = s->line;
	if (why.code)
		p->bad = keep_bad(name, line, &why);
	return why.code && !p->bad ? fail(err, ENOMEM, "out of memory") : 0;
}

/* Two ports with one MAC: both are wrong, and neither VM may start with it. */
static int find_double_macs(const char *name, struct config *c)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		for (size_t k = 0; k < i; k++) {
			struct port *a = &c->ports[i];
			struct port *b = &c->ports[k];
			char mac[MAC_LEN];

			if (!(a->want.has & b->want.has & HAS_MAC) ||
			    memcmp(a->want.mac, b->want.mac, 6) != 0)
				continue;
			mac_format(a->want.mac, mac);
			if (!a->bad &&
			    asprintf(&a->bad, "%s: ports %u-%u and %u-%u have the same MAC %s",
				     name, b->vmid, b->slot, a->vmid, a->slot, mac) < 0)
				return -ENOMEM;
			if (!b->bad &&
			    asprintf(&b->bad, "%s: ports %u-%u and %u-%u have the same MAC %s",
				     name, b->vmid, b->slot, a->vmid, a->slot, mac) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

int config_parse(const char *name, const char *text, size_t len, struct config *out,
		 struct error *err)
{
	CLEANUP(section_file_free) struct section_file f = {0};
	CLEANUP(config_free) struct config c = {0};
	int r = section_parse(name, text, len, true, &f, err);

	*out = (struct config){0};
	if (r < 0)
		return r;
	c.pools = calloc(f.n_sections + 1, sizeof(*c.pools));
	c.ports = calloc(f.n_sections + 1, sizeof(*c.ports));
	if (!c.pools || !c.ports)
		return fail(err, ENOMEM, "read %s: out of memory", name);
	for (size_t i = 0; i < f.n_sections; i++) {
		const struct section *s = &f.sections[i];
		char clean[64];

		if (!strcmp(s->type, "pool")) {
			if (parse_pool(name, s, &c.pools[c.n_pools++]) < 0)
				return fail(err, ENOMEM, "read %s: out of memory", name);
		} else if (!strcmp(s->type, "port")) {
			r = parse_port(name, s, &c.ports[c.n_ports++], err);
			if (r < 0)
				return r;
		} else {
			return fail(err, EINVAL, "%s:%u: unknown section type '%s'", name, s->line,
				    text_clean(s->type, clean, sizeof(clean)));
		}
	}
	if (find_double_macs(name, &c) < 0)
		return fail(err, ENOMEM, "read %s: out of memory", name);
	*out = c;
	c = (struct config){0};
	return 0;
}

int config_load(int root, struct config *out, struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t len = file_read(root, VFHOOK_CFG, PVE_FILE_MAX, &text, err);

	*out = (struct config){0};
	if (len == -ENOENT) {
		error_clear(err);
		return 0;
	}
	if (len < 0)
		return (int)len;
	return config_parse("/" VFHOOK_CFG, text, (size_t)len, out, err);
}

void config_free(struct config *c)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		free(c->pools[i].pfs);
		free(c->pools[i].bad);
	}
	for (size_t i = 0; i < c->n_ports; i++)
		free(c->ports[i].bad);
	free(c->pools);
	free(c->ports);
	*c = (struct config){0};
}

const struct pool *config_pool(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		if (!strcmp(c->pools[i].name, name))
			return &c->pools[i];
	}
	return NULL;
}

const struct port *config_port(const struct config *c, uint32_t vmid, unsigned slot)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		if (c->ports[i].vmid == vmid && c->ports[i].slot == slot)
			return &c->ports[i];
	}
	return NULL;
}

int pool_node_pfs(const struct pool *p, const char *node, struct pci_addr **out)
{
	int n = 0;

	*out = calloc(p->n_pfs + 1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_pfs; i++) {
		if (!strcmp(p->pfs[i].node, node))
			(*out)[n++] = p->pfs[i].addr;
	}
	return n;
}

/* --- Writing --- */

static void port_text(const struct port *p, struct str *out)
{
	const struct vf_settings *w = &p->want;
	char mac[MAC_LEN];

	str_printf(out, "port: %u-%u\n\tpool %s\n", p->vmid, p->slot, p->pool);
	if (w->has & HAS_MAC)
		str_printf(out, "\tmac %s\n", mac_format(w->mac, mac));
	else if (p->mac_auto)
		str_append(out, "\tmac auto\n");
	if (w->has & HAS_VLAN) {
		str_printf(out, "\tvlan %u\n", w->vlan);
		if (w->qos)
			str_printf(out, "\tvlan-qos %u\n", w->qos);
		if (w->proto == VLAN_PROTO_8021AD)
			str_append(out, "\tvlan-proto 802.1ad\n");
	}
	if (w->has & HAS_SPOOFCHK)
		str_printf(out, "\tspoofchk %d\n", w->spoofchk);
	if (w->has & HAS_TRUST)
		str_printf(out, "\ttrust %d\n", w->trust);
	if (w->has & HAS_MIN_RATE)
		str_printf(out, "\tmin-rate %u\n", w->min_rate);
	if (w->has & HAS_MAX_RATE)
		str_printf(out, "\tmax-rate %u\n", w->max_rate);
	if (w->has & HAS_LINK_STATE)
		str_printf(out, "\tlink-state %s\n", vf_link_state_name(w->link_state));
	if (w->has & HAS_QUERY_RSS)
		str_printf(out, "\tquery-rss %d\n", w->query_rss);
}

/* The file as it is now, with the lock held; "" if there is none. */
static int load_for_change(int root, char **text, struct config *c, struct error *err)
{
	ssize_t len = file_read(root, VFHOOK_CFG, PVE_FILE_MAX, text, err);

	if (len == -ENOENT) {
		error_clear(err);
		*text = strdup("");
		len = 0;
	}
	if (len < 0)
		return (int)len;
	if (!*text)
		return fail(err, ENOMEM, "out of memory");
	return config_parse("/" VFHOOK_CFG, *text, (size_t)len, c, err);
}

static int store(int root, const struct str *text, struct error *err)
{
	if (!str_ok(text))
		return fail(err, ENOMEM, "write /" VFHOOK_CFG ": out of memory");
	return file_replace(root, VFHOOK_CFG, 0640, str_get(text), text->len, err);
}

int config_add_port(int root, const struct port *p, struct error *err)
{
	CLEANUP(cfs_unlock) struct cfs_lock lock = CFS_LOCK_INIT;
	CLEANUP(config_free) struct config now = {0};
	CLEANUP(str_free) struct str out = STR_INIT;
	AUTO_FREE char *text = NULL;

	if (cfs_lock(root, &lock, err) < 0 || load_for_change(root, &text, &now, err) < 0)
		return error_code(err);
	if (config_port(&now, p->vmid, p->slot))
		return fail(err, EEXIST, "port %u-%u is in /" VFHOOK_CFG " already", p->vmid,
			    p->slot);
	str_append(&out, text);
	if (out.len && text[out.len - 1] != '\n')
		str_append(&out, "\n");
	if (out.len)
		str_append(&out, "\n");
	port_text(p, &out);
	return store(root, &out, err);
}

/* The line after the one that `at` is in. */
static const char *next_line(const char *at)
{
	const char *nl = strchr(at, '\n');

	return nl ? nl + 1 : at + strlen(at);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_mac_line(const char *at)
{
	while (is_blank(*at))
		at++;
	return !strncmp(at, "mac", 3) && is_blank(at[3]);
}

/* Where the section "port: <vmid>-<slot>" begins in text, or NULL. */
static const char *find_port_text(const char *text, uint32_t vmid, unsigned slot)
{
	char id[32];
	size_t len = (size_t)snprintf(id, sizeof(id), "%u-%u", vmid, slot);

	for (const char *at = text; *at; at = next_line(at)) {
		const char *p = at;

		if (strncmp(p, "port:", 5) != 0)
			continue;
		p += 5;
		while (is_blank(*p))
			p++;
		if (!strncmp(p, id, len) &&
		    (p[len] == '\n' || p[len] == '\r' || is_blank(p[len]) || !p[len]))
			return at;
	}
	return NULL;
}

int config_set_mac(int root, uint32_t vmid, unsigned slot, const uint8_t mac[6], struct error *err)
{
	CLEANUP(cfs_unlock) struct cfs_lock lock = CFS_LOCK_INIT;
	CLEANUP(config_free) struct config now = {0};
	CLEANUP(str_free) struct str out = STR_INIT;
	AUTO_FREE char *text = NULL;
	const char *head;
	const char *at;
	char mac_text[MAC_LEN];

	if (cfs_lock(root, &lock, err) < 0 || load_for_change(root, &text, &now, err) < 0)
		return error_code(err);
	head = find_port_text(text, vmid, slot);
	if (!head)
		return fail(err, ENOENT, "port %u-%u has gone from /" VFHOOK_CFG, vmid, slot);
	at = next_line(head);
	str_append_len(&out, text, (size_t)(at - text));
	if (out.len && out.data[out.len - 1] != '\n')
		str_append(&out, "\n");
	str_printf(&out, "\tmac %s\n", mac_format(mac, mac_text));
	/* The rest as it is, without the section's old mac line. */
	while (is_blank(*at) || *at == '#') {
		const char *next = next_line(at);

		if (!is_mac_line(at))
			str_append_len(&out, at, (size_t)(next - at));
		at = next;
	}
	str_append(&out, at);
	return store(root, &out, err);
}

int config_remove_port(int root, uint32_t vmid, unsigned slot, struct error *err)
{
	CLEANUP(cfs_unlock) struct cfs_lock lock = CFS_LOCK_INIT;
	CLEANUP(config_free) struct config now = {0};
	CLEANUP(str_free) struct str out = STR_INIT;
	AUTO_FREE char *text = NULL;
	const char *head;
	const char *at;

	if (cfs_lock(root, &lock, err) < 0 || load_for_change(root, &text, &now, err) < 0)
		return error_code(err);
	head = find_port_text(text, vmid, slot);
	if (!head)
		return 0;
	for (at = next_line(head); is_blank(*at);)
		at = next_line(at);
	/* With the blank line behind it. */
	if (*at == '\n')
		at++;
	str_append_len(&out, text, (size_t)(head - text));
	str_append(&out, at);
	return store(root, &out, err);
}
