# SPDX-License-Identifier: GPL-2.0-or-later
"""The REST calls (PVE/API2/...): who may, which parameters, what is done.

One Api lives in every process: in pveproxy, in each pvedaemon worker and in each qm.
"""

import re

from . import qemu
from .acl import Access
from .cfs import Cfs
from .errors import ApiError, PveError, perm_error
from .lifecycle import Lifecycle
from .schema import check_object
from .tasks import Runner
from .vmconfig import Configs

ROUTES = []


class Route:
    def __init__(self, method, template, func, **info):
        self.method = method
        self.template = template
        self.begin = template.partition("{")[0]
        self.regex = None
        self.func = func
        self.protected = info.get("protected", False)
        self.proxyto = info.get("proxyto")
        self.check = info.get("check")      # None: any user who is logged in
        self.schema = info.get("schema", {})

    def match(self, method, path):
        """Compiled where it may be the one: a qm wants one of them all."""
        if method != self.method or not path.startswith(self.begin):
            return None
        if not self.regex:
            names = "".join(f"(?P<{part[1:-1].replace('-', '_')}>[^/]+)" if part[0] == "{" else
                            re.escape(part) for part in re.split(r"(\{[^}]+\})", self.template) if part)
            self.regex = re.compile(names)
        return self.regex.fullmatch(path)


def route(method, template, **info):
    """Register a REST method. Path parameters become parameters like the others."""
    def register(func):
        ROUTES.append(Route(method, template, func, **info))
        return func
    return register


def find(method, path):
    for entry in ROUTES:
        match = entry.match(method, path)
        if match:
            return entry, match.groupdict()
    return None, None


class Counted(list):
    """A result with a 'total' beside its 'data' (set_result_attrib)."""

    def __init__(self, items, total):
        super().__init__(items)
        self.total = total


# -- permission templates, as in the 'permissions' of PVE's methods ----------------------------------------------------------------

def perm(template, privs, any_of=False):
    def check(access, who, param):
        path = re.sub(r"\{(\w+)\}", lambda m: str(param.get(m[1], "")), template)
        access.check(who, path, privs, any_of)
    return check


def any_perm(*checks):
    def check(access, who, param):
        for item in checks:
            try:
                return item(access, who, param)
            except ApiError:
                continue
        raise perm_error()  # 'or' names no path in its error
    return check


def all_perms(*checks):
    def check(access, who, param):
        for item in checks:
            item(access, who, param)
    return check


class Api:
    def __init__(self, host, cli=False):
        self.host = host
        self.cfs = Cfs(host)
        self.configs = Configs(host, self.cfs)
        self.vm = Lifecycle(host, self.cfs, self.configs)
        self.runner = Runner(host, cli)
        self.cli = cli
        self.user = "root@pam"
        self.access = None

    def init_request(self, user):
        """init_request: from here to the end of the request we know these versions."""
        self.user = user
        self.access = Access(self.host)
        self.cfs.update()

    def check_permissions(self, entry, param):
        if self.user != "root@pam" and entry.check:
            entry.check(self.access, self.user, param)

    def run(self, entry, param):
        """Parameters first, then the method itself."""
        param = normalize(param, entry.schema)
        errors = {}
        check_object(entry.schema, param, "", errors)
        if errors:
            raise ApiError("Parameter verification failed.\n", 400, errors)
        return entry.func(self, param)

    def task(self, kind, ident, func):
        return self.runner.fork_worker(kind, ident, self.user, func)

    def root_only(self, param, *names):
        for name in names:
            if param.get(name) and self.user != "root@pam":
                raise ApiError("Parameter verification failed.\n", 400,
                               {name: "Only root may use this option."})

    def vm_entry(self, vmid, conf, host=None, full=False):
        """One line of vmstatus, of a VM here or, as pvestatd tells it around, on that node. Only the
        full one asks QEMU's monitor."""
        host = host or self.host
        pid = qemu.running(host, vmid)
        entry = {"vmid": vmid, "status": "running" if pid else "stopped",
                 "name": conf.get("name") or f"VM {vmid}",
                 "cpus": int(conf.get("cores", 1)) * int(conf.get("sockets", 1)),
                 "maxmem": int(conf.get("memory", 512)) << 20, "maxdisk": 0, "disk": 0,
                 "mem": 0, "memhost": 0, "cpu": 0, "uptime": 0, "netin": 0, "netout": 0}
        entry["qmpstatus"] = entry["status"]
        if pid and full:
            entry["qmpstatus"] = qemu.run_state(host, vmid, pid)
        if pid:
            entry["pid"] = pid
        if conf.get("template") == "1":
            entry["template"] = 1
        for key in ("lock", "tags"):
            if conf.get(key):
                entry[key] = conf[key]
        return entry

    def nodes(self):
        return self.host.settings().get("nodes") or [self.host.nodename]

    def require_vm_unused(self, vmid):
        entry = self.cfs.vmlist.get(vmid)
        if entry:
            kind = "VM" if entry["type"] == "qemu" else "CT"
            raise PveError(f"{kind} {vmid} already exists on node '{entry['node']}'\n")


def normalize(param, schema):
    """PVE/RESTHandler.pm: a single value for an array, an array for a list."""
    res = dict(param)
    for key, value in param.items():
        prop = schema.get(key, {})
        if prop.get("type") == "array" and not isinstance(value, list):
            res[key] = [value]
        elif isinstance(value, list) and prop.get("list"):
            res[key] = ",".join(value)
        elif value is None:
            del res[key]
    return res


def load_routes():
    """The methods register themselves when their modules are loaded."""
    from . import api_cluster, api_config, api_node, api_qemu  # noqa: F401
