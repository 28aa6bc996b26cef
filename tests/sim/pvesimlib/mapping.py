# SPDX-License-Identifier: GPL-2.0-or-later
"""PVE/Mapping/PCI.pm and the hostpci part of PVE/QemuServer/PCI.pm."""

import re

from . import sysfs
from .cfs import PCI_CFG
from .errors import PveError
from .schema import HOSTPCI_FORMAT, MAP_FORMAT, BadFormat, parse_property_string

MAX_HOSTPCI = 16


def assert_valid(host, name, mapping, section):
    """assert_valid: the mapping's ids must be the hardware's, to the letter."""
    for index, path in enumerate(mapping["path"].split(";")):
        if not re.search(r"\.[a-f0-9]", path, re.I):
            path += ".0"
        info = sysfs.device_info(host, path, verbose=True)
        if not info:
            raise PveError(f"pci device '{path}' not found\n")
        expected = {"id": f"{info['vendor']}:{info['device']}",
                    "iommugroup": info.get("iommugroup"), "subsystem-id": None, "mdev": 0}
        if "subsystem_vendor" in info and "subsystem_device" in info:
            expected["subsystem-id"] = f"{info['subsystem_vendor']}:{info['subsystem_device']}"
        configured = {key: mapping.get(key) for key in ("id", "iommugroup", "subsystem-id")}
        configured["mdev"] = 1 if section.get("mdev") else 0
        for prop in sorted(expected):
            if prop == "iommugroup" and index > 0:
                continue
            _compare(name, path, prop, expected[prop], configured[prop])


def _compare(name, path, prop, want, have):
    if want is None and have is None:
        return
    if have is None:
        raise PveError(f"missing expected property '{prop}' for device '{path}'\n")
    if want is None:
        raise PveError(f"unexpected property '{prop}' configured for device '{path}'\n")
    want, have = str(want).replace("0x", ""), str(have).replace("0x", "")
    if want != have:
        raise PveError(f"'{prop}' does not match for '{name}' ({want} != {have})\n")


def node_mapping(cfg, name, node):
    """get_node_mapping: this node's entries, None if there is no such mapping."""
    if name not in cfg["ids"]:
        return None
    entries = []
    for text in cfg["ids"][name].get("map", []):
        try:
            entry = parse_property_string(MAP_FORMAT, text)
        except BadFormat:
            continue
        if entry["node"] == node:
            entries.append(entry)
    return entries


def parse_value(value):
    """parse_property_string for a hostpciN value."""
    try:
        return parse_property_string(HOSTPCI_FORMAT, value)
    except BadFormat as err:
        raise PveError(str(err)) from err


def parse_hostpci(host, cfs, value):
    """parse_hostpci: this is where pci.cfg is read - through this process's cache."""
    res = parse_value(value)
    raw, name = res.pop("host", None), res.pop("mapping", None)
    if raw is not None and name is not None:
        raise PveError("Cannot set both 'host' and 'mapping'.\n")
    if name:
        alternatives = _resolve(host, cfs, name)
    elif raw:
        alternatives = [raw.split(";")]
    else:
        raise PveError("Either 'host' or 'mapping' must be set.\n")
    if name and host.knob("live-flag") and \
            cfs.read(PCI_CFG)["ids"][name].get("live-migration-capable"):
        res["live-migration-capable"] = 1
    res["ids"] = []
    for alternative in alternatives:
        devices = []
        for addr in alternative:
            found = sysfs.lspci(host, addr)
            if not found:
                raise PveError(f"no PCI device found for '{addr}'\n")
            devices += [entry["id"] for entry in found]
        res["ids"].append(devices)
    return res


def _resolve(host, cfs, name):
    cfg = cfs.read(PCI_CFG)
    entries = node_mapping(cfg, name, host.nodename)
    if not entries:
        raise PveError(f"PCI device mapping not found for '{name}'\n")
    for entry in entries:
        try:
            assert_valid(host, name, entry, cfg["ids"][name])
        except PveError as err:
            raise PveError("PCI device mapping invalid (hardware probably changed): "
                           f"{err.text}\n") from err
    return [entry["path"].split(";") for entry in entries]


def is_q35(conf):
    return "q35" in conf.get("machine", "")


def parse_devices(host, cfs, conf):
    """parse_hostpci_devices"""
    devices = {}
    for index in range(MAX_HOSTPCI):
        key = f"hostpci{index}"
        if not conf.get(key):
            continue
        device = parse_hostpci(host, cfs, conf[key])
        if device.get("pcie") == "1" and not is_q35(conf):
            raise PveError("q35 machine model is not enabled at "
                           "/usr/share/perl5/PVE/QemuServer/PCI.pm line 510.\n")
        devices[key] = device
    return devices


def choose_devices(host, devices, vmid, dry_run=False):
    """choose_hostpci_devices: of several alternatives the first that can be reserved."""
    from . import reservations
    used = set()

    def take(addrs):
        for addr in addrs:
            if addr in used:
                raise PveError(f"device '{addr}' assigned more than once\n")
            used.add(addr)

    for key, device in devices.items():
        alternatives = device["ids"]
        if len(alternatives) == 1:
            device["ids"] = alternatives[0]
            take(device["ids"])
            continue
        for addrs in alternatives:
            if used.intersection(addrs):
                continue
            if not dry_run:
                try:
                    reservations.reserve(host, addrs, vmid, timeout=10)
                except PveError:
                    continue
            take(addrs)
            device["ids"] = addrs
            break
        else:
            raise PveError(f"could not find a free device for '{key}'\n")
    return devices


def device_arguments(conf, devices):
    """print_hostpci_devices: QEMU's -device arguments, bus addresses as PVE's tables."""
    slots = {0: (0, 16), 1: (0, 17), 2: (0, 27), 3: (0, 28)}
    out = []
    for key, device in devices.items():
        index = int(key[7:])
        if device.get("pcie") == "1":
            if index > 3:
                out += ["-device", f"pcie-root-port,id=ich9-pcie-port-{index + 1},addr="
                        f"{16 + (index - 4) // 8:x}.{(index - 4) % 8},x-speed=16,x-width=32,"
                        f"multifunction=on,bus=pcie.0,port={index + 1},chassis={index + 1}"]
            where = f",bus=ich9-pcie-port-{index + 1},addr=0x0"
        else:
            bus, slot = slots.get(index, (2, 9 + index))
            where = f",bus=pci.{bus},addr=0x{slot:x}"
        many = len(device["ids"]) > 1
        for number, addr in enumerate(device["ids"]):
            func = f".{number}" if many else ""
            live = ",enable-migration=on" if device.get("live-migration-capable") else ""
            text = f"vfio-pci,host={addr}{live},id={key}{func}{where}{func}"
            if number == 0:
                text += ",rombar=0" if device.get("rombar") == "0" else ""
                text += ",multifunction=on" if many else ""
            out += ["-device", text]
    return out
