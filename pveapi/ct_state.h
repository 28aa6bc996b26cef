/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which containers run on this node: told by LXC's monitor and by cgroups, never by a pid file. */
#ifndef VFHOOK_PVEAPI_CT_STATE_H
#define VFHOOK_PVEAPI_CT_STATE_H

#include <stdint.h>

#include "pveapi/process.h"
#include "src/base/answer.h"
#include "src/base/error.h"

/*
 * Does the container run? Its monitor's command socket is there, as PVE itself looks for it
 * (/proc/net/unix: @/var/lib/lxc/<vmid>/command; PVE::LXC list_active_containers), or a process is
 * in a cgroup of it: lxc.monitor/<vmid>, or lxc/<vmid> (PVE::LXC update_lxc_config;
 * a container whose monitor was killed). When PVE runs post-stop all of these are gone (lxc:
 * start.c lxc_end): processes of the monitor's cgroup that this one was called by do not count.
 * *monitor is the first process of lxc.monitor/<vmid>, pid 0 where that is not known. UNKNOWN with
 * err: one of these cannot be read.
 */
enum answer ct_runs(int root, uint32_t vmid, struct proc_id *monitor, struct error *err);

/*
 * Is it over, as far as somebody else than its own phases can tell? A reboot from inside ends the
 * monitor and has systemd start another one, with no phase called and no lock of PVE's held:
 * for that moment nothing runs. What goes before it writes in /var/lib/lxc/<vmid>
 * (lxc-pve-poststop-hook: update_lxc_config, the file `reboot`), and so does each start: a folder
 * that was changed less than CT_REBOOT_S seconds ago is UNKNOWN, with err.
 */
#define CT_REBOOT_S 30
enum answer ct_lives(int root, uint32_t vmid, struct proc_id *monitor, struct error *err);

/*
 * The monitor that called this process in a hook of its own: the nearest ancestor that is an
 * lxc-start, or an "[lxc monitor]". pid 0: none is.
 */
void ct_calling_monitor(int root, struct proc_id *out);

#endif
