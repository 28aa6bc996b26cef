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
is "$(offers host p)" prepare "host's own words"
# Every command of --help is known here.
missing=$("${BUILD:-build}/vfhook" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p' | while read -r c; do
	[[ " $(offers '') " == *" $c "* ]] || echo "$c"
done)
is "$missing" "" "every command of vfhook --help is offered"
help=$("${BUILD:-build}/vfhook" --help)
is "$(($(wc -l <<<"$help") <= 24)) $(awk 'length > 80' <<<"$help" | wc -l)" "1 0" "vfhook --help fits a screen of 24 lines and 80 columns"
for c in attach boot check detach explain host metrics pool release repair set status; do
	help=$("${BUILD:-build}/vfhook" $c --help)
	is "$(($(wc -l <<<"$help") <= 24)) $(awk 'length > 80' <<<"$help" | wc -l)" "1 0" "and so does vfhook $c --help"
done
done_testing
