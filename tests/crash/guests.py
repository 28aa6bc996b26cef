# SPDX-License-Identifier: GPL-2.0-or-later
"""What is killed beside scenarios.py: phases and commands of containers, and of VMs with a card's VF."""

import json

from node import CARD, must
from scenarios import MAC, begin, extra, scenario

SNIPPET = "hookscript: local:snippets/vfhook"
ALL_VFS = 4  # of the pool
OF_NONE = {"qemu-pid": 0, "qemu-start": 0}


def port(vmid, slot=0, more=""):
    return f"port: {vmid}-{slot}\n\tpool wan\n\tname eth{slot + 1}\n\tmac {MAC[:-1]}{vmid - 60 + 20 * slot}\n{more}"


VLAN = "\tvlan 20\n\ttrust 1\n"


def containers(node, *sections, vms=()):
    """Container 110 beside the VMs of begin(), with a port that sets something."""
    begin(node, *sections, port(110, more=VLAN), vms=vms)
    node.bind_drivers()
    node.ct(110, 0)
    node.lxc_config(110)


def killed_lxc(node, vmid):
    """Its monitor is, some time after it was started: nobody is told."""
    node.boot_ct(vmid)
    node.end_lxc(vmid)
    node.long_ago()


# --- phases of a container ---

CT = {"usable": (100, 110), "quick": 4}


@scenario("ct-pre-start", 110, "pre-start", **CT)
def _(node):
    containers(node)


@scenario("ct-pre-start-two", 110, "pre-start", **CT)
def _(node):
    """Two ports; the VFs that they get were VMs' before, whose driver they still have."""
    containers(node, port(110, 1))
    node.bind_all()
    node.ct(110, 0, 1)
    node.lxc_config(110)


@scenario("ct-pre-start-reclaim", 110, "pre-start", **CT)
def _(node):
    """All VFs are leased: to a VM that runs, a VM whose start failed later, a container whose monitor was
    killed, and one that systemd never started."""
    containers(node, extra(103), port(111), port(112), vms=(103,))
    for vmid in (111, 112):
        node.ct(vmid, 0)
    node.boot_vm(103)
    for vmid in (111, 112):
        node.boot_ct(vmid)
    for vmid in (111, 112):
        node.end_lxc(vmid)
    node.stop_qemu(103)
    node.long_ago()
    for vf, lease in node.leases().items():
        if lease["vmid"] in (103, 112):
            node.write(f"run/vfhook/leases/{vf}", json.dumps({**lease, "phase": "starting", **OF_NONE}))
    if len(node.leases()) != ALL_VFS:
        raise RuntimeError(f"leases: {node.leases()}")


@scenario("ct-post-start", 110, "post-start", usable=(), quick=4)
def _(node):
    containers(node)
    must(node.run(110, "pre-start"))
    if not node.start_lxc(110):
        raise RuntimeError("CT 110 does not start")


def ended(back):
    def setup(node):
        containers(node)
        node.boot_ct(110)
        node.end_lxc(110, back)
    return setup


scenario("ct-post-stop", 110, "post-stop", **CT)(ended("name"))
# The name was taken meanwhile, and the kernel gave it another one.
scenario("ct-post-stop-renamed", 110, "post-stop", **CT)(ended("dev"))
# A process outside of it has its network namespace open: nobody gets the VF until that has ended.
scenario("ct-post-stop-late", 110, "post-stop", over=lambda node: node.back_again(110), every=13, **CT)(ended("lost"))


@scenario("ct-release", "release", 110, **CT)
def _(node):
    """Its start was cut off, once more and somewhere else."""
    containers(node)
    cut_off(node, 110, 2)
    node.long_ago()


def cut_off(node, vmid, sets, phase="pre-start"):
    """That, after so many settings."""
    node.fake("enp6s0f0", lambda page: page["quirks"].append(f"die-after:{sets}"))
    node.run(vmid, phase)
    node.fake("enp6s0f0", lambda page: page.update(quirks=[]))
    if not node.read(f"run/vfhook/journal/{vmid}"):
        raise RuntimeError(f"{phase} of CT {vmid} was not cut off")


# --- its port ---

ATTACH = ("attach", 113, "--name", "eth1", "--mac", MAC + "7", "--vlan", 7, "--mtu", 1400)


@scenario("ct-attach", *ATTACH, usable=(113,), undo=("detach", 113), quick=4)
def _(node):
    containers(node)
    node.ct(113, hook=False)


@scenario("ct-attach-clone", *ATTACH, usable=(110, 113), undo=("detach", 113), quick=4)
def _(node):
    """With the lines and the hookscript of its origin, and another hookscript before that."""
    containers(node)
    node.ct(113, 0, of=110)


@scenario("ct-detach", "detach", 110, gone=((110, 0),), usable=(), quick=4)
def _(node):
    """And a start that failed later."""
    containers(node)
    must(node.run(110, "pre-start"))
    node.long_ago()


@scenario("ct-set-live", "set", 110, "--vlan", 31, "--spoofchk", "off", "--max-rate", 200, usable=(), quick=4)
def _(node):
    containers(node)
    node.boot_ct(110)


@scenario("ct-repair", "repair", gone=((112, 0),), quick=8, usable=(100, 110, 111))
def _(node):
    """A start cut off, a container whose monitor was killed, one that is gone, wrong settings."""
    containers(node, port(111), port(112), vms=())
    for vmid in (111, 112):
        node.ct(vmid, 0)
    killed_lxc(node, 111)
    must(node.run(112, "pre-start"))
    node.remove(node.ct_conf(112))
    cut_off(node, 110, 3)
    node.long_ago()


# --- VMs with VFs of cards ---

DISK = f"pool: disk\n\tnetwork off\n\tpf node=pve1,path={CARD},id=1b36:0010,serial=S5GX\n\tvfs 4\n"
CARD_PORT = "port: {}-{}\n\tpool disk\n"
CARDS = {"usable": (100, 120), "quick": 4}


def cards(node, *ports, numvfs=4):
    """VM 120 has these ports on a card."""
    node.add_card(numvfs)
    begin(node, DISK, *ports)
    node.vm(120, SNIPPET, *(f"hostpci{slot}: mapping=vf-120-{slot}" for _, slot in
                            [p for p in node.ports() if p[0] == 120]))


def card_vm(node, running):
    """It has been started, and runs or did."""
    cards(node, CARD_PORT.format(120, 0))
    node.boot_vm(120)
    if not running:
        node.stop_qemu(120)


@scenario("card-pre-start", 120, "pre-start", **CARDS)
def _(node):
    cards(node, CARD_PORT.format(120, 0))


@scenario("card-post-start", 120, "post-start", usable=(), quick=4)
def _(node):
    cards(node, CARD_PORT.format(120, 0))
    must(node.run(120, "pre-start"))
    node.start_qemu(120, {0: node.mapped(120, 0)})


@scenario("card-post-stop", 120, "post-stop", **CARDS)
def _(node):
    card_vm(node, running=False)


@scenario("card-attach", "attach", 121, "--pool", "disk", "--slot", 1, "--hostpci", "rombar=0", usable=(121,),
          undo=("detach", 121, "--slot", 1), quick=4)
def _(node):
    cards(node, CARD_PORT.format(120, 0))
    node.vm(121, "machine: q35")


@scenario("card-detach", "detach", 120, "--slot", 0, gone=((120, 0),), usable=(), quick=4)
def _(node):
    """And a start that failed later."""
    cards(node, CARD_PORT.format(120, 0))
    must(node.run(120, "pre-start"))


BOTH = (CARD_PORT.format(120, 0), f"port: 120-1\n\tpool wan\n\tmac {MAC}6\n\tvlan 40\n")


def both_or_none(node):
    """Leases of VM 120."""
    mine = [vf for vf, lease in node.leases().items() if lease["vmid"] == 120]
    return [] if len(mine) in (0, 2) else [f"VM 120 has only {mine}"]


@scenario("both-pre-start", 120, "pre-start", check=both_or_none, **CARDS)
def _(node):
    cards(node, *BOTH)


@scenario("both-post-stop", 120, "post-stop", check=both_or_none, **CARDS)
def _(node):
    cards(node, *BOTH)
    node.boot_vm(120)
    node.stop_qemu(120)


def card_made(node):
    number = node.read(f"sys/bus/pci/devices/{CARD}/sriov_numvfs").strip()
    here = node.count_vfs(CARD)
    return [] if (number, here) == ("4", 4) else [f"the card's sriov_numvfs is {number}, and there are {here} VFs"]


@scenario("boot-cards", "boot", slow=True, usable=(100, 120), quick=8, check=card_made)
def _(node):
    """A card without VFs, and a VF of a NIC that a driver of the host is to have never."""
    cards(node, CARD_PORT.format(120, 0), numvfs=0)
    node.has_kernel = True


@scenario("boot-cards-remake", "boot", slow=True, usable=(100, 120), quick=8, check=card_made)
def _(node):
    """It has fewer than its pool wants, all of them free: they go, and more come."""
    cards(node, CARD_PORT.format(120, 0), numvfs=2)
    must(node.run(120, "pre-start"))
    must(node.run(120, "post-stop"))
    node.has_kernel = True
