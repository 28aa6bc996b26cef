/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The detached job: `vfhook job <vmid>`, started by a pre-start that had to
 * refuse. See handover.h for why it exists.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/apply.h"
#include "hook/handover.h"
#include "hook/hook.h"
#include "hook/mac.h"
#include "hook/say.h"
#include "hook/wish.h"
#include "pveapi/api.h"
#include "pveapi/section.h"
#include "pveapi/vmstate.h"

/* The start that refused is over in a moment; a stop or backup that comes between may take longer.
 */
#define VM_LOCK_WAIT_MS 300000
#define START_WAIT_MS	600000
#define MAX_TRIES	3

/* Into the file; in a dry run, only into what we know of it. */
static int add_port(struct hook *h, struct config *c, const struct port *p, struct error *err)
{
	struct port *more;

	if (!h->dry_run)
		return config_add_port(h->root, p, err);
	more = reallocarray(c->ports, c->n_ports + 1, sizeof(*more));
	if (!more)
		return fail(err, ENOMEM, "out of memory");
	c->ports = more;
	c->ports[c->n_ports++] = *p;
	return 0;
}

/* Make the ports that a clone, a pool's name or a raw address ask for. */
static int adopt_ports(struct hook *h, struct vm_ports *v, struct error *err)
{
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		struct port *p = &v->entries[slot].adopt;
		char mac[MAC_LEN];
		int r;

		if (v->entries[slot].verdict != ENTRY_ADOPT)
			continue;
		if (mac_make(h->root, &v->config, p->want.mac, err) < 0)
			return error_code(err);
		p->want.has |= HAS_MAC;
		p->mac_auto = false;
		r = add_port(h, &v->config, p, err);
		if (r == -EEXIST) { /* somebody was faster: what he wrote counts */
			error_clear(err);
			continue;
		}
		if (r < 0)
			return r;
		mac_format(p->want.mac, mac);
		say("VM %u hostpci%u: port %u-%u %sadded to /" VFHOOK_CFG " (pool %s, MAC %s%s)",
		    p->vmid, slot, p->vmid, slot, h->dry_run ? "would be " : "", p->pool, mac,
		    h->dry_run ? " or another new one" : "");
	}
	return 0;
}

/* Any VF of the pool will do to make the mapping valid: pre-start says then why none is free. */
static bool any_vf(const struct snapshot *s, const struct port_wish *w, struct port_choice *out)
{
	for (size_t i = 0; i < s->n_pfs; i++) {
		for (size_t k = 0; k < w->n_pfs; k++) {
			if (s->pfs[i].n_vfs && !pci_addr_cmp(&s->pfs[i].info.addr, &w->pfs[k])) {
				*out = (struct port_choice){.chosen = true, .pf = i};
				return true;
			}
		}
	}
	return false;
}

/* Let the mappings of the VM's ports name VFs before hostpciN names the mappings. */
static int write_mappings(struct hook *h, const struct vm_ports *v, struct error *err)
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
	for (size_t i = 0; i < v->n_wishes; i++) {
		if (!choices[i].chosen && !any_vf(&s, &v->wishes[i], &choices[i]))
			return fail(err, ENOSPC, "pool '%s' of hostpci%u has no VFs on this node",
				    v->wishes[i].pool, v->wishes[i].slot);
	}
	if (plan_mappings(h, v, &s, choices, &calls, err) < 0)
		return error_code(err);
	if (h->dry_run) {
		plan_print(h, &calls);
		return 0;
	}
	for (size_t i = 0; i < calls.n_steps; i++) {
		if (h->exec.call(h->exec.arg, &calls.steps[i], err) < 0)
			return fail_context(err, "%s", calls.steps[i].what);
		say("%s", calls.steps[i].what);
	}
	return 0;
}

/*
 * Only root@pam may replace a raw address, and no token is that (PVE/API2/
 * Qemu.pm: check_hostpci_perm, also for the old value): PVE's own tool, run
 * as root on the node, is.
 */
static int write_with_qm(struct hook *h, uint32_t vmid, unsigned slot, const char *value,
			 struct error *err)
{
	char vmid_text[16];
	char option[24];
	int status;
	pid_t pid;

	snprintf(vmid_text, sizeof(vmid_text), "%u", vmid);
	snprintf(option, sizeof(option), "--hostpci%u", slot);
	pid = fork();
	if (pid < 0)
		return fail_errno(err, errno, "fork");
	if (!pid) {
		/* Below --root, if there is one: a tree of the tests has its own qm. */
		if (fchdir(h->root) < 0)
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
	char path[256];
	ssize_t len;

	snprintf(path, sizeof(path), "etc/pve/nodes/%s/qemu-server/%u.conf", v->guest.node,
		 v->guest.vmid);
	len = file_read(h->root, path, PVE_FILE_MAX, &text, err);
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

static int write_entries(struct hook *h, const struct vm_ports *v, struct error *err)
{
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		const struct entry *e = &v->entries[slot];
		char digest[41];
		int r;

		if (e->verdict != ENTRY_REWRITE)
			continue;
		if (h->dry_run) {
			r = config_digest(h, v, digest, err);
			if (!r)
				tell_entry(h, v->guest.vmid, slot, e, &v->guest, digest);
		} else if (e->was_raw) {
			r = write_with_qm(h, v->guest.vmid, slot, e->value, err);
		} else {
			r = config_digest(h, v, digest, err);
			if (!r)
				r = api_hostpci_set(h->rest, h->node, v->guest.vmid, slot, e->value,
						    digest, err);
		}
		if (r < 0)
			return r;
		if (!h->dry_run)
			say("VM %u hostpci%u: %s", v->guest.vmid, slot, e->value);
	}
	return 0;
}

/* Judged again: a new port makes an adoption a rewrite. */
static int load_again(struct hook *h, uint32_t vmid, struct vm_ports *v, struct error *err)
{
	if (h->dry_run) {
		vm_ports_judge(h, v);
		return 0;
	}
	vm_ports_free(v);
	return vm_ports_load(h, vmid, v, err);
}

static int prepare_once(struct hook *h, uint32_t vmid, struct error *err)
{
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	int slot;

	if (vm_ports_load(h, vmid, &v, err) < 0 || adopt_ports(h, &v, err) < 0)
		return error_code(err);
	if (load_again(h, vmid, &v, err) < 0)
		return error_code(err);
	slot = vm_ports_first(&v, ENTRY_REFUSE);
	if (slot >= 0)
		return fail(err, EINVAL, "hostpci%d: %s", slot, v.entries[slot].why);
	if (vm_ports_wishes(h, &v, true, err) < 0 || hook_kernel(h, err) < 0 ||
	    (!h->dry_run && hook_rest(h, err) < 0) || write_mappings(h, &v, err) < 0)
		return error_code(err);
	return write_entries(h, &v, err);
}

static int prepare(struct hook *h, uint32_t vmid, struct error *err)
{
	int r = -EAGAIN;

	/* A config that somebody changed meanwhile is looked at again. */
	for (int i = 0; i < MAX_TRIES && r == -EAGAIN; i++) {
		error_clear(err);
		r = prepare_once(h, vmid, err);
	}
	return r;
}

static int wait_for_lock(struct hook *h, uint32_t vmid, struct error *err)
{
	AUTO_CLOSE int lock = vm_lock(h->root, vmid, VM_LOCK_WAIT_MS, err);

	return lock < 0 ? lock : 0;
}

static int start_again(struct hook *h, uint32_t vmid, int job, struct error *err)
{
	AUTO_FREE char *upid = NULL;

	if (job_set_state(job, JOB_RESTARTING, err) < 0 ||
	    api_vm_start(h->rest, h->node, vmid, &upid, err) < 0)
		return error_code(err);
	say("VM %u: started again: %s", vmid, upid);
	return api_task_wait(h->rest, h->node, upid, START_WAIT_MS, err);
}

int job_preview(struct hook *h, uint32_t vmid, struct error *err)
{
	int r = prepare_once(h, vmid, err);

	if (r < 0)
		return r;
	say("  VM %u is started again:", vmid);
	say("    REST: POST /nodes/%s/qemu/%u/status/start", h->node, vmid);
	return 0;
}

int run_job(struct hook *h, uint32_t vmid)
{
	struct error err = ERROR_INIT;
	AUTO_CLOSE int job = -1;
	int r;

	if (h->dry_run) {
		r = job_preview(h, vmid, &err);
		if (r < 0)
			complain("%s", err.text);
		return r < 0;
	}
	job = job_lock(h, vmid, &err);
	if (job == -EWOULDBLOCK)
		return 0;
	r = job < 0 ? job : job_set_state(job, JOB_WAITING, &err);
	if (!r)
		r = wait_for_lock(h, vmid, &err);
	if (!r)
		r = prepare(h, vmid, &err);
	if (!r)
		r = start_again(h, vmid, job, &err);
	if (r < 0) {
		complain("VM %u is not running: %s", vmid, err.text);
		return 1;
	}
	say("VM %u: running", vmid);
	return 0;
}
