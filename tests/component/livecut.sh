#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# livecut.sh - a run is cut off where a VF comes or goes while its VM runs, and its guest does not
# know of its VF, or has lost it: `vfhook repair` puts that right at once, and until then nobody says
# that all is well.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

# shellcheck source=tests/component/livelib.sh
. "${BASH_SOURCE[0]%/*}/livelib.sh"

# shellcheck disable=SC2317 # called by try
is_seen() { [[ $(seen "$1") == "$2" ]]; }

two_nodes_up || exit 1
two_pools_up
vfhook attach 100 --vlan 20 --mac bc:24:11:00:00:01 --live-migration on >/dev/null 2>&1

# cut_post_start ROOT - from now on it is killed before it does anything; without a root: no more.
snippet=
cut_post_start() {
	if (($#)); then
		snippet=$1/var/lib/vz/snippets/vfhook
		mv "$snippet" "$snippet.whole"
		# shellcheck disable=SC2016 # the script's own
		printf '#!/bin/sh\n[ "$2" != post-start ] || kill -9 $$\nexec "$0.whole" "$@"\n' >"$snippet"
		chmod +x "$snippet"
	else
		mv "$snippet.whole" "$snippet"
	fi
}

# --- a start whose post-start was cut off ---------------------------------------------------

cut_post_start "$node_root"
qm start 100 >/dev/null 2>&1
cut_post_start
is "$(seen pve1) $(leases pve1)" "$vf1 $vf1:starting" "a post-start is killed: the VM has its VF, and nobody knows"
out=$(vfhook unplug 100 2>&1)
like "$? $out" "^1 .*VM 100 hostpci0: VF $vf1 .*vfhook repair" "unplug does not say that there is none"
is "$(seen pve1) $(leases pve1)" "$vf1 $vf1:starting" "and changes nothing"
out=$(vfhook repair 2>&1)
is "$? $(leases pve1)" "0 $vf1:running" "repair sees it"
is "$(grep -c migration <<<"$out")" 0 "as what it is, no migration"
vfhook plug 100 >/dev/null 2>&1
try "PVE may migrate it" wait_for 20 is_flag 1

# --- a migration whose post-start was cut off -----------------------------------------------

cut_post_start "$node2_root"
qm migrate 100 pve2 --online >/dev/null 2>&1
is "$? $(leases pve2) $(seen pve2)" "0 $vf2:starting " "the target's post-start is killed: its guest knows of no VF"
cut_post_start
out=$(vfhook2 repair 2>&1)
like "$out" "VM 100 hostpci0: VF $vf2 is arriving for a migration \(pve1\), and no job sees to it: one is begun" "repair knows where it came from"
try "the guest is told" wait_for 30 has_leases pve2 "$vf2:running"
is "$(seen pve2)" "$vf2" "and sees its VF"
try "PVE may migrate it" wait_for 20 is_flag 1
qm2 migrate 100 pve1 --online >/dev/null 2>&1
try "back" wait_for 30 has_leases pve1 "$vf1:running"
# Or that job sees to what is cut off next.
wait_for 30 is_flag 1
wait_for 30 no_job

# --- an unplugging is cut off while repair is at work ---------------------------------------

# repair has looked for journals, and comes to the VMs that run.
ctl pve1 release never
stopped late qemu-server/100.pid repair
: >"$(qemu_control "$node_root" 100)/qmp.log"
vfhook unplug 100 >/dev/null 2>&1 &
wait_for 20 grep -q device_del "$(qemu_control "$node_root" 100)/qmp.log"
pkill -KILL -f -- "--root $node_root unplug 100"
ctl pve1 release 0
try "an unplugging is killed, and then the guest lets go" wait_for 20 is_seen pve1 ""
go_on late
like "$? $(<"$node_root/late.out")" '^0 .*journal of VM 100: a run that was cut off in the middle is undone or finished' "repair undoes that first"
is "$(seen pve1) $(leases pve1)" "$vf1 $vf1:running" "and the VM has its VF"
out=$(vfhook repair 2>&1)
is "$? $out" "0 vfhook: nothing to repair" "nothing is left"
done_testing
