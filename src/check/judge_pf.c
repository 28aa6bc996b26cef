/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: the verdicts on one PF and its VFs. */
#include "src/check/judge_pf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/check/judge_card.h"
#include "src/check/judge_pf_use.h"
#include "src/check/pf_facts.h"
#include "src/port/config.h"
#include "src/vf/card.h"
#include "src/vf/drivers.h"
#include "src/vf/kernel.h"

/* Adds findings about one PF. */
struct pf_judge {
	const struct pf_facts *f;
	struct report *r;
	char subject[40];
	char remedy[480];
};

#define PF_ADD(j, level, id, remedy, ...)                                                          \
	report_add((j)->r, level, id, (j)->subject, remedy, __VA_ARGS__)

/* The remedy as text, kept in the judge. */
static const char *remedy(struct pf_judge *j, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static const char *remedy(struct pf_judge *j, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(j->remedy, sizeof(j->remedy), fmt, ap);
	va_end(ap);
	return j->remedy;
}

static void judge_firmware(struct pf_judge *j)
{
	const char *driver = j->f->info.driver;
	char tool[128] = "";

	if (!strcmp(driver, "mlx5_core"))
		snprintf(tool, sizeof(tool), ", or: mlxconfig -d %s set SRIOV_EN=1 NUM_OF_VFS=8",
			 j->f->addr);
	else if (!strcmp(driver, "bnxt_en"))
		snprintf(tool, sizeof(tool), ", or with Broadcom's niccli");
	PF_ADD(j, CHECK_FAIL, "pf",
	       remedy(j,
		      "switch on SR-IOV in the board's firmware (BIOS) and in the NIC's own setup "
		      "there%s; then power off and on",
		      tool),
	       "%s can have 0 VFs: SR-IOV is switched off in its firmware or in the board's",
	       j->f->addr);
}

/* False if there is no card to say more about. */
static bool judge_card_presence(struct pf_judge *j)
{
	const struct pf_facts *f = j->f;
	char was[CARD_WORDS_LEN];
	char is[CARD_WORDS_LEN];

	if (f->stranger) {
		PF_ADD(j, CHECK_FAIL, "pf",
		       remedy(j,
			      "if the card is in another slot now: vfhook boot; if this one took "
			      "its place: vfhook pool add %s --pf %s",
			      f->pool ? f->pool : "<name>", f->addr),
		       "it is another card than the pool's: it is %s, not %s",
		       card_words(&f->card, is), card_words(&f->pool_card, was));
		return false;
	}
	if (f->trouble[0]) {
		PF_ADD(j, CHECK_FAIL, "pf",
		       f->remedy[0] ? f->remedy
				    : remedy(j,
					     "if the card is somewhere else now: vfhook boot; else "
					     "take it out of pool '%s' (/" VFHOOK_CFG ")",
					     f->pool ? f->pool : "-"),
		       "%s", f->trouble);
		return false;
	}
	PF_ADD(j, CHECK_PASS, "pf", "", "%s, driver %s, up to %u VFs, pool '%s'",
	       card_kind(f->class, (char[40]){""}), f->info.driver, f->info.total_vfs,
	       f->pool ? f->pool : "-");
	return true;
}

/* False if there is no PF to say more about. */
static bool judge_presence(struct pf_judge *j)
{
	const struct pf_facts *f = j->f;

	if (f->no_net)
		return judge_card_presence(j);
	if (f->stranger) {
		PF_ADD(j, CHECK_FAIL, "pf",
		       remedy(j,
			      "if the card is in another slot now: vfhook boot; if this one took "
			      "its "
			      "place: vfhook pool add %s --pf %s",
			      f->pool ? f->pool : "<name>", f->info.ifname),
		       "it is another card than the pool's: its MAC is %s, not %s", f->mac,
		       f->pool_mac);
		return false;
	}
	if (f->trouble[0] && f->info.ifindex) {
		PF_ADD(j, CHECK_FAIL, "pf", "take it out of the pool (/" VFHOOK_CFG ")", "%s",
		       f->trouble);
		return false;
	}
	if (f->info.ifindex && f->info.driver[0] && f->info.total_vfs) {
		PF_ADD(j, CHECK_PASS, "pf", "", "%s, driver %s, up to %u VFs, pool '%s'", f->addr,
		       f->info.driver, f->info.total_vfs, f->pool ? f->pool : "-");
		return true;
	}
	if (f->info.driver[0] && f->info.ifindex) {
		judge_firmware(j);
		return false;
	}
	if (strstr(f->trouble, "there is no PCI device"))
		PF_ADD(j, CHECK_FAIL, "pf",
		       remedy(j,
			      "if the card moved to another slot: vfhook boot finds it by its MAC "
			      "(or: vfhook pool add %s --pf <interface>); else see whether it is "
			      "seated: lspci",
			      f->pool ? f->pool : "<name>"),
		       "pool '%s' names it, but %s", f->pool ? f->pool : "-", f->trouble);
	else if (f->remedy[0])
		PF_ADD(j, CHECK_FAIL, "pf", f->remedy, "%s", f->trouble);
	else if (f->info.driver[0] || f->info.total_vfs)
		PF_ADD(j, CHECK_FAIL, "pf", remedy(j, "dmesg | grep %s", f->addr), "%s",
		       f->trouble);
	else
		PF_ADD(j, CHECK_FAIL, "pf",
		       remedy(j,
			      "lspci -ks %s; is its driver's module blacklisted in "
			      "/etc/modprobe.d, "
			      "or SR-IOV off in the firmware (BIOS)?",
			      f->addr),
		       "%s", f->trouble);
	return false;
}

/* One port against what the driver can do. */
static bool judge_port(struct pf_judge *j, const struct nic_driver *d, const struct port_view *v)
{
	const struct port *p = v->port;
	char buf[DRIVER_WISH_LEN];
	const char *key = nic_driver_refuses(d, &p->want, false, buf);
	const char *maybe = key ? NULL : nic_driver_refuses(d, &p->want, true, buf);

	if (key)
		PF_ADD(j, v->here ? CHECK_FAIL : CHECK_WARN, "pf-driver",
		       remedy(j, "vfhook set %u --slot %u --%.*s unset; or use another NIC",
			      p->vmid, p->slot, (int)strcspn(key, " "), key),
		       "port %u-%u wants %s, which the driver %s cannot do: VM %u does not start "
		       "here",
		       p->vmid, p->slot, key, d->name, p->vmid);
	if (maybe)
		PF_ADD(j, CHECK_WARN, "pf-driver",
		       remedy(j,
			      "if the VM's start is refused: vfhook set %u --slot %u --%.*s unset",
			      p->vmid, p->slot, (int)strcspn(maybe, " "), maybe),
		       "port %u-%u wants %s, which the driver %s cannot always do (%s)", p->vmid,
		       p->slot, maybe, d->name, d->note);
	return !key && !maybe;
}

static void judge_driver(struct pf_judge *j, const struct port_view *ports, size_t n_ports)
{
	const struct nic_driver *d = nic_driver(j->f->info.driver);
	bool all_good = true;

	if (!d) {
		PF_ADD(j, CHECK_WARN, "pf-driver", "start a VM and see: every setting is read back",
		       "the driver %s is not one that is known here (igb, ixgbe, i40e, ice, "
		       "mlx5_core, bnxt_en): what it can set on a VF shows at a start",
		       j->f->info.driver);
		return;
	}
	for (size_t i = 0; i < n_ports; i++)
		all_good = judge_port(j, d, &ports[i]) && all_good;
	if (all_good)
		PF_ADD(j, CHECK_PASS, "pf-driver", "", "the driver %s can do what the ports want",
		       d->name);
}

static void judge_link(struct pf_judge *j)
{
	const struct pf_facts *f = j->f;

	if (!f->link_known && f->info.num_vfs > PF_VFS_LISTED)
		PF_ADD(j, CHECK_FAIL, "pf-up",
		       remedy(j,
			      "stop the VMs that use them, echo 0 "
			      ">/sys/bus/pci/devices/%s/sriov_numvfs, then: vfhook boot",
			      f->addr),
		       "%s", f->link_trouble);
	else if (!f->link_known)
		PF_ADD(j, CHECK_FAIL, "pf-up", "ip link show", "its link cannot be read: %s",
		       f->link_trouble);
	else if (!f->up)
		PF_ADD(j, f->allow_down ? CHECK_WARN : CHECK_FAIL, "pf-up",
		       remedy(j,
			      "vfhook boot, which sets it up, as after every boot; or by hand: ip "
			      "link set %s up",
			      f->info.ifname),
		       "it is down%s",
		       f->allow_down ? " (the pool has allow-pf-down): its VFs have no network"
				     : ": VMs with a VF of it do not start");
	else if (!f->carrier)
		PF_ADD(j, CHECK_WARN, "pf-up", "check cable, transceiver and switch port",
		       "it is up (MTU %u), but there is no carrier", f->mtu);
	else
		PF_ADD(j, CHECK_PASS, "pf-up", "", "up, with carrier, MTU %u", f->mtu);
}

/* A VF that cannot be read is given to nobody. */
static void judge_list(struct pf_judge *j)
{
	const struct pf_facts *f = j->f;
	unsigned have = f->info.num_vfs;

	if (!f->link_known || !have)
		return;
	if (f->no_list) {
		PF_ADD(j, CHECK_FAIL, "vf-list", "use another NIC, or a newer driver",
		       "the driver %s cannot tell what its VFs are set to: no VM gets one",
		       f->info.driver);
		return;
	}
	if (f->listed < have)
		PF_ADD(j, CHECK_WARN, "vf-list",
		       remedy(j, "vfhook pool add %s --pf %s --vfs %u; from the next reboot on",
			      f->pool ? f->pool : "<name>", f->info.ifname, f->listed),
		       "it has %u VFs, of which this kernel lists the first %u: no VM gets the "
		       "others",
		       have, f->listed);
	if (f->untold)
		PF_ADD(j, CHECK_WARN, "vf-list",
		       f->up ? remedy(j, "dmesg | grep %s", f->addr)
			     : remedy(j, "ip link set %s up", f->info.ifname),
		       "the driver does not tell now what %u of its VFs are set to, VF %u first "
		       "(%s): no VM gets them meanwhile",
		       f->untold, f->first_untold, f->up ? "in reset?" : "the PF is down");
}

static void judge_vf_count(struct pf_judge *j)
{
	const struct pf_facts *f = j->f;
	unsigned have = f->info.num_vfs;
	bool listed = f->info.total_vfs > PF_VFS_LISTED;
	unsigned most = listed ? PF_VFS_LISTED : f->info.total_vfs;

	if (f->vfs_wanted > most)
		PF_ADD(j, CHECK_WARN, "vfs",
		       remedy(j, "vfhook pool add %s --pf %s --vfs %u", f->pool, f->info.ifname,
			      most),
		       "the pool wants %u VFs, but %s %u%s", f->vfs_wanted,
		       listed ? "gets no more than" : "the PF can have", most,
		       listed ? ": not every kernel lists more" : " only");
	if (f->vfs_wanted > most && have >= most)
		return;
	if (have < f->vfs_wanted)
		PF_ADD(j, CHECK_FAIL, "vfs", "vfhook boot", "it has %u VFs, and should have %u",
		       have, f->vfs_wanted);
	else if (!have)
		PF_ADD(j, CHECK_FAIL, "vfs",
		       remedy(j, "vfhook pool add %s --pf %s --vfs %u; vfhook boot", f->pool,
			      f->info.ifname, f->info.total_vfs < 8 ? f->info.total_vfs : 8),
		       "it has no VFs, and the pool does not say how many it should have");
	else if (!f->vfs_wanted)
		PF_ADD(j, CHECK_WARN, "vfs",
		       remedy(j, "vfhook pool add %s --pf %s --vfs %u", f->pool, f->info.ifname,
			      have),
		       "it has %u VFs now, but the pool does not say how many it should have: "
		       "after "
		       "a reboot vfhook makes none",
		       have);
	else
		PF_ADD(j, CHECK_PASS, "vfs", "", "%u of %u VFs", have, f->info.total_vfs);
}

static void judge_drivers_of_vfs(struct pf_judge *j)
{
	const struct host_vf_facts *v = &j->f->host_vfs;

	if (j->f->autoprobe)
		PF_ADD(j, CHECK_WARN, "autoprobe", "vfhook boot",
		       "sriov_drivers_autoprobe is 1: free VFs get a driver%s on this host",
		       j->f->no_net ? "" : " and an interface");
	else
		PF_ADD(j, CHECK_PASS, "autoprobe", "", "new VFs stay without a driver of the host");
	if (!v->n)
		return;
	if (j->f->no_net)
		PF_ADD(j, CHECK_WARN, "vf-host-driver",
		       remedy(j,
			      "if nothing here uses it: echo %s "
			      ">/sys/bus/pci/devices/%s/driver/unbind; or reboot: then it has none",
			      v->addr, v->addr),
		       "%u VFs have a driver of this host, VF %s: %s: no VM gets them", v->n,
		       v->addr, v->driver);
	else if (v->user[0] || v->up)
		PF_ADD(j, CHECK_WARN, "vf-host-driver",
		       remedy(j,
			      "to keep it so: vfhook pool add %s --pf %s --host-vfs %u; if a guest "
			      "is to have it, take %s out of /etc/network/interfaces, then: vfhook "
			      "boot",
			      j->f->pool ? j->f->pool : "<name>", j->f->info.ifname, v->index,
			      v->ifname),
		       "%u VFs have a driver of this host; VF %s (%s, %s) is in use here: %s%s: no "
		       "VM gets it, and after the next boot it comes without an interface",
		       v->n, v->addr, v->driver, v->ifname, v->user[0] ? "in " : "it is up",
		       v->user);
	else if (!v->ifname[0])
		PF_ADD(j, CHECK_WARN, "vf-host-driver",
		       remedy(j,
			      "if it is to be a container's after the next boot too: vfhook pool "
			      "add %s --pf %s --host-vfs %u",
			      j->f->pool ? j->f->pool : "<name>", j->f->info.ifname, v->index),
		       "%u VFs have a driver of this host; the interface of VF %s (%s) is not on "
		       "this host: in a container?",
		       v->n, v->addr, v->driver);
	else
		PF_ADD(j, CHECK_WARN, "vf-host-driver", "vfhook boot",
		       "%u VFs have a driver of this host, VF %s: %s%s%s", v->n, v->addr, v->driver,
		       v->ifname[0] ? ", interface " : "", v->ifname);
}

static void judge_groups(struct pf_judge *j)
{
	const struct group_facts *g = &j->f->groups;

	if (g->none)
		PF_ADD(j, CHECK_FAIL, "iommu-group", "first switch on the IOMMU, see above",
		       "%u VFs have no IOMMU group: no VM can have them", g->none);
	if (g->mixed)
		PF_ADD(j, CHECK_FAIL, "iommu-group",
		       "put the NIC into another slot (best: one that leads to the CPU); or switch "
		       "on ACS in the firmware; last resort: pcie_acs_override=downstream,"
		       "multifunction on the kernel command line, which gives up isolation: a "
		       "guest "
		       "can then reach other devices' memory",
		       "%u VFs are in one IOMMU group (%d) with %s%s: the slot has no ACS, and the "
		       "host would lose %s together with a VF",
		       g->mixed, g->mixed_group, g->intruder,
		       g->intruder_is_pf ? ", the PF itself" : ", which is no VF",
		       g->intruder_is_pf ? "the PF" : "that");
	if (g->others)
		PF_ADD(j, CHECK_WARN, "iommu-group",
		       "another slot, or ACS in the firmware, gives each VF a group of its own",
		       "%u VFs share IOMMU groups with other VFs: one VM can have them, or nobody",
		       g->others);
	if (g->alone && !g->none && !g->mixed && !g->others)
		PF_ADD(j, CHECK_PASS, "iommu-group", "", "each VF has an IOMMU group of its own");
}

static void judge_buses(struct pf_judge *j)
{
	const struct pf_facts *f = j->f;

	if (!f->bus_max || !f->last_bus)
		return;
	if (f->last_bus <= f->bus_max) {
		PF_ADD(j, CHECK_PASS, "vf-bus", "", "there are bus numbers for its VFs");
		return;
	}
	PF_ADD(j, CHECK_FAIL, "vf-bus",
	       "add pci=assign-busses to the kernel command line, reboot. It renumbers the PCI "
	       "buses: "
	       "addresses and interface names (enp6s0f0) change; vfhook finds the PF by its MAC "
	       "again, /etc/network/interfaces does not. Or want fewer VFs",
	       "its last VF would be on bus %02x, but the firmware gave its slot only buses up to "
	       "%02x: the kernel cannot make that many VFs",
	       f->last_bus, f->bus_max);
}

static void judge_bars(struct pf_judge *j)
{
	const struct pf_facts *f = j->f;

	if (!f->bars_known || (!f->bars && f->info.num_vfs))
		return;
	/* The kernel clears the flags of what it gives up on (setup-bus.c: reset_resource). */
	if (f->bars && !f->bars_lost)
		PF_ADD(j, CHECK_PASS, "vf-bar", "", "there is address space for its VFs");
	else
		PF_ADD(j, CHECK_FAIL, "vf-bar",
		       "switch on 'Above 4G Decoding' in the firmware (BIOS); if that does not "
		       "help: "
		       "pci=realloc on the kernel command line, reboot",
		       "there is no address space for its VFs (%u of %u BARs without): the kernel "
		       "says 'not enough MMIO resources for SR-IOV'",
		       f->bars_lost, f->bars);
}

static void judge_conflicts(struct pf_judge *j)
{
	const struct pf_facts *f = j->f;

	if (f->switchdev)
		PF_ADD(j, CHECK_FAIL, "switchdev",
		       remedy(j, "devlink dev eswitch set pci/%s mode legacy", f->addr),
		       "it is in switchdev mode, where MAC, VLAN and so on are not set through the "
		       "PF");
	if (f->vfio_ids.where[0])
		PF_ADD(j, CHECK_FAIL, "blacklist",
		       remedy(j, "take %s out of %s%s", f->id, f->vfio_ids.where,
			      f->vfio_ids.where[0] == '/' ? ", then: update-initramfs -u -k all"
							  : ", reboot"),
		       "%s gives every %s to vfio-pci: this PF too, at the next boot, and then "
		       "there "
		       "are no VFs (%s)",
		       f->vfio_ids.where, f->id, f->vfio_ids.text);
}

void judge_pf(const struct pf_facts *f, const struct port_view *ports, size_t n_ports,
	      struct report *r)
{
	struct pf_judge j = {.f = f, .r = r};

	snprintf(j.subject, sizeof(j.subject), "PF %s",
		 f->info.ifname[0] ? f->info.ifname : f->addr);
	judge_conflicts(&j);
	if (!judge_presence(&j))
		return;
	if (f->no_net) {
		judge_card(f, j.subject, r);
	} else {
		judge_driver(&j, ports, n_ports);
		judge_pf_use(f, j.subject, ports, n_ports, r);
		judge_link(&j);
		judge_list(&j);
	}
	judge_vf_count(&j);
	judge_drivers_of_vfs(&j);
	judge_groups(&j);
	judge_buses(&j);
	judge_bars(&j);
}
