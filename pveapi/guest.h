/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM's config: /etc/pve/nodes/<node>/qemu-server/<vmid>.conf, read as a file.
 * Only the active part counts: it ends at the first line that begins with '['
 * ([PENDING], snapshots), see PVE::QemuServer parse_vm_config.
 */
#ifndef VFHOOK_PVEAPI_GUEST_H
#define VFHOOK_PVEAPI_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pveapi/hostpci.h"
#include "pveapi/limits.h"
#include "src/base/error.h"

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
 * Parse a config's text. name is the path for messages. Unknown keys are
 * ignored, lines that are no "key: value" too (PVE warns and goes on), but a
 * hostpciN that cannot be parsed is an error "<name>:<line>: ...".
 */
int guest_config_parse(const char *name, const char *text, size_t len, uint32_t vmid,
		       struct guest_config *out, struct error *err);

/*
 * The same of a stranger's config: a hostpciN that cannot be parsed is left out, and *broken set;
 * so it is if the rest is not read on. -ENOMEM. *out is to be freed in any case.
 */
int guest_config_skim(const char *name, const char *text, size_t len, struct guest_config *out,
		      bool *broken);

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

#endif
