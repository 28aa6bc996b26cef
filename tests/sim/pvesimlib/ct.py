# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers, in PVE's order (PVE/LXC.pm: vm_start, vm_stop; lxc-pve-poststop-hook)."""

import contextlib
import os
import re
import time

from . import hooks, lxcreal
from .errors import PveError
from .host import read_text, write_atomic
from .lazy import socket, subprocess
from .lockfile import lock_file
from .vmconfig import warn

RUN_LOCKS = "/run/lock/lxc"
LXC = "/var/lib/lxc"
MAX_NETS = 32


class Config:
    """110.conf: the active part as (key, value) in order, and all behind it as text."""

    def __init__(self, text=""):
        head, sep, rest = text.partition("\n[") if not text.startswith("[") else ("", "[", text[1:])
        self.rest = (sep + rest).lstrip("\n") if sep else ""
        self.lines = []
        for line in head.split("\n"):
            match = re.fullmatch(r"(lxc\.[a-z0-9_\-.]+)(?::|\s*=)\s*(.*?)\s*", line) or \
                re.fullmatch(r"([a-z][a-z_]*\d*):\s*(.+?)\s*", line)
            if match:
                self.lines.append((match[1], match[2]))

    def get(self, key, default=None):
        return next((v for k, v in self.lines if k == key), default)

    def put(self, key, value):
        self.drop(key)
        self.lines.append((key, value))

    def drop(self, key):
        self.lines = [(k, v) for k, v in self.lines if k != key]

    def raw(self):
        return [(k, v) for k, v in self.lines if k.startswith("lxc.")]

    def active(self):
        """write_pct_config: keys in order, raw lines behind them."""
        plain = sorted((k, v) for k, v in self.lines if not k.startswith("lxc."))
        return "".join(f"{k}: {v}\n" for k, v in plain + self.raw())

    def text(self):
        return self.active() + (f"\n{self.rest}" if self.rest else "")


class Containers:
    def __init__(self, host):
        self.host = host

    def path(self, vmid):
        return self.host.pve(f"nodes/{self.host.nodename}/lxc/{vmid}.conf")

    def load(self, vmid):
        text = read_text(self.path(vmid))
        if text is None:
            raise PveError(f"Configuration file 'nodes/{self.host.nodename}/lxc/{vmid}.conf' does "
                           "not exist\n")
        return Config(text)

    def write(self, vmid, conf):
        os.makedirs(os.path.dirname(self.path(vmid)), exist_ok=True)
        write_atomic(self.path(vmid), conf.text())

    @contextlib.contextmanager
    def lock(self, vmid):
        os.makedirs(self.host.path(RUN_LOCKS), exist_ok=True)
        with lock_file(self.host, f"{RUN_LOCKS}/pve-config-{vmid}.lock",
                       self.host.knob("lock-timeout", vmid)):
            yield

    def running(self, vmid):
        """list_active_containers"""
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as fh:
            return any(line.rstrip("\n").endswith(f" @{LXC}/{vmid}/command") for line in fh)

    def update_lxc_config(self, vmid, conf):
        if lxcreal.there(self.host):
            lxcreal.write_config(vmid, conf)
            return
        folder = self.host.path(f"{LXC}/{vmid}")
        os.makedirs(folder, exist_ok=True)
        if conf.get("template") == "1":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{folder}/config")
            return
        text = f"lxc.cgroup.dir.monitor = lxc.monitor/{vmid}\n"
        for key, value in conf.lines:
            match = re.fullmatch(r"net(\d+)", key)
            if match:
                name = re.search(r"(?:^|,)name=([^,]+)", value)
                text += f"lxc.net.{match[1]}.type = veth\n"
                text += f"lxc.net.{match[1]}.name = {name[1] if name else ''}\n"
        text += "".join(f"{k} = {v}\n" for k, v in conf.raw())
        write_atomic(f"{folder}/config", text)

    # -- the life of one ---------------------------------------------------------

    def start(self, vmid, skiplock=False):
        with self.lock(vmid):
            self.start_locked(vmid, skiplock)

    def start_locked(self, vmid, skiplock=False):
        conf = self.load(vmid)
        if conf.get("template") == "1":
            raise PveError("you can't start a CT if it's a template\n")
        if conf.get("lock") and not skiplock:
            raise PveError(f"CT is locked ({conf.get('lock')})\n")
        if self.running(vmid):
            raise PveError(f"CT {vmid} already running\n")
        self._start(vmid, conf)

    def _start(self, vmid, conf):
        self.update_lxc_config(vmid, conf)
        if self.host.knob("storage-error", vmid):
            raise PveError("storage 'local' is not online\n")
        conf = {"hookscript": conf.get("hookscript")}
        hooks.exec_hookscript(self.host, conf, vmid, "pre-start", stop_on_error=True)
        if self.host.knob("qemu", vmid) == "fail":  # systemctl start itself
            raise PveError(f"command 'systemctl start pve-container@{vmid}' failed: exit code 1\n")
        if lxcreal.there(self.host):
            lxcreal.start(vmid)
        else:
            wait_running(self.host, vmid, launch(self.host, vmid))
        hooks.exec_hookscript(self.host, conf, vmid, "post-start")

    def forget(self, vmid):
        """destroy_lxc_container: the folder goes, but for what a guest left there."""
        folder = self.host.path(f"{LXC}/{vmid}")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{folder}/config")
        with contextlib.suppress(OSError):
            os.rmdir(folder)

    def stop(self, vmid, how="stop"):
        with self.lock(vmid):
            self.stop_locked(vmid, how)

    def stop_locked(self, vmid, how="stop"):
        """vm_stop: until the monitor is gone."""
        sock = connect(vmid)
        if not sock:
            return
        conf = {"hookscript": self.load(vmid).get("hookscript")}
        hooks.exec_hookscript(self.host, conf, vmid, "pre-stop")
        if lxcreal.there(self.host):
            lxcreal.stop(vmid, how)
        else:
            sock.sendall(how.encode() + b"\n")
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(64):
                pass

    def reboot(self, vmid):
        with self.lock(vmid):
            if not self.running(vmid):
                return
            self.stop_locked(vmid, "poweroff")
            self._start(vmid, self.load(vmid))


def connect(vmid):
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(f"\0{LXC}/{vmid}/command")
    except ConnectionRefusedError:
        sock.close()
        return None
    return sock


def tell(vmid, word):
    """Something happens inside: nobody waits for its end."""
    sock = connect(vmid)
    if not sock:
        raise PveError(f"CT {vmid} is not running\n")
    sock.sendall(word.encode() + b"\n")
    sock.close()


def launch(host, vmid):
    """systemctl start pve-container@<vmid>: says that it is started as soon as it is forked."""
    os.makedirs(host.path("/run/pve"), exist_ok=True)
    with open(host.path(f"/run/pve/ct-{vmid}.stderr"), "ab") as err:
        return subprocess.Popen(["lxc-start", "-c", "import sys; from pvesimlib import lxc; "
                          f"lxc.main({host.root!r}, {vmid})", "-F", "-n", str(vmid)],
                         # argv[0] is not ours, so sys.executable says nothing.
                         executable=os.path.realpath("/proc/self/exe"), start_new_session=True,
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err,
                         env={**os.environ, "PVESIM_ROOT": host.root,
                              "PYTHONPATH": os.path.dirname(os.path.dirname(__file__))})


def wait_running(host, vmid, monitor, seconds=10):
    """monitor_start: until LXC says that it runs, or has given up."""
    end = time.monotonic() + seconds
    while not os.path.exists(host.path(f"/sys/fs/cgroup/lxc/{vmid}/cgroup.events")):
        if monitor.poll() is not None:
            raise PveError(f"startup for container '{vmid}' failed\n")
        if time.monotonic() > end:
            warn("problem with monitor socket, but continuing anyway: got timeout\n")
            return
        time.sleep(0.02)


def wait_stopped(host, vmid, seconds=10):
    end = time.monotonic() + seconds
    cts = Containers(host)
    while cts.running(vmid) and time.monotonic() < end:
        time.sleep(0.02)
    if cts.running(vmid):
        warn(f"CT {vmid} still runs\n")
