#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# prometheus.sh - what a Prometheus makes of vfhook metrics: the alert rules and the dashboard that
# are installed, asked of a real one.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

rules=$top/packaging/monitoring/vfhook-alerts.yml
board=$top/packaging/monitoring/vfhook-dashboard.json

if ! command -v promtool prometheus >/dev/null; then
	skip "the alert rules and the dashboard" "no prometheus here: tests/deps test"
	done_testing # the end
fi

node_up
pve_up
printf 'port: 100-0\n\tpool wan\n\tmac bc:24:11:00:00:01\n\tvlan 20\n\n' | wan_cfg
sed -i '/^pool: wan/a\	fdb on' "$node_root/etc/pve/vfhook.cfg"
vm 100
vfhook job 100 >/dev/null 2>&1
vfhook repair --check >/dev/null 2>&1
fake_set enp6s0f0 'p["stats"] = [{"rx-bytes": 5000 + i, "tx-bytes": i, "rx-dropped": 3} for i in range(16)]'
mkdir -p "$node_root/run/vfhook/fdb"
printf '{"version":1,"pf":"0000:06:00.0","ifname":"enp6s0f0","most":3,"others":1,"macs":[]}\n' >"$node_root/run/vfhook/fdb/0000:06:00.0"

# --- rules --------------------------------------------------------------------------------

try "promtool takes the rules" promtool check rules "$rules"
try "each alert is raised by its own state of a node, and none by a node that is well" \
	promtool test rules "$top/tests/component/vfhook-alerts.test.yml"
vfhook metrics --output "$node_root/vfhook.prom"
# What the rules and the dashboard speak of is there.
words=$(grep -ohE 'vfhook_[a-z_]+' "$rules" "$board" | sort -u)
is "$(for w in $words; do grep -qE "^${w}[ {]" "$node_root/vfhook.prom" || echo "$w"; done)" "" "every metric of theirs is one of vfhook's"

# --- dashboard ----------------------------------------------------------------------------

out=$(python3 "$top/tests/component/prometheus.py" "$board" "$node_root/vfhook.prom" "$node_root/vfhook.prom" 2>&1)
is $? 0 "a Prometheus has scraped two nodes for an hour"
diag "$out"
while IFS=$'\t' read -r n what; do
	is "$((n > 0))" 1 "dashboard, $what: there is data"
done <<<"$out"
is "$(wc -l <<<"$out")" "$(python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
print(sum(len(p["targets"]) for p in d["panels"]) + 2)' "$board")" "all panels and variables were asked"
is "$(python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
cells = [(x, y) for p in d["panels"] for g in [p["gridPos"]] for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])]
print(len(cells) - len(set(cells)), max(x for x, y in cells), len({p["id"] for p in d["panels"]}) == len(d["panels"]))' "$board")" \
	"0 23 True" "no panel lies on another"
done_testing
