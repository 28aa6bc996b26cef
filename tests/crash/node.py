# SPDX-License-Identifier: GPL-2.0-or-later
"""A node in a folder: its files, its (made-up) running VMs, its REST API, and what must hold on it.

Nothing here asks vfhook how things stand: files are read and judged on their own.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.parse

TOP = os.path.realpath(os.path.dirname(os.path.realpath(__file__)) + "/../..")
BUILD = os.environ.get("BUILD", TOP + "/build")
KILLAT = BUILD + "/tests/killat"
sys.path[:0] = [TOP + "/tests/lab", TOP + "/tests/sim"]
sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import lxc  # noqa: E402
import pve  # noqa: E402
from pvesimlib import fakesys, mapping_file  # noqa: E402
from pvesimlib.host import Host  # noqa: E402

PF, PF2 = "0000:06:00.0", "0000:07:00.0"
CARD = "0000:08:00.0"  # an NVMe drive, where a scenario has one
FOREIGN = 200  # a VM that has no port of ours
IFNAMES = {PF: "enp6s0f0", PF2: "enp7s0"}
NAP = 5  # milliseconds, of jobs that look again and again
ZERO = "00:00:00:00:00:00"
TOKEN = "vfhook@pve!hook"
RIGHTS = ("/vms:VM.Config.HWType,VM.PowerMgmt", "/mapping/pci:Mapping.Use,Mapping.Modify")


def make_base(root):
    """What all scenarios begin with: two PFs, a cluster of one node, a token."""
    def sim(*args):
        return subprocess.run([sys.executable, TOP + "/tests/sim/pvesim", "--root", root, *args],
                              check=True, stdout=subprocess.PIPE, text=True).stdout
    sim("init", "--node", "pve1")
    sim("mktree", "--pf", PF + ",driver=igb,ifname=enp6s0f0,vfs=4,numvfs=4,up=1,autoprobe=0",
        "--pf", PF2 + ",driver=i40e,ifname=enp7s0,vfs=4,numvfs=2,up=1,autoprobe=0")
    token = sim("token", "add", TOKEN, "--privs", *RIGHTS)
    put(root + "/etc/pve/priv/vfhook.token", token, 0o600)
    for folder in ("proc", "usr/sbin", "run/vfhook", "var/lib/vfhook"):
        os.makedirs(f"{root}/{folder}", exist_ok=True)
    put(root + "/proc/locks", "")
    put(root + "/var/lib/vz/snippets/vfhook", "#!/bin/sh\nexit 0\n", 0o755)
    # What `qm set` does to the guest's config, and nothing else.
    os.makedirs(root + "/var/lock/qemu-server", exist_ok=True)
    put(root + "/usr/sbin/qm", pve.qm_script("pve1"), 0o755)
    put(root + "/usr/sbin/pct", pve.pct_script("pve1"), 0o755)


def put(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)
    os.chmod(path, mode)


class Api(threading.Thread):
    """Port 8006: one connection after the other, each request done as a whole, as pmxcfs would."""

    limit = 10  # seconds

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node = node
        self.context = pve.tls_context(node.root + "/etc/pve/nodes/pve1/pve-ssl")
        self.listener = socket.create_server(("127.0.0.1", 8006), backlog=64)
        self.done = threading.Semaphore(0)

    def run(self):
        while True:
            self.serve(self.listener.accept()[0])

    def serve(self, raw):
        """One connection, to its end; a single "!" is settle()'s."""
        raw.settimeout(self.limit)
        try:
            if raw.recv(1, socket.MSG_PEEK) == b"!":
                self.done.release()
                return
            with self.context.wrap_socket(raw, server_side=True) as conn:
                while self.one(conn):
                    pass
        except (OSError, ValueError):
            pass
        finally:
            raw.close()

    def settle(self):
        """Wait until everything sent before now has been answered."""
        with socket.create_connection(("127.0.0.1", 8006), timeout=20) as conn:
            conn.sendall(b"!")
            if not self.done.acquire(timeout=20):
                raise RuntimeError("the REST stand-in hangs")

    def one(self, conn):
        data = b""
        while b"\r\n\r\n" not in data:
            part = conn.recv(65536)
            if not part:
                return False
            data += part
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        length = 0
        for line in lines[1:]:
            key, _, value = line.partition(":")
            if key.lower() == "content-length":
                length = int(value)
        while len(body) < length:
            part = conn.recv(65536)
            if not part:
                return False  # half a request does nothing
            body += part
        method, path, _ = lines[0].split(" ", 2)
        form = urllib.parse.parse_qs(body.decode(), keep_blank_values=True)
        status, reply = self.node.request(method, urllib.parse.unquote(path), form)
        text = json.dumps(reply).encode()
        conn.sendall(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                     f"Content-Length: {len(text)}\r\n\r\n".encode() + text)
        return True


class Tree(fakesys.Tree):
    """Its kernel is not the only one that writes sriov_numvfs: what comes meanwhile is not lost."""

    def catch_up(self, pf):
        want = int(self.attr(pf, "sriov_numvfs") or -1)
        here = [n for n in os.listdir(self.dev(pf)) if re.fullmatch(r"virtfn\d+", n)]
        if want < 0 or want == len(here):
            return False
        for name in sorted(here, reverse=True):  # VF 0 goes last
            self.remove_device(os.path.basename(os.readlink(f"{self.dev(pf)}/{name}")))
            os.unlink(f"{self.dev(pf)}/{name}")
        if want:
            self._add_vfs(pf, want)
        return True


class Node(lxc.Containers):
    def __init__(self, base, root):
        shutil.copytree(base, root, symlinks=True)
        self.guard = threading.RLock()
        self.root = root
        self.kept = {}
        self.seen = {}
        self.qemu = {}  # vmid -> {slot: vf}: which VMs run, and what their QEMUs have by now
        self.monitors = {}
        self.paused = set()
        self.live = False  # QEMUs have monitors, and jobs that are begun are waited for
        self.unplugged = {}  # what may be unplugged in the end: (vmid, slot)
        self.kept_qemu = {}
        self.unparked = ()  # VFs that were not parked before, so that none of ours left them so
        self.has_kernel = False  # VFs come and go as sriov_numvfs says
        self.cards = ()  # PFs without a network
        self.next_pid = 5000
        self.api = Api(self)
        self.api.start()

    def path(self, name):
        return f"{self.root}/{name}"

    def read(self, name, default=""):
        try:
            with open(self.path(name), encoding="utf-8") as fh:
                return fh.read()
        except FileNotFoundError:
            return default

    def write(self, name, text, mode=0o644):
        put(self.path(name), text, mode)

    # -- all files, kept and put back -----------------------------------------------

    def walk(self, top=""):
        """(name below root, stat) of everything, folders before what is in them."""
        with os.scandir(self.path(top) if top else self.root) as entries:
            for entry in entries:
                name = f"{top}/{entry.name}" if top else entry.name
                st = entry.stat(follow_symlinks=False)
                if st.st_mode & 0o170000 in (0o140000, 0o010000):
                    continue  # a monitor's socket, what the kernel is told by
                yield name, st
                if entry.is_dir(follow_symlinks=False):
                    yield from self.walk(name)

    def copy(self):
        """Everything as it is: names with kind, mode and content, and which VMs run."""
        files = {}
        for name, st in self.walk():
            kind = st.st_mode & 0o170000
            same = (st.st_ino, st.st_mtime_ns, st.st_size) == self.seen.get(name)
            if kind == 0o040000:
                files[name] = (kind, st.st_mode & 0o7777, None)
            elif same:
                files[name] = self.kept[name]
            elif kind == 0o120000:
                files[name] = (kind, 0, os.readlink(self.path(name)))
            else:
                with open(self.path(name), "rb") as fh:
                    files[name] = (kind, st.st_mode & 0o7777, fh.read())
        return files, {vmid: dict(slots) for vmid, slots in self.qemu.items()}

    def keep(self):
        """What restore() goes back to."""
        self.seen = {}
        self.kept, self.kept_qemu = self.copy()
        self.seen = {name: (st.st_ino, st.st_mtime_ns, st.st_size) for name, st in self.walk()}

    def restore(self, to=None):
        files, qemu = to or (self.kept, self.kept_qemu)
        self.qemu = {vmid: dict(slots) for vmid, slots in qemu.items()}
        self.close_monitors()
        there = dict(self.walk())
        for name in sorted(there, reverse=True):
            if name not in files or files[name][0] != there[name].st_mode & 0o170000:
                remove = os.rmdir if there[name].st_mode & 0o170000 == 0o040000 else os.unlink
                remove(self.path(name))
                del there[name]
        for name, (kind, mode, data) in files.items():
            st = there.get(name)
            if kind == 0o040000:
                if not st:
                    os.mkdir(self.path(name), mode)
            elif kind == 0o120000:
                if st and (st.st_ino, st.st_mtime_ns, st.st_size) != self.seen.get(name):
                    os.unlink(self.path(name))
                    st = None
                if not st:
                    os.symlink(data, self.path(name))
                    st = os.lstat(self.path(name))
                    self.seen[name] = (st.st_ino, st.st_mtime_ns, st.st_size)
            elif not st or (st.st_ino, st.st_mtime_ns, st.st_size) != self.seen.get(name) or \
                    files[name] is not self.kept.get(name):
                if st:
                    os.unlink(self.path(name))
                put(self.path(name), data, mode)
                if files[name] is self.kept.get(name):
                    st = os.lstat(self.path(name))
                    self.seen[name] = (st.st_ino, st.st_mtime_ns, st.st_size)
        self.open_monitors()

    # -- programs --------------------------------------------------------------------

    def command(self, args):
        return [pve.program(BUILD, args), "--root", self.root, *map(str, args)]

    def run(self, *args, timeout=30):
        if self.live:
            result, text, _ = self.killat([], args, timeout)
            return subprocess.CompletedProcess(args, 999 if result[4] else result[2], text, "")
        try:
            with self.kernel():
                done = subprocess.run(self.command(args), stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                      timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(args, 999, "", "it hung")
        self.api.settle()
        return done

    def killat(self, options, args, limit=40, env=None):
        """Returns (calls, name hit or None, exit, signal, hung), output, list of calls."""
        out, report = self.root + ".out", self.root + ".report"
        options = [*options, *(["-n", NAP] if self.live or self.binding else [])]
        with open(out, "w+b") as fh:
            with self.kernel(), self.unlike_files():
                subprocess.run([KILLAT, "-o", report, "-T", str(limit), *map(str, options), "--",
                                *self.command(args)], stdin=subprocess.DEVNULL, stdout=fh,
                               stderr=fh, check=False, env={**os.environ, **(env or {})})
            fh.seek(0)
            text = fh.read().decode(errors="replace")
        with open(report, encoding="utf-8") as fh:
            lines = fh.read().splitlines()
        self.api.settle()
        for monitor in self.monitors.values():
            monitor.settle()
        words = lines[-1].split() if lines else []
        if len(words) != 10:
            raise RuntimeError(f"killat died: {lines!r} {text}")
        hit = None if words[3] == "-" else words[3]
        return (int(words[1]), hit, int(words[5]), int(words[7]), int(words[9])), text, lines[:-1]

    @contextlib.contextmanager
    def unlike_files(self):
        """An attribute of sysfs has its old value until it is written: opening does not empty it."""
        names = [f"sys/bus/pci/devices/{pf}/sriov_drivers_autoprobe" for pf in (*IFNAMES, *self.cards)]
        names += [f"sys/bus/pci/devices/{vf}/driver_override" for vf in (self.vfs() if self.binding else ())]
        before = {name: self.read(name) for name in names}
        yield
        for name, text in before.items():
            if text and not self.read(name):
                self.write(name, text)

    # -- the kernel, where VFs are made ------------------------------------------------

    @contextlib.contextmanager
    def kernel(self):
        """Played while a program runs, and once more when it has ended."""
        over = threading.Event()

        def play():
            while not over.wait(0.002):
                self.play_kernel()
        player = threading.Thread(target=play, daemon=True)
        if self.has_kernel:
            player.start()
        try:
            yield
        finally:
            over.set()
            if self.has_kernel:
                player.join()
                self.play_kernel()
            if self.binding:
                self.binding.settle()

    def play_kernel(self):
        """Once. The numbers of IOMMU groups do not depend on what was made before."""
        for pf in (*IFNAMES, *self.cards):
            tree = Tree(Host(self.root))
            if int(tree.attr(pf, "sriov_numvfs") or -1) != self.count_vfs(pf):
                if pf in IFNAMES:
                    self.forget_settings(IFNAMES[pf])
                tree.catch_up(pf)

    def count_vfs(self, pf):
        return sum(name.startswith("virtfn")
                   for name in os.listdir(self.path(f"sys/bus/pci/devices/{pf}")))

    def add_card(self, numvfs=4):
        """Of four VFs."""
        Tree(Host(self.root)).add_pf(CARD, {"driver": "nvme", "vfs": 4, "numvfs": numvfs, "autoprobe": 0,
                                            "nvme-serial": "S5GX"})
        self.cards = (CARD,)

    def card_vfs(self):
        """Of all of them: there is nothing to set on one."""
        devices = self.path("sys/bus/pci/devices")
        return [os.path.basename(os.readlink(f"{devices}/{pf}/{name}"))
                for pf in self.cards for name in sorted(os.listdir(f"{devices}/{pf}")) if name.startswith("virtfn")]

    def forget_settings(self, ifname):
        """New VFs have none. A program may be at this file."""
        with contextlib.suppress(FileNotFoundError), \
                open(self.path(f"fake-kernel/{ifname}.json"), "r+", encoding="utf-8") as fh:
            fcntl.flock(fh, fcntl.LOCK_EX)
            page = json.load(fh)
            fh.seek(0)
            fh.truncate()
            json.dump(dict(page, vfs=[]), fh)

    # -- VMs -------------------------------------------------------------------------

    def vm(self, vmid, *lines):
        self.write(f"etc/pve/nodes/pve1/qemu-server/{vmid}.conf",
                   "".join(line + "\n" for line in (f"name: vm{vmid}", *lines)))

    def conf(self, vmid):
        text = self.read(f"etc/pve/nodes/pve1/qemu-server/{vmid}.conf")
        return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)

    def start_qemu(self, vmid, vfs):
        self.next_pid += 1
        pid = self.next_pid
        self.qemu[vmid] = dict(vfs)
        words = ["/usr/bin/kvm", "-id", str(vmid), "-pidfile", f"/run/qemu-server/{vmid}.pid"]
        for slot, vf in vfs.items():
            words += ["-device", f"vfio-pci,host={vf},id=hostpci{slot},bus=pci.0,addr=0x1{slot}"]
        self.write(f"proc/{pid}/cmdline", "\0".join(words) + "\0")
        self.write(f"proc/{pid}/stat", f"{pid} (kvm) S " + "0 " * 18 + f"{pid * 7} 0 0\n")
        os.makedirs(self.path(f"proc/{pid}/fd"), exist_ok=True)
        self.write(f"run/qemu-server/{vmid}.pid", f"{pid}\n")
        self.open_monitors()

    def stop_qemu(self, vmid):
        self.close_monitors(vmid)
        pid = self.read(f"run/qemu-server/{vmid}.pid").strip()
        shutil.rmtree(self.path(f"proc/{pid}"))
        os.unlink(self.path(f"run/qemu-server/{vmid}.pid"))
        del self.qemu[vmid]

    def open_monitors(self):
        """Each QEMU has one; a new one where its folder is another one by now."""
        for vmid in self.qemu if self.live else ():
            if vmid not in self.monitors:
                self.monitors[vmid] = pve.Monitor(
                    self.path(f"run/qemu-server/{vmid}.qmp"), vmid, self.paused,
                    lambda vmid=vmid: self.qemu.get(vmid, {}),
                    lambda vf: any(vf in slots.values() for slots in self.qemu.values()),
                    lambda slots, vmid=vmid: self.devices_changed(vmid, slots))
                self.monitors[vmid].start()

    def devices_changed(self, vmid, slots):
        """QEMU has them now, or has them no more."""

    def close_monitors(self, *vmids):
        for vmid in vmids or list(self.monitors):
            if vmid in self.monitors:
                self.monitors.pop(vmid).close()

    def bind_all(self):
        """Each VF was a VM's before. (Files do not bind what is written to drivers_probe.)"""
        tree = Tree(Host(self.root))
        for vf in self.vfs():
            tree.bind(vf, "vfio-pci")

    def migrating(self, vmid):
        """PVE's worker has set its lock in the config, and holds the other one."""
        name = f"etc/pve/nodes/pve1/qemu-server/{vmid}.conf"
        self.write(name, self.read(name) + "lock: migrate\n")
        lock = f"var/lock/qemu-server/lock-{vmid}.conf"
        self.write(lock, "")
        self.flock(lock)

    def flock(self, lock):
        """A process that lives has it."""
        self.write("proc/locks", f"1: FLOCK  ADVISORY  WRITE 4242 00:01:"
                   f"{os.stat(self.path(lock)).st_ino} 0 EOF\n")

    def migrated(self, vmid):
        """It is over."""
        name = f"etc/pve/nodes/pve1/qemu-server/{vmid}.conf"
        self.write(name, self.read(name).replace("lock: migrate\n", ""))
        self.write("proc/locks", "")

    def boot_vm(self, vmid):
        """pre-start, QEMU on what the mappings name, post-start."""
        must(self.run(vmid, "pre-start"))
        self.start_qemu(vmid, {p[1]: self.mapped(vmid, p[1]) for p in self.ports() if p[0] == vmid})
        must(self.run(vmid, "post-start"))

    # -- the API ---------------------------------------------------------------------

    def store(self, name, text):
        """pmxcfs: the old or the new."""
        self.write(".pve-tmp", text, 0o640)
        os.replace(self.path(".pve-tmp"), self.path(name))

    def request(self, method, path, form):
        path = path.split("?")[0].removeprefix("/api2/json")
        match = re.fullmatch(r"/cluster/mapping/pci(?:/(\S+))?", path)
        if match:
            return self.map_request(method, match[1], form)
        match = re.fullmatch(r"/nodes/pve1/qemu/(\d+)/(config|status/start)", path)
        if match and match[2] == "config":
            return self.config_request(match[1], form)
        if match:
            return "200 OK", {"data": f"UPID:pve1:00001:00002:00003:qmstart:{match[1]}:root@pam:"}
        if "/tasks/" in path:
            return "200 OK", {"data": {"status": "stopped", "exitstatus": "OK"}}
        return "200 OK", {"data": {}}

    def map_request(self, method, name, form):
        cfg = mapping_file.parse(self.read("etc/pve/mapping/pci.cfg"))
        name = name or form["id"][0]
        if method == "DELETE":
            if name in cfg["ids"]:
                del cfg["ids"][name]
        else:
            digest = form.get("digest", [cfg["digest"]])[0]
            if digest != cfg["digest"]:
                return "500 detected modified configuration - file changed by other user? Try " \
                    "again.", {"data": None}
            section = cfg["ids"].setdefault(name, {"type": "pci"})
            cfg["order"].setdefault(name, len(cfg["order"]) + 1)
            section["map"] = form["map"]
            if "live-migration-capable" in form:
                section["live-migration-capable"] = int(form["live-migration-capable"][0])
            if "description" in form:
                section["description"] = form["description"][0]
        self.store("etc/pve/mapping/pci.cfg", mapping_file.write(cfg))
        return "200 OK", {"data": None}

    def config_request(self, vmid, form):
        name = f"etc/pve/nodes/pve1/qemu-server/{vmid}.conf"
        text = self.read(name)
        digest = hashlib.sha1(text.encode()).hexdigest()
        if form.get("digest", [digest])[0] != digest:
            return "500 detected modified configuration - file changed by other user? Try again.", \
                {"data": None}
        lines = [line for line in text.splitlines()
                 if line.split(":")[0] not in form and
                 line.split(":")[0] not in form.get("delete", [])]
        lines += [f"{key}: {value[0]}" for key, value in form.items()
                  if key.startswith("hostpci")]
        self.store(name, "\n".join(lines) + "\n")
        return "200 OK", {"data": None}

    # -- what the files say ------------------------------------------------------------

    def sections(self):
        """vfhook.cfg, strictly: {(type, id): {key: [values]}}. ValueError if it is not whole."""
        text = self.read("etc/pve/vfhook.cfg")
        out, now = {}, None
        if text and not text.endswith("\n"):
            raise ValueError("vfhook.cfg ends in the middle of a line")
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            head = re.fullmatch(r"(pool|port|guest): (\S+)", line)
            if head:
                if (head[1], head[2]) in out:
                    raise ValueError(f"vfhook.cfg has {line} twice")
                now = out[head[1], head[2]] = {}
            elif not line.strip():
                now = None
            else:
                key = re.fullmatch(r"\t(\S+) (.*)", line)
                if now is None or not key:
                    raise ValueError(f"vfhook.cfg: {line!r}")
                now.setdefault(key[1], []).append(key[2])
        return out

    def ports(self):
        return {tuple(map(int, name.split("-"))): {k: v[0] for k, v in keys.items()}
                for (kind, name), keys in self.sections().items() if kind == "port"}

    def mappings(self):
        return mapping_file.parse(self.read("etc/pve/mapping/pci.cfg"))["ids"]

    def mapped(self, vmid, slot):
        entry = self.mappings().get(f"vf-{vmid}-{slot}", {}).get("map", [])
        mine = [dict(p.split("=", 1) for p in e.split(",")) for e in entry]
        return next((e["path"] for e in mine if e["node"] == "pve1"), None)

    def leases(self):
        out = {}
        folder = self.path("run/vfhook/leases")
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if re.fullmatch(r"[0-9a-f]{4}:\d\d:\d\d\.\d", name):
                path = "run/vfhook/leases/" + name
                try:
                    out[name] = json.loads(self.read(path))
                except ValueError:
                    if path not in self.kept:  # it was not there before
                        raise
        return out

    def leases_or_none(self):
        """The same, None for one that is no lease."""
        out = {}
        for name in os.listdir(self.path("run/vfhook/leases")):
            try:
                out[name] = json.loads(self.read("run/vfhook/leases/" + name))
            except ValueError:
                out[name] = None
        return out

    def remove(self, name):
        os.unlink(self.path(name))

    def vfs(self):
        """{address: settings}, as the (fake) kernel has them."""
        out = {}
        for pf, ifname in ((PF, "enp6s0f0"), (PF2, "enp7s0")):
            page = json.loads(self.read(f"fake-kernel/{ifname}.json") or '{"vfs": []}')
            index = 0
            while os.path.islink(self.path(f"sys/bus/pci/devices/{pf}/virtfn{index}")):
                addr = os.path.basename(
                    os.readlink(self.path(f"sys/bus/pci/devices/{pf}/virtfn{index}")))
                out[addr] = page["vfs"][index] if index < len(page["vfs"]) else \
                    {"mac": ZERO, "vlan": 0, "trust": False, "spoofchk": True}
                index += 1
        return out

    def fake(self, ifname, change):
        name = f"fake-kernel/{ifname}.json"
        page = json.loads(self.read(name) or
                          '{"up": true, "carrier": true, "vfs": [], "quirks": []}')
        change(page)
        self.write(name, json.dumps(page))

    def override(self, vf):
        return self.read(f"sys/bus/pci/devices/{vf}/driver_override").strip()

    def is_bound(self, vf):
        link = self.path(f"sys/bus/pci/devices/{vf}/driver")
        return os.path.islink(link) and os.readlink(link).endswith("/vfio-pci")

    # -- what must hold ---------------------------------------------------------------

    def wrong_settings(self, vf, port):
        """What of the VF is not as the port asks, as text, or ''."""
        if vf in self.card_vfs():
            return ""
        now = self.vfs().get(vf)
        if not now:
            return f"VF {vf} is not there"
        on = ("1", "on", "yes", "true")
        want = {"mac": port.get("mac"), "vlan": int(port["vlan"]) if "vlan" in port else 0}
        for key in ("spoofchk", "trust"):
            if key in port:
                want[key] = port[key] in on
        if "max-rate" in port:
            want["max-rate"] = int(port["max-rate"])
        bad = [f"{key} is {now.get(key)}, not {value}" for key, value in want.items()
               if now.get(key) != value]
        return f"VF {vf}: " + ", ".join(bad) if bad else ""

    def not_parked(self, vf):
        bad = []
        if self.not_unbound(vf):
            bad.append(self.not_unbound(vf))
        if vf in self.card_vfs():
            return f"free VF {vf} has " + ", ".join(bad) if bad else ""
        now = self.vfs()[vf]
        if now["mac"] != ZERO and not now["mac"].startswith("02:"):
            bad.append(f"MAC {now['mac']}")
        if now["vlan"]:
            bad.append(f"VLAN {now['vlan']}")
        if now["trust"]:
            bad.append("trust on")
        if not now["spoofchk"]:
            bad.append("spoofchk off")
        return f"free VF {vf} has " + ", ".join(bad) if bad else ""

    def always(self, was):
        """At any moment, also right after a kill. was: the ports of before."""
        bad = []
        try:
            ports = self.ports()
        except ValueError as err:
            return [str(err)]
        for port, keys in was.items():
            if port not in ports:
                bad.append(f"port {port} is lost")
            elif keys.get("mac") != "auto" and ports[port].get("mac") != keys.get("mac"):
                bad.append(f"port {port} has lost its MAC: {ports[port].get('mac')}")
        try:
            for vf, lease in self.leases().items():
                if lease["vf"] != vf:
                    bad.append(f"lease {vf} is of {lease['vf']}")
        except (ValueError, KeyError) as err:
            bad.append(f"a lease is broken: {err}")
        for name, section in self.mappings().items():
            if not section.get("map"):
                bad.append(f"mapping {name} has no entry")
        return bad or (self.owned() if self.live else [])

    def owned(self):
        """No QEMU has a VF that is not leased to its VM."""
        leases = self.leases()
        return [f"QEMU of VM {vmid} has VF {vf}, leased to {leases.get(vf, {}).get('vmid')}"
                for vmid, slots in self.qemu.items() for vf in slots.values()
                if vmid != FOREIGN and leases.get(vf, {}).get("vmid") != vmid]

    def plugged(self):
        """After `repair`: a VM that runs has the VF of each port, and its guest has seen it; or it is
        unplugged, and parked."""
        bad, leases = [], self.leases()
        for vmid, slot in self.ports():
            mine = [(vf, lease) for vf, lease in leases.items()
                    if (lease["vmid"], lease["slot"]) == (vmid, slot)]
            if vmid not in self.qemu:
                continue
            if len(mine) != 1:
                bad.append(f"VM {vmid} hostpci{slot} has {len(mine)} leases")
                continue
            vf, lease = mine[0]
            if lease["phase"] == "unplugged" and (vmid, slot) in self.unplugged and \
                    not lease.get("peer"):
                bad += ["unplugged " + self.not_parked(vf)] if self.not_parked(vf) else []
                bad += [f"VF {vf} is leased as unplugged, and VM {vmid} has it"] * \
                    (self.qemu[vmid].get(slot) == vf)
            elif lease["phase"] != "running" or self.qemu[vmid].get(slot) != vf:
                bad.append(f"VM {vmid} hostpci{slot}: VF {vf} is {lease['phase']}, and QEMU has "
                           f"{self.qemu[vmid].get(slot)}")
            elif self.mapped(vmid, slot) != vf:
                bad.append(f"vf-{vmid}-{slot} names {self.mapped(vmid, slot)}, and VM {vmid} runs "
                           f"on {vf}")
        return bad

    def ran_on(self, busy=()):
        """VMs that run, and that no run of ours is under way for, have their lease and settings."""
        bad, ports, leases, cts = [], self.ports(), self.leases(), self.cts()
        for vmid, slots in [*self.qemu.items(), *cts.items()]:
            for slot, vf in slots.items():
                if (vmid, slot) not in ports or vmid in busy:
                    continue
                if leases.get(vf, {}).get("vmid") != vmid:
                    bad.append(f"VM {vmid} runs on VF {vf} without its lease: "
                               f"{leases.get(vf, {}).get('vmid')}")
                wrong = self.wrong_settings(vf, ports[vmid, slot])
                if wrong:
                    bad.append(f"VM {vmid} runs on {wrong}")
                if vmid in cts and self.wrong_driver(vf):
                    bad.append(f"CT {vmid} runs on {self.wrong_driver(vf)}")
        return bad

    def settled(self):
        """After `repair`: nothing is under way, nothing is left."""
        bad, leases, runs = self.ran_on(), self.leases(), {**self.qemu, **self.cts()}
        used = {vf for slots in runs.values() for vf in slots.values()}
        for vf, lease in leases.items():
            if lease["vmid"] in self.qemu and lease["phase"] == "unplugged":
                continue  # see plugged()
            if runs.get(lease["vmid"], {}).get(lease["slot"]) != vf:
                bad.append(f"VF {vf} stays leased to VM {lease['vmid']} ({lease['phase']})")
        pooled = {v[0].split("path=")[1].split(",")[0] for (kind, _), keys in
                  self.sections().items() if kind == "pool" for v in [keys.get("pf", [""])]
                  if "path=" in v[0]}
        for vf in (*self.vfs(), *self.card_vfs()):
            pf = os.path.basename(os.readlink(self.path(f"sys/bus/pci/devices/{vf}/physfn")))
            if vf not in leases and vf not in used and pf in pooled and vf not in self.unparked:
                bad.append(self.not_parked(vf))
        for name, _ in self.walk():
            base = os.path.basename(name)
            if base.startswith(".tmp-") or (base.endswith(".broken") and name not in self.kept and
                                            name[:-7] not in self.kept):
                bad.append(f"{name} is left")
            if name.startswith("run/vfhook/journal/"):
                bad.append(f"{name} is left")
        return [b for b in bad + (self.plugged() if self.live else []) if b]

    def state(self):
        """One text for all that another run could see, so that equal ones are looked at once."""
        known = set(re.findall(r"bc:24:11:[0-9a-f:]{8}", self.kept_text()))
        digest = hashlib.sha1(repr(
            sorted((vmid, sorted(slots.items())) for vmid, slots in self.qemu.items())).encode())
        for name, st in sorted(self.walk(), key=lambda item: item[0]):
            digest.update(f"{unnumbered(name)} {st.st_mode} ".encode())
            if (st.st_ino, st.st_mtime_ns, st.st_size) == self.seen.get(name):
                continue
            if st.st_mode & 0o170000 == 0o100000:
                text = re.sub(r'("taken":|"time":)\d+', r"\1", self.read(name))
                digest.update(re.sub(r"bc:24:11:[0-9a-f:]{8}", lambda m: m[0] if m[0] in known
                                     else "MADE", text).encode())
        return digest.hexdigest()

    def bad_mappings(self):
        """Entries of this node that PVE would refuse: they must say what sysfs says."""
        bad = []
        for name, section in self.mappings().items():
            for text in section["map"]:
                entry = dict(part.split("=", 1) for part in text.split(","))
                dev = "sys/bus/pci/devices/" + entry["path"]
                if self.has_kernel and not os.path.exists(self.path(dev)):
                    continue  # PVE refuses it, until boot or repair has made the VFs

                def pair(first, second, dev=dev):
                    return ":".join(self.read(f"{dev}/{x}").strip()[2:] for x in (first, second))
                want = {"id": pair("vendor", "device"),
                        "subsystem-id": pair("subsystem_vendor", "subsystem_device"),
                        "iommugroup": os.path.basename(os.readlink(self.path(dev + "/iommu_group")))}
                if any(entry.get(key) != value for key, value in want.items()):
                    bad.append(f"mapping {name} has {text}, but sysfs {want}")
        return bad

    def summary(self):
        """All that a command is there for, to be compared: not times, locks and logs."""
        known = set(re.findall(r"bc:24:11:[0-9a-f:]{8}", self.kept_text()))
        out = {}
        for name, st in self.walk():
            if st.st_mode & 0o170000 != 0o100000 or re.match(
                    r"run/vfhook/(locks/|job-|live-job-)|var/lib/vfhook/events|fake-kernel/"
                    r"|var/lock|run/lock|run/qemu-server/pci-id|proc/|\.", name) or "/.tmp-" in name:
                continue
            if name.startswith("run/vfhook/leases/"):
                lease = self.leases_or_none()[os.path.basename(name)] if ".tmp" not in name and \
                    ".broken" not in name else None
                for key in ("taken", "before", "hot") if lease else ():
                    lease.pop(key, None)
                out[name] = json.dumps(lease, sort_keys=True)
            elif name.startswith("sys/"):
                out[name] = self.read(name).strip()  # the kernel writes the line's end itself
            elif "/qemu-server/" in name or "/lxc/" in name:  # PVE sorts the keys, whatever was set first
                out[name] = "\n".join(sorted(self.read(name).split("\n")))
            else:
                out[name] = self.read(name)
            out[name] = re.sub(r"bc:24:11:[0-9a-f:]{8}",
                               lambda m: m[0] if m[0] in known else "MADE", out[name])
        if self.live:
            out["QEMU"] = repr(sorted((vmid, sorted(slots.items()))
                                      for vmid, slots in self.qemu.items()))
        for vf, settings in self.vfs().items():
            if settings["mac"].startswith("02:"):  # where zero was refused: as good as that
                settings = dict(settings, mac=ZERO)
            text = json.dumps(settings, sort_keys=True)
            out["vf " + vf] = re.sub(r"bc:24:11:[0-9a-f:]{8}",
                                     lambda m: m[0] if m[0] in known else "MADE", text)
        return out

    def kept_text(self):
        return self.kept.get("etc/pve/vfhook.cfg", (0, 0, b""))[2].decode()


def unnumbered(name):
    """A temporary file without the process that wrote it."""
    return re.sub(r"(/\.tmp-[^/]+?)\.\d+\.\d+$", r"\1", name)


def differences(was, now):
    return [name + ": " + short(was.get(name), now.get(name)) for name in sorted({*was, *now})
            if was.get(name) != now.get(name)]


def short(was, now):
    """Only the parts that differ, and a little before them."""
    if was is None or now is None:
        return f"{'none' if was is None else 'some'} -> {'none' if now is None else repr(now[:200])}"
    begin = len(os.path.commonprefix([was, now]))
    end = len(os.path.commonprefix([was[begin:][::-1], now[begin:][::-1]]))
    return f"{was[max(0, begin - 30):len(was) - end]!r} -> {now[max(0, begin - 30):len(now) - end]!r}"


def must(done):
    if done.returncode:
        raise RuntimeError(f"{done.args}: {done.returncode}: {done.stdout}{done.stderr}")
