#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# deb.sh - the Debian package: what is in it, and what its scripts do on a node,
# on a node whose cluster is down, and on no node at all.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

dir=$(mktemp -d)
trap 'rm -rf -- "$dir"; node_down' EXIT

version=$(sed -n 's/^VERSION := //p' "$top/Makefile")
deb=$("$top/tests/fresh-deb" 2>"$dir/log")
is $? 0 "the package builds"
diag "$(<"$dir/log")"
is "$(dpkg-deb -f "$deb" Package Version Section | xargs)" "Package: vfhook Version: $version Section: admin" "its name and version"
like "$(dpkg-deb -f "$deb" Depends)" 'libcurl4 .*libjansson4 .*libnl-3-200' "it needs libcurl, which only dlopen knows of"
files=$(dpkg-deb -c "$deb" | awk '{ print $1, $6 }' | sed 's: \./usr/lib/systemd: ./lib/systemd:')
for want in '-rwxr-xr-x ./usr/sbin/vfhook' '-rwxr-xr-x ./usr/lib/vfhook/setup' '-rwxr-xr-x ./usr/lib/vfhook/hook' \
	'-rw-r--r-- ./lib/systemd/system/vfhook-vfs.service' '-rw-r--r-- ./lib/systemd/system/vfhook-boot.service' \
	'-rw-r--r-- ./lib/systemd/system/vfhook-watch.service' '-rw-r--r-- ./lib/systemd/system/vfhook-watch.timer' \
	'-rw-r--r-- ./lib/systemd/system/vfhook-metrics.service' '-rw-r--r-- ./lib/systemd/system/vfhook-metrics.timer' \
	'-rw-r--r-- ./usr/share/vfhook/vfhook-dashboard.json' '-rw-r--r-- ./usr/share/vfhook/vfhook-alerts.yml' \
	'-rw-r--r-- ./usr/share/man/man8/vfhook.8.gz' '-rw-r--r-- ./usr/share/man/man5/vfhook.cfg.5.gz' '-rw-r--r-- ./usr/share/bash-completion/completions/vfhook' \
	'-rw-r--r-- ./usr/share/zsh/vendor-completions/_vfhook' '-rw-r--r-- ./usr/share/fish/vendor_completions.d/vfhook.fish' \
	'-rw-r--r-- ./usr/share/doc/vfhook/README.md' '-rw-r--r-- ./usr/share/doc/vfhook/NEWS' '-rw-r--r-- ./usr/share/doc/vfhook/doc/drivers.md'; do
	is "$(grep -cxF -- "$want" <<<"$files")" 1 "it has ${want#* }"
done
is "$(grep -cvE '/$|vfhook' <<<"$files")" 0 "and nothing of anybody else's"
dpkg-deb -R "$deb" "$dir/x"
is "$("$dir/x/usr/sbin/vfhook" --version)" "$("$BUILD/vfhook" --version)" "the program runs"
is "$("$dir/x/usr/lib/vfhook/hook" --version)" "$("$BUILD/vfhook" --version)" "and the one that PVE calls, with the same version"
like "$(<"$dir/x/DEBIAN/postinst")" "deb-systemd-helper enable 'vfhook-vfs.service'.*deb-systemd-helper enable 'vfhook-boot.service'.*deb-systemd-helper enable 'vfhook-watch.timer'" "the units are enabled"
like "$(<"$dir/x/DEBIAN/postinst")" "if deb-systemd-helper debian-installed 'vfhook-metrics.timer'.*was-enabled 'vfhook-metrics.timer'" "but for that of node_exporter's file, which not everybody wants"
is "$(grep -c 'invoke.* start' "$dir/x/DEBIAN/postinst")" 0 "and none is started by an installation"

# script NAME ARG - a maintainer script, below the root, without debhelper's part.
script() {
	sed -e '/^# Automatically added/,/^# End automatically/d' -e "s:/usr/lib/vfhook/setup:$dir/x&:" \
		-e "s:rm -rf /var:rm -rf $node_root/var:" "$dir/x/DEBIAN/$1" >"$dir/script"
	PATH=$dir/tools:$PATH VFHOOK_ROOT=$node_root sh "$dir/script" "$2" </dev/null 2>&1
}

node_up
rm "$node_root"/var/lib/vz/snippets/vfhook "$node_root"/etc/pve/{user.cfg,priv/token.cfg,priv/vfhook.token}
sim init --node pve1
mkdir "$dir/tools"
is "$(script postinst configure)" "" "elsewhere than on a node the installation does nothing"
for t in pveum pvesm; do
	printf '#!/bin/sh\nexec %q --root %q "$@"\n' "$top/tests/sim/$t" "$node_root" >"$dir/tools/$t"
	chmod 755 "$dir/tools/$t"
done
before=$(<"$node_root/etc/pve/user.cfg")
mv "$node_root/etc/pve/nodes" "$node_root/etc/pve/off"
out=$(script postinst configure)
like "$? $out" '^0 .*/usr/lib/vfhook/setup configure' "a node whose cluster is down: installed, and told what to run later"
mv "$node_root/etc/pve/off" "$node_root/etc/pve/nodes"
out=$(script postinst configure)
like "$? $out" '^0 .*set up: hookscript local:snippets/vfhook' "a node is set up"
like "$("$BUILD/tests/restprobe" "$node_root" token-check)" '^OK' "with a token"
is "$(script prerm upgrade)$(script postrm upgrade)" "" "an upgrade takes nothing away"
qm create 100 --name fw >/dev/null
echo 'hookscript: local:snippets/vfhook' >>"$node_root/etc/pve/nodes/pve1/qemu-server/100.conf"
out=$(script prerm remove)
like "$? $out" '^1 .*vfhook detach' "not removed while a VM needs it"
qm set 100 --delete hookscript >/dev/null
out=$(script prerm remove)
is "$? $(<"$node_root/etc/pve/user.cfg") $([[ -L $node_root/var/lib/vz/snippets/vfhook ]] && echo link)" "0 $before " "removed: role, user, token and link are gone"
mkdir -p "$node_root/var/lib/vfhook"
script postrm purge
is "$(find "$node_root/var/lib" -name vfhook)" "" "purged: what it remembered, too"
done_testing
