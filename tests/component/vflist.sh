#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vflist.sh - what the kernel does not tell of a PF's VFs, for one reason or another, and what
# drivers answer to a setting: each VF is unknown for itself alone, and a run waits once.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

parked=00:00:00:00:00:00
quirks() { fake_set enp6s0f0 "p['quirks']=[$1]"; }
mac_of() { vf_get enp6s0f0 "$1" mac; }

node_up
pve_up || exit 1
wan_cfg <<'END'
port: 100-0
	pool wan
	mac bc:24:11:00:00:01
	vlan 20
	trust 1
	max-rate 100

port: 101-0
	pool wan
	mac bc:24:11:00:00:02
END
for id in 100 101; do vm $id --hostpci0 mapping=vf-$id-0; done
for id in 100 101; do qm start $id >/dev/null 2>&1; done
for id in 100 101; do qm stop $id >/dev/null 2>&1; done

# --- a VF that the driver leaves out ---

quirks '"hole:0:2"'
out=$(vfhook 100 pre-start 2>&1)
like "$? $out" '^0 .*VF 0000:06:10.0' "the VF it had last is in reset: looked at again, and kept"
is "$(mac_of 0)" bc:24:11:00:00:01 "and set"
quirks '"hole:0"'
out=$(vfhook 101 pre-start 2>&1)
like "$? $out" '^0 .*VF 0000:06:10.2' "another VM starts beside a VF that is left out"
out=$(vfhook status 2>&1)
like "$out" 'VF 0: the driver does not tell its settings now \(in reset\?\)' "status says of which VF nothing is known"
like "$out" "^Pool wan: 7 VFs: 2 leased, 5 free" "the PF is usable"
is "$(grep -c wanted <<<"$out")" 0 "what cannot be read is no difference"
out=$(vfhook check 2>&1)
like "$out" 'does not tell now what 1 of its VFs are set to, VF 0 first' "so does check"
vfhook 101 post-stop >/dev/null 2>&1
out=$(vfhook 100 post-stop 2>&1)
like "$? $out" '^1 .*VF 0000:06:10.0: the driver does not tell its settings now' "a VF that cannot be read is not given back"
is "$(lease_count)" 1 "its lease stays"
out=$(vfhook 101 pre-start 2>&1)
like "$? $out" '^0 .*VF 0000:06:10.2' "nobody else gets it"
vfhook 101 post-stop >/dev/null 2>&1
quirks ''
out=$(vfhook repair 2>&1)
is "$? $(lease_count) $(mac_of 0)" "0 0 $parked" "repair gives it back as soon as it can be read"

quirks '"hole:6"'
out=$(vfhook 100 pre-start 2>&1)
like "$? $out" '^0 ' "the last VF of the list is missing: a start on another one"
vfhook 100 post-stop >/dev/null 2>&1

# --- no list at all ---

quirks '"no-list"'
out=$(vfhook --dry-run 100 pre-start 2>&1)
like "$? $out" "^1 .*its PF's driver cannot tell what VFs are set to" "a driver that cannot tell: refused, with the reason"
out=$(vfhook check 2>&1)
like "$out" 'the driver igb cannot tell what its VFs are set to: no VM gets one' "check says so"
quirks ''

# --- a VF that stays in reset ---

vfhook 100 pre-start >/dev/null 2>&1
quirks '"busy-after:0"'
before=$(fake_get enp6s0f0 sets-refused)
out=$(vfhook 100 post-stop 2>&1)
rc=$?
tries=$(($(fake_get enp6s0f0 sets-refused) - before))
like "$rc $out" '^1 .*Device or resource busy' "a VF that stays in reset: not released, and said why"
# Ten naps are all that a run's patience has room for; each of the steps is tried once at least.
is "$((tries >= 10 && tries <= 25))" 1 "one patience for the whole stop: $tries tries"
is "$(lease_count)" 1 "the VF is nobody else's meanwhile"
quirks ''
vfhook repair >/dev/null 2>&1
is "$(lease_count) $(mac_of 0)" "0 $parked" "repair gives it back"

# --- drivers ---

quirks '"enotsupp:trust"'
out=$(vfhook 100 pre-start 2>&1)
like "$? $out" '^1 .*the driver igb does not support trust: take it out of the port' "524 is \"not supported\", and told as that"
is "$(lease_count) $(mac_of 0)" "0 $parked" "and undone"
quirks '"enotsupp:link state"'
vfhook 101 pre-start >/dev/null 2>&1
out=$(vfhook 101 post-stop 2>&1)
is "$? $(lease_count)" "0 0" "what the driver lacks is no reason to keep a VF"
quirks ''

# --- groups that are open elsewhere ---

group=$(basename "$(readlink "$node_root/sys/bus/pci/devices/0000:06:10.0/iommu_group")")
fake_vfio "$group" EBUSY
out=$(vfhook --dry-run 100 pre-start 2>&1)
like "$out" "0000:06:10.0 not taken: /dev/vfio/$group is in use by some process" "a VF whose VFIO group is open: not taken"
fake_vfio "$group"

# --- addresses ---

host_netdev 0000:06:10.0 enp6s0f0v0 igbvf
echo 0x1002 >"$node_root/sys/class/net/enp6s0f0v0/flags"
echo 5 >"$node_root/fake-kernel/address-77"
out=$(vfhook --dry-run 100 pre-start 2>&1)
like "$out" 'it cannot be told whether its host interface enp6s0f0v0 has an IP address' "an interface that cannot be asked for addresses: its VF is not taken"

# --- more VFs than Linux 7.3 lists ---

node_up 0000:06:00.0,driver=mlx5_core,ifname=enp6s0f0,vfs=300,numvfs=300,up=1,autoprobe=0
pve_up || exit 1
wan_cfg <<'END'
port: 100-0
	pool wan
	mac bc:24:11:00:00:01
END
vm 100 --hostpci0 mapping=vf-100-0
out=$(vfhook status 2>&1)
like "${out%%$'\n'*}" 'Pool wan: 300 VFs: 0 leased, 300 free' "a kernel that lists 300 VFs: all of them can be had"
quirks '"cap-list"'
out=$(vfhook status 2>&1 | grep VFs)$'\n'$(vfhook status 2>&1 | tail -n 2)
like "$out" ' 256 free' "one that lists 256: those can be had"
like "$out" 'VF 256-299: the kernel lists only the first 256 VFs of a PF' "and the others are named"
out=$(vfhook check 2>&1)
like "$out" 'it has 300 VFs, of which this kernel lists the first 256' "check says so"
plain job 100 >/dev/null 2>&1
is "$(lease_count) $(mac_of 0)" "1 bc:24:11:00:00:01" "a VM starts on it"
fake_set enp6s0f0 "p['stats']=[{'rx-bytes': 5}]*300"
counted() {
	vfhook status --output-format json | python3 -c 'import json,sys
pf = json.load(sys.stdin)["pools"][0]["pfs"][0]
print(sum(v["statistics"] is not None for v in pf["vfs"]), pf["statistics-problem"])'
}
is "$(counted)" "128 the kernel lists the counters of the first 128 VFs only" "of 128 it lists counters too"
is "$(vfhook metrics | grep -c '^vfhook_vf_receive_bytes_total')" 128 "metrics has those"
quirks ''
like "$(counted)" "^0 the kernel's list of 300 VFs with statistics is not whole" "an older kernel's list with counters wraps: there are none"
out=$(vfhook pool add wan --pf enp6s0f0 --vfs 257 2>&1)
like "$? $out" '^[12] .*--vfs 257: 256 is the most' "no pool wants more than every kernel lists"

done_testing
