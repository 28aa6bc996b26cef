/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `vfhook check` looks at on a PF and its VFs. */
#ifndef VFHOOK_CHECK_PF_FACTS_H
#define VFHOOK_CHECK_PF_FACTS_H

#include "src/host/bridges_above.h"
#include "src/host/host_facts.h"
#include "src/host/pf_master.h"
#include "src/port/config.h"
#include "src/port/context.h"
#include "src/show/fdb_report.h"
#include "src/vf/sysfs.h"

/* Without this private flag a trusted VF of i40e or ice gets limited promiscuity only. */
#define TRUE_PROMISC "vf-true-promisc-support"

/* IOMMU groups of a PF's VFs, counted. */
struct group_facts {
	unsigned none;	 /* VFs in no group */
	unsigned alone;	 /* VFs that have a group for themselves */
	unsigned mixed;	 /* VFs whose group holds something that is no VF */
	unsigned others; /* VFs that share a group with other VFs only */
	int mixed_group; /* the number of one such group */
	char intruder[PCI_ADDR_LEN];
	bool intruder_is_pf;
};

/* VFs in the hands of a network driver of the host. */
struct host_vf_facts {
	unsigned n;
	unsigned index; /* the one that is in use, else the first */
	char addr[PCI_ADDR_LEN];
	char ifname[IFNAME_LEN];
	char driver[DRIVER_LEN];
	bool up;
	char user[64];
};

/* What a GPU's driver was told, as far as its module shows it; "": it has no such parameter. */
struct gpu_facts {
	char max_vfs[16];
	char enable_guc[16];
	bool out_of_tree;
};

struct pf_facts {
	const char *pool; /* NULL: in no pool */
	bool no_net;	  /* no network card's; then */
	struct card_id card;
	struct card_id pool_card; /* as the pool knows it */
	unsigned class;
	struct gpu_facts gpu;
	char addr[PCI_ADDR_LEN];
	char id[10]; /* "8086:1521" */
	struct pf_info info;
	char trouble[300]; /* why it is no usable PF, or "" */
	char remedy[300];  /* and what to do then, or "" */
	bool allow_down;
	unsigned vfs_wanted; /* 0: not said */
	bool link_known;
	char link_trouble[300];
	bool up;
	bool carrier;
	unsigned mtu;
	bool no_list;	 /* the driver cannot tell what its VFs are set to */
	unsigned listed; /* so many VFs the kernel's list has room for; those behind are not read */
	unsigned untold; /* of those it has room for, the driver does not tell so many, */
	unsigned first_untold;	/* this one first */
	bool stranger;		/* not the card that the pool means: */
	char mac[MAC_LEN];	/* its permanent MAC, */
	char pool_mac[MAC_LEN]; /* and the one in the pool */
	bool autoprobe;
	struct host_vf_facts host_vfs;
	struct group_facts groups;
	unsigned last_bus;  /* of the last VF wanted */
	unsigned bus_max;   /* the bridge above ends there; 0: not known */
	unsigned bars;	    /* BARs that the VFs ask for, */
	unsigned bars_lost; /* and those of them that got no address */
	bool bars_known;
	bool switchdev;
	struct pf_master master;
	struct bridges_above bridges;
	struct bridge_above ovs;  /* name "": it is not below Open vSwitch */
	bool bridges_unknown;	  /* there may be more */
	struct fdb_report fdb;	  /* how its filter is kept, for guests on bridges over it */
	bool mac_sync;		  /* another one's service does so (sriov-mac-sync) */
	enum answer true_promisc; /* the private flag vf-true-promisc-support, of i40e and ice */
	struct mention vfio_ids;  /* who gives this PF's id to vfio-pci */
};

/* One port of a pool. */
struct port_view {
	const struct port *port;
	bool here; /* its VM is on this node */
};

/* Whatever can be read of that PF of the pool; what cannot stays as in a zeroed struct, or unknown.
 */
void pf_facts_read(struct hook *h, const struct pf_id *id, const struct pool *pool,
		   struct pf_facts *f);

/*
 * The VFs of /sys/bus/pci/devices/X/resource, a line for each region: "start end
 * flags", of which the 7th to the 12th are a VF's BARs (include/linux/pci.h:
 * PCI_IOV_RESOURCES behind six BARs and the ROM). False if there are no such lines.
 */
bool iov_bars_parse(const char *text, unsigned *wanted, unsigned *lost);

#endif
