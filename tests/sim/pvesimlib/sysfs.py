# SPDX-License-Identifier: GPL-2.0-or-later
"""PVE/SysFSTools.pm: look at PCI devices, bind an IOMMU group to vfio-pci, reset."""

import errno
import os
import re
import sys

from .errors import PveError

PCI = "/sys/bus/pci"
ADDR = re.compile(r"[a-f0-9]{4,}:[a-f0-9]{2}:[a-f0-9]{2}\.[a-f0-9]")


def normalize(addr):
    return addr if re.match(r"[a-f0-9]{4,}:", addr) else "0000:" + addr


def first_line(host, shown):
    try:
        with open(host.path(shown), encoding="utf-8", errors="replace") as fh:
            return fh.readline().rstrip("\n")
    except OSError:
        return None


def iommu_group(host, addr):
    try:
        return int(os.readlink(host.path(f"{PCI}/devices/{addr}/iommu_group")).rsplit("/", 1)[1])
    except OSError:
        return None


def device_info(host, addr, verbose=False):
    """pci_device_info: None unless irq, vendor and device can be read."""
    if not ADDR.fullmatch(addr):
        return None
    base = f"{PCI}/devices/{addr}"
    irq = first_line(host, f"{base}/irq")
    vendor = first_line(host, f"{base}/vendor")
    device = first_line(host, f"{base}/device")
    if irq is None or not irq.isdigit() or not vendor or not device:
        return None
    info = {"name": addr, "vendor": vendor[2:], "device": device[2:],
            "has_reset": os.path.isfile(host.path(f"{base}/reset"))}
    if verbose:
        for key in ("subsystem_vendor", "subsystem_device"):
            value = first_line(host, f"{base}/{key}")
            if value:
                info[key] = value[2:]
        group = iommu_group(host, addr)
        if group is not None:
            info["iommugroup"] = group
    return info


def lspci(host, prefix=None, verbose=False):
    """lspci: devices whose address starts with the prefix ('06:10' = all functions)."""
    res = []
    folder = host.path(f"{PCI}/devices")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for addr in names:
        if not ADDR.fullmatch(addr):
            continue
        if prefix and not re.match(r"(0000:)?" + re.escape(prefix), addr):
            continue
        base = f"{PCI}/devices/{addr}"
        entry = {"id": addr}
        for key in ("vendor", "device", "class"):
            entry[key] = first_line(host, f"{base}/{key}")
        group = iommu_group(host, addr)
        entry["iommugroup"] = -1 if group is None else group
        if verbose:
            _verbose(host, base, entry)
        res.append(entry)
    return res


def _verbose(host, base, entry):
    for key in ("subsystem_vendor", "subsystem_device"):
        value = first_line(host, f"{base}/{key}")
        if value:
            entry[key] = value
    path = host.path(base)
    if os.path.islink(f"{path}/physfn"):
        entry["physfn"] = os.path.basename(os.readlink(f"{path}/physfn"))
    virtfns = {name: os.path.basename(os.readlink(f"{path}/{name}"))
               for name in os.listdir(path) if re.fullmatch(r"virtfn\d+", name)}
    if virtfns:
        entry["virtfns"] = virtfns


def iommu_present(host):
    """check_iommu_support: is /sys/class/iommu populated?"""
    try:
        return bool(os.listdir(host.path("/sys/class/iommu")))
    except OSError:
        return False


def bind_group_to_vfio(host, addr):
    """pci_dev_group_bind_to_vfio: every device of the group, the PF too if it's in there."""
    base = host.path(f"{PCI}/drivers/vfio-pci")
    if not os.path.isdir(base):
        if host.is_real:
            os.system("/sbin/modprobe vfio-pci >/dev/null 2>/dev/null")
        if not os.path.isdir(base):
            raise PveError("Cannot find vfio-pci module!\n")
    addr = normalize(addr)
    group = host.path(f"{PCI}/devices/{addr}/iommu_group/devices")
    try:
        members = [name for name in os.listdir(group) if ADDR.fullmatch(name)]
    except OSError as err:
        raise PveError(f"Cannot open iommu_group: {err.strerror}\n") from err
    for member in members:
        if os.path.exists(host.path(f"{PCI}/devices/{member}/pci_bus")):
            continue  # bridges stay with their driver
        info = device_info(host, member)
        if not info or not _bind_to_vfio(host, info):
            raise PveError(f"Cannot bind {member} to vfio\n")
    return True


def _bind_to_vfio(host, info):
    addr = info["name"]
    base = f"{PCI}/drivers/vfio-pci"
    bound = host.path(f"{base}/{addr}")
    if os.path.isdir(bound):
        return True
    if not write(host, f"{base}/new_id", f"{info['vendor']} {info['device']}", may_exist=True):
        return False
    unbind = f"{PCI}/devices/{addr}/driver/unbind"
    if not write(host, unbind, addr) and os.path.isfile(host.path(unbind)):
        return False
    if not os.path.isdir(bound) and not write(host, f"{base}/bind", addr):
        return False
    return os.path.isdir(bound)


def reset(host, info):
    return write(host, f"{PCI}/devices/{info['name']}/reset", "1")


def write(host, shown, text, may_exist=False):
    """file_write: True, or False with a warning on stderr (silent if it can't be opened)."""
    try:
        fd = os.open(host.path(shown), os.O_WRONLY | os.O_TRUNC)
    except OSError:
        return False
    try:
        os.write(fd, text.encode())
        if not host.is_real:
            from . import fakesys  # the kernel's part of it, in a made-up tree
            fakesys.written(host, shown, text)
    except OSError as err:
        if may_exist and err.errno == errno.EEXIST:
            return True
        sys.stderr.write(f"error writing '{text}' to '{shown}': {err.strerror}\n")
        return False
    finally:
        os.close(fd)
    return True
