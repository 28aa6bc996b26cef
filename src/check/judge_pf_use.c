/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: what a PF is used for beside its VFs, and what that means for them. */
#include "src/check/judge_pf_use.h"

#include <stdio.h>
#include <string.h>

#include "src/check/pf_facts.h"
#include "src/port/config.h"
#include "src/vf/drivers.h"

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

/* A card that is full and does not say so: which addresses it left out nobody can tell. */
static void judge_quiet_room(const struct pf_facts *f, const char *subject, struct report *r)
{
	const struct nic_driver *d = nic_driver(f->info.driver);

	if (d && d->quiet_room && f->fdb.in + f->fdb.others > d->quiet_room)
		report_add(r, CHECK_WARN, "pf-fdb", subject,
			   "dmesg; if guests with a VF cannot reach some of those on the bridge: "
			   "give guests that talk to each other VFs",
			   "%zu addresses are in its filter, of which some cards of %s take %u, "
			   "and do not say which ones they leave out",
			   f->fdb.in + f->fdb.others, d->name, d->quiet_room);
}

/* Its pool says `fdb on`. bridges: those above it, in words. */
static void judge_kept_filter(const struct pf_facts *f, const char *bridges, const char *subject,
			      struct report *r)
{
	if (f->fdb.service == ANSWER_NO)
		report_add(
			r, CHECK_FAIL, "pf-fdb", subject,
			"systemctl enable --now vfhook-fdb.service",
			"it is below %s and pool '%s' says fdb on, but vfhook-fdb.service does not "
			"run: guests there and guests with a VF of this PF may not reach each "
			"other",
			bridges, f->pool);
	else if (f->fdb.service == ANSWER_UNKNOWN)
		report_add(
			r, CHECK_WARN, "pf-fdb", subject,
			"systemctl status vfhook-fdb; and if it does not run: systemctl start "
			"vfhook-fdb",
			"it is below %s and pool '%s' says fdb on, but it cannot be told whether "
			"vfhook-fdb.service runs, without which guests there and guests with a VF "
			"of this PF may not reach each other",
			bridges, f->pool);
	if (f->fdb.refused)
		report_add(
			r, CHECK_WARN, "pf-fdb", subject,
			"vfhook fdb list; give guests that talk to each other VFs, or take another "
			"PF for VFs",
			"its filter has room for %zu addresses: %zu of guests on %s are not in, "
			"and guests with a VF cannot reach them",
			f->fdb.room, f->fdb.refused, bridges);
	else if (f->fdb.service == ANSWER_YES)
		report_add(r, CHECK_PASS, "pf-fdb", subject, "",
			   "it is below %s: vfhook fdb lets in %zu addresses behind it", bridges,
			   f->fdb.in);
	judge_quiet_room(f, subject, r);
	if (f->mac_sync)
		report_add(r, CHECK_WARN, "pf-fdb", subject,
			   "systemctl disable --now sriov-mac-sync.service, since vfhook-fdb does "
			   "the same; or vfhook pool add --fdb off",
			   "sriov-mac-sync.service runs as well: two tools keep one filter. vfhook "
			   "leaves its entries alone, also when they are stale, and they count for "
			   "the card's room");
}

static void judge_open_filter(const struct pf_facts *f, const char *bridges, const char *subject,
			      const char *remedy, struct report *r)
{
	report_add(
		r, CHECK_WARN, "pf-master", subject, remedy,
		"it is below %s: guests there and guests with a VF of this PF cannot talk to each "
		"other (ARP gets through, nothing else): the card does not know the MACs behind "
		"the bridge, and sends frames for them out of its port%s",
		bridges,
		f->mac_sync ? " (unless sriov-mac-sync.service, which runs, tells it)" : "");
}

static void judge_bridges(const struct pf_facts *f, const char *subject, struct report *r)
{
	char text[160];
	char remedy[300];

	/* That is told as it is, and has a switch of its own. */
	if (f->switchdev)
		return;
	bridges_text(&f->bridges, text, sizeof(text));
	if (f->bridges.n && f->fdb.on) {
		judge_kept_filter(f, text, subject, r);
	} else if (f->bridges.n) {
		snprintf(remedy, sizeof(remedy), "vfhook pool add %s --pf %s --fdb on",
			 f->pool ? f->pool : "<name>", f->info.ifname);
		judge_open_filter(f, text, subject, remedy, r);
	}
	if (f->ovs.name[0]) {
		snprintf(remedy, sizeof(remedy),
			 "for each guest on " OVS_NAME " that guests with a VF must reach, and for "
			 "the host's own interfaces there: bridge fdb add <its MAC> dev %s self "
			 "permanent; or give both a VF; or another PF for VFs",
			 f->info.ifname);
		judge_open_filter(f, bridge_text(&f->ovs, text, sizeof(text)), subject, remedy, r);
	}
	if (f->bridges_unknown)
		report_add(
			r, CHECK_WARN, "pf-master", subject,
			"vfhook check again; ls /sys/class/net/*/",
			"not all that is above it can be read: there may be bridges whose guests "
			"its VFs cannot reach");
}

static void judge_master(const struct pf_facts *f, const char *subject, struct report *r)
{
	const struct pf_master *m = &f->master;

	if (m->kind == MASTER_BOND)
		judge_bond(f, subject, r);
	else if (m->kind == MASTER_OTHER)
		report_add(
			r, CHECK_WARN, "pf-master", subject,
			"teamdctl <team> state; runner activebackup is fine for VFs",
			"it is a port of %s: if that is a team with the runner lacp, loadbalance "
			"or roundrobin, the switch sends frames for VFs to its other ports as "
			"well, where they are lost",
			m->name);
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
	judge_bridges(f, subject, r);
	judge_trust(f, subject, ports, n_ports, r);
	judge_veb(f, subject, ports, n_ports, r);
}
