# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# lib.sh - helpers for scripts that run in the rig's host guest; bash, to be
# sourced.  PF stands for a PCI address or an interface name, VF_ADDR for a PCI
# address.  Functions that fail return non-zero and say why on stderr.

: "${RIG_TOP:=$(cd -- "${BASH_SOURCE[0]%/*}/../.." && pwd)}"

# --- TAP -----------------------------------------------------------------------

# A script may go on counting where another ended (TAP_START) and leave the plan
# to whoever runs both (TAP_NO_PLAN).
tap_n=${TAP_START:-0}
tap_failed=0

ok() { printf 'ok %d - %s\n' $((++tap_n)) "$*"; }

# not_ok DESCRIPTION [DIAGNOSTIC...]
not_ok() {
	printf 'not ok %d - %s\n' $((++tap_n)) "$1"
	tap_failed=$((tap_failed + 1))
	shift
	(($# == 0)) || diag "$@"
}

# skip DESCRIPTION REASON
skip() { printf 'ok %d - %s # SKIP %s\n' $((++tap_n)) "$1" "${2:-}"; }

# diag LINES...
diag() { printf '%s\n' "$@" | sed 's/^/# /'; }

# is GOT WANT DESCRIPTION
is() {
	if [[ $1 == "$2" ]]; then
		ok "$3"
	else
		not_ok "$3" "got:  $1" "want: $2"
	fi
}

# like GOT REGEX DESCRIPTION
like() {
	if [[ $1 =~ $2 ]]; then
		ok "$3"
	else
		not_ok "$3" "got:   $1" "regex: $2"
	fi
}

# try DESCRIPTION COMMAND... - ok if the command succeeds, its output if not.
try() {
	local desc=$1 out rc=0
	shift
	out=$("$@" 2>&1) || rc=$?
	if ((rc == 0)); then
		ok "$desc"
	else
		not_ok "$desc" "exit $rc: $*" ${out:+"$out"}
	fi
}

done_testing() {
	[[ -n ${TAP_NO_PLAN:-} ]] || printf '1..%d\n' "$tap_n"
	((tap_failed == 0)) || diag "$tap_failed of $tap_n failed"
	exit $((tap_failed != 0))
}

# --- PFs and VFs ------------------------------------------------------------------

rig_err() { printf 'lib.sh: %s\n' "$*" >&2; return 1; }

# One line for each PF: PCI address and interface name.
rig_pfs() {
	local d n
	for d in /sys/bus/pci/devices/*/sriov_totalvfs; do
		d=${d%/*}
		n=$(echo "$d"/net/*)
		[[ -e $n ]] && printf '%s %s\n' "${d##*/}" "${n##*/}"
	done
}

# PCI address of a PF given by either.
pf_addr() {
	if [[ -e /sys/bus/pci/devices/$1 ]]; then
		echo "$1"
	elif [[ -e /sys/class/net/$1/device ]]; then
		basename -- "$(readlink -f -- "/sys/class/net/$1/device")"
	else
		rig_err "no PF $1"
	fi
}

# Interface name of a PF given by either.
pf_if() {
	local a n
	a=$(pf_addr "$1") || return
	n=$(echo "/sys/bus/pci/devices/$a/net/"*)
	[[ -e $n ]] || rig_err "$1 has no interface" || return
	echo "${n##*/}"
}

# rig_make_vfs PF N - N fresh VFs (all settings forgotten), without a driver.
rig_make_vfs() {
	local d
	d=/sys/bus/pci/devices/$(pf_addr "$1") || return
	ip link set dev "$(pf_if "$1")" up || return
	echo 0 >"$d/sriov_drivers_autoprobe" || return
	# From N to M goes through 0.
	[[ $(<"$d/sriov_numvfs") == 0 ]] || echo 0 >"$d/sriov_numvfs" || return
	echo "$2" >"$d/sriov_numvfs"
}

# vf_addr PF INDEX
vf_addr() {
	local a l
	a=$(pf_addr "$1") || return
	l=/sys/bus/pci/devices/$a/virtfn$2
	[[ -e $l ]] || rig_err "$1 has no VF $2" || return
	basename -- "$(readlink -- "$l")"
}

# The kernel's table of a PF's VFs, a line each.
vf_show() {
	local i
	i=$(pf_if "$1") || return
	ip -d link show dev "$i" | sed -n 's/^ *vf /vf /p' | tr -s ' '
}

# vf_mac PF INDEX - the MAC in the PF's table.
vf_mac() {
	vf_show "$1" | sed -n "s:^vf $2 link/ether \([0-9a-f\:]*\).*:\1:p"
}

# IOMMU group of a device.
pci_group() {
	basename -- "$(readlink -- "/sys/bus/pci/devices/$1/iommu_group")"
}

# Name of a device's driver, "none" if it has none.
pci_driver() {
	local l
	l=$(readlink -- "/sys/bus/pci/devices/$1/driver") || l=none
	echo "${l##*/}"
}

# pci_bind ADDR DRIVER - by driver_override: a plain bind fails with ENODEV while
# the PF's autoprobe is off.  "none" only takes the driver away.
pci_bind() {
	local d=/sys/bus/pci/devices/$1
	if [[ -e $d/driver ]]; then
		echo "$1" >"$d/driver/unbind" || return
	fi
	if [[ $2 == none ]]; then
		echo >"$d/driver_override"
		return
	fi
	echo "$2" >"$d/driver_override" || return
	echo "$1" >/sys/bus/pci/drivers_probe || return
	[[ $(pci_driver "$1") == "$2" ]] || rig_err "$1: $2 did not take it"
}

# The MAC that a VF driver would get, "none" if it would have to make one up.
# Not while a driver or a running guest has the VF.
vf_mac_as_guest() {
	local prog=$RIG_TOP/build/tests/vfmbx
	if [[ ! -x $prog ]]; then
		prog=/run/rig/vfmbx
		[[ -x $prog ]] || cc -O -o "$prog" "$RIG_TOP/tests/e2e/vfmbx.c" || return
	fi
	"$prog" "$1"
}

# --- the nested guest ----------------------------------------------------------------

# nested_argv [--cold] [WORD...] - fill the array NESTED_ARGV with the command that
# starts a nested guest, complete but for -id, -name, -pidfile, -serial and
# `-device vfio-pci,host=ADDR`: one that has booted already, or with --cold one
# that boots.  Words for nested-init may follow: g_ip=10.9.0.2/24 g_ping=10.9.0.1
# g_vlan=ID g_mac=MAC g_stay.  The same list is in build/rig/nested.json.
nested_argv() {
	local json=$RIG_TOP/build/rig/nested.json key=argv
	if [[ ${1:-} == --cold ]]; then
		key=cold
		shift
	fi
	mapfile -d '' -t NESTED_ARGV < <(/usr/bin/python3 -ISc '
import json, sys
for word in json.load(open(sys.argv[1]))[sys.argv[2]]:
    sys.stdout.write(word + "\0")' "$json" "$key")
	((${#NESTED_ARGV[@]})) || rig_err "cannot read $json" || return
	(($# == 0)) || NESTED_ARGV+=(-fw_cfg "name=opt/vfhook/words,string=$*")
}

# nested_guest VF_ADDR [--timeout SEC] [--cold] [WORD...] - run a guest that has the
# VF (bound to vfio-pci before), print its "guest: " lines, return when it is off.
# With g_stay: start it with & and kill it.
nested_guest() {
	local addr=$1 limit=400 NESTED_ARGV
	shift
	if [[ ${1:-} == --timeout ]]; then
		limit=$2
		shift 2
	fi
	[[ $(pci_driver "$addr") == vfio-pci ]] || rig_err "$addr is not bound to vfio-pci" || return
	nested_argv "$@" || return
	timeout -k 5 "$limit" "${NESTED_ARGV[@]}" -serial stdio -device "vfio-pci,host=$addr" </dev/null 2>&1 |
		tr -d '\r' | grep -v '^ *$'
	return "${PIPESTATUS[0]}"
}

# --- boot-rig's machine ------------------------------------------------------------------

# boot_rename MAC NAME - the interface with this MAC has this name from the next boot on,
# by a .link file such as pve-network-interface-pinning writes.
boot_rename() {
	printf '[Match]\nMACAddress=%s\nType=ether\n\n[Link]\nName=%s\n' "$1" "$2" \
		>"/usr/local/lib/systemd/network/50-pve-$2.link"
}
