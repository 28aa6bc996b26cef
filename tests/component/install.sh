#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# install.sh - from a bare node to a working one and back: what the installer
# makes, what it tells before, what it never shows, what it leaves behind.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

tools=$(mktemp -d)
trap 'rm -rf -- "$tools"; node_down' EXIT
argv_log=$tools/argv.log

# tool NAME - PVE's command, which notes how it was called.
tool() {
	printf '#!/bin/bash\nprintf "%%s\\n" "%s $*" >>%q\nexec %q --root %q "$@"\n' \
		"$1" "$argv_log" "$top/tests/sim/$1" "$node_root" >"$tools/$1"
	chmod 755 "$tools/$1"
}

# bare_node - PVE as it is after its own installation.
bare_node() {
	node_up
	rm -f -- "$node_root"/var/lib/vz/snippets/vfhook "$node_root"/usr/sbin/vfhook "$node_root"/etc/pve/{user.cfg,priv/token.cfg,priv/vfhook.token}
	sim init --node pve1 --nodes pve1,pve2
	: >"$argv_log"
	tool pveum
	tool pvesm
}

installer() { PATH=$tools:$PATH VFHOOK_ROOT=$node_root "$top/install.sh" "$@" </dev/null 2>&1; }
setup() { PATH=$tools:$PATH VFHOOK_ROOT=${setup_root:-$node_root} "$top/packaging/setup" "$@" </dev/null 2>&1; }
probe() { "$BUILD/tests/restprobe" "$node_root" "$@"; }
pveum() { "$tools/pveum" "$@"; }

# tree - every file, folder and link that an installation may touch.
tree() {
	(cd "$node_root" && find etc usr lib var/lib/vz var/lib/vfhook -printf '%y %m %p %l\n' 2>/dev/null | sort
		find etc usr lib var/lib/vz var/lib/vfhook -type f -print0 2>/dev/null | sort -z | xargs -0 sha1sum)
}

# --- there ------------------------------------------------------------------------

bare_node
pve_up || exit 1
before=$(tree)
out=$(installer --dry-run)
is "$? $(tree)" "0 $before" "--dry-run changes nothing"
printf '#!/bin/sh\nexit 1\n' >"$tools/dpkg-query"
chmod 755 "$tools/dpkg-query"
want=$(PATH=$tools:$PATH "$top/install.sh" --dry-run --deb --no-pve 2>&1)
rm -- "$tools/dpkg-query"
like "$want" 'packages: none -> .*gcc.*debhelper' "--deb on a node tells which packages building needs"
is "$(grep -c lintian <<<"$want")" 0 "and lintian is none of them"
like "$out" 'dry run: nothing is changed' "says so"
like "$out" 'usr/sbin/vfhook: none -> made.*usr/lib/vfhook/hook: none -> made' "and names the files"
like "$out" 'link .*/var/lib/vz/snippets/vfhook: none -> /usr/lib/vfhook/hook' "the link"
like "$out" 'role VFHook: none -> VM.Config.HWType,VM.PowerMgmt,Mapping.Use,Mapping.Modify' "the role with its privileges"
like "$out" 'vfhook@pve on /mapping/pci: none -> role VFHook' "the rights"
like "$out" 'token vfhook@pve!hook: none -> made' "and the token"

out=$(installer)
like "$? $out" '^0 .*Next:.*vfhook check.*vfhook host prepare.*vfhook pool add' "one command installs, and says what is next"
is "$("$node_root/usr/sbin/vfhook" --version)" "$("$BUILD/vfhook" --version)" "the program is there"
is "$(readlink "$node_root/var/lib/vz/snippets/vfhook")" /usr/lib/vfhook/hook "and the link, to the one that PVE calls"
is "$("$node_root/usr/lib/vfhook/hook" --version)" "$("$node_root/usr/sbin/vfhook" --version)" "which has the same version"
out2=$("$node_root/usr/lib/vfhook/hook" status 2>&1)
like "$? $out2" "^2 .*knows phases only, not 'status'; commands are /usr/sbin/vfhook's" "and knows no commands, but where they are"
is "$(cd "$node_root" && ls lib/systemd/system/vfhook-*)" $'lib/systemd/system/vfhook-boot.service\nlib/systemd/system/vfhook-fdb.service\nlib/systemd/system/vfhook-metrics.service\nlib/systemd/system/vfhook-metrics.timer\nlib/systemd/system/vfhook-vfs.service\nlib/systemd/system/vfhook-watch.service\nlib/systemd/system/vfhook-watch.timer' "and its units"
if command -v systemctl >/dev/null; then
	is "$(systemctl --root="$node_root" is-enabled vfhook-vfs vfhook-boot vfhook-watch.timer vfhook-fdb | xargs)" "enabled enabled enabled enabled" "which are enabled"
	is "$(systemctl --root="$node_root" is-enabled vfhook-metrics.timer)" disabled "but for that of node_exporter's file, which not everybody wants"
else
	skip "which are enabled" "no systemctl here"
	skip "but for that of node_exporter's file, which not everybody wants" "no systemctl here"
fi
is "$(stat -c %a "$node_root/etc/pve/priv/vfhook.token")" 600 "only root can read the token"
secret=$(sed 's/.*=//' "$node_root/etc/pve/priv/vfhook.token")
like "$secret" '^[0-9a-f-]{36}$' "it has a secret"
like "$(probe token-check)" '^OK' "in the form that the program wants"
is "$(grep -cF -- "$secret" "$argv_log")" 0 "the secret was in no command line"
is "$(grep -cF -- "$secret" <<<"$out")" 0 "nor on the screen"
is "$(grep -rlF -- "$secret" "$node_root/etc" "$node_root/var" "$tools" | sed 's:.*/etc/pve/::' | sort | xargs)" \
	"priv/token.cfg priv/vfhook.token" "nor in any other file than PVE's own"

# --- it works ------------------------------------------------------------------------

# The link is absolute; below this root only a script finds the program.
rm "$node_root/var/lib/vz/snippets/vfhook"
printf '#!/bin/sh\nexec %q --root %q "$@"\n' "$BUILD/tests/hook-fake" "$node_root" >"$node_root/var/lib/vz/snippets/vfhook"
chmod 755 "$node_root/var/lib/vz/snippets/vfhook"
vfhook pool add wan --pf enp6s0f0 >/dev/null 2>&1
qm create 100 --name fw >/dev/null
out=$(vfhook attach 100 --vlan 20 2>&1)
like "$? $out" '^0 .*VM 100 is attached' "with these rights a VM is attached"
out=$(qm start 100 2>&1)
like "$? $out" '^0 .*VF 0000:06:10.0 .*VLAN 20' "and starts"
like "$(probe call POST /nodes/pve1/qemu/100/status/stop)" '^OK "UPID' "and may be started and stopped"
like "$(probe call GET /nodes/pve1/hardware/pci 2>&1)" '403 Permission check failed|Sys.Audit' "but no more than that"
wait_for 10 eval '! vm_runs 100'
ln -sf /usr/lib/vfhook/hook "$node_root/var/lib/vz/snippets/vfhook"

# --- again -----------------------------------------------------------------------------

whole=$(tree)
: >"$argv_log"
out=$(installer --yes)
is "$? $(tree)" "0 $whole" "a second time changes nothing"
is "$(grep -cE ' (add|modify|delete|remove|set) ' "$argv_log")" 0 "and asks PVE for no change"
like "$out" 'set up for vfhook already' "and says so"
out=$(installer --uninstall --yes)
like "$? $out" '^1 .*VMs have vfhook as hookscript.*: 100; .*vfhook detach ID' "not removed while a VM needs it"
is "$(tree)" "$whole" "and then not in part either"
vfhook detach 100 >/dev/null 2>&1

# The secret is lost: told, asked, made anew.
rm "$node_root/etc/pve/priv/vfhook.token"
out=$(installer)
like "$? $out" '^1 .*secret is not in .*Make a new secret.*--yes' "a lost secret: not made anew without a word"
out=$(installer --yes)
like "$? $out" '^0 .*its secret is lost -> made anew' "with --yes it is"
like "$(probe call GET /cluster/mapping/pci)" '^OK' "and works"
like "$(sed 's/.*=//' "$node_root/etc/pve/priv/vfhook.token")" "^[^ ]{36}$" "there is one token line"

# A token that PVE does not accept: one command mends it, and says what it does before.
# mended HOW - PVE refuses the token; with that command it accepts it, and nobody has more rights.
mended() {
	local out
	# shellcheck disable=SC2016 # for a person
	like "$(probe call GET /cluster/mapping/pci)" '^ERR -13 .*does not accept the token.*make a new one with `/usr/lib/vfhook/setup token`$' \
		"a token that is $1: the line names the command"
	out=$(setup token --dry-run)
	like "$? $out" '^0 .*token vfhook@pve!hook: as it was -> made anew' "$1: it can be looked at first"
	like "$(probe call GET /cluster/mapping/pci)" '^ERR -13' "$1: and does nothing then"
	out=$(setup token)
	like "$? $out" '^0 .*token vfhook@pve!hook: as it was -> made anew, secret in .*vfhook.token' "$1: one command"
	like "$(probe call GET /cluster/mapping/pci)" '^OK' "$1: and it works"
	is "$(stat -c %a "$node_root/etc/pve/priv/vfhook.token") $(pveum acl list | grep -c vfhook)" "600 $acls" "$1: in its own file, with the rights of before"
}
acls=$(pveum acl list | grep -c vfhook)
echo 'vfhook@pve!hook=00000000-0000-0000-0000-000000000000' >"$node_root/etc/pve/priv/vfhook.token"
mended wrong
pveum user token modify vfhook@pve hook --expire 1000000000
mended expired
pveum user modify vfhook@pve --enable 0
mended "disabled with its user"
pveum user token remove vfhook@pve hook
mended removed
pveum user delete vfhook@pve
acls=$(pveum acl list | grep -c vfhook)
out=$(setup token)
is "$? $(probe call GET /cluster/mapping/pci | cut -c1-2)" "0 OK" "the user is gone with it: made anew, too"
rm "$node_root/etc/pve/priv/vfhook.token"
# shellcheck disable=SC2016
like "$(probe token-check)" 'is not there: make a token with `/usr/lib/vfhook/setup token`' "the file is gone: the same command"
is "$(setup token >/dev/null; probe call GET /cluster/mapping/pci | cut -c1-2)" OK "and it mends that"
cp "$node_root/etc/pve/priv/vfhook.token" "$node_root/ours"
echo 'ann@pve!own=00000000-0000-0000-0000-000000000000' >"$node_root/etc/pve/priv/vfhook.token"
out=$(setup token)
like "$? $out" '^1 .*a token of your own, ann@pve!own: renew it where you made it' "somebody's own token is left alone"
mv "$node_root/ours" "$node_root/etc/pve/priv/vfhook.token"

# What others made, or use, is left.
pveum user add jane@pve
pveum acl modify /vms/100 --users jane@pve --roles VFHook
out=$(installer --uninstall --dry-run)
like "$? $out" "^0 .*token vfhook@pve!hook: there -> removed.*role VFHook is given to others too: left" "uninstall can be looked at first, and leaves what others use"
like "$out" 'vfhook.cfg: left, it has pools or ports' "and the pools"
pveum user delete jane@pve
vfhook pool remove wan >/dev/null 2>&1
qm destroy 100 >/dev/null 2>&1
rm -f "$node_root"/etc/pve/mapping/pci.cfg

# --- and back --------------------------------------------------------------------------

rm -rf "$node_root/var/lib/vfhook/events"
out=$(installer --uninstall)
is $? 0 "uninstall"
after=$(tree)
# PVE makes these by itself: folders of its own and an empty list of mappings.
is "$(diff <(echo "$before") <(echo "$after") | grep '^[<>]' | grep -vE 'etc/pve/(mapping|priv/lock)|etc/systemd| (lib|usr/lib|usr/share)(/[a-z0-9-]+)*/? *$')" "" "the tree is as before"
like "$out" 'VFs .* stay until the next boot' "it says what stays"
out=$(installer --uninstall)
is $? 0 "uninstall again: nothing to do"

# --- content type, storages ----------------------------------------------------------------

cfg=$(<"$node_root/etc/pve/storage.cfg")
printf 'nfs: share\n\tpath /mnt//share/\n\tcontent iso,snippets\n\nlvm: thick\n\tvgname x\n\n' >>"$node_root/etc/pve/storage.cfg"
sto=$(tree)
ln -s /usr/sbin/vfhook "$node_root/var/lib/vz/snippets/vfhook"
like "$(setup configure --dry-run)" 'link .*/snippets/vfhook: /usr/sbin/vfhook -> /usr/lib/vfhook/hook' "an older version's link would be moved"
is "$(readlink "$node_root/var/lib/vz/snippets/vfhook")" /usr/sbin/vfhook "a dry run leaves it"
setup configure >/dev/null
is "$(readlink "$node_root/var/lib/vz/snippets/vfhook")" /usr/lib/vfhook/hook "an upgrade moves it"
is "$(ls "$node_root/var/lib/vz/snippets")" vfhook "and leaves nothing beside it"
setup remove >/dev/null
ln -s /usr/sbin/vfhook "$node_root/var/lib/vz/snippets/vfhook"
setup remove >/dev/null
is "$(tree)" "$sto" "and a removal takes an older one, too"
out=$(setup configure --enable-snippets)
like "$? $out" '^0 .*storage local, content: iso,vztmpl,backup -> iso,vztmpl,backup,snippets' "--enable-snippets adds the content type"
is "$(setup configure --enable-snippets >/dev/null; grep -c 'backup,snippets$' "$node_root/etc/pve/storage.cfg")" 1 "once"
like "$(setup remove)" 'storage local, content: iso,vztmpl,backup,snippets -> iso,vztmpl,backup' "and the removal takes it back"
is "$(tree)" "$sto" "nothing else is left of it"
out=$(setup configure --storage thick)
like "$? $out" "^1 .*storage 'thick' has no folder for snippets: choose another" "a storage without files is refused"
out=$(setup configure --storage nosuch)
like "$? $out" "^1 .*'nosuch'" "and one that is not there"
out=$(setup configure --storage share)
like "$? $out" "^1 .*is storage 'share' mounted" "and one that is not mounted"
is "$(tree)" "$sto" "nothing was made then"
mkdir -p "$node_root/mnt/share"
setup configure --storage share >/dev/null
is "$(readlink "$node_root/mnt/share/snippets/vfhook")" /usr/lib/vfhook/hook "another storage gets the link"
ln -sfn /usr/sbin/vfhook "$node_root/mnt/share/snippets/vfhook"
echo "token vfhook@pve!hook" >"$node_root/etc/pve/nodes/pve2/vfhook.setup"
like "$(setup configure)" 'left as it is, /usr/sbin/vfhook, until these nodes have this version too: pve2' "a shared link stays while another node has an older version"
is "$(readlink "$node_root/mnt/share/snippets/vfhook")" /usr/sbin/vfhook "where that finds it"
echo "program /usr/lib/vfhook/hook" >>"$node_root/etc/pve/nodes/pve2/vfhook.setup"
setup configure >/dev/null
is "$(readlink "$node_root/mnt/share/snippets/vfhook")" /usr/lib/vfhook/hook "and is moved by the last one"
rm "$node_root/etc/pve/nodes/pve2/vfhook.setup"
setup configure >/dev/null
is "$([[ -e $node_root/var/lib/vz/snippets/vfhook ]] && echo two)" "" "and keeps it: an upgrade makes no second one"
setup remove >/dev/null
is "$(tree)$(ls "$node_root/mnt/share")" "$sto" "the folder that was made goes with it"
printf '%s\n\n' "$cfg" >"$node_root/etc/pve/storage.cfg"

# --- what is somebody else's -----------------------------------------------------------------

echo mine >"$node_root/var/lib/vz/snippets/vfhook"
sto=$(tree)
out=$(installer)
like "$? $out" "^1 .*snippets/vfhook is somebody else's file: move it away" "a foreign file among the snippets is refused"
is "$(tree)" "$sto" "before anything is changed"
rm "$node_root/var/lib/vz/snippets/vfhook"
pveum role add VFHook --privs VM.Audit
out=$(setup configure)
like "$? $out" "^1 .*a role VFHook already, without VM.Config.HWType,.*pveum role modify VFHook --append 1" "so is a role of that name that cannot do it"
pveum role modify VFHook --append 1 --privs VM.Config.HWType,VM.PowerMgmt,Mapping.Use,Mapping.Modify
setup configure >/dev/null
out=$(setup remove)
is "$? $(grep -c '^role:VFHook:' "$node_root/etc/pve/user.cfg") $(grep -c vfhook@pve "$node_root/etc/pve/user.cfg")" "0 1 0" "a role that was there before stays"
pveum role delete VFHook
install -m 600 /dev/stdin "$node_root/etc/pve/priv/vfhook.token" <<<'jane@pve!own=01234567-89ab-cdef-0123-456789abcdef'
out=$(setup configure)
like "$? $out $(grep -c vfhook@pve "$node_root/etc/pve/user.cfg")" "^0 .*a token of your own, jane@pve!own: kept.* 0$" "a token of the admin's own is kept, no other is made"
setup remove >/dev/null
like "$(<"$node_root/etc/pve/priv/vfhook.token")" '^jane' "and survives the removal"
rm "$node_root/etc/pve/priv/vfhook.token"

# --- two nodes -----------------------------------------------------------------------------------

setup configure >/dev/null
one=$(<"$node_root/etc/pve/priv/vfhook.token")
setup_root=$node_root/second
mkdir -p "$setup_root"/{etc/pve,usr/sbin,var/lib/vz}
for f in "$node_root"/etc/pve/*; do
	[[ ${f##*/} == local ]] || ln -s "$f" "$setup_root/etc/pve/"
done
ln -s nodes/pve2 "$setup_root/etc/pve/local"
: >"$argv_log"
out=$(setup configure)
is "$? $(<"$node_root/etc/pve/priv/vfhook.token") $(grep -cE ' (add|modify|remove) ' "$argv_log")" "0 $one 0" "the second node uses the token of the first"
setup_root=
out=$(setup remove)
like "$? $out" '^0 .*left, other nodes use vfhook: pve2' "the first one leaves it to the second"
like "$(probe call GET /cluster/mapping/pci)" '^OK' "which goes on working"
setup_root=$node_root/second
out=$(setup remove)
is "$? $(grep -c -e vfhook -e VFHook "$node_root/etc/pve/user.cfg") $(find "$node_root/etc/pve/" -name 'vfhook*')" "0 0 " "the last node takes it away"
setup_root=

# --- the kernel command line ---------------------------------------------------------------------

mkdir -p "$node_root"/etc/default "$node_root"/boot/grub
echo 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"' >"$node_root/etc/default/grub"
printf '#!/bin/sh\n' >"$node_root/usr/sbin/update-grub"
chmod 755 "$node_root/usr/sbin/update-grub"
installer >/dev/null
boot_files() { (cd "$node_root/etc" && find default modules-load.d -type f -exec sha1sum {} +) 2>/dev/null; }
host=$(boot_files)
out=$(vfhook host prepare --apply 2>&1)
like "$? $([[ $(boot_files) == "$host" ]] || echo changed)" '^0 changed' "host prepare changes the host"
out=$(installer --uninstall)
is "$? $(boot_files)" "0 $host" "and the removal puts that back"
rm -rf "$node_root"/etc/default "$node_root/usr/sbin/update-grub"

# --- when PVE does not help -------------------------------------------------------------------------

sim quorum off
out=$(setup configure)
like "$? $out" '^1 .*no quorum.*Once it is mended: /usr/lib/vfhook/setup configure' "no quorum: the reason, and what to run later"
sim quorum on
setup configure >/dev/null
setup remove >/dev/null
mv "$node_root/etc/pve/nodes" "$node_root/etc/pve/nodes.off"
out=$(setup configure)
like "$? $out" '^1 .*is pve-cluster running.*setup configure' "no cluster filesystem: likewise"
rm "$tools"/*
out=$(PATH=$tools:$PATH VFHOOK_ROOT=$node_root "$top/install.sh" </dev/null 2>&1)
like "$? $out" '^0 .*no Proxmox VE node: nothing but the program is installed.*make demo' "another machine: only the program, and where to look"
is "$(find "$node_root/etc/systemd" -name 'vfhook*' 2>/dev/null)" "" "no unit is enabled there"
out=$(installer --uninstall)
is "$? $(find "$node_root/usr" "$node_root/lib" -name 'vfhook*')" "0 " "and back"
out=$(installer --unknown)
like "$? $out" '^2 .*Usage: ./install.sh' "an unknown option"
try "--help" installer --help
# --- A run that is bounded ends before systemd ends it ---

limit() { sed -n "s/^#define $1[[:space:]]*\([0-9]*\)$/\1/p" "$top/src/command/cmd_boot.c"; }
timeout_of() { sed -n 's/^TimeoutStartSec=//p' "$top/packaging/$1.service"; }
try "vfhook-vfs: its own limit comes first" test "$(limit LIMIT_EARLY_S)" -lt "$(timeout_of vfhook-vfs)"
try "vfhook-boot: likewise" test "$(limit LIMIT_S)" -lt "$(timeout_of vfhook-boot)"
done_testing
