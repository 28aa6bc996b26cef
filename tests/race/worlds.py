# SPDX-License-Identifier: GPL-2.0-or-later
"""What overlaps: nodes to begin with, and on each of them the runs and the deeds of PVE that are
tried with each other. WORLDS[name] = (setup, {act: maker}, acts that are stopped, acts that come
between). A maker takes the node and gives an Actor."""

import json
import os
import re

import guests
from lab import (LONG_AGO, Command, CtEnd, CtReboot, CtStart, CtStop, Deed, Phase, Refused, Sequence, Start,  # noqa: F401
                 Stop)
import scenarios
from node import PF, must
from scenarios import MAC, begin, config, extra, rename_mapping

SNIPPET = "hookscript: local:snippets/vfhook"


# --- deeds ---

def conf_name(node, vmid):
    place = node.where(vmid)
    if not place:
        raise Refused(f"VM {vmid} is not there")
    return f"etc/pve/nodes/{place}/qemu-server/{vmid}.conf"


def write_hostpci(vmid, value):
    """The GUI, or qm set: under PVE's lock on the VM."""
    def func(node):
        with node.pve_lock(vmid):
            name = conf_name(node, vmid)
            lines = [line for line in node.read(name).splitlines()
                     if not line.startswith("hostpci0:")]
            node.write(name, "\n".join([*lines, f"hostpci0: {value}"]) + "\n")
    return lambda node, **more: Deed(node, func, vmids=(), **more)


def move(vmid, to):
    """The end of a migration: one rename."""
    def func(node):
        with node.pve_lock(vmid):
            os.rename(node.path(conf_name(node, vmid)),
                      node.path(f"etc/pve/nodes/{to}/qemu-server/{vmid}.conf"))
    return lambda node, **more: Deed(node, func, **more)


def destroy(vmid):
    def func(node):
        with node.pve_lock(vmid):
            if vmid in node.qemu:
                raise Refused(f"VM {vmid} is running")
            os.unlink(node.path(conf_name(node, vmid)))
    return lambda node, **more: Deed(node, func, **more)


def clone(vmid, of):
    """With hookscript and hostpciN, as PVE does."""
    def func(node):
        with node.pve_lock(vmid), node.pve_lock(of):
            node.write(f"etc/pve/nodes/pve1/qemu-server/{vmid}.conf",
                       node.read(conf_name(node, of)))
    return lambda node, **more: Deed(node, func, **more)


def kill_qemu(vmid):
    """And nobody is told."""
    def func(node):
        if vmid in node.qemu:
            node.stop_qemu(vmid)
    return lambda node, **more: Deed(node, func, vmids=(vmid,), **more)


def ct_kill(vmid):
    """Its monitor, and with it the container; nobody is told."""
    def func(node):
        if vmid in node.cts():
            node.end_lxc(vmid)
    return lambda node, **more: Deed(node, func, vmids=(vmid,), **more)


def ct_destroy(vmid):
    def func(node):
        with node.pve_lock(vmid):
            if not node.is_ct(vmid) or vmid in node.cts():
                raise Refused(f"CT {vmid} is running, or is not there")
            os.unlink(node.path(node.ct_conf(vmid)))
    return lambda node, **more: Deed(node, func, **more)


def ct_clone(vmid, of):
    """With hookscript and raw lines, as PVE does."""
    def func(node):
        with node.pve_lock(vmid), node.pve_lock(of):
            if not node.is_ct(of):
                raise Refused(f"CT {of} is not there")
            node.write(node.ct_conf(vmid), node.read(node.ct_conf(of)), 0o640)
    return lambda node, **more: Deed(node, func, **more)


def other_node(vmid, vlan):
    """Another node changes a port in vfhook.cfg, under the cluster's lock."""
    def func(node):
        with node.cfs_lock():
            node.lenient = True
            head, port, rest = node.read("etc/pve/vfhook.cfg").partition(f"port: {vmid}-0\n")
            if not port:
                return
            body, sep, rest = rest.partition("\n\n")
            lines = [line for line in body.split("\n") if line and not line.startswith("\tvlan ")]
            node.write("etc/pve/vfhook.cfg", head + port + "\n".join([*lines, f"\tvlan {vlan}"]) +
                       ("\n\n" if sep else "\n") + rest, 0o640)
    return lambda node, **more: Deed(node, func, **more)


def group_of(node, addr):
    return os.path.basename(os.readlink(node.path(f"sys/bus/pci/devices/{addr}/iommu_group")))


def map_gpu():
    """Somebody makes a mapping of his own in the GUI."""
    def func(node):
        with node.maps:
            group = group_of(node, PF)
            node.map_request("POST", None, {"id": ["gpu"], "map": [
                f"id=8086:10c9,iommugroup={group},node=pve1,path={PF},subsystem-id=8086:a03c"]})
    return lambda node, **more: Deed(node, func, **more)


# --- makers ---

def start(vmid, **how):
    return lambda node, **more: Start(node, vmid, **how, **more)


def stop(vmid):
    return lambda node, **more: Stop(node, vmid, **more)


def ct_start(vmid):
    return lambda node, **more: CtStart(node, vmid, **more)


def ct_end(vmid, back="name"):
    return lambda node, **more: CtEnd(node, vmid, back, **more)


def ct_stop(vmid):
    return lambda node, **more: CtStop(node, vmid, **more)


def ct_reboot(vmid):
    """It stops while nothing runs, and what was begun before goes on."""
    return lambda node, **more: CtReboot(node, vmid, **{"at": (0, "end"), **more})


def phase(vmid, name):
    return lambda node, **more: Phase(node, vmid, name, **more)


def command(*args, vmids=()):
    return lambda node, **more: Command(node, *args, vmids=vmids, **more)


def then(*makers, **how):
    return lambda node, **more: Sequence(node, *makers, **how, **more)


def vm_command(name, vmid, *more):
    return command(name, vmid, *more, vmids=(vmid,))


ATTACH = vm_command("attach", 106, *scenarios.ATTACH)
SHARED = {
    "start-105": start(105), "begin-100": start(100, at=(0, "end")),
    "begin-102": start(102, at=(0, "end")), "begin-103": start(103, at=(0, "end")),
    "start-100": start(100), "start-102": start(102), "start-103": start(103),
    "stale-start-100": start(100, stale=True), "stop-101": stop(101),
    "by-hand-post-stop-100": command(100, "post-stop", vmids=(100,)),
    "by-hand-pre-start-102": command(102, "pre-start", vmids=(102,)),
    "job-100": vm_command("job", 100), "attach-106": ATTACH,
    "attach-107": vm_command("attach", 107), "detach-102": vm_command("detach", 102),
    "pool-remove": command("pool", "remove", "wan"),
    "detach-100": vm_command("detach", 100),
    "set-100": vm_command("set", 100, "--vlan", 21, "--trust", "unset"),
    "set-101": vm_command("set", 101, "--vlan", 31, "--spoofchk", "on", "--max-rate", 200),
    "set-101-mac": vm_command("set", 101, "--trust", "unset"),
    "release-103": vm_command("release", 103), "release-100": vm_command("release", 100),
    "repair": command("repair", vmids=()), "boot": command("boot"),
    "pool-add": command("pool", "add", "lan", "--pf", "enp7s0", "--vfs", 2),
    "status": command("status"), "check": command("check"), "explain-100": command("explain", 100),
    "dry-start-100": command("--dry-run", 100, "pre-start"),
    "kill-101": kill_qemu(101), "gui-hostpci-100": write_hostpci(100, "mapping=gpu,x-vga=1"),
    "gui-gives-100": write_hostpci(100, "mapping=vf-100-0"),
    "away-102": move(102, "pve2"), "here-102": move(102, "pve1"), "here-100": move(100, "pve1"),
    "away-100": move(100, "pve2"), "destroy-102": destroy(102), "clone-108": clone(108, 100),
    "other-node-102": other_node(102, 55), "other-node-100": other_node(100, 55),
    "map-gpu": map_gpu(),
}


# Done without us: nothing to stop in them.
DEEDS = {"start-105"}
# Whatever else is done, PVE is not to be hindered in these.
MUST = {"start-105"}


# --- nodes ---

def plain(node):
    """VM 101 runs; 100, 102 and 103 have run before."""
    begin(node, extra(103), vms=(103,))
    for vmid in (106, 107):
        node.vm(vmid, "machine: q35")


def two(node):
    """VM 100 has two ports."""
    scenarios.second_port(node)
    must(node.run("repair"))
    must(node.run(100, "pre-start"))
    must(node.run(100, "post-stop"))
    node.vm(106, "machine: q35")


def contend(node):
    """Three VMs whose mappings name the same VF, of a NIC that cannot cut a link, as igb."""
    plain(node)
    node.fake("enp6s0f0", lambda page: page["quirks"].append("no-link-state"))
    rename_mapping(node, 102, 100)
    rename_mapping(node, 103, 100)


def stale(node):
    """A start of VM 103 that failed later has left its lease; 100 and 102 look for that VF."""
    plain(node)
    must(node.run(103, "pre-start"))
    rename_mapping(node, 100, 103)
    rename_mapping(node, 102, 103)


def cutoff(node):
    """A post-start of VM 101 that was cut off: it has a second lease, on VM 102's VF, that is to
    be given back. VM 100's mapping names the VF that 101 runs on."""
    plain(node)
    mine = next(vf for vf, lease in node.leases().items() if lease["vmid"] == 101)
    vf = node.mapped(102, 0)
    if vf == mine:
        raise RuntimeError("VM 102 and 101 have one VF")
    lease = node.leases()[mine]
    lease.update(vf=vf, index=list(node.vfs()).index(vf))
    node.write(f"run/vfhook/leases/{vf}", json.dumps(lease))
    rename_mapping(node, 100, 101)


def journal(node):
    """A start of VM 100 that was killed in the middle."""
    plain(node)
    node.fake("enp6s0f0", lambda page: page["quirks"].append("die-after:3"))
    node.run(100, "pre-start")
    node.fake("enp6s0f0", lambda page: page.update(quirks=[]))
    rename_mapping(node, 102, 100)


def half_repair(node):
    """A repair was killed while it parked the VF of a broken lease, and the file was removed by
    hand: the journal is left, and VM 100's mapping names that VF."""
    plain(node)
    vf = node.mapped(100, 0)
    index = list(node.vfs()).index(vf)
    node.write(f"run/vfhook/leases/{vf}", '{"version":1')
    node.fake("enp6s0f0", lambda page: page["vfs"][index].update(
        mac="bc:24:11:00:00:99", vlan=30, trust=True))
    node.fake("enp6s0f0", lambda page: page["quirks"].append("die-after:2"))
    node.run("repair")
    node.fake("enp6s0f0", lambda page: page.update(quirks=[]))
    node.remove(f"run/vfhook/leases/{vf}")


def handover(node):
    """VM 100 has a port and no hostpci0: its start hands over to a job."""
    plain(node)
    node.vm(100, SNIPPET)
    node.write("run/vfhook/locks/job-100", "")  # of a job of before


def away(node):
    """VM 100 is on the other node, and about to come."""
    plain(node)
    must(node.run("boot"))
    os.rename(node.path("etc/pve/nodes/pve1/qemu-server/100.conf"),
              node.path("etc/pve/nodes/pve2/qemu-server/100.conf"))


def neighbours(node):
    """A VF in a container, bound to its network driver, its interface in another namespace; and a
    guest without a hookscript, off, that names a VF through a mapping of the user's own."""
    begin(node)
    node.write("etc/pve/vfhook.cfg", re.sub(r"\nport: 102-0\n(\t.*\n)*", "",
                                            node.read("etc/pve/vfhook.cfg")), 0o640)
    node.vm(106, "machine: q35")
    vfs = [vf for vf in node.vfs() if vf.startswith("0000:06")]
    of_guest, of_ct, _ = [vf for vf in vfs if vf not in node.leases()]
    cfg = node.mappings()
    entry = next(e for e in cfg["vf-102-0"]["map"])
    node.vm(105, "hostpci0: mapping=opn")
    node.map_request("DELETE", "vf-102-0", {})
    node.map_request("POST", None, {"id": ["opn"], "map": [as_entry(node, of_guest, entry)]})
    os.unlink(node.path("etc/pve/nodes/pve1/qemu-server/102.conf"))
    index = vfs.index(of_ct)
    node.fake("enp6s0f0", lambda page: page["vfs"][index].update(mac="bc:24:11:aa:aa:aa", vlan=7))
    dev = os.path.realpath(node.path(f"sys/bus/pci/devices/{of_ct}"))
    node.write(f"sys/bus/pci/devices/{of_ct}/driver_override", "\n")
    node.write(f"sys/bus/pci/devices/{of_guest}/driver_override", "vfio-pci\n")
    driver = node.path("sys/bus/pci/drivers/igbvf")
    os.makedirs(driver, exist_ok=True)
    os.makedirs(dev + "/net", exist_ok=True)
    if os.path.islink(dev + "/driver"):
        os.unlink(dev + "/driver")
    os.symlink(os.path.relpath(driver, dev), dev + "/driver")
    node.qemu[200] = {0: of_ct}
    # VM 100 is to look for another one.
    rename_mapping(node, 100, 101)


def as_entry(node, vf, like):
    like = re.sub(r"iommugroup=\d+", f"iommugroup={group_of(node, vf)}", like)
    return re.sub(r"path=[^,]+", f"path={vf}", like)


def fresh(node):
    """Two VMs without a port, and a VF that no mapping names."""
    begin(node)
    for vmid in (106, 107):
        node.vm(vmid, "machine: q35")


def named_twice(node):
    """A new mapping names a VF that another one names, though there is one that none names. To be
    asked where nothing else is."""
    kept = {name for name in node.mappings()
            if f"\n{name}\n" in "\n" + node.kept_file("etc/pve/mapping/pci.cfg")}
    named = {}
    for name in node.mappings():
        match = re.fullmatch(r"vf-(\d+)-(\d+)", name)
        if match:
            named.setdefault(node.mapped(*map(int, match.groups())), []).append(name)
    free = [vf for vf in node.vfs() if vf.startswith("0000:06") and vf not in named and
            vf not in (v for slots in node.qemu.values() for v in slots.values())]
    return [f"{' and '.join(names)} name VF {vf}, and none names {free[0]}"
            for vf, names in named.items() if free and len(names) > 1 and set(names) - kept]


def remake(node):
    """A pool that is to have more VFs than there are: made while nobody has one."""
    config(node)
    text = node.read("etc/pve/vfhook.cfg")
    node.write("etc/pve/vfhook.cfg", text.replace("06:00.0", "07:00.0").replace(
        ":00:06:00:01", ":00:07:00:01"), 0o640)
    node.has_kernel = True
    node.vm(106, "machine: q35")
    node.vm(107, "machine: q35")
    for vmid in (100, 102):
        node.vm(vmid, SNIPPET, f"hostpci0: mapping=vf-{vmid}-0")
        node.run(vmid, "pre-start")
        node.run(vmid, "post-stop")


def live(node):
    """VM 100 runs, and may be migrated live."""
    scenarios.live(node, 100)


def unplugged(node):
    """And its VF was taken from it by hand."""
    live(node)
    must(node.run("unplug", 100))


def arriving(node):
    """It came from another node a moment ago."""
    live(node)
    vf = scenarios.lease_of(node, 100)
    node.write(f"run/vfhook/leases/{vf}",
               json.dumps(dict(node.leases()[vf], phase="arriving", peer="pve2")))


def runs_long(node, *vmids):
    """These containers have been running for some time."""
    for vmid in vmids:
        node.boot_ct(vmid)
    for vf, lease in node.leases().items():
        node.write(f"run/vfhook/leases/{vf}", json.dumps(dict(lease, taken=lease["taken"] - LONG_AGO - 10)))
    node.long_ago()


def ct(node):
    """CT 110 is off, 111 runs, 112's monitor was killed; VM 101 runs: one VF is free, another one is to be had."""
    guests.containers(node, extra(103), *(guests.port(vmid) for vmid in (111, 112)))
    for vmid in (111, 112):
        node.ct(vmid, 0)
    node.ct(113, hook=False)
    node.vm(103, SNIPPET, "hostpci0: mapping=vf-103-0")
    runs_long(node, 111, 112)
    node.end_lxc(112)


def ct_last(node):
    """Of four VFs VMs 101 and 103 and CT 111 have three, and the last one was a VM's, whose driver has it."""
    guests.containers(node, extra(103), guests.port(111), vms=(103,))
    node.bind_all()
    node.ct(111, 0)
    node.boot_vm(103)
    runs_long(node, 111)


def ct_two(node):
    """CT 110 has two ports, and two VFs are free; 111's post-stop was killed: its journal says how to go on."""
    guests.containers(node, guests.port(110, 1), guests.port(111))
    node.ct(110, 0, 1)
    node.ct(111, 0)
    runs_long(node, 111)
    node.end_lxc(111)
    guests.cut_off(node, 111, 1, "post-stop")


def card(node):
    """A card with two VFs, of a pool that wants four; VMs 120 and 121 have run on them."""
    guests.cards(node, *(guests.CARD_PORT.format(vmid, 0) for vmid in (120, 121)), numvfs=2)
    node.has_kernel = True
    for vmid in (120, 121):
        node.vm(vmid, SNIPPET, f"hostpci0: mapping=vf-{vmid}-0")
        must(node.run(vmid, "pre-start"))
        must(node.run(vmid, "post-stop"))
    node.vm(122, "machine: q35")


def both(node):
    """VM 120 wants a NIC's VF and a card's; of each there is one left. VM 121 wants a card's, VM 100 a NIC's."""
    guests.cards(node, *guests.BOTH, guests.CARD_PORT.format(121, 0), extra(103), extra(104), numvfs=1)
    node.vm(121, SNIPPET, "hostpci0: mapping=vf-121-0")
    for vmid in (103, 104):
        node.vm(vmid, SNIPPET, f"hostpci0: mapping=vf-{vmid}-0")
        node.boot_vm(vmid)
    for vmid in (120, 121):
        must(node.run(vmid, "pre-start"))
        must(node.run(vmid, "post-stop"))


ALL_A = ("start-100", "stop-101", "attach-106", "detach-102", "set-100", "set-101", "release-103",
         "repair", "boot", "pool-add")
ALL_B = (*ALL_A, "start-102", "start-103", "begin-100", "begin-102", "stale-start-100", "job-100",
         "by-hand-post-stop-100", "by-hand-pre-start-102", "attach-107", "detach-100", "kill-101",
         "gui-hostpci-100", "away-102", "destroy-102", "clone-108", "other-node-102", "map-gpu",
         "status", "explain-100")

WORLDS = {
    "plain": (plain, ALL_A, ALL_B),
    "two": (two, ("start-100", "stop-101", "detach-100", "set-100", "release-100"),
            ("start-100", "start-102", "detach-100", "set-100", "attach-106", "stop-101", "repair",
             "boot", "stale-start-100", "gui-hostpci-100", "other-node-100")),
    "contend": (contend, ("start-100", "start-102", "boot", "repair"),
                ("start-100", "start-102", "start-103", "stale-start-100", "boot", "repair",
                 "begin-100", "begin-102", "release-103", "set-100")),
    "stale": (stale, ("start-100", "start-103", "release-103", "repair", "boot", "stop-101"),
              ("start-100", "start-102", "start-103", "release-103", "repair", "boot",
               "stop-101", "attach-106", "kill-101", "stale-start-100",
               "begin-102", "begin-103", "release-103+start-102", "release-103+begin-102",
               "start-100+start-103")),
    "cutoff": (cutoff, ("start-100", "repair", "boot", "stop-101", "mend-101"),
               ("start-100", "start-102", "mend-101", "repair", "boot", "stop-101",
                "mend-101+start-102", "mend-101+begin-102", "stop-101+begin-102", "kill-101")),
    "journal": (journal, ("start-100", "start-102", "repair", "boot", "release-100"),
                ("start-100", "start-102", "repair", "boot", "release-100", "stop-101",
                 "begin-102", "begin-100", "detach-100", "status")),
    "half-repair": (half_repair, ("repair", "start-100", "boot"),
                    ("start-100", "start-102", "begin-100", "repair", "boot", "stop-101")),
    "handover": (handover, ("job-100", "start-100", "repair", "explain-100", "dry-start-100"),
                 ("job-100", "start-100", "explain-100", "status", "dry-start-100",
                  "gui-hostpci-100", "gui-gives-100", "set-100", "detach-100", "repair", "boot",
                  "start-102", "away-100", "other-node-100", "map-gpu", "attach-106")),
    "neighbours": (neighbours, ("start-100", "boot", "repair", "attach-106"),
                   ("start-105", "start-100", "boot", "repair", "stop-101", "attach-106")),
    "fresh": (fresh, ("attach-106", "detach-102"), ("attach-107", "detach-100", "start-100",
                                                    "attach-106")),
    "away": (away, ("repair", "boot", "attach-106"),
             ("here-100", "here-100+start-100", "start-102", "away-102", "destroy-102", "repair")),
    "live": (live, ("unplug-100", "repair", "set-100", "stop-100"),
             ("unplug-100", "plug-100", "stop-100", "kill-100", "begin-102", "start-102", "repair",
              "boot", "set-100", "again-100", "evacuate")),
    "unplugged": (unplugged, ("plug-100", "repair", "unplug-100"),
                  ("unplug-100", "plug-100", "stop-100", "kill-100", "start-102", "repair", "boot",
                   "set-100", "again-100")),
    "arriving": (arriving, ("live-job-100", "repair"),
                 ("live-job-100", "unplug-100", "stop-100", "kill-100", "start-102", "repair",
                  "set-100", "again-100")),
    "ct": (ct, ("ctstart-110", "ctend-111", "detach-110", "set-111", "release-112", "repair", "attach-113", "boot"),
           ("ctstart-110", "ctstart-112", "ctbegin-110", "ctend-111", "ctstop-111", "ctreboot-111", "ctkill-111",
            "detach-110", "set-110", "set-111", "release-110", "release-112", "repair", "attach-113", "boot",
            "ctdestroy-110", "ctdestroy-112", "ctclone-114", "start-100", "begin-100", "status", "explain-110",
            "by-hand-post-stop-111", "by-hand-pre-start-110")),
    "ct-last": (ct_last, ("ctstart-110", "start-100", "ctend-111", "stop-101", "repair"),
                ("ctstart-110", "start-100", "begin-100", "ctbegin-110", "ctend-111", "ctlost-111", "ctreboot-111",
                 "ctkill-111", "stop-101", "detach-110", "repair", "boot", "ctend-111+start-100",
                 "ctend-111+ctbegin-110", "stop-101+ctbegin-110", "detach-110+start-100")),
    # What LXC calls when it ends, and its own next start.
    "ct-next": (ct_last, ("ctend-111", "ctstop-111", "ctlost-111", "release-111"),
                ("ctstart-111", "ctbegin-111", "by-hand-pre-start-111", "release-111", "detach-111", "set-111",
                 "attach-111", "repair", "boot", "start-100", "ctstart-110", "ctdestroy-111")),
    "ct-two": (ct_two, ("ctstart-110", "ctstart-111", "repair", "release-111"),
               ("ctstart-110", "ctstart-111", "ctbegin-110", "ctbegin-111", "start-100", "begin-100", "repair",
                "release-111", "detach-111", "status")),
    "card": (card, ("boot", "start-120", "attach-122"),
             ("start-120", "start-121", "begin-120", "boot", "attach-122", "repair", "release-120", "start-100")),
    "both": (both, ("start-120", "start-121", "start-100", "stop-101", "repair"),
             ("start-120", "start-121", "start-100", "begin-120", "begin-121", "begin-100", "stop-101", "repair",
              "boot", "detach-120")),
    "remake": (remake, ("boot", "start-100", "pool-more"),
               ("start-100", "start-102", "begin-100", "boot", "attach-106", "repair", "pool-more",
                "release-100")),
}
# In every sample: each took a VF, a port or a setting from somebody once.
ALWAYS = {
    "plain:start-100/by-hand-post-stop-100", "plain:boot/pool-add",
    "cutoff:start-100/mend-101+begin-102", "away:repair/here-100", "remake:boot/start-100",
    "half-repair:repair/start-100", "handover:job-100/gui-hostpci-100",
    "handover:explain-100/job-100", "neighbours:start-100/start-105", "neighbours:boot/start-105",
    "fresh:attach-106/attach-107", "contend:start-102/stale-start-100",
    "stale:boot/stale-start-100", "handover:job-100/away-100", "ct-last:ctstart-110/start-100",
    "ct-next:ctend-111/ctstart-111", "card:boot/start-120", "ct-last:repair/ctbegin-110"}
SHARED.update({
    "mend-101": phase(101, "post-start"),
    "mend-101+start-102": then(phase(101, "post-start"), start(102)),
    "mend-101+begin-102": then(phase(101, "post-start"), start(102), at=(1, "end")),
    "release-103+begin-102": then(SHARED["release-103"], start(102), at=(1, "end")),
    "stop-101+begin-102": then(stop(101), start(102), at=(1, "end")),
    "stop-101+start-102": then(stop(101), start(102)),
    "release-103+start-102": then(SHARED["release-103"], start(102)),
    "start-100+start-103": then(start(100), start(103)),
    "here-100+start-100": then(move(100, "pve1"), start(100)),
    "unplug-100": vm_command("unplug", 100), "plug-100": vm_command("plug", 100),
    "live-job-100": vm_command("live-job", 100), "stop-100": stop(100), "kill-100": kill_qemu(100),
    "again-100": phase(100, "post-start"),
    "evacuate": command("evacuate", "enp6s0f0", vmids=(100, 101)),
    "pool-more": command("pool", "add", "wan", "--pf", "enp7s0", "--vfs", 4),
    "ctend-111": ct_end(111), "ctstop-111": ct_stop(111), "ctlost-111": ct_end(111, "lost"),
    "ctreboot-111": ct_reboot(111), "ctkill-111": ct_kill(111), "ctclone-114": ct_clone(114, 110),
    "attach-113": vm_command(*guests.ATTACH), "attach-111": vm_command("attach", 111, "--name", "eth2"),
    "set-110": vm_command("set", 110, "--vlan", 22, "--trust", "unset"),
    "set-111": vm_command("set", 111, "--vlan", 31, "--spoofchk", "on"),
    "explain-110": command("explain", 110),
    "by-hand-pre-start-110": command(110, "pre-start", vmids=(110,)),
    "by-hand-pre-start-111": command(111, "pre-start", vmids=(111,)),
    "by-hand-post-stop-111": command(111, "post-stop", vmids=(111,)),
    "ctend-111+start-100": then(ct_end(111), start(100)),
    "ctend-111+ctbegin-110": then(ct_end(111), ct_start(110), at=(1, "end")),
    "stop-101+ctbegin-110": then(stop(101), ct_start(110), at=(1, "end")),
    "detach-110+start-100": then(vm_command("detach", 110), start(100)),
    "attach-122": vm_command("attach", 122, "--pool", "disk"),
    "detach-120": vm_command("detach", 120, "--slot", 0), "release-120": vm_command("release", 120),
    "begin-120": start(120, at=(0, "end")), "begin-121": start(121, at=(0, "end")),
    "start-120": start(120), "start-121": start(121),
})
for _id in (110, 111, 112):
    SHARED.update({f"ctstart-{_id}": ct_start(_id), f"ctbegin-{_id}": lambda node, vmid=_id, **more: CtStart(
        node, vmid, **{"at": (0, "end"), **more}), f"ctdestroy-{_id}": ct_destroy(_id),
        f"detach-{_id}": vm_command("detach", _id), f"release-{_id}": vm_command("release", _id)})
