# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
#
# seelib.sh - nodes that are worth a picture, behind lib.sh: for see.sh, and for the pictures in doc/.

# QEMUs that are none, and who holds a container's lock.
see_pids=()
see_down() {
	no_vms
	node_down
}
trap see_down EXIT

no_vms() {
	local pid
	[[ -n $node_root ]] || return 0
	for pid in "${see_pids[@]}"; do
		pkill -P "$pid" sleep
		kill "$pid"
	done 2>/dev/null
	see_pids=()
	rm -f "$node_root"/run/qemu-server/*.pid
}
# qemu_of "VMID..." [ARG]... - one process is the QEMU of all these.
qemu_of() {
	local id ids=$1
	local -a args=()
	shift
	for id in $ids; do args+=(-id "$id"); done
	(exec -a qemu-system-x86_64 perl -e 'sleep' -- "${args[@]}" "$@") &
	see_pids+=($!)
	for id in $ids; do echo $! >"$node_root/run/qemu-server/$id.pid"; done
	wait_for 10 sh -c "tr '\\0' ' ' </proc/$!/cmdline | grep -q '^qemu'"
}
# run_vms VMID... - these run, and no others.
run_vms() {
	no_vms
	qemu_of "$*"
}
# hold_ct CTID - PVE is at work on it, so that nobody calls its lease stale.
hold_ct() {
	local lock=$node_root/run/lock/lxc/pve-config-$1.lock
	mkdir -p "${lock%/*}"
	: >"$lock"
	flock "$lock" sleep infinity &
	see_pids+=($!)
	wait_for 10 is_locked "$lock"
}

# vf_addr PF INDEX
vf_addr() { basename "$(readlink "$node_root/sys/bus/pci/devices/$1/virtfn$2")"; }

# lease PF INDEX VMID SLOT NAME [PHASE] [MEMBERS] - name as JSON has it; members: of "want", or others behind it.
lease() {
	local vf
	vf=$(vf_addr "$1" "$2")
	mkdir -p "$node_root/run/vfhook/leases"
	printf '{"version":1,"vf":"%s","pf":"%s","index":%s,"vmid":%s,"slot":%s,"pool":"wan","name":"%s","phase":"%s","taken":1,"qemu-pid":0,"qemu-start":0,"before":{},"want":{%s}}' \
		"$vf" "$1" "$2" "$3" "$4" "$5" "${6:-running}" "${7:-}" >"$node_root/run/vfhook/leases/$vf"
}

# leases IFNAME PYTHON - what the leases of a PF's VFs are, all at once: the code appends to `all`
# (index, vmid, name, phase, want, settings of the VF now, more members).
leases() {
	python3 - "$node_root" "$1" "$2" <<'PY'
import json, os, sys
root, ifname, code = sys.argv[1:]
all = []
exec(code)
pf = os.path.realpath(f"{root}/sys/class/net/{ifname}/device")
page = f"{root}/fake-kernel/{ifname}.json"
os.makedirs(f"{root}/fake-kernel", exist_ok=True)
os.makedirs(f"{root}/run/vfhook/leases", exist_ok=True)
number = int(open(f"{pf}/sriov_numvfs").read())
zero = {"mac": "00:00:00:00:00:00", "vlan": 0, "vlan-qos": 0, "vlan-proto": "802.1Q", "spoofchk": True,
        "trust": False, "min-rate": 0, "max-rate": 0, "link-state": "auto", "query-rss": False}
vfs = [dict(zero) for _ in range(number)]
for index, vmid, name, phase, want, now, more in all:
    vf = os.path.basename(os.readlink(f"{pf}/virtfn{index}"))
    vfs[index].update(want)
    vfs[index].update(now)
    lease = {"version": 1, "vf": vf, "pf": os.path.basename(pf), "index": index, "vmid": vmid, "slot": 0, "pool": "wan",
             "name": name, "phase": phase, "taken": 1, "qemu-pid": 0, "qemu-start": 0, "before": {}, "want": want}
    lease.update(more)
    with open(f"{root}/run/vfhook/leases/{vf}", "w", encoding="utf-8") as f:
        json.dump(lease, f)
with open(page, "w", encoding="utf-8") as f:
    json.dump({"up": True, "carrier": True, "vfs": vfs, "quirks": []}, f)
PY
}

# name_cards - the list of pciutils, as far as it is needed here.
name_cards() {
	mkdir -p "$node_root/usr/share/misc"
	printf '%s\n' '# pci.ids' '10de  NVIDIA Corporation' '8086  Intel Corporation' \
		$'\t10c9  82576 Gigabit Network Connection' $'\t\t8086 a03c  Gigabit ET Dual Port Server Adapter' \
		$'\t10fb  82599ES 10-Gigabit SFI/SFP+ Network Connection' $'\t1592  Ethernet Controller E810-C for QSFP' \
		$'\t56c0  ATS-M [Data Center GPU Flex 170]' '14e4  Broadcom Inc. and subsidiaries' \
		>"$node_root/usr/share/misc/pci.ids"
}

# above PF-IFNAME MASTER[=bond-mode]... - each is the master of the one before.
above() {
	local net=$node_root/sys/class/net below=$1 m name
	shift
	for m; do
		name=${m%%=*}
		if [[ $m == *=* ]]; then
			mkdir -p "$net/$name/bonding"
			echo "${m#*=} 4" >"$net/$name/bonding/mode"
		else
			mkdir -p "$net/$name/bridge"
		fi
		ln -sfn "../$name" "$net/$below/upper_$name"
		ln -sfn "../$name" "$net/$below/master"
		below=$name
	done
}

# A node with two cards: a PF with 8 VFs in a bond and below a bridge, one without a cable, a GPU.
see_eight() {
	no_vms
	node_up 0000:06:00.0,driver=ixgbe,ifname=enp6s0f0,vfs=63,numvfs=8,up=1,autoprobe=0,slot=4 \
		0000:06:00.1,driver=ixgbe,ifname=enp6s0f1,vfs=63,numvfs=4,up=1,autoprobe=0 \
		0000:83:00.0,driver=xe,vfs=31,numvfs=4,autoprobe=0
	name_cards
	above enp6s0f0 bond0=active-backup vmbr0
	echo 10000 >"$node_root/sys/class/net/enp6s0f0/speed"
	printf 'pool: wan\n\tpf node=pve1,path=0000:06:00.0\n\tvfs 8\n\npool: lan\n\tpf node=pve1,path=0000:06:00.1\n\tvfs 4\n\npool: gpu\n\tnetwork off\n\tpf node=pve1,path=0000:83:00.0\n' | cfg
	leases enp6s0f0 '
all += [(0, 100, "firewall", "running", {"mac": "bc:24:11:23:b0:44", "vlan": 20, "vlan-qos": 3}, {}, {}),
        (1, 101, "web", "running", {"mac": "bc:24:11:5e:02:a7", "vlan": 20}, {"vlan": 30}, {}),
        (2, 110, "dns", "running", {"mac": "bc:24:11:90:1c:d3"}, {}, {"net-name": "eth1"}),
        (3, 102, "db", "unplugged", {}, {}, {"why": "by hand"}),
        (4, 103, "mail", "running", {"mac": "bc:24:11:77:3b:09", "vlan": 40}, {}, {})]'
	run_vms 100 101 102
	hold_ct 110
	fake_set enp6s0f1 'p["carrier"] = False'
}

# A PF with 256 VFs, 40 of which guests have.
see_many() {
	no_vms
	node_up 0000:41:00.0,driver=ice,ifname=enp65s0f0,vfs=256,numvfs=256,up=1,autoprobe=0,slot=2
	name_cards
	above enp65s0f0 vmbr1
	echo 100000 >"$node_root/sys/class/net/enp65s0f0/speed"
	printf 'pool: wan\n\tpf node=pve1,path=0000:41:00.0\n\tvfs 256\n' | cfg
	leases enp65s0f0 '
words = "web db mail dns cache proxy build git wiki chat ldap vpn log backup ci test".split()
for i in range(40):
    all.append((i * 5, 200 + i, f"{words[i % 16]}{i // 16 + 1}", "starting" if i == 12 else "running",
                {"mac": f"bc:24:11:0a:{i:02x}:5c", "vlan": 100 + i % 4}, {"vlan": 0} if i == 7 else {}, {}))'
	# shellcheck disable=SC2046 # numbers
	run_vms $(seq 200 239)
}

# members NODE[=offline]... - what pmxcfs says of a cluster.
members() {
	python3 - "$node_root/etc/pve/.members" "$@" <<'PY'
import json, os, sys
path, *nodes = sys.argv[1:]
found = {}
for i, text in enumerate(nodes, 1):
    name, _, what = text.partition("=")
    found[name] = {"id": i, "online": int(what != "offline"), "ip": f"192.0.2.{i}"}
with open(path + ".new", "w", encoding="utf-8") as f:
    json.dump({"nodename": "pve1", "version": 1, "cluster": {"name": "c", "version": 1, "nodes": len(nodes), "quorate": 1},
               "nodelist": found}, f)
os.rename(path + ".new", path)
PY
}

# told_by NODE FILE [SECONDS-AGO] - that node tells this.
told_by() {
	local dir=$node_root/etc/pve/nodes/$1
	mkdir -p "$dir/qemu-server" "$dir/lxc"
	python3 - "$2" "$dir/vfhook-status.json" "${3:-0}" <<'PY'
import json, sys, time
j = json.load(open(sys.argv[1], encoding="utf-8"))
j["time"] = int(time.time()) - int(sys.argv[3])
json.dump(j, open(sys.argv[2], "w", encoding="utf-8"))
PY
}

# What a node with four guests tells, left in the file other_told, and in other_vfs its vfhook.json.
see_other() {
	local n
	no_vms
	node_up 0000:81:00.0,driver=igb,ifname=enp129s0f0,vfs=7,numvfs=7,up=1,autoprobe=0,slot=1
	name_cards
	above enp129s0f0 vmbr0
	printf 'pool: wan\n\tpf node=pve1,path=0000:81:00.0\n\tvfs 7\n' | cfg
	plain boot >/dev/null 2>&1
	leases enp129s0f0 '
for i, name in enumerate(("proxy", "build", "git", "chat")):
    all.append((i, 120 + i, name, "running", {"mac": f"bc:24:11:31:0{i}:5c", "vlan": 20}, {"vlan": 21} if i == 2 else {}, {}))'
	for n in 0 1 2 3; do qemu_of $((120 + n)) -device "vfio-pci,host=$(vf_addr 0000:81:00.0 $n),id=hostpci0"; done
	plain repair --check >/dev/null 2>&1
	other_told=$(mktemp) other_vfs=$(mktemp)
	cp "$node_root/etc/pve/nodes/pve1/vfhook-status.json" "$other_told"
	cp "$node_root/etc/pve/nodes/pve1/vfhook.json" "$other_vfs"
}

# That of see_eight in a cluster: one node tells, one is offline, one has an older vfhook, one has none.
see_cluster() {
	local n
	see_other
	see_eight
	for n in 2 3 4 5; do mkdir -p "$node_root/etc/pve/nodes/pve$n/"{qemu-server,lxc}; done
	sed -i '/path=0000:06:00.0/a\	pf node=pve2,path=0000:81:00.0\n\tpf node=pve4,path=0000:81:00.0' "$node_root/etc/pve/vfhook.cfg"
	told_by pve2 "$other_told" 400
	told_by pve3 "$other_told" 200000
	cp "$other_vfs" "$node_root/etc/pve/nodes/pve4/vfhook.json"
	rm -f "$other_told" "$other_vfs"
	members pve1 pve2 pve3=offline pve4 pve5
}
