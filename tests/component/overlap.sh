#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# overlap.sh - one run does its deed between two lines of another: nobody loses a VF, a port or a
# mapping by that. And what cannot be read is no reason to take a VF away.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
journals() { find "$node_root/run/vfhook/journal" -type f -printf '%f ' 2>/dev/null; }
settings() { echo "$(vf_get enp6s0f0 "$1" mac) $(vf_get enp6s0f0 "$1" vlan)"; }

# ports VM... - a port of each, with a MAC and a VLAN of its own.
ports() {
	local id
	for id; do printf 'port: %d-0\n\tpool wan\n\tmac bc:24:11:00:00:%02x\n\tvlan %d\n\n' "$id" $((id - 100)) $((id - 80)); done | wan_cfg
	for id; do vm "$id"; done
}

# --- Two starts want one stale lease ---

node_up
pve_up || exit 1
ports 101 102 103
plain job 101 >/dev/null 2>&1
plain job 103 >/dev/null 2>&1
qm stop 103 >/dev/null 2>&1
qm set 102 --hostpci0 mapping=vf-102-0 >/dev/null
# What a post-start of VM 101 that was cut off leaves: a lease on another VF too.
sed 's/"vf":"0000:06:10.0"/"vf":"0000:06:10.2"/; s/"index":0/"index":1/' \
	"$node_root/run/vfhook/leases/0000:06:10.0" >"$node_root/run/vfhook/leases/0000:06:10.2"
stopped taker run/vfhook/locks/101 102 pre-start
is $? 0 "a start stops between its look at the leases and the lock of the VM whose VF it wants"
plain 101 post-start >/dev/null 2>&1
# As PVE does it: who calls the hook holds the lock, and keeps it until QEMU runs.
# shellcheck disable=SC2016 # the inner shell's own
flock -o "$node_root/var/lock/qemu-server/lock-103.conf" bash -c '
	"$1" --root "$2" 103 pre-start >/dev/null 2>&1
	: >"$2/started"
	exec sleep 60' - "$BUILD/tests/hook-plain" "$node_root" &
holder=$!
wait_for 20 test -e "$node_root/started"
is "$(lease_of 0000:06:10.2)" "103 starting" "meanwhile another VM starts with that VF"
go_on taker
is "$? $(lease_of 0000:06:10.2) $(settings 1)" "0 103 starting bc:24:11:00:00:03 23" \
	"the first start takes another one, and does not touch it"
kill $holder
wait $holder 2>/dev/null

# --- A VM starts between another's look at its stale lease and the lock ---

node_up
pve_up || exit 1
ports 101 102
plain job 101 >/dev/null 2>&1
qm stop 101 >/dev/null 2>&1
qm set 102 --hostpci0 mapping=vf-102-0 >/dev/null
plain 101 pre-start >/dev/null 2>&1
is "$(lease_of 0000:06:10.0)" "101 starting" "a start of VM 101 that failed has left its lease"
stopped taker run/vfhook/locks/101 102 pre-start
qm start 101 >/dev/null 2>&1
go_on taker
is "$? $(lease_of 0000:06:10.0) $(settings 0) $(vm_runs 101 && echo runs)" "0 101 running bc:24:11:00:00:01 21 runs" \
	"VM 101 starts with it in the last moment, and keeps it"

# --- A live change that the driver refuses half way ---

fake_set enp6s0f0 'p["quirks"]=["fail:trust"]'
before=$(<"$node_root/etc/pve/vfhook.cfg")
out=$(plain set 101 --vlan 35 --trust on 2>&1)
like "$? $out" "^1 .*VM 101: nothing is changed" "the driver refuses the second of two settings of a running VM"
fake_set enp6s0f0 'p["quirks"]=[]'
is "$(settings 0) $(<"$node_root/etc/pve/vfhook.cfg")" "bc:24:11:00:00:01 21 $before" "the first is undone, and the file is as it was"
like "$(cat "$node_root/run/vfhook/leases/0000:06:10.0")" '"want":\{[^}]*"vlan":21' "so is what the lease says"

# --- post-start after a run that was cut off ---

fake_set enp6s0f0 'p["quirks"]=["die-after:1"]'
plain set 101 --vlan 36 --trust on >/dev/null 2>&1
fake_set enp6s0f0 'p["quirks"]=[]'
is "$(journals)" "101 " "set is killed between two settings: its journal is there"
plain 101 post-start >/dev/null 2>&1
is "$(journals) $(settings 0)" " bc:24:11:00:00:01 21" "post-start undoes it first"

# --- A VM moves to this node while repair looks for VMs that are gone ---

node_up
pve_up || exit 1
ports 100
plain job 100 >/dev/null 2>&1
qm stop 100 >/dev/null 2>&1
nodes=$node_root/etc/pve/nodes
mkdir -p "$nodes/pve2/qemu-server"
mv "$nodes/pve1/qemu-server/100.conf" "$nodes/pve2/qemu-server/"
stopped repair etc/pve/nodes/pve2/qemu-server repair
is $? 0 "repair has looked into this node's folder, and not yet into the other's"
mv "$nodes/pve2/qemu-server/100.conf" "$nodes/pve1/qemu-server/"
go_on repair
is "$? $(grep -c '^port: 100-0' "$node_root/etc/pve/vfhook.cfg") $(grep -c '^vf-100-0' "$node_root/etc/pve/mapping/pci.cfg")" \
	"0 1 1" "the VM that moved meanwhile keeps port and mapping"
printf '{"version":3,"ids":{"104":{"node":"pve1","type":"qemu","version":1}}}\n' >"$node_root/etc/pve/.vmlist"
printf '\nport: 104-0\n\tpool wan\n\tmac bc:24:11:00:00:04\n' >>"$node_root/etc/pve/vfhook.cfg"
plain repair >/dev/null 2>&1
is "$(grep -c '^port: 104-0' "$node_root/etc/pve/vfhook.cfg")" 1 "a VM that only pmxcfs's list knows is not gone"
printf '{"version":3,"ids":[' >"$node_root/etc/pve/.vmlist"
out=$(plain repair 2>&1)
like "$? $out" '^1 .*VM 104: whether it is gone cannot be told' "nor is one when that list cannot be understood"
rm "$node_root/etc/pve/.vmlist"
plain repair >/dev/null 2>&1
is "$(grep -c '^port: 104-0' "$node_root/etc/pve/vfhook.cfg")" 0 "one that nobody knows is"

# --- repair is killed while it parks a VF, and a VM takes that VF ---

node_up
pve_up || exit 1
ports 100
mkdir -p "$node_root"/run/vfhook/{locks,leases,journal}
broken=$node_root/run/vfhook/leases/0000:06:10.0
dirty='{"vlan":30,"vlan-qos":0,"vlan-proto":"802.1Q","mac":"bc:24:11:00:00:99","spoofchk":True,"trust":True,"min-rate":0,"max-rate":0,"link-state":"auto","query-rss":False}'
clean='{"vlan":0,"vlan-qos":0,"vlan-proto":"802.1Q","mac":"00:00:00:00:00:00","spoofchk":True,"trust":False,"min-rate":0,"max-rate":0,"link-state":"auto","query-rss":False}'
half_parked() {
	rm -f "$node_root"/run/vfhook/leases/*
	echo '{"version":1' >"$broken"
	fake_set enp6s0f0 "p['vfs']=[$dirty]+[$clean]*6; p['quirks']=['die-after:2']"
	plain repair >/dev/null 2>&1
	fake_set enp6s0f0 'p["quirks"]=[]'
}
half_parked
is "$? $(lease_of 0000:06:10.0) $(cat "$broken.broken")" '0 1 starting {"version":1' \
	"repair killed in the middle: the VF is vfhook's own, and what the file held is kept"
out=$(plain repair 2>&1)
is "$? $(lease_of 0000:06:10.0) $(settings 0)" "0  00:00:00:00:00:00 0" "the next repair finishes it"
half_parked
rm -f "$broken"
plain job 100 >/dev/null 2>&1
before="$(lease_of 0000:06:10.0) $(settings 0)"
out=$(plain repair 2>&1)
is "$before" "100 running bc:24:11:00:00:00 20" "the lease is removed by hand, and a VM takes the VF"
is "$out $(lease_of 0000:06:10.0) $(settings 0)" "vfhook: nothing to repair $before" "no repair touches it then"

qm stop 100 >/dev/null 2>&1
fake_set enp6s0f0 "p['vfs'][3]=$dirty"
like "$(plain status 2>&1)" '  VF 3: still set for a guest: vfhook repair parks it' "a VF without a lease that is set for a guest: status says so"
like "$(plain status --graph 2>&1)" 'VF 3    free.*! still set for a guest: vfhook repair parks it' "its picture too"
like "$(plain status --output-format json 2>&1)" '"problem": ?"still set for a guest: vfhook repair parks it"' "and for programs"
out=$(plain repair 2>&1)
like "$? $out" "^0 .*VF 0000:06:10.6 .* is nobody's, and still set for a guest: parked" "a VF without a lease that is set for a guest is parked by repair"
is "$(plain status 2>&1 | grep -c 'still set')" 0 "which status does not say any more"
is "$(settings 3) $(vf_get enp6s0f0 3 trust) $(plain repair 2>&1)" "00:00:00:00:00:00 0 off vfhook: nothing to repair" "and is clean then"

# --- What cannot be read ---

node_up
pve_up || exit 1
printf 'port: 100-0\n\tpool wan\n\tmac bc:24:11:00:00:01\n\tvlan 20\n\nport: 100-1\n\tpool wan\n\tmac bc:24:11:00:00:02\n\tvlan 30\n\n' | wan_cfg
vm 100
plain job 100 >/dev/null 2>&1
pid=$(<"$node_root/run/qemu-server/100.pid")
rm "$node_root/proc"
mkdir -p "$node_root/proc/$pid"
sed 's/host=0000:06:10.2/host=vf@10.2/' "/proc/$pid/cmdline" >"$node_root/proc/$pid/cmdline"
cp "/proc/$pid/stat" "$node_root/proc/$pid/stat"
ln -s /proc/self "$node_root/proc/self"
out=$(plain 100 post-start 2>&1)
like "$? $out" "^1 .*VM 100: .*nothing is changed.*hostpci1" "QEMU's device for one of two ports is not understood: said"
is "$(lease_count) $(settings 0) $(settings 1)" "2 bc:24:11:00:00:01 20 bc:24:11:00:00:02 30" "nothing is given back"
rm -r "$node_root/proc"
ln -s /proc "$node_root/proc"
mv "$node_root/run/qemu-server/100.pid" "$node_root/pid"
mkdir "$node_root/run/qemu-server/100.pid"
for phase in post-stop pre-start; do
	out=$(plain 100 $phase 2>&1)
	like "$? $out" "^1 .*VM 100.* cannot be told" "$phase, and whether the VM runs cannot be read: left as it is, said"
done
out=$(plain release 100 2>&1)
like "$? $out" "^1 .*100.pid" "so does release"
vm 105
printf '\nport: 105-0\n\tpool wan\n\tmac bc:24:11:00:00:05\n' >>"$node_root/etc/pve/vfhook.cfg"
plain job 105 >/dev/null 2>&1
is "$(lease_of 0000:06:10.0) $(lease_of 0000:06:10.2) $(settings 0)" "100 running 100 running bc:24:11:00:00:01 20" \
	"and a start that needs a VF takes none of those"
rmdir "$node_root/run/qemu-server/100.pid"
mv "$node_root/pid" "$node_root/run/qemu-server/100.pid"

# --- A stop has no business with other VMs' journals ---

node_up
pve_up || exit 1
ports 100 101
plain job 100 >/dev/null 2>&1
plain job 101 >/dev/null 2>&1
qm stop 101 >/dev/null 2>&1
fake_set enp6s0f0 'p["quirks"]=["die-after:1"]'
plain 101 pre-start >/dev/null 2>&1
fake_set enp6s0f0 'p["quirks"]=[]'
out=$(plain 100 post-start 2>&1; qm stop 100 2>&1)
is "$(journals)" "101 " "a VM's post-start and stop leave another VM's journal alone"
out=$(plain 100 pre-start 2>&1)
is "$? $(journals)" "0 " "the next start of any VM recovers it"

# --- VMs that are over, and their leases in turn ---

node_up
pve_up || exit 1
{
	for id in 101 102; do
		for slot in 0 1; do printf 'port: %d-%d\n\tpool wan\n\tmac bc:24:11:00:%02x:%02x\n\n' "$id" $slot $((id - 100)) $slot; done
	done
	printf 'port: 103-0\n\tpool wan\n\tmac bc:24:11:00:03:00\n\n'
} | wan_cfg
for id in 101 102 103; do vm $id; done
for id in 101 102; do plain job $id >/dev/null 2>&1 && qm stop $id >/dev/null 2>&1; done
qm set 103 --hostpci0 mapping=vf-103-0 >/dev/null
for id in 101 102; do plain $id pre-start >/dev/null 2>&1; done
# In the order of the leases 101, 102, 101, 102.
plain 101 post-stop >/dev/null 2>&1
plain 102 post-stop >/dev/null 2>&1
sed -i '/^vf-101-1$/,/^$/s/06:10\.2/06:10.9/; /^vf-102-0$/,/^$/s/06:10\.4/06:10.2/; /^vf-101-1$/,/^$/s/06:10\.9/06:10.4/' "$node_root/etc/pve/mapping/pci.cfg"
for id in 101 102; do plain $id pre-start >/dev/null 2>&1; done
is "$(for vf in 0 2 4 6; do lease_of 0000:06:10.$vf | cut -d' ' -f1; done | xargs)" "101 102 101 102" "two starts that failed, and their leases in turn"
out=$(plain 103 pre-start 2>&1)
is "$? $(grep -c 'is not running but holds VFs' <<<"$out") $(lease_count)" "0 2 1" "a start takes all four back, and tells of each VM once"

# --- A VM that lives, and whose devices cannot be read ---

node_up
pve_up || exit 1
ports 100 101
plain job 100 >/dev/null 2>&1
qm set 101 --hostpci0 mapping=vf-101-0 >/dev/null
pid=$(<"$node_root/run/qemu-server/100.pid")
before=$(settings 0)
# The same pid and command line but for the device's address, which nobody understands.
rm -f "$node_root/proc"
mkdir -p "$node_root/proc/$pid"
for name in stat comm; do cp "/proc/$pid/$name" "$node_root/proc/$pid/"; done
tr '\0' '\n' <"/proc/$pid/cmdline" | sed 's/host=0000:06:10\.0/host=what/' | tr '\n' '\0' >"$node_root/proc/$pid/cmdline"
cp /proc/locks "$node_root/proc/"
out=$(plain 101 pre-start 2>&1; plain repair 2>&1)
is "$(lease_of 0000:06:10.0) $(settings 0)" "100 running $before" "it loses no VF, to a start or to repair"
rm -r "$node_root/proc"
ln -s /proc "$node_root/proc"
qm stop 100 >/dev/null 2>&1

# --- A start follows a stop at once: `qm cleanup` of the QEMU that is gone has the VM's lock for long ---

node_up
pve_up || exit 1
ports 100
plain job 100 >/dev/null 2>&1
lock=var/lock/qemu-server/lock-100.conf
for knob in "cleanup-race 1" "cleanup-wait 4" "cleanup-delay 1"; do
	# shellcheck disable=SC2086 # name and value
	sim config set $knob >/dev/null
done
before=$(settings 0)
qm stop 100 >/dev/null 2>&1
out=$(qm start 100 2>&1)
is "$? $(vm_runs 100 && lease_of 0000:06:10.0)" "0 100 running" "the VM is started again before that"
wait_for 20 is_locked "$node_root/$lock"
out=$(plain release 100 2>&1; plain repair 2>&1)
is "$(lease_of 0000:06:10.0) $(settings 0)" "100 running $before" "while cleanup waits with the lock, neither release nor repair takes its VF"
wait_for 20 flock -n "$node_root/$lock" true
is "$(vm_runs 100 && lease_of 0000:06:10.0) $(settings 0)" "100 running $before" "nor does anybody once that has given up"
out=$(plain set 100 --vlan 77 2>&1)
is "$? $(vf_get enp6s0f0 0 vlan)" "0 77" "and the VM's VF can be set"
qm stop 100 >/dev/null 2>&1
is "$(lease_count)" 0 "and is given back when it stops"

# --- A VF that a container or a program has ---

node_up
pve_up || exit 1
ports 100
dev=$node_root/sys/bus/pci/devices/0000:06:10.0
for driver in igbvf uio_pci_generic; do
	mkdir -p "$node_root/sys/bus/pci/drivers/$driver"
	ln -sfn "../../../bus/pci/drivers/$driver" "$dev/driver"
	: >"$dev/driver_override"
	fake_set enp6s0f0 "p['vfs']=[$dirty]+[$clean]*6"
	like "$(vfhook status 2>&1)" " 0 +unusable" "VF 0 is bound to $driver, without an interface here: status says that nobody gets it"
	plain job 100 >/dev/null 2>&1
	plain boot >/dev/null 2>&1
	plain repair >/dev/null 2>&1
	is "$(lease_of 0000:06:10.0) $(settings 0) $(readlink "$dev/driver" | sed 's,.*/,,')" " bc:24:11:00:00:99 30 $driver" \
		"neither a start nor boot nor repair touches it"
	qm stop 100 >/dev/null 2>&1
done

# --- A driver that does not answer ---

node_up
pve_up || exit 1
ports 100
plain job 100 >/dev/null 2>&1
fake_set enp6s0f0 'p["quirks"]=["slow:300000"]'
touch "$node_root/fake-kernel/hurry"
qm stop 100 >"$node_root/stop.out" 2>&1
like "$(cat "$node_root/stop.out")" "VM 100: the driver of a VF .*has not answered.*vfhook release 100" \
	"the driver hangs: the stop goes on without, and says so"
is "$(vm_runs 100 || echo stopped) $(lease_of 0000:06:10.0)" "stopped 100 running" "the VM is stopped, its VF stays leased"
fake_set enp6s0f0 'p["quirks"]=[]'
wait_for 10 plain release 100
is "$(lease_count) $(settings 0) $(journals)" "0 00:00:00:00:00:00 0 " "once it answers, release cleans it"
done_testing
