# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a container's config goes to: another node (PVE/LXC/Migrate.pm), a backup and back
(PVE/VZDump/LXC.pm, PVE/API2/LXC.pm: create_vm, PVE/LXC/Create.pm). Always as root@pam, whose
restores keep raw lines."""

import os
import re
import sys

from . import hooks, nodes
from .ct import Config, Containers
from .errors import PveError
from .host import read_text, write_atomic
from .lazy import subprocess

DUMP = "/var/lib/vz/dump"


def migrate(host, param):
    """All of it under the source's lock; in restart mode what runs is shut down before, and started
    there, or here again if it fails."""
    cts = Containers(host)
    vmid = param["vmid"]
    with cts.lock(vmid):
        conf = cts.load(vmid)
        if conf.get("lock"):
            raise PveError(f"CT is locked ({conf.get('lock')})\n")
        ran = cts.running(vmid)
        if ran and param.get("restart") != "1":
            raise PveError("running container can only be migrated in restart mode\n")
        _ssh(host, param["target"], "/bin/true")
        if ran:
            cts.stop_locked(vmid)
        _move(cts, vmid, param["target"], ran)


def _move(cts, vmid, target, ran):
    conf = cts.load(vmid)
    conf.put("lock", "migrate")
    cts.write(vmid, conf)
    if cts.host.knob("ct-migrate", vmid) == "fail":
        conf.drop("lock")
        cts.write(vmid, conf)
        if ran:
            cts.start_locked(vmid, skiplock=True)
        raise PveError("can't migrate CT - check log\nmigration aborted\n")
    there = cts.host.pve(f"nodes/{target}/lxc/{vmid}.conf")
    os.makedirs(os.path.dirname(there), exist_ok=True)
    os.rename(cts.path(vmid), there)
    _ssh(cts.host, target, "pct", "unlock", str(vmid))
    if ran:
        _ssh(cts.host, target, "pct", "start", str(vmid))


def _ssh(host, node, *words):
    """A program of the other node is one of its root."""
    ssh = nodes.ssh_command(host, node)
    sys.stdout.flush()
    done = subprocess.run([*ssh, *words], executable=host.path(ssh[0]), check=False,
                          stdin=subprocess.DEVNULL, env=hooks.hook_environment(host))
    if done.returncode:
        raise PveError(f"command '{' '.join([*ssh, *words])}' failed: exit code {done.returncode}\n")


def backup(host, vmid, mode):
    """vzdump: in stop mode what runs is stopped before and started again while its config says
    `lock: backup`; otherwise no phase is called. In the archive: no lock, no snapshots."""
    cts = Containers(host)
    with cts.lock(vmid):
        conf = cts.load(vmid)
        conf.put("lock", "backup")
        cts.write(vmid, conf)
    try:
        ran = cts.running(vmid)
        if ran and mode == "stop":
            cts.stop_locked(vmid)
        kept = Config(conf.active())
        for key in ("lock", "parent"):
            kept.drop(key)
        os.makedirs(host.path(DUMP), exist_ok=True)
        write_atomic(host.path(f"{DUMP}/vzdump-lxc-{vmid}.conf"), kept.text())
        if ran and mode == "stop":
            cts.start_locked(vmid, skiplock=True)
    finally:
        with cts.lock(vmid):
            conf = cts.load(vmid)
            conf.drop("lock")
            cts.write(vmid, conf)


def restore(host, param):
    """Over one that is there with --force only, which is destroyed before, but for its config."""
    cts = Containers(host)
    vmid = param["vmid"]
    text = read_text(host.path(param["archive"]))
    if text is None:
        raise PveError(f"volume '{param['archive']}' does not exist\n")
    there = os.path.exists(cts.path(vmid))
    if there and param.get("force") != "1":
        raise PveError(f"CT {vmid} already exists on node '{host.nodename}'\n")
    with cts.lock(vmid):
        if cts.running(vmid):
            raise PveError("can't overwrite running container\n")
        cts.write(vmid, Config("lock: create\n"))
        cts.forget(vmid)
        conf = Config(text)
        if param.get("unique") == "1":
            for key, value in list(conf.lines):
                if re.fullmatch(r"net\d+", key):
                    conf.put(key, re.sub(r",hwaddr=[^,]+", "", value))
        cts.write(vmid, conf)
