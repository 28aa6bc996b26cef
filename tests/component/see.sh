#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# see.sh - pictures of a node and of a cluster: as a tree, as SVG, as a page of HTML.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
# shellcheck source=tests/component/seelib.sh
. "${BASH_SOURCE[0]%/*}/seelib.sh"

esc=$'\033'

unlike() { if [[ $1 =~ $2 ]]; then not_ok "$3" "got:     $1" "but not: $2"; else ok "$3"; fi; }
# widest - of the text on standard input, in columns.
widest() {
	python3 -c 'import sys, unicodedata
print(max(sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in l.rstrip("\n")) for l in sys.stdin))'
}
# files - all that could be changed by looking.
files() { find "$node_root"/{etc,run,var/lib/vfhook,sys} -type f -print0 2>/dev/null | sort -z | xargs -0 sha1sum; }

# svg [ARG]... - the picture, kept in see.svg; its exit status.
svg() { vfhook status --output-format svg "$@" >"$node_root/see.svg"; }
# x EXPRESSION [FILE] - of a picture or a page, read as XML: t is its root, tags, said, titles and classes what is in it.
x() {
	python3 - "${2:-$node_root/see.svg}" "$1" <<'PY'
import re, sys
import xml.etree.ElementTree as ET
whole = open(sys.argv[1], encoding="utf-8").read()
t = ET.fromstring(whole)
name = lambda e: e.tag.split("}")[-1]
tags = sorted({name(e) for e in t.iter()})
said = ["".join(e.itertext()) for e in t.iter() if name(e) == "text"]
titles = [e.text for e in t.iter() if name(e) == "title"]
classes = [e.get("class") for e in t.iter() if e.get("class")]
print(eval(sys.argv[2]))
PY
}
readonly svg_tags="['circle', 'g', 'path', 'rect', 'style', 'svg', 'text', 'title']"

# --- the tree --------------------------------------------------------------------------

see_eight
before=$(files)
out=$(vfhook status --graph 2>&1)
is $? 0 "status --graph"
is "$(files)" "$before" "it only looks"
is "$(($(widest <<<"$out") <= 80))" 1 "in 80 columns"
is "$(head -n 1 <<<"$out")" pve1 "the node"
like "$out" '├─ card Intel 82599ES 10-Gigabit SFI/SFP. Network Connection  8086:10fb, slot 4' "the card, by its name"
is "$(grep -c ' card ' <<<"$out")" 2 "both PFs of a card below it"
like "$out" '│  ├─ PF enp6s0f0  up, 10 Gbit/s, MTU 1500, in bond0 .active-backup., vmbr0,' "the PF: link, speed, MTU, bond, bridge"
like "$out" 'pool wan, 3 of 8 VFs free, 0000:06:00.0, ixgbe' "its pool, and how many are free"
like "$out" '│  └─ PF enp6s0f1  NO CARRIER, MTU 1500' "a cable that is out"
like "$out" '├─ VF 0    running    VLAN 20 q3  bc:24:11:23:b0:44  g4  VM 100 firewall' "a VF with its guest"
like "$out" '├─ VF 1    running    VLAN 30!    bc:24:11:5e:02:a7  g5  VM 101 web' "what differs is marked"
like "$out" '! VLAN is 30, wanted 20' "and said"
like "$out" '├─ VF 2    running                bc:24:11:90:1c:d3  g6  CT 110 dns eth1' "a container"
like "$out" '├─ VF 3    unplugged .*VM 102 db' "one that is kept"
like "$out" '│     unplugged: by hand' "and why"
like "$out" '├─ VF 4    stale ' "a VM that is over"
like "$out" '└─ VF 5-7  free' "free ones are one line"
like "$out" 'PF 0000:83:00.0  pool gpu, 4 of 4 VFs free, xe' "a card without a network"
like "$out" '^pve1.│  ! 1 VF is not set as wanted.*vfhook repair' "what to do, on top"
out=$(vfhook status --graph --pool lan)
is "$? $(grep -c ' PF ' <<<"$out")" "0 1" "--pool shows one pool"
unlike "$out" 'vfhook repair' "and what is wrong in it, not elsewhere"
out=$(vfhook status --graph --pool wam 2>&1)
like "$? $out" "^1 .*has no pool 'wam', did you mean 'wan'" "a pool that is not there"
for args in "--graph --watch" "--graph --output-format json" "--graph x"; do
	# shellcheck disable=SC2086 # words on purpose
	out=$(vfhook status $args 2>&1)
	is "$? $(wc -l <<<"$out")" "2 1" "wrong call 'status $args': exit 2, one line"
done
if [[ -x $(command -v script) ]]; then
	prog=$(printf '%q --root %q' "$BUILD/tests/vfhook-fake" "$node_root")
	on_tty() { env -u NO_COLOR TERM=xterm script -qec "stty cols $1 rows 40; $prog $2" /dev/null </dev/null | tr -d '\r'; }
	bare() { sed "s/$esc\[[0-9;]*m//g"; }
	out=$(on_tty 80 'status --graph')
	like "$out" "$esc\[1;31mVLAN 30!" "on a terminal a difference is red"
	like "$(on_tty 130 'status --graph' | bare)" 'group 4  VM 100 firewall hostpci0' "a wide one shows more"
	is "$(($(on_tty 30 'status --graph' | bare | widest) <= 30))" 1 "a narrow one cuts"
else
	skip "a terminal (no script(1) here)"
fi

# --- SVG -----------------------------------------------------------------------------

before=$(files)
svg
is "$? $(x tags)" "0 $svg_tags" "SVG is XML, and draws"
is "$(files | grep -v see.svg)" "$before" "it only looks, too"
is "$(x '[w for w in ("pve1", "enp6s0f0", "10 Gbit/s · MTU 1500", "in bond0 (active-backup), vmbr0", "NO CARRIER", "VLAN 30!",
	"VLAN is 30, wanted 20", "VM 100 firewall", "CT 110 dns", "eth1", "3 free", "group 4") if w not in said]')" "[]" "with all that the tree says"
is "$(x 'sum(s.startswith("VF ") for s in titles), classes.count("g vm"), classes.count("g ct")')" "(16, 5, 2)" \
	"a title for each VF, and a box for each guest (and in the legend)"
is "$(x '[l for l in re.findall("[a-z]+://[^\" ]*", whole)]')" "['http://www.w3.org/2000/svg']" "nothing from elsewhere"
is "$(x '"prefers-color-scheme:dark" in whole, "script" in whole')" "(True, False)" "light or dark, and no script"
is "$(vfhook status --graph --output-format svg | grep -c 'VM 100 firewall</text>')" 1 "--graph may stand beside it"
svg --pool gpu
is "$? $(x 'sum(s.startswith("VF ") for s in titles)')" "0 4" "--pool in SVG"
out=$(vfhook status --output-format pdf 2>&1)
like "$? $out" "^2 vfhook: --output-format is text, json, json-pretty or svg, not 'pdf'" "another format"
out=$(vfhook check --output-format svg 2>&1)
like "$? $out" "^2 vfhook: --output-format is text, json or json-pretty" "other commands draw nothing"

# --- what is not as it should be, of a PF and around it ------------------------------------

sed -i 's/vfs 8/vfs 12/' "$node_root/etc/pve/vfhook.cfg"
fake_set enp6s0f1 'p["up"] = False'
printf '\npool: other\n\tpf node=pve1,path=0000:99:00.0\n' >>"$node_root/etc/pve/vfhook.cfg"
mv "$node_root/run/vfhook/leases/$(vf_addr 0000:06:00.0 3)" "$node_root/run/vfhook/leases/0000:77:10.0"
sed -i 's/"vf": "[^"]*"/"vf": "0000:77:10.0"/' "$node_root/run/vfhook/leases/0000:77:10.0"
out=$(vfhook status --graph 2>&1)
like "$out" "! it has 8 VFs, and pool 'wan' wants 12: vfhook boot" "fewer VFs than wanted"
like "$out" 'PF enp6s0f1  DOWN' "a PF that is down"
like "$out" '! it is down, so nobody gets its VFs: ip link set enp6s0f1 up' "with the command"
like "$out" '└─ VF 0-3  unusable' "whose VFs are nobody's to have, in one line"
like "$out" 'PF 0000:99:00.0  pool other.*! cannot be used: ' "a PF that is not there"
like "$out" '! VF 0000:77:10.0, of no usable PF of a pool: leased by VM 102 hostpci0,.*unplugged' "a lease on a VF of no pool"
rm "$node_root/etc/pve/vfhook.cfg"
like "$(vfhook status --graph)" '^pve1.*has no pools yet: vfhook pool --help' "no pools"

# --- what others write ----------------------------------------------------------------------

hostile() {
	see_eight
	printf '8086  <b>"&Intel\n\t10fb  \033[2J</text><script>\n' >"$node_root/usr/share/misc/pci.ids"
	leases enp6s0f0 '
names = ["</text><script>alert(1)</script>&amp;]]>", "\x1b[2J\x07\x7f", "\u65e5" * 20, "e" + "\u0301" * 30,
         "\u05e9\u05dc\u05d5\u05dd \u202eevil\u200f", "W" * 60, "\ufffe\uffff\U0001f600", "\"><img onerror=x src=y>"]
for i, name in enumerate(names):
    all.append((i, 100 + i, name, "running", {"mac": f"bc:24:11:00:00:0{i}"}, {"vlan": 7} if i == 0 else {}, {}))'
	run_vms 100 101 102 103 104 105 106 107
}
hostile
out=$(vfhook status --graph 2>&1)
is "$? $(LC_ALL=C grep -c '[[:cntrl:]]' <<<"$out") $(grep -cP '[\x{202e}\x{200f}\x{fffe}]' <<<"$out")" "0 0 0" "hostile names send no control character"
is "$(($(widest <<<"$out") <= 80)) $(grep -c ' VM 10[0-7] ' <<<"$out")" "1 8" "stay in 80 columns, and each is there"
svg
is "$? $(x tags)" "0 $svg_tags" "in SVG they are text"
is "$(x '[i for i in range(8) if not any(f"VM 10{i}" in s for s in said)], any("<script>alert(1)</script>&amp;]]>" in s for s in titles)')" \
	"([], True)" "each is there, and whole in its title"
is "$(x 'max(len(s) for s in said if s.startswith("VM "))')" "27" "and cut where it is drawn"
is "$(x '[c for c in whole if ord(c) < 32 and c != "\n" or c in "\u202e\u200f\ufffe\uffff"]')" "[]" "without a control character"

# --- many --------------------------------------------------------------------------------

see_many
out=$(vfhook status --graph 2>&1)
is "$? $(($(widest <<<"$out") <= 80)) $(grep -c ' running \| starting ' <<<"$out") $(grep -c ' free$' <<<"$out")" "0 1 40 40" "256 VFs: a line for each guest, and one for all free ones between two"
like "$out" '└─ VF 196-255  free' "many free ones are one line"
like "$out" '216 of 256 VFs free' "and counted"
svg
is "$? $(x tags)" "0 $svg_tags" "256 VFs in SVG"
is "$(x 'classes.count("c") - 2, classes.count("g vm") - 1, sum(s.startswith("VF ") for s in titles), "216 free" in said')" "(216, 40, 256, True)" \
	"a square for each free one (but for the bar and the legend), a row for each guest"
is "$(x 'int(t.get("height")) < 2000')" True "on a page that is no longer than it needs"

# --- the cluster ----------------------------------------------------------------------------

see_cluster
before=$(files)
out=$(vfhook status --cluster 2>&1)
is "$? $(($(widest <<<"$out") <= 80))" "0 1" "status --cluster"
is "$(files)" "$before" "it only looks"
is "$(grep -o '^pve[0-9]' <<<"$out" | xargs)" "pve1 pve2 pve3 pve4 pve5" "all nodes"
like "$out" '├─ VF 0    running    VLAN 20 q3  bc:24:11:23:b0:44  g4  VM 100 firewall' "this one as it is"
like "$out" 'pve2  as told [67] minutes ago.│  ! 1 VF is not set as wanted' "another one as it told, and when"
like "$out" 'PF enp129s0f0  up, 1 Gbit/s, MTU 1500, in vmbr0, pool wan,.* 3 of 7 VFs free, 0000:81:00.0, igb' "its PF"
like "$out" 'VF 2    running  VLAN 21!  bc:24:11:31:02:5c  g6  VM 122 git hostpci0.* ! VLAN is 21, wanted 20' "its guests, and what differs there"
like "$out" 'VF 4-6  free' "its free VFs"
like "$out" 'pve3  OFFLINE, as told 2 days ago' "one that is offline, as it was"
like "$out" 'pve4  tells which VFs it has, and no more.*PF 0000:81:00.0  pool wan, 7 VFs.*VF 0-6  not told' "one with an older vfhook: what is known of it"
like "$out" 'pve5  no pool has a PF of it' "and one without"
out=$(vfhook status --cluster --pool lan)
is "$? $(grep -c '^pve' <<<"$out") $(grep -c '─ PF ' <<<"$out")" "0 5 1" "--pool in the cluster"
out=$(vfhook status --cluster --output-format json 2>&1)
is "$? $(wc -l <<<"$out")" "2 1" "no JSON of the cluster"
svg --cluster
is "$? $(x tags)" "0 $svg_tags" "the cluster in SVG"
is "$(x '[w for w in ("pve1", "pve2", "pve3", "OFFLINE, as told 2 days ago", "VM 122 git", "7 not told") if w not in said]')" "[]" "with all its nodes"
is "$(x 'whole.count("opacity")')" 1 "and the one that is offline faint"

# What another node wrote is not trusted.
pve2=$node_root/etc/pve/nodes/pve2/vfhook-status.json
python3 - "$pve2" <<'PY'
import json, sys
j = json.load(open(sys.argv[1]))
bad = "</text><script>\x1b[2J\u202e&\ufffe" * 20
pf = j["pfs"][0]
for key in ("ifname", "driver", "card", "model", "serial", "slot", "pools", "above"):
    pf[key] = bad
pf["vfs"] = [{"index": i, "state": bad, "vmid": 100, "name": bad, "place": bad, "vlan": bad, "mac": bad,
              "marks": [{"level": bad, "text": bad}]} for i in range(4)] + ["x", {}, {"index": -1}, {"index": 2, "state": "free"}]
pf["free"] = [[0, 10 ** 9], [5, 3], [-1, 4], "x", [6], [7, 7]]
j["pfs"] += [7, {}, {"address": "../.."}, dict(pf, address="0000:82:00.0")]
j["marks"] = [{"level": "bad", "text": bad}] * 1000
json.dump(j, open(sys.argv[1], "w"))
PY
out=$(vfhook status --cluster 2>&1)
is "$? $(LC_ALL=C grep -c '[[:cntrl:]]' <<<"$out") $(($(widest <<<"$out") <= 80))" "0 0 1" "a hostile node sends no control character"
svg --cluster
is "$? $(x tags)" "0 $svg_tags" "and in SVG it is text"
is "$(x 'sum(s == "pve3" for s in said)')" 1 "and the others are there"
printf '{"version":99,"time":1,"pfs":[]}' >"$pve2"
like "$(vfhook status --cluster)" 'pve2  tells nothing of VFs.*newer vfhook' "a newer version: said"
echo rubbish >"$pve2"
like "$(vfhook status --cluster)" 'pve2  tells nothing of VFs.*vfhook-status.json.*pools have PFs of it: is vfhook installed there' "no JSON: said"

# --- what this node tells -----------------------------------------------------------------------

see_many
told=$node_root/etc/pve/nodes/pve1/vfhook-status.json
vfhook repair --check >/dev/null 2>&1
is "$(stat -c %a "$told")" 640 "repair --check tells the other nodes"
is "$(($(stat -c %s "$told") < 20000))" 1 "of 256 VFs no more than there is to tell"
inode=$(stat -c %i "$told")
vfhook repair --check >/dev/null 2>&1
is "$(stat -c %i "$told")" "$inode" "where nothing is new nothing is written"
fake_set enp65s0f0 'p["carrier"] = False'
vfhook repair --check >/dev/null 2>&1
unlike "$(stat -c %i "$told")" "^$inode$" "and something new is"
like "$(<"$told")" '"carrier":false' "with what is new"
sed -i 's/"time":[0-9]*/"time":1000/' "$told"
vfhook repair --check >/dev/null 2>&1
unlike "$(<"$told")" '"time":1000,' "what was told long ago is told again"
: >"$node_root/etc/pve/vfhook.cfg"
vfhook repair --check >/dev/null 2>&1
is "$(find "$told" 2>/dev/null)" "" "without a pool the file goes"

# --- the page ----------------------------------------------------------------------------------

# secrets - the token's secret is in a file.
secrets() { grep -cF -- "$(sed 's/.*=//' "$node_root/etc/pve/priv/vfhook.token")" "$1"; }
hostile
page=$node_root/page.html
mkdir -p "$node_root/var/lib/vfhook"
printf '{"time":1700000000,"vmid":100,"kind":"refused","text":"no VF of pool <b>wan</b> & co"}\n' >"$node_root/var/lib/vfhook/events"
before=$(files)
out=$(vfhook report --html "$page" 2>&1)
is "$? $out $(stat -c %a "$page")" "0  600" "report --html: a page, for its owner only"
is "$(files)" "$before" "it only looks"
is "$(x 't.tag.split("}")[-1]' "$page")" html "it is XML as well"
is "$(x '[g for g in tags if g in ("script", "img", "link", "a", "iframe", "object", "b", "i", "onerror")]' "$page")" "['b']" \
	"no script, no link, nothing to load, and no markup of others"
is "$(x '[a for e in t.iter() for a in e.keys() if a.startswith("on") or a in ("href", "src", "action")]' "$page")" "[]" "and no attribute that does"
is "$(x '[i for i in range(8) if whole.count(f"VM 10{i} ") < 2]' "$page")" "[]" "the picture is in it"
like "$(<"$page")" '<th>SPOOF</th><th>TRUST</th><th>LINK</th>' "and the tables of status, with all their columns"
like "$(<"$page")" 'class="(bad|warn)">(FAIL|WARN)</td>' "what check finds"
like "$(<"$page")" 'no VF of pool &lt;b&gt;wan&lt;/b&gt; &amp; co' "and what happened"
is "$(secrets "$page")" 0 "but no token's secret"
is "$(x '[c for c in whole if ord(c) < 32 and c != "\n" or c in "\u202e\u200f\ufffe\uffff"]' "$page")" "[]" "and no control character"
chmod 640 "$page"
inode=$(stat -c %i "$page")
vfhook report --html "$page"
is "$? $(stat -c %a "$page")" "0 640" "one that is there keeps its mode"
unlike "$(stat -c %i "$page")" "^$inode$" "and is replaced in one step"
is "$(find "$node_root" -maxdepth 1 -name '*page.html*' | wc -l)" 1 "with nothing left beside it"
is "$(vfhook report --html - | tail -n 1)" "</html>" "--html -: to standard output"
out=$(vfhook report --html /dev/null 2>&1)
like "$? $out" '^1 vfhook: /dev/null is no file' "what is no file is not replaced"
try "and still is what it was" test -c /dev/null
out=$(vfhook report --html "$node_root/nowhere/x.html" 2>&1)
like "$? $out" '^1 vfhook: .*nowhere/x.html' "a folder that is not there"
for args in "" "--html" "x" "--html x --pdf"; do
	# shellcheck disable=SC2086 # words on purpose
	out=$(vfhook report $args 2>&1)
	is "$? $(wc -l <<<"$out")" "2 1" "wrong call 'report $args': exit 2, one line"
done
echo 'no section at all' >"$node_root/etc/pve/vfhook.cfg"
vfhook report --html "$page"
is "$? $(x 't.tag.split("}")[-1]' "$page")" "0 html" "a config that cannot be read: a page all the same"
like "$(<"$page")" '<p class="bad">/etc/pve/vfhook.cfg:1: ' "which says so"

see_cluster
vfhook report --html "$node_root/page.html" --cluster
is "$? $(x '[n for n in ("pve1", "pve2", "pve3", "pve4", "pve5") if n not in said]' "$node_root/page.html")" "0 []" "--cluster: the picture of all nodes"

done_testing
