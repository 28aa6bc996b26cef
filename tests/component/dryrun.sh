#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# dryrun.sh - a dry run changes nothing, tells what would be done and why, and
# ends as the real run then ends.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

mac1=bc:24:11:00:00:01

port() {
	printf 'port: %s-0\n\tpool wan\n\tmac %s\n' "$1" "$2"
	shift 2
	(($# == 0)) || printf '\t%s\n' "$@"
	echo
}

# Names, types, modes, times and contents of everything but the simulator's own notes.
tree() {
	(
		cd "$node_root" || exit
		find . -path ./proc -prune -o -path ./var/lib/pvesim -prune -o -path ./var/log -prune -o \
			-name serve.log -prune -o -printf '%p %y %m %s %i %T@ %l\n' | sort
		find . -path ./proc -prune -o -path ./var/lib/pvesim -prune -o -path ./var/log -prune -o \
			-name serve.log -prune -o -type f -print0 | sort -z | xargs -0 sha1sum
	)
}
requests() { sim requests 2>/dev/null | grep -v '"path": "/version"'; }

# dry DESCRIPTION VMID PHASE - the output is in $out, the exit status in $rc; nothing has changed.
dry() {
	local before asked after
	before=$(tree)
	asked=$(requests)
	out=$(vfhook --dry-run "$2" "$3" 2>&1)
	rc=$?
	after=$(requests)
	is "$(diff <(echo "$before") <(tree))$(diff <(echo "$asked") <(echo "$after"))" "" \
		"$1: dry run of $3 changes nothing and asks PVE nothing"
}

fresh() {
	node_up "$@"
	fake_set enp6s0f0 pass
	pve_up || exit 1
}

# --- fresh -------------------------------------------------------------------------

fresh
{
	port 100 "$mac1" 'vlan 20' 'spoofchk 1'
	port 101 auto
	port 108 bc:24:11:00:00:08
} | wan_cfg
vm 100 --hostpci0 mapping=vf-100-0
vm 101 --hostpci0 mapping=vf-101-0
vm 107 --hostpci0 0000:06:10.2
vm 109
for phase in post-start pre-stop post-stop; do
	dry fresh 100 $phase
	want=$rc
	vfhook 100 $phase >/dev/null 2>&1
	is "$want" $? "fresh: $phase ends as the real one"
done
dry fresh 100 pre-stop
like "$out" 'pre-stop does nothing' "pre-stop says that it does nothing"
dry fresh 100 post-stop
like "$out" 'nothing to release' "post-stop says that there is nothing to release"
dry "no port" 109 pre-start
like "$rc $out" '^0 .*nothing to do' "a VM without a port: nothing to do"
dry "no such VM" 777 pre-start
like "$rc $out" '^1 .*VM 777 would not be started' "a VM that is not there: 1"

dry fresh 100 pre-start
want=$rc
like "$out" 'dry run: nothing is changed' "it says what it is"
like "$out" '0000:06:10.2 not taken: named raw in hostpci0 of VM 107' "a VF that is not free, with the reason"
like "$out" '0000:06:10.0 would be taken: free, on enp6s0f0 \(6 free, carrier\)' "the VF chosen, with the reason"
like "$out" 'VLAN none -> 20' "VLAN from -> to"
like "$out" 'MAC 00:00:00:00:00:00 -> bc:24:11:00:00:01' "MAC from -> to"
like "$out" 'driver_override none -> vfio-pci' "driver_override from -> to"
like "$out" 'mapping vf-100-0 on pve1: none -> .*REST: POST /cluster/mapping/pci.*id=vf-100-0.*map=id=8086:10ca,iommugroup=[0-9]+,node=pve1,path=0000:06:10.0' "the REST call with method, path and body"
token=$(cat "$node_root/etc/pve/priv/vfhook.token")
rm "$node_root/etc/pve/priv/vfhook.token"
dry "no token" 100 pre-start
like "$rc $out" '^1 .*/etc/pve/priv/vfhook.token' "no token: it would be refused"
vfhook 100 pre-start >/dev/null 2>&1
is $? "$rc" "as the real one is"
(umask 077 && echo "$token" >"$node_root/etc/pve/priv/vfhook.token")
qm start 100 >/dev/null 2>&1
is "$want" $? "fresh: pre-start ends as the real one"
is "$(cd "$node_root/run/vfhook/leases" && echo *)" 0000:06:10.0 "which takes the VF that was told"

dry "mac auto" 101 pre-start
like "$rc $out" '^0 .*a MAC would be made.*bc:24:11:[0-9a-f:]+ stands for it' "mac auto: a MAC would be made, another stands for it"
like "$out" '0000:06:10.0 not taken: leased by VM 100 .vm100.' "who holds the VFs that are not free"
qm start 101 >/dev/null 2>&1
is $? 0 "mac auto: the real one starts"

# --- running --------------------------------------------------------------------------

for phase in post-start pre-stop; do
	dry running 100 $phase
	want=$rc
	vfhook 100 $phase >/dev/null 2>&1
	is "$want" $? "running: $phase ends as the real one"
done
dry running 100 post-start
like "$out" 'QEMU has VF 0000:06:10.0, as leased' "post-start compares QEMU's VF with the lease"
dry running 100 post-stop
want=$rc
like "$out" 'the VM runs now; once it has stopped' "post-stop of a running VM: told as of its stop"
like "$out" 'VLAN 20 -> none.*MAC bc:24:11:00:00:01 -> none.*drop the lease of VM 100' "the release, step by step"
like "$out" 'VF 0000:06:10.0 .*would be released' "and what it comes to"
dry running 100 pre-start
is "$rc" 0 "pre-start of a running VM: 0"
like "$out" 'the VM runs now; at its next start:' "told as of its next start"
like "$out" '0000:06:10.0 would be taken: the VF that hostpci0 had last' "its own VF counts as its own"
like "$out" 'MAC 00:00:00:00:00:00 -> bc:24:11:00:00:01' "and is planned for as it is after the stop"
qm stop 100 >/dev/null 2>&1
is "$want $(lease_count)" "0 1" "running: post-stop ends as the real one"
dry "last VF" 100 pre-start
if grep -q 'REST:' <<<"$out"; then not_ok "a VF that is kept needs no REST call" "$out"; else ok "a VF that is kept needs no REST call"; fi
qm start 100 >/dev/null 2>&1
is $? "$rc" "and the real one ends the same"

# QEMU has another VF than is leased.
mv "$node_root/run/vfhook/leases/0000:06:10.0" "$node_root/lease.100"
dry "no lease" 100 post-start
like "$out" 'QEMU has VF 0000:06:10.0, meant was none.*lease to VM 100 hostpci0.*would be mended' "post-start: what would be mended"
want=$rc
vfhook 100 post-start >/dev/null 2>&1
is $? "$want" "and the real one ends the same"
sed 's/"vmid":100/"vmid":555/' "$node_root/lease.100" >"$node_root/run/vfhook/leases/0000:06:10.0"
rm "$node_root/lease.100"
dry "another's VF" 100 post-start
like "$rc $out" '^1 .*could NOT be mended.*link state -> disable.*would be taken down' "post-start: the link would be taken down"
vfhook 100 post-start >/dev/null 2>&1
is $? "$rc" "and the real one ends the same"

# --- stale leases -----------------------------------------------------------------------

fresh 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=1,numvfs=1,up=1,autoprobe=0
{
	port 100 "$mac1" 'vlan 7'
	port 101 bc:24:11:00:00:02
} | wan_cfg
vm 100 --hostpci0 mapping=vf-100-0 --name first
vm 101 --hostpci0 mapping=vf-101-0 --name second
sim config set qmeventd 0 >/dev/null
qm start 100 >/dev/null 2>&1
dry exhausted 101 pre-start
like "$rc $out" "^1 .*no VF of pool 'wan' is free for hostpci0:.*0000:06:10.0: (leased by VM 100 'first'|reserved by PVE for VM 100)" "an exhausted pool: 1, and who holds what"
qm start 101 >/dev/null 2>&1
is "$((${?} != 0))" "$rc" "as the real one"
sim kill-vm 100 >/dev/null
sleep 0.3
dry stale 101 pre-start
like "$rc $out" '^0 .*VM 100 is not running but holds VFs .*they would be taken back' "a dead VM's VF would be taken back"
like "$out" 'VLAN 7 -> none.*MAC bc:24:11:00:00:01 -> none.*drop the lease of VM 100' "step by step"
like "$out" '0000:06:10.0 would be taken: free.*MAC 00:00:00:00:00:00 -> bc:24:11:00:00:02' "and counts as free, and parked"
dry "own stale" 100 pre-start
want=$rc
dry "own stale" 100 post-stop
like "$out" 'drop the lease of VM 100' "its own post-stop would release it"
sim hold-lock vm:100 4 >/dev/null 2>&1 &
holder=$!
sleep 1.5
dry "locked stale" 101 pre-start
like "$rc $out" '^1 .*leased by VM 100' "while PVE's lock on it is held it is not taken back"
wait $holder
qm start 100 >/dev/null 2>&1
is $? "$want" "own stale lease: the real start ends the same"
qm stop 100 >/dev/null 2>&1
qm start 101 >/dev/null 2>&1
is $? 0 "and so does the other VM's"
qm stop 101 >/dev/null 2>&1

# A crashed run, killed at each place in turn.
for n in 0 1 2; do
	fake_set enp6s0f0 "p['quirks']=['die-after:$n']"
	(vfhook 100 pre-start) >/dev/null 2>&1
	is $? $((n < 2 ? 137 : 0)) "start killed before setting $((n + 1)), if there is one"
	fake_set enp6s0f0 "p['quirks']=[]"
	((n < 2)) || break
	dry crashed 101 pre-start
	like "$out" 'an earlier start of guest 100 was cut off in the middle: would be undone:.*drop the lease' "what recovery would do"
	want=$rc
	like "$out" 'would be undone:.*0000:06:10.0 would be taken' "it comes first, and what it frees is free"
	vfhook 101 pre-start >/dev/null 2>&1
	is $? "$want" "as the real one finds"
	vfhook 101 post-stop >/dev/null 2>&1
done
fake_set enp6s0f0 "p['quirks']=['die-after:1']"
(vfhook 100 post-stop) >/dev/null 2>&1
fake_set enp6s0f0 "p['quirks']=[]"
dry crashed 101 pre-start
like "$rc $out" '^0 .*an earlier release for guest 100 was cut off in the middle: would be finished:.*drop the lease of VM 100.*0000:06:10.0 would be taken' "a release that was cut off would be finished"
vfhook 101 pre-start >/dev/null 2>&1
is $? "$rc" "as the real one finds"
vfhook 101 post-stop >/dev/null 2>&1
echo '{' >"$node_root/run/vfhook/journal/100"
dry "broken journal" 101 pre-start
like "$rc $out" '^0 .*/run/vfhook/journal/100.*would be put aside as 100.broken' "a journal that cannot be read would be put aside"
dry "own broken journal" 100 post-stop
want=$rc
vfhook 100 post-stop >/dev/null 2>&1
is $? "$want" "as the real one does"

# --- hand-over ------------------------------------------------------------------------------

fresh
{
	port 100 "$mac1"
	port 102 bc:24:11:00:00:02
} | wan_cfg
vm 100 --hostpci0 mapping=vf-100-0
vm 102 --machine q35
qm clone 100 103 --name clone >/dev/null
vm 104 --hostpci0 mapping=wan
vm 105 --hostpci0 0000:06:10.6,rombar=0
vm 106 --hostpci0 mapping=vf-999-0
# hand_over VMID VALUE REGEX - what the job would do; then the real one, which refuses too.
hand_over() {
	dry "hand-over" "$1" pre-start
	like "$rc $out" "^1 .*hostpci0 must become '$2'" "VM $1: hostpci0 would become $2"
	like "$out" "$3" "VM $1: and how"
	like "$out" "REST: POST /nodes/pve1/qemu/$1/status/start" "VM $1: and the start"
	qm start "$1" >/dev/null 2>&1
	is "$((${?} != 0))" 1 "VM $1: the real start is refused too"
	wait_for 20 vm_runs "$1"
	wait_for 10 grep -q running "$node_root/run/vfhook/job-$1.log"
}
hand_over 102 mapping=vf-102-0,pcie=1 'REST: PUT /nodes/pve1/qemu/102/config.*hostpci0=mapping=vf-102-0,pcie=1.*digest='
hand_over 103 mapping=vf-103-0 'port 103-0 in /etc/pve/vfhook.cfg: none -> pool wan.*REST: PUT .*hostpci0=mapping=vf-103-0'
hand_over 104 mapping=vf-104-0 'port 104-0 in /etc/pve/vfhook.cfg: none -> pool wan.*REST: POST /cluster/mapping/pci.*id=vf-104-0'
hand_over 105 mapping=vf-105-0,rombar=0 'path=0000:06:10.6.*qm set 105 --hostpci0 mapping=vf-105-0,rombar=0'
dry "refused" 106 pre-start
like "$rc $out" '^1 .*VM 106 would not be started: hostpci0: it names vf-999-0' "what is refused for good has its reason"

done_testing
