/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few things we ask of PVE, each one call or a bounded loop of calls.
 */
#ifndef VFHOOK_PVEAPI_API_H
#define VFHOOK_PVEAPI_API_H

#include <stdint.h>

#include "src/base/error.h"
#include "pveapi/rest.h"

/*
 * Make mapping `id` name this node's entry `entry` (a mapping_entry_format()
 * value): creates the mapping if it is not there, replaces this node's entries
 * if it is, and sends all other nodes' entries along unchanged, since PUT
 * replaces the whole array. Reads pci.cfg as a file for each try, sends its
 * digest, and tries again with a short growing pause when somebody else changed
 * the file meanwhile or holds its lock, at most 10 times or 20 s. Nothing is sent if
 * the file already says so. description may be NULL (kept, or none for a new one).
 * Returns 1 if something was written, 0 if nothing had to be, or a negative errno.
 */
int api_mapping_set(struct rest *r, int root, const char *node, const char *id,
		    const char *description, const char *entry, struct error *err);

/*
 * The same, but only if the node's entry is `from` (a map value, NULL: none), or is `entry`
 * already: else -ESTALE, and nothing is changed. entry may be NULL: the node's entry is taken away,
 * and the mapping with its last one.
 */
int api_mapping_swap(struct rest *r, int root, const char *node, const char *id,
		     const char *description, const char *from, const char *entry,
		     struct error *err);

/*
 * What api_mapping_set() would send as things stand, for a person: method and
 * path, then one "key=value" a line. Sends nothing and takes no lock.
 */
int api_mapping_describe(int root, const char *node, const char *id, const char *description,
			 const char *entry, struct str *out, struct error *err);

/* Delete a mapping; one that is not there is fine. */
int api_mapping_delete(struct rest *r, int root, const char *id, struct error *err);

/* A hostpciN and what it becomes; NULL: it is deleted. */
struct hostpci_change {
	unsigned slot;
	const char *value;
};

/*
 * One PUT /nodes/{node}/qemu/{vmid}/config with all of these: every change of the file makes a new
 * digest, so that a second call could not name the text that was judged. Takes the VM's
 * lock on the server side: never call this while a hook of that VM runs.
 * digest (guest_config_digest() of that text) may be NULL; -EAGAIN if the file has another by now.
 */
int api_hostpci_change(struct rest *r, const char *node, uint32_t vmid,
		       const struct hostpci_change *changes, size_t n, const char *digest,
		       struct error *err);

/* One change of those. */
int api_hostpci_set(struct rest *r, const char *node, uint32_t vmid, unsigned slot,
		    const char *value, const char *digest, struct error *err);
int api_hostpci_delete(struct rest *r, const char *node, uint32_t vmid, unsigned slot,
		       struct error *err);

/* POST .../status/start. *upid (malloc'd) names the task. */
int api_vm_start(struct rest *r, const char *node, uint32_t vmid, char **upid, struct error *err);

/*
 * Wait until the task is over, polling with a growing pause up to 1 s, at most timeout_ms.
 * 0: exit status OK (or WARNINGS: n). -EREMOTEIO: it failed, err has its exit
 * status. -ETIMEDOUT.
 */
int api_task_wait(struct rest *r, const char *node, const char *upid, int timeout_ms,
		  struct error *err);

#endif
