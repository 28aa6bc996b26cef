#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# watch.sh - vfhook status --watch on a terminal: what is drawn, what keys do, and that the terminal is
# as before afterwards, however it ends.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

node_up 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=7,numvfs=7,up=1
pve_up
printf 'port: 100-0\n\tpool wan\n\tmac bc:24:11:00:00:01\n\tvlan 20\n\nport: 101-0\n\tpool wan\n\tmac bc:24:11:00:00:02\n\tvlan 30\n\n' | wan_cfg
vm 100
vm 101
vfhook job 100 >/dev/null 2>&1
vfhook job 101 >/dev/null 2>&1
fake_set enp6s0f0 'p["stats"] = [{"rx-bytes": 5000 + i, "tx-bytes": i} for i in range(7)]'

# on STEP... - of a terminal of 100x24 with a watch on it (terminal.py).
on() { python3 "$top/tests/component/terminal.py" "${size:-100x24}" "$@" -- "$BUILD/tests/vfhook-fake" --root "$node_root" status --watch --interval "${interval:-1}"; }

# --- what is drawn --------------------------------------------------------------------------------

out=$(on until 'Pool wan' screen keys q ended)
like "$out" 'Pool wan: 7 VFs: 2 leased, 5 free.* 0  running +100 vm100 .* 6  free' "the tables"
like "$out" 's sort: VF  f only taken  / search  q end' "and its keys"
is "${out##*$'\n'}" "0 as before" "q ends it"

# shellcheck disable=SC2317 # in the background
traffic() { fake_set enp6s0f0 'p["stats"][0]["rx-bytes"] += 125000000; p["stats"][1]["tx-bytes"] += 250000'; }
# shellcheck disable=SC2317 # in the background
later() { sleep 2; traffic; sleep 1.2; traffic; } >/dev/null
later &
busy=$!
out=$(size=150x24 on until 'TRAFFIC' until ' [0-9.]+M +0 .*█' screen keys q ended)
wait "$busy"
like "$out" ' 0  running +100 vm100 .* [0-9.]+[MG] +0 .*█' "traffic of one VF in figures, and as a line of bars"

# --- keys -----------------------------------------------------------------------------------------

out=$(on until 'free' keys f until '2 of 7 VFs are shown' screen keys f gone 'VFs are shown' keys q ended)
# unlike TEXT REGEX DESCRIPTION - the opposite of like.
unlike() { if [[ $1 =~ $2 ]]; then not_ok "$3" "got: $1"; else ok "$3"; fi; }
unlike "${out%%f all*}" ' free  ' "f: only VFs that somebody has"
like "$out" '0 as before$' "and all again"
out=$(on until 'free' keys '/VM101' until 'search: VM101_' until '1 of 7 VFs' screen keys $'\r' until '/ search: VM101' keys '\e' gone 'VFs are shown' keys q ended)
like "$out" ' 1  running +101 vm101 ' "/: VFs that have a word in them"
unlike "$out" 'vm100' "and no others"
out=$(on until 'free' keys '/vlan 20' until '1 of 7 VFs' keys $'\x7f\x7f30\r' until '101 vm101' until '/ search: vlan 30' keys q ended)
is "$out" "0 as before" "it can be corrected"
out=$(on until 'free' keys '/q' until 'search: q_' keys '\e' gone 'search: q' keys q ended)
is "$out" "0 as before" "a letter that is a key elsewhere is one of the word"
out=$(on until 'free' keys ss until 'sort: state' screen keys q ended)
like "$out" 'free .* running ' "s: in another order"
out=$(size=80x8 on until 'Pool wan' gone ' 6  free' keys '\e[6~' until ' 6  free' keys '\e[A' keys '\e[5~' until 'Pool wan' keys '\e[Z\e[15~xyz' keys q ended)
is "$out" "0 as before" "a table that is higher than the terminal is scrolled; keys that mean nothing do nothing"

# --- a terminal that changes, and a slow line -------------------------------------------------------

out=$(on until 'SPOOF' size 40x10 gone 'SPOOF' until 'Pool wan' size 120x20 until 'SPOOF' keys q ended)
is "$out" "0 as before" "another size"
out=$(interval=1 on until 'Pool wan' sent until 'q end' sent keys q ended)
is "$(($(sed -n 2p <<<"$out") < 200))" 1 "what has not changed is not sent again"

# --- however it ends --------------------------------------------------------------------------------

for s in INT TERM HUP QUIT draws:TERM draws:KILL guards:TERM; do
	out=$(on until 'Pool wan' signal $s ended)
	like "$out" '^[01] as before$' "the terminal is as before after $s"
done
out=$(on until 'Pool wan' keys $'\x03' ended)
is "$out" "0 as before" "after Ctrl-C"
out=$(on until 'Pool wan' keys $'\x1a' stopped continue until 'Pool wan' keys q ended)
is "$out" $'stopped as before\n0 as before' "after Ctrl-Z, and it goes on"

# --- what cannot be read ------------------------------------------------------------------------------

break_it() { sleep 4; mv "$node_root/etc/pve/vfhook.cfg" "$node_root/cfg"; mkdir "$node_root/etc/pve/vfhook.cfg"; }
mend_it() { sleep 3; rmdir "$node_root/etc/pve/vfhook.cfg"; mv "$node_root/cfg" "$node_root/etc/pve/vfhook.cfg"; }
{ break_it; mend_it; } >/dev/null 2>&1 &
busy=$!
out=$(on until 'Pool wan' until 'not read just now' screen until 'q end' keys q ended)
wait "$busy"
like "$out" 'running +100 vm100.*not read just now: .*vfhook.cfg' "what cannot be read for a moment: the last look stays, with a line why"
printf 'name: \033]0;owned\007\033[2J<b>evil</b>\n' >>"$node_root/etc/pve/nodes/pve1/qemu-server/101.conf"
sed -i '/^name: vm101/d' "$node_root/etc/pve/nodes/pve1/qemu-server/101.conf"
out=$(on until 'Pool wan' screen keys q ended)
like "$out" '101 .*0 as before$' "a name with control characters does nothing to the terminal"
done_testing
