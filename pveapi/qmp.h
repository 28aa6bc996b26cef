/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A running VM's QEMU, asked through its monitor socket, /run/qemu-server/<vmid>.qmp (QMP, JSON
 * lines). It serves one client at a time and PVE's own calls wait for it only seconds, so each call
 * here connects for one command and lets go.
 */
#ifndef VFHOOK_PVEAPI_QMP_H
#define VFHOOK_PVEAPI_QMP_H

#include <stdint.h>

#include "src/base/answer.h"
#include "src/base/error.h"
#include "src/base/text.h"

/*
 * Run a command without arguments ("stop", "quit") and wait for its answer, at most timeout_ms.
 * 0, or a negative errno with err: -ENOENT or -ECONNREFUSED if there is no such socket, -ETIMEDOUT,
 * -EREMOTEIO with QEMU's own words if it refuses.
 */
int qmp_run(int root, uint32_t vmid, const char *command, int timeout_ms, struct error *err);

#define QMP_STATUS_LEN 32

/*
 * How its processors stand ("running", "paused", "prelaunch", ...: RunState of QEMU's
 * qapi/run-state.json). 0, or a negative errno with err as above.
 */
int qmp_status(int root, uint32_t vmid, int timeout_ms, char status[QMP_STATUS_LEN],
	       struct error *err);

/*
 * Has QEMU a device that was given that id (qom-list of /machine/peripheral)? UNKNOWN with err.
 */
enum answer qmp_has_device(int root, uint32_t vmid, const char *id, int timeout_ms,
			   struct error *err);

/*
 * Ask the guest to let go of a device (device_del). QEMU's answer only says that it was asked: it
 * is gone once qmp_has_device() says so. 0; 0 too if the guest is being asked already (QEMU
 * softmmu/qdev-monitor.c: "already in the process of unplug"); -ENODEV: there is no such device;
 * else as above.
 */
int qmp_device_del(int root, uint32_t vmid, const char *id, int timeout_ms, struct error *err);

/*
 * Plug a device in: what -device would have, word for word. By the monitor for people
 * (human-monitor-command), whose device_add reads words as the command line does, whatever the
 * types of the properties are. 0; -EINVAL: words has what does not belong there; -EREMOTEIO with
 * QEMU's own words, which may be a warning alone: then the device is there all the same, as
 * qmp_device_host() tells; else as above.
 */
int qmp_device_add(int root, uint32_t vmid, const char *words, int timeout_ms, struct error *err);

/*
 * The host function of a vfio-pci device. 1 and *out; 0: there is no such device; a negative errno
 * with err.
 */
int qmp_device_host(int root, uint32_t vmid, const char *id, int timeout_ms, struct pci_addr *out,
		    struct error *err);

/*
 * How an outgoing migration stands (query-migrate; MigrationStatus of QEMU's qapi/migration.json):
 * "none" if there was none, "active", "completed", "failed", ... 0, or a negative errno with err.
 */
int qmp_migration(int root, uint32_t vmid, int timeout_ms, char status[QMP_STATUS_LEN],
		  struct error *err);

#endif
