# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2317 # called by name
#
# boot-cts.sh - containers of a real LXC on real VFs, behind boot-test: started, pinged from outside, and ended
# in every way there is.  After each the VF is where it belongs.

readonly CT_MAC=bc:24:11:0b:01:10
readonly UNPRIVILEGED_MAC=bc:24:11:0b:01:11
readonly CT_LOG=/run/ct.log

# ct_wait COMMAND... - until it succeeds; on a machine with nothing else to do, a second.
ct_wait() {
	local end=$((SECONDS + 60))
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

# ct ID MAC ADDRESS [PCT-CREATE-ARG]... - a container with a port in VLAN 30, that has this address there.
ct() {
	local id=$1 mac=$2 address=$3
	shift 3
	pct create "$id" --hostname "ct$id" --net0 name=eth0 "$@" &&
		echo "$address" >"/var/lib/vz/private/$id/etc/address" &&
		vfhook attach "$id" --pool wan --vlan 30 --name eth1 --mac "$mac"
}

# What has it: the VF's number, driver and interface here. None: nobody.
ct_vf() {
	local n vf
	n=$(vf_show "$CT_PF" | sed -n "s/^vf \([0-9]*\) link.ether $1.* vlan 30,.*/\1/p")
	[[ -n $n ]] || { echo none; return; }
	vf=$(vf_addr "$CT_PF" "$n")
	echo "VF $n $(pci_driver "$vf") [$(ct_nets "$vf")]"
}
ct_nets() { ls "/sys/bus/pci/devices/$1/net" 2>/dev/null; }
ct_has() { [[ $(ct_vf "$1") == "VF "[0-9]" igbvf []" ]]; }
ct_leases() { grep -ls "\"vmid\": *$1[,}]" /run/vfhook/leases/* | wc -l; }
ct_monitor() { head -n 1 "/sys/fs/cgroup/lxc.monitor/$1/cgroup.procs" 2>/dev/null; }
ct_runs() { [[ -n $(ct_monitor "$1") && $(lxc-info -n "$1" -sH) == RUNNING ]]; }
ct_in() { lxc-attach -n "$1" -- "${@:2}"; }
ct_pings() { /usr/share/rig/ct-root/bin/busybox ping -c 1 -W 1 "$1" >/dev/null; }

# ct_parked ID MAC HOW - its VF is nobody's, and nothing of it is left on this host.
ct_parked() {
	local n vf left=
	ct_wait ct_gone "$1" "$2" || :
	for ((n = 0; n < 3; n++)); do
		vf=$(vf_addr "$CT_PF" "$n")
		[[ ! -e /run/vfhook/leases/$vf ]] || continue
		[[ $(pci_driver "$vf") != igbvf ]] || left+=" VF $n has igbvf [$(ct_nets "$vf")]"
		[[ $(<"/sys/bus/pci/devices/$vf/driver_override") == vfio-pci ]] || left+=" VF $n has no vfio-pci in driver_override"
	done
	is "$(ct_vf "$2") $(ct_leases "$1")$left" "none 0" "$3: its VF is parked"
}
ct_gone() { [[ "$(ct_vf "$2") $(ct_leases "$1")" == "none 0" ]] && ! ct_runs "$1"; }

# ct_on_air ID MAC ADDRESS HOW [LEASES] - it runs with its VF, its MAC and its name, and answers from there in its VLAN.
ct_on_air() {
	local id=$1 mac=$2 address=$3
	try "$4: it has its VF" ct_wait ct_has "$mac"
	ct_has "$mac" || diag "$(cat "$CT_LOG" "/run/pve/ct-$id.stderr" 2>/dev/null)"
	try "and answers in its VLAN" ct_wait ct_pings "$address"
	is "$(ip -br neighbor show dev "$CT_VLAN_IF" to "$address" | awk '{ print $2 }') $(ct_in "$id" cat /sys/class/net/eth1/address) $(ct_leases "$id")" \
		"$mac $mac ${5:-1}" "from its MAC, as eth1"
	ip neighbor flush dev "$CT_VLAN_IF"
}

# ct_lxc_says ID - what LXC has said of its last start and end.
ct_lxc_says() { sed 's/^/# /' "/run/pve/ct-$1.stderr"; }

# --- the shows -----------------------------------------------------------------------

ct_stopped() {
	local out
	out=$(ct 110 "$CT_MAC" 10.30.0.2/24 2>&1)
	is $? 0 'a container is attached'
	diag "$out"
	out=$(pct start 110 2>&1)
	like "$? $out" "^0 .*CT 110 eth1: VF .* taken: MAC $CT_MAC, VLAN 30" 'and starts'
	ct_on_air 110 "$CT_MAC" 10.30.0.2 'started'
	like "$(vfhook status)" 'running +110 ct110 +eth1 ' 'which status tells'
	is "$(vfhook check | grep -A1 ^FAIL)" '' 'vfhook check FAILs nothing'
	out=$(pct stop 110 2>&1)
	is $? 0 'it is stopped'
	ct_parked 110 "$CT_MAC" 'stopped'
	like "$(journalctl -b -t vfhook -o cat)" 'CT 110 eth1: VF .* released' 'and post-stop said so in the journal'
}

# ct_restarts ID WAS - it runs, by another monitor.
ct_restarted() { ct_runs "$1" && [[ $(ct_monitor "$1") != "$2" ]]; }

ct_rebooted() {
	local was vf
	pct start 110 >"$CT_LOG" 2>&1
	ct_wait ct_has "$CT_MAC"
	vf=$(ct_vf "$CT_MAC")
	was=$(ct_monitor 110)
	ct_in 110 reboot -f
	try 'rebooted from inside: LXC starts it again' ct_wait ct_restarted 110 "$was"
	ct_on_air 110 "$CT_MAC" 10.30.0.2 'rebooted from inside'
	is "$(ct_vf "$CT_MAC")" "$vf" 'and the same one'
	ct_lxc_says 110
	ct_in 110 poweroff -f
	ct_parked 110 "$CT_MAC" 'powered off from inside'
}

# ct_gives_up WHY - pre-start takes a VF, LXC gives the start up.
ct_gives_up() {
	pct start 110 >"$CT_LOG" 2>&1
	like "$(<"$CT_LOG")" 'CT 110 eth1: VF .* taken' "given up by LXC behind pre-start: $1"
	ct_parked 110 "$CT_MAC" 'given up'
	ct_lxc_says 110
}
ct_given_up() {
	local conf=/etc/pve/local/lxc/110.conf
	mv /var/lib/vz/private/110 /var/lib/vz/private/110.away
	ct_gives_up 'no volume'
	mv /var/lib/vz/private/110.away /var/lib/vz/private/110
	printf 'lxc.net.40.%s\n' 'type: phys' 'link: nosuch0' 'name: eth7' >>"$conf"
	ct_gives_up 'another interface is not there'
	sed -i '/^lxc.net.40/d' "$conf"
	echo 'lxc.init.cmd: /nosuch' >>"$conf"
	ct_gives_up 'no init, when the interface is in the container already'
	sed -i '/^lxc.init/d' "$conf"
}

ct_unprivileged() {
	local out was
	out=$(ct 111 "$UNPRIVILEGED_MAC" 10.30.0.3/24 --unprivileged 1 2>&1)
	is $? 0 'an unprivileged container is attached'
	out=$(pct start 111 2>&1)
	is $? 0 'and starts'
	diag "$out"
	is "$(stat -c %u "/proc/$(lxc-info -n 111 -pH)")" 100000 'as a user of its own'
	ct_on_air 111 "$UNPRIVILEGED_MAC" 10.30.0.3 'unprivileged'
	was=$(ct_monitor 111)
	ct_in 111 reboot -f
	try 'unprivileged, rebooted from inside: LXC starts it again' ct_wait ct_restarted 111 "$was"
	ct_on_air 111 "$UNPRIVILEGED_MAC" 10.30.0.3 'unprivileged, rebooted from inside'
}

# Both run; then their monitors are killed, and the kernel brings two interfaces back that are called eth1.
ct_killed() {
	pct start 110 >"$CT_LOG" 2>&1
	ct_wait ct_has "$CT_MAC"
	try 'one container answers the other, from VF to VF' ct_wait ct_in 110 ping -c 1 -W 1 10.30.0.3
	kill -9 "$(ct_monitor 110)" "$(ct_monitor 111)"
	try 'both are killed' ct_wait ct_are_back
	is "$(ct_leases 110) $(ct_leases 111)" '1 1' 'and their VFs still leased'
	diag "$(ct_vf "$CT_MAC")" "$(ct_vf "$UNPRIVILEGED_MAC")"
	pct start 110 >"$CT_LOG" 2>&1
	pct start 111 >>"$CT_LOG" 2>&1
	ct_on_air 110 "$CT_MAC" 10.30.0.2 'killed, and started again'
	ct_on_air 111 "$UNPRIVILEGED_MAC" 10.30.0.3 'unprivileged, killed, and started again'
	pct shutdown 110 >"$CT_LOG" 2>&1
	ct_parked 110 "$CT_MAC" 'shut down'
	pct stop 111 >"$CT_LOG" 2>&1
	ct_parked 111 "$UNPRIVILEGED_MAC" 'unprivileged, stopped'
	ct_remove 111
}
# ct_remove ID - for good. It is not asked whether it may be rebooting, as any is that was just stopped.
ct_remove() {
	touch -d '2 minutes ago' "/var/lib/lxc/$1"
	vfhook detach "$1" >"$CT_LOG" 2>&1
	is "$? $(grep -c ^lxc "/etc/pve/local/lxc/$1.conf")" '0 0' 'detached: its config has nothing of ours'
	pct destroy "$1"
}
ct_are_back() {
	local one other
	one=$(ct_vf "$CT_MAC") other=$(ct_vf "$UNPRIVILEGED_MAC")
	[[ "$one $other" == *'[eth1]'* && "$one $other" == *'[dev'[0-9]* ]]
}

# Somebody outside of it holds its network open: the interface does not come back.
ct_kept() {
	local keeper out vf
	pct start 110 >"$CT_LOG" 2>&1
	ct_wait ct_has "$CT_MAC"
	vf=$(ct_vf "$CT_MAC")
	nsenter -t "$(lxc-info -n 110 -pH)" -n sleep 1000 &
	keeper=$!
	ct_wait ct_shares 110 "$keeper"
	kill -9 "$(ct_monitor 110)"
	try 'killed, while somebody else is in its network' ct_wait ct_dead 110
	# LXC finds veth110i0 there: the first time it gives up, and post-stop deletes that.
	out=$(pct start 110 2>&1)
	like "$out" 'CT 110: VF .* is not released, and nobody gets it: the interface .* is not back on this host' 'its VF is not taken back'
	ct_wait ct_ended 110
	pct start 110 >"$CT_LOG" 2>&1
	ct_on_air 110 "$CT_MAC" 10.30.0.2 'started on another VF' 2
	is "$([[ $(ct_vf "$CT_MAC") != "$vf" ]] && echo another)" another 'which it is'
	pct stop 110 >"$CT_LOG" 2>&1
	kill "$keeper"
	wait "$keeper" 2>/dev/null
	try 'once nobody is in there, the interface is back' ct_wait test -e /sys/class/net/eth1
	touch -d '2 minutes ago' /var/lib/lxc/110
	out=$(vfhook release 110 2>&1)
	ct_parked 110 "$CT_MAC" 'then released by hand'
}
# pct tells that LXC gives up before post-stop is over, as PVE does.
ct_ended() { ! systemctl is-active --quiet "pve-container@$1"; }
ct_shares() { [[ $(readlink "/proc/$2/ns/net") == "$(readlink "/proc/$(lxc-info -n "$1" -pH)/ns/net")" ]]; }
ct_dead() { ! ct_runs "$1" && ! grep -qs 'populated 1' "/sys/fs/cgroup/lxc/$1/cgroup.events"; }

# ct_host IFNAME - this host in VLAN 30, by the PF.
ct_host() {
	CT_PF=$1 CT_VLAN_IF=$1.30
	ip link add link "$CT_PF" name "$CT_VLAN_IF" type vlan id 30
	ip address add 10.30.0.1/24 dev "$CT_VLAN_IF"
	ip link set "$CT_VLAN_IF" up
}

ct_all() {
	ct_host "$1"
	ct_stopped
	ct_rebooted
	ct_given_up
	ct_unprivileged
	ct_killed
	ct_kept
}
