#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# badinput.sh - broken and hostile input: one clear line (what, where, what to
# do), a non-zero exit, nothing changed and nothing lost.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

mac1=bc:24:11:00:00:01
etc=
fresh() {
	node_up
	etc=$node_root/etc/pve
	wan_cfg <<END
port: 100-0
	pool wan
	mac $mac1
	vlan 20

port: 101-0
	pool wan
	mac bc:24:11:00:00:02
END
	vm 100 --hostpci0 mapping=vf-100-0
	vm 101 --hostpci0 mapping=vf-101-0
	pve_up || exit 1
	# The VF table exists from now on, so that "nothing changed" can be seen.
	qm start 100 >/dev/null 2>&1
	qm stop 100 >/dev/null 2>&1
	good_map=$(<"$etc/mapping/pci.cfg")
}

# All that a refused start must leave as it was: VFs, leases, journal, config, mappings.
state() {
	(cd "$node_root" && find fake-kernel run/vfhook/leases run/vfhook/journal etc/pve -type f 2>/dev/null |
		sort | xargs -d '\n' sha1sum)
}

# refused DESCRIPTION REGEX [VMID] - its start is refused with such a line, and nothing changed.
refused() {
	local before out rc
	before=$(state)
	out=$(vfhook "${3:-100}" pre-start 2>&1)
	rc=$?
	like "$rc $out" "^1 .*$2" "$1: refused, with the reason"
	is "$(state)" "$before" "$1: nothing changed"
}

fresh

# --- vfhook.cfg ---

good=$(<"$etc/vfhook.cfg")
cfg_is() { printf '%s\n' "$good" | sed "$1" | cfg; }
cfg_is 's/vlan 20/vlna 20/'
refused "a misspelt key" "/etc/pve/vfhook.cfg:7: a port has no 'vlna'"
try "a mistake in one port does not stop another VM" vfhook 101 pre-start
vfhook 101 post-stop >/dev/null
cfg_is 's/vlan 20/vlan 4095/'
refused "VLAN 4095" "/etc/pve/vfhook.cfg:7: 'vlan' cannot be '4095': a number from 0 to 4094"
cfg_is 's/mac bc:24:11:00:00:01/mac 01:00:5e:00:00:01/'
refused "a multicast MAC" '/etc/pve/vfhook.cfg:6: .*multicast'
cfg_is 's/mac bc:24:11:00:00:01/mac 00:00:00:00:00:00/'
refused "a zero MAC" '/etc/pve/vfhook.cfg:6: .*no address'
cfg_is 's/mac bc:24:11:00:00:02/mac bc:24:11:00:00:01/'
refused "a MAC twice" 'ports 100-0 and 101-0 have the same MAC'
cfg_is 's/pool wan/pool lan/'
refused "a pool that is not there" "no pool 'lan'"
cfg_is 's/^port: 101-0/prot: 101-0/'
refused "an unknown section" "/etc/pve/vfhook.cfg:9: unknown section type 'prot'"
cfg_is 's/path=0000:06:00.0/path=0000:66:00.0/'
refused "a PF that is not there" 'there is no PCI device 0000:66:00.0'
head -c 300000 /dev/urandom | cfg
refused "a file of random bytes" '/etc/pve/vfhook.cfg'
head -c 1100000 /dev/zero | tr '\0' 'a' | cfg
refused "a file of more than 1 MiB" '/etc/pve/vfhook.cfg is larger than'
printf '%s\n' "$good" | cfg

# --- the guest's config ---

conf=$etc/nodes/pve1/qemu-server/100.conf
sane=$(<"$conf")
conf_is() { printf '%s\n' "$sane" | sed "$1" >"$conf"; }
conf_is 's/^hostpci0:.*/hostpci0: mapping=..\/..\/x/'
refused "a mapping id that is none" '100.conf:[0-9]+: .*hostpci0'
conf_is 's/^hostpci0:.*/hostpci0: rombar=0/'
refused "hostpci0 without a device" '100.conf:[0-9]+: .*hostpci0'
head -c 200000 /dev/urandom >"$conf"
out=$(vfhook 100 pre-start 2>&1)
is "$(grep -vc '^vfhook: ' <<<"$out")" 0 "a config of random bytes: only our own lines come out"
rm -f "$node_root"/run/vfhook/leases/*
printf '%s\n' "$sane" >"$conf"

# --- mappings ---

printf 'vf-100-0\n\tmap node=\n  \x01\n' >"$etc/mapping/pci.cfg"
out=$(vfhook 100 pre-start 2>&1)
like "$? $out $(<"$etc/mapping/pci.cfg")" '^0 .*map id=8086:10ca.*node=pve1' "a mapping that PVE cannot use is written anew"
vfhook 100 post-stop >/dev/null 2>&1
for bad in 'two words' '..bad' "a$(printf '\x01')z" 'gpu\n\tmap x\nother' '\tmap x'; do
	printf "$bad\n\tdescription y\n\n%s\n" "$good_map" >"$etc/mapping/pci.cfg"
	out=$(vfhook 100 pre-start 2>&1)
	like "$? $out" '^0 .*VF 0000:06:10.0 .*kept' "a bad section of somebody else's ('${bad//[^[:print:]]/?}') stops no VM"
	vfhook 100 post-stop >/dev/null 2>&1
done
printf '%s\n' "$good_map" >"$etc/mapping/pci.cfg"

# --- leases and journal ---

leases=$node_root/run/vfhook/leases
for bad in '' '{' '[]' '{"version":1}' '{"version":99,"vf":"0000:06:10.0"}' "$(printf '%020000d' 1)"; do
	printf '%s\n' "$good_map" >"$etc/mapping/pci.cfg"
	printf '%s' "$bad" >"$leases/0000:06:10.0"
	out=$(vfhook 100 pre-start 2>&1)
	like "$? $out" "^0 .*/run/vfhook/leases/0000:06:10.0.*VF 0000:06:10.2 .*taken" \
		"a broken lease ('${bad:0:20}'): told, its VF is not touched, another one is taken"
	is "$(<"$leases/0000:06:10.0")" "$bad" "the file is left for a person to see"
	vfhook 100 post-stop >/dev/null 2>&1
done
rm -f "$leases"/*
printf '%s\n' "$good_map" >"$etc/mapping/pci.cfg"
printf 'garbage' >"$node_root/run/vfhook/journal/100"
out=$(vfhook 100 pre-start 2>&1)
like "$? $out" '^0 .*put aside as 100.broken' "a broken journal is put aside and told, the VM starts"
vfhook 100 post-stop >/dev/null 2>&1
rm -f "$node_root"/run/vfhook/journal/*
ln -s /etc/passwd "$leases/0000:06:10.0"
out=$(vfhook 100 pre-start 2>&1)
like "$out" '0000:06:10.2 .*taken' "a symbolic link as a lease is no way to read another file"
vfhook 100 post-stop >/dev/null 2>&1
rm -f "$leases"/*

# --- the token and pveproxy: a start that needs no REST does not care ---

fresh
rm "$etc/mapping/pci.cfg"
token=$etc/priv/vfhook.token
chmod 644 "$token"
refused "a token that others may read" '/etc/pve/priv/vfhook.token.*(chmod|mode)'
chmod 600 "$token"
cp "$token" "$node_root/token"
echo 'no token at all' >"$token"
refused "a file that is no token" '/etc/pve/priv/vfhook.token'
sed 's/=.*/=00000000-0000-0000-0000-000000000000/' "$node_root/token" >"$token"
refused "a wrong secret" '401'
out=$(vfhook 100 pre-start 2>&1)
is "$(grep -c 00000000-0000 <<<"$out")" 0 "the secret is not shown"
cat "$node_root/token" >"$token"
sim acl set /mapping/pci "$token_id" Mapping.Use >/dev/null
refused "a token without Mapping.Modify" '/mapping/pci.*Mapping.Modify'
sim acl set /mapping/pci "$token_id" Mapping.Use,Mapping.Modify >/dev/null

for fault in close close-mid endless 'huge 8' truncated not-json empty 'deep 5000' 'redirect https://192.0.2.1/' \
	'status 500' 'status 595' plain reset; do
	path=(--path /cluster/mapping)
	# These come before there is a path.
	[[ $fault != plain && $fault != reset ]] || path=()
	# shellcheck disable=SC2086 # words on purpose
	sim fault set $fault "${path[@]}" --perform no >/dev/null || not_ok "fault $fault"
	refused "pveproxy answers with '$fault'" 'mapping vf-100-0 cannot be written: '
	sim fault clear >/dev/null
done
for cert in wrong-name other-ca expired; do
	sim cert "$cert" >/dev/null 2>&1
	sim stop >/dev/null 2>&1
	pve_up
	if [[ $cert == other-ca ]]; then
		# The admin's own certificate is its own anchor: it is believed, by file.
		out=$(vfhook 100 pre-start 2>&1)
		like "$? $out" '^0 ' "a certificate of the admin's own CA is accepted, from its file"
		vfhook 100 post-stop >/dev/null 2>&1
		rm -f "$etc/mapping/pci.cfg"
	elif [[ $cert == expired ]]; then
		refused "an expired certificate" '(certificate|SSL|TLS)'
	fi
done
sim cert none >/dev/null 2>&1
sim stop >/dev/null 2>&1
pve_up
vfhook 100 pre-start >/dev/null 2>&1
vfhook 100 post-stop >/dev/null 2>&1
sim stop >/dev/null 2>&1
rm "$token"
out=$(vfhook 100 pre-start 2>&1)
like "$? $out" '^0 .*kept' "pveproxy down and no token: a start that needs no REST works"
vfhook 100 post-stop >/dev/null 2>&1
install -m 600 "$node_root/token" "$token"
# The mapping file is locked by somebody who does not let go: told after 20 s of patience, once.
pve_up
sim config set cfs-lock-timeout 1 >/dev/null
sim hold-lock cfs 90 >"$node_root/said" 2>&1 &
holder=$!
wait_for 30 grep -q held "$node_root/said"
refused "somebody holds the lock on the mappings" 'mapping vf-101-0 cannot be written: .*(lock|time)' 101
is "$(kill -0 "$holder" 2>/dev/null && echo held)" held "told while the lock is still held"
sim stop >/dev/null 2>&1
refused "pveproxy down, and a mapping must be written" '(pveproxy|connect)' 101

done_testing
