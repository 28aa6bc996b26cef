/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pveapi/guest.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "pveapi/lines.h"
#include "pveapi/mapping.h"
#include "pveapi/section.h"

#define DATACENTER_CFG	  "etc/pve/datacenter.cfg"
#define VMLIST_MAX	  (16 << 20) /* about 60 bytes a guest */
#define NODE_MAX_LEN	  63
#define NUMA_MAX	  8 /* PVE/QemuServer/Memory.pm: $MAX_NUMA */
#define HOSTPCI_MAX_LEN	  4096
#define NUMA_NODE_MAX	  1023
#define MAC_PREFIX_DIGITS 7 /* three bytes and a half one: pve_verify_mac_prefix */

/* hostpciN */

void hostpci_clear(struct hostpci *h)
{
	free(h->raw);
	free(h->mapping);
	free(h->host);
	free(h->rest);
	*h = (struct hostpci){0};
}

/* One of the ids in a host= list: "[domain:]bus:dev[.fn]". */
static int parse_host_addr(struct span s, struct pci_addr *a, bool *whole_device)
{
	char text[32];

	if (!s.len || s.len > sizeof(text) - 3)
		return -EINVAL;
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	*whole_device = !strchr(text, '.');
	if (*whole_device)
		memcpy(text + s.len, ".0", 3);
	return pci_addr_parse(text, a);
}

int hostpci_each_addr(const struct hostpci *h,
		      int (*fn)(const struct pci_addr *a, bool whole_device, void *arg), void *arg)
{
	struct span rest = {h->host, h->host ? strlen(h->host) : 0};
	struct span part;

	while (span_cut(&rest, ';', &part)) {
		struct pci_addr a;
		bool whole;
		int r = parse_host_addr(part, &a, &whole);

		if (!r)
			r = fn(&a, whole, arg);
		if (r)
			return r;
	}
	return 0;
}

static int no_check(const struct pci_addr *a, bool whole_device, void *arg)
{
	(void)a;
	(void)whole_device;
	(void)arg;
	return 0;
}

/* Shows at most the beginning of what somebody wrote. */
static const char *shown(struct span s, char buf[80])
{
	char text[72];
	size_t len = s.len < sizeof(text) ? s.len : sizeof(text) - 1;

	memcpy(text, s.p, len);
	text[len] = '\0';
	return text_clean(text, buf, 80);
}

static int set_once(char **to, struct span value, const char *key, struct error *err)
{
	if (*to)
		return fail(err, EINVAL, "%s is there twice", key);
	*to = strndup(value.p, value.len);
	return *to ? 0 : fail(err, ENOMEM, "out of memory");
}

/* The key of "key=value"; the part itself goes to rest, but not twice with the same key. */
static int take_other(struct span part, size_t key_len, struct str *rest, struct error *err)
{
	struct span seen = {str_get(rest), rest->len};
	struct span old;

	while (span_cut(&seen, ',', &old)) {
		if (old.len > key_len && !memcmp(old.p, part.p, key_len + 1)) {
			char buf[80];

			return fail(err, EINVAL, "%s is there twice",
				    shown((struct span){part.p, key_len}, buf));
		}
	}
	if (rest->len)
		str_append(rest, ",");
	str_append_len(rest, part.p, part.len);
	return 0;
}

/* PVE/JSONSchema.pm: parse_property_string; "host" is the key that may be left out. */
static int take_part(struct span part, struct hostpci *h, struct str *rest, struct error *err)
{
	const char *eq = memchr(part.p, '=', part.len);
	struct span key;
	struct span value;

	if (!span_trim(part).len)
		return 0;
	if (!eq)
		return set_once(&h->host, part, "host", err);
	key = (struct span){part.p, (size_t)(eq - part.p)};
	value = (struct span){eq + 1, part.len - key.len - 1};
	if (!key.len || !value.len) {
		char buf[80];

		return fail(err, EINVAL, "\"%s\" is no key=value", shown(part, buf));
	}
	if (span_is(key, "host"))
		return set_once(&h->host, value, "host", err);
	if (span_is(key, "mapping"))
		return set_once(&h->mapping, value, "mapping", err);
	h->keep_driver = h->keep_driver || (span_is(key, "driver") && span_is(value, "keep"));
	return take_other(part, key.len, rest, err);
}

static int check_device(const struct hostpci *h, struct error *err)
{
	char buf[80];

	if (h->host && h->mapping)
		return fail(err, EINVAL, "both a host address and a mapping");
	if (!h->host && !h->mapping)
		return fail(err, EINVAL, "neither a host address nor a mapping");
	if (h->mapping && !mapping_id_valid(h->mapping))
		return fail(err, EINVAL, "\"%s\" is no mapping id",
			    shown((struct span){h->mapping, strlen(h->mapping)}, buf));
	if (h->host && hostpci_each_addr(h, no_check, NULL) < 0)
		return fail(err, EINVAL, "\"%s\" is no PCI address",
			    shown((struct span){h->host, strlen(h->host)}, buf));
	return 0;
}

static int hostpci_fill(struct span value, struct hostpci *h, struct error *err)
{
	CLEANUP(str_free) struct str rest = STR_INIT;
	struct span left = value;
	struct span part;
	int r;

	/* Real ones have some dozens; looking for keys that repeat takes the square of it. */
	if (value.len > HOSTPCI_MAX_LEN)
		return fail(err, EINVAL, "longer than %d bytes", HOSTPCI_MAX_LEN);
	while (span_cut(&left, ',', &part)) {
		r = take_part(part, h, &rest, err);
		if (r < 0)
			return r;
	}
	r = check_device(h, err);
	if (r < 0)
		return r;
	h->present = true;
	h->raw = strndup(value.p, value.len);
	h->rest = str_take(&rest);
	return h->raw && h->rest ? 0 : fail(err, ENOMEM, "out of memory");
}

static int hostpci_parse_span(struct span value, struct hostpci *out, struct error *err)
{
	int r;

	*out = (struct hostpci){0};
	r = hostpci_fill(value, out, err);
	if (r < 0)
		hostpci_clear(out);
	return r;
}

int hostpci_parse(const char *value, struct hostpci *out, struct error *err)
{
	return hostpci_parse_span((struct span){value, strlen(value)}, out, err);
}

/* Guest configs */

void guest_config_free(struct guest_config *g)
{
	free(g->node);
	free(g->name);
	free(g->hookscript);
	free(g->machine);
	free(g->lock);
	free(g->text);
	for (size_t i = 0; i < PVE_HOSTPCI_MAX; i++)
		hostpci_clear(&g->hostpci[i]);
	*g = (struct guest_config){.numa_node = -1};
}

struct config_parser {
	const char *name;
	unsigned line;
	struct guest_config *out;
	bool *broken;	    /* not NULL: a bad hostpciN sets it and is left out */
	int numa[NUMA_MAX]; /* host node of numaN; -1: not pinned, -2: to several */
	struct error *err;
};

/*
 * "key: value" as PVE/QemuServer.pm: parse_vm_config takes it: lower-case letters, '_' and '-',
 * then digits. False for everything else (comments too).
 */
static bool split_line(struct span line, struct span *key, struct span *value)
{
	size_t n = 0;

	while (n < line.len &&
	       (islower((unsigned char)line.p[n]) || (n && (line.p[n] == '_' || line.p[n] == '-'))))
		n++;
	if (!n)
		return false;
	while (n < line.len && isdigit((unsigned char)line.p[n]))
		n++;
	if (n == line.len || line.p[n] != ':')
		return false;
	*key = (struct span){line.p, n};
	*value = span_trim((struct span){line.p + n + 1, line.len - n - 1});
	return value->len > 0;
}

/* The N of a key "<prefix>N", N < max and without leading zeros, or -1. */
static int key_number(struct span key, const char *prefix, unsigned max)
{
	size_t len = strlen(prefix);
	char digits[4];
	uint32_t n;

	if (key.len <= len || key.len - len >= sizeof(digits) || memcmp(key.p, prefix, len) != 0)
		return -1;
	memcpy(digits, key.p + len, key.len - len);
	digits[key.len - len] = '\0';
	if (digits[0] == '0' && digits[1])
		return -1;
	return parse_u32(digits, max - 1, &n) < 0 ? -1 : (int)n;
}

static int set_text(const struct config_parser *p, char **to, struct span value)
{
	char *text = strndup(value.p, value.len);

	if (!text)
		return fail(p->err, ENOMEM, "%s:%u: out of memory", p->name, p->line);
	free(*to);
	*to = text;
	return 0;
}

/* The value of `key` in a property string; without_key: the part without '=' has that key. */
static bool property(struct span value, const char *key, bool without_key, struct span *out)
{
	struct span part;

	while (span_cut(&value, ',', &part)) {
		const char *eq = memchr(part.p, '=', part.len);
		struct span k = {part.p, eq ? (size_t)(eq - part.p) : 0};

		if (eq ? !span_is(k, key) : !without_key)
			continue;
		*out = eq ? (struct span){eq + 1, part.len - k.len - 1} : part;
		return out->len > 0;
	}
	return false;
}

static int take_hostpci(struct config_parser *p, unsigned slot, struct span value)
{
	struct error why = ERROR_INIT;
	struct hostpci h;
	int r = hostpci_parse_span(value, &h, &why);

	if (r < 0 && p->broken && r != -ENOMEM) {
		*p->broken = true;
		return 0;
	}
	if (r < 0)
		return fail(p->err, -r, "%s:%u: hostpci%u: %s", p->name, p->line, slot, why.text);
	/* Written twice: PVE goes by the last one. */
	hostpci_clear(&p->out->hostpci[slot]);
	p->out->hostpci[slot] = h;
	return 0;
}

static void take_numa(struct config_parser *p, unsigned n, struct span value)
{
	struct span hostnodes;
	char text[8];
	uint32_t node;

	p->numa[n] = -1;
	if (!property(value, "hostnodes", false, &hostnodes))
		return;
	p->numa[n] = -2;
	if (hostnodes.len >= sizeof(text))
		return;
	memcpy(text, hostnodes.p, hostnodes.len);
	text[hostnodes.len] = '\0';
	if (!parse_u32(text, NUMA_NODE_MAX, &node))
		p->numa[n] = (int)node;
}

static int take_line(struct config_parser *p, struct span line)
{
	struct guest_config *g = p->out;
	struct span key;
	struct span value;
	int n;

	if (!split_line(line, &key, &value))
		return 0;
	if (span_is(key, "name"))
		return set_text(p, &g->name, value);
	if (span_is(key, "hookscript"))
		return set_text(p, &g->hookscript, value);
	if (span_is(key, "lock"))
		return set_text(p, &g->lock, value);
	if (span_is(key, "machine"))
		return property(value, "type", true, &value) ? set_text(p, &g->machine, value) : 0;
	if (span_is(key, "template")) {
		g->is_template = span_is(value, "1");
		return 0;
	}
	n = key_number(key, "hostpci", PVE_HOSTPCI_MAX);
	if (n >= 0)
		return take_hostpci(p, (unsigned)n, value);
	n = key_number(key, "numa", NUMA_MAX);
	if (n >= 0)
		take_numa(p, (unsigned)n, value);
	return 0;
}

static void numa_finish(const struct config_parser *p)
{
	int node = -1;

	for (size_t i = 0; i < NUMA_MAX; i++) {
		if (p->numa[i] == -1)
			continue;
		if (p->numa[i] < 0 || (node >= 0 && node != p->numa[i]))
			return;
		node = p->numa[i];
	}
	p->out->numa_known = node >= 0;
	p->out->numa_node = node;
}

static int config_parse(struct config_parser *p, const char *text, size_t len)
{
	struct lines lines = lines_of(text, len);
	struct span line;

	for (size_t i = 0; i < NUMA_MAX; i++)
		p->numa[i] = -1;
	while (lines_next(&lines, &line)) {
		int r;

		p->line = lines.number;
		if (line.len && line.p[0] == '[')
			break;
		if (memchr(line.p, '\0', line.len))
			return fail(p->err, EINVAL, "%s:%u: NUL byte", p->name, p->line);
		r = take_line(p, line);
		if (r < 0)
			return r;
	}
	numa_finish(p);
	return 0;
}

int guest_config_parse(const char *name, const char *text, size_t len, uint32_t vmid,
		       struct guest_config *out, struct error *err)
{
	struct config_parser p = {.name = name, .out = out, .err = err};
	int r;

	*out = (struct guest_config){.vmid = vmid, .numa_node = -1};
	r = config_parse(&p, text, len);
	if (r < 0)
		guest_config_free(out);
	return r;
}

bool guest_is_container(int root, const char *node, uint32_t vmid)
{
	char path[GUEST_PATH_LEN];

	snprintf(path, sizeof(path), "etc/pve/nodes/%s/lxc/%u.conf", node, vmid);
	return path_exists(root, path);
}

const char *guest_config_path(const char *node, uint32_t vmid, char buf[GUEST_PATH_LEN])
{
	snprintf(buf, GUEST_PATH_LEN, "etc/pve/nodes/%s/qemu-server/%u.conf", node, vmid);
	return buf;
}

static int load_from(int root, const char *node, uint32_t vmid, struct guest_config *out,
		     struct error *err)
{
	AUTO_FREE char *text = NULL;
	char path[GUEST_PATH_LEN + 1] = "/"; /* the slash is for messages alone */
	ssize_t len;
	int r;

	if (!is_plain_name(node, NODE_MAX_LEN))
		return fail(err, EINVAL, "\"%.80s\" is no node name", node);
	len = file_read(root, guest_config_path(node, vmid, path + 1), PVE_FILE_MAX, &text, err);
	if (len < 0)
		return (int)len;
	r = guest_config_parse(path, text, (size_t)len, vmid, out, err);
	if (r < 0)
		return r;
	out->node = strdup(node);
	if (!out->node) {
		guest_config_free(out);
		return fail(err, ENOMEM, "%s: out of memory", path);
	}
	out->text = STEAL(text);
	out->text_len = (size_t)len;
	return 0;
}

void guest_config_digest(const struct guest_config *g, char digest[41])
{
	sha1_hex(g->text ? g->text : "", g->text_len, digest);
}

int guest_config_load(int root, const char *node, const char *from_node, uint32_t vmid,
		      struct guest_config *out, struct error *err)
{
	int r;

	*out = (struct guest_config){.numa_node = -1};
	if (vmid < PVE_VMID_MIN || vmid > PVE_VMID_MAX)
		return fail(err, EINVAL, "%u is no VM id", vmid);
	r = load_from(root, node, vmid, out, err);
	if (r != -ENOENT || !from_node || !*from_node)
		return r;
	error_clear(err);
	r = load_from(root, from_node, vmid, out, err);
	if (r == -ENOENT)
		return fail(err, ENOENT,
			    "VM %u has no config on %s, nor on %s, where it comes from", vmid, node,
			    from_node);
	return r;
}

/* Folders of configs */

struct names {
	struct dirent **list;
	int n;
};

static void names_free(struct names *names)
{
	for (int i = 0; i < names->n; i++)
		free(names->list[i]);
	free(names->list);
}

static bool conf_vmid(const char *name, uint32_t *vmid)
{
	const char *dot = strchr(name, '.');
	char digits[16];

	if (!dot || strcmp(dot, ".conf") != 0 || (size_t)(dot - name) >= sizeof(digits))
		return false;
	memcpy(digits, name, (size_t)(dot - name));
	digits[dot - name] = '\0';
	return digits[0] != '0' && !parse_u32(digits, PVE_VMID_MAX, vmid) && *vmid >= PVE_VMID_MIN;
}

static int is_conf(const struct dirent *d)
{
	uint32_t vmid;

	return conf_vmid(d->d_name, &vmid);
}

static int is_node(const struct dirent *d)
{
	return is_plain_name(d->d_name, NODE_MAX_LEN);
}

/* In the order of their names; a folder that is not there has none. */
static int list_dir(int root, const char *path, int (*filter)(const struct dirent *),
		    struct names *out, struct error *err)
{
	int n = scandirat(root, path + 1, &out->list, filter, versionsort);

	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0)
		return fail_errno(err, errno, "list %s", path);
	out->n = n;
	return 0;
}

struct naming {
	struct guest_names *out;
	uint32_t vmid;
	unsigned slot;
	bool keep;
};

/* Room for one more behind n: it doubles at each power of two. False: out of memory. */
static bool grow(void **list, size_t n, size_t size)
{
	void *more;

	if (n && (n < 16 || (n & (n - 1))))
		return true;
	more = reallocarray(*list, n ? n * 2 : 16, size);
	if (more)
		*list = more;
	return more;
}

static int add_raw(const struct pci_addr *a, bool whole_device, void *arg)
{
	struct naming *s = arg;
	struct guest_names *g = s->out;

	if (!grow((void **)&g->raw, g->n_raw, sizeof(*g->raw)))
		return -ENOMEM;
	g->raw[g->n_raw++] = (struct guest_claim){*a, whole_device, s->vmid, s->slot, s->keep};
	return 0;
}

static int add_mapped(struct naming *s, const char *mapping)
{
	struct guest_names *g = s->out;
	char *id;

	if (!grow((void **)&g->mapped, g->n_mapped, sizeof(*g->mapped)))
		return -ENOMEM;
	id = strdup(mapping);
	if (!id)
		return -ENOMEM;
	g->mapped[g->n_mapped] =
		(struct guest_mapped){.vmid = s->vmid, .slot = s->slot, .keep_driver = s->keep};
	g->mapped[g->n_mapped++].mapping = id;
	return 0;
}

static int names_of_config(struct naming *s, const char *path, const char *text, size_t len,
			   bool *broken)
{
	CLEANUP(guest_config_free) struct guest_config g = {.numa_node = -1};
	struct config_parser p = {.name = path, .out = &g, .broken = broken};
	int r = config_parse(&p, text, len);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		*broken = true;
	if (g.is_template)
		return 0;
	if (!grow((void **)&s->out->vmids, s->out->n_vmids, sizeof(*s->out->vmids)))
		return -ENOMEM;
	s->out->vmids[s->out->n_vmids++] = s->vmid;
	for (s->slot = 0; s->slot < PVE_HOSTPCI_MAX; s->slot++) {
		const struct hostpci *h = &g.hostpci[s->slot];

		s->keep = h->keep_driver;
		r = h->present && h->mapping ? add_mapped(s, h->mapping)
					     : hostpci_each_addr(h, add_raw, s);
		if (r < 0)
			return r;
	}
	return 0;
}

static int names_of_file(int root, const char *path, struct naming *s, bool *broken,
			 struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t len = file_read(root, path + 1, PVE_FILE_MAX, &text, NULL);

	/* Moved to another node or deleted since the folder was read. */
	if (len == -ENOENT)
		return 0;
	if (len < 0) {
		*broken = true;
		return 0;
	}
	if (names_of_config(s, path, text, (size_t)len, broken) < 0)
		return fail(err, ENOMEM, "%s: out of memory", path);
	return 0;
}

void guest_names_free(struct guest_names *g)
{
	for (size_t i = 0; i < g->n_mapped; i++)
		free(g->mapped[i].mapping);
	free(g->mapped);
	free(g->raw);
	free(g->vmids);
	free(g->broken);
	*g = (struct guest_names){0};
}

static int read_names(int root, const char *node, struct guest_names *out, struct error *err)
{
	CLEANUP(names_free) struct names names = {NULL, 0};
	CLEANUP(str_free) struct str bad = STR_INIT;
	struct naming s = {.out = out};
	char dir[128];
	int r;

	if (!is_plain_name(node, NODE_MAX_LEN))
		return fail(err, EINVAL, "\"%.80s\" is no node name", node);
	snprintf(dir, sizeof(dir), "/etc/pve/nodes/%s/qemu-server", node);
	r = list_dir(root, dir, is_conf, &names, err);
	for (int i = 0; !r && i < names.n; i++) {
		bool is_bad = false;
		char path[192];

		(void)conf_vmid(names.list[i]->d_name, &s.vmid);
		snprintf(path, sizeof(path), "%s/%u.conf", dir, s.vmid);
		r = names_of_file(root, path, &s, &is_bad, err);
		if (is_bad)
			str_printf(&bad, "%s%s", bad.len ? ", " : "", path);
	}
	if (r || !bad.len)
		return r;
	out->broken = str_take(&bad);
	return out->broken ? 0 : fail(err, ENOMEM, "list %s: out of memory", dir);
}

int guest_names_read(int root, const char *node, struct guest_names *out, struct error *err)
{
	int r;

	*out = (struct guest_names){0};
	r = read_names(root, node, out, err);
	if (r < 0)
		guest_names_free(out);
	return r;
}

/* The guests of the cluster */

struct guests {
	struct guest_ref *list;
	size_t n;
	size_t cap;
};

static int add_guest(struct guests *g, uint32_t vmid, const char *node, bool container)
{
	struct guest_ref *r;

	if (g->n == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 32;
		struct guest_ref *list = reallocarray(g->list, cap, sizeof(*list));

		if (!list)
			return -ENOMEM;
		g->list = list;
		g->cap = cap;
	}
	r = &g->list[g->n++];
	*r = (struct guest_ref){.vmid = vmid, .container = container};
	snprintf(r->node, sizeof(r->node), "%s", node);
	return 0;
}

static int guests_of_dir(int root, const char *node, bool container, struct guests *g,
			 struct error *err)
{
	CLEANUP(names_free) struct names names = {NULL, 0};
	char dir[128];
	int r;

	snprintf(dir, sizeof(dir), "/etc/pve/nodes/%s/%s", node, container ? "lxc" : "qemu-server");
	r = list_dir(root, dir, is_conf, &names, err);
	/* A stray file among the nodes' folders has no guests. */
	if (r == -ENOTDIR) {
		error_clear(err);
		r = 0;
	}
	for (int i = 0; !r && i < names.n; i++) {
		uint32_t vmid = 0;

		(void)conf_vmid(names.list[i]->d_name, &vmid);
		if (add_guest(g, vmid, node, container) < 0)
			r = fail(err, ENOMEM, "list %s: out of memory", dir);
	}
	return r;
}

static int by_vmid(const void *a, const void *b)
{
	const struct guest_ref *x = a;
	const struct guest_ref *y = b;

	if (x->vmid != y->vmid)
		return x->vmid < y->vmid ? -1 : 1;
	return strcmp(x->node, y->node);
}

int guest_list(int root, struct guest_ref **list, size_t *n, struct error *err)
{
	CLEANUP(names_free) struct names nodes = {NULL, 0};
	struct guests g = {0};
	int r = list_dir(root, "/etc/pve/nodes", is_node, &nodes, err);

	*list = NULL;
	*n = 0;
	for (int i = 0; !r && i < nodes.n; i++) {
		r = guests_of_dir(root, nodes.list[i]->d_name, false, &g, err);
		if (!r)
			r = guests_of_dir(root, nodes.list[i]->d_name, true, &g, err);
	}
	if (r < 0) {
		free(g.list);
		return r;
	}
	if (g.n)
		qsort(g.list, g.n, sizeof(*g.list), by_vmid);
	*list = g.list;
	*n = g.n;
	return 0;
}

static int is_vmid(const void *key, const void *item)
{
	uint32_t vmid = *(const uint32_t *)key;
	const struct guest_ref *r = item;

	return vmid < r->vmid ? -1 : vmid > r->vmid;
}

const struct guest_ref *guest_find(const struct guest_ref *list, size_t n, uint32_t vmid)
{
	return n ? bsearch(&vmid, list, n, sizeof(*list), is_vmid) : NULL;
}

/* The member of /etc/pve/.vmlist: 1, 0, -ENOENT if there is no such file, or another errno. */
static int vmlist_has(int root, uint32_t vmid, struct error *err)
{
	AUTO_FREE char *text = NULL;
	json_t *j;
	const json_t *ids;
	char key[16];
	bool has;
	bool good;
	ssize_t len = file_read(root, "etc/pve/.vmlist", VMLIST_MAX, &text, err);

	if (len < 0)
		return (int)len;
	j = json_loadb(text, (size_t)len, 0, NULL);
	ids = json_object_get(j, "ids");
	snprintf(key, sizeof(key), "%u", vmid);
	good = json_is_object(ids);
	has = json_object_get(ids, key) != NULL;
	json_decref(j);
	return good ? has : fail(err, EBADMSG, "/etc/pve/.vmlist cannot be understood");
}

static enum answer folders_have(int root, uint32_t vmid, struct error *err)
{
	AUTO_FREE struct guest_ref *list = NULL;
	size_t n;

	if (guest_list(root, &list, &n, err) < 0)
		return ANSWER_UNKNOWN;
	return guest_find(list, n, vmid) ? ANSWER_YES : ANSWER_NO;
}

enum answer guest_exists(int root, uint32_t vmid, struct error *err)
{
	int listed = vmlist_has(root, vmid, err);
	enum answer found;

	if (listed > 0)
		return ANSWER_YES;
	if (listed < 0 && listed != -ENOENT)
		return ANSWER_UNKNOWN;
	error_clear(err);
	found = folders_have(root, vmid, err);
	return listed == -ENOENT && found == ANSWER_NO ? folders_have(root, vmid, err) : found;
}

/* MAC addresses */

struct macs {
	struct guest_mac *list;
	size_t n;
	size_t cap;
	uint32_t vmid; /* whose config is being read */
};

static int add_mac(struct macs *m, const uint8_t mac[6])
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 32;
		struct guest_mac *list = reallocarray(m->list, cap, sizeof(*list));

		if (!list)
			return -ENOMEM;
		m->list = list;
		m->cap = cap;
	}
	m->list[m->n].vmid = m->vmid;
	memcpy(m->list[m->n++].mac, mac, 6);
	return 0;
}

/* "virtio=<mac>,bridge=..", "model=virtio,macaddr=<mac>,..", containers: "hwaddr=<mac>,..". */
static int macs_of_net(struct macs *m, struct span value)
{
	struct span part;

	while (span_cut(&value, ',', &part)) {
		const char *eq = memchr(part.p, '=', part.len);
		char text[MAC_LEN];
		uint8_t mac[6];

		if (!eq || part.len - (size_t)(eq + 1 - part.p) != MAC_LEN - 1)
			continue;
		memcpy(text, eq + 1, MAC_LEN - 1);
		text[MAC_LEN - 1] = '\0';
		if (!mac_parse(text, mac) && add_mac(m, mac) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int macs_of_config(struct macs *m, const char *text, size_t len)
{
	struct lines lines = lines_of(text, len);
	struct span line;

	/* Snapshots and pending changes count: a rollback brings their addresses back. */
	while (lines_next(&lines, &line)) {
		struct span key;
		struct span value;

		if (!split_line(line, &key, &value) || key_number(key, "net", 100) < 0)
			continue;
		if (macs_of_net(m, value) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int macs_of_dir(int root, const char *dir, struct macs *m, struct error *err)
{
	CLEANUP(names_free) struct names names = {NULL, 0};
	int r = list_dir(root, dir, is_conf, &names, err);

	for (int i = 0; !r && i < names.n; i++) {
		AUTO_FREE char *text = NULL;
		char path[192];
		ssize_t len;

		(void)conf_vmid(names.list[i]->d_name, &m->vmid);
		snprintf(path, sizeof(path), "%s/%u.conf", dir, m->vmid);
		len = file_read(root, path + 1, PVE_FILE_MAX, &text, NULL);
		if (len > 0 && macs_of_config(m, text, (size_t)len) < 0)
			r = fail(err, ENOMEM, "%s: out of memory", path);
	}
	return r;
}

int guest_all_macs(int root, struct guest_mac **macs, size_t *n_macs, struct error *err)
{
	static const char *const kinds[] = {"qemu-server", "lxc"};
	CLEANUP(names_free) struct names nodes = {NULL, 0};
	struct macs m = {0};
	int r = list_dir(root, "/etc/pve/nodes", is_node, &nodes, err);

	*macs = NULL;
	*n_macs = 0;
	for (int i = 0; !r && i < nodes.n; i++) {
		for (size_t k = 0; !r && k < ARRAY_SIZE(kinds); k++) {
			char dir[128];

			snprintf(dir, sizeof(dir), "/etc/pve/nodes/%.63s/%s", nodes.list[i]->d_name,
				 kinds[k]);
			r = macs_of_dir(root, dir, &m, err);
		}
	}
	if (r < 0) {
		free(m.list);
		return r;
	}
	*macs = m.list;
	*n_macs = m.n;
	return 0;
}

/* The node and the datacenter */

int pve_node_name(int root, char *buf, size_t size, struct error *err)
{
	char name[NAME_MAX + 1];
	struct utsname uts;

	if (link_basename(root, "etc/pve/local", name, sizeof(name)) < 0) {
		if (uname(&uts) < 0)
			return fail_errno(err, errno, "read the host name");
		uts.nodename[strcspn(uts.nodename, ".")] = '\0';
		snprintf(name, sizeof(name), "%s", uts.nodename);
	}
	if (!is_plain_name(name, NODE_MAX_LEN) || strlen(name) >= size) {
		char clean[80];

		return fail(err, EINVAL, "\"%s\" is no node name",
			    text_clean(name, clean, sizeof(clean)));
	}
	memcpy(buf, name, strlen(name) + 1);
	return 0;
}

/* Pairs of hex digits with ':' between, the last pair perhaps half: pve_verify_mac_prefix. */
static int parse_mac_prefix(struct span value, uint8_t prefix[6], size_t *n_bytes)
{
	unsigned digits = 0;

	memset(prefix, 0, 6);
	for (size_t i = 0; i < value.len; i++) {
		char c = (char)tolower((unsigned char)value.p[i]);
		unsigned v;

		if (i % 3 == 2) {
			if (c != ':')
				return -EINVAL;
			continue;
		}
		if (!isxdigit((unsigned char)c) || ++digits > MAC_PREFIX_DIGITS)
			return -EINVAL;
		v = (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
		prefix[i / 3] |= (uint8_t)(i % 3 ? v : v << 4);
	}
	if (digits < 2 || (digits % 2 && digits != MAC_PREFIX_DIGITS && digits < 3))
		return -EINVAL;
	if (prefix[0] & 1)
		return -EINVAL;
	*n_bytes = (digits + 1) / 2;
	return 0;
}

int pve_mac_prefix_parse(const char *text, size_t len, uint8_t prefix[6], size_t *n_bytes,
			 struct error *err)
{
	struct span found = {"BC:24:11", 8}; /* PVE/DataCenterConfig.pm: $PROXMOX_OUI */
	struct lines lines = lines_of(text, len);
	unsigned found_line = 0;
	struct span line;

	while (lines_next(&lines, &line)) {
		struct span key;
		struct span value;

		if (!split_line(span_trim(line), &key, &value) || !span_is(key, "mac_prefix"))
			continue;
		found = value;
		found_line = lines.number;
	}
	if (parse_mac_prefix(found, prefix, n_bytes) < 0) {
		char buf[80];

		return fail(err, EINVAL,
			    "/" DATACENTER_CFG
			    ":%u: mac_prefix \"%s\" is no prefix of unicast MACs",
			    found_line, shown(found, buf));
	}
	return 0;
}

int pve_mac_prefix(int root, uint8_t prefix[6], size_t *n_bytes, struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t len = file_read(root, DATACENTER_CFG, PVE_FILE_MAX, &text, err);

	if (len == -ENOENT) {
		error_clear(err);
		return pve_mac_prefix_parse("", 0, prefix, n_bytes, err);
	}
	if (len < 0)
		return (int)len;
	return pve_mac_prefix_parse(text, (size_t)len, prefix, n_bytes, err);
}
