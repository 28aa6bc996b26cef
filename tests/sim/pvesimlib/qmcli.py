# SPDX-License-Identifier: GPL-2.0-or-later
"""qm: root@pam in a fresh process, with nothing in its caches (PVE/CLI/qm.pm)."""

import os
import sys

from . import qemu, tasks
from .api import Api, find, load_routes
from .errors import ApiError, PveError, error_text
from .host import Host
from .vmconfig import parse_delete

USAGE = "usage: qm [--root DIR] <COMMAND> [ARGS] [OPTIONS]\n"

# command: method, path below /nodes/{node}, names of the plain arguments, is it a task
CALLS = {
    "start": ("POST", "/qemu/{vmid}/status/start", ["vmid"], True),
    "stop": ("POST", "/qemu/{vmid}/status/stop", ["vmid"], True),
    "shutdown": ("POST", "/qemu/{vmid}/status/shutdown", ["vmid"], True),
    "reboot": ("POST", "/qemu/{vmid}/status/reboot", ["vmid"], True),
    "set": ("PUT", "/qemu/{vmid}/config", ["vmid"], False),
    "create": ("POST", "/qemu", ["vmid"], True),
    "clone": ("POST", "/qemu/{vmid}/clone", ["vmid", "newid"], True),
    "destroy": ("DELETE", "/qemu/{vmid}", ["vmid"], True),
    "template": ("POST", "/qemu/{vmid}/template", ["vmid"], False),
    "config": ("GET", "/qemu/{vmid}/config", ["vmid"], False),
    "pending": ("GET", "/qemu/{vmid}/pending", ["vmid"], False),
    "list": ("GET", "/qemu", [], False),
    "migrate": ("POST", "/qemu/{vmid}/migrate", ["vmid", "target"], True),
    "resume": ("POST", "/qemu/{vmid}/status/resume", ["vmid"], True),
}
BOOLEANS = {"skiplock", "force", "forceStop", "keepActive", "purge", "full", "current", "start",
            "onboot", "template", "protection", "overrule-shutdown", "verbose", "pretty", "online", "nocheck",
            "with-local-disks", "with-conntrack-state", "restart", "unique"}


def main(argv):
    root = os.environ.get("PVESIM_ROOT", "/")
    while argv and argv[0].split("=")[0] == "--root":
        root = argv[0].split("=", 1)[1] if "=" in argv[0] else argv[1]
        argv = argv[1 if "=" in argv[0] else 2:]
    if not argv:
        sys.stderr.write("ERROR: no command specified\n" + USAGE)
        return 255
    # CLIHandler.pm: the PATH is PVE's own, the rest of the environment is the caller's
    os.environ["PATH"] = "/sbin:/bin:/usr/sbin:/usr/bin"
    host = Host(root)
    load_routes()
    api = Api(host, cli=True)
    try:
        api.init_request("root@pam")
        return run(api, argv[0], argv[1:])
    except ApiError as err:
        sys.stderr.write(error_text(err) + (f"qm {argv[0]} ...\n" if err.code == 400 else ""))
    except PveError as err:
        sys.stderr.write(err.text)
    return 255  # Perl's die outside of everything


def run(api, name, args):
    if name in CALLS:
        method, path, plain, is_task = CALLS[name]
        param = parse(args, plain)
        entry, _uri = find(method, "/nodes/x" + path.replace("{vmid}", "1"))
        res = api.run(entry, {"node": api.host.nodename, **param})
        if is_task:
            return 255 if tasks.is_error(tasks.status(api.host, res)) else 0
        show = SHOW.get(name)
        if show:
            show(res)
        return 0
    if name in OTHERS:
        return OTHERS[name](api, args) or 0
    sys.stderr.write(f"ERROR: unknown command 'qm {name}'\n" + USAGE)
    return 255


def parse(args, plain):
    """Getopt as PVE uses it: -opt value, --opt value, --opt=value, plain ones in order."""
    param, left = {}, list(plain)
    args = list(args)
    while args:
        arg = args.pop(0)
        if not arg.startswith("-") or arg == "-":
            if not left:
                raise ApiError("too many arguments\n", 400)
            param[left.pop(0)] = arg
            continue
        key, sep, value = arg.lstrip("-").partition("=")
        if not sep:
            if key in BOOLEANS and (not args or args[0] not in ("0", "1")):
                value = "1"
            elif args:
                value = args.pop(0)
            else:
                raise ApiError(f"Option {key} requires an argument\n", 400)
        param[key] = value
    if left:
        raise ApiError("not enough arguments\n", 400)
    return param


def show_config(res):
    for key in sorted(res):
        if key != "digest":
            print(f"{key}: {res[key]}")


def show_pending(res):
    """format_pending"""
    for item in sorted(res, key=lambda i: i["key"]):
        key = item["key"]
        if key == "digest":
            continue
        if "value" in item:
            print(f"{'del' if item.get('delete') else 'cur'} {key}: {item['value']}")
        if "pending" in item and not item.get("delete"):
            print(f"new {key}: {item['pending']}")


def show_list(res):
    if not res:
        return
    print("%10s %-20s %-10s %-10s %12s %-10s" % (
        "VMID", "NAME", "STATUS", "MEM(MB)", "BOOTDISK(GB)", "PID"))
    for vm in sorted(res, key=lambda v: v["vmid"]):
        print("%10s %-20s %-10s %-10s %12.2f %-10s" % (
            vm["vmid"], vm["name"], vm["qmpstatus"], vm["maxmem"] >> 20, 0, vm.get("pid", 0)))


SHOW = {"config": show_config, "pending": show_pending, "list": show_list}


def status(api, args):
    vmid = int(parse(args, ["vmid"])["vmid"])
    print("status: " + api.vm_entry(vmid, api.configs.load(vmid), full=True)["qmpstatus"])


def showcmd(api, args):
    param = parse(args, ["vmid"])
    from .hooks import shell_quote
    line = " ".join(shell_quote(word) for word in api.vm.showcmd(int(param["vmid"])))
    print(line.replace(" -", " \\\n  -") if param.get("pretty") == "1" else line)


def cleanup(api, args):
    param = parse(args, ["vmid", "clean", "guest"])
    vmid = int(param["vmid"])
    if api.vm.cleanup(vmid, param["clean"] == "1", param["guest"] == "1"):
        sys.stderr.write(f"Restarting VM {vmid}\n")
        api.init_request("root@pam")
        api.task("qmstart", vmid, lambda: api.vm.start(vmid))


def unlock(api, args):
    vmid = int(parse(args, ["vmid"])["vmid"])
    with api.configs.lock(vmid):
        conf = api.configs.load(vmid)
        conf.pop("lock", None)
        deletes = parse_delete(conf["pending"].get("delete"))
        deletes.pop("lock", None)
        api.configs.write(vmid, conf)


def mtunnel(api, _args):
    """The other end of a migration's tunnel; only `resume` is asked of it."""
    def say(text):
        print(text, flush=True)

    say("tunnel online")
    say("ver 1")
    for line in sys.stdin:
        words = line.split()
        if words == ["quit"]:
            say("OK")
            return
        if len(words) == 2 and words[0] == "resume":
            vmid = int(words[1])
            if not qemu.running(api.host, vmid):
                say(f"ERR: resume failed - VM {vmid} not running")
                continue
            try:
                api.vm.resume(vmid, skiplock=True, nocheck=True)
                say("OK")
            except PveError as err:
                say(f"ERR: resume failed - {error_text(err).rstrip()}")


OTHERS = {"mtunnel": mtunnel, "status": status, "showcmd": showcmd, "cleanup": cleanup, "unlock": unlock}
