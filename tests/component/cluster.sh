#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# cluster.sh - a port's mapping has an entry for every node that has its pool,
# so that PVE lets the VM migrate and fail over there.

set -uo pipefail
# shellcheck source=tests/component/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

node_up
pve_up || exit 1
etc=$node_root/etc/pve
vfhook pool add wan --pf enp6s0f0 >/dev/null
json=$etc/nodes/pve1/vfhook.json
is "$(python3 -c 'import json,sys; print(len(json.load(open(sys.argv[1]))["vfs"]))' "$json")" 7 "pool add tells the cluster of this node's VFs"
like "$(<"$json")" '"vf": "0000:06:10.0"' "with their addresses"

# Another node of the same kind, elsewhere on its bus.
mkdir -p "$etc/nodes/pve2/qemu-server" "$etc/nodes/pve3/qemu-server"
sed 's/0000:06:/0000:81:/g' "$json" >"$etc/nodes/pve2/vfhook.json"
sed -i 's/^pool: wan/&\n\tpf node=pve2,path=0000:81:00.0\n\tpf node=pve3,path=0000:81:00.0/' "$etc/vfhook.cfg"
qm create 100 --name fw >/dev/null
before=$(cd "$etc" && find . -type f -size +0 | sort | xargs sha1sum)
out=$(vfhook attach 100 2>&1)
is $? 0 "attach"
like "$out" 'mapping vf-100-0 on pve2: none -> .*node=pve2,path=0000:81:10.0' "says what it wrote for the other node"
like "$out" 'no entry for node pve3, which has not told its VFs' "and which node it knows nothing of"
is "$(grep -c '^	map ' "$etc/mapping/pci.cfg")" 2 "the mapping has an entry for each node that told its VFs"
qm create 101 --name web >/dev/null
vfhook attach 101 >/dev/null 2>&1
like "$(sed -n '/^vf-101-0/,/^$/p' "$etc/mapping/pci.cfg")" 'node=pve2,path=0000:81:10.2' "the next VM's names another VF there"
vfhook detach 101 >/dev/null 2>&1
qm destroy 101 >/dev/null 2>&1
qm start 100 >/dev/null 2>&1
like "$(sed -n '/^vf-100-0/,/^$/p' "$etc/mapping/pci.cfg")" 'node=pve2,path=0000:81:10.0' "a start leaves the other node's entry"
qm stop 100 >/dev/null 2>&1
vfhook detach 100 >/dev/null 2>&1
is "$(cd "$etc" && find . -type f -size +0 | sort | xargs sha1sum)" "$before" "detach leaves /etc/pve as it was"

# What another node wrote is not believed blindly.
for bad in 'nonsense' '[]' '{"version":1}' '{"version":1,"vfs":[{"pf":"0000:81:00.0","vf":"0000:81:10.0","id":"x,node=pve1","subsystem-id":"","iommugroup":1}]}'; do
	printf '%s' "$bad" >"$etc/nodes/pve2/vfhook.json"
	out=$(vfhook attach 100 2>&1)
	like "$? $out" '^0 .*no entry for node pve2' "a wrong file of another node ('${bad:0:12}'): told, and left out"
	vfhook detach 100 >/dev/null 2>&1
done
sed -i '/node=pve[23]/d' "$etc/vfhook.cfg"
vfhook pool remove wan >/dev/null
is "$([[ -e $json ]] && echo there)" "" "without a pool the node tells nothing"
done_testing
