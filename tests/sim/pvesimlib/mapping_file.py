# SPDX-License-Identifier: GPL-2.0-or-later
"""/etc/pve/mapping/pci.cfg, a section config (PVE/SectionConfig.pm, PVE/Mapping/PCI.pm)."""

import re
import sys

from .errors import PveError
from .lazy import sha1
from .schema import CONFIGID, MAP_FORMAT, BadFormat, check_format

# required options come first in the file, then the others by name (write_config)
ORDER = ("map", "description", "live-migration-capable", "mdev")
BOOLEANS = ("live-migration-capable", "mdev")


def parse(raw):
    raw = raw or ""
    cfg = {"ids": {}, "order": {}, "digest": sha1(raw.encode()).hexdigest()}
    section = None
    for number, line in enumerate(raw.split("\n"), 1):
        if re.match(r"\s*#", line):
            continue
        if not line:
            section = None
            continue
        if section is None:
            section = _header(cfg, line, number)
        else:
            _option(section, line, number)
    for name in list(cfg["ids"]):
        cfg["ids"][name].pop("_skip", None)
    return cfg


def _header(cfg, line, number):
    match = re.fullmatch(r"(\S+)\s*", line)
    if not match:
        _warn(f"line {number} - ignore config line: {line}")
        return None
    name = match[1]
    section = {"type": "pci"}
    if not re.fullmatch(CONFIGID, name):
        _warn(f"line {number} (skip section '{name}'): invalid configuration ID '{name}'")
        return section  # read on, but keep nothing of it
    cfg["ids"][name] = section
    cfg["order"].setdefault(name, len(cfg["order"]) + 1)
    return section


def _option(section, line, number):
    match = re.fullmatch(r"\s+(\S+)(\s+(.*\S))?\s*", line)
    if not match:
        _warn(f"line {number} - ignore config line: {line}")
        return
    key, value = match[1], match[3] or ""
    if key not in ORDER:
        _warn(f"line {number} - unable to parse value of '{key}': unexpected property '{key}'")
    elif key == "map":
        try:
            check_format(MAP_FORMAT, value, "")
        except BadFormat as err:
            _warn(f"line {number} - unable to parse value of 'map': {err}")
        else:
            section.setdefault("map", []).append(value)
    elif key in section:
        _warn(f"line {number} - unable to parse value of '{key}': duplicate attribute")
    else:
        # a boolean without a value is true (check_value)
        section[key] = int(match[3] in (None, "1")) if key in BOOLEANS else value


def _warn(text):
    sys.stderr.write(f"file /etc/pve/mapping/pci.cfg {text}\n")


def write(cfg):
    order = cfg["order"]
    for name in cfg["ids"]:
        if name not in order:
            order[name] = max(order.values(), default=0) + 1
    out = []
    for name in sorted(cfg["ids"], key=order.get):
        section = cfg["ids"][name]
        if "map" not in section:
            raise PveError(f"section '{name}' - missing value for required option 'map'\n")
        out.append(f"{name}\n")
        for key in ORDER:
            if key == "map":
                out += [f"\tmap {entry}\n" for entry in section["map"]]
            elif section.get(key) is not None:
                out.append(f"\t{key} {section[key]}\n")
        out.append("\n")
    return "".join(["\n"] * bool(out) + out)
