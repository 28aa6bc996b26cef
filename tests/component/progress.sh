#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# progress.sh - what somebody at a terminal sees while vfhook waits for others; and that nobody else does.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

node_up 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=7,numvfs=7,up=1
pve_up
printf 'port: 100-0\n\tpool wan\n\tmac bc:24:11:00:00:01\n\n' | wan_cfg
vm 100

# seen STEP... -- ARG... - vfhook with these on a terminal (terminal.py).
seen() {
	local -a steps=()
	while [[ $1 != -- ]]; do
		steps+=("$1")
		shift
	done
	shift
	python3 "$top/tests/component/terminal.py" 200x24 "${steps[@]}" -- "$BUILD/tests/vfhook-fake" --root "$node_root" "$@"
}
# hold FILE - somebody has that lock.
hold() {
	mkdir -p "${1%/*}"
	sh -c 'exec 9>"$1"; flock 9; exec sleep 60' sh "$1" &
	holder=$!
	wait_for 30 is_locked "$1"
}

# --- locks ----------------------------------------------------------------------------------------

vfhook 100 pre-start >/dev/null 2>&1
for what in "var/lock/qemu-server/lock-100.conf=waiting for PVE's lock on 100" "run/vfhook/locks/100=waiting for another run of vfhook for 100"; do
	hold "$node_root/${what%%=*}"
	out=$(seen until "vfhook: ${what#*=}, [0-9]+ s left" signal TERM ended -- release 100)
	like "$out" '^(143|-15|241) as before$' "${what#*=}, and for how long still"
	kill "$holder"
	wait "$holder" 2>/dev/null
done
vfhook 100 pre-start >/dev/null 2>&1
hold "$node_root/var/lock/qemu-server/lock-100.conf"
(sleep 3; kill "$holder") &
killer=$!
out=$(vfhook release 100 2>&1)
wait "$killer"
is "$(grep -c 'waiting\|left' <<<"$out") $(grep -c $'\r\|\033' <<<"$out")" "0 0" "nothing of it where there is no terminal"
mkdir -p "$node_root/etc/pve/priv/lock/vfhook"
out=$(seen until 'waiting for who changes /etc/pve/vfhook.cfg, [0-9]+ s left' signal TERM ended -- set 100 --vlan 30)
like "$out" ' as before$' "who changes vfhook.cfg"
(sleep 4; rmdir "$node_root/etc/pve/priv/lock/vfhook") &
killer=$!
out=$(seen until 's left' gone 's left' until 'vlan|VLAN' screen ended -- set 100 --vlan 30)
wait "$killer"
like "$out" 'vfhook: .*(vlan|VLAN).*0 as before$' "once the lock is free it goes on"
unlike() { if [[ $1 =~ $2 ]]; then not_ok "$3" "got: $1"; else ok "$3"; fi; }
unlike "$out" 's left' "and the line is gone"

# --- nobody is left ---------------------------------------------------------------------------------

hold "$node_root/var/lock/qemu-server/lock-100.conf"
vfhook 100 pre-start >/dev/null 2>&1
out=$(seen until 's left' signal KILL ended -- release 100)
like "$out" ' as before$' "killed while it waits"
kill "$holder"
wait "$holder" 2>/dev/null
# shellcheck disable=SC2317 # by wait_for
is_gone() { ! pgrep -f -- "--root $node_root release"; }
try "and nobody goes on drawing" wait_for 20 is_gone
try "nor keeps a lock" wait_for 20 flock -n "$node_root/run/vfhook/locks/100" true
done_testing
