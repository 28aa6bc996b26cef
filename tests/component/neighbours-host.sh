#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# neighbours-host.sh - what else on a node has VFs: bridges, containers, programs, VMs by hand, GPUs.
# Theirs stay theirs, over a reboot too, and what will change is said before it does.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
dev() { echo "$node_root/sys/bus/pci/devices/$1"; }
driver() { basename "$(readlink "$(dev "$1")/driver")" 2>/dev/null; }
override() { tr -d '\n' <"$(dev "$1")/driver_override"; }
wan() { sed -n '/^pool: wan/,/^$/p' "$node_root/etc/pve/vfhook.cfg"; }
kernel_pid=
kernel_up() {
	"$sim" --root "$node_root" kernel 2>/dev/null &
	kernel_pid=$!
}
kernel_down() {
	[[ -z $kernel_pid ]] || { kill "$kernel_pid" && wait "$kernel_pid"; } 2>/dev/null
	kernel_pid=
}
trap 'kernel_down; node_down' EXIT

# by_hand - an i40e with 4 VFs, made by somebody else: all have a driver and an interface.
by_hand() {
	kernel_down
	node_up 0000:06:00.0,driver=i40e,ifname=enp6s0f0,vfs=64,numvfs=4,up=1,autoprobe=1
	pve_up || exit 1
	kernel_up
}

# bridge IFNAME BRIDGE - it is a port of the bridge.
bridge() {
	local net
	net=$(readlink -f "$node_root/sys/class/net/$1")
	mkdir -p "$node_root/sys/class/net/$2"
	echo 50 >"$node_root/sys/class/net/$2/ifindex"
	ln -sfn "../../../class/net/$2" "$net/master"
	echo 0x1103 >"$net/flags"
}

# in_container VF - its interface is in another network namespace.
in_container() {
	rm -f "$node_root/sys/class/net/$(ls "$(dev "$1")/net")"
	rm -rf "$(dev "$1")/net"
}

vf_set() {
	fake_set enp6s0f0 "
while len(p['vfs']) <= $1: p['vfs'].append({'mac':'00:00:00:00:00:00','vlan':0,'vlan-qos':0,'vlan-proto':'802.1Q','spoofchk':True,'trust':False,'min-rate':0,'max-rate':0,'link-state':'auto','query-rss':False})
p['vfs'][$1].update($2)"
}

# reboot_node - VFs, overrides and settings are gone, and so is all in /run.
reboot_node() {
	kernel_down
	python3 - "$node_root" <<-'PY'
	import sys; sys.path.insert(0, "tests/sim")
	from pvesimlib.host import Host
	from pvesimlib import fakesys
	host = Host(sys.argv[1]); fakesys.reboot(host)
	fakesys.put(host.path("/sys/bus/pci/devices/0000:06:00.0/sriov_drivers_autoprobe"), "1\n")
	PY
	rm -rf "$node_root"/run/vfhook "$node_root"/fake-kernel "$node_root/sys/class/net/vmbr1"
	kernel_up
}

cd "$top" || exit 1

# --- A bridge on a VF: pool add says what would change, and changes nothing ---

by_hand
bridge enp6s0f0v0 vmbr1
in_container 0000:06:02.2
vf_set 0 "{'mac': '02:00:00:00:00:01', 'vlan': 30}"
vf_set 2 "{'mac': 'bc:24:11:00:02:00', 'vlan': 7}"
before=$(wan 2>/dev/null)
out=$(plain pool add wan --pf enp6s0f0 --vfs 4 2>&1)
like "$? $out" '^1 .*VF 0 \(0000:06:02.0\): enp6s0f0v0 is in vmbr1. After the next boot it would come without' "a bridge is on VF 0: pool add says what the next boot would do"
like "$out" 'VF 2 .*driver iavf, interface not on this host: in a container\?' "and what it would do to a container's VF"
like "$out" 'vfhook pool add wan --pf enp6s0f0 --vfs 4 --host-vfs 0,mac=02:00:00:00:00:01,vlan=30\+2,mac=bc:24:11:00:02:00,vlan=7' "and the command that keeps both, with what they are set to"
is "$(wan 2>/dev/null)" "$before" "nothing is written"
printf 'pool: wan\n\tpf node=pve1,path=0000:06:00.0\n\tvfs 4\n' | cfg
like "$(plain check 2>&1)" 'VF 0000:06:02.0 \(iavf, enp6s0f0v0\) is in use here: in vmbr1: no VM gets it, and after the next boot.*pool add wan --pf enp6s0f0 --host-vfs 0' "check says so of a pool that is there"
out=$(plain pool add wan --pf enp6s0f0 --vfs 4 --host-vfs 0,mac=02:00:00:00:00:01,vlan=30+2 2>&1)
is "$?" 0 "that command is taken"
like "$(wan)" 'host-vfs node=pve1,path=0000:06:00.0,vf=0,mac=02:00:00:00:00:01,vlan=30.*host-vfs node=pve1,path=0000:06:00.0,vf=2' "vfhook.cfg says which VFs are the host's"
like "$(cat "$node_root/var/lib/vfhook/boot.cfg")" 'host-vfs node=pve1,path=0000:06:00.0,vf=0,mac=02:00:00:00:00:01,vlan=30' "so does what the next boot reads"
out=$(plain boot 2>&1)
like "$? $out" '^0 .*4 VFs, 2 free' "boot: two are free"
is "$(plain check 2>&1 | grep -c 'VFs have a driver.*06:02.[02]')" 0 "check finds nothing wrong with those"
is "$(driver 0000:06:02.0) $(vf_get enp6s0f0 0 mac) $(vf_get enp6s0f0 2 mac)" "iavf 02:00:00:00:00:01 bc:24:11:00:02:00" "and those two are not touched"
out=$(plain status 2>&1)
like "$out" '2 free.*2 of this host' "status counts them"
like "$out" ' 0 +host .* 2 +host .*VF 0, this host.s: enp6s0f0v0 is in vmbr1.*VF 2, this host.s: driver iavf, interface not on this host: in a container' "and tells what has them"
like "$(plain status --output-format json)" '"note": ?"enp6s0f0v0 is in vmbr1".*"state": ?"host"' "in JSON as well"

# --- No VM gets one ---

for id in 100 101 102; do qm create $id --name "vm$id" >/dev/null && plain attach $id >/dev/null 2>&1; done
for id in 100 101; do qm start $id >/dev/null 2>&1; done
is "$(lease_of 0000:06:02.1) $(lease_of 0000:06:02.3)" "100 running 101 running" "two VMs have the two others"
out=$(qm start 102 2>&1)
like "$? $out" "^[1-9].*no VF of pool 'wan' is free.*0000:06:02.0.*set aside for this host" "a third one is refused, and told why"
is "$(lease_count) $(grep -h -c '0000:06:02.[02]' "$node_root/etc/pve/mapping/pci.cfg" "$node_root/etc/pve/nodes/pve1/vfhook.json" | tr '\n' ' ')" "2 0 0 " \
	"no lease, no mapping and no word to other nodes names them"
qm stop 100 >/dev/null 2>&1
qm stop 101 >/dev/null 2>&1
is "$(plain repair 2>&1)" "vfhook: nothing to repair" "repair leaves them alone"

# --- Over a reboot ---

reboot_node
mv "$node_root/etc/pve" "$node_root/etc/pve.off"
out=$(plain --dry-run boot --early 2>&1)
like "$? $out" '^0 .*VF 0 would get its network driver, for this host' "a dry run of the early boot tells"
out=$(plain boot --early 2>&1)
like "$? $out" '^0 .*set from 0 -> 4 VFs.*VF 0 \(0000:06:02.0\) is this host.s: driver iavf, interface enp6s0f0v0: MAC 02:00:00:00:00:01, VLAN 30' "before the network comes up: VF 0 has its driver and interface"
mv "$node_root/etc/pve.off" "$node_root/etc/pve"
is "$(driver 0000:06:02.0) $(driver 0000:06:02.1) $(driver 0000:06:02.2) $(driver 0000:06:02.3)" "iavf  iavf " "the host's VFs have a driver, and no others"
is "$(vf_get enp6s0f0 0 mac) $(vf_get enp6s0f0 0 vlan) $(vf_get enp6s0f0 2 vlan)" "02:00:00:00:00:01 30 0" "each set as its line says"
is "$(cat "$(dev 0000:06:00.0)/sriov_drivers_autoprobe") $(override 0000:06:02.1) $(override 0000:06:02.0 | sed 's/(null)//')" "0 vfio-pci " \
	"sriov_drivers_autoprobe is 0 again, and the others are kept from a driver of the host"
bridge enp6s0f0v0 vmbr1
out=$(plain boot 2>&1)
like "$? $out" '^0 .*4 VFs, 2 free, 2 parked' "the later boot parks the two others"
is "$(driver 0000:06:02.0) $(vf_get enp6s0f0 0 mac) $(lease_count)" "iavf 02:00:00:00:00:01 0" "and not the bridge's"
before=$(cat "$node_root/fake-kernel/enp6s0f0.json")
plain boot >/dev/null 2>&1
is "$(cat "$node_root/fake-kernel/enp6s0f0.json")" "$before" "again: nothing changes"

# --- Another wish, another card's place ---

out=$(plain pool add wan --pf enp6s0f0 --vfs 4 --host-vfs 0,vlan=31 2>&1)
is "$? $(wan | grep -c host-vfs)" "0 1" "said anew: these and no others are the host's"
out=$(plain boot 2>&1)
like "$? $out" '^0 .*VF 0 is this host.s and in use: its VLAN is 30, and 31 from the next boot on' "a VF in use is not set otherwise, and boot says from when on it will be"
like "$out" 'VF 2: enp6s0f0v2 is .*|4 VFs, 3 free' "VF 2 is for VMs"
out=$(plain pool add wan --pf enp6s0f0 --vfs 4 2>&1)
is "$? $(wan | grep -c 'vf=0,vlan=31')" "0 1" "without --host-vfs they stay as they are"
out=$(plain pool add wan --pf enp6s0f0 --vfs 4 --host-vfs 9 2>&1)
like "$? $out" "^1 .*'host-vfs' names VF 9, and each PF has 4 VFs" "a VF that there will not be: refused"
for bad in x 2-1 0,mac=auto 0-1,mac=02:00:00:00:00:09 0,vlann=3 300 0,vlan=5+0; do
	out=$(plain pool add wan --pf enp6s0f0 --host-vfs "$bad" 2>&1)
	like "$? $out" '^1 vfhook: pool is not changed: .*host-vfs' "--host-vfs $bad: refused"
done
is "$(wan | grep -c 'vf=0,vlan=31')" 1 "and nothing has changed"
out=$(plain pool add wan --pf enp6s0f0 --vfs 4 --host-vfs none 2>&1)
like "$? $out" '^0 .*enp6s0f0v0 is in vmbr1. After the next boot it comes without' "none: done as told, and said what it means"
like "$(plain boot 2>&1)" 'VF 0: enp6s0f0v0 is in vmbr1: left alone now.*--host-vfs 0' "boot says it too, and how to keep it"

# --- A container, a program, somebody's VFIO ---

by_hand
in_container 0000:06:02.0
vf_set 0 "{'mac': 'bc:24:11:00:02:00', 'vlan': 30}"
vf_set 3 "{}"
mkdir -p "$node_root/sys/bus/pci/drivers/uio_pci_generic"
rm -rf "$(dev 0000:06:02.1)/net"
ln -sfn ../../../bus/pci/drivers/uio_pci_generic "$(dev 0000:06:02.1)/driver"
rm -rf "$(dev 0000:06:02.2)/net"
ln -sfn ../../../bus/pci/drivers/vfio-pci "$(dev 0000:06:02.2)/driver"
group=$(basename "$(readlink "$(dev 0000:06:02.2)/iommu_group")")
rm "$node_root/proc"
mkdir -p "$node_root/proc/4711/fd"
ln -s "/dev/vfio/$group" "$node_root/proc/4711/fd/9"
echo dpdk-testpmd >"$node_root/proc/4711/comm"
fake_vfio "$group" EBUSY
out=$(plain pool add wan --pf enp6s0f0 --vfs 4 2>&1)
like "$? $out" '^0 .*VF 0 .*driver iavf, interface not on this host: in a container\?.*VF 1 .*driver uio_pci_generic: used by a program of its own \(DPDK\)\?' \
	"a container has a VF, DPDK another: pool add says what the next boot does to them"
like "$out" "--host-vfs 0,mac=bc:24:11:00:02:00,vlan=30(\$|"$'\n)' "and how to keep the container's"
before=$(cat "$node_root/fake-kernel/enp6s0f0.json")
out=$(plain boot 2>&1)
like "$? $out" '^0 .*autoprobe 1 -> 0.*4 VFs, 1 free' "boot: one is free"
plain repair >/dev/null 2>&1
qm create 100 --name vm100 >/dev/null
plain attach 100 >/dev/null 2>&1
out=$(plain --dry-run 100 pre-start 2>&1)
like "$out" '0000:06:02.3 would be (taken|kept)' "a VM would get that one"
is "$(driver 0000:06:02.0) $(driver 0000:06:02.1) $(driver 0000:06:02.2) $(for i in 0 1 2; do override "0000:06:02.$i" | sed 's/(null)/none /'; done) $(vf_get enp6s0f0 0 mac)" \
	"iavf uio_pci_generic vfio-pci none none none  bc:24:11:00:02:00" "neither boot nor repair nor attach touch the others: driver, driver_override, MAC"
out=$(plain status 2>&1)
like "$out" 'VF 0: driver iavf, interface not on this host: in a container\?' "status: the container's"
like "$out" 'VF 1: driver uio_pci_generic: used by a program' "DPDK's by uio"
like "$out" "VF 2: /dev/vfio/$group is open in process 4711 \(dpdk-testpmd\)" "DPDK's by VFIO, and which process it is"

# --- A pool is given up ---

out=$(plain detach 100 2>&1; plain --dry-run pool remove wan 2>&1)
like "$out" 'sriov_drivers_autoprobe would be set 0 -> 1' "pool remove: a dry run tells what is put back"
is "$(cat "$(dev 0000:06:00.0)/sriov_drivers_autoprobe") $(override 0000:06:02.3)" "0 vfio-pci" "and puts nothing back"
out=$(plain pool remove wan 2>&1)
like "$? $out" '^0 .*sriov_drivers_autoprobe 0 -> 1.*1 free VF: driver_override vfio-pci cleared' "pool remove puts back what boot set, and says so"
is "$(cat "$(dev 0000:06:00.0)/sriov_drivers_autoprobe") $(override 0000:06:02.3) $(driver 0000:06:02.1)" "1  uio_pci_generic" "it is as the kernel has it"

# --- What else makes VFs, and of what ---

# put FILE LINE... - a file of the node.
put() {
	local f=$node_root/$1
	shift
	mkdir -p "${f%/*}"
	printf '%s\n' "$@" >"$f"
}
found() { plain check 2>&1 | sed -n '/by hand/{N;p}; /undoes what/{N;p}'; }

node_up
pve_up || exit 1
put etc/sysfs.conf 'devices/pci0000:00/0000:00:02.0/sriov_numvfs = 7'
put etc/systemd/system/gpu.service '[Service]' 'ExecStart=/usr/local/sbin/gpu.sh' 'ExecStop=/bin/true'
# shellcheck disable=SC2016 # the script's own
put usr/local/sbin/gpu.sh '#!/bin/sh' 'GPU=0000:00:02.0' 'echo 7 > /sys/bus/pci/devices/$GPU/sriov_numvfs'
put etc/udev/rules.d/90-vfs.rules 'ACTION=="add", DRIVER=="i915", ATTR{sriov_numvfs}="7"' \
	'ACTION=="add", SUBSYSTEM=="pci", ATTR{vendor}=="0x8086", ATTR{device}=="0x4940", ATTR{sriov_numvfs}="16"'
put etc/rc.local '#!/bin/sh' 'echo 4 > /sys/class/nvme/nvme0/device/sriov_numvfs'
put etc/modprobe.d/i915.conf 'options i915 enable_guc=3 max_vfs=7'
is "$(found)" "" "what makes VFs of a GPU, a QAT card or an NVMe drive is no finding"

put etc/sysfs.conf 'class/net/enp6s0f0/device/sriov_numvfs = 7'
like "$(found)" '^WARN +/etc/sysfs.conf:1 makes VFs by hand' "of a network card it is"
put etc/udev/rules.d/90-vfs.rules 'ACTION=="add", SUBSYSTEM=="pci", ATTR{device}=="0x10c9", ATTR{sriov_numvfs}="4"'
like "$(found)" '/etc/udev/rules.d/90-vfs.rules:1 makes VFs' "also by its device id"
rm "$node_root"/etc/{sysfs.conf,rc.local} "$node_root"/etc/udev/rules.d/* "$node_root"/etc/modprobe.d/* "$node_root/etc/systemd/system/gpu.service"

put etc/systemd/system/sriov.service '[Service]' 'Type=oneshot' 'RemainAfterExit=yes' \
	"ExecStart=/bin/sh -c 'echo 7 > /sys/class/net/enp6s0f0/device/sriov_numvfs'" \
	"ExecStop=/bin/sh -c 'echo 0 > /sys/class/net/enp6s0f0/device/sriov_numvfs'"
out=$(found)
like "$out" 'systemctl disable sriov.service; rm /etc/systemd/system/sriov.service \(not --now: stopping it takes VFs' "a unit whose stop takes VFs away is not to be stopped"
is "$(plain check 2>&1 | grep -c 'disable --now')" 0 "no advice says --now"
rm "$node_root/etc/systemd/system/sriov.service"

# each FILE LINE... - its finding is named.
each() {
	local f=$1 line=$2 what=$3
	shift 3
	put "$f" "$@"
	like "$(found)" "/$f:$line (makes|sets) VFs by hand" "$what"
	rm "$node_root/$f"
}
each usr/local/lib/systemd/system/vfs.service 2 "a unit of /usr/local/lib" '[Service]' 'ExecStart=/sbin/ip link set enp6s0f0 vf 0 trust on'
each usr/lib/systemd/system/vfs.service 2 "one of a package" '[Service]' 'ExecStart=/sbin/ip link set enp6s0f0 vf 0 trust on'
each etc/systemd/network/10-pf.link 4 "systemd.link" '[Match]' 'OriginalName=enp6s0f0' '[Link]' 'SR-IOVVirtualFunctions=4'
each etc/systemd/network/10-pf.network 3 "systemd.network" '[Match]' 'Name=enp6s0f0' '[SR-IOV]' 'VirtualFunction=0'
each etc/netplan/50.yaml 4 "netplan" 'network:' '  ethernets:' '    enp6s0f0:' '      virtual-function-count: 8'
each etc/modprobe.d/mlx4.conf 1 "a module's num_vfs" 'options mlx4_core port_type_array=2,2 num_vfs=8,0,0'
each etc/default/grub 1 "max_vfs on the kernel's command line" 'GRUB_CMDLINE_LINUX_DEFAULT="quiet ixgbe.max_vfs=8"'
put usr/local/sbin/vf.sh '#!/bin/sh' 'echo 4 > /sys/class/net/enp6s0f0/device/sriov_numvfs'
for f in etc/network/interfaces 'etc/network/interfaces.d/pf' etc/rc.local etc/cron.d/vfs; do
	line='@reboot root /bin/sh /usr/local/sbin/vf.sh &'
	[[ $f != *network* ]] || line='	post-up /usr/local/sbin/vf.sh enp6s0f0 || true'
	put $f '# as it was' "$line"
	like "$(found)" "/usr/local/sbin/vf.sh:2 makes VFs by hand, run by /$f.*take it out of /$f" "a script that /$f calls"
	rm "${node_root:?}/$f"
done
rm "$node_root/usr/local/sbin/vf.sh"
# shellcheck disable=SC2016 # GRUB's own
put etc/default/grub.d/vfhook.cfg 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT intel_iommu=on"'
# shellcheck disable=SC2016
put etc/default/grub.d/zz-kdump.cfg 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=512M"'
is "$(found)" "" "a file of grub.d that adds to ours is none"
put etc/default/grub.d/zz-mine.cfg 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"'
like "$(found)" '^WARN +/etc/default/grub.d/zz-mine.cfg:1 undoes what /etc/default/grub.d/vfhook.cfg adds' "one that is read behind it and forgets it is"
rm -r "$node_root/etc/default/grub.d"
is "$(found)" "" "without all that: no finding"

# --- A mapping of the user's that has a port's name ---

node_up
pve_up || exit 1
plain pool add wan --pf enp6s0f0 >/dev/null 2>&1
qm create 100 --name fw >/dev/null
qm create 101 --name mine --hostpci0 mapping=vf-100-0 >/dev/null
printf '%s\n' vf-100-0 $'\tdescription uplink of the lab' \
	$'\tmap id=8086:10ca,iommugroup=77,node=pve1,path=0000:06:10.6,subsystem-id=8086:0000' >"$node_root/etc/pve/mapping/pci.cfg"
mine() { sed -n '/^vf-100-0$/,/^$/p' "$node_root/etc/pve/mapping/pci.cfg" | grep . | LC_ALL=C sort; }
own=$(mine)
out=$(plain attach 100 2>&1)
like "$? $out" "^1 .*mapping vf-100-0 is there already, and is not vfhook's.*another slot \(vfhook attach --slot" "a user's mapping is called vf-100-0: attach is refused, and says how to go on"
is "$(mine) $(grep -c '^port' "$node_root/etc/pve/vfhook.cfg")" "$own 0" "and nothing is written"
out=$(plain attach 100 --slot 1 2>&1)
is "$? $(mine)" "0 $own" "another slot is fine"
plain detach 100 >/dev/null 2>&1
printf '\nport: 100-0\n\tpool wan\n\tmac bc:24:11:00:00:01\n' >>"$node_root/etc/pve/vfhook.cfg"
qm set 100 --hookscript local:snippets/vfhook --hostpci0 mapping=wan >/dev/null
out=$(plain job 100 2>&1)
like "$? $out" "^[1-9].*mapping vf-100-0 is there already" "a start's job refuses too"
out=$(plain boot 2>&1)
like "$? $out" "^0 .*mapping vf-100-0 is not vfhook's .*left alone" "boot leaves it as it is"
is "$(mine)" "$own" "neither has written to it"
sed -i '/^port/,$d' "$node_root/etc/pve/vfhook.cfg"
qm set 101 --delete hostpci0 >/dev/null
rm "$node_root/etc/pve/nodes/pve1/qemu-server/100.conf"
plain repair >/dev/null 2>&1
is "$(mine)" "$own" "nor does repair delete it, though there is no VM 100"

# --- VFs that do not come, or are gone ---

kernel_down
node_up 0000:06:00.0,driver=i40e,ifname=enp6s0f0,vfs=64,numvfs=0,up=1
pve_up || exit 1
plain pool add wan --pf enp6s0f0 --vfs 4 >/dev/null 2>&1
rm "$(dev 0000:06:00.0)/sriov_numvfs"
ln -s /dev/full "$(dev 0000:06:00.0)/sriov_numvfs"
out=$(plain boot --timeout 2 2>&1)
like "$? $out" "^1 .*write 4 to sriov_numvfs: No space left.*Above 4G Decoding.*pci=realloc" "no room for VFs: boot says what the firmware lacks"
kernel_up
rm "$(dev 0000:06:00.0)/sriov_numvfs"
echo 0 >"$(dev 0000:06:00.0)/sriov_numvfs"
plain boot >/dev/null 2>&1
qm create 100 --name fw >/dev/null
plain attach 100 >/dev/null 2>&1
sim numvfs 0000:06:00.0 0
out=$(qm start 100 2>&1)
like "$? $out" "^[1-9].*PF enp6s0f0 has 0 VFs, and its pool wants 4: vfhook boot makes them" "VFs that somebody took away: a start says that boot makes them"
is "$(grep -c 'stop one of these VMs' <<<"$out")" 0 "and not that VMs are to be stopped"
rm "$(dev 0000:06:00.0)"/sriov_*
echo 0x15b3 >"$(dev 0000:06:00.0)/vendor"
out=$(plain pool add lan --pf enp6s0f0 2>&1)
like "$? $out" '^1 .*no SR-IOV PF.*mlxconfig -d 0000:06:00.0 set SRIOV_EN=1 NUM_OF_VFS=8' "a Mellanox card without SR-IOV: how it is switched on"

# --- A write to sriov_numvfs that never ends ---

node_up
pve_up || exit 1
plain pool add wan --pf enp6s0f0 >/dev/null 2>&1
qm create 100 --name fw >/dev/null
plain attach 100 >/dev/null 2>&1
qm start 100 >/dev/null 2>&1
# The kernel lets nobody read either of them meanwhile; nor does a pipe that nobody writes to.
for f in "$(dev 0000:06:00.0)/sriov_numvfs" "$(dev 0000:06:10.0)/driver_override"; do
	rm "$f"
	mkfifo "$f"
done
rm "$(dev 0000:06:10.0)/driver"
is "$(lease_of 0000:06:10.0)" "100 running" "somebody takes the VFs away, and the driver waits for VM 100 to let go"
out=$(timeout 60 "$BUILD/tests/vfhook-plain" --root "$node_root" status 2>&1)
like "$? $out" '^0 .* 0 +running +100' "status answers all the same"
out=$(timeout 60 "$BUILD/tests/vfhook-plain" --root "$node_root" explain 100 2>&1)
like "$? $out" '^0 .*VM 100' "so does explain"
out=$(timeout 60 "$BUILD/tests/vfhook-plain" --root "$node_root" check 2>&1)
like "$?" '^[01]$' "and check"
timeout 60 "$BUILD/tests/vfhook-plain" --root "$node_root" metrics >/dev/null 2>&1
is $? 0 "and metrics"
done_testing
