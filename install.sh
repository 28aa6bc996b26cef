#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# install.sh [--uninstall] - build vfhook, install it below /usr and link it
# among the snippets of PVE's storage "local". Can be run again at any time.

set -euo pipefail
cd -- "${BASH_SOURCE[0]%/*}"

readonly bin=/usr/sbin/vfhook
readonly man=/usr/share/man/man8/vfhook.8
readonly completion=/usr/share/bash-completion/completions/vfhook
readonly snippets=/var/lib/vz/snippets

die() {
	echo "install.sh: $*" >&2
	exit 1
}

uninstall() {
	if [[ $(readlink -- "$snippets/vfhook") == "$bin" ]]; then
		if grep -lsE '^hookscript: .*snippets/vfhook$' /etc/pve/nodes/*/qemu-server/*.conf; then
			die "the VMs above still have the hookscript: qm set <vmid> --delete hookscript"
		fi
		rm -- "$snippets/vfhook"
	fi
	rm -f -- "$bin" "$man" "$completion"
	echo "removed. Left for you: /etc/pve/vfhook.cfg, /etc/pve/priv/vfhook.token, mappings vf-*"
}

case ${1:-} in
--uninstall)
	((EUID == 0)) || die "must be root"
	uninstall
	exit
	;;
'') ;;
*)
	echo "usage: install.sh [--uninstall]" >&2
	exit 2
	;;
esac

((EUID == 0)) || die "must be root"
if ! command -v make >/dev/null; then
	apt-get -q update >/dev/null
	apt-get -q install -y --no-install-recommends make >/dev/null
fi
make --no-print-directory deps
make --no-print-directory -j"$(nproc)" all
make --no-print-directory install PREFIX=/usr
if [[ ! -d /etc/pve/nodes ]]; then
	echo "installed. This machine is no Proxmox VE node: for a look at what vfhook does, run: make demo"
	exit 0
fi
mkdir -p -- "$snippets"
if [[ -e $snippets/vfhook && ! -L $snippets/vfhook ]]; then
	die "$snippets/vfhook is a file of somebody else's: move it away first"
fi
ln -sfn -- "$bin" "$snippets/vfhook"
echo "installed. Next: README.md, \"On a Proxmox VE node\", from step 2"
