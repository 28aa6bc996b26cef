/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lines of a container's port: made, judged, and as an object of a plan. */
#include "src/port/ct_net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/limits.h"
#include "pveapi/section.h"
#include "pveapi/vm_lock.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/say.h"
#include "src/base/text.h"
#include "src/port/context.h"
#include "src/port/objects.h"

/* As long as PVE itself waits for it (lock_config). */
#define LOCK_WAIT_MS 10000

const char *ct_link_name(uint32_t vmid, unsigned slot, char buf[IFNAME_LEN])
{
	/* At most "vf999999999n15". */
	snprintf(buf, IFNAME_LEN, "vf%un%u", vmid % 1000000000, slot % PVE_HOSTPCI_MAX);
	return buf;
}

bool ct_link_parse(const char *name, uint32_t *vmid, unsigned *slot)
{
	const char *n = strchr(name, 'n');
	char again[IFNAME_LEN];
	char digits[12];
	uint32_t number;

	if (strncmp(name, "vf", 2) != 0 || !n || (size_t)(n - name - 2) >= sizeof(digits))
		return false;
	snprintf(digits, sizeof(digits), "%.*s", (int)(n - name - 2), name + 2);
	if (parse_u32(digits, PVE_VMID_MAX, vmid) < 0 ||
	    parse_u32(n + 1, PVE_HOSTPCI_MAX - 1, &number) < 0)
		return false;
	*slot = number;
	return !strcmp(ct_link_name(*vmid, *slot, again), name);
}

/* Is that line of a network of it, "lxc.net.32.mtu: 1400", what a port's lines have? */
static bool is_ports(const char *line)
{
	static const char *const keys[] = {"type:", "link:", "name:", "flags:", "mtu:"};
	const char *key = strchr(line + strlen("lxc.net."), '.');

	for (size_t i = 0; key && i < ARRAY_SIZE(keys); i++) {
		if (!strncmp(key + 1, keys[i], strlen(keys[i])))
			return true;
	}
	return false;
}

char *ct_net_text(const struct ct_config *c, const struct port *p)
{
	CLEANUP(str_free) struct str s = STR_INIT;
	unsigned n = ct_net_index(p->slot);
	AUTO_FREE char *have = NULL;
	char link[IFNAME_LEN];

	str_printf(&s,
		   "lxc.net.%u.type: phys\nlxc.net.%u.link: %s\nlxc.net.%u.name: %s\n"
		   "lxc.net.%u.flags: up\n",
		   n, n, ct_link_name(p->vmid, p->slot, link), n, p->netname, n);
	if (p->mtu)
		str_printf(&s, "lxc.net.%u.mtu: %u\n", n, p->mtu);
	if (c && ct_net_lines(c->text, c->text_len, n, &have) < 0)
		return NULL;
	for (const char *at = have; at && *at; at += strcspn(at, "\n") + 1) {
		if (!is_ports(at))
			str_append_len(&s, at, strcspn(at, "\n") + 1);
	}
	return str_take(&s);
}

/* Each of the lines that are wanted is among those that there are; more may be there (an address).
 */
static bool has_lines(const char *have, const char *want)
{
	for (const char *at = want; *at;) {
		size_t len = strcspn(at, "\n") + 1;
		const char *found = have;

		while (found && strncmp(found, at, len) != 0) {
			found = strchr(found, '\n');
			found = found && found[1] ? found + 1 : NULL;
		}
		if (!found)
			return false;
		at += len;
	}
	return true;
}

int ct_net_check(const struct ct_config *c, const struct port *p, struct error *err)
{
	AUTO_FREE char *want = ct_net_text(NULL, p);
	AUTO_FREE char *have = NULL;
	unsigned n = ct_net_index(p->slot);

	if (!want || ct_net_lines(c->text, c->text_len, n, &have) < 0)
		return fail(err, ENOMEM, "out of memory");
	if (!have)
		return fail(err, ENOENT, "its config has no lxc.net.%u.* for %s", n, p->netname);
	if (!has_lines(have, want))
		return fail(err, EINVAL, "lxc.net.%u.* in its config is not %s of vfhook's", n,
			    p->netname);
	return 0;
}

const struct ct_net *ct_net_named(const struct ct_config *c, unsigned slot, const char *name)
{
	for (size_t i = 0; i < c->n_nets; i++) {
		const struct ct_net *n = &c->nets[i];

		if (!strcmp(n->name, name) && !(n->raw && n->index == ct_net_index(slot)))
			return n;
	}
	return NULL;
}

/* --- As an object of a plan --- */

/* "110 32" */
static int parse_name(const char *name, uint32_t *vmid, unsigned *index, struct error *err)
{
	const char *blank = strchr(name, ' ');
	char digits[16];
	uint32_t n;

	if (blank && (size_t)(blank - name) < sizeof(digits)) {
		snprintf(digits, sizeof(digits), "%.*s", (int)(blank - name), name);
		if (!parse_u32(digits, PVE_VMID_MAX, vmid) &&
		    !parse_u32(blank + 1, INT32_MAX, &n)) {
			*index = n;
			return 0;
		}
	}
	return fail(err, EINVAL, "this names no network of a container");
}

static int load(struct hook *h, uint32_t vmid, struct ct_config *c, struct error *err)
{
	int r = ct_config_load(h->root, h->node, vmid, c, err);

	return r == -ENOENT ? fail(err, ENOENT, "CT %u is not on this node", vmid) : r;
}

static int net_read(struct hook *h, const char *name, char **text, struct error *err)
{
	CLEANUP(ct_config_free) struct ct_config c = {0};
	uint32_t vmid = 0;
	unsigned index = 0;

	*text = NULL;
	if (parse_name(name, &vmid, &index, err) < 0 || load(h, vmid, &c, err) < 0)
		return error_code(err);
	if (ct_net_lines(c.text, c.text_len, index, text) < 0)
		return fail(err, ENOMEM, "out of memory");
	return 0;
}

static int write_config(struct hook *h, const struct ct_config *c, unsigned index,
			const char *lines, struct error *err)
{
	CLEANUP(str_free) struct str text = STR_INIT;
	char path[GUEST_PATH_LEN];

	ct_net_replace(c->text, c->text_len, index, lines, &text);
	if (!str_ok(&text))
		return fail(err, ENOMEM, "out of memory");
	if (text.len > PVE_FILE_MAX)
		return fail(err, EFBIG, "the config of CT %u would be too large", c->vmid);
	return file_replace_only(h->root, ct_config_path(h->node, c->vmid, path), 0640,
				 str_get(&text), text.len, err);
}

/* Under PVE's own lock on the container's config, as an editor should, and none does. */
static int net_set(struct hook *h, const char *name, enum object_how how, const char *from,
		   const char *to, struct error *err)
{
	CLEANUP(ct_config_free) struct ct_config c = {0};
	AUTO_FREE char *now = NULL;
	AUTO_CLOSE int lock = -1;
	unsigned index = 0;
	uint32_t vmid = 0;
	int r;

	if (parse_name(name, &vmid, &index, err) < 0)
		return error_code(err);
	lock = ct_lock(h->root, vmid, LOCK_WAIT_MS, err);
	if (lock == -EWOULDBLOCK)
		return fail(err, EBUSY,
			    "CT %u is being started, stopped or changed just now: try again when "
			    "that is over",
			    vmid);
	if (lock < 0)
		return lock;
	r = load(h, vmid, &c, err);
	/* It went to another node, with what it was given here: that node's now. */
	if (r == -ENOENT && how == OBJECT_UNDO) {
		error_clear(err);
		return 0;
	}
	if (r < 0)
		return r;
	if (ct_net_lines(c.text, c.text_len, index, &now) < 0)
		return fail(err, ENOMEM, "out of memory");
	if (text_same(now, to))
		return 0;
	if (!text_same(now, from))
		return fail(err, EAGAIN, "lxc.net.%u.* of CT %u was changed meanwhile", index,
			    vmid);
	return write_config(h, &c, index, to, err);
}

static void net_tell(struct hook *h, const char *name, const char *from, const char *to)
{
	(void)h;
	(void)name;
	for (const char *at = to ? to : from; at && *at; at += strcspn(at, "\n") + 1)
		say("    %c %.*s", to ? '+' : '-', (int)strcspn(at, "\n"), at);
}

const struct object_kind object_ct_net = {OBJECT_CT_NET, false, net_read, net_set, net_tell};

int plan_ct_net(const struct ct_config *c, unsigned slot, const char *lines, struct plan *p,
		struct error *err)
{
	unsigned index = ct_net_index(slot);
	AUTO_FREE char *now = NULL;
	char what[120];
	char id[32];

	if (ct_net_lines(c->text, c->text_len, index, &now) < 0)
		return fail(err, ENOMEM, "out of memory");
	if (text_same(now, lines))
		return 0;
	snprintf(id, sizeof(id), "%u %u", c->vmid, index);
	snprintf(what, sizeof(what), "CT %u lxc.net.%u.* in its config: %s -> %s", c->vmid, index,
		 now ? "there" : "none", lines ? (now ? "as it should be" : "there") : "none");
	return plan_add_object(
		p,
		&(struct step_object){
			.kind = OBJECT_CT_NET, .name = id, .from = now, .to = lines, .what = what},
		err);
}
