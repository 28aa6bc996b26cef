/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: what a PF is used for beside its VFs, and what that means for them. */
#include "src/check/judge_pf_use.h"

#include <stdio.h>
#include <string.h>

#include "src/check/pf_facts.h"
#include "src/port/config.h"

/* Its ports and addresses are no business of the kernel's bridge, which is what vfhook fdb follows.
 */
#define OVS_NAME "Open vSwitch"

/* Modes in which the switch sends a MAC's frames to any port of the bond, and not to the one that
 * the MAC was heard on: Documentation/networking/bonding.rst, "Switch Configuration". */
static bool is_aggregate(const char *mode)
{
	static const char *const modes[] = {"802.3ad", "balance-xor", "balance-rr", "broadcast"};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!strcmp(mode, modes[i]))
			return true;
	}
	return false;
}

static void judge_bond(const struct pf_facts *f, const char *subject, struct report *r)
{
	const struct pf_master *m = &f->master;

	if (is_aggregate(m->mode))
		report_add(
			r, CHECK_WARN, "pf-master", subject,
			"for VFs take a PF that is in no such bond; or make the bond one of mode "
			"active-backup, and give VMs a VF of each PF to bond themselves",
			"it is a port of %s (%s): the switch sends frames for its VFs to the "
			"other ports as well, where they are lost",
			m->name, m->mode);
	else
		report_add(
			r, CHECK_PASS, "pf-master", subject, "",
			"a port of %s (%s): VFs stay on this PF's own link, and do not fail over "
			"with the bond; a VM with a VF of each PF can bond them itself",
			m->name, m->mode[0] ? m->mode : "mode not known");
}

/* Its pool says `fdb on`. */
static void judge_kept_filter(const struct pf_facts *f, const char *bridge, const char *subject,
			      struct report *r)
{
	if (f->fdb.service == ANSWER_NO)
		report_add(
			r, CHECK_FAIL, "pf-fdb", subject,
			"systemctl enable --now vfhook-fdb.service",
			"it is a port of %s and pool '%s' says fdb on, but vfhook-fdb.service does "
			"not run: guests on %s and guests with a VF of this PF may not reach each "
			"other",
			bridge, f->pool, bridge);
	else if (f->fdb.refused)
		report_add(
			r, CHECK_WARN, "pf-fdb", subject,
			"vfhook fdb list; give guests that talk to each other VFs, or take another "
			"PF for VFs",
			"its filter has room for %zu addresses: %zu of guests on %s are not in, "
			"and guests with a VF cannot reach them",
			f->fdb.room, f->fdb.refused, bridge);
	else
		report_add(r, CHECK_PASS, "pf-fdb", subject, "",
			   "it is a port of %s: vfhook fdb lets in %zu addresses behind it", bridge,
			   f->fdb.in);
}

static void judge_bridge(const struct pf_facts *f, const char *bridge, const char *subject,
			 struct report *r)
{
	bool followed = strcmp(bridge, OVS_NAME) != 0;
	char remedy[300];

	if (f->fdb.on && followed) {
		judge_kept_filter(f, bridge, subject, r);
		return;
	}
	if (f->pool && followed)
		snprintf(remedy, sizeof(remedy), "vfhook pool add %s --pf %s --fdb on", f->pool,
			 f->info.ifname);
	else
		snprintf(
			remedy, sizeof(remedy),
			"for each guest on %s that guests with a VF must reach, and for %s itself: "
			"bridge fdb add <its MAC> dev %s self permanent; or give both a VF; or "
			"another "
			"PF for VFs",
			bridge, bridge, f->info.ifname);
	report_add(
		r, CHECK_WARN, "pf-master", subject, remedy,
		"it is a port of %s: guests on it and guests with a VF of this PF cannot talk to "
		"each other (ARP gets through, nothing else): the card does not know the MACs "
		"behind %s, and sends frames for them out of its port%s",
		bridge, bridge,
		f->mac_sync ? " (unless sriov-mac-sync.service, which runs, tells it)" : "");
}

static void judge_master(const struct pf_facts *f, const char *subject, struct report *r)
{
	const struct pf_master *m = &f->master;

	switch (m->kind) {
	case MASTER_NONE:
		break;
	case MASTER_BOND:
		judge_bond(f, subject, r);
		if (m->bridge[0])
			judge_bridge(f, strcmp(m->bridge, "ovs-system") != 0 ? m->bridge : OVS_NAME,
				     subject, r);
		break;
	case MASTER_BRIDGE:
		judge_bridge(f, m->name, subject, r);
		break;
	case MASTER_OVS:
		judge_bridge(f, OVS_NAME, subject, r);
		break;
	case MASTER_OTHER:
		report_add(
			r, CHECK_WARN, "pf-master", subject,
			"teamdctl <team> state; runner activebackup is fine for VFs",
			"it is a port of %s: if that is a team with the runner lacp, loadbalance "
			"or roundrobin, the switch sends frames for VFs to its other ports as "
			"well, where they are lost",
			m->name);
		break;
	}
}

/* "100-0, 101-0 and 3 more": the ports that want trust. False: none does. */
static bool trusting(const struct port_view *ports, size_t n, char *buf, size_t size)
{
	size_t len = 0;
	size_t told = 0;

	for (size_t i = 0; i < n; i++) {
		const struct port *p = ports[i].port;

		if (!(p->want.has & HAS_TRUST) || !p->want.trust || told++ >= 3)
			continue;
		len += (size_t)snprintf(buf + len, size - len, "%s%u-%u", len ? ", " : "", p->vmid,
					p->slot);
	}
	if (told > 3)
		snprintf(buf + len, size - len, " and %zu more", told - 3);
	return told > 0;
}

static void judge_trust(const struct pf_facts *f, const char *subject,
			const struct port_view *ports, size_t n_ports, struct report *r)
{
	char who[120];
	char remedy[300];

	if (f->true_promisc == ANSWER_YES || !trusting(ports, n_ports, who, sizeof(who)))
		return;
	/* i40e_gl_gstrings_priv_flags: restricted to PF 0; ice_set_priv_flags: EAGAIN. */
	snprintf(remedy, sizeof(remedy),
		 "ethtool --set-priv-flags %s " TRUE_PROMISC
		 " on, and the same as post-up in /etc/network/interfaces%s",
		 f->info.ifname,
		 !strcmp(f->info.driver, "i40e")
			 ? "; only the card's first port has the flag, for all of them"
			 : "; refused while a guest has its VF promiscuous");
	report_add(r, CHECK_WARN, "trust", subject, remedy,
		   "ports want trust on (%s), but with %s a trusted VF gets limited promiscuity "
		   "only while the flag " TRUE_PROMISC " %s, and the driver says success: CARP's "
		   "MAC, bridging and IDS in the guest may get no frames",
		   who, f->info.driver,
		   f->true_promisc == ANSWER_NO ? "is off" : "is not on (it cannot be read)");
}

/* Two of the ports' VLANs differ. */
static bool many_vlans(const struct port_view *ports, size_t n)
{
	const struct port *first = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct port *p = ports[i].port;

		if (!(p->want.has & HAS_VLAN))
			continue;
		if (first && first->want.vlan != p->want.vlan)
			return true;
		first = first ? first : p;
	}
	return false;
}

static void judge_veb(const struct pf_facts *f, const char *subject, const struct port_view *ports,
		      size_t n_ports, struct report *r)
{
	char remedy[300];

	if (strcmp(f->info.driver, "ice") != 0 || !many_vlans(ports, n_ports))
		return;
	snprintf(
		remedy, sizeof(remedy),
		"where VLANs must be apart inside the card, too: another PF for each; or, if the "
		"switch sends frames back to the port they came from (VEPA, 802.1Qbg): bridge link "
		"set dev %s hwmode vepa",
		f->info.ifname);
	report_add(
		r, CHECK_WARN, "veb", subject, remedy,
		"ports of different VLANs share this PF: an E810's internal switch (VEB) was seen "
		"to hand frames from a VF of one VLAN to a VF of another that has the MAC they "
		"are for");
}

void judge_pf_use(const struct pf_facts *f, const char *subject, const struct port_view *ports,
		  size_t n_ports, struct report *r)
{
	judge_master(f, subject, r);
	judge_trust(f, subject, ports, n_ports, r);
	judge_veb(f, subject, ports, n_ports, r);
}
