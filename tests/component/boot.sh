#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# boot.sh - vfhook boot: VFs made and parked, cards that moved followed, mappings
# that name what is there, and nothing taken from anybody.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

card=driver=igb,vfs=7,mac=52:54:00:aa:00:01
card2=driver=i40e,vfs=8,mac=52:54:00:aa:00:02
cfg_file() { cat "$node_root/etc/pve/vfhook.cfg"; }
dev() { echo "$node_root/sys/bus/pci/devices/$1"; }
vfs_of() { find "$(dev "$1")/" -maxdepth 1 -name 'virtfn*' | wc -l; }
entry() { sed -n "/^vf-$1\$/,/^\$/s/^\tmap //p" "$node_root/etc/pve/mapping/pci.cfg"; }
tree() {
	(cd "$node_root" && find run/vfhook etc fake-kernel var/lib/vfhook sys -type f -print0 2>/dev/null |
		sort -z | xargs -0 sha1sum)
}

# The part of the kernel that makes functions when sriov_numvfs is written.
kernel() {
	"$sim" --root "$node_root" kernel &
	kernel_pid=$!
}
kernel_pid=
trap 'kill $kernel_pid 2>/dev/null; node_down' EXIT

# reboot PF-ARG... - the machine goes down and comes up with these cards, without VFs.
reboot() {
	local pf args=()
	sim stop >/dev/null 2>&1
	end_qemus
	kill "$kernel_pid" 2>/dev/null
	rm -rf -- "${node_root:?}"/{sys,run,fake-kernel,dev}
	for pf; do args+=(--pf "$pf"); done
	sim mktree "${args[@]}" >/dev/null
	mkdir -p "$node_root"/run/{lock,}/qemu-server
	kernel
	pve_up
}

# --- the first time ---

node_up "0000:06:00.0,ifname=enp6s0f0,$card"
fake_set enp6s0f0 'p["up"] = False'
kernel
pve_up || exit 1
out=$(vfhook boot 2>&1)
like "$? $out" '^0 vfhook: no pool has a PF of node pve1; vfhook pool add' "without a pool: nothing to do"
out=$(vfhook pool add wan --pf enp6s0f0 --vfs 4 2>&1)
like "$? $out" '^0 .*next: vfhook boot' "pool add --vfs names boot as the next step"
like "$(cfg_file)" 'pf node=pve1,path=0000:06:00.0,mac=52:54:00:aa:00:01' "and notes the card's MAC"
before=$(tree)
out=$(vfhook --dry-run boot 2>&1)
like "$? $out" '^0 .*would be set up.*would be set from 0 -> 4 VFs' "a dry run tells"
is "$(tree)" "$before" "and changes nothing"
out=$(vfhook boot 2>&1)
like "$? $out" '^0 .*enp6s0f0 is down: set up.*autoprobe 1 -> 0.*set from 0 -> 4 VFs.*4 VFs, 4 free, 4 parked just now' "boot: PF up, 4 VFs, parked"
is "$(vfs_of 0000:06:00.0)" 4 "the VFs are there"
is "$(<"$(dev 0000:06:10.6)/driver_override")" vfio-pci "no other driver can have one"
is "$(<"$(dev 0000:06:00.0)/sriov_drivers_autoprobe")" 0 "nor did one get it at once"
like "$(<"$node_root/etc/pve/nodes/pve1/vfhook.json")" '"vf": "0000:06:10.6"' "the other nodes are told"
before=$(tree)
out=$(vfhook boot 2>&1)
is "$? $out" "0 vfhook: PF enp6s0f0: 4 VFs, 4 free" "again: all is as it should be"
is "$(tree)" "$before" "and nothing changes"
is "$(lease_count)" 0 "no lease is left"

# --- VMs ---

qm create 100 --name fw >/dev/null
qm create 101 --name web >/dev/null
vfhook attach 100 --vlan 20 --mac bc:24:11:00:00:01 >/dev/null
vfhook attach 101 >/dev/null
qm start 100 >/dev/null 2>&1
vf=$(basename "$node_root"/run/vfhook/leases/*)
index=$((16#${vf:11:1} / 2))
fake_set enp6s0f0 'p["vfs"][3].update({"mac": "02:00:00:00:00:77", "vlan": 7, "trust": True})'
out=$(vfhook boot 2>&1)
like "$? $out" '^0 .*4 VFs, 3 free, 1 parked just now' "a free VF with somebody's settings is parked, one in use is not touched"
is "$(vf_get enp6s0f0 3 mac) $(vf_get enp6s0f0 3 vlan) $(vf_get enp6s0f0 3 trust)" "00:00:00:00:00:00 0 off" "it has none of them any more"
is "$(vf_get enp6s0f0 "$index" mac) $(vf_get enp6s0f0 "$index" vlan)" "bc:24:11:00:00:01 20" "VM 100's VF has all of its own"
sed -i 's/^\tvfs 4/\tvfs 6/' "$node_root/etc/pve/vfhook.cfg"
out=$(vfhook boot 2>&1)
like "$? $out" "^1 .*enp6s0f0\): it has 4 VFs, the pool wants 6.*VM 100 has VF $vf.*reboot" "more VFs while a VM has one: refused, and by whom"
fake_set enp6s0f0 "p['quirks']=['gone']"
out=$(vfhook boot 2>&1)
like "$? $(vfs_of 0000:06:00.0) $out" "^1 4 .*it has 4 VFs, the pool wants 6.*its VFs cannot be looked at.*No such device" \
	"more VFs while nobody can tell who has one: refused as well"
is "$(grep -c 'is down' <<<"$out")" 0 "what cannot be read is not said to be down"
fake_set enp6s0f0 "p['quirks']=[]"
is "$(vfs_of 0000:06:00.0) $(qm status 100)" "4 status: running" "nothing was taken from it"
qm stop 100 >/dev/null 2>&1
out=$(vfhook boot 2>&1)
like "$? $out" '^0 .*set from 4 -> 6 VFs' "once it is stopped: 6 VFs"
sed -i 's/^\tvfs 6/\tvfs 2/' "$node_root/etc/pve/vfhook.cfg"
out=$(vfhook boot 2>&1)
like "$? $out" '^0 ' "fewer than there are"
is "$(vfs_of 0000:06:00.0)" 6 "are never made"
sed -i 's/^\tvfs 2/\tvfs 9/' "$node_root/etc/pve/vfhook.cfg"
out=$(vfhook boot 2>&1)
like "$? $out" '^0 .*can have 7 VFs, not 9.*set from 6 -> 7' "more than the card can have: all it can, and said"

# --- two mappings on one VF ---

one=$(entry 100-0)
sed -i "/^vf-101-0/,/^\$/s/^\tmap .*/\tmap $one/" "$node_root/etc/pve/mapping/pci.cfg"
out=$(vfhook boot 2>&1)
is $? 0 "two mappings name one VF"
is "$([[ $(entry 100-0) == "$(entry 101-0)" ]] && echo same)" "" "boot parts them"

# VMs that are being migrated to here: their config is the source's until that is over.
one=$(entry 100-0)
sed -i "/^vf-101-0/,/^\$/s/^\tmap .*/\tmap $one/" "$node_root/etc/pve/mapping/pci.cfg"
mkdir -p "$node_root/etc/pve/nodes/pve2/qemu-server"
mv "$node_root"/etc/pve/nodes/pve1/qemu-server/10[01].conf "$node_root/etc/pve/nodes/pve2/qemu-server"
for id in 100 101; do flock "$node_root/var/lock/qemu-server/lock-$id.conf" sleep 3 & done
for id in 100 101; do wait_for 5 is_locked "$node_root/var/lock/qemu-server/lock-$id.conf"; done
out=$(vfhook boot 2>&1)
like "$? $out" '^0 .*mapping vf-10[01]-0: VM 10[01] is being started or stopped just now: left to it' "a VM whose migration to here is under way"
is "$(entry 101-0)" "$(entry 100-0)" "keeps the mapping that its start is about to read"
mv "$node_root"/etc/pve/nodes/pve2/qemu-server/10[01].conf "$node_root/etc/pve/nodes/pve1/qemu-server"
rm -r "$node_root/etc/pve/nodes/pve2"
for id in 100 101; do flock "$node_root/var/lock/qemu-server/lock-$id.conf" true; done
vfhook boot >/dev/null 2>&1

# --- the next boot ---

reboot "0000:06:00.0,ifname=enp6s0f0,up=1,$card"
mv "$node_root/etc/pve" "$node_root/etc/pve.off"
out=$(vfhook boot --early 2>&1)
like "$? $out" '^0 .*set from 0 -> 7 VFs' "before the network and without /etc/pve: the VFs are made"
mv "$node_root/etc/pve.off" "$node_root/etc/pve"
before=$(entry 100-0)
out=$(vfhook boot 2>&1)
like "$? $out" '^0 .*7 VFs, 7 free, 7 parked' "then parked"
like "$(entry 100-0)" "path=${before##*path=}" "the mapping means the VF that it did"
like "$out" 'mapping vf-100-0 on pve1: 0000:06:' "and has its IOMMU group, which is another by now"

# --- the card has moved, and so have the IOMMU groups ---

path=${before##*path=0000:06:}
path=${path%%,*}
reboot "0000:05:00.0,ifname=enp5s0,$card2" "0000:09:00.0,ifname=enp9s0f0,up=1,$card"
out=$(vfhook boot --early 2>&1)
like "$? $out" '^0 .*PF enp9s0f0: set from 0 -> 7' "a card at another address: found before the network is up"
sim requests --clear >/dev/null
out=$(vfhook boot 2>&1)
like "$? $out" '^0 .*PF 0000:06:00.0 is at 0000:09:00.0 now' "boot says where it is"
like "$(cfg_file)" 'path=0000:09:00.0,mac=52:54:00:aa:00:01' "vfhook.cfg says so too"
like "$out" "mapping vf-100-0 on pve1: 0000:06:$path -> " "and the mappings that it changed"
like "$(entry 100-0)" "path=0000:09:$path" "each means the same VF as before"
sim requests --clear >/dev/null
out=$(qm start 100 2>&1)
like "$? $out" "^0 .*VF 0000:09:$path .*kept" "the VM starts, on that VF"
is "$(sim requests | grep -c PUT)" 0 "without a REST call in its start"
qm stop 100 >/dev/null 2>&1

# --- two cards have swapped their slots ---

vfhook pool add lan --pf enp5s0 --vfs 3 >/dev/null 2>&1
vfhook boot >/dev/null 2>&1
reboot "0000:09:00.0,ifname=enp9s0,up=1,$card2" "0000:05:00.0,ifname=enp5s0f0,up=1,$card"
out=$(vfhook boot 2>&1)
is $? 0 "two cards swapped"
like "$(cfg_file | sed -n '/^pool: wan/,/^$/p')" 'path=0000:05:00.0,mac=52:54:00:aa:00:01' "wan follows its card"
like "$(cfg_file | sed -n '/^pool: lan/,/^$/p')" 'path=0000:09:00.0,mac=52:54:00:aa:00:02' "so does lan"
like "$(entry 100-0)" "path=0000:05:$path" "so does the mapping"

# --- another card in its place, another one missing ---

reboot "0000:05:00.0,ifname=enp5s0f0,up=1,driver=igb,vfs=7,mac=52:54:00:aa:00:99" "0000:09:00.0,ifname=enp9s0,up=1,$card2"
out=$(vfhook boot 2>&1)
like "$? $out" "^1 .*pool 'wan': PF 0000:05:00.0 .*another card.*52:54:00:aa:00:99, not 52:54:00:aa:00:01.*vfhook pool add wan --pf enp5s0f0" "another card in its place: not taken for it, and what to do"
like "$out" 'PF enp9s0: 3 VFs, 3 free' "the other PF is ready all the same"
out=$(qm start 100 2>&1)
like "$?" '^[1-9]' "a VM of that pool does not start"
like "$out" 'is another card than the pool' "and its log says why"
out=$(vfhook pool add wan --pf enp5s0f0 2>&1)
is $? 0 "the new card is taken on"
vfhook boot >/dev/null 2>&1
out=$(qm start 100 2>&1)
like "$? $out" '^0 ' "then it starts"
qm stop 100 >/dev/null 2>&1
reboot "0000:05:00.0,ifname=enp5s0f0,up=1,driver=igb,vfs=7,mac=52:54:00:aa:00:99"
out=$(vfhook boot 2>&1)
like "$? $out" "^1 .*pool 'lan': PF 0000:09:00.0: there is no such SR-IOV card.*PF enp5s0f0: 7 VFs" "a card that was taken out: named, and the other one is ready"

# --- a driver that makes no VFs while its PF is down ---

node_up 0000:06:00.0,ifname=enp6s0f0,driver=bnxt_en,vfs=4,up=1
fake_set enp6s0f0 'p["up"] = False'
kernel
pve_up || exit 1
vfhook pool add wan --pf enp6s0f0 --vfs 2 >/dev/null
out=$(vfhook boot --early 2>&1)
like "$? $out" '^0 .*bnxt_en makes no VFs while it is down: left to vfhook-boot' "bnxt_en before the network: left to the later run"
out=$(vfhook boot 2>&1)
like "$? $out" '^0 .*set up.*set from 0 -> 2 VFs' "which sets it up first"

# --- no quorum, no /etc/pve, a mistake in the config ---

mv "$node_root/etc/pve" "$node_root/etc/pve.off"
out=$(vfhook boot 2>&1)
like "$? $out" '^1 .*no Proxmox VE node: there is no /etc/pve' "without /etc/pve: said so"
mv "$node_root/etc/pve.off" "$node_root/etc/pve"
printf '\npool: dmz\n\tpf nonsense\n' >>"$node_root/etc/pve/vfhook.cfg"
out=$(vfhook boot 2>&1)
like "$? $out" "^1 .*'pf' cannot be 'nonsense'.*2 VFs, 2 free" "a mistake in one pool: named, and the other pool is ready"
# --- one PF in two pools ---

node_up "0000:06:00.0,ifname=enp6s0f0,$card"
kernel
pve_up || exit 1
vfhook pool add wan --pf enp6s0f0 --vfs 4 >/dev/null
vfhook boot >/dev/null 2>&1
vm 100
vfhook attach 100 --pool wan --mac bc:24:11:00:00:01 >/dev/null 2>&1
reboot "0000:06:00.0,ifname=enp6s0f0,up=1,$card"
cp "$node_root/etc/pve/vfhook.cfg" "$node_root/one.cfg"
printf '\npool: lan\n\tpf node=pve1,path=0000:06:00.0\n\tvfs 2\n' >>"$node_root/etc/pve/vfhook.cfg"
both="PF 0000:06:00.0 of node pve1 is in pools 'wan' and 'lan': .*take it out of one of them"
like "$(vfhook check 2>&1)" "WARN  .*$both" "a PF in two pools: check says so"
out=$(vfhook boot 2>&1)
like "$? $out" "^1 .*pool 'wan' has it as well, so it is left at what that says: take it out of one of them" "boot says so"
is "$(vfs_of 0000:06:00.0)" 4 "and makes its VFs once, as the first says"
out=$(qm start 100 2>&1)
like "$? $out" '^0 ' "no VM is kept from starting by it"
qm stop 100 >/dev/null 2>&1
like "$(vfhook status | tr -s '\n ' ' ')" "$both" "status has it"
out=$(vfhook pool remove lan 2>&1)
is "$? $(cat "$node_root/etc/pve/vfhook.cfg")" "0 $(cat "$node_root/one.cfg")" "pool remove mends it"
out=$(vfhook boot 2>&1)
like "$? $out" '^0 .*4 VFs, 4 free' "boot is content"
out=$(qm start 100 2>&1)
like "$? $out" '^0 ' "and the VM starts"
qm stop 100 >/dev/null 2>&1
done_testing
