# SPDX-License-Identifier: GPL-2.0-or-later
"""The text of a guest's config (PVE/QemuServer.pm: parse_vm_config, write_vm_config)."""

import re
import sys

from .lazy import sha1

SKIP = ("digest", "description", "pending", "snapshots", "special-sections")


def parse(raw, vmid):
    if raw is None:
        return None
    conf = {"digest": sha1(raw.encode()).hexdigest(),
            "pending": {}, "snapshots": {}, "special-sections": {}}
    part, pending, comment = conf, False, []

    def finish():
        if comment:
            part["description"] = "\n".join(comment).rstrip()
            comment.clear()

    for line in raw.split("\n"):
        if not line.strip():
            continue
        head = re.fullmatch(r"\[([^\]]*)\]\s*", line)
        if head:
            finish()
            part, pending = _section(conf, head[1], vmid)
            continue
        if line.startswith("#"):
            comment.append(_decode(line[1:]))
            continue
        match = re.fullmatch(r"([a-z][a-z_\-]*\d*):\s*(.+?)\s*", line)
        if not match or (match[1] == "delete" and not pending):
            sys.stderr.write(f"vm {vmid} - unable to parse config: {line}\n")
        elif match[1] == "description":
            comment.append(_decode(match[2]))
        else:
            part[match[1]] = match[2]
    finish()
    return conf


def _decode(text):
    """PVE::Tools::decode_text"""
    return re.sub(r"%([0-9a-fA-F]{2})", lambda m: chr(int(m[1], 16)), text)


def _encode(text):
    """PVE::Tools::encode_text: controls, ':' and '%' become %XX"""
    return re.sub(r"[\x00-\x1f\x7f:%]", lambda m: f"%{ord(m[0]):02X}", text)


def _section(conf, name, vmid):
    if name.upper() == "PENDING":
        return conf["pending"], True
    if name.startswith("special:"):
        return conf["special-sections"].setdefault(name[8:], {}), False
    if not re.fullmatch(r"[a-z][a-z0-9_\-]+", name, re.I):
        sys.stderr.write(f"vm {vmid} - skipping unknown section: '{name}'\n")
        return {}, False
    return conf["snapshots"].setdefault(name, {}), False


def write(conf):
    out = _part(conf)
    if conf.get("pending"):
        out += "\n[PENDING]\n" + _part(conf["pending"])
    for name in sorted(conf.get("special-sections", {})):
        out += f"\n[special:{name}]\n" + _part(conf["special-sections"][name])
    for name in sorted(conf.get("snapshots", {})):
        out += f"\n[{name}]\n" + _part(conf["snapshots"][name])
    return out


def _part(part):
    out = ""
    for line in (part.get("description") or "").split("\n"):
        if line:
            out += "#" + _encode(line) + "\n"
    return out + "".join(f"{k}: {part[k]}\n" for k in sorted(part) if k not in SKIP)
