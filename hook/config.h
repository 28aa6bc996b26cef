/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /etc/pve/vfhook.cfg: the pools of the cluster and the ports of its VMs, in
 * PVE's section config format, made to be edited by hand:
 *
 *	pool: wan
 *		pf node=pve1,path=0000:06:00.0
 *		pf node=pve2,path=0000:03:00.0
 *
 *	port: 100-0
 *		pool wan
 *		mac BC:24:11:12:34:56
 *		vlan 20
 */
#ifndef VFHOOK_HOOK_CONFIG_H
#define VFHOOK_HOOK_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "src/vf.h"

#define VFHOOK_CFG "etc/pve/vfhook.cfg"
#define NAME_LEN   64

struct pool_pf {
	char node[NAME_LEN];
	struct pci_addr addr;
};

struct pool {
	char name[NAME_LEN];
	struct pool_pf *pfs; /* of all nodes */
	size_t n_pfs;
	bool allow_pf_down;
	unsigned vfs; /* how many to create at boot, 0: as many as the PF has */
	char *bad;    /* what is wrong with this section, "<file>:<line>: ...", or NULL */
};

struct port {
	uint32_t vmid;
	unsigned slot;
	char pool[NAME_LEN];
	bool mac_auto; /* `mac auto`: an address is made and written here at the first start */
	struct vf_settings want;
	char *bad;
};

/* Owns everything below it; release with config_free(). */
struct config {
	struct pool *pools;
	size_t n_pools;
	struct port *ports;
	size_t n_ports;
};

/*
 * Load the file; a missing one is an empty one. A mistake inside one section
 * is kept with that section (bad): it stops the VMs that need it and no other.
 * A file whose sections cannot be told apart is an error as a whole. name is
 * the file as messages have it, "/etc/pve/vfhook.cfg".
 */
int config_load(int root, struct config *out, struct error *err);
int config_parse(const char *name, const char *text, size_t len, struct config *out,
		 struct error *err);
void config_free(struct config *c);

const struct pool *config_pool(const struct config *c, const char *name);
const struct port *config_port(const struct config *c, uint32_t vmid, unsigned slot);

/* The PFs of a pool on one node; *out is the caller's to free(). Returns how many, or -ENOMEM. */
int pool_node_pfs(const struct pool *p, const char *node, struct pci_addr **out);

/*
 * Write a port into the file, or replace the MAC of one that is there (`mac
 * auto` becomes an address for ever). Both keep every other byte as it is, comments
 * too, and hold the cluster-wide lock /etc/pve/priv/lock/vfhook meanwhile.
 * config_add_port: -EEXIST if the port is there by now.
 */
int config_add_port(int root, const struct port *p, struct error *err);
int config_set_mac(int root, uint32_t vmid, unsigned slot, const uint8_t mac[6], struct error *err);

/* Take a port out of the file; every other byte stays. One that is not there is fine. */
int config_remove_port(int root, uint32_t vmid, unsigned slot, struct error *err);

#endif
