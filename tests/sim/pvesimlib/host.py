# SPDX-License-Identifier: GPL-2.0-or-later
"""One simulated node: its root folder, its paths and its knobs."""

import json
import os
import time

# Every knob, its default and what it does ("pvesim config list" prints this).
KNOBS = {
    "lock-timeout": (10, "seconds to wait for a VM's config lock"),
    "cfs-lock-timeout": (10, "seconds to wait for a cluster file lock"),
    "abort-grace": (5, "seconds between an aborted task's TERM and its KILL"),
    "auth-delay": (3, "seconds before a 401 is sent"),
    "proxy-timeout": (30, "seconds after which pveproxy gives up on pvedaemon (596)"),
    "pvedaemon": ("up", "up, down (595 at once) or hang (596 after proxy-timeout)"),
    "worker": ("", "worker number that gets every request ('' = in turn)"),
    "worker-queue": ([], "worker numbers for the next requests, used up one by one"),
    "json-noise": (1, "1: shuffle JSON keys, turn some numbers into strings"),
    "hook-env": ({}, "extra environment for hookscripts, a JSON object"),
    "quorum": (1, "0: /etc/pve is read-only, as without quorum"),
    "qmeventd": (1, "0: nobody calls 'qm cleanup' when a QEMU dies"),
    "cleanup-delay": (0, "seconds qmeventd waits before 'qm cleanup'"),
    "cleanup-race": (0, "1: a late 'qm cleanup' that meets a newly started QEMU holds the lock "
                        "(cleanup-wait), as in PVE (where stops are too slow for it to be likely)"),
    "cleanup-wait": (30, "seconds for which such a 'qm cleanup' waits with the lock"),
    "post-stop": ("normal", "normal, twice or lost (older qemu-server)"),
    "source-post-stop": (0, "1: a migration's source runs post-stop (older qemu-server)"),
    "qemu": ("standin", "standin, real or fail (per VM: vm.<vmid>.qemu)"),
    "qemu-delay": (0, "seconds a QEMU takes to start"),
    "qemu-real-prefix": ("qemu-system-x86_64 -display none",
                         "command that 'real' mode puts before PVE's own arguments"),
    "qemu-real-buses": (0, "1: real mode keeps bus= and addr= of the devices: qemu-real-prefix has "
                           "those buses"),
    "live-flag": (1, "0: this PVE knows no live-migration-capable (before 8.4)"),
    "monitor": (1, "0: the QEMU stand-in has no QMP monitor, a test brings its own"),
    "qmp-timeout": (5, "seconds PVE waits for QEMU's answer to most commands"),
    "ssh": ("up", "this node's ssh to others: up, fail (255), hang; cut (begins the command, 255 at "
                  "once), lost (255 when it has ended), stuck (never returns)"),
    "ssh-match": ("", "regular expression: the commands that the knob ssh is for ('' = all)"),
    "standin": ("", "path of the QEMU stand-in ('' = look for it in build/tests)"),
    "guest-ignores-shutdown": (0, "1: an ACPI shutdown does nothing"),
    "ct-back": ("name", "a container's interfaces come back with their name, as dev50 (dev), never (lost)"),
    "ct-migrate": ("ok", "fail: a container's migration fails, behind its shutdown"),
    "ct-start": ("ok", "fail: LXC gives a start up, behind pre-start"),
    "ct-restart-delay": (0, "seconds systemd takes to start a container again that reboots"),
    "ct-post-stop-delay": (0, "seconds until LXC runs post-stop, with its socket closed"),
    "storage-error": (0, "1: volume activation fails after pre-start"),
    "stop-step": (0.05, "seconds of PVE's one-second steps while it waits for a QEMU"),
    "request-times": (0, "1: write to times.log how long each request took"),
    "debug": (1, "1: write cfs cache decisions to debug.log"),
}


class Host:
    """Paths below one root folder. Text shown to users never has the root in it."""

    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.prefix = "" if self.root == "/" else self.root
        self._nodename = None

    @property
    def is_real(self):
        """The kernel's sysfs decides: with root /, or one whose sys is a link to it (so two nodes
        can share a machine). Otherwise we play the kernel."""
        return self.prefix == "" or os.path.realpath(self.path("/sys")) == "/sys"

    def path(self, shown):
        """'/etc/pve/x' as PVE would write it -> where it really is."""
        return self.prefix + shown

    def state(self, *parts):
        return os.path.join(self.prefix + "/var/lib/pvesim", *parts)

    def pve(self, name=""):
        return self.path("/etc/pve/" + name)

    @property
    def nodename(self):
        if self._nodename is None:
            self._nodename = self.settings().get("node") or os.uname().nodename.split(".")[0]
        return self._nodename

    # -- knobs ------------------------------------------------------------

    def settings(self):
        """Read afresh every time: a test may turn a knob while we run."""
        try:
            with open(self.state("config.json"), encoding="utf-8") as fh:
                return json.load(fh)
        except FileNotFoundError:
            return {}

    def save_settings(self, settings):
        write_atomic(self.state("config.json"), json.dumps(settings, indent=1) + "\n")

    def knob(self, name, vmid=None):
        settings = self.settings()
        if vmid is not None and f"vm.{vmid}.{name}" in settings:
            return settings[f"vm.{vmid}.{name}"]
        if name in settings:
            return settings[name]
        return KNOBS[name][0]

    # -- logs -------------------------------------------------------------

    def debug(self, text):
        if self.knob("debug"):
            self._append("debug.log", f"{time.time():.3f} [{os.getpid()}] {text}\n")

    def journal(self, text):
        self._append("journal.log", text)

    def log_request(self, record):
        self._append("requests.jsonl", json.dumps(record) + "\n")

    def log_ssh(self, record):
        self._append("ssh.log", json.dumps(record) + "\n")

    def log_time(self, method, path, request, opening):
        """Seconds from the first byte of a request to the last of the answer, and our part of
        opening the connection, for its first request."""
        self._append("times.log", f"{method} {path} {request * 1e6:.0f} {opening * 1e6:.0f}\n")

    def _append(self, name, text):
        fd = os.open(self.state(name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(fd, text.encode())  # one write: lines of several processes don't mix
        finally:
            os.close(fd)


def write_atomic(path, text, mode=0o640):
    """PVE::Tools::file_set_contents: write a new file beside it, then rename."""
    tmp = f"{path}.tmp.{os.getpid()}"
    data = text if isinstance(text, bytes) else text.encode()
    fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(fd, "wb") as fh:
            fh.write(data)
        os.rename(tmp, path)
    except OSError:
        if os.path.exists(tmp):
            os.unlink(tmp)
        raise


def read_text(path):
    """The file's text, or None if it isn't there."""
    try:
        with open(path, "rb") as fh:
            return fh.read().decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def proc_start_time(pid):
    """Field 22 of /proc/PID/stat, or None when there is no such live process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as fh:
            fields = fh.read().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return None
    if fields[0] in "ZX":
        return None  # dead, only not waited for yet
    return int(fields[19])
