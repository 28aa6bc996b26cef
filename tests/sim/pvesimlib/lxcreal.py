# SPDX-License-Identifier: GPL-2.0-or-later
"""LXC itself, on a machine that has it and systemd (boot-rig's): what pve-container writes for it, and
how it has it start and stop (PVE/LXC.pm: update_lxc_config, vm_start, vm_stop; pve-container@.service)."""

import os
import re
import sys
import time

from .errors import PveError
from .host import read_text, write_atomic
from .lazy import shutil, subprocess

SHIPPED = "/usr/share/lxc/config"
HOOK = os.path.normpath(f"{os.path.dirname(os.path.abspath(__file__))}/../lxc-hook")
TEMPLATE = "/usr/share/rig/ct-root"  # boot-image
VOLUMES = "/var/lib/vz/private"
FIRST_ID = 100000


def there(host):
    return not host.prefix and shutil.which("lxc-start") and read_text("/proc/1/comm") == "systemd\n"


def config(vmid, conf):
    """update_lxc_config, but for AppArmor, which has no profiles here, and for what LXC is told of
    limits, devices and the console."""
    unprivileged = conf.get("unprivileged") == "1"
    lines = [("lxc.cgroup.relative", "0"),
             ("lxc.cgroup.dir.monitor", f"lxc.monitor/{vmid}"),
             ("lxc.cgroup.dir.container", f"lxc/{vmid}"),
             ("lxc.cgroup.dir.container.inner", "ns"),
             ("lxc.arch", "amd64"),
             ("lxc.include", f"{SHIPPED}/common.conf"),
             ("lxc.tty.dir", "")]  # debian.common.conf
    if unprivileged:
        lines += [("lxc.include", f"{SHIPPED}/userns.conf"),
                  ("lxc.mount.auto", "sys:mixed"),
                  ("lxc.idmap", f"u 0 {FIRST_ID} 65536"),
                  ("lxc.idmap", f"g 0 {FIRST_ID} 65536")]
    lines += [("lxc.apparmor.profile", "unconfined"),
              # /usr/share/lxc/config/common.conf.d/01-pve.conf
              ("lxc.hook.pre-start", HOOK),
              ("lxc.hook.post-stop", HOOK),
              ("lxc.monitor.unshare", "1"),
              ("lxc.console.path", "none"),
              ("lxc.tty.max", conf.get("tty", "2")),
              ("lxc.environment", "TERM=linux"),
              ("lxc.uts.name", conf.get("hostname", f"CT{vmid}")),
              ("lxc.rootfs.path", f"/var/lib/lxc/{vmid}/rootfs")]
    for key, value in sorted(conf.lines):
        match = re.fullmatch(r"net(\d+)", key)
        if match:
            name = re.search(r"(?:^|,)name=([^,]+)", value)
            net = f"lxc.net.{match[1]}"
            lines += [(f"{net}.type", "veth"), (f"{net}.veth.pair", f"veth{vmid}i{match[1]}")]
            lines += [(f"{net}.name", name[1])] if name else []
    return "".join(f"{key} = {value}\n" for key, value in lines + conf.raw())


def write_config(vmid, conf):
    folder = f"/var/lib/lxc/{vmid}"
    os.makedirs(f"{folder}/rootfs", exist_ok=True)
    write_atomic(f"{folder}/config", config(vmid, conf))


# -- its volume -------------------------------------------------------------------


def create(vmid, conf):
    """A copy of the template: for an unprivileged one, of the users that it has."""
    shutil.copytree(TEMPLATE, f"{VOLUMES}/{vmid}", symlinks=True)
    if conf.get("unprivileged") != "1":
        return
    for folder, _folders, files in os.walk(f"{VOLUMES}/{vmid}"):
        for path in [folder] + [os.path.join(folder, name) for name in files]:
            os.chown(path, FIRST_ID, FIRST_ID, follow_symlinks=False)


def destroy(vmid):
    for folder in (f"{VOLUMES}/{vmid}", f"/var/lib/lxc/{vmid}"):
        shutil.rmtree(folder, ignore_errors=True)


# -- its life ---------------------------------------------------------------------


def state(vmid):
    return subprocess.run(["lxc-info", "-n", str(vmid), "-sH"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False, text=True).stdout.strip()


def start(vmid):
    """monitor_start: PVE waits for LXC to say that it runs, or gives up."""
    unit = f"pve-container@{vmid}"
    os.makedirs("/run/pve", exist_ok=True)
    if os.path.exists(f"/run/pve/ct-{vmid}.stderr"):
        os.unlink(f"/run/pve/ct-{vmid}.stderr")
    code = subprocess.run(["systemctl", "start", unit], check=False).returncode
    if code:
        raise PveError(f"command 'systemctl start {unit}' failed: exit code {code}\n")
    while True:
        # First: a state of before it has ended is none of after.
        over = subprocess.run(["systemctl", "is-active", "--quiet", unit], check=False).returncode
        now = state(vmid)
        if now == "RUNNING":
            return
        if over or now in ("ABORTING", "STOPPING"):
            sys.stderr.write(read_text(f"/run/pve/ct-{vmid}.stderr") or "")
            raise PveError(f"startup for container '{vmid}' failed\n")
        time.sleep(0.1)


def stop(vmid, how):
    """Its command socket is closed before post-stop, and a connection to it behind that: the caller has one."""
    how = ["--kill"] if how == "stop" else ["--nokill", "--timeout", "60"]
    subprocess.run(["lxc-stop", "-n", str(vmid)] + how, check=False)


def run_in(vmid, words):
    """pct exec"""
    os.execvp("lxc-attach", ["lxc-attach", "-n", str(vmid), "--"] + words)
