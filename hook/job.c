/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The detached job: `vfhook job <vmid>`, started by a pre-start that had to
 * refuse. See handover.h for why it exists.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "hook/handover.h"
#include "hook/hook.h"
#include "hook/mac.h"
#include "hook/ports.h"
#include "hook/say.h"
#include "hook/wish.h"
#include "pveapi/api.h"
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

/* A clone runs the hookscript that its original has chained behind ours, too. */
static int adopt_chain(struct hook *h, const struct vm_ports *v, uint32_t origin, struct error *err)
{
	uint32_t vmid = v->guest.vmid;
	const struct guest_note *from = origin ? config_guest(&v->config, origin) : NULL;

	if (!from || from->bad || !from->chain[0] || config_guest(&v->config, vmid))
		return 0;
	if (!h->dry_run && config_set_chain(h->root, vmid, from->chain, err) < 0)
		return error_code(err);
	say("VM %u: %s %s after vfhook, as VM %u does", vmid, h->dry_run ? "would run" : "runs",
	    from->chain, origin);
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
		if (adopt_chain(h, v, v->entries[slot].origin, err) < 0)
			return error_code(err);
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

static int write_entries(struct hook *h, const struct vm_ports *v, struct error *err)
{
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		if (v->entries[slot].verdict == ENTRY_REWRITE &&
		    ports_write_hostpci(h, v, slot, err) < 0)
			return error_code(err);
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
	    (!h->dry_run && hook_rest(h, err) < 0) || ports_write_mappings(h, &v, -1, err) < 0)
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
