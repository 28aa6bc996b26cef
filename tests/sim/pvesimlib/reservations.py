# SPDX-License-Identifier: GPL-2.0-or-later
"""/run/qemu-server/pci-id-reservations (PVE/QemuServer/PCI.pm)."""

import re
import sys
import time

from . import qemu
from .errors import PveError
from .host import read_text, write_atomic
from .lockfile import lock_file
from .schema import PCI_ADDR

FILE = "/run/qemu-server/pci-id-reservations"
LINE = re.compile(rf"({PCI_ADDR})\s(\d+)\s(time|pid):(\d+)")


def load(host):
    entries = {}
    for line in (read_text(host.path(FILE)) or "").splitlines():
        match = LINE.fullmatch(line)
        if match:
            entries[match[1]] = {"vmid": int(match[2]), match[3]: int(match[4])}
    return entries


def _save(host, entries):
    out = ""
    for addr in sorted(entries):
        entry = entries[addr]
        kind = "pid" if "pid" in entry else "time"
        out += f"{addr} {entry['vmid']} {kind}:{entry[kind]}\n"
    write_atomic(host.path(FILE), out, 0o644)


def remove(host, vmid):
    """remove_pci_reservation: everything this VM holds."""
    with lock_file(host, FILE + ".lock", 2):
        entries = load(host)
        _save(host, {a: e for a, e in entries.items() if e["vmid"] != vmid})


def reserve(host, addrs, vmid, timeout=None, pid=None):
    """reserve_pci_usage: all or nothing; with a pid once QEMU runs, for a time before."""
    if not addrs:
        return
    with lock_file(host, FILE + ".lock", 5):
        entries = load(host)
        now = int(time.time())
        for addr in addrs:
            entry = entries.get(addr)
            if entry and entry["vmid"] != vmid:
                _check_foreign(host, addr, entry, now)
            elif entry and "time" in entry and timeout is not None:
                timeout = max(timeout, entry["time"] - 5 - now)  # keep the longer one
            elif entry and "pid" in entry and qemu.running(host, vmid) == entry["pid"]:
                if pid is not None:
                    raise PveError(
                        f"PCI device '{addr}' already in use by running VMID '{vmid}'\n")
                if timeout is not None:
                    return
            entries[addr] = {"vmid": vmid}
            if pid is not None:
                entries[addr]["pid"] = pid
            elif timeout is not None:
                entries[addr]["time"] = now + timeout + 5
        _save(host, entries)


def _check_foreign(host, addr, entry, now):
    other = entry["vmid"]
    if "time" in entry and entry["time"] > now:
        raise PveError(
            f"PCI device '{addr}' is currently reserved for use by VMID '{other}'\n")
    if entry.get("pid"):
        if qemu.running(host, other) == entry["pid"]:
            raise PveError(f"PCI device '{addr}' already in use by VMID '{other}'\n")
        sys.stderr.write(f"leftover PCI reservation found for {addr}, lets take it...\n")
