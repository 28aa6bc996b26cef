# SPDX-License-Identifier: GPL-2.0-or-later
"""What of PVE and QEMU every made-up node needs, in tests/crash, tests/race and tests/storm alike: the
list of who has which function, `qm set`, the daemon's certificate, and QEMU's monitor."""

import contextlib
import json
import os
import socket
import ssl
import threading

QM = r"""#!/bin/sh
# qm set VMID --hookscript VALUE | --delete hookscript: under PVE's lock on the VM
conf=etc/pve/nodes/{node}/qemu-server/$2.conf
exec 9>>var/lock/qemu-server/lock-$2.conf
flock -w 10 9 || exit 255
[ -e "$conf" ] || {{ echo "Configuration file '$conf' does not exist" >&2; exit 2; }}
key=${{3#--}}
[ "$key" != delete ] || key=$4
{{ grep -v "^$key:" "$conf"; [ "$3" = --delete ] || echo "$key: $4"; }} >.qm-tmp.$$
mv .qm-tmp.$$ "$conf"
"""


def qm_script(node, root=""):
    """`qm` of that node; vfhook calls it in the node's root, unless another one is named."""
    text = QM.format(node=node)
    return text.replace("\nconf=", f"\ncd '{root}' || exit 255\nconf=", 1) if root else text


def program(build, args):
    """Which program has that call: PVE calls a phase, vfhook itself a job, a person all else."""
    first = str(args[0]) if args else ""
    job = first in ("job", "write-job", "restart-job", "watch")
    return f"{build}/tests/{'hook' if job or first.isdigit() else 'vfhook'}-plain"


def tls_context(stem):
    """The daemon's side of TLS, with <stem>.pem and <stem>.key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(stem + ".pem", stem + ".key")
    return context


# --- PVE/QemuServer/PCI.pm: pci-id-reservations ---

def read_reservations(text):
    """{VF address: (vmid, "time:EPOCH" or "pid:PID")}"""
    return {f[0]: (int(f[1]), f[2]) for f in (line.split() for line in text.splitlines())}


def write_reservations(entries):
    return "".join(f"{a} {v} {h}\n" for a, (v, h) in sorted(entries.items()))


def reserve(entries, addrs, vmid, holder, is_live):
    """reserve_pci_usage: None, with the entries changed, or what PVE says. is_live(vmid, holder)."""
    for addr in addrs:
        other, how = entries.get(addr, (vmid, ""))
        if other != vmid and is_live(other, how):
            return f"PCI device '{addr}' already in use by VMID '{other}'"
    entries.update({addr: (vmid, holder) for addr in addrs})
    return None


def used_twice(devices):
    """choose_hostpci_devices: what PVE says of two hostpciN on one function, or None. {slot: VF}"""
    addrs = list(devices.values())
    twice = [a for i, a in enumerate(addrs) if a in addrs[:i]]
    return f"device '{twice[0]}' assigned more than once" if twice else None


# --- QEMU ---

class Monitor(threading.Thread):
    """A VM's QMP socket: as much of it as pausing a VM takes. paused: the set of such VMs."""

    def __init__(self, path, vmid, paused):
        super().__init__(daemon=True)
        self.path, self.vmid, self.paused = path, vmid, paused
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(4)

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                conn, _ = self.listener.accept()
                with contextlib.suppress(OSError, ValueError), conn, conn.makefile("rw") as both:
                    conn.settimeout(10)
                    self.serve(both)

    def serve(self, both):
        def say(what):
            both.write(json.dumps(what) + "\r\n")
            both.flush()
        say({"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}, "package": ""},
                     "capabilities": []}})
        for line in both:
            call = json.loads(line)
            if call["execute"] == "stop":
                self.paused.add(self.vmid)
            elif call["execute"] == "cont":
                self.paused.discard(self.vmid)
            paused = self.vmid in self.paused
            reply = {"status": "paused" if paused else "running", "running": not paused} if \
                call["execute"] in ("query-status",) else {}
            say({"return": reply, **({"id": call["id"]} if "id" in call else {})})

    def close(self):
        """QEMU is gone: its VM is paused no more."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.paused.discard(self.vmid)
