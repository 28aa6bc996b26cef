#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# docs.sh - what is written for people is what the program does: the keys of
# vfhook.cfg(5), its examples, the commands and options of vfhook(8), links.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

node_up

# --- vfhook.cfg(5) ------------------------------------------------------------------

# page_keys SECTION - the keys that the page has below that heading ("pool", "port", "guest").
page_keys() {
	awk -v head="$1:" '/^\.S[HS] / { in_it = ($2 == head) } in_it && /^\.B[IR]* / && tag { print $2 } { tag = /^\.T[PQ]/ }' \
		"$top/vfhook.cfg.5" | sort
}

# Every word of the sources, tried as a key of each sort of section: those that the program does
# not call unknown are its keys, wherever it has them.
mapfile -t words < <(grep -rhoE '"[a-z][a-z0-9-]{0,30}"' "$top"/{src,pveapi,hook} | tr -d '"' | sort -u)
{
	printf 'pool: wan\n\tpf node=pve1,path=0000:06:00.0\n\n'
	i=1000
	for w in "${words[@]}"; do
		printf 'pool: p%d\n\t%s x\n\nport: %d-0\n\t%s x\n\nguest: %d\n\t%s x\n\n' $i "$w" $i "$w" $i "$w"
		i=$((i + 1))
	done
} | cfg
said=$(vfhook check 2>&1)
for type in pool port guest; do
	unknown=$(sed -n "s/.*: a $type has no '\(.*\)'.*/\1/p" <<<"$said" | sort -u)
	keys=$(comm -23 <(printf '%s\n' "${words[@]}" | LC_ALL=C sort -u) <(LC_ALL=C sort -u <<<"$unknown"))
	is "$(page_keys $type | LC_ALL=C sort | xargs)" "$(xargs <<<"$keys")" "vfhook.cfg(5) has the keys of a $type, all and no others"
done

# The examples, one after the other (the last one has a pool of the second one's name).
awk '/^\.SH / { in_it = ($2 == "EXAMPLES") } /^\.fi/ { on = 0; print "" } in_it && on { print } /^\.nf/ { on = 1 }' \
	"$top/vfhook.cfg.5" | cfg
is "$(grep -cE '^(pool|port): ' "$node_root/etc/pve/vfhook.cfg")" 4 "its examples"
is "$(vfhook check 2>&1 | grep -F vfhook.cfg: )" "" "are files without a mistake"

# --- vfhook(8) --------------------------------------------------------------------------

# Commands, and all words with two dashes, as a reader sees them.
page=$(sed -e 's/\\f.//g' -e 's/\\-/-/g' "$top/vfhook.8")
missing=
for c in $(vfhook --help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
	grep -qE "^\.B[IR]? *\"?vfhook $c\b" <<<"$page" || missing+=" $c"
	for o in $(vfhook "$c" --help | grep -oE -- '--[a-z][a-z-]*' | sort -u); do
		# What a port can be set to is in the other page.
		grep -qwF -- "$o" <<<"$page" || page_keys port | grep -qxF -- "${o#--}" || missing+=" $c:$o"
	done
done
is "$missing" "" "vfhook(8) has every command and option of --help"

# --- README and doc/ ----------------------------------------------------------------------

# A link to a file here: [text](file), the file beside the one that has the link.
missing=
while IFS=: read -r file link; do
	link=${link#*](}
	link=${link%)}
	[[ $link == *://* || -e $top/$(dirname -- "$file")/${link%%#*} ]] || missing+=" $file: $link"
done < <(cd -- "$top" && grep -oE '\]\([^)]+\)' README.md SECURITY.md HACKING.md doc/*.md /dev/null)
is "$missing" "" "every link of README and doc/ leads somewhere"
missing=$(comm -23 <(cd -- "$top/doc" && printf '%s\n' *.md) <(grep -oE '\(doc/[^)]*' "$top/README.md" | sed 's:.*/::' | sort -u))
is "$missing" "" "and README leads to each of doc/"
rows=$(awk '/^#/ { in_it = ($0 == "## What it costs") } in_it && /^\| [^w]/' "$top/README.md")
is "$(wc -l <<<"$rows") $(grep -cvxFf "$top/doc/bench.md" <<<"$rows")" "6 0" "README's figures are those of doc/bench.md"
is "$(sed -n 's/^vfhook \([0-9.]*\) .*/\1/p' "$top/NEWS" | head -n 1)" "$(vfhook --version | grep -oE '[0-9]+\.[0-9.]+')" "NEWS begins with this version"

# --- both pages ------------------------------------------------------------------------

for page in vfhook.8 vfhook.cfg.5; do
	if ! command -v man >/dev/null; then
		skip "$page is clean" "no man here"
		continue
	fi
	is "$(cd -- "$top" && LC_ALL=C.UTF-8 MANROFFSEQ='' man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)" "" "$page is clean"
done

done_testing
