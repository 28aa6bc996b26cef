#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# status.sh - vfhook status and vfhook metrics: what they show, and to whom.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

here=$top/tests/component
esc=$'\033'

# unlike TEXT REGEX DESCRIPTION - the opposite of like.
unlike() {
	if [[ $1 =~ $2 ]]; then not_ok "$3" "got:     $1" "but not: $2"; else ok "$3"; fi
}

# check_json - the status as JSON, against its schema.
check_json() {
	vfhook status --output-format json >"$node_root/status.json" || return 1
	python3 -c 'import json, sys, jsonschema
jsonschema.Draft202012Validator(json.load(open(sys.argv[1]))).validate(json.load(open(sys.argv[2])))' \
		"$here/status.schema.json" "$node_root/status.json"
}
# js EXPRESSION - of the last status.json; s is the whole, vf(pool, i) the VF of its first PF.
js() {
	python3 -c 'import json, sys
s = json.load(open(sys.argv[1]))
def vf(pool, i): return [p for p in s["pools"] if p["name"] == pool][0]["pfs"][0]["vfs"][i]
print(eval(sys.argv[2]))' "$node_root/status.json" "$1"
}
# row INDEX - its line of the table in $out.
row() { grep -E "^ *$1  " <<<"$out"; }
# widest - of the text on standard input, in characters.
widest() { python3 -c 'import sys; print(max(len(l.rstrip("\n")) for l in sys.stdin))'; }
port() { printf 'port: %s-0\n\tpool wan\n\tmac bc:24:11:00:00:%02x\n\tspoofchk 1\n%b\n' "$1" $(($1 - 99)) "${2:-}"; }
lease() { # VF INDEX VMID PHASE NAME
	printf '{"version":1,"vf":"%s","pf":"0000:06:00.0","index":%s,"vmid":%s,"slot":0,"pool":"wan","phase":"%s","name":"%s","taken":1,"qemu-pid":0,"qemu-start":0,"before":{},"want":{"mac":"bc:24:11:00:00:77"}}' \
		"$@" >"$node_root/run/vfhook/leases/$1"
}

# --- everything that a VF can be ---------------------------------------------------

node_up 0000:06:00.0,driver=ixgbe,ifname=enp6s0f0,vfs=63,numvfs=16,up=1,autoprobe=0,numa=0
pve_up || exit 1
{ port 100 '\tvlan 20\n\tvlan-qos 3\n\tmax-rate 500\n'; port 101; } | wan_cfg
out=$(vfhook status 2>&1)
is $? 0 "a node on which nothing has started yet"
like "$out" 'Pool wan: 16 VFs: 0 leased, 16 free' "all VFs are free"
is "$(find "$node_root/run/vfhook" -name 'lock*' 2>/dev/null)" "" "and nothing was locked"

qm create 100 --name fw >/dev/null
qm create 101 --name a-name-that-is-longer-than-any-column-of-a-table-should-be >/dev/null
for id in 100 101; do
	qm set $id --hookscript local:snippets/vfhook --hostpci0 mapping=vf-$id-0 >/dev/null
	qm start $id >/dev/null 2>&1
done
lease 0000:06:10.4 2 555 dirty gone
lease 0000:06:10.6 3 556 running crashed
lease 0000:06:11.0 4 557 starting begun
echo rubbish >"$node_root/run/vfhook/leases/0000:06:11.2"
vm 120
echo 'hostpci3: 0000:06:11.4' >>"$node_root/etc/pve/nodes/pve1/qemu-server/120.conf"
vm 121
printf '0000:06:11.6 121 time:%s\n' $(($(date +%s) + 600)) >>"$node_root/run/qemu-server/pci-id-reservations"
host_netdev 0000:06:12.0 enp6s0f0v8 ixgbevf
sim hold-lock vm:557 120 >/dev/null 2>&1 &
holder=$!
wait_for 30 is_locked "$node_root/var/lock/qemu-server/lock-557.conf"

tree=$(find "$node_root/run/vfhook" "$node_root/etc" -type f | sort | xargs sha1sum)
out=$(vfhook status 2>&1)
is $? 0 "status with all kinds of VFs"
is "$(find "$node_root/run/vfhook" "$node_root/etc" -type f | sort | xargs sha1sum)" "$tree" "it changes nothing"
is "$(($(widest <<<"$out") <= 80))" 1 "no line is longer than 80 columns"
is "$(grep -c '^ *[0-9]\+  ' <<<"$out")" 16 "16 VFs are 16 lines"
like "$out" 'Pool wan: 16 VFs: 5 leased, 7 free, 2 in other use, 2 unusable' "the totals"
like "$out" 'PF enp6s0f0 \(0000:06:00.0, ixgbe\): up, carrier' "the PF"
like "$(row 0)" '^ 0  running  +100 fw +0? *bc:24:11:00:00:01  20 q3  on +off +auto$' "a VM that runs, with its VF's settings"
like "$(row 1)" '^ 1  running  +101 a-name[^ ]*~ ' "a long name is cut"
like "$(row 2)" '^ 2  dirty +555 gone ' "a dirty VF"
like "$(row 3)" '^ 3  stale +556 crashed ' "a lease whose VM does not run is stale"
like "$(row 4)" '^ 4  starting +557 begun ' "one whose VM is being started is not"
like "$(row 5)" '^ 5  unusable ' "a VF whose lease cannot be read"
like "$(row 6)" '^ 6  raw +120 vm120 ' "one named raw in a config"
like "$(row 7)" '^ 7  reserved +121 vm121 ' "one reserved by PVE"
like "$(row 8)" '^ 8  unusable ' "one that the host uses"
like "$(row 9)" '^ 9  free  +-  ' "a free one has no MAC to look at"
like "$out" 'VF 5: its lease cannot be read: ' "why a VF is not usable: its lease"
like "$out" 'VF 8: its host interface enp6s0f0v8 is up' "and the host"
like "$(tail -n 2 <<<"$out" | tr -s ' \n' ' ')" '1 VF is stale.*1 VF is dirty.*vfhook repair' "the end says what to do"
unlike "$out" 'wanted' "nothing differs"

try "the JSON is as its schema says" check_json
is "$(js '[vf("wan", i)["state"] for i in range(10)]')" \
	"['running', 'running', 'dirty', 'running', 'starting', 'unusable', 'raw', 'reserved', 'unusable', 'free']" "the states in JSON"
is "$(js '[i for i in range(16) if vf("wan", i)["stale"]]')" "[3]" "the stale one"
is "$(js 's["totals"]["vfs"] == sum(s["totals"][k] for k in ("free", "leased", "other", "unusable"))')" True "the totals add up"
is "$(js '(vf("wan", 0)["wanted"]["vlan"], vf("wan", 0)["actual"]["max-rate"], vf("wan", 0)["differs"])')" "(20, 500, [])" "wanted and actual"
is "$(js '[vf("wan", i)["slot"] for i in (0, 6, 7, 9)]')" "[0, 3, None, None]" "the slots"
is "$(js '[vf("wan", i)["live-migration"] for i in (0, 2, 7)]')" "[False, None, None]" "and whether their ports are migrated live"
is "$(js 'vf("wan", 0)["statistics"]')" None "no statistics where the driver counts nothing"
is "$(vfhook status --output-format json-pretty | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["pools"]))')" 1 "json-pretty is JSON"
is "$(vfhook status --output-format json | wc -l)" 1 "json is one line"

# --- behind our back ------------------------------------------------------------------

fake_set enp6s0f0 'p["vfs"][0]["mac"] = "02:00:00:00:00:99"; p["vfs"][0]["trust"] = True; p["vfs"][1]["spoofchk"] = False'
out=$(vfhook status 2>&1)
is $? 0 "a difference is no error"
like "$(row 0)" ' 02:00:00:00:00:99! ' "a MAC that somebody changed is marked"
like "$(row 0)" ' on  +on  ' "what no port asked for is not"
like "$(row 1)" ' off! ' "a changed spoof check is"
like "$out" 'VF 0, VM 100: MAC is 02:00:00:00:00:99, wanted bc:24:11:00:00:01' "with what was wanted"
like "$out" '2 VFs are not set as wanted' "and counted at the end"
is "$(($(widest <<<"$out") <= 80))" 1 "in no more than 80 columns"
try "the JSON is still as its schema says" check_json
is "$(js '(vf("wan", 0)["differs"], s["totals"]["mismatched"])')" "(['mac'], 2)" "with the attribute that differs"

# --- metrics ----------------------------------------------------------------------------

metrics() { vfhook metrics | "$here/openmetrics.py"; }
out=$(metrics 2>&1)
is $? 0 "metrics are OpenMetrics"
pf='pool=wan pf=0000:06:00.0'
like "$out" "vfhook_vfs $pf state=free = 7" "VFs by state"
like "$out" "vfhook_vf_info $pf vf=0 vmid=100 slot=0 .*kind=vm name=fw net_name= mac=02:00:00:00:00:99 vlan=20" "who has a VF"
like "$out" "vfhook_mismatched_vfs $pf = 2" "those that differ"
like "$out" 'vfhook_stale_leases = 1' "stale leases"
like "$out" "vfhook_pf_up $pf = 1" "the PF is up"
like "$out" 'vfhook_ports pool=wan = 2' "ports"
like "$out" 'vfhook_events_total kind=refused = [0-9]+' "events"
unlike "$out" 'receive_bytes' "no counters where the driver has none"
fake_set enp6s0f0 'p["stats"] = [{"rx-bytes": 5000000000 + i, "tx-bytes": i, "rx-packets": 9, "rx-dropped": 3} for i in range(16)]; p["carrier"] = False'
out=$(metrics 2>&1)
like "$out" "vfhook_vf_receive_bytes_total $pf vf=0 vmid=100 slot=0 = 5000000000" "bytes received"
like "$out" "vfhook_vf_transmit_bytes_total $pf vf=9 vmid= slot= = 9" "bytes sent, of a free VF too"
like "$out" "vfhook_vf_receive_dropped_total $pf vf=0 vmid=100 slot=0 = 3" "dropped packets"
like "$out" "vfhook_pf_carrier $pf = 0" "a cable that is out"
check_json
is "$(js 'vf("wan", 1)["statistics"]["rx-bytes"]')" 5000000001 "statistics in JSON"

# --- the PF's own filter, for guests on bridges over it ---------------------------------------

is "$(js 's["pools"][0]["pfs"][0]["fdb"]')" None "fdb is null if the pool does not say so"
unlike "$(vfhook status; metrics)" 'bridge:|fdb_addresses|fdb_service=' "and neither status nor metrics tell of it"
sed -i '/^pool: wan/a\	fdb 1' "$node_root/etc/pve/vfhook.cfg"
like "$(vfhook status)" 'bridge: vfhook-fdb.service does not run.*systemctl start vfhook-fdb' "a service that is wanted and does not run"
like "$(metrics)" "vfhook_fdb_service $pf = 0" "in metrics too"
mkdir -p "$node_root/run/vfhook/fdb"
printf '{"version":1,"pf":"0000:06:00.0","ifname":"enp6s0f0","most":3,"others":1,"macs":[%s]}\n' \
	'{"mac":"02:00:00:00:0a:01","port":"tap200i0","since":1},{"mac":"02:00:00:00:0a:02","port":"tap201i0","since":1},{"mac":"02:00:00:00:0a:03","port":"tap202i0","since":1,"refused":true}' \
	>"$node_root/run/vfhook/fdb/0000:06:00.0"
touch "$node_root/run/vfhook/locks/fdb"
flock "$node_root/run/vfhook/locks/fdb" sleep 60 &
holder=$!
wait_for 30 sh -c "! flock -n '$node_root/run/vfhook/locks/fdb' true"
like "$(vfhook status)" 'bridge: 2 addresses behind it let in, and no room for 1 more: vfhook fdb list' "a filter that is full"
out=$(metrics)
like "$out" "vfhook_fdb_addresses $pf state=in = 2" "addresses in the filter"
like "$out" "vfhook_fdb_addresses $pf state=refused = 1" "those without room"
like "$out" "vfhook_fdb_addresses $pf state=others = 1" "those of others"
like "$out" "vfhook_fdb_service $pf = 1" "and the service runs"
check_json
is "$? $(js 's["pools"][0]["pfs"][0]["fdb"]')" "0 {'in': 2, 'others': 1, 'refused': 1, 'room': 3, 'service': True}" "in JSON"
printf 'name: web\nnet0: virtio=02:00:00:00:0A:02,bridge=vmbr0\n' >"$node_root/etc/pve/nodes/pve1/qemu-server/201.conf"
out=$(vfhook fdb list)
like "$out" '02:00:00:00:0a:01 +- +tap200i0 +enp6s0f0 +1970-01-01 .* in' "fdb list: who is in"
like "$out" '02:00:00:00:0a:02 +201 +tap201i0 ' "of which guest"
like "$out" '02:00:00:00:0a:03 +- +tap202i0 .* no room' "and for whom there is no room"
is "$(vfhook fdb list --output-format json | python3 -c 'import json, sys; p = json.load(sys.stdin)[0]; print(p["ifname"], p["room"], [m.get("vmid") for m in p["macs"]], [m["refused"] for m in p["macs"]])')" \
	"enp6s0f0 3 [None, 201, None] [False, False, True]" "fdb list in JSON"
echo rubbish >"$node_root/run/vfhook/fdb/0000:06:00.0"
like "$(vfhook status)" 'bridge: 0 addresses' "a note that is none counts nothing"
like "$(vfhook fdb list 2>&1)" "/run/vfhook/fdb/0000:06:00.0:1: .*expected near" "and fdb list says so"
pkill -P "$holder" sleep
kill "$holder" 2>/dev/null
wait "$holder" 2>/dev/null
rm -r "$node_root/run/vfhook/fdb" "$node_root/run/vfhook/locks/fdb" "$node_root/etc/pve/nodes/pve1/qemu-server/201.conf"
sed -i '/^\tfdb 1/d' "$node_root/etc/pve/vfhook.cfg"

file=$node_root/vfhook.prom
vfhook metrics --output "$file"
is "$? $(stat -c %a "$file")" "0 644" "metrics into a file, for all to read"
"$here/openmetrics.py" "$file" >/dev/null
is $? 0 "the file is whole"
inode=$(stat -c %i "$file")
for _ in {1..15}; do vfhook metrics --output "$file" || break; done &
writer=$! torn=0
while kill -0 $writer 2>/dev/null; do
	for f in "$node_root"/*.prom "$node_root"/.*.prom; do
		[[ ! -e $f || $(tail -n 1 "$f") == '# EOF' ]] || torn=$((torn + 1))
	done
done
is "$torn" 0 "no reader of *.prom ever sees half a file"
unlike "$(stat -c %i "$file")" "^$inode$" "it is replaced, not written over"
is "$(find "$node_root" -maxdepth 1 -name '*vfhook.prom*' | wc -l)" 1 "and nothing lies beside it"
out=$(vfhook metrics --output "$node_root/nowhere/x.prom" 2>&1)
like "$? $out" '^1 vfhook: .*nowhere/x.prom' "a folder that is not there: exit 1 and the name"
unlike "$out" '//' "the name as it was given"
out=$(cd "$node_root" && vfhook metrics --output nowhere/x.prom 2>&1)
unlike "$out" '/nowhere' "also a relative one"

# --- on a terminal, and not -----------------------------------------------------------------

unlike "$(vfhook status)" "$esc" "no escape sequences in a pipe"
if [[ -x $(command -v script) ]]; then
	prog=$(printf '%q --root %q' "$BUILD/tests/vfhook-fake" "$node_root")
	# on_tty COLUMNS ENVIRONMENT ARGS - what a terminal gets.
	# shellcheck disable=SC2086 # words on purpose
	on_tty() { env -u NO_COLOR $2 script -qec "stty cols $1 rows 40; $prog $3" /dev/null </dev/null | tr -d '\r'; }
	bare() { sed "s/$esc\[[0-9;]*m//g"; }
	out=$(on_tty 80 TERM=xterm status)
	like "$out" "$esc\[32mrunning" "a terminal has colours"
	like "$out" "$esc\[1;31m02:00:00:00:00:99!" "a difference in red"
	is "$(($(bare <<<"$out" | widest) <= 80))" 1 "80 columns on a terminal of 80"
	unlike "$(on_tty 80 'TERM=xterm NO_COLOR=1' status)" "$esc" "NO_COLOR: none"
	like "$(on_tty 80 'TERM=xterm NO_COLOR=' status)" "$esc" "an empty NO_COLOR does not count"
	unlike "$(on_tty 80 TERM=dumb status)" "$esc" "a dumb terminal: none"
	out=$(on_tty 150 TERM=xterm status | bare)
	like "$out" 'VM +SLOT .*MBIT/S +ADDRESS +DRIVER +GROUP' "a wide terminal shows more columns"
	like "$out" 'max 500 +0000:06:10.0 ' "the rate and the address"
	is "$(($(widest <<<"$out") <= 150))" 1 "and no more than fit"
	is "$(($(on_tty 30 TERM=xterm status | bare | widest) <= 30))" 1 "a narrow one shows fewer"
	out=$(on_tty 40 TERM=xterm 'status --pool wan')
	unlike "$out" TRUST "without what matters less"
	like "$(on_tty 80 TERM=xterm 'status --watch & sleep 0.7; kill -INT $!; wait')" "$esc\[2J" "--watch clears a terminal"
else
	skip "a terminal (no script(1) here)"
fi

# --- watching ---------------------------------------------------------------------------------

: >"$node_root/watch"
"$BUILD/tests/vfhook-fake" --root "$node_root" status --watch --interval 1 >"$node_root/watch" 2>&1 &
watcher=$!
# shellcheck disable=SC2317 # called by wait_for
frames() { (($(grep -c '^Pool wan' "$node_root/watch") >= $1)); }
wait_for 10 frames 1
fake_set enp6s0f0 'p["stats"][0]["rx-bytes"] += 125000000; p["stats"][1]["rx-bytes"] = 0'
try "--watch shows a second frame" wait_for 10 frames 2
kill -INT $watcher
wait $watcher
is $? 0 "Ctrl-C ends it, exit 0"
out=$(awk '/^Pool wan/ { n++ } n == 2' "$node_root/watch")
like "$(row 0)" ' [0-9.]+[MG] +0$' "with what the VF receives and sends"
like "$(row 1)" ' - +-$' "counters that went back are no rate"
is "$(($(widest <"$node_root/watch") <= 80)) $(grep -c "$esc" "$node_root/watch")" "1 0" "plain tables of 80 columns where there is no terminal"

# --- what others write --------------------------------------------------------------------------

kill $holder 2>/dev/null
conf=$node_root/etc/pve/nodes/pve1/qemu-server/120.conf
printf 'name: \033]0;owned\007\033[2J\302\233evil"\\\377\n' >>"$conf"
sed -i '/^name: vm120/d' "$conf"
lease 0000:06:11.0 4 557 running '\u001b[31m\u009b\u202eevil\u0007'
out=$(vfhook status 2>&1)
is "$? $(LC_ALL=C grep -c '[[:cntrl:]]' <<<"$out") $(grep -c "$(printf '\302\233\|\342\200\256')" <<<"$out")" "0 0 0" "a hostile name sends no control character"
like "$(row 6)" '^ 6  raw +120 \?' "but is shown"
is "$(($(widest <<<"$out") <= 80))" 1 "in its place"
try "the JSON is as its schema says" check_json
out=$(metrics 2>&1)
is $? 0 "metrics are OpenMetrics"
like "$out" 'name=.*evil"\\\?' "with quote and backslash escaped"

# --- what is broken ----------------------------------------------------------------------------------

cat >>"$node_root/etc/pve/vfhook.cfg" <<'E'

pool: lan
	pf node=pve1,path=0000:99:00.0

pool: other
	pf node=pve2,path=0000:06:00.0

pool: typo
	pff node=pve1

port: 130-0
	pool wan
	vlna 20
E
lease 0000:77:10.0 0 558 running elsewhere
echo 'hostpci0: ,,,' >>"$node_root/etc/pve/nodes/pve1/qemu-server/121.conf"
out=$(vfhook status 2>&1)
is $? 0 "broken parts are shown"
like "$out" 'PF 0000:99:00.0 cannot be used: .' "a PF that is not there, with the reason"
like "$out" 'Pool other has no PF on node pve1' "a pool of other nodes"
like "$out" 'Not used: /etc/pve/vfhook.cfg:[0-9]+: .*pff' "a mistake in a pool, with its line"
like "$out" 'Port not used: /etc/pve/vfhook.cfg:[0-9]+: .*vlna' "and in a port"
like "$out" '0000:77:10.0: VM 558 elsewhere hostpci0, running, pool wan' "a lease on a VF of no pool"
like "$out" 'Guest configs that cannot be read' "a guest's broken config"
like "$(row 0)" 'running' "and the rest is there all the same"
is "$(($(widest <<<"$out") <= 80))" 1 "in 80 columns"
try "the JSON is as its schema says" check_json
is "$(js '(len(s["other-leases"]), len(s["port-problems"]), len(s["unreadable-guests"]))')" "(1, 1, 1)" "with all of it"
out=$(metrics 2>&1)
is $? 0 "metrics too"
like "$out" 'vfhook_pf_up pool=lan pf=0000:99:00.0 = 0' "a missing PF is not up"
out=$(vfhook status --pool other 2>&1)
is "$? $(grep -c ^Pool <<<"$out")" "0 1" "--pool shows one pool"

fake_set enp6s0f0 'p["up"] = False'
out=$(vfhook status --pool wan 2>&1)
like "$out" 'PF enp6s0f0 .*: DOWN' "a PF that is down"
like "$out" 'it is down.*ip link set enp6s0f0 up' "with the command"
like "$(row 9)" 'unusable' "its free VFs are given to nobody"
like "$(row 0)" 'running' "a lease on it is shown"
fake_set enp6s0f0 'p["quirks"] = ["gone"]'
out=$(vfhook status --pool wan 2>&1)
like "$? $out" '^0 .*PF 0000:06:00.0 cannot be used: .*No such device' "a PF that goes while we look"

echo 'no section at all' >"$node_root/etc/pve/vfhook.cfg"
for c in status metrics; do
	out=$(vfhook $c 2>&1)
	like "$? $out" '^1 vfhook: /etc/pve/vfhook.cfg:1: ' "$c: a config that cannot be read at all: exit 1"
done
rm "$node_root/etc/pve/vfhook.cfg"
out=$(vfhook status 2>&1)
like "$? $out" '^0 .*has no pools yet' "no config: it says so"

# --- many, and calls ------------------------------------------------------------------------------------

node_up 0000:06:00.0,driver=ixgbe,ifname=enp6s0f0,vfs=240,numvfs=240,up=1,autoprobe=0
wan_cfg </dev/null
out=$(vfhook status 2>&1)
is "$? $(grep -c '^ *[0-9]\+  free' <<<"$out")" "0 240" "240 VFs"
"$BUILD/tests/vfhook-fake" --root "$node_root" status --watch --interval 1 >"$node_root/watch" 2>&1 &
watcher=$!
try "two frames of them" wait_for 20 frames 2
kill -INT $watcher
wait $watcher
is "$(grep -c 'no traffic is shown: .*240 VFs' "$node_root/watch")" 1 "whose statistics the kernel cannot tell: said once"
check_json
like "$(js 's["pools"][0]["pfs"][0]["statistics-problem"]')" 'not whole' "and in JSON"

sim bind 0000:06:10.2 vfio-pci >/dev/null
rm "$node_root/proc"
mkdir -p "$node_root/proc/4242/fd"
group=$(basename "$(readlink "$node_root/sys/bus/pci/devices/0000:06:10.2/iommu_group")")
ln -s "/dev/vfio/$group" "$node_root/proc/4242/fd/5"
out=$(vfhook status 2>&1)
like "$(row 1)" '^ +1  busy ' "a VF that some process has open"
like "$out" "VF 1: /dev/vfio/$group is open in process 4242" "and which one"
like "$out" 'Pool wan: 240 VFs: 0 leased, 239 free, 1 in other use' "is not free"

for args in "--interval 2" "--watch --interval 0" "--watch --interval x" "--output-format xml" "extra" "--wacth" "--pool"; do
	# shellcheck disable=SC2086 # words on purpose
	out=$(vfhook status $args 2>&1)
	is "$? $(wc -l <<<"$out")" "2 1" "wrong call 'status $args': exit 2, one line"
done
out=$(vfhook status --pool wam 2>&1)
like "$? $out" "^1 .*has no pool 'wam', did you mean 'wan'" "a pool that is not there"
for c in status metrics; do
	out=$(vfhook $c --help)
	is "$? $(($(widest <<<"$out") <= 80))" "0 1" "$c --help fits 80 columns"
done

# --- counters of events -----------------------------------------------------------------

# The oldest events go when the file is full; what was counted stays counted.
ev=$node_root/var/lib/vfhook/events
mkdir -p "${ev%/*}"
counted() { metrics | sed -n 's/^vfhook_events_total kind=refused = //p'; }
for f in "$ev" "$ev.1"; do
	for _ in {1..1500}; do printf '{"time":1,"vmid":100,"kind":"refused","text":"%0120d"}\n' 0; done >"$f"
	size=$(stat -c %s "$f")
	head -c $((262144 - size - 1)) /dev/zero | tr '\0' '\n' >>"$f"
done
before=$(counted)
is "$before" 3000 "events are counted"
vfhook 777 pre-start >/dev/null 2>&1
vfhook 100 pre-start >/dev/null 2>&1
is "$(($(stat -c %s "$ev") < 100000)) $(($(counted) >= before))" "1 1" "the file has changed, and no counter has gone down"

done_testing
