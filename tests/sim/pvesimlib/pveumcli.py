# SPDX-License-Identifier: GPL-2.0-or-later
"""pveum and pvesm: the commands that an installer needs (PVE/CLI/pveum.pm, PVE/CLI/pvesm.pm)."""

import json
import os
import re
import sys

from .acl import ALL_PRIVS, Access
from .errors import PveError, error_text, param_error
from .host import Host, read_text, write_atomic
from .qmcli import parse

FORMAT = "output-format"
DIR_TYPES = ("dir", "nfs", "cifs", "cephfs", "btrfs")


def split_list(text):
    return [item for item in re.split(r"[\s,;]+", text or "") if item]


def options(args, plain, known):
    """get_options: what is not in the schema is refused."""
    param = parse(args, plain)
    bad = {key: "property is not defined in schema and the schema does not allow "
                "additional properties" for key in param if key not in (*plain, *known)}
    if bad:
        raise param_error(bad)
    return param


def emit(data, param):
    """print_api_result. The text tables are drawn with lines; here they are plain."""
    form = param.get(FORMAT, "text")
    if form == "json":
        print(json.dumps(data, sort_keys=True, separators=(",", ":")))
    elif form == "json-pretty":
        print(json.dumps(data, sort_keys=True, indent=3))
    else:
        for entry in data if isinstance(data, list) else [data]:
            print("  ".join(f"{k}={v}" for k, v in sorted(entry.items())))


def writable(host, what):
    """cfs_lock_file"""
    if not host.knob("quorum"):
        raise PveError(f"{what}: cfs-lock 'file-user_cfg' error: no quorum!\n")


# -- pveum ------------------------------------------------------------------------


def check_privs(text):
    privs = split_list(text)
    for priv in privs:
        if priv not in ALL_PRIVS:
            raise PveError(f"invalid privilege '{priv}'\n")
    return set(privs)


def role_list(access, args):
    param = options(args, [], [FORMAT])
    emit([{"roleid": role, "privs": ",".join(sorted(privs)),
           "special": int(role in ("Administrator", "NoAccess"))}
          for role, privs in access.roles.items()], param)


def role_add(access, args):
    param = options(args, ["roleid"], ["privs"])
    role = param["roleid"]
    if role.upper().startswith("PVE"):
        raise param_error({"roleid": "cannot use role ID starting with the (case-insensitive) "
                                     "'PVE' namespace"})
    writable(access.host, "create role failed")
    if role in access.roles:
        raise PveError(f"create role failed: role '{role}' already exists\n")
    access.roles[role] = check_privs(param.get("privs"))
    access.save()


def role_modify(access, args):
    param = options(args, ["roleid"], ["privs", "append"])
    role = param["roleid"]
    writable(access.host, "update role failed")
    if role not in access.roles:
        raise PveError(f"update role failed: role '{role}' does not exist\n")
    old = access.roles[role] if param.get("append") == "1" else set()
    access.roles[role] = old | check_privs(param.get("privs"))
    access.save()


def role_delete(access, args):
    role = options(args, ["roleid"], [])["roleid"]
    writable(access.host, "delete role failed")
    if role not in access.roles:
        raise PveError(f"delete role failed: role '{role}' does not exist\n")
    del access.roles[role]
    access.save()


def check_user(user):
    if not re.fullmatch(r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+", user):
        raise param_error({"userid": f"invalid format - value '{user}' does not look like a "
                                     "valid user name\n"})


def user_list(access, args):
    param = options(args, [], [FORMAT, "full", "enabled"])
    emit([{"userid": user, "enable": int(on), "expire": 0}
          for user, on in sorted(access.users.items())], param)


def user_add(access, args):
    param = options(args, ["userid"], ["comment", "enable"])
    user = param["userid"]
    check_user(user)
    writable(access.host, "create user failed")
    if user in access.users:
        raise PveError(f"create user failed: user '{user}' already exists\n")
    access.users[user] = param.get("enable", "1") == "1"
    access.comments[user] = param.get("comment", "")
    access.save()


def user_modify(access, args):
    param = options(args, ["userid"], ["comment", "enable"])
    user = param["userid"]
    writable(access.host, "modify user failed")
    if user not in access.users:
        raise PveError(f"modify user failed: no such user ('{user}')\n")
    if "enable" in param:
        access.users[user] = param["enable"] == "1"
    access.save()


def user_delete(access, args):
    """Its tokens go with it, their secrets in token.cfg stay behind, as in PVE."""
    user = options(args, ["userid"], [])["userid"]
    writable(access.host, "delete user failed")
    access.users.pop(user, None)
    access.comments.pop(user, None)
    for token in [t for t in access.tokens if t.split("!")[0] == user]:
        del access.tokens[token]
    for entries in access.acl.values():
        entries.pop(user, None)
    access.save()


def user_tokens(access, user):
    if user not in access.users:
        raise PveError(f"no such user ('{user}')\n")
    return {t.split("!")[1]: sep for t, sep in access.tokens.items() if t.split("!")[0] == user}


def token_list(access, args):
    param = options(args, ["userid"], [FORMAT])
    emit([{"tokenid": name, "privsep": str(int(sep)), "expire": access.expires.get(f"{param['userid']}!{name}", 0)}
          for name, sep in user_tokens(access, param["userid"]).items()], param)


def token_add(access, args):
    param = options(args, ["userid", "tokenid"], [FORMAT, "privsep", "comment", "expire"])
    user, name = param["userid"], param["tokenid"]
    if name in user_tokens(access, user):
        raise param_error({"tokenid": "Token already exists."})
    writable(access.host, "generating token failed")
    info = {"privsep": param.get("privsep", "1")}
    if param.get("comment"):
        info["comment"] = param["comment"]
    full = f"{user}!{name}"
    access.comments[full] = param.get("comment", "")
    secret = access.add_token(full, info["privsep"] == "1")
    access.save()
    emit({"info": info, "value": secret, "full-tokenid": full}, param)


def token_modify(access, args):
    param = options(args, ["userid", "tokenid"], [FORMAT, "expire"])
    user, name = param["userid"], param["tokenid"]
    if name not in user_tokens(access, user):
        raise PveError(f"no such token '{name}' for user '{user}'\n")
    writable(access.host, "modify token failed")
    if "expire" in param:
        access.expires[f"{user}!{name}"] = int(param["expire"])
    access.save()


def token_delete(access, args):
    param = options(args, ["userid", "tokenid"], [FORMAT])
    user, name = param["userid"], param["tokenid"]
    if name not in user_tokens(access, user):
        raise PveError(f"no such token '{name}' for user '{user}'\n")
    writable(access.host, "deleting token failed")
    access.remove_token(f"{user}!{name}")
    access.save()


def acl_list(access, args):
    param = options(args, [], [FORMAT])
    emit([{"path": path, "type": "token" if "!" in who else "user", "ugid": who,
           "roleid": role, "propagate": int(prop)}
          for path, entries in sorted(access.acl.items())
          for who, roles in sorted(entries.items())
          for role, prop in sorted(roles.items())], param)


def acl_change(access, args, delete):
    param = options(args, ["path"], ["users", "tokens", "roles", "propagate"])
    path = param["path"]
    if not param.get("users") and not param.get("tokens"):
        text = "either 'users', 'groups' or 'tokens' is required."
        raise param_error({key: text for key in ("users", "groups", "tokens")})
    if "roles" not in param:
        raise param_error({"roles": "property is missing and it is not optional"})
    if not re.match(r"/(vms|mapping/(pci|usb|dir)|nodes|storage|access|pool|sdn|)(/|$)", path):
        raise param_error({"path": f"invalid ACL path '{path}'"})
    writable(access.host, "ACL update failed")
    for role in split_list(param["roles"]):
        if role not in access.roles:
            raise PveError(f"ACL update failed: role '{role}' does not exist\n")
        for who in split_list(param.get("users")) + split_list(param.get("tokens")):
            if who not in access.users and who not in access.tokens:
                raise PveError(f"ACL update failed: user '{who}' does not exist\n")
            entry = access.acl.setdefault(path, {}).setdefault(who, {})
            if delete:
                entry.pop(role, None)
            else:
                entry[role] = param.get("propagate", "1") == "1"
            if not entry:
                del access.acl[path][who]
    access.save()


PVEUM = {
    ("role", "list"): role_list, ("role", "add"): role_add, ("role", "modify"): role_modify,
    ("role", "delete"): role_delete, ("user", "list"): user_list, ("user", "add"): user_add,
    ("user", "modify"): user_modify, ("user", "token", "modify"): token_modify,
    ("user", "delete"): user_delete, ("user", "token", "list"): token_list,
    ("user", "token", "add"): token_add, ("user", "token", "delete"): token_delete,
    ("user", "token", "remove"): token_delete, ("acl", "list"): acl_list,
    ("acl", "modify"): lambda access, args: acl_change(access, args, False),
    ("acl", "delete"): lambda access, args: acl_change(access, args, True),
}


# -- pvesm ------------------------------------------------------------------------


def storages(host):
    """storage.cfg: name -> {type, key: value}, in the file's order."""
    res, now = {}, None
    for line in (read_text(host.pve("storage.cfg")) or "").splitlines():
        head = re.fullmatch(r"([a-z]+): (\S+)", line)
        if head:
            now = res.setdefault(head[2], {"type": head[1]})
        elif line.strip() and now is not None:
            key, _sep, value = line.strip().partition(" ")
            now[key] = value
    return res


def storage_of(host, name):
    try:
        return storages(host)[name]
    except KeyError:
        raise PveError(f"storage '{name}' does not exist\n") from None


def sm_path(host, args):
    volume = options(args, ["volume"], [])["volume"]
    name, sep, rest = volume.partition(":")
    if not sep:
        raise PveError(f"unable to parse volume ID '{volume}'\n")
    conf = storage_of(host, name)
    if conf["type"] not in DIR_TYPES:
        raise PveError(f"unable to parse {conf['type']} volume name '{rest}'\n")
    if not re.fullmatch(r"snippets/[^/]+", rest):
        raise PveError(f"unable to parse directory volume name '{rest}'\n")
    dirs = dict(item.split("=", 1) for item in split_list(conf.get("content-dirs")))
    base = conf.get("path") or f"/mnt/pve/{name}"
    print(f"{base}/{dirs.get('snippets', 'snippets')}/{rest.split('/')[1]}")


def sm_set(host, args):
    param = options(args, ["storage"], ["content"])
    confs = storages(host)
    conf = storage_of(host, param["storage"])
    if not host.knob("quorum"):
        raise PveError("update storage failed: cfs-lock 'file-storage_cfg' error: no quorum!\n")
    if "content" in param:
        conf["content"] = ",".join(split_list(param["content"])) or "none"
    confs[param["storage"]] = conf
    out = ""
    for name, entry in confs.items():
        out += f"{entry['type']}: {name}\n"
        out += "".join(f"\t{k} {v}".rstrip() + "\n" for k, v in entry.items() if k != "type")
        out += "\n"
    write_atomic(host.pve("storage.cfg"), out)


def sm_status(host, args):
    param = options(args, [], ["content", "storage", "enabled"])
    rows = []
    for name, conf in sorted(storages(host).items()):
        have = split_list(conf.get("content"))
        if all(c in have for c in split_list(param.get("content"))) and \
                param.get("storage", name) == name:
            rows.append((name, conf["type"]))
    width = max([len(name) for name, _type in rows], default=0) + 1
    line = "%-" + str(width) + "s %10s %10s %15s %15s %15s %8s"
    print(line % ("Name", "Type", "Status", "Total (KiB)", "Used (KiB)", "Available (KiB)", "%"))
    for name, kind in rows:
        print(line % (name, kind, "active", 0, 0, 0, "   0.00%"))


PVESM = {("path",): sm_path, ("set",): sm_set, ("status",): sm_status}


def main(argv, tool, table):
    """Options before the command: --root DIR."""
    root = os.environ.get("PVESIM_ROOT", "/")
    if argv and argv[0] == "--root":
        root, argv = argv[1], argv[2:]
    host = Host(root)
    for words in (3, 2, 1):
        func = table.get(tuple(argv[:words]))
        if func is None:
            continue
        try:
            func(Access(host) if tool == "pveum" else host, argv[words:])
            return 0
        except PveError as err:
            sys.stderr.write(error_text(err))
            return 255
    sys.stderr.write(f"ERROR: unknown command '{tool} {' '.join(argv)}'\n"
                     f"{tool} <COMMAND> [ARGS] [OPTIONS]\n")
    return 255
