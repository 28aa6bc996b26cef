/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A running VM's QEMU, asked through its monitor socket, /run/qemu-server/<vmid>.qmp (QMP, JSON
 * lines). It serves one client at a time and PVE's own calls wait for it only seconds, so each call
 * here connects for one command and lets go.
 */
#ifndef VFHOOK_PVEAPI_QMP_H
#define VFHOOK_PVEAPI_QMP_H

#include <stdint.h>

#include "src/base/error.h"

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

#endif
