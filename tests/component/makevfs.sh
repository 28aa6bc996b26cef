#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# makevfs.sh - what makes VFs: nobody loses one by it, whoever comes in between, and a driver that
# makes none or does not answer keeps nobody waiting but its own PF.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
card=driver=igb,vfs=7,mac=52:54:00:aa:00:01
card2=driver=i40e,vfs=8,mac=52:54:00:aa:00:02
dev() { echo "$node_root/sys/bus/pci/devices/$1"; }
numvfs() { cat "$(dev "${1:-0000:06:00.0}")/sriov_numvfs"; }
# The folder of a VF is another one once the VF was made anew.
which_vf() { stat -c %i "$(dev "$1")/" 2>/dev/null || echo gone; }
tree() {
	(cd "$node_root" && find run/vfhook etc fake-kernel var/lib/vfhook sys -type f -print0 2>/dev/null |
		sort -z | xargs -0 sha1sum)
}
kernel_pid=
kernel_down() {
	[[ -z $kernel_pid ]] || { kill "$kernel_pid" && wait "$kernel_pid"; } 2>/dev/null
	kernel_pid=
}
trap 'kernel_down; node_down' EXIT

# two_vfs [PF-ARG]... - a node whose PF has 2 VFs, VM 100 with a port and off, VM 102 that names the
# second VF by its address and has no hookscript; and an admin who wants 4 by now.
two_vfs() {
	kernel_down
	node_up "0000:06:00.0,ifname=enp6s0f0,up=1,$card" "$@"
	"$sim" --root "$node_root" kernel 2>/dev/null &
	kernel_pid=$!
	pve_up || exit 1
	plain pool add wan --pf enp6s0f0 --vfs 2 >/dev/null 2>&1
	plain boot >/dev/null 2>&1
	qm create 100 --name fw >/dev/null
	plain attach 100 --vlan 20 --mac bc:24:11:00:00:01 >/dev/null 2>&1
	qm create 102 --name raw --hostpci0 0000:06:10.2 >/dev/null
	plain pool add wan --pf enp6s0f0 --vfs 4 >/dev/null 2>&1
}

# --- A VM starts between boot's look and its deed ---

two_vfs
vf=$(which_vf 0000:06:10.0)
before=$(tree)
out=$(plain --dry-run boot 2>&1)
like "$? $out" '^0 .*would be set from 2 -> 4 VFs.*VF 0000:06:10.2 .*lease.*drop the lease' "a dry run tells the leases that it would take"
is "$(tree)" "$before" "and takes none"
stopped looked 0000:06:00.0/sriov_drivers_autoprobe boot
is $? 0 "boot has looked who has a VF, and found nobody"
out=$(qm start 100 2>&1)
like "$? $out" '^0 .*VF 0000:06:10.0 .*kept' "a VM starts"
go_on looked
like "$? $(<"$node_root/looked.out")" '^1 .*it has 2 VFs, the pool wants 4.*VM 100 has VF 0000:06:10.0' "boot finds out, and says who came"
is "$(numvfs) $(which_vf 0000:06:10.0) $(lease_of 0000:06:10.0) $(lease_count)" "2 $vf 100 running 1" "the VM has its VF, and nothing else is leased"
qm stop 100 >/dev/null 2>&1

STOP_MODE=w stopped writes 0000:06:00.0/sriov_numvfs boot
is "$? $(lease_of 0000:06:10.0) $(lease_of 0000:06:10.2)" "0 1 starting 1 starting" "boot is about to write: it has leased all VFs to itself"
out=$(qm start 100 2>&1)
like "$? $out" '^[1-9].*vfhook itself has it just now.*try again' "a VM that starts then is refused, and told what to do"
go_on writes
like "$? $(numvfs) $(lease_count) $(<"$node_root/writes.out")" '^0 4 0 .*set from 2 -> 4 VFs.*4 VFs, 3 free' "4 VFs, and no lease is left"
out=$(qm start 100 2>&1)
is $? 0 "then it starts"

# --- A VM that vfhook knows nothing of ---

two_vfs
vf=$(which_vf 0000:06:10.2)
stopped raw pci-id-reservations.lock boot
is "$? $(lease_count)" "0 2" "boot has all VFs leased"
out=$(qm start 102 2>&1)
is "$?" 0 "a VM without hookscript starts with one by its address"
go_on raw
like "$? $(<"$node_root/raw.out")" '^1 .*VF 0000:06:10.2: (PVE has reserved it for VM 102|VM 102 runs with it)' "boot looks at PVE's reservations behind its leases"
is "$(numvfs) $(which_vf 0000:06:10.2) $(lease_count)" "2 $vf 0" "that VM has its VF, and boot has let go of all"
rm -f "$node_root/run/qemu-server/pci-id-reservations"
stopped raw2 0000:06:00.0/sriov_drivers_autoprobe boot
go_on raw2
like "$? $(numvfs) $(<"$node_root/raw2.out")" '^1 2 .*VF 0000:06:10.2: VM 102 runs with it' "without a reservation: QEMU's command line says it"
qm stop 102 >/dev/null 2>&1
STOP_MODE=w stopped raw3 0000:06:00.0/sriov_numvfs boot
out=$(qm start 102 2>&1)
rc=$?
go_on raw3
is "$(numvfs) $rc" "4 255" "a start that comes while the VFs go waits for PVE's lock, and is refused"
like "$out" "pci-id-reservations.lock" "by PVE, which gets no reservation"

two_vfs
host_netdev 0000:06:10.2 enp6s0f0v1 igbvf
rm -r "$(dev 0000:06:10.2)/net"
out=$(plain boot 2>&1)
like "$? $(numvfs) $out" "^1 2 .*driver igbvf has VF 0000:06:10.2, and its interface is not on this host" "a VF whose interface is in a container: left alone"

# --- Cut off ---

two_vfs
STOP_MODE=w stopped killed 0000:06:00.0/sriov_numvfs boot
kill -9 "${stopped_pid[killed]}"
wait "${stopped_pid[killed]}" 2>/dev/null
is "$(lease_count) $(numvfs)" "2 2" "boot is killed with all VFs leased to itself"
out=$(qm start 100 2>&1)
is "$? $(lease_count)" "0 1" "the next start takes them back, and has one"
qm stop 100 >/dev/null 2>&1
HANG_PATH=0000:06:00.0/sriov_numvfs HANG_TEXT=4 HANG_FLAG=$node_root/hangs LD_PRELOAD=$BUILD/tests/stopat.so \
	"$BUILD/tests/vfhook-plain" --root "$node_root" boot >/dev/null 2>&1 &
pid=$!
wait_for 10 test -e "$node_root/hangs"
kill -9 $pid
wait $pid 2>/dev/null
is "$(numvfs) $(lease_count)" "0 2" "killed between none and 4: leases of VFs that are not there"
rm "$node_root/hangs"
wait_for 10 test -e "$(dev 0000:06:10.6)"
out=$(plain boot 2>&1)
like "$? $(numvfs) $(lease_count) $out" '^0 4 0 .*4 VFs, 3 free' "the next boot puts it right"

# --- Making VFs is a plan ---

journals() { find "$node_root/run/vfhook/journal" -type f -printf '%f ' 2>/dev/null; }
# The plan in the journal of boot, a line a step: what it is, of which VF or to how many.
journaled() {
	python3 -c 'import json,sys
for s in json.load(open(sys.argv[1]))["steps"]:
    print(s["kind"], s.get("name", s["vf"]).split()[0], s.get("to", ""))' "$node_root/run/vfhook/journal/1"
}
# The same of what a dry run tells.
foretold() {
	sed -nE 's/^vfhook: +VF ([0-9a-f:.]+) .*: lease to vfhook itself.*/lease-take \1 /p
		s/^vfhook: +VF ([0-9a-f:.]+): drop the lease.*/lease-drop \1 /p
		s/^vfhook: +PF enp6s0f0: sriov_numvfs [0-9]+ -> ([0-9]+)$/call 0000:06:00.0 \1/p'
}
two_vfs
would=$(plain boot --dry-run 2>&1 | foretold)
is "$(wc -l <<<"$would")" 6 "a dry run tells each step: two leases, none, four, two leases dropped"
STOP_MODE=w stopped plan 0000:06:00.0/sriov_numvfs boot
is "$(journals) $(journaled)" "1  $would" "and that is the plan that boot has in its journal when it writes 0"
go_on plan
is "$? $(numvfs) $(journals)" "0 4 " "which it carries out"

# between MODE - boot is killed between none and four VFs.
between() {
	two_vfs
	mkdir -p "$node_root/var/lib/pvesim/makes-none"
	echo ever >"$node_root/var/lib/pvesim/makes-none/0000:06:00.0"
	"$BUILD/tests/vfhook-plain" --root "$node_root" boot >/dev/null 2>&1 &
	pid=$!
	wait_for 20 test ! -e "$(dev 0000:06:10.0)"
	kill -9 $pid
	wait $pid 2>/dev/null
	wait_for 5 test "$(numvfs)" = 0
	rm "$node_root/var/lib/pvesim/makes-none/0000:06:00.0"
}
between
is "$(numvfs) $(journals)" "0 1 " "boot is killed when the PF has no VFs"
out=$(plain --dry-run 100 pre-start 2>&1)
like "$out" 'making of VFs was cut off.*a start makes none: vfhook boot' "a dry run of a start leaves that to boot"
out=$(qm start 100 2>&1)
like "$? $(numvfs) $(journals) $out" '^[1-9][0-9]* 0 1  .*a start makes none.*vfhook boot' "a start makes no VFs, says who does, and leaves the journal to it"
out=$(plain --dry-run repair 2>&1)
like "$? $(numvfs) $out" '^[01] 0 .*earlier making of VFs.*would be undone:.*numvfs .*0 -> 2' "repair would make as many as there were"
out=$(plain repair 2>&1)
like "$? $(numvfs) $(lease_count) $(journals) $out" '^0 2 0  .*earlier making of VFs was cut off in the middle: undoing it' "and does, and its leases are gone"
between
out=$(plain boot 2>&1)
like "$? $(numvfs) $(lease_count) $(journals) $out" '^0 4 0  .*4 VFs, 3 free' "boot makes what the pool wants"
between
echo ever >"$node_root/var/lib/pvesim/makes-none/0000:06:00.0"
out=$(plain repair 2>&1)
like "$? $(numvfs) $(journals) $out" '^1 0 .*could not undo.*not repaired: a PF has fewer VFs than it had: vfhook boot' "a driver that makes none for repair either: it is not called repaired"
rm "$node_root/var/lib/pvesim/makes-none/0000:06:00.0"
out=$(plain boot 2>&1)
like "$? $(numvfs) $(lease_count)" '^0 4 0$' "and boot mends it, as told"

two_vfs
out=$(HANG_PATH=0000:06:00.0/sriov_numvfs SAYS_NO=0 LD_PRELOAD=$BUILD/tests/stopat.so plain boot 2>&1)
like "$? $(numvfs) $(lease_count) $(journals) $out" '^1 2 0  .*write 0 to sriov_numvfs: Input/output error' "a driver that takes the VFs away and says no: there are two again"
two_vfs
out=$(HANG_PATH=0000:06:00.0/sriov_numvfs HANG_TEXT=x SAYS_NO=4 LD_PRELOAD=$BUILD/tests/stopat.so plain boot 2>&1)
like "$? $(numvfs) $(lease_count) $(journals)" '^1 4 0 ' "one that makes four and says no: they stay, and are not taken away again"

# --- A start makes no VFs ---

two_vfs
qm create 103 --name two >/dev/null
qm create 104 --name three >/dev/null
plain attach 103 >/dev/null 2>&1
plain attach 104 >/dev/null 2>&1
qm start 100 >/dev/null 2>&1
qm start 103 >/dev/null 2>&1
out=$(qm start 104 2>&1)
like "$? $(numvfs) $out" "^[1-9][0-9]* 2 .*no VF of pool 'wan' is free" "a start that finds all VFs taken makes none, though the pool wants 4"

# --- A driver that does not answer ---

hanging() {
	HANG_PATH=$1/sriov_numvfs HANG_TEXT=$2 HANG_FLAG=$node_root/hangs LD_PRELOAD=$BUILD/tests/stopat.so \
		plain boot --timeout "$3" 2>&1
}
two_vfs "0000:07:00.0,ifname=enp7s0,up=1,$card2"
plain pool add lan --pf enp7s0 --vfs 3 >/dev/null 2>&1
out=$(hanging 0000:06:00.0 0 9)
like "$? $out" '^1 .*PF 0000:06:00.0 .*driver igb does not finish a write to sriov_numvfs.*dmesg.*PF enp7s0: set from 0 -> 3 VFs.*PF enp7s0: 3 VFs, 3 free' \
	"a write of 0 that the kernel does not finish: told, and the next PF is ready"
is "$(lease_of 0000:06:10.0) $(lease_of 0000:06:10.2)" "1 starting 1 starting" "VFs that may go at any moment are nobody's"
out=$(qm start 100 2>&1)
like "$? $out" '^[1-9].*vfhook itself has it just now' "as long as it lasts, no VM gets one"
out=$(plain boot --timeout 1 2>&1)
like "$? $out" '^1 .*does not finish a write to sriov_numvfs' "and a second boot says what it waits for"
rm "$node_root/hangs"
wait_for 10 test ! -e "$(dev 0000:06:10.0)"
out=$(plain boot 2>&1)
like "$? $(numvfs) $(lease_count) $out" '^0 4 0 .*4 VFs, 3 free' "once it is over, boot goes on from there"

two_vfs "0000:05:00.0,ifname=enp5s0,up=1,$card2"
plain pool add lan --pf enp5s0 --vfs 3 >/dev/null 2>&1
sed -i 's/^\tvfs 4/\tvfs 2/' "$node_root/etc/pve/vfhook.cfg"
out=$(hanging 0000:05:00.0 3 9)
like "$? $out" '^1 .*PF 0000:05:00.0 .*driver i40e does not finish a write' "nor does a write of 3 keep anybody waiting"
out=$(plain boot --timeout 20 2>&1)
like "$? $(numvfs 0000:05:00.0) $out" '^0 3 .*PF enp5s0: 3 VFs, 3 free' "it holds no lock: another boot can try at once"
rm -f "$node_root/hangs"

# --- A driver that makes none, and says nothing ---

kernel_down
node_up 0000:06:00.0,ifname=enp6s0f0,driver=bnxt_en,vfs=4,up=1,mac=52:54:00:aa:00:01 "0000:07:00.0,ifname=enp7s0,up=1,$card2"
"$sim" --root "$node_root" kernel 2>/dev/null &
kernel_pid=$!
pve_up || exit 1
plain pool add wan --pf enp6s0f0 --vfs 2 >/dev/null
plain pool add lan --pf enp7s0 --vfs 3 >/dev/null
mkdir -p "$node_root/var/lib/pvesim/makes-none"
echo ever >"$node_root/var/lib/pvesim/makes-none/0000:06:00.0"
out=$(plain boot 2>&1)
like "$? $out" '^1 .*driver bnxt_en took the number 2 and made no VFs.*dmesg.*vfhook boot.*PF enp7s0: 3 VFs, 3 free' "a driver that accepts 2 and makes none: told, and the next PF is ready"
echo 2 >"$node_root/var/lib/pvesim/makes-none/0000:06:00.0"
out=$(plain boot 2>&1)
like "$? $(numvfs) $out" '^0 2 .*PF enp6s0f0: 2 VFs, 2 free' "one that makes them at the third time: asked again"

# --- pveproxy is not there yet ---

two_vfs
sed -i 's/^\tvfs 4/\tvfs 2/' "$node_root/etc/pve/vfhook.cfg"
sim stop >/dev/null 2>&1
sed -i '/^vf-100-0/,/^$/s/iommugroup=[0-9]*/iommugroup=77/' "$node_root/etc/pve/mapping/pci.cfg"
plain boot >"$node_root/waits.out" 2>&1 &
pid=$!
wait_for 10 grep -q 'pveproxy does not answer yet' "$node_root/waits.out"
is "$(flock -n "$node_root/var/lock/qemu-server/lock-100.conf" echo free; flock -n "$node_root/run/vfhook/locks/100" echo free)" \
	$'free\nfree' "boot waits for pveproxy, and keeps no VM from starting meanwhile"
pve_up
wait $pid
is "$? $(grep -c iommugroup=77 "$node_root/etc/pve/mapping/pci.cfg")" "0 0" "once it answers, the mapping is put right"
sim stop >/dev/null 2>&1
sed -i '/^vf-100-0/,/^$/s/iommugroup=[0-9]*/iommugroup=77/' "$node_root/etc/pve/mapping/pci.cfg"
stopped other run/vfhook/locks/100 boot --timeout 5
go_on other
like "$? $(<"$node_root/other.out")" '^1 .*mapping vf-100-0 is not changed.*time for it is over' "one that never answers: the time for all of it comes to an end"
done_testing
