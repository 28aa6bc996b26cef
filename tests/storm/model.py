# SPDX-License-Identifier: GPL-2.0-or-later
"""What must be true, whatever happened: the VMs as the harness knows them, held against
the leases, the kernel and QEMU's command line of each node."""

import collections
import threading
import time

import lxc

PARKED = {"mac": "00:00:00:00:00:00", "vlan": 0, "trust": False, "spoofchk": True, "max-rate": 0,
          "link-state": "auto"}
KEYS = {"mtu": int, "vlan": int, "max-rate": int, "trust": lambda v: v == "1", "spoofchk": lambda v: v == "1",
        "live-migration": lambda v: v in ("1", "on")}
FLAG = "live-migration-capable"


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
    def __init__(self, vmid, node, is_ct=False):
        self.vmid = vmid
        self.is_ct = is_ct
        self.cards = set()    # slots that are a card's, not a NIC's
        self.gone = False     # destroyed
        self.node = node      # where its config is
        self.wishes = {}      # slot -> {"mac":, "vlan":, ...}: the ports in vfhook.cfg
        self.running = {}     # node name -> {slot: (VF address, settings that it must have)}
        self.stale = set()    # nodes on which something may lie that a later run takes back
        self.cut = set()      # nodes on which it may run on another VM's VF, and do no harm
        self.beside = set()   # nodes on which its lease is lost, until a repair
        self.without = {}     # node name -> {slot}: unplugged by hand
        self.doubt = {}       # node name -> {slot}: or not, since whoever did it was killed
        self.loose = set()    # nodes on which its VFs may be in QEMU or not, until a repair
        self.asked = set()    # nodes on which its guest did not let go of one, and may yet
        self.jobless = set()  # nodes on which its live job was killed
        self.moving = None    # its live migration that is not over
        self.flag_left = False   # its mapping may say that it can migrate, though it is off
        self.flag_doubt = False  # or not say so, though it runs

    def expected(self, slot):
        """The settings of its VF for that port."""
        return {} if slot in self.cards else expected(self.wishes[slot])

    def of_pool(self, pool):
        """How many VFs of it it wants."""
        return len(self.cards) if pool == "disk" else len(self.wishes) - len(self.cards)

    def odd(self):
        return bool(self.cut or self.beside)

    def is_live(self):
        return any("live-migration" in wish for wish in self.wishes.values())

    def messy(self, node):
        """Something may lie there that a later run takes back."""
        return node.name in self.stale or node.name in self.loose

    def may_lack(self, node, slot):
        """May it run there without that VF?"""
        return (node.name in self.loose or slot in self.without.get(node.name, ()) or
                slot in self.doubt.get(node.name, ()) or
                bool(self.moving and self.moving.state != "left" and self.moving.source is node))

    def must_lack(self, node, slot):
        return node.name not in self.loose and slot in self.without.get(node.name, ()) and \
            slot not in self.doubt.get(node.name, ())

    def forget(self, node):
        """It runs there no more."""
        for kept in (self.without, self.doubt):
            kept.pop(node.name, None)
        for nodes in (self.cut, self.beside, self.loose, self.asked):
            nodes.discard(node.name)


def expected(wish):
    """The settings of a VF for such a port: what is not wished for is as parked."""
    return {**PARKED, **{k: v for k, v in wish.items() if k not in ("live-migration", "name", "mtu")}}


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
    if vm.messy(node) or node.name in vm.cut or node.name in vm.beside:
        return None
    comes = vm.moving and vm.moving.target is node
    if lease["phase"] != ("arriving" if comes else "running"):
        return f"is {lease['phase']}"
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
        if vm.is_ct and node.binding_of(addr) != (lxc.DRIVER, lxc.DRIVER, []):
            raise Violation(f"{who}, but its driver, driver_override and interfaces on the host are "
                            f"{node.binding_of(addr)}", [vm.vmid], [addr])


def follow(node, vm):
    """What its QEMU has by now, which must be what it is to have."""
    if not node.alive(vm.vmid):
        return
    if vm.is_ct:
        has = node.jailed[vm.vmid].slots
        if set(has) != set(vm.wishes):
            raise Violation(f"CT {vm.vmid} on {node.name} has {has}, its ports are {list(vm.wishes)}", [vm.vmid])
        vm.running[node.name] = {slot: (has[slot], vm.expected(slot)) for slot in vm.wishes}
        return
    has = dict(node.devices[vm.vmid])
    for slot in vm.wishes:
        if slot in has and vm.must_lack(node, slot):
            raise Violation(f"VM {vm.vmid} hostpci{slot} on {node.name} was unplugged by hand, and "
                            f"has {has[slot]}", [vm.vmid])
        if slot not in has and not vm.may_lack(node, slot):
            raise Violation(f"VM {vm.vmid} runs on {node.name} without its VF for hostpci{slot}",
                            [vm.vmid])
        if slot in has:
            vm.running[node.name][slot] = (has[slot], vm.expected(slot))
        else:
            vm.running[node.name].pop(slot, None)
    comes = vm.moving and vm.moving.target is node
    if node.unseen[vm.vmid] and not comes and node.name not in vm.loose:
        raise Violation(f"VM {vm.vmid} on {node.name}: its guest was not told of its VF for "
                        f"hostpci{min(node.unseen[vm.vmid])}", [vm.vmid])


def check_kept(node, vm, addr, lease, settings):
    """A VF that is leased to a VM that runs without it: is it one that was unplugged?"""
    slot = lease.get("slot")
    wrong = None
    if not vm.may_lack(node, slot) or lease.get("phase") != "unplugged":
        wrong = f"is {lease.get('phase')}"
    elif not vm.messy(node) and vm.must_lack(node, slot) and lease.get("peer"):
        wrong = f"was unplugged by hand, and is kept for a migration ({lease['peer']})"
    elif not vm.messy(node) and slot not in vm.doubt.get(node.name, ()):
        bad = not_parked(settings[addr])
        wrong = f"is unplugged and not parked: {', '.join(bad)}" if bad else None
    if wrong:
        raise Violation(f"{addr} of {node.name}, leased to VM {vm.vmid}, which runs without it, "
                        f"{wrong}", [vm.vmid], [addr])


def not_parked(settings):
    if not settings:
        return []  # a card's
    # Where the driver refused zero, one of our own.
    mac = settings["mac"] if settings["mac"].startswith("02:") else PARKED["mac"]
    bad = differences({**PARKED, "mac": mac}, settings)
    if settings.get("link-state") == "disable":
        bad = [b for b in bad if "link-state" not in b]  # nobody hears it: a start opens it
    return bad


def not_for_guests(node, addr):
    """A VF that nobody has is for no driver of the host."""
    driver, override, nets = node.binding_of(addr)
    if driver in (None, "vfio-pci") and override in ("vfio-pci", "(null)", "") and not nets:
        return []
    return [f"it has driver {driver}, driver_override {override}, interfaces {nets}"]


def check_settled(node, vm, leases):
    """After a repair, and the jobs that it began: a VM that runs has a lease for each port, on
    what it has, or on what was unplugged by hand. (What was in doubt is known then.)"""
    doubt = vm.doubt.pop(node.name, set())
    vm.loose.discard(node.name)
    for slot in vm.wishes:
        mine = {a: lease for a, lease in leases.items()
                if (lease["vmid"], lease.get("slot")) == (vm.vmid, slot)}
        by_hand = vm.without.setdefault(node.name, set())
        if len(mine) == 1 and slot in doubt:
            is_out = next(iter(mine.values())).get("phase") == "unplugged"
            (by_hand.add if is_out else by_hand.discard)(slot)
        if len(mine) != 1:
            raise Violation(f"VM {vm.vmid} hostpci{slot} has {len(mine)} leases on {node.name}, "
                            f"even after repair: {mine}", [vm.vmid], list(mine))


def check_flags(pve, vms):
    """PVE may migrate what runs with live-migration, and nothing else says so."""
    ids = pve.mappings()["ids"]
    for vm in vms.values():
        on = {s for s in vm.wishes if ids.get(f"vf-{vm.vmid}-{s}", {}).get(FLAG)}
        want = {s for s, wish in vm.wishes.items() if "live-migration" in wish}
        if on - want:
            raise Violation(f"vf-{vm.vmid}-{min(on - want)} says {FLAG}, and its port does not",
                            [vm.vmid])
        if on and not vm.running and not vm.flag_left:
            raise Violation(f"vf-{vm.vmid}-{min(on)} says {FLAG}, and the VM is off", [vm.vmid])
        if not on and not vm.running:
            vm.flag_left = False
        if want - on and vm.running and not (vm.moving or vm.odd() or vm.flag_doubt or vm.loose):
            raise Violation(f"vf-{vm.vmid}-{min(want - on)} does not say {FLAG}, and the VM runs",
                            [vm.vmid])


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
        follow(node, vm)
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
        if vm and node.name in vm.running and lease.get("phase") == "unplugged":
            check_kept(node, vm, addr, lease, settings)
            continue
        if after_repair or not vm or not vm.messy(node):
            raise Violation(f"{addr} of {node.name} is leaked: leased to VM {lease['vmid']} "
                            f"({lease.get('phase')}), which does not run on it"
                            f"{', even after repair' if after_repair else ''}",
                            [lease["vmid"]], [addr])
    for addr in (*node.addrs, *node.card_addrs):
        bad = not_parked(settings[addr]) + not_for_guests(node, addr)
        if addr not in leases and addr not in owner and addr not in node.odd and bad:
            raise Violation(f"{addr} of {node.name} is free and not parked: {', '.join(bad)}",
                            [], [addr])
    for name in node.journals():
        vm = vms.get(int(name)) if name.isdigit() else None
        if after_repair or not vm or not vm.messy(node):
            raise Violation(f"{node.name}: journal {name} is left",
                            [vm.vmid] if vm else [])
    return leases


def check_config(pve, vms):
    """vfhook.cfg says what was asked for, and no MAC twice."""
    with open(f"{pve.pve}/vfhook.cfg", encoding="utf-8") as fh:
        ports = read_ports(fh.read())
    gone = {vm.vmid for vm in vms.values() if vm.gone}  # their ports go with a repair
    ports = {key: wish for key, wish in ports.items() if key[0] not in gone}
    want = {(vm.vmid, slot): wish for vm in vms.values() for slot, wish in vm.wishes.items() if not vm.gone}
    if ports != want:
        odd = {k for k in ports.keys() | want.keys() if ports.get(k) != want.get(k)}
        raise Violation(f"vfhook.cfg differs from what was asked for: "
                        f"{[(k, ports.get(k), want.get(k)) for k in sorted(odd)]}",
                        [k[0] for k in odd])
    macs = collections.Counter(wish["mac"] for wish in ports.values() if "mac" in wish)
    if [m for m, n in macs.items() if n > 1]:
        raise Violation(f"MACs given twice: {[m for m, n in macs.items() if n > 1]}")
