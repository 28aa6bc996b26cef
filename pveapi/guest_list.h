/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guests of the cluster: their ids and where their configs are. */
#ifndef VFHOOK_PVEAPI_GUEST_LIST_H
#define VFHOOK_PVEAPI_GUEST_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/answer.h"
#include "src/base/error.h"

/* A guest of the cluster and the node whose folder its config is in. */
struct guest_ref {
	uint32_t vmid;
	char node[64];
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

enum guest_kind {
	GUEST_NONE, /* neither, on this node */
	GUEST_VM,
	GUEST_CT,
	GUEST_UNKNOWN,
};

/*
 * What is the guest of this node with that id? Told by the folder that its config is in: there is
 * one list of ids for both. UNKNOWN with err: that cannot be looked at now.
 */
enum guest_kind guest_kind(int root, const char *node, uint32_t vmid, struct error *err);

/* Is it a container? The first look of that alone, for a phase, which PVE has read the config for.
 */
enum answer guest_is_ct(int root, const char *node, uint32_t vmid);

/*
 * Does the cluster have a guest with that id, on any node? Of pmxcfs's own list, /etc/pve/.vmlist,
 * which changes in one step with the rename by which a guest moves to another node (pve-cluster:
 * status.c cfs_create_vmlist_msg), and of the folders: NO only if both know of none. Where there is
 * no such list the folders are looked into twice, since a guest that moves meanwhile can be missed
 * once. UNKNOWN with err.
 */
enum answer guest_exists(int root, uint32_t vmid, struct error *err);

#endif
