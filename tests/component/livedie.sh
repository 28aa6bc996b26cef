#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# livedie.sh - somebody ends in the middle of a live migration: the job beside the VM, the guest, the
# target's node, the source's; or another VM wants the same VF.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

# shellcheck source=tests/component/livelib.sh
. "${BASH_SOURCE[0]%/*}/livelib.sh"

pf2=0000:81:00.0,driver=igb,ifname=enp129s0f0,vfs=7,numvfs=1,up=1,autoprobe=0
two_nodes_up || exit 1
two_pools_up
live_vm_up

# --- the job is killed ------------------------------------------------------------------------

begin_migration
is "$(leases pve1) $(leases pve2)" "$vf1:unplugged $vf2:arriving" "in the middle: unplugged here, arriving there"
pkill -KILL -f -- "--root $node_root live-job 100"
end_migration
is "$(leases pve1)" "$vf1:unplugged" "the source's job is killed: nobody gives the VM its VF"
like "$(vfhook explain 100 2>&1)" 'next: hostpci0: unplugged for a migration that is over.*vfhook plug 100' "explain says what to do"
out=$(vfhook repair 2>&1)
like "$out" "VM 100 hostpci0: VF $vf1 is unplugged for a migration .*, and no job sees to it: one is begun" "repair begins another one"
as_before

# Killed while memory is transferred, which ends only then: PVE's own resume needs the monitor.
begin_migration
# shellcheck disable=SC2317 # called by wait_for
job2_is() { pgrep -f -- "--root $node2_root live-job 100" >/dev/null; }
# shellcheck disable=SC2317
job2_is_gone() { ! job2_is; }
wait_for 30 job2_is
pkill -KILL -f -- "--root $node2_root live-job 100"
wait_for 10 job2_is_gone
ctl pve1 migrate
wait "$migration"
wait_for 20 has_leases pve1 ""
is "$(leases pve2)" "$vf2:arriving" "the target's job is killed: its guest does not see its VF"
vfhook2 repair >/dev/null 2>&1
try "repair begins another one" wait_for 30 has_leases pve2 "$vf2:running"
is "$(seen pve2)" "$vf2" "and the guest sees it"
try "PVE may migrate it" wait_for 30 is_flag 1
qm2 migrate 100 pve1 --online >/dev/null 2>&1
as_before

# --- two for one VF ---------------------------------------------------------------------------

qm create 101 --name web --net0 virtio,bridge=vmbr0 >/dev/null
vfhook attach 101 --mac bc:24:11:00:00:02 --live-migration on >/dev/null 2>&1
qm start 101 >/dev/null 2>&1
wait_for 20 grep -A9 '^vf-101-0$' "$etc/mapping/pci.cfg"
wait_for 20 sh -c "sed -n '/^vf-101-0\$/,/^\$/p' '$etc/mapping/pci.cfg' | grep -q 'capable 1'"
qm migrate 100 pve2 --online >"$node_root/said.100" 2>&1 &
one=$!
qm migrate 101 pve2 --online >"$node_root/said.101" 2>&1 &
two=$!
wait "$one"; a=$?
wait "$two"; b=$?
is "$(((a == 0) + (b == 0)))" 1 "two migrations for one free VF: one goes through"
like "$(cat "$node_root"/said.10?)" "no VF of pool 'wan' is free for hostpci0" "and the other is refused"
# at_home - the VM that was refused runs with its VF on pve1, the other one on pve2.
# shellcheck disable=SC2317 # called by try
at_home() {
	[[ $(cat "$node_root"/run/vfhook/leases/0000:* | grep -c '"phase":"running"') == 1 &&
	$(cat "$node2_root"/run/vfhook/leases/0000:* | grep -c '"phase":"running"') == 1 ]]
}
try "each of them has one VF" wait_for 30 at_home
qm stop 101 >/dev/null 2>&1 || qm2 stop 101 >/dev/null 2>&1
if ((a == 0)); then
	wait_for 30 is_flag 1
	qm2 migrate 100 pve1 --online >/dev/null 2>&1
fi
as_before

# --- the guest ends ---------------------------------------------------------------------------

begin_migration
kill -USR1 "$(<"$node_root/run/qemu-server/100.pid")"
wait "$migration"
ctl pve1 migrate
try "a guest that powers itself off meanwhile: its VF is given back" wait_for 30 has_leases pve1 ""
try "the target's, too" wait_for 30 has_leases pve2 ""
is "$(mac_of pve1) $(mac_of pve2)" "00:00:00:00:00:00 00:00:00:00:00:00" "both are parked"
qm unlock 100 >/dev/null 2>&1
qm start 100 >/dev/null 2>&1
is "$? $(leases pve1)" "0 $vf1:running" "it starts again"
wait_for 20 is_flag 1

# --- the target's node dies -------------------------------------------------------------------

begin_migration
sim2 crash-host >/dev/null 2>&1
rm -rf "$node2_root/run/vfhook"
wait "$migration"
ctl pve1 migrate
try "the target's node dies: the VM has its VF again" wait_for 60 has_leases pve1 "$vf1:running"
is "$(qm status 100) $(seen pve1)" "status: running $vf1" "and runs on"
done_testing
