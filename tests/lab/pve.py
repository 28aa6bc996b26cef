# SPDX-License-Identifier: GPL-2.0-or-later
"""What of PVE and QEMU every made-up node needs, in tests/crash, tests/race and tests/storm alike: the
list of who has which function, `qm set`, the daemon's certificate, and QEMU's monitor."""

import contextlib
import json
import os
import re
import socket
import ssl
import threading
import time

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


PCT = r"""#!/bin/sh
# pct set VMID --hookscript VALUE | --delete hookscript: under PVE's lock on the container; not in its snapshots
conf=etc/pve/nodes/{node}/lxc/$2.conf
exec 9>>run/lock/lxc/pve-config-$2.lock
flock -w 10 9 || exit 255
[ -e "$conf" ] || {{ echo "Configuration file '$conf' does not exist" >&2; exit 2; }}
key=${{3#--}}
[ "$key" != delete ] || key=$4
{{ [ "$3" = --delete ] || echo "$key: $4"; sed "/^\[/,\$!{{/^$key:/d;}}" "$conf"; }} >.pct-tmp.$$
mv .pct-tmp.$$ "$conf"
"""


def pct_script(node, root=""):
    """`pct` of that node."""
    return qm_script(node, root, PCT)


def qm_script(node, root="", what=QM):
    """`qm` of that node; vfhook calls it in the node's root, unless another one is named."""
    text = what.format(node=node)
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

class Refuses(Exception):
    """What QEMU answers instead: its class of error, and its words."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.answer = {"class": kind, "desc": text}


class Monitor(threading.Thread):
    """A VM's QMP socket, as QEMU 10 has it: pausing, migrations, and PCI devices that come and go.

    paused: the set of VMs that are. devices(): {slot: VF}, what this QEMU has; it is changed in
    place. taken(vf): has another process its VFIO group open? changed(slots): called after that.
    release: how many seconds a guest takes to let go of a device; None: it never does.
    status: of its processors, if it is not said by paused. migration: of query-migrate.
    hangs: it takes connections and says nothing; "closes": and ends them.
    """

    def __init__(self, path, vmid, paused, devices=dict, taken=lambda vf: False,
                 changed=lambda slots: None):
        super().__init__(daemon=True)
        self.path, self.vmid, self.paused = path, vmid, paused
        self.devices, self.taken, self.changed = devices, taken, changed
        self.guard = threading.RLock()
        self.release, self.status, self.migration, self.hangs = 0, None, {}, False
        self.unplugging = {}  # slot -> when the guest has let go, or None
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        # The path of a socket has room for 108 bytes: by way of its folder.
        folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.listener.bind(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
        finally:
            os.close(folder)
        self.listener.listen(64)

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                conn, _ = self.listener.accept()
                with contextlib.suppress(OSError, ValueError), conn, conn.makefile("rw") as both:
                    conn.settimeout(10)
                    if self.hangs:
                        if self.hangs != "closes":
                            conn.recv(1)
                        continue
                    self.serve(both)

    def serve(self, both):
        def say(what):
            both.write(json.dumps(what) + "\r\n")
            both.flush()
        say({"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}, "package": ""},
                     "capabilities": []}})
        for line in both:
            call = json.loads(line)
            try:
                with self.guard:
                    reply = {"return": self.answer(call["execute"], call.get("arguments", {}))}
            except Refuses as err:
                reply = {"error": err.answer}
            say({**reply, **({"id": call["id"]} if "id" in call else {})})

    def answer(self, name, args):
        self.let_go()
        paused = self.vmid in self.paused
        if name == "stop":
            self.paused.add(self.vmid)
        elif name == "cont":
            self.paused.discard(self.vmid)
        elif name == "query-status":
            status = "paused" if paused else self.status or "running"
            return {"status": status, "running": status == "running"}
        elif name == "query-migrate":
            return self.migration
        elif name == "qom-list":
            if args["path"] != "/machine/peripheral":
                raise Refuses("DeviceNotFound", f"Device '{args['path']}' not found")
            return [{"name": f"hostpci{slot}", "type": "child<vfio-pci>"}
                    for slot in sorted(self.devices())] + [{"name": "type", "type": "string"}]
        elif name == "qom-get":
            return self.devices()[self.slot_of(args["path"].rpartition("/")[2])]
        elif name == "device_del":
            self.device_del(self.slot_of(args["id"]))
        elif name == "human-monitor-command":
            return self.monitor_command(args["command-line"])
        return {}

    # -- devices --

    def slot_of(self, name):
        """PVE calls them hostpciN."""
        slot = int(name[7:]) if re.fullmatch(r"hostpci\d+", name) else None
        if slot not in self.devices():
            raise Refuses("DeviceNotFound", f"Device '{name}' not found")
        return slot

    def let_go(self):
        """Those whose guest has, by now."""
        for slot, when in list(self.unplugging.items()):
            if slot not in self.devices():
                del self.unplugging[slot]
            elif when is not None and time.monotonic() >= when:
                del self.unplugging[slot]
                vf = self.devices().pop(slot)
                self.changed({slot: vf})

    def device_del(self, slot):
        if slot in self.unplugging:
            raise Refuses("GenericError",
                          f"Device hostpci{slot} is already in the process of unplug")
        self.unplugging[slot] = None if self.release is None else time.monotonic() + self.release
        self.let_go()

    def monitor_command(self, line):
        """The monitor for people: nothing, or what is wrong, as text."""
        word, _, rest = line.partition(" ")
        args = dict(part.partition("=")[::2] for part in rest.split(",")[1:])
        match = re.fullmatch(r"hostpci(\d+)", args.get("id", ""))
        if word != "device_add" or not rest.startswith("vfio-pci,") or not match or \
                "host" not in args:
            return f"unknown command: '{line}'\r\n"
        if int(match[1]) in self.devices():
            return f"Error: Duplicate device ID '{args['id']}'\r\n"
        if self.taken(args["host"]):
            return f"Error: vfio {args['host']}: failed to open /dev/vfio/1: Device or resource " \
                "busy\r\n"
        self.devices()[int(match[1])] = args["host"]
        self.changed({int(match[1]): args["host"]})
        return ""

    def settle(self):
        """Whatever was asked before now has been answered."""
        if self.hangs:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as conn:
            conn.settimeout(20)
            folder = os.open(os.path.dirname(self.path), os.O_PATH | os.O_DIRECTORY)
            try:
                conn.connect(f"/proc/self/fd/{folder}/{os.path.basename(self.path)}")
            finally:
                os.close(folder)
            conn.recv(1)
        with self.guard:
            self.let_go()

    def close(self):
        """QEMU is gone: its VM is paused no more."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.paused.discard(self.vmid)
