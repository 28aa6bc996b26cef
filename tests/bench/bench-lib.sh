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
	bring bash cp "$bench"/{vfhook,floor,spawn}
	for d in vfhook floor spawn; do
		mv "$jail$bench/$d" "$jail/usr/sbin/$d"
	done
	install -m 755 "$bench/vfhook" /usr/sbin/vfhook
}

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

# trace FILE COMMAND... - its trace by strace, for floorwords.
trace() {
	local file=$1
	shift
	strace -y -s 4096 -o "$file" "$@" >"$file.said" 2>&1 || die "$* failed: $(cat "$file.said")"
}

# words FILE - of a trace: what floor is to do.
words() { "$RIG_TOP/tests/bench/floorwords" "$1" || die "no words from $1"; }

counts() { "$RIG_TOP/tests/bench/floorwords" --count "$1"; }

# park WORDS... - words that make floor put back what words say it sets and creates: the VFs as
# they are when parked, no lease. All competitors begin from there.
park() {
	local w out='' vf
	for w; do
		case $w in
		dev=*) out+=" $w" ;;
		create=*/leases/*) out+=" try-unlink=${w:7}"; out=${out%:*} ;;
		vlan=*) out+=" ${w%%:*}:0:0 send" ;;
		mac=*) out+=" ${w%%:*}:00:00:00:00:00:00 send" ;;
		trust=*) out+=" ${w%%:*}:0 send" ;;
		rate=*) out+=" ${w%%:*}:0:0 send" ;;
		spoofchk=*) vf=${w%%:*} ;;
		esac
	done
	# A zero MAC comes before the spoof check.
	echo "floor$out${vf:+ $vf:1 send}"
}
