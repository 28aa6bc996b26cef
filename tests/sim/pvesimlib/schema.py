# SPDX-License-Identifier: GPL-2.0-or-later
"""PVE/JSONSchema.pm: property strings and parameters, with PVE's own error texts."""

import re

CONFIGID = r"[a-zA-Z][a-zA-Z0-9_-]+"
NODE = r"[a-zA-Z0-9]([a-zA-Z0-9\-]*[a-zA-Z0-9])?"
PCI_ADDR = r"(?:[a-f0-9]{4,}:)?[a-f0-9]{2}:[a-f0-9]{2}(?:\.[a-f0-9])?"
PCI_FULL = r"[a-f0-9]{4,}:[a-f0-9]{2}:[a-f0-9]{2}(?:.[a-f0-9])?"
HEX4 = r"0x[0-9a-fA-F]{4}"
ID_PAIR = r"[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}"


class BadFormat(Exception):
    """A value that breaks its format. str() is what Perl's $@ would be."""


def configid(value):
    if not re.fullmatch(CONFIGID, value):
        raise BadFormat(f"invalid configuration ID '{value}'\n")


def configid_list(value):
    for item in split_list(value):
        configid(item)


def node_name(value):
    if not re.fullmatch(NODE, value):
        raise BadFormat("value does not look like a valid node name\n")


def vm_id(value):
    if not re.fullmatch(r"[1-9][0-9]{2,8}", value):
        raise BadFormat("value does not look like a valid VM ID\n")


def split_list(text):
    return [item for item in re.split(r"[,;\s\0]+", text or "") if item]


# PVE/Mapping/PCI.pm: map_fmt
MAP_FORMAT = {
    "node": {"format": node_name},
    "id": {"pattern": ID_PAIR},
    "subsystem-id": {"pattern": ID_PAIR, "optional": 1},
    "path": {"pattern": f"(?:{PCI_FULL};)*{PCI_FULL}"},
    "iommugroup": {"type": "integer", "optional": 1},
    "description": {"optional": 1, "max": 4096},
}

# PVE/QemuServer/PCI.pm: hostpci_fmt
HOSTPCI_FORMAT = {
    "host": {"pattern": f"{PCI_ADDR}(;{PCI_ADDR})*", "optional": 1, "default_key": 1},
    "mapping": {"format": configid, "optional": 1},
    "rombar": {"type": "boolean", "optional": 1},
    "romfile": {"pattern": "[^,;]+", "optional": 1},
    "pcie": {"type": "boolean", "optional": 1},
    "x-vga": {"type": "boolean", "optional": 1},
    "legacy-igd": {"type": "boolean", "optional": 1},
    "mdev": {"pattern": r"[^/\.:]+", "optional": 1},
    "vendor-id": {"pattern": HEX4, "optional": 1},
    "device-id": {"pattern": HEX4, "optional": 1},
    "sub-vendor-id": {"pattern": HEX4, "optional": 1},
    "sub-device-id": {"pattern": HEX4, "optional": 1},
    "driver": {"optional": 1, "enum": ["vfio", "keep"]},
}


def _boolean(value):
    if re.fullmatch(r"1|on|yes|true", value, re.I):
        return "1"
    if re.fullmatch(r"0|off|no|false", value, re.I):
        return "0"
    return value


def parse_property_string(fmt, text, path=""):
    """parse_property_string: 'a,b=c' -> dict; BadFormat with PVE's words if it breaks fmt."""
    res = {}
    default = None
    for part in text.split(","):
        if not part.strip():
            continue
        match = re.fullmatch(r"([^=]+)=(.+)", part, re.S)
        if match:
            key, value = match[1], match[2]
            if key in res:
                raise BadFormat(f"duplicate key in comma-separated list property: {key}\n")
            if key not in fmt:
                raise BadFormat(f"invalid key in comma-separated list property: {key}\n")
        elif "=" in part:
            raise BadFormat("missing key in comma-separated list property\n")
        else:
            key = next((k for k, v in fmt.items() if v.get("default_key")), None)
            if default or (key and key in res):
                raise BadFormat(f"duplicate key in comma-separated list property: {key}\n")
            if not key:
                raise BadFormat("value without key, but schema does not define a default key\n")
            default, value = key, part
        res[key] = _boolean(value) if fmt[key].get("type") == "boolean" else value
    errors = {}
    check_object(fmt, res, path, errors)
    if errors:
        # PVE::Exception stringified: the message, then one line per error
        raise BadFormat("format error\n" + "".join(f"{k}: {v}\n" for k, v in errors.items()))
    return res


def check_format(fmt, value, path):
    if callable(fmt):
        fmt(value)
    else:
        parse_property_string(fmt, value, path)


def check_object(schema, values, path, errors):
    for key, prop in schema.items():
        _check_prop(prop, values.get(key), f"{path}.{key}" if path else key, errors)
    for key in values:
        if key not in schema:
            errors[f"{path}.{key}" if path else key] = (
                "property is not defined in schema and the schema does not allow "
                "additional properties")


def _check_prop(prop, value, path, errors):
    if value is None:
        if not prop.get("optional"):
            errors[path] = "property is missing and it is not optional"
        return
    kind = prop.get("type", "string")
    if kind == "array":
        if not isinstance(value, list):
            errors[path] = "type check ('array') failed"
            return
        for index, item in enumerate(value):
            _check_prop(prop["items"], item, f"{path}[{index}]", errors)
        return
    if isinstance(value, (list, dict)):
        got = "ARRAY" if isinstance(value, list) else "HASH"
        errors[path] = f"type check ('{kind}') failed - got {got}"
        return
    if isinstance(value, bool):
        value = int(value)
    text = str(value)
    if (kind == "boolean" and text not in ("0", "1")) or (
            kind == "integer" and not re.fullmatch(r"[+-]?\d+", text)):
        errors[path] = f"type check ('{kind}') failed - got '{text}'"
        return
    problem = _check_value(prop, text, path)
    if problem:
        errors[path] = problem


def _check_value(prop, text, path):
    if "format" in prop:
        try:
            check_format(prop["format"], text, path)
        except BadFormat as err:
            return f"invalid format - {err}"
    if "pattern" in prop and not re.fullmatch(prop["pattern"], text):
        return "value does not match the regex pattern"
    if "max" in prop and len(text) > prop["max"]:
        return f"value may only be {prop['max']} characters long"
    if "minimum" in prop and int(text) < prop["minimum"]:
        return f"value must have a minimum value of {prop['minimum']}"
    if "maximum" in prop and int(text) > prop["maximum"]:
        return f"value must have a maximum value of {prop['maximum']}"
    if "enum" in prop and text not in prop["enum"]:
        listed = ", ".join(prop["enum"])
        return f"value '{text}' does not have a value in the enumeration '{listed}'"
    return None
