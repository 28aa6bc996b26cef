#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# crash.sh - vfhook is killed before each of its settings in turn; the next run
# of any kind puts things right.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

parked=00:00:00:00:00:00
node_up
pve_up || exit 1
wan_cfg <<'END'
port: 100-0
	pool wan
	mac bc:24:11:00:00:01
	vlan 20
	trust 1
	max-rate 100
	link-state enable

port: 101-0
	pool wan
	mac bc:24:11:00:00:02
END
vm 100 --hostpci0 mapping=vf-100-0
vm 101 --hostpci0 mapping=vf-101-0
# Both at once, so that each has its own VF from now on.
for id in 100 101; do qm start $id >/dev/null 2>&1; done
for id in 100 101; do qm stop $id >/dev/null 2>&1; done

vf0() {
	local k
	for k in mac vlan trust spoofchk max-rate link-state; do vf_get enp6s0f0 0 $k; done | tr '\n' ' '
}
clean=$(vf0)
die_after() { fake_set enp6s0f0 "p['quirks']=['die-after:$1']"; }
live() { fake_set enp6s0f0 "p['quirks']=[]"; }
journals() { find "$node_root/run/vfhook/journal" -type f | wc -l; }

killed=0
for ((n = 0; ; n++)); do
	die_after "$n"
	(vfhook 100 pre-start) >/dev/null 2>&1
	rc=$?
	live
	((rc == 137)) || break
	killed=$((killed + 1))
	is "$(journals)" 1 "start killed before setting $((n + 1)): the journal is there"
	out=$(vfhook 101 pre-start 2>&1)
	like "$out" 'an earlier start of guest 100 was cut off in the middle: undoing it' "the next start of another VM undoes it"
	is "$(vf0)" "$clean" "the VF is as it was"
	vfhook 101 post-stop >/dev/null 2>&1
	is "$(lease_count) $(journals)" "0 0" "no lease and no journal is left"
done
is "$rc" 0 "without a kill it starts"
is "$((killed >= 5))" 1 "killed before each of $killed settings"

# Now the release, from the state a running VM leaves.
killed=0
for ((n = 0; ; n++)); do
	vfhook 100 pre-start >/dev/null 2>&1
	die_after "$n"
	# What cleans is a child of the phase: that one is killed.
	(vfhook 100 post-stop) >/dev/null 2>&1
	rc=$?
	live
	((rc)) || break
	killed=$((killed + 1))
	out=$(vfhook 101 pre-start 2>&1)
	like "$out" 'an earlier release for guest 100 was cut off in the middle: finishing it' \
		"release killed before setting $((n + 1)): the next start of another VM finishes it"
	is "$(vf0)" "$clean" "the VF is parked"
	vfhook 101 post-stop >/dev/null 2>&1
	is "$(lease_count) $(journals)" "0 0" "no lease and no journal is left"
done
is "$rc $(vf0)" "0 $clean" "without a kill it is released"
is "$((killed >= 5))" 1 "killed before each of $killed settings"

# The guest's own next start recovers just as well, and starts.
die_after 2
(vfhook 100 pre-start) >/dev/null 2>&1
live
out=$(qm start 100 2>&1)
like "$? $out" '^0 .*undoing it.*MAC bc:24:11:00:00:01' "its own next start undoes the cut-off one and starts"
qm stop 100 >/dev/null 2>&1
is "$(lease_count) $(vf_get enp6s0f0 0 mac)" "0 $parked" "and stops clean"

# Drivers that do not do what they are asked.
fake_set enp6s0f0 "p['quirks']=['no-link-state']"
out=$(vfhook 100 pre-start 2>&1)
like "$? $out" '^1 .*the driver igb does not support link state: take it out of the port' "an attribute that the driver lacks: refused, driver and attribute named"
is "$(vf0) $(lease_count)" "$clean 0" "and undone"
fake_set enp6s0f0 "p['quirks']=['ignore-link-state']"
out=$(vfhook 100 pre-start 2>&1)
like "$? $out" '^1 .*accepted link state enable, but reads back auto' "an attribute that is accepted and ignored is noticed"
is "$(vf0) $(lease_count)" "$clean 0" "and undone"
fake_set enp6s0f0 "p['quirks']=['fail:trust']"
out=$(vfhook 100 pre-start 2>&1)
like "$? $out" '^1 .*the driver says "firmware said no"' "the driver's own words are shown"
fake_set enp6s0f0 "p['quirks']=['busy:3']"
out=$(vfhook 100 pre-start 2>&1)
like "$? $out" '^0 ' "a VF in reset is waited for"
fake_set enp6s0f0 "p['quirks']=['refuse-zero-mac']"
out=$(vfhook 100 post-stop 2>&1)
like "$? $(vf_get enp6s0f0 0 mac)" '^0 02:00:00:00:06:80' "a driver that refuses a zero MAC: the VF gets one of its own"
live
fake_set enp6s0f0 "p['up']=False"
out=$(vfhook 100 pre-start 2>&1)
like "$? $out" "^1 .*PF enp6s0f0 .* is down: .ip link set enp6s0f0 up." "a PF that is down: refused, with the command that mends it"
sed -i 's/^pool: wan/&\n\tallow-pf-down 1/' "$node_root/etc/pve/vfhook.cfg"
out=$(vfhook 100 pre-start 2>&1)
like "$? $out" '^0 ' "unless the pool allows it"
fake_set enp6s0f0 "p['up']=True; p['quirks']=['gone']"
out=$(vfhook 100 post-stop 2>&1)
like "$? $out" '^1 .*VF 0000:06:10.0 cannot be cleaned' "the PF is gone at the stop: told, the VF stays out of use"
is "$(lease_count)" 1 "its lease stays"
live
out=$(vfhook 101 pre-start 2>&1)
vfhook 101 post-stop >/dev/null 2>&1
out=$(vfhook 100 post-stop 2>&1)
is "$(vf0) $(lease_count)" "$clean 0" "and is cleaned as soon as it can be"

done_testing
