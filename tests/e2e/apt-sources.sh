# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# apt-sources.sh - where this machine gets its Debian from, and getting it. To be sourced.

# Print every apt source entry of the machine, one a line, as
# suite<TAB>URI<TAB>name of the keyring, whichever of the two formats it was
# written in.  A key that stands in the source itself is printed with its
# line ends as \001, and comes back as it was in write_backports.
list_sources() {
	local f
	for f in /etc/apt/sources.list.d/*.sources; do
		[[ -f $f ]] || continue
		awk '
		function flush(   i, j, n, m, s, u) {
			if (types ~ /(^| )deb( |$)/ && tolower(enabled) != "no") {
				n = split(suites, s, /[ \t]+/)
				m = split(uris, u, /[ \t]+/)
				for (i = 1; i <= n; i++)
					for (j = 1; j <= m; j++)
						if (s[i] != "" && u[j] != "")
							printf "%s\t%s\t%s\n", s[i], u[j], key
			}
			types = suites = uris = key = enabled = field = ""
		}
		/^#/ { next }
		/^[ \t]*$/ { flush(); next }
		/^[ \t]/ {
			if (field == "signed-by") key = key "\001" $0
			else if (field == "suites") suites = suites " " $0
			else if (field == "uris") uris = uris " " $0
			next
		}
		{
			field = tolower($0); sub(/:.*/, "", field)
			value = $0; sub(/^[^:]*:[ \t]*/, "", value)
			if (field == "types") types = value
			else if (field == "suites") suites = value
			else if (field == "uris") uris = value
			else if (field == "signed-by") key = value
			else if (field == "enabled") enabled = value
		}
		END { flush() }' "$f"
	done
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[[ -f $f ]] || continue
		awk '
		/^[ \t]*deb[ \t]/ {
			line = $0; sub(/#.*/, "", line); key = ""
			if (match(line, /\[[^]]*\]/)) {
				opt = substr(line, RSTART + 1, RLENGTH - 2)
				line = substr(line, 1, RSTART - 1) substr(line, RSTART + RLENGTH)
				n = split(opt, o, /[ \t]+/)
				for (i = 1; i <= n; i++)
					if (tolower(o[i]) ~ /^signed-by=/) {
						key = o[i]; sub(/^[^=]*=/, "", key); gsub(/,/, " ", key)
					}
			}
			split(line, w, /[ \t]+/)
			i = (w[1] == "") ? 2 : 1
			printf "%s\t%s\t%s\n", w[i + 2], w[i + 1], key
		}' "$f"
	done
}

# apt-get, silent unless it fails.
run_apt() {
	local log rc=0
	log=$(DEBIAN_FRONTEND=noninteractive apt-get -q -y -o APT::Sandbox::User=root "$@" 2>&1) || rc=$?
	((rc == 0)) || printf '%s\n' "$log" | tail -n 15 >&2
	return "$rc"
}
