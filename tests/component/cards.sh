#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# cards.sh - PFs that are no network cards': GPUs, NVMe drives, accelerators. Their VFs are made, parked, leased,
# mapped and given back as a NIC's, nothing is set on them, and nothing says that they had an interface.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
gpu=0000:00:02.0
dev() { echo "$node_root/sys/bus/pci/devices/$1"; }
attr() { cat "$(dev "$1")/$2" 2>/dev/null; }
section() { awk -v head="pool: $1" '$0 == head { on = 1; next } /^[a-z]/ { on = 0 } on' "$node_root/etc/pve/vfhook.cfg"; }
# unlike TEXT REGEX DESCRIPTION
unlike() { if [[ ! $1 =~ $2 ]]; then ok "$3"; else not_ok "$3" "got:   $1" "not:   $2"; fi; }
kernel_pid=
kernel_down() {
	[[ -z $kernel_pid ]] || { kill "$kernel_pid" && wait "$kernel_pid"; } 2>/dev/null
	kernel_pid=
}
trap 'kernel_down; node_down' EXIT
kernel_up() {
	"$sim" --root "$node_root" kernel 2>/dev/null &
	kernel_pid=$!
}
serial=80-86-56-c0-00-00-00-01

# --- The pool ---

node_up "$gpu,driver=i915,vfs=7" "0000:03:00.0,driver=xe,vfs=31,serial=$serial,slot=3" \
	"0000:04:00.0,driver=nvme,vfs=4,nvme-serial=S5GX NN0T 1" "0000:05:00.0,driver=nvidia,vfs=16" \
	0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=7,up=1 0000:07:00.0,driver=4xxx,vfs=16,bound=0
pve_up || exit 1
kernel_up
out=$(vfhook pool add igpu --pf $gpu --vfs 7 2>&1)
like "$? $out" "^0 .*pool 'igpu' on pve1: PF $gpu \(8086:a780, i915\), 0 of 7 VFs.*vfhook boot" "a GPU becomes a pool"
is "$(section igpu)" $'\tpf node=pve1,path='"$gpu"$',id=8086:a780\n\tnetwork off\n\tvfs 7' "which says that it has no network"
out=$(vfhook pool add flex --pf 0000:03:00.0 2>&1)
like "$? $(section flex)" "^0 .*path=0000:03:00.0,id=8086:56c0,serial=$serial,slot=3"$'\n\tnetwork off'"$" "a card is known by its serial number and slot"
out=$(vfhook pool add disk --pf 0000:04:00.0 2>&1)
like "$? $(section disk)" '^0 .*id=1b36:0010,serial=S5GX_NN0T_1' "an NVMe drive by its own number"
before=$(<"$node_root/etc/pve/vfhook.cfg")
out=$(vfhook pool add xx --pf 0000:05:00.0 2>&1)
like "$? $out" "^1 .*NVIDIA.*sriov-manage -e 0000:05:00.0.*leaves alone" "NVIDIA's own way is named, and left alone"
out=$(vfhook pool add xx --pf 0000:07:00.0 2>&1)
like "$? $out" "^1 .*PF 0000:07:00.0 has no driver, so no driver of its own that makes VFs.*blacklisted" "a PF without its driver is none"
out=$(vfhook pool add xx --pf 0000:06:00.0,0000:04:00.0 2>&1)
like "$? $out" "^1 .*PFs of one kind.*0000:04:00.0 is a storage controller" "a pool has PFs of one kind"
out=$(vfhook pool add igpu --pf enp6s0f0 2>&1)
like "$? $out" "^1 .*pool 'igpu' is one of cards without a network.*a pool of their own" "and keeps to it"
for opt in "--fdb on" --allow-pf-down "--host-vfs 0"; do
	# shellcheck disable=SC2086 # two words
	out=$(vfhook pool add igpu --pf $gpu $opt 2>&1)
	like "$? $out" "^1 .*${opt%% *} is for network cards, and PF $gpu is none" "pool add refuses ${opt%% *}"
done
is "$(<"$node_root/etc/pve/vfhook.cfg")" "$before" "nothing of that is written"
out=$(vfhook pool add wan --pf enp6s0f0 --vfs 2 2>&1)
is "$? $(section wan | grep -c network)" "0 0" "a network card's pool says nothing new"
out=$(vfhook pool list 2>&1)
like "$out" "igpu +pve1 +$gpu +- +0/7 +i915" "pool list has no interface for it"
like "$(vfhook pool list --output-format json)" '"pool":"igpu".*"network":false' "and JSON says so"

# --- boot ---

out=$(vfhook --dry-run boot 2>&1)
like "$? $out" "^0 .*PF $gpu: would be set from 0 -> 7 VFs" "a dry run"
out=$(vfhook boot 2>&1)
like "$? $out" "^0 .*PF $gpu: sriov_drivers_autoprobe 1 -> 0, so that VFs come without a driver.*PF $gpu: set from 0 -> 7 VFs.*7 free, 7 parked" "boot makes the VFs, and parks them"
is "$(attr $gpu sriov_numvfs) $(attr $gpu sriov_drivers_autoprobe) $(attr 0000:00:02.3 driver_override)" "7 0 vfio-pci" "without a driver of the host, and none but vfio-pci may have them"
like "$(<"$node_root/var/lib/vfhook/boot.cfg")" "pool: igpu.*network off" "the node's own copy knows of what kind it is"
like "$(<"$node_root/etc/pve/nodes/pve1/vfhook.json")" '0000:00:02.3' "the other nodes are told of them"
unlike "$out" 'enp0s2|link|MAC' "no word of an interface"
out=$(vfhook boot 2>&1)
like "$? $out" "^0 .*PF $gpu: 7 VFs, 7 free"$'\n' "a second run leaves them"

# --- Ports ---

qm create 100 --name desk --machine q35 >/dev/null
for opt in "--mac auto" "--vlan 20" "--spoofchk on" "--trust on" "--max-rate 100" "--min-rate 1" "--link-state auto" "--query-rss on" \
	"--live-migration on" "--vlan-qos 3"; do
	# shellcheck disable=SC2086
	out=$(vfhook attach 100 --pool igpu $opt 2>&1; echo " status $?")
	key=${opt%% *}
	like "$out" "'${key#--}' is not for a port of pool 'igpu', which is none of network cards.* status 1$" "attach refuses $key by name"
done
pct create 110 --hostname ct110 >/dev/null
for name in '--name eth1' ''; do
	# shellcheck disable=SC2086
	out=$(vfhook attach 110 --pool igpu $name 2>&1; echo "status $?")
	like "$out" "^vfhook: CT 110 is not attached: a port with a 'name' is a container's network interface, and pool 'igpu' is none of network cards.*status 1$" "a container's is refused${name:+, with $name}"
	is "$(wc -l <<<"$out")" 2 "in one line"
done
out=$(vfhook attach 100 --pool igpu --slot 1 2>&1)
like "$? $out" "^0 .*port 100-1 in /etc/pve/vfhook.cfg: pool igpu.*hostpci1: mapping=vf-100-1,pcie=1" "attach"
unlike "$out" MAC "no MAC is made"
is "$(grep -A3 'port: 100-1' "$node_root/etc/pve/vfhook.cfg")" $'port: 100-1\n\tpool igpu' "the port has nothing but its pool"
like "$(<"$node_root/etc/pve/mapping/pci.cfg")" "id=8086:a780.*path=0000:00:02" "its mapping names a VF"
out=$(vfhook set 100 --vlan 20 2>&1)
like "$? $out" "^1 .*'vlan' is not for a port of pool 'igpu'" "set refuses too"
out=$(qm start 100 2>&1)
like "$? $out" "^0 .*VF (0000:00:02.[1-7]) \(VF [0-6] of $gpu, pool igpu\) kept" "it starts"
unlike "$out" 'MAC|VLAN|carrier|link' "and nothing of a network is told"
vf=$(grep -o '0000:00:02\.[1-7]' <<<"$out" | head -n 1)
is "$(lease_of "$vf")" "100 running" "its VF is leased"
is "$(basename "$(readlink "$(dev "$vf")/driver")")" vfio-pci "and QEMU has it"

# --- What is shown ---

out=$(COLUMNS=120 vfhook status 2>&1)
like "$out" "PF $gpu \(i915\)" "status names the PF by its address and driver"
like "$out" "VF +STATE +VM +SLOT +ADDRESS +DRIVER +GROUP" "its table has no network in it"
like "$out" "running +100 desk +1 +$vf +vfio-pci" "and the VM"
out=$(vfhook status --output-format json)
like "$(python3 -c 'import json,sys
for p in json.load(sys.stdin)["pools"]:
    if p["name"] == "igpu":
        f = p["pfs"][0]; print(p["network"], f["ifname"], f["up"], f["carrier"], f["problem"], f["totals"]["leased"])' <<<"$out")" \
	'^False None None None None 1$' "JSON has no interface"
out=$(vfhook metrics)
like "$out" "vfhook_vfs\{pool=\"igpu\",pf=\"$gpu\",state=\"running\"\} 1" "metrics count it"
unlike "$out" "pf_carrier\{pool=\"igpu\"" "and know no cable"
out=$(vfhook explain 100 2>&1)
unlike "$out" 'MAC|VLAN' "explain"
out=$(vfhook repair 2>&1)
like "$? $out" '^0 ' "repair finds nothing"
out=$(vfhook repair --check 2>&1)
unlike "$out" "PF $gpu" "nor does the watch"

# A lease file that is none: what it is of is told by the card's class.
echo '?' >"$node_root/run/vfhook/leases/0000:00:02.7"
out=$(vfhook repair 2>&1)
like "$? $out $(lease_of 0000:00:02.7)" "^0 .*VF 0000:00:02.7 .*parked.*1 repaired, 0 left $" "a broken lease of such a VF is mended"
echo '?' >"$node_root/run/vfhook/leases/$vf"
out=$(vfhook repair 2>&1)
like "$? $out" "^0 .*VF $vf, which VM 100 runs on, has a lease file that cannot be used" "that of a running VM too"
like "$(lease_of "$vf") $(<"$node_root/run/vfhook/leases/$vf")" '^100 running .*"no-network":1' "it is the VM's again"
rm -f "$node_root"/run/vfhook/leases/*.broken

# --- check ---

checked() { vfhook check 2>&1 | grep -A1 -E -- "$1"; }
module() { mkdir -p "$node_root/sys/module/$1/parameters" && echo "$3" >"$node_root/sys/module/$1/parameters/$2"; }
like "$(checked "PF $gpu")" "a graphics card, driver i915, up to 7 VFs, pool 'igpu'" "check knows the card"
like "$(checked "PF $gpu")" "i915 that is loaded has no parameter max_vfs: the kernel's own makes no VFs.*i915-sriov-dkms" "and the kernel's own i915"
module i915 max_vfs 0
like "$(checked "PF $gpu")" "i915 may make no VFs .*max_vfs is 0.*i915.max_vfs=7" "one that was not told"
module i915 max_vfs 7
module i915 enable_guc 2
like "$(checked "PF $gpu")" "submits without GuC \(enable_guc is 2\).*enable_guc=3" "one without GuC"
module i915 enable_guc 3
like "$(checked "PF $gpu")" "i915 with SR-IOV \(max_vfs 7, enable_guc 3\)" "and one that is right"
like "$(checked "PF 0000:03:00.0")" "xe may make 31 VFs" "xe"
echo 0 >"$(dev 0000:03:00.0)/sriov_totalvfs"
like "$(checked "PF 0000:03:00.0")" "xe makes no VFs of this GPU .*depends on the kernel, GuC firmware and platform" "xe that can make none"
module xe max_vfs 0
like "$(checked "PF 0000:03:00.0")" "its parameter max_vfs is 0.*xe.max_vfs=7" "or was not told to"
echo 31 >"$(dev 0000:03:00.0)/sriov_totalvfs"
like "$(checked "PF 0000:04:00.0")" "namespaces and queues .* drive's own management" "NVMe"
like "$(checked "PF 0000:05:00.0")" "NVIDIA's: its VFs are made by sriov-manage.*leaves them alone" "NVIDIA's way"
unlike "$(checked "PF 0000:0[0345]:0[02].0")" "carrier|interface|cable|MTU" "no word of a network"

# --- Two nodes ---

etc=$node_root/etc/pve
mkdir -p "$etc/nodes/pve2/qemu-server"
sed 's/0000:00:02/0000:00:03/g' "$etc/nodes/pve1/vfhook.json" >"$etc/nodes/pve2/vfhook.json"
sed -i 's/^pool: igpu/&\n\tpf node=pve2,path=0000:00:03.0,id=8086:a780/' "$etc/vfhook.cfg"
qm create 105 --name both-nodes >/dev/null
out=$(vfhook attach 105 --pool igpu 2>&1)
like "$? $out" '^0 .*mapping vf-105-0 on pve2: none -> .*node=pve2,path=0000:00:03' "attach writes the mapping's entry of the other node, too"
is "$(sed -n '/^vf-105-0/,/^$/p' "$etc/mapping/pci.cfg" | grep -c '^	map .*id=8086:a780.*node=pve[12]')" 2 "so that it may go there"
out=$(qm start 105 2>&1)
like "$? $(sed -n '/^vf-105-0/,/^$/p' "$etc/mapping/pci.cfg")" '^0 .*node=pve2,path=0000:00:03' "a start here leaves that one alone"
qm stop 105 >/dev/null 2>&1
vfhook detach 105 >/dev/null 2>&1
qm destroy 105 >/dev/null 2>&1
sed -i '/node=pve2/d' "$etc/vfhook.cfg"
rm -r "$etc/nodes/pve2"

# --- Both or none ---

qm create 101 --name both >/dev/null
vfhook boot >/dev/null 2>&1
vfhook attach 101 --pool igpu --slot 0 >/dev/null 2>&1
vfhook attach 101 --pool wan --slot 1 --vlan 20 --mac bc:24:11:00:00:01 >/dev/null 2>&1
out=$(qm start 101 2>&1)
like "$? $out" '^0 .*pool igpu.*pool wan.*VLAN 20' "a VM with a NIC's VF and a GPU's"
is "$(lease_count)" 3 "has both"
qm stop 101 >/dev/null 2>&1
is "$(lease_count)" 1 "and gives both back"
fake_set enp6s0f0 'p["quirks"] = ["fail:VLAN"]'
out=$(qm start 101 2>&1)
like "$? $out" '^[1-9].*VLAN' "the NIC refuses: no start"
is "$(lease_count)" 1 "and the GPU's VF is not kept either"
fake_set enp6s0f0 'p["quirks"] = []'
for i in 1 2 3 4 5 6 7; do "$sim" --root "$node_root" bind "0000:00:02.$i" i915 2>/dev/null; done
out=$(qm start 101 2>&1)
like "$? $out" "^[1-9].*driver i915 of this host has it" "no GPU's VF is free: no start, and why"
is "$(lease_count) $(vf_get enp6s0f0 0 vlan)" "1 0" "the NIC's VF is left as it was"

# --- Other properties of hostpciN ---

qm create 102 --name props --machine q35 >/dev/null
hostpci() { qm config 102 | sed -n "s/^hostpci$1: //p"; }
for wish in "mapping=vf-1-1:'mapping' says which device" "host=00:02.1:'host' says which device" "00:02.1:is no key=value" \
	"mdev=x:'mdev' is for mediated" "rombar=2:'rombar' is 1 or 0" "x-vga=:'x-vga' has no value" "rom-bar=1:has no 'rom-bar'" \
	"rombar=0,rombar=1:twice" "vendor-id=8086:'vendor-id' is like 0x8086" "driver=nouveau:'driver' is keep or vfio" "romfile=../x:is a file below" \
	":it is empty" "rombar=0,:is no key=value"; do
	what=${wish%%:\'*}
	[[ $wish == *:\'* ]] || what=${wish%:*}
	why=${wish#"$what":}
	out=$(vfhook attach 102 --pool igpu --slot 2 --hostpci "$what" 2>&1; echo " status $?")
	like "$out" "--hostpci: .*$why.* status 1$" "--hostpci '$what' is refused by name"
done
is "$(hostpci 2)" "" "nothing is written"
out=$(vfhook attach 102 --pool igpu --slot 2 --hostpci rombar=0,x-vga=1 2>&1)
is "$? $(hostpci 2)" "0 mapping=vf-102-2,pcie=1,rombar=0,x-vga=1" "others are passed on"
out=$(vfhook attach 102 --pool igpu --slot 2 --hostpci x-vga=1 2>&1)
like "$? $out" "^0 .*attached already" "once more is the same"
out=$(vfhook attach 102 --pool igpu --slot 2 --hostpci x-vga=0 2>&1)
like "$? $out" "^1 .*qm set 102 --hostpci2 mapping=vf-102-2,pcie=1,rombar=0,x-vga=0" "another one is PVE's to set"
out=$(vfhook attach 102 --pool wan --slot 3 --vlan 30 --hostpci pcie=0,rombar=0 2>&1)
is "$? $(hostpci 3)" "0 mapping=vf-102-3,pcie=0,rombar=0" "for a NIC's port too, in place of what q35 has"
qm create 103 --name i440 >/dev/null
out=$(vfhook attach 103 --pool igpu --hostpci pcie=1 2>&1)
like "$? $out" "^1 .*'pcie=1' wants a machine of type q35" "pcie=1 on another machine would not start"
qm clone 102 104 >/dev/null 2>&1 && {
	out=$(vfhook attach 104 --slot 2 2>&1)
	like "$? $(qm config 104 | grep hostpci2)" "^0 hostpci2: mapping=vf-104-2,pcie=1,rombar=0,x-vga=1" "a clone keeps them"
}

# --- A VFIO driver of the card's own ---

vfhook pool add flex --pf 0000:03:00.0 --vfs 2 >/dev/null 2>&1
vfhook boot >/dev/null 2>&1
qm create 106 --name keeps >/dev/null
out=$(vfhook attach 106 --pool flex --hostpci driver=keep 2>&1)
is "$? $(qm config 106 | sed -n 's/^hostpci0: //p')" "0 mapping=vf-106-0,driver=keep" "driver=keep goes into hostpciN"
out=$(qm start 106 2>&1)
like "$? $(lease_count) $out" '^255 1 .*driver=keep.*xe-vfio-pci, is not loaded: modprobe xe-vfio-pci' "the card's own VFIO driver is not loaded: refused"
like "$(vfhook check 2>&1)" 'FAIL +VM 106: .*driver=keep.*xe-vfio-pci' "check says so"
keeps=0000:03:00.1
mkdir -p "$node_root/sys/bus/pci/drivers/xe-vfio-pci"
like "$(vfhook --dry-run 106 pre-start 2>&1)" "VF $keeps: driver none -> xe-vfio-pci" "loaded, it is to have the VF when QEMU opens it"
sim bind $keeps xe-vfio-pci # as the kernel does, when it is asked: the stand-in takes its time
driver_of() { basename "$(readlink "$(dev "$1")/driver")"; }
out=$(qm start 106 2>&1)
is "$? $(driver_of "$keeps") $(lease_of "$keeps")" "0 xe-vfio-pci 106 running" "and has it" || diag "$out"
for c in boot repair; do
	vfhook "$c" >/dev/null 2>&1
	is "$(driver_of "$keeps") $(lease_of "$keeps")" "xe-vfio-pci 106 running" "$c leaves it"
done
like "$(vfhook check 2>&1)" 'PASS +PF 0000:03:00.0: the kernel has a VFIO driver of its own for its VFs, xe-vfio-pci' "check says which cards have one"
qm stop 106 >/dev/null 2>&1
is "$(lease_of "$keeps") $(attr "$keeps" driver_override)" " vfio-pci" "a stop parks it"
vfhook detach 106 >/dev/null 2>&1
qm destroy 106 >/dev/null 2>&1

# --- The end, and a reboot ---

for i in 1 2 3 4 5 6 7; do [[ 0000:00:02.$i == "$vf" ]] || "$sim" --root "$node_root" bind "0000:00:02.$i" none; done
"$sim" --root "$node_root" bind "$vf" vfio-pci
out=$(qm stop 100 2>&1)
like "$out" "VF $vf \(VF [0-6] of $gpu\) released" "a stop gives it back"
is "$(lease_count)" 0 "no lease is left"
kernel_down
sim crash-host >/dev/null
kernel_up
out=$(vfhook boot --early 2>&1)
like "$? $out $(attr $gpu sriov_numvfs)" "^0 .*PF $gpu: set from 0 -> 7 VFs.* 7$" "after a reboot they are made again, before /etc/pve is there"
out=$(vfhook boot 2>&1)
is "$?" 0 "and parked"
out=$(qm start 100 2>&1)
like "$? $out" "^0 .*VF 0000:00:02.[1-7] .*kept" "the VM has one again"
qm stop 100 >/dev/null 2>&1

# --- The card moves ---

kernel_down
node_up "0000:03:00.0,driver=xe,vfs=31,serial=$serial"
pve_up || exit 1
kernel_up
vfhook pool add flex --pf 0000:03:00.0 --vfs 2 >/dev/null 2>&1
vfhook boot >/dev/null 2>&1
qm create 100 --name desk >/dev/null
vfhook attach 100 >/dev/null 2>&1
out=$(qm start 100 2>&1)
is $? 0 "a VM on a card with a number"
# Another card of that model in its place: the number is another one.
other=80-86-56-c0-00-00-00-02
sed -i 's/serial=[^,]*/serial='$other/ "$node_root/etc/pve/vfhook.cfg"
out=$(qm stop 100 2>&1)
is "$(lease_count)" 0 "a stop asks for no card"
out=$(qm start 100 2>&1)
like "$? $out" "^[1-9].*PF 0000:03:00.0 is another card than the pool's: it is 8086:56c0, serial $serial, not 8086:56c0, serial $other" \
	"a start never uses another card"
out=$(vfhook boot 2>&1)
like "$? $out" "^1 .*it is another card than the pool's.*vfhook pool add flex --pf 0000:03:00.0" "nor does boot"
out=$(vfhook repair --check 2>&1)
like "$out" "PF 0000:03:00.0 is another card than pool 'flex' means" "the watch says so"
# It is in another slot.
kernel_down
sim crash-host >/dev/null
sim mktree --pf "0000:41:00.0,driver=xe,vfs=31,serial=$other" >/dev/null
kernel_up
out=$(vfhook boot 2>&1)
like "$? $out" "^0 .*PF 0000:03:00.0 is at 0000:41:00.0 now \(known by its serial number\): changed in .*set from 0 -> 2 VFs" "boot finds it by its number"
like "$(section flex)" "path=0000:41:00.0,id=8086:56c0,serial=$other" "and writes where it is"
out=$(qm start 100 2>&1)
like "$? $out" "^0 .*VF 0000:41:00.1" "the VM has its VF there"
# By hand, without anything to know it by: noted at the next boot.
qm stop 100 >/dev/null 2>&1
sed -i "s/,id=8086:56c0,serial=$other//" "$node_root/etc/pve/vfhook.cfg"
out=$(vfhook boot 2>&1)
like "$? $out" "^0 .*noted in /etc/pve/vfhook.cfg: what to know it by: 8086:56c0, serial $other" "what a card is known by is noted"

# --- By hand in vfhook.cfg ---

bad() {
	printf 'pool: flex\n\tnetwork off\n\tpf node=pve1,path=0000:41:00.0%s\n\nport: 100-0\n\tpool flex\n%s' "$1" "${2:-}" | cfg
	vfhook check 2>&1
}
like "$(bad ,mac=02:00:00:00:00:01)" "vfhook.cfg:1: 'pf' has a 'mac', and with 'network off' it has none" "a MAC"
like "$(bad ,id=8086)" "'pf' cannot be" "an id that is none"
for line in 'fdb 1' 'allow-pf-down 1' 'host-vfs node=pve1,path=0000:41:00.0,vf=0'; do
	like "$(bad $'\n\t'"$line")" "'${line%% *}' is not for a pool with 'network off'" "${line%% *}"
done
for line in 'vlan 20' 'mac auto' 'trust 1' 'live-migration 1'; do
	like "$(bad '' $'\t'"$line"$'\n')" "port 100-0: '${line%% *}' is not for a port of pool 'flex'" "a port with ${line%% *}"
done
out=$(qm start 100 2>&1)
like "$? $out" "^[1-9].*'live-migration' is not for a port" "it does not start so"
printf 'pool: wan\n\tpf node=pve1,path=0000:41:00.0,id=8086:56c0\n' | cfg
like "$(vfhook check 2>&1)" "are for pools with 'network off'" "the reverse: an id of a network card"
printf 'pool: wan\n\tpf node=pve1,path=0000:41:00.0\n' | cfg
like "$(vfhook check 2>&1)" "0000:41:00.0 is no network card, but a graphics card.*network off" "a card in a pool of network cards"

done_testing
