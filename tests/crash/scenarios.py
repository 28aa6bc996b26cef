# SPDX-License-Identifier: GPL-2.0-or-later
"""What is killed: for each phase and each command that changes something, a node to do it on."""

import dataclasses
import json
import os
import re
import typing

from node import FOREIGN, IFNAMES, PF, PF2, Node, must

MAC = "bc:24:11:00:00:0"
POOL = f"pool: wan\n\tpf node=pve1,path={PF},mac=52:54:00:06:00:01\n\tvfs 4\n"
PORTS = {
    100: "port: 100-0\n\tpool wan\n\tmac " + MAC + "1\n\tvlan 20\n\tspoofchk 1\n\ttrust 1\n"
         "\tmax-rate 100\n",
    101: "port: 101-0\n\tpool wan\n\tmac " + MAC + "2\n\tvlan 30\n\tspoofchk 0\n\ttrust 1\n",
    102: "port: 102-0\n\tpool wan\n\tmac " + MAC + "3\n",
}


@dataclasses.dataclass
class Scenario:
    name: str
    args: tuple
    setup: typing.Callable[[Node], None]
    usable: tuple = (100,)  # VMs that must start in the end
    gone: tuple = ()        # ports that it takes away
    new_mac: tuple = ()     # ports whose MAC it changes
    alone: bool = False     # what it has started goes on
    undo: tuple = ()        # what has to be run first, and is said to be, where it refuses
    loose: bool = False     # an error may make it do more than is needed
    slow: bool = False      # it waits for a quorum: not with /etc/pve read-only
    again: bool = True      # the same command once more ends as it does when it is not killed
    check: typing.Callable[[Node], list] = lambda node: []
    ends: bool = False      # what it has started ends with it
    over: typing.Callable[[Node], None] = None  # what it is part of is over, before anybody looks
    env: typing.Dict[str, str] = None
    other_map: bool = False  # its mapping is left to repair, or the next start
    quick: int = 1          # --quick takes one case of so many more
    every: int = 1          # it looks again and again: one call of so many is enough


ALL = []


def scenario(name, *args, **more):
    def add(setup):
        ALL.append(Scenario(name, args, setup, **more))
        return setup
    return add


def config(node, *sections):
    node.write("etc/pve/vfhook.cfg", "\n".join([POOL, *PORTS.values(), *sections]), 0o640)


def begin(node, *sections, vms=()):
    """VM 101 runs, 100 and 102 have their mappings, and all of them their VFs."""
    config(node, *sections)
    for vmid in (100, 101, 102, *vms):
        node.vm(vmid, "hookscript: local:snippets/vfhook", f"hostpci0: mapping=vf-{vmid}-0")
        node.boot_vm(vmid)
        if vmid > 102:
            node.stop_qemu(vmid)
            must(node.run(vmid, "post-stop"))
    for vmid in (100, 102):
        node.stop_qemu(vmid)
        must(node.run(vmid, "post-stop"))


def rename_mapping(node, vmid, of):
    """vf-<vmid>-0 names the VF that another one names."""
    text = node.read("etc/pve/mapping/pci.cfg")
    entry = re.search(rf"^vf-{of}-0\n(?:\t.*\n)*?\tmap (.*)\n", text, re.M)[1]
    text = re.sub(rf"(^vf-{vmid}-0\n(?:\t.*\n)*?)\tmap .*\n", rf"\1\tmap {entry}\n", text,
                  flags=re.M)
    node.write("etc/pve/mapping/pci.cfg", text, 0o640)


def second_port(node):
    """A second one for VM 100."""
    begin(node)
    node.write("etc/pve/vfhook.cfg", node.read("etc/pve/vfhook.cfg") +
               "\nport: 100-1\n\tpool wan\n\tmac " + MAC + "4\n\tvlan 40\n", 0o640)
    node.vm(100, "hookscript: local:snippets/vfhook", "hostpci0: mapping=vf-100-0",
            "hostpci1: mapping=vf-100-1")


# --- phases ---

@scenario("pre-start", 100, "pre-start")
def _(node):
    begin(node)


@scenario("pre-start-other", 100, "pre-start")
def _(node):
    begin(node)
    rename_mapping(node, 100, 101)


@scenario("pre-start-two", 100, "pre-start")
def _(node):
    second_port(node)


@scenario("pre-start-mac", 100, "pre-start")
def _(node):
    begin(node)
    node.write("etc/pve/vfhook.cfg", re.sub("mac " + MAC + "1", "mac auto",
                                            node.read("etc/pve/vfhook.cfg")), 0o640)


def extra(vmid):
    return f"port: {vmid}-0\n\tpool wan\n\tmac {MAC[:-1]}{vmid - 60}\n\tvlan 9\n\ttrust 1\n"


@scenario("pre-start-reclaim", 100, "pre-start")
def _(node):
    begin(node, extra(103), extra(104), extra(105))
    for vmid in (103, 104, 105):  # starts that failed later: nobody is told
        node.vm(vmid, "hookscript: local:snippets/vfhook", f"hostpci0: mapping=vf-{vmid}-0")
        must(node.run(vmid, "pre-start"))
    rename_mapping(node, 100, 105)


@scenario("pre-start-handover", 100, "pre-start", alone=True, again=False,
          check=lambda node: [] if node.conf(100).get("hostpci0") == "mapping=vf-100-0" else
          ["hostpci0 is not written"])
def _(node):
    begin(node)
    node.vm(100, "hookscript: local:snippets/vfhook")


@scenario("pre-start-chain", 100, "pre-start", usable=())
def _(node):
    node.write("var/lib/vz/snippets/other", "#!/bin/sh\nexit 0\n", 0o755)
    begin(node, "guest: 100\n\tchain local:snippets/other\n")
    node.write("var/lib/vz/snippets/other", "#!/bin/sh\nexit 1\n", 0o755)


@scenario("post-start", 100, "post-start", usable=())
def _(node):
    begin(node)
    must(node.run(100, "pre-start"))
    node.start_qemu(100, {0: node.mapped(100, 0)})


# PVE runs post-start once: what is left is for others to take back.
@scenario("post-start-mend", 100, "post-start", usable=(), again=False)
def _(node):
    begin(node)
    must(node.run(100, "pre-start"))
    free = [vf for vf in node.vfs() if vf not in node.leases() and vf.startswith("0000:06")]
    node.start_qemu(100, {0: free[-1]})


@scenario("post-stop", 100, "post-stop")
def _(node):
    begin(node)
    node.boot_vm(100)
    node.stop_qemu(100)


@scenario("post-stop-two", 100, "post-stop")
def _(node):
    second_port(node)
    node.boot_vm(100)
    node.stop_qemu(100)


# --- ports ---

ATTACH = ("--slot", 0, "--mac", MAC + "7", "--vlan", 7, "--spoofchk", "on")


@scenario("attach", "attach", 106, *ATTACH, usable=(106,), undo=("detach", 106, "--slot", 0))
def _(node):
    begin(node)
    node.vm(106, "machine: q35")


@scenario("attach-chain", "attach", 106, *ATTACH, usable=(106,),
          undo=("detach", 106, "--slot", 0))
def _(node):
    begin(node)
    node.vm(106, "hookscript: local:snippets/other")
    node.write("var/lib/vz/snippets/other", "#!/bin/sh\nexit 0\n", 0o755)


@scenario("detach", "detach", 100, "--slot", 0, gone=((100, 0),), usable=())
def _(node):
    begin(node)


@scenario("detach-chain", "detach", 100, gone=((100, 0),), usable=())
def _(node):
    node.write("var/lib/vz/snippets/other", "#!/bin/sh\nexit 0\n", 0o755)
    begin(node, "guest: 100\n\tchain local:snippets/other\n")
    must(node.run(100, "pre-start"))  # and a start that failed later


@scenario("set", "set", 100, "--vlan", 21, "--trust", "unset", "--mac", MAC + "8",
          new_mac=((100, 0),))
def _(node):
    begin(node)


@scenario("set-live", "set", 101, "--vlan", 31, "--spoofchk", "on", "--max-rate", 200)
def _(node):
    begin(node)


@scenario("release", "release", 103)
def _(node):
    begin(node, extra(103), vms=(103,))
    must(node.run(103, "pre-start"))


@scenario("job", "job", 100)
def _(node):
    begin(node)
    node.vm(100, "hookscript: local:snippets/vfhook")


@scenario("job-clone", "job", 107, usable=(107,))
def _(node):
    begin(node)
    node.vm(107, "hookscript: local:snippets/vfhook", "hostpci0: mapping=vf-100-0")


# --- the node ---

@scenario("pool-add", "pool", "add", "lan", "--pf", "enp7s0", "--vfs", 2)
def _(node):
    begin(node)


@scenario("pool-extend", "pool", "add", "wan", "--pf", "enp7s0")
def _(node):
    begin(node)


@scenario("pool-remove", "pool", "remove", "lan")
def _(node):
    begin(node)
    must(node.run("pool", "add", "lan", "--pf", "enp7s0", "--vfs", 2))


@scenario("repair", "repair", gone=((108, 0),))
def _(node):
    """A start cut off, a dead VM's VF, a broken lease, wrong settings, and a VM that is gone."""
    begin(node, extra(103), extra(108), vms=(103, 108))
    must(node.run(103, "pre-start"))
    node.fake("enp6s0f0", lambda page: page["quirks"].append("die-after:3"))
    node.run(100, "pre-start")
    node.fake("enp6s0f0", lambda page: page.update(quirks=[]))
    free = [vf for vf in node.vfs() if vf not in node.leases() and vf.startswith("0000:06")]
    node.write("run/vfhook/leases/" + free[0], "rubbish")
    vf = [vf for vf, lease in node.leases_or_none().items() if lease and lease["vmid"] == 101][0]
    index = list(node.vfs()).index(vf)
    node.fake("enp6s0f0", lambda page: page["vfs"][index].update(vlan=99))
    node.remove("etc/pve/nodes/pve1/qemu-server/108.conf")


@scenario("boot", "boot", slow=True)
def _(node):
    """A VF with somebody's settings, a mapping with an old group, a PF without its MAC."""
    begin(node)
    free = [i for i, vf in enumerate(node.vfs()) if vf not in node.leases() and i < 4]
    node.unparked = (list(node.vfs())[free[0]],)
    node.fake("enp6s0f0", lambda page: page["vfs"][free[0]].update(
        mac="02:00:00:00:00:99", vlan=7, trust=True, spoofchk=False))
    node.write("etc/pve/mapping/pci.cfg",
               re.sub(r"(vf-102-0\n(?:.*\n)*?.*iommugroup=)\d+", r"\g<1>77",
                      node.read("etc/pve/mapping/pci.cfg")), 0o640)
    node.write("etc/pve/vfhook.cfg", node.read("etc/pve/vfhook.cfg").replace(
        ",mac=52:54:00:06:00:01", ""), 0o640)


@scenario("boot-make", "boot", slow=True)
def _(node):
    """A PF that has no VFs yet. (Links to them are there all the time: files make none.)"""
    begin(node)
    must(node.run("pool", "add", "lan", "--pf", "enp7s0", "--vfs", 2))
    node.write(f"sys/bus/pci/devices/{PF2}/sriov_numvfs", "0\n")
    node.write(f"sys/bus/pci/devices/{PF2}/sriov_drivers_autoprobe", "1\n")


def remade(node):
    """As many as the pool wants, all free, and mappings that PVE takes."""
    bad = [] if node.count_vfs(PF2) == 4 else [f"{IFNAMES[PF2]} has {node.count_vfs(PF2)} VFs"]
    number = node.read(f"sys/bus/pci/devices/{PF2}/sriov_numvfs").strip()
    bad += [] if number == "4" else [f"sriov_numvfs is {number}"]
    probe = node.read(f"sys/bus/pci/devices/{PF2}/sriov_drivers_autoprobe").strip()
    bad += [] if probe == "0" else [f"sriov_drivers_autoprobe is {probe}"]
    bad += [f"VF {vf} is still leased" for vf in node.leases() if vf.startswith("0000:07")]
    bad += [f"vf-103-0 names {node.mapped(103, 0)}"] * (node.mapped(103, 0) not in node.vfs())
    return bad + node.bad_mappings()


@scenario("boot-remake", "boot", slow=True, usable=(100, 103), check=remade)
def _(node):
    """A PF that has VFs, all of them free, and a pool that wants more: they go, and more come."""
    begin(node)
    must(node.run("pool", "add", "lan", "--pf", IFNAMES[PF2], "--vfs", 2))
    node.write("etc/pve/vfhook.cfg", node.read("etc/pve/vfhook.cfg").replace("vfs 2", "vfs 4") +
               "\n" + extra(103).replace("wan", "lan"), 0o640)
    node.vm(103, "hookscript: local:snippets/vfhook", "hostpci0: mapping=vf-103-0")
    node.has_kernel = True
    node.boot_vm(103)
    node.stop_qemu(103)
    must(node.run(103, "post-stop"))
    node.write(f"sys/bus/pci/devices/{PF2}/sriov_drivers_autoprobe", "1\n")


@scenario("host-prepare", "host", "prepare", "--apply", usable=(), loose=True,
          check=lambda node: [] if "iommu=pt" in node.read("boot/grub/grub.cfg") else
          ["the boot loader knows nothing of it"])
def _(node):
    begin(node)
    node.write("proc/cpuinfo", "processor : 0\nvendor_id : GenuineIntel\n")
    node.write("proc/cmdline", "root=/dev/sda1 quiet\n")
    node.write("etc/default/grub", 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n')
    node.write("usr/sbin/update-grub", "#!/bin/sh\ncd \"${0%/*}/../..\" && mkdir -p boot/grub && "
               "cat etc/default/grub etc/default/grub.d/*.cfg >boot/grub/grub.cfg\n", 0o755)


# --- live migration ---

def live(node, *vmids, two=False):
    """Those VMs run, with ports that are migrated live."""
    node.live = True
    node.bind_all()
    (second_port if two else begin)(node)
    node.write("etc/pve/vfhook.cfg", re.sub(r"(port: 10[01]-\d\n)", r"\1\tlive-migration on\n",
                                            node.read("etc/pve/vfhook.cfg")), 0o640)
    for vmid in vmids:
        if vmid not in node.qemu:
            node.boot_vm(vmid)
    # As the job that each start begins leaves it.
    node.write("etc/pve/mapping/pci.cfg",
               re.sub(r"(vf-(?:%s)-\d\n)(?!(?:\t.*\n)*\tlive-)" % "|".join(map(str, node.qemu)),
                      r"\1\tlive-migration-capable 1\n",
                      node.read("etc/pve/mapping/pci.cfg")), 0o640)
    node.unplugged = set(node.ports())


def lease_of(node, vmid, slot=0):
    return next(vf for vf, lease in node.leases().items()
                if (lease["vmid"], lease["slot"]) == (vmid, slot))


def all_plugged(node):
    """What was only a migration's is as before."""
    return [f"VM {lease['vmid']}: VF {vf} is {lease['phase']}" for vf, lease in node.leases().items()
            if lease["phase"] != "running"]


FROM = {"PVE_MIGRATED_FROM": "pve2"}
LIVE = {"usable": (102,), "quick": 4}


@scenario("unplug", "unplug", 100, **LIVE)
def _(node):
    live(node, 100)


@scenario("unplug-two", "unplug", 100, **LIVE)
def _(node):
    live(node, 100, two=True)


@scenario("unplug-migration", "unplug", 100, "--migration-to", "pve2", ends=True,
          over=lambda node: node.migrated(100), **LIVE)
def _(node):
    live(node, 100, two=True)
    node.migrating(100)
    node.unplugged = set()


@scenario("unplug-alone", "unplug", 100, "--migration-to", "pve2", alone=True,
          over=lambda node: node.migrated(100), **LIVE)
def _(node):
    """PVE's worker was killed, the VM is not on its way: the job plugs again."""
    live(node, 100)
    node.migrating(100)
    node.write("proc/locks", "")
    node.unplugged = set()


@scenario("plug", "plug", 100, **LIVE)
def _(node):
    live(node, 100)
    must(node.run("unplug", 100))


def used_no_more(node):
    node.stop_qemu(FOREIGN)
    group = os.path.basename(os.readlink(node.path("sys/bus/pci/devices/0000:06:10.0/iommu_group")))
    node.remove(f"fake-kernel/vfio-{group}")


@scenario("plug-other", "plug", 100, over=used_no_more, other_map=True, **LIVE)
def _(node):
    """Somebody uses the VF that was kept, for a while."""
    live(node, 100)
    vf = lease_of(node, 100)
    must(node.run("unplug", 100))
    node.start_qemu(FOREIGN, {0: vf})
    group = os.path.basename(os.readlink(node.path(f"sys/bus/pci/devices/{vf}/iommu_group")))
    node.write(f"fake-kernel/vfio-{group}", "16")


@scenario("evacuate", "evacuate", "enp6s0f0", **LIVE)
def _(node):
    live(node, 100, 101)


@scenario("arrive", "live-job", 100, check=all_plugged, **LIVE)
def _(node):
    live(node, 100)
    vf = lease_of(node, 100)
    lease = dict(node.leases()[vf], phase="arriving", peer="pve2")
    node.write(f"run/vfhook/leases/{vf}", json.dumps(lease))
    node.unplugged = set()


@scenario("live-job-over", "live-job", 100, check=all_plugged, **LIVE)
def _(node):
    live(node, 100, two=True)
    node.migrating(100)
    result, text, _ = node.killat(["-x"], ("unplug", 100, "--migration-to", "pve2"))
    if result[2]:
        raise RuntimeError(text)
    node.migrated(100)
    node.unplugged = set()


def arrived(node):
    """PVE has moved its config here, and the guest runs."""
    away = "etc/pve/nodes/pve2/qemu-server/100.conf"
    if os.path.exists(node.path(away)):
        os.rename(node.path(away), node.path("etc/pve/nodes/pve1/qemu-server/100.conf"))


@scenario("post-start-arriving", 100, "post-start", env=FROM, ends=True, over=arrived,
          check=all_plugged, **LIVE)
def _(node):
    live(node)
    node.write("etc/pve/.members", json.dumps({"nodelist": {"pve2": {"ip": "192.0.2.2"}}}))
    node.write("usr/bin/ssh", "#!/bin/sh\nexit 0\n", 0o755)
    os.makedirs(node.path("etc/pve/nodes/pve2/qemu-server"))
    os.rename(node.path("etc/pve/nodes/pve1/qemu-server/100.conf"),
              node.path("etc/pve/nodes/pve2/qemu-server/100.conf"))
    result, text, _ = node.killat([], (100, "pre-start"), env=FROM)
    if result[2]:
        raise RuntimeError(text)
    node.start_qemu(100, {0: node.mapped(100, 0)})
    node.unplugged = set()
