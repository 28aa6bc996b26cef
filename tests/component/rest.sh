#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The REST client against the PVE simulator: every error reply that PVE is known
# to give, and every reply that nobody should give. TAP on stdout.
#
#   BUILD=build      where tests/restprobe (or $RESTPROBE) is
#
# Runs in a network namespace of its own, since pveproxy's port is fixed, and in
# a mount namespace, since one test puts a CA into the system's store.

# shellcheck disable=SC2016  # backquotes in what we expect are part of the text

set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=${BUILD:-$top/build}
probe=${RESTPROBE:-$build/tests/restprobe}
probe=$(realpath "$probe")
sim_py=$top/tests/sim/pvesim

if [ "${1:-}" != inside ]; then
	map=()
	[ "$(id -u)" = 0 ] || map=(--map-root-user)
	exec unshare "${map[@]}" --net --mount --propagation private "$0" inside
fi

tmp=$(mktemp -d) || exit 1
root=$tmp/root
serve_pid=
n=0
failed=0
out=
secret=

cleanup() {
	stop_sim
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# Reporting

result() { # ok|not-ok NAME
	n=$((n + 1))
	if [ "$1" = ok ]; then
		echo "ok $n - $2"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $n - $2"
	printf '%s\n' "$out" | head -c 2000 | sed 's/^/# /'
}

check() { # NAME CONDITION...
	local name=$1
	shift
	if "$@"; then result ok "$name"; else result not-ok "$name"; fi
}

run() { # restprobe's arguments; output to $out
	out=$(timeout 60 "$probe" "$root" "$@" 2>&1)
}

# The error line must fit an extended regular expression from its beginning to its end.
expect() { # NAME REGEX RESTPROBE-ARGUMENTS...
	local name=$1 regex=$2
	shift 2
	run "$@"
	if [[ $out =~ ^$regex$ ]] && [[ -z $secret || $out != *"$secret"* ]]; then
		result ok "$name"
	else
		result not-ok "$name"
		echo "# wanted: $regex"
	fi
}

# The simulator

sim() {
	"$sim_py" --root "$root" "$@"
}

start_sim() {
	"$sim_py" --root "$root" serve --workers 2 >"$tmp/serve.log" 2>&1 &
	serve_pid=$!
	for _ in $(seq 200); do
		grep -q ^ready "$tmp/serve.log" && return
		sleep 0.05
	done
	echo "Bail out! the simulator does not start: $(tail -n 3 "$tmp/serve.log")"
	exit 1
}

stop_sim() {
	[ -n "$serve_pid" ] || return
	sim stop >/dev/null 2>&1
	kill "$serve_pid" 2>/dev/null
	wait "$serve_pid" 2>/dev/null
	serve_pid=
}

fault() { # what the reply to the next calls is
	sim fault clear
	[ "$1" = none ] || sim fault set "$@"
}

requests() { # how many requests fit
	sim requests | grep -cE -- "$1"
}

token=$root/etc/pve/priv/vfhook.token
mapping=$root/etc/pve/mapping/pci.cfg
node_dir=$root/etc/pve/nodes/pve1

put_token() {
	install -m 600 /dev/null "$token"
	printf '%s\n' "$1" >"$token"
}

setup() {
	ip link set lo up || exit 1
	sim init --node pve1 --nodes pve1,pve2,pve3
	sim config set auth-delay 0
	printf 'name: a\ncores: 1\nmemory: 64\nmachine: q35\n' >"$node_dir/qemu-server/100.conf"
	good_token=$(sim token add 'vfhook@pve!hook' --privsep 0 --privs \
		/mapping/pci:Mapping.Modify,Mapping.Use,Mapping.Audit \
		/vms:VM.Audit,VM.Config.HWType,VM.Config.Options,VM.PowerMgmt)
	secret=${good_token##*=}
}

entry1='id=8086:10ca,iommugroup=17,node=pve1,path=0000:06:10.1,subsystem-id=8086:0000'
entry1b='id=8086:10ca,iommugroup=18,node=pve1,path=0000:06:10.3,subsystem-id=8086:0000'
entry2='id=8086:10ca,node=pve2,path=0000:07:10.1,iommugroup=3,description=by hand'

# The token

test_token() {
	expect 'no token: says how to make one' \
		'ERR -2 /etc/pve/priv/vfhook.token is not there: make a token with `/usr/lib/vfhook/setup token`' \
		token-check
	expect 'no token: a call says the same' 'ERR -2 /etc/pve/priv/vfhook.token is not there.*' \
		call GET /version
	put_token "$good_token"
	expect 'a good token' 'OK null' token-check
	chmod 640 "$token"
	expect 'a token that others may read' \
		'ERR -1 /etc/pve/priv/vfhook.token has mode 0640.*`chmod 600 /etc/pve/priv/vfhook.token`' \
		token-check
	chmod 400 "$token"
	expect 'mode 400, as without quorum' 'OK null' token-check
	put_token "${good_token%=*}"
	expect 'a token without its secret' 'ERR -22 .* has not the form user@realm!id=secret.*' \
		token-check
	printf '%s\n%s\n' "$good_token" x >"$token"
	expect 'a token of two lines' 'ERR -22 .* has not the form .*' token-check
	head -c 4096 /dev/zero | tr '\0' a >"$token"
	expect 'a token of 4 KiB' 'ERR -27 /etc/pve/priv/vfhook.token is larger than .*' token-check
	rm "$token"
	ln -s vfhook.other "$token"
	expect 'a token that is a symbolic link' 'ERR -22 .* is not a regular file.*' token-check
	rm "$token"
	put_token "$good_token"
}

# Error replies: the tables of known replies

test_known_replies() {
	expect 'pveproxy down' \
		'ERR -111 GET /version: pveproxy is not reachable \(.*\): `systemctl status pveproxy`' \
		call GET /version
	start_sim
	expect 'a call' 'OK \{.*"version":"9.*' call GET /version
	expect 'raw address with a token' \
		"ERR -121 PUT /nodes/pve1/qemu/100/config: 500 only root can set 'hostpci0' config for non-mapped devices" \
		hostpci-set pve1 100 0 0000:06:02.3
	expect 'bad parameter: the errors object' \
		"ERR -22 PUT /nodes/pve1/qemu/100/config: 400 hostpci0: invalid format - format error hostpci0.mapping: invalid format - invalid configuration ID '..bad'" \
		call PUT /nodes/pve1/qemu/100/config hostpci0=mapping=..bad
	expect 'hookscript that is not there' \
		"ERR -22 PUT .*: 400 hookscript: script 'local:snippets/none' does not exist" \
		call PUT /nodes/pve1/qemu/100/config hookscript=local:snippets/none
	expect 'mapping that is not there' \
		"ERR -2 GET /cluster/mapping/pci/nosuch: 500 mapping 'nosuch' not found" \
		call GET /cluster/mapping/pci/nosuch
	expect 'VM that is not there' \
		"ERR -2 GET /nodes/pve1/qemu/999/config: 500 Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist" \
		call GET /nodes/pve1/qemu/999/config
	expect 'a right that is missing' \
		'ERR -13 GET /nodes/pve1/hardware/pci: 403 Permission check failed \(/, Sys.Audit\|Sys.Modify\)' \
		call GET /nodes/pve1/hardware/pci
	expect 'old digest of the mapping file' \
		'ERR -(2|11) PUT /cluster/mapping/pci/vf-100-0: 500 update hardware mapping failed: (detected modified configuration - file changed by other user\? Try again|.*does not exist)' \
		call PUT /cluster/mapping/pci/vf-100-0 digest=0123456789012345678901234567890123456789 "map=$entry1"
	expect 'old digest of the guest config' 'ERR -11 PUT .*: 500 checksum mismatch .*' \
		hostpci-set pve1 100 0 mapping=vf-100-0 0123456789012345678901234567890123456789
	put_token "${good_token%=*}=00000000-0000-0000-0000-000000000000"
	expect 'wrong secret' \
		'ERR -13 GET /cluster/resources: pveproxy does not accept the token in /etc/pve/priv/vfhook.token \(401, .*\): make a new one with `/usr/lib/vfhook/setup token`' \
		call GET /cluster/resources
	put_token "$good_token"
	sim config set pvedaemon down
	expect 'pvedaemon down (595)' 'ERR -121 PUT .*: 595 .*`systemctl status pvedaemon`' \
		hostpci-delete pve1 100 0
	sim config set pvedaemon hang
	sim config set proxy-timeout 1
	expect 'pvedaemon hangs (596)' 'ERR -121 PUT .*: 596 .*`systemctl status pvedaemon`' \
		hostpci-delete pve1 100 0
	sim config set pvedaemon up
	sim config unset proxy-timeout
}

test_locks() {
	local pid
	sim config set lock-timeout 1
	sim hold-lock vm:100 3 >"$tmp/held" &
	pid=$!
	until grep -q held "$tmp/held"; do sleep 0.05; done
	expect "the VM's lock is held" \
		"ERR -11 PUT /nodes/pve1/qemu/100/config: 500 can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout" \
		hostpci-set pve1 100 0 mapping=vf-100-0
	wait "$pid"
	sim config set cfs-lock-timeout 1
	: >"$tmp/held"
	sim hold-lock cfs 3 >"$tmp/held" &
	pid=$!
	until grep -q held "$tmp/held"; do sleep 0.05; done
	expect "the mapping file's lock is held for a while" 'OK 1' \
		mapping-set pve1 vf-101-0 "$entry1"
	wait "$pid"
	expect '... and a mapping goes again' 'OK null' mapping-delete vf-101-0
	sim quorum off >/dev/null
	expect 'no quorum' 'ERR -30 POST /cluster/mapping/pci: 500 .*no quorum!?' \
		mapping-set pve1 vf-101-0 "$entry1"
	sim quorum on >/dev/null
}

# Mappings

has_line() { # TEXT, in the mapping file
	grep -qxF "	$1" "$mapping"
}

test_mappings() {
	local count before after
	rm -f "$mapping"
	sim requests --clear >/dev/null
	expect 'a new mapping' 'OK 1' mapping-set pve1 vf-100-0 "$entry1" 'vfhook: VM 100 hostpci0'
	check '... stands in the file' has_line "map $entry1"
	check '... with its description' has_line 'description vfhook: VM 100 hostpci0'
	count=$(requests .)
	expect '... again: nothing is sent' 'OK 0' mapping-set pve1 vf-100-0 "$entry1"
	check '... really nothing' [ "$(requests .)" = "$count" ]
	expect '... by the same parts in another order' 'OK 0' mapping-set pve1 vf-100-0 \
		'path=0000:06:10.1,node=pve1,subsystem-id=8086:0000,id=8086:10ca,iommugroup=17'
	expect "another node's entry" 'OK 1' mapping-set pve2 vf-100-0 "$entry2"
	expect "this node's entry anew" 'OK 1' mapping-set pve1 vf-100-0 "$entry1b"
	check "... the other's is as it was" has_line "map $entry2"
	check '... the new one is there' has_line "map $entry1b"
	check '... the old one is gone' eval '! has_line "map $entry1"'
	check '... the description was kept' has_line 'description vfhook: VM 100 hostpci0'
	expect 'another description' 'OK 1' mapping-set pve1 vf-100-0 "$entry1b" 'with & + = % äöü'
	check '... is there' has_line 'description with & + = % äöü'
	expect 'an entry for another node than said' 'ERR -22 .*no entry for node pve3' \
		mapping-set pve3 vf-100-0 "$entry1"
	expect 'an id that is none' 'ERR -22 .*no mapping id' mapping-set pve1 ../x "$entry1"
	check 'a mapping is never asked for by its id' [ "$(requests '"GET".*mapping/pci/')" = 0 ]
	before=$(cat "$mapping")
	printf 'x1\n\tmap a\ny1\n' >"$mapping"
	expect 'a broken mapping file' 'ERR -121 POST .*create hardware mapping failed.*' \
		mapping-set pve1 vf-100-0 "$entry1"
	printf '%s\n' "$before" >"$mapping"
	expect 'deleting it' 'OK null' mapping-delete vf-100-0
	count=$(requests .)
	expect 'deleting what is not there' 'OK null' mapping-delete vf-100-0
	after=$(requests .)
	check '... sends nothing' [ "$count" = "$after" ]
}

test_retries() {
	local modified='500 update hardware mapping failed: detected modified configuration - file changed by other user? Try again.'
	sim requests --clear >/dev/null
	run mapping-set pve1 vf-100-0 "$entry1"
	fault status "$modified" --method PUT --count 3
	expect 'somebody else changes the file three times' 'OK 1' mapping-set pve1 vf-100-0 "$entry1b"
	check '... four tries' [ "$(requests '"PUT"')" = 4 ]
	fault status "$modified" --method PUT
	expect '... and for ever' 'ERR -11 PUT .*: 500 .*detected modified configuration.*' \
		mapping-set pve1 vf-100-0 "$entry1"
	check '... ten tries more' [ "$(requests '"PUT"')" = 14 ]
	fault status "500 update hardware mapping failed: pci ID 'vf-100-0' does not exist" \
		--method PUT --count 1
	expect 'it was deleted meanwhile' 'OK 1' mapping-set pve1 vf-100-0 "$entry1"
	fault status "500 create hardware mapping failed: pci ID 'vf-100-1' already defined" \
		--method POST --count 1
	expect 'it was made meanwhile' 'OK 1' mapping-set pve1 vf-100-1 "$entry1"
	fault status '500 something else' --method PUT
	sim requests --clear >/dev/null
	expect 'another error' 'ERR -121 PUT .*: 500 something else' mapping-set pve1 vf-100-0 "$entry1b"
	check '... is not tried again' [ "$(requests '"PUT"')" = 1 ]
	fault none
}

all_at_once() { # MAPPING-ENTRY's function digit
	local i pids=() bad=0
	for i in $(seq 0 31); do
		timeout 60 "$probe" "$root" mapping-set pve1 "vf-$((200 + i))-0" \
			"${entry1/06:10.1/06:$(printf %02x "$i").$1}" >"$tmp/many.$i" 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || bad=$((bad + 1))
	done
	out=$(cat "$tmp"/many.*)
	return "$bad"
}

test_many_at_once() {
	rm -f "$mapping"
	check '32 starts at once: all get their mapping' all_at_once 1
	out=$(cat "$mapping")
	check '... and all are in the file' [ "$(grep -c '^vf-2' "$mapping")" = 32 ]
	sim requests --clear >/dev/null
	check '32 changes at once' all_at_once 3
	out=$(cat "$mapping")
	check '... are all in the file' [ "$(grep -c '\.3,' "$mapping")" = 32 ]
	check '... and nobody was in the way of another' [ "$(requests '"status": 500')" = 0 ]
}

# VMs and tasks

test_vms() {
	local upid
	run mapping-set pve1 vf-100-0 "$entry1"
	expect 'hostpci0 is set' 'OK null' hostpci-set pve1 100 0 mapping=vf-100-0,pcie=1
	check '... in the config' grep -qx 'hostpci0: mapping=vf-100-0,pcie=1' \
		"$node_dir/qemu-server/100.conf"
	expect 'hostpci0 is deleted' 'OK null' hostpci-delete pve1 100 0
	check '... in the config' eval '! grep -q hostpci0 "$node_dir/qemu-server/100.conf"'
	expect 'a slot that is none' 'ERR -22 there is no hostpci16.*' \
		hostpci-set pve1 100 16 mapping=vf-100-0
	expect 'a VM id that is none' 'ERR -22 99 is no VM id' start pve1 99
	expect 'a node that is none' 'ERR -22 "a/b" is no node name' start a/b 100
	run call POST /nodes/pve1/qemu/100/config description=hello
	upid=$(sed -n 's/^OK "\(UPID:.*\)"$/\1/p' <<<"$out")
	expect 'a task that ends well' 'OK null' wait pve1 "$upid"
	sim config set qemu fail
	run start pve1 100
	upid=$(sed -n 's/^OK "\(UPID:.*\)"$/\1/p' <<<"$out")
	check 'a start names its task' [ -n "$upid" ]
	expect '... which fails' "ERR -121 task UPID:pve1:.*:qmstart:100:.* failed: .+" wait pve1 "$upid"
	sim config unset qemu
	fault wrong-type '{"status":"running"}' --path /tasks/
	RESTPROBE_TIMEOUT_MS=1500 expect 'a task that does not end' \
		'ERR -110 task UPID:.* still runs after 1500 ms' wait pve1 "$upid"
	fault wrong-type '{"status":"stopped","exitstatus":"WARNINGS: 2"}' --path /tasks/
	expect 'a task with warnings' 'OK null' wait pve1 "$upid"
	fault wrong-type '{"status":"stopped"}' --path /tasks/
	expect 'a task without a result' 'ERR -121 task UPID:.* failed: ended without a status' \
		wait pve1 "$upid"
	fault wrong-type 7 --path /tasks/
	expect 'a task status that is a number' 'ERR -71 task UPID:.*: the reply has no status' \
		wait pve1 "$upid"
	fault wrong-type '["x"]' --path /status/start
	expect 'a start that names no task' 'ERR -71 POST .*: the reply names no task' start pve1 100
	fault wrong-type '"UPID:pve1/../x"' --path /status/start
	expect 'a task name that is none' 'ERR -71 POST .*: the reply names no task' start pve1 100
	fault none
}

# Hostile replies

test_hostile() {
	local v='call GET /version'
	fault delay 1
	# shellcheck disable=SC2086 # the words of the call
	expect 'slow' 'OK .*' $v
	fault hang
	export RESTPROBE_TIMEOUT_MS=1500
	# shellcheck disable=SC2086
	expect 'never an answer' 'ERR -110 GET /version: pveproxy did not answer in time \(.*\)' $v
	unset RESTPROBE_TIMEOUT_MS
	fault close
	# shellcheck disable=SC2086
	expect 'closed without an answer' 'ERR -71 GET /version: no proper reply from pveproxy \(.*\)' $v
	fault close-mid
	# shellcheck disable=SC2086
	expect 'closed in the middle' 'ERR -71 GET /version: no proper reply from pveproxy \(.*\)' $v
	fault endless
	# shellcheck disable=SC2086
	expect 'an endless body' 'ERR -71 GET /version: the reply is larger than 4194304 bytes' $v
	fault huge 8
	# shellcheck disable=SC2086
	expect '8 MiB' 'ERR -71 GET /version: the reply is larger than 4194304 bytes' $v
	fault huge 3
	run call GET /version
	check '3 MiB are fine' [ "${#out}" -gt 3000000 ]
	fault truncated
	# shellcheck disable=SC2086
	expect 'JSON cut in half' 'ERR -71 GET /version: 200, but the reply is no JSON .*' $v
	fault not-json
	# shellcheck disable=SC2086
	expect 'no JSON' 'ERR -71 GET /version: 200, but the reply is no JSON .*' $v
	fault not-json '[1]'
	# shellcheck disable=SC2086
	expect 'no object' 'ERR -71 .* no JSON .*\(not an object\)' $v
	fault not-json '{}'
	# shellcheck disable=SC2086
	expect 'no data: as null' 'OK null' $v
	fault empty
	# shellcheck disable=SC2086
	expect 'an empty body' 'ERR -71 GET /version: 200, but the reply is no JSON .*' $v
	fault deep 100000
	# shellcheck disable=SC2086
	expect 'nested 100000 deep' 'ERR -71 .* no JSON .*depth.*' $v
	fault redirect http://127.0.0.1:8007/
	# shellcheck disable=SC2086
	expect 'a redirect' 'ERR -121 GET /version: 302 Found' $v
	sim requests --clear >/dev/null
	fault redirect https://localhost:8006/api2/json/nodes
	# shellcheck disable=SC2086
	expect 'a redirect to itself' 'ERR -121 GET /version: 302 Found' $v
	check '... is not followed' [ "$(requests .)" = 1 ]
	fault plain
	# shellcheck disable=SC2086
	expect 'plain HTTP' 'ERR -71 GET /version: no proper reply from pveproxy \(.*\)' $v
	fault reset
	# shellcheck disable=SC2086
	# Curl may see it while it still connects.
	expect 'a reset' 'ERR -(71 GET /version: no proper reply from pveproxy|111 GET /version: pveproxy is not reachable) \(.*\).*' $v
	fault status '500 Plain Reason' --body '<html>'
	# shellcheck disable=SC2086
	expect 'an error without JSON: its reason' 'ERR -121 GET /version: 500 Plain Reason' $v
	fault status '500 Some Reason' --body '{"data":null,"errors":[1],"message":null}'
	# shellcheck disable=SC2086
	expect 'an error with odd types: its reason' 'ERR -121 GET /version: 500 Some Reason' $v
	fault status '500 x' --body '{"message":"a\nb\tc\u001b[31m d\u0000e  f.\n"}'
	# shellcheck disable=SC2086
	expect 'control characters' 'ERR -121 GET /version: 500 a b c \[31m d e f' $v
	fault status '400 x' --body "{\"message\":\"$(head -c 100000 /dev/zero | tr '\0' m)\"}"
	run call GET /version
	check 'a long message is cut' [ "${#out}" -lt 1100 ]
	fault status "500 a $secret" --body '<'
	# shellcheck disable=SC2086
	expect 'the secret given back in the reason' 'ERR -121 GET /version: 500 a \*+' $v
	fault status '500 x' --body "{\"message\":\"Authorization: PVEAPIToken=$good_token!\"}"
	# shellcheck disable=SC2086
	expect 'the secret given back in the message' 'ERR -121 .*PVEAPIToken=vfhook@pve!hook=\*+!' $v
	fault status '500 x' --body "{\"message\":\"$(head -c 690 /dev/zero | tr '\0' m)$secret\"}"
	run call GET /version
	check '... cut in the middle' eval '[[ $out != *"${secret:0:9}"* ]]'
	fault none
	expect 'a path with a question mark' 'ERR -22 .* is no path of the API' call GET '/version?x'
	expect 'a path that climbs' 'ERR -22 .* is no path of the API' call GET /../../x
}

# TLS

# Dates of a certificate that is over. OpenSSL 3.4 can set them and refuses
# negative days; before it is the other way round.
ended() {
	if openssl x509 -help 2>&1 | grep -q -- -not_before; then
		echo '-not_before 20200101000000Z -not_after 20200201000000Z'
	else
		echo '-days -1'
	fi
}

new_cert() { # FILE-WITHOUT-SUFFIX ALT-NAMES OPENSSL-OPTIONS...
	local file=$1 names=$2
	shift 2
	openssl req -batch -new -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
		-subj /CN=test -keyout "$file.key" -out "$tmp/req" 2>/dev/null
	printf 'subjectAltName=%s\n' "$names" >"$tmp/ext"
	openssl x509 -req -in "$tmp/req" -out "$file.pem" -extfile "$tmp/ext" "$@" 2>/dev/null
}

cluster_ca() {
	echo -CA "$root/etc/pve/pve-root-ca.pem" -CAkey "$root/etc/pve/priv/pve-root-ca.key" \
		-set_serial "$RANDOM"
}

# TLS alone, with any certificate; answers every request with a web page.
start_s_server() { # FILE-WITHOUT-SUFFIX
	openssl s_server -accept 8006 -cert "$1.pem" -key "$1.key" -www >"$tmp/s_server" 2>&1 &
	serve_pid=$!
	for _ in $(seq 100); do
		grep -q ^ACCEPT "$tmp/s_server" && return
		sleep 0.05
	done
}

stop_s_server() {
	kill "$serve_pid"
	wait "$serve_pid" 2>/dev/null
	serve_pid=
}

accepts() { # what a client of the system's store thinks: python's
	python3 - <<-END
		import socket, ssl
		with socket.create_connection(("127.0.0.1", 8006)) as s:
		    context = ssl.create_default_context()
		    # 3.13 wants a key identifier in each certificate: not what is asked here.
		    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
		    context.wrap_socket(s, server_hostname="localhost").close()
	END
}

refused='ERR -71 GET /version: pveproxy.s certificate is refused'

test_cluster_certificate() {
	local ssl=$node_dir/pve-ssl
	cp "$ssl.pem" "$tmp/good.pem"
	cp "$ssl.key" "$tmp/good.key"
	# shellcheck disable=SC2046 # words of an option list
	new_cert "$ssl" DNS:elsewhere.example.net,IP:127.0.0.1 -days 10 $(cluster_ca)
	expect 'a certificate for another name' \
		"$refused .*asked for localhost, checked against /etc/pve/pve-root-ca.pem.*pvecm updatecerts.*" \
		call GET /version
	# shellcheck disable=SC2046
	new_cert "$ssl" DNS:localhost $(ended) $(cluster_ca)
	expect 'an expired certificate' "$refused .*expired.*" call GET /version
	openssl req -batch -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
		-subj '/CN=Some other CA' -keyout "$tmp/other.key" -out "$tmp/other.pem" \
		-days 10 2>/dev/null
	new_cert "$ssl" DNS:localhost -days 10 -CA "$tmp/other.pem" -CAkey "$tmp/other.key" \
		-set_serial 1
	expect 'a certificate of another CA' "$refused .*" call GET /version
	mkdir "$tmp/store"
	cp "$tmp/other.pem" "$tmp/store/ca-certificates.crt"
	cp "$tmp/other.pem" "$tmp/store/$(openssl x509 -in "$tmp/other.pem" -noout -hash).0"
	mount --bind "$tmp/store" /etc/ssl/certs
	out='python does not accept it either: the test shows nothing'
	check '... that the system trusts' accepts
	expect '... which we do not' "$refused .*" call GET /version
	umount /etc/ssl/certs
	new_cert "$ssl" DNS:localhost -days 10 -signkey "$ssl.key"
	expect 'a self-signed one in the place of the node certificate' "$refused .*" call GET /version
	cp "$tmp/good.pem" "$ssl.pem"
	cp "$tmp/good.key" "$ssl.key"
	mv "$root/etc/pve/pve-root-ca.pem" "$tmp/ca.pem"
	expect "no CA's certificate" \
		"ERR -2 pveproxy's certificate cannot be checked: read /etc/pve/pve-root-ca.pem: .*" \
		call GET /version
	echo rubbish >"$root/etc/pve/pve-root-ca.pem"
	expect "rubbish instead of the CA's certificate" 'ERR -71 GET /version: .*' call GET /version
	mv "$tmp/ca.pem" "$root/etc/pve/pve-root-ca.pem"
	expect 'all well again' 'OK .*' call GET /version
}

test_own_certificate() {
	local own=$node_dir/pveproxy-ssl i=0 names
	for names in DNS:pve.example.org DNS:*.example.org,DNS:pve1.lan DNS:*.example.org \
		IP:192.0.2.1 IP:fd00:0:0:0:0:0:0:1; do
		openssl ecparam -name prime256v1 -genkey -noout -out "$own.key" 2>/dev/null
		openssl req -batch -x509 -key "$own.key" -subj /CN=own -days 10 \
			-addext "subjectAltName=$names" -out "$own.pem" 2>/dev/null
		expect "an own self-signed certificate for $names" 'OK .*' call GET /version
	done
	openssl req -batch -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
		-subj '/CN=Company CA' -keyout "$tmp/company.key" -out "$tmp/company.pem" \
		-days 10 2>/dev/null
	new_cert "$own" DNS:pve.example.org -days 10 -CA "$tmp/company.pem" \
		-CAkey "$tmp/company.key" -set_serial 1
	expect 'an own certificate of another CA, without that' 'OK .*' call GET /version
	cat "$tmp/company.pem" >>"$own.pem"
	expect '... with it' 'OK .*' call GET /version
	new_cert "$tmp/impostor" DNS:pve.example.org -days 10 -CA "$tmp/other.pem" \
		-CAkey "$tmp/other.key" -set_serial 2
	stop_sim
	start_s_server "$tmp/impostor"
	expect 'another certificate than the own one is presented' \
		"$refused .*asked for pve.example.org, checked against /etc/pve/local/pveproxy-ssl.pem.*" \
		call GET /version
	stop_s_server
	rm "$own.key"
	start_s_server "$tmp/good"
	expect 'an own certificate without its key: pveproxy does not take it, nor do we' \
		'ERR -71 GET /version: 200, but the reply is no JSON .*' call GET /version
	stop_s_server
	start_sim
	# shellcheck disable=SC2046 # words on purpose
	new_cert "$own" DNS:pve.example.org $(ended) -signkey "$own.key"
	expect 'an own certificate that is out of date' 'ERR -71 GET /version: .*' call GET /version
	openssl req -batch -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
		-subj /CN=nothing -keyout "$own.key" -out "$own.pem" -days 10 2>/dev/null
	expect 'an own certificate without names' \
		'ERR -22 /etc/pve/local/pveproxy-ssl.pem: its first certificate has no subjectAltName' \
		call GET /version
	rm "$own.pem" "$own.key"
}

# Where we connect to, and what must not have a say in it

test_surroundings() {
	local defaults=$root/etc/default/pveproxy
	mkdir -p "$root/etc/default"
	printf '# LISTEN_IP="10.0.0.1"\nLISTEN_IP="::1" # here\n' >"$defaults"
	expect 'LISTEN_IP: IPv6' 'OK .*' call GET /version
	echo "LISTEN_IP='::'" >"$defaults"
	expect 'LISTEN_IP: any IPv6' 'OK .*' call GET /version
	echo 'LISTEN_IP=0.0.0.0' >"$defaults"
	expect 'LISTEN_IP: any IPv4' 'OK .*' call GET /version
	echo 'LISTEN_IP="127.0.0.9"' >"$defaults"
	expect 'LISTEN_IP: an address' 'ERR -111 .*127.0.0.9.*' call GET /version
	echo 'LISTEN_IP="$(hostname)"' >"$defaults"
	expect 'LISTEN_IP: no address' 'ERR -22 /etc/default/pveproxy: LISTEN_IP=.* is no address' \
		call GET /version
	rm "$defaults"
	export https_proxy=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 ALL_PROXY=socks5://127.0.0.1:9
	expect 'a proxy in the environment' 'OK .*' call GET /version
	unset https_proxy HTTPS_PROXY ALL_PROXY
	mkdir "$tmp/home"
	echo 'machine localhost login root password x' >"$tmp/home/.netrc"
	HOME=$tmp/home expect 'a .netrc' 'OK .*' call GET /version
	(
		ulimit -l 0
		run call GET /version
		[[ $out == OK* ]]
	)
	check 'no locked memory allowed' [ $? = 0 ]
}

# A request that could not be sent may be sent all the same, by the next call over that connection (which
# must be the longer one), whose answer it would get then.
test_broken_off() {
	local wrong='' tried=0
	while :; do
		"$build/tests/killat" -o "$tmp/broken" -f "$((tried + 1))" -w sendto -e 105 -- "$probe-plain" "$root" gets /nodes /version >"$tmp/gets" 2>&1
		grep -q ' hit sendto ' "$tmp/broken" || break
		tried=$((tried + 1))
		grep -qE '^(OK \{|ERR )' "$tmp/gets" || wrong+=" $tried: $(head -c 100 "$tmp/gets")"
	done
	[ "$tried" -gt 2 ] || wrong+=" only $tried tried"
	check "a request that could not be sent: its answer is never the next one's$wrong" [ -z "$wrong" ]
}

setup
test_token
test_known_replies
test_locks
test_mappings
test_retries
test_many_at_once
test_vms
test_hostile
test_broken_off
test_cluster_certificate
test_own_certificate
test_surroundings
echo "1..$n"
[ "$failed" = 0 ]
