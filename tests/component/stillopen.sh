#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# stillopen.sh - a VF whose VFIO group is still open although QEMU's process is gone, or where that
# cannot be told: it is not given back, nobody gets it, and that is said.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

mac=bc:24:11:00:00:01
parked=00:00:00:00:00:00
vf=0000:06:10.0

# state - whose the first VF is, and what it is set to.
state() { echo "$(lease_of $vf)" "$(vf_get enp6s0f0 0 mac)" "$(vf_get enp6s0f0 0 vlan)"; }
group_open() { fake_vfio "$group" "${1:-}"; }

# Two VMs, and one VF for both.
node_up 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=1,numvfs=1,up=1,autoprobe=0
pve_up || exit 1
wan_cfg <<END
port: 100-0
	pool wan
	mac $mac
	vlan 20

port: 101-0
	pool wan
	mac bc:24:11:00:00:02
END
for id in 100 101; do vm $id --hostpci0 mapping=vf-$id-0; done
group=$(basename "$(readlink "$node_root/sys/bus/pci/devices/$vf/iommu_group")")
sim config set qmeventd 0 >/dev/null

# --- it is closed a moment later ---

qm start 100 >/dev/null 2>&1
is "$(state)" "100 running $mac 20" "a VM runs on its VF"
sim kill-vm 100 >/dev/null
group_open EBUSY
# The release opens it the first time, and then it is closed.
(
	wait_for 30 is_locked "$node_root/run/vfhook/locks/100"
	sleep 0.3
	group_open
) &
closer=$!
out=$(vfhook 100 post-stop 2>&1)
wait $closer
like "$? $out $(state)" "^0 .*VF $vf .*released.* $parked 0" "its group is still open when QEMU is gone: the release waits for it"
is "$(lease_count)" 0 "and then gives the VF back"

# --- it stays open, or cannot be told ---

for code in EBUSY EACCES EIO EMFILE; do
	how='may still be open'
	[[ $code != EBUSY ]] || how='is still open'
	qm start 100 >/dev/null 2>&1
	sim kill-vm 100 >/dev/null
	group_open $code
	out=$(vfhook 100 post-stop 2>&1)
	like "$? $out" "^1 .*VM 100: VF $vf $how in some process \(/dev/vfio/$group\): not released, the next start that needs a VF tries again.*vfhook release 100" "$code: not released, and said"
	is "$(state)" "100 running $mac 20" "$code: the VF is as it was, and leased"
	out=$(vfhook release 100 2>&1)
	like "$? $out $(state)" "^1 .*VF $vf $how.* 100 running $mac 20" "$code: vfhook release does not either"
	out=$(vfhook repair 2>&1)
	like "$? $out $(state)" "^1 .*VF $vf $how.* 100 running $mac 20" "$code: nor does repair"
	out=$(qm start 101 2>&1)
	like "$? $out $(state)" "^[1-9].*VF $vf $how.* 100 running $mac 20" "$code: no other VM gets it, and hears why"
	group_open
	out=$(qm start 101 2>&1)
	like "$? $out $(state)" "^0 .*VM 100 is not running but holds VFs.* 101 running bc:24:11:00:00:02 0" "$code: once it is closed, the next start takes it back"
	qm stop 101 >/dev/null 2>&1
	vfhook 101 post-stop >/dev/null 2>&1
done

# --- there is no such group ---

qm start 100 >/dev/null 2>&1
sim kill-vm 100 >/dev/null
group_open ENOENT
out=$(vfhook 100 post-stop 2>&1)
like "$? $out" "^0 .*VF $vf .*released" "no group at all: the kernel has none while a VF of it is on vfio-pci, so nobody has it open"
group_open

done_testing
