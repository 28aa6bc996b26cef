# SPDX-License-Identifier: GPL-2.0-or-later
"""PVE/AbstractConfig.pm and PVE/QemuConfig.pm: load, lock and change a guest's config."""

import contextlib
import os
import sys

from . import qemu
from .errors import PveError
from .lockfile import lock_file
from .schema import split_list

# options that a running VM takes over at once (PVE/QemuServer.pm: fast_plug_option)
FAST_PLUG = {"description", "hookscript", "lock", "migrate_downtime", "migrate_speed", "name",
             "onboot", "protection", "shares", "startup", "tags", "vmstatestorage"}


class Configs:
    def __init__(self, host, cfs):
        self.host = host
        self.cfs = cfs

    def name(self, vmid, node=None):
        return f"nodes/{node or self.host.nodename}/qemu-server/{vmid}.conf"

    def path(self, vmid, node=None):
        return self.host.pve(self.name(vmid, node))

    def load(self, vmid, node=None):
        name = self.name(vmid, node)
        conf = self.cfs.read(name)
        if conf is None:
            raise PveError(f"Configuration file '{name}' does not exist\n")
        return conf

    def write(self, vmid, conf, node=None):
        self.cfs.write(self.name(vmid, node), conf)

    @contextlib.contextmanager
    def lock(self, vmid, timeout=None, shared=False):
        """lock_config: the flock, then the cluster's file versions are learnt anew."""
        if timeout is None:
            timeout = self.host.knob("lock-timeout", vmid)
        shown = f"/var/lock/qemu-server/lock-{vmid}.conf"
        with lock_file(self.host, shown, timeout, shared):
            self.cfs.update()
            yield

    def check_running(self, vmid, node=None):
        if not os.path.isfile(self.path(vmid, node)):
            raise PveError(f"unable to find configuration file for VM {vmid} on node "
                           f"'{node or self.host.nodename}'\n")
        return qemu.running(self.host, vmid)

    def apply_pending(self, vmid, conf):
        """vmconfig_apply_pending: on a stopped VM everything pending becomes active."""
        if not conf["pending"]:
            return
        for opt in parse_delete(conf["pending"].get("delete")):
            conf.pop(opt, None)
        conf["pending"].pop("delete", None)
        conf.update(conf["pending"])
        conf["pending"] = {}
        self.write(vmid, conf)

    def hotplug_pending(self, vmid, conf):
        """vmconfig_hotplug_pending: a running VM takes only what changes no hardware."""
        pending = conf["pending"]
        changed = False
        for opt in [o for o in pending if o in FAST_PLUG]:
            conf[opt] = pending.pop(opt)
            changed = True
        deletes = parse_delete(pending.get("delete"))
        for opt in [o for o in deletes if o in FAST_PLUG]:
            conf.pop(opt, None)
            del deletes[opt]
            changed = True
        set_delete(pending, deletes)
        if changed:
            self.write(vmid, conf)


def check_lock(conf):
    if conf.get("lock"):
        raise PveError(f"VM is locked ({conf['lock']})\n")


def is_template(conf):
    return conf.get("template") == "1"


def parse_delete(text):
    """parse_pending_delete: option -> whether it is forced ('!opt')."""
    return {item.lstrip("!"): item.startswith("!") for item in split_list(text)}


def set_delete(pending, deletes):
    if deletes:
        pending["delete"] = ",".join(("!" if deletes[k] else "") + k for k in sorted(deletes))
    else:
        pending.pop("delete", None)


def cleanup_pending(conf):
    """cleanup_pending: drop what would change nothing; did anything go?"""
    pending = conf["pending"]
    before = dict(pending)
    for opt in [o for o in pending if o != "delete" and conf.get(o) == pending[o]]:
        del pending[opt]
    deletes = parse_delete(pending.get("delete"))
    set_delete(pending, {k: v for k, v in deletes.items() if k in conf})
    return pending != before


def current(conf, active_only):
    """load_current_config: pending values shown as if applied, unless only active ones."""
    conf = dict(conf)
    pending = conf.pop("pending")
    conf.pop("snapshots")
    conf.pop("special-sections")
    if not active_only:
        for opt, value in pending.items():
            if opt != "delete":
                conf[opt] = value
        for opt in parse_delete(pending.get("delete")):
            conf.pop(opt, None)
    return conf


def warn(text):
    sys.stderr.write(text)
    sys.stderr.flush()
