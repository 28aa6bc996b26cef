# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# nsim.sh - PFs with as many VFs as one likes, in the rig's host guest: netdevsim of the
# real kernel (netdevsim-setup built it). To be sourced after lib.sh or node.sh.
#
# netdevsim's VFs are settings and nothing else: no PCI function, no virtfn links, no IOMMU
# group. So vfhook gets a made-up sysfs below a root of its own (vfhook --root), in which
# the PF's interface has the ifindex of the real one, and speaks rtnetlink with the kernel.

# nsim_load - 77 if netdevsim-setup has not been here.
nsim_load() {
	local ko=$RIG_TOP/build/rig/netdevsim.ko
	[[ ! -d /sys/bus/netdevsim ]] || return 0
	[[ -f $ko ]] || { rig_err "no ${ko#"$RIG_TOP"/}: run tests/e2e/netdevsim-setup"; return 77; }
	modprobe psample && insmod "$ko"
}

# nsim_vfs N VFS [MAX] - device N has VFS fresh VFs (all settings forgotten), of at most MAX
# (VFS). The kernel keeps MAX while there are VFs.
nsim_vfs() {
	local dev=/sys/bus/netdevsim/devices/netdevsim$1
	echo 0 >"$dev/sriov_numvfs" || return
	echo "${3:-$2}" >"/sys/kernel/debug/netdevsim/netdevsim$1/max_vfs" || return
	echo "$2" >"$dev/sriov_numvfs"
}

# nsim_pf N VFS [MAX] - make device N (from 1 on) with VFS VFs, set its interface up and print
# its name.
nsim_pf() {
	local ifname
	[[ -d /sys/bus/netdevsim/devices/netdevsim$1 ]] ||
		echo "$1 1" >/sys/bus/netdevsim/new_device || return
	nsim_vfs "$@" || return
	ifname=$(echo "/sys/bus/netdevsim/devices/netdevsim$1/net/"*)
	ip link set dev "${ifname##*/}" up || return
	echo "${ifname##*/}"
}

# nsim_tree ROOT ADDR=IFNAME[,KEY=VALUE...]... - a sysfs below ROOT, in which IFNAME, from
# nsim_pf, is the PF at PCI address ADDR, with a VF and an IOMMU group for each VF that it has
# now. VF n is n + 16 addresses behind the PF: 400 of them are on two buses. More
# KEY=VALUE: of pvesim mktree.
nsim_tree() {
	local root=$1 spec addr ifname more dev n
	local -a args=()
	shift
	for spec; do
		addr=${spec%%=*}
		spec=${spec#*=}
		ifname=${spec%%,*}
		more=${spec#"$ifname"}
		dev=$(readlink -f -- "/sys/class/net/$ifname/device") || return
		n=${dev##*/netdevsim}
		args+=(--pf "$addr,driver=netdevsim,autoprobe=0,up=1,ifname=$ifname,ifindex=$(<"/sys/class/net/$ifname/ifindex"),mac=$(<"/sys/class/net/$ifname/address"),vfs=$(<"/sys/kernel/debug/netdevsim/netdevsim$n/max_vfs"),numvfs=$(<"$dev/sriov_numvfs")$more")
	done
	pvesim --root "$root" mktree "${args[@]}"
}

# nsim_node ROOT - a node for vfhook --root ROOT: /etc/pve, the token (see node.sh), the
# wrappers that PVE calls. `pvesim --root ROOT serve` is for whoever needs the REST API.
nsim_node() {
	local root=$1 name
	pvesim --root "$root" init --node "$(hostname)" >/dev/null || return
	# shellcheck disable=SC2154 # node.sh's
	pvesim --root "$root" token add "$token_id" --privs "${token_privs[@]}" >"$root/token.new" || return
	install -m 600 "$root/token.new" "$root/etc/pve/priv/vfhook.token" || return
	rm -- "$root/token.new"
	ln -sfn /proc "$root/proc"
	mkdir -p "$root/var/lib/vz/snippets" "$root/usr/sbin"
	for name in var/lib/vz/snippets/vfhook=$RIG_TOP/build/hook usr/sbin/qm=$RIG_TOP/tests/sim/qm; do
		printf '#!/bin/sh\nexec %q --root %q "$@"\n' "${name#*=}" "$root" >"$root/${name%%=*}"
		chmod 755 "$root/${name%%=*}"
	done
}
