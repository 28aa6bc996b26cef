#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# host.sh - vfhook check on a made-up host: each requirement broken in turn; and
# vfhook host prepare and restore, with stand-ins for the boot tools.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

# The checks that look at the host and its PFs; the others are pve's.
readonly ours='cpu-virt iommu-firmware iommu iommu-pt kernel-cmdline interrupt-remapping vfio-modules
	blacklist pf pf-driver pf-up vfs autoprobe vf-host-driver iommu-group vf-bus vf-bar switchdev
	sriov-nic pool leftover'
readonly nic=0000:06:00.0
readonly release=6.8.12-4-pve

put() { # PATH TEXT... - a file of the node, its folders with it
	mkdir -p "$node_root/${1%/*}"
	printf '%s\n' "${@:2}" >"$node_root/$1"
}
booted() { put proc/cmdline "BOOT_IMAGE=/boot/vmlinuz root=/dev/mapper/pve-root ro quiet $*"; }

# Making a node takes a second: the first one is kept, and copied back for each of the others.
template=$(mktemp -d /tmp/vfhook-host.XXXXXX)
trap 'node_down; rm -rf -- "$template"' EXIT
fresh_node() {
	if [[ $node_root == "$template_of" && -n $node_root ]]; then
		rm -rf -- "${node_root:?}"/*
		cp -a "$template/." "$node_root"
		return
	fi
	node_up
	rm "$node_root/proc"
	template_of=$node_root
	rm -rf -- "${template:?}"/*
	cp -a "$node_root/." "$template"
}
template_of=

# good_node [CPU] - a host on which nothing is wrong.
good_node() {
	fresh_node
	case ${1:-intel} in
	intel) put proc/cpuinfo 'processor : 0' 'vendor_id : GenuineIntel' 'flags : fpu vmx smx' '' ;;
	amd) put proc/cpuinfo 'processor : 0' 'vendor_id : AuthenticAMD' 'flags : fpu svm' '' ;;
	esac
	put proc/sys/kernel/osrelease $release
	put proc/interrupts '      CPU0' ' 24:  0  IR-PCI-MSI-0000:06:00.0  0-edge  enp6s0f0'
	booted iommu=pt
	put sys/firmware/acpi/tables/DMAR x
	mkdir -p "$node_root"/sys/module/{vfio,vfio_iommu_type1/parameters,vfio_pci}
	put sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts N
	put "sys/bus/pci/devices/$nic/../subordinate_bus_number" 6
	put "sys/bus/pci/devices/$nic/resource" \
		'0xfe000000 0xfe01ffff 0x40200' 0x0\ 0x0\ 0x0{,,,,,} \
		'0xfe800000 0xfe81bfff 0x14220c' 0x0\ 0x0\ 0x0{,,,,}
	pool_cfg </dev/null
}
# pool_cfg - a pool that says how many VFs it wants, and what comes behind it.
pool_cfg() {
	{
		printf 'pool: wan\n\tpf node=pve1,path=%s\n\tvfs 7\n\n' $nic
		cat
	} | cfg
}
port() { printf 'port: %s-0\n\tpool wan\n\tmac bc:24:11:00:00:01\n%b\n' "$1" "${2:-}"; }

check() { vfhook check --output-format json >"$node_root/check.json" 2>"$node_root/check.err"; }
# level ID - the worst level that any finding with this id has, and its remedies.
level() {
	python3 -c 'import json, sys
mine = [f for f in json.load(open(sys.argv[1]))["findings"] if f["check"] == sys.argv[2]]
worst = max((f["level"] for f in mine), key="PASS WARN FAIL".split().index, default="none")
print(worst, "; ".join(f["text"] + " -> " + f["remedy"] for f in mine if f["level"] == worst))' \
		"$node_root/check.json" "$1"
}
# broken ID LEVEL REGEX DESCRIPTION - check says so, and what to do.
broken() {
	check
	like "$(level "$1")" "^$2 .* -> .*$3" "$4: $2, with the remedy"
}

# --- all is well -----------------------------------------------------------------------

good_node
check
out=$(python3 -c 'import json, sys
f = [f for f in json.load(open(sys.argv[1]))["findings"] if f["check"] in sys.argv[2].split()]
print(sorted({x["level"] for x in f}), len(f))
for x in f:
    if x["level"] != "PASS" or x["remedy"]: print(x)' "$node_root/check.json" "$ours")
is "$out" "['PASS'] 16" "a good host: only PASS"
good_node amd
rm "$node_root/sys/firmware/acpi/tables/DMAR"
put sys/firmware/acpi/tables/IVRS x
check
is "$(level iommu-firmware | cut -c-4) $(level kernel-cmdline | cut -c-4)" "PASS PASS" "an AMD host too"

# --- each requirement broken in turn ---------------------------------------------------------

good_node
put proc/cpuinfo 'vendor_id : GenuineIntel' 'flags : fpu' ''
broken cpu-virt FAIL 'BIOS' "no vmx"
put proc/cpuinfo 'vendor_id : GenuineIntel' 'flags : fpu hypervisor' ''
broken cpu-virt WARN 'nested virtualization' "a host that is a VM"

good_node
rm "$node_root/sys/class/iommu/dmar0"
broken iommu FAIL 'vfhook host prepare --apply, then reboot' "the IOMMU is off"
rm "$node_root/sys/firmware/acpi/tables/DMAR"
broken iommu-firmware FAIL 'firmware \(BIOS\)' "VT-d is off"
broken iommu FAIL 'firmware' "and so is the IOMMU"

good_node
booted intel_iommu=on
broken iommu-pt WARN 'vfhook host prepare --apply' "no iommu=pt"
booted iommu=pt iommu=off
broken kernel-cmdline FAIL 'update-grub' "iommu=off"
booted iommu=pt pcie_acs_override=downstream
broken kernel-cmdline WARN 'real ACS' "an ACS override"

good_node
put proc/interrupts ' 24:  0  PCI-MSI-0000:06:00.0  0-edge  enp6s0f0'
broken interrupt-remapping FAIL 'x2APIC' "no interrupt remapping"
put sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts Y
broken interrupt-remapping WARN 'modprobe.d' "which was allowed"

good_node
rmdir "$node_root/sys/module/vfio_pci"
broken vfio-modules FAIL 'Proxmox VE kernel' "no vfio-pci"
put "lib/modules/$release/modules.dep" 'kernel/drivers/vfio/pci/vfio-pci.ko: kernel/drivers/vfio/vfio.ko'
check
like "$(level vfio-modules)" '^PASS .*first VM' "one that can be loaded will do"
put etc/modules '# at boot' vfio vfio_virqfd
broken vfio-modules WARN 'delete that line' "vfio_virqfd on a kernel without it"
like "$(level vfio-modules)" '/etc/modules:3 ' "with file and line"

good_node
put etc/modprobe.d/vfio.conf '# options vfio-pci ids=8086:10c9' 'options vfio-pci ids=10de:1c82,8086:10c9'
broken blacklist FAIL 'take 8086:10c9 out of /etc/modprobe.d/vfio.conf:2' "the PF's id given to vfio-pci"
rm "$node_root/etc/modprobe.d/vfio.conf"
booted iommu=pt vfio-pci.ids=8086:10c9
broken blacklist FAIL 'out of the kernel command line' "on the command line as well"

# --- PFs -------------------------------------------------------------------------------------------

good_node
put "sys/bus/pci/devices/$nic/sriov_totalvfs" 0
broken pf FAIL 'SR-IOV in the board.s firmware' "SR-IOV off in the firmware"
good_node
fake_set enp6s0f0 'p["up"] = False'
broken pf-up FAIL 'ip link set enp6s0f0 up' "a PF that is down"
fake_set enp6s0f0 'p["up"] = True; p["carrier"] = False'
broken pf-up WARN 'cable' "no carrier"
sim numvfs "$nic" 0
sim numvfs "$nic" 3
broken vfs FAIL 'vfhook boot' "too few VFs"
good_node
wan_cfg </dev/null
broken vfs WARN 'vfhook pool add wan --pf enp6s0f0 --vfs 7' "a pool that does not say how many"
for id in {100..107}; do
	qm create "$id" --name "vm$id" >/dev/null
	port "$id"
done | sed 's/00:01$/00:00/' >"$node_root/ports"
for id in {100..107}; do sed -i "/^port: $id-0/,/mac/s/00:00$/00:$((id - 97))0/" "$node_root/ports"; done
pool_cfg <"$node_root/ports"
broken vfs WARN 'more VFs' "more ports than VFs"

good_node
qm create 100 --name vm100 >/dev/null
port 100 '\tlink-state disable\n' | pool_cfg
broken pf-driver FAIL 'vfhook set 100 --slot 0 --link-state unset' "a wish that the driver cannot grant"
like "$(level pf-driver)" 'port 100-0 wants link-state disable, which the driver igb' "with port, key and driver"

good_node
put "sys/bus/pci/devices/$nic/sriov_drivers_autoprobe" 1
broken autoprobe WARN 'vfhook boot' "autoprobe"
host_netdev 0000:06:10.2 enp6s0f0v1 igbvf
broken vf-host-driver WARN 'take enp6s0f0v1 out of /etc/network/interfaces' "a VF that the host uses"

node_up $nic,driver=igb,ifname=enp6s0f0,vfs=7,numvfs=7,up=1,autoprobe=0,groups=withpf
pool_cfg </dev/null
broken iommu-group FAIL 'another slot.*gives up isolation' "VFs in one group with the PF"
node_up $nic,driver=igb,ifname=enp6s0f0,vfs=7,numvfs=7,up=1,autoprobe=0,groups=shared
pool_cfg </dev/null
broken iommu-group WARN 'ACS' "VFs that share a group"

good_node
put "sys/bus/pci/devices/$nic/sriov_offset" 384
broken vf-bus FAIL 'pci=assign-busses.*renumbers' "no bus number for the VFs"
put "sys/bus/pci/devices/$nic/resource" 0x0\ 0x0\ 0x0{,,,,,,} '0x0 0x1bfff 0x14220c' 0x0\ 0x0\ 0x0{,,,,}
broken vf-bar FAIL 'Above 4G' "no address for the VFs"
put "sys/bus/pci/devices/$nic/net/enp6s0f0r0/phys_port_name" pf0vf0
broken switchdev FAIL "devlink dev eswitch set pci/$nic mode legacy" "switchdev mode"

good_node
cfg </dev/null
broken pool WARN 'vfhook pool add' "no pool yet"
like "$(level sriov-nic)" '^PASS .*vfhook pool add <name> --pf enp6s0f0 --vfs 7' "and the NIC that could be one"
rm "$node_root/sys/bus/pci/devices/$nic"
broken sriov-nic FAIL 'lspci' "no NIC at all"

# --- leftovers -----------------------------------------------------------------------------------------

good_node
put etc/systemd/system/sriov.service '[Service]' 'ExecStart=/usr/bin/bash /usr/local/bin/vfs.sh' \
	'ExecStart=/usr/bin/ip link set enp6s0f0 vf 0 mac 02:00:00:00:00:00'
put usr/local/bin/vfs.sh '#!/bin/sh' '# echo 7 > sriov_numvfs' 'echo 6 > /sys/class/net/enp6s0f0/device/sriov_numvfs'
put etc/systemd/system/vfhook.service 'ExecStart=/bin/echo sriov_numvfs'
put etc/modprobe.d/igb.conf 'options igb max_vfs=7'
put etc/crontab '@reboot root /sbin/ip link set enp6s0f0 vf 1 vlan 20'
put var/lib/vz/snippets/old.sh $'ip link set enp6s0f0 vf 2 \e[31mtrust on'
broken leftover WARN 'systemctl disable sriov.service; rm /etc/systemd/system/sriov.service' "a unit"
for where in sriov.service:3 usr/local/bin/vfs.sh:3 modprobe.d/igb.conf:1 crontab:1 snippets/old.sh:1; do
	like "$(level leftover)" "/$where (makes|sets) VFs by hand" "$where is named"
done
is "$(level leftover | grep -c 'vfhook.service')" 0 "our own unit is not"
like "$(level leftover)" 'vf 2 \?\[31mtrust' "control characters are cleaned"
for i in {1..40}; do put "etc/sysfs.d/$i.conf" 'class/net/eth0/device/sriov_numvfs = 7'; done
out=$(vfhook check)
like "$out" 'and 2[0-9] more like them' "many are counted"

# --- host prepare and restore ------------------------------------------------------------------------------

tools() { # EXIT-STATUS - stand-ins that write down how they were called
	local t
	mkdir -p "$node_root/usr/sbin"
	for t in update-grub proxmox-boot-tool; do
		printf '#!/bin/sh\necho "%s $*" >>%q\nexit %d\n' $t "$node_root/ran" "$1" >"$node_root/usr/sbin/$t"
		chmod 755 "$node_root/usr/sbin/$t"
	done
}
ran() { cat "$node_root/ran" 2>/dev/null; rm -f "$node_root/ran"; }
# what is below /etc, with its contents
etc() { (cd "$node_root/etc" && find kernel default modules-load.d -type f -exec sha1sum {} + 2>/dev/null | sort); }
grub_node() {
	good_node
	booted
	rm "$node_root/sys/class/iommu/dmar0"
	put etc/default/grub 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"'
	tools 0
}
zfs_node() {
	grub_node
	put etc/kernel/cmdline 'root=ZFS=rpool/ROOT/pve-1 boot=zfs'
	put etc/kernel/proxmox-boot-uuids ABCD-1234
	mkdir -p "$node_root/sys/firmware/efi/efivars"
	{
		printf '\6\0\0\0'
		printf 'systemd-boot 252.31' | iconv -t UTF-16LE
	} >"$node_root/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
}

grub_node
before=$(etc)
out=$(vfhook host prepare 2>&1)
is "$? $(etc) $(ran)" "0 $before " "GRUB: prepare shows, and changes nothing"
# shellcheck disable=SC2016 # a dollar on purpose
like "$out" 'GRUB_CMDLINE_LINUX_DEFAULT="\$GRUB_CMDLINE_LINUX_DEFAULT intel_iommu=on iommu=pt"' "what would be written"
like "$out" 'to do it: vfhook host prepare --apply' "and how"
out=$(vfhook --dry-run host prepare --apply 2>&1)
is "$? $(etc) $(ran)" "0 $before " "--dry-run wins over --apply"
out=$(vfhook host prepare --apply 2>&1)
is "$? $(ran)" "0 update-grub " "--apply runs update-grub"
like "$out" 'reboot this host' "and asks for a reboot"
# shellcheck source=/dev/null
is "$(. "$node_root/etc/default/grub" && . "$node_root/etc/default/grub.d/vfhook.cfg" && echo "$GRUB_CMDLINE_LINUX_DEFAULT")" \
	"quiet intel_iommu=on iommu=pt" "the words are behind the admin's own"
is "$(grep -v '^#' "$node_root/etc/modules-load.d/vfhook.conf" | xargs)" "vfio vfio_iommu_type1 vfio_pci" "the modules"
is "$(stat -c %a "$node_root/etc/default/grub.d/vfhook.cfg")" 644 "readable for all"
after=$(etc)
out=$(vfhook host prepare --apply 2>&1)
is "$? $(etc) $(ran)" "0 $after " "a second time: nothing is done"
like "$out" 'nothing to do.*reboot this host' "and that is said, with the reboot that is missing"
booted intel_iommu=on iommu=pt
ln -s ../../devices/virtual/iommu/dmar0 "$node_root/sys/class/iommu/dmar0"
out=$(vfhook host prepare 2>&1)
like "$out" 'nothing to do' "after the reboot: nothing to do"
is "$(grep -c reboot <<<"$out")" 0 "and no more reboot"
check
is "$(level iommu | cut -c-4) $(level iommu-pt | cut -c-4)" "PASS PASS" "check is content"
out=$(vfhook host restore 2>&1)
is "$? $(etc)" "0 $after" "restore shows, and changes nothing"
vfhook host restore --apply >/dev/null 2>&1
is "$? $(etc) $(ran)" "0 $before update-grub " "restore --apply: as it was before"
out=$(vfhook host restore --apply 2>&1)
like "$? $out" '^0 .*nothing to do' "twice: nothing to do"

zfs_node
before=$(etc)
out=$(vfhook host prepare --apply 2>&1)
is "$? $(ran)" "0 proxmox-boot-tool refresh" "systemd-boot: proxmox-boot-tool refresh"
is "$(cat "$node_root/etc/kernel/cmdline")" "root=ZFS=rpool/ROOT/pve-1 boot=zfs intel_iommu=on iommu=pt" "one line, ours at its end"
is "$(cat "$node_root/etc/kernel/cmdline.vfhook-backup")" "root=ZFS=rpool/ROOT/pve-1 boot=zfs" "with a copy of the old one"
is "$(ls "$node_root/etc/default/grub.d" 2>/dev/null)" "" "GRUB, which does not boot here, is left alone"
vfhook host restore --apply >/dev/null 2>&1
is "$? $(etc) $(ran)" "0 $before proxmox-boot-tool refresh" "restore: byte for byte"
vfhook host prepare --apply >/dev/null 2>&1
put etc/kernel/cmdline 'root=ZFS=rpool/ROOT/pve-1 boot=zfs intel_iommu=on iommu=pt nomodeset'
out=$(vfhook host restore --apply 2>&1)
like "$out" 'was changed since' "a line that the admin changed: it is said"
is "$(cat "$node_root/etc/kernel/cmdline")" "root=ZFS=rpool/ROOT/pve-1 boot=zfs nomodeset" "only our words go"
ran >/dev/null

zfs_node
tools 3
out=$(vfhook host prepare --apply 2>&1)
is "$? $(etc)" "1 $before" "the boot tool fails: the files are put back"
like "$out" 'proxmox-boot-tool failed with exit status 3' "and it is said why"
rm "$node_root/usr/sbin/proxmox-boot-tool"
out=$(vfhook host prepare --apply 2>&1)
like "$? $out" '^1 .*proxmox-boot-tool is not installed' "a boot tool that is not there"
is "$(etc)" "$before" "the same"
tools 0
vfhook host prepare --apply >/dev/null 2>&1
ran >/dev/null
put etc/kernel/cmdline 'root=x intel_iommu=off'
out=$(vfhook host prepare --apply 2>&1)
like "$? $out" "^1 .*'intel_iommu=off' in /etc/kernel/cmdline" "a contradiction is the admin's to solve"
is "$(ran)" "" "nothing was run"

good_node amd
put etc/default/grub 'GRUB_CMDLINE_LINUX="iommu=pt"'
tools 0
out=$(vfhook host prepare --apply 2>&1)
is "$? $(ran) $(ls "$node_root/etc/default")" "0  grub" "AMD with iommu=pt: only the modules are added"
good_node
out=$(vfhook host prepare --apply 2>&1)
like "$? $out" '^1 .*by hand' "a boot loader that is not known"

for args in "" "prepare now" "prepair" "--apply" "prepare --aply"; do
	# shellcheck disable=SC2086 # words on purpose
	out=$(vfhook host $args 2>&1)
	is "$? $(wc -l <<<"$out")" "2 1" "wrong call 'host $args': exit 2, one line"
done
help=$(vfhook host --help)
is "$(($(wc -l <<<"$help") <= 24)) $(awk 'length > 80' <<<"$help" | wc -l)" "1 0" "its help fits a screen"

done_testing
