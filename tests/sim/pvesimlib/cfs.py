# SPDX-License-Identifier: GPL-2.0-or-later
"""PVE/Cluster.pm: cluster files, their versions, each process's cache, cluster locks.

The point of this module is what real PVE gets wrong for us: a process learns of new
file versions only in cfs_update(), that is at the start of a request, in lock_config
and inside a cluster lock. Between those it serves its cache, whatever is on disk.
A task forked from a worker inherits the worker's cache and known versions.
"""

import contextlib
import copy
import os
import re
import sys
import time

from . import mapping_file, vmconfig_file
from .errors import PveError
from .host import read_text, write_atomic
from .lazy import sha1

PCI_CFG = "mapping/pci.cfg"
VM_CONF = re.compile(r"nodes/([^/]+)/qemu-server/(\d+)\.conf$")


class Cfs:
    def __init__(self, host):
        self.host = host
        self.versions = {}   # known versions of files
        self.vmlist = {}     # vmid -> {"node":, "version":, "type":}
        self.cache = {}      # name -> [version, parsed data]

    # -- versions ---------------------------------------------------------

    def update(self):
        """cfs_update: learn the versions of all files."""
        self.versions = {PCI_CFG: self._disk_version(PCI_CFG)}
        vmlist = {}
        nodes = self.host.pve("nodes")
        if not os.path.isdir(nodes):
            raise PveError(f"no simulated node below {self.host.root}: run 'pvesim init'\n")
        for node in sorted(os.listdir(nodes)):
            for folder, kind in (("qemu-server", "qemu"), ("lxc", "lxc")):
                path = f"{nodes}/{node}/{folder}"
                if not os.path.isdir(path):
                    continue
                for name in os.listdir(path):
                    match = re.fullmatch(r"(\d+)\.conf", name)
                    if match:
                        vmlist[int(match[1])] = {
                            "node": node, "type": kind,
                            "version": self._disk_version(f"nodes/{node}/{folder}/{name}"),
                        }
        self.vmlist = vmlist

    def _disk_version(self, name):
        try:
            st = os.stat(self.host.pve(name))
        except FileNotFoundError:
            return None
        raw = f"{st.st_mtime_ns}.{st.st_ctime_ns}.{st.st_size}.{st.st_ino}"
        return sha1(raw.encode()).hexdigest()[:12]

    def _known_version(self, name):
        match = VM_CONF.match(name)
        if match:
            return self.vmlist.get(int(match[2]), {}).get("version")
        return self.versions.get(name)

    # -- reading and writing ------------------------------------------------

    def read(self, name):
        """cfs_read_file: a copy of the parsed file, from the cache if versions agree."""
        known = self._known_version(name)
        entry = self.cache.setdefault(name, [None, None])
        fresh = not entry[0] or not known or entry[0] != known
        self.host.debug(f"{'FRESH' if fresh else 'CACHE-HIT'} {name} versions={known} "
                        f"cached={entry[0]}")
        if fresh:
            entry[1] = self._parse(name, read_text(self.host.pve(name)))
            entry[0] = known
        return copy.deepcopy(entry[1])

    def write(self, name, data):
        """cfs_write_file: the writer's own cache is dropped, nobody else's."""
        if VM_CONF.match(name):
            raw = vmconfig_file.write(data)
        else:
            raw = mapping_file.write(data)
        if name in self.cache:
            self.cache[name][0] = None
        self.write_raw(name, raw)

    def write_raw(self, name, raw):
        shown = "/etc/pve/" + name
        if not self.quorate():
            raise PveError(f"unable to open file '{shown}.tmp.{os.getpid()}' - "
                           "Permission denied\n")
        try:
            write_atomic(self.host.pve(name), raw)
        except OSError as err:
            raise PveError(f"unable to open file '{shown}.tmp.{os.getpid()}' - "
                           f"{err.strerror}\n") from err

    def _parse(self, name, raw):
        if VM_CONF.match(name):
            return vmconfig_file.parse(raw, int(VM_CONF.match(name)[2]))
        return mapping_file.parse(raw)

    # -- quorum and locks -----------------------------------------------------

    def quorate(self):
        return bool(self.host.knob("quorum"))

    def check_quorum(self):
        if not self.quorate():
            raise PveError("cluster not ready - no quorum?\n")

    @contextlib.contextmanager
    def lock_file(self, name):
        """cfs_lock_file: a folder in priv/lock is the lock; mkdir decides."""
        lockid = "file-" + re.sub(r"[./]", "_", name)
        folder = self.host.pve("priv/lock")
        path = f"{folder}/{lockid}"
        try:
            self._take(folder, path, lockid)
        except PveError as err:
            text = err.text if self.quorate() else "no quorum!\n"
            raise PveError(f"cfs-lock '{lockid}' error: {text}") from err
        try:
            self.update()  # make sure the code inside reads what is newest
            yield
        finally:
            with contextlib.suppress(OSError):
                os.rmdir(path)

    def _take(self, folder, path, lockid):
        timeout = self.host.knob("cfs-lock-timeout")
        start = time.monotonic()
        said = 0
        while True:
            if self.quorate():
                with contextlib.suppress(OSError):
                    os.makedirs(folder, exist_ok=True)
                self._expire(path)
                with contextlib.suppress(FileExistsError, FileNotFoundError):
                    os.mkdir(path)
                    return
            waited = time.monotonic() - start
            if waited >= timeout:
                raise PveError("got lock request timeout\n")
            if int(waited) > said:
                said = int(waited)
                sys.stderr.write(f"trying to acquire cfs lock '{lockid}' ...\n")
                sys.stderr.flush()
            time.sleep(min(0.1, timeout / 10))

    @staticmethod
    def _expire(path):
        """pmxcfs gives a lock up after 120 s (memdb.c: lock_expired)."""
        with contextlib.suppress(OSError):
            if time.time() - os.stat(path).st_ctime > 120:
                os.rmdir(path)
