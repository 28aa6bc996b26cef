#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctdie.sh - a container's phases, attach and detach, killed at every call (a sample of them;
# EVERY=1: each): whoever comes next puts it right.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
# shellcheck source=tests/component/ctlib.sh
. "${BASH_SOURCE[0]%/*}/ctlib.sh"

# call ARG... - the program that has this call, without sanitizers.
call() {
	local program
	program_of plain "$@"
	echo "$program"
}
# counted ARG... - how many calls it makes.
counted() {
	"$BUILD/tests/killat" -o "$node_root/report" -- "$(call "$@")" --root "$node_root" "$@" >/dev/null 2>&1
	sed -n 's/^calls \([0-9]*\) .*/\1/p' "$node_root/report"
}
# killed N ARG... - run it until its call N.
killed() {
	local n=$1
	shift
	"$BUILD/tests/killat" -o "$node_root/report" -k "$n" -x -- "$(call "$@")" --root "$node_root" "$@" >/dev/null 2>&1
	# The cluster's lock on vfhook.cfg is a folder, and free two minutes after its owner's death.
	find "$node_root/etc/pve/priv/lock" -mindepth 1 -exec touch -d '5 minutes ago' {} + 2>/dev/null
}
# sample N - some of 1..N.
sample() { seq 1 "${EVERY:-$(($1 / 6 + 1))}" "$1"; }
journals() { find "$node_root/run/vfhook/journal" -type f 2>/dev/null | wc -l; }
# whole COUNT FAILED WHAT - none of so many went wrong.
whole() { is "$2" "" "$1 kills in $3: put right by the next run"; }

# by_hand PHASE - as PVE calls it.
by_hand() { plain 110 "$1" >>"$node_root/log" 2>&1; }

fresh 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=7,numvfs=7,up=1,autoprobe=0
n=$(counted 110 pre-start)
by_hand post-stop
bad='' count=0
for k in $(sample "$n"); do
	killed "$k" 110 pre-start
	: >"$node_root/log"
	by_hand pre-start || bad+=" $k:start"
	[[ $(held) == "$mac1 20 igbvf [vf110n0] 110 starting" && $(lease_count) == 1 ]] || bad+=" $k:$(held)"
	by_hand post-stop || bad+=" $k:stop"
	[[ "$(held) $(lease_count) $(journals)" == "$parked 0 none []  0 0" ]] || bad+=" $k:$(held)"
	((++count))
done
whole "$count" "$bad" pre-start
bad='' count=0
for k in $(sample "$n"); do
	killed "$k" 110 pre-start
	plain release 110 >/dev/null 2>&1 || bad+=" $k:release"
	[[ "$(held) $(lease_count) $(journals)" == "$parked 0 none []  0 0" ]] || bad+=" $k:$(held)"
	((++count))
done
whole "$count" "$bad" "pre-start, with a release behind it"
by_hand pre-start
n=$(counted 110 post-stop)
bad='' count=0
for k in $(sample "$n"); do
	by_hand pre-start || bad+=" $k:start"
	killed "$k" 110 post-stop
	by_hand post-stop || bad+=" $k:stop"
	[[ "$(held) $(lease_count) $(journals)" == "$parked 0 none []  0 0" ]] || bad+=" $k:$(held)"
	((++count))
done
whole "$count" "$bad" post-stop

pct destroy 110
: | wan_cfg
pct create 110 --hostname ct110 --net0 name=eth0,bridge=vmbr0 >/dev/null
pct snapshot 110 snap
was=$(conf)
attach=(attach 110 --pool wan --name eth1 --mac "$mac1")
n=$(counted "${attach[@]}")
now=$(conf)
plain detach 110 >/dev/null 2>&1
is "$(conf)" "$was" "attach and detach leave the config as it was"
bad='' count=0
for k in $(sample "$n"); do
	killed "$k" "${attach[@]}"
	plain "${attach[@]}" >"$node_root/log" 2>&1 || bad+=" $k:attach"
	[[ $(conf) == "$now" ]] || bad+=" $k:config"
	plain detach 110 >"$node_root/log" 2>&1 || bad+=" $k:detach"
	[[ $(conf) == "$was" && $(grep -c port "$node_root/etc/pve/vfhook.cfg") == 0 && $(journals) == 0 ]] || bad+=" $k:left"
	((++count))
done
whole "$count" "$bad" attach
plain "${attach[@]}" >/dev/null 2>&1
n=$(counted detach 110)
bad='' count=0
for k in $(sample "$n"); do
	plain "${attach[@]}" >/dev/null 2>&1 || bad+=" $k:attach"
	killed "$k" detach 110
	plain repair >"$node_root/log" 2>&1
	plain detach 110 >"$node_root/log" 2>&1
	[[ $(conf) == "$was" && $(grep -c port "$node_root/etc/pve/vfhook.cfg") == 0 && $(journals) == 0 ]] || bad+=" $k:left"
	((++count))
done
whole "$count" "$bad" detach

# A container that goes to another node in the middle of it takes along what it was given: that is no
# journal's any more.
bad='' count=0
here=$node_root/etc/pve/nodes/pve1/lxc/110.conf there=$node_root/etc/pve/nodes/pve2/lxc
mkdir -p "$there"
n=$(counted "${attach[@]}")
plain detach 110 >/dev/null 2>&1
for k in $(sample "$n"); do
	killed "$k" "${attach[@]}"
	mv "$here" "$there"
	plain repair >"$node_root/log" 2>&1 || bad+=" $k:repair"
	[[ $(journals) == 0 ]] || bad+=" $k:$(journals)"
	mv "$there/110.conf" "$here"
	plain detach 110 >"$node_root/log" 2>&1
	[[ $(conf) == "$was" && $(grep -c port "$node_root/etc/pve/vfhook.cfg") == 0 && $(journals) == 0 ]] || bad+=" $k:left"
	((++count))
done
whole "$count" "$bad" "attach, of a container that then goes to another node"
done_testing
