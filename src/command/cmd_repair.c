/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfhook repair: what crashed runs and killed writers left, and then leases, settings, ports and
 * mappings against what is true (src/command/repair.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pveapi/guest_list.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/file.h"
#include "src/base/run_dir.h"
#include "src/base/say.h"
#include "src/command/command.h"
#include "src/command/repair.h"
#include "src/host/write_numvfs.h"
#include "src/port/apply.h"
#include "src/port/context.h"
#include "src/port/events.h"
#include "src/port/guest_runs.h"
#include "src/port/hook_lock.h"
#include "src/port/reclaim.h"
#include "src/port/vfs_maker.h"
#include "src/port/vm_locks.h"
#include "src/port/watch_note.h"
#include "src/show/seen_told.h"
#include "src/vf/journal.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"

#define LOCK_WAIT_MS 5000
/* As many VFs again as there were: what boot gives one PF at most. */
#define MAKE_MS 60000
/* A temporary file that is younger may have a writer. */
#define TMP_AGE 60

static void repair_free(struct repair *r)
{
	free(r->vms);
	free(r->cts);
	free(r->used);
	owner_unlock(r->self);
}

void repair_announce(struct repair *r, uint32_t vmid, const char *fmt, ...)
{
	char text[800];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->done++;
	if (r->check)
		complain("found: %s (vfhook repair)", text);
	else
		say("%s: %s", r->h->dry_run ? "would repair" : "repair", text);
	event_add(r->h, vmid, EVENT_REPAIR, "%s", text);
}

void repair_leave(struct repair *r, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->left++;
	complain("%s: %s", r->check ? "found" : "not repaired", text);
}

void repair_find(struct repair *r, const char *fmt, ...)
{
	char text[800];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->left++;
	complain("found: %s", text);
}

void repair_undone(struct repair *r, const struct error *err)
{
	r->done--;
	repair_leave(r, "%s", err->text);
}

/* --- Temporary files --- */

static void sweep_dir(struct repair *r, const char *path, const char *prefix)
{
	AUTO_CLOSE int fd =
		openat(r->h->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	AUTO_CLOSEDIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int at = fd;

	if (d)
		fd = -1;
	while (d && (e = readdir(d))) {
		char clean[300];
		struct stat st;

		if (strncmp(e->d_name, prefix, strlen(prefix)) != 0 ||
		    fstatat(at, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode) ||
		    time(NULL) - st.st_mtime < TMP_AGE)
			continue;
		text_clean(e->d_name, clean, sizeof(clean));
		repair_announce(r, 0, "/%s/%s: left by a writer that was killed: removed", path,
				clean);
		if (!r->h->dry_run && unlinkat(at, e->d_name, 0) < 0) {
			r->done--;
			repair_leave(r, "/%s/%s cannot be removed: %s", path, clean,
				     strerror(errno));
		}
	}
}

static void sweep(struct repair *r)
{
	/* Every folder that file_replace() is told to write in. */
	static const struct {
		const char *dir;
		const char *prefix;
	} all[] = {
		{LEASE_DIR, TMP_PREFIX},
		{JOURNAL_DIR, TMP_PREFIX},
		{"etc/pve", TMP_PREFIX "vfhook.cfg"},
		{"var/lib/vfhook", TMP_PREFIX},
		{"etc/default/grub.d", TMP_PREFIX "vfhook.cfg"},
		{"etc/modules-load.d", TMP_PREFIX "vfhook.conf"},
		{"etc/kernel", TMP_PREFIX "cmdline"},
	};
	char node[160];

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		sweep_dir(r, all[i].dir, all[i].prefix);
	snprintf(node, sizeof(node), NODES_PATH "/%s", r->h->node);
	sweep_dir(r, node, TMP_PREFIX "vfhook.json");
	sweep_dir(r, node, TMP_PREFIX "vfhook-status.json");
	snprintf(node, sizeof(node), NODES_PATH "/%s/lxc", r->h->node);
	sweep_dir(r, node, TMP_PREFIX);
}

/* --- Journals --- */

bool repair_lock_vm(struct repair *r, uint32_t vmid, struct vm_locks *l)
{
	if (try_vm_locks(r->h, vmid, l))
		return true;
	if (l->why.code && l->why.code != EWOULDBLOCK)
		repair_leave(r, "%s %u: %s", guest_word(r->h, vmid), vmid, l->why.text);
	else
		say("%s %u is being started, stopped or changed just now: left alone",
		    guest_word(r->h, vmid), vmid);
	return false;
}

struct owner *repair_lock_config(struct repair *r, uint32_t vmid)
{
	struct owner *o = NULL;
	struct error err = ERROR_INIT;
	int locked = hook_lock_config(r->h, vmid, 0, &o, &err);

	if (locked == -EBUSY)
		say("%s: left alone", err.text);
	else if (locked < 0)
		repair_leave(r, "%s %u: %s", guest_word(r->h, vmid), vmid, err.text);
	return o;
}

/* What commands and the job left on PVE's side: before the VMs are looked at, and without PVE's
 * lock on them, which putting it right takes. */
static void repair_config_journal(struct repair *r, uint32_t vmid)
{
	AUTO_OWNER struct owner *o = repair_lock_config(r, vmid);
	struct error err = ERROR_INIT;

	if (!o || !journal_exists(r->h->root, JOURNAL_CONFIG, vmid))
		return;
	repair_announce(r, vmid,
			"journal of %s %u: an attach, detach or job that was cut off in the "
			"middle is undone or finished",
			guest_word(r->h, vmid), vmid);
	if (apply_config_recovery(r->h, o, &err) < 0)
		repair_undone(r, &err);
}

void repair_own_journal(struct repair *r, const struct owner *o)
{
	uint32_t vmid = owner_vmid(o);
	struct error err = ERROR_INIT;

	if (!journal_exists(r->h->root, JOURNAL_VFS, vmid))
		return;
	repair_announce(
		r, vmid,
		"journal of %s %u: a run that was cut off in the middle is undone or finished",
		guest_word(r->h, vmid), vmid);
	if (apply_recovery(r->h, o, &err) == 2)
		fail(&err, EIO, "a PF has fewer VFs than it had: vfhook boot");
	if (err.code)
		repair_undone(r, &err);
}

static void repair_journal(struct repair *r, uint32_t vmid)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;

	if (vmid == LEASE_SELF)
		repair_own_journal(r, r->self);
	else if (repair_lock_vm(r, vmid, &locks))
		repair_own_journal(r, locks.ours);
}

static void repair_journals(struct repair *r)
{
	AUTO_FREE uint32_t *vms = NULL;
	struct error err = ERROR_INIT;
	size_t n;

	if (journal_list(r->h->root, JOURNAL_VFS, &vms, &n, &err) < 0) {
		repair_leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++)
		repair_journal(r, vms[i]);
	free(vms);
	vms = NULL;
	if (journal_list(r->h->root, JOURNAL_CONFIG, &vms, &n, &err) < 0) {
		repair_leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++)
		repair_config_journal(r, vms[i]);
}

/* True if nobody is at that VM just now: what it has left is nobody's to go on with. */
static bool is_idle(struct repair *r, uint32_t vmid)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;

	return vmid == LEASE_SELF || try_vm_locks(r->h, vmid, &locks);
}

/*
 * Those that are there even now. One whose writer was left alone above, and has been killed since,
 * is finished now; one of ours that could not be taken away is told.
 */
static void check_journals(struct repair *r)
{
	AUTO_FREE uint32_t *vms = NULL;
	size_t n;

	if (r->h->dry_run || journal_list(r->h->root, JOURNAL_VFS, &vms, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (!is_idle(r, vms[i]))
			continue;
		repair_journal(r, vms[i]);
		if (journal_exists(r->h->root, JOURNAL_VFS, vms[i]) && is_idle(r, vms[i]))
			repair_leave(r, "the journal of %s %u is still there: run this again",
				     guest_word(r->h, vms[i]), vms[i]);
	}
}

bool repair_is_used(const struct repair *r, const struct pci_addr *vf)
{
	for (size_t i = 0; i < r->n_used; i++) {
		if (!pci_addr_cmp(&r->used[i], vf))
			return true;
	}
	return false;
}

/* --- VMs --- */

static int list_guests(struct repair *r, struct error *err)
{
	AUTO_FREE struct guest_ref *guests = NULL;
	char path[512];
	size_t n;

	/* Without it every VM would seem to be gone. */
	snprintf(path, sizeof(path), NODES_PATH "/%s/qemu-server", r->h->node);
	if (!path_exists(r->h->root, path))
		return fail(err, ENOENT, "/%s is not there: is pve-cluster running?", path);
	if (guest_list(r->h->root, &guests, &n, err) < 0)
		return error_code(err);
	r->vms = calloc(n + 1, sizeof(*r->vms));
	r->cts = calloc(n + 1, sizeof(*r->cts));
	if (!r->vms || !r->cts)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		if (guests[i].container)
			r->cts[r->n_cts++] = guests[i].vmid;
		else
			r->vms[r->n_vms++] = guests[i].vmid;
	}
	return 0;
}

/* --- All of it --- */

/* What is held against what. */
static void look(struct repair *r)
{
	const struct vfs_maker maker = {
		.self = r->self, .until = deadline_in(MAKE_MS), .write = write_numvfs};

	sweep(r);
	r->h->maker = &maker;
	repair_journals(r);
	r->h->maker = NULL;
	/* Before stale leases: a VF that a guest runs on is not to be parked. */
	repair_running(r);
	repair_cts(r);
	repair_broken(r);
	repair_stale(r);
	repair_free_vfs(r);
	repair_byhand(r);
	repair_gone(r);
	check_journals(r);
}

/*
 * What the timer runs. Nothing is waited for, and of what it looks at nothing is locked: a start or
 * a boot that is under way is left to itself until the next time. VFs of VMs that are over are
 * given back, as each start does for others that need one.
 */
static int check_node(struct hook *h)
{
	CLEANUP(repair_free) struct repair r = {.h = h, .check = true};
	struct watch_note note = {0};
	struct error err = ERROR_INIT;
	int lock = hook_lock_vm(h, LEASE_SELF, 0, &r.self, &err);

	if (lock == -EWOULDBLOCK) {
		say("`vfhook repair` or `vfhook boot` is running: nothing is looked at meanwhile");
		return EXIT_DONE;
	}
	if (lock < 0 || hook_kernel(h, &err) < 0 || list_guests(&r, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	if (reclaim_stale(h, LEASE_SELF, &err) < 0)
		repair_leave(&r, "%s", err.text);
	h->dry_run = true;
	look(&r);
	repair_check_pfs(&r);
	note = (struct watch_note){.time = time(NULL), .findings = r.done + r.left};
	if (watch_note_write(h, &note, &err) < 0)
		complain("%s", err.text);
	/* For their pictures (vfhook status --cluster). */
	if (seen_tell(h, &err) < 0)
		complain("the other nodes are not told what is seen here: %s", err.text);
	if (!note.findings)
		say("all is as it should be");
	return note.findings ? EXIT_REFUSED : EXIT_DONE;
}

static int repair_all(struct hook *h)
{
	CLEANUP(repair_free) struct repair r = {.h = h};
	struct error err = ERROR_INIT;
	int lock = hook_lock_vm(h, LEASE_SELF, LOCK_WAIT_MS, &r.self, &err);

	if (lock < 0 || hook_kernel(h, &err) < 0 || list_guests(&r, &err) < 0) {
		if (lock == -EWOULDBLOCK)
			complain("another `vfhook repair` or `vfhook boot` is running: try again "
				 "when it is done");
		else
			complain("%s", err.text);
		return EXIT_REFUSED;
	}
	look(&r);
	if (!r.done && !r.left)
		say("nothing to repair");
	else
		say("%u %s%s, %u left", r.done, h->dry_run ? "would be " : "", "repaired", r.left);
	return r.left ? EXIT_REFUSED : EXIT_DONE;
}

static int run(struct hook *h, int argc, char **argv)
{
	bool check = false;
	const struct opt opts[] = {{"dry-run", NULL, &h->dry_run}, {"check", NULL, &check}};
	const char *arg;
	size_t n;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), &arg, 0, &n))
		return EXIT_USAGE;
	/* A dry run of it tells the same, and gives nothing back. */
	return check && !h->dry_run ? check_node(h) : repair_all(h);
}

const struct command cmd_repair = {
	.name = "repair",
	.summary = "compare what is written down with what is true, and mend it",
	.help = "Usage: vfhook repair [--dry-run|--check]\n"
		"\n"
		"Undoes or finishes runs that were cut off, gives back VFs of VMs that are over\n"
		"(dirty ones too), parks free VFs that are still set for a guest, puts broken\n"
		"lease files aside, gives running VMs the lease and the settings of their ports,\n"
		"removes ports and mappings vf-<vmid>-<N> of VMs that are gone from the cluster,\n"
		"and old temporary files. Names every change before it is made. VMs that are\n"
		"being started or stopped are left alone.\n"
		"\n"
		"  --dry-run  tell what would be done, and do nothing\n"
		"  --check    tell what is wrong, PFs and the number of their VFs included, and\n"
		"             only give back VFs of VMs that are over. Waits for nobody;\n"
		"             vfhook-watch.timer runs it. Exit status 1: something is wrong\n"
		"\n"
		"Exit status: 0 nothing wrong is left, 1 something could not be repaired.\n",
	.run = run,
};
