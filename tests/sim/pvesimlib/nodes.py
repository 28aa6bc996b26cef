# SPDX-License-Identifier: GPL-2.0-or-later
"""A cluster in one machine: each node has its root folder, /etc/pve is one for all, and ssh between
them enters the other's root and namespaces (PVE/SSHInfo.pm)."""

import json
import os
import select
import stat
import sys
import time

from .errors import PveError
from .host import Host, proc_start_time, read_text, write_atomic
from .lazy import ctypes, shlex, socket, subprocess

HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
CLONE_NEWUTS, CLONE_NEWNET = 0x04000000, 0x40000000
PASSED_ON = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "PVESIM_STANDIN", "PYTHONPYCACHEPREFIX", "BUILD")


def peer(host, node):
    """That node, if it lives in this machine."""
    if node == host.nodename:
        return host
    root = (host.settings().get("peers") or {}).get(node)
    return Host(root) if root else None


def address(host, node):
    """remote_node_ip"""
    members = json.loads(read_text(host.pve(".members")) or "{}")
    ip = (members.get("nodelist") or {}).get(node, {}).get("ip")
    if not ip:
        raise PveError(f"hostname lookup '{node}' failed - failed to get address info for: {node}: "
                       "Name or service not known\n")
    return ip


def ssh_command(host, node):
    """ssh_info_to_command"""
    ip = address(host, node)
    known = f"/etc/pve/nodes/{node}/ssh_known_hosts"
    words = ["/usr/bin/ssh", "-e", "none", "-o", "BatchMode=yes", "-o", f"HostKeyAlias={node}"]
    if os.path.isfile(host.path(known)):
        words += ["-o", f"UserKnownHostsFile={known}", "-o", "GlobalKnownHostsFile=none"]
    return words + [f"root@{ip}"]


# -- joining ----------------------------------------------------------------------

def _libc(number, *args):
    call = ctypes.CDLL(None, use_errno=True).syscall
    res = call(number, *args)
    if res < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return res


def mount_over(path, own):
    """Put one file or link over another, which only who comes by this path sees. A link goes by
    the newer mount calls (open_tree, move_mount), which don't follow it."""
    tree = _libc(428, -100, own.encode(), 1 | 0x100 | 0o2000000)
    try:
        _libc(429, tree, b"", -100, path.encode(), 4)
    finally:
        os.close(tree)


def own_links(node):
    """The links of /etc/pve that each node sees otherwise."""
    return [("local", f"nodes/{node}"), ("qemu-server", f"nodes/{node}/qemu-server"),
            ("lxc", f"nodes/{node}/lxc")]


def share_etc_pve(first, host, node):
    """The first node's /etc/pve at this one's root as well; what differs by node lies over it."""
    base, own = host.pve().rstrip("/"), host.state("own")
    os.makedirs(base, exist_ok=True)
    os.makedirs(own, exist_ok=True)
    subprocess.run(["mount", "--bind", first.pve().rstrip("/"), base], check=True)
    for name, target in own_links(node):
        os.symlink(target, f"{own}/{name}")
        mount_over(f"{base}/{name}", f"{own}/{name}")
    with open(f"{own}/.members", "w", encoding="utf-8"):
        pass
    mount_over(f"{base}/.members", f"{own}/.members")


def leave(host):
    """Take the mounts of this root away again."""
    base = host.pve().rstrip("/")
    if f" {base} " in (read_text("/proc/self/mountinfo") or ""):
        subprocess.run(["umount", "--lazy", base], check=False)  # and what lies over it


def introduce(first, host, node):
    """Each of them knows all the others, by name, root and address."""
    peers = dict(first.settings().get("peers") or {first.nodename: first.root})
    peers[node] = host.root
    names = list(dict.fromkeys([*(first.settings().get("nodes") or []), *peers]))
    for root in peers.values():
        other = Host(root)
        other.save_settings({**other.settings(), "peers": peers, "nodes": names})
        install_tools(other)
    return names


def install_tools(host):
    for folder, name in (("/usr/bin", "ssh"), ("/usr/sbin", "qm")):
        os.makedirs(host.path(folder), exist_ok=True)
        path = host.path(f"{folder}/{name}")
        if not os.path.exists(path):
            write_atomic(path, f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -S "
                         f"{shlex.quote(f'{HERE}/{name}')} --root {shlex.quote(host.root)} "
                         '"$@"\n', 0o755)
            os.chmod(path, 0o755)


def write_in_place(path, text):
    """For a file that something is mounted on, which can't be renamed over."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    os.chmod(path, mode | 0o200)
    with open(path, "w", encoding="utf-8") as fh:
        fh.write(text)
    os.chmod(path, 0o440)


# -- namespaces ---------------------------------------------------------------------

def own_namespaces(host, pid):
    """The process whose network and host name are this node's."""
    write_atomic(host.state("ns.pid"), f"{pid} {proc_start_time(pid)}\n")


def enter(host):
    """In a child: become a process of that node."""
    libc = ctypes.CDLL(None, use_errno=True)
    pid, _sep, start = (read_text(host.state("ns.pid")) or "").strip().partition(" ")
    if pid and str(proc_start_time(int(pid))) == start:
        for name, kind in (("uts", CLONE_NEWUTS), ("net", CLONE_NEWNET)):
            fd = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
            if libc.setns(fd, kind) < 0:
                raise OSError(ctypes.get_errno(), f"setns {name}")
            os.close(fd)
    elif libc.unshare(CLONE_NEWUTS) == 0:
        socket.sethostname(host.nodename)


def _program(host, words):
    """What a path of the other node is there."""
    name = os.path.basename(words[0])
    for path in (words[0], f"/usr/sbin/{name}", f"/usr/bin/{name}"):
        if path.startswith("/") and os.access(host.path(path), os.X_OK):
            return [host.path(path), *words[1:]]
    if name == "rm":
        return [words[0], *(host.path(w) if w.startswith("/") else w for w in words[1:])]
    return words


def begin(host, words):
    """Run a command there as sshd does: a session of its own, that goes on without us."""
    env = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
    env.update(PATH="/sbin:/bin:/usr/sbin:/usr/bin", HOME="/root", LOGNAME="root", USER="root",
               LANG="C.UTF-8", PVESIM_ROOT=host.root)
    env.update({key: str(value) for key, value in host.knob("hook-env").items()})
    return subprocess.Popen(_program(host, words), env=env, cwd="/", stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            start_new_session=True, preexec_fn=lambda: enter(host))


def pump(proc):
    """Our three streams are its; its exit code, once all who have its output are gone."""
    ends = {proc.stdout.fileno(): 1, proc.stderr.fileno(): 2}
    poll = select.poll()
    for fd in (0, *ends):
        poll.register(fd, select.POLLIN)
    left = len(ends)
    while left:
        for fd, _event in poll.poll():
            data = os.read(fd, 65536)
            if not data:
                poll.unregister(fd)
                if fd == 0:
                    proc.stdin.close()
                else:
                    left -= 1
            elif fd == 0:
                try:
                    os.write(proc.stdin.fileno(), data)
                except BrokenPipeError:
                    poll.unregister(0)
            else:
                os.write(ends[fd], data)
    code = proc.wait()
    return 255 if code < 0 else code


# -- ssh ----------------------------------------------------------------------------

def parse_ssh(argv):
    """PVE's options and their values, the destination, the command."""
    options, forwards, where, args = {}, [], None, list(argv)
    while args and args[0] != "--" and (args[0].startswith("-") or where is None):
        if not args[0].startswith("-"):
            where = args.pop(0)  # more options may follow
            continue
        flag, value = args[0][:2], args[0][2:].strip()
        args.pop(0)
        if flag in ("-o", "-e", "-L", "-p", "-i", "-l") and not value:
            value = args.pop(0)
        if flag == "-o":
            key, _sep, value = value.partition("=")
            options[key] = value
        elif flag == "-L":
            forwards.append(value.split(":"))
    if args and args[0] == "--":
        args.pop(0)
    return options, forwards, where or "", args


def ssh(host, argv):
    """What stands at /usr/bin/ssh of a node's root. The remote shell splits what ssh joins."""
    import re
    options, forwards, where, args = parse_ssh(argv)
    node, ip = options.get("HostKeyAlias", ""), where.rpartition("@")[2]
    line = " ".join(args)
    mode = host.knob("ssh") if re.search(host.knob("ssh-match"), line) else "up"
    host.log_ssh({"node": node, "where": where, "command": line, "mode": mode})
    other = peer(host, node)
    if mode == "hang":
        time.sleep(10 ** 6)
    if mode == "fail" or not other or where != f"root@{address(host, node)}":
        sys.stderr.write(f"ssh: connect to host {ip} port 22: No route to host\n")
        return 255
    if not options.get("BatchMode"):
        sys.stderr.write(f"root@{ip}'s password: \n")
        return 255
    links = [_forward(host, other, pair) for pair in forwards]
    try:
        proc = begin(other, shlex.split(line))
        if mode == "cut":
            sys.stderr.write(f"Connection to {ip} closed by remote host.\n")
            return 255
        code = pump(proc)
    except OSError as err:
        sys.stderr.write(f"bash: line 1: {shlex.split(line)[0]}: {err.strerror}\n")
        return 127
    finally:
        for path in filter(None, links):
            if os.path.islink(path):
                os.unlink(path)
    if mode == "stuck":
        time.sleep(10 ** 6)
    if mode == "lost":
        sys.stderr.write(f"Connection to {ip} closed by remote host.\n")
        return 255
    return code


def _forward(host, other, pair):
    """A forwarded socket: a link to the one of the other node."""
    path = host.path(pair[0])
    os.symlink(other.path(pair[1]), path)
    return path
