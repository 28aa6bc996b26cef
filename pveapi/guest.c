/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading a VM's config line by line. */
#include "pveapi/guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/lines.h"
#include "pveapi/node.h"
#include "pveapi/section.h"
#include "pveapi/sha1.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/text.h"

#define NUMA_MAX      8 /* PVE/QemuServer/Memory.pm: $MAX_NUMA */
#define NUMA_NODE_MAX 1023

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

	if (!line_split(line, &key, &value))
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
	n = key_index(key, "hostpci", PVE_HOSTPCI_MAX);
	if (n >= 0)
		return take_hostpci(p, (unsigned)n, value);
	n = key_index(key, "numa", NUMA_MAX);
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

int guest_config_skim(const char *name, const char *text, size_t len, struct guest_config *out,
		      bool *broken)
{
	struct config_parser p = {.name = name, .out = out, .broken = broken};
	int r;

	*out = (struct guest_config){.numa_node = -1};
	r = config_parse(&p, text, len);
	*broken = *broken || (r < 0 && r != -ENOMEM);
	return r == -ENOMEM ? r : 0;
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

	r = pve_node_check(node, err);
	if (r < 0)
		return r;
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
