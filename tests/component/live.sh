#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# live.sh - live migration between two nodes, by PVE's own way.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

etc() { echo "$node_root/etc/pve/nodes/$1/qemu-server/$2.conf"; }
pci_of() { # ADDRESS NODE ROOT - an entry of a mapping
	local dev=$3/sys/bus/pci/devices/$1
	printf 'id=%s:%s,iommugroup=%s,node=%s,path=%s,subsystem-id=%s:%s' \
		"$(cut -c3- "$dev/vendor")" "$(cut -c3- "$dev/device")" "$(basename "$(readlink "$dev/iommu_group")")" \
		"$2" "$1" "$(cut -c3- "$dev/subsystem_vendor")" "$(cut -c3- "$dev/subsystem_device")"
}

node_up 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=7,numvfs=7,up=1
second_node_up || exit 1
pve_up || exit 1
pve2_up || exit 1

# --- a VM that has nothing of its own -----------------------------------------------------

qm create 100 --name web >/dev/null
qm start 100 >/dev/null
out=$(qm migrate 100 pve2 --online 2>&1)
is "$?" 0 "a VM without a VF goes to the other node"
like "$out" "starting VM 100 on remote node 'pve2'.*migration status: completed.*migration finished successfully" "as its task log tells"
is "$(qm2 status 100) $(grep -c '^lock' "$(etc pve2 100)")" "status: running 0" "it runs there, unlocked"
is "$([[ -e $(etc pve1 100) ]] && echo there)$(ls "$node_root/run/qemu-server/100.pid" 2>/dev/null)" "" "nothing of it is left behind"
out=$(qm2 migrate 100 pve1 --online 2>&1)
is "$? $(qm status 100)" "0 status: running" "and it comes back"
qm stop 100 >/dev/null 2>&1

# --- PVE's own rules ----------------------------------------------------------------------

qm set 100 --hostpci0 mapping=vf-100-0 >/dev/null
printf 'vf-100-0\n\tmap %s\n\n' "$(pci_of 0000:06:10.0 pve1 "$node_root")" >"$node_root/etc/pve/mapping/pci.cfg"
qm start 100 >/dev/null 2>&1
out=$(qm migrate 100 pve2 --online 2>&1)
is "$?" 255 "a mapping without an entry for the other node: refused"
like "$out" "can't migrate to 'pve2': missing mapped devices hostpci0" "in PVE's words"
printf 'vf-100-0\n\tmap %s\n\tmap %s\n\n' "$(pci_of 0000:06:10.0 pve1 "$node_root")" \
	"$(pci_of 0000:81:10.0 pve2 "$node2_root")" >"$node_root/etc/pve/mapping/pci.cfg"
out=$(qm migrate 100 pve2 --online 2>&1)
is "$?" 255 "a mapping that is not live-migration-capable: refused"
like "$out" "can't live migrate running VM which uses following mapped devices: hostpci0:vf-100-0" "in PVE's words"
is "$(qm status 100) $(grep -c '^lock' "$(etc pve1 100)")" "status: running 0" "the VM is unharmed"
done_testing
