#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# attach.sh - the commands pool, attach, detach and set, and the hookscript
# that a VM had before: what they make, what they refuse, what they undo.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

mac1=bc:24:11:00:00:01
parked=00:00:00:00:00:00

# tree - every file below /etc/pve with its content.
tree() { (cd "$node_root/etc/pve" && find . -type f | sort | xargs -d '\n' sha1sum); }

# bare VMID [QM-SET-ARG]... - a VM that knows nothing of vfhook.
bare() {
	local id=$1
	shift
	qm create "$id" --name "vm$id" >/dev/null
	(($# == 0)) || qm set "$id" "$@" >/dev/null
}

# refused STATUS REGEX DESCRIPTION COMMAND... - with such a line, and nothing is changed.
refused() {
	local status=$1 regex=$2 desc=$3 before out
	shift 3
	before=$(tree)
	out=$("$@" 2>&1)
	like "$? $out" "^$status vfhook: .*$regex" "$desc: refused"
	is "$(tree)" "$before" "$desc: nothing changed"
}

section() { sed -n "/^$1\$/,/^\$/{/./p}" "$node_root/etc/pve/vfhook.cfg"; }

# script NAME LINE... - another hookscript; it notes each call in chain.log.
script() {
	local file=$node_root/var/lib/vz/snippets/$1
	shift
	{
		printf '#!/bin/bash\necho "$*" >>%q\n' "$node_root/chain.log"
		printf '%s\n' "$@"
	} >"$file"
	chmod 755 "$file"
}

# --- pools ---------------------------------------------------------------------

node_up 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=7,numvfs=7,up=1,autoprobe=0 \
	0000:07:00.0,driver=i40e,ifname=enp7s0,vfs=4,numvfs=2,up=1,autoprobe=0
pve_up || exit 1
# A mapping of somebody else's: PVE leaves an empty pci.cfg behind its last mapping.
printf '\ngpu\n\tmap id=10de:1234,node=pve1,path=0000:01:00.0,subsystem-id=10de:0001\n\n' \
	>"$node_root/etc/pve/mapping/pci.cfg"
start=$(tree)

out=$(vfhook pool list 2>&1)
like "$? $out" '^0 .*no pool yet: vfhook pool add' "no pool: the list says how to make one"
is "$(vfhook pool list --output-format json)" '[]' "and is empty in JSON"
out=$(vfhook pool add wan --pf enp6s0f0 2>&1)
like "$? $out" "^0 .*pool 'wan' on pve1: PF 0000:06:00.0 \(enp6s0f0, igb\), 7 of 7 VFs" "a pool by interface name"
is "$(<"$node_root/etc/pve/vfhook.cfg")" $'pool: wan\n\tpf node=pve1,path=0000:06:00.0,mac=52:54:00:06:00:01' "is stored with the PCI address and the card's MAC"
out=$(vfhook pool remove wan 2>&1)
is "$? $(tree)" "0 $start" "removed: /etc/pve is as before, vfhook.cfg gone"
try "a pool with everything" vfhook pool add wan --pf 06:00.0 --vfs 7 --allow-pf-down
out=$(vfhook pool add wan --pf enp7s0,enp6s0f0 2>&1)
is "$? $(section 'pool: wan')" $'0 pool: wan\n\tpf node=pve1,path=0000:06:00.0,mac=52:54:00:06:00:01\n\tvfs 7\n\tallow-pf-down 1\n\tpf node=pve1,path=0000:07:00.0,mac=52:54:00:07:00:01' \
	"add gives an existing pool one PF more"
try "fdb on for the pool of a bridge's PF" vfhook pool add wan --pf enp7s0 --fdb on
like "$(section 'pool: wan') $(vfhook pool list --output-format json)" $'\tfdb 1.*"fdb": *true' "is kept, and listed"
refused 1 "--fdb is on or off, not 'maybe'" "neither on nor off" vfhook pool add wan --pf enp7s0 --fdb maybe
try "and off again" vfhook pool add wan --pf enp7s0 --fdb off
like "$(section 'pool: wan')" $'\tfdb 0' "is off"
before=$(tree)
out=$(vfhook pool add wan --pf enp7s0 2>&1)
like "$? $out" "^0 .*has this PF already" "a second time: it says so"
is "$(tree)" "$before" "and changes nothing"
refused 1 "PF 0000:07:00.0 is in pool 'wan' of node pve1 already" "a PF of another pool" vfhook pool add lan --pf enp7s0
refused 1 "no interface 'enp9s0' on this node" "no such interface" vfhook pool add lan --pf enp9s0
refused 1 'no PCI device 0000:09:00.0' "no such address" vfhook pool add lan --pf 0000:09:00.0
refused 1 "is a VF: its PF is 0000:06:00.0" "a VF" vfhook pool add lan --pf 0000:06:10.0
mkdir -p "$node_root/sys/bus/pci/devices/0000:08:00.0" "$node_root/sys/class/net/eth9" "$node_root/sys/class/net/tap9"
echo 0x8086 >"$node_root/sys/bus/pci/devices/0000:08:00.0/vendor"
ln -s ../../../bus/pci/devices/0000:08:00.0 "$node_root/sys/class/net/eth9/device"
refused 1 '0000:08:00.0 is no SR-IOV PF' "a NIC without SR-IOV" vfhook pool add lan --pf eth9
refused 1 "'tap9' is no PCI device" "an interface that is no PCI device" vfhook pool add lan --pf tap9
refused 1 "'../x' is neither" "a path" vfhook pool add lan --pf ../x
refused 1 'is there twice' "a PF twice" vfhook pool add lan2 --pf 0000:06:00.0,enp6s0f0
refused 1 'PF enp6s0f0 has at most 7' "too many VFs" vfhook pool add wan --pf enp6s0f0 --vfs 8
refused 1 'is a number of VFs' "--vfs 0" vfhook pool add wan --pf enp6s0f0 --vfs 0
for name in vf-100-0 -x 1a a 'a b' a.b ''; do
	refused 1 "cannot be a pool's name" "the name '$name'" vfhook pool add --pf enp7s0 -- "$name"
done
refused 2 'wanted: a name and --pf' "no --pf" vfhook pool add lan
refused 2 "did you mean 'remove'" "a mistyped verb" vfhook pool remov wan
refused 1 "there is no pool 'lan'" "removing what is not there" vfhook pool remove lan
printf '\n# pve2 has it too\npool: lan\n\tpf node=pve2,path=0000:07:00.0\n' >>"$node_root/etc/pve/vfhook.cfg"

# --- attach and detach -------------------------------------------------------------

before=$(tree)
bare 100 --machine q35
bare 101
start=$(tree)
out=$(vfhook attach 100 --pool wan --mac "${mac1^^}" --vlan 20 --vlan-qos=3 --vlan-proto 802.1Q --spoofchk on --trust off \
	--min-rate 0 --max-rate 500 --link-state auto --query-rss on 2>&1)
is $? 0 "attach with every option"
like "$out" "VM 100 hostpci0: port 100-0 in /etc/pve/vfhook.cfg: pool wan, MAC $mac1, VLAN 20 qos 3" "it says what the port is"
like "$out" 'VM 100 is attached; next: qm start 100' "and what is next"
is "$(section 'port: 100-0')" $'port: 100-0\n\tpool wan\n\tmac '$mac1$'\n\tvlan 20\n\tvlan-qos 3\n\tspoofchk 1\n\ttrust 0\n\tmin-rate 0\n\tmax-rate 500\n\tlink-state auto\n\tquery-rss 1' \
	"the port is in vfhook.cfg"
like "$(qm config 100)" 'hookscript: local:snippets/vfhook.*hostpci0: mapping=vf-100-0,pcie=1' "hookscript and hostpci0, pcie=1 on q35"
like "$(grep -A2 '^vf-100-0' "$node_root/etc/pve/mapping/pci.cfg")" 'node=pve1,path=0000:06:10.0' "the mapping names a VF"
out=$(qm start 100 2>&1)
like "$? $out" "^0 .*VF 0000:06:10.0 .*kept: MAC $mac1" "the VM starts at once, with that VF"
refused 1 'VM 100 is not detached: it runs.*qm stop 100' "detach of a running VM" vfhook detach 100
out=$(vfhook attach 100 --slot 0 --pool wan 2>&1)
like "$? $out" '^0 .*VM 100 hostpci0 is attached already \(pool wan\)' "attached already"
out=$(vfhook attach 101 --pool wan 2>&1)
like "$? $(section 'port: 101-0')" '^0 .*mac bc:24:11:' "a MAC is made at once without one"
like "$(qm config 101)" 'hostpci0: mapping=vf-101-0' "no pcie=1 on i440fx"
like "$(grep -A2 '^vf-101-0' "$node_root/etc/pve/mapping/pci.cfg")" 'path=0000:(06:10.2|07:)' "a VF that is free"
try "pool list" vfhook pool list
like "$(vfhook pool list)" 'wan +pve1 +0000:06:00.0 +enp6s0f0 +7/7 +igb +100-0,101-0' "names PF, VFs, driver and ports"
like "$(vfhook pool list)" 'lan +pve2 +0000:07:00.0 +- +- +- +-' "and what other nodes have"
is "$(vfhook pool list --output-format json | python3 -c 'import json,sys
p=json.load(sys.stdin)[0]; print(p["pool"], p["pfs"][0]["vfs-total"], *p["ports"])')" 'wan 7 100-0 101-0' "as JSON too"
refused 1 "pool 'wan' is in use by ports 100-0, 101-0" "a pool in use" vfhook pool remove wan
qm stop 100 >/dev/null 2>&1
try "detach" vfhook detach 101
out=$(vfhook detach 100 --slot 0 2>&1)
like "$? $out" '^0 .*VM 100 hostpci0: removed.*mapping vf-100-0 deleted.*hookscript removed.*VM 100 hostpci0 is detached' "detach says what it removed"
is "$(tree)" "$start" "/etc/pve is byte for byte as before"
refused 1 'VM 100 has no port' "detach of a VM without a port" vfhook detach 100

vfhook attach 100 --pool wan --slot 3 >/dev/null
vfhook attach 100 --pool wan >/dev/null
like "$(qm config 100)" 'hostpci0: mapping=vf-100-0.*hostpci3: mapping=vf-100-3' "two ports: the slot that was named, the lowest free one"
is "$(grep -A2 '^vf-100-' "$node_root/etc/pve/mapping/pci.cfg" | grep -o 'path=[^,]*' | sort -u | wc -l)" 2 "on two VFs"
refused 1 '2 ports: say which one with --slot \(3, 0\)' "detach needs the slot then" vfhook detach 100
vfhook detach 100 --slot 3 >/dev/null
like "$(qm config 100)" 'hookscript: local:snippets/vfhook' "the hookscript stays while there is a port"
vfhook detach 100 >/dev/null
is "$(tree)" "$start" "and goes with the last one: all is as before"

# --- bad input --------------------------------------------------------------------------

bare 102 --net0 virtio=BC:24:11:AA:AA:01
qm set 102 --hostpci1 0000:06:11.0 >/dev/null
bare 103
qm template 103 >/dev/null 2>&1 || sed -i '1a template: 1' "$node_root/etc/pve/nodes/pve1/qemu-server/103.conf"
mkdir -p "$node_root/etc/pve/nodes/pve2/qemu-server" "$node_root/etc/pve/nodes/pve2/lxc"
echo 'name: away' >"$node_root/etc/pve/nodes/pve2/qemu-server/104.conf"
echo 'hostname: ct' >"$node_root/etc/pve/nodes/pve2/lxc/105.conf"
vfhook attach 101 --pool wan --mac "$mac1" >/dev/null
no() { # REGEX DESCRIPTION ARG...
	local regex=$1 desc=$2
	shift 2
	refused 1 "VM [0-9]+ is not attached: $regex" "$desc" vfhook attach "$@"
}
no 'there is no VM 999' "a VM that is not there" 999 --pool wan
no 'it is a template' "a template" 103 --pool wan
no 'VM 104 is on node pve2' "a VM of another node" 104 --pool wan
no 'CT 105 is on node pve2' "a container of another node" 105 --pool wan
no 'there are several pools: say which one with --pool \(wan, lan\)' "two pools, none named" 102
no "there is no pool 'dmz'" "a pool that is not there" 102 --pool dmz
no "pool 'lan' has no PF on node pve1" "a pool of another node" 102 --pool lan
qm set 102 --hostpci2 0000:00:1f.3 >/dev/null
no 'hostpci2 is in use \(0000:00:1f.3\)' "a slot with another device" 102 --pool wan --slot 2
qm set 102 --delete hostpci2 >/dev/null
no "'mac' cannot be 'xx'" "no MAC" 102 --pool wan --mac xx
no '.*multicast' "a multicast MAC" 102 --pool wan --mac 01:00:5e:00:00:01
no '.*no address' "a zero MAC" 102 --pool wan --mac $parked
no "MAC $mac1 is port 101-0's already" "another port's MAC" 102 --pool wan --mac $mac1
no "MAC bc:24:11:aa:aa:01 is in some guest's netN already" "a guest's MAC" 102 --pool wan --mac bc:24:11:aa:aa:01
no "'vlan' cannot be '4095'" "VLAN 4095" 102 --pool wan --vlan 4095
no "'vlan' cannot be 'unset'" "unset is for set" 102 --pool wan --vlan unset
no "'vlan-qos' cannot be '8'" "QoS 8" 102 --pool wan --vlan 5 --vlan-qos 8
no "'vlan-qos' and 'vlan-proto' want a 'vlan'" "QoS without VLAN" 102 --pool wan --vlan-qos 1
no "'vlan-proto' cannot be 'x'" "a protocol" 102 --pool wan --vlan 5 --vlan-proto x
no "'spoofchk' cannot be 'maybe'" "spoofchk" 102 --pool wan --spoofchk maybe
no "'trust' cannot be '2'" "trust" 102 --pool wan --trust 2
no "'min-rate' cannot be '-1'" "a rate below zero" 102 --pool wan --min-rate=-1
no "'max-rate' cannot be '1G'" "a rate with a unit" 102 --pool wan --max-rate 1G
no "'min-rate' is above 'max-rate'" "rates the wrong way round" 102 --pool wan --min-rate 9 --max-rate 8
no "'link-state' cannot be 'up'" "link state" 102 --pool wan --link-state up
no "'query-rss' cannot be ''" "query-rss" 102 --pool wan --query-rss=
refused 2 '--slot is the N of hostpciN' "slot 16" vfhook attach 102 --slot 16
refused 2 'not a VM id' "no VM id" vfhook attach 99
refused 2 "did you mean '--vlan'" "a mistyped option" vfhook attach 102 --vlna 3
refused 2 'wanted: a VM id' "no VM" vfhook attach
mv "$node_root/var/lib/vz/snippets/vfhook" "$node_root/vfhook.away"
no '.*setup configure.*No such file' "our script is not among the snippets" 102 --pool wan
: >"$node_root/var/lib/vz/snippets/vfhook"
no '.*not executable' "it is not executable" 102 --pool wan
mv "$node_root/vfhook.away" "$node_root/var/lib/vz/snippets/vfhook"
mv "$node_root/etc/pve/priv/vfhook.token" "$node_root/token.away"
no '.*/etc/pve/priv/vfhook.token' "no token" 102 --pool wan
mv "$node_root/token.away" "$node_root/etc/pve/priv/vfhook.token"
before=$(tree)
out=$(vfhook --dry-run attach 102 --pool wan 2>&1)
like "$? $out" '^0 .*port 102-0 in /etc/pve/vfhook.cfg: none -> pool wan' "a dry run says what it would do"
is "$(tree)" "$before" "and does nothing"

# A step that fails takes the ones before it back.
script other
qm set 102 --hookscript local:snippets/other >/dev/null
sim fault set status 500 --method PUT --path 'qemu/102/config' --count 20 >/dev/null
refused 1 'VM 102 is not attached: ' "PVE refuses hostpci0" vfhook attach 102 --pool wan
sim fault clear >/dev/null
mv "$node_root/usr/sbin/qm" "$node_root/qm.away"
refused 1 'qm set 102 --hookscript .* failed' "qm fails" vfhook attach 102 --pool wan
mv "$node_root/qm.away" "$node_root/usr/sbin/qm"
cp "$node_root/etc/pve/vfhook.cfg" "$node_root/cfg.away"
echo rubbish >>"$node_root/etc/pve/vfhook.cfg"
no '/etc/pve/vfhook.cfg:[0-9]+' "a broken vfhook.cfg" 102 --pool wan
mv "$node_root/cfg.away" "$node_root/etc/pve/vfhook.cfg"
qm set 101 --hostpci0 mapping=vf-100-0 >/dev/null
refused 1 "hostpci0 is 'mapping=vf-100-0', not the port's mapping" "another port's mapping at the port's slot" vfhook detach 101

# --- a running VM -----------------------------------------------------------------------------

bare 106
qm start 106 >/dev/null 2>&1
out=$(vfhook attach 106 --pool wan 2>&1)
like "$? $out" '^0 .*VM 106 runs: PVE keeps hostpci0 pending, it takes effect at the next start' "attach of a running VM"
like "$(qm pending 106)" 'new hostpci0: mapping=vf-106-0' "it is pending"
refused 1 'port 106-0 is in /etc/pve/vfhook.cfg already \(PVE keeps hostpci pending\)' "again" vfhook attach 106 --pool wan --slot 0
qm stop 106 >/dev/null 2>&1
out=$(qm start 106 2>&1)
like "$? $out" '^0 .*VM 106 hostpci0: VF .*kept' "the next start has the VF"
qm stop 106 >/dev/null 2>&1

# --- another hookscript ---------------------------------------------------------------------------

node_up
pve_up || exit 1
printf '\ngpu\n\tmap id=10de:1234,node=pve1,path=0000:01:00.0,subsystem-id=10de:0001\n\n' \
	>"$node_root/etc/pve/mapping/pci.cfg"
wan_cfg </dev/null
# shellcheck disable=SC2016 # the script's own
script other 'echo "other says $2, from ${PVE_MIGRATED_FROM-unset}"' 'open=; for n in {3..99}; do [[ ! -e /proc/$$/fd/$n ]] || open+=" $n"; done; echo "$open" >"$0.fds"' \
	'[[ ! -e $0.refuse || $2 != pre-start ]]'
bare 100 --hookscript local:snippets/other
start=$(tree)
out=$(vfhook attach 100 --mac $mac1 2>&1)
like "$? $out" '^0 .*hookscript local:snippets/vfhook, which runs local:snippets/other after itself' "a VM's own hookscript is kept"
is "$(section 'guest: 100')" $'guest: 100\n\tchain local:snippets/other' "in vfhook.cfg"
: >"$node_root/chain.log"
out=$(qm start 100 2>&1)
like "$? $out" '^0 .*VF 0000:06:10.0 .*other says pre-start.*other says post-start' "both run at the start, ours first"
qm stop 100 >/dev/null 2>&1
is "$(<"$node_root/chain.log")" $'100 pre-start\n100 post-start\n100 pre-stop\n100 post-stop' "it runs in all four phases"
is "$(<"$node_root/var/lib/vz/snippets/other.fds")" '' "no descriptor of ours stays open in it"
touch "$node_root/var/lib/vz/snippets/other.refuse"
out=$(qm start 100 2>&1)
like "$? $out" '^[1-9].*local:snippets/other ended with exit status 1 on pre-start' "it refuses the start"
like "$out" 'VM 100 is not started: its other hookscript refused' "and that is said"
is "$(lease_count) $(vf_get enp6s0f0 0 mac)" "0 $parked" "the VF is given back, clean"
rm "$node_root/var/lib/vz/snippets/other.refuse"
out=$(PVE_MIGRATED_FROM=pve2 vfhook 100 post-stop 2>&1)
like "$? $out" '^0 .*other says post-stop, from pve2' "it gets PVE_MIGRATED_FROM"
: >"$node_root/chain.log"
out=$(vfhook --dry-run 100 post-stop 2>&1)
like "$? $out" '^0 .*would run local:snippets/other: /var/lib/vz/snippets/other 100 post-stop' "not in a dry run"
is "$(<"$node_root/chain.log")" '' "really not"

qm start 100 >/dev/null 2>&1
cp "$node_root/etc/pve/vfhook.cfg" "$node_root/cfg.away"
echo rubbish >>"$node_root/etc/pve/vfhook.cfg"
out=$(qm stop 100 2>&1)
like "$out" 'released.*whether another hookscript is to be run cannot be told: /etc/pve/vfhook.cfg' "a broken vfhook.cfg: released, and a warning"
is "$(lease_count)" 0 "the VF is free"
for bad in local:snippets/../x local:iso/x nosuch:snippets/x local:snippets/vfhook local:snippets/gone; do
	sed "s|chain .*|chain $bad|" "$node_root/cfg.away" >"$node_root/etc/pve/vfhook.cfg"
	out=$(vfhook 100 pre-start 2>&1)
	like "$? $out" '^[1-9].*its other hookscript is not run' "chain $bad: the start is refused"
	is "$(lease_count)" 0 "chain $bad: no VF stays behind"
done
mv "$node_root/cfg.away" "$node_root/etc/pve/vfhook.cfg"

printf 'nfs: share\n\tserver x\n\texport /y\n\ndir: own\n\tpath /srv/own\n' >>"$node_root/etc/pve/storage.cfg"
for at in mnt/pve/share srv/own; do
	mkdir -p "$node_root/$at/snippets"
	cp "$node_root/var/lib/vz/snippets/other" "$node_root/$at/snippets/other"
done
for volid in share:snippets/other own:snippets/other; do
	sed -i "s|chain .*|chain $volid|" "$node_root/etc/pve/vfhook.cfg"
	out=$(vfhook 100 post-stop 2>&1)
	like "$? $out" '^0 .*other says post-stop' "a script of storage ${volid%%:*}"
done
sed -i "s|chain .*|chain local:snippets/other|" "$node_root/etc/pve/vfhook.cfg"

qm clone 100 101 --name clone >/dev/null
qm start 101 >/dev/null 2>&1
try "a clone starts, by way of the job" wait_for 20 vm_runs 101
is "$(section 'guest: 101')" $'guest: 101\n\tchain local:snippets/other' "it has its original's chain"
like "$(<"$node_root/chain.log")" '101 pre-start' "which runs for it"
try "the job is over" wait_for 10 grep -q running "$node_root/run/vfhook/job-101.log"
qm stop 101 >/dev/null 2>&1
try "the clone is detached" vfhook detach 101
like "$(qm config 101)" 'hookscript: local:snippets/other' "and has its own hookscript back"
qm destroy 101 >/dev/null
sed -i '/^nfs: share/,$d' "$node_root/etc/pve/storage.cfg"
rm -f "$node_root/var/lib/vz/snippets/other.refuse"
out=$(vfhook detach 100 2>&1)
like "$? $out" '^0 .*hookscript local:snippets/other, as before' "detach puts it back"
is "$(tree)" "$start" "/etc/pve is byte for byte as before"

# --- set ------------------------------------------------------------------------------------------

vf() { vf_get enp6s0f0 0 "$1"; }
vfhook attach 100 --mac $mac1 --vlan 20 --vlan-qos 2 --spoofchk on >/dev/null
refused 2 'something to set' "set without anything" vfhook set 100
refused 1 "'vlan' cannot be '5000'" "a bad value" vfhook set 100 --vlan 5000
refused 1 "'min-rate' is above 'max-rate'" "rates the wrong way round" vfhook set 100 --min-rate 9 --max-rate 8
refused 1 'there is no port 100-5' "a slot without a port" vfhook set 100 --slot 5 --vlan 3
sed -i 's/^\tvlan 20/\t# the office\n\tvlan 20/' "$node_root/etc/pve/vfhook.cfg"
out=$(vfhook set 100 --trust on --vlan 21 2>&1)
like "$? $out" '^0 .*VLAN 21 qos 2.*takes effect at the next start' "set on a stopped VM"
is "$(section 'port: 100-0')" $'port: 100-0\n\tpool wan\n\tmac '$mac1$'\n\t# the office\n\tvlan 21\n\tvlan-qos 2\n\tspoofchk 1\n\ttrust on' \
	"keys change in their place, new ones come last, comments stay"
qm start 100 >/dev/null 2>&1
is "$(vf vlan) $(vf trust)" "21 on" "the start has them"
out=$(vfhook set 100 --vlan 30 --max-rate 100 2>&1)
like "$? $out" '^0 .*live: VF 0000:06:10.0: VLAN 21 qos 2 -> 30 qos 2' "set on a running VM is told"
is "$(vf vlan) $(vf vlan-qos) $(vf max-rate)" "30 2 100" "and done at once"
like "$(cat "$node_root/run/vfhook/leases/0000:06:10.0")" '"phase":"running".*"want":\{.*"vlan":30' "the lease knows"
like "$(section 'port: 100-0')" $'vlan 30\n.*max-rate 100' "and vfhook.cfg"
out=$(vfhook set 100 --vlan unset --trust unset --max-rate unset --spoofchk off 2>&1)
is "$? $(vf vlan) $(vf trust) $(vf max-rate) $(vf spoofchk)" "0 0 off 0 off" "unset: as a release would leave it"
is "$(section 'port: 100-0')" $'port: 100-0\n\tpool wan\n\tmac '$mac1$'\n\t# the office\n\tspoofchk off' "and no longer in vfhook.cfg"
out=$(vfhook set 100 --mac bc:24:11:00:00:09 2>&1)
like "$? $out" '^0 .*the MAC takes effect at the next start' "a MAC waits for the next start"
is "$(vf mac)" "$mac1" "the guest keeps the one it has"
fake_set enp6s0f0 'p["quirks"] = ["fail:trust"]'
refused 1 "nothing is changed: the running VM's VF does not take it" "a driver that refuses one of two" vfhook set 100 --vlan 40 --trust on
is "$(vf vlan) $(vf trust)" "0 off" "the other one is undone"
fake_set enp6s0f0 'p["quirks"] = ["ignore-link-state"]'
refused 1 'accepted link state enable, but reads back auto' "a driver that only pretends" vfhook set 100 --vlan 40 --link-state enable
is "$(vf vlan)" 0 "all is undone"
like "$(cat "$node_root/run/vfhook/leases/0000:06:10.0")" '"phase":"running"' "the lease is as before"
fake_set enp6s0f0 'p["quirks"] = []'
qm stop 100 >/dev/null 2>&1
is "$(vf mac) $(vf spoofchk) $(lease_count)" "$parked on 0" "stopped: parked"
qm start 100 >/dev/null 2>&1
is "$(vf mac)" bc:24:11:00:00:09 "the next start has the new MAC"
qm stop 100 >/dev/null 2>&1
out=$(vfhook set 100 --mac auto 2>&1)
like "$? $(section 'port: 100-0')" '^0 .*mac bc:24:11:' "set --mac auto makes a new one"
is "$(section 'port: 100-0' | grep -c '00:00:09')" 0 "really"
try "detach after all that" vfhook detach 100
is "$(tree)" "$start" "/etc/pve is byte for byte as before"

for command in pool attach detach set; do
	is "$(($(vfhook $command --help | wc -l) < 24))" 1 "$command --help is shorter than a screen"
done

done_testing
