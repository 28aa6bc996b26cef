# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034 # failed is for whoever sources this
#
# demo-lib.sh - how the demos show what they do.

failed=0

title() { printf '\n== %s\n' "$*"; }
# Show a command as a person would type it, then run it.
run() {
	printf '\n# %s\n' "$*"
	"$@"
}
# check TEXT PART PROMISE - the tests run a demo too (TAP=1) and count its promises.
n=0
check() {
	local good='PASS:' bad='FAIL:'
	if [[ -n ${TAP:-} ]]; then
		good="ok $((++n)) -"
		bad="not ok $n -"
	fi
	if [[ $1 == *"$2"* ]]; then
		printf '%s %s\n' "$good" "$3"
	else
		printf '%s %s\n' "$bad" "$3"
		failed=1
	fi
}
