/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's config, line by line. */
#include "pveapi/ct_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pveapi/lines.h"
#include "pveapi/node.h"
#include "pveapi/section.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"

#define RAW_PREFIX "lxc.net."

void ct_config_free(struct ct_config *c)
{
	free(c->name);
	free(c->hookscript);
	free(c->text);
	free(c->nets);
	*c = (struct ct_config){0};
}

const char *ct_config_path(const char *node, uint32_t vmid, char buf[GUEST_PATH_LEN])
{
	snprintf(buf, GUEST_PATH_LEN, "etc/pve/nodes/%s/lxc/%u.conf", node, vmid);
	return buf;
}

/*
 * "lxc.net.32.type: phys", or with '=' (parse_pct_config): its index, what is behind it ("type"),
 * and the value. False for every other line.
 */
static bool raw_split(struct span line, unsigned *index, struct span *key, struct span *value)
{
	const size_t len = strlen(RAW_PREFIX);
	struct span rest = {line.p + len, line.len - len};
	char digits[12];
	struct span n;
	uint32_t number;
	size_t at = 0;

	if (line.len <= len || memcmp(line.p, RAW_PREFIX, len) != 0 || !span_cut(&rest, '.', &n) ||
	    !rest.p || !span_copy(n, digits, sizeof(digits)) ||
	    parse_u32(digits, INT32_MAX, &number) < 0)
		return false;
	while (at < rest.len && rest.p[at] != ':' && rest.p[at] != '=')
		at++;
	if (at == rest.len)
		return false;
	*index = number;
	*key = span_trim((struct span){rest.p, at});
	*value = span_trim((struct span){rest.p + at + 1, rest.len - at - 1});
	return key->len > 0;
}

static struct ct_net *net_at(struct ct_config *c, unsigned index, bool raw)
{
	struct ct_net *more;

	for (size_t i = 0; i < c->n_nets; i++) {
		if (c->nets[i].index == index && c->nets[i].raw == raw)
			return &c->nets[i];
	}
	more = reallocarray(c->nets, c->n_nets + 1, sizeof(*more));
	if (!more)
		return NULL;
	c->nets = more;
	c->nets[c->n_nets] = (struct ct_net){.index = index, .raw = raw};
	return &c->nets[c->n_nets++];
}

static int take_raw(struct ct_config *c, unsigned index, struct span key, struct span value)
{
	struct ct_net *n = net_at(c, index, true);

	if (!n)
		return -ENOMEM;
	if (span_is(key, "name"))
		span_copy(value, n->name, sizeof(n->name));
	else if (span_is(key, "link"))
		span_copy(value, n->link, sizeof(n->link));
	return 0;
}

/* "name=eth0,bridge=vmbr0,..." */
static int take_net(struct ct_config *c, unsigned index, struct span value)
{
	struct ct_net *n = net_at(c, index, false);
	struct span part;

	if (!n)
		return -ENOMEM;
	while (span_cut(&value, ',', &part)) {
		if (part.len > 5 && !memcmp(part.p, "name=", 5))
			span_copy((struct span){part.p + 5, part.len - 5}, n->name,
				  sizeof(n->name));
	}
	return 0;
}

static int set_text(char **to, struct span value)
{
	char *text = strndup(value.p, value.len);

	if (!text)
		return -ENOMEM;
	free(*to);
	*to = text;
	return 0;
}

static int take_line(struct ct_config *c, struct span line, bool pending)
{
	struct span key;
	struct span value;
	unsigned index;
	int n;

	if (!pending && raw_split(line, &index, &key, &value))
		return take_raw(c, index, key, value);
	if (!line_split(line, &key, &value))
		return 0;
	n = key_index(key, "net", PVE_CT_NET_MAX);
	if (n >= 0)
		return take_net(c, (unsigned)n, value);
	if (pending)
		return 0;
	if (span_is(key, "hostname"))
		return set_text(&c->name, value);
	if (span_is(key, "hookscript"))
		return set_text(&c->hookscript, value);
	if (span_is(key, "template"))
		c->is_template = span_is(value, "1");
	return 0;
}

static bool is_pending_head(struct span line)
{
	char head[16];

	return span_copy(span_trim(line), head, sizeof(head)) && !strcasecmp(head, "[pve:pending]");
}

static int parse(const char *name, struct ct_config *c, struct error *err)
{
	struct lines lines = lines_of(c->text, c->text_len);
	bool pending = false;
	struct span line;

	while (lines_next(&lines, &line)) {
		if (line.len && line.p[0] == '[' && (pending || !is_pending_head(line)))
			break;
		if (memchr(line.p, '\0', line.len))
			return fail(err, EINVAL, "%s:%u: NUL byte", name, lines.number);
		pending = pending || (line.len && line.p[0] == '[');
		if (take_line(c, line, pending) < 0)
			return fail(err, ENOMEM, "%s: out of memory", name);
	}
	return 0;
}

/* text becomes out's. */
static int take_text(const char *name, char *text, size_t len, uint32_t vmid, struct ct_config *out,
		     struct error *err)
{
	int r;

	*out = (struct ct_config){.vmid = vmid, .text = text, .text_len = len};
	if (!text)
		return fail(err, ENOMEM, "%s: out of memory", name);
	r = parse(name, out, err);
	if (r < 0)
		ct_config_free(out);
	return r;
}

int ct_config_parse(const char *name, const char *text, size_t len, uint32_t vmid,
		    struct ct_config *out, struct error *err)
{
	char *copy = malloc(len + 1);

	if (copy) {
		memcpy(copy, text, len);
		copy[len] = '\0';
	}
	return take_text(name, copy, len, vmid, out, err);
}

int ct_config_load(int root, const char *node, uint32_t vmid, struct ct_config *out,
		   struct error *err)
{
	char path[GUEST_PATH_LEN + 1] = "/"; /* the slash is for messages alone */
	char *text = NULL;
	ssize_t len;

	*out = (struct ct_config){0};
	if (pve_node_check(node, err) < 0)
		return error_code(err);
	len = file_read(root, ct_config_path(node, vmid, path + 1), PVE_FILE_MAX, &text, err);
	return len < 0 ? (int)len : take_text(path, text, (size_t)len, vmid, out, err);
}

/* --- Raw lines --- */

int ct_net_lines(const char *text, size_t len, unsigned index, char **out)
{
	struct lines lines = lines_of(text, len);
	struct str all = STR_INIT;
	struct span line;

	*out = NULL;
	while (lines_next(&lines, &line) && !(line.len && line.p[0] == '[')) {
		struct span key;
		struct span value;
		unsigned n;

		if (raw_split(line, &n, &key, &value) && n == index)
			str_printf(&all, RAW_PREFIX "%u.%.*s: %.*s\n", n, (int)key.len, key.p,
				   (int)value.len, value.p);
	}
	if (!all.len && str_ok(&all))
		return 0;
	*out = str_take(&all);
	return *out ? 0 : -ENOMEM;
}

/* Where the active part ends: at the blank lines before the first '[', if there are such. */
static size_t active_end(const char *text, size_t len)
{
	struct lines lines = lines_of(text, len);
	size_t end = 0;
	struct span line;

	while (lines_next(&lines, &line) && !(line.len && line.p[0] == '[')) {
		if (span_trim(line).len)
			end = (size_t)(lines.next - text);
	}
	return end;
}

void ct_net_replace(const char *text, size_t len, unsigned index, const char *lines,
		    struct str *out)
{
	size_t end = active_end(text, len);
	struct lines active = lines_of(text, end);
	struct span line;

	while (lines_next(&active, &line)) {
		struct span key;
		struct span value;
		unsigned n;

		if (raw_split(line, &n, &key, &value) && n == index)
			continue;
		str_append_len(out, line.p, line.len);
		str_append(out, "\n");
	}
	if (lines)
		str_append(out, lines);
	str_append_len(out, text + end, len - end);
}
