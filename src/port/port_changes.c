/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What PVE has of a VM is changed: by REST, or as root by its own `qm set`. */
#include "src/port/port_changes.h"

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

#include "pveapi/api_vm.h"
#include "pveapi/hostpci.h"
#include "pveapi/limits.h"
#include "pveapi/storage.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/say.h"

/* --- The guest's config --- */

/* PVE's own tool, run as root on this node. args: NULL behind the last; the first two are its own.
 */
static int run_qm(struct hook *h, const char *const *args, struct error *err)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return fail_errno(err, errno, "fork");
	if (!pid) {
		/* What it did is told by us. */
		int null = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);

		say_child();
		/* Below --root, if there is one: a tree of the tests has its own qm. */
		if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || fchdir(h->root) < 0)
			_exit(127);
		execv(args[0] + 1, (char *const *)args);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return fail_errno(err, errno, "wait for qm set");
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return fail(err, EREMOTEIO, "`%s set %s %s %s` failed", strrchr(args[0], '/') + 1,
			    args[2], args[3], args[4]);
	return 0;
}

static int run_set(struct hook *h, const char *tool, uint32_t vmid, const char *option,
		   const char *value, struct error *err)
{
	char vmid_text[16];
	const char *const args[] = {tool, "set", vmid_text, option, value, NULL};

	snprintf(vmid_text, sizeof(vmid_text), "%u", vmid);
	return run_qm(h, args, err);
}

int qm_set(struct hook *h, uint32_t vmid, const char *option, const char *value, struct error *err)
{
	return run_set(h, "/usr/sbin/qm", vmid, option, value, err);
}

int pct_set(struct hook *h, uint32_t vmid, const char *option, const char *value, struct error *err)
{
	return run_set(h, "/usr/sbin/pct", vmid, option, value, err);
}

static bool has_key(const char *properties, const char *key)
{
	size_t len = strlen(key);

	for (const char *at = strstr(properties, key); at; at = strstr(at + 1, key)) {
		if (at[len] == '=' && (at == properties || at[-1] == ','))
			return true;
	}
	return false;
}

/*
 * Only root@pam may write or delete a raw address or a romfile, and no token is that
 * (PVE/API2/Qemu.pm: check_hostpci_perm, which is asked about the old value too; romfile since
 * qemu-server 9.2.6 and 8.4.10).
 */
static bool is_for_root(const struct hostpci *old, const char *value)
{
	return (old->present && (old->host || has_key(old->rest, "romfile"))) ||
	       (value && has_key(value, "romfile"));
}

static bool need_root(const struct guest_config *g, const struct hostpci_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (is_for_root(&g->hostpci[changes[i].slot], changes[i].value))
			return true;
	}
	return false;
}

/* Was the config changed since g was read? */
static bool is_outdated(struct hook *h, const struct guest_config *g)
{
	CLEANUP(guest_config_free) struct guest_config now = {0};
	char then_digest[41];
	char now_digest[41];

	if (guest_config_load(h->root, h->node, NULL, g->vmid, &now, NULL) < 0)
		return false;
	guest_config_digest(g, then_digest);
	guest_config_digest(&now, now_digest);
	return strcmp(then_digest, now_digest) != 0;
}

static int change_by_qm(struct hook *h, const struct guest_config *g,
			const struct hostpci_change *changes, size_t n, const char *digest,
			struct error *err)
{
	const char *args[3 + 2 * PVE_HOSTPCI_MAX + 3] = {"/usr/sbin/qm", "set"};
	char keys[PVE_HOSTPCI_MAX][20];
	char vmid_text[16];
	size_t used = 3;
	int r;

	snprintf(vmid_text, sizeof(vmid_text), "%u", g->vmid);
	args[2] = vmid_text;
	for (size_t i = 0; i < n; i++) {
		snprintf(keys[i], sizeof(keys[i]), "--hostpci%u", changes[i].slot);
		args[used++] = changes[i].value ? keys[i] : "--delete";
		args[used++] = changes[i].value ? changes[i].value : keys[i] + 2;
	}
	args[used++] = "--digest";
	args[used++] = digest;
	args[used] = NULL;
	r = run_qm(h, args, err);
	/* Its words are for people: whether it was the digest is seen from the file. */
	if (r < 0 && is_outdated(h, g))
		return fail(err, EAGAIN, "VM %u: its config was changed by somebody else meanwhile",
			    g->vmid);
	return r;
}

int ports_change_hostpci(struct hook *h, const struct guest_config *g,
			 const struct hostpci_change *changes, size_t n, struct error *err)
{
	char digest[41];

	guest_config_digest(g, digest);
	if (need_root(g, changes, n))
		return change_by_qm(h, g, changes, n, digest, err);
	if (hook_rest(h, err) < 0)
		return error_code(err);
	return api_hostpci_change(h->rest, h->node, g->vmid, changes, n, digest, err);
}

void ports_tell_hostpci(struct hook *h, const struct guest_config *g,
			const struct hostpci_change *changes, size_t n)
{
	char digest[41];

	if (need_root(g, changes, n)) {
		for (size_t i = 0; i < n; i++)
			say("    qm set %u %s%u%s%s   (as root: no token may write this)", g->vmid,
			    changes[i].value ? "--hostpci" : "--delete hostpci", changes[i].slot,
			    changes[i].value ? " " : "", changes[i].value ? changes[i].value : "");
		return;
	}
	guest_config_digest(g, digest);
	say("    REST: PUT /nodes/%s/qemu/%u/config", h->node, g->vmid);
	for (size_t i = 0; i < n; i++) {
		if (changes[i].value)
			say("          hostpci%u=%s", changes[i].slot, changes[i].value);
		else
			say("          delete=hostpci%u", changes[i].slot);
	}
	say("          digest=%s", digest);
}

int guest_elsewhere(struct hook *h, uint32_t vmid, char node[NAME_LEN])
{
	AUTO_CLOSEDIR DIR *d = dir_open(h->root, "etc/pve/nodes");
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[512];
		bool is_vm;

		if (!is_plain_name(e->d_name, NAME_LEN - 1))
			continue;
		is_vm = path_exists(h->root, guest_config_path(e->d_name, vmid, path));
		snprintf(path, sizeof(path), "etc/pve/nodes/%s/lxc/%u.conf", e->d_name, vmid);
		if (!is_vm && !path_exists(h->root, path))
			continue;
		memcpy(node, e->d_name, strlen(e->d_name) + 1); /* it fits: a plain name */
		return is_vm ? 1 : -EINVAL;
	}
	return 0;
}

int guest_here(struct hook *h, uint32_t vmid, struct guest_config *g, struct error *err)
{
	char node[NAME_LEN];
	int r = guest_config_load(h->root, h->node, NULL, vmid, g, err);

	if (r != -ENOENT)
		return r;
	error_clear(err);
	r = guest_elsewhere(h, vmid, node);
	if (r == 1)
		return fail(err, ENOENT, "VM %u is on node %s: run this there", vmid, node);
	if (r < 0 && strcmp(node, h->node) != 0)
		return fail(err, ENOENT, "CT %u is on node %s: run this there", vmid, node);
	if (r < 0)
		return fail(err, ENOENT, "%u is a container: this is for VMs", vmid);
	return fail(err, ENOENT, "there is no VM %u in this cluster (qm list)", vmid);
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
