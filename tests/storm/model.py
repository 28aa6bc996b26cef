# SPDX-License-Identifier: GPL-2.0-or-later
"""What must be true, whatever happened: the VMs as the harness knows them, held against
the leases, the kernel and QEMU's command line of each node."""

import collections
import threading
import time

PARKED = {"mac": "00:00:00:00:00:00", "vlan": 0, "trust": False, "spoofchk": True, "max-rate": 0,
          "link-state": "auto"}
KEYS = {"vlan": int, "max-rate": int, "trust": lambda v: v == "1", "spoofchk": lambda v: v == "1"}


class Violation(Exception):
    """Something is wrong; vmids and addresses say whose history is wanted."""

    def __init__(self, text, vmids=(), addrs=()):
        super().__init__(text)
        self.text = text
        self.vmids = set(vmids)
        self.addrs = set(addrs)


class History:
    def __init__(self):
        self.lines = collections.deque(maxlen=20000)
        self.guard = threading.Lock()
        self.began = time.monotonic()

    def add(self, op, vmid, node, text):
        with self.guard:
            self.lines.append((time.monotonic() - self.began, op, vmid, node, text))

    def show(self, vmids, addrs, last=60):
        mine = [e for e in self.lines
                if e[2] in vmids or e[2] is None or any(a in e[4] for a in addrs)]
        for when, op, vmid, node, text in mine[-last:]:
            head, *rest = text.rstrip().split("\n")
            print(f"# {when:9.3f} op {op} {node} VM {vmid}: {head}")
            for line in rest[:25]:
                print(f"#           {line}")


class Vm:
    def __init__(self, vmid, node):
        self.vmid = vmid
        self.node = node      # where its config is
        self.wishes = {}      # slot -> {"mac":, "vlan":, ...}: the ports in vfhook.cfg
        self.running = {}     # node name -> {slot: (VF address, settings that it must have)}
        self.stale = set()    # nodes on which something may lie that a later run takes back
        self.cut = set()      # nodes on which it may run on another VM's VF, and do no harm
        self.beside = set()   # nodes on which its lease is lost, until a repair

    def odd(self):
        return bool(self.cut or self.beside)


def expected(wish):
    """The settings of a VF for such a port: what is not wished for is as parked."""
    return {**PARKED, **wish}


def differences(want, have):
    return [f"{k} is {have.get(k)}, not {v}" for k, v in want.items() if have.get(k) != v]


def read_ports(text):
    """vfhook.cfg as a person reads it: {(vmid, slot): {key: value}}."""
    ports, now = {}, None
    for line in text.splitlines():
        if line.startswith("port: "):
            vmid, slot = line[6:].split("-")
            now = ports.setdefault((int(vmid), int(slot)), {})
        elif line.startswith(("pool:", "guest:")):
            now = None
        elif line.startswith("\t") and now is not None:
            key, _, value = line.strip().partition(" ")
            now[key] = KEYS.get(key, str)(value)
    for wishes in ports.values():
        wishes.pop("pool", None)
    return ports


def wrong_lease(node, vm, slot, lease):
    """What is wrong with the lease of a VF that a VM runs on, or None."""
    if node.name in vm.beside and (not lease or lease["vmid"] in (-1, 999)):
        return None  # nobody has it, and until a repair nobody may
    if not lease:
        return "has no lease"
    if (lease["vmid"], lease.get("slot")) != (vm.vmid, slot):
        return f"is leased to VM {lease['vmid']}"
    return None


def check_vm(node, vm, leases, settings):
    """A running VM has its VFs, each leased to it and set as it is to be; one that PVE started
    with an old mapping, on a VF that it cannot have, stands still or has no link."""
    for slot, (addr, want) in vm.running[node.name].items():
        lease = leases.get(addr)
        wrong = wrong_lease(node, vm, slot, lease)
        bad = differences(want, settings[addr])
        if node.name in vm.cut and (vm.vmid in node.paused or
                                    settings[addr].get("link-state") == "disable"):
            continue
        who = f"VM {vm.vmid} hostpci{slot} runs on {addr} of {node.name}"
        if wrong:
            raise Violation(f"{who}, which {wrong}", [vm.vmid, (lease or {}).get("vmid")], [addr])
        if bad:
            raise Violation(f"{who}, but {', '.join(bad)}", [vm.vmid], [addr])


def check_node(node, vms, after_repair=False):
    """Nothing is under way on this node."""
    leases, settings = node.leases(), node.settings()
    owner = {}
    for vm in vms.values():
        pid = node.alive(vm.vmid)
        if bool(pid) != (node.name in vm.running):
            raise Violation(f"VM {vm.vmid} on {node.name}: the harness lost its process",
                            [vm.vmid])
        if not pid:
            continue
        for slot, (addr, _want) in vm.running[node.name].items():
            if addr in owner:
                raise Violation(f"{addr} of {node.name} was given to VM {owner[addr]} and to VM "
                                f"{vm.vmid} hostpci{slot}", [vm.vmid, owner[addr]], [addr])
            owner[addr] = vm.vmid
        check_vm(node, vm, leases, settings)
    for addr, lease in leases.items():
        if addr in owner or addr in node.odd:
            continue
        vm = vms.get(lease["vmid"])
        if after_repair or not vm or node.name not in vm.stale:
            raise Violation(f"{addr} of {node.name} is leaked: leased to VM {lease['vmid']} "
                            f"({lease.get('phase')}), which does not run on it"
                            f"{', even after repair' if after_repair else ''}",
                            [lease["vmid"]], [addr])
    for addr in node.addrs:
        # Where the driver refused zero, one of our own.
        mac = settings[addr]["mac"] if settings[addr]["mac"].startswith("02:") else PARKED["mac"]
        bad = differences({**PARKED, "mac": mac}, settings[addr])
        if settings[addr].get("link-state") == "disable":
            bad = [b for b in bad if "link-state" not in b]  # nobody hears it: a start opens it
        if addr not in leases and addr not in owner and addr not in node.odd and bad:
            raise Violation(f"{addr} of {node.name} is free and not parked: {', '.join(bad)}",
                            [], [addr])
    for name in node.journals():
        vm = vms.get(int(name)) if name.isdigit() else None
        if after_repair or not vm or node.name not in vm.stale:
            raise Violation(f"{node.name}: journal {name} is left",
                            [vm.vmid] if vm else [])
    return leases


def check_config(pve, vms):
    """vfhook.cfg says what was asked for, and no MAC twice."""
    with open(f"{pve.pve}/vfhook.cfg", encoding="utf-8") as fh:
        ports = read_ports(fh.read())
    want = {(vm.vmid, slot): wish for vm in vms.values() for slot, wish in vm.wishes.items()}
    if ports != want:
        odd = {k for k in ports.keys() | want.keys() if ports.get(k) != want.get(k)}
        raise Violation(f"vfhook.cfg differs from what was asked for: "
                        f"{[(k, ports.get(k), want.get(k)) for k in sorted(odd)]}",
                        [k[0] for k in odd])
    macs = collections.Counter(wish["mac"] for wish in ports.values())
    if [m for m, n in macs.items() if n > 1]:
        raise Violation(f"MACs given twice: {[m for m, n in macs.items() if n > 1]}")
