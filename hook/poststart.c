/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * post-start: which VF did QEMU really get? A pvedaemon worker may have served
 * an old mapping from its cache (PVE/Cluster.pm: cfs_read_file), and then the
 * VM runs on another VF than the one that was set up for it. That is mended, or
 * made harmless and told.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "hook/hook.h"
#include "hook/reclaim.h"
#include "hook/say.h"
#include "hook/wish.h"
#include "pveapi/vmstate.h"
#include "src/lease.h"

#define LOCK_WAIT_MS 30000

/* The lease of a port: on the VF its mapping names, or wherever it is. */
static bool find_lease(struct hook *h, const struct port_wish *w, struct lease *out)
{
	AUTO_FREE struct lease_entry *all = NULL;
	size_t n;

	if (w->has_last && !lease_read(h->root, &w->last, out, NULL) && out->vmid == w->vmid &&
	    out->slot == w->slot)
		return true;
	if (lease_list(h->root, &all, &n, NULL) < 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!all[i].broken && all[i].lease.vmid == w->vmid &&
		    all[i].lease.slot == w->slot) {
			*out = all[i].lease;
			return true;
		}
	}
	return false;
}

static int mark_running(struct hook *h, const struct lease *l, const struct proc_id *qemu,
			struct error *err)
{
	struct lease running = *l;

	running.phase = LEASE_RUNNING;
	running.qemu_pid = qemu->pid;
	running.qemu_start = qemu->start;
	return lease_write(h->root, &running, err);
}

/* A VM on a VF that is not its own, or not as asked, must not reach the network through it. */
static void cut_off(struct hook *h, uint32_t vmid, const struct pci_addr *vf)
{
	struct vf_settings down = {.has = HAS_LINK_STATE, .link_state = VF_LINK_DISABLE};
	struct error err = ERROR_INIT;
	struct pci_addr pf;
	struct pf_info info;
	unsigned index;
	char addr[PCI_ADDR_LEN];

	pci_addr_format(vf, addr);
	if (!sysfs_vf_identify(h->root, vf, &pf, &index) &&
	    !sysfs_pf_read(h->root, &pf, &info, &err) &&
	    !kernel_vf_set(h->kernel, info.ifindex, index, VF_LINK_STATE, &down, &err)) {
		complain("VM %u: the link of VF %s is taken down; stop the VM (qm stop %u), set "
			 "things right, and start it again",
			 vmid, addr, vmid);
		return;
	}
	complain("VM %u: the link of VF %s CANNOT be taken down (%s): stop the VM now: qm stop %u",
		 vmid, addr, err.code ? err.text : "it is no VF", vmid);
}

/* Plan and do: this port takes the VF that its VM runs on. */
static int take_over(struct hook *h, const struct vm_ports *v, const struct port_wish *w,
		     const struct pci_addr *actual, struct error *err)
{
	struct observer o = {.root = h->root, .kernel = h->kernel, .vmid = w->vmid};
	CLEANUP(snapshot_free) struct snapshot s = {0};
	AUTO_FREE struct vf_claim *claims = NULL;
	CLEANUP(plan_free) struct plan p;
	const struct vf_state *vf;

	plan_init(&p, PLAN_MEND, w->vmid);
	if (gather_claims(h, w->vmid, actual, 1, false, &claims, &o.n_claims, err) < 0)
		return error_code(err);
	o.claims = claims;
	if (snapshot_read(&o, w->pfs, w->n_pfs, NULL, 0, true, &s, err) < 0 ||
	    plan_port_on(&s, w, actual, time(NULL), &p, err) < 0)
		return error_code(err);
	vf = snapshot_find(&s, actual, NULL);
	plan_mappings_reset(h);
	if (plan_mapping(h, v, w->slot, &vf->info, &p, err) < 0)
		return error_code(err);
	return execute(&h->exec, &p, err);
}

/* 0: mended. 1: not; it was told. */
static int mend(struct hook *h, const struct vm_ports *v, const struct port_wish *w,
		const struct lease *meant, const struct pci_addr *actual,
		const struct proc_id *qemu)
{
	struct error err = ERROR_INIT;
	struct lease lease;
	char want[PCI_ADDR_LEN];
	char got[PCI_ADDR_LEN];
	char set[256];

	pci_addr_format(actual, got);
	complain("VM %u hostpci%u: QEMU has VF %s, meant was %s (PVE served an old mapping from a "
		 "worker's cache)",
		 w->vmid, w->slot, got, meant ? pci_addr_format(&meant->vf, want) : "none");
	if (take_over(h, v, w, actual, &err) < 0) {
		complain("VM %u hostpci%u: NOT mended: %s", w->vmid, w->slot, err.text);
		cut_off(h, w->vmid, actual);
		return 1;
	}
	if (lease_read(h->root, actual, &lease, &err) < 0 ||
	    mark_running(h, &lease, qemu, &err) < 0) {
		complain("VM %u hostpci%u: %s", w->vmid, w->slot, err.text);
		return 1;
	}
	say("VM %u hostpci%u: mended: VF %s is set as asked and leased to this VM: %s", w->vmid,
	    w->slot, got, vf_settings_describe(&w->want, set, sizeof(set)));
	return 0;
}

/* 0 or 1, as the exit status. *actual receives the VF that QEMU has. */
static int check_port(struct hook *h, const struct vm_ports *v, const struct port_wish *w,
		      const struct proc_id *qemu, struct pci_addr *actual, bool *has_actual)
{
	struct error err = ERROR_INIT;
	struct lease lease;
	bool leased = find_lease(h, w, &lease);
	int r = vm_hostpci_actual(h->root, qemu, w->slot, actual, &err);

	*has_actual = r == 1;
	if (r < 0) {
		complain("VM %u hostpci%u: cannot tell which VF QEMU has: %s", w->vmid, w->slot,
			 err.text);
		return 1;
	}
	if (!r) {
		complain("VM %u hostpci%u: QEMU runs without this device", w->vmid, w->slot);
		return 1;
	}
	if (!leased || pci_addr_cmp(&lease.vf, actual) != 0)
		return mend(h, v, w, leased ? &lease : NULL, actual, qemu);
	if (mark_running(h, &lease, qemu, &err) < 0) {
		complain("VM %u hostpci%u: %s", w->vmid, w->slot, err.text);
		return 1;
	}
	return 0;
}

static int check_ports(struct hook *h, const struct vm_ports *v, const struct proc_id *qemu)
{
	struct pci_addr keep[PVE_HOSTPCI_MAX];
	struct error err = ERROR_INIT;
	size_t n_keep = 0;
	bool moved = false;
	int status = 0;

	for (size_t i = 0; i < v->n_wishes; i++) {
		const struct port_wish *w = &v->wishes[i];
		bool has_actual;

		status |= check_port(h, v, w, qemu, &keep[n_keep], &has_actual);
		moved = moved || !has_actual || !w->has_last ||
			pci_addr_cmp(&w->last, &keep[n_keep]) != 0;
		n_keep += has_actual;
	}
	/* What was set up for this VM and is not what it runs on goes back. */
	if (moved && release_vm(h, v->guest.vmid, keep, n_keep, NULL, &err) < 0)
		status = 1;
	return status;
}

int phase_post_start(struct hook *h, uint32_t vmid)
{
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	struct error err = ERROR_INIT;
	AUTO_CLOSE int lock = -1;
	struct proc_id qemu;
	int r = vm_ports_load(h, vmid, &v, &err);

	if (!r)
		return 0;
	if (r > 0) {
		lock = hook_lock_vm(h, vmid, LOCK_WAIT_MS, &err);
		r = lock < 0 ? lock : recover_all(h, vmid, &err);
	}
	if (r >= 0)
		r = vm_process(h->root, vmid, &qemu, &err);
	if (!r)
		r = fail(&err, ESRCH, "no QEMU process of it is running");
	if (r > 0)
		r = vm_ports_wishes(h, &v, false, &err);
	if (!r)
		r = hook_kernel(h, &err);
	if (r < 0) {
		complain("VM %u: cannot check which VF it got: %s", vmid, err.text);
		return 1;
	}
	return check_ports(h, &v, &qemu);
}
