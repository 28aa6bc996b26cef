#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# hookscript.bash VMID PHASE - what a careful admin would write instead of vfhook: a table of
# VMs, a free VF from sysfs, `ip link set` for each attribute, a look at the result, and
# the mapping by `curl` if it must change. For comparison only: it knows nothing of two
# starts at once, crashes, other users of a VF, or drivers that say yes and do nothing.
#
# Table, /etc/pve/vf-table: a line for each VM:
#   VMID PF MAC VLAN QOS SPOOFCHK TRUST MAX_TX_RATE
#
# The benchmark has two variants of it, as a third word:
#   one-call     all attributes in one call of ip
#   always-put   write the mapping at each start

set -euo pipefail

readonly vmid=$1 phase=$2 variant=${3:-}
readonly table=/etc/pve/vf-table state=/run/hookscript mappings=/etc/pve/mapping/pci.cfg
readonly token=/etc/pve/priv/vfhook.token ca=/etc/pve/pve-root-ca.pem

die() {
	echo "hookscript: VM $vmid: $*" >&2
	exit 1
}

# The VM's line of the table, in variables.
read_table() {
	local id
	while read -r id pf mac vlan qos spoofchk trust rate; do
		[[ $id == "$vmid" ]] && return 0
	done <"$table"
	exit 0	# a VM without a VF
}

# The VF that it had last, else the first that no VM has: its number in `vf`.
find_vf() {
	local n taken=' ' f
	if [[ -f $state/$vmid ]]; then
		vf=$(<"$state/$vmid")
		return 0
	fi
	for f in "$state"/*; do
		[[ ! -f $f ]] || taken+="$(<"$f") "
	done
	for n in "/sys/class/net/$pf/device/virtfn"*; do
		vf=${n##*virtfn}
		[[ $taken == *" $vf "* ]] || return 0
	done
	die "no VF of $pf is free"
}

set_vf() {
	if [[ $variant == one-call ]]; then
		ip link set "$pf" vf "$vf" mac "$mac" vlan "$vlan" qos "$qos" spoofchk "$spoofchk" \
			trust "$trust" max_tx_rate "$rate"
		return
	fi
	ip link set "$pf" vf "$vf" vlan "$vlan" qos "$qos"
	ip link set "$pf" vf "$vf" mac "$mac"
	ip link set "$pf" vf "$vf" spoofchk "$spoofchk"
	ip link set "$pf" vf "$vf" trust "$trust"
	ip link set "$pf" vf "$vf" max_tx_rate "$rate"
}

check_vf() {
	ip -d -j link show dev "$pf" |
		jq -e --argjson vf "$vf" --arg mac "$mac" --argjson vlan "$vlan" --argjson rate "$rate" \
			--argjson spoof "$([[ $spoofchk == on ]] && echo true || echo false)" \
			--argjson trust "$([[ $trust == on ]] && echo true || echo false)" \
			'.[0].vfinfo_list[] | select(.vf == $vf) |
			.address == $mac and .vlan_list[0].vlan == $vlan and .spoofchk == $spoof and
			.trust == $trust and .rate.max_tx == $rate' >/dev/null ||
		die "VF $vf of $pf is not as it was set"
}

# PVE's mapping must name this VF.
set_mapping() {
	local dev id sub map group
	dev=$(readlink -f "/sys/class/net/$pf/device/virtfn$vf")
	if [[ $variant != always-put && $(<"$mappings") == *"path=${dev##*/}"* ]]; then
		return 0
	fi
	id=$(<"$dev/vendor"):$(<"$dev/device")
	sub=$(<"$dev/subsystem_vendor"):$(<"$dev/subsystem_device")
	group=$(readlink "$dev/iommu_group")
	map="id=${id//0x/},iommugroup=${group##*/},node=$HOSTNAME,path=${dev##*/},subsystem-id=${sub//0x/}"
	curl -sS --fail -o /dev/null --cacert "$ca" -H "Authorization: PVEAPIToken=$(<"$token")" \
		-X PUT --data-urlencode "map=$map" \
		"https://localhost:8006/api2/json/cluster/mapping/pci/vf-$vmid-0"
}

read_table
mkdir -p "$state"
case $phase in
pre-start)
	find_vf
	set_vf
	check_vf
	set_mapping
	echo "$vf" >"$state/$vmid"
	;;
post-stop)
	find_vf
	ip link set "$pf" vf "$vf" vlan 0
	ip link set "$pf" vf "$vf" mac 00:00:00:00:00:00
	ip link set "$pf" vf "$vf" trust off
	ip link set "$pf" vf "$vf" max_tx_rate 0
	ip link set "$pf" vf "$vf" spoofchk on
	;;
esac
