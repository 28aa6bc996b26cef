/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook explain: why did this VM not start, what has it, and what is to be done? */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hook/job_control.h"
#include "hook/start_watch.h"
#include "pveapi/guest.h"
#include "pveapi/limits.h"
#include "pveapi/mapping.h"
#include "pveapi/process.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/json.h"
#include "src/base/say.h"
#include "src/check/check_mapping.h"
#include "src/command/command.h"
#include "src/command/explain_ct.h"
#include "src/command/explain_past.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/port/device.h"
#include "src/port/events.h"
#include "src/port/guest_note.h"
#include "src/port/guest_runs.h"
#include "src/port/hostpci_judge.h"
#include "src/port/hostpci_planned.h"
#include "src/port/mapping_id.h"
#include "src/port/port_changes.h"
#include "src/port/port_keys.h"
#include "src/port/vm_ports.h"
#include "src/port/vmid.h"
#include "src/show/time_words.h"
#include "src/vf/lease.h"
#include "src/vf/vf_keys.h"

/* Everything that is known of one VM. */
struct facts {
	uint32_t vmid;
	bool known; /* it has a config that can be read; why tells if not */
	bool ours;
	struct error why;
	struct vm_ports ports;
	bool running;
	struct proc_id qemu;
	enum job_state job;
	char job_log[128]; /* how to see what it said */
	struct guest_past past;
};

static bool has_job(const struct facts *f)
{
	return f->job != JOB_NONE && f->job != JOB_KILLED;
}

static void facts_free(struct facts *f)
{
	vm_ports_free(&f->ports);
	past_free(&f->past);
}

/* Not on this node: better than the name of a file that is not there. */
static void read_whereabouts(struct hook *h, struct facts *f)
{
	CLEANUP(guest_config_free) struct guest_config g = {0};

	error_clear(&f->why);
	if (!guest_here(h, f->vmid, &g, &f->why))
		fail(&f->why, EAGAIN, "it came to this node just now: ask again");
}

static bool cut_off_since_start(const struct facts *f)
{
	for (size_t i = f->past.n_events; i-- > 0;) {
		if (f->past.events[i].kind == EVENT_CUT_OFF)
			return true;
		if (f->past.events[i].kind == EVENT_START || f->past.events[i].kind == EVENT_MENDED)
			return false;
	}
	return false;
}

static int facts_read(struct hook *h, struct facts *f, struct error *err)
{
	int r = vm_ports_load(h, f->vmid, &f->ports, &f->why);
	enum job_kind kind;

	f->known = r >= 0;
	f->ours = r > 0;
	if (r == -ENOENT)
		read_whereabouts(h, f);
	if (f->ours && mapping_load(h->root, &f->ports.mappings, err) < 0)
		return error_code(err);
	switch (vm_runs(h->root, f->vmid, &f->qemu, err)) {
	case ANSWER_UNKNOWN:
		return error_code(err);
	case ANSWER_YES:
		f->running = true;
		break;
	default:
		break;
	}
	f->job = job_state(h, f->vmid);
	if (past_read(h, f->vmid, &f->past, err) < 0)
		return error_code(err);
	/* What a job was that is dead tells only what it was for. */
	kind = f->job == JOB_KILLED && cut_off_since_start(f) ? JOB_RESTART : job_kind_of(f->job);
	job_log(h, f->vmid, kind, f->job_log, sizeof(f->job_log));
	return 0;
}

static const char *mapped_path(const struct hook *h, const struct facts *f, unsigned slot)
{
	char id[NAME_LEN];
	const struct mapping *m =
		mapping_find(&f->ports.mappings, port_mapping_id(f->vmid, slot, id));
	const struct mapping_entry *e;
	size_t n;

	e = m ? mapping_node_entry(m, h->node, &n) : NULL;
	return e ? e->path : NULL;
}

/* --- What next? --- */

static bool has_dirty_lease(const struct facts *f)
{
	for (size_t i = 0; i < f->past.n_leases; i++) {
		if (f->past.leases[i].lease.phase == LEASE_DIRTY)
			return true;
	}
	return false;
}

/* A port of a VM that runs, whose VF QEMU has without a lease. */
static bool runs_unleased(struct hook *h, const struct facts *f)
{
	struct vm_hostpci has = {0};

	if (!f->running || !f->ours || running_hostpci(h, f->vmid, &f->qemu, &has, NULL) < 0)
		return false;
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		const struct lease *l = past_lease_of(&f->past, slot);

		if (f->ports.entries[slot].verdict == ENTRY_GOOD && has.has[slot] &&
		    (!l || pci_addr_cmp(&l->vf, &has.vf[slot]) != 0))
			return true;
	}
	return false;
}

/* A VF of the VM, which runs, that its guest does not have now; NULL: there is none. */
static const struct lease *unplugged_lease(const struct facts *f)
{
	for (size_t i = 0; f->running && i < f->past.n_leases; i++) {
		const struct lease *l = &f->past.leases[i].lease;

		if (l->phase == LEASE_UNPLUGGED || l->phase == LEASE_ARRIVING)
			return l;
	}
	return NULL;
}

static void advise_plugging(const struct facts *f, const struct lease *l, char *buf, size_t size)
{
	bool migrating = f->ports.guest.lock && !strcmp(f->ports.guest.lock, "migrate");

	if (l->phase == LEASE_ARRIVING)
		snprintf(buf, size,
			 "hostpci%u: the VM came from node %s, and a job plugs its VF in, so that "
			 "the guest sees it; if that does not come: vfhook repair",
			 l->slot, l->peer);
	else if (l->peer[0] && migrating)
		snprintf(buf, size,
			 "hostpci%u: unplugged for the migration to node %s, until it is over (if "
			 "its task is gone: qm unlock %u)",
			 l->slot, l->peer, f->vmid);
	else if (l->peer[0])
		snprintf(buf, size,
			 "hostpci%u: unplugged for a migration that is over, and a job plugs it in "
			 "again; if that does not come: vfhook plug %u",
			 l->slot, f->vmid);
	else
		snprintf(buf, size, "hostpci%u: unplugged (%s): vfhook plug %u", l->slot, l->why,
			 f->vmid);
}

static bool is_refused(const struct facts *f)
{
	return f->past.last_start && f->past.last_start->kind == EVENT_REFUSED;
}

/* The port is there, and what the VM runs with goes when it stops. */
static bool is_pending(const struct facts *f, unsigned slot)
{
	return config_port(&f->ports.config, f->vmid, slot) &&
	       hostpci_planned_is_ours(&f->ports.guest, slot);
}

/* By the script that is run after ours, not by us? */
static bool refused_by_chain(const struct facts *f)
{
	const struct guest_note *g = f->ours ? config_guest(&f->ports.config, f->vmid) : NULL;

	return g && g->chain[0] && !strncmp(f->past.last_start->text, g->chain, strlen(g->chain));
}

/* A slot of a VM that does not call us, though it should; -1: there is none. */
static int unhooked_slot(const struct facts *f)
{
	if (!f->ours ||
	    (f->ports.guest.hookscript && hookscript_is_ours(f->ports.guest.hookscript)))
		return -1;
	for (int slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		const struct entry *e = &f->ports.entries[slot];

		/* A raw address is a device like any other there. */
		if (e->verdict != ENTRY_NOT_OURS &&
		    !(e->was_raw && !config_port(&f->ports.config, f->vmid, (unsigned)slot)))
			return slot;
	}
	return -1;
}

/* It does not run, and nothing stands against it but what an earlier run has left. */
static void advise_off(const struct hook *h, const struct facts *f, char *buf, size_t size)
{
	char stale[300];

	if (has_dirty_lease(f))
		snprintf(buf, size, "a VF of it could not be cleaned: vfhook release %u", f->vmid);
	else if (f->past.n_leases && f->past.leases[0].lease.phase == LEASE_STARTING &&
		 start_was_stale(h->root, f->vmid, f->past.leases[0].lease.taken, stale,
				 sizeof(stale)))
		snprintf(buf, size,
			 "PVE refused its last start after vfhook was done, with an old mapping "
			 "from a "
			 "worker's cache (%s): qm start %u",
			 stale, f->vmid);
	else if (f->past.n_leases)
		snprintf(
			buf, size,
			"it holds VFs without running (a start under way, or one that failed): the "
			"next start takes them back, or vfhook release %u",
			f->vmid);
	else if (f->job == JOB_KILLED && is_refused(f))
		snprintf(buf, size,
			 "the job that was to write hostpci was ended before it was done (%s): qm "
			 "start %u begins anew",
			 f->job_log, f->vmid);
	else if (is_refused(f) && refused_by_chain(f))
		snprintf(buf, size,
			 "set right what %s objects to, or take it out (`guest: %u` in /" VFHOOK_CFG
			 "), then: qm start %u",
			 config_guest(&f->ports.config, f->vmid)->chain, f->vmid, f->vmid);
	else if (is_refused(f))
		snprintf(buf, size,
			 "see whether the reason still holds: vfhook --dry-run %u pre-start",
			 f->vmid);
	else
		snprintf(buf, size, "nothing: qm start %u", f->vmid);
}

static void advise(struct hook *h, const struct facts *f, char *buf, size_t size)
{
	int slot = f->ours ? vm_ports_first(&f->ports, ENTRY_REFUSE) : -1;
	int unhooked = unhooked_slot(f);

	if (!f->known)
		snprintf(buf, size, "%s", f->why.text);
	else if (!f->ours)
		snprintf(buf, size,
			 "vfhook has nothing to do with this VM: it has no port in /" VFHOOK_CFG
			 " and no hostpci of ours, or is a template");
	else if (has_job(f))
		snprintf(buf, size, "wait: a job is at work and %s (%s)",
			 f->job == JOB_WRITING ? "writes hostpci; the VM stays off"
			 : f->job == JOB_ANEW  ? "stops the VM and starts it again, on its own VF"
					       : "starts the VM",
			 f->job_log);
	else if (slot >= 0 && !is_pending(f, (unsigned)slot))
		snprintf(buf, size, "hostpci%d: %s", slot, f->ports.entries[slot].why);
	else if (unhooked >= 0)
		snprintf(buf, size,
			 "vfhook is not its hookscript, so that nobody sets its VF: vfhook attach "
			 "%u "
			 "--slot %d",
			 f->vmid, unhooked);
	else if (f->running && cut_off_since_start(f))
		snprintf(buf, size,
			 "it runs on a VF that is not its own, and was cut off: qm stop %u, set "
			 "right what the cut-off says, qm start %u",
			 f->vmid, f->vmid);
	else if (f->job == JOB_KILLED && cut_off_since_start(f))
		snprintf(buf, size,
			 "the job that was to stop and start it was ended in between (%s): qm "
			 "start %u",
			 f->job_log, f->vmid);
	else if (unplugged_lease(f))
		advise_plugging(f, unplugged_lease(f), buf, size);
	else if (runs_unleased(h, f))
		snprintf(buf, size, "QEMU has another VF than is leased: vfhook repair");
	else if (f->running)
		snprintf(buf, size, "nothing: it runs");
	else
		advise_off(h, f, buf, size);
}

/* --- As text --- */

/* What PVE would say against the mapping, as check finds it. */
static void print_mapping_findings(struct hook *h, const struct facts *f, const struct port *port)
{
	CLEANUP(report_free) struct report r = {0};
	struct mapping_facts m;

	gather_mapping(h, &f->ports.config, &f->ports.mappings, port, &m);
	judge_mapping(&m, &r);
	for (size_t i = 0; i < r.n; i++)
		printf("    mapping vf-%u-%u: %s -> %s\n", f->vmid, port->slot, r.list[i].text,
		       r.list[i].remedy);
}

static void print_port(struct hook *h, const struct facts *f, unsigned slot)
{
	const struct entry *e = &f->ports.entries[slot];
	const struct port *port = config_port(&f->ports.config, f->vmid, slot);
	const struct lease *l = past_lease_of(&f->past, slot);
	const char *path = mapped_path(h, f, slot);
	char addr[PCI_ADDR_LEN];
	char words[PORT_WORDS_LEN];
	char clean[512];
	char when[TIME_WORDS_LEN];

	if (port)
		printf("  port %u-%u: %s%s\n", f->vmid, slot, port_describe(port, words),
		       port->mac_auto ? ", MAC made at the first start" : "");
	else
		printf("  hostpci%u: no port yet\n", slot);
	if (e->verdict != ENTRY_GOOD)
		printf("    hostpci%u: %s%s\n", slot, text_clean(e->why, clean, sizeof(clean)),
		       e->verdict == ENTRY_REFUSE ? " (refused)"
						  : " (the next start has it written)");
	printf("    mapping vf-%u-%u: %s\n", f->vmid, slot,
	       path ? text_clean(path, clean, sizeof(clean)) : "does not name a VF of this node");
	if (port && !port->bad && path)
		print_mapping_findings(h, f, port);
	if (l)
		printf("    lease: VF %s (VF %u of PF ", pci_addr_format(&l->vf, addr), l->index);
	if (l)
		printf("%s), %s%s%s%s, since %s\n", pci_addr_format(&l->pf, addr),
		       lease_phase_name(l->phase), l->why[0] ? " (" : "", l->why,
		       l->why[0] ? ")" : "", time_words(l->taken, when));
	else
		puts("    lease: none");
}

static void print_now(struct hook *h, const struct facts *f)
{
	char addr[PCI_ADDR_LEN];
	bool shown[PVE_HOSTPCI_MAX] = {false};

	if (f->running)
		printf("now: running (QEMU process %d)%s\n", (int)f->qemu.pid,
		       has_job(f) ? ", a job is at work" : "");
	else
		printf("now: not running%s\n", !has_job(f) ? ""
					       : f->job == JOB_RESTARTING || f->job == JOB_ANEW
						       ? ", a job starts it again"
						       : ", a job is at work");
	for (unsigned slot = 0; f->ours && slot < PVE_HOSTPCI_MAX; slot++) {
		shown[slot] = f->ports.entries[slot].verdict != ENTRY_NOT_OURS;
		if (shown[slot])
			print_port(h, f, slot);
	}
	for (size_t i = 0; i < f->past.n_leases; i++) {
		const struct lease *l = &f->past.leases[i].lease;

		if (l->slot >= PVE_HOSTPCI_MAX || !shown[l->slot] ||
		    past_lease_of(&f->past, l->slot) != l)
			printf("  one more lease: VF %s, hostpci%u, %s\n",
			       pci_addr_format(&l->vf, addr), l->slot, lease_phase_name(l->phase));
	}
}

static void print_text(struct hook *h, const struct facts *f)
{
	char next[1200];
	char clean[1200];

	advise(h, f, next, sizeof(next));
	printf("VM %u", f->vmid);
	if (f->ports.guest.name)
		printf(" '%s'", text_clean(f->ports.guest.name, clean, sizeof(clean)));
	printf(" on %s\n", h->node);
	past_print_start(&f->past);
	print_now(h, f);
	past_print_events(&f->past);
	printf("next: %s\n", text_clean(next, clean, sizeof(clean)));
}

/* --- As JSON --- */

static json_t *port_json(const struct hook *h, const struct facts *f, unsigned slot)
{
	static const char *const verdicts[] = {[ENTRY_NOT_OURS] = "not-ours",
					       [ENTRY_GOOD] = "good",
					       [ENTRY_REWRITE] = "rewrite",
					       [ENTRY_ADOPT] = "adopt",
					       [ENTRY_REFUSE] = "refuse"};
	const struct port *port = config_port(&f->ports.config, f->vmid, slot);
	const struct entry *e = &f->ports.entries[slot];
	char why[sizeof(e->why)];
	char path[128];
	const char *mapped = mapped_path(h, f, slot);

	return json_pack("{s:i s:s? s:o s:s s:s s:s?}", "slot", (int)slot, "pool",
			 port ? port->pool : NULL, "want",
			 port ? vf_settings_to_json(&port->want) : json_null(), "hostpci",
			 verdicts[e->verdict], "why", text_clean(e->why, why, sizeof(why)),
			 "mapping", mapped ? text_clean(mapped, path, sizeof(path)) : NULL);
}

static json_t *facts_json(struct hook *h, const struct facts *f)
{
	static const char *const jobs[] = {
		[JOB_NONE] = "none",	   [JOB_WAITING] = "waiting",
		[JOB_WRITING] = "writing", [JOB_RESTARTING] = "restarting",
		[JOB_ANEW] = "restarting", [JOB_KILLED] = "killed"};
	json_t *ports = json_array();
	char next[1200];
	char clean[1200];
	char name[128];

	for (unsigned slot = 0; f->ours && slot < PVE_HOSTPCI_MAX; slot++) {
		if (f->ports.entries[slot].verdict != ENTRY_NOT_OURS)
			json_array_append_new(ports, port_json(h, f, slot));
	}
	advise(h, f, next, sizeof(next));
	return json_pack(
		"{s:I s:s? s:s s:b s:i s:s s:o s:o s:o s:o s:s}", "vmid", (json_int_t)f->vmid,
		"name",
		f->ports.guest.name ? text_clean(f->ports.guest.name, name, sizeof(name)) : NULL,
		"node", h->node, "running", f->running, "qemu-pid", (int)f->qemu.pid, "job",
		jobs[f->job], "last-start", past_start_json(&f->past), "ports", ports, "leases",
		past_leases_json(&f->past), "events", past_events_json(&f->past), "next",
		text_clean(next, clean, sizeof(clean)));
}

static int run(struct hook *h, int argc, char **argv)
{
	const char *format_text = NULL;
	const struct opt opts[] = {{"output-format", &format_text, NULL}};
	CLEANUP(facts_free) struct facts f = {0};
	AUTO_JSON json_t *j = NULL;
	struct error err = ERROR_INIT;
	enum output_format format;
	const char *arg = NULL;
	size_t n;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), &arg, 1, &n) ||
	    output_format_parse(format_text, &format))
		return EXIT_USAGE;
	if (!n) {
		complain("explain: wanted: a VM id; see vfhook explain --help");
		return EXIT_USAGE;
	}
	if (vmid_parse(arg, &f.vmid))
		return EXIT_USAGE;
	if (guest_kind_here(h, f.vmid, &err) == GUEST_CT)
		return explain_ct(h, f.vmid, format);
	error_clear(&err);
	if (facts_read(h, &f, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	/* No such VM, and nothing known of it: most likely a mistyped number. */
	if (!f.known && !f.past.n_events && !f.past.n_leases) {
		complain("%s", f.why.text);
		return EXIT_REFUSED;
	}
	if (format == OUTPUT_TEXT) {
		print_text(h, &f);
		return EXIT_DONE;
	}
	j = facts_json(h, &f);
	return output_json(j, format);
}

const struct command cmd_explain = {
	.name = "explain",
	.summary = "why the last start was refused, or what the VM got",
	.help = "Usage: vfhook explain <vmid> [--output-format text|json|json-pretty]\n"
		"\n"
		"Tells why the VM's last start was refused or which VFs it got, what happened\n"
		"since (newest last), how things stand now, and what to do next.\n",
	.run = run,
};
