#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# completion.sh - what the Tab key offers: commands, phases, options, values.

set -uo pipefail
here=${BASH_SOURCE[0]%/*}
# shellcheck source=tests/e2e/lib.sh
. "$here/../e2e/lib.sh"
# shellcheck source=completion/vfhook
. "$here/../../completion/vfhook"

# What it asks the machine for, as a made-up node would answer.
# shellcheck disable=SC2317 # called by the completion
_vfhook_vms() { printf '100\n101\n'; }
# shellcheck disable=SC2317
_vfhook_pools() { printf 'lan\nwan\n'; }
# shellcheck disable=SC2317
_vfhook_pfs() { printf 'enp6s0f0\nenp6s0f1\n'; }

# offers WORD... - the completions of the last word, on one line.
offers() {
	COMP_WORDS=(vfhook "$@")
	COMP_CWORD=$#
	_vfhook
	echo "${COMPREPLY[*]}"
}

is "$(offers a)" attach "a command by its first letter"
is "$(offers 10)" "100 101" "VM ids"
is "$(offers 100 pre)" "pre-start pre-stop" "phases behind a VM id"
is "$(offers attach 1)" "100 101" "VM ids behind attach"
is "$(offers attach 100 --pool w)" wan "pools"
is "$(offers pool add wan --pf '')" "enp6s0f0 enp6s0f1" "PFs"
is "$(offers pool r)" remove "pool's own words"
is "$(offers attach 100 --vlan-)" "--vlan-qos --vlan-proto" "options"
is "$(offers set 100 --spoofchk '')" "on off" "values"
is "$(offers attach 100 --slot 1 | wc -w)" 7 "slots"
is "$(offers status --output-format js)" "json json-pretty" "output formats"
is "$(offers status --output-format s) $(offers check --output-format s)" "svg " "a picture where there is one"
is "$(offers host p)" prepare "host's own words"
# Every command of --help is known here.
missing=$("${BUILD:-build}/vfhook" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p' | while read -r c; do
	[[ " $(offers '') " == *" $c "* ]] || echo "$c"
done)
is "$missing" "" "every command of vfhook --help is offered"
help=$("${BUILD:-build}/vfhook" --help)
is "$(($(wc -l <<<"$help") <= 24)) $(awk 'length > 80' <<<"$help" | wc -l)" "1 0" "vfhook --help fits a screen of 24 lines and 80 columns"
for c in attach boot check detach evacuate events explain host metrics plug pool release repair report set status unplug; do
	help=$("${BUILD:-build}/vfhook" $c --help)
	is "$(($(wc -l <<<"$help") <= 24)) $(awk 'length > 80' <<<"$help" | wc -l)" "1 0" "and so does vfhook $c --help"
done

# --- the other shells -----------------------------------------------------------------

dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
completion=$here/../../completion
vfhook=${BUILD:-build}/vfhook
commands=$("$vfhook" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p' | sort -u)

# Options, one a line: those that the help of any command names, and those that a file has.
help_options() {
	local c
	for c in '' $commands; do
		# shellcheck disable=SC2086 # none, or one
		"$vfhook" $c --help
	done | grep -oE -- '--[a-z][a-z-]*' | cat - <(printf '%s\n' --help --version) | sort -u | xargs
}
file_options() { sed '/^complete/s/ -l \([a-z]\)/ --\1/g' "$completion/$1" | grep -v '^ *#' | grep -oE -- '--[a-z][a-z-]*' | sort -u | xargs; }
want=$(help_options)
for f in vfhook _vfhook vfhook.fish; do
	is "$(file_options $f)" "$want" "completion/$f has the options that --help has"
done
is "$(sed -n "s/^\t\t[\"']\([a-z]*\):.*/\1/p" "$completion/_vfhook" | sort | xargs)" "$(xargs <<<"$commands")" "completion/_vfhook has the commands that --help has"
is "$(sed -n 's/^complete -c vfhook -n __vfhook_first -a \([a-z]*\) .*/\1/p' "$completion/vfhook.fish" | sort | xargs)" "$(xargs <<<"$commands")" \
	"and so has completion/vfhook.fish"

# A node below $dir, and copies that look there.
a_node() {
	mkdir -p "$dir/etc/pve/qemu-server" "$dir/sys/class/net/enp6s0f0/device"
	touch "$dir"/etc/pve/qemu-server/10{0,1}.conf "$dir/sys/class/net/enp6s0f0/device/sriov_totalvfs"
	printf 'pool: lan\n\npool: wan\n\nport: 100-3\n\tpool wan\n' >"$dir/etc/pve/vfhook.cfg"
}
no_node() { rm -r -- "${dir:?}/etc" "${dir:?}/sys"; }
for f in _vfhook vfhook.fish; do
	sed -e "s:/etc/pve:$dir&:g" -e "s:/sys/class:$dir&:g" "$completion/$f" >"$dir/$f"
done

a_node
if command -v fish >/dev/null; then
	# fish_offers LINE - what fish offers for it, on one line.
	fish_offers() {
		# shellcheck disable=SC2016 # for fish
		HOME=$dir fish -N -c 'source $argv[1]; complete -C $argv[2]' "$dir/vfhook.fish" "$1" 2>&1 | sed 's/\t.*//' | xargs
	}
	is "$(fish_offers 'vfhook a')" attach "fish: a command by its first letter"
	is "$(fish_offers 'vfhook 10')" "100 101" "fish: VM ids"
	is "$(fish_offers 'vfhook 100 pre')" "pre-start pre-stop" "fish: phases behind a VM id"
	is "$(fish_offers 'vfhook --root /x attach 1')" "100 101" "fish: VM ids behind attach"
	is "$(fish_offers 'vfhook attach 100 --pool w')" wan "fish: pools"
	is "$(fish_offers 'vfhook pool add wan --pf ')" enp6s0f0 "fish: PFs"
	is "$(fish_offers 'vfhook attach 100 --vlan-')" "--vlan-proto --vlan-qos" "fish: options"
	is "$(fish_offers 'vfhook set 100 --slot ')" 3 "fish: slots"
	is "$(fish_offers 'vfhook repair --')" "--check --dry-run --help" "fish: a command's own options and no others"
	no_node
	is "$(fish_offers 'vfhook attach ') $(fish_offers 'vfhook pool add x --pf ')" " " "fish: no node, and no error"
else
	skip "what fish offers" "no fish here"
fi

a_node
if command -v zsh >/dev/null; then
	# shellcheck disable=SC2016 # for zsh
	out=$(HOME=$dir zsh -f -c 'fpath=($1 $fpath); autoload -Uz compinit && compinit -D -u && print -r -- $_comps[vfhook] && autoload +X _vfhook' zsh "$dir" 2>&1)
	is "$? $out" "0 _vfhook" "zsh: compinit finds it, and it loads"
	# zsh_has FUNCTION WORD... - what that function of it gives zsh with these words on the line.
	zsh_has() {
		# shellcheck disable=SC2016 # for zsh
		HOME=$dir zsh -f -c 'fpath=($1 $fpath); autoload -Uz compinit; compinit -D -u; autoload +X _vfhook
			compadd() { print -r -- ${(P)@[-1]}; }
			_arguments() { :; }
			f=$2; shift 2; words=("$@"); set --; _vfhook >/dev/null; $f' zsh "$dir" "$@" 2>&1 | xargs
	}
	is "$(zsh_has _vfhook_vms attach)" "100 101" "zsh: VM ids"
	is "$(zsh_has _vfhook_pools attach)" "lan wan" "zsh: pools"
	is "$(zsh_has _vfhook_pfs pool)" enp6s0f0 "zsh: PFs"
	is "$(zsh_has _vfhook_slots set 100 --slot)" 3 "zsh: slots of a VM"
	is "$(zsh_has _vfhook_slots attach 100 --slot | wc -w)" 16 "zsh: slots for a new one"
	no_node
	is "$(zsh_has _vfhook_vms attach)$(zsh_has _vfhook_pools attach)$(zsh_has _vfhook_pfs pool)" "" "zsh: no node, and no error"
else
	skip "what zsh offers" "no zsh here"
fi
done_testing
