# SPDX-License-Identifier: GPL-2.0-or-later
"""Users, tokens and ACLs in PVE's own files (PVE/AccessControl.pm, PVE/RPCEnvironment.pm)."""

import re
import time

from .errors import PveError, perm_error
from .host import read_text, write_atomic
from .lazy import sha1, urllib_parse

ALL_PRIVS = """
Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit
Group.Allocate Mapping.Audit Mapping.Modify Mapping.Use Permissions.Modify Pool.Allocate
Pool.Audit Realm.Allocate Realm.AllocateUser SDN.Allocate SDN.Audit SDN.Use
Sys.AccessNetwork Sys.Audit Sys.Console Sys.Incoming Sys.Modify Sys.PowerMgmt Sys.Syslog
User.Modify VM.Allocate VM.Audit VM.Backup VM.Clone VM.Config.CDROM VM.Config.CPU
VM.Config.Cloudinit VM.Config.Disk VM.Config.HWType VM.Config.Memory VM.Config.Network
VM.Config.Options VM.Console VM.Migrate VM.PowerMgmt VM.Replicate VM.Snapshot
VM.Snapshot.Rollback
""".split()

TOP_PATHS = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")


class Access:
    """user.cfg and priv/token.cfg. Read anew for each request: tests change them."""

    def __init__(self, host):
        self.host = host
        self.users = {"root@pam": True}
        self.tokens = {}   # 'user@realm!id' -> privsep
        self.expires = {}  # token -> epoch seconds
        self.roles = {"Administrator": set(ALL_PRIVS), "NoAccess": set()}
        self.acl = {}      # path -> {user or token: {role: propagate}}
        self.comments = {}  # user or token -> text
        self._load()

    # -- the files ------------------------------------------------------------

    def _load(self):
        for line in (read_text(self.host.pve("user.cfg")) or "").splitlines():
            f = line.split(":")
            if f[0] == "user":
                self.users[f[1]] = f[2] == "1"
                self.comments[f[1]] = urllib_parse.unquote("".join(f[7:8]))
            elif f[0] == "token":
                self.tokens[f[1]] = f[3] == "1"
                if int(f[2] or 0):
                    self.expires[f[1]] = int(f[2])
                self.comments[f[1]] = urllib_parse.unquote("".join(f[4:5]))
            elif f[0] == "role":
                self.roles[f[1]] = set(filter(None, f[2].split(",")))
            elif f[0] == "acl":
                for who in f[3].split(","):
                    entry = self.acl.setdefault(f[2], {}).setdefault(who, {})
                    for role in f[4].split(","):
                        entry[role] = f[1] == "1"

    def save(self):
        out = [f"user:{u}:{int(on)}:0::::{self._comment(u)}::\n"
               for u, on in sorted(self.users.items())]
        out += [f"token:{t}:{self.expires.get(t, 0)}:{int(sep)}:{self._comment(t)}:\n"
                for t, sep in sorted(self.tokens.items())]
        out.append("\n")
        out += [f"role:{r}:{','.join(sorted(p))}:\n" for r, p in sorted(self.roles.items())
                if r not in ("Administrator", "NoAccess")]
        out.append("\n")
        for path, entries in sorted(self.acl.items()):
            for who, roles in sorted(entries.items()):
                out += [f"acl:{int(prop)}:{path}:{who}:{role}:\n"
                        for role, prop in sorted(roles.items())]
        write_atomic(self.host.pve("user.cfg"), "".join(out))

    def _comment(self, who):
        return urllib_parse.quote(self.comments.get(who, ""), safe=" '")

    def secrets(self):
        text = read_text(self.host.pve("priv/token.cfg")) or ""
        return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)

    # -- changes ----------------------------------------------------------------

    def add_token(self, token, privsep, secret=None):
        user = token.split("!")[0]
        self.users.setdefault(user, True)
        self.tokens[token] = privsep
        secrets = self.secrets()
        secrets[token] = secret or (read_text("/proc/sys/kernel/random/uuid") or "").strip()
        self._write_secrets(secrets)
        return secrets[token]

    def _write_secrets(self, secrets):
        write_atomic(self.host.pve("priv/token.cfg"),
                     "".join(f"{t} {s}\n" for t, s in sorted(secrets.items())), 0o600)

    def remove_token(self, token):
        self.tokens.pop(token, None)
        self.expires.pop(token, None)
        self.comments.pop(token, None)
        secrets = self.secrets()
        if secrets.pop(token, None):
            self._write_secrets(secrets)
        for entries in self.acl.values():
            entries.pop(token, None)

    def grant(self, path, who, privs, propagate=True):
        """Replace what 'who' has on the path by exactly these privileges."""
        unknown = [p for p in privs if p not in ALL_PRIVS and p not in self.roles]
        if unknown:
            raise PveError(f"invalid privilege '{unknown[0]}'\n")
        if list(privs) in (["Administrator"], ["NoAccess"]):
            role = privs[0]
        else:
            role = "sim-" + sha1(",".join(sorted(privs)).encode()).hexdigest()[:8]
            self.roles[role] = set(privs)
        self.acl.setdefault(path, {})[who] = {role: propagate}

    def revoke(self, path, who, privs):
        """Take privileges away; none named: the whole entry."""
        entry = self.acl.get(path, {}).get(who)
        if entry is None:
            raise PveError(f"no ACL for '{who}' on '{path}'\n")
        left = set().union(*(self.roles[r] for r in entry)) - set(privs) if privs else set()
        propagate = any(entry.values())
        if left:
            self.grant(path, who, sorted(left), propagate)
        else:
            del self.acl[path][who]

    # -- checks -------------------------------------------------------------------

    def verify_token(self, header):
        """verify_token: 'user@realm!id=secret' -> the token's name, or PveError."""
        match = re.fullmatch(r"(.*)=(.*)", header or "")
        if not match or "!" not in match[1]:
            raise PveError("no tokenid specified\n")
        token = match[1]
        if token not in self.tokens or not self.users.get(token.split("!")[0]):
            raise PveError("no such token\n")
        if 0 < self.expires.get(token, 0) <= time.time():
            raise PveError(f"token '{token}' access expired\n")
        if self.secrets().get(token) != match[2]:
            raise PveError("invalid token value!\n")
        return token

    def _roles(self, who, path):
        """roles: walk down the path; a level with an entry replaces what came before."""
        roles = {}
        walked = ""
        parts = [p for p in path.split("/") if p]
        for index in range(len(parts) + 1):
            walked = "/" + "/".join(parts[:index])
            final = index == len(parts)
            entry = self.acl.get(walked, {}).get(who, {})
            new = {role: prop for role, prop in entry.items() if final or prop}
            if new:
                roles = new
        return {"NoAccess": roles["NoAccess"]} if "NoAccess" in roles else roles

    def permissions(self, who, path):
        """permissions: privilege -> propagate flag."""
        if who == "root@pam":
            return {priv: 1 for priv in ALL_PRIVS}
        if "!" in who:
            user = who.split("!")[0]
            if who not in self.tokens:
                return {}
            if not self.tokens[who]:
                return self.permissions(user, path)
        privs = {}
        for role, prop in self._roles(who, path).items():
            for priv in self.roles.get(role, ()):
                privs[priv] = int(bool(privs.get(priv)) or prop)
        if "!" in who and user != "root@pam":
            # a token with privilege separation has what both it and its user have
            limit = self.permissions(user, path)
            privs = {p: int(v and limit[p]) for p, v in privs.items() if p in limit}
        return privs

    def effective(self, who):
        """get_effective_permissions"""
        res = {}
        for path in sorted(set(TOP_PATHS) | set(self.acl)):
            privs = self.permissions(who, path)
            if privs:
                res[path] = privs
        return res

    def has(self, who, path, privs, any_of=False):
        have = self.permissions(who, path)
        test = any if any_of else all
        return test(priv in have for priv in privs)

    def check(self, who, path, privs, any_of=False):
        """check_full: 403 with the path and the privilege that is missing."""
        have = self.permissions(who, path)
        if any_of:
            if not any(priv in have for priv in privs):
                raise perm_error(f"{path}, {'|'.join(privs)}")
            return
        for priv in privs:
            if priv not in have:
                raise perm_error(f"{path}, {priv}")
