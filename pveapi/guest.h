/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest configs: /etc/pve/nodes/<node>/qemu-server/<vmid>.conf, read as files.
 * Only the active part counts: it ends at the first line that begins with '['
 * ([PENDING], snapshots), see PVE::QemuServer parse_vm_config.
 */
#ifndef VFHOOK_PVEAPI_GUEST_H
#define VFHOOK_PVEAPI_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/answer.h"
#include "src/base/error.h"
#include "src/base/text.h"

#define PVE_HOSTPCI_MAX 16 /* hostpci0..15: PVE::QemuServer::PCI MAX_HOSTPCI_DEVICES */
#define PVE_VMID_MIN	100
#define PVE_VMID_MAX	999999999

/* One hostpciN property string, taken apart. */
struct hostpci {
	bool present;
	char *raw;     /* the whole value as it stands in the file */
	char *mapping; /* id behind mapping=, or NULL */
	char *host;    /* "06:10.1;06:10.3" (host= or the bare first part), or NULL */
	char *rest;    /* every other property in its order: "pcie=1,rombar=0", or "" */
	/*
	 * driver=keep among them (qemu-server since 2025-11): PVE neither binds nor resets the
	 * function, and starts QEMU on whatever driver it has (PVE::QemuServer::PCI
	 * prepare_pci_device).
	 */
	bool keep_driver;
};

/* Owns its strings; release with guest_config_free(). */
struct guest_config {
	uint32_t vmid;
	char *node; /* whose folder the file is in */
	char *name; /* or NULL */
	char *hookscript;
	char *machine; /* "q35", "pc-i440fx-9.0", ... or NULL */
	char *lock;    /* PVE's mark of work under way: "backup", "migrate", ... or NULL */
	char *text;    /* the file as it was read, or NULL if it was none */
	size_t text_len;
	bool is_template;
	bool numa_known; /* every numaN that has hostnodes names the same single host node */
	int numa_node;	 /* -1 unless numa_known */
	struct hostpci hostpci[PVE_HOSTPCI_MAX];
};

/*
 * Take a hostpciN value apart. Returns 0, or -EINVAL with err saying what is
 * wrong: neither host nor mapping, both, an unknown shape, a bad id or address.
 * Property keys that we do not know are kept in rest. On success release with
 * hostpci_clear().
 */
int hostpci_parse(const char *value, struct hostpci *out, struct error *err);
void hostpci_clear(struct hostpci *h);

/* Calls fn for every address in host ("06:10.1" or a whole device "06:10", then fn 0..7 are
 * meant: whole_device is true and a->fn is 0). Stops at and returns the first non-zero. */
int hostpci_each_addr(const struct hostpci *h,
		      int (*fn)(const struct pci_addr *a, bool whole_device, void *arg), void *arg);

/*
 * Parse a config's text. name is the path for messages. Unknown keys are
 * ignored, lines that are no "key: value" too (PVE warns and goes on), but a
 * hostpciN that cannot be parsed is an error "<name>:<line>: ...".
 */
int guest_config_parse(const char *name, const char *text, size_t len, uint32_t vmid,
		       struct guest_config *out, struct error *err);

/* A node's name is at most 63 characters (PVE::JSONSchema pve-node, RFC 1123). */
#define GUEST_PATH_LEN 128

/* "etc/pve/nodes/<node>/qemu-server/<vmid>.conf", below the root. Returns buf. */
const char *guest_config_path(const char *node, uint32_t vmid, char buf[GUEST_PATH_LEN]);

/*
 * Load the config of a VM: from this node's folder, or, if it is not there,
 * from from_node's (a migration target still finds it under the source:
 * PVE_MIGRATED_FROM). from_node may be NULL or "". -ENOENT if in neither.
 */
int guest_config_load(int root, const char *node, const char *from_node, uint32_t vmid,
		      struct guest_config *out, struct error *err);
void guest_config_free(struct guest_config *g);

/*
 * The digest of the text that this config was read from, as PVE makes it (SHA-1 of the file:
 * PVE::QemuServer parse_vm_config). Sent with a change it says: only if nobody has changed the
 * file since. Not made when reading, since an ordinary start changes nothing.
 */
void guest_config_digest(const struct guest_config *g, char digest[41]);

/* One raw address in one guest's config of this node. */
struct guest_claim {
	struct pci_addr addr;
	bool whole_device;
	uint32_t vmid;
	unsigned slot;
	bool keep_driver;
};

/* One hostpciN of a guest of this node that names a mapping. */
struct guest_mapped {
	char *mapping; /* its id, owned */
	uint32_t vmid;
	unsigned slot;
	bool keep_driver;
};

/*
 * What the hostpciN of every QEMU config of one node name (not of templates). Release with
 * guest_names_free().
 */
struct guest_names {
	struct guest_claim *raw; /* one for each address */
	size_t n_raw;
	struct guest_mapped *mapped; /* ours too */
	size_t n_mapped;
	uint32_t *vmids; /* the guests that were read: no templates */
	size_t n_vmids;
	char *broken; /* configs that cannot be parsed, ", " between, or NULL */
};

/* A config that cannot be parsed does not make it fail: a stranger's file must not stop a start. */
int guest_names_read(int root, const char *node, struct guest_names *out, struct error *err);
void guest_names_free(struct guest_names *g);

/* A guest of the cluster and the node whose folder its config is in. */
struct guest_ref {
	uint32_t vmid;
	char node[NAME_LEN];
	bool container;
};

/*
 * Every guest with a config on any node, in the order of their ids. Only the
 * names of the files are looked at. *list is the caller's to free(). 0, or a
 * negative errno with err; no /etc/pve/nodes is an empty list.
 */
int guest_list(int root, struct guest_ref **list, size_t *n, struct error *err);
/* The guest with that id in what guest_list() gave, or NULL. */
const struct guest_ref *guest_find(const struct guest_ref *list, size_t n, uint32_t vmid);

/* Is that guest a container of this node? Its id is no VM's then: there is one list of both. */
bool guest_is_container(int root, const char *node, uint32_t vmid);

/*
 * Does the cluster have a guest with that id, on any node? Of pmxcfs's own list, /etc/pve/.vmlist,
 * which changes in one step with the rename by which a guest moves to another node (pve-cluster:
 * status.c cfs_create_vmlist_msg), and of the folders: NO only if both know of none. Where there is
 * no such list the folders are looked into twice, since a guest that moves meanwhile can be missed
 * once. UNKNOWN with err.
 */
enum answer guest_exists(int root, uint32_t vmid, struct error *err);

/* A MAC and the guest whose config has it. */
struct guest_mac {
	uint8_t mac[6];
	uint32_t vmid;
};

/*
 * Every MAC that a netN line of a guest (QEMU and containers) in the whole
 * cluster has, for finding a free one: /etc/pve/nodes/<node>/{qemu-server,lxc}.
 * Those of snapshots and pending changes too: a rollback brings them back. A
 * config that cannot be read is left out. *macs is the caller's to free().
 */
int guest_all_macs(int root, struct guest_mac **macs, size_t *n_macs, struct error *err);

/*
 * The folder of `node` this program runs on: the target of /etc/pve/local
 * ("nodes/<node>"), else the host name up to its first dot, as
 * PVE::INotify::nodename makes it. Returns 0 or a negative errno.
 */
int pve_node_name(int root, char *buf, size_t size, struct error *err);

/*
 * The datacenter's MAC prefix (datacenter.cfg: mac_prefix), "BC:24:11" if it
 * sets none (PVE 8.1 and later). prefix receives *n_bytes = 1..4 bytes: PVE
 * allows one to three and half a byte, whose other half is then 0 here (so that
 * what we make is a part of what the prefix allows); the rest of prefix is 0.
 */
int pve_mac_prefix(int root, uint8_t prefix[6], size_t *n_bytes, struct error *err);
/* The same out of the text of datacenter.cfg. */
int pve_mac_prefix_parse(const char *text, size_t len, uint8_t prefix[6], size_t *n_bytes,
			 struct error *err);

#endif
