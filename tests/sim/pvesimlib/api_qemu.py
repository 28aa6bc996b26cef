# SPDX-License-Identifier: GPL-2.0-or-later
"""Virtual machines: look at, start, stop, make and remove them (PVE/API2/Qemu.pm)."""

import contextlib
import os
import re
import time

from . import ha, mapping, qemu, tasks, vmconfig
from .api import all_perms, perm, route
from .api_config import (BASE, BOOL, CONFIG, NODE_VM, TEXT, VMID, as_text, check_hostpci_perm,
                         check_modify_perm)
from .errors import PveError, param_error
from .migration import Migration, check_local_resources
from .schema import node_name, split_list
from .vmconfig import warn

MAY_AUDIT = perm("/vms/{vmid}", ["VM.Audit"])
MAY_POWER = perm("/vms/{vmid}", ["VM.PowerMgmt"])
MAY_ALLOCATE = perm("/vms/{vmid}", ["VM.Allocate"])


# -- reading ----------------------------------------------------------------

@route("GET", "/nodes/{node}/qemu", protected=True, proxyto="node",
       schema={"node": {"format": node_name}, "full": BOOL})
def vm_list(api, _param):
    res = []
    for vmid, data in api.cfs.vmlist.items():
        if data["node"] == api.host.nodename and data["type"] == "qemu" and api.access.has(
                api.user, f"/vms/{vmid}", ["VM.Audit"]):
            res.append(api.vm_entry(vmid, api.configs.load(vmid)))
    return res


@route("GET", BASE + "/config", proxyto="node", check=MAY_AUDIT,
       schema={**NODE_VM, "current": BOOL, "snapshot": TEXT})
def vm_config(api, param):
    conf = api.configs.load(int(param["vmid"]))
    return vmconfig.current(conf, str(param.get("current", "0")) == "1")


@route("GET", BASE + "/pending", proxyto="node", check=MAY_AUDIT, schema=NODE_VM)
def vm_pending(api, param):
    """config_with_pending_array"""
    conf = api.configs.load(int(param["vmid"]))
    pending = dict(conf["pending"])
    deletes = vmconfig.parse_delete(pending.pop("delete", ""))
    res = []
    for key, value in vmconfig.current(conf, True).items():
        item = {"key": key, "value": value}
        if key in pending:
            item["pending"] = pending.pop(key)
        if key in deletes:
            item["delete"] = 2 if deletes.pop(key) else 1
        res.append(item)
    res += [{"key": key, "pending": value} for key, value in pending.items()]
    res += [{"key": key, "delete": 2 if force else 1} for key, force in deletes.items()]
    return res


@route("GET", BASE + "/status/current", protected=True, proxyto="node", check=MAY_AUDIT,
       schema=NODE_VM)
def vm_status(api, param):
    vmid = int(param["vmid"])
    return {**api.vm_entry(vmid, api.configs.load(vmid), full=True), "ha": {"managed": 0}}


@route("GET", BASE + "/migrate", protected=True, proxyto="node",
       check=perm("/vms/{vmid}", ["VM.Migrate"]),
       schema={**NODE_VM, "target": {"optional": 1, "format": node_name}})
def migrate_precondition(api, param):
    """Reads pci.cfg in a worker: a trap like GET of a mapping by its id."""
    api.cfs.check_quorum()
    vmid = int(param["vmid"])
    conf = api.configs.load(vmid)
    vmconfig.check_lock(conf)
    running = api.configs.check_running(vmid)
    local, mapped, missing = check_local_resources(api, conf, running)
    res = {"running": int(bool(running)), "allowed_nodes": [], "not_allowed_nodes": {},
           "local_disks": [], "local_resources": local, "mapped-resource-info": mapped,
           "mapped-resources": list(mapped), "has-dbus-vmstate": 1}
    for node, keys in missing.items():
        if node == api.host.nodename:
            continue
        if keys:
            res["not_allowed_nodes"][node] = {"unavailable-resources": keys}
        else:
            res["allowed_nodes"].append(node)
    return res


@route("POST", BASE + "/migrate", protected=True, proxyto="node",
       check=perm("/vms/{vmid}", ["VM.Migrate"]),
       schema={**NODE_VM, "target": {"format": node_name}, "online": BOOL, "force": BOOL,
               "migration_type": TEXT, "migration_network": TEXT, "with-local-disks": BOOL,
               "targetstorage": TEXT, "bwlimit": {"type": "integer", "optional": 1},
               "with-conntrack-state": BOOL})
def migrate_vm(api, param):
    vmid, target = int(param["vmid"]), param["target"]
    if target == api.host.nodename:
        raise param_error({"target": "target is local node."})
    api.cfs.check_quorum()
    if target not in api.nodes():
        raise PveError(f"no such cluster node '{target}'\n")
    api.root_only(param, "force", "migration_type", "migration_network")
    conf = api.configs.load(vmid)
    vmconfig.check_lock(conf)
    online = str(param.get("online", "0")) == "1"
    if api.configs.check_running(vmid):
        if not online:
            raise PveError("can't migrate running VM without --online\n")
    elif online:
        warn("VM isn't running. Doing offline migration instead.\n")
        online = False
    if ha.is_managed(api.host, vmid):
        return api.task("hamigrate", vmid, lambda: ha.ask_to_migrate(api.host, vmid, target))
    return api.task("qmigrate", vmid, lambda: Migration(api, vmid, target, online).run())


# -- power ----------------------------------------------------------------

@route("POST", BASE + "/status/start", protected=True, proxyto="node", check=MAY_POWER,
       schema={**NODE_VM, "skiplock": BOOL, "timeout": {"type": "integer", "optional": 1},
               "migratedfrom": {"optional": 1, "format": node_name}, "stateuri": TEXT,
               "migration_type": TEXT})
def vm_start(api, param):
    api.root_only(param, "skiplock", "migratedfrom", "stateuri", "migration_type")
    api.cfs.check_quorum()
    vmid = int(param["vmid"])
    timeout = int(param["timeout"]) if "timeout" in param else None
    if ha.is_managed(api.host, vmid) and not param.get("stateuri"):
        return api.task("hastart", vmid, lambda: ha.ask_for(api.host, vmid, "started"))
    return api.task("qmstart", vmid, lambda: api.vm.start(
        vmid, skiplock=bool(param.get("skiplock")), timeout=timeout,
        migratedfrom=param.get("migratedfrom"), statefile=param.get("stateuri")))


@route("POST", BASE + "/status/resume", protected=True, proxyto="node", check=MAY_POWER,
       schema={**NODE_VM, "skiplock": BOOL, "nocheck": BOOL})
def vm_resume(api, param):
    api.root_only(param, "skiplock", "nocheck")
    vmid = int(param["vmid"])
    if not qemu.running(api.host, vmid):
        raise PveError(f"VM {vmid} not running\n")
    return api.task("qmresume", vmid, lambda: api.vm.resume(
        vmid, skiplock=bool(param.get("skiplock")), nocheck=bool(param.get("nocheck"))))


@route("POST", BASE + "/status/stop", protected=True, proxyto="node", check=MAY_POWER,
       schema={**NODE_VM, "skiplock": BOOL, "timeout": {"type": "integer", "optional": 1},
               "migratedfrom": {"optional": 1, "format": node_name}, "keepActive": BOOL,
               "overrule-shutdown": BOOL})
def vm_stop(api, param):
    api.root_only(param, "skiplock", "keepActive", "migratedfrom")
    vmid = int(param["vmid"])
    timeout = int(param["timeout"]) if "timeout" in param else None
    return api.task("qmstop", vmid, lambda: api.vm.stop(
        vmid, skiplock=bool(param.get("skiplock")), timeout=timeout, force=True,
        migratedfrom=param.get("migratedfrom")))


@route("POST", BASE + "/status/shutdown", protected=True, proxyto="node", check=MAY_POWER,
       schema={**NODE_VM, "skiplock": BOOL, "timeout": {"type": "integer", "optional": 1},
               "forceStop": BOOL, "keepActive": BOOL})
def vm_shutdown(api, param):
    api.root_only(param, "skiplock", "keepActive")
    vmid = int(param["vmid"])
    timeout = int(param["timeout"]) if "timeout" in param else None
    force = str(param.get("forceStop", "0")) == "1"
    return api.task("qmshutdown", vmid, lambda: api.vm.stop(
        vmid, skiplock=bool(param.get("skiplock")), timeout=timeout, shutdown=True, force=force))


@route("POST", BASE + "/status/reboot", protected=True, proxyto="node", check=MAY_POWER,
       schema={**NODE_VM, "timeout": {"type": "integer", "optional": 1}})
def vm_reboot(api, param):
    vmid = int(param["vmid"])
    if not api.configs.check_running(vmid):
        raise PveError(f"VM {vmid} not running\n")
    timeout = int(param["timeout"]) if "timeout" in param else None
    return api.task("qmreboot", vmid, lambda: api.vm.reboot(vmid, timeout))


@route("POST", "/nodes/{node}/startall", protected=True, proxyto="node",
       schema={"node": {"format": node_name}, "vms": TEXT, "force": BOOL})
def start_all(api, param):
    """PVE/API2/Nodes.pm: startall. Every start is forked from this one task, so all of them have
    the cache of the worker that it was forked from."""
    wanted = [int(v) for v in split_list(param.get("vms", ""))]
    vms = [v for v, data in sorted(api.cfs.vmlist.items())
           if data["node"] == api.host.nodename and (not wanted or v in wanted)]
    for vmid in vms:
        api.access.check(api.user, f"/vms/{vmid}", ["VM.PowerMgmt"])

    def work():
        for vmid in vms:
            if api.configs.check_running(vmid):
                continue
            print(f"Starting VM {vmid}", flush=True)
            upid = api.task("qmstart", vmid, lambda vmid=vmid: api.vm.start(vmid))
            task = tasks.decode(upid)
            while tasks.is_running(task):
                time.sleep(0.02)
            result = tasks.status(api.host, upid)
            if tasks.is_error(result):
                print(f"Starting VM {vmid} failed: {result}", flush=True)

    return api.task("startall", "", work)


# -- making and removing ----------------------------------------------------------------

def _random_mac():
    return "BC:24:11:" + os.urandom(3).hex(":").upper()


def new_uuid():
    with open("/proc/sys/kernel/random/uuid", encoding="ascii") as fh:
        return fh.read().strip()


@route("POST", "/nodes/{node}/qemu", protected=True, proxyto="node",
       schema={**CONFIG, **NODE_VM, "start": BOOL, "force": BOOL, "unique": BOOL,
               "archive": TEXT, "pool": TEXT, "storage": TEXT})
def create_vm(api, param):
    vmid = int(param["vmid"])
    api.access.check(api.user, f"/vms/{vmid}", ["VM.Allocate"])
    options = {k: as_text(v) for k, v in param.items() if k in CONFIG}
    check_modify_perm(api, vmid, sorted(options))
    for opt in options:
        if re.fullmatch(r"hostpci\d+", opt):
            check_hostpci_perm(api, vmid, opt, options[opt])
        if re.fullmatch(r"net\d+", opt) and "=" not in options[opt].split(",")[0]:
            model, *rest = options[opt].split(",")
            options[opt] = ",".join([f"{model}={_random_mac()}", *rest])
    emsg = f"unable to create VM {vmid} -"
    try:
        with api.configs.lock(vmid, 5):
            api.require_vm_unused(vmid)
            api.configs.write(vmid, {"lock": "create"})
    except PveError as err:
        raise PveError(f"{emsg} {err.text}") from err

    def work():
        options.setdefault("boot", " ")  # of a VM without disks, as it stands in the file
        options.setdefault("smbios1", f"uuid={new_uuid()}")
        options.setdefault("vmgenid", new_uuid())
        options["meta"] = f"creation-qemu=10.1.2,ctime={int(time.time())}"
        try:
            with api.configs.lock(vmid, 1):
                api.configs.write(vmid, {k: v for k, v in options.items() if v != ""})
        except PveError:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(api.configs.path(vmid))
            raise
        if str(param.get("start", "0")) == "1":
            api.vm.start(vmid)

    return api.task("qmcreate", vmid, work)


@route("POST", BASE + "/clone", protected=True, proxyto="node",
       check=all_perms(perm("/vms/{vmid}", ["VM.Clone"]), perm("/vms/{newid}", ["VM.Allocate"])),
       schema={**NODE_VM, "newid": VMID, "name": TEXT, "description": TEXT, "full": BOOL,
               "snapname": TEXT, "storage": TEXT, "format": TEXT, "pool": TEXT,
               "target": {"optional": 1, "format": node_name}})
def clone_vm(api, param):
    """hookscript and hostpciN are copied like everything else."""
    vmid, newid = int(param["vmid"]), int(param["newid"])

    def load_and_check():
        conf = api.configs.load(vmid)
        vmconfig.check_lock(conf)
        if api.user != "root@pam":
            for opt in conf:
                if re.fullmatch(r"hostpci\d+", opt):
                    _check_mapping_access(api, opt, conf[opt])
        if os.path.exists(api.configs.path(newid)):
            raise PveError(f"unable to create VM {newid}: config file already exists\n")
        skip = ("snapshots", "pending", "digest", "parent", "snaptime", "vmstate", "template")
        new = {k: v for k, v in conf.items() if k not in skip and not k.startswith("unused")}
        for opt in new:
            if re.fullmatch(r"net\d+", opt):
                new[opt] = re.sub(r"=([0-9A-F:]{17})", lambda _m: "=" + _random_mac(),
                                  new[opt], count=1, flags=re.I)
        new["smbios1"] = f"uuid={new_uuid()}"
        if "vmgenid" in new:
            new["vmgenid"] = new_uuid()
        new["name"] = param.get("name") or f"Copy-of-VM-{conf.get('name', vmid)}"
        if param.get("description"):
            new["description"] = param["description"]
        return new, conf["pending"]

    def work():
        shared = not qemu.running(api.host, vmid)
        with api.configs.lock(vmid, 1, shared=shared), api.configs.lock(newid, 1):
            new, pending = load_and_check()
            print(f"creating a clone of VM {vmid} with ID {newid}", flush=True)
            if pending:
                warn(f"found pending changes for '{','.join(pending)}', discarding for clone\n")
            api.configs.write(newid, new)
            if param.get("target"):
                os.rename(api.configs.path(newid), api.configs.path(newid, param["target"]))

    load_and_check()
    return api.task("qmclone", vmid, work)


def _check_mapping_access(api, opt, value):
    """check_mapping_access"""
    device = mapping.parse_value(value)
    if "host" in device:
        raise PveError(f"only root can set '{opt}' config for non-mapped devices\n")
    api.access.check(api.user, f"/mapping/pci/{device['mapping']}", ["Mapping.Use"])


@route("DELETE", BASE, protected=True, proxyto="node", check=MAY_ALLOCATE,
       schema={**NODE_VM, "skiplock": BOOL, "purge": BOOL, "destroy-unreferenced-disks": BOOL})
def destroy_vm(api, param):
    vmid = int(param["vmid"])
    api.root_only(param, "skiplock")

    def early():
        conf = api.configs.load(vmid)
        if conf.get("protection") == "1":
            raise PveError(f"can't remove VM {vmid} - protection mode enabled\n")
        if api.configs.check_running(vmid):
            raise PveError(f"VM {vmid} is running - destroy failed\n")
        if not param.get("skiplock"):
            vmconfig.check_lock(conf)

    def work():
        with api.configs.lock(vmid):
            early()
            os.unlink(api.configs.path(vmid))

    early()
    return api.task("qmdestroy", vmid, work)


@route("POST", BASE + "/template", protected=True, proxyto="node", check=MAY_ALLOCATE,
       schema={**NODE_VM, "disk": TEXT})
def template(api, param):
    vmid = int(param["vmid"])

    def check():
        conf = api.configs.load(vmid)
        vmconfig.check_lock(conf)
        if vmconfig.is_template(conf):
            raise PveError("you can't convert a template to a template\n")
        if api.configs.check_running(vmid):
            raise PveError("you can't convert a VM to template if VM is running\n")
        return conf

    def work():
        with api.configs.lock(vmid):
            conf = check()
            conf["template"] = "1"
            api.configs.write(vmid, conf)

    check()
    return api.task("qmtemplate", vmid, work)
