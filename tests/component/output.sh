#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# output.sh - whoever reads the output is gone, it goes nowhere, or there is none:
# the work is done all the same.

set -uo pipefail

# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

node_up
pve_up
printf 'port: 100-0\n\tpool wan\n\tmac bc:24:11:00:00:01\n\tvlan 20\n\nport: 100-1\n\tpool wan\n\tmac bc:24:11:00:00:02\n\tvlan 30\n\n' | wan_cfg
vm 100
vfhook job 100 >/dev/null 2>&1
qm stop 100 >/dev/null 2>&1

# unread ARG... - run vfhook with a reader that is gone; its exit status.
unread() {
	rm -f "$node_root/gone" "$node_root/rc"
	{
		until [[ -e $node_root/gone ]]; do sleep 0.02; done
		vfhook "$@" 2>&1
		echo $? >"$node_root/rc"
	} | {
		exec 0<&-
		touch "$node_root/gone"
		until [[ -e $node_root/rc ]]; do sleep 0.02; done
	}
	cat "$node_root/rc"
}

is "$(unread 100 pre-start) $(lease_count)" "0 2" "a start that nobody listens to has its VFs"
is "$(unread 100 post-stop) $(lease_count)" "0 0" "a stop that nobody listens to gives all VFs back"
is "$(vf_get enp6s0f0 0 vlan) $(vf_get enp6s0f0 1 vlan)" "0 0" "and they are clean"
vfhook 100 pre-start >/dev/null
is "$(unread release 100) $(lease_count)" "0 0" "so does release"
is "$(unread attach 101 --pool nosuch)" 1 "a refusal stays one"

vfhook 100 pre-start >/dev/null
vfhook 100 post-stop >/dev/full 2>&1
is "$? $(lease_count)" "0 0" "output that cannot be written is no failure of a stop"
vfhook 100 pre-start >&- 2>&-
is "$? $(lease_count)" "0 2" "nor is none at all of a start"
vfhook 100 post-stop >&- 2>&- <&-
is "$? $(lease_count)" "0 0" "nor of a stop"
is "$(find "$node_root/run/vfhook" "$node_root/etc/pve" -type f -exec grep -l '^vfhook: ' {} + | wc -l)" 0 "and no line of it is in a file that was opened instead"

# The other hookscript is as it would be without us: SIGPIPE ends it.
# shellcheck disable=SC2016 # for the script
printf '#!/bin/bash\ntrap -p PIPE\ngrep SigIgn /proc/self/status\n' >"$node_root/var/lib/vz/snippets/other"
chmod 755 "$node_root/var/lib/vz/snippets/other"
printf 'guest: 100\n\tchain local:snippets/other\n\n' >>"$node_root/etc/pve/vfhook.cfg"
out=$(vfhook 100 pre-start 2>&1)
mask=$(sed -n 's/^SigIgn:[[:space:]]*//p' <<<"$out")
is "$((0x${mask:-ffff} >> 12 & 1))" 0 "a chained hookscript is not made to ignore SIGPIPE"
vfhook 100 post-stop >/dev/null 2>&1
done_testing
