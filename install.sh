#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# install.sh - from a bare Proxmox VE node to a working vfhook, and back. Can be
# run again at any time. What it does in PVE itself is packaging/setup's.
#
# VFHOOK_ROOT: act on the files below this folder (tests).

set -euo pipefail
cd -- "${BASH_SOURCE[0]%/*}"

root=${VFHOOK_ROOT:-}
readonly root=${root%/}
readonly -a units=(vfhook-vfs.service vfhook-boot.service vfhook-watch.timer vfhook-fdb.service)

deb=false
dry=false
purge=false
pve=true
uninstall=false
setup_args=()

usage() {
	cat <<'END'
Usage: ./install.sh [options]               build and install vfhook, set the node up
       ./install.sh --uninstall [options]   take it away again

  --dry-run          tell each step, change nothing
  --yes              ask nothing
  --storage NAME     link among this storage's snippets (default: local)
  --enable-snippets  let the storage list snippets (PVE runs the hook without)
  --deb              build a Debian package and install that
  --no-pve           only the program; set nothing up in Proxmox VE
  --purge            with --uninstall: pools and ports in vfhook.cfg as well
END
}

say() { printf 'vfhook: %s\n' "$*"; }

die() {
	printf 'vfhook: %s\n' "$*" >&2
	exit 1
}

while (($#)); do
	case $1 in
	--dry-run)
		dry=true
		setup_args+=("$1")
		;;
	--yes | --enable-snippets) setup_args+=("$1") ;;
	--storage)
		[[ -n ${2:-} ]] || die "--storage wants a storage's name (pvesm status lists them)"
		setup_args+=("$1" "$2")
		shift
		;;
	--deb) deb=true ;;
	--no-pve) pve=false ;;
	--purge) purge=true ;;
	--uninstall) uninstall=true ;;
	-h | --help)
		usage
		exit
		;;
	*)
		usage >&2
		exit 2
		;;
	esac
	shift
done
((EUID == 0)) || "$dry" || die "must be root"

# step WHAT COMMAND... - tell it, and do it unless this is a dry run.
step() {
	say "$1"
	shift
	"$dry" || "$@"
}

from_package() {
	[[ -z $root && $(dpkg-query -W -f '${db:Status-Status}' vfhook 2>/dev/null) == installed ]]
}

# Fails where there is no systemd, as in a container.
systemctl_here() { command -v systemctl >/dev/null && systemctl ${root:+--root="$root"} "$@"; }

reload_units() {
	[[ -n $root || ! -d /run/systemd/system ]] || systemctl daemon-reload
}

# Files that would differ, as "from -> to".
tell_files() {
	local source target
	while read -r _ source target; do
		if [[ ! -e $target ]]; then
			say "$target: none -> made"
		elif [[ ! -e $source ]] || ! cmp -s -- "$source" "$target"; then
			say "$target: older -> this version"
		fi
	done < <(make --no-print-directory -s list-files DESTDIR="$root" PREFIX=/usr)
}

install_files() {
	if "$dry"; then
		tests/deps --dry-run build
		if command -v make >/dev/null; then
			tell_files
		else
			say "program, man pages, completion, units and setup: none -> below /usr (make install)"
		fi
		return
	fi
	command -v make >/dev/null || install_make
	make --no-print-directory deps
	make --no-print-directory -j"$(nproc)" all
	make --no-print-directory install DESTDIR="$root" PREFIX=/usr
}

install_make() {
	apt-get -q update >/dev/null
	apt-get -q install -y --no-install-recommends make >/dev/null
}

# Started at the next boot: until there is a pool they have nothing to do.
enable_units() {
	local u
	"$dry" || reload_units
	for u in "${units[@]}"; do
		if ! command -v systemctl >/dev/null; then
			say "$u: not enabled, there is no systemctl here"
		elif ! systemctl_here -q is-enabled "$u" 2>/dev/null; then
			step "$u: not enabled -> enabled" systemctl_here -q enable "$u"
		fi
	done
}

install_package() {
	if "$dry"; then
		tests/deps --dry-run package
		say "build/deb/vfhook_*.deb: built (make package), then installed with apt-get"
		return
	fi
	command -v make >/dev/null || install_make
	make --no-print-directory package
	# First with the choices made here: the package's own scripts keep them.
	! "$pve" || packaging/setup configure "${setup_args[@]}"
	apt-get -q install -y --reinstall --allow-downgrades "$(realpath -- "${BUILD:-build}")"/deb/vfhook_*.deb
}

next_steps() {
	cat <<'END'

Next:
  vfhook check                     is everything ready? What is not, and how to mend it
  vfhook host prepare              IOMMU and VFIO on the kernel command line, if that is missing
  vfhook pool add wan --pf enp6s0f0 --vfs 7
  vfhook attach 100                a VF for VM 100
END
}

do_install() {
	local is_pve=false
	! command -v pveum >/dev/null || is_pve=true
	"$is_pve" || pve=false
	# What stands in the way is told before anything is changed.
	if "$pve" && ! "$dry"; then
		packaging/setup configure "${setup_args[@]}" --dry-run >/dev/null
	fi
	if "$deb"; then
		install_package
	elif from_package; then
		die "vfhook is installed as a Debian package: ./install.sh --deb, or first: apt-get remove vfhook"
	else
		install_files
		! "$pve" || enable_units
		! "$pve" || "$dry" || packaging/setup configure "${setup_args[@]}"
	fi
	if ! "$is_pve"; then
		say "this machine is no Proxmox VE node: nothing but the program is installed. To see it at work: make demo"
	elif "$pve" && "$dry"; then
		packaging/setup configure "${setup_args[@]}"
	elif "$pve"; then
		next_steps
	fi
}

remove_package() {
	local -a verb=(remove)
	! "$purge" || verb=(purge)
	if "$dry"; then
		say "package vfhook: installed -> none"
	else
		apt-get -q "${verb[@]}" -y vfhook
	fi
}

# Of shells that are perhaps not here: the installation made these for its completion then.
remove_empty_folders() {
	local dir
	for dir in fish/vendor_completions.d fish zsh/vendor-completions zsh; do
		dir=$root/usr/share/$dir
		[[ ! -d $dir ]] || rmdir --ignore-fail-on-non-empty -- "$dir"
	done
}

remove_files() {
	local file folder
	while read -r _ _ file; do
		if [[ -e $file ]]; then
			step "$file: there -> removed" rm -- "$file"
		fi
	done < <(make --no-print-directory -s list-files DESTDIR="$root" PREFIX=/usr)
	for folder in "$root"/usr/{lib,share}/vfhook; do
		if [[ -d $folder ]]; then
			step "$folder: there -> removed" rmdir -- "$folder"
		fi
	done
	"$dry" || remove_empty_folders
}

disable_units() {
	local u
	for u in "${units[@]}" vfhook-metrics.timer; do
		if systemctl_here -q is-enabled "$u" 2>/dev/null; then
			step "$u: enabled -> not" systemctl_here -q disable "$u"
		fi
	done
}

do_uninstall() {
	! "$purge" || setup_args+=(--purge)
	packaging/setup remove "${setup_args[@]}"
	if from_package; then
		remove_package
	else
		disable_units
		remove_files
		"$dry" || reload_units
	fi
	"$dry" || say "removed. VFs and what is set on them stay until the next boot"
}

! "$dry" || say "dry run: nothing is changed"
if "$uninstall"; then
	do_uninstall
else
	do_install
fi
