# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# lib.sh - a node in a folder: the PVE simulator with a made-up sysfs, real
# files, real HTTPS on port 8006 of a network namespace of its own, and vfhook
# as hookscript. To be sourced; the first thing it does is to start the script
# again inside that namespace.

top=$(cd -- "${BASH_SOURCE[0]%/*}/../.." && pwd)
: "${BUILD:=$top/build}"

# Debian's python3, as in the Makefile.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

if [[ -z ${VFHOOK_IN_NETNS:-} ]]; then
	VFHOOK_IN_NETNS=1 exec unshare --net --uts --mount -- bash "$0" "$@"
fi
ip link set lo up
hostname pve1

# shellcheck source=tests/e2e/lib.sh
. "$top/tests/e2e/lib.sh"

# LeakSanitizer cannot look at a process that forbids core files, and a test
# must not depend on whether a leak is seen in time.
# Short stacks of allocations: the tests start thousands of these programs.
export ASAN_OPTIONS=detect_leaks=0:malloc_context_size=4
export UBSAN_OPTIONS=print_stacktrace=1

sim=$top/tests/sim/pvesim
node_root=
# The other node of the cluster, if second_node_up made one: its root, and a process with its
# network and host name.
node2_root=
node2_pid=

# program_of KIND ARGUMENT... - which program, of that kind, has this call: program is its path. A
# phase is called by PVE and a job by us, all else by a person, dry runs too.
program_of() {
	local name=vfhook
	[[ ! ${2:-} =~ ^([0-9]+|job|write-job|restart-job|watch)$ ]] || name=hook
	program=$BUILD/tests/$name-$1
}

# The programs under test in the tree, with PVE's environment around them.
vfhook() {
	local program
	program_of fake "$@"
	"$program" --root "$node_root" "$@"
}
# The same without sanitizers.
plain() {
	local program
	program_of plain "$@"
	"$program" --root "$node_root" "$@"
}
sim() { "$sim" --root "$node_root" "$@"; }
qm() { "$top/tests/sim/qm" --root "$node_root" "$@"; }
pct() { "$top/tests/sim/pct" --root "$node_root" "$@"; }

# end_qemus [ROOT] - those of a node, pve1 by itself, that still run: by their pid files, and only if the process
# of that number names its file, or the root (the stand-in does, in its environment).
end_qemus() {
	local f pid root=${1:-$node_root}
	for f in "$root"/run/qemu-server/*.pid; do
		[[ -s $f ]] || continue
		pid=$(<"$f")
		[[ $pid =~ ^[0-9]+$ ]] || continue
		if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "-pidfile $root/" ||
			tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qxF -- "PVESIM_ROOT=$root"; then
			kill "$pid"
		fi
	done
}

# node_down - end the simulator, forget the tree.
node_down() {
	[[ -n $node_root ]] || return 0
	second_node_down
	sim stop >/dev/null 2>&1
	end_qemus "$node_root"
	rm -rf -- "$node_root"
	node_root=
}
trap node_down EXIT
trap 'exit 143' TERM INT

readonly token_id='vfhook@pve!hook'
readonly -a token_privs=(/vms:VM.Config.HWType,VM.PowerMgmt /mapping/pci:Mapping.Use,Mapping.Modify)

# node_up [MKTREE-PF-ARG]... - a fresh node with these PFs; default: one igb with 7 VFs.
node_up() {
	local pf
	local -a args=()
	node_down
	node_root=$(mktemp -d /tmp/vfhook-node.XXXXXX)
	(($# > 0)) || set -- 0000:06:00.0,driver=igb,ifname=enp6s0f0,vfs=7,numvfs=7,up=1,autoprobe=0
	for pf; do args+=(--pf "$pf"); done
	sim init --node pve1 >/dev/null
	furnish "$node_root" "${args[@]}"
	sim token add "$token_id" --privs "${token_privs[@]}" >"$node_root/token.new"
	install -m 600 "$node_root/token.new" "$node_root/etc/pve/priv/vfhook.token"
	rm "$node_root/token.new"
}

# furnish ROOT MKTREE-ARG... - what both nodes have: knobs, PFs, the programs.
furnish() {
	local root=$1
	shift
	"$sim" --root "$root" config set lock-timeout 2 >/dev/null
	"$sim" --root "$root" config set auth-delay 0 >/dev/null
	"$sim" --root "$root" mktree "$@" >/dev/null
	ln -s /proc "$root/proc"
	mkdir -p "$root/var/lib/vz/snippets" "$root/usr/sbin"
	wrapper "$root/var/lib/vz/snippets/vfhook" "$BUILD/tests/hook-fake" "$root"
	wrapper "$root/usr/sbin/vfhook" "$BUILD/tests/vfhook-fake" "$root"
	wrapper "$root/usr/sbin/qm" "$top/tests/sim/qm" "$root"
	wrapper "$root/usr/sbin/pct" "$top/tests/sim/pct" "$root"
}

# wrapper PATH PROGRAM ROOT
wrapper() {
	printf '#!/bin/sh\nexec %q --root %q "$@"\n' "$2" "$3" >"$1"
	chmod 755 "$1"
}

# second_node_up [MKTREE-PF-ARG]... - node pve2 beside pve1, in the same cluster: /etc/pve is one,
# all else is its own, network (so it has a port 8006, too) and host name as well. What pve2's own
# programs do goes through on2, sim2, qm2 and vfhook2; pve2_up starts its daemons.
second_node_up() {
	local pf
	local -a args=()
	node2_root=$(mktemp -d /tmp/vfhook-node.XXXXXX)
	(($# > 0)) || set -- 0000:81:00.0,driver=igb,ifname=enp129s0f0,vfs=7,numvfs=7,up=1,autoprobe=0
	for pf; do args+=(--pf "$pf"); done
	sim2 init --node pve2 --join "$node_root" >/dev/null || return 1
	furnish "$node2_root" "${args[@]}"
	unshare --net --uts -- sh -c 'ip link set lo up; hostname pve2; exec sleep infinity' &
	node2_pid=$!
	wait_for 10 is_pve2
	sim own-namespaces $$
	sim2 own-namespaces "$node2_pid"
}
# shellcheck disable=SC2317 # called by wait_for
is_pve2() { [[ $(on2 hostname) == pve2 ]]; }

second_node_down() {
	[[ -n $node2_root ]] || return 0
	sim2 stop >/dev/null 2>&1
	end_qemus "$node2_root"
	[[ -z $node2_pid ]] || kill "$node2_pid"
	node2_pid=
	sim2 leave
	rm -rf -- "$node2_root"
	node2_root=
}

# on2 PROGRAM... - run it as a process of pve2.
on2() { nsenter --target "$node2_pid" --net --uts -- "$@"; }
sim2() { "$sim" --root "$node2_root" "$@"; }
qm2() { on2 "$top/tests/sim/qm" --root "$node2_root" "$@"; }
vfhook2() {
	local program
	program_of fake "$@"
	on2 "$program" --root "$node2_root" "$@"
}

# pve_up - start pveproxy, pvedaemon and qmeventd; pve2_up - those of pve2.
pve_up() { serve "$node_root"; }
pve2_up() { serve "$node2_root" nsenter --target "$node2_pid" --net --uts --; }

# serve ROOT [BEFORE]...
serve() {
	local root=$1
	shift
	: >"$root/serve.log"
	"$@" "$sim" --root "$root" serve >>"$root/serve.log" 2>&1 &
	for _ in {1..200}; do
		grep -q ready "$root/serve.log" && return 0
		sleep 0.05
	done
	diag "the simulator did not start:" "$(cat "$root/serve.log")"
	return 1
}

# cfg - write /etc/pve/vfhook.cfg from standard input.
cfg() { cat >"$node_root/etc/pve/vfhook.cfg"; }

# wan_pool PORT-LINES... - one pool 'wan' on the first PF, and what comes behind it.
wan_cfg() {
	{
		printf 'pool: wan\n\tpf node=pve1,path=0000:06:00.0\n\n'
		cat
	} | cfg
}

# vm VMID [QM-SET-ARG]... - a VM with the hookscript.
vm() {
	local id=$1
	shift
	qm create "$id" --name "vm$id" >/dev/null
	qm set "$id" --hookscript local:snippets/vfhook "$@" >/dev/null
}

# fake_set IFNAME JQ-like PYTHON-expression - change the fake kernel's page: p is the dict.
fake_set() {
	python3 - "$node_root/fake-kernel/$1.json" "$2" <<'PY'
import json, os, sys
path, code = sys.argv[1:]
os.makedirs(os.path.dirname(path), exist_ok=True)
p = json.load(open(path)) if os.path.exists(path) and os.path.getsize(path) else \
    {"up": True, "carrier": True, "vfs": [], "quirks": []}
exec(code)
json.dump(p, open(path, "w"))
PY
}

# vf_get IFNAME INDEX KEY - one value of the fake kernel's VF table.
vf_get() {
	python3 -c 'import json,sys
v=json.load(open(sys.argv[1]))["vfs"][int(sys.argv[2])].get(sys.argv[3])
print({True:"on",False:"off"}.get(v,v) if isinstance(v,bool) else v)' \
		"$node_root/fake-kernel/$1.json" "$2" "$3"
}

# fake_vfio GROUP [ERRNO] - what opening /dev/vfio/GROUP answers from now on (EBUSY, EIO, ...); as ever without.
fake_vfio() {
	mkdir -p "$node_root/fake-kernel"
	if [[ -n ${2:-} ]]; then
		python3 -c 'import errno,sys; print(getattr(errno, sys.argv[1]))' "$2" >"$node_root/fake-kernel/vfio-$1"
	else
		rm -f "$node_root/fake-kernel/vfio-$1"
	fi
}

# fake_get IFNAME KEY - a number that the fake kernel keeps of that PF ("sets-refused"), 0 without.
fake_get() {
	python3 -c 'import json,sys; print(json.load(open(sys.argv[1])).get(sys.argv[2], 0))' \
		"$node_root/fake-kernel/$1.json" "$2"
}

# lease_count - how many VFs are leased; also counts what must not be there.
lease_count() {
	local -a all
	shopt -s nullglob dotglob
	all=("$node_root"/run/vfhook/leases/*)
	shopt -u nullglob dotglob
	echo ${#all[@]}
}

# wait_for SECONDS COMMAND... - until the command succeeds.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

# no_job - of ours runs on either node: none changes anything, or asks PVE, behind a test's back.
no_job() { ! pgrep -f -- "--root ($node_root|$node2_root) ([a-z]+-)?job " >/dev/null; }

vm_runs() { [[ $(qm status "$1") == *running* ]]; }

# host_netdev VF IFNAME DRIVER - the host's own driver has the VF, its interface is up.
host_netdev() {
	local dev=$node_root/sys/bus/pci/devices/$1
	mkdir -p "$dev/net/$2" "$node_root/sys/bus/pci/drivers/$3" "$node_root/sys/class/net/$2"
	echo 77 >"$dev/net/$2/ifindex"
	echo 0x1003 >"$node_root/sys/class/net/$2/flags"
	rm -f "$dev/driver"
	ln -s "../../../bus/pci/drivers/$3" "$dev/driver"
	printf '(null)\n' >"$dev/driver_override"
}

# is_locked FILE - somebody has a flock on it.
is_locked() { ! flock -n "$1" true; }

# stopped NAME PATH-END COMMAND... - run the program in the background, stopped before it opens a
# file whose path ends so (STOP_MODE=w: for writing); its output goes to $node_root/NAME.out.
# Returns when it is there; go_on NAME lets it go and waits for its end, whose status it returns.
declare -A stopped_pid=()
stopped() {
	local name=$1 end=$2 program
	shift 2
	program_of plain "$@"
	STOP_PATH=$end STOP_FLAG=$node_root/$name LD_PRELOAD=$BUILD/tests/stopat.so \
		"$program" --root "$node_root" "$@" >"$node_root/$name.out" 2>&1 &
	stopped_pid[$name]=$!
	wait_for 30 test -e "$node_root/$name.reached" -o ! -d "/proc/${stopped_pid[$name]}"
	[[ -e $node_root/$name.reached ]]
}
go_on() {
	: >"$node_root/$1.go"
	wait "${stopped_pid[$1]}"
}

# lease_of ADDRESS - "VM phase", or nothing.
lease_of() {
	python3 -c 'import json,sys
l=json.load(open(sys.argv[1])); print(l["vmid"], l["phase"])' "$node_root/run/vfhook/leases/$1" 2>/dev/null
}
