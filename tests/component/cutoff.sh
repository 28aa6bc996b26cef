#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# cutoff.sh - what tests/crash found: what runs that were cut off, or short of
# something for a moment, left for ever or took away.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

parked=00:00:00:00:00:00
cfg_file() { cat "$node_root/etc/pve/vfhook.cfg"; }
mappings() { grep -c "^vf-$1-" "$node_root/etc/pve/mapping/pci.cfg"; }

node_up 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=7,numvfs=2,up=1,autoprobe=0 \
	0000:07:00.0,driver=i40e,ifname=enp7s0,vfs=4,numvfs=2,up=1,autoprobe=0
pve_up || exit 1
vfhook pool add wan --pf enp6s0f0 >/dev/null 2>&1
qm create 100 --name fw >/dev/null

# --- attach ---

printf '\nport: 100-0\n\tpool wan\n\tmac bc:24:11:00:00:01\n' >>"$node_root/etc/pve/vfhook.cfg"
out=$(vfhook attach 100 --mac bc:24:11:00:00:02 2>&1)
like "$? $out" '^1 .*port 100-0 .*not as asked here: vfhook set 100 --slot 0' "attach that was cut off: something else than before is refused, and what to do"
out=$(vfhook attach 100 --mac bc:24:11:00:00:01 2>&1)
like "$? $out" '^0 .*VM 100 is attached' "the same again does the rest"
is "$(grep -c '^port:' "$node_root/etc/pve/vfhook.cfg") $(mappings 100) $(qm config 100 | grep -cE 'hostpci0: mapping=vf-100-0|hookscript: local:snippets/vfhook')" "1 1 2" "there is no second port, and all that belongs to it"
out=$(vfhook attach 100 --slot 0 2>&1)
like "$? $out" '^0 .*attached already' "then there is nothing to do"

# --- detach ---

sed -i '/^port: 100-0/,/^$/d' "$node_root/etc/pve/vfhook.cfg"
qm set 100 --delete hostpci0 >/dev/null
is "$(mappings 100)" 1 "detach that was cut off: the mapping is left"
out=$(vfhook detach 100 2>&1)
like "$? $out" '^0 .*mapping vf-100-0 deleted.*hookscript removed' "the next one finishes it"
is "$(mappings 100) $(qm config 100 | grep -c hookscript)" "0 0" "mapping and hookscript are gone"
qm set 100 --hookscript local:snippets/vfhook >/dev/null
out=$(vfhook detach 100 2>&1)
like "$? $out" '^0 .*hookscript removed' "also if the hookscript alone is left"
printf '\nguest: 100\n\tchain local:snippets/other\n' >>"$node_root/etc/pve/vfhook.cfg"
out=$(vfhook detach 100 2>&1)
is "$? $(grep -c '^guest' "$node_root/etc/pve/vfhook.cfg")" "0 0" "or the note of the VM's other hookscript"
out=$(vfhook detach 100 2>&1)
like "$? $out" '^1 .*VM 100 has no port' "once more: there is nothing"

sim fault set close --method PUT --path /config --count 1 --perform yes >/dev/null
out=$(vfhook attach 100 --mac bc:24:11:00:00:01 2>&1)
like "$? $out" '^0 .*VM 100 is attached' "PVE wrote hostpci, but its reply was lost: attach looks again"
is "$(qm config 100 | grep -cE 'hostpci0|hookscript') $(mappings 100) $(grep -c '^port' "$node_root/etc/pve/vfhook.cfg")" "2 1 1" "and all of it is there"
vfhook detach 100 >/dev/null 2>&1

# --- pools ---

vfhook pool add lan --pf enp7s0 --vfs 2 >/dev/null 2>&1
sed -i '/^pool: lan/,/^$/d' "$node_root/etc/pve/vfhook.cfg"
out=$(vfhook pool remove lan 2>&1)
like "$? $out" "^1 .*there is no pool 'lan'" "pool remove that was cut off, again: the pool is not there"
is "$(grep -c 0000:07:00.0 "$node_root/etc/pve/nodes/pve1/vfhook.json" "$node_root/var/lib/vfhook/boot.cfg" 2>/dev/null | grep -vc ':0$')" 0 "but what the node tells and its boot file know it no more"

# --- temporary files ---

left=(run/vfhook/leases/.tmp-0000:06:10.0 etc/pve/.tmp-vfhook.cfg etc/pve/nodes/pve1/.tmp-vfhook.json
	var/lib/vfhook/.tmp-boot.cfg etc/default/grub.d/.tmp-vfhook.cfg
	etc/modules-load.d/.tmp-vfhook.conf etc/kernel/.tmp-cmdline)
for f in "${left[@]}"; do
	mkdir -p "$node_root/${f%/*}"
	touch -d '2 minutes ago' "$node_root/$f"
done
touch -d '2 minutes ago' "$node_root/etc/kernel/.tmp-other"
out=$(vfhook repair 2>&1)
like "$? $out" '^0 .*7 repaired, 0 left' "repair removes every temporary file of vfhook's"
is "$(find "$node_root" -name '.tmp-*' | wc -l)" 1 "and no other"
rm "$node_root/etc/kernel/.tmp-other"

# --- host prepare ---

rm "$node_root/proc"
mkdir "$node_root/proc"
echo 'root=/dev/sda1' >"$node_root/proc/cmdline"
printf 'processor : 0\nvendor_id : GenuineIntel\n' >"$node_root/proc/cpuinfo"
echo 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"' >"$node_root/etc/default/grub"
# shellcheck disable=SC2016 # for the script
# Killed by what it runs: as if the machine had gone down just then.
printf '#!/bin/sh\nkill -9 $PPID\n' >"$node_root/usr/sbin/update-grub"
chmod 755 "$node_root/usr/sbin/update-grub"
(vfhook host prepare --apply) >/dev/null 2>&1
# shellcheck disable=SC2016
printf '#!/bin/sh\ntouch "${0%%/*}/told"\n' >"$node_root/usr/sbin/update-grub"
out=$(vfhook host prepare 2>&1)
like "$? $out" '^0 .*cut off before the boot loader was told.*update-grub.*to do it' "host prepare that was cut off: the next one knows"
out=$(vfhook host prepare --apply 2>&1)
try "and tells the boot loader" test -e "$node_root/usr/sbin/told"
out=$(vfhook host prepare 2>&1)
like "$? $out" '^0 .*nothing to do' "then there is nothing to do"
rm -r "${node_root:?}/proc"
ln -s /proc "$node_root/proc"

# --- a running VM's second VF ---

vfhook attach 100 --mac bc:24:11:00:00:01 >/dev/null 2>&1
qm create 101 >/dev/null
vfhook attach 101 --mac bc:24:11:00:00:02 >/dev/null 2>&1
qm start 100 >/dev/null 2>&1
mine=$(basename "$node_root"/run/vfhook/leases/*)
other=0000:06:10.0
[[ $mine != "$other" ]] || other=0000:06:10.2
sed "s/\"vf\":\"$mine\"/\"vf\":\"$other\"/; s/\"index\":[01]/\"index\":$((16#${other:11:1} / 2))/" \
	"$node_root/run/vfhook/leases/$mine" >"$node_root/run/vfhook/leases/$other"
out=$(qm start 101 2>&1)
like "$? $out" "^0 .*VM 100 runs without VF $other, which is leased to it: taking it back.*VF $other " "a VF that a post-start cut off left leased is taken back by who needs it"
is "$(grep -c '"vmid":100' "$node_root/run/vfhook/leases/$mine")" 1 "the VM keeps the one that it runs on"

# --- parking ---

for id in 100 101; do qm stop $id >/dev/null 2>&1; done
fake_set enp6s0f0 'p["vfs"][1].update({"mac": "02:00:00:00:00:77", "vlan": 7, "trust": True}); p["quirks"] = ["die-after:1"]'
(vfhook boot) >/dev/null 2>&1
fake_set enp6s0f0 'p["quirks"] = []'
is "$(lease_count)" 1 "boot that was cut off while it parked a VF"
out=$(vfhook boot 2>&1)
like "$? $out" '^0 .*earlier parking of VFs was cut off in the middle: undoing it.*1 parked' "the next one undoes it, and parks"
is "$(lease_count) $(vf_get enp6s0f0 1 vlan) $(find "$node_root/run/vfhook" -name '*.broken' | wc -l)" "0 0 0" "no lease and nothing broken is left"

# --- short of descriptors ---

clean=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["vfs"])' "$node_root/fake-kernel/enp6s0f0.json")
bad=0 refused=0
for n in {3..14}; do
	vfhook 100 pre-start >/dev/null 2>&1
	(
		ulimit -n "$n"
		vfhook 100 post-stop
	) >/dev/null 2>&1 || refused=$((refused + 1))
	now=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["vfs"])' "$node_root/fake-kernel/enp6s0f0.json")
	(($(lease_count) == 1)) || [[ $now == "$clean" ]] || bad=$((bad + 1))
	vfhook 100 post-stop >/dev/null 2>&1
done
is "$bad $((refused > 0)) $(lease_count) $(vf_get enp6s0f0 0 mac)" "0 1 0 $parked" "post-stop with 3 to 14 descriptors: no VF is freed that is not clean"

cfg=$(cfg_file)
bad=0
vfhook 100 pre-start >/dev/null 2>&1
lease=$(cat "$node_root"/run/vfhook/leases/*)
# As PVE does while the start goes on.
exec {lock}>>"$node_root/var/lock/qemu-server/lock-100.conf"
flock "$lock"
for n in {3..14}; do
	(
		ulimit -n "$n"
		vfhook repair {lock}>&-
	) >/dev/null 2>&1
	[[ $(cfg_file) == "$cfg" && $(cat "$node_root"/run/vfhook/leases/*) == "$lease" ]] || bad=$((bad + 1))
done
is "$bad $(mappings 100)" "0 1" "repair with 3 to 14 descriptors: no port, lease or mapping is lost"
exec {lock}>&-
vfhook 100 post-stop >/dev/null 2>&1

done_testing
