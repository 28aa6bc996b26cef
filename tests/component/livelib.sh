# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# livelib.sh - what suites of live migration share: two nodes, VM 100 with a VF, and what they look at: leases,
# guests and flags. To be sourced behind lib.sh; VM 100 is meant where none is named.

# The first VF of each node.
readonly vf1=0000:06:10.0 vf2=0000:81:10.0
etc=

# two_nodes_up - pve1 and pve2, with the PF $pf2 in pve2 if that is said (as mktree wants it), and their daemons.
pf2=
two_nodes_up() {
	node_up
	etc=$node_root/etc/pve
	second_node_up ${pf2:+"$pf2"} && pve_up && pve2_up
}
# two_pools_up - pool wan with the PF of each node, and VM 100 with a NIC, but without a port.
two_pools_up() {
	vfhook pool add wan --pf enp6s0f0 >/dev/null 2>&1
	vfhook2 pool add wan --pf enp129s0f0 >/dev/null 2>&1
	qm create 100 --name fw --net0 virtio,bridge=vmbr0 >/dev/null
}
# live_vm_up - it has one, runs on pve1, and PVE may migrate it.
live_vm_up() {
	vfhook attach 100 --vlan 20 --mac bc:24:11:00:00:01 --live-migration on >/dev/null 2>&1
	qm start 100 >/dev/null 2>&1
	wait_for 20 is_flag 1
}
# begin_migration - to pve2, and stop in the middle: memory is transferred for ever.
begin_migration() {
	local log
	log=$(qemu_control "$node_root" 100)/qmp.log
	: >"$log"
	ctl pve1 migrate never
	qm migrate 100 pve2 --online >/dev/null 2>&1 &
	migration=$!
	wait_for 60 grep -q '^query-migrate' "$log"
}
end_migration() {
	pkill -TERM -f "qm --root $node_root migrate 100"
	wait "$migration"
	ctl pve1 migrate
}
# as_before - four tests: it has its VF on pve1.
as_before() {
	try "it has its VF again" wait_for 30 has_leases pve1 "$vf1:running"
	is "$(seen pve1) $(mac_of pve1)" "$vf1 bc:24:11:00:00:01" "sees it, and it is set as before"
	try "the target's VF is free" wait_for 30 has_leases pve2 ""
	try "PVE may migrate it" wait_for 30 is_flag 1
}

# ctl NODE FILE [VALUE] - what that node's QEMU and its guest do; without a value: as ever.
ctl() {
	local dir
	if [[ $1 == pve1 ]]; then dir=$(qemu_control "$node_root" 100); else dir=$(qemu_control "$node2_root" 100); fi
	if (($# > 2)); then echo "$3" >"$dir/$2"; else rm -f "$dir/$2"; fi
}
qemu_control() {
	mkdir -p "$1/var/lib/pvesim/qemu/$2"
	echo "$1/var/lib/pvesim/qemu/$2"
}
# seen NODE - which devices the guest sees there.
seen() {
	local root=$node_root
	[[ $1 == pve1 ]] || root=$node2_root
	python3 -c 'import json,sys
g=json.load(open(sys.argv[1]))
print(*sorted(g["devices"][i] for i in g["sees"] if i in g["devices"]))' \
		"$(qemu_control "$root" 100)/guest.json" 2>/dev/null
}
lease() { # NODE VF KEY
	local root=$node_root
	[[ $1 == pve1 ]] || root=$node2_root
	python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$root/run/vfhook/leases/$2" "$3" 2>/dev/null
}
leases() { # NODE - "VF:phase" of all
	local root=$node_root f
	[[ $1 == pve1 ]] || root=$node2_root
	for f in "$root"/run/vfhook/leases/0000:*; do
		[[ -e $f ]] && printf '%s:%s ' "${f##*/}" "$(lease "$1" "${f##*/}" phase)"
	done | sed 's/ $//'
}
flag() { sed -n '/^vf-100-0$/,/^$/s/^	live-migration-capable //p' "$etc/mapping/pci.cfg"; }
# shellcheck disable=SC2317 # called by wait_for
is_flag() { [[ $(flag) == "$1" ]]; }
# shellcheck disable=SC2317
has_leases() { [[ $(leases "$1") == "$2" ]]; }
mac_of() { # NODE - of VF 0 of its PF
	if [[ $1 == pve1 ]]; then vf_get enp6s0f0 0 mac; else node_root=$node2_root vf_get enp129s0f0 0 mac; fi
}
