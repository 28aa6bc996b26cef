# SPDX-License-Identifier: GPL-2.0-or-later
"""A node on which two runs overlap: PVE's part played with its locks, runs that can be stopped
before a system call, and what must hold at each moment. The files, the stand-in for QEMU and the
judgement of VFs are those of tests/crash/node.py.
"""

import contextlib
import fcntl
import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), name) for name in ("crash", "lab", "sim")]
# pylint: disable=wrong-import-position
import lxc  # noqa: E402
import node as nodes  # noqa: E402
import pve  # noqa: E402
from node import IFNAMES, PF, PF2  # noqa: E402
from pvesimlib.host import Host  # noqa: E402

LIMIT = 40         # seconds after which something hangs
BOUND = 1.5        # a run that has not ended by then waits for somebody, however it does
PVE_LOCK = 10      # PVE's own patience
NUMBERS = itertools.count()
RESERVATIONS = "run/qemu-server/pci-id-reservations"
CTS = range(110, 120)  # ids of containers
LONG_AGO = 200     # seconds: what runs at the beginning has been started then


class Refused(Exception):
    """PVE does not do it, or vfhook told it not to."""


class Api(nodes.Api):
    """Port 8006 with a thread for each connection, as pveproxy and its workers."""

    def run(self):
        while True:
            raw, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(raw,), daemon=True).start()

    limit = LIMIT

    def settle(self):
        """Nothing is being answered."""
        end = time.monotonic() + 1
        while self.node.answering and time.monotonic() < end:
            time.sleep(0.001)


class Node(nodes.Node):
    def __init__(self, base, root):
        self.guard = threading.RLock()
        self.maps = threading.Lock()  # cfs_lock_file on pci.cfg
        self.answering = 0
        self.waiting = threading.Event()  # somebody in PVE waits for a lock
        self.tasks = {}
        self.n_tasks = 0
        self.inodes = {}      # of the folders of VFs that somebody runs on
        self.promised = []    # what a start did not keep
        self.monitors = {}
        self.paused = set()   # VMs whose CPUs are stopped: they do no harm
        self.lenient = False  # another node changed a port: a running VM may still be as before
        self.has_kernel = False
        self.log_name = root + ".settings"
        nodes.Api, kept = Api, nodes.Api
        try:
            super().__init__(base, root)
        finally:
            nodes.Api = kept
        self.write("usr/sbin/qm", pve.qm_script("pve1"), 0o755)
        for name in ("var/lock/qemu-server", "run/lock/lxc", "etc/pve/nodes/pve2/qemu-server", "etc/pve/priv/lock"):
            os.makedirs(self.path(name), exist_ok=True)
        self.tree = nodes.Tree(Host(root))
        self.next_pid = 5000000  # no process's of ours, see killat -H

    def write(self, name, text, mode=0o644):
        """The old or the new, and never half of it."""
        if name.startswith(("fake-kernel/", "sys/")):
            return super().write(name, text, mode)
        tmp = self.path(f".write-{threading.get_ident()}")
        nodes.put(tmp, text, mode)
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        os.replace(tmp, self.path(name))
        return None

    store = write

    def restore(self, to=None):
        with self.guard:  # the kernel's thread
            for vmid in list(self.monitors):
                self.close_monitor(vmid)
            super().restore(to)
        self.tasks = {}
        self.promised = []
        self.lenient = False
        self.paused.clear()
        self.waiting.clear()
        self.note_all()

    def note_all(self):
        """What runs at the beginning."""
        nodes.put(self.log_name, "")
        self.wishes = [self.ports()]
        self.pages = {name: self.page(name) for name in IFNAMES.values()}
        self.vf_index = self.index_vfs()
        self.inodes = {}
        for vmid, slots in self.runs().items():
            self.log(f"runs {vmid} {json.dumps(slots)}")
            self.note_inodes(slots)

    def runs(self):
        """VMs and containers."""
        return {**self.qemu, **self.cts()}

    # -- settings, as they changed --

    def page(self, ifname):
        return json.loads(self.read(f"fake-kernel/{ifname}.json") or '{"vfs": []}')["vfs"]

    def index_vfs(self):
        out = {}
        for pf, ifname in IFNAMES.items():
            dev = self.path(f"sys/bus/pci/devices/{pf}")
            for name in os.listdir(dev):
                if name.startswith("virtfn"):
                    out[os.path.basename(os.readlink(f"{dev}/{name}"))] = ifname, int(name[6:])
        return out

    def log(self, line):
        with open(self.log_name, "a", encoding="utf-8") as fh:
            fh.write(line + "\n")

    def touched(self):
        """No VF of a VM that runs was set to anything but what its port wishes, or wished."""
        bad, runs, pages = [], {}, dict(self.pages)
        self.vf_index.update(self.index_vfs())
        wishes = self.wishes + [self.ports()]
        for line in self.read_log():
            if line.startswith("runs "):
                _, vmid, slots = line.split(" ", 2)
                for slot, vf in json.loads(slots).items():
                    if vf in self.vf_index:  # a card's has no settings
                        runs[self.vf_index[vf]] = int(vmid), int(slot), vf
                continue
            if line.startswith("left "):
                runs.pop(self.vf_index.get(line[5:]), None)
                continue
            if line.startswith("ends "):
                runs = {where: who for where, who in runs.items() if who[0] != int(line[5:])}
                continue
            path, _, text = line.partition(" ")
            name = os.path.basename(path)[:-5]
            now, before = json.loads(text)["vfs"], pages.get(name, [])
            pages[name] = now
            for (ifname, index), (vmid, slot, vf) in runs.items():
                if ifname != name or index >= min(len(now), len(before)):
                    continue
                bad += [f"VF {vf} was in use by VM {vmid} when its {key} was set from "
                        f"{before[index].get(key)} to {now[index].get(key)}"
                        for key in ("mac", "vlan", "trust", "spoofchk", "max-rate", "link-state")
                        if before[index].get(key) != now[index].get(key) and
                        not any(self.wished(key, now[index].get(key), w.get((vmid, slot)))
                                for w in wishes)]
        return list(dict.fromkeys(bad))

    def read_log(self):
        with open(self.log_name, encoding="utf-8") as fh:
            return fh.read().splitlines()

    @staticmethod
    def wished(key, value, port):
        """Is that what the port wishes for?"""
        if not port:
            return False
        on = ("1", "on", "yes", "true")
        free = {"mac": None, "vlan": 0, "trust": False, "spoofchk": True, "max-rate": 0,
                "link-state": "auto"}
        if key not in port:
            return value == free[key]
        if key in ("trust", "spoofchk"):
            return value == (port[key] in on)
        return str(value) == port[key]

    # -- locks --

    @contextlib.contextmanager
    def pve_lock(self, vmid, timeout=PVE_LOCK):
        """PVE/QemuConfig.pm: lock_config: others wait ten seconds."""
        fd = os.open(self.lock_path(vmid), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        inode = os.fstat(fd).st_ino
        end = time.monotonic() + timeout
        try:
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self.waiting.set()
                    if time.monotonic() > end:
                        raise Refused(f"can't lock file of {vmid} - got timeout") from None
                time.sleep(0.002)
            yield
        finally:
            with self.guard:  # killat -H
                lines = [line for line in self.read("proc/locks").splitlines()
                         if f":{inode} " not in line]
                self.write("proc/locks", "".join(line + "\n" for line in lines))
            os.close(fd)

    def lock_path(self, vmid):
        if vmid in CTS:
            return self.path(f"run/lock/lxc/pve-config-{vmid}.lock")
        return self.path(f"var/lock/qemu-server/lock-{vmid}.conf")

    def show_locks(self):
        """The node's /proc/locks tells what a command holds, too (a phase's: killat -H)."""
        with open("/proc/locks", encoding="ascii") as fh:
            held = [line.split() for line in fh]
        files = {str(entry.stat().st_ino): entry.path for name in ("var/lock/qemu-server", "run/lock/lxc")
                 for entry in os.scandir(self.path(name))}
        for line in held:
            if "->" in line or line[1] != "FLOCK" or int(line[4]) == os.getpid():
                continue
            lock = files.get(line[5].rpartition(":")[2])
            try:
                with open(f"/proc/{line[4]}/cmdline", encoding="utf-8", errors="replace") as fh:
                    ours = self.root in fh.read().split("\0")
            except OSError:
                continue
            if not lock or not ours:
                continue
            os.makedirs(self.path(f"proc/{line[4]}/fd"), exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.symlink(lock, self.path(f"proc/{line[4]}/fd/3"))
            with self.guard:
                self.write("proc/locks", self.read("proc/locks") + " ".join(line) + "\n")

    @contextlib.contextmanager
    def cfs_lock(self):
        """What another node does before it writes vfhook.cfg."""
        path = self.path("etc/pve/priv/lock/vfhook")
        end = time.monotonic() + 10
        while True:
            try:
                os.mkdir(path)
                break
            except FileExistsError:
                self.waiting.set()
                if time.monotonic() > end:
                    raise Refused("cfs-lock: got lock request timeout") from None
            time.sleep(0.002)
        try:
            yield
        finally:
            os.rmdir(path)

    # -- QEMU, and PVE's list of who has which function --

    def where(self, vmid):
        """The folder of its config, or None."""
        for name in ("pve1", "pve2"):
            if os.path.exists(self.path(f"etc/pve/nodes/{name}/qemu-server/{vmid}.conf")):
                return name
        return None

    def note_inodes(self, slots):
        for vf in slots.values():
            with contextlib.suppress(OSError):
                self.inodes[vf] = os.stat(self.path(f"sys/bus/pci/devices/{vf}")).st_ino

    def start_qemu(self, vmid, vfs):
        with self.guard:
            super().start_qemu(vmid, vfs)
            self.note_inodes(vfs)
            self.open_groups(vfs, "busy")
            if self.kept and vmid not in self.monitors:
                self.monitors[vmid] = pve.Monitor(self.path(f"run/qemu-server/{vmid}.qmp"), vmid,
                                                  self.paused, lambda: self.qemu.get(vmid, {}))
                self.monitors[vmid].start()

    def is_up(self, vmid):
        """Its start is over: from now on nobody is to touch its VFs."""
        with self.guard:
            if vmid in self.qemu:
                leases = self.leases()
                self.vf_index.update(self.index_vfs())  # they may have been made meanwhile
                mine = {slot: vf for slot, vf in self.qemu[vmid].items()
                        if leases.get(vf, {}).get("vmid", vmid) == vmid}
                self.log(f"runs {vmid} {json.dumps(mine)}")

    def began(self, now):
        return now if self.kept else now - LONG_AGO * lxc.HZ

    def start_lxc(self, vmid):
        """What LXC takes is to be as promised."""
        with self.guard:
            if not super().start_lxc(vmid):
                return False
            if not self.kept:
                return True
            for slot, vf in self.cts()[vmid].items():
                owner, port = self.leases().get(vf, {}).get("vmid"), self.ports().get((vmid, slot))
                if owner != vmid:
                    self.promised.append(f"CT {vmid} has VF {vf}, leased to {owner}")
                self.promised += [f"CT {vmid} has {wrong}" for wrong in (
                    self.wrong_driver(vf), port and self.wrong_settings(vf, port)) if wrong]
            return True

    def ct_is_up(self, vmid):
        """Its start is over."""
        with self.guard:
            if vmid in self.cts():
                self.log(f"runs {vmid} {json.dumps(self.cts()[vmid])}")
                self.note_inodes(self.cts()[vmid])

    def end_lxc(self, vmid, back="name", process=False):
        with self.guard:
            self.log(f"ends {vmid}")
            return super().end_lxc(vmid, back, process)

    def stop_qemu(self, vmid):
        with self.guard:
            self.log(f"ends {vmid}")
            self.open_groups(self.qemu[vmid], "")
            super().stop_qemu(vmid)
            self.paused.discard(vmid)
            if vmid in self.monitors:
                self.close_monitor(vmid)

    def devices_changed(self, vmid, slots):
        with self.guard:
            has = any(vf in self.qemu.get(vmid, {}).values() for vf in slots.values())
            self.open_groups(slots, "busy" if has else "")
            self.note_inodes(slots)
            for vf in slots.values():
                self.log(f"runs {vmid} {json.dumps(slots)}" if has else f"left {vf}")

    def close_monitor(self, vmid):
        self.monitors.pop(vmid).close()

    def open_groups(self, vfs, text):
        """/dev/vfio/N: not empty while somebody has it open (killat -b)."""
        for vf in vfs.values():
            with contextlib.suppress(OSError):
                group = os.readlink(self.path(f"sys/bus/pci/devices/{vf}/iommu_group"))
                self.write(f"dev/vfio/{os.path.basename(group)}", text)

    def reservations(self):
        return pve.read_reservations(self.read(RESERVATIONS))

    def holds(self, _vmid, holder):
        """Does that entry still count?"""
        kind, _, number = holder.partition(":")
        return int(number) > time.time() if kind == "time" else \
            os.path.isdir(self.path(f"proc/{number}"))

    def reserve(self, vfs, vmid, holder):
        with self.guard:
            entries = self.reservations()
            why = pve.reserve(entries, vfs, vmid, holder, self.holds)
            if why:
                raise Refused(why)
            self.write(RESERVATIONS, pve.write_reservations(entries))

    def unreserve(self, vmid):
        with self.guard:
            self.write(RESERVATIONS, pve.write_reservations(
                {vf: e for vf, e in self.reservations().items() if e[0] != vmid}))

    # -- the API --

    def request(self, method, path, form):
        path = path.split("?")[0].removeprefix("/api2/json")
        with self.guard:
            self.answering += 1
        try:
            return self.answer(method, path, form)
        finally:
            with self.guard:
                self.answering -= 1

    def answer(self, method, path, form):
        if path.startswith("/cluster/mapping/pci"):
            with self.maps:
                return super().request(method, path, form)
        match = re.fullmatch(r"/nodes/pve1/qemu/(\d+)/(config|status/\w+)", path)
        if match and match[2] == "status/current":
            up = int(match[1]) in self.qemu
            return "200 OK", {"data": {"status": "running" if up else "stopped",
                                       "vmid": int(match[1])}}
        if match and match[2] == "config":
            try:
                with self.pve_lock(int(match[1])):
                    if self.where(match[1]) != "pve1":
                        return f"500 Configuration file 'nodes/pve1/qemu-server/{match[1]}.conf' " \
                            "does not exist", {"data": None}
                    return self.config_request(match[1], form)
            except Refused as err:
                return f"500 {err}", {"data": None}
        if match:
            return "200 OK", {"data": self.begin_task(int(match[1]), match[2][7:])}
        match = re.fullmatch(r"/nodes/pve1/tasks/(.+)/status", path)
        if match and match[1] in self.tasks:
            task = self.tasks[match[1]]
            # Held back until it is over: less asking, and the same answer.
            with self.guard:
                self.answering -= 1
            task.over.wait(LIMIT)
            with self.guard:
                self.answering += 1
            return "200 OK", {"data": {"status": "stopped", "exitstatus":
                                       "OK" if not task.code else task.text[-200:]}}
        return super().request(method, path, form)

    def begin_task(self, vmid, what):
        with self.guard:
            self.n_tasks += 1
            upid = f"UPID:pve1:{self.n_tasks:08X}:00000002:00000003:qm{what}:{vmid}:root@pam:"
            task = Start(self, vmid) if what == "start" else Stop(self, vmid)
            self.tasks[upid] = task
        task.begin()
        return upid

    # -- the kernel, where VFs are made --

    def kernel(self):
        """It is played all the time, see race."""
        return contextlib.nullcontext()

    def play_kernel(self):
        """Once: VFs are made again where sriov_numvfs was written."""
        with self.guard:
            for pf in (*IFNAMES, *self.cards):
                ifname = IFNAMES.get(pf)
                if self.tree.catch_up(pf) and ifname and self.read(f"fake-kernel/{ifname}.json"):
                    self.fake(ifname, lambda page: page.update(vfs=[]))

    # -- what must hold --

    def busy_vms(self, actors):
        return {vmid for a in actors for vmid in a.vmids}

    def wrong_settings(self, vf, port):
        bad = super().wrong_settings(vf, port)
        if bad and self.lenient:
            before = [p for p in self.wishes[0].values() if p.get("mac") == port.get("mac")]
            if before and not super().wrong_settings(vf, before[0]):
                return ""
        return bad

    def whole_files(self):
        """Each file that others read is the old one or the new one."""
        bad = []
        try:
            self.ports()
        except ValueError as err:
            bad.append(f"{err}")
        for name in ("etc/pve/nodes/pve1/vfhook.json", "var/lib/vfhook/boot.cfg"):
            text = self.read(name)
            if os.path.exists(self.path(name)) and not text.endswith(("}\n", "}", "\n")):
                bad.append(f"{name} is half a file: {text[-40:]!r}")
        try:
            for vf, lease in self.leases().items():
                if lease["vf"] != vf:
                    bad.append(f"lease {vf} is of {lease['vf']}")
        except (ValueError, KeyError) as err:
            bad.append(f"a lease is broken: {err}")
        return bad

    def running_right(self, busy=()):
        """VMs that no run is under way for have their VFs, as promised, and those that they had."""
        bad = list(self.promised)
        with self.guard:
            owners = {}
            for vmid, slots in self.runs().items():
                for vf in slots.values():
                    if vf in owners:
                        bad.append(f"VF {vf} is in VM {owners[vf]} and in VM {vmid}")
                    owners[vf] = vmid
                    was = self.inodes.get(vf)
                    try:
                        now = os.stat(self.path(f"sys/bus/pci/devices/{vf}")).st_ino
                    except OSError:
                        now = None
                    if was and was != now:
                        bad.append(f"VF {vf} was taken away from VM {vmid}, which runs on it")
            if self.whole_files():
                return bad
            return bad + self.ran_on((*busy, *self.paused, *self.cut_off()))

    def cut_off(self):
        """VMs on a VF of another one, by a stale mapping, whose link is down: they do no harm."""
        leases, vfs = self.leases(), self.vfs()
        return {vmid for vmid, slots in self.qemu.items() for vf in slots.values()
                if leases.get(vf, {}).get("vmid") != vmid and
                vfs[vf].get("link-state") == "disable"}

    def settled(self):
        """But for VMs on another one's VF: those are told, and stay as they are until they stop."""
        cut = self.cut_off()
        theirs = {vf for vmid in cut for vf in self.qemu[vmid].values()}
        return [b for b in super().settled()
                if not any(b.startswith(f"VM {vmid} runs on") for vmid in cut) and
                not any(b.startswith(f"VF {vf} stays leased") for vf in theirs)]

    def kept_file(self, name):
        return self.kept.get(name, (0, 0, b""))[2].decode()

    def items(self):
        """What is to end as it would have, had one run followed the other."""
        out = {}
        known = set(re.findall(r"bc:24:11:[0-9a-f:]{8}", self.kept_text()))
        for (vmid, slot), keys in self.ports().items():
            shown = {k: v if k != "mac" or v in known else "MADE" for k, v in keys.items()}
            out[f"port {vmid}-{slot}"] = repr(sorted(shown.items()))
        for (kind, name), keys in self.sections().items():
            if kind != "port":
                out[f"{kind} {name}"] = repr(sorted(keys.items()))
        for name in self.mappings():
            out[f"mapping {name}"] = "there"
        for place in ("pve1", "pve2"):
            for name in os.listdir(self.path(f"etc/pve/nodes/{place}/qemu-server")):
                lines = self.read(f"etc/pve/nodes/{place}/qemu-server/{name}").splitlines()
                out[f"config {name[:-5]}"] = place + " " + "; ".join(
                    sorted(line for line in lines if line.startswith(("hostpci", "hookscript"))))
        for name in os.listdir(self.path("etc/pve/nodes/pve1/lxc")) if self.binding else ():
            out[f"config {name[:-5]}"] = "; ".join(
                sorted(line for line in self.read(f"etc/pve/nodes/pve1/lxc/{name}").splitlines()
                       if line.startswith(("lxc.net", "hookscript"))))
        for vmid in self.runs():
            out[f"VM {vmid}"] = "runs"
        return out


class Actor(threading.Thread):
    """Something that is done on the node, by vfhook or by PVE: play() is what.
    at: where it stops, as (run, call) or (run, "end"), or None."""

    vmids = ()
    pve_holds = None  # the VM whose lock PVE has taken, and calls vfhook
    caller = 1        # the process that does

    def __init__(self, node, at=None, listed=False):
        super().__init__(daemon=True, name=f"run{next(NUMBERS)}")
        self.node = node
        self.at = at
        self.listed = listed
        self.calls = []       # of each run of vfhook: [(number, name, flags, path)]
        self.stopped = threading.Event()
        self.waits = threading.Event()
        self.over = threading.Event()
        self.go = threading.Event()
        self.moved = threading.Event()  # stopped, waits or over
        self.n_runs = 0
        self.tails = []       # killat, waiting for what the program has started
        self.code = None
        self.text = ""
        self.hit = None

    def begin(self):
        self.start()

    def run(self):
        try:
            self.code = self.play() or 0
        except Refused as err:
            self.code, self.text = 1, self.text + f"{err}\n"
        except Exception as err:  # pylint: disable=broad-except
            self.code, self.text = 999, self.text + f"{err!r}\n"
        self.over.set()
        self.moved.set()

    def play(self):
        raise NotImplementedError

    def halt(self, hit):
        self.node.show_locks()
        self.hit = hit
        self.stopped.set()
        self.moved.set()
        self.go.wait(LIMIT)

    def between(self, what):
        """After a run of vfhook, while PVE goes on."""
        if self.at == (self.n_runs - 1, "end"):
            self.halt(what)

    def vfhook(self, *args):
        """Returns the exit status; with what it was stopped at."""
        node, n = self.node, self.n_runs
        self.n_runs += 1
        in_r, in_w = os.pipe()
        out_r, out_w = os.pipe()
        stem = f"{node.root}.{self.name}.{n}"
        lock = node.lock_path(self.pve_holds) if self.pve_holds else "-"
        options = ["-n", str(nodes.NAP)] * bool(node.live or node.binding) + ["-b", "-H", f"{node.root},{lock},{self.caller}", "-S", node.log_name] + ["-l"] * self.listed
        if self.at and self.at[0] == n and self.at[1] != "end":
            options += ["-s", str(self.at[1])]
        with open(stem + ".out", "w+b") as out:
            run = subprocess.Popen(
                [nodes.KILLAT, "-o", stem + ".report", "-T", str(LIMIT), "-c", f"{in_r},{out_w}",
                 *options, "--", *node.command(args)], stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, pass_fds=(in_r, out_w))
            os.close(in_r)
            os.close(out_w)
            code = self.follow(out_r, in_w)
            os.close(in_w)
            out.seek(0)
            self.text += out.read().decode(errors="replace")
        self.tails.append((run, out_r, stem))
        return code

    def follow(self, out_r, in_w):
        with os.fdopen(os.dup(out_r), encoding="ascii") as lines:
            for line in lines:
                what, _, more = line.strip().partition(" ")
                if what == "stopped":
                    self.halt(more)
                    os.write(in_w, b"g")
                elif what == "waits":
                    self.waits.set()
                    self.moved.set()
                elif what == "exit":
                    return int(more)
        return 998

    def finish(self):
        """It, and everything that it has started, is over. False: it hangs."""
        self.go.set()
        if not self.over.wait(LIMIT):
            return False
        good = True
        for run, fd, stem in self.tails:
            try:
                run.wait(LIMIT)
            except subprocess.TimeoutExpired:
                run.kill()
                good = False
            os.close(fd)
            with open(stem + ".report", encoding="utf-8", errors="replace") as fh:
                if self.listed:
                    self.calls.append([line.split(" ", 3) for line in fh.read().splitlines()[:-1]])
            for end in (".out", ".report"):
                os.unlink(stem + end)
        self.tails.clear()
        return good


class Command(Actor):
    """A person's command, or a phase by hand: nobody holds PVE's lock for it."""

    def __init__(self, node, *args, vmids=(), **more):
        super().__init__(node, **more)
        self.args = args
        self.vmids = vmids

    def play(self):
        return self.vfhook(*self.args)


class Start(Actor):
    """PVE/QemuServer.pm: vm_start. stale: the worker has read pci.cfg before."""

    def __init__(self, node, vmid, stale=False, **more):
        super().__init__(node, **more)
        self.vmid = self.pve_holds = vmid
        self.vmids = (vmid,)
        self.stale = stale

    def play(self):
        node, vmid = self.node, self.vmid
        old = node.mappings() if self.stale else None
        with node.pve_lock(vmid):
            if node.where(vmid) != "pve1":
                raise Refused(f"no config of VM {vmid}")
            if vmid in node.qemu:
                raise Refused(f"VM {vmid} already running")
            conf = node.conf(vmid)
            ours = "hookscript" in conf
            if ours and self.vfhook(vmid, "pre-start"):
                raise Refused("pre-start said no")
            if ours:
                self.between("pre-start's end")
            vfs = self.devices(conf, old)
            node.reserve(vfs.values(), vmid, f"time:{int(time.time()) + 125}")
            try:
                self.bind(vfs)
            except Refused:
                node.unreserve(vmid)
                raise
            node.start_qemu(vmid, vfs)
            node.reserve(vfs.values(), vmid, f"pid:{node.read(f'run/qemu-server/{vmid}.pid')[:-1]}")
            # Only warned about, by PVE.
            if ours and self.vfhook(vmid, "post-start"):
                self.text += "post-start failed\n"
            node.is_up(vmid)
            if ours:
                self.between("post-start's end")

    def devices(self, conf, old):
        """parse_hostpci: pci.cfg is read after pre-start, if this worker has not read it before."""
        node, vfs = self.node, {}
        all_maps = old if old is not None else node.mappings()
        for key, value in conf.items():
            name = re.fullmatch(r"mapping=([^,]+).*", value)
            if not re.fullmatch(r"hostpci\d+", key) or not name:
                continue
            entries = [dict(p.split("=", 1) for p in e.split(","))
                       for e in all_maps.get(name[1], {}).get("map", [])]
            mine = [e["path"] for e in entries if e["node"] == "pve1"]
            if not mine:
                raise Refused(f"PCI device mapping not found for '{name[1]}'")
            vfs[int(key[7:])] = mine[0]
        why = pve.used_twice(vfs)
        if why:
            raise Refused(why)
        return vfs

    def bind(self, vfs):
        node = self.node
        for slot, vf in vfs.items():
            if not os.path.exists(node.path(f"sys/bus/pci/devices/{vf}")):
                raise Refused(f"no such PCI device {vf}")
            if node.override(vf) != "vfio-pci":
                raise Refused(f"can't bind {vf} to vfio-pci")
            port = node.ports().get((self.vmid, slot))
            if self.stale or not port:
                continue
            owner = node.leases().get(vf, {}).get("vmid")
            if owner != self.vmid:
                node.promised.append(f"VM {self.vmid} starts on VF {vf}, leased to {owner}")
            wrong = node.wrong_settings(vf, port)
            if wrong:
                node.promised.append(f"VM {self.vmid} starts on {wrong}")


class Stop(Actor):
    """PVE/QemuServer.pm: _do_vm_stop; or the end of QEMU, and `qm cleanup`."""

    def __init__(self, node, vmid, **more):
        super().__init__(node, **more)
        self.vmid = self.pve_holds = vmid
        self.vmids = (vmid,)

    def play(self):
        with self.node.pve_lock(self.vmid):
            if self.vmid not in self.node.qemu:
                raise Refused(f"VM {self.vmid} not running")
            self.node.stop_qemu(self.vmid)
            self.node.unreserve(self.vmid)
            code = self.vfhook(self.vmid, "post-stop")
            self.between("post-stop's end")
            return code


class CtStart(Actor):
    """PVE/LXC.pm: vm_start."""

    def __init__(self, node, vmid, **more):
        super().__init__(node, **more)
        self.vmid = self.pve_holds = vmid
        self.vmids = (vmid,)

    def play(self):
        node, vmid = self.node, self.vmid
        with node.pve_lock(vmid):
            if not node.is_ct(vmid):
                raise Refused(f"no config of CT {vmid}")
            if vmid in node.cts():
                raise Refused(f"CT {vmid} already running")
            node.lxc_config(vmid)
            ours = node.calls_hook(vmid)
            if ours and self.vfhook(vmid, "pre-start"):
                raise Refused("pre-start said no")
            if ours:
                self.between("pre-start's end")
            if not node.start_lxc(vmid):
                if ours:
                    self.vfhook(vmid, "post-stop")
                raise Refused("LXC gives it up")
            # Only warned about, by PVE.
            if ours and self.vfhook(vmid, "post-start"):
                self.text += "post-start failed\n"
            node.ct_is_up(vmid)
            if ours:
                self.between("post-start's end")


class CtEnd(Actor):
    """It ends by itself: LXC's monitor runs post-stop, and nobody has PVE's lock. back: node.end_lxc()."""

    def __init__(self, node, vmid, back="name", **more):
        super().__init__(node, **more)
        self.vmid, self.back = vmid, back
        self.vmids = (vmid,)

    def play(self):
        node, vmid = self.node, self.vmid
        if vmid not in node.cts():
            raise Refused(f"CT {vmid} not running")
        self.caller = node.end_lxc(vmid, self.back, process=True)
        ours = node.calls_hook(vmid)
        code = self.vfhook(vmid, "post-stop") if ours else 0
        self.between("post-stop's end")
        node.reap(self.caller)
        return code


class CtStop(CtEnd):
    """PVE/LXC.pm: vm_stop holds the lock until all of that is over."""

    def play(self):
        with self.node.pve_lock(self.vmid):
            return super().play()


class CtReboot(Actor):
    """From inside: no phase is called. It stops while nothing runs, at (0, "end")."""

    def __init__(self, node, vmid, **more):
        super().__init__(node, **more)
        self.vmid = vmid
        self.vmids = (vmid,)

    def play(self):
        node, vmid = self.node, self.vmid
        if vmid not in node.cts():
            raise Refused(f"CT {vmid} not running")
        node.lxc_config(vmid)
        had = node.cts()[vmid]
        node.end_lxc(vmid)
        self.n_runs = 1
        self.between("its monitor's end")
        if not node.start_lxc(vmid):
            node.promised.append(f"CT {vmid} does not come back from a reboot")
        elif node.cts()[vmid] != had:
            node.promised.append(f"CT {vmid} comes back from a reboot with {node.cts()[vmid]}, not {had}")
        node.ct_is_up(vmid)


class Phase(Actor):
    """One phase, called by PVE under its lock."""

    def __init__(self, node, vmid, phase, **more):
        super().__init__(node, **more)
        self.vmid, self.phase = vmid, phase
        self.pve_holds = vmid
        self.vmids = (vmid,)

    def play(self):
        with self.node.pve_lock(self.vmid):
            return self.vfhook(self.vmid, self.phase)


class Deed(Actor):
    """What PVE, or somebody in it, does without us."""

    def __init__(self, node, func, vmids=(), **more):
        super().__init__(node, **more)
        self.func = func
        self.vmids = vmids

    def play(self):
        return self.func(self.node)


class Sequence(Actor):
    """One after the other."""

    def __init__(self, node, *makers, **more):
        super().__init__(node, **more)
        self.makers = makers
        self.vmids = tuple(v for m in makers for v in m(node).vmids)

    def play(self):
        code = 0
        for maker in self.makers:
            part = maker(self.node)
            part.at, part.listed, part.n_runs = self.at, self.listed, self.n_runs
            # In this thread, so that it stops and waits as this one.
            for name in ("stopped", "waits", "go", "moved", "tails", "calls"):
                setattr(part, name, getattr(self, name))
            try:
                code = part.play() or code
            except Refused as err:
                part.text += f"{err}\n"
                code = 1
            self.n_runs = part.n_runs
            self.text += part.text
            self.hit = part.hit or self.hit
        return code
