/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lease files: a lease as JSON, taken, replaced and dropped by its owner alone. */
#include "src/vf/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/json.h"
#include "src/base/names.h"
#include "src/base/run_dir.h"
#include "src/vf/owner.h"
#include "src/vf/vf_keys.h"

#define LEASE_MAX 16384

/*
 * Is raised when an older vfhook would misread a lease, not for a key more: keys that are not
 * known are passed over, and a key that is new must not be needed. So an upgrade, and the
 * way back, leaves running VMs their leases.
 */
#define LEASE_VERSION 1

static const char *const phases[] = {
	[LEASE_STARTING] = "starting",	 [LEASE_RUNNING] = "running",	[LEASE_DIRTY] = "dirty",
	[LEASE_UNPLUGGED] = "unplugged", [LEASE_ARRIVING] = "arriving",
};

const char *lease_phase_name(enum lease_phase phase)
{
	return (size_t)phase < ARRAY_SIZE(phases) ? phases[phase] : "?";
}

bool lease_phase_is_live(enum lease_phase phase)
{
	return phase == LEASE_RUNNING || phase == LEASE_UNPLUGGED || phase == LEASE_ARRIVING;
}

static int phase_parse(const char *s, enum lease_phase *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		if (!strcmp(s, phases[i])) {
			*out = (enum lease_phase)i;
			return 0;
		}
	}
	return -EINVAL;
}

void lease_print(const struct lease *l, const char *key, struct json_out *o)
{
	char addr[PCI_ADDR_LEN];

	json_out_begin(o, key, '{');
	json_out_int(o, "version", LEASE_VERSION);
	json_out_text(o, "vf", pci_addr_format(&l->vf, addr));
	json_out_text(o, "pf", pci_addr_format(&l->pf, addr));
	json_out_int(o, "index", l->index);
	json_out_int(o, "vmid", l->vmid);
	json_out_int(o, "slot", l->slot);
	json_out_text(o, "pool", l->pool);
	json_out_text(o, "name", l->name);
	json_out_text(o, "phase", lease_phase_name(l->phase));
	json_out_int(o, "taken", l->taken);
	json_out_int(o, "qemu-pid", l->qemu_pid);
	json_out_int(o, "qemu-start", (int64_t)l->qemu_start);
	/* Of leases that a person's or a migration's unplugging has to do with, and no others. */
	if (l->hot)
		json_out_int(o, "hot", 1);
	if (l->no_net)
		json_out_int(o, "no-network", 1);
	if (l->peer[0])
		json_out_text(o, "peer", l->peer);
	if (l->why[0])
		json_out_text(o, "why", l->why);
	if (l->asked)
		json_out_int(o, "asked", l->asked);
	if (l->netname[0])
		json_out_text(o, "net-name", l->netname);
	vf_settings_print(&l->before, "before", o);
	vf_settings_print(&l->want, "want", o);
	json_out_end(o, '}');
}

json_t *lease_to_json(const struct lease *l)
{
	struct json_out o = JSON_OUT_INIT;

	lease_print(l, NULL, &o);
	return json_out_parse(&o);
}

/* What most leases have not. */
static int plugging_from_json(const json_t *j, struct lease *l, struct error *err)
{
	const char *peer = json_string_value(json_object_get(j, "peer"));
	const char *why = json_string_value(json_object_get(j, "why"));
	const char *net = json_string_value(json_object_get(j, "net-name"));

	l->hot = json_integer_value(json_object_get(j, "hot")) == 1;
	l->no_net = json_integer_value(json_object_get(j, "no-network")) == 1;
	l->asked = json_integer_value(json_object_get(j, "asked"));
	if (peer && !is_plain_name(peer, sizeof(l->peer) - 1))
		return fail(err, EINVAL, "'peer' is no node's name");
	if (peer)
		snprintf(l->peer, sizeof(l->peer), "%s", peer);
	if (why)
		text_clean(why, l->why, sizeof(l->why));
	if (net && !is_plain_name(net, sizeof(l->netname) - 1))
		return fail(err, EINVAL, "'net-name' is no interface's name");
	if (net)
		snprintf(l->netname, sizeof(l->netname), "%s", net);
	return 0;
}

int lease_from_json(const json_t *j, struct lease *out, struct error *err)
{
	struct lease l = {0};
	const char *phase;
	const char *pool;
	const char *name;
	json_int_t n;

	if (json_need_version(j, LEASE_VERSION, err) < 0)
		return -EINVAL;
	if (json_need_addr(j, "vf", &l.vf, err) < 0 || json_need_addr(j, "pf", &l.pf, err) < 0)
		return -EINVAL;
	if (json_need_int(j, "index", 0, 65535, &n, err) < 0)
		return -EINVAL;
	l.index = (unsigned)n;
	if (json_need_int(j, "vmid", 1, 999999999, &n, err) < 0)
		return -EINVAL;
	l.vmid = (uint32_t)n;
	if (json_need_int(j, "slot", 0, 15, &n, err) < 0)
		return -EINVAL;
	l.slot = (unsigned)n;
	if (json_need_int(j, "taken", 0, INT64_MAX, &n, err) < 0)
		return -EINVAL;
	l.taken = n;
	if (json_need_int(j, "qemu-pid", 0, INT32_MAX, &n, err) < 0)
		return -EINVAL;
	l.qemu_pid = (pid_t)n;
	if (json_need_int(j, "qemu-start", 0, INT64_MAX, &n, err) < 0)
		return -EINVAL;
	l.qemu_start = (unsigned long long)n;
	phase = json_need_string(j, "phase", err);
	pool = json_need_string(j, "pool", err);
	name = json_need_string(j, "name", err);
	if (!phase || !pool || !name)
		return -EINVAL;
	if (phase_parse(phase, &l.phase) < 0)
		return fail(err, EINVAL, "'phase' has an unknown value");
	/* None where vfhook itself holds the VF: to park it, or to take its MAC away. */
	if (pool[0] && !is_plain_name(pool, sizeof(l.pool) - 1))
		return fail(err, EINVAL, "'pool' is no pool name");
	snprintf(l.pool, sizeof(l.pool), "%s", pool);
	text_clean(name, l.name, sizeof(l.name));
	if (plugging_from_json(j, &l, err) < 0)
		return -EINVAL;
	if (vf_settings_from_json(json_object_get(j, "before"), &l.before, err) < 0)
		return fail_context(err, "'before'");
	if (vf_settings_from_json(json_object_get(j, "want"), &l.want, err) < 0)
		return fail_context(err, "'want'");
	*out = l;
	return 0;
}

const char *lease_holder(const struct lease *l, char buf[LEASE_HOLDER_LEN])
{
	if (lease_is_ct(l))
		snprintf(buf, LEASE_HOLDER_LEN, "CT %u %s", l->vmid, l->netname);
	else
		snprintf(buf, LEASE_HOLDER_LEN, "VM %u hostpci%u", l->vmid, l->slot);
	return buf;
}

static void lease_path(char path[128], const struct pci_addr *vf)
{
	char text[PCI_ADDR_LEN];

	snprintf(path, 128, LEASE_DIR "/%s", pci_addr_format(vf, text));
}

/* May the owner change this lease at all? */
static int check_owner(const struct owner *o, const struct lease *l, struct error *err)
{
	char addr[PCI_ADDR_LEN];

	if (owner_is_real(o) && (!l || owner_vmid(o) == l->vmid))
		return 0;
	return fail(err, EPERM, "the lease of VF %s is not to be changed for guest %u",
		    l ? pci_addr_format(&l->vf, addr) : "of a dry run", owner_vmid(o));
}

static int print_lease(const struct lease *l, struct json_out *o, struct error *err)
{
	lease_print(l, NULL, o);
	return str_ok(&o->text) ? 0 : fail(err, ENOMEM, "write a lease: out of memory");
}

int lease_take(int root, const struct owner *o, const struct lease *l, struct error *err)
{
	CLEANUP(json_out_free) struct json_out out = JSON_OUT_INIT;
	char path[128];

	if (check_owner(o, l, err) < 0 || print_lease(l, &out, err) < 0)
		return error_code(err);
	lease_path(path, &l->vf);
	return run_file_create(root, path, &out.text, err);
}

static int replace_lease(int root, const struct lease *l, struct error *err)
{
	CLEANUP(json_out_free) struct json_out out = JSON_OUT_INIT;
	char path[128];

	if (print_lease(l, &out, err) < 0)
		return error_code(err);
	lease_path(path, &l->vf);
	return file_replace_only(root, path, 0644, str_get(&out.text), out.text.len, err);
}

/* 0: the owner's; -ENOENT: nobody's; -EEXIST: another's, or nobody can tell whose; others: unknown.
 */
static int check_whose(int root, const struct owner *o, const struct pci_addr *vf,
		       struct error *err)
{
	struct error why = ERROR_INIT;
	char who[LEASE_HOLDER_LEN];
	char addr[PCI_ADDR_LEN];
	struct lease l;
	int r = lease_read(root, vf, &l, &why);

	if (!r && l.vmid == owner_vmid(o))
		return 0;
	pci_addr_format(vf, addr);
	if (!r)
		return fail(err, EEXIST, "VF %s is leased to %s by now", addr,
			    lease_holder(&l, who));
	if (r == -EINVAL)
		return fail(err, EEXIST, "%s", why.text);
	if (r == -ENOENT)
		return fail(err, ENOENT, "VF %s is not leased any more", addr);
	return fail(err, why.code, "%s", why.text);
}

int lease_write(int root, const struct owner *o, const struct lease *l, struct error *err)
{
	if (check_owner(o, l, err) < 0 || check_whose(root, o, &l->vf, err) < 0)
		return error_code(err);
	return replace_lease(root, l, err);
}

/* False: there is no such file, or it cannot be looked at. */
static bool stamp_of(int root, const struct pci_addr *vf, struct lease_stamp *out)
{
	char path[128];
	struct stat st;

	lease_path(path, vf);
	if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	*out = (struct lease_stamp){.known = true,
				    .vf = *vf,
				    .ino = st.st_ino,
				    .sec = st.st_ctim.tv_sec,
				    .nsec = st.st_ctim.tv_nsec};
	return true;
}

void lease_stamp_read(int root, const struct pci_addr *vf, struct lease_stamp *out)
{
	if (!stamp_of(root, vf, out))
		*out = (struct lease_stamp){.known = false};
}

static bool same_stamp(const struct lease_stamp *a, const struct lease_stamp *b)
{
	return a->known && b->known && !pci_addr_cmp(&a->vf, &b->vf) && a->ino == b->ino &&
	       a->sec == b->sec && a->nsec == b->nsec;
}

enum answer lease_owned(int root, const struct owner *o, const struct pci_addr *vf,
			struct lease_stamp *seen, struct error *err)
{
	struct lease_stamp now = {0};
	struct error why = ERROR_INIT;
	int r;

	/* Looked at before it is read: what is written in between is read again the next time. */
	if (seen && stamp_of(root, vf, &now) && same_stamp(seen, &now))
		return ANSWER_YES;
	r = check_whose(root, o, vf, &why);
	if (!r) {
		if (seen)
			*seen = now;
		return ANSWER_YES;
	}
	fail(err, why.code, "%s", why.text);
	return r == -ENOENT || r == -EEXIST ? ANSWER_NO : ANSWER_UNKNOWN;
}

int lease_drop(int root, const struct owner *o, const struct pci_addr *vf, struct lease_stamp *seen,
	       struct error *err)
{
	struct lease_stamp now;
	char path[128];
	int r = check_owner(o, NULL, err);

	if (!r && !(seen && stamp_of(root, vf, &now) && same_stamp(seen, &now)))
		r = check_whose(root, o, vf, err);
	if (r == -ENOENT)
		error_clear(err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	lease_path(path, vf);
	/* vfhook's own are written under a journal alone, and recover() sweeps what that names. */
	if (owner_vmid(o) != LEASE_SELF)
		file_sweep(root, path);
	if (unlinkat(root, path, 0) < 0 && errno != ENOENT)
		return fail_errno(err, errno, "remove /%s", path);
	return 0;
}

int lease_replace_broken(int root, const struct owner *o, const struct lease *l, struct error *err)
{
	struct lease now;
	char path[128];
	char aside[140];
	int r = check_owner(o, l, err);

	if (r < 0)
		return r;
	r = lease_read(root, &l->vf, &now, err);
	if (!r || r == -ENOENT)
		return fail(err, EEXIST, "it is %s by now", r ? "not leased" : "leased");
	if (r != -EINVAL)
		return r;
	error_clear(err);
	lease_path(path, &l->vf);
	snprintf(aside, sizeof(aside), "%s.broken", path);
	if (unlinkat(root, aside, 0) < 0 && errno != ENOENT)
		return fail_errno(err, errno, "remove /%s", aside);
	if (linkat(root, path, root, aside, 0) < 0)
		return fail_errno(err, errno, "keep /%s as /%s", path, aside);
	return replace_lease(root, l, err);
}

int lease_read(int root, const struct pci_addr *vf, struct lease *out, struct error *err)
{
	AUTO_JSON json_t *j = NULL;
	char path[128];
	int r;

	lease_path(path, vf);
	r = json_file_read(root, path, LEASE_MAX, &j, err);
	if (r < 0)
		return r == -EFBIG ? -EINVAL : r; /* what could not be read may be good */
	if (lease_from_json(j, out, err) < 0) {
		fail_context(err, "/%s is no lease", path);
		return -EINVAL;
	}
	if (pci_addr_cmp(&out->vf, vf) != 0)
		return fail(err, EINVAL, "/%s is the lease of another VF", path);
	return 0;
}

static int addr_cmp(const void *a, const void *b)
{
	return pci_addr_cmp(a, b);
}

int lease_vfs(int root, struct pci_addr **list, size_t *n, struct error *err)
{
	AUTO_NAMES struct names d = NAMES_INIT;
	AUTO_FREE struct pci_addr *all = NULL;
	const char *name;
	size_t used = 0;
	size_t cap = 0;

	*list = NULL;
	*n = 0;
	if (names_open_own(root, LEASE_DIR, &d) == -ENOENT)
		return 0;
	while ((name = names_next(&d))) {
		struct pci_addr vf;

		if (pci_addr_parse(name, &vf) < 0)
			continue;
		if (used == cap) {
			size_t grown = cap ? cap * 2 : 32;
			struct pci_addr *more = reallocarray(all, grown, sizeof(*all));

			if (!more)
				return fail(err, ENOMEM, "read /" LEASE_DIR ": out of memory");
			all = more;
			cap = grown;
		}
		all[used++] = vf;
	}
	if (d.error)
		return fail_errno(err, -d.error, "read /" LEASE_DIR);
	if (used)
		qsort(all, used, sizeof(*all), addr_cmp);
	*list = STEAL(all);
	*n = used;
	return 0;
}

bool lease_vfs_have(const struct pci_addr *list, size_t n, const struct pci_addr *vf)
{
	return n && bsearch(vf, list, n, sizeof(*list), addr_cmp);
}

int lease_list(int root, struct lease_entry **list, size_t *n, struct error *err)
{
	AUTO_FREE struct lease_entry *all = NULL;
	AUTO_FREE struct pci_addr *vfs = NULL;
	size_t n_vfs;
	size_t used = 0;
	int r = lease_vfs(root, &vfs, &n_vfs, err);

	*list = NULL;
	*n = 0;
	if (r < 0 || !n_vfs)
		return r;
	all = calloc(n_vfs, sizeof(*all));
	if (!all)
		return fail(err, ENOMEM, "read /" LEASE_DIR ": out of memory");
	for (size_t i = 0; i < n_vfs; i++) {
		struct lease_entry *entry = &all[used];
		struct error why = ERROR_INIT;

		*entry = (struct lease_entry){.vf = vfs[i]};
		r = lease_read(root, &vfs[i], &entry->lease, &why);
		if (r == -ENOENT) /* dropped since then */
			continue;
		/* One that cannot be read may be good, and its VM starting with it. */
		if (r < 0 && r != -EINVAL)
			return fail(err, why.code, "%s", why.text);
		entry->broken = r < 0;
		if (entry->broken)
			snprintf(entry->why, sizeof(entry->why), "%.255s", why.text);
		used++;
	}
	*list = STEAL(all);
	*n = used;
	return 0;
}
