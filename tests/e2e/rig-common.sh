# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# rig-common.sh - what rig and boot-rig share: options, initramfs, QEMU's arguments,
# and running it. To be sourced by bash scripts that have a usage() of their own.
# shellcheck disable=SC2034 # the variables are for whoever sources this

here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd)
top=$(cd -- "$here/../.." && pwd)
rig=$top/build/rig
me=${0##*/}
PATH=$PATH:/usr/sbin:/sbin

# For the tests.  In the initramfs of `rig` too: modprobe over 9p, with modules to
# unpack, takes a second longer.
readonly GUEST_MODULES=(igb igbvf vfio-pci vfio_iommu_type1 8021q bridge veth)

die() { printf '%s: %s\n' "$me" "$*" >&2; exit 125; }
misuse() { printf '%s: %s\n' "$me" "$*" >&2; usage >&2; exit 2; }

tmp=
qemu_pid=
tail_pid=

# shellcheck disable=SC2317 # called by trap
cleanup() {
	trap - EXIT INT TERM HUP
	[[ -z $qemu_pid ]] || { kill "$qemu_pid" && wait "$qemu_pid"; } 2>/dev/null || :
	[[ -z $tail_pid ]] || { kill "$tail_pid" && wait "$tail_pid"; } 2>/dev/null || :
	[[ -z $tmp ]] || rm -rf -- "$tmp"
}

# Set tmp, a folder for this run that goes with it.
make_tmp() {
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/vfhook-rig.XXXXXX")
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
}

# Set kver, if rig-setup has been here.
need_setup() {
	if [[ ! -f $rig/kver || ! -f $rig/vmlinux ]] || ! command -v qemu-system-x86_64 >/dev/null; then
		die 'not set up; run tests/e2e/rig-setup as root first'
	fi
	read -r kver <"$rig/kver"
}

# --- options -----------------------------------------------------------------

default_options() {
	pfs='' topology=root-port slot=1 mem=2048 cpus=2 timeout=600 accel=auto log='' vars=() shell=''
	iommu=on append='' nvme=''
}

# common_option NAME VALUE - take an option that both have; fails for another.
common_option() {
	case $1 in
	--pfs) pfs=$2 ;;
	--topology) topology=$2 ;;
	--mem) mem=$2 ;;
	--cpus) cpus=$2 ;;
	--timeout) timeout=$2 ;;
	--accel) accel=$2 ;;
	--iommu) iommu=$2 ;;
	--append) append=$2 ;;
	--nvme) nvme=$2 ;;
	--log) log=$2 ;;
	--var|--vars)
		[[ $2 =~ ^[A-Za-z_][A-Za-z0-9_]*= ]] || misuse "$1 $2: not NAME=VALUE"
		vars+=("$2") ;;
	*) return 1 ;;
	esac
}

check_options() {
	case $topology in
	root-port|no-acs|switch|pcie.0) : "${pfs:=1}" ;;
	two-pfs|swapped) : "${pfs:=2}" ;;
	*) misuse "unknown topology $topology" ;;
	esac
	[[ $pfs =~ ^[1-7]$ ]] || misuse "--pfs $pfs: not 1 to 7"
	[[ $slot =~ ^[1-9]$ ]] || misuse "--slot $slot: not 1 to 9"
	[[ $mem =~ ^[1-9][0-9]*$ && $cpus =~ ^[1-9][0-9]*$ && $timeout =~ ^[1-9][0-9]*$ ]] ||
		misuse '--mem, --cpus and --timeout want a number'
	[[ $nvme =~ ^([1-9][0-9]?)?$ ]] || misuse "--nvme $nvme: not 1 to 99"
	[[ $iommu == @(on|no-intremap|off) ]] || misuse "--iommu $iommu: not on, no-intremap or off"
	[[ $accel == @(auto|tcg|kvm) ]] || misuse "--accel $accel: not auto, tcg or kvm"
}

# --- initramfs ---------------------------------------------------------------

# Print the modules named and all they depend on, as paths below
# lib/modules/$kver, in the order to load them.
module_files() {
	local m
	for m; do
		modprobe -d "$rig/kernel" -S "$kver" --show-depends "$m"
	done | sed -n "s:^insmod .*/lib/modules/[^/]*/\([^ ]*\).*:\1:p" | awk '!seen[$0]++'
}

# Put the module file $1, a path below lib/modules/$kver, into directory $2 and
# print its name.  Debian compresses modules and busybox's insmod wants them plain.
put_module() {
	local from=$rig/kernel/lib/modules/$kver/$1 name=${1##*/}
	name=${name%.xz}
	case $from in
	*.xz) xz -dc -- "$from" >"$2/$name" ;;
	*) cp -- "$from" "$2/$name" ;;
	esac
	echo "$name"
}

# Write an initramfs to $1: the init script $2, busybox under the names in $3,
# module $4 (unless empty) for the script to load, and the modules that follow,
# for it to load at its start.
write_initrd() {
	local out=$1 init=$2 applets=$3 late=$4 dir m f
	shift 4

	dir=$(mktemp -d "$tmp/cpio.XXXXXX")
	chmod 755 "$dir"
	mkdir -p "$dir"/{bin,modules,proc,sys,dev,lower,rw,new}
	cp -- "$(command -v busybox)" "$dir/bin/busybox"
	for m in $applets; do
		ln -s busybox "$dir/bin/$m"
	done
	install -m 755 -- "$init" "$dir/init"
	# Where busybox is the only shell there is.
	sed -i '1s:.*:#!/bin/sh:' "$dir/init"
	if [[ -n $late ]]; then
		mkdir "$dir/modules/late"
		put_module "$(module_files "$late")" "$dir/modules/late" >/dev/null
	fi
	while read -r f; do
		put_module "$f" "$dir/modules" >>"$dir/modules/order"
	done < <(module_files "$@")
	[[ -s $dir/modules/order ]] || die 'no modules for the initramfs; run rig-setup'
	(cd -- "$dir" && find . | cpio --quiet -o -H newc -R 0:0) >"$out.$$"
	# Renamed into place: another rig may be reading or writing the same one.
	mv -- "$out.$$" "$out"
}

# write_job NAME=VALUE... - the part of this run: the command and its variables, and
# what the initramfs is to know.  A second cpio behind the first, $initrd: the kernel
# unpacks one after the other.
write_job() {
	local dir=$tmp/job v
	mkdir -p "$dir/job"
	for v in "RIG_TOP=$top" "RIG_KVER=$kver" "$@"; do
		printf '%s=%q\n' "${v%%=*}" "${v#*=}"
	done >"$dir/job/vars"
	{
		printf 'export RIG=1 RIG_TOPOLOGY=%q RIG_PFS=%q RIG_TOP=%q RIG_ACCEL=%q\n' \
			"$topology" "$pfs" "$top" "$accel"
		for v in "${vars[@]}"; do
			printf 'export %s=%q\n' "${v%%=*}" "${v#*=}"
		done
		printf 'exec'
		((${#command[@]} == 0)) || printf ' %q' "${command[@]}"
		printf '\n'
	} >"$dir/job/command"
	(cd -- "$dir" && find job | cpio --quiet -o -H newc -R 0:0) >"$tmp/job.cpio"
	cat -- "$initrd" "$tmp/job.cpio" >"$tmp/initrd.img"
}

# --- QEMU ----------------------------------------------------------------------

# machine_args SHARE - fill the array args: the machine, with folder SHARE read-only
# over 9p under the tag rigroot, without any PF.
# shellcheck disable=SC2054 # the commas are QEMU's
machine_args() {
	# kernel-irqchip=split: what interrupt remapping wants under KVM. no_timer_check: on a
	# busy machine the emulated timer seems not to work, and the kernel gives up.
	args=(
		-M q35,kernel-irqchip=split -cpu max -smp "$cpus" -m "$mem"
		-nodefaults -no-user-config -display none -no-reboot
		-kernel "$rig/vmlinux" -initrd "$tmp/initrd.img"
		-append "console=ttyS0 quiet loglevel=4 panic=-1 intel_iommu=on iommu=pt nohz=off highres=off no_timer_check $append"
		-device isa-debug-exit,iobase=0xf4,iosize=0x04
		-chardev "file,id=con,path=$tmp/console" -serial chardev:con
		# From the top of the bus, so that the igb's addresses stay what they are
		# whatever else we add.  ioeventfd=off: a write has reached the file
		# before the guest goes on, so nothing is lost at exit.
		-device virtio-serial-pci,addr=1e.0,ioeventfd=off
		-chardev "file,id=ctl,path=$tmp/ctl" -device virtserialport,chardev=ctl,name=ctl
		-fsdev "local,id=root,path=$1,security_model=none,readonly=on,multidevs=remap"
		-device virtio-9p-pci,addr=1d.0,fsdev=root,mount_tag=rigroot
		-object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,addr=1c.0,rng=rng
		# One network for all PFs.  No IPv6: its router advertisements would give
		# addresses to interfaces that a test expects to have none.
		-netdev user,id=up,restrict=on,ipv6=off -netdev hubport,id=up0,hubid=0,netdev=up
	)
	case $iommu in
	on) args+=(-device intel-iommu,intremap=on,caching-mode=on) ;;
	no-intremap) args+=(-device intel-iommu,intremap=off,caching-mode=on) ;;
	esac
	if [[ $accel == kvm ]]; then
		args+=(-accel kvm)
	else
		args+=(-accel tcg,thread=multi)
	fi
	if [[ -n $shell ]]; then
		args+=(-chardev stdio,id=out,signal=off -device virtconsole,chardev=out)
	else
		args+=(-chardev "file,id=out,path=$tmp/out" -device virtserialport,chardev=out,name=out)
	fi
}

# Add the PFs to args: the first in slot $slot, empty ports before it.  Each port is a
# bus, so that is also the number of the PF's bus.
# shellcheck disable=SC2054 # the commas are QEMU's
nic_args() {
	local i nic port n

	for ((i = 1; i < slot; i++)); do
		args+=(-device "pcie-root-port,id=rp$i,slot=$i,chassis=$i,addr=$i.0")
	done
	for ((n = 1; n <= pfs; n++)); do
		i=$((slot + n - 1))
		nic=igb,netdev=n$n,mac=52:54:00:aa:00:0$n
		[[ $topology != swapped ]] || nic=igb,netdev=n$n,mac=52:54:00:aa:00:0$((pfs + 1 - n))
		port=id=rp$i,slot=$i,chassis=$i,addr=$i.0
		args+=(-netdev "hubport,id=n$n,hubid=0")
		case $topology in
		root-port|two-pfs|swapped)
			args+=(-device "pcie-root-port,$port" -device "$nic,bus=rp$i") ;;
		no-acs)
			args+=(-device "pcie-root-port,$port,disable-acs=on" -device "$nic,bus=rp$i") ;;
		switch)
			args+=(-device "pcie-root-port,$port" -device "x3130-upstream,id=up$i,bus=rp$i"
				-device "xio3130-downstream,id=dn$i,bus=up$i,chassis=1$i,slot=1$i"
				-device "$nic,bus=dn$i") ;;
		pcie.0)
			args+=(-device "$nic,bus=pcie.0,addr=$i.0") ;;
		esac
	done
	[[ -z $nvme ]] || nvme_args
}

# Add a PF that is no network card's: an NVMe drive that can have $nvme VFs, behind the ports of the others.
# shellcheck disable=SC2054 # the commas are QEMU's
nvme_args() {
	truncate -s 16M "$tmp/nvme.img"
	args+=(-device nvme-subsys,id=sub0 -drive "file=$tmp/nvme.img,if=none,id=nd0,format=raw"
		-device pcie-root-port,id=rpn,slot=8,chassis=8,addr=8.0
		-device "nvme,bus=rpn,id=n0,serial=vfhook 1,subsys=sub0,sriov_max_vfs=$nvme,sriov_vq_flexible=$((2 * nvme)),sriov_vi_flexible=$nvme"
		-device nvme-ns,drive=nd0,bus=n0)
}

# KVM counts only if a guest really boots with it and gets its VFs: /dev/kvm
# may be there and be unable to run an ordinary guest.  Asked once per machine.
choose_accel() {
	local cache=$rig/accel key
	[[ $accel == auto ]] || return 0
	accel=tcg
	[[ -w /dev/kvm ]] || return 0
	key="$(uname -r) $(qemu-system-x86_64 -version | head -n 1) $kver"
	if [[ -f $cache && $(head -n 1 "$cache") == "$key" ]]; then
		accel=$(tail -n 1 "$cache")
		return 0
	fi
	# shellcheck disable=SC2016 # for the guest's shell
	if "$here/rig" run --accel kvm --timeout 20 -- bash -c '
		d=$(echo /sys/bus/pci/drivers/igb/0000:*) && echo 0 >"$d/sriov_drivers_autoprobe" &&
		echo 1 >"$d/sriov_numvfs" && [[ -e $d/virtfn0/iommu_group ]]' >/dev/null 2>&1
	then
		accel=kvm
	fi
	printf '%s\n' "$key" "$accel" >"$cache.$$"
	mv -- "$cache.$$" "$cache"
}

show_failure() {
	printf '%s: %s\n' "$me" "$1" >&2
	{
		tail -n 5 -- "$tmp/qemu" 2>/dev/null | sed "s/^/$me: qemu: /"
		tail -c 20000 -- "$tmp/console" 2>/dev/null | tr -d '\r' | tail -n 60 | sed "s/^/$me: console: /"
	} >&2
}

keep_log() {
	[[ -n $log ]] || return 0
	{
		cat -- "$tmp/qemu"
		tr -d '\r' <"$tmp/console"
	} >"$log" 2>/dev/null || printf '%s: cannot write %s\n' "$me" "$log" >&2
}

# Run QEMU with args; what the command prints goes to stdout.  Returns QEMU's exit code.
run_qemu() {
	local rc=0
	# pdeathsig: not even kill -9 of this script leaves a guest behind.
	setpriv --pdeathsig TERM timeout -k 5 "$timeout" \
		qemu-system-x86_64 "${args[@]}" </dev/null >"$tmp/qemu" 2>&1 &
	qemu_pid=$!
	tail -n +1 -s 0.1 -f --pid="$qemu_pid" -- "$tmp/out" 2>/dev/null &
	tail_pid=$!
	{ wait "$qemu_pid" || rc=$?; } 2>/dev/null	# not "Aborted", we say it better
	qemu_pid=
	wait "$tail_pid" || :
	tail_pid=
	return "$rc"
}

# conclude RC POWEROFF - exit with the command's code, if QEMU's, RC, agrees: 0 if the
# guest was to power off, else the command's as isa-debug-exit makes it (7 bits, a 1
# behind).
conclude() {
	local rc=$1 poweroff=$2 word='' code='' want=0

	keep_log
	read -r word code <"$tmp/ctl" || :
	[[ $word == exit && $code =~ ^[0-9]+$ ]] || word=''
	[[ -n $poweroff ]] || want=$(((code << 1 | 1) & 255))
	if [[ -n $word ]] && ((rc == want)); then
		exit "$code"
	fi
	if ((rc == 124 || rc == 137)) && [[ -z $shell ]]; then
		show_failure "timed out after $timeout s${word:+; the command had ended with $code}"
		exit 124
	fi
	[[ -z $word ]] || { show_failure "the command ended with $code, QEMU with $rc"; exit 125; }
	show_failure "the guest died (QEMU ended with $rc)"
	exit 125
}
