/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfhook repair: leases, settings, ports and mappings against what is true.
 * Every change is named before it is made, and made under the locks of the VM
 * it belongs to; a VM that somebody is at work on is left to him.
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

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/apply.h"
#include "hook/command.h"
#include "hook/events.h"
#include "hook/mend.h"
#include "hook/reclaim.h"
#include "hook/say.h"
#include "pveapi/api.h"
#include "pveapi/section.h"
#include "pveapi/vmstate.h"
#include "src/journal.h"
#include "src/lease.h"

#define LOCK_WAIT_MS 5000
/* A temporary file that is younger may have a writer. */
#define TMP_AGE	   60
#define NODES_PATH "etc/pve/nodes"

struct repair {
	struct hook *h;
	struct owner *self; /* of what vfhook itself holds: one repair at a time, and no boot */
	unsigned done;
	unsigned left; /* wrong, and not repaired */
	uint32_t *vms; /* with a config on any node */
	size_t n_vms;
	struct pci_addr *used; /* the VFs that running VMs of this node have */
	size_t n_used;
	bool unsure; /* not all of them could be read */
};

static void repair_free(struct repair *r)
{
	free(r->vms);
	free(r->used);
	owner_unlock(r->self);
}

/* What is about to be done. vmid 0: it is nobody's. */
static void __attribute__((format(printf, 3, 4)))
announce(struct repair *r, uint32_t vmid, const char *fmt, ...)
{
	char text[800];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->done++;
	say("%s: %s", r->h->dry_run ? "would repair" : "repair", text);
	event_add(r->h, vmid, EVENT_REPAIR, "%s", text);
}

static void __attribute__((format(printf, 2, 3))) leave(struct repair *r, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->left++;
	complain("not repaired: %s", text);
}

/* A repair that was announced and did not succeed. */
static void take_back(struct repair *r, const struct error *err)
{
	r->done--;
	leave(r, "%s", err->text);
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
		announce(r, 0, "/%s/%s: left by a writer that was killed: removed", path, clean);
		if (!r->h->dry_run && unlinkat(at, e->d_name, 0) < 0) {
			r->done--;
			leave(r, "/%s/%s cannot be removed: %s", path, clean, strerror(errno));
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
		{LEASE_DIR, ".tmp-"},
		{RUN_DIR "/journal", ".tmp-"},
		{"etc/pve", ".tmp-vfhook.cfg"},
		{"var/lib/vfhook", ".tmp-"},
		{"etc/default/grub.d", ".tmp-vfhook.cfg"},
		{"etc/modules-load.d", ".tmp-vfhook.conf"},
		{"etc/kernel", ".tmp-cmdline"},
	};
	char node[160];

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		sweep_dir(r, all[i].dir, all[i].prefix);
	snprintf(node, sizeof(node), NODES_PATH "/%s", r->h->node);
	sweep_dir(r, node, ".tmp-vfhook.json");
}

/* --- Journals --- */

static bool lock_vm(struct repair *r, uint32_t vmid, struct vm_locks *l)
{
	if (try_vm_locks(r->h, vmid, l))
		return true;
	say("VM %u is being started, stopped or changed just now: left alone", vmid);
	return false;
}

static void repair_journal(struct repair *r, uint32_t vmid)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	const struct owner *o = r->self;
	struct error err = ERROR_INIT;

	if (vmid != LEASE_SELF) {
		if (!lock_vm(r, vmid, &locks))
			return;
		o = locks.ours;
	}
	/* It may have been recovered until we had the locks. */
	if (!journal_exists(r->h->root, JOURNAL_VFS, vmid))
		return;
	announce(r, vmid,
		 "journal of VM %u: a run that was cut off in the middle is undone or finished",
		 vmid);
	if (apply_recovery(r->h, o, &err) < 0)
		take_back(r, &err);
}

static void repair_journals(struct repair *r)
{
	AUTO_FREE uint32_t *vms = NULL;
	struct error err = ERROR_INIT;
	size_t n;

	if (journal_list(r->h->root, JOURNAL_VFS, &vms, &n, &err) < 0) {
		leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++)
		repair_journal(r, vms[i]);
}

/* One that is there even now: a release of ours that could not take its own away. */
static void check_journals(struct repair *r)
{
	AUTO_FREE uint32_t *vms = NULL;
	size_t n;

	if (r->h->dry_run || journal_list(r->h->root, JOURNAL_VFS, &vms, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;

		if (vms[i] == LEASE_SELF || try_vm_locks(r->h, vms[i], &locks))
			leave(r, "the journal of VM %u is still there: run this again", vms[i]);
	}
}

/* --- VMs --- */

static int list_vms(struct repair *r, struct error *err)
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
	if (!r->vms)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		if (!guests[i].container)
			r->vms[r->n_vms++] = guests[i].vmid;
	}
	return 0;
}

static bool is_used(const struct repair *r, const struct pci_addr *vf)
{
	for (size_t i = 0; i < r->n_used; i++) {
		if (!pci_addr_cmp(&r->used[i], vf))
			return true;
	}
	return false;
}

static int add_used(struct repair *r, const struct pci_addr *vf, struct error *err)
{
	struct pci_addr *more = reallocarray(r->used, r->n_used + 1, sizeof(*more));

	if (!more)
		return fail(err, ENOMEM, "out of memory");
	r->used = more;
	r->used[r->n_used++] = *vf;
	return 0;
}

/* --- Broken leases --- */

/*
 * A VF whose lease file cannot be used becomes vfhook's own first, in one step, so that nobody gets
 * it meanwhile: whose it was is not known. Then it is parked and given back like any other.
 */
static int adopt_broken(struct repair *r, const struct pci_addr *vf, struct error *err)
{
	struct lease l = {.vf = *vf, .vmid = LEASE_SELF, .taken = time(NULL)};
	struct step s = {.kind = STEP_LEASE_WRITE, .vf = *vf};
	const struct plan p = {.steps = &s, .n_steps = 1};
	int found = sysfs_vf_identify(r->h->root, vf, &l.pf, &l.index);

	if (found < 0 && found != -ENODEV && found != -EINVAL)
		return fail_errno(err, -found, "look at the VF");
	l.before.proto = l.want.proto = VLAN_PROTO_8021Q;
	s.lease = l;
	if (r->h->dry_run)
		return foresee(r->h, &p, err);
	return lease_replace_broken(r->h->root, r->self, &l, err);
}

static bool is_broken(struct repair *r, const struct pci_addr *vf)
{
	struct lease l;

	return seen_lease(r->h, vf, &l, NULL) == -EINVAL;
}

static bool is_reserved(struct repair *r, const struct pci_addr *vf)
{
	AUTO_FREE struct pci_reservation *all = NULL;
	struct error err = ERROR_INIT;
	int64_t now = time(NULL);
	size_t n;

	if (pci_reservations(r->h->root, &all, &n, &err) < 0)
		return true;
	for (size_t i = 0; i < n; i++) {
		if (!pci_addr_cmp(&all[i].addr, vf) &&
		    pci_reservation_live(r->h->root, &all[i], now))
			return true;
	}
	return false;
}

static void repair_one_broken(struct repair *r, const struct lease_entry *e)
{
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];

	pci_addr_format(&e->vf, addr);
	if (r->unsure) {
		leave(r, "%s", e->why);
		return;
	}
	if (is_used(r, &e->vf) || is_reserved(r, &e->vf)) {
		leave(r, "%s, and a VM has that VF now: stop it first", e->why);
		return;
	}
	if (!is_broken(r, &e->vf))
		return;
	announce(r, 0, "%s: the VF is parked, the file kept as %s.broken", e->why, addr);
	if (adopt_broken(r, &e->vf, &err) < 0 ||
	    release_vm(r->h, r->self, NULL, 0, NULL, &err) < 0) {
		fail_context(&err, "VF %s", addr);
		take_back(r, &err);
	}
}

static void repair_broken(struct repair *r)
{
	AUTO_FREE struct lease_entry *all = NULL;
	struct error err = ERROR_INIT;
	size_t n;

	if (seen_leases(r->h, &all, &n, &err) < 0) {
		leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (all[i].broken)
			repair_one_broken(r, &all[i]);
	}
}

/* --- Running VMs --- */

static int drop_foreign(struct repair *r, const struct owner *o, const struct lease *l,
			struct error *err)
{
	struct step s = {.kind = STEP_LEASE_DROP, .vf = l->vf, .old_lease = *l};
	const struct plan p = {.steps = &s, .n_steps = 1};

	return r->h->dry_run ? foresee(r->h, &p, err) : lease_drop(r->h->root, o, &l->vf, err);
}

/*
 * A lease of somebody else on a VF that this VM runs on: true if it is out of the way. It is
 * judged and dropped under the locks of the VM that it is of.
 */
static bool clear_foreign_lease(struct repair *r, uint32_t vmid, const struct lease *seen)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	struct lease l;

	pci_addr_format(&seen->vf, addr);
	if (!try_vm_locks(r->h, seen->vmid, &locks) || seen_lease(r->h, &seen->vf, &l, &err) < 0 ||
	    l.vmid != seen->vmid || lease_is_live(r->h, &l) != ANSWER_NO) {
		leave(r, "VM %u runs on VF %s, which is leased to VM %u: qm stop %u", vmid, addr,
		      seen->vmid, vmid);
		return false;
	}
	announce(r, vmid, "VF %s: lease of VM %u, which is over, is dropped: VM %u runs on that VF",
		 addr, l.vmid, vmid);
	if (!drop_foreign(r, locks.ours, &l, &err))
		return true;
	take_back(r, &err);
	return false;
}

/* A file that is no lease, on a VF that this VM runs on: the VM's, for all that is known. */
static bool clear_broken_lease(struct repair *r, const struct owner *o, const struct pci_addr *vf)
{
	struct lease l = {.vf = *vf, .vmid = owner_vmid(o), .taken = time(NULL)};
	struct step s = {.kind = STEP_LEASE_WRITE, .vf = *vf};
	const struct plan p = {.steps = &s, .n_steps = 1};
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];

	l.before.proto = l.want.proto = VLAN_PROTO_8021Q;
	announce(r, l.vmid,
		 "VF %s, which VM %u runs on, has a lease file that cannot be used: kept as "
		 "%s.broken",
		 pci_addr_format(vf, addr), l.vmid, addr);
	if (sysfs_vf_identify(r->h->root, vf, &l.pf, &l.index) < 0) {
		fail(&err, EIO, "VF %s cannot be looked at", addr);
		take_back(r, &err);
		return false;
	}
	s.lease = l;
	if (r->h->dry_run ? !foresee(r->h, &p, &err)
			  : !lease_replace_broken(r->h->root, o, &l, &err))
		return true;
	take_back(r, &err);
	return false;
}

/* Whatever lease is on a VF that this VM runs on becomes this VM's, or none: false if it cannot. */
static bool clear_lease(struct repair *r, const struct owner *o, const struct pci_addr *vf)
{
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	struct lease l;
	int found = seen_lease(r->h, vf, &l, &err);

	if (found == -ENOENT || (!found && l.vmid == owner_vmid(o)))
		return true;
	if (!found)
		return clear_foreign_lease(r, owner_vmid(o), &l);
	if (found == -EINVAL)
		return clear_broken_lease(r, o, vf);
	leave(r, "VM %u runs on VF %s: %s", owner_vmid(o), pci_addr_format(vf, addr), err.text);
	return false;
}

static void check_port(struct repair *r, const struct owner *o, const struct vm_ports *v,
		       const struct port_wish *w, const struct pci_addr *vf,
		       const struct proc_id *qemu)
{
	CLEANUP(plan_free) struct plan p;
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	struct lease l = {0};
	bool leased;

	plan_init(&p, PLAN_MEND, w->vmid);
	pci_addr_format(vf, addr);
	if (!clear_lease(r, o, vf))
		return;
	leased = !seen_lease(r->h, vf, &l, NULL);
	if (plan_take_over(r->h, v, w, vf, &p, &err) < 0) {
		leave(r, "VM %u hostpci%u: %s", w->vmid, w->slot, err.text);
		return;
	}
	if (leased && l.slot == w->slot && l.phase == LEASE_RUNNING && l.qemu_pid == qemu->pid &&
	    l.qemu_start == qemu->start && !plan_changes_vfs(&p) && !plan_has_object(&p, NULL))
		return;
	announce(r, w->vmid, "VM %u hostpci%u runs on VF %s%s", w->vmid, w->slot, addr,
		 !leased		     ? " without a lease: it gets one"
		 : plan_changes_vfs(&p)	     ? ", which is not set as its port wants: set again"
		 : plan_has_object(&p, NULL) ? ", which its mapping does not name: written again"
					     : ", whose lease is out of date: written again");
	if (!r->h->dry_run)
		plan_print(r->h, &p);
	if (apply_plan(r->h, o, &p, &err) < 0 || seen_lease(r->h, vf, &l, &err) < 0 ||
	    mark_running(r->h, o, &l, qemu, &err) < 0)
		take_back(r, &err);
}

/* Leases of a running VM on VFs that it does not run on. */
static void drop_others(struct repair *r, const struct owner *o, const struct pci_addr *keep,
			size_t n_keep)
{
	uint32_t vmid = owner_vmid(o);
	AUTO_FREE struct lease_entry *all = NULL;
	struct error err = ERROR_INIT;
	bool any = false;
	char addr[PCI_ADDR_LEN];
	size_t n;

	if (seen_leases(r->h, &all, &n, &err) < 0) {
		leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		bool kept = all[i].broken || all[i].lease.vmid != vmid;

		for (size_t k = 0; k < n_keep && !kept; k++)
			kept = !pci_addr_cmp(&keep[k], &all[i].vf);
		if (kept)
			continue;
		any = true;
		announce(r, vmid, "VF %s is leased to VM %u, which runs without it: released",
			 pci_addr_format(&all[i].vf, addr), vmid);
	}
	if (any && release_vm(r->h, o, keep, n_keep, NULL, &err) < 0)
		take_back(r, &err);
}

/* 1: it runs, and what it has is known; 0: it does not run, or that cannot be told: said. */
static int look_at_qemu(struct repair *r, uint32_t vmid, struct proc_id *qemu,
			struct vm_hostpci *has)
{
	struct error err = ERROR_INIT;
	enum answer runs = vm_runs(r->h->root, vmid, qemu, &err);
	int found;

	if (runs == ANSWER_UNKNOWN)
		leave(r, "VM %u: whether it runs cannot be told: %s", vmid, err.text);
	if (runs != ANSWER_YES)
		return 0;
	found = vm_hostpci_all(r->h->root, qemu, has, &err);
	/* It ended this moment: its VFs are taken back below. */
	if (found < 0 && found != -ESRCH)
		leave(r, "VM %u: what it runs on cannot be told: %s", vmid, err.text);
	return !found;
}

static void check_running(struct repair *r, uint32_t vmid)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	struct pci_addr keep[PVE_HOSTPCI_MAX];
	struct error err = ERROR_INIT;
	struct vm_hostpci has;
	struct proc_id qemu;
	size_t n_keep = 0;
	int found;

	if (!lock_vm(r, vmid, &locks) || !look_at_qemu(r, vmid, &qemu, &has))
		return;
	found = vm_ports_load(r->h, vmid, &v, &err);
	if (found == -ENOENT) {
		say("VM %u runs here, but its config is not this node's (a migration under way?): "
		    "left alone",
		    vmid);
		return;
	}
	if (found < 0 || vm_ports_wishes(r->h, &v, false, &err) < 0) {
		leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < v.n_wishes; i++) {
		const struct port_wish *w = &v.wishes[i];

		if (has.has[w->slot])
			check_port(r, locks.ours, &v, w, &has.vf[w->slot], &qemu);
	}
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		if (has.has[slot])
			keep[n_keep++] = has.vf[slot];
	}
	drop_others(r, locks.ours, keep, n_keep);
}

/* The VFs of a VM that runs are not to be parked as nobody's, also where not all can be told. */
static enum answer note_used(struct repair *r, uint32_t vmid, struct error *err)
{
	struct vm_hostpci has;
	struct proc_id qemu;
	enum answer runs = vm_runs(r->h->root, vmid, &qemu, err);
	int found;

	if (runs != ANSWER_YES)
		return runs;
	found = vm_hostpci_all(r->h->root, &qemu, &has, err);
	if (found < 0)
		return found == -ESRCH ? ANSWER_NO : ANSWER_UNKNOWN;
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		if (has.has[slot] && add_used(r, &has.vf[slot], err) < 0)
			return ANSWER_UNKNOWN;
	}
	return ANSWER_YES;
}

static void repair_running(struct repair *r)
{
	for (size_t i = 0; i < r->n_vms; i++) {
		struct error err = ERROR_INIT;
		enum answer runs = note_used(r, r->vms[i], &err);

		if (runs == ANSWER_UNKNOWN) {
			r->unsure = true;
			leave(r, "VM %u: what it runs on cannot be told: %s", r->vms[i], err.text);
		}
		if (runs == ANSWER_YES)
			check_running(r, r->vms[i]);
	}
}

/* --- Leases of VMs that are over --- */

/* A lease that was there when all were looked at: of a VM that is over, for all that was seen. */
static void check_over(struct repair *r, const struct lease *seen)
{
	CLEANUP(vm_locks_drop) struct vm_locks locks = VM_LOCKS_INIT;
	struct error err = ERROR_INIT;
	char addr[PCI_ADDR_LEN];
	struct lease l;

	if (lease_is_live(r->h, seen) != ANSWER_NO || !lock_vm(r, seen->vmid, &locks))
		return;
	/* A start or stop that was under way then is over now, and may have used it or not. */
	if (seen_lease(r->h, &seen->vf, &l, NULL) < 0 || l.vmid != seen->vmid ||
	    lease_is_live(r->h, &l) != ANSWER_NO)
		return;
	pci_addr_format(&l.vf, addr);
	announce(r, l.vmid, "VF %s is leased to VM %u, which is over: released", addr, l.vmid);
	if (recover_own(r->h, locks.ours, &err) < 0 ||
	    release_vm(r->h, locks.ours, NULL, 0, NULL, &err) < 0) {
		fail_context(&err, "VF %s stays leased to VM %u, which is over", addr, l.vmid);
		take_back(r, &err);
	}
}

/* What vfhook itself held when it was cut off: nobody else holds its lock now. */
static void repair_self(struct repair *r)
{
	struct error err = ERROR_INIT;
	int released = release_vm(r->h, r->self, NULL, 0, NULL, &err);

	if (released > 0)
		r->done += (unsigned)released;
	if (released < 0)
		leave(r, "%s", err.text);
}

static void repair_stale(struct repair *r)
{
	AUTO_FREE struct lease_entry *all = NULL;
	struct error err = ERROR_INIT;
	size_t n;
	int released = reclaim_stale(r->h, LEASE_SELF, &err);

	if (released > 0)
		r->done += (unsigned)released;
	if (released < 0 || seen_leases(r->h, &all, &n, &err) < 0) {
		leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (!all[i].broken && all[i].lease.vmid != LEASE_SELF)
			check_over(r, &all[i].lease);
	}
}

/* --- Ports and mappings of VMs that are gone --- */

/*
 * Does any guest's config name that mapping? A clone takes its wishes from there. 1: yes, 0: no,
 * negative: a config cannot be read, and what is deleted is gone.
 */
static int is_named(struct repair *r, const char *id)
{
	AUTO_CLOSEDIR DIR *d = dir_open(r->h->root, NODES_PATH);
	const struct dirent *node;
	char want[NAME_LEN + 16];

	snprintf(want, sizeof(want), "mapping=%s", id);
	for (errno = 0; d && (node = readdir(d)); errno = 0) {
		for (size_t i = 0; node->d_name[0] != '.' && i < r->n_vms; i++) {
			AUTO_FREE char *text = NULL;
			char path[GUEST_PATH_LEN];
			ssize_t len;

			if (strlen(node->d_name) >= NAME_LEN)
				return -ENAMETOOLONG;
			guest_config_path(node->d_name, r->vms[i], path);
			len = file_read(r->h->root, path, PVE_FILE_MAX, &text, NULL);
			if (len < 0 && len != -ENOENT && len != -ENOTDIR)
				return (int)len;
			for (const char *at = text; len >= 0 && (at = strstr(at, want)); at++) {
				char next = at[strlen(want)];

				if (next < '0' || next > '9')
					return 1;
			}
		}
	}
	return d && !errno ? 0 : -EIO;
}

/*
 * Is the VM gone from the cluster, with nobody left who needs this port? Asked right before each
 * removal, of one atomic list: a VM that moves to another node is in no folder for whoever
 * looks into one after the other.
 */
static bool is_gone(struct repair *r, uint32_t vmid, unsigned slot)
{
	struct error err = ERROR_INIT;
	enum answer exists = guest_exists(r->h->root, vmid, &err);
	enum answer runs = ANSWER_NO;
	struct proc_id qemu;
	char id[NAME_LEN];
	int named;

	if (exists == ANSWER_UNKNOWN)
		leave(r, "VM %u: whether it is gone cannot be told: %s", vmid, err.text);
	if (exists == ANSWER_NO)
		runs = vm_runs(r->h->root, vmid, &qemu, &err);
	if (runs == ANSWER_UNKNOWN)
		leave(r, "VM %u: whether it runs cannot be told: %s", vmid, err.text);
	if (exists != ANSWER_NO || runs != ANSWER_NO)
		return false;
	port_mapping_id(vmid, slot, id);
	named = is_named(r, id);
	if (named < 0)
		leave(r,
		      "%s: VM %u is gone, but whether another VM's config names it cannot be "
		      "told: %s",
		      id, vmid, strerror(-named));
	if (named <= 0)
		return !named;
	say("%s is kept, though VM %u is gone: another VM's config names it and takes its wishes "
	    "from there at its next start",
	    id, vmid);
	return false;
}

static int delete_mapping(struct repair *r, const char *id, struct error *err)
{
	if (r->h->dry_run) {
		say("    REST: DELETE /cluster/mapping/pci/%s", id);
		return rest_token_check(r->h->root, err);
	}
	if (hook_rest(r->h, err) < 0)
		return error_code(err);
	return api_mapping_delete(r->h->rest, r->h->root, id, err);
}

static void repair_mappings(struct repair *r)
{
	CLEANUP(mapping_file_free) struct mapping_file f = {0};
	struct error err = ERROR_INIT;

	if (mapping_load(r->h->root, &f, &err) < 0) {
		leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < f.n_mappings; i++) {
		const char *id = f.mappings[i].id;
		unsigned slot;
		uint32_t vmid;

		if (!port_mapping_parse(id, &vmid, &slot) || !is_gone(r, vmid, slot))
			continue;
		announce(r, vmid, "mapping %s: VM %u is gone from the cluster: deleted", id, vmid);
		error_clear(&err);
		if (delete_mapping(r, id, &err) < 0)
			take_back(r, &err);
	}
}

static void repair_ports(struct repair *r)
{
	CLEANUP(config_free) struct config c = {0};
	struct error err = ERROR_INIT;

	if (config_load(r->h->root, &c, &err) < 0) {
		leave(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < c.n_ports; i++) {
		const struct port *p = &c.ports[i];
		char set[256];

		if (!is_gone(r, p->vmid, p->slot)) {
			if (p->bad)
				leave(r, "%s", p->bad);
			continue;
		}
		/* All that it said: whoever needs it again has it here. */
		announce(r, p->vmid,
			 "port %u-%u (pool %s, %s): VM %u is gone from the cluster: taken out of "
			 "/" VFHOOK_CFG,
			 p->vmid, p->slot, p->pool,
			 vf_settings_describe(&p->want, set, sizeof(set)), p->vmid);
		error_clear(&err);
		if (!r->h->dry_run && config_remove_port(r->h->root, p->vmid, p->slot, &err) < 0 &&
		    err.code != ENOENT)
			take_back(r, &err);
	}
	for (size_t i = 0; i < c.n_pools; i++) {
		if (c.pools[i].bad)
			leave(r, "%s", c.pools[i].bad);
	}
}

/* --- All of it --- */

static int repair_all(struct hook *h)
{
	CLEANUP(repair_free) struct repair r = {.h = h};
	struct error err = ERROR_INIT;
	int lock = hook_lock_vm(h, LEASE_SELF, LOCK_WAIT_MS, &r.self, &err);

	if (lock < 0 || hook_kernel(h, &err) < 0 || list_vms(&r, &err) < 0) {
		if (lock == -EWOULDBLOCK)
			complain("another `vfhook repair` or `vfhook boot` is running: try again "
				 "when it is done");
		else
			complain("%s", err.text);
		return EXIT_REFUSED;
	}
	sweep(&r);
	repair_journals(&r);
	/* Before stale leases: a VF that a VM runs on is not to be parked. */
	repair_running(&r);
	repair_broken(&r);
	repair_self(&r);
	repair_stale(&r);
	repair_mappings(&r);
	repair_ports(&r);
	check_journals(&r);
	if (!r.done && !r.left)
		say("nothing to repair");
	else
		say("%u %s%s, %u left", r.done, h->dry_run ? "would be " : "", "repaired", r.left);
	return r.left ? EXIT_REFUSED : EXIT_DONE;
}

static int run(struct hook *h, int argc, char **argv)
{
	const struct opt opts[] = {{"dry-run", NULL, &h->dry_run}};
	const char *arg;
	size_t n;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), &arg, 0, &n))
		return EXIT_USAGE;
	return repair_all(h);
}

const struct command cmd_repair = {
	.name = "repair",
	.summary = "compare what is written down with what is true, and mend it",
	.help = "Usage: vfhook repair [--dry-run]\n"
		"\n"
		"Undoes or finishes runs that were cut off, gives back VFs of VMs that are over\n"
		"(dirty ones too), puts broken lease files aside, gives running VMs the lease and\n"
		"the settings of their ports, removes ports and mappings vf-<vmid>-<N> of VMs\n"
		"that are gone from the cluster, and old temporary files. Names every change\n"
		"before it is made. VMs that are being started or stopped are left alone.\n"
		"\n"
		"  --dry-run  tell what would be done, and do nothing\n"
		"\n"
		"Exit status: 0 nothing wrong is left, 1 something could not be repaired.\n",
	.run = run,
};
