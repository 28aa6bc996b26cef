# SPDX-License-Identifier: GPL-2.0-or-later
"""Changing a VM's config (PVE/API2/Qemu.pm: update_vm_api): who may set what to what."""

import re

from . import hooks, mapping, vmconfig
from .api import perm, route
from .errors import PveError, error_text, param_error
from .schema import HOSTPCI_FORMAT, configid_list, node_name, split_list, vm_id
from .vmconfig import warn

VMID = {"type": "integer", "format": vm_id}
BOOL = {"type": "boolean", "optional": 1}
TEXT = {"optional": 1}
NODE_VM = {"node": {"format": node_name}, "vmid": VMID}
BASE = "/nodes/{node}/qemu/{vmid}"

CONFIG = {name: TEXT for name in """
acpi affinity agent amd-sev arch args audio0 balloon bios boot bootdisk cdrom cicustom cipassword
citype ciuser cores cpu cpulimit cpuunits description efidisk0 hookscript hotplug hugepages
ivshmem keyboard lock machine memory meta migrate_downtime migrate_speed name nameserver numa
onboot ostype protection reboot rng0 scsihw searchdomain shares smbios1 smp sockets sshkeys
startdate startup tablet tags tdf template tpmstate0 vcpus vga vmgenid vmstatestorage watchdog
kvm localtime freeze autostart keephugepages spice_enhancements
""".split()}
for _name, _count in (("net", 32), ("scsi", 31), ("virtio", 16), ("sata", 6), ("ide", 4),
                      ("serial", 4), ("parallel", 3), ("usb", 14), ("numa", 8), ("ipconfig", 32),
                      ("unused", 256), ("virtiofs", 10)):
    CONFIG.update({f"{_name}{i}": TEXT for i in range(_count)})
CONFIG.update({f"hostpci{i}": {"optional": 1, "format": HOSTPCI_FORMAT}
               for i in range(mapping.MAX_HOSTPCI)})
for _name in ("cores", "sockets", "balloon"):
    CONFIG[_name] = {"type": "integer", "optional": 1, "minimum": 0}
for _name in ("onboot", "template", "protection", "numa", "acpi", "kvm", "tablet"):
    CONFIG[_name] = BOOL

# which right an option needs (check_vm_modify_config_perm)
RIGHTS = {}
for _priv, _names in {
    "VM.Config.CPU": "affinity cores cpu cpulimit cpuunits numa smp sockets vcpus hugepages",
    "VM.Config.Memory": "memory balloon shares",
    "VM.Config.HWType": "acpi hotplug kvm machine runningmachine scsihw smbios1 tablet vga "
                        "watchdog audio0 rng0",
    "VM.Config.Options": "agent autostart bios description keyboard localtime migrate_downtime "
                         "migrate_speed name onboot ostype protection reboot startdate startup "
                         "tdf template",
    "VM.PowerMgmt": "freeze",
    "VM.Config.Disk": "boot bootdisk vmstatestorage",
}.items():
    RIGHTS.update({name: _priv for name in _names.split()})
DRIVES = re.compile(r"(ide|scsi|virtio|sata)\d+|efidisk0|tpmstate0")
CONFIG_PRIVS = ["VM.Config.Disk", "VM.Config.CDROM", "VM.Config.CPU", "VM.Config.Memory",
                "VM.Config.Network", "VM.Config.HWType", "VM.Config.Options",
                "VM.Config.Cloudinit"]

MAY_CONFIG = perm("/vms/{vmid}", CONFIG_PRIVS, any_of=True)


# -- rights that depend on the value ----------------------------------------------------------------

def check_hostpci_perm(api, vmid, opt, value):
    """A raw address is for root@pam alone; a mapping needs two rights."""
    if api.user == "root@pam":
        return
    device = mapping.parse_value(value)
    if "host" in device:
        raise PveError(f"only root can set '{opt}' config for non-mapped devices\n")
    if "mapping" not in device:
        raise PveError("either 'host' or 'mapping' must be set.\n")
    api.access.check(api.user, f"/mapping/pci/{device['mapping']}", ["Mapping.Use"])
    api.access.check(api.user, f"/vms/{vmid}", ["VM.Config.HWType"])
    if "romfile" in device:
        raise param_error({opt: "only root@pam can set 'romfile' option"})


def check_modify_perm(api, vmid, options):
    """check_vm_modify_config_perm"""
    if api.user == "root@pam":
        return
    for opt in options:
        if DRIVES.fullmatch(opt) or opt in ("cdrom", "tags") or re.fullmatch(
                r"(unused|serial|usb|hostpci|virtiofs)\d+", opt):
            continue  # looked at one by one, with their values
        if opt in RIGHTS or re.fullmatch(r"numa\d+", opt):
            api.access.check(api.user, f"/vms/{vmid}", [RIGHTS.get(opt, "VM.Config.CPU")])
            if opt == "startup":
                api.access.check(api.user, "/", ["Sys.Modify"])
        elif re.fullmatch(r"net\d+", opt):
            api.access.check(api.user, f"/vms/{vmid}", ["VM.Config.Network"])
        elif re.fullmatch(r"ci\w+|ipconfig\d+|nameserver|searchdomain|sshkeys", opt):
            api.access.check(api.user, f"/vms/{vmid}",
                             ["VM.Config.Cloudinit", "VM.Config.Network"], any_of=True)
        else:
            raise PveError(f"only root can set '{opt}' config\n")


# -- changing the config ----------------------------------------------------------------

UPDATE = {**CONFIG, **NODE_VM, "skiplock": BOOL, "force": BOOL,
          "delete": {"optional": 1, "format": configid_list, "list": 1},
          "revert": {"optional": 1, "format": configid_list, "list": 1},
          "digest": {"optional": 1, "max": 40}, "skip_cloud_init": BOOL}


@route("PUT", BASE + "/config", protected=True, proxyto="node", check=MAY_CONFIG, schema=UPDATE)
def update_vm(api, param):
    vmid, func = _prepare_update(api, param)
    with api.configs.lock(vmid):
        func()


@route("POST", BASE + "/config", protected=True, proxyto="node", check=MAY_CONFIG,
       schema={**UPDATE, "background_delay": {"type": "integer", "optional": 1}})
def update_vm_async(api, param):
    """Answers at once with a task; the task waits for the lock like anybody."""
    vmid, func = _prepare_update(api, param)

    def work():
        with api.configs.lock(vmid):
            func()

    return api.task("qmconfig", vmid, work)


def _prepare_update(api, param):
    """update_vm_api up to the lock: what can be refused early is refused here."""
    param = dict(param)
    param.pop("node", None)
    param.pop("background_delay", None)
    param.pop("skip_cloud_init", None)
    vmid, digest = int(param.pop("vmid")), param.pop("digest", None)
    shown = " ".join(f"-{k} {param[k]}" for k in sorted(param))
    api.root_only(param, "skiplock")
    skiplock = param.pop("skiplock", None)
    force = str(param.pop("force", "0")) == "1"
    delete, revert = split_list(param.pop("delete", "")), split_list(param.pop("revert", ""))
    if not delete and not revert and not param:
        raise PveError("no options specified\n")
    for opt in delete:
        if opt in param:
            raise param_error({"delete": f"you can't use '-{opt}' and -delete {opt}' at the "
                                         "same time"})
    for name, options in (("revert", revert), ("delete", delete)):
        for opt in options:
            if opt not in CONFIG:
                raise param_error({name: f"unknown option '{opt}'"})
    if "hookscript" in param:
        try:
            hooks.check_hookscript(api.host, param["hookscript"])
        except PveError as err:
            raise param_error({"hookscript": error_text(err)}) from err
    param = {key: as_text(value) for key, value in param.items()}
    check_modify_perm(api, vmid, delete)
    check_modify_perm(api, vmid, sorted(param))

    def load_and_check():
        conf = api.configs.load(vmid)
        if digest and digest != conf["digest"]:
            raise PveError("checksum mismatch (file change by other user?)\n")
        if not skiplock:
            vmconfig.check_lock(conf)
        return conf

    def work():
        conf = load_and_check()
        for opt in revert:
            if opt in conf:
                param[opt] = conf[opt]
            elif opt in conf["pending"]:
                delete.append(opt)
        print(f"update VM {vmid}: {shown}", flush=True)
        _update(api, vmid, param, delete, force)

    load_and_check()
    return vmid, work


def as_text(value):
    return str(int(value)) if isinstance(value, bool) else str(value)


def _update(api, vmid, param, delete, force):
    """The part under the lock. Each step is written, so an error half-way leaves a part."""
    for opt in delete:
        conf = api.configs.load(vmid)
        value = conf.get(opt, conf["pending"].get(opt))
        if value is None:
            warn(f"cannot delete '{opt}' - not set in current configuration!\n")
            continue
        conf["pending"].pop(opt, None)
        if re.fullmatch(r"hostpci\d+", opt):
            check_hostpci_perm(api, vmid, opt, value)
        deletes = vmconfig.parse_delete(conf["pending"].get("delete"))
        deletes[opt] = force
        vmconfig.set_delete(conf["pending"], deletes)
        api.configs.write(vmid, conf)
    for opt, value in param.items():
        conf = api.configs.load(vmid)
        if conf["pending"].get(opt) == value:
            continue
        if re.fullmatch(r"hostpci\d+", opt):
            if conf.get(opt):  # the value that is replaced counts too
                check_hostpci_perm(api, vmid, opt, conf[opt])
            check_hostpci_perm(api, vmid, opt, value)
        conf["pending"][opt] = value
        deletes = vmconfig.parse_delete(conf["pending"].get("delete"))
        deletes.pop(opt, None)
        vmconfig.set_delete(conf["pending"], deletes)
        api.configs.write(vmid, conf)
    conf = api.configs.load(vmid)
    if vmconfig.cleanup_pending(conf):
        api.configs.write(vmid, conf)
    if not conf["pending"]:
        return
    running = api.configs.check_running(vmid)
    conf = api.configs.load(vmid)
    if running:
        api.configs.hotplug_pending(vmid, conf)
    else:
        api.configs.apply_pending(vmid, conf)
