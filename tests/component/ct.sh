#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ct.sh - containers: their phases in PVE's order, and every way in which PVE or LXC calls, or does
# not call, them: after each the VF is where it belongs.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

# shellcheck source=tests/component/ctlib.sh
. "${BASH_SOURCE[0]%/*}/ctlib.sh"

fresh
out=$(pct start 110 2>&1)
is "$? $(held)" "0 $mac1 20 igbvf [] 110 running" "pct start: VF set, its driver bound, its interface in the container"
like "$out" "vfhook: CT 110 eth1: VF $vf0 .VF 0 of enp6s0f0, pool wan. taken: MAC $mac1, VLAN 20" "and said"
is "$(override "$vf0")" igbvf "driver_override names its driver: sriov_drivers_autoprobe stays 0"
# PVE would take it from its driver, also for a start that fails then: a mapping read before it was changed is the same.
qm create 100 --name byhand --hostpci0 0000:06:10.0 >/dev/null
out=$(qm start 100 2>&1)
is "$? $(held)" "255 $mac1 20 igbvf [] 110 running" "PVE starts no VM on its VF: nothing is taken from it"
like "$out" "reserved for use by VMID '110'" "and says whose it is"
qm destroy 100
out=$(vfhook 110 post-stop 2>&1)
is "$? $(held)" "1 $mac1 20 igbvf [] 110 running" "post-stop by hand while it runs: nothing is taken from it"
like "$out" 'CT 110 still runs' "and said"
out=$(vfhook 110 pre-start 2>&1)
is "$?" 1 "pre-start by hand while it runs: refused"
like "$out" 'CT 110 is not started: it is running already' "and said"
out=$(pct stop 110 2>&1)
is "$? $(held) $(grep -c 06:10.0 "$node_root/run/qemu-server/pci-id-reservations")" "0 $parked 0 none []  0" "pct stop: parked"
is "$(override "$vf0")" vfio-pci "no driver of this host gets it"
try "post-stop says so in the journal, since LXC swallows what it prints" \
	wait_for 10 in_journal "^vfhook: CT 110 eth1: VF $vf0 .VF 0 of enp6s0f0. released: MAC, VLAN and trust cleared, spoofchk on\$"

pct start 110 >/dev/null 2>&1
sim ct 110 poweroff
try "it ends by itself: parked" wait_for 10 is_free
sim config set vm.110.ct-back dev >/dev/null
pct start 110 >/dev/null 2>&1
pct stop 110 >/dev/null 2>&1
is "$(held)" "$parked 0 none [] " "its interface came back as dev50: parked all the same"
sim config set vm.110.ct-back lost >/dev/null
pct start 110 >/dev/null 2>&1
pct stop 110 >/dev/null 2>&1
is "$(held)" "$mac1 20 igbvf [] 110 running" "its interface did not come back: the VF stays with it"
try "and said there" wait_for 10 in_journal "VF $vf0 is not released, and nobody gets it: the interface of VF $vf0 is not back on this host"
sim config set vm.110.ct-back name >/dev/null
out=$(pct start 110 2>&1)
is "$? $(lease_of "$vf0") $(lease_count)" "0 110 running 2" "its next start has another VF, and the lost one is nobody else's"
pct stop 110 >/dev/null 2>&1

fresh
pct start 110 >/dev/null 2>&1
before=$(<"$node_root/sys/fs/cgroup/lxc.monitor/110/cgroup.procs")
sim config set vm.110.ct-restart-delay 1 >/dev/null
sim ct 110 reboot
# shellcheck disable=SC2317 # called by wait_for
between() { [[ ! -e $node_root/sys/fs/cgroup/lxc.monitor/110 && $(nets "$vf0") == vf110n0 ]]; }
try "a reboot from inside: for a moment nothing runs, and its interface is back with its name" wait_for 20 between
out=$(vfhook release 110 2>&1)
is "$(lease_of "$vf0")" "110 running" "then nobody takes its VF away"
like "$out" 'it may be rebooting' "and says why"
# shellcheck disable=SC2317 # called by wait_for
rebooted() { [[ $(<"$node_root/sys/fs/cgroup/lxc.monitor/110/cgroup.procs") != "$before" ]] && is_running; }
try "and it runs again on the same VF, which no phase was called for" wait_for 30 rebooted
sim ct 110 kill
is "$(held)" "$mac1 20 igbvf [vf110n0] 110 running" "its monitor is killed, and nobody is told: still leased"
age
out=$(vfhook release 110 2>&1)
is "$? $(held)" "0 $parked 0 none [] " "vfhook release: parked"
pct start 110 >/dev/null 2>&1
sim ct 110 kill
age
pct start 110 >/dev/null 2>&1
is "$(held)" "$mac1 20 igbvf [] 110 running" "killed, and started again: it has its VF"
pct stop 110 >/dev/null 2>&1

sim config set vm.110.ct-start fail >/dev/null
out=$(pct start 110 2>&1)
is "$(held)" "$parked 0 none [] " "LXC gives the start up behind pre-start: parked"
sim config set vm.110.ct-start ok >/dev/null
sim config set vm.110.qemu fail >/dev/null
pct start 110 >/dev/null 2>&1
is "$(held)" "$mac1 20 igbvf [vf110n0] 110 starting" "systemd does not start it at all: still leased"
sim config set vm.110.qemu standin >/dev/null
out=$(pct start 110 2>&1)
is "$? $(held)" "0 $mac1 20 igbvf [] 110 running" "and its next start takes it up"
out=$(pct reboot 110 2>&1)
is "$? $(held)" "0 $mac1 20 igbvf [] 110 running" "pct reboot: both phases, and it runs"
pct stop 110 >/dev/null 2>&1

# What is in the way.
mkdir -p "$node_root/sys/class/net/vf110n0"
out=$(pct start 110 2>&1)
is "$? $(held)" "255 $parked 0 none [] " "an interface of the promised name is there: refused, all undone"
like "$out" 'this host has an interface vf110n0 already, which is not this VF' "and said"
rmdir "$node_root/sys/class/net/vf110n0"
mkdir "$node_root/var/lib/pvesim/probe-fails"
for n in 0 1 2 3 4 5 6; do : >"$node_root/var/lib/pvesim/probe-fails/0000:06:10.$n"; done
out=$(pct start 110 2>&1)
is "$? $(held)" "255 $parked 0 none [] " "its driver does not take the VF: refused, all undone"
like "$out" "VF $vf0: the driver igbvf does not take it: look at dmesg" "and said"
rm -r "$node_root/var/lib/pvesim/probe-fails"
# And of its first VF the driver does not let go, when the second one's does not take it.
two=$(printf 'port: 110-1\n\tpool wan\n\tname eth2\n\tmac bc:24:11:00:00:02\n')
printf '\n%s\n' "$two" >>"$node_root/etc/pve/vfhook.cfg"
printf 'lxc.net.33.%s\n' 'type: phys' 'link: vf110n1' 'name: eth2' 'flags: up' >>"$node_root/etc/pve/nodes/pve1/lxc/110.conf"
mkdir "$node_root/var/lib/pvesim/probe-fails"
: >"$node_root/var/lib/pvesim/probe-fails/0000:06:10.2"
mv "$node_root/sys/bus/pci/drivers/igbvf/unbind" "$node_root/unbind"
mkdir "$node_root/sys/bus/pci/drivers/igbvf/unbind"
out=$(pct start 110 2>&1)
is "$? $(driver "$vf0") $(lease_of "$vf0")" "255 igbvf 110 dirty" "what cannot be undone: nobody gets that VF"
like "$out" 'could not undo .VF 0000:06:10.0: driver and interface' "and said"
rmdir "$node_root/sys/bus/pci/drivers/igbvf/unbind"
mv "$node_root/unbind" "$node_root/sys/bus/pci/drivers/igbvf/unbind"
rm -r "$node_root/var/lib/pvesim/probe-fails"
age
out=$(vfhook release 110 2>&1)
is "$? $(held)" "0 $parked 0 none [] " "until it can be parked"
sed -i '/^port: 110-1/,$d' "$node_root/etc/pve/vfhook.cfg"
sed -i '/lxc.net.33/d' "$node_root/etc/pve/nodes/pve1/lxc/110.conf"
mv "$node_root/sys/bus/pci/drivers/igbvf" "$node_root/igbvf"
out=$(pct start 110 2>&1)
is "$? $(held)" "255 $parked 0 none [] " "its driver is not loaded: refused"
like "$out" 'igbvf, is not loaded: modprobe igbvf' "with what to do"
mv "$node_root/igbvf" "$node_root/sys/bus/pci/drivers/igbvf"

# udev writes that it renames an interface before it does, and would undo the name that pre-start gives.
mkdir -p "$node_root/run/udev/data"
: >"$node_root/run/udev/control"
pct start 110 >"$node_root/said" 2>&1 &
starting=$!
# shellcheck disable=SC2317 # called by wait_for
has_net() { compgen -G "$node_root/sys/bus/pci/devices/$vf0/net/*/ifindex"; }
wait_for 20 has_net
renamed=$node_root/run/udev/data/n$(cat "$node_root/sys/bus/pci/devices/$vf0"/net/*/ifindex)
echo 'E:ID_RENAMING=1' >"$renamed"
sleep 1
is "$(nets "$vf0" | grep -c vf110n0)" 0 "while udev renames the interface, pre-start gives it no name"
echo 'E:ID_NET_DRIVER=igbvf' >"$renamed"
wait "$starting"
is "$? $(held)" "0 $mac1 20 igbvf [] 110 running" "and then it does, and the container starts"
pct stop 110 >/dev/null 2>&1
rm -r "$node_root/run/udev"

# Configs that do not go with the port.
pct clone 110 111 >/dev/null
out=$(pct start 111 2>&1)
is "$? $(lease_count)" "255 0" "a clone is not started on its origin's interface"
like "$out" 'CT 111 is not started: lxc.net.32.link is vf110n0, which is the interface of CT 110 .*vfhook attach 111 --name eth1' "and said, with what to do"
pct destroy 111
sed -i '/lxc.net.32/d' "$node_root/etc/pve/nodes/pve1/lxc/110.conf"
out=$(pct start 110 2>&1)
is "$?" 255 "its lines are gone: refused"
like "$out" 'its config has no lxc.net.32.\* for eth1 .*vfhook attach 110 --name eth1' "and said, with what to do"
lines 110 110 eth1
pct set 110 --net1 name=eth1,bridge=vmbr0 >/dev/null
out=$(pct start 110 2>&1)
is "$?" 255 "another interface of it is called so: refused"
like "$out" 'two interfaces called eth1, and net1 is the other' "and said"
pct set 110 --delete net1
printf 'port: 110-0\n\tpool wan\n\tmac %s\n' "$mac1" | wan_cfg
out=$(pct start 110 2>&1)
is "$?" 255 "a port that is a VM's: refused"
like "$out" "port 110-0 in /etc/pve/vfhook.cfg is a VM's" "and said"
printf 'port: 110-0\n\tpool wan\n\tname a-name-that-is-longer\n' | wan_cfg
like "$(pct start 110 2>&1)" "at most 15 letters" "a name that no interface has: said"
: | wan_cfg
sed -i '/lxc.net.32/d' "$node_root/etc/pve/nodes/pve1/lxc/110.conf"
out=$(pct start 110 2>&1)
is "$? $(lease_count) $(grep -c vfhook: <<<"$out")" "0 0 0" "no port, and nothing of vfhook's: started as it is"
pct stop 110 >/dev/null 2>&1

# Two guests, one pool.
fresh 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=1,numvfs=1,up=1,autoprobe=0
pct start 110 >/dev/null 2>&1
ct 111
lines 111 111 eth1
printf '\nport: 111-0\n\tpool wan\n\tname eth1\n\tmac bc:24:11:00:00:02\n' >>"$node_root/etc/pve/vfhook.cfg"
out=$(pct start 111 2>&1)
is "$? $(held)" "255 $mac1 20 igbvf [] 110 running" "the only VF is another container's: refused"
like "$out" "leased by CT 110 'ct110' .eth1, running." "and said whose it is"
pct stop 110 >/dev/null 2>&1
out=$(pct start 111 2>&1)
is "$? $(lease_of "$vf0")" "0 111 running" "once that is off it is this one's"
pct stop 111 >/dev/null 2>&1

# shellcheck disable=SC2317 # called by wait_for
has_igbvf() { [[ $(driver "$vf0") == igbvf ]]; }
# A start was killed when the VF had its driver and nothing else yet, and the lease is lost: no release comes for it.
echo igbvf >"$node_root/sys/bus/pci/devices/$vf0/driver_override"
echo "$vf0" >"$node_root/sys/bus/pci/drivers_probe"
wait_for 20 has_igbvf
list=$node_root/run/qemu-server/pci-id-reservations
mv "$list" "$list.away"
mkdir "$list"
out=$(vfhook repair 2>&1)
is "$? $(driver "$vf0")" "1 igbvf" "PVE's list, which may say whose it is, cannot be read: it is not given on"
rmdir "$list"
mv "$list.away" "$list"
out=$(vfhook repair 2>&1)
like "$? $out" "^0 .*VF $vf0 .VF 0 of enp6s0f0. is nobody's, and its driver is a container's: parked" "a VF with the driver of a container that is unknown: repair says so"
is "$(held) $(override "$vf0") $(grep -c 06:10.0 "$node_root/run/qemu-server/pci-id-reservations")" "$parked 0 none []  vfio-pci 0" "and parks the VF, which nobody in PVE's list has either"
is "$(vfhook repair 2>&1)" "vfhook: nothing to repair" "once"

out=$(vfhook --dry-run 110 pre-start 2>&1)
is "$? $(held)" "0 $parked 0 none [] " "a dry run changes nothing"
like "$out" "VF $vf0: driver and interface none -> igbvf vf110n0" "and tells all of it"
# --- those who look on ----------------------------------------------------------------------------
fresh
pct start 110 >/dev/null 2>&1
out=$(vfhook status 2>&1)
like "$out" '0 +running +110 ct110 +eth1 ' "status: whose it is, and as which interface"
like "$(vfhook status --output-format json)" '"net-name": ?"eth1"' "and as JSON"
out=$(vfhook explain 110 2>&1)
is "$?" 0 "explain"
like "$out" 'now: running .LXC.*port 110-0: pool wan, interface eth1, .*lease: VF .*next: nothing: it runs' "tells what it has"
is "$(vfhook explain 110 --output-format json | python3 -c 'import json,sys; j=json.load(sys.stdin); print(j["running"], j["ports"][0]["net-name"])')" \
	"True eth1" "and as JSON"
age
for c in 'repair' 'repair --check' 'boot' 'release 110'; do
	# shellcheck disable=SC2086 # words
	out=$(timeout 60 "$BUILD/tests/vfhook-fake" --root "$node_root" $c 2>&1)
	is "$(held)" "$mac1 20 igbvf [] 110 running" "$c while it runs: nothing is taken from it"
done
out=$(vfhook evacuate enp6s0f0 2>&1)
is "$? $(held)" "1 $mac1 20 igbvf [] 110 running" "evacuate: a container keeps its VF"
like "$out" 'CT 110 eth1 has a VF of enp6s0f0, .*pct shutdown 110' "and is told"
out=$(vfhook check 2>&1)
is "$(grep -c 'CT 110\|VF 0000:06:10.0\|VM 110' <<<"$out")" 0 "check: nothing is wrong with it"
like "$(vfhook metrics)" 'vfhook_vf_info\{.*vmid="110",slot="0",.*kind="ct",name="ct110",net_name="eth1",' "metrics: that it is a container, and its interface"
like "$(vfhook status --output-format json)" '"guest-kind": ?"ct"' "as JSON has it"

# What somebody has set, written or deleted while it runs.
fake_set enp6s0f0 'p["vfs"][0]["vlan"] = 99; p["vfs"][0]["mac"] = "bc:24:11:99:99:99"'
like "$(vfhook status 2>&1)" 'VF 0, CT 110: VLAN is 99, wanted 20; MAC is bc:24:11:99:99:99, wanted' "status: its settings at the PF are others"
out=$(vfhook repair --check 2>&1)
like "$? $out" "^1 .*found: CT 110 eth1 runs on VF $vf0, which is not set as its port wants" "repair --check finds that"
out=$(vfhook repair 2>&1)
is "$? $(held)" "0 $mac1 20 igbvf [] 110 running" "repair sets them again"
like "$out" "repair: CT 110 eth1 runs on VF $vf0, which is not set as its port wants: set again.*VLAN 99 -> 20" "and says so"
out=$(vfhook repair 2>&1)
like "$out" 'nothing to repair' "once"
sed -i 's/	name eth1/	name eth2/' "$node_root/etc/pve/vfhook.cfg"
sed -i 's/32.name: eth1/32.name: eth2/' "$node_root/etc/pve/nodes/pve1/lxc/110.conf"
out=$(vfhook repair 2>&1)
like "$? $(held) $out" "^1 $mac1 20 igbvf \[\] 110 running .*CT 110 runs with its interface as eth1, which its port calls eth2 by now, and nobody renames it while it runs: pct reboot 110" "its name in there is not changed: said"
sed -i 's/	name eth2/	name eth1/' "$node_root/etc/pve/vfhook.cfg"
out=$(vfhook repair 2>&1)
like "$? $out" '^1 .*CT 110: lxc.net.32.\* in its config is not eth1 of vfhook.s' "its lines are others: said"
sed -i 's/32.name: eth2/32.name: eth1/' "$node_root/etc/pve/nodes/pve1/lxc/110.conf"
for what in 'no lease' 'a lease file that cannot be used'; do
	if [[ $what == no* ]]; then rm "$node_root/run/vfhook/leases/$vf0"; else echo '?' >"$node_root/run/vfhook/leases/$vf0"; fi
	out=$(vfhook repair 2>&1)
	is "$? $(held)" "0 $mac1 20 igbvf [] 110 running" "its VF has $what: repair gives it to it again, and takes nothing from it"
	like "$out" "repair: VF $vf0 is CT 110's, as eth1, and has $what: it gets one" "and says so"
done
rm -f "$node_root"/run/vfhook/leases/*.broken
fake_set enp6s0f0 'p["vfs"][0]["mac"] = "bc:24:11:99:99:99"'
echo '?' >"$node_root/run/vfhook/leases/$vf0"
out=$(vfhook repair 2>&1)
like "$? $(vf_get enp6s0f0 0 vlan) $out" "^1 20 .*a guest has that VF now: stop it first" "its MAC does not tell whose it is, but PVE's reservation that somebody has it: left as it is, and said"
reserved=$node_root/run/qemu-server/pci-id-reservations
mv "$reserved" "$reserved.kept"
out=$(vfhook repair 2>&1)
like "$? $(vf_get enp6s0f0 0 vlan) $out" "^1 20 .*the driver igbvf of this host has that VF, perhaps in a container" "nothing tells whose it is: left as it is, and said"
mv "$reserved.kept" "$reserved"
fake_set enp6s0f0 'p["vfs"][0]["mac"] = "'$mac1'"'
vfhook repair >/dev/null 2>&1
is "$(held)" "$mac1 20 igbvf [] 110 running" "once it can be told it is mended"
rm -f "$node_root"/run/vfhook/leases/*.broken
sim config set vm.110.post-stop lost >/dev/null
pct stop 110 >/dev/null 2>&1
sim config set vm.110.post-stop normal >/dev/null
rm "$node_root/run/vfhook/leases/$vf0"
age
out=$(vfhook repair 2>&1)
is "$? $(held)" "0 $parked 0 none [] " "it is over, its lease lost, its interface still here: parked"
pct start 110 >/dev/null 2>&1
is "$(held)" "$mac1 20 igbvf [] 110 running" "and it starts again"

sim ct 110 kill
touch "$node_root/var/lib/lxc/110"
out=$(vfhook repair 2>&1)
is "$(lease_of "$vf0")" "110 running" "repair while it may be rebooting: its VF stays with it"
age
out=$(vfhook repair 2>&1)
is "$(held)" "$parked 0 none [] " "repair, later: parked"
like "$out" 'CT 110 is not running but holds VFs .*CT 110 eth1: VF 0000:06:10.0 .* released' "and said"
mv "$node_root/sys/bus/pci/drivers/igbvf" "$node_root/igbvf"
like "$(vfhook check 2>&1)" 'FAIL +CT 110: eth1: pool .wan. is not for containers now: .*igbvf, is not loaded: modprobe igbvf' "check: without a driver for its VF"
mv "$node_root/igbvf" "$node_root/sys/bus/pci/drivers/igbvf"
pct set 110 --delete hookscript
like "$(vfhook check 2>&1)" 'FAIL +CT 110: it has a port, but no hookscript' "check: without its hookscript"
sed -i '/lxc.net.32.link/d' "$node_root/etc/pve/nodes/pve1/lxc/110.conf"
like "$(vfhook check 2>&1)" 'FAIL +CT 110: lxc.net.32.\* in its config is not eth1 of vfhook.s' "check: with a line that is gone"
pct destroy 110
out=$(vfhook repair 2>&1)
is "$(grep -c 'port: 110' "$node_root/etc/pve/vfhook.cfg")" 0 "repair: the port of a container that is gone goes"

# --- attach, detach -------------------------------------------------------------------------------
fresh
vf_conf() { grep '^lxc' "$node_root/etc/pve/nodes/pve1/lxc/${1:-110}.conf"; }
pct destroy 110
: | wan_cfg
pct create 110 --hostname ct110 --net0 name=eth0,bridge=vmbr0,hwaddr=BC:24:11:AA:00:01 >/dev/null
pct snapshot 110 before
was=$(conf)
out=$(vfhook --dry-run attach 110 --pool wan --name eth1 2>&1)
is "$? $(conf)" "0 $was" "attach as a dry run: nothing is changed"
like "$out" 'lxc.net.32.\* in its config: none -> there' "and all of it told"
out=$(vfhook attach 110 --pool wan --vlan 20 --name eth1 --mac $mac1 --mtu 1400 2>&1)
is "$?" 0 "attach a container"
is "$(sed '/^\[/,$d' <<<"$(conf)" | grep '^lxc')" "lxc.net.32.type: phys
lxc.net.32.link: vf110n0
lxc.net.32.name: eth1
lxc.net.32.flags: up
lxc.net.32.mtu: 1400" "its lines are in its config, behind those of PVE's own nets"
is "$(sed -n '/^\[/,$p' <<<"$(conf)")" "$(sed -n '/^\[/,$p' <<<"$was")" "its snapshot is left as it is"
like "$(pct config 110)" 'hookscript: local:snippets/vfhook' "and its hookscript is vfhook"
like "$(cat "$node_root/etc/pve/vfhook.cfg")" $'port: 110-0\n\tpool wan\n\tname eth1\n\tmtu 1400\n\tmac '$mac1$'\n\tvlan 20' "and the port is in vfhook.cfg"
like "$out" 'CT 110 is attached; next: pct start 110' "and what is next is said"
out=$(vfhook attach 110 --name eth1 2>&1)
is "$?" 0 "once more: attached already"
like "$out" 'CT 110 eth1 is attached already' "and said"
out=$(pct start 110 2>&1)
is "$? $(held)" "0 $mac1 20 igbvf [] 110 running" "and it starts with its VF"
for c in 'attach 110 --name eth2' 'detach 110'; do
	# shellcheck disable=SC2086 # words
	out=$(vfhook $c 2>&1)
	is "$? $(vf_conf | wc -l)" "1 5" "$c while it runs: refused"
	like "$out" 'it runs' "and said"
done
pct stop 110 >/dev/null 2>&1
sed -i '/lxc.net.32.name/d' "$node_root/etc/pve/nodes/pve1/lxc/110.conf"
age
out=$(vfhook attach 110 --name eth1 2>&1)
is "$? $(vf_conf | grep -c .)" "0 5" "a line is missing: attach writes them again"
pct clone 110 111 >/dev/null
out=$(vfhook attach 111 --pool wan --name eth1 2>&1)
is "$? $(vf_conf 111 | grep link)" "0 lxc.net.32.link: vf111n0" "attach of a clone: its lines become its own"
out=$(pct start 111 2>&1)
is "$?" 0 "and it starts"
pct stop 111 >/dev/null 2>&1
pct clone 110 112 >/dev/null
age 112
out=$(vfhook detach 112 2>&1)
is "$? $(vf_conf 112) $(pct config 112 | grep -c hookscript)" "0  0" "detach of another clone: lines and hookscript go, which no port goes with"
out=$(vfhook set 110 --name eth1 --mtu 1300 --vlan 30 2>&1)
is "$? $(vf_conf | grep mtu) $(grep -c 'vlan 30' "$node_root/etc/pve/vfhook.cfg")" "0 lxc.net.32.mtu: 1300 1" "set: MTU in its config, VLAN in the port"
pct start 110 >/dev/null 2>&1
out=$(vfhook set 110 --vlan 20 2>&1)
is "$? $(held)" "0 $mac1 20 igbvf [] 110 running" "set while it runs: at once"
like "$out" 'CT 110 eth1: live: .*VLAN' "and said"
pct stop 110 >/dev/null 2>&1
before=$(conf)
out=$(vfhook detach 110 2>&1)
like "$? $out" '^1 .*CT 110 is not detached: it may be rebooting .*look again in' "detach of one that may be rebooting: refused"
is "$(conf)" "$before" "before anything is taken out of its config"
age
out=$(vfhook detach 110 2>&1)
is "$? $(vf_conf) $(pct config 110 | grep -c hookscript)" "0  0" "detach: lines and hookscript are gone"
is "$(grep -c 'port: 110' "$node_root/etc/pve/vfhook.cfg") $(sed -n '/^\[/,$p' <<<"$(conf)")" "0 $(sed -n '/^\[/,$p' <<<"$was")" "the port, too, and the snapshot is left as it is"

# Another hookscript is kept, and run after ours.
printf '#!/bin/sh\necho "$@" >>%s/chain.log\n' "$node_root" >"$node_root/var/lib/vz/snippets/other"
chmod 755 "$node_root/var/lib/vz/snippets/other"
pct set 110 --hookscript local:snippets/other
vfhook attach 110 --pool wan --name eth1 >/dev/null 2>&1
pct start 110 >/dev/null 2>&1
pct stop 110 >/dev/null 2>&1
is "$(<"$node_root/chain.log")" "110 pre-start
110 post-start
110 pre-stop
110 post-stop" "its other hookscript runs in each phase"
age
vfhook detach 110 >/dev/null 2>&1
like "$(pct config 110)" 'hookscript: local:snippets/other' "and comes back with detach"

# bad WORDS... REGEX STATUS - one line, nothing changed.
bad() {
	local status=${*: -1} regex=${*: -2:1} before
	local -a words=("${@:1:$#-2}")
	before=$(conf; cat "$node_root/etc/pve/vfhook.cfg")
	out=$(vfhook "${words[@]}" 2>&1)
	is "$? $(wc -l <<<"$out") $(conf; cat "$node_root/etc/pve/vfhook.cfg")" "$status 1 $before" "${words[*]}: one line"
	like "$out" "$regex" "and said"
}
pct set 110 --net1 name=eth1,bridge=vmbr0
bad attach 110 --pool wan --name eth1 'net1 is called eth1 already: take another --name' 1
bad attach 110 --pool wan --name sixteen-letters1 "'name' cannot be 'sixteen-letters1': .*at most 15 letters" 1
bad attach 110 --pool wan --name 'a/b' "at most 15 letters" 1
bad attach 110 --pool wan --name eth2 --mtu 9 "a number from 68 to 65535" 1
bad attach 110 --pool wan --slot 0 '110 is a container: --slot is for VMs' 2
bad attach 110 --pool wan --live-migration on '110 is a container: --live-migration is for VMs' 2
bad attach 110 --pool wan --take-over '110 is a container: --take-over is for VMs' 2
bad attach 110 --pool wan --hostpci rombar=0 '110 is a container: --hostpci is for VMs' 2
bad set 110 --slot 0 --vlan 20 '110 is a container: --slot is for VMs' 2
bad set 110 --name eth7 --mtu 1400 'CT 110 has no port called eth7' 1
bad detach 110 --slot 0 '110 is a container: --slot is for VMs' 2
bad detach 110 --name eth7 'CT 110 has no port called eth7' 1
qm create 100 --name vm >/dev/null
bad attach 100 --pool wan --name eth1 '100 is no container of this node: --name is for containers' 2
bad attach 100 --pool wan --mtu 1400 '100 is no container of this node: --mtu is for containers' 2
bad set 100 --mtu 1400 '100 is no container of this node: --mtu is for containers' 2
bad detach 100 --name eth1 '100 is no container of this node: --name is for containers' 2
mv "$node_root/sys/bus/pci/drivers/igbvf" "$node_root/igbvf"
bad attach 110 --pool wan --name eth2 "pool 'wan' is not for containers now: .* igbvf, is not loaded: modprobe igbvf" 1
mv "$node_root/igbvf" "$node_root/sys/bus/pci/drivers/igbvf"
ln -sfn ../../../../bus/pci/drivers/netdevsim "$node_root/sys/bus/pci/devices/0000:06:00.0/driver"
bad attach 110 --pool wan --name eth2 "pool 'wan' is not for containers: .*driver netdevsim" 1
done_testing
