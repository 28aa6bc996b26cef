#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# restart.sh - a VM that a stale mapping gave another VM's VF: it is cut off, and a job stops it and
# starts it again, once, unless somebody has done something with it meanwhile.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

mac1=bc:24:11:00:00:01
job_lock=run/vfhook/locks/job-100
log_of() { cat "$node_root/run/vfhook/restart-job-100.log" 2>/dev/null; }
tasks_of() { sim tasks | grep -c ":$1:100:"; }
qemu() { cat "$node_root/run/qemu-server/100.pid" 2>/dev/null; }
# shellcheck disable=SC2317 # called by wait_for
over() { [[ -n $(log_of) ]] && ! is_locked "$node_root/$job_lock"; }
unlike() { if [[ $1 =~ $2 ]]; then not_ok "$3" "got: $1"; else ok "$3"; fi; }

# monitor [refuse] - QEMU's, for VM 100: `stop` counts (or is refused), `quit` ends it, what is asked
# is in qmp.log.
monitor() {
	echo running >"$node_root/qmp.status"
	: >"$node_root/qmp.log"
	rm -f "$node_root/run/qemu-server/100.qmp"
	python3 - "$node_root" "${1:-}" 2>/dev/null <<'PY' &
import json, os, signal, socket, sys
root, refuse = sys.argv[1:]
server = socket.socket(socket.AF_UNIX)
server.bind(root + "/run/qemu-server/100.qmp")
server.listen(5)
server.settimeout(60)
status = root + "/qmp.status"
def serve(f):
    say = lambda o: (f.write(json.dumps(o) + "\r\n"), f.flush())
    say({"QMP": {"version": {}, "capabilities": []}})
    for line in f:
        cmd = json.loads(line)["execute"]
        open(root + "/qmp.log", "a").write(cmd + "\n")
        if cmd == "quit":
            os.kill(int(open(root + "/run/qemu-server/100.pid").read()), signal.SIGTERM)
        say({"event": "RTC_CHANGE", "data": {}})
        if cmd == "stop" and refuse:
            say({"error": {"class": "GenericError", "desc": "not now"}})
            continue
        if cmd == "stop":
            open(status, "w").write("paused")
        if cmd == "query-status":
            say({"return": {"status": open(status).read().strip(), "running": False}})
        else:
            say({"return": {}})
        if cmd == "quit":
            return False
    return True
while serve(server.accept()[0].makefile("rw")):
    pass
PY
	monitor=$!
	wait_for 10 test -S "$node_root/run/qemu-server/100.qmp"
}

api() { # WORKER METHOD PATH
	curl -sS --cacert "$node_root/etc/pve/pve-root-ca.pem" -X "$2" -H "X-Pvesim-Worker: $1" \
		-H "Authorization: PVEAPIToken=$(<"$node_root/etc/pve/priv/vfhook.token")" \
		"https://localhost:8006/api2/json$3"
}

# fresh [QUIRK] - VM 100, whose mapping names VF 0, which is on its way to another VM.
fresh() {
	node_up
	sim config set worker 1 >/dev/null
	sim config set monitor 0 >/dev/null
	pve_up || exit 1
	printf 'port: 100-0\n\tpool wan\n\tmac %s\n' "$mac1" | wan_cfg
	vm 100 --hostpci0 mapping=vf-100-0
	qm start 100 >/dev/null 2>&1
	qm stop 100 >/dev/null 2>&1
	printf '{"version":1,"vf":"0000:06:10.0","pf":"0000:06:00.0","index":0,"vmid":555,"slot":0,"pool":"wan","name":"other","phase":"starting","taken":1,"qemu-pid":0,"qemu-start":0,"before":{},"want":{}}' \
		>"$node_root/run/vfhook/leases/0000:06:10.0"
	touch "$node_root/var/lock/qemu-server/lock-555.conf"
	exec 7>"$node_root/var/lock/qemu-server/lock-555.conf"
	flock 7
	[[ -z ${1:-} ]] || fake_set enp6s0f0 "p['quirks']=['$1']"
}
# stale_start - from a worker that has the mapping in its cache as it is now.
stale_start() {
	local upid
	api 0 GET /cluster/mapping/pci/vf-100-0 >/dev/null
	upid=$(api 0 POST /nodes/pve1/qemu/100/status/start | python3 -c 'import json,sys; print(json.load(sys.stdin)["data"])')
	sim wait "$upid" >/dev/null 2>&1
	sim log "$upid"
}
# hold - no job may begin yet; let_go.
hold() {
	mkdir -p "$node_root/run/vfhook/locks"
	exec 8>>"$node_root/$job_lock"
	flock 8
}
let_go() { exec 8>&-; }

# --- it is mended -------------------------------------------------------------------

for quirk in '' ignore-link-state; do
	what=${quirk:-a card that can cut the link}
	fresh "$quirk"
	monitor
	before=$(tasks_of qmstart)
	hold
	out=$(stale_start)
	first=$(qemu)
	like "$out" 'VM 100: a job stops it and starts it again, once, .*\(cat /run/vfhook/restart-job-100.log\)' "$what: the task log says what comes"
	[[ -z $quirk ]] || like "$out" 'so the VM is PAUSED' "$what: until then it is paused"
	let_go
	try "$what: the job comes to its end" wait_for 40 over
	like "$(log_of)" 'VM 100: stopped, since it ran on a VF that is not its own.*VM 100: running, on its own VF$' "and says that it runs"
	is "$(grep -c . <<<"$(tail -n 1 "$node_root/qmp.log")") $(tail -n 1 "$node_root/qmp.log")" "1 quit" "QEMU was asked to end"
	is "$(vm_runs 100 && [[ $(qemu) != "$first" ]] && lease_of 0000:06:10.2)" "100 running" "$what: the VM runs anew, on the VF that was meant"
	is "$(vf_get enp6s0f0 1 mac)" "$mac1" "with its MAC"
	is "$(lease_of 0000:06:10.0)" "555 starting" "the other VM's VF is its own"
	is "$(($(tasks_of qmstart) - before))" 2 "one start more, and no other"
	out=$(vfhook explain 100)
	like "$out" 'last start: it got its VFs.*repair +stopped, since it ran on a VF that is not its own; it is started again.*next: nothing: it runs' "explain tells the story"
	kill "$monitor" 2>/dev/null
done

# --- somebody does something meanwhile ----------------------------------------------------

# left WHAT-THE-JOB-SAYS DESCRIPTION - the job lets the VM alone.
left() {
	let_go
	try "$2: the job ends" wait_for 40 over
	like "$(log_of)" "VM 100 is left as it is: $1" "$2: told"
	unlike "$(cat "$node_root/qmp.log")" quit "$2: QEMU is not ended"
	like "$(vfhook explain 100)" "left as it is: $1" "$2: explain knows"
}

fresh no-link-state
monitor
hold
stale_start >/dev/null
echo running >"$node_root/qmp.status"
left 'it was left paused, and somebody has made it running' "resumed"
is "$(vm_runs 100 && echo runs)" runs "resumed: it runs on"
kill "$monitor"

fresh
monitor
hold
stale_start >/dev/null
echo paused >"$node_root/qmp.status"
left 'it was left running, and somebody has made it paused' "paused by somebody"
kill "$monitor"

fresh
monitor
hold
stale_start >/dev/null
like "$(vfhook explain 100)" 'next: it runs on a VF that is not its own, and was cut off: qm stop 100' "explain says what to do before a job does"
qm stop 100 >/dev/null 2>&1
: >"$node_root/qmp.log"
before=$(tasks_of qmstart)
left 'somebody has stopped it' "stopped"
is "$(tasks_of qmstart) $(qm status 100)" "$before status: stopped" "stopped: it stays so"

fresh
monitor
hold
stale_start >/dev/null
qm stop 100 >/dev/null 2>&1
qm start 100 >/dev/null 2>&1
second=$(qemu)
: >"$node_root/qmp.log"
left 'somebody has stopped and started it' "started anew"
is "$(qemu)" "$second" "started anew: that process goes on"

fresh
monitor
hold
stale_start >/dev/null
sed -i '1i lock: migrate' "$node_root/etc/pve/nodes/pve1/qemu-server/100.conf"
left 'PVE has it locked by now \(migrate\)' "in a migration"

fresh
monitor
hold
stale_start >/dev/null
mkdir -p "$node_root/etc/pve/nodes/pve2/qemu-server"
mv "$node_root/etc/pve/nodes/pve1/qemu-server/100.conf" "$node_root/etc/pve/nodes/pve2/qemu-server/"
let_go
try "moved: the job ends" wait_for 40 over
like "$(log_of)" 'VM 100 is left as it is: it has moved to node pve2' "moved: told"

fresh
hold
stale_start >/dev/null
: >"$node_root/qmp.log"
left 'connect to /run/qemu-server/100.qmp: ' "QEMU has no monitor"

fresh
monitor
hold
stale_start >/dev/null
mv "$node_root/etc/pve/priv/vfhook.token" "$node_root/token"
left '.*vfhook.token' "no token to start it with"
mv "$node_root/token" "$node_root/etc/pve/priv/vfhook.token"

# --- once ------------------------------------------------------------------------------------

# What the post-start of the job's own start would find: the job is alive.
printf 'anew\n' >"$node_root/$job_lock"
hold
out=$(vfhook 100 post-start 2>&1)
like "$out" 'VM 100 is not stopped and started by itself \(this start was to mend the same, and is not tried again\): stop it \(qm stop 100\)' \
	"a start that was to mend it is not followed by another"
let_go
: >"$node_root/$job_lock"
out=$(vfhook --dry-run 100 post-start 2>&1)
like "$out" 'a job would stop it and start it again, once' "a dry run tells it"
is "$(vm_runs 100 && echo runs)" runs "and does nothing"
kill "$monitor"

# --- a monitor that refuses -------------------------------------------------------------------

fresh no-link-state
monitor refuse
before=$(tasks_of qmstart)
out=$(stale_start)
like "$out" 'CANNOT be taken down.*cannot be paused.*QEMU refuses: not now.*stop the VM now: qm stop 100' "neither cut off nor paused: said aloud"
try "the job ends it as PVE would, and starts it" wait_for 40 over
is "$(vm_runs 100 && lease_of 0000:06:10.2) $(($(tasks_of qmstart) - before))" "100 running 2" "it runs on its own VF"
kill "$monitor" 2>/dev/null

# --- HA ------------------------------------------------------------------------------------------

fresh
monitor
hold
stale_start >/dev/null
first=$(qemu)
sim ha add 100
sim ha state 100 started
let_go
try "a VM of HA's: the job waits for HA's start" wait_for 40 grep -q 'HA starts it; waiting' "$node_root/run/vfhook/restart-job-100.log"
is "$(tasks_of hastop) $(tasks_of hastart)" "0 0" "HA was told nothing: it goes on wanting it to run"
sim ha lrm 100 >/dev/null 2>&1
try "the job ends" wait_for 40 over
is "$(vm_runs 100 && [[ $(qemu) != "$first" ]] && lease_of 0000:06:10.2)" "100 running" "once HA has started it, it is on its own VF"
kill "$monitor" 2>/dev/null

fresh
monitor
hold
stale_start >/dev/null
sim ha add 100
sim ha state 100 freeze
left 'HA is changing it \(its state there: freeze\)' "HA has something else in mind"
kill "$monitor" 2>/dev/null

done_testing
