# SPDX-License-Identifier: GPL-2.0-or-later
"""pct: root@pam in a fresh process (PVE/CLI/pct.pm). Raw lxc.* are for an editor, not for set."""

import os
import re
import sys

from . import ctmove, hooks, lxcreal, tasks
from .ct import Config, Containers, wait_stopped
from .errors import PveError
from .host import Host
from .qmcli import parse

USAGE = "usage: pct [--root DIR] <COMMAND> [ARGS] [OPTIONS]\n"


def main(argv):
    root = os.environ.get("PVESIM_ROOT", "/")
    while argv and argv[0].split("=")[0] == "--root":
        root = argv[0].split("=", 1)[1] if "=" in argv[0] else argv[1]
        argv = argv[1 if "=" in argv[0] else 2:]
    if not argv or argv[0] not in COMMANDS:
        sys.stderr.write(f"ERROR: unknown command 'pct {argv[0] if argv else ''}'\n" + USAGE)
        return 255
    os.environ["PATH"] = "/sbin:/bin:/usr/sbin:/usr/bin"
    os.environ.pop("PVE_MIGRATED_FROM", None)
    func, plain, kind = COMMANDS[argv[0]]
    host = Host(root)
    try:
        if argv[0] == "exec":
            lxcreal.run_in(argv[1], argv[argv.index("--") + 1:])
        param = parse(argv[1:], plain)
        if not kind:
            return func(host, param) or 0
        upid = tasks.Runner(host, True).fork_worker(kind, param["vmid"], "root@pam",
                                                    lambda: func(host, param))
        return 255 if tasks.is_error(tasks.status(host, upid)) else 0
    except PveError as err:
        sys.stderr.write(err.text)
    return 255


def create(host, param):
    cts = Containers(host)
    vmid = param.pop("vmid")
    for kind in ("lxc", "qemu-server"):
        if os.path.exists(host.pve(f"nodes/{host.nodename}/{kind}/{vmid}.conf")):
            raise PveError(f"unable to create CT {vmid} - CT {vmid} already exists on node "
                           f"'{host.nodename}'\n")
    conf = Config("arch: amd64\nmemory: 512\nostype: debian\nrootfs: local:110/vm-disk-0.raw\n")
    for key, value in param.items():
        conf.put(key, value)
    if lxcreal.there(host):
        lxcreal.create(vmid, conf)
    cts.write(vmid, conf)


def change(host, param):
    cts = Containers(host)
    vmid = param.pop("vmid")
    with cts.lock(vmid):
        conf = cts.load(vmid)
        for key in [k for k in param.pop("delete", "").split(",") if k]:
            conf.drop(key)
        for key, value in param.items():
            if key == "hookscript":
                hooks.check_hookscript(host, value)
            elif not re.fullmatch(r"net\d+|hostname|memory|onboot|description|template", key):
                raise PveError(f"Unknown option: {key}\n")
            conf.put(key, value)
        cts.write(vmid, conf)


def clone(host, param):
    """Everything but the networks' addresses, raw lines too (API2/LXC.pm: clone_vm)."""
    cts = Containers(host)
    conf = Config(cts.load(param["vmid"]).active())
    for key, value in list(conf.lines):
        if re.fullmatch(r"net\d+", key):
            conf.put(key, re.sub(r",hwaddr=[^,]+", "", value))
    for key in ("template", "lock", "parent"):
        conf.drop(key)
    cts.write(param["newid"], conf)


def destroy(host, param):
    cts = Containers(host)
    vmid = param["vmid"]
    with cts.lock(vmid):
        cts.load(vmid)
        if cts.running(vmid):
            raise PveError(f"unable to destroy CT {vmid} - container is running\n")
        cts.forget(vmid)
        os.unlink(cts.path(vmid))
        if lxcreal.there(host):
            lxcreal.destroy(vmid)


def snapshot(host, param):
    cts = Containers(host)
    with cts.lock(param["vmid"]):
        conf = cts.load(param["vmid"])
        own = f"[{param['snapname']}]\n" + conf.active()
        conf.rest += ("\n" if conf.rest else "") + own
        conf.put("parent", param["snapname"])
        cts.write(param["vmid"], conf)


def rollback(host, param):
    """What runs is killed, and started again only if that is asked for (AbstractConfig.pm:
    snapshot_rollback, API2/LXC/Snapshot.pm)."""
    _rollback(host, param)
    if param.get("start") == "1":
        Containers(host).start(param["vmid"])


def _rollback(host, param):
    cts = Containers(host)
    with cts.lock(param["vmid"]):
        cts.stop_locked(param["vmid"])
        wait_stopped(host, param["vmid"])
        conf = cts.load(param["vmid"])
        for part in ("\n" + conf.rest).split("\n[")[1:]:
            name, _, text = part.partition("]\n")
            if name == param["snapname"]:
                conf.lines = Config(text).lines
                conf.put("parent", name)
                cts.write(param["vmid"], conf)
                return
    raise PveError(f"snapshot '{param['snapname']}' does not exist\n")


def template(host, param):
    """API2/LXC.pm: template. What LXC would start it by goes."""
    cts = Containers(host)
    with cts.lock(param["vmid"]):
        conf = cts.load(param["vmid"])
        if conf.rest:
            raise PveError("unable to create template, because CT contains snapshots\n")
        if conf.get("template") == "1":
            raise PveError("you can't convert a template to a template\n")
        if cts.running(param["vmid"]):
            raise PveError("you can't convert a CT to template if the CT is running\n")
        conf.put("template", "1")
        cts.write(param["vmid"], conf)
        cts.update_lxc_config(param["vmid"], conf)


def unlock(host, param):
    cts = Containers(host)
    with cts.lock(param["vmid"]):
        conf = cts.load(param["vmid"])
        conf.drop("lock")
        cts.write(param["vmid"], conf)


def status(host, param):
    cts = Containers(host)
    cts.load(param["vmid"])
    print("status: " + ("running" if cts.running(param["vmid"]) else "stopped"))


def config(host, param):
    sys.stdout.write(Containers(host).load(param["vmid"]).active())


def stop(host, param, how="stop"):
    Containers(host).stop(param["vmid"], how)
    wait_stopped(host, param["vmid"])


def write_lxc_config(host, param):
    """What lxc-pve-poststop-hook does at a reboot from inside; for lxc-hook."""
    cts = Containers(host)
    cts.update_lxc_config(param["vmid"], cts.load(param["vmid"]))


COMMANDS = {
    "create": (create, ["vmid"], None),
    "set": (change, ["vmid"], None),
    "clone": (clone, ["vmid", "newid"], None),
    "destroy": (destroy, ["vmid"], None),
    "template": (template, ["vmid"], "vztemplate"),
    "unlock": (unlock, ["vmid"], None),
    "migrate": (ctmove.migrate, ["vmid", "target"], "vzmigrate"),
    "restore": (ctmove.restore, ["vmid", "archive"], "vzrestore"),
    "snapshot": (snapshot, ["vmid", "snapname"], None),
    "rollback": (rollback, ["vmid", "snapname"], "vzrollback"),
    "status": (status, ["vmid"], None),
    "config": (config, ["vmid"], None),
    "exec": (None, [], None),
    "write-lxc-config": (write_lxc_config, ["vmid"], None),
    "start": (lambda h, p: Containers(h).start(p["vmid"]), ["vmid"], "vzstart"),
    "stop": (stop, ["vmid"], "vzstop"),
    "shutdown": (lambda h, p: stop(h, p, "poweroff"), ["vmid"], "vzshutdown"),
    "reboot": (lambda h, p: Containers(h).reboot(p["vmid"]), ["vmid"], "vzreboot"),
}
