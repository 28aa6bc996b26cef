#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# livekey.sh - the key live-migration of a port: what attach, set, explain and check say of it, and when the
# mapping's flag follows.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

# shellcheck source=tests/component/livelib.sh
. "${BASH_SOURCE[0]%/*}/livelib.sh"

two_nodes_up || exit 1
conf=$etc/nodes/pve1/qemu-server/100.conf
live_findings() { vfhook check --output-format json | python3 -c 'import json,sys
for f in json.load(sys.stdin)["findings"]:
    if f["check"] == "live-migration":
        print(f["level"], f["subject"], f["text"], "->", f["remedy"])'; }
unlike() { # TEXT REGEX NAME
	local found
	found=$(grep -E -- "$2" <<<"$1")
	is "$found" "" "$3"
}
key() { sed -n '/^port: 100-0$/,/^$/s/^	live-migration //p' "$etc/vfhook.cfg"; }

vfhook pool add wan --pf enp6s0f0 >/dev/null 2>&1
qm create 100 --name fw >/dev/null

# --- an older PVE ---------------------------------------------------------------------------

sim config set live-flag 0 >/dev/null
out=$(vfhook attach 100 --mac bc:24:11:00:00:01 --live-migration on 2>&1)
is $? 1 "PVE 8.3: attach with live migration is refused"
like "$out" 'VM 100 is not attached: Proxmox VE 8\.3\.[0-9]+ migrates no running VM with a mapped device: 8\.4' "in one line"
is "$(wc -l <<<"$out") $(key)" "1 " "and nothing is written"
vfhook attach 100 --mac bc:24:11:00:00:01 >/dev/null 2>&1
out=$(vfhook set 100 --live-migration on 2>&1)
like "$? $out" '^1 .*nothing is changed: Proxmox VE 8\.3' "so is set"
is "$(key)" "" "and nothing is written"
sim config set live-flag 1 >/dev/null

# --- what it needs, at once --------------------------------------------------------------------

out=$(vfhook set 100 --live-migration on 2>&1)
is "$? $(key)" "0 1" "the key is written"
like "$out" "port 100-0 .*: pool wan, MAC bc:24:11:00:00:01, live migration" "and told with the port"
like "$out" 'pool .wan. has no PF on another node' "nowhere to go to: said at once"
like "$out" 'it has no other network device: .* its guest is offline' "and that the guest will be offline"
unlike "$out" 'takes effect at the next start' "of its VF's settings none has changed"
like "$out" 'may be migrated .*from its next start on' "it counts when it starts"
is "$(flag)" "" "the mapping of a VM that is off is left alone"
like "$(live_findings)" 'WARN VM 100 .*no PF on another node' "check says so too"
vfhook set 100 --live-migration off >/dev/null 2>&1
is "$(key)" "" "off is as without the key"
vfhook set 100 --live-migration on >/dev/null 2>&1
vfhook set 100 --live-migration unset >/dev/null 2>&1
is "$(key)" "" "so is unset"
out=$(vfhook set 100 --live-migration perhaps 2>&1)
is "$? $(key)" "1 " "another word is refused"
like "$out" "live-migration" "by its name"

vfhook2 pool add wan --pf enp129s0f0 >/dev/null 2>&1
vfhook boot >/dev/null 2>&1
printf 'net0: virtio=BC:24:11:AA:00:01,bridge=vmbr0\n' >>"$conf"
out=$(vfhook set 100 --live-migration on 2>&1)
unlike "$out" 'note:' "with a second node and a NIC nothing is missing"
is "$(live_findings)" "PASS  VMs with live-migration have what it needs, as far as it can be seen here -> " "nor for check"

# --- other devices -----------------------------------------------------------------------------------

cp "$conf" "$node_root/conf"
printf 'hostpci1: 0000:81:00.0\nhostpci2: mapping=gpu\n' >>"$conf"
printf '\ngpu\n\tmap id=8086:10ca,node=pve1,path=0000:99:00.0\n' >>"$etc/mapping/pci.cfg"
out=$(live_findings)
like "$out" 'PVE migrates no running VM with hostpci1' "a raw device stands against it"
like "$out" 'PVE migrates no running VM with hostpci2' "and so does the second one"
sed -i '/^gpu$/a\	live-migration-capable 1' "$etc/mapping/pci.cfg"
unlike "$(live_findings)" 'hostpci2' "a mapping that PVE may migrate does not"
cp "$node_root/conf" "$conf"

# --- a node that has left ---------------------------------------------------------------------------

cp "$etc/vfhook.cfg" "$node_root/vfhook.cfg"
sed -i '/^	pf node=pve2/a\	pf node=pve9,path=0000:06:00.0' "$etc/vfhook.cfg"
out=$(live_findings)
like "$out" 'node pve9' "a node of the pool that the cluster does not have is named"
is "$(grep -c pve9 <<<"$out")" 1 "once"
cp "$node_root/vfhook.cfg" "$etc/vfhook.cfg"

# --- the flag follows --------------------------------------------------------------------------------

qm start 100 >/dev/null 2>&1
try "it runs: the mapping is marked" wait_for 20 is_flag 1
maps=$(grep -c '^	map .*node=pve' "$etc/mapping/pci.cfg")
out=$(vfhook set 100 --live-migration off --dry-run 2>&1)
like "$out" 'live-migration-capable 1 -> 0' "a dry run tells of the flag"
is "$(flag) $(key)" "1 1" "and changes nothing"
out=$(vfhook set 100 --live-migration off 2>&1)
is "$? $(flag) $(key)" "0 0 " "switched off while it runs: the flag goes at once"
like "$out" 'PVE does not migrate it while it runs' "and it is said"
unlike "$out" 'nothing to change live' "without a word on its VF"
is "$(grep -c '^	map .*node=pve' "$etc/mapping/pci.cfg")" "$maps" "the mapping has its lines"
out=$(vfhook set 100 --live-migration on 2>&1)
try "switched on while it runs: it comes at once" wait_for 20 is_flag 1
like "$out" 'may be migrated .*from now on' "and that is said"
unlike "$out" 'next start' "and nothing else"
like "$(vfhook explain 100 2>&1)" 'port 100-0: pool wan, MAC bc:24:11:00:00:01, live migration' "explain tells of the key"
out=$(vfhook set 100 --vlan 30 2>&1)
like "$out" 'live: VF .*VLAN none -> 30|live: .*VLAN' "other settings change as ever"
is "$(flag) $(key)" "1 1" "and leave it alone"
wait_for 20 no_job
vfhook set 100 --live-migration off >/dev/null 2>&1
vfhook unplug 100 >/dev/null 2>&1
is "$(leases pve1 | sed 's/.*://')" unplugged "its VF is unplugged by hand"
out=$(vfhook set 100 --live-migration on 2>&1)
try "switched on for a VM whose VF is unplugged: the flag comes as well" wait_for 20 is_flag 1
unlike "$out" 'next start' "and nothing is put off to its next start"
vfhook plug 100 >/dev/null 2>&1
wait_for 20 no_job

# --- a NIC with the same MAC -----------------------------------------------------------------------

sed -i 's/BC:24:11:AA:00:01/BC:24:11:00:00:01/' "$conf"
out=$(vfhook set 100 --live-migration off 2>&1)
like "$? $out" '^1 .*nothing is changed: a netN of VM 100 has MAC bc:24:11:00:00:01, too, which only live-migration allows' "off is refused while its own net0 has the port's MAC"
is "$(flag) $(key)" "1 1" "and nothing is changed"
out=$(vfhook set 100 --live-migration unset --dry-run 2>&1)
is $? 1 "so is unset"
out=$(vfhook set 100 --live-migration off --mac auto --dry-run 2>&1)
is $? 0 "with another MAC it is not"
out=$(vfhook set 100 --vlan 31 2>&1)
is $? 0 "nor is anything else"
sed -i 's/BC:24:11:00:00:01/BC:24:11:AA:00:01/' "$conf"

# --- no job --------------------------------------------------------------------------------------------

rm -f "$node_root/run/vfhook/live-job-100.log"
mkdir "$node_root/run/vfhook/live-job-100.log"
out=$(vfhook plug 100 2>&1)
like "$out" 'VM 100: the job that sees to its VF cannot be begun \(.*live-job-100.log.*\): vfhook plug 100 begins it' "a job that cannot be begun is told by plug"
rmdir "$node_root/run/vfhook/live-job-100.log"

# --- leftovers -----------------------------------------------------------------------------------------

sed -i '/^	live-migration 1$/d' "$etc/vfhook.cfg"
like "$(live_findings)" 'WARN VM 100 mapping vf-100-0 has live-migration-capable, and port 100-0 no live-migration.* -> vfhook set 100 --slot 0 --live-migration off' "the key was taken out by hand: check tells what is left"
vfhook set 100 --slot 0 --live-migration off >/dev/null 2>&1
is "$(flag) $(live_findings)" "0 " "and what it names puts it right"
vfhook set 100 --live-migration on >/dev/null 2>&1
wait_for 20 is_flag 1
wait_for 20 no_job
sed -i '/^vf-100-0$/,/^$/s/live-migration-capable 1/live-migration-capable 0/' "$etc/mapping/pci.cfg"
like "$(live_findings)" 'it runs, and mapping vf-100-0 has no live-migration-capable.* -> vfhook plug 100' "off while it runs: check tells"
vfhook plug 100 >/dev/null 2>&1
try "and plug puts it on" wait_for 20 is_flag 1
wait_for 20 no_job

# --- a clone, and the end -----------------------------------------------------------------------------

qm stop 100 >/dev/null 2>&1
is "$(flag)" 0 "the stop puts it off"
sed -i '/^vf-100-0$/,/^$/s/live-migration-capable 0/live-migration-capable 1/' "$etc/mapping/pci.cfg"
like "$(live_findings)" 'WARN VM 100 mapping vf-100-0 has live-migration-capable, and the VM does not run -> vfhook 100 post-stop' "on while it does not run: check tells"
vfhook 100 post-stop >/dev/null 2>&1
is "$(flag)" 0 "and what it names puts it off"
sed -e 's/^name: .*/name: clone/' -e '/^net0/s/AA:00:01/AA:00:02/' "$conf" >"$etc/nodes/pve1/qemu-server/101.conf"
vfhook attach 101 --slot 0 >/dev/null 2>&1
is "$(sed -n '/^port: 101-0$/,/^$/s/^	live-migration //p' "$etc/vfhook.cfg")" "" "a clone has the key only if it is asked for, as with the other keys"
is "$(key)" 1 "its origin keeps it"
vfhook detach 100 >/dev/null 2>&1
is "$(key)$(flag)" "" "detach takes key and mapping"
done_testing
