#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# livevf.sh - a VM with a VF migrates live by PVE's own way, and what becomes of it, its VFs and its
# mapping when something goes wrong on either node.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

# shellcheck source=tests/component/livelib.sh
. "${BASH_SOURCE[0]%/*}/livelib.sh"

two_nodes_up || exit 1
two_pools_up
out=$(vfhook attach 100 --vlan 20 --mac bc:24:11:00:00:01 --live-migration on 2>&1)
is $? 0 "attach with live migration"
like "$out" 'mapping vf-100-0 on pve2: none -> .*path=0000:81:10.0' "the other node has an entry"

# --- there and back -----------------------------------------------------------------------

is "$(flag)" "" "off: the mapping does not say that it can migrate"
qm start 100 >/dev/null 2>&1
try "running: a job says so" wait_for 20 is_flag 1
out=$(qm migrate 100 pve2 --online 2>&1)
is $? 0 "PVE migrates it"
like "$out" '\[pve2\] vfhook: VM 100 hostpci0: VF 0000:81:10.0 .* kept: MAC bc:24:11:00:00:01, VLAN 20' "the task log has what the target's hook says"
like "$out" '\[pve2\] vfhook: VM 100 hostpci0: VF 0000:06:10.0 is unplugged and kept for the VM \(migration to pve2\)' "and what the source's does"
try "the guest has its VF on the new node" wait_for 20 has_leases pve2 "$vf2:running"
is "$(seen pve2)" "$vf2" "and sees it"
is "$(mac_of pve2)" bc:24:11:00:00:01 "with its MAC"
try "the VF of the old node is given back" wait_for 20 has_leases pve1 ""
is "$(mac_of pve1)" 00:00:00:00:00:00 "and parked"
try "it may be migrated again" wait_for 20 is_flag 1
out=$(qm2 migrate 100 pve1 --online 2>&1)
is $? 0 "back"
try "it has its VF again" wait_for 20 has_leases pve1 "$vf1:running"
is "$(seen pve1) $(mac_of pve2)" "$vf1 00:00:00:00:00:00" "in the same way"
try "the other one is free" wait_for 20 has_leases pve2 ""
try "no job stays" wait_for 20 no_job
out=$(vfhook repair 2>&1)$(vfhook2 repair 2>&1)
is "$out" "vfhook: nothing to repairvfhook: nothing to repair" "nothing to repair on either node"

# --- stop and start -----------------------------------------------------------------------

qm stop 100 >/dev/null 2>&1
is "$(flag)" 0 "a stop puts the flag off"
qm start 100 >/dev/null 2>&1
is $? 0 "it starts again"
try "and the flag comes on" wait_for 20 is_flag 1
sim config set qmeventd 0 >/dev/null
pid=$(<"$node_root/run/qemu-server/100.pid")
kill -9 "$pid"
wait_for 10 test ! -e "/proc/$pid"
is "$(flag)" 1 "after a power failure it is on"
out=$(qm start 100 2>&1)
is $? 0 "a start that finds it on, after a crash, puts it off first"
try "and it comes on again" wait_for 20 is_flag 1
sim config set qmeventd 1 >/dev/null

# --- a guest that does not let go -----------------------------------------------------------

ctl pve1 release never
out=$(qm migrate 100 pve2 --online 2>&1)
is "$((${?} != 0))" 1 "a guest that never lets go: the migration is refused"
like "$out" '\[pve2\] vfhook: VM 100 hostpci0: the guest has not let go of hostpci0 for 30 s' "the task log says why"
like "$out" '\[pve2\] vfhook: VM 100 is not migrated: node pve1 has not unplugged its VF: see above; it goes on on node pve1' "and what is with the VM"
is "$(qm status 100) $(seen pve1) $(leases pve1)" "status: running $vf1 $vf1:running" "it has its VF as before"
is "$(mac_of pve1)" bc:24:11:00:00:01 "set as before"
is "$(leases pve2)" "" "the target has given its VF back"
is "$(mac_of pve2)" 00:00:00:00:00:00 "parked"
out=$(qm migrate 100 pve2 --online 2>&1)
like "$out" 'was asked to let go of the VF [0-9]+ s ago and did not' "HA's next try does not ask the guest again at once"
ctl pve1 release 0
try "it lets go later, at its reboot say: it has its VF again" wait_for 40 grep -q 'plugged in' "$node_root/run/vfhook/live-job-100.log"
is "$(seen pve1) $(leases pve1)" "$vf1 $vf1:running" "and sees it"
ctl pve1 release
try "the flag is on again" wait_for 20 is_flag 1

# --- the migration fails later ----------------------------------------------------------------

for how in fail cancel; do
	wait_for 20 is_flag 1
	if [[ $how == fail ]]; then
		ctl pve1 migrate fail
		qm migrate 100 pve2 --online >/dev/null 2>&1
		is "$((${?} != 0))" 1 "a migration that fails in the middle"
	else
		ctl pve1 migrate never
		qm migrate 100 pve2 --online >/dev/null 2>&1 &
		job=$!
		wait_for 20 has_leases pve1 "$vf1:unplugged"
		is "$(vfhook status 2>&1 | grep -c unplugged)" 1 "status tells that a VF is unplugged meanwhile"
		like "$(vfhook explain 100 2>&1)" 'next: hostpci0: unplugged for the migration to node pve2, until it is over' "explain says for what"
		out=$(vfhook plug 100 2>&1)
		like "$? $out" '^1 .*locked by PVE \(migrate\)' "plug by hand leaves that to the migration"
		sleep 1
		pkill -TERM -f "qm --root $node_root migrate 100"
		wait "$job"
	fi
	try "its VF comes back ($how)" wait_for 30 has_leases pve1 "$vf1:running"
	is "$(seen pve1) $(mac_of pve1)" "$vf1 bc:24:11:00:00:01" "as it was"
	try "the target's is given back" wait_for 30 has_leases pve2 ""
	is "$(mac_of pve2)" 00:00:00:00:00:00 "and parked"
	ctl pve1 migrate
done
try "and it may be migrated again" wait_for 30 is_flag 1

# --- no VF there, no node there -----------------------------------------------------------------

for n in 201 202 203 204 205 206 207; do
	qm2 create "$n" --name "vm$n" >/dev/null
	vfhook2 attach "$n" >/dev/null 2>&1
	qm2 start "$n" >/dev/null 2>&1
done
out=$(qm migrate 100 pve2 --online 2>&1)
is "$((${?} != 0))" 1 "no free VF on the target: refused"
like "$out" '\[pve2\] vfhook: VM 100: no VF of pool .wan. is free for hostpci0' "with the reason"
is "$(seen pve1) $(leases pve1)" "$vf1 $vf1:running" "and the guest was not asked"
for n in 201 202 203 204 205 206 207; do qm2 stop "$n" >/dev/null 2>&1; done
wait_for 30 is_flag 1
for mode in fail lost; do
	sim2 config set ssh "$mode" >/dev/null
	sim2 config set ssh-match unplug >/dev/null
	out=$(qm migrate 100 pve2 --online 2>&1)
	is "$((${?} != 0))" 1 "the source cannot be asked ($mode): refused"
	like "$out" '\[pve2\] vfhook: VM 100 is not migrated: node pve1 cannot be reached by ssh' "with what to do"
	sim2 config set ssh up >/dev/null
	try "the VM has its VF" wait_for 30 has_leases pve1 "$vf1:running"
	is "$(seen pve1)" "$vf1" "and sees it"
	try "it may be migrated again" wait_for 30 is_flag 1
done

# The target gives up, and what it has asked for goes on on the source.
sim2 config set ssh cut >/dev/null
ctl pve1 release 3
out=$(qm migrate 100 pve2 --online 2>&1)
is "$((${?} != 0))" 1 "the source is asked, and the connection cut: refused"
is "$(leases pve2)" "" "the target keeps no VF"
sim2 config set ssh up >/dev/null
# shellcheck disable=SC2317 # called by wait_for
is_seen() { [[ $(seen pve1) == "$1" ]]; }
wait_for 20 is_seen ""
ctl pve1 release
try "what the source does all the same is taken back there" wait_for 30 is_seen "$vf1"
try "the VM has its VF" wait_for 30 has_leases pve1 "$vf1:running"
try "and may be migrated again" wait_for 30 is_flag 1

# Killed while the guest is asked, which may let go much later.
ctl pve1 release never
qm migrate 100 pve2 --online >/dev/null 2>&1 &
job=$!
# shellcheck disable=SC2317
is_asked() { grep -q device_del "$(qemu_control "$node_root" 100)/qmp.log" && pgrep -f -- "--root $node_root unplug 100" >/dev/null; }
: >"$(qemu_control "$node_root" 100)/qmp.log"
wait_for 20 is_asked
pkill -KILL -f -- "--root $node_root unplug 100"
wait "$job"
is "$(leases pve1) $(seen pve1)" "$vf1:running $vf1" "unplug is killed while it waits for the guest: the VM has its VF"
is "$(($(lease pve1 "$vf1" asked) > 0))" 1 "that it was asked is known"
ctl pve1 release 0
try "it lets go later, and its VF is plugged in again" wait_for 60 grep -q device_add "$(qemu_control "$node_root" 100)/qmp.log"
try "which it sees" wait_for 40 is_seen "$vf1"
ctl pve1 release
try "the flag is on again" wait_for 20 is_flag 1
wait_for 20 no_job

# --- a migration begins while a job waits ----------------------------------------------------------

begin_migration
pkill -KILL -f -- "--root $node_root live-job 100"
end_migration
is "$(leases pve1)" "$vf1:unplugged" "a migration is over, and its job was killed"
stopped late run/vfhook/locks/100 live-job 100
"$sim" --root "$node_root" hold-lock vm:100 60 >"$node_root/said" 2>&1 &
holder=$!
wait_for 30 grep -q held "$node_root/said"
echo 'lock: migrate' >>"$etc/nodes/pve1/qemu-server/100.conf"
: >"$node_root/late.go"
sleep 2
is "$(leases pve1) $(seen pve1)" "$vf1:unplugged " "the next one began while another one waited for the lock: it stays unplugged"
sed -i '/^lock: migrate$/d' "$etc/nodes/pve1/qemu-server/100.conf"
kill "$holder"
wait "$holder" 2>/dev/null
as_before
wait_for 20 no_job

# --- a monitor that hangs, or talks nonsense -----------------------------------------------------

for mode in hang rubbish huge close; do
	ctl pve1 qmp "$mode"
	out=$(vfhook unplug 100 2>&1)
	is "$? $(leases pve1)" "1 $vf1:running" "a monitor that does '$mode': refused, the VM keeps its VF"
	like "$out" 'its QEMU cannot be asked now; try again, and if it stays so: qm stop 100' "with what to do"
	ctl pve1 qmp
done
ctl pve1 qmp close
out=$(vfhook plug 100 2>&1)
like "$? $out" '^1 .*its QEMU cannot be asked now; try again, and if it stays so: qm stop 100' "plug says so, too"
ctl pve1 qmp
is "$(seen pve1)" "$vf1" "it is unharmed"
is "$(vfhook status --output-format json | python3 -c 'import json,sys; print([v["live-migration"] for v in json.load(sys.stdin)["pools"][0]["pfs"][0]["vfs"]])')" \
	"[True, None, None, None, None, None, None]" "status as JSON says that its port is migrated live"

# --- by hand ---------------------------------------------------------------------------------------

out=$(vfhook unplug 100 2>&1)
is "$? $(leases pve1) $(seen pve1)" "0 $vf1:unplugged " "unplug by hand"
is "$(mac_of pve1)" 00:00:00:00:00:00 "its VF is parked"
out=$(vfhook repair 2>&1)
is "$out" "vfhook: nothing to repair" "repair leaves that alone"
out=$(vfhook plug 100 2>&1)
is "$? $(leases pve1) $(seen pve1)" "0 $vf1:running $vf1" "plug by hand"
is "$(mac_of pve1)" bc:24:11:00:00:01 "set as the port wishes"
ctl pve1 release never
vfhook unplug 100 --wait 1 >/dev/null 2>&1
is "$? $(leases pve1)" "1 $vf1:running" "one whose guest does not let go"
pkill -KILL -f -- "--root $node_root live-job 100"
like "$(vfhook repair 2>&1)" "VM 100 hostpci0: its guest was asked to let go of VF $vf1 and may do it any time, and no job sees to it: one is begun" "the job that sees to that was killed: repair begins another one"
ctl pve1 release 0
wait_for 20 is_seen ""
try "which gives the VM its VF again" wait_for 40 is_seen "$vf1"
ctl pve1 release
wait_for 20 no_job

# --- a whole PF ------------------------------------------------------------------------------------

out=$(vfhook evacuate enp6s0f0 2>&1)
like "$? $(leases pve1) $out" "^0 $vf1:unplugged .*enp6s0f0: no running VM has a VF of it" "evacuate"
echo rubbish >"$node_root/run/vfhook/leases/0000:06:10.4"
out=$(vfhook evacuate enp6s0f0 2>&1)
like "$? $out" '^1 .*whose VF 0000:06:10.4 is cannot be told.*it may still be in use' "a lease that cannot be read may be of a VM that runs"
rm "$node_root/run/vfhook/leases/0000:06:10.4"
group=$(basename "$(readlink "$node_root/sys/bus/pci/devices/0000:06:10.6/iommu_group")")
fake_vfio "$group" EBUSY
out=$(vfhook evacuate enp6s0f0 2>&1)
like "$? $out" '^1 .*VF 0000:06:10.6 is open in some process' "so may be one that somebody uses without a lease"
fake_vfio "$group"
out=$(vfhook evacuate enp6s0f0 2>&1)
is $? 0 "and then it is free"
vfhook plug 100 >/dev/null 2>&1
wait_for 20 no_job

# --- two VFs: all or none --------------------------------------------------------------------------

qm stop 100 >/dev/null 2>&1
vfhook attach 100 --slot 1 --mac bc:24:11:00:00:02 --live-migration on >/dev/null 2>&1
qm start 100 >/dev/null 2>&1
wait_for 20 is_flag 1
wait_for 20 no_job
second=$(grep -l '"slot":1' "$node_root"/run/vfhook/leases/0000:*)
cp "$second" "$node_root/second"
sed -i 's/"qemu-start":/"qemu-start":1/' "$second"
out=$(qm migrate 100 pve2 --online 2>&1)
is "$((${?} != 0))" 1 "the lease of the second one is of another QEMU: refused"
like "$out" 'vfhook: VM 100 hostpci0: VF 0000:06:10\.0 .* is plugged in.*hostpci1: its lease is of another QEMU process' "and the first one is plugged in again at once"
cp "$node_root/second" "$second"
wait_for 20 no_job
vfhook unplug 100 >/dev/null 2>&1

out=$(qm migrate 100 pve2 --online 2>&1)
is $? 0 "an unplugged VM migrates, too"
# shellcheck disable=SC2317
runs_there() { [[ $(grep -l '"vmid":100,' "$node2_root"/run/vfhook/leases/0000:* | xargs -r grep -l '"phase":"running"' | wc -l) == 2 ]]; }
try "and has its VFs there" wait_for 20 runs_there
qm2 stop 100 >/dev/null 2>&1
done_testing
