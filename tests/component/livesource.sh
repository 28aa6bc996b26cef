#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# livesource.sh - the source's node dies in the middle of a live migration, before the switch-over and after it;
# HA recovers the VM on the target, and the source boots later.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
# shellcheck source=tests/component/livelib.sh
. "${BASH_SOURCE[0]%/*}/livelib.sh"

two_nodes_up || exit 1
two_pools_up
live_vm_up

conf1=$etc/nodes/pve1/qemu-server/100.conf
conf2=$etc/nodes/pve2/qemu-server/100.conf

# power_cut lost|kept - of pve1: QEMU, tasks, jobs and VFs are gone at once; /run too, or what vfhook has there is kept.
power_cut() {
	sim crash-host >/dev/null 2>&1
	[[ $1 == kept ]] || rm -rf "$node_root/run/vfhook"
	wait "$migration"
	ctl pve1 migrate
}
# recover - what HA does once the node is fenced: the lock goes, and the config moves (PVE/HA/Manager.pm:
# fence_recovery_cleanup, recover_fenced_service); the LRM there starts what has no QEMU process, whatever that one
# is at (PVE/HA/Resources/PVEVM.pm: check_running).
recover() {
	[[ -e $conf2 ]] || mv "$conf1" "$conf2"
	sed -i '/^lock: migrate$/d' "$conf2"
	runs2 || qm2 start 100 >/dev/null 2>&1
}
runs2() { [[ $(qm2 status 100) == *running* ]]; }
# shellcheck disable=SC2317 # called by wait_for
ended2() { [[ ! -d /proc/$1 ]]; }
reserved2() { grep -c ' 100 pid:' "$node2_root/run/qemu-server/pci-id-reservations"; }

# at_target WHEN - the VM runs on pve2 with its VF.
at_target() {
	try "$1: the VM has its VF on the target" wait_for 40 has_leases pve2 "$vf2:running"
	is "$(qm2 status 100) $(seen pve2) $(mac_of pve2) $(reserved2)" "status: running $vf2 bc:24:11:00:00:01 1" \
		"$1: one, set as asked, the guest sees it, and PVE knows"
	try "$1: PVE may migrate it again" wait_for 30 is_flag 1
	try "$1: no job stays" wait_for 30 no_job
	is "$(vfhook2 repair 2>&1)" "vfhook: nothing to repair" "$1: nothing is left to repair there"
}
# source_boots WHEN - and has all of its VFs for others; then the VM goes back there.
source_boots() {
	rm -f "$node_root/fake-kernel/enp6s0f0.json"
	sim numvfs 0000:06:00.0 7 >/dev/null
	vfhook boot >/dev/null 2>&1
	is "$? $(leases pve1)" "0 " "$1: the source boots, and leases nothing to a VM that is elsewhere"
	is "$(vfhook repair 2>&1)" "vfhook: nothing to repair" "$1: nor is anything to repair there"
	like "$(vfhook status 2>&1)" 'Pool wan: 7 VFs: 0 leased, 7 free' "$1: all of its VFs are free"
	is "$(leases pve2) $(seen pve2)" "$vf2:running $vf2" "$1: the VM's on the target is left alone"
	qm2 migrate 100 pve1 --online >/dev/null 2>&1
	is $? 0 "$1: it migrates back"
	as_before
	wait_for 20 no_job
}

# --- before the switch-over -----------------------------------------------------------------------

for run in lost kept; do
	when="before the switch-over, /run $run"
	begin_migration
	power_cut "$run"
	try "$when: the half of the VM that was on the target is over, and its VF is given back" \
		wait_for 60 has_leases pve2 ""
	is "$(mac_of pve2)" 00:00:00:00:00:00 "$when: parked"
	recover
	at_target "$when"
	source_boots "$when"
done

# A connection that is cut without a word is not seen for long: for HA that QEMU is the VM.
when="a half-arrived QEMU that stays"
begin_migration
half=$(<"$node2_root/run/qemu-server/100.pid")
kill -STOP "$half"
power_cut lost
recover
is "$(<"$node2_root/run/qemu-server/100.pid") $(leases pve2)" "$half $vf2:arriving" "$when: HA starts no other one, and its VF is kept"
vfhook2 repair >/dev/null 2>&1
is "$(leases pve2)" "$vf2:arriving" "$when: repair does not touch it"
kill -CONT "$half"
wait_for 20 ended2 "$half"
try "$when: it sees that nobody is there, and ends: its VF is given back" wait_for 60 has_leases pve2 ""
recover
at_target "$when"
source_boots "$when"

# --- after the switch-over -------------------------------------------------------------------------

for run in lost kept; do
	when="after the switch-over, /run $run"
	ctl pve2 cont.delay 3
	qm migrate 100 pve2 --online >/dev/null 2>&1 &
	migration=$!
	wait_for 30 test -e "$conf2"
	power_cut "$run"
	ctl pve2 cont.delay
	try "$when: the guest goes on there, and has its VF" wait_for 40 has_leases pve2 "$vf2:running"
	is "$(seen pve2)" "$vf2" "$when: and sees it"
	recover
	at_target "$when"
	source_boots "$when"
done

# The source had not yet told the target to go on: a person must.
when="before the guest goes on"
ctl pve2 cont.hang 1
qm migrate 100 pve2 --online >/dev/null 2>&1 &
migration=$!
wait_for 30 test -e "$conf2"
power_cut lost
recover
sleep 2
is "$(leases pve2)" "$vf2:arriving" "$when: its VF waits for it"
ctl pve2 cont.hang
wait_for 60 qm2 resume 100
at_target "$when"
source_boots "$when"
done_testing
