# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that are not about one node: mappings, resources, permissions, version."""

import copy

from . import mapping, nodes, sysfs, vmconfig_file
from .api import any_perm, perm, route
from .cfs import PCI_CFG
from .errors import PveError, error_text, param_error
from .host import read_text
from .schema import MAP_FORMAT, configid, configid_list, node_name, split_list

MAPPING = {
    "id": {"format": configid},
    "description": {"optional": 1, "max": 4096},
    "mdev": {"type": "boolean", "optional": 1},
    "live-migration-capable": {"type": "boolean", "optional": 1},
    "map": {"type": "array", "optional": 1, "items": {"format": MAP_FORMAT}},
}
OPTIONS = ("description", "mdev", "live-migration-capable", "map")
SEE = ("Mapping.Modify", "Mapping.Use", "Mapping.Audit")
MAY_READ = any_perm(*(perm("/mapping/pci/{id}", [p])
                      for p in ("Mapping.Use", "Mapping.Modify", "Mapping.Audit")))
MAY_MODIFY = perm("/mapping/pci", ["Mapping.Modify"])


@route("GET", "/version")
def version(api, _param):
    version = "9.2.6" if api.host.knob("live-flag") else "8.3.5"
    return {"version": version, "release": version[:3], "repoid": "0123456789abcdef"}


@route("GET", "/cluster/mapping/pci", schema={"check-node": {"optional": 1, "format": node_name}},
       proxyto="check-node")
def mapping_list(api, param):
    """Not protected: runs in pveproxy and leaves the workers' caches alone."""
    node = param.get("check-node")
    cfg = api.cfs.read(PCI_CFG)
    res = []
    for name, section in cfg["ids"].items():
        if not api.access.has(api.user, f"/mapping/pci/{name}", SEE, any_of=True):
            continue
        entry = copy.deepcopy(section)
        entry.update(id=name, digest=cfg["digest"])
        if node:
            entry["checks"] = _checks(api, cfg, name, entry, node)
        res.append(entry)
    return res


def _checks(api, cfg, name, entry, node):
    found = mapping.node_mapping(cfg, name, node)
    if not found:
        return [{"severity": "warning", "message": f"No mapping for node {node}."}]
    checks = []
    for item in found:
        try:
            mapping.assert_valid(api.host, name, item, entry)
        except PveError as err:
            checks.append({"severity": "error",
                           "message": f"Invalid configuration: {error_text(err)}"})
    return checks


@route("GET", "/cluster/mapping/pci/{id}", protected=True, check=MAY_READ,
       schema={"id": {"format": configid}})
def mapping_get(api, param):
    """Protected: fills the cache of the worker that answers."""
    cfg = api.cfs.read(PCI_CFG)
    if param["id"] not in cfg["ids"]:
        raise PveError(f"mapping '{param['id']}' not found\n")
    return {**cfg["ids"][param["id"]], "digest": cfg["digest"]}


def _refuse_unknown(api, param):
    """An older PVE's schema has no such property."""
    if "live-migration-capable" in param and not api.host.knob("live-flag"):
        raise param_error({"live-migration-capable": "property is not defined in schema and the "
                                                     "schema does not allow additional properties"})


def _section(param):
    """check_config: a whole section is wanted, on an update too."""
    section = {"type": "pci"}
    for key, value in param.items():
        for text in value if isinstance(value, list) else [value]:
            if "\n" in str(text) or "\r" in str(text):
                raise PveError("property contains a line feed\n")
        section[key] = int(value) if key in ("mdev", "live-migration-capable") else value
    if "map" not in section:
        raise PveError("missing value for required option 'map'\n")
    return section


def _locked(api, func, errmsg):
    """lock_pci_config: the cluster file lock, and one prefix for all that goes wrong."""
    try:
        with api.cfs.lock_file(PCI_CFG):
            cfg = api.cfs.read(PCI_CFG)
            func(cfg)
            api.cfs.write(PCI_CFG, cfg)
    except PveError as err:
        raise PveError(f"{errmsg}: {error_text(err)}") from err


# a new one must have a map (createSchema); an update without is told only by check_config
NEW = {**MAPPING, "map": {k: v for k, v in MAPPING["map"].items() if k != "optional"}}


@route("POST", "/cluster/mapping/pci", protected=True, check=MAY_MODIFY, schema=NEW)
def mapping_create(api, param):
    name = param.pop("id")
    _refuse_unknown(api, param)
    section = _section(param)

    def change(cfg):
        if name in cfg["ids"]:
            raise PveError(f"pci ID '{name}' already defined\n")
        cfg["ids"][name] = section

    _locked(api, change, "create hardware mapping failed")


@route("PUT", "/cluster/mapping/pci/{id}", protected=True,
       check=perm("/mapping/pci/{id}", ["Mapping.Modify"]),
       schema={**MAPPING, "digest": {"optional": 1, "max": 64},
               "delete": {"optional": 1, "format": configid_list, "list": 1}})
def mapping_update(api, param):
    name, digest = param.pop("id"), param.pop("digest", None)
    delete = split_list(param.pop("delete", ""))
    _refuse_unknown(api, param)

    def change(cfg):
        if digest and digest != cfg["digest"]:
            raise PveError("detected modified configuration - file changed by other user? "
                           "Try again.\n")
        if name not in cfg["ids"]:
            raise PveError(f"pci ID '{name}' does not exist\n")
        section = _section(param)
        for key in delete:
            if key not in OPTIONS:
                raise PveError(f"no such option '{key}'\n")
            if key == "map":
                raise PveError("unable to delete required option 'map'\n")
            if key in section:
                raise PveError(f"cannot set and delete property '{key}' at the same time!\n")
            cfg["ids"][name].pop(key, None)
        cfg["ids"][name].update(section)

    _locked(api, change, "update hardware mapping failed")


@route("DELETE", "/cluster/mapping/pci/{id}", protected=True, check=MAY_MODIFY,
       schema={"id": {"format": configid}})
def mapping_delete(api, param):
    """Nobody asks whether it is in use or exists at all."""
    _locked(api, lambda cfg: (cfg["ids"].pop(param["id"], None),
                              cfg["order"].pop(param["id"], None)),
            "delete pci mapping failed")


@route("GET", "/cluster/resources",
       schema={"type": {"optional": 1, "enum": ["vm", "storage", "node", "sdn", "network"]}})
def resources(api, param):
    """Not protected. Names and states come from the status that pvestatd sends around."""
    res = []
    if param.get("type") in (None, "vm"):
        for vmid in sorted(api.cfs.vmlist):
            if api.access.has(api.user, f"/vms/{vmid}", ["VM.Audit"]):
                res.append(_resource(api, vmid, api.cfs.vmlist[vmid]))
    if param.get("type") in (None, "node"):
        for node in api.nodes():
            online = nodes.peer(api.host, node) is not None
            entry = {"id": f"node/{node}", "node": node, "type": "node",
                     "status": "online" if online else "offline"}
            if node == api.host.nodename and api.access.has(api.user, f"/nodes/{node}", ["Sys.Audit"]):
                entry.update(uptime=4711, cpu=0, mem=0, maxcpu=2, maxmem=2 << 30, disk=0,
                             maxdisk=0, level="")
            res.append(entry)
    if param.get("type") in (None, "storage"):
        if api.access.has(api.user, "/storage/local", ["Datastore.Audit"]):
            res += [{"id": f"storage/{n}/local", "storage": "local", "node": n,
                     "type": "storage", "status": "available", "plugintype": "dir",
                     "content": "iso,vztmpl,backup,snippets", "shared": 0}
                    for n in api.nodes()]
    return res


def _resource(api, vmid, data):
    entry = {"id": f"{data['type']}/{vmid}", "vmid": vmid, "node": data["node"],
             "type": data["type"], "status": "unknown"}
    raw = read_text(api.host.pve(f"nodes/{data['node']}/qemu-server/{vmid}.conf"))
    conf = vmconfig_file.parse(raw, vmid)
    owner = nodes.peer(api.host, data["node"])
    if conf is not None and owner:
        status = api.vm_entry(vmid, conf, owner)
        entry.update(name=status["name"], status=status["status"], uptime=0, cpu=0,
                     maxcpu=status["cpus"], mem=0, maxmem=status["maxmem"], disk=0,
                     maxdisk=0, netin=0, netout=0, template=status.get("template", 0))
        for key in ("lock", "tags"):
            if key in status:
                entry[key] = status[key]
    return entry


@route("GET", "/access/permissions", schema={"userid": {"optional": 1}, "path": {"optional": 1}})
def permissions(api, param):
    who = param.get("userid", api.user)
    if who != api.user and who.split("!")[0] != api.user:
        api.access.check(api.user, "/access", ["Sys.Audit"])
    if "path" in param:
        return {param["path"]: api.access.permissions(who, param["path"])}
    return api.access.effective(who)


@route("GET", "/nodes/{node}/hardware/pci", protected=True, proxyto="node",
       check=perm("/", ["Sys.Audit", "Sys.Modify"], any_of=True),
       schema={"node": {"format": node_name},
               "pci-class-blacklist": {"optional": 1},
               "verbose": {"type": "boolean", "optional": 1}})
def hardware_pci(api, param):
    skip = tuple("0x" + c for c in split_list(param.get("pci-class-blacklist", "05;06;0b")))
    found = sysfs.lspci(api.host, verbose=str(param.get("verbose", "1")) == "1")
    return [d for d in found if not (skip and (d["class"] or "").startswith(skip))]
