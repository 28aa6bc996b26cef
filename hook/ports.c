/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hook/ports.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/apply.h"
#include "hook/mac.h"
#include "hook/publish.h"
#include "hook/say.h"
#include "pveapi/api.h"
#include "pveapi/storage.h"
#include "pveapi/section.h"

const char *const wish_keys[WISH_COUNT] = {
	[WISH_MAC] = "mac",
	[WISH_VLAN] = "vlan",
	[WISH_VLAN_QOS] = "vlan-qos",
	[WISH_VLAN_PROTO] = "vlan-proto",
	[WISH_SPOOFCHK] = "spoofchk",
	[WISH_TRUST] = "trust",
	[WISH_MIN_RATE] = "min-rate",
	[WISH_MAX_RATE] = "max-rate",
	[WISH_LINK_STATE] = "link-state",
	[WISH_QUERY_RSS] = "query-rss",
};

/* --- Mappings --- */

/* Any VF of the pool will do to make the mapping valid: pre-start says then why none is free. */
static bool any_vf(const struct snapshot *s, const struct port_wish *w, struct port_choice *out)
{
	for (size_t i = 0; i < s->n_pfs; i++) {
		for (size_t k = 0; k < w->n_pfs; k++) {
			if (s->pfs[i].n_vfs &&
			    !pci_addr_cmp(&s->pfs[i].info.addr, &w->pfs[k].addr)) {
				*out = (struct port_choice){.chosen = true, .pf = i};
				return true;
			}
		}
	}
	return false;
}

static int send_calls(struct hook *h, const struct plan *calls, struct error *err)
{
	for (size_t i = 0; i < calls->n_steps; i++) {
		if (h->exec.call(h->exec.arg, &calls->steps[i], err) < 0)
			return fail_context(err, "%s", calls->steps[i].what);
		say("%s", calls->steps[i].what);
	}
	return 0;
}

int ports_write_mappings(struct hook *h, const struct vm_ports *v, int slot, struct error *err)
{
	struct port_choice choices[PVE_HOSTPCI_MAX] = {{0}};
	CLEANUP(snapshot_free) struct snapshot s = {0};
	AUTO_FREE struct vf_claim *claims = NULL;
	CLEANUP(plan_free) struct plan look; /* only its choices count: pre-start takes the VFs */
	CLEANUP(plan_free) struct plan calls;
	struct error why = ERROR_INIT;

	plan_init(&look, PLAN_START, v->guest.vmid);
	plan_init(&calls, PLAN_START, v->guest.vmid);
	if (observe_wishes(h, v, true, &claims, &s, err) < 0)
		return error_code(err);
	if (plan_start(&s, v->wishes, v->n_wishes, time(NULL), choices, &look, &why) < 0)
		say("%s", why.text);
	plan_mappings_reset(h);
	for (size_t i = 0; i < v->n_wishes; i++) {
		const struct port_wish *w = &v->wishes[i];

		if (slot >= 0 && w->slot != (unsigned)slot)
			continue;
		if (!choices[i].chosen && !any_vf(&s, w, &choices[i]))
			return fail(err, ENOSPC, "pool '%s' of hostpci%u has no VFs on this node",
				    w->pool, w->slot);
		if (plan_mapping(h, v, w->slot, &s.pfs[choices[i].pf].vfs[choices[i].vf].info,
				 &calls, err) < 0)
			return error_code(err);
	}
	if (h->dry_run)
		plan_print(h, &calls);
	else if (send_calls(h, &calls, err) < 0)
		return error_code(err);
	for (size_t i = 0; i < v->n_wishes; i++) {
		if ((slot < 0 || v->wishes[i].slot == (unsigned)slot) &&
		    publish_entries(h, v, &v->wishes[i], err) < 0)
			return error_code(err);
	}
	return 0;
}

/* --- The guest's config --- */

int qm_set(struct hook *h, uint32_t vmid, const char *option, const char *value, struct error *err)
{
	char vmid_text[16];
	int status;
	pid_t pid;

	snprintf(vmid_text, sizeof(vmid_text), "%u", vmid);
	pid = fork();
	if (pid < 0)
		return fail_errno(err, errno, "fork");
	if (!pid) {
		/* What it did is told by us. */
		int null = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);

		say_child();
		/* Below --root, if there is one: a tree of the tests has its own qm. */
		if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || fchdir(h->root) < 0)
			_exit(127);
		execl("usr/sbin/qm", "/usr/sbin/qm", "set", vmid_text, option, value, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return fail_errno(err, errno, "wait for qm set");
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return fail(err, EREMOTEIO, "`qm set %u %s %s` failed", vmid, option, value);
	return 0;
}

static int config_digest(struct hook *h, const struct vm_ports *v, char digest[41],
			 struct error *err)
{
	AUTO_FREE char *text = NULL;
	char path[GUEST_PATH_LEN];
	ssize_t len;

	len = file_read(h->root, guest_config_path(v->guest.node, v->guest.vmid, path),
			PVE_FILE_MAX, &text, err);
	if (len < 0)
		return (int)len;
	sha1_hex(text, (size_t)len, digest);
	return 0;
}

static void tell_entry(struct hook *h, uint32_t vmid, unsigned slot, const struct entry *e,
		       const struct guest_config *g, const char *digest)
{
	const char *from = g->hostpci[slot].present ? g->hostpci[slot].raw : "nothing";

	say("  VM %u hostpci%u: %s -> %s", vmid, slot, from, e->value);
	if (e->was_raw) {
		say("    qm set %u --hostpci%u %s   (as root: no token may replace a raw address)",
		    vmid, slot, e->value);
		return;
	}
	say("    REST: PUT /nodes/%s/qemu/%u/config", h->node, vmid);
	say("          hostpci%u=%s", slot, e->value);
	say("          digest=%s", digest);
}

/*
 * Only root@pam may replace a raw address, and no token is that (PVE/API2/
 * Qemu.pm: check_hostpci_perm, also for the old value): PVE's own tool, run
 * as root on the node, is.
 */
int ports_write_hostpci(struct hook *h, const struct vm_ports *v, unsigned slot, struct error *err)
{
	const struct entry *e = &v->entries[slot];
	char option[24];
	char digest[41];
	int r;

	if (h->dry_run) {
		r = config_digest(h, v, digest, err);
		if (!r)
			tell_entry(h, v->guest.vmid, slot, e, &v->guest, digest);
		return r;
	}
	if (e->was_raw) {
		snprintf(option, sizeof(option), "--hostpci%u", slot);
		r = qm_set(h, v->guest.vmid, option, e->value, err);
	} else {
		r = config_digest(h, v, digest, err);
		if (!r)
			r = api_hostpci_set(h->rest, h->node, v->guest.vmid, slot, e->value, digest,
					    err);
	}
	if (r < 0)
		return r;
	say("VM %u hostpci%u: %s", v->guest.vmid, slot, e->value);
	return 0;
}

/* Where else in the cluster the guest is, for a message. */
static int guest_elsewhere(struct hook *h, uint32_t vmid, struct error *err)
{
	AUTO_CLOSEDIR DIR *d = dir_open(h->root, "etc/pve/nodes");
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[512];

		if (!is_plain_name(e->d_name, NAME_LEN - 1))
			continue;
		if (path_exists(h->root, guest_config_path(e->d_name, vmid, path)))
			return fail(err, ENOENT, "VM %u is on node %s: run this there", vmid,
				    e->d_name);
		snprintf(path, sizeof(path), "etc/pve/nodes/%s/lxc/%u.conf", e->d_name, vmid);
		if (path_exists(h->root, path))
			return fail(err, ENOENT, "%u is a container: only VMs take VFs this way",
				    vmid);
	}
	return fail(err, ENOENT, "there is no VM %u in this cluster (qm list)", vmid);
}

int guest_here(struct hook *h, uint32_t vmid, struct guest_config *g, struct error *err)
{
	int r = guest_config_load(h->root, h->node, NULL, vmid, g, err);

	if (r != -ENOENT)
		return r;
	error_clear(err);
	return guest_elsewhere(h, vmid, err);
}

/* --- The command line --- */

int slot_parse(const char *text, unsigned *slot)
{
	uint32_t n;

	if (parse_u32(text, PVE_HOSTPCI_MAX - 1, &n) < 0) {
		complain("--slot is the N of hostpciN, 0 to %d, not '%s'", PVE_HOSTPCI_MAX - 1,
			 text);
		return EXIT_USAGE;
	}
	*slot = n;
	return 0;
}

int port_choose(const struct config *c, uint32_t vmid, const char *slot_text, unsigned *slot)
{
	CLEANUP(str_free) struct str have = STR_INIT;
	unsigned n = 0;

	if (slot_text)
		return slot_parse(slot_text, slot);
	for (size_t i = 0; i < c->n_ports; i++) {
		if (c->ports[i].vmid != vmid)
			continue;
		str_printf(&have, "%s%u", n++ ? ", " : "", c->ports[i].slot);
		*slot = c->ports[i].slot;
	}
	if (n == 1)
		return 0;
	if (n)
		complain("VM %u has %u ports: say which one with --slot (%s)", vmid, n,
			 str_get(&have));
	else
		complain("VM %u has no port in /" VFHOOK_CFG, vmid);
	return EXIT_REFUSED;
}

void wish_opts(struct wish_args *w, struct opt *opts, size_t *n)
{
	*w = (struct wish_args){{NULL}};
	for (size_t i = 0; i < WISH_COUNT; i++)
		opts[(*n)++] = (struct opt){wish_keys[i], &w->value[i], NULL};
}

static bool is_unset(const char *value)
{
	return value && !strcmp(value, "unset");
}

int wish_apply(struct hook *h, const struct config *c, const struct wish_args *w, bool can_unset,
	       struct port *p, struct error *err)
{
	for (size_t i = 0; i < WISH_COUNT; i++) {
		if (!w->value[i] || (can_unset && is_unset(w->value[i])))
			continue;
		if (port_set_key(wish_keys[i], w->value[i], p, err) < 0)
			return error_code(err);
	}
	if (!w->value[WISH_MAC] || p->mac_auto || is_unset(w->value[WISH_MAC]))
		return 0;
	return mac_check_free(h->root, c, p->vmid, p->slot, p->want.mac, err);
}

/* --- The hookscript --- */

static bool has_snippet(int root, const struct storage *s)
{
	char path[PATH_MAX];
	struct stat st;

	return s->here &&
	       snprintf(path, sizeof(path), "%s/snippets/vfhook", s->path + 1) <
		       (int)sizeof(path) &&
	       !fstatat(root, path, &st, 0) && S_ISREG(st.st_mode);
}

void our_hookscript(const struct hook *h, char volid[VOLID_LEN])
{
	CLEANUP(storages_free) struct storages all = {0};
	const struct storage *found = NULL;

	snprintf(volid, VOLID_LEN, "%s", OUR_HOOKSCRIPT);
	if (storages_load(h->root, h->node, &all, NULL) < 0)
		return;
	for (size_t i = 0; i < all.n; i++) {
		const struct storage *s = &all.list[i];

		if (has_snippet(h->root, s) && (!found || !strcmp(s->id, "local")))
			found = s;
	}
	if (found)
		snprintf(volid, VOLID_LEN, "%s:snippets/vfhook", found->id);
}
