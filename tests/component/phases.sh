#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# phases.sh - every way in which PVE calls, or does not call, the phases: after
# each the VF is where it belongs.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

mac1=bc:24:11:00:00:01
parked=00:00:00:00:00:00
fresh() {
	node_up
	pve_up || exit 1
	printf 'port: 100-0\n\tpool wan\n\tmac %s\n\nport: 101-0\n\tpool wan\n\tmac bc:24:11:00:00:02\n' "$mac1" | wan_cfg
	vm 100 --hostpci0 mapping=vf-100-0
	qm start 100 >/dev/null 2>&1
	qm stop 100 >/dev/null 2>&1
}
# held - the VF that VM 100 had first: its MAC, and how many leases there are.
held() { echo "$(vf_get enp6s0f0 0 mac) $(lease_count)"; }
# shellcheck disable=SC2317 # called by wait_for
is_free() { [[ $(held) == "$parked 0" ]]; }
# shellcheck disable=SC2317 # called by wait_for
is_held() { [[ $(held) == "$mac1 1" ]]; }

fresh
qm start 100 >/dev/null 2>&1
is "$(held)" "$mac1 1" "qm start: held"
out=$(qm reboot 100 --timeout 10 2>&1)
try "qm reboot: held again" wait_for 15 is_held
try "and the VM runs" wait_for 10 vm_runs 100
sim config set guest-ignores-shutdown 1 >/dev/null
qm shutdown 100 --timeout 1 >/dev/null 2>&1
is "$(vm_runs 100 && held)" "$mac1 1" "a shutdown that times out: the VM runs on, its VF as it was"
sim config set guest-ignores-shutdown 0 >/dev/null
sim kill-vm 100 >/dev/null
try "QEMU killed: free, through qmeventd" wait_for 10 is_free

sim config set post-stop twice >/dev/null
qm start 100 >/dev/null 2>&1
out=$(qm stop 100 2>&1)
is "$(held) $(grep -c released <<<"$out")" "$parked 0 1" "post-stop called twice (older PVE): released once, free"
sim config set post-stop lost >/dev/null
qm start 100 >/dev/null 2>&1
qm stop 100 >/dev/null 2>&1
is "$(held)" "$mac1 1" "post-stop lost (older PVE): still leased"
out=$(qm start 100 2>&1)
is "$? $(held)" "0 $mac1 1" "its next start takes it up again"
qm stop 100 >/dev/null 2>&1
sim config set post-stop normal >/dev/null
out=$(qm start 100 2>&1)
qm stop 100 >/dev/null 2>&1
is "$(held)" "$parked 0" "and its next proper stop frees it"

sim config set storage-error 1 >/dev/null
qm start 100 >/dev/null 2>&1
is "$(held)" "$mac1 1" "a start that fails on its storage after pre-start: still leased"
sim config set storage-error 0 >/dev/null
out=$(qm start 100 2>&1)
is "$? $(held)" "0 $mac1 1" "the next start takes it up again"
qm stop 100 >/dev/null 2>&1
is "$(held)" "$parked 0" "and frees it"

out=$(sim vzdump 100 2>&1)
is "$(held)" "$parked 0" "a backup of the stopped VM (started paused, stopped): free"
like "$out" 'VF 0000:06:10.0 .*kept' "it had its VF meanwhile"

qm create 170 --name tpl >/dev/null
printf 'hookscript: local:snippets/vfhook\nhostpci0: mapping=vf-100-0\ntemplate: 1\n' >>"$node_root/etc/pve/nodes/pve1/qemu-server/170.conf"
out=$(sim vzdump 170 2>&1)
is "$(held) $(grep -c vfhook: <<<"$out")" "$parked 0 0" "a template's backup: vfhook does nothing"

qm start 100 >/dev/null 2>&1
sim stop >/dev/null 2>&1
sim crash-host >/dev/null 2>&1
rm -r "$node_root/run/vfhook" # /run is a tmpfs; the simulator only knows PVE's part of it
sim numvfs 0000:06:00.0 7 >/dev/null 2>&1
rm -f "$node_root"/fake-kernel/*.json
pve_up
out=$(qm start 100 2>&1)
is "$? $(held)" "0 $mac1 1" "a hard reboot of the host: the VM starts as ever"
qm stop 100 >/dev/null 2>&1

# --- migration: this node is the target, the config still lies under the source ---

fresh
mkdir -p "$node_root/etc/pve/nodes/pve2/qemu-server"
mv "$node_root/etc/pve/nodes/pve1/qemu-server/100.conf" "$node_root/etc/pve/nodes/pve2/qemu-server/"
out=$(qm start 100 --migratedfrom pve2 2>&1)
is "$(held)" "$mac1 1" "the target of a migration: the VF is taken although the config is the source's"
sim kill-vm 100 >/dev/null 2>&1
mv "$node_root/etc/pve/nodes/pve2/qemu-server/100.conf" "$node_root/etc/pve/nodes/pve1/qemu-server/" 2>/dev/null
vfhook 100 post-stop >/dev/null 2>&1
is "$(held)" "$parked 0" "a migration that failed: post-stop on the target frees it"
qm set 100 --delete hostpci0 >/dev/null 2>&1
mv "$node_root/etc/pve/nodes/pve1/qemu-server/100.conf" "$node_root/etc/pve/nodes/pve2/qemu-server/"
out=$(PVE_MIGRATED_FROM=pve2 vfhook 100 pre-start 2>&1)
like "$? $out" '^1 .*hostpci cannot be changed during a migration; start the VM once on pve2' \
	"hostpci0 missing during a migration: refused, with what to do, and nothing handed over"
done_testing
