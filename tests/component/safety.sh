#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# safety.sh - nobody gets in and nothing gets out: parked VFs, file modes, symbolic
# links, the environment and descriptors of what we run, the token's secret, each
# right taken away in turn, paths out of configs, stops that must end.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

mac1=bc:24:11:00:00:01
run_dir() { echo "$node_root/run/vfhook"; }
port() { printf 'port: %s-0\n\tpool wan\n\tmac %s\n\n' "$1" "$2"; }
leased_vf() { basename "$(run_dir)"/leases/0000*; }

# --- a free VF is parked ---

node_up 0000:06:00.0,driver=i40e,ifname=enp6s0f0,vfs=4,numvfs=4,up=1,autoprobe=0
pve_up || exit 1
port 100 "$mac1" | wan_cfg
vm 100 --hostpci0 mapping=vf-100-0
out=$(vfhook boot 2>&1)
like "$? $out" '^0 .*4 VFs, 4 free, 4 parked' "a driver with a link state: boot parks"
is "$(for i in 0 1 2 3; do vf_get enp6s0f0 $i link-state; done | sort -u)" disable "parked VFs have no link"
out=$(qm start 100 2>&1)
is "$?" 0 "a VM without a wish for it starts"
vf=$(leased_vf)
index=$((16#${vf:8:2} * 8 + ${vf:11} - 16))
is "$(vf_get enp6s0f0 "$index" link-state)" auto "its VF has a link"
out=$(qm stop 100 2>&1)
like "$?" 0 "it stops"
is "$(vf_get enp6s0f0 "$index" link-state) $(vf_get enp6s0f0 "$index" mac)" 'disable 00:00:00:00:00:00' "then its VF has none"
fake_set enp6s0f0 'p["quirks"] = ["no-link-state"]; [v.update({"link-state": "auto"}) for v in p["vfs"]]'
out=$(qm start 100 2>&1 && qm stop 100 2>&1)
is "$? $(lease_count)" '0 0' "a card that refuses it after all: no reason to keep a VF"

# --- file modes, whatever the umask ---

node_up
fake_set enp6s0f0 pass
pve_up || exit 1
{
	port 100 "$mac1"
	port 101 bc:24:11:00:00:02
} | wan_cfg
vm 100 --hostpci0 mapping=vf-100-0
vm 101 --hostpci0 mapping=vf-101-0
for mask in 000 077 777; do
	rm -rf -- "$(run_dir)" "$node_root/var/lib/vfhook"
	(
		umask $mask
		vfhook pool add wan --pf enp6s0f0 --vfs 7 >/dev/null
		vfhook boot >/dev/null
		vfhook 100 pre-start >/dev/null
	)
	is "$(cd "$node_root" && find run/vfhook var/lib/vfhook -path run/vfhook/locks -prune -o \( \( -type d ! -perm 755 \) -o \( -type f ! -perm 644 \) \) -print)" '' \
		"umask $mask: folders 0755, files 0644"
	is "$(stat -c %a "$node_root/etc/pve/vfhook.cfg" "$node_root/etc/pve/nodes/pve1/vfhook.json" | sort -u)" 640 "umask $mask: what is in /etc/pve 0640"
	vfhook 100 post-stop >/dev/null
done

# --- symbolic links where our files should be ---

echo victim >"$node_root/victim"
for name in leases/0000:06:10.0 journal/100 locks/100; do
	rm -rf -- "$(run_dir)"
	vfhook 101 pre-start >/dev/null
	vfhook 101 post-stop >/dev/null
	ln -sf ../../../victim "$(run_dir)/$name"
	out=$(vfhook 100 pre-start 2>&1)
	rc=$?
	vfhook 100 post-stop >/dev/null 2>&1
	vfhook repair >/dev/null 2>&1
	is "$(<"$node_root/victim")" victim "a symbolic link as $name: what it points to is not touched (exit $rc)"
	((rc == 0)) || like "$out" 'vfhook: .*/run/vfhook/' "and named"
done
for dir in run/vfhook/leases run/vfhook/journal run/vfhook var/lib/vfhook; do
	rm -rf -- "$(run_dir)" "$node_root/var/lib/vfhook" "$node_root/elsewhere"
	mkdir -p "$node_root/elsewhere" "$node_root/${dir%/*}"
	ln -s "$node_root/elsewhere" "$node_root/$dir"
	vfhook 100 pre-start >/dev/null 2>&1
	vfhook 100 post-stop >/dev/null 2>&1
	is "$(find "$node_root/elsewhere" -type f)" '' "a symbolic link as /$dir: nothing is written behind it"
done
rm -rf -- "$(run_dir)" "$node_root/var/lib/vfhook"

# --- what we run gets a clean environment and no descriptors of ours ---

cat >"$node_root/var/lib/vz/snippets/other" <<'END'
#!/bin/bash
tr '\0' '\n' <"/proc/$$/environ" | sort >"$0.env"
ls -l "/proc/$$/fd" >"$0.fds"
END
chmod 755 "$node_root/var/lib/vz/snippets/other"
printf 'guest: 100\n\tchain local:snippets/other\n' >>"$node_root/etc/pve/vfhook.cfg"
(
	exec 7<"$node_root/etc/pve/priv/vfhook.token"
	export SECRET=x LD_LIBRARY_PATH=/nowhere BASH_ENV=/nowhere IFS=, PVE_MIGRATED_FROM=pve2
	vfhook 100 pre-start
) >/dev/null 2>&1
is "$(grep -vE '^(PATH|LC_ALL|PVE_MIGRATED_FROM|TERM)=' "$node_root/var/lib/vz/snippets/other.env")" '' "the chained script gets PATH, LC_ALL and PVE's own, no more"
is "$(sed -n 's/.* \([0-9]*\) -> .*/\1/p' "$node_root/var/lib/vz/snippets/other.fds" | grep -vxE '0|1|2|255')" '' "and no descriptor but the standard three"
vfhook 100 post-stop >/dev/null
sed -i '/^guest: 100/,$d' "$node_root/etc/pve/vfhook.cfg"

# --- the secret ---

secret=$(cut -d= -f2 "$node_root/etc/pve/priv/vfhook.token")
fake_set enp6s0f0 'p["quirks"] = []'
trace=$(mktemp)
(
	# Every REST call there is, the failing ones too.
	qm create 110 --name x
	vfhook attach 110
	vfhook detach 110
	sim fault set status 500 --path mapping --count 3
	vfhook attach 110
	sim fault clear
	vfhook attach 110
	vfhook check
	vfhook explain 110
	vfhook status --output-format json
	vfhook metrics
	sim fault set wrong-type --path mapping --count 3
	vfhook detach 110
	sim fault clear
	vfhook detach 110
) >"$trace" 2>&1
is "$(grep -c -- "$secret" "$trace")" 0 "the token's secret is in nothing that was said"
is "$(grep -rlF -- "$secret" "$node_root" --exclude-dir=proc --exclude-dir=sys 2>/dev/null | grep -v '/priv/' | grep -v pvesim)" '' "nor in any file but its own"
rm -f -- "$trace"
like "$(strings -- "$BUILD/vfhook" | grep -c prctl)" '^[1-9]' "the program forbids core files"

# --- one right less ---

vm 102
for right in 'mapping/pci Mapping.Modify' 'mapping/pci Mapping.Use' 'vms VM.Config.HWType'; do
	read -r path priv <<<"$right"
	vfhook detach 102 >/dev/null 2>&1
	sim acl revoke "/$path" "$token_id" "$priv" >/dev/null
	out=$(vfhook attach 102 2>&1)
	rc=$?
	like "$rc $out" "^1 .*$priv" "attach without $priv on /$path: refused, and the right is named"
	is "$(grep -c '^port: 102' "$node_root/etc/pve/vfhook.cfg")" 0 "and nothing of it is left"
	sim acl set "/$path" "$token_id" "$(printf '%s\n' "${token_privs[@]}" | sed -n "s:^/$path\:::p")" >/dev/null
done
# The job that writes hostpci and starts the VM again says it in its own log.
{
	cat "$node_root/etc/pve/vfhook.cfg"
	port 102 bc:24:11:00:00:12
} >"$node_root/cfg.new" && mv "$node_root/cfg.new" "$node_root/etc/pve/vfhook.cfg"
sim acl revoke /vms "$token_id" VM.PowerMgmt >/dev/null
qm set 102 --hookscript local:snippets/vfhook >/dev/null
qm start 102 >/dev/null 2>&1
wait_for 30 grep -q 'PowerMgmt' "$(run_dir)/job-102.log"
like "$(cat "$(run_dir)/job-102.log")" 'VM.PowerMgmt' "the job without VM.PowerMgmt: its log names the right"
sim acl set /vms "$token_id" VM.Config.HWType,VM.PowerMgmt >/dev/null

# --- paths out of configs ---

# shellcheck disable=SC2016 # that is the point
for evil in '../../victim' '/etc/passwd' '..' '.' 'a/b' $'a\tb' '$(id)' 'x;y'; do
	printf 'pool: wan\n\tpf node=pve1,path=0000:06:00.0\n\nport: 100-0\n\tpool %s\n' "$evil" | cfg
	vfhook 100 pre-start >/dev/null 2>&1
	is "$?" 1 "a pool called '$evil': refused"
	printf 'pool: wan\n\tpf node=%s,path=0000:06:00.0\n\nport: 100-0\n\tpool wan\n' "$evil" | cfg
	vfhook 100 pre-start >/dev/null 2>&1
	is "$?" 1 "a node called '$evil': refused"
	{
		port 100 "$mac1"
		printf 'guest: 100\n\tchain local:snippets/%s\n' "$evil"
	} | wan_cfg
	case $evil in
	/etc/passwd | 'a/b' | .. | . | ../../victim)
		vfhook 100 pre-start >/dev/null 2>&1
		is "$? $(lease_count)" '1 0' "a chained script '$evil': refused, and no VF is kept"
		;;
	esac
done
is "$(<"$node_root/victim")" victim "nothing outside was touched"

# --- stops end ---

port 100 "$mac1" | wan_cfg
qm start 100 >/dev/null 2>&1
sim stop >/dev/null 2>&1
kill -9 "$(<"$node_root/run/qemu-server/100.pid")"
sleep 0.2
out=$(vfhook 100 post-stop 2>&1)
is "$?" 0 "post-stop with PVE's API dead: done"
is "$(lease_count)" 0 "and the VF is free"
pve_up
vfhook 100 pre-start >/dev/null
fake_set enp6s0f0 'p["quirks"] = ["stuck"]'
"$BUILD/tests/hook-fake" --root "$node_root" 100 post-stop >/dev/null 2>&1 &
stop=$!
wait_for 20 grep -q '"inside": *true' "$node_root/fake-kernel/enp6s0f0.json"
kill -KILL "$stop"
wait "$stop" 2>/dev/null
is "$? $(lease_count)" "137 1" "a post-stop that the kernel holds is ended from outside: the VF is nobody else's meanwhile"
fake_set enp6s0f0 'p["quirks"] = []'
out=$(vfhook repair 2>&1)
is "$? $(lease_count)" '0 0' "repair finishes it"
touch "$node_root/fake-kernel/hurry"
vfhook 100 pre-start >/dev/null
fake_set enp6s0f0 'p["quirks"] = ["stuck"]'
out=$(vfhook 100 post-stop 2>&1)
like "$? $out" '^1 .*has not answered for .*the stop goes on.*vfhook release 100' \
	"a driver that does not answer: post-stop gives up by itself, and says what is next"
is "$(lease_count)" 1 "the VF is nobody else's meanwhile"
fake_set enp6s0f0 'p["quirks"] = []'
out=$(vfhook repair 2>&1)
is "$? $(lease_count)" '0 0' "repair finishes that as well"
vfhook 100 pre-start >/dev/null
fake_set enp6s0f0 'p["quirks"] = ["stuck"]'
out=$(vfhook release 100 2>&1)
like "$? $out $(lease_count)" '^1 .*has not answered for .*once the driver answers: vfhook release 100.* 1$' \
	"nor does release wait for it for ever"
fake_set enp6s0f0 'p["quirks"] = []'
out=$(vfhook repair 2>&1)
is "$? $(lease_count)" '0 0' "repair finishes that too"
# VM 101's mapping names the VF that VM 100, which is over, still has.
{ echo; port 101 bc:24:11:00:00:02; } >>"$node_root/etc/pve/vfhook.cfg"
vfhook 100 pre-start >/dev/null
sed -i "/^vf-101-0/,/^$/s/path=[^,]*/path=$(leased_vf)/" "$node_root/etc/pve/mapping/pci.cfg"
fake_set enp6s0f0 'p["quirks"] = ["stuck"]'
out=$(vfhook 101 pre-start 2>&1)
like "$? $out $(lease_count)" '^1 .*VM 101 is not started: .*has not answered for .* 1$' \
	"nor a start, which has PVE's lock on its VM, for a VF that is to be taken back"
fake_set enp6s0f0 'p["quirks"] = []'
out=$(vfhook repair 2>&1)
is "$? $(lease_count)" '0 0' "repair finishes that as well"
vfhook 100 pre-start >/dev/null
exec 8>"$(run_dir)/locks/100"
flock 8
out=$(vfhook 100 post-stop 2>&1 8>&-)
is "$?" 1 "post-stop while another run holds the VM's lock, and goes on holding it: it gives up"
like "$out" 'locks/100 is locked by somebody else; the next start' "and says so"
exec 8>&-
out=$(vfhook repair 2>&1)
like "$? $out $(lease_count)" '^0 .*VM 100 is not running but holds VFs.* 0$' "repair finishes it, and so does the next start that needs a VF"
done_testing
