/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /etc/pve/vfhook.cfg: the pools of the cluster and the ports of its VMs, in
 * PVE's section config format, made to be edited by hand:
 *
 *	pool: wan
 *		pf node=pve1,path=0000:06:00.0,mac=a0:36:9f:00:00:01
 *		pf node=pve2,path=0000:03:00.0
 *		host-vfs node=pve1,path=0000:06:00.0,vf=0-1
 *
 *	pool: igpu
 *		network off
 *		pf node=pve1,path=0000:00:02.0,id=8086:a780
 *
 *	port: 100-0
 *		pool wan
 *		mac BC:24:11:12:34:56
 *		vlan 20
 *
 *	guest: 100
 *		chain local:snippets/other.pl
 */
#ifndef VFHOOK_PORT_CONFIG_H
#define VFHOOK_PORT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/text.h"
#include "src/vf/sysfs.h"
#include "src/vf/vf.h"

#define VFHOOK_CFG "etc/pve/vfhook.cfg"
#define VOLID_LEN  256

struct pool_pf {
	char node[NAME_LEN];
	struct pf_id id;
};

/* VFs of a PF that are the host's own, and how each is set before its driver gets it
 * (host_vfs_config.h).
 */
struct host_vfs {
	char node[NAME_LEN];
	struct pci_addr pf;
	unsigned first; /* VF numbers, both among them */
	unsigned last;
	struct vf_settings want;
};

struct pool {
	char name[NAME_LEN];
	struct pool_pf *pfs; /* of all nodes */
	size_t n_pfs;
	struct host_vfs *hosts; /* of all nodes */
	size_t n_hosts;
	bool allow_pf_down;
	bool no_net;  /* `network off`: GPUs, NVMe drives, ...: no interface, nothing that is set */
	bool fdb;     /* the filters of its PFs let in what is behind a bridge (vfhook fdb) */
	unsigned vfs; /* how many each PF is to have after a boot, 0: not our business */
	char *bad;    /* what is wrong with this section, "<file>:<line>: ...", or NULL */
	/* A PF of it stands in another pool, or here twice: which, in words, or NULL. To be told;
	 * no reason to keep a VM from starting. */
	char *shared;
};

struct port {
	uint32_t vmid;
	unsigned slot;
	char pool[NAME_LEN];
	bool live_migration; /* PVE may migrate the VM while it runs: its VF is unplugged meanwhile
			      */
	char netname[IFNAME_LEN]; /* of a container, which has it under this name; "": a VM's */
	unsigned mtu;		  /* of a container's; 0: as it is */
	bool mac_auto; /* `mac auto`: an address is made and written here at the first start */
	struct vf_settings want;
	char *bad;
};

/* What is known of a VM beside its ports. */
struct guest_note {
	uint32_t vmid;
	char chain[VOLID_LEN]; /* the hookscript that is run after us, "" if none */
	char *bad;
};

/* Owns everything below it; release with config_free(). */
struct config {
	struct pool *pools;
	size_t n_pools;
	struct port *ports;
	size_t n_ports;
	struct guest_note *guests;
	size_t n_guests;
};

/* Free what p owns; p itself is not touched. */
void pool_free(struct pool *p);
/* Free what c owns, and leave it empty. */
void config_free(struct config *c);

/* What is called so, owned by c; NULL: there is none. */
const struct pool *config_pool(const struct config *c, const char *name);
const struct port *config_port(const struct config *c, uint32_t vmid, unsigned slot);
const struct guest_note *config_guest(const struct config *c, uint32_t vmid);
/* The pool that a PF of a node belongs to, or NULL. */
const struct pool *config_pool_of_pf(const struct config *c, const char *node,
				     const struct pci_addr *pf);

/*
 * Does a line before that of c->pools[pool].pfs[pf] name a PF of the same node; with same, the same
 * PF by its address?
 */
bool config_pf_before(const struct config *c, size_t pool, size_t pf, bool same);

/* The PFs of a pool on one node; *out is the caller's to free(). Returns how many, or -ENOMEM. */
int pool_node_pfs(const struct pool *p, const char *node, struct pf_id **out);

#endif
