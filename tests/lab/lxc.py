# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers, in tests/crash, tests/race and tests/storm alike: the kernel's part of binding a VF to its driver,
and, for nodes whose /proc is made of files, what LXC does around a container (lxc: start.c, network.c)."""

import contextlib
import os
import re
import select
import shutil
import threading
import time

from pvesimlib import fakesys
from pvesimlib.ct import LXC, Config
from pvesimlib.host import Host

DRIVER = "igbvf"
AWAY = "away"       # below a node's root: interfaces that are in containers, by container
HZ = os.sysconf("SC_CLK_TCK")
ADDRESS = 12        # letters of 0000:06:10.0
SNIPPET = "local:snippets/vfhook"


class Binding(threading.Thread):
    """Whoever writes a VF into drivers_probe or a driver's unbind has it done at once: these are pipes, so
    that none of two writers is lost. guard: held meanwhile."""

    def __init__(self, root, guard):
        super().__init__(daemon=True)
        self.host, self.guard = Host(root), guard
        self.files, self.rest = {}, {}
        self.settled = threading.Semaphore(0)
        tree = fakesys.Tree(self.host)
        for driver in ("vfio-pci", DRIVER):
            tree.driver(driver)
        for name in ("drivers_probe", "drivers/vfio-pci/unbind", f"drivers/{DRIVER}/unbind"):
            path = f"{tree.sys}/bus/pci/{name}"
            os.unlink(path)
            os.mkfifo(path)
            fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            self.files[fd] = name == "drivers_probe"
            self.rest[fd] = b""

    def run(self):
        while True:
            for fd in select.select(list(self.files), [], [])[0]:
                with contextlib.suppress(BlockingIOError):
                    self.rest[fd] += os.read(fd, 65536)
                while len(self.rest[fd]) >= ADDRESS:
                    word, self.rest[fd] = self.rest[fd][:ADDRESS], self.rest[fd][ADDRESS:]
                    self.written(self.files[fd], word.decode())

    def written(self, probe, addr):
        if addr == "-" * ADDRESS:
            self.settled.release()
            return
        with self.guard:
            tree = fakesys.Tree(self.host)
            if not os.path.isdir(tree.dev(addr)):
                return  # gone with its PF's VFs
            if probe:
                tree.probe(addr, index=ifindex(addr))
            else:
                tree.unbind(addr)

    def settle(self):
        """Whatever was written before now is done, and an interface that was being renamed has one name."""
        for fd in self.files:
            os.write(fd, b"-" * ADDRESS)
        for _ in self.files:
            if not self.settled.acquire(timeout=20):
                raise RuntimeError("the kernel that binds drivers hangs")
        with self.guard:
            mend_links(self.host)


def ifindex(addr):
    """Of a VF's interface: no other one's, also while it is in a container."""
    return 1000 + fakesys.addr_to_rid(addr)[1]


def mend_links(host):
    """The stand-in of the kernel renames in several calls, and may be killed between them: the folder counts."""
    base = host.path("/sys/class/net")
    for name in os.listdir(base):
        if os.path.islink(f"{base}/{name}") and not os.path.exists(f"{base}/{name}"):
            os.unlink(f"{base}/{name}")
    devices = host.path("/sys/bus/pci/devices")
    for addr in os.listdir(devices):
        net = f"{os.path.realpath(f'{devices}/{addr}')}/net"
        for name in os.listdir(net) if os.path.isdir(net) else ():
            if not os.path.lexists(f"{base}/{name}"):
                fakesys.link(f"{base}/{name}", f"{net}/{name}")


def take_in(host, vmid, link):
    """The interface of that name goes into the container. False: there is none."""
    shown = host.path(f"/sys/class/net/{link}")
    if not os.path.islink(shown):
        return False
    folder, kept = os.path.realpath(shown), host.path(f"/{AWAY}/{vmid}/{link}")
    os.makedirs(os.path.dirname(kept), exist_ok=True)
    os.unlink(shown)
    shutil.move(folder, kept)
    return True


def bring_back(host, vmid, how="name"):
    """They come back: with their names, or as dev<N> ("dev")."""
    base = host.path(f"/{AWAY}/{vmid}")
    for n, link in enumerate(sorted(os.listdir(base)) if os.path.isdir(base) else ()):
        addr = os.path.basename(os.readlink(f"{base}/{link}/device"))
        net = f"{os.path.realpath(host.path(f'/sys/bus/pci/devices/{addr}'))}/net"
        name = f"dev{50 + n}" if how == "dev" else link
        if os.path.isdir(net):  # else it is gone with its VF
            shutil.move(f"{base}/{link}", f"{net}/{name}")
            fakesys.link(host.path(f"/sys/class/net/{name}"), f"{net}/{name}")
    shutil.rmtree(base, ignore_errors=True)


def inside(host, vmid):
    """{slot: VF} of the interfaces that are in the container."""
    base = host.path(f"/{AWAY}/{vmid}")
    return {int(link.rpartition("n")[2]): os.path.basename(os.readlink(f"{base}/{link}/device"))
            for link in (os.listdir(base) if os.path.isdir(base) else ())}


def raw_lines(vmid, slot, name):
    """What attach writes."""
    return "".join(f"lxc.net.{32 + slot}.{key}\n"
                   for key in ("type: phys", f"link: vf{vmid}n{slot}", f"name: {name}", "flags: up"))


class Containers:
    """Of a made-up node (tests/crash/node.py), which has path(), read(), write(), run(), ports()."""

    binding = None

    def bind_drivers(self):
        """From now on VFs get the drivers that they are to have."""
        self.binding = Binding(self.root, self.guard)
        self.binding.start()
        self.write("proc/net/unix", "Num RefCount Protocol Flags Type St Inode Path\n")
        os.makedirs(self.path("etc/pve/nodes/pve1/lxc"), exist_ok=True)
        os.makedirs(self.path("run/lock/lxc"), exist_ok=True)

    def ct_conf(self, vmid):
        return f"etc/pve/nodes/pve1/lxc/{vmid}.conf"

    def is_ct(self, vmid):
        return os.path.exists(self.path(self.ct_conf(vmid)))

    def ct(self, vmid, *slots, hook=True, of=None):
        """Its config, with the lines of these ports; of: another one's, as a clone has them. And a snapshot, which
        is none of our business."""
        self.write(self.ct_conf(vmid), f"arch: amd64\nhostname: ct{vmid}\n" + f"hookscript: {SNIPPET}\n" * hook +
                   "net0: name=eth0,bridge=vmbr0\n" +
                   "".join(raw_lines(of or vmid, slot, f"eth{slot + 1}") for slot in slots) +
                   "\n[snap]\nhookscript: local:snippets/old\nlxc.net.32.name: eth9\n", 0o640)

    def calls_hook(self, vmid):
        """Does PVE call a hookscript for it?"""
        return bool(Config(self.read(self.ct_conf(vmid))).get("hookscript"))

    def monitor_pid(self, vmid):
        """Of the monitor that runs; None: none does."""
        return self.read(f"sys/fs/cgroup/lxc.monitor/{vmid}/cgroup.procs").strip() or None

    def lxc_config(self, vmid):
        """PVE/LXC.pm: update_lxc_config, before pre-start and at a reboot from inside."""
        raw = Config(self.read(self.ct_conf(vmid))).raw()
        self.write(f"{LXC[1:]}/{vmid}/config", "".join(f"{k} = {v}\n" for k, v in raw))

    def start_lxc(self, vmid):
        """systemctl start pve-container@: the monitor. False: it gives it up, and runs post-stop."""
        pid = 6000000 + vmid
        while os.path.exists(self.path(f"proc/{pid}")):
            pid += 1000  # the one before is not over
        with open("/proc/uptime", encoding="ascii") as fh:
            up = int(float(fh.read().split()[0]) * HZ)
        self.write(f"proc/{pid}/cmdline", f"lxc-start\0-F\0-n\0{vmid}\0")
        self.write(f"proc/{pid}/stat", f"{pid} (lxc-start) S 1" + " 0" * 17 + f" {self.began(up)} 0 0\n")
        links = re.findall(r"^lxc\.net\.\d+\.link = (\S+)", self.read(f"{LXC[1:]}/{vmid}/config"), re.M)
        with self.guard:
            for link in links:
                if not take_in(Host(self.root), vmid, link):
                    bring_back(Host(self.root), vmid)
                    self.reap(pid)
                    return False
        self.write(f"sys/fs/cgroup/lxc.monitor/{vmid}/cgroup.procs", f"{pid}\n")
        self.write(f"sys/fs/cgroup/lxc/{vmid}/cgroup.events", "populated 1\nfrozen 0\n")
        self.sockets(lambda lines: [*lines, "0000000000000000: 00000002 00000000 00010000 0001 01 "
                                            f"{vmid} @{LXC}/{vmid}/command\n"])
        return True

    def began(self, now):
        """When a monitor began that begins now."""
        return now

    def sockets(self, change):
        with self.guard:
            lines = self.read("proc/net/unix").splitlines(keepends=True)
            self.write("proc/net/unix", "".join(change(lines)))

    def end_lxc(self, vmid, back="name", process=False):
        """lxc_end: interfaces, cgroups, the socket. What is left is the hook, and whoever runs it.
        back: "name", "dev", or "lost": not yet. Returns the monitor's number; process: it still lives."""
        with self.guard:
            pid = self.monitor_pid(vmid)
            if back != "lost":
                bring_back(Host(self.root), vmid, back)
            for name in ("lxc", "lxc.monitor"):
                shutil.rmtree(self.path(f"sys/fs/cgroup/{name}/{vmid}"), ignore_errors=True)
            self.sockets(lambda lines: [line for line in lines if not line.endswith(f"/{vmid}/command\n")])
            if not process:
                self.reap(pid)
        return pid

    def reap(self, pid):
        shutil.rmtree(self.path(f"proc/{pid}"), ignore_errors=True)

    def back_again(self, vmid):
        """What was in a network namespace that lived on is on the host."""
        with self.guard:
            bring_back(Host(self.root), vmid)

    def cts(self):
        """{container: {slot: VF}} of those that run."""
        return {int(vmid): inside(Host(self.root), vmid)
                for vmid in re.findall(rf"@{LXC}/(\d+)/command$", self.read("proc/net/unix"), re.M)}

    def boot_ct(self, vmid):
        """pct start."""
        self.lxc_config(vmid)
        done = self.run(vmid, "pre-start")
        if done.returncode or not self.start_lxc(vmid):
            raise RuntimeError(f"CT {vmid} does not start: {done.stdout}{done.stderr}")
        done = self.run(vmid, "post-start")
        if done.returncode:
            raise RuntimeError(f"post-start {vmid}: {done.stdout}{done.stderr}")

    def long_ago(self):
        """No reboot from inside is under way."""
        base = self.path(LXC[1:])
        for name in os.listdir(base) if os.path.isdir(base) else ():
            os.utime(f"{base}/{name}", (time.time() - 120,) * 2)

    # -- what must hold --

    def driver_of(self, vf):
        link = self.path(f"sys/bus/pci/devices/{vf}/driver")
        return os.path.basename(os.readlink(link)) if os.path.islink(link) else None

    def nets_of(self, vf):
        """Its interfaces on the host."""
        folder = self.path(f"sys/bus/pci/devices/{vf}/net")
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def wrong_driver(self, vf, nets=()):
        """What of a container's VF is not as promised: driver, and these interfaces on the host. Or ''."""
        now = self.driver_of(vf), self.override(vf), self.nets_of(vf)
        return f"VF {vf} has driver, override and interfaces {now}" if now != (DRIVER, DRIVER, list(nets)) else ""

    def not_unbound(self, vf):
        """A VF that nobody has is for no driver of the host."""
        if self.driver_of(vf) in (None, "vfio-pci") and self.override(vf) in ("vfio-pci", "(null)", ""):
            return ""
        return f"driver {self.driver_of(vf)}, override {self.override(vf)}, interfaces {self.nets_of(vf)}"
