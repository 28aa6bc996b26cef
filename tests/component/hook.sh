#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# hook.sh - vfhook as PVE's hookscript: starts, stops, clones, races, crashes.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

mac1=bc:24:11:00:00:01
parked=00:00:00:00:00:00

# port VMID MAC [LINE]... - a section of vfhook.cfg.
port() {
	printf 'port: %s-0\n\tpool wan\n\tmac %s\n' "$1" "$2"
	shift 2
	(($# == 0)) || printf '\t%s\n' "$@"
	echo
}

requests() { sim requests 2>/dev/null | grep -vc '"path": "/version"' || :; }
tasks_of() { sim tasks | grep -c ":qmstart:$1:"; }
active_mapping() { grep -A3 "^vf-$1-0" "$node_root/etc/pve/mapping/pci.cfg" | grep -o 'path=[^,]*'; }

# --- start and stop ------------------------------------------------------------

node_up
pve_up || exit 1
port 100 "$mac1" 'vlan 20' 'vlan-qos 3' 'spoofchk 1' 'trust 1' 'max-rate 500' 'link-state enable' 'query-rss 1' | wan_cfg
vm 100 --hostpci0 mapping=vf-100-0
out=$(qm start 100 2>&1)
is $? 0 "a VM with a port starts"
like "$out" 'VM 100 hostpci0: VF 0000:06:10.0 \(VF 0 of enp6s0f0, pool wan\) taken: MAC bc:24:11:00:00:01, VLAN 20 qos 3' \
	"the task log names VM, slot, VF, PF, pool and settings"
is "$(vf_get enp6s0f0 0 mac) $(vf_get enp6s0f0 0 vlan) $(vf_get enp6s0f0 0 vlan-qos) $(vf_get enp6s0f0 0 trust) $(vf_get enp6s0f0 0 max-rate) $(vf_get enp6s0f0 0 link-state) $(vf_get enp6s0f0 0 query-rss)" \
	"$mac1 20 3 on 500 enable on" "the VF has every attribute of the port"
is "$(active_mapping 100)" path=0000:06:10.0 "the mapping names the VF"
like "$(cat "$node_root/run/vfhook/leases/0000:06:10.0")" '"phase":"running".*"qemu-pid":[1-9]' "post-start wrote QEMU's process into the lease"
out=$(qm shutdown 100 --timeout 10 2>&1)
is $? 0 "it shuts down"
like "$out" 'VF 0000:06:10.0 .*released' "post-stop says what it released"
is "$(vf_get enp6s0f0 0 mac) $(vf_get enp6s0f0 0 vlan) $(vf_get enp6s0f0 0 trust) $(vf_get enp6s0f0 0 spoofchk) $(vf_get enp6s0f0 0 max-rate) $(vf_get enp6s0f0 0 link-state) $(vf_get enp6s0f0 0 query-rss)" \
	"$parked 0 off on 0 auto off" "the VF is parked: MAC, VLAN, trust gone, spoofchk on, the rest as before"
is "$(lease_count)" 0 "no lease is left"
out=$(vfhook 100 post-stop 2>&1)
is "$? $out" "0 " "a second post-stop is quiet and harmless"

before=$(requests)
out=$(qm start 100 2>&1)
is $? 0 "the second start works"
like "$out" 'VF 0000:06:10.0 .* kept' "it keeps its VF"
is "$(requests)" "$before" "and needs no REST call"
out=$(vfhook 100 pre-start 2>&1)
like "$? $out" '^1 .*is running already' "pre-start by hand on a running VM is refused"
out=$(vfhook 100 post-stop 2>&1)
like "$? $out" '^1 .*still runs' "post-stop by hand on a running VM keeps its VF"
is "$(vf_get enp6s0f0 0 mac)" "$mac1" "whose settings stay"
tree=$(find "$node_root/run/vfhook" -type f | sort | xargs sha1sum)
vfhook 100 pre-stop
is "$? $(find "$node_root/run/vfhook" -type f | sort | xargs sha1sum)" "0 $tree" "pre-stop changes nothing"
sim guest-poweroff 100 >/dev/null
# shellcheck disable=SC2317 # called by wait_for
nothing_leased() { (($(lease_count) == 0)); }
try "a guest that powers itself off gives its VF back, through qmeventd" wait_for 10 nothing_leased
is "$(vf_get enp6s0f0 0 mac)" "$parked" "and clean"

# A start-up cost that everybody pays: what it asks of the node's files, without the kernel's stand-in.
# It may get less; more needs a reason.
qm stop 100 >/dev/null 2>&1
"$BUILD/tests/killat" -o "$node_root/calls" -l -- "$BUILD/tests/hook-plain" --root "$node_root" 100 pre-start >"$node_root/kept" 2>&1
calls=$(awk -v root="$node_root/" 'index($4, root) == 1 && $3 !~ /k/ && $4 !~ /\/(fake-kernel|sys\/class\/net)/' \
	"$node_root/calls" | wc -l)
like "$(cat "$node_root/kept")" 'VF 0000:06:10.0 .* kept' "a start whose VF stays"
try "makes $calls calls for files of the node, no more than 79" test "$calls" -gt 40 -a "$calls" -le 79
vfhook 100 post-stop >/dev/null
# Guests on bridges over the PF: told if nobody keeps its filter, and no reason to refuse.
sed -i 's/^pool: wan/&\n\tfdb 1/' "$node_root/etc/pve/vfhook.cfg"
out=$(vfhook 100 pre-start 2>&1)
like "$? $out" "^0 .*VM 100: vfhook-fdb.service does not run: from its VF of pool 'wan' it may not reach guests on bridges.*systemctl start vfhook-fdb" "fdb on, and no service: told"
vfhook 100 post-stop >/dev/null
flock "$node_root/run/vfhook/locks/fdb" sleep 60 &
holder=$!
wait_for 30 sh -c "! flock -n '$node_root/run/vfhook/locks/fdb' true"
out=$(vfhook 100 pre-start 2>&1)
is "$? $(grep -c vfhook-fdb <<<"$out")" "0 0" "with it no word"
pkill -P "$holder" sleep
wait "$holder" 2>/dev/null
rm "$node_root/run/vfhook/locks/fdb"
vfhook 100 post-stop >/dev/null
sed -i '/^\tfdb 1/d' "$node_root/etc/pve/vfhook.cfg"

# --- calls -----------------------------------------------------------------------

vm 150
out=$(qm start 150 2>&1)
is "$? $out" "0 " "a VM without a port: exit 0, quietly"
qm stop 150 >/dev/null 2>&1
for args in "100 after-start" "abc pre-start" "99 pre-start" "100" "1e3 post-stop" "-1 pre-start" ""; do
	# shellcheck disable=SC2086 # words on purpose
	out=$(vfhook $args 2>&1)
	is "$? $(wc -l <<<"$out")" "2 1" "wrong call '$args': exit 2, one line"
done
out=$(vfhook 777 pre-start 2>&1)
like "$? $out" '^1 .*VM 777.*(no config|does not exist|No such file)' "a VM that is not there is named"
qm create 160 --name tpl >/dev/null
printf 'template: 1\nhookscript: local:snippets/vfhook\nhostpci0: mapping=vf-100-0\n' >>"$node_root/etc/pve/nodes/pve1/qemu-server/160.conf"
out=$(vfhook 160 pre-start 2>&1)
is "$? $out" "0 " "a template is left alone"

# --- hostpci that PVE cannot see yet ---------------------------------------------

node_up
pve_up || exit 1
port 100 "$mac1" | wan_cfg
vm 100 --machine q35
out=$(qm start 100 2>&1)
like "$? $out" "^[1-9][0-9]* .*hostpci0 must become 'mapping=vf-100-0,pcie=1'.*no hostpci0 yet" "no hostpci0: the start is refused with the reason"
try "and the VM is started again by itself" wait_for 20 vm_runs 100
like "$(qm config 100)" 'hostpci0: mapping=vf-100-0,pcie=1' "with hostpci0 written, pcie=1 on q35"
try "by the time the job is over" wait_for 10 grep -q 'running' "$node_root/run/vfhook/job-100.log"
is "$(tasks_of 100)" 2 "two start tasks, no more"
is "$(vf_get enp6s0f0 0 mac)" "$mac1" "on a VF with its MAC"

qm clone 100 101 --name clone >/dev/null
out=$(qm start 101 2>&1)
like "$out" 'names vf-100-0, the mapping of VM 100' "a clone's start is refused with the reason"
try "and it is started again" wait_for 20 vm_runs 101
like "$(qm config 101)" 'hostpci0: mapping=vf-101-0,pcie=1' "with a mapping of its own"
mac_clone=$(sed -n '/^port: 101-0/,/^$/s/^\tmac //p' "$node_root/etc/pve/vfhook.cfg")
like "$mac_clone" '^bc:24:11:' "its port has a MAC of the datacenter's prefix"
is "$(vf_get enp6s0f0 1 mac)" "$mac_clone" "on a VF of its own, with that MAC"
is "$(vf_get enp6s0f0 0 mac)" "$mac1" "while the first VM keeps its own"
qm stop 101 >/dev/null 2>&1
out=$(qm start 101 2>&1)
is $? 0 "the clone's next start is an ordinary one"
is "$(sed -n '/^port: 101-0/,/^$/s/^\tmac //p' "$node_root/etc/pve/vfhook.cfg")" "$mac_clone" "with the same MAC"

vm 102 --hostpci0 mapping=wan
qm start 102 >/dev/null 2>&1
try "a pool's name as mapping: started" wait_for 20 vm_runs 102
like "$(qm config 102)" 'hostpci0: mapping=vf-102-0' "with a mapping of its own"

vm 103 --hostpci0 0000:06:10.6,rombar=0
qm start 103 >/dev/null 2>&1
try "a raw address of the pool: started" wait_for 20 vm_runs 103
like "$(qm config 103)" 'hostpci0: mapping=vf-103-0,rombar=0' "with a mapping, other options kept"
is "$(active_mapping 103)" path=0000:06:10.6 "on the very VF that was named"

port 104 bc:24:11:00:00:04 >>"$node_root/etc/pve/vfhook.cfg"
vm 104 --hostpci0 mapping=gpu
out=$(qm start 104 2>&1)
like "$out" "VM 104 is not started: hostpci0: it names mapping 'gpu', which is not ours" "another device at a port's slot is never overwritten"
like "$(qm config 104)" 'hostpci0: mapping=gpu' "it stays"
vm 105 --hostpci0 mapping=vf-999-0
out=$(qm start 105 2>&1)
like "$out" 'VM 105 is not started.*VM 999' "a mapping of a VM without a port is refused"

sed -i '/^port: 100-0/,/^$/d' "$node_root/etc/pve/vfhook.cfg"
port 106 bc:24:11:00:00:06 >>"$node_root/etc/pve/vfhook.cfg"
vm 106
rm "$node_root/etc/pve/priv/vfhook.token"
out=$(qm start 106 2>&1)
like "$out" 'VM 106 is not started: .*/etc/pve/priv/vfhook.token' "a missing token is named, with the file"
is "$(tasks_of 106)" 1 "and nothing is started again"

# --- a pool that is empty ------------------------------------------------------------

node_up 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=1,numvfs=1,up=1,autoprobe=0
pve_up || exit 1
{ port 100 "$mac1"; port 101 bc:24:11:00:00:02; } | wan_cfg
vm 100 --hostpci0 mapping=vf-100-0 --name first
vm 101 --hostpci0 mapping=vf-101-0 --name second
qm start 100 >"$node_root/o100" 2>&1 &
qm start 101 >"$node_root/o101" 2>&1
rc101=$?
wait $!
rc100=$?
if ((rc100 == 0)); then winner=100 loser=101 name=first; else winner=101 loser=100 name=second; fi
is "$((rc100 == 0)) $((rc101 == 0))" "$((winner == 100)) $((winner == 101))" "two VMs after one VF: exactly one runs"
like "$(cat "$node_root/o$loser")" "0000:06:10.0: (leased by VM $winner '$name'|reserved by PVE for VM $winner)" "the other one is told who holds it"
is "$(lease_count)" 1 "one lease"
qm stop $winner >/dev/null 2>&1
out=$(qm start $loser 2>&1)
is $? 0 "once it is stopped, the other one starts"
qm stop $loser >/dev/null 2>&1

sim config set vm.100.qemu fail >/dev/null
out=$(qm start 100 2>&1)
like "$? $out" '^[1-9].*QEMU exited' "QEMU fails after pre-start"
is "$(lease_count)" 1 "its VF stays leased, since nobody tells us"
out=$(qm start 101 2>&1)
is $? 0 "the next start of another VM gets that VF back"
like "$out" 'VM 100 is not running but holds VFs' "and says so"
is "$(vf_get enp6s0f0 0 mac)" bc:24:11:00:00:02 "set for the new VM"
qm stop 101 >/dev/null 2>&1
sim config set vm.100.qemu standin >/dev/null

sim config set qmeventd 0 >/dev/null
qm start 100 >/dev/null 2>&1
sim kill-vm 100 >/dev/null
sleep 0.3
is "$(lease_count)" 1 "a crash with qmeventd dead leaves the lease"
out=$(qm start 101 2>&1)
is "$? $(vf_get enp6s0f0 0 mac)" "0 bc:24:11:00:00:02" "the next start takes that VF over, clean"
qm stop 101 >/dev/null 2>&1
sim config set qmeventd 1 >/dev/null

# --- the stale mapping -----------------------------------------------------------------

api() { # WORKER METHOD PATH [CURL-ARG]...
	local worker=$1 method=$2 path=$3
	shift 3
	curl -sS --cacert "$node_root/etc/pve/pve-root-ca.pem" -X "$method" -H "X-Pvesim-Worker: $worker" \
		-H "Authorization: PVEAPIToken=$(<"$node_root/etc/pve/priv/vfhook.token")" \
		"$@" "https://localhost:8006/api2/json$path"
}
# Start VM 100 from worker 0, which has the mapping as it is now in its cache; the hook's PUT goes to another.
stale_start() {
	local upid
	api 0 GET /cluster/mapping/pci/vf-100-0 >/dev/null
	upid=$(api 0 POST /nodes/pve1/qemu/100/status/start |
		python3 -c 'import json,sys; print(json.load(sys.stdin)["data"])')
	sim wait "$upid" >/dev/null 2>&1
	sim log "$upid"
}

node_up
sim config set worker 1 >/dev/null
pve_up || exit 1
port 100 "$mac1" 'vlan 20' | wan_cfg
vm 100 --hostpci0 mapping=vf-100-0
qm start 100 >/dev/null 2>&1
qm stop 100 >/dev/null 2>&1
# The host has VF 0's interface up: not free for us, but PVE would take it.
host_netdev 0000:06:10.0 enp6s0f0v0 igbvf
out=$(stale_start)
like "$out" 'VF 0000:06:10.2 .* taken' "stale mapping: pre-start takes another VF and PUTs it"
like "$out" 'QEMU has VF 0000:06:10.0, meant was 0000:06:10.2' "post-start notices that QEMU got the old one"
like "$out" 'mended: VF 0000:06:10.0' "and mends it"
is "$(vf_get enp6s0f0 0 mac) $(vf_get enp6s0f0 0 vlan)" "$mac1 20" "the VF that the guest has is set as asked"
is "$(vf_get enp6s0f0 1 mac) $(vf_get enp6s0f0 1 vlan)" "$parked 0" "the other one is parked"
is "$(cd "$node_root/run/vfhook/leases" && echo *)" 0000:06:10.0 "the lease moved"
is "$(active_mapping 100)" path=0000:06:10.0 "and the mapping says what is true"
qm stop 100 >/dev/null 2>&1
is "$(lease_count) $(vf_get enp6s0f0 0 mac)" "0 $parked" "stopped, it is clean"

# The same, but the VF that QEMU gets is on its way to another VM.
lease() { printf '{"version":1,"vf":"%s","pf":"0000:06:00.0","index":%s,"vmid":%s,"slot":0,"pool":"wan","name":"other","phase":"starting","taken":1,"qemu-pid":0,"qemu-start":0,"before":{},"want":{}}' "$@"; }
lease 0000:06:10.0 0 555 >"$node_root/run/vfhook/leases/0000:06:10.0"
sim hold-lock vm:555 300 >/dev/null 2>&1 &
holder=$!
wait_for 30 is_locked "$node_root/var/lock/qemu-server/lock-555.conf"
out=$(stale_start)
like "$out" "NOT mended: VF 0000:06:10.0 is not free: leased by VM 555 'other'" "a VF of another VM is not taken from it"
like "$out" 'the link of VF 0000:06:10.0 is taken down.*a job stops it and starts it again, once' "its link is taken down and it is told what comes (restart.sh)"
is "$(vf_get enp6s0f0 0 link-state)" disable "the link is down"
qm stop 100 >/dev/null 2>&1

kill $holder 2>/dev/null
qm stop 100 >/dev/null 2>&1
is "$(cd "$node_root/run/vfhook/leases" && echo *)" 0000:06:10.0 "stopped: only the other VM's lease is left"

done_testing
