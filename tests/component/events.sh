#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# events.sh - vfhook events: what happened, and what happens, for a person and for a program.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

node_up
pve_up
printf 'port: 100-0\n\tpool wan\n\tmac bc:24:11:00:00:01\n\tvlan 20\n\nport: 101-0\n\tpool wan\n\tmac bc:24:11:00:00:02\n\n' | wan_cfg
vm 100
vm 101

is "$(vfhook events 2>&1; echo $?)" 0 "nothing has happened yet: no line"
vfhook job 100 >/dev/null 2>&1
vfhook job 101 >/dev/null 2>&1
qm stop 100 >/dev/null 2>&1
out=$(vfhook events)
like "$out" '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}  start    100  ' "the oldest first: when, what, whose"
like "${out##*$'\n'}" '  release  100  hostpci0: VF 0000:06:10.0' "and the newest last"
is "$(vfhook events 101 | grep -c ' 100 ') $(($(vfhook events 101 | wc -l) > 0))" "0 1" "those of one VM"
is "$(vfhook events --lines 1)" "${out##*$'\n'}" "--lines"
is "$(vfhook events --output-format json | python3 -c '
import json, sys
all = [json.loads(l) for l in sys.stdin]
print(all[0]["kind"], all[0]["vmid"], all[0]["time"] > 1600000000, all[-1]["kind"], "0000:06:10.0" in all[-1]["text"])')" \
	"start 100 True release True" "as JSON, one object a line"

# --- what happens meanwhile ---------------------------------------------------------------

vfhook events --follow --lines 0 >"$node_root/followed" 2>&1 &
follower=$!
wait_for 20 pgrep -f -- "--root $node_root events --follow"
sleep 1
is "$(<"$node_root/followed")" "" "--lines 0: what was is not told"
vfhook 100 pre-start >/dev/null
# shellcheck disable=SC2317 # by wait_for
followed() { grep -q "$1" "$node_root/followed"; }
wait_for 30 followed '  start    100  '
is $? 0 "a start is told once it has happened"
# The file becomes the old one.
mv "$node_root/var/lib/vfhook/events" "$node_root/var/lib/vfhook/events.1"
vfhook 100 post-stop >/dev/null
wait_for 30 followed '  release  100  '
is $? 0 "and so is a stop, behind the end of the file"
is "$(wc -l <"$node_root/followed")" 2 "each once"
pkill -TERM -f -- "--root $node_root events --follow"
wait "$follower"
is $? 143 "until it is ended"

# Whoever reads goes: so do we.
vfhook events --follow | head -n 1 >/dev/null
is "${PIPESTATUS[0]}" 0 "a reader that goes ends it"

# --- bad input ----------------------------------------------------------------------------

for args in 99 abc '--lines x' '--lines 100001' '--output-format json-pretty' '--output-format yaml' '100 101'; do
	# shellcheck disable=SC2086 # words
	out=$(vfhook events $args 2>&1)
	is "$? $(wc -l <<<"$out")" "2 1" "events $args: one line"
done
printf '{"time": 1, "vmid": 100, "kind": "start", "text": "\\u001b[31m red\\nline"}\nno JSON\n' >"$node_root/var/lib/vfhook/events"
like "$(vfhook events --lines 1)" '  start    100  \?\[31m red\?line$' "what a terminal would obey is not printed, a line that is none is left out"
rm "$node_root/var/lib/vfhook/events"*
ln -s /etc/passwd "$node_root/var/lib/vfhook/events"
out=$(vfhook events 2>&1)
is "$? $(wc -l <<<"$out")" "1 1" "a link is not followed"
done_testing
