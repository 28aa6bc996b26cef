/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is asked of PVE about a VM through the REST API: its hostpciN, its start, the task of that.
 */
#ifndef VFHOOK_PVEAPI_API_VM_H
#define VFHOOK_PVEAPI_API_VM_H

#include <stddef.h>
#include <stdint.h>

#include "pveapi/rest.h"
#include "src/base/error.h"

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
