/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's ports, leases and events, and the next step. */
#include "src/command/explain_ct.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pveapi/ct_config.h"
#include "pveapi/ct_state.h"
#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/json.h"
#include "src/base/say.h"
#include "src/base/text.h"
#include "src/command/explain_past.h"
#include "src/port/config.h"
#include "src/port/ct_net.h"
#include "src/port/ct_ports.h"
#include "src/port/events.h"
#include "src/port/guest_note.h"
#include "src/port/port_keys.h"
#include "src/port/vm_ports.h"
#include "src/show/time_words.h"
#include "src/vf/lease.h"
#include "src/vf/vf_keys.h"

struct facts {
	uint32_t vmid;
	struct ct_config ct;
	struct vm_ports ports;
	bool ours;	  /* it has ports, and its config has them as they should be */
	struct error why; /* if not: what a start would say */
	enum answer runs;
	struct error unknown; /* why that is unknown */
	struct proc_id monitor;
	struct guest_past past;
};

static void facts_free(struct facts *f)
{
	ct_config_free(&f->ct);
	vm_ports_free(&f->ports);
	past_free(&f->past);
}

static int facts_read(struct hook *h, struct facts *f, struct error *err)
{
	f->ours = ct_ports_load(h, f->vmid, &f->ports, &f->ct, &f->why) > 0;
	f->runs = ct_lives(h->root, f->vmid, &f->monitor, &f->unknown);
	return past_read(h, f->vmid, &f->past, err);
}

/* A port that runs without a VF: it ran when it was attached by hand, or its lease was lost. */
static bool lacks_lease(const struct facts *f)
{
	for (size_t i = 0; i < f->ports.config.n_ports; i++) {
		const struct port *p = &f->ports.config.ports[i];

		if (p->vmid == f->vmid && !past_lease_of(&f->past, p->slot))
			return true;
	}
	return false;
}

static void advise(const struct facts *f, char *buf, size_t size)
{
	bool hooked = f->ct.hookscript && hookscript_is_ours(f->ct.hookscript);

	if (f->why.code)
		snprintf(buf, size, "%s", f->why.text);
	else if (!f->ours && !f->past.n_leases)
		snprintf(buf, size,
			 "vfhook has nothing to do with this container: it has no port in "
			 "/" VFHOOK_CFG ", or is a template");
	else if (f->ours && !hooked)
		snprintf(buf, size,
			 "vfhook is not its hookscript, so that nobody makes its interface: pct "
			 "set %u --hookscript local:snippets/vfhook",
			 f->vmid);
	else if (f->runs == ANSWER_UNKNOWN)
		snprintf(buf, size, "%s", f->unknown.text);
	else if (f->runs == ANSWER_YES && lacks_lease(f))
		snprintf(buf, size,
			 "it runs without the VF of a port: pct reboot %u, and it has it", f->vmid);
	else if (f->runs == ANSWER_YES)
		snprintf(buf, size, "nothing: it runs");
	else if (f->past.n_leases)
		snprintf(
			buf, size,
			"it holds VFs without running (a start under way, or one that failed): the "
			"next start takes them back, or vfhook release %u",
			f->vmid);
	else if (f->past.last_start && f->past.last_start->kind == EVENT_REFUSED)
		snprintf(buf, size,
			 "see whether the reason still holds: vfhook --dry-run %u pre-start",
			 f->vmid);
	else
		snprintf(buf, size, "nothing: pct start %u", f->vmid);
}

/* --- As text --- */

static void print_lease(const struct lease *l)
{
	char vf[PCI_ADDR_LEN];
	char pf[PCI_ADDR_LEN];
	char when[TIME_WORDS_LEN];

	printf("    lease: VF %s (VF %u of PF %s), %s, since %s\n", pci_addr_format(&l->vf, vf),
	       l->index, pci_addr_format(&l->pf, pf), lease_phase_name(l->phase),
	       time_words(l->taken, when));
}

static void print_ports(const struct facts *f)
{
	char words[PORT_WORDS_LEN];
	char link[IFNAME_LEN];

	for (size_t i = 0; i < f->ports.config.n_ports; i++) {
		const struct port *p = &f->ports.config.ports[i];
		const struct lease *l = past_lease_of(&f->past, p->slot);

		if (p->vmid != f->vmid)
			continue;
		printf("  port %u-%u: %s%s\n", p->vmid, p->slot, port_describe(p, words),
		       p->mac_auto ? ", MAC made at the first start" : "");
		printf("    on the host: %s\n", ct_link_name(p->vmid, p->slot, link));
		if (l)
			print_lease(l);
		else
			puts("    lease: none");
	}
	for (size_t i = 0; i < f->past.n_leases; i++) {
		const struct lease *l = &f->past.leases[i].lease;

		if (config_port(&f->ports.config, f->vmid, l->slot) &&
		    past_lease_of(&f->past, l->slot) == l)
			continue;
		printf("  one more lease, of %s:\n", l->netname);
		print_lease(l);
	}
}

static void print_text(const struct hook *h, const struct facts *f)
{
	char next[1200];
	char clean[1200];

	advise(f, next, sizeof(next));
	printf("CT %u", f->vmid);
	if (f->ct.name)
		printf(" '%s'", text_clean(f->ct.name, clean, sizeof(clean)));
	printf(" on %s\n", h->node);
	past_print_start(&f->past);
	if (f->runs == ANSWER_YES)
		printf("now: running (LXC's monitor, process %d)\n", (int)f->monitor.pid);
	else
		puts(f->runs == ANSWER_NO ? "now: not running" : "now: not known to run");
	print_ports(f);
	past_print_events(&f->past);
	printf("next: %s\n", text_clean(next, clean, sizeof(clean)));
}

/* --- As JSON, with the members that a VM's has --- */

static json_t *facts_json(const struct hook *h, const struct facts *f)
{
	json_t *ports = json_array();
	char next[1200];
	char clean[1200];
	char name[128];

	for (size_t i = 0; i < f->ports.config.n_ports; i++) {
		const struct port *p = &f->ports.config.ports[i];

		if (p->vmid == f->vmid)
			json_array_append_new(ports,
					      json_pack("{s:i s:s s:o s:s s:i}", "slot",
							(int)p->slot, "pool", p->pool, "want",
							vf_settings_to_json(&p->want), "net-name",
							p->netname, "mtu", (int)p->mtu));
	}
	advise(f, next, sizeof(next));
	return json_pack(
		"{s:I s:s? s:s s:o s:i s:o s:o s:o s:o s:s}", "vmid", (json_int_t)f->vmid, "name",
		f->ct.name ? text_clean(f->ct.name, name, sizeof(name)) : NULL, "node", h->node,
		"running",
		f->runs == ANSWER_UNKNOWN ? json_null() : json_boolean(f->runs == ANSWER_YES),
		"monitor-pid", (int)f->monitor.pid, "last-start", past_start_json(&f->past),
		"ports", ports, "leases", past_leases_json(&f->past), "events",
		past_events_json(&f->past), "next", text_clean(next, clean, sizeof(clean)));
}

int explain_ct(struct hook *h, uint32_t vmid, enum output_format format)
{
	CLEANUP(facts_free) struct facts f = {.vmid = vmid};
	AUTO_JSON json_t *j = NULL;
	struct error err = ERROR_INIT;

	if (facts_read(h, &f, &err) < 0) {
		complain("%s", err.text);
		return EXIT_REFUSED;
	}
	if (format == OUTPUT_TEXT) {
		print_text(h, &f);
		return EXIT_DONE;
	}
	j = facts_json(h, &f);
	return output_json(j, format);
}
