#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# bridge.sh - a PF below a bridge: what pool add and check say of it, and what becomes of the wish
# (fdb on) over a boot and an uninstall. What vfhook fdb does on a real bridge, the rig has.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

readonly wants=etc/systemd/system/multi-user.target.wants

unlike() { if [[ $1 =~ $2 ]]; then not_ok "$3" "got: $1"; else ok "$3"; fi; }

# findings REGEX - those of check that match, one a line with their remedy.
findings() {
	vfhook check --output-format json 2>/dev/null | python3 -c 'import json, re, sys
for f in json.load(sys.stdin)["findings"]:
    line = " ".join([f["level"], f["check"], f["subject"] + ":", f["text"], "->", f["remedy"]])
    if re.search(sys.argv[1], line):
        print(line)' "$1"
}

# An interface as sysfs shows it: "upper_x" for each that sits on it, "master" for the one whose port it is.
net=
interface() { mkdir -p "$net/$1/${2:-}"; }
sits_on() {
	interface "$2"
	ln -sfn "../$2" "$net/$1/upper_$2"
}
port_of() {
	sits_on "$1" "$2"
	ln -sfn "../$2" "$net/$1/master"
}
# alone PF - nothing is above it.
alone() { rm -f "$net/$1/"{master,upper_*}; }

# service_up, service_down - somebody holds the lock of vfhook fdb, or nobody.
holder=
service_up() {
	mkdir -p "$node_root/run/vfhook/locks"
	sh -c 'exec 9>"$1"; flock 9; exec sleep 120' sh "$node_root/run/vfhook/locks/fdb" &
	holder=$!
	wait_for 30 sh -c "! flock -n '$node_root/run/vfhook/locks/fdb' true"
}
service_down() {
	[[ -z $holder ]] || kill "$holder"
	wait "$holder" 2>/dev/null
	holder=
}

node_up 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=7,numvfs=7,up=1,autoprobe=0 \
	0000:06:00.1,driver=igb,ifname=enp6s0f1,vfs=7,numvfs=0,up=1,autoprobe=1
net=$node_root/sys/class/net
pve_up || exit 1
mkdir -p "$node_root/$wants" "$node_root/lib/systemd/system"
touch "$node_root/lib/systemd/system/vfhook-fdb.service"
ln -s /lib/systemd/system/vfhook-fdb.service "$node_root/$wants/vfhook-fdb.service"
interface vmbr0 bridge
interface vmbr20 bridge
interface bond0 bonding
echo 'active-backup 1' >"$net/bond0/bonding/mode"

# --- pool add ---

proposes="guests with a VF of it cannot talk to each other.*vfhook pool add wan --pf enp6s0f0 --fdb on"
out=$(vfhook pool add wan --pf enp6s0f0 --vfs 7 2>&1)
unlike "$out" 'fdb' "a PF of its own: no word of bridges"
port_of enp6s0f0 vmbr0
out=$(vfhook pool add wan --pf enp6s0f0 2>&1)
like "$? $out" "^0 .*PF enp6s0f0 is below vmbr0: guests on it and $proposes" "a PF below a bridge: pool add says what does not go, and how it does"
out=$(vfhook pool add wan --pf enp6s0f0 --dry-run 2>&1)
like "$? $out" "^0 .*PF enp6s0f0 is below vmbr0: guests on it and $proposes" "in a dry run, too"
out=$(vfhook pool add wan --pf enp6s0f0 --fdb off 2>&1)
unlike "$? $out" "below vmbr0" "whoever says --fdb off has heard of it"
alone enp6s0f0
sits_on enp6s0f0 enp6s0f0.20
port_of enp6s0f0.20 vmbr20
out=$(vfhook pool add wan --pf enp6s0f0 2>&1)
like "$? $out" "^0 .*PF enp6s0f0 is below vmbr20 .over enp6s0f0.20.: guests on it and $proposes" "a bridge over a VLAN interface of the PF"
like "$(findings ' pf-master ')" '^WARN pf-master PF enp6s0f0: it is below vmbr20 .over enp6s0f0.20.: guests .*vfhook pool add wan --pf enp6s0f0 --fdb on' "check sees it, too"
port_of enp6s0f0 vmbr0
out=$(vfhook pool add wan --pf enp6s0f0 2>&1)
like "$? $out" "^0 .*PF enp6s0f0 is below vmbr0 and vmbr20 .over enp6s0f0.20.: guests on them and $proposes" "two bridges"
alone enp6s0f0
port_of enp6s0f0 bond0
sits_on bond0 bond0.20
port_of bond0.20 vmbr20
out=$(vfhook pool add wan --pf enp6s0f0 2>&1)
like "$? $out" "^0 .*PF enp6s0f0 is below vmbr20 .over bond0.20.: guests on it and $proposes" "a bridge over a VLAN of a bond of the PF"
like "$(findings ' pf-master ')" 'WARN pf-master PF enp6s0f0: it is below vmbr20 .over bond0.20.' "which check sees"
alone bond0
port_of bond0 vmbr0
out=$(vfhook pool add wan --pf enp6s0f0 2>&1)
like "$? $out" "^0 .*PF enp6s0f0 is below vmbr0 .over bond0.: guests on it and $proposes" "a bridge over a bond"
alone bond0
interface ovs-system
port_of bond0 ovs-system
out=$(vfhook pool add wan --pf enp6s0f0 2>&1)
like "$? $out" "^0 .*PF enp6s0f0 is below Open vSwitch .over bond0.: guests on it and guests with a VF of it cannot talk to each other, and vfhook fdb does not follow it" "Open vSwitch, which nobody follows"
unlike "$out" "--fdb on" "for which fdb on is not proposed"
alone enp6s0f0
alone bond0
port_of enp6s0f0 vmbr0

# --- pool add --fdb on, and the service ---

out=$(vfhook pool add wan --pf enp6s0f0 --fdb on --dry-run 2>&1)
unlike "$out" "fdb is on" "a dry run of fdb on claims nothing"
out=$(vfhook pool add wan --pf enp6s0f0 --fdb on 2>&1)
like "$? $out" "^0 .*pool 'wan': fdb is on.*vfhook-fdb.service does not run: systemctl start vfhook-fdb" "fdb on: said, and that the service is to be started"
unlike "$out" "enable" "it is enabled already"
rm "$node_root/$wants/vfhook-fdb.service"
out=$(vfhook pool add wan --pf enp6s0f0 --fdb on 2>&1)
like "$? $out" "^0 .*vfhook-fdb.service does not run: systemctl enable --now vfhook-fdb" "one that is not enabled"
out=$(vfhook pool add wan --pf enp6s0f0 2>&1)
like "$? $out" "^0 .*vfhook-fdb.service does not run" "fdb that was on already"
like "$(findings ' boot-service ')" 'WARN boot-service : vfhook-fdb.service is not enabled.*pool .wan.*-> systemctl enable --now vfhook-fdb.service' "check: fdb on, and a service that is not enabled"
rm "$node_root/lib/systemd/system/vfhook-fdb.service"
like "$(findings ' boot-service ')" 'WARN boot-service : vfhook-fdb.service is not installed.*pool .wan.*-> .*install' "or not there at all"
touch "$node_root/lib/systemd/system/vfhook-fdb.service"
ln -s /lib/systemd/system/vfhook-fdb.service "$node_root/$wants/vfhook-fdb.service"
unlike "$(findings ' boot-service ')" 'WARN boot-service : vfhook-fdb' "enabled: no word"
service_up
out=$(vfhook pool add wan --pf enp6s0f0 --fdb on 2>&1)
like "$? $out" "^0 .*pool 'wan': fdb is on; vfhook fdb runs" "a service that runs"
unlike "$out" "systemctl" "and needs nothing"
like "$(findings ' pf-(master|fdb) ')" '^PASS pf-fdb PF enp6s0f0: it is below vmbr0: vfhook fdb lets in 0 addresses' "check: all is well"
mkdir -p "$node_root/run/vfhook/fdb"
{
	printf '{"version":1,"pf":"0000:06:00.0","ifname":"enp6s0f0","most":0,"others":0,"macs":['
	for n in {10..13}; do printf '%s{"mac":"02:00:00:00:00:%s","port":"tap1","since":1}' "${comma:-}" "$n" && comma=,; done
	echo ']}'
} >"$node_root/run/vfhook/fdb/0000:06:00.0"
mkdir -p "$node_root/sys/bus/pci/drivers/bnxt_en"
driver=$(readlink "$node_root/sys/bus/pci/devices/0000:06:00.0/driver")
ln -sfn ../../../bus/pci/drivers/bnxt_en "$node_root/sys/bus/pci/devices/0000:06:00.0/driver"
like "$(findings ' pf-fdb ')" 'WARN pf-fdb PF enp6s0f0: 4 addresses are in its filter, of which some cards of bnxt_en take 3' "a card that does not say when it is full"
ln -sfn "$driver" "$node_root/sys/bus/pci/devices/0000:06:00.0/driver"
unlike "$(findings ' pf-fdb ')" 'WARN' "one that does, and is not"
rm "$node_root/run/vfhook/fdb/0000:06:00.0"
mkdir -p "$node_root/sys/fs/cgroup/system.slice/sriov-mac-sync.service"
like "$(findings ' pf-fdb ')" 'WARN pf-fdb PF enp6s0f0: sriov-mac-sync.service runs as well.*-> systemctl disable --now sriov-mac-sync.service' "another tool that does the same is named"
rmdir "$node_root/sys/fs/cgroup/system.slice/sriov-mac-sync.service"
# /proc/locks that cannot be read.
mv "$node_root/proc" "$node_root/proc.away"
mkdir "$node_root/proc"
for f in "$node_root"/proc.away/{cpuinfo,cmdline,meminfo,modules,mounts,self,sys,net,interrupts}; do ln -s "$f" "$node_root/proc/"; done
out=$(vfhook pool add wan --pf enp6s0f0 --fdb on 2>&1)
like "$? $out" "^0 .*whether vfhook-fdb.service runs cannot be told: systemctl status vfhook-fdb" "a service that cannot be told"
like "$(findings ' pf-fdb ')" '^WARN pf-fdb PF enp6s0f0: .*cannot be told whether vfhook-fdb.service runs.*-> systemctl status vfhook-fdb' "is no pass in check"
like "$(vfhook status 2>&1)" 'bridge: .*cannot be told whether vfhook-fdb.service runs' "nor in status"
rm -r "$node_root/proc"
mv "$node_root/proc.away" "$node_root/proc"
service_down
like "$(findings ' pf-fdb ')" '^FAIL pf-fdb PF enp6s0f0: it is below vmbr0 .*vfhook-fdb.service does not run' "one that does not run"

# --- the next boot, when /etc/pve is not there yet ---

out=$(vfhook pool add lan --pf enp6s0f1 --fdb on 2>&1)
like "$? $(cat "$node_root/var/lib/vfhook/boot.cfg")" $'^0 .*pool: lan\n\tpf node=pve1,path=0000:06:00.1[^\n]*\n\tfdb 1' "boot.cfg has a pool that has nothing but fdb on"
out=$(vfhook boot 2>&1)
like "$(cat "$node_root/var/lib/vfhook/boot.cfg")" $'pool: lan\n\tpf node=pve1,path=0000:06:00.1[^\n]*\n\tfdb 1' "after a boot as well"
mv "$node_root/sys/bus/pci/devices/0000:06:00.1" "$node_root/away"
out=$(vfhook boot --early --timeout 3 2>&1)
is "$? $(grep -c "'lan'\|06:00.1" <<<"$out")" "0 0" "an early boot, which makes VFs, does not ask for its PF"
mv "$node_root/away" "$node_root/sys/bus/pci/devices/0000:06:00.1"
vfhook pool add wan --pf enp6s0f0 --vfs 7 --fdb off >/dev/null 2>&1
vfhook pool remove lan >/dev/null 2>&1
unlike "$(cat "$node_root/var/lib/vfhook/boot.cfg")" 'lan|fdb' "without fdb on it is no longer there"

# --- what is in a filter when vfhook goes; a tap is a PF with a filter, as far as the kernel is asked ---

ip tuntap add dev enp6s0f0 mode tap || exit 1
ip -o link show dev enp6s0f0 | cut -d: -f1 >"$net/enp6s0f0/ifindex"
filter() { bridge fdb show dev enp6s0f0 | sed -n 's/^\(02:[^ ]*\).*/\1/p' | sort | xargs; }
note() {
	mkdir -p "$node_root/run/vfhook/fdb"
	printf '{"version":1,"pf":"0000:06:00.0","ifname":"enp6s0f0","most":2,"others":1,"macs":[%s]}\n' \
		'{"mac":"02:00:00:00:00:01","port":"tap1","since":1},{"mac":"02:00:00:00:00:02","port":"tap2","since":1},{"mac":"02:00:00:00:00:04","port":"tap4","since":1,"refused":true}' \
		>"$node_root/run/vfhook/fdb/0000:06:00.0"
}
# The third is somebody else's. The second has gone without us.
for m in 1 3; do bridge fdb add 02:00:00:00:00:0$m dev enp6s0f0 self permanent; done
note
service_up
out=$(vfhook fdb clear 2>&1)
like "$? $out" '^1 .*vfhook fdb runs, and would put all of it back: first systemctl stop vfhook-fdb' "fdb clear: not while somebody keeps the filters"
service_down
out=$(vfhook fdb clear --dry-run 2>&1)
is "$? $out $(filter)" "0 vfhook: PF enp6s0f0: 2 addresses would be taken out of its filter 02:00:00:00:00:01 02:00:00:00:00:03" "it can be looked at first"
out=$(vfhook fdb clear 2>&1)
is "$? $out $(filter)" "0 vfhook: PF enp6s0f0: 1 address taken out of its filter 02:00:00:00:00:03" "what vfhook has put in is taken out, what others have stays"
is "$(ls "$node_root/run/vfhook/fdb")" "" "and is noted no more"
out=$(vfhook fdb clear 2>&1)
is "$? $out" "0 vfhook: no PF's filter has anything of vfhook's" "a second time there is nothing to do"

# The same by an uninstall.
bridge fdb replace 02:00:00:00:00:01 dev enp6s0f0 self permanent
note
printf '#!/bin/sh\nexec %q "$@"\n' "$BUILD/tests/vfhook-fake" >"$node_root/usr/sbin/vfhook"
chmod 755 "$node_root/usr/sbin/vfhook"
export VFHOOK_ROOT=$node_root
out=$("$top/packaging/setup" remove --dry-run 2>&1)
like "$? $out $(filter)" '^0 .*PF enp6s0f0: 2 addresses would be taken out of its filter.* 02:00:00:00:00:01 02:00:00:00:00:03$' "an uninstall tells it in a dry run"
out=$("$top/packaging/setup" remove 2>&1)
like "$? $out $(filter)" '^0 .*PF enp6s0f0: 1 address taken out of its filter.* 02:00:00:00:00:03$' "and does it"

# And the service with it, before that. This systemctl has one unit, which runs.
mkdir -p "$node_root/run/systemd/system" "$node_root/tools"
cat >"$node_root/tools/systemctl" <<'END'
#!/bin/sh
echo "$*" >>"$VFHOOK_ROOT/systemctl.log"
case "$*" in
*is-active*fdb*) exit 0 ;;
*is-active*) exit 3 ;;
*MainPID*) cat "$VFHOOK_ROOT/pid" ;;
esac
END
chmod 755 "$node_root/tools/systemctl"
setup() { PATH=$node_root/tools:$PATH "$top/packaging/setup" "$@" 2>&1; }
bridge fdb replace 02:00:00:00:00:01 dev enp6s0f0 self permanent
note
out=$(setup remove --dry-run)
is "$(grep -c ' stop' "$node_root/systemctl.log")" 0 "a dry run stops nothing"
out=$(setup remove)
like "$? $out" '^0 .*vfhook-fdb.service: running -> stopped.*PF enp6s0f0: 1 address taken out' "an uninstall stops the service, and then empties the filters"
is "$(grep stop "$node_root/systemctl.log")" "stop vfhook-fdb.service" "once"
# An upgrade has taken its program away.
cp "$(command -v sleep)" "$node_root/tools/fdb"
"$node_root/tools/fdb" 120 &
service=$!
echo "$service" >"$node_root/pid"
out=$(setup configure)
unlike "$(cat "$node_root/systemctl.log")" 'restart' "a service whose program is there goes on"
rm "$node_root/tools/fdb"
out=$(setup configure)
like "$out $(cat "$node_root/systemctl.log")" 'vfhook-fdb.service: the program of before -> restarted.*try-restart vfhook-fdb.service' "one whose program was replaced is restarted"
kill "$service"
wait "$service" 2>/dev/null
unset VFHOOK_ROOT

done_testing
