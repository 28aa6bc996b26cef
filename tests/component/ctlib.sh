# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
#
# ctlib.sh - a node with container 110, behind lib.sh.

mac1=bc:24:11:00:00:01
parked=00:00:00:00:00:00
vf0=0000:06:10.0
kernel_pid=
journal_pid=

# fresh [MKTREE-PF-ARG]... - a node with the kernel's part of binding drivers, a journal, and container 110 with
# a port and its lines, as attach leaves them.
fresh() {
	[[ -z $kernel_pid ]] || kill "$kernel_pid" "$journal_pid" 2>/dev/null
	node_up "$@"
	mkdir -p "$node_root/sys/bus/pci/drivers/igbvf" "$node_root/sys/fs/cgroup"
	: >"$node_root/sys/bus/pci/drivers/igbvf/unbind"
	# Not by the function: its process would be a shell's, and what is killed with it only that.
	"$sim" --root "$node_root" kernel 2>/dev/null &
	kernel_pid=$!
	"$sim" --root "$node_root" syslog &
	journal_pid=$!
	printf 'port: 110-0\n\tpool wan\n\tname eth1\n\tmac %s\n\tvlan 20\n' "$mac1" | wan_cfg
	ct 110
	lines 110 110 eth1
}
# shellcheck disable=SC2317 # by the trap
ct_down() {
	[[ -n $node_root ]] || return
	[[ -z $kernel_pid ]] || kill "$kernel_pid" "$journal_pid" 2>/dev/null
	# Monitors that still run end with their sockets' node.
	pct stop 110 >/dev/null 2>&1
	pct stop 111 >/dev/null 2>&1
	node_down
}
trap ct_down EXIT

# ct ID [PCT-SET-ARG]... - a container with the hookscript.
ct() {
	local id=$1
	shift
	pct create "$id" --hostname "ct$id" --net0 name=eth0,bridge=vmbr0,hwaddr=BC:24:11:AA:00:01 >/dev/null
	pct set "$id" --hookscript local:snippets/vfhook "$@" >/dev/null
}
# lines ID OF NAME - its raw lines, which call the interface of container OF.
lines() {
	printf 'lxc.net.32.%s\n' 'type: phys' "link: vf$2n0" "name: $3" 'flags: up' \
		>>"$node_root/etc/pve/nodes/pve1/lxc/$1.conf"
}
# in_journal REGEX - a line of it: what post-stop says goes there, since LXC keeps its output to itself.
in_journal() { grep -qE "$1" "$node_root/var/lib/pvesim/journal.log"; }
conf() { cat "$node_root/etc/pve/nodes/pve1/lxc/110.conf"; }
# age - what was written in its folder was so long ago that no reboot is under way.
age() { touch -c -d '2 minutes ago' "$node_root/var/lib/lxc/${1:-110}"; }
driver() { basename "$(readlink "$node_root/sys/bus/pci/devices/$1/driver" || echo none)"; }
override() { cat "$node_root/sys/bus/pci/devices/$1/driver_override"; }
# nets VF - its interfaces on the host.
nets() { (cd "$node_root/sys/bus/pci/devices/$1/net" 2>/dev/null && echo ./* | sed 's|\./\*\{0,1\}||'); }
# held - VF 0: MAC, VLAN, driver, interface here, lease.
held() { echo "$(vf_get enp6s0f0 0 mac) $(vf_get enp6s0f0 0 vlan) $(driver "$vf0") [$(nets "$vf0")] $(lease_of "$vf0")"; }
# shellcheck disable=SC2317 # called by wait_for
is_free() { [[ $(held) == "$parked 0 none [] " ]]; }
# shellcheck disable=SC2317 # called by wait_for
is_running() { [[ $(held) == "$mac1 20 igbvf [] 110 running" ]]; }
