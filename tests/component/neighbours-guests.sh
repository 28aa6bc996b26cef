#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# neighbours-guests.sh - guests that vfhook comes to: VMs that name a VF, several, or the PF itself by a raw address
# or a mapping of the user's own, containers with our hookscript, another script that refuses.
#
# shellcheck disable=SC2016 # for another shell to expand

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

dev() { echo "$node_root/sys/bus/pci/devices/$1"; }
override() { cat "$(dev "$1")/driver_override"; }
group_of() { basename "$(readlink "$(dev "$1")/iommu_group")"; }
path_of() { sed -n "/^$1\$/,/^\$/s/.*path=\([^,]*\).*/\1/p" "$node_root/etc/pve/mapping/pci.cfg"; }
config() { qm config "$1" | sed -n "s/^$2: //p"; }
port() { sed -n "/^port: $1\$/,/^\$/p" "$node_root/etc/pve/vfhook.cfg" | tr -d '\t' | tr '\n' ' '; }
# mapping ID VF... - a mapping of the user's, an entry for each VF.
mapping() {
	local vf
	printf '%s\n' "$1"
	for vf in "${@:2}"; do
		printf '\tmap id=8086:154c,iommugroup=%s,node=pve1,path=%s,subsystem-id=8086:0000\n' "$(group_of "$vf")" "$vf"
	done
	echo
}
# by_hand IFNAME VF MAC VLAN - what a unit of the user's has set.
by_hand() {
	fake_set "$1" "
while len(p['vfs']) <= $2: p['vfs'].append({'mac': '00:00:00:00:00:00', 'vlan': 0, 'vlan-qos': 0, 'vlan-proto': '802.1Q', 'spoofchk': True, 'trust': False, 'min-rate': 0, 'max-rate': 0, 'link-state': 'auto', 'query-rss': False})
p['vfs'][$2].update({'mac': '$3', 'vlan': $4, 'trust': True, 'max-rate': 500})"
}
auto() { node_up 0000:06:00.0,driver=i40e,ifname=enp6s0f0,vfs=64,numvfs="${1:-4}",up=1,autoprobe=1; }

# --- VMs by hand go on as they did, and are named ---

auto 5
pve_up || exit 1
{
	mapping mine 0000:06:02.1
	mapping many 0000:06:02.3 0000:06:02.4
} >"$node_root/etc/pve/mapping/pci.cfg"
for id in 105 106 107; do qm create $id --name "vm$id" >/dev/null; done
qm set 105 --hostpci0 mapping=mine >/dev/null
qm set 106 --hostpci0 0000:06:02.2,rombar=0 >/dev/null
qm set 107 --hostpci0 mapping=many >/dev/null
out=$(qm start 106 2>&1)
is "$?" 0 "before there is a pool a VM with a raw VF starts"
qm stop 106 >/dev/null 2>&1
pybind() { # VF DRIVER: as the kernel leaves it after a reboot
	rm -f "$(dev "$1")/driver"
	printf '(null)\n' >"$(dev "$1")/driver_override"
}
like "$(vfhook pool add wan --pf enp6s0f0 --vfs 5 2>&1)" "VM 106 hostpci0 names VF 0000:06:02.2 of pool 'wan' by hand.*--take-over" "pool add names it, and how to bring it over"
by_hand enp6s0f0 2 bc:24:11:0b:0b:02 30
out=$(vfhook check 2>&1)
like "$out" 'WARN +VM 106: hostpci0 names VF 0000:06:02.2 of pool .wan. by hand' "check names a VM with a raw VF before boot"
out=$(vfhook --dry-run boot 2>&1)
out=$(vfhook boot 2>&1)
like "$out" "VM 106 hostpci0 names VF 0000:06:02.2 of pool 'wan' by hand.*vfhook attach 106 --slot 0 --take-over" "boot names it, and how to bring it over"
like "$out" "VM 105 hostpci0 names VF 0000:06:02.1 of pool 'wan' by hand \(mapping 'mine'\)" "and the one with a mapping of the user's"
pybind 0000:06:02.2
pybind 0000:06:02.1
out=$(vfhook check 2>&1 | grep -A1 'VM 106')
like "$out" 'FAIL .*does not start.*-> vfhook boot' "a VF without its driver_override, as after a reboot: check says that PVE cannot bind it"
vfhook boot >/dev/null 2>&1
is "$(override 0000:06:02.1) $(override 0000:06:02.2) $(override 0000:06:02.3)" "vfio-pci vfio-pci vfio-pci" "boot lets vfio-pci have the VFs that VMs name by hand"
is "$(vf_get enp6s0f0 2 mac) $(vf_get enp6s0f0 2 vlan) $(lease_count)" "bc:24:11:0b:0b:02 30 0" "and leaves what is set on them"
for id in 105 106 107; do
	out=$(qm start $id 2>&1)
	is "$?" 0 "VM $id starts as before" || diag "$out"
done
like "$(vfhook repair 2>&1)" 'nothing to repair' "repair has nothing to do with them"
for id in 105 106 107; do qm stop $id >/dev/null 2>&1; done
# One that is named only after boot; and repair does what boot does.
pybind 0000:06:02.2
out=$(vfhook repair 2>&1)
like "$? $out" '^0 .*VF 0000:06:02.2, which VM 106 names by hand' "repair lets vfio-pci have such a VF, too"
qm create 108 --name later >/dev/null
qm set 108 --hostpci0 0000:06:02.0 >/dev/null
out=$(qm start 108 2>&1)
is "$?" 0 "a VM that names a free VF by hand after boot starts"
like "$(vfhook check 2>&1)" 'WARN +VM 108: VF 0000:06:02.0 of enp6s0f0, which it names by hand, is parked: it has no link' "check says that it has no link yet"
vfhook repair >/dev/null 2>&1
is "$(vf_get enp6s0f0 0 link-state) $(lease_count)" "auto 0" "repair gives it one, while it runs"
qm stop 108 >/dev/null 2>&1
qm set 108 --delete hostpci0 >/dev/null

# --- what they name is given to nobody ---

for id in 100 101 102; do
	qm create $id --name "vm$id" >/dev/null
	vfhook attach $id >/dev/null 2>&1
done
is "$(path_of vf-100-0) $(path_of vf-101-0) $(path_of vf-102-0)" "0000:06:02.0 0000:06:02.0 0000:06:02.0" "attach: the free VF rather than one that somebody names by hand"
qm start 100 >/dev/null 2>&1
qm start 101 >/dev/null 2>&1
out=$(qm start 102 2>&1)
like "$? $out" "^[1-9].*0000:06:02.1: named by hostpci0 of VM 105.*0000:06:02.2: named raw in hostpci0 of VM 106.*0000:06:02.4: named by hostpci0 of VM 107" \
	"start: no VF that somebody names by hand"
for id in 105 106 107; do
	out=$(qm start $id 2>&1)
	is "$?" 0 "VM $id has kept its VF" || diag "$out"
done
for id in 100 101 102 105 106 107; do qm stop $id >/dev/null 2>&1; done
# A port whose mapping has lost its entry: boot gives it another VF, but not such a one.
sed -i "/^vf-102-0\$/,/^\$/s/path=[^,]*/path=0000:06:1f.0/" "$node_root/etc/pve/mapping/pci.cfg"
vfhook boot >/dev/null 2>&1
unlike() { if [[ $1 =~ $2 ]]; then not_ok "$3" && diag "$1"; else ok "$3"; fi; }
unlike "$(path_of vf-102-0)" '0000:06:02.[123]' "boot's look after the mappings: nor there"

# --- attach that takes over ---

vfhook detach 102 >/dev/null 2>&1
out=$(vfhook attach 106 --slot 0 2>&1)
like "$? $out" '^1 .*MAC bc:24:11:0b:0b:02, VLAN 30.*vfhook attach 106 --slot 0 --take-over' "plain attach does not lose what is set by hand: it proposes to take it over"
out=$(vfhook attach 106 --slot 0 --take-over --dry-run 2>&1)
like "$? $out" '^0 .*port 106-0 .*MAC bc:24:11:0b:0b:02, VLAN 30, trust on, rate max 500' "a dry run tells the port"
is "$(port 106-0) $(config 106 hostpci0)" " 0000:06:02.2,rombar=0" "and does nothing"
out=$(vfhook attach 106 --slot 0 --take-over 2>&1)
is "$?" 0 "take-over of a stopped VM" || diag "$out"
is "$(port 106-0)" "port: 106-0 pool wan mac bc:24:11:0b:0b:02 vlan 30 trust 1 max-rate 500 " "the port has what was set"
is "$(config 106 hostpci0) $(path_of vf-106-0)" "mapping=vf-106-0,rombar=0 0000:06:02.2" "its mapping names the same VF, and other properties are kept"
out=$(qm start 106 2>&1)
like "$? $out" '^0 .*VF 0000:06:02.2 .*kept: MAC bc:24:11:0b:0b:02, VLAN 30' "it starts on it"
qm stop 106 >/dev/null 2>&1
is "$(vf_get enp6s0f0 2 mac) $(vf_get enp6s0f0 2 vlan) $(vf_get enp6s0f0 2 max-rate)" "00:00:00:00:00:00 0 0" "after its stop nothing of it is left on the VF"

# A VM that runs keeps running.
vfhook boot >/dev/null 2>&1
qm start 105 >/dev/null 2>&1
by_hand enp6s0f0 1 bc:24:11:0b:0b:01 40
out=$(vfhook attach 105 --slot 0 --take-over --vlan 41 2>&1)
like "$? $out" '^0 .*keeps running on VF 0000:06:02.1 .*leased' "take-over of a VM that runs, by a mapping of the user's: its VF becomes its leased VF"
is "$(lease_of 0000:06:02.1) $(vf_get enp6s0f0 1 vlan)" "105 running 40" "and stays as it is"
is "$(port 105-0)" "port: 105-0 pool wan mac bc:24:11:0b:0b:01 vlan 41 trust 1 max-rate 500 " "what was asked for besides is in the port"
like "$(vfhook repair 2>&1)" 'nothing to repair' "repair finds nothing wrong"
out=$(vfhook check 2>&1 | grep 'VM 105')
unlike "$out" 'WARN|FAIL' "nor does check"
qm stop 105 >/dev/null 2>&1
is "$(lease_count) $(vf_get enp6s0f0 1 mac) $(vf_get enp6s0f0 1 max-rate)" "0 00:00:00:00:00:00 0" "its stop gives the VF back"
out=$(qm start 105 2>&1)
like "$? $out" '^0 .*VF 0000:06:02.1 .*kept: MAC bc:24:11:0b:0b:01, VLAN 41' "the next start is one with a port"
qm stop 105 >/dev/null 2>&1

# What cannot be taken over, and why.
out=$(vfhook attach 107 --slot 0 --take-over 2>&1)
like "$? $out" "^1 .*means 2 VFs.*start the VM" "a mapping with several VFs, and the VM is off: which one is not known"
qm create 109 --name none >/dev/null
out=$(vfhook attach 109 --slot 0 --take-over 2>&1)
like "$? $out" '^1 .*no hostpci0: .*nothing to take over' "no hostpci0: nothing to take over"
qm set 109 --hostpci0 0000:06:00.0 >/dev/null
out=$(vfhook attach 109 --slot 0 --take-over 2>&1)
like "$? $out" '^1 .*0000:06:00.0 is no VF' "the PF itself is none"
qm set 109 --hostpci0 0000:06:02.3 >/dev/null
by_hand enp6s0f0 3 bc:24:11:0b:0b:01 40
out=$(vfhook attach 109 --slot 0 --take-over 2>&1)
like "$? $out" '^1 .*MAC bc:24:11:0b:0b:01' "a MAC that a port has already is refused"
is "$(port 109-0) $(config 109 hostpci0)" " 0000:06:02.3" "and nothing is changed"

# One step fails: all of it is undone, the lease too.
vfhook detach 105 >/dev/null 2>&1
qm set 105 --hostpci0 0000:06:02.1 >/dev/null
qm start 105 >/dev/null 2>&1
by_hand enp6s0f0 1 bc:24:11:0b:0b:01 40
sed -i '$a exit 1' "$node_root/usr/sbin/qm" && sed -i 's/^exec /: /' "$node_root/usr/sbin/qm"
out=$(vfhook attach 105 --slot 0 --take-over 2>&1)
like "$? $(port 105-0) $(lease_count) $(path_of vf-105-0)" '^1  0 $' "a step that fails: no port, no mapping, no lease" || diag "$out"

# --- driver=keep ---

node_up 0000:06:00.0,driver=mlx5_core,ifname=enp6s0f0np0,vfs=4,numvfs=4,up=1,autoprobe=0
pve_up || exit 1
vfhook pool add wan --pf enp6s0f0np0 --vfs 4 >/dev/null 2>&1
vfhook boot >/dev/null 2>&1
qm create 100 --name fw >/dev/null
vfhook attach 100 >/dev/null 2>&1
qm set 100 --hostpci0 mapping=vf-100-0,driver=keep >/dev/null
vf=$(path_of vf-100-0)
out=$(qm start 100 2>&1)
like "$? $out" '^[1-9].*driver=keep.*mlx5_vfio_pci, is not loaded: modprobe mlx5_vfio_pci' "driver=keep, and the NIC's own VFIO driver is not loaded: refused"
is "$(override "$vf") $(lease_count)" "vfio-pci 0" "and undone"
like "$(vfhook check 2>&1)" 'FAIL +VM 100: .*driver=keep.*mlx5_vfio_pci' "check says so"
mkdir -p "$node_root/sys/bus/pci/drivers/mlx5_vfio_pci"
: >"$node_root/sys/bus/pci/drivers_probe"
out=$(vfhook --dry-run 100 pre-start 2>&1)
like "$out" "driver_override vfio-pci -> mlx5_vfio_pci.*VF $vf: driver none -> mlx5_vfio_pci" "a dry run tells which driver it gets"
out=$(qm start 100 2>&1)
like "$? $out" "^[1-9].*the driver mlx5_vfio_pci does not take VF $vf" "a driver that does not take it: refused"
is "$(<"$node_root/sys/bus/pci/drivers_probe") $(override "$vf") $(lease_count)" "$vf vfio-pci 0" "after the kernel was asked; and undone"
ln -s ../../../../bus/pci/drivers/mlx5_vfio_pci "$(dev "$vf")/driver"
out=$(qm start 100 2>&1)
is "$? $(lease_of "$vf")" "0 100 running" "one that has it is kept" || diag "$out"
out=$(qm stop 100 2>&1; qm start 100 2>&1)
like "$? $out" '^0 .*kept' "and stays for the next start"
out=$(vfhook check 2>&1)
like "$out" 'PASS +PF enp6s0f0np0: the kernel has a VFIO driver of its own for its VFs, mlx5_vfio_pci' "check says which NICs have one"
qm create 101 --name byhand >/dev/null
qm set 101 --hostpci0 "0000:06:00.4,driver=keep" >/dev/null
printf '(null)\n' >"$(dev 0000:06:00.4)/driver_override"
vfhook boot >/dev/null 2>&1
is "$(override 0000:06:00.4)" "(null)" "a VF that a VM names by hand with driver=keep is left to who binds it"
like "$(vfhook check 2>&1)" 'FAIL +VM 101: hostpci0 names VF 0000:06:00.4.*driver=keep, but that VF has no driver' "and check says that nobody has"

# --- the PF itself, several functions, containers, a script that refuses ---

node_up
pve_up || exit 1
vfhook pool add wan --pf enp6s0f0 --vfs 7 >/dev/null 2>&1
vfhook boot >/dev/null 2>&1
for id in 100 101 300 301; do qm create $id --name "vm$id" >/dev/null; done
vfhook attach 100 >/dev/null 2>&1
qm start 100 >/dev/null 2>&1
qm set 300 --hostpci0 0000:06:00.0 >/dev/null
{
	cat "$node_root/etc/pve/mapping/pci.cfg"
	printf '\nnic\n\tmap id=8086:10c9,iommugroup=1,node=pve1,path=0000:06:00.0,subsystem-id=8086:0000\n'
} >"$node_root/pci.new" && cp "$node_root/pci.new" "$node_root/etc/pve/mapping/pci.cfg"
qm set 301 --hostpci1 mapping=nic >/dev/null
out=$(vfhook check 2>&1)
like "$out" 'WARN +VM 300: hostpci0 names PF enp6s0f0 itself: its start takes all 7 VFs away \(VMs with a VF of it now: 100\)' "a VM that names the PF: check says what its start does"
like "$out" "WARN +VM 301: hostpci1 names PF enp6s0f0 itself \(mapping 'nic'\)" "by a mapping, too"
like "$(vfhook status 2>&1 | tr -s '\n ' ' ')" 'this PF itself is named by VM 300 hostpci0, VM 301 hostpci1: its start takes all VFs away' "and status"

qm set 101 --hookscript local:snippets/vfhook --hostpci0 0000:06:10 >/dev/null
out=$(qm start 101 2>&1)
like "$? $out" '^[1-9].*hostpci0: 0000:06:10 means [0-9]+ functions.*qm set 101 --hostpci0 0000:06:10.0' "all functions of a slot, with our hookscript: refused, with a word what to do"
out=$(vfhook check 2>&1 | grep -A1 'VM 101')
like "$out" 'FAIL .*means [0-9]+ functions.*qm set 101 --hostpci0' "check says so too"
like "$(vfhook explain 101)" 'next: hostpci0: .*means [0-9]+ functions' "and explain"
qm set 101 --hostpci0 '0000:06:10.2;0000:06:10.4' >/dev/null
out=$(qm start 101 2>&1)
like "$? $out" '^[1-9].*means 2 functions.*qm set 101 --hostpci0 0000:06:10.2' "several VFs: the same"
qm set 101 --delete hookscript >/dev/null
out=$(vfhook check 2>&1 | grep 'VM 101')
like "$out" 'WARN .*names 2 VFs' "without our hookscript it is a VM by hand"

mkdir -p "$node_root/etc/pve/nodes/pve1/lxc"
printf 'hostname: ct\nhookscript: local:snippets/vfhook\n' >"$node_root/etc/pve/nodes/pve1/lxc/110.conf"
for phase in pre-start post-start pre-stop post-stop; do
	out=$(vfhook 110 $phase 2>&1)
	is "$? $(grep -c . <<<"$out")" "0 0" "our hookscript on a container without a port: $phase ends with 0, quietly" || diag "$out"
done

printf '#!/bin/sh\n[ "$2" = pre-start ] && exit 3\nexit 0\n' >"$node_root/var/lib/vz/snippets/lic.sh"
chmod 755 "$node_root/var/lib/vz/snippets/lic.sh"
qm stop 100 >/dev/null 2>&1
vfhook detach 100 >/dev/null 2>&1
qm set 100 --hookscript local:snippets/lic.sh >/dev/null
vfhook attach 100 >/dev/null 2>&1
qm start 100 >/dev/null 2>&1
out=$(vfhook explain 100 2>&1)
like "$out" 'last start: REFUSED .*local:snippets/lic.sh ended with exit status 3' "explain tells of another script that refused"
like "$out" 'next: .*local:snippets/lic.sh' "and what next"

done_testing
