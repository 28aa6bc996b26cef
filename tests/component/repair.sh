#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# repair.sh - explain, release and repair: each thing broken by hand, told by a
# dry run that changes nothing, repaired, and then not there any more.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

mac1=bc:24:11:00:00:01
parked=00:00:00:00:00:00
run_dir() { echo "$node_root/run/vfhook"; }

port() {
	printf 'port: %s-0\n\tpool wan\n\tmac %s\n' "$1" "$2"
	shift 2
	(($# == 0)) || printf '\t%s\n' "$@"
	echo
}

# lease VF INDEX VMID PHASE [QEMU-PID] - a lease as vfhook writes it.
lease() {
	printf '{"version":1,"vf":"%s","pf":"0000:06:00.0","index":%s,"vmid":%s,"slot":0,"pool":"wan","name":"","phase":"%s","taken":1,"qemu-pid":0,"qemu-start":0,"before":{},"want":{}}' \
		"$1" "$2" "$3" "$4" >"$(run_dir)/leases/$1"
}
leases() { (cd "$(run_dir)/leases" && find . -type f | sort | tr -d '\n'); }
tree() {
	(cd "$node_root" && find run/vfhook etc fake-kernel var/lib/vfhook sys -type f -print0 |
		sort -z | xargs -0 sha1sum)
}

# repair DESCRIPTION REGEX - a dry run tells and changes nothing, a real one repairs, a second one has nothing to do.
repair() {
	local before
	before=$(tree)
	out=$(vfhook repair --dry-run 2>&1)
	like "$? $out" "^0 .*would repair: $2" "$1: the dry run tells"
	is "$(diff <(echo "$before") <(tree))" "" "$1: and changes nothing"
	out=$(vfhook repair 2>&1)
	like "$? $out" "^0 .*repair: $2" "$1: repaired"
	out=$(vfhook repair 2>&1)
	is "$? $out" "0 vfhook: nothing to repair" "$1: then there is nothing to repair"
}

node_up
fake_set enp6s0f0 pass
pve_up || exit 1
{
	port 100 "$mac1" 'vlan 20' 'spoofchk 1'
	port 101 bc:24:11:00:00:02
} | wan_cfg
vm 100 --hostpci0 mapping=vf-100-0 --name fw
vm 101 --hostpci0 mapping=vf-101-0
out=$(vfhook repair 2>&1)
is "$? $out" "0 vfhook: nothing to repair" "a fresh node: nothing to repair"
out=$(vfhook explain 100 2>&1)
like "$? $out" "^0 VM 100 'fw' on pve1.last start: none is known.now: not running.*port 100-0: pool wan, MAC $mac1, VLAN 20.*lease: none.*next: nothing: qm start 100" "explain of a VM that was never started"
qm start 100 >/dev/null 2>&1
out=$(vfhook explain 100 2>&1)
like "$? $out" '^0 .*last start: it got its VFs at [0-9-]+ [0-9:]+: hostpci0: VF 0000:06:10.0 .*now: running \(QEMU process [0-9]+\).*mapping vf-100-0: 0000:06:10.0.*lease: VF 0000:06:10.0 \(VF 0 of PF 0000:06:00.0\), running.*next: nothing: it runs' "explain after a start"
out=$(vfhook explain 100 --output-format json | python3 -c 'import json,sys
d = json.load(sys.stdin)
print(d["vmid"], d["running"], d["job"], d["last-start"]["kind"], d["ports"][0]["mapping"], d["leases"][0]["phase"], len(d["events"]))')
is "$out" "100 True none start 0000:06:10.0 running 1" "and as JSON"
out=$(vfhook repair 2>&1)
is "$? $out" "0 vfhook: nothing to repair" "a running VM with its VF: nothing to repair"

# --- calls -----------------------------------------------------------------------

for args in "explain" "explain 9" "explain 100 101" "explain 100 --output-format xml" "release" "release abc" "release 100 --force" "repair 100" "repair --dry"; do
	# shellcheck disable=SC2086 # words on purpose
	out=$(vfhook $args 2>&1)
	is "$? $(wc -l <<<"$out")" "2 1" "wrong call '$args': exit 2, one line"
done
for c in explain release repair; do
	like "$(vfhook $c --help)" "^Usage: vfhook $c" "$c --help"
done
out=$(vfhook explain 777 2>&1)
like "$? $out" '^1 .*777' "explain of a VM that nobody knows: 1"

# --- release -------------------------------------------------------------------------

out=$(vfhook release 100 2>&1)
like "$? $out" '^1 .*VM 100 runs .*qm stop 100' "release of a running VM is refused"
out=$(vfhook release 101 2>&1)
like "$? $out" '^0 .*VM 101 holds no VF' "release of a VM without VFs"
sim config set qmeventd 0 >/dev/null
sim kill-vm 100 >/dev/null
sleep 0.3
like "$(vfhook explain 100)" 'now: not running.*next: it holds VFs without running .*vfhook release 100' "explain of a VM that is over"
before=$(tree)
for args in "--dry-run release 100" "release 100 --dry-run"; do
	# shellcheck disable=SC2086 # words on purpose
	out=$(vfhook $args 2>&1)
	like "$? $out" '^0 .*VLAN 20 -> none.*would be released' "$args: tells"
done
is "$(diff <(echo "$before") <(tree))" "" "and changes nothing"
sim hold-lock vm:100 4 >/dev/null 2>&1 &
holder=$!
sleep 1.5
out=$(vfhook release 100 2>&1)
like "$? $out" '^1 .*being started, stopped or changed' "release while PVE's lock is held is refused"
wait $holder
out=$(vfhook release 100 2>&1)
like "$? $out" '^0 .*VF 0000:06:10.0 .*released' "released"
is "$(lease_count) $(vf_get enp6s0f0 0 mac) $(vf_get enp6s0f0 0 vlan)" "0 $parked 0" "and clean"
fake_set enp6s0f0 "p['vfs'][0]['vlan']=33"
lease 0000:06:10.0 0 100 dirty
like "$(vfhook explain 100)" 'next: a VF of it could not be cleaned: vfhook release 100' "explain of a dirty VF"
fake_set enp6s0f0 'p["quirks"] = ["fail:VLAN"]'
out=$(vfhook release 100 2>&1)
like "$? $out" '^1 .*VF 0000:06:10.0 .*; when that is over: vfhook release 100' "a driver that says no: told, with what to type then"
is "$(lease_count)" 1 "and nobody else gets it"
fake_set enp6s0f0 'p["quirks"] = []'
out=$(vfhook release 100 2>&1)
is "$? $(lease_count) $(vf_get enp6s0f0 0 vlan)" "0 0 0" "a dirty VF is released, too"

# --- repair ---------------------------------------------------------------------------

# A lease whose VM is over, a dirty one, one whose VF is gone.
lease 0000:06:10.2 1 101 running
fake_set enp6s0f0 "p['vfs'][1]['mac']='$mac1'; p['vfs'][1]['vlan']=5"
before=$(tree)
out=$(vfhook --dry-run repair 2>&1)
like "$? $out" '^0 .*VM 101 is not running but holds VFs .*would be taken back.*VLAN 5 -> none.*1 would be repaired, 0 left' "a lease of a VM that is over: the dry run tells"
is "$(diff <(echo "$before") <(tree))" "" "and changes nothing"
lease 0000:06:10.4 2 101 dirty
lease 0000:06:1f.0 9 555 running
out=$(vfhook repair 2>&1)
like "$? $out" '^0 .*VF 0000:06:10.2 .*released.*VF 0000:06:10.4 .*released.*VF 0000:06:1f.0 is no longer there, its lease is dropped.*3 repaired, 0 left' "stale, dirty, gone: all given back"
is "$(lease_count) $(vf_get enp6s0f0 1 mac) $(vf_get enp6s0f0 1 vlan)" "0 $parked 0" "and clean"
out=$(vfhook repair 2>&1)
is "$? $out" "0 vfhook: nothing to repair" "then there is nothing to repair"

# One that cannot be cleaned.
lease 0000:06:10.2 1 101 dirty
fake_set enp6s0f0 "p['quirks']=['gone']"
out=$(vfhook repair 2>&1)
like "$? $out" '^1 .*not repaired: VF 0000:06:10.2 stays leased to VM 101' "one that cannot be cleaned: 1"
fake_set enp6s0f0 "p['quirks']=[]"
vfhook repair >/dev/null 2>&1
is "$? $(lease_count)" "0 0" "until it can"

# A journal.
cut_off_start() {
	fake_set enp6s0f0 "p['quirks']=['die-after:1']"
	(vfhook 100 pre-start) >/dev/null 2>&1
	fake_set enp6s0f0 "p['quirks']=[]"
}
cut_off_start
repair "a journal" 'journal of VM 100'
is "$(find "$(run_dir)/journal" -type f | wc -l) $(lease_count) $(vf_get enp6s0f0 0 vlan)" "0 0 0" "it is gone, and the VF clean"
# One whose run holds its VM's locks when repair begins, and is killed before it ends.
cut_off_start
"$sim" --root "$node_root" hold-lock vm:100 60 >"$node_root/said" 2>&1 &
holder=$!
wait_for 30 grep -q held "$node_root/said"
"$BUILD/tests/killat" -o "$node_root/calls" -l -- "$BUILD/tests/vfhook-plain" --root "$node_root" repair >"$node_root/out" 2>&1
last=$(grep -c ' openat .*run/vfhook/journal$' "$node_root/calls")
mkfifo "$node_root/go" "$node_root/tell"
"$BUILD/tests/killat" -o "$node_root/calls" -s "$last" -w 'openat run/vfhook/journal' -c 8,9 -- "$BUILD/tests/vfhook-plain" --root "$node_root" repair \
	8<>"$node_root/go" 9<>"$node_root/tell" >"$node_root/out" 2>&1 &
stopped=$!
read -r said <"$node_root/tell"
kill "$holder"
wait "$holder" 2>/dev/null
printf x >"$node_root/go"
wait "$stopped"
like "$said $(<"$node_root/out")" '^stopped openat .*VM 100 is being started, stopped or changed just now.*journal of VM 100: a run that was cut off in the middle is undone or finished.*1 repaired' "a journal whose run is killed while repair looks elsewhere"
is "$(find "$(run_dir)/journal" -type f | wc -l) $(lease_count) $(vf_get enp6s0f0 0 vlan)" "0 0 0" "is finished all the same"
rm "$node_root/go" "$node_root/tell"

# A broken lease: the VF is cleaned under it.
echo '{"version":1' >"$(run_dir)/leases/0000:06:10.6"
fake_set enp6s0f0 "p['vfs'][3]['vlan']=77; p['vfs'][3]['trust']=True; p['vfs'][3]['max-rate']=500"
repair "a broken lease" '.*0000:06:10.6.*kept as 0000:06:10.6.broken'
is "$(leases) $(vf_get enp6s0f0 3 vlan) $(vf_get enp6s0f0 3 trust) $(vf_get enp6s0f0 3 max-rate)" "./0000:06:10.6.broken 0 off 0" "it is put aside, the VF parked, its rate too"
out=$(vfhook --dry-run 101 pre-start 2>&1)
if grep -q broken <<<"$out"; then not_ok "which is no VF's name" "$out"; else ok "which is no VF's name"; fi
rm "$(run_dir)/leases/0000:06:10.6.broken"

# Temporary files: old ones go, young ones may have a writer.
touch -d '5 minutes ago' "$(run_dir)/leases/.tmp-0000:06:10.0" "$(run_dir)/journal/.tmp-100" "$node_root/etc/pve/.tmp-vfhook.cfg"
touch "$(run_dir)/leases/.tmp-0000:06:10.2"
repair "temporary files" '/run/vfhook/leases/.tmp-0000:06:10.0.*/run/vfhook/journal/.tmp-100.*/etc/pve/.tmp-vfhook.cfg'
is "$(leases)" "./.tmp-0000:06:10.2" "old ones are removed, a young one stays"
rm "$(run_dir)/leases/.tmp-0000:06:10.2"

# A running VM: no lease, another's lease, other settings, another mapping.
sim config set qmeventd 1 >/dev/null
qm start 100 >/dev/null 2>&1
vf=$(sed -n 's/.*"vf":"\([^"]*\)".*/\1/p' "$(run_dir)"/leases/*)
rm "$(run_dir)/leases/$vf"
repair "a running VM without a lease" "VM 100 hostpci0 runs on VF $vf without a lease"
like "$(cat "$(run_dir)/leases/$vf")" '"vmid":100.*"phase":"running","taken":[0-9]+,"qemu-pid":[1-9]' "it has one again"
lease "$vf" 0 101 running
# Whoever holds VM 101's lock may be about to use it: nobody is told to stop VM 100 for that.
"$sim" --root "$node_root" hold-lock vm:101 60 >"$node_root/said" 2>&1 &
holder=$!
wait_for 30 grep -q held "$node_root/said"
out=$(vfhook repair 2>&1)
like "$? $out" "^1 .*VM 100 runs on VF $vf, which is leased to VM 101, and that VM is being started, stopped or changed just now: vfhook repair, when that is over" "another VM's lease, and that VM's lock is held"
kill "$holder"
wait "$holder" 2>/dev/null
repair "a dead VM's lease on it" "VF $vf: lease of VM 101, which is over, is dropped"
is "$(vf_get enp6s0f0 0 mac) $(vf_get enp6s0f0 0 vlan)" "$mac1 20" "the VF that it runs on is not parked"
fake_set enp6s0f0 "p['vfs'][0]['vlan']=99; p['vfs'][0]['spoofchk']=False"
repair "other settings" "VM 100 hostpci0 runs on VF $vf, which is not set as its port wants"
is "$(vf_get enp6s0f0 0 vlan) $(vf_get enp6s0f0 0 spoofchk)" "20 on" "they are set again"
lease 0000:06:10.4 2 100 running
repair "a lease too many" 'VF 0000:06:10.4 is leased to VM 100, which runs without it'
is "$(leases)" "./$vf" "it is released"
sed -i "s/path=$vf/path=0000:06:10.6/" "$node_root/etc/pve/mapping/pci.cfg"
repair "another mapping" "VM 100 hostpci0 runs on VF $vf, which its mapping does not name"
like "$(grep -A3 '^vf-100-0' "$node_root/etc/pve/mapping/pci.cfg")" "path=$vf" "it is written again"
echo rubbish >"$(run_dir)/leases/$vf"
repair "a broken lease of a running VM" ".*kept as $vf.broken"
like "$(cat "$(run_dir)/leases/$vf")" '"vmid":100' "it has a good one"
rm "$(run_dir)/leases/$vf.broken"
qm stop 100 >/dev/null 2>&1
is "$(lease_count) $(vf_get enp6s0f0 0 mac) $(vf_get enp6s0f0 0 vlan)" "0 $parked 0" "stopped, it is clean"

# VMs that are gone.
{
	echo '# a comment that stays'
	port 150 bc:24:11:00:00:50 'vlan 9'
	echo '# and another one'
} >>"$node_root/etc/pve/vfhook.cfg"
printf '\nvf-150-0\n\tmap id=8086:10ca,iommugroup=4,node=pve1,path=0000:06:10.0,subsystem-id=8086:0000\n\nvf-150-1x\n\tmap id=8086:10ca,node=pve1,path=0000:06:10.0\n' >>"$node_root/etc/pve/mapping/pci.cfg"
# A lock that cannot be taken is not somebody's: no reason to pass the VM over without a word.
for lock in 150.config 150; do
	rm -f "$(run_dir)/locks/$lock"
	mkdir -p "$(run_dir)/locks/$lock"
	out=$(vfhook repair 2>&1)
	like "$? $out" "^1 .*not repaired: VM 150: .*locks/$lock" "a VM that is gone, and its lock $lock cannot be taken: told"
	is "$(grep -c '^port: 150-0' "$node_root/etc/pve/vfhook.cfg") $(grep -c '^vf-150-0$' "$node_root/etc/pve/mapping/pci.cfg")" "1 1" "and its port and mapping stay"
	rmdir "$(run_dir)/locks/$lock"
done
port 151 bc:24:11:00:00:51 >>"$node_root/etc/pve/vfhook.cfg"
repair "a VM that is gone" 'mapping vf-150-0: VM 150 is gone.*port 150-0 \(pool wan, MAC bc:24:11:00:00:50, VLAN 9\): VM 150 is gone.*port 151-0'
want=$({
	printf 'pool: wan\n\tpf node=pve1,path=0000:06:00.0\n\n'
	port 100 "$mac1" 'vlan 20' 'spoofchk 1'
	port 101 bc:24:11:00:00:02
	printf '# a comment that stays\n\n# and another one'
})
is "$(cat "$node_root/etc/pve/vfhook.cfg")" "$want" "its port is gone from vfhook.cfg, every other byte stays"
like "$(grep '^vf-' "$node_root/etc/pve/mapping/pci.cfg" | tr '\n' ' ')" '^vf-100-0 vf-150-1x $' "its mapping is gone, a stranger's stays"
port 151 bc:24:11:00:00:51 >>"$node_root/etc/pve/vfhook.cfg"
vm 152 --hostpci0 mapping=vf-151-0
out=$(vfhook repair 2>&1)
like "$? $out" '^0 .*vf-151-0 is kept, though VM 151 is gone.*nothing to repair' "one that a clone still needs is kept"
sed -i '/^port: 151-0/,$d' "$node_root/etc/pve/vfhook.cfg"
qm destroy 152 >/dev/null 2>&1

port 102 "$mac1" >>"$node_root/etc/pve/vfhook.cfg"
vm 102
out=$(vfhook repair 2>&1)
like "$? $out" "^1 .*not repaired: .*ports 100-0 and 102-0 have the same MAC $mac1" "the same MAC in two ports is told: 1"
sed -i '/^port: 102-0/,$d' "$node_root/etc/pve/vfhook.cfg"

mv "$node_root/etc/pve/nodes/pve1" "$node_root/pve1.away"
before=$(tree)
out=$(vfhook repair 2>&1)
like "$? $out" '^1 .*is pve-cluster running' "without /etc/pve no VM counts as gone"
is "$(diff <(echo "$before") <(tree))" "" "and nothing is changed"
mv "$node_root/pve1.away" "$node_root/etc/pve/nodes/pve1"

# --- explain after a refusal and after a mend --------------------------------------------

node_up 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=2,numvfs=2,up=1,autoprobe=0
sim config set worker 1 >/dev/null
pve_up || exit 1
{
	port 100 "$mac1"
	port 101 bc:24:11:00:00:02
	port 102 bc:24:11:00:00:03
} | wan_cfg
vm 100 --hostpci0 mapping=vf-100-0 --name fw
vm 101 --hostpci0 mapping=vf-101-0
vm 102 --hostpci0 mapping=vf-102-0
vm 103
qm start 100 >/dev/null 2>&1
qm start 101 >/dev/null 2>&1
qm start 102 >/dev/null 2>&1
like "$(vfhook explain 102)" "last start: REFUSED at .*no VF of pool 'wan' is free for hostpci0; 0000:06:10.0: (leased|reserved).*VM 100.*; 0000:06:10.2: .*VM 101.*next: see whether the reason still holds: vfhook --dry-run 102 pre-start" "explain after a refusal: the reason, and who holds what"
like "$(vfhook explain 103)" 'next: vfhook has nothing to do with this VM' "explain of a VM without a port"
qm stop 101 >/dev/null 2>&1
qm stop 100 >/dev/null 2>&1
host_netdev 0000:06:10.0 enp6s0f0v0 igbvf
curl -sS --cacert "$node_root/etc/pve/pve-root-ca.pem" -H 'X-Pvesim-Worker: 0' \
	-H "Authorization: PVEAPIToken=$(<"$node_root/etc/pve/priv/vfhook.token")" \
	https://localhost:8006/api2/json/cluster/mapping/pci/vf-100-0 >/dev/null
curl -sS --cacert "$node_root/etc/pve/pve-root-ca.pem" -X POST -H 'X-Pvesim-Worker: 0' \
	-H "Authorization: PVEAPIToken=$(<"$node_root/etc/pve/priv/vfhook.token")" \
	https://localhost:8006/api2/json/nodes/pve1/qemu/100/status/start >/dev/null
wait_for 20 grep -q '"kind":"mended"' "$node_root/var/lib/vfhook/events"
out=$(vfhook explain 100)
like "$out" 'events:.*start .*release .*start .*mended +hostpci0: QEMU had VF 0000:06:10.0, meant was 0000:06:10.2; mended: MAC bc:24:11:00:00:01' "explain after a mend: all that happened, newest last"
like "$out" 'lease: VF 0000:06:10.0 .*next: nothing: it runs' "and how it stands now"
is "$(stat -c '%a %a' "$node_root/var/lib/vfhook" | cut -d' ' -f1) $(stat -c %a "$node_root/var/lib/vfhook/events")" "755 644" "events: 0755, 0644"


# A stop that ends while repair is at work: VM 100's lock is taken when it looks first, and
# free when it is through with VM 101, whose driver is slow.
for id in 100 101; do qm stop $id >/dev/null 2>&1; done
vfhook repair >/dev/null 2>&1
lease 0000:06:10.0 0 100 running
lease 0000:06:10.2 1 101 running
fake_set enp6s0f0 "p['quirks'] = ['slow:300']; p['vfs'][1].update(vlan=7, trust=True)"
lock=$node_root/var/lock/qemu-server/lock-100.conf
flock "$lock" sleep 0.4 &
wait_for 5 is_locked "$lock"
out=$(vfhook repair 2>&1)
like "$? $out" '^0 .*VM 101 hostpci0: .*released.*VM 100 hostpci0: .*released.*2 repaired, 0 left' "repair beside a stop: its VFs are taken back when it is over"
is "$(leases)" "" "no lease is left"
done_testing
