# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# live-nodes.sh - two nodes in the rig's one machine, with an igb each, and VMs that go from one to
# the other: what live-guest and live-trouble-guest have in common. To be sourced; the nodes
# themselves run it with a word.
#
# Each node has its mounts, its network (so its PF, its bridges and its port 8006) and its host name;
# /etc/pve is one for both. The guests run with KVM on the AMD virtualization that QEMU emulates: ten
# times as fast as an emulation in an emulation. A guest's address is always the same (live-init), so
# that two of them need two lanes: lane 0 is VLAN 20, bridge vmbr0 and tap0, lane 1 is VLAN 30, vmbr1
# and tap1, each with a pinger outside.

# shellcheck disable=SC2317,SC2034 # functions are called by name, variables used by who sources it

# shellcheck source=tests/e2e/node.sh
. "${BASH_SOURCE[0]%/*}/node.sh"

vf_macs=(bc:24:11:0a:00:01 bc:24:11:0a:01:01)
net_macs=(bc:24:11:0a:00:00 bc:24:11:0a:01:00)
vf_mac=${vf_macs[0]}
parked=00:00:00:00:00:00
parked_row="$parked, spoof checking on, link-state auto, trust off"
live=/live
lanes=1
mkdir -p $live

lane_of() { [[ $1 == 11? ]] && echo 1 || echo 0; }
pings_of() { echo "$live/pings$1"; }

# --- Two nodes ---

pid_of() { cat "$live/$1"; }
# on NODE COMMAND... - as a process of that node.
on() {
	local pid
	pid=$(pid_of "$1") || return
	shift
	nsenter --target "$pid" --mount --net --uts --wd=/ -- "$@"
}
# inside NODE WORD... - one of this file's functions, there.
inside() {
	local node=$1
	shift
	on "$node" bash "$RIG_TOP/tests/e2e/live-nodes.sh" "$@"
}

# node NODE PF - its namespaces, with this PF's interface and nothing else of the machine.
node() {
	local dir
	# shellcheck disable=SC2016 # for that shell
	unshare --mount --net --uts -- sh -c 'hostname '"$1"'
		mount -t sysfs sysfs /sys && mount -t tmpfs -o mode=755 run /run && mkdir -m 1777 /run/lock &&
		for d in /var/lib/vfhook /var/lib/pvesim /var/log/pve; do mkdir -p $d && mount -t tmpfs own $d; done
		ip link set lo up; echo $$ >'"$live/$1.new; mv $live/$1.new $live/$1"'; exec sleep infinity' &
	wait_for 20 test -s "$live/$1" || return
	dir=/sys/bus/pci/devices/$2/net
	ip link set "$(ls "$dir")" netns "$(pid_of "$1")" || return
	inside "$1" network "$2" "$lanes"
}

# In a node: VFs, and for each lane a bridge on the PF's VLAN with the virtio NIC of whichever VM runs.
# QEMU's 82576 gives a PF its own broadcasts back, which silicon does not.
network() {
	local ifname lane
	ifname=$(pf_if "$1")
	echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
	echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
	rig_make_vfs "$1" 3 || return
	for ((lane = 0; lane < $2; lane++)); do
		network_lane "$ifname" "$lane" $((20 + 10 * lane))
	done
}
network_lane() {
	local ifname=$1 lane=$2 vlan=$3
	ip link add link "$ifname" name "$ifname.$vlan" type vlan id "$vlan"
	ip link add "vmbr$lane" address "$(<"/sys/class/net/$ifname/address")" type bridge
	ip link set "$ifname.$vlan" master "vmbr$lane" up
	ip tuntap add "tap$lane" mode tap
	ip link set "tap$lane" master "vmbr$lane" up
	ip link set "vmbr$lane" up
	tc qdisc add dev "$ifname.$vlan" clsact
	tc filter add dev "$ifname.$vlan" ingress protocol all flower src_mac "${net_macs[lane]}" action drop
}

# What ssh is between them: PVE's options are understood, and a forwarded socket is a link. With
# /live/no-ssh-to-NODE there is no way, with /live/ssh-lost-of-NODE only the way back is lost.
write_ssh() {
	cat >/usr/bin/ssh.live <<'END'
#!/bin/bash
link=''
while (($#)); do
	case $1 in
	-o) [[ $2 != HostKeyAlias=* ]] || node=${2#*=}; shift 2 ;;
	-e) shift 2 ;;
	-L) link=${2%%:*}; shift 2 ;;
	root@*) shift ;;
	--) shift; break ;;
	*) break ;;
	esac
done
echo "$node: $*" >>/live/ssh.log
[[ ! -e /live/no-ssh-to-$node ]] || { echo "ssh: connect to host $node port 22: No route to host" >&2; exit 255; }
pid=$(cat "/live/$node") || exit 255
[[ -z $link ]] || ln -sfn "/proc/$pid/root$link" "$link"
rc=0
nsenter --target "$pid" --mount --net --uts --wd=/ -- env -i PATH=/sbin:/bin:/usr/sbin:/usr/bin HOME=/root \
	LANG=C.UTF-8 setsid --wait /bin/sh -c "$*" || rc=$?
[[ -z $link || ! -L $link ]] || rm -f "$link"
[[ ! -e /live/ssh-lost-of-$node ]] || { echo "Connection to $node closed by remote host." >&2; exit 255; }
exit $rc
END
	chmod 755 /usr/bin/ssh.live
	rm -f /usr/bin/ssh
	mv /usr/bin/ssh.live /usr/bin/ssh
}

# The machine of each VM, as far as PVE's own command line has it: where hostpci0 is put, and how.
write_qemu() {
	cat >$live/qemu <<END
#!/bin/bash
vmid=\$1
shift
port=(-device pcie-root-port,id=ich9-pcie-port-1,bus=pcie.0,addr=0x1c,port=1,chassis=1)
machine=q35,sata=off,smbus=off bus=pcie.0 more=''
case \$vmid in
100) machine=pc,usb=off bus=pci.0 port=() ;;
101) ;;
102) port+=(-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off) ;;
103) machine=pc,usb=off bus=pci.0 port=() more=' acpiphp.disable=1' ;;
110) machine=pc,usb=off bus=pci.0 port=() ;;
# Only there to hold VFs.
20?) exec -a /usr/bin/kvm qemu-system-x86_64 -M pc,usb=off -accel tcg -m 16 -S \\
	-nodefaults -no-user-config -display none "\$@" ;;
esac
lane=0 mac=${net_macs[0]}
[[ \$vmid != 11? ]] || lane=1 mac=${net_macs[1]}
exec -a /usr/bin/kvm qemu-system-x86_64 -M "\$machine" -accel kvm -accel tcg -cpu kvm64,-vme -m 160 \\
	-nodefaults -no-user-config -display none -no-reboot "\${port[@]}" \\
	-kernel $RIG_TOP/build/rig/vmlinux -initrd $RIG_TOP/build/rig/live.cpio \\
	-append "console=ttyS0 quiet panic=-1 nokaslr mitigations=off audit=0 lsm=capability ipv6.disable=1\$more" \\
	-netdev tap,id=net0,ifname=tap\$lane,script=no,downscript=no \\
	-device "virtio-net-pci,netdev=net0,mac=\$mac,bus=\$bus,addr=0x12,romfile=" \\
	-serial "file:$live/console-\$vmid-\$(hostname)" "\$@"
END
	chmod 755 $live/qemu
}

# In a node: what the simulator's init --join does for two roots, for two nodes with one root path.
join_node() {
	local first
	first=$(pid_of pve1)
	/usr/bin/python3 -ISc '
import os, sys
sys.path.insert(0, sys.argv[1])
from pvesimlib import nodes, simcli
from pvesimlib.host import Host
host, names = Host("/"), ["pve1", "pve2"]
os.makedirs(host.state("events"), exist_ok=True)
nodes.share_etc_pve(host, host, "pve2")
host.save_settings({"node": "pve2", "nodes": names, "port": 8006,
                    "peers": {"pve1": f"/proc/{sys.argv[2]}/root", "pve2": "/"}})
for path in ("/run/qemu-server", "/run/lock/qemu-server", "/var/log/pve/tasks"):
    os.makedirs(path, exist_ok=True)
if not os.path.lexists(host.state("tasks")):
    os.symlink("../../log/pve/tasks", host.state("tasks"))
simcli.write_members(host, names, 1)' "$RIG_TOP/tests/sim" "$first"
}

serve() {
	rm -f /run/pvesim.log
	sim serve >/run/pvesim.log 2>&1 &
	wait_for 240 grep -q ready /run/pvesim.log
}

first_node() {
	pve_up && sim init --node pve1 --nodes pve1,pve2 >/dev/null
}
second_node() {
	join_node && serve
}
# qmp VMID COMMAND [NAME=NUMBER] - in a node, as PVE asks.
qmp() {
	/usr/bin/python3 -ISc '
import json, sys
sys.path.insert(0, sys.argv[1])
from pvesimlib import qmp
from pvesimlib.host import Host
args = {key: int(value) for key, value in (word.split("=") for word in sys.argv[4:])}
print(json.dumps(qmp.mon_cmd(Host("/"), int(sys.argv[2]), sys.argv[3], timeout=30, **args)))' "$RIG_TOP/tests/sim" "$@"
}
knobs() {
	/usr/bin/python3 -ISc '
import sys
sys.path.insert(0, sys.argv[1])
from pvesimlib.host import Host
host = Host("/")
host.save_settings({**host.settings(), "qemu": "real", "qemu-real-buses": 1, "stop-step": 0.5,
                    "qemu-real-prefix": sys.argv[2] + " {vmid}"})' "$RIG_TOP/tests/sim" $live/qemu
}

live_up() {
	local out='' lane
	modprobe -a tun sch_ingress cls_flower act_gact kvm_amd 2>/dev/null
	mapfile -t pfs < <(rig_pfs)
	declare -gA pf=([pve1]=${pfs[0]% *} [pve2]=${pfs[1]% *}) other=([pve1]=pve2 [pve2]=pve1)
	write_ssh
	write_qemu
	node pve1 "${pf[pve1]}" && node pve2 "${pf[pve2]}" || return
	for ((lane = 0; lane < lanes; lane++)); do
		outside "${pfs[2]#* }" "$lane" $((20 + 10 * lane))
	done
	inside pve1 first_node && inside pve2 second_node && inside pve1 knobs && inside pve2 knobs || return
	printf 'pool: wan\n\tvfs 3\n\tpf node=pve1,path=%s\n\tpf node=pve2,path=%s\n' "${pf[pve1]}" "${pf[pve2]}" >/run/cfg.new
	on pve1 sh -c 'cat >/etc/pve/vfhook.cfg' </run/cfg.new
	[[ -c /dev/kvm ]] || diag "no KVM in here: guests are emulated twice over, which takes ten times as long"
}

# outside IFNAME LANE VLAN - the rest of the network: a namespace for each lane, all behind the third PF.
outside() {
	ip netns add "out$2"
	(($2)) || ip link set "$1" netns out0
	ip -n "out$2" link set lo up
	ip -n out0 link set "$1" up
	ip -n out0 link add link "$1" name "lane$2" netns "out$2" type vlan id "$3"
	ip -n "out$2" link set "lane$2" name wan
	ip -n "out$2" link set wan up
	ip -n "out$2" address add 10.9.0.1/24 dev wan
}

# --- Looking ---

now() { cut -d' ' -f1 /proc/uptime; }
leases() { on "$1" sh -c 'ls /run/vfhook/leases 2>/dev/null' | xargs; }
no_lease() { [[ -z $(leases "$1") ]]; }
# Rows of a node's VFs that are not parked.
used() {
	inside "$1" vf_show "${pf[$1]}" | grep -v "link/ether $parked" | sed 's/link.ether //'
}
# facts PF - in a node: VFs that are leased or not parked, whose processes there are, and what is left
# lying about. A node on which nothing runs has none. Without processes of its own but two: each takes
# long in here, and this is asked for again and again.
facts() {
	local line who pid f
	local -a net words
	net=("/sys/bus/pci/devices/$1/net/"*)
	while read -r line; do
		[[ $line =~ ^vf\ ([0-9]+)\ +link/ether\ ([0-9a-f:]+)(\ brd\ [0-9a-f:]+)?(.*[a-z]) ]] || continue
		who=$(cd -P "/sys/bus/pci/devices/$1/virtfn${BASH_REMATCH[1]}" && lessee "${PWD##*/}")
		line=${BASH_REMATCH[2]}${BASH_REMATCH[4]}
		[[ "$who $line" == "nobody $parked_row" ]] || echo "VF: $who, ${line/#$parked_row/parked}"
	done < <(ip -d link show dev "${net[0]##*/}")
	for pid in $(pgrep -f '^/usr/bin/kvm '); do
		[[ /proc/$pid/ns/mnt -ef /proc/self/ns/mnt ]] || continue
		mapfile -d '' words <"/proc/$pid/cmdline"
		[[ "${words[*]}" =~ \ -pidfile\ [^\ ]*/([0-9]+)\.pid ]] && echo "QEMU ${BASH_REMATCH[1]}"
	done
	for f in /etc/pve/nodes/"$HOSTNAME"/qemu-server/*.conf; do
		[[ ! -e $f ]] || echo "${f##*/}$(pve_lock_of "$f")"
	done
	# A reservation of a process that is gone counts for nobody.
	while read -r _ who pid; do
		[[ $pid == pid:* && ! -e /proc/${pid#pid:} ]] || echo "reserved for $who"
	done < <(cat /run/qemu-server/pci-id-reservations 2>/dev/null)
	for f in /run/vfhook/journal/*; do
		[[ ! -f $f ]] || echo "$f"
	done
}
# lessee VF
lessee() {
	local lease=/run/vfhook/leases/$1
	[[ -e $lease ]] || { echo nobody; return; }
	[[ $(<"$lease") =~ \"vmid\":([0-9]+).*\"phase\":\"([a-z]+)\" ]] && echo "VM ${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"
}
pve_lock_of() {
	local line
	while read -r line && [[ $line != \[* ]]; do
		[[ $line != lock:* ]] || echo ", $line"
	done <"$1"
}
runs_on() { [[ $(on "$1" qm status "$2") == *running* ]]; }
flag_on() { on pve1 sed -n "/^vf-$1-0/,/^\$/p" /etc/pve/mapping/pci.cfg | grep -q 'live-migration-capable 1'; }

# --- Pings ---

# begin_pings [LANE] - until end_pings.
declare -A pinger=()
begin_pings() {
	local lane=${1:-0}
	[[ -z ${pinger[$lane]:-} ]] || return 0
	ip netns exec "out$lane" "$RIG_TOP/tests/e2e/live-pinger" wan 10.9.0.2 "$(pings_of "$lane")" &
	pinger[$lane]=$!
}
end_pings() {
	local lane=${1:-0} pid
	pid=${pinger[$lane]:-}
	unset "pinger[$lane]"
	[[ -z $pid ]] || { kill "$pid" && wait "$pid"; }
}
# over MAC [SINCE [LANE]] - a ping that was sent after that moment is answered from this MAC.
over() { tail -n 30 "$(pings_of "${3:-0}")" | awk -v since="${2:-0}" -v mac="$1" '$2 > since && $4 == mac { f = 1 } END { exit !f }'; }

# --- VMs ---

# new_vm VMID [QM-SET-ARGUMENT]... - it runs on pve1, and its guest has the VF in its bond.
new_vm() {
	local id=$1 lane out
	shift
	lane=$(lane_of "$id")
	on pve1 qm create "$id" --name "vm$id" >/dev/null
	on pve1 qm set "$id" --net0 "virtio=${net_macs[lane]},bridge=vmbr$lane,tag=$((20 + 10 * lane))" "$@" >/dev/null
	out=$(on pve1 vfhook attach "$id" --pool wan --mac "${vf_macs[lane]}" --vlan $((20 + 10 * lane)) --live-migration on 2>&1) ||
		diag "$out"
	[[ $(on pve1 qm config "$id") != *q35* ]] || on pve1 qm set "$id" --hostpci0 "mapping=vf-$id-0,pcie=1" >/dev/null
	out=$(on pve2 vfhook boot 2>&1) || diag "$out" # the mapping's entry for that node
	start_vm "$id" pve1
}
# start_vm VMID NODE
start_vm() {
	local id=$1 node=$2 lane out t
	lane=$(lane_of "$id")
	t=$(now)
	out=$(on "$node" qm start "$id" 2>&1) || { not_ok "VM $id starts on $node" "$out"; return 1; }
	begin_pings "$lane"
	wait_for 240 over "${vf_macs[lane]}" "$t" "$lane" ||
		{ not_ok "VM $id: its guest answers over the VF" "$out" "$(cat $live/console-"$id-$node")"; return 1; }
	wait_for 60 flag_on "$id"
}
end_vm() {
	on "$2" qm stop "$1" >/dev/null 2>&1
	end_pings "$(lane_of "$1")"
	on "$2" vfhook detach "$1" >/dev/null 2>&1
	on "$2" qm destroy "$1" >/dev/null 2>&1
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
	"$@"
	exit
fi
