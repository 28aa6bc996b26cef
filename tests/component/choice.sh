#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# choice.sh - which VF a port gets, whose VFs are left alone, mappings that PVE would refuse, and
# the states that snapshots, rollbacks, restores and clones make.
#
# shellcheck disable=SC2030,SC2031,SC2086,SC2317 # ids are numbers; those of loops in subshells stay there

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

path_of() { sed -n "/^$1\$/,/^\$/s/.*path=\([^,]*\).*/\1/p" "$node_root/etc/pve/mapping/pci.cfg"; }
conf() { echo "$node_root/etc/pve/nodes/pve1/qemu-server/$1.conf"; }
shows_running() { vfhook status 2>&1 | grep -q "running *$1 "; }
requests() { sim requests 2>/dev/null | grep -vc '"path": "/version"' || :; }

# map ID VF [GROUP] - a line of a user's mapping for that VF of this node.
entry() { printf '\tmap id=8086:10ca,iommugroup=%s,node=pve1,path=%s,subsystem-id=8086:0000\n' "$(group_of "$1")" "$1"; }
group_of() { basename "$(readlink "$node_root/sys/bus/pci/devices/$1/iommu_group")"; }

# --- every new port gets a VF of its own ---

node_up
pve_up || exit 1
vfhook pool add wan --pf enp6s0f0 >/dev/null 2>&1
for id in 100 101 102; do
	qm create $id --name vm$id >/dev/null
	vfhook attach $id >/dev/null 2>&1
done
is "$(path_of vf-100-0) $(path_of vf-101-0) $(path_of vf-102-0)" "0000:06:10.0 0000:06:10.2 0000:06:10.4" \
	"three attaches while the VMs are stopped: three VFs"
qm clone 100 103 --name clone >/dev/null
qm start 103 >/dev/null 2>&1
try "a clone's start: the job starts it again" wait_for 20 vm_runs 103
is "$(path_of vf-103-0)" 0000:06:10.6 "and chose a VF that no other port's mapping names"
# The clone's job asks as well.
wait_for 30 no_job
before=$(requests)
out=$(for id in 100 101 102; do qm start $id 2>&1; done)
is "$(grep -c ' kept: ' <<<"$out") $(requests)" "3 $before" "their first starts keep what attach chose: no REST call"
for id in 100 101 102 103; do qm stop $id >/dev/null 2>&1; done

# The VF that 100 had is another VM's now: what it takes instead is nobody's.
sed -i "/^vf-100-0\$/,/^\$/s/path=[^,]*/path=0000:06:1f.0/" "$node_root/etc/pve/mapping/pci.cfg"
out=$(qm start 100 2>&1)
like "$? $out" '^0 .*VF 0000:06:10.0 .*taken' "a cold choice at a start passes over the VFs that other ports' mappings name"
qm stop 100 >/dev/null 2>&1
for id in 104 105 106; do
	qm create $id --name vm$id >/dev/null
	vfhook attach $id >/dev/null 2>&1
done
qm create 107 --name vm107 >/dev/null
out=$(vfhook attach 107 2>&1)
like "$? $(path_of vf-107-0)" '^0 0000:06:1' "more ports than VFs: a VF that another port names is better than none"
for id in 104 105 106 107; do vfhook detach $id >/dev/null 2>&1; done

# --- PVE refuses a start with an old mapping, after pre-start ---

api() { # WORKER METHOD PATH
	curl -sS --cacert "$node_root/etc/pve/pve-root-ca.pem" -X "$2" -H "X-Pvesim-Worker: $1" \
		-H "Authorization: PVEAPIToken=$(<"$node_root/etc/pve/priv/vfhook.token")" \
		"https://localhost:8006/api2/json$3"
}
tasks_of() { sim tasks | grep -c ":qmstart:$1:"; }
node_up
sim config set worker 1 >/dev/null
pve_up || exit 1
vfhook pool add wan --pf enp6s0f0 >/dev/null 2>&1
for id in 100 101; do
	qm create $id --name vm$id >/dev/null
	vfhook attach $id >/dev/null 2>&1
done
qm start 100 >/dev/null 2>&1
sed -i "s/$(path_of vf-101-0)/$(path_of vf-100-0)/; s/iommugroup=[0-9]*,\(.*$(path_of vf-100-0)\)/iommugroup=$(group_of "$(path_of vf-100-0)"),\1/" \
	"$node_root/etc/pve/mapping/pci.cfg"
stale_start() { # VMID SLOT
	local upid
	api 0 GET "/cluster/mapping/pci/vf-$1-$2" >/dev/null
	upid=$(api 0 POST "/nodes/pve1/qemu/$1/status/start" |
		python3 -c 'import json,sys; print(json.load(sys.stdin)["data"])')
	sim wait "$upid" >/dev/null 2>&1
	sim log "$upid"
}
out=$(stale_start 101 0)
like "$out" "VF 0000:06:10.2 .*taken.*TASK ERROR: PCI device '0000:06:10.0' already in use by VMID '100'" \
	"a worker that knows the old mapping alone: PVE refuses the start after pre-start"
try "it is started once more by itself" wait_for 20 vm_runs 101
is "$(tasks_of 101)" 2 "once"
like "$(vfhook explain 101)" "refused .*PVE refused it .*PCI device '0000:06:10.0' already in use by VMID '100'; it is started once more" "explain says what it was"
qm stop 101 >/dev/null 2>&1
sed -i "/^vf-101-0\$/,/^\$/s/path=[^,]*,\(.*\)/path=0000:06:10.0,\1/; /^vf-101-0\$/,/^\$/s/iommugroup=[0-9]*/iommugroup=$(group_of 0000:06:10.0)/" \
	"$node_root/etc/pve/mapping/pci.cfg"
out=$(qm start 101 2>&1)
like "$? $out" '^0 .*VF 0000:06:1.* taken' "the same by qm, a process without a cache: it is served at once"
vfhook watch 101
is "$? $(tasks_of 101) $(vm_runs 101 && echo runs)" "0 3 runs" "and who watches has nothing to do"
# Bulk start: all of them in one worker, with what that knows.
for id in 100 101; do qm stop $id >/dev/null 2>&1; done
sed -i "/^vf-101-0\$/,/^\$/s/path=[^,]*,\(.*\)/path=$(path_of vf-100-0),\1/; /^vf-101-0\$/,/^\$/s/iommugroup=[0-9]*/iommugroup=$(group_of "$(path_of vf-100-0)")/" \
	"$node_root/etc/pve/mapping/pci.cfg"
api 0 GET /cluster/mapping/pci/vf-101-0 >/dev/null
upid=$(api 0 POST /nodes/pve1/startall | python3 -c 'import json,sys; print(json.load(sys.stdin)["data"])')
sim wait "$upid" >/dev/null 2>&1
like "$(sim log "$upid")" "Starting VM 101 failed: PCI device '0000:06:10.[0-9]' already in use by VMID '100'" "bulk start: PVE refuses the second VM with an old mapping"
try "it is started once more" wait_for 20 vm_runs 101
try "the first runs" vm_runs 100

# Two ports of one VM whose mappings once named the same VF.
qm create 102 --name vm102 >/dev/null
for slot in 0 1; do vfhook attach 102 --slot $slot >/dev/null 2>&1; done
sed -i "/^vf-102-1\$/,/^\$/s/path=[^,]*,\(.*\)/path=$(path_of vf-102-0),\1/; /^vf-102-1\$/,/^\$/s/iommugroup=[0-9]*/iommugroup=$(group_of "$(path_of vf-102-0)")/" \
	"$node_root/etc/pve/mapping/pci.cfg"
out=$(stale_start 102 1)
like "$out" "hostpci1: VF .*taken.*TASK ERROR: device '0000:06:10.[0-9]' assigned more than once" \
	"a worker that knows one VF for two ports: PVE refuses the start after pre-start"
try "it is started once more, too" wait_for 20 vm_runs 102
is "$(tasks_of 102)" 2 "and only once"

# --- mappings of the user's own ---

node_up
pve_up || exit 1
{
	printf 'opn-wan\n'
	entry 0000:06:10.0
	printf '\nmany\n'
	entry 0000:06:10.2
	entry 0000:06:10.4
	entry 0000:06:10.6
	printf '\nnobody\n'
	entry 0000:06:11.0
} >"$node_root/etc/pve/mapping/pci.cfg"
qm create 105 --name opn >/dev/null
qm set 105 --hostpci0 mapping=opn-wan >/dev/null
qm create 106 --name one-of-many >/dev/null
qm set 106 --hostpci0 mapping=many >/dev/null
printf 'template: 1\nhostpci0: mapping=nobody\n' >"$(conf 108)"
vfhook pool add wan --pf enp6s0f0 >/dev/null 2>&1
for id in {110..115}; do
	qm create $id --name vm$id >/dev/null
	vfhook attach $id >/dev/null 2>&1
done
is "$(for id in 110 111 112; do path_of vf-$id-0; done | tr '\n' ' ')" "0000:06:11.0 0000:06:11.2 0000:06:11.4 " \
	"VFs that other guests name through mappings of the user's own come last; a template names nothing"
for id in 110 111 112 113 114 115; do qm start $id >/dev/null 2>&1; done
is "$(for id in 110 111 112 113 114 115; do vm_runs $id && echo $id; done | tr '\n' ' ')" "110 111 112 113 114 " \
	"a mapping with three VFs and one guest: two of them may be used, after all others"
out=$(qm start 115 2>&1)
like "$? $out" "^[1-9][0-9]* .*0000:06:10.0: named by hostpci0 of VM 105 \(mapping 'opn-wan'\)" "the only VF of a guest's mapping is not given away, and it is said whose it is"
like "$out" "0000:06:10.6: named by hostpci0 of VM 106 \(mapping 'many'\)" "nor is the last one of three that the guest needs"
like "$(vfhook status 2>&1)" ' 0 +mapped +105 opn .* 3 +mapped +106 one-of-many' "status shows whose they are"
for vf in 0000:06:10.0 0000:06:10.6; do echo vfio-pci >"$node_root/sys/bus/pci/devices/$vf/driver_override"; done
out=$(qm start 105 2>&1)
like "$? $out" '^0 ' "the guest with a mapping of its own starts"
out=$(qm start 106 2>&1)
like "$? $out" '^0 ' "so does the one that takes one of three"

# --- mappings that PVE would refuse ---

node_up
pve_up || exit 1
vfhook pool add wan --pf enp6s0f0 >/dev/null 2>&1
qm create 100 --name fw >/dev/null
vfhook attach 100 >/dev/null 2>&1
qm start 100 >/dev/null 2>&1
qm stop 100 >/dev/null 2>&1
cp "$node_root/etc/pve/mapping/pci.cfg" "$node_root/good.cfg"
# What a tick or a line too much makes of it, and how PVE refuses it.
for bad in '/^\tmap/s/^/\tmdev 1\n/' '/^\tmap/s/^/\tmdev\n/' '/^\tmap/s/$/,future=1/' '/^\tmap/s/iommugroup=[0-9]*/iommugroup=99/' \
	'/^\tmap/s/subsystem-id=.*/subsystem-id=1:1/' '/^\tmap/s/id=8086:10ca/id=8086:1520/' '/^\tmap/s/,subsystem-id=.*//'; do
	sed "$bad" "$node_root/good.cfg" >"$node_root/etc/pve/mapping/pci.cfg"
	out=$(vfhook check 2>&1)
	like "$out" 'WARN .*mapping vf-100-0' "$bad: check names it"
	out=$(vfhook explain 100 2>&1)
	like "$out" 'mapping vf-100-0: .*next start' "$bad: explain says what the next start does"
	out=$(vfhook --dry-run 100 pre-start 2>&1)
	like "$out" 'REST: PUT /cluster/mapping/pci/vf-100-0' "$bad: a dry run has the call"
	out=$(qm start 100 2>&1)
	like "$? $out" '^0 .*VF 0000:06:10.0 .*kept' "$bad: the start sets it right, and PVE takes it"
	is "$(grep -c 'mdev\|future' "$node_root/etc/pve/mapping/pci.cfg")" 0 "$bad: nothing of it is left"
	qm stop 100 >/dev/null 2>&1
done

# --- what snapshots, rollbacks, restores and clones leave ---

# Each row: what hostpci0 is, whether there is a port, a mapping and our hookscript. A start that is refused names
# one command, and so do check and explain; after that the VM starts. One that calls no hook of ours is found by
# check and explain.
node_up
pve_up || exit 1
vfhook pool add wan --pf enp6s0f0 >/dev/null 2>&1
mapping_of() { printf 'vf-%s-0\n' "$1" && entry "$2" && echo; }
port_of() { printf '\nport: %s-0\n\tpool wan\n\tmac bc:24:11:00:09:%02d\n' "$1" $(($1 - 100)); }
line_in() { grep -o "vfhook \(attach\|detach\) $id --slot 0" <<<"$1" | head -n 1; }
empty=$(<"$node_root/etc/pve/vfhook.cfg")
echo vfio-pci >"$node_root/sys/bus/pci/devices/0000:06:11.4/driver_override"
readonly other=190 gone=195
row() { # HOSTPCI0 PORT MAPPING HOOK
	local hostpci=$1 port=$2 mapping=$3 hook=$4 row="hostpci0 '$1', port $2, mapping $3, hook $4"
	{
		printf '%s\n' "$empty"
		port_of $other
		[[ $port == n ]] || port_of $id
	} | cfg
	{
		mapping_of $other 0000:06:10.0
		[[ $mapping == n ]] || mapping_of $id 0000:06:10.2
		printf 'gpu\n' && entry 0000:06:11.4
	} >"$node_root/etc/pve/mapping/pci.cfg"
	{
		echo "name: vm$id"
		[[ $hostpci == none ]] || echo "hostpci0: $hostpci"
		[[ $hook == n ]] || echo 'hookscript: local:snippets/vfhook'
	} >"$(conf $id)"
	local out line job_over=1
	out=$(qm start $id 2>&1)
	if [[ $hook == y && $out != *'is started again, once'* ]] && ! vm_runs $id; then
		line=$(line_in "$out")
		isnt "$line" '' "$row: the refusal has a line"
		is "$(line_in "$(vfhook check 2>&1 | grep -A1 "VM $id")")" "$line" "$row: check has it"
		is "$(line_in "$(vfhook explain $id 2>&1 | grep '^next:')")" "$line" "$row: and explain"
		out=$(bash -c "${line/vfhook/$BUILD/tests/vfhook-fake --root $node_root}" 2>&1)
		like "$? $out" '^0 ' "$row: what the line says is done"
		out=$(qm start $id 2>&1)
	elif [[ $hook == n && $hostpci != mapping=gpu && ($port == y || $hostpci != none) ]]; then
		line=$(line_in "$(vfhook explain $id 2>&1 | grep '^next:')")
		isnt "$line" '' "$row: explain has a line"
		is "$(line_in "$(vfhook check 2>&1 | grep -A1 "VM $id")")" "$line" "$row: check has it"
		qm stop $id >/dev/null 2>&1
		out=$(bash -c "${line/vfhook/$BUILD/tests/vfhook-fake --root $node_root}" 2>&1)
		like "$? $out" '^0 ' "$row: what the line says is done"
		out=$(qm start $id 2>&1)
	fi
	try "$row: it starts" wait_for 20 vm_runs $id || diag "$out"
	if [[ $hostpci != mapping=gpu && ($port == y || $hostpci != none) ]]; then
		# Until post-start has looked, the VF is that of a VM that starts.
		try "$row: with a VF that is set" wait_for 20 shows_running $id
	fi
	wait_for 20 flock -n "$node_root/run/vfhook/locks/job-$id" true || job_over=0
	qm stop $id >/dev/null 2>&1
	return $((!job_over))
}
isnt() { if [[ $1 != "$2" ]]; then ok "$3"; else not_ok "$3"; fi; }
id=130
for hook in y n; do
	for hostpci in none "mapping=vf-ID-0" "mapping=vf-$other-0" "mapping=vf-$gone-0" mapping=wan mapping=gpu; do
		for port in y n; do
			for mapping in y n; do
				# Without a hook: these are nothing to do with vfhook, or PVE has no such mapping.
				[[ $hook == y || $mapping == y || $hostpci == *ID* ]] || continue
				id=$((id + 1))
				row "${hostpci/ID/$id}" $port $mapping $hook
				rm -f "$(conf $id)"
			done
		done
	done
done

done_testing
