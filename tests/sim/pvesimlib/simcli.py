# SPDX-License-Identifier: GPL-2.0-or-later
"""pvesim: set the node up, serve it, turn its knobs, do to it what happens to nodes."""

import argparse
import contextlib
import json
import os
import re
import signal
import sys
import time

from .errors import PveError, error_text
from .host import KNOBS, Host, proc_start_time, read_text, write_atomic
from .lazy import socket

HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
QM = os.path.join(HERE, "qm")


def init(host, args):
    """Lay out one node of a cluster. What exists already is left alone."""
    from . import nodes as cluster
    nodes = args.nodes.split(",") if args.nodes else [args.node]
    first = Host(args.join) if args.join else None
    if first:
        os.makedirs(host.state(), exist_ok=True)
        cluster.share_etc_pve(first, host, args.node)
    for folder in ("/etc/pve/mapping", "/etc/pve/priv/lock", "/run/qemu-server",
                   "/var/lib/vz/snippets", "/var/log/pve/tasks", "/run/lock/qemu-server"):
        os.makedirs(host.path(folder), exist_ok=True)
    for name, target in (("run", "../run"), ("lock", "../run/lock")):
        if not os.path.lexists(host.path(f"/var/{name}")):
            os.symlink(target, host.path(f"/var/{name}"))
    os.makedirs(host.path("/var/lock/qemu-server"), exist_ok=True)
    for name in ("", "events"):
        os.makedirs(host.state(name), exist_ok=True)
    if not os.path.lexists(host.state("tasks")):
        os.symlink("../../log/pve/tasks", host.state("tasks"))
    for node in nodes:
        for folder in ("qemu-server", "lxc", "priv"):
            os.makedirs(host.pve(f"nodes/{node}/{folder}"), exist_ok=True)
    for name, target in [] if first else cluster.own_links(args.node):
        if os.path.lexists(host.pve(name)):
            os.unlink(host.pve(name))
        os.symlink(target, host.pve(name))
    settings = host.settings()
    settings.update(node=args.node, nodes=nodes, port=args.port)
    host.save_settings(settings)
    if first:
        nodes = cluster.introduce(first, host, args.node)
    _files(host, nodes)
    if not args.no_certs:
        from . import certs
        for node in nodes:
            if not os.path.exists(host.pve(f"nodes/{node}/pve-ssl.pem")):
                certs.cluster(host, node)


def _files(host, nodes):
    texts = {
        "datacenter.cfg": "keyboard: en-us\n",
        "storage.cfg": "dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl,backup\n\n",
        "user.cfg": "user:root@pam:1:0::::::\n\n\n",
        "priv/token.cfg": "",
    }
    for name, text in texts.items():
        if not os.path.exists(host.pve(name)):
            write_atomic(host.pve(name), text, 0o600 if name.startswith("priv/") else 0o640)
    write_members(host, nodes, 1)
    write_members_of_peers(host, nodes)


def write_members(host, nodes, quorate):
    """What pmxcfs shows (cfs_create_memberlist_msg): no cluster, no list of its nodes."""
    members = {"nodename": host.nodename, "version": 1}
    if len(nodes) > 1:
        members["cluster"] = {"name": "sim", "version": len(nodes), "nodes": len(nodes),
                              "quorate": quorate}
        members["nodelist"] = {n: {"id": i, "online": int(quorate or n == host.nodename),
                                   "ip": f"192.0.2.{i}"} for i, n in enumerate(nodes, 1)}
    text = json.dumps(members, indent=1) + "\n"
    if host.settings().get("peers"):
        from .nodes import write_in_place
        write_in_place(host.pve(".members"), text)
    else:
        write_atomic(host.pve(".members"), text, 0o440)


def write_members_of_peers(host, nodes):
    """The others see the newcomer."""
    for root in (host.settings().get("peers") or {}).values():
        if root != host.root:
            write_members(Host(root), nodes, 1)


def leave(host, _args):
    """Take away what --join has mounted, before the root is removed."""
    from . import nodes
    nodes.leave(host)


def own_namespaces(host, args):
    """The process whose network and host name ssh to this node enters."""
    from . import nodes
    nodes.own_namespaces(host, args.pid)


def cert(host, args):
    from . import certs
    certs.own(host, host.nodename, args.kind, args.name)


def token(host, args):
    from .acl import Access
    access = Access(host)
    if args.action == "add":
        secret = access.add_token(args.token, args.privsep == "1", args.secret)
        owner = args.token.split("!")[0]
        for item in args.privs:
            path, _sep, privs = item.partition(":")
            names = [p.strip() for p in privs.split(",") if p.strip()]
            access.grant(path, args.token, names)
            if owner != "root@pam":  # its user needs them as well
                access.grant(path, owner, names)
        access.save()
        print(f"{args.token}={secret}")
    else:
        access.remove_token(args.token)
        access.save()


def acl(host, args):
    from .acl import Access
    access = Access(host)
    privs = [p for p in (args.privs or "").split(",") if p]
    if args.action == "list":
        for path, entries in sorted(access.acl.items()):
            for who, roles in sorted(entries.items()):
                for role, prop in roles.items():
                    names = ",".join(sorted(access.roles[role]))
                    print(f"{path} {who} propagate={int(prop)} {names}")
        return
    if args.action == "set":
        access.grant(args.path, args.who, privs, args.propagate == "1")
    else:
        access.revoke(args.path, args.who, privs)
    access.save()


def config(host, args):
    settings = host.settings()
    if args.action == "list":
        for name, (default, meaning) in KNOBS.items():
            print(f"{name} = {json.dumps(host.knob(name))}  # {meaning} "
                  f"(default {json.dumps(default)})")
        for name in sorted(set(settings) - set(KNOBS)):
            print(f"{name} = {json.dumps(settings[name])}")
        return 0
    base = args.key.split(".", 2)[2] if args.key.startswith("vm.") else args.key
    if base not in KNOBS:
        sys.stderr.write(f"no such knob: {args.key}\n")
        return 2
    if args.action == "get":
        print(json.dumps(settings.get(args.key, KNOBS[base][0])))
        return 0
    if args.action == "unset":
        settings.pop(args.key, None)
    else:
        try:
            settings[args.key] = json.loads(args.value)
        except ValueError:
            settings[args.key] = args.value
    host.save_settings(settings)
    return 0


def quorum(host, args):
    """Without quorum /etc/pve is read-only. For root only a read-only mount really is."""
    import subprocess
    on = args.state == "on"
    base = host.pve().rstrip("/")
    if on and f" {base} " in (read_text("/proc/self/mountinfo") or ""):
        subprocess.run(["umount", base], check=True)
    settings = host.settings()
    settings["quorum"] = int(on)
    host.save_settings(settings)
    write_members(host, settings.get("nodes") or [host.nodename], int(on))
    for folder, _dirs, names in os.walk(base):
        for name in [""] + names:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                mode = os.stat(path).st_mode
                os.chmod(path, mode | 0o200 if on else mode & ~0o222)
    if not on and args.mount:
        subprocess.run(["mount", "--bind", base, base], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", base], check=True)


def serve(host, args):
    from .server import Supervisor
    settings = host.settings()
    port = args.port or settings.get("port") or 8006
    Supervisor(host, args.workers, port, QM, not args.no_qmeventd).run()


def server_pid(host):
    text = read_text(host.state("serve.pid"))
    return int(text) if text and proc_start_time(int(text)) is not None else None


def stop(host, _args):
    pid = server_pid(host)
    if pid:
        os.kill(pid, signal.SIGTERM)
        while proc_start_time(pid) is not None:
            time.sleep(0.02)


def reload(host, _args):
    """Fresh workers: nothing in their caches."""
    pid = server_pid(host)
    if not pid:
        sys.stderr.write("not serving\n")
        return 1
    before = read_text(host.state("reloaded"))
    os.kill(pid, signal.SIGHUP)
    while read_text(host.state("reloaded")) == before:
        time.sleep(0.02)
    return 0


def qmeventd(host, _args):
    from . import qmeventd as daemon
    daemon.main(host, QM)


def list_tasks(host, args):
    from . import tasks
    for task in tasks.all_tasks(host):
        state = "running" if tasks.is_running(task) else tasks.status(host, task["upid"])
        if args.json:
            print(json.dumps({**task, "state": state}))
        else:
            print(f"{task['upid']} {state}")


def log(host, args):
    from . import tasks
    found = [t["upid"] for t in tasks.all_tasks(host)
             if args.upid in ("last", t["type"], t["upid"])]
    if not found:
        sys.stderr.write("no such task\n")
        return 1
    sys.stdout.write(read_text(tasks.log_path(host, found[-1])) or "")
    return 0


def wait_task(host, args):
    """Until the task is over; 0 if it ended well."""
    from . import tasks
    task = tasks.decode(args.upid)
    end = time.monotonic() + args.timeout
    while task and tasks.is_running(task):
        if time.monotonic() > end:
            print("running")
            return 2
        time.sleep(0.02)
    state = tasks.status(host, args.upid)
    print(state)
    return int(tasks.is_error(state))


def requests(host, args):
    path = host.state("requests.jsonl")
    sys.stdout.write(read_text(path) or "")
    if args.clear and os.path.exists(path):
        os.unlink(path)


def fault(host, args):
    from . import faults
    store = faults.Faults(host)
    if args.action == "set":
        if args.kind not in faults.KINDS:
            sys.stderr.write("kinds of faults:\n" + "".join(
                f"  {k:11} {v[0]}\n" for k, v in faults.KINDS.items()))
            return 2
        item = {"kind": args.kind, "arg": args.arg, "method": args.method, "path": args.path,
                "count": args.count, "skip": args.skip, "body": args.body}
        if args.perform:
            item["perform"] = args.perform == "yes"
        store.add({k: v for k, v in item.items() if v is not None})
    elif args.action == "clear":
        store.clear()
    else:
        for item in store.all():
            print(json.dumps(item))
    return 0


def mktree(host, args):
    from .fakesys import Tree
    if host.is_real:
        sys.stderr.write("mktree needs a --root that is not /\n")
        return 2
    tree = Tree(host)
    tree.skeleton()
    for text in args.pf:
        addr, *options = text.split(",")
        tree.add_pf(addr, dict(o.split("=", 1) for o in options))
    return 0


def numvfs(host, args):
    from .fakesys import Tree
    Tree(host).set_numvfs(args.pf, args.count)


def kernel(host, _args):
    from .fakesys import Tree
    Tree(host).play_kernel()


def syslog(host, _args):
    """Into journal.log, without the priority."""
    path = host.path("/dev/log")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        while True:
            text = sock.recv(8192).decode("utf-8", "replace")
            host.journal(re.sub(r"^<\d+>", "", text) + "\n")


def sysfs_bind(host, args):
    from .fakesys import Tree
    tree = Tree(host)
    tree.unbind(args.addr)
    if args.driver != "none":
        tree.bind(args.addr, args.driver)


def container(host, args):
    """What happens in a container, or to its monitor."""
    from . import ct, lxc
    if args.what == "kill":
        return lxc.kill(host, args.vmid)
    ct.tell(args.vmid, args.what)
    return 0


def guest(host, args):
    """What the QEMU stand-in tells of its guest, as JSON: its state, which devices are plugged
    (and the VF of each), which of them the guest has seen, a migration from here."""
    sys.stdout.write(read_text(host.state("qemu", str(args.vmid), "guest.json")) or "{}\n")


def qemu_wish(host, args):
    """Tell the QEMU stand-in what its guest or its monitor is to do."""
    from . import qemu
    folder = qemu.control(host, args.vmid)
    if args.clear:
        for name in os.listdir(folder):
            if not name.startswith("guest.json"):
                os.unlink(f"{folder}/{name}")
    if args.name and args.value is not None:
        write_atomic(f"{folder}/{args.name}", args.value + "\n")
    elif args.name:
        sys.stdout.write(read_text(f"{folder}/{args.name}") or "")
    elif not args.clear:
        for name in sorted(set(os.listdir(folder)) - {"guest.json", "qmp.log"}):
            print(f"{name}: {read_text(f'{folder}/{name}').rstrip()}")


def _vm_pid(host, vmid):
    from . import qemu
    pid = qemu.running(host, vmid)
    if not pid:
        raise PveError(f"VM {vmid} not running\n")
    return pid


def guest_poweroff(host, args):
    """The guest shuts itself down; PVE only learns of it through qmeventd."""
    os.kill(_vm_pid(host, args.vmid), signal.SIGUSR1)


def kill_vm(host, args):
    os.kill(_vm_pid(host, args.vmid), signal.SIGKILL)


def crash_host(host, _args):
    from .lifecycle import crash_host as crash
    crash(host)


def _as_task(host, kind, vmid, func):
    from . import tasks
    from .api import Api
    api = Api(host, cli=True)
    api.init_request("root@pam")
    upid = api.task(kind, vmid, lambda: func(api))
    return int(tasks.is_error(tasks.status(host, upid)))


def vzdump(host, args):
    """Several VMs in one process: the second start uses the cache of the first. Or a container."""
    from . import backup, ct, ctmove
    if os.path.exists(ct.Containers(host).path(args.vmid[0])):
        return ctmove.backup(host, args.vmid[0], args.mode)
    return _as_task(host, "vzdump", args.vmid[0] if len(args.vmid) == 1 else "",
                    lambda api: backup.job(api.vm, args.vmid, args.mode))


def ha_resource(host, args):
    """HA manages a VM; what the master says of it; what the node's LRM does with it."""
    from . import ha
    from .api import Api, load_routes
    if args.action == "migrate":
        from .migration import Migration
        return _as_task(host, "qmigrate", args.vmid, lambda api: Migration(
            api, args.vmid, args.state, api.configs.check_running(args.vmid)).run())
    if args.action == "add":
        ha.ask_for(host, args.vmid, args.state or "started")
    elif args.action == "state":
        ha.show_state(host, args.vmid, args.state)
    else:
        load_routes()
        api = Api(host, cli=True)
        api.init_request("root@pam")
        return int(not ha.lrm(api, args.vmid, args.max_restart, args.interval))
    return 0


def migrate(host, args):
    if args.source:
        return _as_task(host, "qmstart", args.vmid, lambda api: api.vm.migrate_here(
            args.vmid, args.source, args.fail))
    return _as_task(host, "qmigrate", args.vmid,
                    lambda api: api.vm.migrate_away(args.vmid, args.to))


def hold_lock(host, args):
    """Hold a lock for a while: 'vm:100', 'cfs' (mapping file) or 'pci' (reservations)."""
    from .cfs import PCI_CFG, Cfs
    from .lockfile import lock_file
    if args.what == "cfs":
        context = Cfs(host).lock_file(PCI_CFG)
    elif args.what == "pci":
        context = lock_file(host, "/run/qemu-server/pci-id-reservations.lock", 10)
    else:
        shown = f"/var/lock/qemu-server/lock-{args.what.split(':')[1]}.conf"
        context = lock_file(host, shown, 10)
    with context:
        print("held", flush=True)
        time.sleep(args.seconds)


def parser():
    top = argparse.ArgumentParser(prog="pvesim")
    top.add_argument("--root", default=os.environ.get("PVESIM_ROOT", "/"))
    sub = top.add_subparsers(dest="command", required=True)

    def cmd(name, func, text=None):
        new = sub.add_parser(name, help=text or (func.__doc__ or "").split("\n")[0])
        new.set_defaults(func=func)
        return new

    p = cmd("init", init)
    p.add_argument("--node", required=True)
    p.add_argument("--nodes")
    p.add_argument("--port", type=int, default=8006)
    p.add_argument("--no-certs", action="store_true")
    p.add_argument("--join", metavar="ROOT", help="become a node of that root's cluster")
    cmd("leave", leave)
    p = cmd("own-namespaces", own_namespaces)
    p.add_argument("pid", type=int)
    p = cmd("cert", cert, "install or remove (none) an own certificate")
    p.add_argument("kind", choices=["none", "self-signed", "other-ca", "cluster-ca", "expired", "expiring",
                                    "wrong-name"])
    p.add_argument("--name", default="pve1.example.org")
    p = cmd("token", token, "make or remove an API token")
    p.add_argument("action", choices=["add", "del"])
    p.add_argument("token")
    p.add_argument("--privs", nargs="*", default=[], metavar="PATH:PRIV,PRIV")
    p.add_argument("--privsep", choices=["0", "1"], default="1")
    p.add_argument("--secret")
    p = cmd("acl", acl, "set, take away or list privileges")
    p.add_argument("action", choices=["set", "revoke", "list"])
    p.add_argument("path", nargs="?")
    p.add_argument("who", nargs="?")
    p.add_argument("privs", nargs="?")
    p.add_argument("--propagate", choices=["0", "1"], default="1")
    p = cmd("config", config, "turn the knobs (vm.<vmid>.<knob> for one VM)")
    p.add_argument("action", choices=["list", "get", "set", "unset"])
    p.add_argument("key", nargs="?")
    p.add_argument("value", nargs="?")
    p = cmd("quorum", quorum)
    p.add_argument("state", choices=["on", "off"])
    p.add_argument("--mount", action="store_true", help="off: mount /etc/pve read-only")
    p = cmd("serve", serve, "run pveproxy, pvedaemon workers and qmeventd")
    p.add_argument("--workers", type=int, default=3)
    p.add_argument("--port", type=int)
    p.add_argument("--no-qmeventd", action="store_true")
    cmd("stop", stop, "end a running serve")
    cmd("reload", reload)
    cmd("qmeventd", qmeventd, "only qmeventd, in the foreground")
    p = cmd("tasks", list_tasks, "list the tasks with their status")
    p.add_argument("--json", action="store_true")
    p = cmd("log", log, "a task's log: a UPID, 'last' or a type such as qmstart")
    p.add_argument("upid")
    p = cmd("wait", wait_task)
    p.add_argument("upid")
    p.add_argument("--timeout", type=float, default=60)
    p = cmd("requests", requests, "print the request log")
    p.add_argument("--clear", action="store_true")
    p = cmd("fault", fault, "set, clear or list faults of the REST side")
    p.add_argument("action", choices=["set", "clear", "list"])
    p.add_argument("kind", nargs="?", default="")
    p.add_argument("arg", nargs="?")
    p.add_argument("--method")
    p.add_argument("--path", help="regular expression")
    p.add_argument("--count", type=int)
    p.add_argument("--skip", type=int, help="let this many pass first")
    p.add_argument("--body")
    p.add_argument("--perform", choices=["yes", "no"], help="carry the request out first?")
    p = cmd("mktree", mktree, "make a sysfs below the root")
    p.add_argument("--pf", action="append", default=[], metavar="ADDR,driver=igb,vfs=7,...")
    cmd("kernel", kernel, "make VFs whenever sriov_numvfs of a made-up sysfs is written, until killed")
    cmd("syslog", syslog, "take what is sent to /dev/log into journal.log, until killed")
    p = cmd("numvfs", numvfs, "what writing sriov_numvfs does in a made-up sysfs")
    p.add_argument("pf")
    p.add_argument("count", type=int)
    p = cmd("bind", sysfs_bind, "bind a device to a driver in a made-up sysfs ('none': unbind)")
    p.add_argument("addr")
    p.add_argument("driver")
    p = cmd("guest-poweroff", guest_poweroff)
    p.add_argument("vmid", type=int)
    p = cmd("kill-vm", kill_vm, "kill -9 a QEMU")
    p.add_argument("vmid", type=int)
    p = cmd("guest", guest)
    p.add_argument("vmid", type=int)
    p = cmd("qemu", qemu_wish)
    p.add_argument("vmid", type=int)
    p.add_argument("name", nargs="?", help="release, migrate, incoming, repeat, qmp, COMMAND.error, "
                   "COMMAND.hang, .delay, .close, .answer, .huge")
    p.add_argument("value", nargs="?")
    p.add_argument("--clear", action="store_true", help="forget all wishes and qmp.log")
    p = cmd("ct", container, "something happens to a container: it ends, reboots, its monitor is killed")
    p.add_argument("vmid", type=int)
    p.add_argument("what", choices=["poweroff", "reboot", "kill"])
    cmd("crash-host", crash_host, "power failure: VMs and /run gone, no hook called")
    p = cmd("vzdump", vzdump)
    p.add_argument("vmid", type=int, nargs="+")
    p.add_argument("--mode", choices=["snapshot", "stop"], default="snapshot")
    p = cmd("ha", ha_resource)
    p.add_argument("action", choices=["add", "state", "lrm", "migrate"])
    p.add_argument("vmid", type=int)
    p.add_argument("state", nargs="?")
    p.add_argument("--max-restart", type=int, default=1)
    p.add_argument("--interval", type=float, default=10, help="seconds between two of lrm's tries")
    p = cmd("migrate", migrate, "this node's part of a migration")
    p.add_argument("vmid", type=int)
    side = p.add_mutually_exclusive_group(required=True)
    side.add_argument("--from", dest="source", metavar="NODE")
    side.add_argument("--to", metavar="NODE")
    p.add_argument("--fail", action="store_true", help="the migration fails after the start")
    p = cmd("hold-lock", hold_lock)
    p.add_argument("what", help="vm:<vmid>, cfs or pci")
    p.add_argument("seconds", type=float)
    return top


def main(argv):
    args = parser().parse_args(argv)
    host = Host(args.root)
    try:
        return args.func(host, args) or 0
    except PveError as err:
        sys.stderr.write(error_text(err))
        return 255
