#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# byhand.sh - a person calls a phase: not while PVE starts or stops the VM, and under
# PVE's lock otherwise. A local user who is not root can hold no lock of ours.

set -uo pipefail

# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

node_up
pve_up
printf 'port: 100-0\n\tpool wan\n\tmac bc:24:11:00:00:01\n\tvlan 20\n\n' | wan_cfg
vm 100
vfhook job 100 >/dev/null 2>&1
qm stop 100 >/dev/null 2>&1
lock=$node_root/var/lock/qemu-server/lock-100.conf

# PVE starts the VM: what took the lock calls pre-start, and goes on with it in its hands.
# shellcheck disable=SC2016 # for that shell to expand
BUILD=$BUILD node_root=$node_root flock "$lock" bash -c '
	"$BUILD/tests/hook-fake" --root "$node_root" 100 pre-start >"$node_root/start.out" 2>&1
	echo $? >"$node_root/started"
	until [[ -e $node_root/over ]]; do sleep 0.05; done' &
starter=$!
wait_for 20 test -s "$node_root/started"
is "$(<"$node_root/started") $(lease_count) $(vf_get enp6s0f0 0 vlan)" "0 1 20" "the caller holds PVE's lock: pre-start does its work"
out=$(vfhook 100 post-stop 2>&1)
like "$? $out" '^1 .*process [0-9]+, which did not call this, is starting.*vfhook release 100' "post-stop by hand meanwhile is refused, and told what to do instead"
is "$(lease_count) $(vf_get enp6s0f0 0 vlan)" "1 20" "the VF of the start is as it was"
vfhook 100 post-stop >"$node_root/stop.out" 2>&1 &
stopper=$!
touch "$node_root/over"
wait "$starter"
wait "$stopper"
is "$? $(lease_count) $(vf_get enp6s0f0 0 vlan)" "0 0 0" "one that comes when the start ends waits for it"

# Nobody has it: the phase takes it, so that PVE waits for the phase.
cat >"$node_root/var/lib/vz/snippets/other" <<-EOF
	#!/bin/bash
	flock -n $lock true && echo "PVE's lock is free"
	exit 0
EOF
chmod 755 "$node_root/var/lib/vz/snippets/other"
printf 'guest: 100\n\tchain local:snippets/other\n\n' >>"$node_root/etc/pve/vfhook.cfg"
out=$(vfhook 100 pre-start 2>&1)
rc=$?
is "$rc $(grep -c 'is free' <<<"$out") $(lease_count)" "0 0 1" "nobody holds it: the phase does, to its end"
try "and no longer" flock -n "$lock" true
out=$(vfhook --dry-run 100 post-stop 2>&1)
is "$? $(lease_count)" "0 1" "a dry run needs no lock"

# Left to a child by a process that is gone: that is not for us to judge.
exec 9>>"$lock"
flock 9
out=$(vfhook 100 post-stop 2>&1)
is "$? $(lease_count)" "0 0" "whose it is cannot be told: the phase goes on, as before"
exec 9>&-

# --- hostpci0 is to be written: nobody has asked for the VM to run ---

sed -i '/^hostpci0/d' "$node_root/etc/pve/nodes/pve1/qemu-server/100.conf"
out=$(vfhook 100 pre-start 2>&1)
like "$? $out" "^1 .*must become 'mapping=vf-100-0'.*VM 100 stays off: qm start 100" "by hand: a job writes hostpci0, and starts nothing"
wait_for 30 grep -q '^hostpci0: mapping=vf-100-0' "$node_root/etc/pve/nodes/pve1/qemu-server/100.conf"
wait_for 30 flock -n "$node_root/run/vfhook/locks/job-100" true
is "$(qm status 100) $(lease_count)" "status: stopped 0" "it is off, and has no VF"

# --- our own locks ---

chmod 755 "$node_root" # mktemp -d
vfhook 100 pre-start >/dev/null
is "$(stat -c %a "$node_root/run/vfhook" "$node_root/run/vfhook/locks" "$node_root/run/vfhook/leases" | xargs)" "755 700 755" "leases may be looked at, locks may not"
is "$(find "$node_root/run/vfhook" -type f -name '*lock*' | wc -l)" 0 "and no lock is outside of that folder"
setpriv --reuid=65534 --regid=65534 --clear-groups flock -n "$node_root/run/vfhook/locks/100" true 2>/dev/null
isnt_zero=$?
is "$((isnt_zero != 0))" 1 "another user cannot hold one"
out=$(setpriv --reuid=65534 --regid=65534 --clear-groups "$BUILD/tests/vfhook-fake" --root "$node_root" status 2>&1)
like "$out" '(0000:06:10.0|vfhook.cfg|Permission denied)' "status for another user says what it sees, or why not"
out=$(setpriv --reuid=65534 --regid=65534 --clear-groups "$BUILD/tests/vfhook-fake" --root "$node_root" release 100 2>&1)
like "$? $out" '^1 .*it was not run as root, which vfhook needs' "what another user is refused ends with why"
vfhook 100 post-stop >/dev/null
done_testing
