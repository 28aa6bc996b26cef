# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers on a node of the storm, in PVE's and LXC's order (PVE/LXC.pm: vm_start; lxc: start.c): a monitor
that is a process called lxc-start and runs post-stop, its socket, its cgroups, its interfaces. tests/sim has all
that PVE says about it."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import lxc
import pve as parts
from pvesimlib.ct import LXC, Config
from pvesimlib.host import read_text, write_atomic

# It lives until it is told to end, and runs the hook first if it is told so.
MONITOR = 'read -r go || exit 0; [ "$go" = hook ] || exit 0; "$@"; exit $?'


class Ended:
    """What came of a post-stop that a monitor ran."""

    def __init__(self, code, text):
        self.code, self.text = code, text
        self.killed = code == 128 + signal.SIGKILL


class Monitor:
    """A container that runs."""

    def __init__(self, node, vmid, slots):
        self.slots = slots
        program = parts.program(node.build, (vmid,))
        argv = ["lxc-start", "-c", MONITOR, "lxc-start", *node.enter, program, "--root", node.root, str(vmid),
                "post-stop"]
        self.process = subprocess.Popen(argv, executable="/bin/sh", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True,
                                        env={"PATH": "/sbin:/bin:/usr/sbin:/usr/bin", "LC_ALL": "C"})
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(f"\0{LXC}/{vmid}/command")
        self.socket.listen(8)

    def hook(self, kill_after=None):
        """post-stop, to its end, or killed."""
        self.process.stdin.write("hook\n")
        self.process.stdin.flush()
        if kill_after is not None:
            time.sleep(kill_after)
            pid = self.process.pid
            for child in (read_text(f"/proc/{pid}/task/{pid}/children") or "").split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
        text, _ = self.process.communicate()
        return Ended(self.process.returncode, text)

    def quit(self):
        """Without a hook."""
        self.process.kill()
        self.process.communicate()


class Jail:
    """The part of a node that has to do with them."""

    def open_jail(self):
        self.jailed = {}  # vmid -> its monitor
        self.sys_guard = threading.RLock()
        os.makedirs(f"{self.pve.pve}/nodes/{self.name}/lxc")
        os.makedirs(f"{self.root}/run/lock/lxc")
        write_atomic(f"{self.root}/usr/sbin/pct", parts.pct_script(self.name), 0o755)
        self.binding = lxc.Binding(self.root, self.sys_guard)
        self.binding.start()

    def ct_conf(self, vmid):
        return f"{self.pve.pve}/nodes/{self.name}/lxc/{vmid}.conf"

    def new_ct(self, vmid, text):
        write_atomic(self.ct_conf(vmid), text)

    def ct_lock(self, vmid):
        return f"{self.root}/run/lock/lxc/pve-config-{vmid}.lock"

    def _update_lxc_config(self, vmid):
        """What its start and its reboot from inside write, and a container that may be rebooting is told by."""
        folder = f"{self.root}{LXC}/{vmid}"
        os.makedirs(folder, exist_ok=True)
        text = read_text(self.ct_conf(vmid))
        write_atomic(f"{folder}/config", "".join(f"{k} = {v}\n" for k, v in Config(text).raw()))

    def long_ago(self, *vmids):
        """Their folders were written so long ago that none of them is rebooting."""
        base = f"{self.root}{LXC}"
        for name in map(str, vmids) if vmids else os.listdir(base) if os.path.isdir(base) else ():
            with contextlib.suppress(FileNotFoundError):
                os.utime(f"{base}/{name}", (time.time() - 60,) * 2)

    # -- its life --

    def start_ct(self, vmid, kill=None, fail=""):
        """vm_start. kill: {phase: seconds}. fail: "systemd" never starts it, or "lxc" gives it up. Returns its
        VFs by slot, what was said, and post-start's run."""
        from minipve import Refused, locked
        with locked(self.ct_lock(vmid)):
            text = read_text(self.ct_conf(vmid))
            if text is None or vmid in self.jailed:
                raise Refused("config", f"CT {vmid} is not there, or runs")
            self._update_lxc_config(vmid)
            hook = {"hookscript": Config(text).get("hookscript")} if "hookscript" in text else {}
            said = self._hook(hook, vmid, "pre-start", "", None, None, kill)
            if fail == "systemd":
                raise Refused("systemd", f"systemctl start pve-container@{vmid} failed\n{said}")
            why = self._launch_ct(vmid, fail)
            if why:
                run = self._end_ct(vmid)
                raise Refused("lxc", f"{why}\n{said}{run.text}")
            if not hook:
                return {}, said, None
            run = self.vfhook(vmid, "post-start", kill_after=(kill or {}).get("post-start"))
            return dict(self.jailed[vmid].slots), said + run.text, run

    def _launch_ct(self, vmid, fail=""):
        """The monitor, and what it takes. Why it ends again, or None."""
        links = re.findall(r"^lxc\.net\.\d+\.link = (\S+)", read_text(f"{self.root}{LXC}/{vmid}/config"), re.M)
        monitor = self.jailed[vmid] = Monitor(self, vmid, {})
        self._cgroup("lxc.monitor", vmid, "cgroup.procs", f"{monitor.process.pid}\n")
        with self.sys_guard:
            for link in links:
                if not lxc.take_in(self.host, vmid, link):
                    return f'Failed to retrieve ifindex for "{link}"'
            monitor.slots = lxc.inside(self.host, vmid)
        if fail:
            return "Failed to spawn container"
        self._cgroup("lxc", vmid, "cgroup.events", "populated 1\nfrozen 0\n")
        return None

    def _cgroup(self, kind, vmid, name, text):
        folder = f"{self.root}/sys/fs/cgroup/{kind}/{vmid}"
        os.makedirs(folder, exist_ok=True)
        write_atomic(f"{folder}/{name}", text)

    def _ended(self, vmid, back="name"):
        """lxc_end, but for the hook. Its monitor."""
        monitor = self.jailed.pop(vmid)
        with self.sys_guard:
            if back != "lost":
                lxc.bring_back(self.host, vmid, back)
        for name in ("lxc", "lxc.monitor"):
            shutil.rmtree(f"{self.root}/sys/fs/cgroup/{name}/{vmid}", ignore_errors=True)
        monitor.socket.close()
        return monitor

    def _end_ct(self, vmid, back="name", kill_after=None):
        return self._ended(vmid, back).hook(kill_after)

    def stop_ct(self, vmid, by_itself=False, **how):
        """vm_stop holds PVE's lock until all is over; nobody has it when a container ends by itself."""
        from minipve import locked
        with contextlib.nullcontext() if by_itself else locked(self.ct_lock(vmid)):
            if not by_itself:
                self.vfhook(vmid, "pre-stop")
            return self._end_ct(vmid, **how)

    def kill_ct(self, vmid):
        """Its monitor, some time after its start: nobody is told."""
        self._ended(vmid).quit()
        self.long_ago(vmid)

    def reboot_ct(self, vmid, gap):
        """From inside: no phase and no lock. Why it did not come back, or None."""
        before = self.jailed[vmid].slots
        self._update_lxc_config(vmid)
        self._ended(vmid).quit()
        time.sleep(gap)
        why = self._launch_ct(vmid)
        now = self.jailed[vmid].slots
        return why or (f"it has {now}, not {before}" if now != before else None)

    def back_again(self, vmid):
        """What was in a network namespace that lived on."""
        with self.sys_guard:
            lxc.bring_back(self.host, vmid)

    def lose_jail(self):
        """The power is gone."""
        for vmid in list(self.jailed):
            self._ended(vmid, "lost").quit()
        for name in (lxc.AWAY, "sys/fs"):
            shutil.rmtree(f"{self.root}/{name}", ignore_errors=True)

    # -- what is true --

    def driver_of(self, addr):
        link = f"{self.tree.dev(addr)}/driver"
        return os.path.basename(os.readlink(link)) if os.path.islink(link) else None

    def binding_of(self, addr):
        """Its driver, what it is for, and its interfaces on the host."""
        folder = f"{self.tree.dev(addr)}/net"
        return (self.driver_of(addr), self.tree.attr(addr, "driver_override"),
                sorted(os.listdir(folder)) if os.path.isdir(folder) else [])
