# SPDX-License-Identifier: GPL-2.0-or-later
"""A small PVE around the hook, quick enough for thousands of starts.

It does what PVE does around a hookscript and no more: locks, config, mapping file and
reservations in PVE's order, QEMU's process, and the REST calls that vfhook makes. Two
nodes share one /etc/pve. The simulator in tests/sim does all of PVE, and takes half a
second for each start.
"""

import contextlib
import errno
import fcntl
import hashlib
import http.server
import json
import os
import re
import shutil
import signal
import socketserver
import subprocess
import sys
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), name) for name in ("lab", "sim")]

import peers  # noqa: E402
import jail  # noqa: E402
import pve as parts  # noqa: E402
from pvesimlib import certs, fakesys, mapping, mapping_file  # noqa: E402
from pvesimlib.errors import PveError  # noqa: E402
from pvesimlib.host import Host, proc_start_time, read_text, write_atomic  # noqa: E402

BUILD = os.environ.get("BUILD") or os.path.join(HERE, "../../build")
STANDIN = os.path.abspath(f"{BUILD}/tests/pvesim-standin")
PF = "0000:06:00.0"
CARD = "0000:08:00.0"  # an NVMe drive
IFNAME = "enp6s0f0"
TOKEN = "vfhook@pve!hook=0123abcd-4567-89ef-0123-456789abcdef"
HANG = 120  # seconds after which a run of the hook counts as hung
LOCK_TIMEOUT = 10  # PVE's own
PAGE = {"up": True, "carrier": True, "vfs": [], "quirks": []}
FLAG = "live-migration-capable"
RESERVATIONS = "run/qemu-server/pci-id-reservations"


class Refused(Exception):
    """A start that did not happen; where it stopped and what was said."""

    def __init__(self, where, text):
        super().__init__(f"{where}: {text}")
        self.where = where
        self.text = text


class Hang(Exception):
    pass


def flock(path, timeout=LOCK_TIMEOUT):
    """An open file with the lock on it, or Refused."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    end = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() >= end:
                os.close(fd)
                raise Refused("lock", f"can't lock file '{path}' - got timeout") from None
        time.sleep(0.01)


@contextlib.contextmanager
def locked(path, timeout=LOCK_TIMEOUT):
    fd = flock(path, timeout)
    try:
        yield
    finally:
        os.close(fd)


class Pve:
    """The cluster's part: /etc/pve and pveproxy."""

    def __init__(self, base):
        self.base = base
        self.pve = f"{base}/pve"
        self.nodes = {}
        self.calls = {}  # (method, what) -> how many
        self.guard = threading.Lock()
        for name in ("mapping", "priv/lock", "nodes"):
            os.makedirs(f"{self.pve}/{name}")
        for name, text in (("datacenter.cfg", "keyboard: en-us\n"), ("storage.cfg",
                           "dir: local\n\tpath /var/lib/vz\n\tcontent iso,snippets\n\n")):
            write_atomic(f"{self.pve}/{name}", text)
        write_atomic(f"{self.pve}/priv/vfhook.token", TOKEN + "\n", 0o600)

    def add_node(self, name, vfs, quirks=(), card_vfs=0):
        node = Node(self, name, vfs, quirks, card_vfs)
        self.nodes[name] = node
        return node

    def serve(self):
        first = next(iter(self.nodes.values()))
        certs.cluster(first.host, first.name)
        pem = f"{self.pve}/nodes/{first.name}/pve-ssl"
        self.server = Server(("127.0.0.1", 8006), Handler)
        self.server.pve = self
        self.server.context = parts.tls_context(pem)
        peers.introduce(self, os.path.abspath(f"{BUILD}/tests/vfhook-plain"))
        threading.Thread(target=self.server.serve_forever, args=(0.1,), daemon=True).start()

    def conf_path(self, node, vmid):
        return f"{self.pve}/nodes/{node}/qemu-server/{vmid}.conf"

    def conf(self, node, vmid):
        text = read_text(self.conf_path(node, vmid))
        if text is None:
            raise Refused("config", f"no config of VM {vmid} on {node}")
        return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)

    def lock_conf(self, node, vmid, lock):
        """`lock: ` in the config of a VM; None: no lock."""
        path = self.conf_path(node, vmid)
        text = re.sub(r"^lock: .*\n", "", read_text(path), flags=re.M)
        write_atomic(path, text + (f"lock: {lock}\n" if lock else ""))

    def mappings(self):
        return mapping_file.parse(read_text(f"{self.pve}/mapping/pci.cfg"))

    def write_mappings(self, cfg):
        write_atomic(f"{self.pve}/mapping/pci.cfg", mapping_file.write(cfg))

    @contextlib.contextmanager
    def cfs_lock(self, lockid):
        """PVE/Cluster.pm: cfs_lock_file: who makes the folder has the lock."""
        path = f"{self.pve}/priv/lock/{lockid}"
        end = time.monotonic() + 10
        while True:
            try:
                os.mkdir(path)
                break
            except FileExistsError:
                if time.monotonic() >= end:
                    raise PveError(f"cfs-lock '{lockid}' error: got lock request timeout\n"
                                   ) from None
            time.sleep(0.02)
        try:
            yield
        finally:
            os.rmdir(path)

    # -- the calls --

    def call(self, method, path, param):
        if (method, path) == ("GET", "/version"):
            return {"version": "8.4.1", "release": "8.4"}
        match = re.fullmatch(r"/cluster/mapping/pci(?:/([^/]+))?", path)
        if match:
            return self.call_mapping(method, match[1], param)
        match = re.fullmatch(r"/nodes/([^/]+)/qemu/(\d+)/config", path)
        if match and method == "PUT":
            return self.call_config(match[1], int(match[2]), param)
        raise PveError(f"Method '{method} {path}' not implemented\n")

    def call_mapping(self, method, name, param):
        verb = {"POST": "create hardware mapping failed", "PUT": "update hardware mapping failed",
                "DELETE": "delete pci mapping failed"}[method]
        try:
            with self.cfs_lock("file-mapping_pci_cfg"):
                cfg = self.mappings()
                self.change_mapping(method, cfg, name or param["id"][0], param)
                self.write_mappings(cfg)
        except PveError as err:
            raise PveError(f"{verb}: {err.text}") from err

    @staticmethod
    def change_mapping(method, cfg, name, param):
        if method == "DELETE":
            cfg["ids"].pop(name, None)
            cfg["order"].pop(name, None)
            return
        digest = param.get("digest")
        if digest and digest[0] != cfg["digest"]:
            raise PveError("detected modified configuration - file changed by other user? "
                           "Try again.\n")
        if method == "POST" and name in cfg["ids"]:
            raise PveError(f"pci ID '{name}' already defined\n")
        if method == "PUT" and name not in cfg["ids"]:
            raise PveError(f"pci ID '{name}' does not exist\n")
        section = cfg["ids"].setdefault(name, {"type": "pci"})
        section["map"] = param["map"]
        if FLAG in param:
            section[FLAG] = int(param[FLAG][0])
        if "description" in param:
            section["description"] = param["description"][0]

    def call_config(self, node, vmid, param):
        lock = self.nodes[node].vm_lock_path(vmid)
        try:
            with locked(lock):
                path = self.conf_path(node, vmid)
                text = read_text(path)
                if text is None:
                    raise PveError(f"Configuration file 'nodes/{node}/qemu-server/{vmid}.conf' "
                                   "does not exist\n")
                digest = param.pop("digest", [None])[0]
                if digest and digest != hashlib.sha1(text.encode()).hexdigest():
                    raise PveError("checksum mismatch (file change by other user?)\n")
                conf = dict(line.split(": ", 1) for line in text.splitlines())
                for key in param.pop("delete", []):
                    conf.pop(key, None)
                for key, value in param.items():
                    conf[key] = value[0]
                write_atomic(path, "".join(f"{k}: {v}\n" for k, v in conf.items()))
        except Refused as err:
            raise PveError(err.text + "\n") from err


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def finish_request(self, request, client_address):
        """In the request's own thread: the handshake holds nobody up."""
        request.settimeout(60)
        with contextlib.suppress(OSError):
            with self.context.wrap_socket(request, server_side=True) as sock:
                self.RequestHandlerClass(sock, client_address, self)

    def handle_error(self, request, client_address):
        pass  # a client that was killed


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def handle_call(self):
        pve = self.server.pve
        path = urllib.parse.urlparse(self.path).path.removeprefix("/api2/json")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        param = urllib.parse.parse_qs(body, strict_parsing=bool(body))
        with pve.guard:
            key = (self.command, "mapping" if "/mapping/" in path else "config")
            pve.calls[key] = pve.calls.get(key, 0) + 1
        if self.headers.get("Authorization") != "PVEAPIToken=" + TOKEN:
            return self.answer(401, "Authentication failed!", {})
        try:
            data = pve.call(self.command, path, param)
        except PveError as err:
            return self.answer(500, err.text.split("\n")[0], {"message": err.text, "data": None})
        return self.answer(200, "OK", {"data": data})

    do_POST = do_PUT = do_DELETE = do_GET = handle_call

    def answer(self, status, reason, reply):
        data = json.dumps(reply).encode()
        self.send_response(status, reason)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True


class Run:
    """A process of vfhook: under way, or done with code and text."""

    def __init__(self, node, args, migrated_from="", gate=None):
        argv = [*node.enter, parts.program(os.path.abspath(BUILD), args), "--root", node.root, *map(str, args)]
        if gate is not None:  # all that wait here go on at once, when its other end is closed
            argv = ["/bin/sh", "-c", 'read -r _; exec "$@"', "sh", *argv]
        env = {"PATH": "/sbin:/bin:/usr/sbin:/usr/bin", "LC_ALL": "C",
               "PVE_MIGRATED_FROM": migrated_from}
        self.process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT,
                                        stdin=subprocess.DEVNULL if gate is None else gate)
        self.killed = False
        self.args = args

    def finish(self, kill_after=None):
        if kill_after is not None:
            time.sleep(kill_after)
            self.killed = self.process.poll() is None
            self.process.kill()
        try:
            out, _ = self.process.communicate(timeout=HANG)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, _ = self.process.communicate()
            raise Hang(f"vfhook {self.args} hangs: {out.decode(errors='replace')}") from None
        self.code = self.process.returncode
        self.killed = self.killed and self.code == -signal.SIGKILL
        self.text = out.decode(errors="replace")
        return self


class Node(jail.Jail):
    def __init__(self, pve, name, vfs, quirks=(), card_vfs=0):
        """quirks: of its NIC's driver, at all times (tests/fake/kernel.c). card_vfs: of a card beside it."""
        self.pve = pve
        self.build = os.path.abspath(BUILD)
        self.quirks = list(quirks)
        self.qemus = {}     # vmid -> (pid, its VFs): what was started, and not ended by us
        self.devices = {}   # vmid -> {slot: VF}: what QEMU has by now
        self.unseen = {}     # vmid -> {slot}: of these, those that its guest knows nothing of
        self.monitors = {}
        self.odd = {}        # VFs whose lease was lost: address -> the operation, until a repair
        self.paused = set()  # VMs whose CPUs are stopped
        self.name = name
        self.vfs = vfs
        self.root = f"{pve.base}/{name}"
        self.host = Host(self.root)
        self.host._nodename = name
        self.reservation_guard = threading.Lock()
        self._folders()
        self.enter = self._uts()
        self.tree = fakesys.Tree(self.host)
        self.tree.skeleton()
        self.tree.add_pf(PF, {"driver": "igb", "ifname": IFNAME, "vfs": vfs, "numvfs": vfs,
                              "up": "1", "autoprobe": 0})
        self.addrs = self.tree.vf_addrs(PF, vfs)
        if card_vfs:
            self.tree.add_pf(CARD, {"driver": "nvme", "vfs": card_vfs, "numvfs": card_vfs, "autoprobe": 0,
                                    "nvme-serial": "S5GX"})
        self.card_addrs = self.tree.vf_addrs(CARD, card_vfs) if card_vfs else []
        self.open_jail()
        self.set_quirks()
        write_atomic(f"{self.root}/short-naps", "")

    def _folders(self):
        for name in ("etc/pve", "run/qemu-server", "run/lock/qemu-server", "usr/sbin",
                     "var/lib/vz/snippets", "var/lib/pvesim"):
            os.makedirs(f"{self.root}/{name}")
        os.makedirs(f"{self.pve.pve}/nodes/{self.name}/qemu-server")
        os.symlink("../run/lock", f"{self.root}/var/lock")
        os.symlink("/proc", f"{self.root}/proc")
        # We are in a mount namespace of our own: both nodes see the one /etc/pve.
        subprocess.run(["mount", "--bind", self.pve.pve, f"{self.root}/etc/pve"], check=True)
        for path, text in (("usr/sbin/qm", parts.qm_script(self.name)),
                           ("var/lib/vz/snippets/vfhook", "#!/bin/sh\nexit 1\n")):
            write_atomic(f"{self.root}/{path}", text, 0o755)

    def _uts(self):
        """/etc/pve/local would be one link for both: each node has its host name instead."""
        self.uts_of = os.getpid()
        if self.name == os.uname().nodename:
            return []
        keeper = subprocess.Popen(["unshare", "--uts", "sh", "-c",
                                   'hostname "$1" && echo && exec sleep infinity', "sh",
                                   self.name], stdout=subprocess.PIPE)
        keeper.stdout.readline()
        self.keeper, self.uts_of = keeper, keeper.pid
        return ["nsenter", f"--uts=/proc/{keeper.pid}/ns/uts"]

    def vm_lock_path(self, vmid):
        return f"{self.root}/run/lock/qemu-server/lock-{vmid}.conf"

    def vfhook(self, *args, kill_after=None, **kwargs):
        return Run(self, args, **kwargs).finish(kill_after)

    # -- what is true --

    def leases(self):
        """{VF address: lease}, of whatever lies there."""
        folder = f"{self.root}/run/vfhook/leases"
        found = {}
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            if name.startswith(".tmp-") or name.endswith(".broken"):
                continue
            text = read_text(f"{folder}/{name}")
            try:
                found[name] = json.loads(text)
            except (TypeError, ValueError):
                found[name] = {"vmid": -1, "broken": text}
        return found

    def journals(self):
        folder = f"{self.root}/run/vfhook/journal"
        return sorted(n for n in (os.listdir(folder) if os.path.isdir(folder) else [])
                      if not n.startswith(".tmp-"))

    def settings(self):
        """What the kernel has for each VF, by address."""
        text = read_text(f"{self.root}/fake-kernel/{IFNAME}.json")
        vfs = json.loads(text)["vfs"] if text else []
        fresh = {"mac": "00:00:00:00:00:00", "vlan": 0, "trust": False, "spoofchk": True,
                 "max-rate": 0, "link-state": "auto"}
        return {**{addr: vfs[i] if i < len(vfs) else fresh for i, addr in enumerate(self.addrs)},
                **{addr: {} for addr in self.card_addrs}}  # there is nothing to set on these

    # -- the kernel: tests/fake --

    def set_quirks(self, more=()):
        """What the driver does from now on, beside what it always does."""
        path = f"{self.root}/fake-kernel/{IFNAME}.json"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a+", encoding="utf-8") as fh:
            fcntl.flock(fh, fcntl.LOCK_EX)
            fh.seek(0)
            page = json.loads(fh.read() or json.dumps(PAGE))
            page["quirks"] = [*self.quirks, *more]
            fh.truncate(0)
            fh.write(json.dumps(page))

    def answer_group(self, addrs, code=0):
        """What opening these VFs' VFIO groups answers: an errno, or 0: it can be opened."""
        for addr in addrs:
            path = f"{self.root}/fake-kernel/vfio-{self.tree.group_of(addr)}"
            if code:
                write_atomic(path, f"{code}\n")
            else:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)

    # -- reservations: PVE/QemuServer/PCI.pm --

    def _holds(self, vmid, holder):
        kind, _, number = holder.partition(":")
        return (kind == "time" and int(number) > time.time()) or (
            kind == "pid" and self.alive(vmid) == int(number))

    def reserve(self, addrs, vmid, holder):
        with self.reservation_guard:
            path = f"{self.root}/{RESERVATIONS}"
            entries = parts.read_reservations(read_text(path) or "")
            why = parts.reserve(entries, addrs, vmid, holder, self._holds)
            if why:
                raise Refused("reserve", why)
            write_atomic(path, parts.write_reservations(entries), 0o644)

    def unreserve(self, vmid):
        with self.reservation_guard:
            path = f"{self.root}/{RESERVATIONS}"
            entries = parts.read_reservations(read_text(path) or "")
            write_atomic(path, parts.write_reservations(
                {a: e for a, e in entries.items() if e[0] != vmid}), 0o644)

    # -- QEMU --

    def pidfile(self, vmid):
        return f"{self.root}/run/qemu-server/{vmid}.pid"

    def alive(self, vmid):
        """The pid of the VM's process, or None; its pid file is not asked. Of a container its monitor's."""
        if vmid in self.jailed:
            return self.jailed[vmid].process.pid
        pid = self.qemus.get(vmid, (None,))[0]
        return pid if pid and proc_start_time(pid) is not None else None

    def hide_pid(self, vmid, hidden=True):
        """The pid file is there, and cannot be read; or it can again."""
        path = self.pidfile(vmid)
        if hidden:
            os.rename(path, path + ".kept")
            os.mkdir(path)
        else:
            os.rmdir(path)
            os.rename(path + ".kept", path)

    def launch(self, vmid, devices, incoming=False):
        argv = ["/usr/bin/kvm", "-id", str(vmid), "-name", f"vm{vmid}", "-pidfile",
                f"/run/qemu-server/{vmid}.pid"]
        for slot, addr in sorted(devices.items()):
            argv += ["-device", f"vfio-pci,host={addr},id=hostpci{slot},bus=pci.0"]
        self.answer_group(devices.values(), errno.EBUSY)
        code = subprocess.call(argv, executable=STANDIN, env={"PVESIM_ROOT": self.root},
                               stdin=subprocess.DEVNULL)
        if code:
            raise Refused("qemu", f"QEMU exited with code {code}")
        pid = int(read_text(self.pidfile(vmid)))
        self.qemus[vmid] = pid, tuple(devices.values())
        has = self.devices[vmid] = dict(devices)
        # Of what was there when the guest came QEMU tells it nothing.
        unseen = self.unseen[vmid] = set(devices) if incoming else set()
        monitor = self.monitors[vmid] = parts.Monitor(
            f"{self.root}/run/qemu-server/{vmid}.qmp", vmid, self.paused, lambda: has,
            lambda vf: any(vf in slots.values() for slots in list(self.devices.values())),
            lambda slots: self.devices_changed(has, unseen, slots))
        monitor.status = "inmigrate" if incoming else None
        monitor.start()
        return pid

    def devices_changed(self, has, unseen, slots):
        """QEMU has opened a VF, or let go of it."""
        for slot, addr in slots.items():
            unseen.discard(slot)
            self.answer_group([addr], errno.EBUSY if has.get(slot) == addr else 0)

    def end_qemu(self, vmid, sig, group=0, lasts=0.0):
        """And its VFIO groups answer `group` from then on; lasts: for so many seconds."""
        pid, _ = self.qemus.pop(vmid)
        monitor = self.monitors.pop(vmid)
        with monitor.guard:
            monitor.close()
            addrs = list(self.devices.pop(vmid).values())
        self.end(pid, sig)
        self.answer_group(addrs, group)
        if lasts:
            threading.Timer(lasts, self.answer_group, [addrs]).start()

    @staticmethod
    def end(pid, sig):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)
        while proc_start_time(pid) is not None:
            time.sleep(0.001)

    # -- start and stop: PVE/QemuServer.pm --

    def start(self, vmid, source="", gate=None, gated=None, kill=None, fail_qemu=False,
              stale=False, incoming=False):
        """vm_start. kill: {phase: seconds}. stale: the worker has read pci.cfg before, and reads
        it no more. incoming: its guest comes from the source, and does not run yet. Returns the
        VFs by slot, what was said, and post-start's run, or None."""
        old = self.pve.mappings() if stale else None
        with locked(self.vm_lock_path(vmid)):
            conf = self.pve.conf(source or self.name, vmid)
            if self.alive(vmid):
                raise Refused("running", f"VM {vmid} already running")
            text = self._hook(conf, vmid, "pre-start", source, gate, gated, kill)
            try:
                devices = self._devices(conf, old, starts=True)
                why = parts.used_twice(devices)
                if why:
                    raise Refused("mapping", why)
                self.reserve(devices.values(), vmid, f"time:{int(time.time()) + 125}")
                self._prepare(devices)
                if fail_qemu:
                    raise Refused("qemu", "QEMU exited with code 1")
                pid = self.launch(vmid, devices, incoming)
            except Refused as err:
                self.unreserve(vmid)
                raise Refused(err.where, f"{err.text}\n{text}") from err
            self.reserve(devices.values(), vmid, f"pid:{pid}")
            if "hookscript" not in conf:
                return devices, text, None
            run = self.vfhook(vmid, "post-start", migrated_from=source,
                              kill_after=(kill or {}).get("post-start"))
            return devices, text + run.text, run

    def _hook(self, conf, vmid, phase, source, gate, gated, kill):
        if "hookscript" not in conf:
            return ""
        run = Run(self, (vmid, phase), migrated_from=source, gate=gate)
        if gated:
            gated.wait()
        run.finish((kill or {}).get(phase))
        if run.code:
            raise Refused("killed" if run.killed else phase, run.text)
        return run.text

    def _devices(self, conf, old=None, starts=False):
        """parse_hostpci: the mapping file is read now, after pre-start, if it was not before."""
        devices, flagged = {}, None
        cfg = old or self.pve.mappings()
        for key, value in conf.items():
            if not re.fullmatch(r"hostpci\d+", key):
                continue
            name = value.split(",")[0].removeprefix("mapping=")
            entries = mapping.node_mapping(cfg, name, self.name)
            if not entries:
                raise Refused("mapping", f"PCI device mapping not found for '{name}'")
            if cfg["ids"][name].get(FLAG):
                flagged = name
            try:
                mapping.assert_valid(self.host, name, entries[0], cfg["ids"][name])
            except PveError as err:
                raise Refused("mapping", f"PCI device mapping invalid: {err.text}") from err
            devices[int(key[7:])] = entries[0]["path"]
        if flagged and starts:  # PVE says enable-migration=on, and QEMU cannot do that
            raise Refused("flag", "VFIO migration is not supported in kernel\nQEMU exited with "
                          f"code 1 ({flagged})")
        return devices

    def _prepare(self, devices):
        """PVE/SysFSTools.pm: pci_dev_bind_to_vfio. A VF without driver_override cannot be bound: autoprobe is
        0. What is bound to vfio-pci stays so; another driver is taken away first."""
        for addr in devices.values():
            with self.sys_guard:
                if self.driver_of(addr) == "vfio-pci":
                    continue
                self.tree.unbind(addr)
                if not self.tree.may_bind(addr, "vfio-pci"):
                    raise Refused("bind", f"can't unbind/bind PCI group to VFIO '{addr}'")
                self.tree.bind(addr, "vfio-pci")

    def stop(self, vmid, sig=signal.SIGTERM, hook=True, kill_after=None, pre_stop=True, group=0,
             lasts=0.0, held=False):
        """_do_vm_stop, or the death of QEMU and `qm cleanup`. Returns post-stop's run.
        group, lasts: what end_qemu() is told. held: whoever calls has PVE's lock, or needs none."""
        with contextlib.nullcontext() if held else locked(self.vm_lock_path(vmid)):
            conf = {}
            with contextlib.suppress(Refused):
                conf = self.pve.conf(self.name, vmid)
            if pre_stop and "hookscript" in conf:
                self.vfhook(vmid, "pre-stop")
            if vmid in self.qemus:
                self.end_qemu(vmid, sig, group, lasts)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.pidfile(vmid))
            self._devices(conf)  # PVE parses them again, and dies if they are not valid
            self.unreserve(vmid)
            if not hook or (conf and "hookscript" not in conf):
                return None
            return self.vfhook(vmid, "post-stop", kill_after=kill_after)

    def crash(self, vmid):
        """QEMU is gone, and qmeventd too: nobody tells anybody."""
        if vmid in self.qemus:
            self.end_qemu(vmid, signal.SIGKILL)

    def lose_power(self, vmids):
        """Everything that runs is gone, /run is gone, VFs and their settings are gone."""
        for pid, root, _words in peers.runs():
            if root == self.root:
                self.end(pid, signal.SIGKILL)
        for vmid in vmids:
            self.crash(vmid)
        self.lose_jail()
        for name in ("run", "fake-kernel"):
            shutil.rmtree(f"{self.root}/{name}", ignore_errors=True)
        for name in ("run/qemu-server", "run/lock/qemu-server", "run/lock/lxc"):
            os.makedirs(f"{self.root}/{name}")
        fakesys.reboot(self.host)
        self.set_quirks()

    def boot(self):
        """vfhook boot, with the kernel that makes VFs when sriov_numvfs is written."""
        run = Run(self, ("boot",))
        while run.process.poll() is None:
            for pf in (PF, CARD) if self.card_addrs else (PF,):
                self.tree.catch_up(pf)
            time.sleep(0.01)
        return run.finish()
