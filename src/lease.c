/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "src/json.h"

#define LEASE_MAX     16384
#define LEASE_VERSION 1

static const char *const phases[] = {
	[LEASE_STARTING] = "starting", [LEASE_RUNNING] = "running", [LEASE_DIRTY] = "dirty"};

const char *lease_phase_name(enum lease_phase phase)
{
	return (size_t)phase < ARRAY_SIZE(phases) ? phases[phase] : "?";
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

int lease_from_json(const json_t *j, struct lease *out, struct error *err)
{
	struct lease l = {0};
	const char *phase;
	const char *pool;
	const char *name;
	json_int_t version;
	json_int_t n;

	if (json_need_int(j, "version", LEASE_VERSION, LEASE_VERSION, &version, err) < 0)
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
	/* None where vfhook itself is at work on a VF: parking it, taking its MAC away. */
	if (pool[0] && !is_plain_name(pool, sizeof(l.pool) - 1))
		return fail(err, EINVAL, "'pool' is no pool name");
	snprintf(l.pool, sizeof(l.pool), "%s", pool);
	text_clean(name, l.name, sizeof(l.name));
	if (vf_settings_from_json(json_object_get(j, "before"), &l.before, err) < 0)
		return fail_context(err, "'before'");
	if (vf_settings_from_json(json_object_get(j, "want"), &l.want, err) < 0)
		return fail_context(err, "'want'");
	*out = l;
	return 0;
}

static void lease_path(char path[128], const struct pci_addr *vf)
{
	char text[PCI_ADDR_LEN];

	snprintf(path, 128, LEASE_DIR "/%s", pci_addr_format(vf, text));
}

int run_dirs_make(int root, struct error *err)
{
	int r;

	/* The usual case is one system call. */
	if (path_exists(root, RUN_DIR "/locks"))
		return 0;
	r = dir_make(root, LEASE_DIR, 0755, err);
	if (!r)
		r = dir_make(root, RUN_DIR "/journal", 0755, err);
	return r ? r : dir_make(root, RUN_DIR "/locks", 0755, err);
}

int lease_take(int root, const struct lease *l, struct error *err)
{
	CLEANUP(json_out_free) struct json_out o = JSON_OUT_INIT;
	char path[128];

	lease_print(l, NULL, &o);
	if (!str_ok(&o.text))
		return fail(err, ENOMEM, "write a lease: out of memory");
	lease_path(path, &l->vf);
	return file_create(root, path, 0644, str_get(&o.text), o.text.len, err);
}

int lease_write(int root, const struct lease *l, struct error *err)
{
	CLEANUP(json_out_free) struct json_out o = JSON_OUT_INIT;
	char path[128];

	lease_print(l, NULL, &o);
	if (!str_ok(&o.text))
		return fail(err, ENOMEM, "write a lease: out of memory");
	lease_path(path, &l->vf);
	return file_replace(root, path, 0644, str_get(&o.text), o.text.len, err);
}

int lease_drop(int root, const struct pci_addr *vf, struct error *err)
{
	char text[PCI_ADDR_LEN];
	char path[128];

	/* What a writer that was killed may have left beside it. */
	snprintf(path, sizeof(path), LEASE_DIR "/.tmp-%s", pci_addr_format(vf, text));
	unlinkat(root, path, 0);
	lease_path(path, vf);
	if (unlinkat(root, path, 0) < 0 && errno != ENOENT)
		return fail_errno(err, errno, "remove /%s", path);
	return 0;
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

static int entry_cmp(const void *a, const void *b)
{
	return pci_addr_cmp(&((const struct lease_entry *)a)->vf,
			    &((const struct lease_entry *)b)->vf);
}

int lease_list(int root, struct lease_entry **list, size_t *n, struct error *err)
{
	AUTO_CLOSE int fd =
		openat(root, LEASE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	AUTO_FREE struct lease_entry *all = NULL;
	AUTO_CLOSEDIR DIR *d = NULL;
	const struct dirent *e;
	size_t used = 0;
	size_t cap = 0;

	*list = NULL;
	*n = 0;
	if (fd < 0 && errno == ENOENT)
		return 0;
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return fail_errno(err, errno, "read /" LEASE_DIR);
	fd = -1;
	for (errno = 0; (e = readdir(d)); errno = 0) {
		struct lease_entry *entry;
		struct error why = ERROR_INIT;
		struct pci_addr vf;

		if (pci_addr_parse(e->d_name, &vf) < 0)
			continue;
		if (used == cap) {
			size_t grown = cap ? cap * 2 : 32;
			struct lease_entry *more = realloc(all, grown * sizeof(*all));

			if (!more)
				return fail(err, ENOMEM, "read /" LEASE_DIR ": out of memory");
			all = more;
			cap = grown;
		}
		entry = &all[used];
		*entry = (struct lease_entry){.vf = vf};
		switch (lease_read(root, &vf, &entry->lease, &why)) {
		case 0:
			break;
		case -ENOENT: /* dropped since readdir() */
			continue;
		case -EINVAL:
			entry->broken = true;
			snprintf(entry->why, sizeof(entry->why), "%.255s", why.text);
			break;
		default: /* one that cannot be read may be good, and its VM starting with it */
			return fail(err, why.code, "%s", why.text);
		}
		used++;
	}
	if (errno)
		return fail_errno(err, errno, "read /" LEASE_DIR);
	if (used)
		qsort(all, used, sizeof(*all), entry_cmp);
	*list = STEAL(all);
	*n = used;
	return 0;
}
