# SPDX-License-Identifier: GPL-2.0-or-later
"""qm migrate: a guest goes to another node, in PVE's order (PVE/AbstractMigrate.pm: migrate,
PVE/QemuMigrate.pm). Everything here runs on the source, in one worker, under the VM's lock."""

import contextlib
import copy
import os
import re
import signal
import sys
import time

from . import hooks, mapping, nodes, qemu, qmp, vmconfig
from .cfs import PCI_CFG
from .errors import PveError, error_text
from .lazy import subprocess

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)
LISTENS = re.compile(r"migration listens on (unix):(/run/qemu-server/(\d+)\.migrate)")
WAITING = ("cancelling", "setup", "wait-unplug")
KNOWN = ("active", "cancelled", "completed", "device", "failed")


class _Interrupted(PveError):
    """A signal came while something is done that may be left."""


def check_local_resources(api, conf, running):
    """check_local_resources (PVE/QemuMigrate/Helpers.pm): what keeps the guest here, its mapped
    devices, and for each node those it has no entry for. Looks at config and pci.cfg alone."""
    cfg = api.cfs.read(PCI_CFG)
    local, mapped, missing = [], {}, {node: [] for node in api.nodes()}
    for key in conf:
        if not re.fullmatch(r"hostpci\d+", key):
            continue
        name = mapping.parse_value(conf[key]).get("mapping")
        if name:
            mapped[key] = {"name": name}
            for node, keys in missing.items():
                if not mapping.node_mapping(cfg, name, node):
                    keys.append(key)
            if api.host.knob("live-flag") and \
                    cfg["ids"].get(name, {}).get("live-migration-capable"):
                mapped[key]["live-migration"] = 1
                continue
            if not running:
                continue
        local.append(key)
    return local, mapped, missing


class Migration:
    def __init__(self, api, vmid, target, online):
        self.api = api
        self.host = api.host
        self.vmid = vmid
        self.target = target
        self.online = online
        self.ssh = nodes.ssh_command(self.host, target)
        self.ip = nodes.address(self.host, target)
        self.conf = None
        self.running = None
        self.was_paused = False
        self.live = False
        self.errors = False
        self.phase2_errors = False
        self.delayed = False
        self.tunnel = None

    # -- AbstractMigrate ------------------------------------------------------------

    def run(self):
        start = time.time()
        for sig in SIGNALS:
            signal.signal(sig, self._later)
        failure = None
        try:
            with self.api.configs.lock(self.vmid):
                self._locked()
        except PveError as err:
            failure = error_text(err)
        took = time.strftime("%H:%M:%S", time.gmtime(time.time() - start))
        if failure:
            self.log(f"migration aborted (duration {took}): {failure}", "err")
            raise PveError("migration aborted\n")
        if self.errors:
            self.log(f"migration finished with problems (duration {took})", "err")
            raise PveError("migration problems\n")
        self.log(f"migration finished successfully (duration {took})")

    def _locked(self):
        self.running = self._interruptible(self.prepare)
        try:
            self._interruptible(self.phase1)
        except PveError as err:
            self.log(error_text(err), "err")
            self._attempt(self.phase1_cleanup)
            raise
        if self.running:
            try:
                self._interruptible(self.phase2)
            except PveError as err:
                self.errors = True
                self.log(f"online migrate failure - {error_text(err)}", "err")
            self._attempt(self.phase2_cleanup)
        self._attempt(self.phase3_cleanup)

    def _attempt(self, func):
        try:
            func()
        except PveError as err:
            self._problem(error_text(err))

    def _problem(self, text):
        self.log(text, "err")
        self.errors = True

    def _later(self, *_):
        self.log("received interrupt - delayed", "err")
        self.delayed = True

    def _interruptible(self, func):
        """eval_int: in here a signal ends it at once, elsewhere it waits for the next of these."""
        def at_once(*_):
            self.delayed = False
            raise _Interrupted("interrupted by signal\n")

        if self.delayed:
            at_once()
        try:
            for sig in SIGNALS:
                signal.signal(sig, at_once)
            return func()
        finally:
            for sig in SIGNALS:
                signal.signal(sig, self._later)

    def log(self, text, level="info"):
        prefix = time.strftime("%F %H:%M:%S") + (" ERROR:" if level == "err" else "")
        for line in filter(None, text.rstrip("\n").split("\n")):
            print(f"{prefix} {line}", flush=True)

    def mon_cmd(self, command, **arguments):
        return qmp.mon_cmd(self.host, self.vmid, command, **arguments)

    # -- the other node ----------------------------------------------------------------

    def remote(self, words, out=None, err=None):
        """run_command over ssh: its exit code. A signal to us ends our ssh, not what it began."""
        with subprocess.Popen(self.ssh + words, executable=self.host.path(self.ssh[0]), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=hooks.hook_environment(self.host)) as proc:
            try:
                proc.stdin.close()
                hooks.pump_lines({proc.stdout.fileno(): out, proc.stderr.fileno(): err})
                return proc.wait()
            except BaseException:
                proc.kill()
                raise

    def remote_quiet(self, words):
        """cmd_quiet, cmd_logerr: its words only if it fails."""
        said = []
        code = self.remote(words, said.append, said.append)
        if code:
            text = " ".join(hooks.shell_quote(word) for word in self.ssh + words)
            self.log("\n".join([f"# {text}", *said]))
            raise PveError(f"command '{text}' failed: exit code {code}\n")

    # -- prepare and phase 1 -------------------------------------------------------------

    def prepare(self):
        conf = self.conf = self.api.configs.load(self.vmid)
        vmconfig.check_lock(conf)
        pid = self.api.configs.check_running(self.vmid)
        if pid:
            if not self.online:
                raise PveError("can't migrate running VM without --online\n")
            self.was_paused = self.mon_cmd("query-status")["status"] == "paused"
            self.log("conntrack state migration not supported or disabled, active connections "
                     "might get dropped")
        self._check_resources(pid)
        try:
            self.remote_quiet(["/bin/true"])
        except PveError as err:
            raise PveError("Can't connect to destination address using public key\n") from err
        return pid

    def _check_resources(self, pid):
        local, mapped, missing = check_local_resources(self.api, self.conf, pid)
        blocking = [key for key in local if key not in mapped]
        if blocking:
            raise PveError("can't migrate VM which uses local devices: "
                           f"{', '.join(blocking)}\n")
        if not mapped:
            return
        if missing.get(self.target):
            raise PveError(f"can't migrate to '{self.target}': missing mapped devices "
                           f"{', '.join(missing[self.target])}\n")
        stuck = [f"{key}:{mapped[key]['name']}" for key in sorted(mapped)
                 if not mapped[key].get("live-migration")]
        if pid and stuck:
            raise PveError("can't live migrate running VM which uses following mapped devices: "
                           f"{', '.join(stuck)}\n")
        self.log("migrating VM which uses mapped local devices")

    def phase1(self):
        self.log(f"starting migration of VM {self.vmid} to node '{self.target}' ({self.ip})")
        self.conf["lock"] = "migrate"
        self.api.configs.write(self.vmid, self.conf)

    def phase1_cleanup(self):
        self.log("aborting phase 1 - cleanup resources")
        self._unlock_here()

    def _unlock_here(self):
        self.conf.pop("lock", None)
        try:
            self.api.configs.write(self.vmid, self.conf)
        except PveError as err:
            self.log(error_text(err), "err")

    # -- phase 2 -----------------------------------------------------------------------

    def phase2(self):
        address = self._start_there()
        self.log("start remote tunnel")
        self.tunnel = Tunnel(self, address)
        uri = f"unix:{address}"
        self.log(f"starting online/live migration on {uri}")
        self.live = True
        self.log(f"start migrate command to {uri}")
        failure = None
        try:
            self.mon_cmd("migrate", uri=f"unix:{qemu.monitor_path(self.host, self.vmid, address)}")
        except PveError as err:
            failure = err
            self.log(f"migrate uri => {uri} failed: {error_text(err)}")
        self._follow(failure)

    def _start_there(self):
        """phase2_start_local_cluster: of what the other node says on its stdout, and that is all
        that its task prints, only the lines with PVE's own beginnings are kept."""
        self.log(f"starting VM {self.vmid} on remote node '{self.target}'")
        found = []

        def out(line):
            match = LISTENS.fullmatch(line)
            if match:
                if int(match[3]) != self.vmid:
                    raise PveError("Destination UNIX sockets VMID does not match source VMID")
                found.append(match[2])
            elif line.startswith("QEMU: "):
                self.log(f"[{self.target}] {line[6:]}")

        code = self.remote(["qm", "start", str(self.vmid), "--skiplock", "--migratedfrom",
                            self.host.nodename, "--migration_type", "secure", "--stateuri",
                            "unix"], out, lambda line: self.log(f"[{self.target}] {line}"))
        if code:
            raise PveError(f"remote command failed with exit code {code}\n")
        if not found:
            raise PveError("unable to detect remote migration address\n")
        return found[-1]

    def _follow(self, failure):
        """The loop around query-migrate."""
        problems = 0
        while True:
            time.sleep(self.host.knob("stop-step"))
            try:
                stat = self.mon_cmd("query-migrate")
            except _Interrupted:  # PVE takes it for a failed query, but it is mostly asleep
                raise
            except PveError as err:
                problems += 1
                self.log(f"query migrate failed: {error_text(err)}")
                if problems <= 5:
                    continue
                raise PveError("too many query migrate failures - aborting\n") from err
            status = stat.get("status")
            if status in WAITING:
                self.log(f"migration in status '{status}' - waiting for transition")
                continue
            if status not in KNOWN:
                raise failure or PveError(f"unable to parse migration status '{status or ''}' - "
                                          "aborting\n")
            failure, problems = None, 0
            if status in ("failed", "cancelled"):
                more = f" - {stat['error-desc']}" if stat.get("error-desc") else ""
                self.log(f"migration status error: {status}{more}")
                raise PveError("aborting\n")
            if status not in ("active", "device"):
                self.log(f"migration status: {status}")
                return

    def phase2_cleanup(self):
        if not self.errors:
            return
        self.phase2_errors = True
        self.log("aborting phase 2 - cleanup resources")
        self.log("migrate_cancel")
        try:
            self.mon_cmd("migrate_cancel")
        except PveError as err:
            self.log(f"migrate_cancel error: {error_text(err)}")
        self._resume_here()
        self._unlock_here()
        self._attempt(lambda: self._checked(["qm", "stop", str(self.vmid), "--skiplock",
                                             "--migratedfrom", self.host.nodename]))
        if self.tunnel:
            self.tunnel.finish()

    def _resume_here(self):
        """A guest that had gone over already goes on here."""
        try:
            status = self.mon_cmd("query-status")["status"]
        except PveError as err:
            self.log(f"query-status error: {error_text(err)}", "err")
            return
        if status != "postmigrate":
            return
        if self.was_paused:
            self.log("VM was paused, but ended in postmigrate state", "err")
            return
        try:
            self.mon_cmd("cont")
        except PveError as err:
            self.log(f"resuming VM failed: {error_text(err)}", "err")

    def _checked(self, words):
        code = self.remote(words)
        if code:
            text = " ".join(hooks.shell_quote(word) for word in self.ssh + words)
            raise PveError(f"command '{text}' failed: exit code {code}\n")

    # -- phase 3 -------------------------------------------------------------------------

    def phase3_cleanup(self):
        if self.phase2_errors:
            return
        old = copy.deepcopy(self.conf)
        configs = self.api.configs
        try:
            os.rename(configs.path(self.vmid), configs.path(self.vmid, self.target))
        except OSError as err:
            raise PveError(f"failed to move config file to node '{self.target}': "
                           f"{err.strerror}\n") from err
        if self.live and not self.was_paused:
            self._attempt(lambda: self.tunnel.command(f"resume {self.vmid}"))
        if self.tunnel:
            self.tunnel.finish()
        try:
            self.api.vm.stop(self.vmid, skiplock=True, nocheck=True)
        except PveError as err:
            self._problem(f"stopping vm failed - {error_text(err)}")
        try:
            self.api.vm.cleanup_source(self.vmid, old)
        except PveError as err:
            self._problem(f"Cleanup after stopping VM failed - {error_text(err)}")
        try:
            self.remote_quiet(["qm", "unlock", str(self.vmid)])
        except PveError as err:
            self._problem(f"failed to clear migrate lock: {error_text(err)}")


class Tunnel:
    """fork_ssh_tunnel: ssh that forwards the socket, and `qm mtunnel` at its other end."""

    def __init__(self, migration, address):
        self.migration = migration
        self.address = address
        host = migration.host
        with contextlib.suppress(FileNotFoundError):
            os.unlink(host.path(address))
        words = migration.ssh + ["-o", "ExitOnForwardFailure=yes", "-L", f"{address}:{address}",
                                 "/usr/sbin/qm", "mtunnel"]
        self.proc = subprocess.Popen(words, executable=host.path(words[0]), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=sys.stderr, text=True,
                                     env=hooks.hook_environment(host))
        try:
            self._expect("tunnel online", "got strange reply from tunnel")
            self._expect("ver 1", "received invalid tunnel version string")
            migration.log("ssh tunnel ver 1")
            end = time.monotonic() + 5
            while not os.path.exists(host.path(address)):
                if time.monotonic() > end:
                    raise PveError(f"Timeout, migration socket {address} did not get ready")
                time.sleep(0.02)
        except BaseException:
            self.proc.kill()
            self.proc.wait()
            raise

    def _expect(self, want, text):
        line = self.proc.stdout.readline().rstrip("\n")
        if line != want:
            raise PveError(f"can't open tunnel - {text} ('{line}')\n")

    def command(self, text):
        try:
            self.proc.stdin.write(text + "\n")
            self.proc.stdin.flush()
        except OSError as err:
            raise PveError(f"writing to tunnel failed: {err.strerror}\n") from err
        reply = self.proc.stdout.readline().rstrip("\n")
        if reply != "OK":
            raise PveError(f"tunnel replied '{reply}' to command '{text}'\n")

    def finish(self):
        with contextlib.suppress(PveError, OSError):
            self.command("quit")
        with contextlib.suppress(OSError):
            self.proc.stdin.close()
        try:
            self.proc.wait(10)
        except subprocess.TimeoutExpired:
            self.migration.log("tunnel still running - terminating now with SIGTERM")
            self.proc.kill()
            self.proc.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.migration.host.path(self.address))
        self.migration.remote(["rm", "-f", self.address])
