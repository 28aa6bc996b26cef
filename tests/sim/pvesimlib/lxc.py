# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for lxc-start -F, LXC's monitor: the command socket, the cgroups, interfaces of the
host that go into the container and come back, the post-stop hook (lxc: start.c, network.c)."""

import os
import re
import signal
import sys
import time

from . import ct, hooks
from .host import Host, read_text
from .lazy import shutil, socket, subprocess


class Monitor:
    def __init__(self, host, vmid):
        self.host = host
        self.vmid = vmid
        self.away = []  # (name here, where its folder is kept, device's folder)
        self.clients = []

    def cgroup(self, name):
        return self.host.path(f"/sys/fs/cgroup/{name}/{self.vmid}")

    def knob(self, name):
        return self.host.knob(name, self.vmid)

    def nets(self):
        """lxc.net.N.*: by N."""
        found = {}
        text = read_text(self.host.path(f"{ct.LXC}/{self.vmid}/config")) or ""
        for n, key, value in re.findall(r"^lxc\.net\.(\d+)\.(\S+) = (.*)$", text, re.M):
            found.setdefault(int(n), {})[key] = value
        return [found[n] for n in sorted(found)]

    # -- interfaces ---------------------------------------------------------------

    def take(self, link):
        """netdev_configure_server_phys: by its name, whatever it is."""
        shown = self.host.path(f"/sys/class/net/{link}")
        if self.host.is_real:
            return os.path.exists(shown)
        if not os.path.islink(shown):
            return False
        folder = os.path.realpath(shown)
        kept = self.host.state("lxc", str(self.vmid), link)
        os.makedirs(os.path.dirname(kept), exist_ok=True)
        shutil.rmtree(kept, ignore_errors=True)
        os.unlink(shown)
        shutil.move(folder, kept)
        self.away.append((link, kept, os.path.dirname(folder)))
        return True

    def give_back(self):
        """With its old name, or as dev<N> if the kernel had to do it; or never ("lost")."""
        how = self.knob("ct-back")
        for n, (link, kept, net) in enumerate(self.away):
            if how == "lost" or not os.path.isdir(net):
                continue
            name = f"dev{50 + n}" if how == "dev" else link
            shutil.move(kept, f"{net}/{name}")
            os.symlink(os.path.relpath(f"{net}/{name}", self.host.path("/sys/class/net")),
                       self.host.path(f"/sys/class/net/{name}"))
        self.away = []

    # -- its life -----------------------------------------------------------------

    def run(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"\0{ct.LXC}/{self.vmid}/command")
        self.listener.listen(8)
        os.makedirs(self.cgroup("lxc.monitor"), exist_ok=True)
        with open(self.cgroup("lxc.monitor") + "/cgroup.procs", "w", encoding="utf-8") as fh:
            fh.write(f"{os.getpid()}\n")
        target = self.live() if self.begin() else "stop"
        self.give_back()
        self.end(target)

    def begin(self):
        names = [n.get("name", "") for n in self.nets()]
        for net in self.nets():
            if net.get("type") == "phys" and not self.take(net["link"]):
                sys.stderr.write(f'Failed to retrieve ifindex for "{net["link"]}"\n')
                return False
        if len(set(names)) < len(names) or self.knob("ct-start") == "fail":
            sys.stderr.write("Failed to spawn container\n")
            return False
        os.makedirs(self.cgroup("lxc"), exist_ok=True)
        with open(self.cgroup("lxc") + "/cgroup.events", "w", encoding="utf-8") as fh:
            fh.write("populated 1\nfrozen 0\n")
        return True

    def live(self):
        """Until it is told to end, or ends by itself."""
        while True:
            client, _ = self.listener.accept()
            word = client.recv(64).decode().strip()
            self.clients.append(client)
            if word in ("stop", "poweroff"):
                return "stop"
            if word == "reboot":
                return "reboot"

    def end(self, target):
        """lxc_end: cgroups, then the socket, but for a reboot, then the hook."""
        shutil.rmtree(self.cgroup("lxc"), ignore_errors=True)
        shutil.rmtree(self.cgroup("lxc.monitor"), ignore_errors=True)
        if target != "reboot":
            self.listener.close()
        time.sleep(float(self.knob("ct-post-stop-delay") or 0))
        self.post_stop(target)
        self.listener.close()
        for client in self.clients:
            client.close()
        reboot = self.host.path(f"{ct.LXC}/{self.vmid}/reboot")
        if os.path.exists(reboot):  # pve-container-stop-wrapper: systemctl restart
            os.unlink(reboot)
            time.sleep(float(self.knob("ct-restart-delay") or 0))
            ct.launch(self.host, self.vmid)

    def post_stop(self, target):
        """lxc-pve-poststop-hook: a reboot from inside ends before the hookscript."""
        cts = ct.Containers(self.host)
        if not os.path.isfile(cts.path(self.vmid)):
            return
        conf = cts.load(self.vmid)
        # conf.c: run_buffer: what a hook says, to stdout or stderr, is for LXC's log at level DEBUG.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        if target == "reboot":
            cts.update_lxc_config(self.vmid, conf)
            with open(self.host.path(f"{ct.LXC}/{self.vmid}/reboot"), "w", encoding="utf-8"):
                pass
            return
        if self.knob("post-stop") != "lost":
            hooks.exec_hookscript(self.host, {"hookscript": conf.get("hookscript")}, self.vmid,
                                  "post-stop")


def main(root, vmid):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.dup2(2, 1)
    Monitor(Host(root), vmid).run()


def kill(host, vmid):
    """kill -9 of the monitor: its container dies with it, and nobody is told. Interfaces come back
    by the kernel's own doing."""
    text = read_text(host.path(f"/sys/fs/cgroup/lxc.monitor/{vmid}/cgroup.procs"))
    if not text:
        return 1
    monitor = Monitor(host, vmid)
    os.kill(int(text), signal.SIGKILL)
    while subprocess.run(["kill", "-0", text.strip()], stderr=subprocess.DEVNULL,
                         check=False).returncode == 0:
        time.sleep(0.01)
    for folder in ("lxc", "lxc.monitor"):
        shutil.rmtree(monitor.cgroup(folder), ignore_errors=True)
    kept = host.state("lxc", str(vmid))
    for net in monitor.nets():
        link = net.get("link", "")
        if net.get("type") == "phys" and os.path.isdir(f"{kept}/{link}"):
            device = os.readlink(f"{kept}/{link}/device").rsplit("/", 1)[1]
            where = os.path.realpath(host.path(f"/sys/bus/pci/devices/{device}/net"))
            monitor.away.append((link, f"{kept}/{link}", where))
    monitor.give_back()
    return 0
