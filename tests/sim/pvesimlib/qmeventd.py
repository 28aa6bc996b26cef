# SPDX-License-Identifier: GPL-2.0-or-later
"""qmeventd: when a QEMU is gone, run 'qm cleanup' for it (src/qmeventd/qmeventd.c).

QEMU connects to the real one. Here a start leaves a note with QEMU's pid (register), and
the end of that process comes from a pidfd.
"""

import os
import select
import sys
import time

from .host import proc_start_time, read_text, write_atomic
from .lazy import subprocess


def boot_id(host):
    return read_text(host.state("boot-id")) or ""


def register(host, vmid, pid):
    """What the connection of a QEMU is to the real one."""
    os.makedirs(host.state("watch"), exist_ok=True)
    write_atomic(host.state("watch", str(pid)), f"{vmid} {boot_id(host)}")


class Watcher:
    def __init__(self, host, qm):
        self.host = host
        self.qm = qm
        self.poll = select.poll()
        self.known = {}    # pid -> (vmid, boot id)
        self.fds = {}      # pidfd -> pid
        self.children = []
        os.makedirs(host.state("watch"), exist_ok=True)
        for name in os.listdir(host.state("watch")):
            if proc_start_time(name) is None:  # died while nobody watched
                os.unlink(host.state("watch", name))

    def scan(self):
        for name in os.listdir(self.host.state("watch")):
            if not name.isdigit() or int(name) in self.known:
                continue
            pid = int(name)
            vmid, _sep, boot = (read_text(self.host.state("watch", name)) or "0").partition(" ")
            self.known[pid] = (int(vmid), boot)
            try:
                fd = os.pidfd_open(pid)
            except ProcessLookupError:
                self.gone(pid)
                continue
            self.fds[fd] = pid
            self.poll.register(fd, select.POLLIN)

    def gone(self, pid):
        vmid, boot = self.known.pop(pid)
        os.unlink(self.host.state("watch", str(pid)))
        note = self.host.state("events", str(pid))
        clean, guest = (read_text(note) or "0 0").split()
        if os.path.exists(note):
            os.unlink(note)
        if boot != boot_id(self.host) or not self.host.knob("qmeventd", vmid):
            return
        time.sleep(self.host.knob("cleanup-delay", vmid))
        self.host.journal(f"qmeventd: {vmid}: executing cleanup (graceful: {clean}, "
                          f"guest: {guest})\n")
        # its output, and that of post-stop, goes to the journal and to no task log
        with open(self.host.state("journal.log"), "ab") as log:
            self.children.append(subprocess.Popen(
                [sys.executable, self.qm, "--root", self.host.root, "cleanup", str(vmid),
                 clean, guest], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                env=dict(os.environ, PVESIM_DEAD_PID=str(pid))))

    def run(self):
        while True:
            self.scan()
            for fd, _event in self.poll.poll(100):
                self.poll.unregister(fd)
                os.close(fd)
                self.gone(self.fds.pop(fd))
            self.children = [child for child in self.children if child.poll() is None]


def main(host, qm):
    Watcher(host, qm).run()
