#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# neighbours-facts.sh - what else a node has and does, as far as it can be seen and said: /etc/pve that is
# not mounted, MACs that are the node's own, interfaces that are not what they seem, PFs that somebody has.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

# found REGEX - findings of check that are no PASS and match, one a line with their remedy.
found() {
	vfhook check --output-format json 2>/dev/null | python3 -c 'import json, re, sys
for f in json.load(sys.stdin)["findings"]:
    line = " ".join([f["level"], f["check"], f["subject"] + ":", f["text"], "->", f["remedy"]])
    if f["level"] != "PASS" and re.search(sys.argv[1], line):
        print(line)' "$1"
}
# in_sysfs PYTHON - change the made-up sysfs: t is the tree, host the node.
in_sysfs() {
	python3 - "$node_root" "$1" <<PY
import os, sys
sys.path.insert(0, "$top/tests/sim")
from pvesimlib.host import Host
from pvesimlib import fakesys
host = Host(sys.argv[1])
t = fakesys.Tree(host)
put, link = fakesys.put, fakesys.link
exec(sys.argv[2])
PY
}

# --- /etc/pve that is not mounted: an empty folder ---

node_up
pve_up || exit 1
vfhook pool add wan --pf enp6s0f0 --vfs 7 >/dev/null 2>&1
qm create 100 --name fw >/dev/null
vfhook attach 100 --mac bc:24:11:00:00:01 >/dev/null 2>&1
qm start 100 >/dev/null 2>&1
is "$(lease_of 0000:06:10.0)" "100 running" "a VM has a VF"
mv "$node_root/etc/pve" "$node_root/etc/pve.away"
mkdir "$node_root/etc/pve"
quiet=true
for c in status "status --output-format json" "pool list" "pool add lan --pf enp6s0f0" "pool remove wan" "attach 101" "set 100 --vlan 3" \
	"detach 100" "explain 100" "release 100" repair metrics boot "100 pre-start" "--dry-run 100 pre-start" "100 post-start"; do
	# shellcheck disable=SC2086 # words
	out=$(vfhook $c 2>&1)
	[[ $? == 1 && $out == *'/etc/pve is not mounted: pve-cluster is not running'* ]] && continue
	not_ok "without /etc/pve: vfhook $c says so, exit status 1" "$out"
	quiet=
done
[[ -z $quiet ]] || ok "without /etc/pve every command says that pve-cluster is not running, exit status 1"
out=$(vfhook check 2>&1)
is "$?" 1 "check fails"
like "$out" 'FAIL  /etc/pve is not mounted: pve-cluster is not running' "and has it as a finding, among the others"
is "$(find "$node_root/etc/pve" -mindepth 1)" "" "nothing is written below it"
end_qemus
rm "$node_root/run/qemu-server/100.pid"
out=$(vfhook 100 post-stop 2>&1)
like "$?:$out" '^0:.* released:' "a stop is not kept"
is "$(lease_count) $(vf_get enp6s0f0 0 mac)" "0 00:00:00:00:00:00" "its VF is cleared and given back"
out=$(vfhook boot --early 2>&1)
is "$?" 0 "boot --early needs no /etc/pve"
out=$(vfhook host prepare 2>&1)
is "$(grep -c pve-cluster <<<"$out")" 0 "and neither does host prepare"
is "$(find "$node_root/etc/pve" -mindepth 1)" "" "and still nothing is written"

# --- MACs that are the node's own ---

node_up
pve_up || exit 1
in_sysfs '
b = "/sys/class/net/vmbr0"
os.makedirs(host.path(b + "/bridge"))
put(host.path(b + "/address"), "02:aa:00:00:00:01\n"); put(host.path(b + "/ifindex"), "50\n")
t.netdev("0000:00:1c.6", "eno1", "02:aa:00:00:00:02", up=True)
b = "/sys/class/net/tap100i0"
os.makedirs(host.path(b)); put(host.path(b + "/address"), "02:aa:00:00:00:03\n"); put(host.path(b + "/ifindex"), "51\n")'
mkdir -p "$node_root/etc/pve/nodes/pve2"
printf 'pool: wan\n\tpf node=pve2,path=0000:05:00.0,mac=02:aa:00:00:00:20\n' | cfg
echo '{"version":1,"vfs":[],"macs":[{"mac":"02:aa:00:00:00:21","ifname":"vmbr1"},{"mac":"x"},7]}' >"$node_root/etc/pve/nodes/pve2/vfhook.json"
vfhook pool add wan --pf enp6s0f0 --vfs 7 >/dev/null 2>&1
qm create 100 --name fw >/dev/null
pf_mac=$(<"$node_root/sys/class/net/enp6s0f0/address")
refused() {
	out=$(vfhook "${@:3}" 2>&1)
	like "$? $out" "^1 .*MAC $1 is that of $2" "${*:3} is refused"
}
refused "$pf_mac" '(interface enp6s0f0|a PF) of node pve1' attach 100 --mac "$pf_mac"
refused 02:aa:00:00:00:01 'interface vmbr0 of node pve1' attach 100 --mac 02:aa:00:00:00:01
refused 02:aa:00:00:00:20 'a PF of node pve2' attach 100 --mac 02:aa:00:00:00:20
refused 02:aa:00:00:00:21 'interface vmbr1 of node pve2' attach 100 --mac 02:aa:00:00:00:21
out=$(vfhook attach 100 --mac 02:aa:00:00:00:03 2>&1)
like "$? $out" '^0 ' "a tap's MAC is nobody's for long"
refused 02:aa:00:00:00:02 'interface eno1 of node pve1' set 100 --mac 02:aa:00:00:00:02
like "$(<"$node_root/etc/pve/nodes/pve1/vfhook.json")" '02:aa:00:00:00:02.*02:aa:00:00:00:01' "this node tells the others its own"
is "$(grep -c tap100i0 "$node_root/etc/pve/nodes/pve1/vfhook.json")" 0 "but no guest's"
qm start 100 >/dev/null 2>&1
is "$(lease_of 0000:06:10.0)" "100 running" "it starts"
qm stop 100 >/dev/null 2>&1
for mac in "$pf_mac" 02:bb:00:00:00:01; do
	sed -i "s/^\tmac 02:.*\|^\tmac 52:.*/\tmac $mac/" "$node_root/etc/pve/vfhook.cfg"
	[[ $mac == "$pf_mac" ]] || echo "$mac" >"$node_root/sys/class/net/enp6s0f0/address"
	out=$(qm start 100 2>&1)
	like "$? $out" "^[1-9].*MAC $mac is that of PF .* itself: vfhook set 100 --slot 0 --mac auto" "written by hand: a start with the PF's $mac is refused"
done
like "$(found '^FAIL mac ')" 'VM 100: port 100-0 has MAC 02:bb:00:00:00:01, which is that of interface enp6s0f0 of node pve1 -> vfhook set 100 --slot 0 --mac auto' "check tells it"

# --- the interface that a person names is the one that is used ---

node_up 0000:04:00.0,driver=mlx4_core,ifname=enp4s0,vfs=8,numvfs=4,up=1,autoprobe=0,vendor=15b3,device=1003,vfdevice=1004,offset=1,stride=1 \
	0000:05:00.0,driver=cxgb4,ifname=mgmtpf0,vfs=8,numvfs=4,up=1,autoprobe=0 0000:07:00.0,driver=igb,ifname=enp7s0,vfs=7,numvfs=7,up=1,autoprobe=0 \
	0000:08:00.0,driver=mlx5_core,ifname=ibp8s0,vfs=8,numvfs=0,up=1,autoprobe=0
in_sysfs 't.netdev("0000:04:00.0", "enp4s0d1", "52:54:00:04:00:02", up=True, port=1)
put(host.path("/sys/class/net/ibp8s0/type"), "32\n")
os.rename(t.dev("0000:05:00.0") + "/net/mgmtpf0", t.dev("0000:05:00.0") + "/net/mgmtpf0,0")
os.unlink(host.path("/sys/class/net/mgmtpf0"))
link(host.path("/sys/class/net/mgmtpf0,0"), t.dev("0000:05:00.0") + "/net/mgmtpf0,0")
t.device("0000:00:02.0", host.path("/sys/devices/pci0000:00/0000:00:02.0"), "8086", "a780", ("8086", "0000"), "0x030000")
put(t.dev("0000:00:02.0") + "/sriov_totalvfs", "7\n")
t.device("0000:09:00.0", host.path("/sys/devices/pci0000:00/0000:09:00.0"), "8086", "1521", ("8086", "0000"))
put(t.dev("0000:09:00.0") + "/sriov_totalvfs", "7\n")
t.join_group("0000:09:00.0", t.next_group())
t.bind("0000:09:00.0", "vfio-pci")'
mkdir -p "$node_root/fake-kernel" "$node_root/etc/modprobe.d"
printf enp7s0 >"$node_root/fake-kernel/altname-enx001b21000007"
no_pf() {
	out=$(vfhook pool add lan --pf "$1" 2>&1)
	like "$? $out" "^1 .*$2" "--pf $1 is refused, with the word"
}
no_pf enp4s0d1 "'enp4s0d1' is port 2 of PF 0000:04:00.0: VFs are set through enp4s0, its port 1"
no_pf ibp8s0 'PF 0000:08:00.0 .ibp8s0. is InfiniBand: its VFs have GUIDs'
no_pf 0000:08:00.0 InfiniBand
no_pf 0000:00:02.0 'PF 0000:00:02.0 has no driver, so no driver of its own that makes VFs'
no_pf 0000:09:00.0 'vfio-pci has PF 0000:09:00.0, so it has no network interface: a VM had it'
printf 'options vfio-pci ids=8086:1521\n' >"$node_root/etc/modprobe.d/vfio.conf"
no_pf 0000:09:00.0 '/etc/modprobe.d/vfio.conf.* gives every 8086:1521 to vfio-pci'
no_pf enp9s9 "there is no interface 'enp9s9'"
no_pf ../net "neither an interface nor a PCI address"
out=$(vfhook pool add wan --pf mgmtpf0,0,enx001b21000007,enp4s0 2>&1)
like "$? $out" '^0 .*PF 0000:05:00.0 .mgmtpf0,0, .*PF 0000:07:00.0 .enp7s0, .*PF 0000:04:00.0 .enp4s0,' "a name with a comma, an alternative name"
printf 'pool: gpu\n\tpf node=pve1,path=0000:00:02.0\n\tpf node=pve1,path=0000:09:00.0\n\tpf node=pve1,path=0000:08:00.0\n' | cfg
out=$(found '^FAIL pf ')
like "$out" 'PF 0000:00:02.0: .*no network card, but a graphics card' "check: a PF that is none"
like "$out" 'PF 0000:09:00.0: vfio-pci has PF 0000:09:00.0.*vfio.conf' "check: a PF that vfio-pci has, and by whom"
like "$out" 'PF ibp8s0: .*InfiniBand' "check: InfiniBand"

# --- a PF in a bond or a bridge; what trust means on it ---

node_up 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=7,numvfs=7,up=1,autoprobe=0 \
	0000:07:00.0,driver=i40e,ifname=enp7s0f0,vfs=8,numvfs=8,up=1,autoprobe=0 0000:07:00.1,driver=i40e,ifname=enp7s0f1,vfs=8,numvfs=8,up=1,autoprobe=0 \
	0000:08:00.0,driver=ice,ifname=enp8s0,vfs=8,numvfs=8,up=1,autoprobe=0
pf_cfg() { printf 'pool: wan\n\tpf node=pve1,path=%s\n\nport: 100-0\n\tpool wan\n\ttrust on\n\tvlan 20\n\nport: 101-0\n\tpool wan\n\tvlan 30\n' "$1" | cfg; }
# in_master PF MASTER KIND [MODE]
in_master() {
	local net=$node_root/sys/class/net
	rm -f "$net/$1/master"
	mkdir -p "$net/$2/$3"
	[[ -z ${4:-} ]] || echo "$4" >"$net/$2/bonding/mode"
	rm -f "$net/$1/"upper_*
	ln -s "$net/$2" "$net/$1/upper_$2"
	ln -s "$net/$2" "$net/$1/master"
}
pf_cfg 0000:06:00.0
is "$(found ' (pf-master|trust|veb) ')" "" "a PF of its own: no word"
in_master enp6s0f0 bond0 bonding '802.3ad 4'
like "$(found ' pf-master ')" '^WARN pf-master PF enp6s0f0: it is a port of bond0 .802.3ad.: the switch sends frames for its VFs to the other ports' "a PF in a bond that the switch knows of"
in_master bond0 vmbr0 bridge
like "$(found ' pf-master ' | tail -n 1)" 'it is below vmbr0 .over bond0.: guests there and guests with a VF of this PF cannot talk.*vfhook pool add wan --pf enp6s0f0 --fdb on' "whose bridge has more to tell"
rm "$node_root/sys/class/net/bond0/"{master,upper_vmbr0}
echo 'active-backup 1' >"$node_root/sys/class/net/bond0/bonding/mode"
is "$(found ' pf-master ')" "" "active-backup is no trouble"
like "$(vfhook check 2>&1)" 'PASS  PF enp6s0f0: a port of bond0 .active-backup.: VFs stay on' "and is told"
in_master enp6s0f0 vmbr0 bridge
like "$(found ' pf-master ')" '^WARN .*it is below vmbr0: ' "a PF in a bridge"
sed -i 's/^pool: wan/&\n\tfdb 1/' "$node_root/etc/pve/vfhook.cfg"
like "$(found ' pf-(master|fdb) ')" '^FAIL pf-fdb PF enp6s0f0: .*vfhook-fdb.service does not run.*systemctl enable --now vfhook-fdb.service' "whose filter is to be kept, and nobody does"
mkdir -p "$node_root/run/vfhook/"{fdb,locks}
flock "$node_root/run/vfhook/locks/fdb" sleep 60 &
holder=$!
wait_for 30 sh -c "! flock -n '$node_root/run/vfhook/locks/fdb' true"
is "$(found ' pf-(master|fdb) ')" "" "with vfhook fdb all is well"
note() { printf '{"version":1,"pf":"0000:06:00.0","ifname":"enp6s0f0","most":2,"others":0,"macs":[{"mac":"02:00:00:00:00:01","port":"tap1","since":1}%s]}\n' "$1" >"$node_root/run/vfhook/fdb/0000:06:00.0"; }
note ''
like "$(vfhook check 2>&1)" 'PASS  PF enp6s0f0: it is below vmbr0: vfhook fdb lets in 1 addresses' "and is told"
note ',{"mac":"02:00:00:00:00:02","port":"tap2","since":1,"refused":true}'
like "$(found ' pf-(master|fdb) ')" '^WARN pf-fdb PF enp6s0f0: its filter has room for 2 addresses: 1 of guests on vmbr0 are not in' "a filter that is full"
pkill -P "$holder" sleep
kill "$holder" 2>/dev/null
wait "$holder" 2>/dev/null
rm -r "$node_root/run/vfhook/fdb" "$node_root/run/vfhook/locks/fdb"
sed -i '/^\tfdb 1/d' "$node_root/etc/pve/vfhook.cfg"
in_master enp6s0f0 ovs-system none
like "$(found ' pf-master ')" '^WARN .*it is below Open vSwitch: ' "in Open vSwitch"
in_master enp6s0f0 team0 none
like "$(found ' pf-master ')" '^WARN .*it is a port of team0: if that is a team' "in something else"
pf_cfg 0000:07:00.1
fake_set enp7s0f0 'p["priv-flags"]={"vf-true-promisc-support": False}'
like "$(found ' trust ')" '^WARN trust PF enp7s0f1: ports want trust on .100-0.*i40e.*vf-true-promisc-support is off.*ethtool --set-priv-flags' "trust on i40e without its flag, which the first function has"
fake_set enp7s0f0 'p["priv-flags"]={"vf-true-promisc-support": True}'
is "$(found ' (trust|veb) ')" "" "with it: nothing"
pf_cfg 0000:08:00.0
like "$(found ' trust ')" 'is not on .it cannot be read.' "on ice, and nobody can tell"
like "$(found ' veb ')" '^WARN veb PF enp8s0: ports of different VLANs share this PF' "an E810's switch and VLANs"

# --- a card that is looked for by its MAC, which two have ---

printf 'pool: wan\n\tvfs 4\n\tpf node=pve1,path=0000:06:01.0,mac=02:00:00:00:00:77\n' | cfg
for pf in enp6s0f0 enp8s0; do fake_set "$pf" 'p["perm-mac"]="02:00:00:00:00:77"'; done
like "$(vfhook boot 2>&1)" 'no such SR-IOV card there, and 2 others have its MAC 02:00:00:00:00:77: which one is meant nobody can tell' "boot says so"

# --- a pool with hundreds of ports ---

{
	printf 'pool: wan\n\tpf node=pve1,path=0000:06:00.0\n'
	for id in {100..499}; do printf '\nport: %s-0\n\tpool wan\n' "$id"; done
} | cfg
out=$(vfhook pool list)
like "$out" ' 100-0,101-0,.* and 392 more$' "pool list names some of its ports, and how many more"
is "$(awk 'length > 200' <<<"$out")" "" "in lines that can be read"
is "$(vfhook pool list --output-format json | grep -o '"[0-9]*-0"' | wc -l)" 400 "JSON has all"

# --- vfhook.cfg as an editor leaves it ---

printf 'pool: wan\npf node=pve1,path=0000:06:00.0\n' | cfg
out=$(vfhook pool list 2>&1)
like "$? $out" '^1 .*vfhook.cfg:2: "pf" has no tab in front: did it lose it\?' "a property without its tab"
printf '\xef\xbb\xbfpool: wan\n\tpf node=pve1,path=0000:06:00.0\n' | cfg
out=$(vfhook pool list 2>&1)
like "$? $out" "^1 .*vfhook.cfg:1: it begins with a byte order mark .BOM., .*: sed -i '1s/\^" "a byte order mark"
sed -i '1s/^\xef\xbb\xbf//' "$node_root/etc/pve/vfhook.cfg"
out=$(vfhook pool list 2>&1)
like "$? $out" '^0 ' "what it says helps"

# --- what the host does to itself later: repair --check, which a timer runs ---

node_up
pve_up || exit 1
vfhook pool add wan --pf enp6s0f0 --vfs 7 >/dev/null 2>&1
vfhook boot >/dev/null 2>&1
for id in 100 101; do
	qm create "$id" --name "vm$id" >/dev/null
	vfhook attach "$id" --vlan 20 >/dev/null 2>&1
	qm start "$id" >/dev/null 2>&1
done
# Who waits at a terminal is told what for.
wait_for 30 no_job
sim fault set delay 3 --path /version --count 1 >/dev/null
out=$(python3 -c 'import os, pty, sys
os.environ["TERM"] = "xterm"
sys.exit(pty.spawn(sys.argv[1:]) >> 8)' "$BUILD/tests/vfhook-fake" --root "$node_root" check 2>&1 </dev/null)
like "$out" 'vfhook: looking at how Proxmox VE.s API answers \.\.\.' "check says what takes long, on a terminal"
is "$(vfhook check 2>&1 >/dev/null)" "" "and nowhere else"
gauge() { vfhook metrics | sed -n "s/^vfhook_watch_$1 //p"; }
is "$(gauge findings)" "" "never run: no gauge"
out=$(vfhook repair --check 2>&1)
is "$? $out" "0 vfhook: all is as it should be" "nothing is wrong"
is "$(gauge findings)" 0 "and metrics say so"
like "$(gauge timestamp_seconds)" '^[0-9]{10}$' "and when that was"
echo 1 >"$node_root/sys/bus/pci/devices/0000:06:00.0/sriov_drivers_autoprobe"
fake_set enp6s0f0 'p["vfs"][0]["vlan"]=99; p["vfs"][5]["mac"]="02:00:00:00:00:55"'
before=$(cat "$node_root/fake-kernel/enp6s0f0.json")
out=$(vfhook repair --check 2>&1)
like "$?" '^1$' "something is wrong"
like "$out" 'found: .*autoprobe is 1 again.*vfhook boot' "autoprobe that somebody set back"
like "$out" 'found: .*VM 100.*VLAN 99 -> ' "a running VM's VF that was set by hand"
like "$out" 'found: .*0000:06:11.2.*02:00:00:00:00:55' "a free VF that was"
is "$(gauge findings)" "$(grep -c 'found: ' <<<"$out")" "the gauge counts them"
is "$(cat "$node_root/fake-kernel/enp6s0f0.json")" "$before" "and nothing of it is changed"
fake_set enp6s0f0 'p["up"]=False'
like "$(vfhook repair --check 2>&1)" 'found: PF enp6s0f0 .0000:06:00.0. is down' "a PF that was set down"
fake_set enp6s0f0 'p["vfs"][0]["vlan"]=20; p["vfs"][5]["mac"]="00:00:00:00:00:00"; p["up"]=True'
echo 0 >"$node_root/sys/bus/pci/devices/0000:06:00.0/sriov_drivers_autoprobe"
pid=$(<"$node_root/run/qemu-server/101.pid")
exec 9>"$node_root/var/lock/qemu-server/lock-101.conf"
flock 9
sim stop >/dev/null 2>&1
kill -9 "$pid"
out=$(vfhook repair --check 2>&1)
is "$(lease_count)" 2 "a VM that somebody is at: left alone"
exec 9>&-
out=$(vfhook repair --check 2>&1)
like "$? $out" '^0 .*VM 101 .*released' "a VM that is over: its VF is given back"
is "$(lease_count)" 1 "and that of the running one is not"
mkdir -p "$node_root/run/vfhook/locks"
exec 9>"$node_root/run/vfhook/locks/1"
flock 9
out=$(vfhook repair --check 2>&1)
like "$? $out" '^0 .*nothing is looked at meanwhile' "while boot or repair runs it goes away"
exec 9>&-
in_sysfs 't.set_numvfs("0000:06:00.0", 0)'
out=$(vfhook repair --check 2>&1)
like "$? $out" '^1 .*found: PF enp6s0f0 .0000:06:00.0. has 0 VFs, and should have 7: vfhook boot' "VFs that are lost"

done_testing
