#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# race.sh - more VMs than VFs, all at once: at most one owner a VF, every
# running VM on its VF with its MAC, refusals only when the pool is full.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

readonly vms=10 vfs=6
node_up 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=$vfs,numvfs=$vfs,up=1,autoprobe=0
pve_up || exit 1
mac() { printf 'bc:24:11:00:01:%02x' "$1"; }
for ((i = 0; i < vms; i++)); do
	printf 'port: %d-0\n\tpool wan\n\tmac %s\n\n' $((100 + i)) "$(mac $i)"
done | wan_cfg
for ((i = 0; i < vms; i++)); do vm $((100 + i)) --hostpci0 "mapping=vf-$((100 + i))-0"; done

vf_index() {
	local l
	for l in "$node_root"/sys/bus/pci/devices/0000:06:00.0/virtfn*; do
		[[ $(readlink "$l") != *"$1" ]] || echo "${l##*virtfn}"
	done
}

# Lease, QEMU's device and MAC of each running VM agree, and no VF is held twice.
check() {
	local i id vf running=0 bad=0
	for ((i = 0; i < vms; i++)); do
		id=$((100 + i))
		vm_runs $id || continue
		running=$((running + 1))
		vf=$(grep -l "\"vmid\":$id," "$node_root"/run/vfhook/leases/* 2>/dev/null)
		if (($(wc -w <<<"$vf") != 1)); then
			bad=$((bad + 1))
			diag "VM $id runs with these leases: $vf"
			continue
		fi
		vf=${vf##*/}
		if ! tr '\0' ' ' <"/proc/$(<"$node_root/run/qemu-server/$id.pid")/cmdline" | grep -q "host=$vf"; then
			bad=$((bad + 1))
			diag "VM $id does not have $vf"
		fi
		if [[ $(vf_get enp6s0f0 "$(vf_index "$vf")" mac) != "$(mac $i)" ]]; then
			bad=$((bad + 1))
			diag "VM $id: $vf has another MAC"
		fi
	done
	echo "$running running, $bad wrong"
}

# Wait for what was put into the background, but not for the simulator.
pids=()
in_background() {
	"$@" &
	pids+=($!)
}
all_done() {
	wait "${pids[@]}"
	pids=()
}
# shellcheck disable=SC2317 # called through in_background
start_to() { qm start "$1" >"$2" 2>&1; }

for ((i = 0; i < vms; i++)); do in_background start_to $((100 + i)) "$node_root/o$i"; done
all_done
is "$(check | tail -n 1)" "$vfs running, 0 wrong" "$vms starts at once on $vfs VFs: $vfs run, each on its own"
refused=$(grep -l "no VF of pool 'wan' is free" "$node_root"/o* | wc -l)
is "$refused" $((vms - vfs)) "the others are refused because the pool is full"
is "$(lease_count)" $vfs "as many leases as VFs"

# Stops and starts at random, several at a time; now and then QEMU is killed.
# shellcheck disable=SC2317 # called through in_background
at_random() {
	case $1 in
	0) sim kill-vm "$2" ;;
	1 | 2) qm stop "$2" ;;
	*) qm start "$2" ;;
	esac >/dev/null 2>&1
}
RANDOM=7
for ((round = 0; round < 6; round++)); do
	for ((k = 0; k < 5; k++)); do in_background at_random $((RANDOM % 5)) $((100 + RANDOM % vms)); done
	all_done
done
sleep 1
result=$(check)
like "$(tail -n 1 <<<"$result")" '^[0-9]+ running, 0 wrong' "after 30 starts, stops and crashes at random: nobody has another's VF"
printf '%s\n' "$result" | sed 's/^#* */# /'
for ((i = 0; i < vms; i++)); do qm stop $((100 + i)) >/dev/null 2>&1; done
for ((i = 0; i < vms; i++)); do vfhook $((100 + i)) post-stop >/dev/null 2>&1; done
dirty=0
for ((i = 0; i < vfs; i++)); do
	[[ $(vf_get enp6s0f0 $i mac) == 00:00:00:00:00:00 ]] || dirty=$((dirty + 1))
done
is "$dirty $(lease_count) $(find "$node_root/run/vfhook/journal" -type f | wc -l)" "0 0 0" \
	"all stopped: every VF is parked, no lease and no journal is left"

# The one VF that is left belongs to a VM that is over, and another run is clearing that just now.
for ((i = 0; i < vfs - 1; i++)); do qm start $((100 + i)) >/dev/null 2>&1; done
vfhook $((100 + vfs - 1)) pre-start >/dev/null 2>&1
is "$(lease_count)" $vfs "the pool is full: the last VF is what a failed start left"
lock=$node_root/var/lock/qemu-server/lock-$((100 + vfs - 1)).conf
flock "$lock" sleep 0.25 &
wait_for 5 is_locked "$lock"
out=$(vfhook $((100 + vfs)) pre-start 2>&1)
like "$? $out" "^0 .*VM $((100 + vfs)) hostpci0: VF .* (taken|kept)" "a VF that is being given back at this moment is waited for"

# What stops runs for tests/race: never where the stand-in for the kernel has a PF's page, which all others wait for.
status=("$BUILD/tests/vfhook-plain" --root "$node_root" status)
"$BUILD/tests/killat" -o "$node_root/calls" -l -- "${status[@]}" >/dev/null 2>&1
n=$(awk '$3 ~ /k/ && locked { print $1; exit } $3 ~ /k/ && $2 == "flock" { locked = 1 }' "$node_root/calls")
mkfifo "$node_root/go" "$node_root/told"
exec 8<>"$node_root/go" 9<>"$node_root/told"
"$BUILD/tests/killat" -o "$node_root/report" -s "$n" -c 8,9 -- "${status[@]}" >/dev/null 2>&1 &
until read -r -u 9 line && [[ $line == stopped* ]]; do :; done
try "a run that is to be stopped where it has a PF's page (call $n) is stopped behind it" flock -n "$node_root/fake-kernel/enp6s0f0.json" true
echo >&8
wait $!
is "$?" 0 "and goes on"
done_testing
