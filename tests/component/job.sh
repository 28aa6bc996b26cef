#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# job.sh - the detached job that writes hostpciN: beside others who look, change, back up, or are
# quicker; for VMs that HA starts; and what only root may write.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

mac1=bc:24:11:00:00:01
conf() { echo "$node_root/etc/pve/nodes/${2:-pve1}/qemu-server/$1.conf"; }
entry() { sed -n 's/^hostpci0: //p' "$(conf "$1" "${2:-pve1}")"; }
lock_of() { echo "$node_root/run/vfhook/locks/job-$1"; }
log_of() { cat "$node_root/run/vfhook/job-$1.log" 2>/dev/null; }
tasks_of() { sim tasks | grep -c ":$2:$1:"; }
# over VMID - the job has said its last word and let go of its lock.
# shellcheck disable=SC2317 # called by wait_for
over() { [[ -n $(log_of "$1") ]] && ! is_locked "$(lock_of "$1")"; }
# shellcheck disable=SC2317 # called by wait_for
is_written() { [[ $(entry "$1") == mapping=vf-$1-0* ]]; }
# shellcheck disable=SC2317 # called by wait_for
has_open() { find "/proc/$1/fd" -lname "*$2" | grep -q .; }

# unlike GOT REGEX DESCRIPTION
unlike() { if [[ $1 =~ $2 ]]; then not_ok "$3" "got: $1"; else ok "$3"; fi; }

# fresh - a node, and VM 100 with a port but without hostpci0.
fresh() {
	node_up
	pve_up || exit 1
	printf 'port: 100-0\n\tpool wan\n\tmac %s\n' "$mac1" | wan_cfg
	vm 100
	mkdir -p "$node_root"/run/vfhook/{locks,leases,journal}
}
# A second node in the cluster.
second_node() {
	mkdir -p "$node_root/etc/pve/nodes/pve2/qemu-server"
	python3 - "$node_root/var/lib/pvesim/config.json" <<'PY'
import json, sys
conf = json.load(open(sys.argv[1]))
conf["nodes"] = ["pve1", "pve2"]
json.dump(conf, open(sys.argv[1], "w"))
PY
}

# --- others who look at its lock ------------------------------------------------

fresh
touch "$(lock_of 100)"
flock -s "$(lock_of 100)" sleep 0.5 &
sleep 0.1
out=$(vfhook job 100 2>&1)
like "$? $out" '^0 .*VM 100: running' "somebody has the job's lock for a moment: it does its work all the same"
is "$(vm_runs 100 && entry 100)" mapping=vf-100-0 "hostpci0 is written, the VM runs"

fresh
exec 8>"$node_root/var/lock/qemu-server/lock-100.conf"
flock 8
vfhook job 100 >"$node_root/first" 2>&1 8>&- &
first=$!
try "a job that waits for the VM" wait_for 10 grep -q waiting "$(lock_of 100)"
out=$(vfhook job 100 2>&1)
like "$? $out" '^0 .*another job writes its hostpci already \(.*job-100.log\); nothing to do' \
	"a second one finds it, and says so"
for _ in {1..20}; do vfhook explain 100 >/dev/null 2>&1 8>&-; done
exec 8>&-
wait $first
like "$? $(cat "$node_root/first")" '^0 .*VM 100: running' "explain was asked again and again meanwhile: the first one does its work"
is "$(tasks_of 100 qmstart)" 1 "the VM was started once"

# --- somebody changes hostpci0 while the job is at work ---------------------------------

# meanwhile VMID COMMAND... - between the judgement of hostpci0 and its writing.
meanwhile() {
	local id=$1 job
	shift
	(exec "$BUILD/tests/hook-fake" --root "$node_root" job "$id") >"$node_root/out" 2>&1 9>&- &
	job=$!
	wait_for 10 has_open "$job" locks/mapping || diag "the job never came to its mapping"
	"$@" >/dev/null 2>&1
	exec 9>&-
	wait "$job"
}
fresh
exec 9>"$node_root/run/vfhook/locks/mapping"
flock 9
meanwhile 100 qm set 100 --hostpci0 mapping=gpu,x-vga=1
like "$? $(cat "$node_root/out")" "^1 .*hostpci0: it names mapping 'gpu', which is not ours" \
	"hostpci0 is set in the GUI meanwhile: the job looks again, and says what is in its way"
is "$(entry 100)" mapping=gpu,x-vga=1 "what was set there stays"
vm 101 --hostpci0 0000:06:10.6,rombar=0
exec 9>"$node_root/run/vfhook/locks/mapping"
flock 9
meanwhile 101 qm set 101 --hostpci0 mapping=gpu
is "$(entry 101)" mapping=gpu "the same where a raw address is replaced, by qm set"
vm 102
printf 'port: 102-0\n\tpool wan\n\tmac bc:24:11:00:00:03\n' >>"$node_root/etc/pve/vfhook.cfg"
exec 9>"$node_root/run/vfhook/locks/mapping"
flock 9
meanwhile 102 qm set 102 --memory 256
like "$? $(cat "$node_root/out")" '^0 .*VM 102: running' "another key changed meanwhile: written at the second attempt"
is "$(entry 102) $(grep memory: "$(conf 102)")" "mapping=vf-102-0 memory: 256" "both changes are there"

# Two entries are one change of the file.
printf 'port: 103-0\n\tpool wan\n\tmac bc:24:11:00:00:04\n\nport: 103-1\n\tpool wan\n\tmac bc:24:11:00:00:05\n' >>"$node_root/etc/pve/vfhook.cfg"
vm 103 --hostpci1 0000:06:11.0,rombar=0
out=$(vfhook job 103 2>&1)
is "$? $(grep hostpci "$(conf 103)" | xargs)" "0 hostpci0: mapping=vf-103-0 hostpci1: mapping=vf-103-1,rombar=0" \
	"two entries, one of them raw: both are written, at the first attempt"
unlike "$out" 'checksum' "without a refusal"

# --- starts that nobody wanted --------------------------------------------------------------

fresh
out=$(sim vzdump 100 2>&1)
like "$out" 'this start, a backup.s, is refused; .*VM 100, which stays off \(.*write-job-100.log\); run the backup again then' \
	"a backup of a VM that is off is refused with what happens and what to do"
try "hostpci0 is put right" wait_for 20 is_written 100
try "the job ends" wait_for 20 grep -q 'stays off' "$node_root/run/vfhook/write-job-100.log"
is "$(tasks_of 100 qmstart) $(qm status 100)" "0 status: stopped" "and the VM stays off"
like "$(vfhook explain 100)" 'last start: REFUSED .* this start was a backup.s: a job writes it and leaves the VM off; run the backup again' \
	"explain tells it"
out=$(sim vzdump 100 2>&1)
is "$? $(qm status 100) $(lease_count)" "0 status: stopped 0" "the backup works when it is run again"

vm 104 --hostpci0 mapping=wan
vm 105 --hostpci0 mapping=wan
sim vzdump 104 105 >/dev/null 2>&1
try "two VMs in one backup: the first one's is put right" wait_for 20 is_written 104
try "and the second one's" wait_for 20 is_written 105
sleep 0.5
is "$(sim tasks | grep -c :qmstart:) $(qm status 104) $(qm status 105)" "0 status: stopped status: stopped" \
	"neither is switched on"

# A start that somebody wants finds the backup's job at work.
vm 106 --hostpci0 mapping=wan
sim fault set delay 2 --path 'qemu/106/config' --method PUT >/dev/null
sim vzdump 106 >/dev/null 2>&1
try "a backup's job is at work" wait_for 10 grep -q writing "$(lock_of 106)"
out=$(qm start 106 2>&1)
like "$?" '^[1-9]' "a start meanwhile is refused"
try "but it was wanted: the VM runs in the end" wait_for 30 vm_runs 106
sim fault clear >/dev/null

# A backup in stop mode of a VM that runs: PVE starts it again after the failure, and that is a wish.
fresh
qm start 100 >/dev/null 2>&1
wait_for 20 vm_runs 100
wait_for 20 over 100
printf 'port: 100-1\n\tpool wan\n\tmac bc:24:11:00:00:02\n' >>"$node_root/etc/pve/vfhook.cfg"
sim vzdump --mode stop 100 >/dev/null 2>&1
try "a backup in stop mode of a VM that ran: it runs again" wait_for 30 vm_runs 100
like "$(qm config 100)" 'hostpci1: mapping=vf-100-1' "with hostpci written"

fresh
sed -i '1i lock: suspended' "$(conf 100)"
out=$(vfhook 100 pre-start 2>&1)
like "$? $out" '^1 .*it hibernates, and PVE changes no hostpci of such a VM: .*vfhook detach 100.*qm set 100 --delete vmstate' \
	"a VM that hibernates is not handed over"
is "$(log_of 100)" '' "no job is begun"

# --- HA -------------------------------------------------------------------------------------------

fresh
sim ha add 100
out=$(sim ha lrm 100 --interval 3 2>&1)
is "$? $(vm_runs 100 && entry 100)" "0 mapping=vf-100-0" "HA's first start is refused, its second one works: no relocation"
try "the job ends" wait_for 20 over 100
like "$(log_of 100)" 'VM 100: running$' "and says that the VM runs"

fresh
sim ha add 100
qm start 100 >/dev/null 2>&1
is "$(tasks_of 100 hastart) $(tasks_of 100 qmstart)" "1 0" "a start of such a VM is a task that only tells HA"
vfhook job 100 >"$node_root/run/vfhook/job-100.log" 2>&1 &
try "HA does not start the VM yet: the job waits" wait_for 20 grep -q 'HA starts it; waiting' "$node_root/run/vfhook/job-100.log"
unlike "$(log_of 100)" running "and does not call it running"
sim ha lrm 100 >/dev/null 2>&1
try "until HA has" wait_for 20 over 100
like "$(log_of 100)" 'VM 100: running$' "then it does"

fresh
sim ha add 100
sim ha state 100 error
out=$(vfhook job 100 2>&1)
like "$? $out" '^1 .*VM 100 is not started: HA has given it up \(state error\): ha-manager set vm:100 --state disabled' \
	"HA in its error state: said at once, with the way out"
like "$(vfhook explain 100)" 'last start: REFUSED .*HA has given it up' "and explain knows"

# A job that is not done when HA tries again must not be held up by that start.
fresh
second_node
sim ha add 100
sim fault set delay 3 --path mapping/pci --method POST >/dev/null
out=$(sim ha lrm 100 --max-restart 1 --interval 1 2>&1)
like "$out" 'a job is changing it already and starts the VM then, as soon as this start has let go of the VM' \
	"HA tries again too early: told what it is waiting for"
like "$out" "relocate service 'vm:100'" "and moves the VM"
try "the job ends" wait_for 30 over 100
like "$(log_of 100)" 'VM 100 is not started: it has moved to node pve2, where a start makes what it needs' \
	"the job says where the VM is"
out=$(vfhook explain 100 2>&1)
like "$out" 'VM 100 is on node pve2: run this there' "so does explain"
sim fault clear >/dev/null

# Somebody else was faster.
fresh
sim fault set delay 1 --path status/start --method POST >/dev/null
vfhook job 100 >"$node_root/out" 2>&1 &
job=$!
try "hostpci0 is written" wait_for 10 is_written 100
sim config set vm.100.qemu-delay 2 >/dev/null
qm start 100 >/dev/null 2>&1
wait $job
like "$? $(cat "$node_root/out")" '^0 .*VM 100: running' "a VM that somebody else has started meanwhile is running, not failed"

# --- what only root may write -------------------------------------------------------------

fresh
vm 107 --hostpci0 mapping=wan,romfile=x.rom
qm start 107 >/dev/null 2>&1
try "a romfile beside a pool's name: the VM is started" wait_for 20 vm_runs 107
is "$(entry 107)" mapping=vf-107-0,romfile=x.rom "with its mapping, and its romfile"
try "the job ends" wait_for 20 over 107
qm stop 107 >/dev/null 2>&1
out=$(vfhook detach 107 2>&1)
is "$? $(entry 107)" "0 " "detach deletes such an entry"
like "$out" 'hostpci0: removed' "and says so"

vm 108 --hostpci0 mapping=wan,romfile=x.rom
out=$(vfhook --dry-run 108 pre-start 2>&1)
like "$out" 'qm set 108 --hostpci0 mapping=vf-108-0,romfile=x.rom .*as root: no token may write this' "a dry run tells it too"
is "$(entry 108)" mapping=wan,romfile=x.rom "and writes nothing"

# --- a job that is killed ------------------------------------------------------------------

fresh
sim fault set delay 20 --path mapping/pci --method POST >/dev/null
qm start 100 >/dev/null 2>&1
try "a job is at work" wait_for 10 grep -q waiting "$(lock_of 100)"
like "$(vfhook explain 100)" 'next: wait: a job is at work and starts the VM \(cat /run/vfhook/job-100.log\)' \
	"explain says so, and where to look"
job=$(awk -v ino=":$(stat -c %i "$(lock_of 100)")" '$2 == "FLOCK" && index($6, ino) {print $5}' /proc/locks)
kill -9 "$job"
try "it is killed" wait_for 5 flock -n "$(lock_of 100)" true
like "$(vfhook explain 100)" 'next: the job that was to write hostpci was ended before it was done .*qm start 100 begins anew' \
	"explain says that it was"
sim fault clear >/dev/null
qm start 100 >/dev/null 2>&1
try "and the next start has a job of its own" wait_for 20 vm_runs 100
done_testing
