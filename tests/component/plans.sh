#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# plans.sh - attach, detach, set and repair as plans: a dry run prints the plan and leaves nothing
# behind; one that is killed in the middle is undone or finished by the next run of any command.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

mac1=bc:24:11:00:00:01
# Every file and folder, locks too.
all() { (cd "$node_root" && find etc run var/lock -not -path '*/pvesim*' -not -name '*.log' -printf '%p %y %s\n' | sort); }
tree() { (cd "$node_root/etc/pve" && find . -type f | sort | xargs -d '\n' sha1sum); }
vf() { vf_get enp6s0f0 0 "$1"; }
journals() { find "$node_root/run/vfhook/journal" -type f -printf '%f ' 2>/dev/null; }

# dry STATUS REGEX DESCRIPTION COMMAND... - tells that, and leaves no file, not even a lock's.
dry() {
	local status=$1 regex=$2 desc=$3 before
	shift 3
	before=$(all)
	out=$(vfhook "$@" 2>&1)
	like "$? $out" "^$status .*$regex" "$desc: tells the plan"
	is "$(diff <(echo "$before") <(all))" '' "$desc: and makes no file, no lock"
}

# killed NAME - the program that was stopped() by that name.
killed() {
	kill -9 "${stopped_pid[$1]}"
	wait "${stopped_pid[$1]}" 2>/dev/null
}

node_up 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=7,numvfs=7,up=1,autoprobe=0 \
	0000:07:00.0,driver=i40e,ifname=enp7s0,vfs=8,numvfs=3,up=1,autoprobe=0
pve_up || exit 1
printf '\ngpu\n\tmap id=10de:1234,node=pve1,path=0000:01:00.0,subsystem-id=10de:0001\n\n' \
	>"$node_root/etc/pve/mapping/pci.cfg"
wan_cfg </dev/null
vm 100
sed -i '/^hookscript/d' "$node_root/etc/pve/nodes/pve1/qemu-server/100.conf"
start=$(tree)

# --- dry runs ---

dry 0 'port 100-0 in /etc/pve/vfhook.cfg: none -> pool wan.*mapping vf-100-0 on pve1: none -> id=.*REST: POST /cluster/mapping/pci.*hookscript: none -> local:snippets/vfhook.*qm set 100 --hookscript.*hostpci0: none -> mapping=vf-100-0.*REST: PUT /nodes/pve1/qemu/100/config.*digest=' \
	"attach --dry-run" attach 100 --mac $mac1 --vlan 20 --dry-run
is "$(tree)" "$start" "nothing in /etc/pve is changed"
vfhook attach 100 --mac $mac1 --vlan 20 >/dev/null 2>&1
attached=$(tree)
rm -rf "$node_root/run/vfhook/locks"
rm -f "$node_root/var/lock/qemu-server/"*
dry 0 'hostpci0: mapping=vf-100-0.* -> none.*delete=hostpci0.*hookscript: local:snippets/vfhook -> none.*VM 100: off.*port 100-0 in /etc/pve/vfhook.cfg: there -> none.*mapping vf-100-0: there -> none.*REST: DELETE /cluster/mapping/pci/vf-100-0' \
	"detach --dry-run" detach 100 --dry-run
dry 0 'port 100-0 in /etc/pve/vfhook.cfg: -> pool wan.*VLAN 21' "set --dry-run" set 100 --vlan 21 --dry-run
is "$(tree)" "$attached" "nothing in /etc/pve is changed"
qm start 100 >/dev/null 2>&1
dry 0 'VLAN 20 -> 22.*port 100-0 in /etc/pve/vfhook.cfg: -> pool wan.*VLAN 22' "set --dry-run on a running VM" set 100 --vlan 22 --dry-run
is "$(vf vlan)" 20 "its VF is as it was"

# --- set, killed between the live change and the file ---

stopped set run/vfhook/locks/config set 100 --vlan 30 --trust on
is "$? $(vf vlan) $(vf trust)" "0 30 on" "set stops with the VF changed, and the file not"
killed set
is "$(journals)" '100 ' "killed there: a journal tells what was begun"
out=$(vfhook repair 2>&1)
is "$? $(vf vlan) $(vf trust) $(journals)" "0 20 off " "the next run has undone it"
like "$(cat "$node_root/run/vfhook/leases/0000:06:10.0")" '"phase":"running".*"vlan":20' "the lease is as before"
is "$(tree)" "$attached" "and the file"
qm stop 100 >/dev/null 2>&1

# --- detach, killed in the middle ---

stopped detach run/vfhook/locks/config detach 100
is "$? $(qm config 100 | grep -c hostpci) $(grep -c '^port: 100-0' "$node_root/etc/pve/vfhook.cfg")" "0 0 1" \
	"detach stops with hostpci0 gone, and the port there"
is "$(is_locked "$node_root/var/lock/qemu-server/lock-100.conf" && echo locked)" locked "it keeps the VM off meanwhile"
killed detach
is "$(journals)" '100.config ' "killed there: its journal is not one that a phase touches"
out=$(vfhook 100 post-stop 2>&1)
is "$? $(journals)" "0 100.config " "a phase leaves it alone"
out=$(vfhook --dry-run repair 2>&1)
like "$? $out" '^0 .*an earlier detach for guest 100 was cut off in the middle: would be finished:.*port 100-0 .*mapping vf-100-0: there -> none' "repair --dry-run tells what is left of it"
out=$(vfhook repair 2>&1)
like "$? $out" '^0 .*an earlier detach for guest 100 was cut off in the middle: finishing it' "repair finishes it"
is "$(journals) $(tree)" " $start" "/etc/pve is byte for byte as before"

# --- attach, killed in the middle ---

sim fault set hang --method PUT --path 'qemu/100/config' --perform yes --count 1 >/dev/null
"$BUILD/tests/vfhook-plain" --root "$node_root" attach 100 --mac $mac1 --vlan 20 >/dev/null 2>&1 &
attach=$!
try "attach waits for PVE's answer, hostpci0 is written" wait_for 20 grep -q '^hostpci0' "$node_root/etc/pve/nodes/pve1/qemu-server/100.conf"
kill -9 $attach
wait $attach 2>/dev/null
sim fault clear >/dev/null
is "$(journals)" '100.config ' "killed there"
cp -a "$node_root/run/vfhook/journal/100.config" "$node_root/kept.config"
out=$(vfhook attach 100 --mac $mac1 --vlan 20 2>&1)
like "$? $out" '^0 .*an earlier attach for guest 100 was cut off in the middle: undoing it.*VM 100 is attached' "attach again undoes it, and does it"
is "$(journals) $(tree)" " $attached" "and all is as after any attach"
mv "$node_root/kept.config" "$node_root/run/vfhook/journal/100.config"
mv "$node_root/etc/pve/priv/vfhook.token" "$node_root/token.away"
out=$(vfhook repair 2>&1)
like "$? $out" '^1 .*could not undo .*not repaired: .*cannot be undone now' "without a token it cannot be undone: said"
is "$(journals)" '100.config ' "and the journal stays"
mv "$node_root/token.away" "$node_root/etc/pve/priv/vfhook.token"
out=$(vfhook repair 2>&1)
is "$? $(journals) $(tree)" "0  $start" "with it, the next run undoes it all"

# --- what was changed meanwhile is not overwritten ---

vfhook attach 100 --mac $mac1 --vlan 20 >/dev/null 2>&1
stopped detach run/vfhook/locks/config detach 100
sed -i 's/^\tvlan 20/\tvlan 77/' "$node_root/etc/pve/vfhook.cfg"
go_on detach
is "$? $(grep -c '^port:' "$node_root/etc/pve/vfhook.cfg") $(tree)" "0 0 $start" \
	"detach finds the port changed, looks again, and removes it as it is now"

# --- boot puts right what commands left, too ---

vfhook attach 100 --mac $mac1 --vlan 20 >/dev/null 2>&1
stopped begun run/vfhook/locks/config detach 100
killed begun
is "$(journals)" '100.config ' "a detach is killed"
out=$(vfhook boot 2>&1)
like "$? $(journals) $out" '^0  .*an earlier detach for guest 100 was cut off in the middle: finishing it' "boot finishes it"
is "$(grep -c '^port:' "$node_root/etc/pve/vfhook.cfg") $(grep -c '^vf-' "$node_root/etc/pve/mapping/pci.cfg")" "0 0" "port and mapping are gone"

# --- a mapping that somebody takes away while boot is about to write it ---

vfhook attach 100 --mac $mac1 --vlan 20 >/dev/null 2>&1
sed -i '/^vf-100-0/,/^$/s/iommugroup=[0-9]*/iommugroup=77/' "$node_root/etc/pve/mapping/pci.cfg"
out=$(vfhook boot --dry-run 2>&1)
like "$? $out" '^0 .*mapping vf-100-0 on pve1: 0000:06:10.0 -> .*REST: PUT /cluster/mapping/pci/vf-100-0' "boot --dry-run tells what it would write"
stopped refresh run/vfhook/locks/mapping boot
is $? 0 "boot has looked at the mapping, and is about to write it"
sed -i '/^vf-100-0/,/^$/d' "$node_root/etc/pve/mapping/pci.cfg"
go_on refresh
is "$? $(grep -c '^vf-' "$node_root/etc/pve/mapping/pci.cfg")" "0 0" "it is gone by then: boot does not make it anew"
vfhook detach 100 >/dev/null 2>&1

# --- pool ---

before=$(tree)
dry 0 'pool lan in /etc/pve/vfhook.cfg: none -> pf node=pve1,path=0000:07:00.0.*; vfs 3.*vfhook.json.*boot.cfg' "pool add --dry-run" pool add lan --pf enp7s0 --vfs 3 --dry-run
is "$(tree)" "$before" "nothing in /etc/pve is changed"
vfhook pool add lan --pf enp7s0 --vfs 3 >/dev/null 2>&1
dry 0 'pool lan in /etc/pve/vfhook.cfg: .*vfs 3.* -> .*vfs 4' "pool add --dry-run of more" pool add lan --pf enp7s0 --vfs 4 --dry-run
dry 1 "PF 0000:07:00.0 is in pool 'lan'" "pool add --dry-run of a PF that another pool has" pool add dmz --pf enp7s0 --dry-run
dry 0 'pool lan in /etc/pve/vfhook.cfg: pf .* -> none' "pool remove --dry-run" pool remove lan --dry-run
vfhook attach 100 --pool lan --mac $mac1 >/dev/null 2>&1
dry 1 "in use by port 100-0" "pool remove --dry-run of one in use" pool remove lan --dry-run
vfhook detach 100 >/dev/null 2>&1
stopped pool run/vfhook/locks/config pool add lan --pf enp7s0 --vfs 5
sed -i 's/^\tvfs 3/\tallow-pf-down 1/' "$node_root/etc/pve/vfhook.cfg"
go_on pool
like "$? $(sed -n '/^pool: lan/,/^$/p' "$node_root/etc/pve/vfhook.cfg")" '^0 .*allow-pf-down 1.*vfs 5' "a pool that was changed meanwhile: looked at again, both stay"
out=$(vfhook pool remove lan 2>&1)
is "$? $(tree | grep -v vfhook.json)" "0 $(grep -v vfhook.json <<<"$before")" "pool remove leaves no trace"

done_testing
