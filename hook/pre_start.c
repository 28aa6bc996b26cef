/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pre-start: each port of the VM gets its VF, set as asked, and its mapping
 * names it, or the start is refused; a job may then write hostpciN, and start the VM again.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hook/guest_off.h"
#include "hook/job_control.h"
#include "hook/migration.h"
#include "hook/phases.h"
#include "hook/start_vfs.h"
#include "hook/start_watch.h"
#include "pveapi/limits.h"
#include "pveapi/rest_token.h"
#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/say.h"
#include "src/port/apply.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/port/events.h"
#include "src/port/fdb_lock.h"
#include "src/port/give_back.h"
#include "src/port/hook_lock.h"
#include "src/port/hostpci_judge.h"
#include "src/port/keep_driver.h"
#include "src/port/mac.h"
#include "src/port/mapping_plan.h"
#include "src/port/netdev.h"
#include "src/port/plan_print.h"
#include "src/port/reclaim.h"
#include "src/port/foreseen.h"
#include "src/port/vf_advice.h"
#include "src/port/vm_ports.h"
#include "src/vf/kernel.h"
#include "src/vf/lease.h"
#include "src/vf/owner.h"
#include "src/vf/plan.h"
#include "src/vf/plan_choice.h"
#include "src/vf/plan_start.h"
#include "src/vf/port_wish.h"
#include "src/vf/snapshot.h"
#include "src/vf/sysfs.h"

/* How long another run of ours for the same VM may take: a release with a slow driver. */
#define LOCK_WAIT_MS 30000
/* With 64 VMs after one VF at the same moment each may lose many races. */
#define MAX_RACES 256
/* Cleaning a VF takes some messages to its driver. */
#define FULL_WAIT_MS 300
/* A page of reasons helps; hundreds do not. */
#define MAX_NOTES 40
/* Those that an event has room for. */
#define EVENT_NOTES 4

int start_refuse(struct hook *h, uint32_t vmid, const char *fmt, ...)
{
	char why[1100];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	complain("%s %u %s: %s", hook_guest(h), vmid,
		 h->migrated_from && h->migrated_from[0] ? "is not migrated"
		 : h->dry_run				 ? "would not be started"
							 : "is not started",
		 why);
	event_add(h, vmid, EVENT_REFUSED, "%s%s%s", h->detail, h->detail[0] ? "; " : "", why);
	return 1;
}

static void remember(struct hook *h, const char *text)
{
	size_t len = strlen(h->detail);

	snprintf(h->detail + len, sizeof(h->detail) - len, "%s%s", len ? "; " : "", text);
}

static int foresee_job(struct hook *h, uint32_t vmid, enum job_kind kind)
{
	struct error err = ERROR_INIT;

	say("PVE does not see such a change in a start under way: this start would be refused, and "
	    "a job would do, as soon as it is over:");
	if (job_preview(h, vmid, kind, &err) < 0)
		complain("the job would fail: %s", err.text);
	return 1;
}

static void tell_changes(struct hook *h, uint32_t vmid, const struct vm_ports *v)
{
	char must[4700];

	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		const struct entry *e = &v->entries[slot];

		if (e->verdict != ENTRY_REWRITE && e->verdict != ENTRY_ADOPT)
			continue;
		snprintf(must, sizeof(must), "hostpci%u must become '%s': %s", slot, e->value,
			 e->why);
		complain("VM %u %s", vmid, must);
		remember(h, must);
	}
}

/* A start that no job can help, or that one helps already. 0: there is none such reason. */
static int refuse_to_hand_over(struct hook *h, uint32_t vmid, enum start_reason reason)
{
	enum job_state state = job_state(h, vmid);
	bool backup = reason == START_FOR_BACKUP;
	char log[128];

	job_log(h, vmid, job_kind_of(state), log, sizeof(log));
	if (h->migrated_from && h->migrated_from[0])
		return start_refuse(
			h, vmid,
			"hostpci cannot be changed during a migration; start the VM once on "
			"%s, then migrate it",
			h->migrated_from);
	if (reason == START_RESUME)
		return start_refuse(
			h, vmid,
			"it hibernates, and PVE changes no hostpci of such a VM: take the port "
			"away (vfhook detach %u) to wake it, or give up what it saved (qm set "
			"%u --delete vmstate) and start it anew",
			vmid, vmid);
	if (state == JOB_RESTARTING)
		return start_refuse(
			h, vmid,
			"this was changed just now and is not right even so; not trying "
			"again (see %s)",
			log);
	if (state == JOB_ANEW)
		return start_refuse(
			h, vmid,
			"a job stops and starts this VM, which ran on another VM's VF (%s); "
			"hostpci was changed since: qm start %u once that is over",
			log, vmid);
	if (state == JOB_WAITING)
		return start_refuse(
			h, vmid,
			"a job is changing it already%s, as soon as this start has let go of "
			"the VM; %s (%s)",
			backup ? "" : " and starts the VM then",
			backup ? "run the backup again later" : "nothing to do", log);
	if (state == JOB_WRITING && backup)
		return start_refuse(
			h, vmid,
			"a job is changing it already, as soon as the backup has let go of the "
			"VM; run the backup again then (%s)",
			log);
	return 0;
}

/* Someone must change hostpciN, and it cannot be this start: tell why, and hand over. */
static int hand_over(struct hook *h, uint32_t vmid, const struct vm_ports *v)
{
	enum start_reason reason = start_reason(h, &v->guest);
	/* Only what somebody wants to run is started. */
	enum job_kind kind = reason == START_WANTED ? JOB_START : JOB_WRITE;
	struct error err = ERROR_INIT;
	char where[128];
	int r;

	tell_changes(h, vmid, v);
	r = refuse_to_hand_over(h, vmid, reason);
	if (r)
		return r;
	if (rest_token_check(h->root, &err) < 0)
		return start_refuse(h, vmid, "%s", err.text);
	if (h->dry_run)
		return foresee_job(h, vmid, kind);
	if (job_spawn(h, vmid, kind, NULL, where, sizeof(where), &err) < 0)
		return start_refuse(h, vmid, "%s", err.text);
	event_add(
		h, vmid, EVENT_REFUSED,
		kind == JOB_START ? "%s; a job writes it and starts the VM again"
		: reason == START_BY_HAND
			? "%s; pre-start was called by hand: a job writes it and leaves the VM off"
			: "%s; this start was a backup's: a job writes it and leaves "
			  "the VM off; run the backup again then",
		h->detail);
	if (kind == JOB_START)
		complain("PVE has read the config before this hook and does not see a change now, "
			 "so this start is refused; hostpci is written as soon as it is over and "
			 "VM %u is started again, once (%s)",
			 vmid, where);
	else if (reason == START_BY_HAND)
		complain("hostpci is written by a job (%s), and no VF taken; VM %u stays off: "
			 "qm start %u once that is done",
			 where, vmid, vmid);
	else
		complain("PVE has read the config before this hook and does not see a change now, "
			 "so this start, a backup's, is refused; hostpci is written as soon as the "
			 "backup has let go of VM %u, which stays off (%s); run the backup again "
			 "then",
			 vmid, where);
	return 1;
}

/* `mac auto` becomes an address that is kept for ever. */
int start_settle_macs(struct hook *h, struct vm_ports *v, struct error *err)
{
	for (size_t i = 0; i < v->config.n_ports; i++) {
		struct port *p = &v->config.ports[i];

		if (p->vmid != v->guest.vmid || !p->mac_auto ||
		    (!v->container && v->entries[p->slot].verdict != ENTRY_GOOD))
			continue;
		if (apply_mac(h, &v->config, p, err) < 0)
			return error_code(err);
	}
	return 0;
}

static void tell_notes(struct hook *h, const struct plan *p)
{
	char addr[PCI_ADDR_LEN];
	char line[400];
	size_t told = 0;

	for (size_t i = 0; i < p->n_notes; i++) {
		if (p->notes[i].taken || p->notes[i].aloud || told++ >= MAX_NOTES)
			continue;
		snprintf(line, sizeof(line), "%s: %s", pci_addr_format(&p->notes[i].vf, addr),
			 p->notes[i].text);
		complain("  %s", line);
		if (told <= EVENT_NOTES)
			remember(h, line);
	}
	if (told > MAX_NOTES)
		complain("  ... and %zu more: vfhook status", told - MAX_NOTES);
}

static void tell_success(struct hook *h, const struct vm_ports *v, const struct snapshot *s,
			 const struct port_choice *choices)
{
	CLEANUP(str_free) struct str all = STR_INIT;

	for (size_t i = 0; i < v->n_wishes; i++) {
		const struct port_wish *w = &v->wishes[i];
		const struct pf_state *pf = &s->pfs[choices[i].pf];
		const struct vf_info *vf = &pf->vfs[choices[i].vf].info;
		bool kept = w->has_last && !pci_addr_cmp(&w->last, &vf->addr);
		char addr[PCI_ADDR_LEN];
		char set[256] = "";
		char device[WISH_DEVICE_LEN];
		char line[512];

		if (!pf->info.no_net)
			vf_settings_describe(&w->want, set, sizeof(set));
		snprintf(line, sizeof(line), "%s: VF %s (VF %u of %s, pool %s) %s%s%s%s",
			 wish_device(w, device), pci_addr_format(&vf->addr, addr), vf->index,
			 pf->info.ifname, w->pool, h->dry_run ? "would be " : "",
			 kept ? "kept" : "taken", set[0] ? ": " : "", set);
		say("%s %u %s", hook_guest(h), w->vmid, line);
		str_printf(&all, "%s%s", i ? "; " : "", line);
		if (!pf->link.carrier)
			say("%s %u %s: note: %s has no carrier; the guest's link is likely down",
			    hook_guest(h), w->vmid, device, pf->info.ifname);
	}
	if (v->n_wishes)
		event_add(h, v->guest.vmid, EVENT_START, "%s", str_get(&all));
}

/* A MAC that a PF has now, whatever it was made with: what was read is at hand. */
static int check_own_macs(const struct vm_ports *v, const struct snapshot *s, struct error *err)
{
	char device[WISH_DEVICE_LEN];
	char mac[MAC_LEN];

	for (size_t i = 0; i < v->n_wishes; i++) {
		const struct port_wish *w = &v->wishes[i];

		for (size_t k = 0; (w->want.has & HAS_MAC) && k < s->n_pfs; k++) {
			const struct pf_link *l = &s->pfs[k].link;

			if ((l->has_mac && !memcmp(l->mac, w->want.mac, 6)) ||
			    (l->has_perm_mac && !memcmp(l->perm_mac, w->want.mac, 6)))
				return fail(err, EINVAL,
					    "%s: MAC %s is that of PF %s itself: vfhook set %u %s "
					    "%s --mac auto",
					    wish_device(w, device), mac_format(w->want.mac, mac),
					    s->pfs[k].info.ifname, w->vmid,
					    w->netname[0] ? "--name" : "--slot",
					    w->netname[0] ? device : device + 7);
		}
	}
	return 0;
}

/* Beside the settings of the VFs: how the guest comes to them. */
static int plan_what_goes_with_it(struct hook *h, struct vm_ports *v, const struct snapshot *s,
				  const struct port_choice *choices, struct plan *p,
				  struct error *err)
{
	int r;

	if (v->container)
		return plan_netdevs(v, s, choices, p, err);
	r = plan_keep_drivers(v, s, choices, p, err);
	return r ? r : plan_mappings(h, v, s, choices, p, err);
}

/*
 * One look, one plan, one try. -EAGAIN: look at everything. -EEXIST: a race was lost. -ENOSPC:
 * the pool is full; with last set it is told who has it.
 */
static int try_start(struct hook *h, const struct owner *o, struct vm_ports *v, bool all, bool last,
		     struct error *err)
{
	struct port_choice choices[PVE_HOSTPCI_MAX];
	CLEANUP(snapshot_free) struct snapshot s = {0};
	AUTO_FREE struct vf_claim *claims = NULL;
	CLEANUP(plan_free) struct plan p;
	int r;

	plan_init(&p, PLAN_START, v->guest.vmid);
	r = observe_wishes(h, v, all, &claims, &s, err);
	if (!r)
		r = check_own_macs(v, &s, err);
	if (!r)
		r = plan_start(&s, v->wishes, v->n_wishes, time(NULL), choices, &p, err);
	if (r == -ENOSPC && last) {
		complain("%s %u: %s:", hook_guest(h), v->guest.vmid, err->text);
		remember(h, err->text);
		tell_notes(h, &p);
		return no_vf_advice(&s, v, err);
	}
	if (!r)
		r = plan_what_goes_with_it(h, v, &s, choices, &p, err);
	if (!r && h->dry_run)
		notes_print(&p);
	if (!r)
		r = apply_plan(h, o, &p, err);
	for (size_t i = 0; !r && i < p.n_notes; i++) {
		if (p.notes[i].aloud)
			complain("%s %u: %s", hook_guest(h), v->guest.vmid, p.notes[i].text);
	}
	if (!r)
		tell_success(h, v, &s, choices);
	return r;
}

static void spread_wishes(struct vm_ports *v, unsigned race)
{
	for (size_t i = 0; i < v->n_wishes; i++)
		v->wishes[i].spread = v->guest.vmid + race * 31 + 1;
}

/* Before anyone chooses anew: what failed starts of this VM and dead VMs left behind. */
static int take_back(struct hook *h, const struct owner *o, const struct vm_ports *v,
		     struct error *err)
{
	struct pci_addr keep[PVE_HOSTPCI_MAX];
	size_t n = 0;

	for (size_t i = 0; i < v->n_wishes; i++) {
		if (v->wishes[i].has_last)
			keep[n++] = v->wishes[i].last;
	}
	return give_back_for_start(h, o, keep, n, err);
}

/* Another run may be giving a dead VM's VFs back just now: those are free in a moment. */
static void wait_for_others(struct hook *h, uint32_t own_vmid)
{
	AUTO_FREE struct lease_entry *all = NULL;
	size_t n;

	if (foreseen_leases(h, &all, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (all[i].broken || all[i].lease.vmid == own_vmid ||
		    lease_is_live(h, &all[i].lease) != ANSWER_NO)
			continue;
		nap_ms(FULL_WAIT_MS);
		return;
	}
}

int start_get_vfs(struct hook *h, const struct owner *o, struct vm_ports *v, struct error *err)
{
	bool last = h->dry_run;
	int r = try_start(h, o, v, false, last, err);

	for (unsigned race = 0; r == -EAGAIN || r == -EEXIST || (r == -ENOSPC && !last); race++) {
		if (race == MAX_RACES)
			return fail(err, EBUSY,
				    "others were faster %u times; start it again in a moment",
				    race);
		if (r == -ENOSPC) {
			wait_for_others(h, v->guest.vmid);
			last = true;
		}
		if ((!race || r == -ENOSPC) && take_back(h, o, v, err) < 0)
			return error_code(err);
		if (race)
			spread_wishes(v, race);
		error_clear(err);
		r = try_start(h, o, v, true, last, err);
	}
	return r;
}

static int start_ports(struct hook *h, const struct owner *o, struct vm_ports *v, struct error *err)
{
	if (guest_off_for_start(h, v->guest.vmid, err) < 0)
		return error_code(err);
	if (start_settle_macs(h, v, err) < 0 || vm_ports_wishes(h, v, false, err) < 0 ||
	    hook_kernel(h, err) < 0)
		return error_code(err);
	return start_get_vfs(h, o, v, err);
}

/*
 * Guests on bridges over the PF cannot be reached from its VFs unless somebody keeps the PF's
 * filter: no reason to refuse the start, which has its network all the same.
 */
void start_tell_filters(struct hook *h, const struct vm_ports *v)
{
	bool asked = false;

	for (size_t i = 0; i < v->n_wishes && !asked; i++) {
		const struct pool *pool = config_pool(&v->config, v->wishes[i].pool);

		if (!pool || !pool->fdb)
			continue;
		asked = true;
		if (fdb_service_runs(h->root) == ANSWER_NO)
			complain("%s %u: vfhook-fdb.service does not run: from its VF of pool '%s' "
				 "it may not reach guests on bridges over the same NIC: systemctl "
				 "start vfhook-fdb",
				 hook_guest(h), v->guest.vmid, pool->name);
	}
}

/* Nothing of the VM stays here: it runs on where it was, and its task ends with this line. */
static int refuse_migration(struct hook *h, const struct owner *o, const struct error *err)
{
	struct error late = ERROR_INIT;

	if (!h->dry_run && give_back_vm(h, o, NULL, 0, NULL, &late) < 0)
		complain("%s; the next start that needs a VF tries again", late.text);
	return start_refuse(h, owner_vmid(o), "%s; it goes on on node %s", err->text,
			    h->migrated_from);
}

int phase_pre_start(struct hook *h, uint32_t vmid)
{
	CLEANUP(vm_ports_free) struct vm_ports v = {0};
	struct error err = ERROR_INIT;
	AUTO_OWNER struct owner *o = NULL;
	int slot;
	int r = vm_ports_load(h, vmid, &v, &err);

	if (r < 0)
		return start_refuse(h, vmid, "%s", err.text);
	if (!r) {
		if (h->dry_run)
			say("VM %u: nothing to do: it has no port, or is a template", vmid);
		return 0;
	}
	if (hook_lock_vm(h, vmid, LOCK_WAIT_MS, &o, &err) < 0 || recover_all(h, o, &err) < 0)
		return start_refuse(h, vmid, "%s", err.text);
	slot = vm_ports_first(&v, ENTRY_REFUSE);
	if (slot >= 0)
		return start_refuse(h, vmid, "hostpci%d: %s", slot, v.entries[slot].why);
	if (vm_ports_first(&v, ENTRY_REWRITE) >= 0 || vm_ports_first(&v, ENTRY_ADOPT) >= 0)
		return hand_over(h, vmid, &v);
	if (start_ports(h, o, &v, &err) < 0)
		return start_refuse(h, vmid, "%s", err.text);
	if (migration_begin(h, &v, &err) < 0)
		return refuse_migration(h, o, &err);
	start_tell_filters(h, &v);
	/* What was written now PVE may not see. */
	if (h->new_mapping)
		watch_spawn(h, vmid);
	return 0;
}
