# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# livelib.sh - what suites of live migration look at: leases, guests and flags of two nodes. To be
# sourced behind lib.sh, once both nodes are up; VM 100 is meant where none is named.

etc=$node_root/etc/pve

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
# shellcheck disable=SC2317
no_job() { ! pgrep -f -- "--root ($node_root|$node2_root) live-job" >/dev/null; }
