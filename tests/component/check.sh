#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check.sh - the Proxmox VE side of vfhook check: a node where all is well, then
# each requirement broken in turn, then each right taken away. Nothing is changed.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

mac1=bc:24:11:00:00:01
user='vfhook@pve'
etc=

# The checks of this suite; those of the host have one of their own.
readonly ours=pve,quorum,config,snippet,hookscript,port,token,tls,token-rights,mappings,mac,boot-service,nodes

# findings - one a line, "LEVEL id subject: text -> remedy".
findings() {
	vfhook check --output-format json 2>&1 | python3 -c 'import json, sys
for f in json.load(sys.stdin)["findings"]:
    if f["check"] in sys.argv[1].split(","):
        print(f["level"], f["check"], f["subject"] + ":", f["text"], "->", f["remedy"])' "$ours"
}
bad() { findings | grep -v ^PASS; }
# What a check may not change: everything but the simulator's own notes.
tree() {
	(cd "$etc/.." && find . -type f -print0 | sort -z | xargs -0 sha1sum &&
		find ../run ../var/lib/vfhook -path '*qemu-server' -prune -o -printf '%p %y\n' 2>/dev/null | sort)
}

# finds DESCRIPTION REGEX - exactly one finding that is no PASS, and that is it.
finds() {
	out=$(bad)
	if [[ $out =~ $2 && $(wc -l <<<"$out") == 1 ]]; then
		ok "$1"
	else
		not_ok "$1" "got:   $out" "regex: $2"
	fi
}
# also DESCRIPTION REGEX - among others.
also() { like "$(bad)" "$2" "$1"; }
well() { is "$(bad)" "" "$1"; }

node_up
fake_set enp6s0f0 pass
etc=$node_root/etc/pve
# As install.sh leaves it: the program, and a link to it.
mkdir -p "$node_root/usr/lib/vfhook"
mv "$node_root/var/lib/vz/snippets/vfhook" "$node_root/usr/lib/vfhook/hook"
ln -s ../../../../usr/lib/vfhook/hook "$node_root/var/lib/vz/snippets/vfhook"
sed -i 's/^\tcontent .*/&,snippets/' "$etc/storage.cfg"
mkdir -p "$node_root/etc/systemd/system/multi-user.target.wants" "$node_root/var/lib/dpkg"
ln -s /dev/null "$node_root/etc/systemd/system/multi-user.target.wants/vfhook-vfs.service"
ln -s /dev/null "$node_root/etc/systemd/system/multi-user.target.wants/vfhook-boot.service"
printf 'Package: pve-manager\nStatus: install ok installed\nVersion: 9.2.6\n\nPackage: x\nVersion: 1\n' \
	>"$node_root/var/lib/dpkg/status"
pve_up || exit 1
qm create 100 --name fw >/dev/null
qm create 101 --name web --net0 virtio=BC:24:11:00:00:77,bridge=vmbr0 >/dev/null
vfhook pool add wan --pf enp6s0f0 >/dev/null 2>&1
vfhook attach 100 --mac "$mac1" >/dev/null 2>&1
vfhook attach 101 >/dev/null 2>&1
cp -a "$etc" "$node_root/pve.well"
# restore - everything below /etc/pve as it was when all was well.
restore() {
	cp -a "$node_root/pve.well/." "$etc/"
	(cd "$etc" && find . ! -type d | sort) >"$node_root/now"
	(cd "$node_root/pve.well" && find . ! -type d | sort) | comm -23 "$node_root/now" - |
		(cd "$etc" && xargs -r rm --)
}

# --- all is well ---

before=$(tree)
sim requests --clear >/dev/null
# Of the workers alone: pveproxy, which the list of mappings stays in, starts no VM.
reads() { awk '/ WORKER / { w[$2] = 1 } /mapping\/pci.cfg/ && w[$2] { n++ } END { print n + 0 }' "$node_root/var/lib/pvesim/debug.log"; }
read_before=$(reads)
out=$(findings)
is "$(grep -v ^PASS <<<"$out")" "" "a node where all is well: nothing but PASS"
for id in ${ours//,/ }; do
	[[ $id == port ]] || like "$out" "PASS $id " "PASS for $id"
done
like "$out" 'node pve1 of Proxmox VE 9.2.6' "the version"
like "$out" 'a single node: no quorum' "a single node"
like "$out" '2 VMs of this node have ports' "the VMs"
is "$(diff <(echo "$before") <(tree))" "" "nothing is changed: not in /etc, not in /run"
is "$(sim requests | grep -E '"(PUT|POST|DELETE)"' | grep -c '"status": 2')" 0 "no call that could change something succeeds"
few=$(sim requests | wc -l)
is "$((few <= 11))" 1 "and they are few"
is "$(reads)" "$read_before" "no worker has read the mappings, whose next start might use them stale"
like "$(vfhook check)" 'PASS  node pve1 of Proxmox VE 9.2.6' "the text output"
sed -i 's/9.2.6/7.4-3/' "$node_root/var/lib/dpkg/status"
finds "an old Proxmox VE" '^FAIL pve : Proxmox VE 7.4-3 .*8.0 -> upgrade'
rm "$node_root/var/lib/dpkg/status"
well "no version known: not told"
qm start 100 >/dev/null 2>&1
well "with a running VM"
qm stop 100 >/dev/null 2>&1

# --- vfhook.cfg, snippet, services ---

printf '\nport: 101-1\n\tpool wan\n\tvlaan 3\n' >>"$etc/vfhook.cfg"
finds "a mistake in a section" "^FAIL config port 101-1: /etc/pve/vfhook.cfg:[0-9]+: a port has no 'vlaan' -> correct"
restore
sed -i 's/pool wan/pool lan/' "$etc/vfhook.cfg"
also "a port of a pool that is not there" "FAIL config port 100-0: there is no pool 'lan'"
restore
sed -i '1i port: nonsense\n\tpool wan\n' "$etc/vfhook.cfg"
also "a file that cannot be read: told" "FAIL config : /etc/pve/vfhook.cfg:1: 'nonsense' is no port"
if bad | grep -q 'vf-100-0'; then not_ok "and its mappings are no orphans for that" "$(bad)"; else ok "and its mappings are no orphans for that"; fi
restore
sed -i 's/,snippets//' "$etc/storage.cfg"
finds "content type snippets missing" '^WARN snippet storage local: .* -> pvesm set local --content iso,vztmpl,backup,snippets$'
rm "$etc/storage.cfg"
well "without storage.cfg there is 'local' all the same"
printf 'rubbish\n\tpath x\n' >"$etc/storage.cfg"
also "a broken storage.cfg" 'FAIL snippet : /etc/pve/storage.cfg:1:'
restore
chmod -x "$node_root/usr/lib/vfhook/hook"
also "a snippet that is not executable" 'FAIL snippet storage local: .*not executable.* -> chmod \+x /var/lib/vz/snippets/vfhook'
chmod +x "$node_root/usr/lib/vfhook/hook"
rm "$node_root/var/lib/vz/snippets/vfhook"
also "no snippet" 'FAIL snippet : no storage .* -> mkdir -p /var/lib/vz/snippets; ln -sfn'
cp "$node_root/usr/lib/vfhook/hook" "$node_root/var/lib/vz/snippets/vfhook"
finds "a copy of the program" '^WARN snippet storage local: .*another file than /usr/lib/vfhook/hook.* -> ln -sfn /usr/lib/vfhook/hook /var/lib/vz'
cp "$node_root/usr/lib/vfhook/hook" "$node_root/usr/sbin/vfhook"
ln -sfn ../../../../usr/sbin/vfhook "$node_root/var/lib/vz/snippets/vfhook"
well "a link to a person's program, as older versions had it, is as good"
rm "$node_root/usr/sbin/vfhook"
ln -sfn ../../../../usr/lib/vfhook/hook "$node_root/var/lib/vz/snippets/vfhook"
rm "$node_root/etc/systemd/system/multi-user.target.wants/vfhook-boot.service"
finds "a unit that is not enabled" '^WARN boot-service : vfhook-boot.service .* -> systemctl enable vfhook-boot.service$'
ln -s /dev/null "$node_root/etc/systemd/system/multi-user.target.wants/vfhook-boot.service"

# --- VMs ---

conf=$etc/nodes/pve1/qemu-server/100.conf
sed -i '/^hookscript/d' "$conf"
finds "no hookscript" '^FAIL hookscript VM 100: .* -> vfhook attach 100 --slot 0$'
echo 'hookscript: local:snippets/other' >>"$conf"
finds "another hookscript" '^FAIL hookscript VM 100: .*local:snippets/other.* -> vfhook attach 100 --slot 0$'
sed -i 's/^hookscript.*/hookscript: gone:snippets\/vfhook/' "$conf"
finds "ours on a storage that is not there" "^FAIL hookscript VM 100: .*no storage 'gone'"
restore
printf '\nguest: 100\n\tchain local:snippets/other\n' >>"$etc/vfhook.cfg"
finds "a script to be run after ours is gone" '^FAIL hookscript VM 100: .*run after vfhook: .*local:snippets/other'
restore
sed -i '/^hostpci0/d' "$conf"
finds "no hostpci0" '^WARN hookscript VM 100: hostpci0 is not mapping=vf-100-0.* -> vfhook attach 100 --slot 0$'
echo 'hostpci0: mapping=vf-101-0' >>"$conf"
finds "hostpci0 names another's mapping" '^WARN hookscript VM 100: hostpci0 is not'
printf 'hostpci0: x=\001\nname: \033[31m\n' >"$conf"
also "a config that is rubbish" 'FAIL hookscript VM 100: .*100.conf:1'
mkdir -p "$etc/nodes/pve2/qemu-server"
mv "$conf" "$etc/nodes/pve2/qemu-server/"
well "a VM on another node is that node's business"
rm -r "$etc/nodes/pve2"
also "a VM that is gone" 'WARN port VM 100: .*gone from the cluster -> vfhook repair'
also "and its mapping is no failure" 'WARN port'
touch "$etc/nodes/pve1/lxc/100.conf"
also "a container with a port of a VM" "FAIL port CT 100: .*is a VM's"
restore
sed -i "s/BC:24:11:00:00:77/${mac1^^}/" "$etc/nodes/pve1/qemu-server/101.conf"
finds "a MAC twice" "^FAIL mac : MAC $mac1 .*port 100-0, netN of guest 101 -> vfhook set 100 --slot 0 --mac auto"
restore
printf 'net0: name=eth0,hwaddr=BC:24:11:00:00:77\n' >"$etc/nodes/pve1/lxc/200.conf"
finds "a MAC twice, none of them ours" '^WARN mac : MAC bc:24:11:00:00:77 .*netN of guest 101, netN of guest 200'
restore
printf '[snap]\nnet0: virtio=BC:24:11:00:00:77,bridge=vmbr0\n' >>"$etc/nodes/pve1/qemu-server/101.conf"
well "a guest's own snapshot is no second one"
restore

printf 'template: 1\n' >>"$etc/nodes/pve1/qemu-server/101.conf"
like "$(vfhook check 2>&1)" 'PASS +1 VMs of this node have ports' "a template's port is not counted"
restore
# --- mappings, nodes ---

one=/^vf-100-0/,/^\$/
for what in 'iommugroup=[0-9]*/iommugroup=77' 'id=8086:10ca,/id=8086:1520,' 'subsystem-id=[0-9a-f:]*/subsystem-id=1:2'; do
	sed -i "${one}s/$what/" "$etc/mapping/pci.cfg"
	finds "a mapping that is not as the hardware: ${what%%=*}" "^WARN mappings mapping vf-100-0: ${what%%=*} of 0000:06:10.0 is .*hardware has .* -> vfhook boot"
	restore
done
sed -i "${one}s/path=0000:06:10.0/path=0000:06:1f.7/" "$etc/mapping/pci.cfg"
finds "a mapping of no VF" '^WARN mappings mapping vf-100-0: .*0000:06:1f.7, which is no VF'
sed -i '/1f.7/d' "$etc/mapping/pci.cfg"
finds "no entry for this node" '^WARN mappings mapping vf-100-0: .*no entry for this node'
rm "$etc/mapping/pci.cfg"
also "no mapping" 'WARN mappings mapping vf-100-0: port 100-0 has no mapping yet -> vfhook boot'
restore
printf '\nvf-555-0\n\tmap id=8086:10ca,node=pve1,path=0000:06:10.6\n\nvf-101-3\n\tmap id=8086:10ca,node=pve1,path=0000:06:10.6\n' >>"$etc/mapping/pci.cfg"
also "a mapping of a VM that is gone" 'WARN mappings mapping vf-555-0: .*gone from the cluster -> vfhook repair'
also "a mapping without a port" 'WARN mappings mapping vf-101-3: there is no port 101-3 for it -> pvesh delete'
restore
printf 'two words\n\tmap x\n' | cat - "$etc/mapping/pci.cfg" >"$etc/mapping/new" && mv "$etc/mapping/new" "$etc/mapping/pci.cfg"
finds "a line that PVE ignores" '^WARN mappings : /etc/pve/mapping/pci.cfg:1: .*id alone: PVE goes on without it.* -> mend that line'
restore
printf 'x\ny\n' >"$etc/mapping/pci.cfg"
also "a mapping file of nothing but rubbish" 'WARN mappings : /etc/pve/mapping/pci.cfg:2:'
restore
sed -i "${one}s/^\tmap/\tmdev 1\n&/" "$etc/mapping/pci.cfg"
finds "mdev on, which PVE compares with the hardware" '^WARN mappings mapping vf-100-0: mdev is on, .* -> vfhook boot'
restore
sed -i "${one}s/^\tmap.*/&,future=1/" "$etc/mapping/pci.cfg"
finds "a key that PVE does not know" '^WARN mappings mapping vf-100-0: .*key that PVE does not know'
restore
sed -i "${one}s/^\tmap.*/&\n&/" "$etc/mapping/pci.cfg"
finds "two entries for this node" '^WARN mappings mapping vf-100-0: it has 2 entries'
restore
sed -i 's/^pool: wan/&\n\tpf node=pve2,path=0000:81:00.0/' "$etc/vfhook.cfg"
also "a node that told nothing" 'WARN nodes node pve2: .* -> vfhook boot on that node'
also "and where no VM can move" 'WARN mappings mapping vf-101-0: VM 101 cannot move to pve2'
restore

# --- the cluster ---

sim init --node pve1 --nodes pve1,pve2 >/dev/null
like "$(findings)" 'PASS quorum : cluster sim has quorum \(2 nodes\)' "a cluster with quorum"
sim quorum off >/dev/null
also "no quorum" 'FAIL quorum : no quorum .*read-only.* -> pvecm status'
sim quorum on >/dev/null
printf '{"cluster": 7' >"$etc/.members"
well "what is no .members is not told"
sim init --node pve1 >/dev/null

# --- the token ---

token=$etc/priv/vfhook.token
chmod 644 "$token"
finds "a token that others can read" '^FAIL token : .*mode 0644'
restore
rm "$token"
finds "no token" '^FAIL token : /etc/pve/priv/vfhook.token is not there'
echo 'nonsense' >"$token"
chmod 600 "$token"
finds "a token of the wrong form" '^FAIL token : .*form user@realm!id=secret'
printf '%s=%s\n' "$token_id" 01234567-89ab-cdef-0123-456789abcdef >"$token"
finds "a wrong secret" '^FAIL token : .*does not accept the token.* -> make it anew: /usr/lib/vfhook/setup token'
restore
sim token del "$token_id" >/dev/null
finds "a token that PVE does not know" '^FAIL token : .*does not accept'
restore
sim cert expired >/dev/null
sim reload
finds "an expired certificate" '^FAIL tls : .*certificate is refused'
sim cert expiring >/dev/null
sim reload
finds "a certificate that ends soon" '^WARN tls : .*pveproxy-ssl.pem\) ends in [0-6] days -> renew it'
sim cert none >/dev/null
restore
sim reload
well "and well again"
sim config set pvedaemon down >/dev/null
finds "pvedaemon is down: one finding" '^FAIL token-rights : .*595.*systemctl status pvedaemon'
sim config set pvedaemon up >/dev/null
sim stop
finds "the API is down: one finding" '^FAIL tls : .*not reachable.* -> systemctl status pveproxy'
pve_up || exit 1

# --- its rights ---

# Its user has all that the token has, so what the token lacks is what counts.
acl() { sim acl "$1" "$2" "$token_id" "${@:3}" >/dev/null; }
for right in /vms:VM.Config.HWType /vms:VM.PowerMgmt /mapping/pci:Mapping.Use /mapping/pci:Mapping.Modify; do
	acl revoke "${right%:*}" "${right#*:}"
	finds "without ${right#*:}" "^FAIL token-rights : token $token_id lacks ${right#*:} on ${right%:*} -> pveum role modify VFHook --append 1 --privs ${right#*:}; pveum acl modify ${right%:*} --roles VFHook --users $user "
	restore
done
acl set /vms VM.Config.HWType,VM.PowerMgmt --propagate 0
is "$(bad | grep -c '^FAIL token-rights : .*on /vms: it has it there, but not for what is below')" 2 "not handed down"
restore
acl set /vms/101 VM.PowerMgmt
finds "taken away for one VM" "^FAIL token-rights : token $token_id lacks VM.Config.HWType on /vms/101 -> .*pveum acl modify /vms/101 "
restore
acl set /vms/100 NoAccess
is "$(bad | grep -c '^FAIL token-rights : .* on /vms/100 .*NoAccess')" 2 "NoAccess for one VM"
restore
acl set /mapping/pci/vf-100-0 Mapping.Modify
finds "taken away for one mapping" "^FAIL token-rights : .*lacks Mapping.Use on /mapping/pci/vf-100-0 "
restore
acl set /mapping/pci Mapping.Use
acl set /mapping/pci/vf-100-0 Mapping.Use,Mapping.Modify
acl set /mapping/pci/vf-101-0 Mapping.Use,Mapping.Modify
finds "mappings may be changed, but not made" '^FAIL token-rights : .*lacks Mapping.Modify on /mapping/pci '
restore
for who in "$token_id" "$user"; do sim acl set /vms "$who" VM.Audit,VM.Config.HWType,VM.PowerMgmt >/dev/null; done
well "VM.Audit beside them, as the role once had it: no finding"
restore
acl revoke /vms
acl set /vms/100 VM.Config.HWType,VM.PowerMgmt
acl set /vms/101 VM.Config.HWType,VM.PowerMgmt
is "$(bad | sed 's/ ->.*//; s/ token-rights.* on/ on/')" "$(printf 'WARN on /vms: what is attached next will not work without it\n%.0s' 1 2)" "rights for the VMs there are, and no others"
restore
acl set / Sys.Modify,VM.Allocate --propagate 0
sim acl set / "$user" Sys.Modify,VM.Allocate --propagate 0 >/dev/null
finds "more than is needed" '^WARN token-rights : .*may do more.*(Sys.Modify|VM.Allocate) on /.* -> a token of a user of its own'
restore
for id in {201..225}; do
	printf '\nport: %s-0\n\tpool wan\n\tmac bc:24:11:00:02:%s\n' "$id" "${id#2}" >>"$etc/vfhook.cfg"
	printf 'name: vm%s\nhookscript: local:snippets/vfhook\nhostpci0: mapping=vf-%s-0\n' "$id" "$id" >"$etc/nodes/pve1/qemu-server/$id.conf"
	its=$(sed -n '/^vf-100-0/,/^$/p' "$etc/mapping/pci.cfg")
	printf '%s\n\n' "${its//vf-100-0/vf-$id-0}" >>"$etc/mapping/pci.cfg"
done
sim requests --clear >/dev/null
is "$(bad | grep -c token-rights)" 0 "25 VMs more: all rights are there"
is "$(sim requests | wc -l)" "$few" "for as many calls as before"
acl set /vms/209 NoAccess
acl set /mapping/pci/vf-210-0 NoAccess
out=$(bad | grep token-rights)
is "$(grep -c '^FAIL .* on /vms/209 ' <<<"$out") $(grep -c '^FAIL .* on /mapping/pci/vf-210-0 ' <<<"$out") $(wc -l <<<"$out")" "2 2 4" "NoAccess for one of them is found all the same"
restore
rm "$etc"/nodes/pve1/qemu-server/2??.conf 2>/dev/null
sim fault set status 403 --method PUT --path /qemu/100/config >/dev/null
finds "asked and tried differ: the server's words" "^FAIL token-rights : .*lacks VM.Config.HWType on /vms/100: it is told to have it, but the call is refused: .*403"
sim fault clear >/dev/null
sim fault set status 500 --method GET --path /access/permissions >/dev/null
finds "a right that cannot be asked for is not passed over" '^WARN token-rights : not every right could be asked'
sim fault clear >/dev/null
mv "$etc/pve-root-ca.pem" "$etc/ca.away"
finds "no certificate to check against" '^FAIL tls : .*pve-root-ca.pem.* -> pvecm updatecerts'
mv "$etc/ca.away" "$etc/pve-root-ca.pem"
well "all well again"

# --- no node at all ---

mv "$etc/nodes" "$etc/nodes.away"
finds "no Proxmox VE node: one finding" '^FAIL pve : this machine is no node of its Proxmox VE cluster'
mv "$etc/nodes.away" "$etc/nodes"
vfhook check >/dev/null 2>&1
sed -i '/^hookscript/d' "$conf"
vfhook check >/dev/null 2>&1
is $? 1 "exit status 1 if anything fails"
done_testing
