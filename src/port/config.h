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

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/vf/sysfs.h"
#include "src/vf/vf.h"

#define VFHOOK_CFG "etc/pve/vfhook.cfg"
#define VOLID_LEN  256

struct pool_pf {
	char node[NAME_LEN];
	struct pf_id id;
};

/* VFs of a PF that are the host's own, and how each is set before its driver gets it (hostcfg.h).
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
	unsigned vfs; /* how many each PF is to have after a boot, 0: not our business */
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

/*
 * Load the file; a missing one is an empty one. A mistake inside one section
 * is kept with that section (bad): it stops the VMs that need it and no other.
 * A file whose sections cannot be told apart is an error as a whole. name is
 * the file as messages have it, "/etc/pve/vfhook.cfg".
 */
int config_load(int root, struct config *out, struct error *err);
/*
 * What concerns these VMs: their own ports and notes, and all pools. Nothing else is in *out or
 * judged, except that no other port may have the MAC of one of theirs: a start needs one or two
 * of what may be a thousand sections.
 */
int config_load_for(int root, const uint32_t *vmids, size_t n, struct config *out,
		    struct error *err);
int config_parse(const char *name, const char *text, size_t len, struct config *out,
		 struct error *err);
void config_free(struct config *c);

const struct pool *config_pool(const struct config *c, const char *name);
const struct port *config_port(const struct config *c, uint32_t vmid, unsigned slot);
const struct guest_note *config_guest(const struct config *c, uint32_t vmid);
/* The pool that a PF of a node belongs to, or NULL. */
const struct pool *config_pool_of_pf(const struct config *c, const char *node,
				     const struct pci_addr *pf);

/* The PFs of a pool on one node; *out is the caller's to free(). Returns how many, or -ENOMEM. */
int pool_node_pfs(const struct pool *p, const char *node, struct pf_id **out);

/* Is this a pool's name: PVE could use it as a mapping's id, and it is no vf-<vmid>-<N>? */
int pool_name_check(const char *name, struct error *err);

/* One key of a port as it stands in the file. -EINVAL with err for a bad key or value. */
int port_set_key(const char *key, const char *value, struct port *p, struct error *err);
/* Do its keys go together? has_tag_options: vlan-qos or vlan-proto was given. */
int port_check(const struct port *p, bool has_tag_options, struct error *err);

/* "local:snippets/name": a volume that PVE takes for a hookscript, and no trick in its name. */
bool hookscript_valid(const char *volid);
/* Is it our own program? */
bool hookscript_is_ours(const char *volid);

/*
 * Everything below changes the file under the cluster-wide lock
 * /etc/pve/priv/lock/vfhook and keeps every other byte as it is, comments too. What would become
 * wrong by the change is refused (-EINVAL) and the file stays as it was.
 */

/* Replace the MAC of a port (`mac auto` becomes an address for ever). -ENOENT: no such port. */
int config_set_mac(int root, uint32_t vmid, unsigned slot, const uint8_t mac[6], struct error *err);

/* A key and its new value, NULL to take it out. */
struct key_change {
	const char *key;
	const char *value;
};

/*
 * What a port's section becomes with other keys: its text as it is and as it would be (both the
 * caller's to free()), and the port as it would be. Nothing is written, and all is judged.
 */
int config_change_keys(int root, uint32_t vmid, unsigned slot, const struct key_change *changes,
		       size_t n, char **from, char **to, struct port *after, struct error *err);

/*
 * The text of the section "<type>: <id>", from its head to its last property; NULL in *out: there
 * is none. The caller's to free().
 */
int config_section(int root, const char *type, const char *id, char **out, struct error *err);
/* The text that a port, and the note of a guest's other hookscript, would have. */
int config_port_section(const struct port *p, char **out, struct error *err);
int config_guest_section(uint32_t vmid, const char *volid, char **out, struct error *err);

/*
 * Give a section another text, if it is `from` (NULL: not there); `to` NULL takes it out, and the
 * blank line that belonged to it; the file goes with its last section. One that is `to` already is
 * fine; -EAGAIN: it is neither. check: -EINVAL if a port or pool would be a mistake, -EEXIST if one
 * of a pool's PFs is in another pool, -EBUSY if ports use one that is taken out.
 */
int config_swap_section(int root, const char *type, const char *id, const char *from,
			const char *to, bool check, struct error *err);

/* The PFs of one node for a pool, which is made if it is not there. NULL: leave the key alone. */
struct pool_addition {
	const char *name;
	const char *node;
	const struct pf_id *pfs;
	size_t n_pfs;
	const char *vfs;
	const char *allow_pf_down;
	bool sets_hosts; /* these are the host's VFs of the PFs above from now on, and no others */
	const struct host_vfs *hosts;
	size_t n_hosts;
};

/* A pool's section as it is and as it would be (NULL: not there), and all of the file then. */
struct pool_change {
	char *from;
	char *to;
	size_t added; /* PFs that it has not yet */
	struct config after;
};

void pool_change_free(struct pool_change *c);

/*
 * What a pool becomes with those PFs, and what the file becomes without a pool. Nothing is written,
 * and all is judged. Free *out with pool_change_free(), after a failure too.
 *
 * config_pool_addition: -EEXIST if one of the PFs is in another pool of that node. Those that are
 * in this pool already stay where they are and get the MAC that is given. config_pool_removal:
 * -ENOENT: no such pool; -EBUSY: ports use it, err names them.
 */
int config_pool_addition(int root, const struct pool_addition *a, struct pool_change *out,
			 struct error *err);
int config_pool_removal(int root, const char *name, struct pool_change *out, struct error *err);

/* Append a pool's `pf` line, as the file has it. */
void pool_pf_text(const char *node, const struct pf_id *pf, struct str *out);

/* What a PF of a node is called in the file, and what it is to be called. */
struct pf_change {
	struct pci_addr from;
	struct pf_id to;
};

/* Rewrite `pf` lines of this node; all changes are taken for made at once, so two may swap. */
int config_change_pfs(int root, const char *node, const struct pf_change *changes, size_t n,
		      struct error *err);

#endif
