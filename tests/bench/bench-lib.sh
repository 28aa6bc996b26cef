# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# bench-lib.sh - what the benchmark's guest scripts share. To be sourced by bash. Results are
# lines of words with tabs between, which begin with "bench": tests/bench/report reads them.

# shellcheck source=tests/e2e/node.sh
. "${BASH_SOURCE[0]%/*}/../e2e/node.sh"

: "${ROUNDS:=31}"
bench=$RIG_TOP/build/bench
dir=/run/bench
jail=$dir/root

# The jail has no locales.
export LC_ALL=C

result() { local IFS=$'\t'; printf 'bench\t%s\n' "$*"; }
fact() { result fact "$@"; }
note() { printf '# %s\n' "$*"; }
die() { printf 'bench: %s\n' "$*"; exit 1; }

# bring PROGRAM... - copy programs and the libraries they need into the jail.
bring() {
	local p f
	for p; do
		[[ $p == /* ]] || p=$(command -v "$p") || die "no program $p"
		for f in "$p" $(ldd "$p" | grep -o '/[^ ]*'); do
			[[ -e $jail$f ]] && continue
			mkdir -p "$jail${f%/*}"
			cp -L "$f" "$jail$f"
		done
	done
}

# jail_up - a root of its own, in RAM, for all that is timed: below the rig's / is a file
# system over 9p, where opening a library takes as long as all the rest of a start. A node has
# its programs in the page cache.
jail_up() {
	local d
	mkdir -p "$jail"/{usr/{bin,sbin,lib,lib64},etc,tmp,var/lib}
	for d in bin sbin lib lib64; do ln -s "usr/$d" "$jail/$d"; done
	for d in proc sys dev run etc/pve var/lib/vfhook; do
		mkdir -p "$jail/$d" "/$d"
	done
	mount -t tmpfs pve /etc/pve
	mount -t tmpfs vfhook /var/lib/vfhook
	for d in proc sys dev run etc/pve var/lib/vfhook; do
		mount --rbind "/$d" "$jail/$d"
	done
	cp /etc/{hosts,passwd,group,nsswitch.conf,ld.so.cache} "$jail/etc/"
	bring bash cp strace "$bench"/{vfhook,hook,floor,spawn}
	for d in vfhook hook floor spawn; do
		mv "$jail$bench/$d" "$jail/usr/sbin/$d"
	done
	if has_before; then
		bring "$bench/before"
		mv "$jail$bench/before" "$jail/usr/sbin/before"
	fi
	install -m 755 "$bench"/{vfhook,hook} /usr/sbin/
}

has_before() { [[ -e $bench/before ]]; }
in_jail() { chroot "$jail" "$@"; }

# line NAME HOW BEFORE COMMAND - a line for spawn.
line() { local IFS=$'\t'; printf '%s\n' "$*"; }

# stopwatch PART ROUNDS - run spawn on lines from standard input; a result for each. What each
# round took is in $dir/PART.raw.
stopwatch() {
	local row
	cat >"$dir/$1.lines"
	in_jail spawn "$2" "$dir/$1.lines" "$dir/$1.raw" >"$dir/$1.out" || die "part $1 failed"
	while IFS=$'\t' read -r -a row; do
		result time "$1" "${row[@]}"
	done <"$dir/$1.out"
}

# trace FILE COMMAND... - its trace by strace, for floorwords. With its children: a stop cleans up in one.
trace() {
	local file=$1
	shift
	in_jail strace -f -y -s 4096 -o "$file" "$@" >"$file.said" 2>&1 || die "$* failed: $(<"$file.said")"
}

words() { "$RIG_TOP/tests/bench/floorwords" "$@"; }

# dumps COMMAND... - how many RTM_GETLINK it sends. Only what is asked for is traced: a start that
# looks at a thousand VFs has a hundred thousand other calls.
dumps() {
	in_jail strace -f -y --seccomp-bpf -e trace=bind,sendto,sendmsg -o "$dir/dumps" "$@" >"$dir/said" 2>&1 ||
		die "$* failed: $(<"$dir/said")"
	# strace does not know yet what kind of socket it is if nothing was bound or sent.
	grep -cE 'nlmsg_type=(RTM_GETLINK|0x12 )' "$dir/dumps"
}

# trace_floor HOOK... - hook with its options and the VM's id: trace a hot start and the
# stop after it, in the files ID.start and ID.stop below $dir. The VF is parked before and after.
trace_floor() {
	local id=${*: -1}
	trace "$dir/$id.start" "$@" pre-start
	trace "$dir/$id.stop" "$@" post-stop
}

# read_floor ID - set floor and reset: the command that does what that start did, and the one
# that puts the VF back and takes the lease away. All competitors begin from there.
read_floor() {
	floor=$(words "$dir/$1.start") || die "no words from the start of VM $1"
	reset=$(words --back "$dir/$1.stop") || die "no words from the stop of VM $1"
	floor="floor $floor"
	reset="floor $reset"
}
