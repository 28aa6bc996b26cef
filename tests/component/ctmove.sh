#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctmove.sh - a container's config goes elsewhere, or becomes an older one: migrations, backups, clones,
# templates, snapshots, and a host without power. No VF is left behind, none is of two guests.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
# shellcheck source=tests/component/ctlib.sh
. "${BASH_SOURCE[0]%/*}/ctlib.sh"

unlike() { if [[ $1 =~ $2 ]]; then not_ok "$3" "got: $1"; else ok "$3"; fi; }
archive=/var/lib/vz/dump/vzdump-lxc-110.conf
vf_conf() { sed '/^\[/,$d' "$node_root/etc/pve/nodes/pve1/lxc/${1:-110}.conf" | grep '^lxc'; }
has_port() { grep -c "port: 110-" "$node_root/etc/pve/vfhook.cfg"; }
# detach - container 110, which is not just rebooting.
detach() {
	age
	vfhook detach 110 2>&1
}
# mac_of ID - the one of its port.
mac_of() { sed -n "/^port: $1-0/,/^$/s/^	mac //p" "$node_root/etc/pve/vfhook.cfg"; }

# attached - container 110 as attach makes it, off, with a line of its user's own.
attached() {
	# Those of the node before would still listen.
	if [[ -n $node_root ]]; then
		pct stop 110 >/dev/null 2>&1
		pct stop 111 >/dev/null 2>&1
	fi
	fresh "$@"
	pct destroy 110
	: | wan_cfg
	pct create 110 --hostname ct110 --net0 name=eth0,bridge=vmbr0,hwaddr=BC:24:11:AA:00:01 >/dev/null
	vfhook attach 110 --pool wan --vlan 20 --name eth1 --mac "$mac1" --mtu 1400 >/dev/null 2>&1
	echo 'lxc.net.32.ipv4.address: 192.0.2.7/24' >>"$node_root/etc/pve/nodes/pve1/lxc/110.conf"
}

# --- clones and templates -------------------------------------------------------------------------
attached
pct clone 110 111 >/dev/null
out=$(pct start 111 2>&1)
is "$? $(lease_count)" "255 0" "a clone is not started on its origin's interface"
out=$(vfhook attach 111 --name eth1 2>&1)
is "$? $(vf_conf 111 | grep -c vf111n0) $(vf_conf 111 | grep -c 'mtu: 1400\|ipv4.address')" "0 1 2" "attach makes its lines its own, and keeps what is not vfhook's"
like "$(sed -n '/port: 111-0/,/^$/p' "$node_root/etc/pve/vfhook.cfg")" $'pool wan\n\tname eth1\n\tmtu 1400\n\tmac .*\n\tvlan 20' "it is wished what its origin is"
unlike "$(mac_of 111)" "^$mac1$" "but its MAC"
pct start 110 >/dev/null 2>&1
out=$(pct start 111 2>&1)
is "$? $(lease_of "$vf0") $(lease_of 0000:06:10.2) $(lease_count)" "0 110 running 111 running 2" "both run, each on its own VF"
pct stop 111 >/dev/null 2>&1
out=$(vfhook set 110 --name eth1 --mtu 1300 2>&1)
is "$? $(vf_conf | grep -c 'mtu: 1300\|ipv4.address')" "0 2" "set --mtu leaves what is not vfhook's"
pct stop 110 >/dev/null 2>&1
sed -i '/^port: 110/,/^$/s/pool wan/pool lost/' "$node_root/etc/pve/vfhook.cfg"
pct clone 111 112 >/dev/null
out=$(vfhook attach 112 --pool wan --vlan 30 --name eth1 2>&1)
like "$? $(sed -n '/port: 112-0/,/^$/p' "$node_root/etc/pve/vfhook.cfg")" '^0 .*vlan 30' "what attach is told counts more"

attached
out=$(pct template 110 2>&1)
is "$?" 0 "a container becomes a template"
is "$(pct start 110 2>&1; lease_count)" "you can't start a CT if it's a template
0" "which PVE does not start"
like "$(vfhook 110 pre-start 2>&1; echo "$?")" '^0$' "its phases, if anybody calls them, do nothing"
is "$(vfhook check 2>&1 | grep -c 'CT 110\|110-0')" 0 "check has nothing against its port"
out=$(vfhook repair 2>&1)
is "$? $(has_port)" "0 1" "repair keeps its port, which clones take their wishes from"
out=$(vfhook attach 110 --name eth2 2>&1)
like "$? $out" '^1 .*it is a template: attach its clones' "attach does not take it"
pct clone 110 111 >/dev/null
vfhook attach 111 --name eth1 >/dev/null 2>&1
pct start 111 >/dev/null 2>&1
is "$(lease_of "$vf0") $(vf_get enp6s0f0 0 vlan)" "111 running 20" "a clone of it has a VF as its port has it"
pct stop 111 >/dev/null 2>&1
out=$(detach)
is "$? $(has_port) $(vf_conf)" "0 0 " "detach of a template takes its lines and port away"

# --- backups --------------------------------------------------------------------------------------
attached
pct start 110 >/dev/null 2>&1
sim vzdump 110
is "$(held)" "$mac1 20 igbvf [] 110 running" "a backup while it runs: nothing is taken from it"
sim vzdump 110 --mode stop >/dev/null
is "$(held) $(lease_count)" "$mac1 20 igbvf [] 110 running 1" "one in stop mode: parked, and taken again"
out=$(pct restore 111 "$archive" 2>&1; pct start 111 2>&1)
is "$(lease_count) $(held)" "1 $mac1 20 igbvf [] 110 running" "restored with another id beside it: not started on its interface"
like "$out" 'CT 111 is not started: .*vf110n0, .*vfhook attach 111 --name eth1' "and said, with what to do"
out=$(vfhook attach 111 --name eth1 2>&1)
pct start 111 >/dev/null 2>&1
is "$(lease_of 0000:06:10.2) $(vf_get enp6s0f0 1 vlan) $(vf_get enp6s0f0 1 mac)" "111 running 20 $(mac_of 111)" "attach gives it a VF of its own, wished as the first's"
pct stop 111 >/dev/null 2>&1
is "$(pct restore 110 "$archive" --force 2>&1; held)" "can't overwrite running container
$mac1 20 igbvf [] 110 running" "PVE restores over none that runs"
pct stop 110 >/dev/null 2>&1
pct restore 110 "$archive" --force
out=$(pct start 110 2>&1)
is "$? $(held)" "0 $mac1 20 igbvf [] 110 running" "restored over itself: as before"
pct stop 110 >/dev/null 2>&1
pct destroy 110
vfhook repair >/dev/null 2>&1
is "$(has_port)" 0 "it is destroyed: its port goes"
pct restore 110 "$archive"
out=$(pct start 110 2>&1)
is "$? $(lease_count)" "255 0" "restored after that: not started without a port"
like "$out" 'lxc.net.32.* calls vf110n0, and it has no such port: vfhook attach 110 --name eth1' "and said, with what to do"
vfhook attach 110 --name eth1 --mac "$mac1" --vlan 20 >/dev/null 2>&1
out=$(pct start 110 2>&1)
is "$? $(held)" "0 $mac1 20 igbvf [] 110 running" "which helps"
pct stop 110 >/dev/null 2>&1

# A backup from before it was attached, and one from before it was detached.
sim vzdump 110
sed -i '/^lxc\|^hookscript/d' "$node_root$archive"
pct restore 110 "$archive" --force
out=$(pct start 110 2>&1)
is "$? $(lease_count)" "0 0" "restored from before its attach: it starts as it was then"
like "$(vfhook check 2>&1)" 'FAIL +CT 110: .*no hookscript' "and check says what is missing"
like "$(vfhook explain 110 2>&1)" 'next: .*lxc.net.32.*vfhook attach 110 --name eth1 writes these lines again' "explain, too"
pct stop 110 >/dev/null 2>&1
out=$(vfhook attach 110 --name eth1 2>&1)
is "$? $(vf_conf | wc -l) $(mac_of 110)" "0 4 $mac1" "attach writes them again, and the port stays as it is"
sim vzdump 110
detach >/dev/null
pct restore 110 "$archive" --force
out=$(pct start 110 2>&1)
is "$? $(lease_count)" "255 0" "restored from before its detach: refused"
detach >/dev/null
out=$(pct start 110 2>&1)
is "$? $(lease_count)" "0 0" "and without these lines it starts"
pct stop 110 >/dev/null 2>&1

# An id is a VM's by now.
vfhook attach 110 --name eth1 >/dev/null 2>&1
pct destroy 110
vm 110 --hostpci0 mapping=vf-110-0
out=$(qm start 110 2>&1)
like "$? $(lease_count) $out" "^255 0 .*VM 110 is not started: .*port 110-0 in /etc/pve/vfhook.cfg is a container's" "a VM in its place does not get its port"
out=$(vfhook attach 110 --slot 0 2>&1)
like "$? $out" "^1 .*port 110-0 .*is a container's .*take the section out" "nor by attach"
qm destroy 110 >/dev/null 2>&1

# --- snapshots ------------------------------------------------------------------------------------
attached
detach >/dev/null
pct snapshot 110 before
vfhook attach 110 --pool wan --vlan 20 --name eth1 --mac "$mac1" >/dev/null 2>&1
pct snapshot 110 with
pct start 110 >/dev/null 2>&1
out=$(pct rollback 110 with 2>&1)
is "$? $(held)" "0 $parked 0 none [] " "a rollback while it runs: stopped, parked"
out=$(pct rollback 110 with --start 1 2>&1)
is "$? $(held)" "0 $mac1 20 igbvf [] 110 running" "and started again, if PVE is told to"
out=$(pct rollback 110 before --start 1 2>&1)
is "$? $(held)" "0 $parked 0 none [] " "to before its attach: parked, and it starts as it was then"
pct stop 110 >/dev/null 2>&1
out=$(vfhook attach 110 --name eth1 2>&1; pct start 110 2>&1)
is "$(held)" "$mac1 20 igbvf [] 110 running" "attach again, and it has its VF"
pct stop 110 >/dev/null 2>&1
detach >/dev/null
pct rollback 110 with >/dev/null
out=$(pct start 110 2>&1)
like "$? $(lease_count) $out" '^255 0 .*it has no such port: vfhook attach 110 --name eth1, or .* vfhook detach 110' "to before its detach: refused, with what to do"

# --- power ----------------------------------------------------------------------------------------
# power_cut lost|kept - VFs and processes are gone at once; /run too, or what vfhook has there is kept.
power_cut() {
	{ kill "$kernel_pid" && wait "$kernel_pid"; } 2>/dev/null
	sim crash-host >/dev/null 2>&1
	[[ $1 == kept ]] || rm -rf "$node_root/run/vfhook"
	rm -f "$node_root"/fake-kernel/*.json
	"$sim" --root "$node_root" kernel 2>/dev/null &
	kernel_pid=$!
}
attached 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=7,numvfs=2,up=1,autoprobe=0
sed -i 's/^pool: wan/&\n\tvfs 2/' "$node_root/etc/pve/vfhook.cfg"
vfhook boot >/dev/null 2>&1
pct clone 110 111 >/dev/null
vfhook attach 111 --name eth1 >/dev/null 2>&1
for run in lost kept; do
	pct start 110 >/dev/null 2>&1
	pct start 111 >/dev/null 2>&1
	power_cut "$run"
	age
	age 111
	out=$(vfhook boot 2>&1)
	like "$? $out" '^0 .*2 free, 2 parked' "the host loses power ($run): boot makes its VFs" || diag "$out"
	for id in 111 110; do
		out=$(pct start "$id" 2>&1)
		is "$?" 0 "CT $id starts" || diag "$out"
	done
	is "$(cat "$node_root"/run/vfhook/leases/* | grep -o '"vmid":[0-9]*' | sort | xargs) $(lease_count)" "vmid:110 vmid:111 2" "each has a VF"
	is "$(for i in 0 1; do vf_get enp6s0f0 "$i" mac; done | sort | xargs)" "$(printf '%s\n' "$(mac_of 110)" "$(mac_of 111)" | sort | xargs)" "and each its MAC"
	pct stop 110 >/dev/null 2>&1
	pct stop 111 >/dev/null 2>&1
	is "$(lease_count)" 0 "and gives it back"
done

# --- another node ---------------------------------------------------------------------------------
vf2=0000:81:10.0
# shellcheck disable=SC2317 # called by the trap
nodes_down() {
	[[ -z ${kernel2_pid:-} ]] || kill "$kernel2_pid" 2>/dev/null
	on2 "$top/tests/sim/pct" --root "$node2_root" stop 110 >/dev/null 2>&1
	ct_down
}
trap nodes_down EXIT
pct2() { on2 "$top/tests/sim/pct" --root "$node2_root" "$@"; }
held2() {
	local node_root=$node2_root
	echo "$(vf_get enp129s0f0 0 mac) $(driver "$vf2") $(lease_of "$vf2") $(lease_count)"
}
attached
second_node_up
mkdir -p "$node2_root/sys/bus/pci/drivers/igbvf" "$node2_root/sys/fs/cgroup"
: >"$node2_root/sys/bus/pci/drivers/igbvf/unbind"
"$sim" --root "$node2_root" kernel 2>/dev/null &
kernel2_pid=$!
vfhook2 pool add wan --pf enp129s0f0 >/dev/null 2>&1
readonly off1="$parked 0 none [] " off2="$parked none  0" on1="$mac1 20 igbvf [] 110 running" on2="$mac1 igbvf 110 running 1"
pct start 110 >/dev/null 2>&1
is "$(pct migrate 110 pve2 2>&1; held)" "running container can only be migrated in restart mode
$on1" "PVE migrates none that runs, but in restart mode"
out=$(pct migrate 110 pve2 --restart 2>&1)
is "$? $(held)/$(held2)" "0 $off1/$on2" "pct migrate --restart: parked here, a VF there" || diag "$out"
out=$(vfhook repair 2>&1)
is "$? $(has_port) $(held2)" "0 1 $on2" "repair here leaves it alone"
out=$(pct2 migrate 110 pve1 --restart 2>&1)
is "$? $(held)/$(held2)" "0 $on1/$off2" "and back"
sim config set vm.110.ct-migrate fail >/dev/null
out=$(pct migrate 110 pve2 --restart 2>&1)
is "$? $(held)/$(held2)" "255 $on1/$off2" "a migration that fails behind its shutdown: it runs here again"
sim config set vm.110.ct-migrate ok >/dev/null
pct stop 110 >/dev/null 2>&1
pct migrate 110 pve2 >/dev/null 2>&1
is "$(held)/$(held2)" "$off1/$off2" "one that is off takes nothing with it"
pct2 start 110 >/dev/null 2>&1
is "$(held)/$(held2)" "$off1/$on2" "and starts there"
out=$(pct2 migrate 110 pve1 --restart 2>&1)

# Post-stop never comes here: its lease stays, and is taken back once somebody needs the VF.
sim config set vm.110.post-stop lost >/dev/null
out=$(pct migrate 110 pve2 --restart 2>&1)
is "$? $(held)/$(held2)" "0 $mac1 20 igbvf [vf110n0] 110 running/$on2" "its post-stop here never came: the VF here is still leased"
out=$(vfhook status 2>&1)
age
out=$(vfhook repair 2>&1)
is "$? $(held)/$(held2)" "0 $off1/$on2" "repair takes it back, and leaves the one there alone" || diag "$out"
sim config set vm.110.post-stop normal >/dev/null

# There is no VF for it there.
pct2 stop 110 >/dev/null 2>&1
pct2 migrate 110 pve1 >/dev/null 2>&1
pct start 110 >/dev/null 2>&1
sim2 numvfs 0000:81:00.0 0
out=$(pct migrate 110 pve2 --restart 2>&1)
is "$? $(held)" "255 $off1" "there is no VF for it there: PVE starts it nowhere"
like "$out" 'CT 110 is not started: .*PF enp129s0f0' "and its pre-start there said why"
sim2 numvfs 0000:81:00.0 7
sed -i 's/	pf node=pve2.*//' "$node_root/etc/pve/vfhook.cfg"
out=$(pct2 start 110 2>&1)
like "$? $out" "^255 .*CT 110 is not started: pool 'wan' of eth1 has no PF on this node" "no PF of its pool is: said"
pct2 migrate 110 pve1 >/dev/null 2>&1
out=$(pct start 110 2>&1)
is "$? $(held)" "0 $on1" "and here it starts again"
done_testing
