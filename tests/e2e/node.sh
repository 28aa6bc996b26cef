# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# node.sh - make the rig's host guest a Proxmox VE node: the simulator with /
# as its root, so that sysfs, VFs and vfio are the real ones. To be sourced.

# shellcheck source=tests/e2e/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

export PATH=$RIG_TOP/tests/sim:$PATH
sim() { pvesim "$@"; }

readonly token_id='vfhook@pve!hook'
readonly -a token_privs=(/vms:VM.Config.HWType,VM.PowerMgmt /mapping/pci:Mapping.Use,Mapping.Modify)

# pve_up - lay out /etc/pve, install vfhook as a snippet, start the daemons.
pve_up() {
	sim init --node "$(hostname)" >/dev/null || return
	install -D -m 755 "$RIG_TOP/build/vfhook" /usr/sbin/vfhook || return
	install -D -m 755 "$RIG_TOP/build/hook" /usr/lib/vfhook/hook || return
	ln -sf "$RIG_TOP/tests/sim/qm" /usr/sbin/qm
	mkdir -p /var/lib/vz/snippets
	ln -sf /usr/lib/vfhook/hook /var/lib/vz/snippets/vfhook
	sim token add "$token_id" --privs "${token_privs[@]}" >/run/token.new || return
	install -m 600 /run/token.new /etc/pve/priv/vfhook.token
	rm /run/token.new
	sim serve >/run/pvesim.log 2>&1 &
	for _ in {1..300}; do
		grep -q ready /run/pvesim.log && return 0
		sleep 0.1
	done
	rig_err "the simulator did not start: $(cat /run/pvesim.log)"
}

# use_real_qemu - VMs are real guests from now on; their consoles are /run/console-<vmid>.
use_real_qemu() {
	local NESTED_ARGV
	nested_argv "$@" || return
	sim config set qemu real >/dev/null
	sim config set qemu-real-prefix \
		"$(printf '%q ' "${NESTED_ARGV[@]}")-serial file:/run/console-{vmid}" >/dev/null
}

# wait_for SECONDS COMMAND... - until the command succeeds.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		sleep 0.2
	done
}

# nvme_pf - the PCI address of the rig's drive with SR-IOV (rig run --nvme N), once its driver has it.
nvme_pf() {
	local d
	modprobe nvme || return
	for d in /sys/bus/pci/devices/*; do
		[[ -e $d/sriov_totalvfs && $(<"$d/class") == 0x0108* ]] || continue
		wait_for 60 compgen -G "$d/nvme/nvme*/serial" || return
		echo "${d##*/}"
		return
	done
	rig_err "no NVMe drive with SR-IOV: rig run --nvme 4"
}

vm_runs() { [[ $(qm status "$1") == *running* ]]; }

# vm ID [QM-SET-ARG]... - a VM with the hookscript.
vm() {
	local id=$1
	shift
	qm create "$id" --name "vm$id" >/dev/null
	qm set "$id" --hookscript local:snippets/vfhook "$@" >/dev/null
}

# How many VFs are leased, with anything else that lies about in that folder.
lease_count() {
	find /run/vfhook/leases -mindepth 1 2>/dev/null | wc -l
}

# verdict ID - all that vfhook check says about it: level, subject, text, remedy; a line each.
verdict() {
	vfhook check --output-format json | python3 -c '
import json, sys
for f in json.load(sys.stdin)["findings"]:
    if f["check"] == sys.argv[1]:
        print(f["level"], f["subject"], f["text"], "->", f["remedy"])' "$1"
}
