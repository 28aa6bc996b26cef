# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU as PVE starts, finds and ends it (PVE/QemuServer.pm, PVE/QemuServer/Helpers.pm)."""

import os
import re
import signal
import time

from . import qmp
from .errors import PveError
from .hooks import pump, pump_lines
from .host import proc_start_time, read_text
from .lazy import shlex, shutil, subprocess

RUN = "/run/qemu-server"


def pidfile(vmid):
    return f"/var/run/qemu-server/{vmid}.pid"


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as fh:
            return fh.read().decode("utf-8", "replace").split("\0")[:-1]
    except OSError:
        return []


def running(host, vmid):
    """vm_running_locally: the pid file, and a kvm process that was started with it."""
    line = (read_text(host.path(f"{RUN}/{vmid}.pid")) or "").split("\n", 1)[0]
    if not line.isdigit():
        return None
    args = command_line(int(line))
    if not args or not re.search(r"kvm$|(^|/)qemu-[^/]+$", args[0]):
        return None
    if not {pidfile(vmid), host.path(pidfile(vmid))}.intersection(args):
        return None
    return int(line) if proc_start_time(int(line)) is not None else None


def command(vmid, conf, device_args, paused=False, incoming=None):
    """config_to_command, as far as anybody can look for something in it."""
    cmd = ["/usr/bin/kvm", "-id", str(vmid),
           "-name", f"{conf.get('name') or f'vm{vmid}'},debug-threads=on", "-no-shutdown",
           "-chardev", f"socket,id=qmp,path=/var/run/qemu-server/{vmid}.qmp,server=on,wait=off",
           "-mon", "chardev=qmp,mode=control",
           "-chardev", "socket,id=qmp-event,path=/var/run/qmeventd.sock,reconnect-ms=5000",
           "-mon", "chardev=qmp-event,mode=control",
           "-pidfile", pidfile(vmid), "-daemonize"]
    if conf.get("smbios1"):
        cmd += ["-smbios", "type=1," + conf["smbios1"]]
    cores, sockets = conf.get("cores", "1"), conf.get("sockets", "1")
    total = int(cores) * int(sockets)
    cmd += ["-smp", f"{total},sockets={sockets},cores={cores},maxcpus={total}", "-nodefaults",
            "-cpu", conf.get("cpu", "kvm64"), "-m", conf.get("memory", "512")]
    for index in range(8):
        numa = conf.get(f"numa{index}")
        if numa:
            cmd += ["-numa", f"node,nodeid={index}"]
    cmd += device_args
    cmd += ["-machine", f"type={conf.get('machine', 'pc')}+pve0"]
    if incoming:
        return cmd + ["-incoming", f"unix:{incoming}", "-S"]
    return cmd + (["-S"] if paused else [])


def launch(host, vmid, cmd, prefix=""):
    """Run QEMU until it has put itself into the background; its exit code. With a prefix, what it
    says goes to stdout behind it (as for the target of a migration)."""
    mode = host.knob("qemu", vmid)
    if mode == "fail":
        os.write(2, b"kvm: could not start\n")
        return 1
    env = {"PATH": os.environ.get("PATH", "/sbin:/bin:/usr/sbin:/usr/bin")}
    if mode == "real":
        path, argv = _real(host, vmid, cmd)
    else:
        path, argv = _standin(host), cmd
        os.makedirs(host.state("events"), exist_ok=True)
        env.update(PVESIM_ROOT=host.root, PVESIM_EVENTS=host.state("events"),
                   PVESIM_DELAY=str(host.knob("qemu-delay", vmid)),
                   PVESIM_CONTROL=control(host, vmid),
                   PVESIM_MONITOR=str(host.knob("monitor", vmid)))
    os.makedirs(host.path(RUN), exist_ok=True)
    path, argv = _in_scope(host, vmid, path, argv)
    with subprocess.Popen(argv, executable=path, env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as proc:
        out, err = proc.stdout.fileno(), proc.stderr.fileno()
        if prefix:
            def show(line):
                print(prefix + line, flush=True)

            pump_lines({out: show, err: show})
        else:
            pump({out: 1, err: 2})
        return proc.wait()


def _in_scope(host, vmid, path, argv):
    """PVE's enter_systemd_scope: QEMU outlives the service that started it, and at a
    shutdown it ends after pve-guests did what it does."""
    if host.prefix or read_text("/proc/1/comm") != "systemd\n":
        return path, argv
    scope = ["systemd-run", "--scope", "--quiet", "--collect", f"--unit={vmid}",
             f"--description=Proxmox VE VM {vmid}", "--slice=qemu",
             "--property=KillMode=process", "--property=SendSIGKILL=no",
             "--property=TimeoutStopSec=infinity",
             "--property=Before=pve-ha-lrm.service pve-guests.service", "--"]
    keep_name = ["/bin/bash", "-c", 'exec -a "$0" "$@"', argv[0], path]
    return shutil.which("systemd-run"), scope + keep_name + argv[1:]


def _standin(host):
    here = os.path.dirname(os.path.abspath(__file__))
    top = os.path.normpath(f"{here}/../../..")
    for path in (host.knob("standin"), os.environ.get("PVESIM_STANDIN", ""),
                 f"{top}/build/tests/pvesim-standin", f"{here}/../pvesim-standin"):
        if path and os.access(path, os.X_OK):
            return path
    raise PveError("no pvesim-standin: compile tests/sim/standin.c to "
                   "build/tests/pvesim-standin or set PVESIM_STANDIN\n")


def _real(host, vmid, cmd):
    """A QEMU that isn't PVE's: it knows no -id, and PVE's bus names only exist with PVE's
    machine files, so only name, pid file, where a migration comes in and the devices themselves
    are passed on, and those with their buses only if the knob says that there are such."""
    buses = host.knob("qemu-real-buses", vmid)
    prefix = shlex.split(host.knob("qemu-real-prefix", vmid))
    path = shutil.which(prefix[0])
    if not path:
        raise PveError(f"no such QEMU: {prefix[0]}\n")
    argv = ["/usr/bin/kvm"] + [word.replace("{vmid}", str(vmid)) for word in prefix[1:]]
    argv += ["-name", cmd[cmd.index("-name") + 1], "-pidfile", host.path(pidfile(vmid)),
             "-qmp", f"unix:{host.path(f'{RUN}/{vmid}.qmp')},server=on,wait=off", "-daemonize"]
    for word in cmd:
        if word.startswith("vfio-pci,"):
            keep = [p for p in word.split(",") if buses or not p.startswith(("bus=", "addr="))]
            argv += ["-device", ",".join(keep)]
    if "-incoming" in cmd:
        argv += ["-incoming", f"unix:{host.path(cmd[cmd.index('-incoming') + 1][5:])}"]
    return path, argv + (["-S"] if "-S" in cmd else [])


def run_state(host, vmid, pid):
    """What query-status says, as in vmstatus with its full output."""
    if qmp.has_monitor(host, vmid):
        try:
            return qmp.mon_cmd(host, vmid, "query-status")["status"]
        except PveError:
            return "running"
    return "prelaunch" if "-S" in command_line(pid) else "running"


def monitor_path(host, vmid, shown):
    """How QEMU itself is told a path: the stand-in puts the root before it, a real one doesn't."""
    return host.path(shown) if host.knob("qemu", vmid) == "real" else shown


def powerdown(host, vmid, pid):
    """QMP system_powerdown. A guest may ignore it."""
    if host.knob("guest-ignores-shutdown", vmid):
        return
    if qmp.has_monitor(host, vmid):
        qmp.mon_cmd(host, vmid, "system_powerdown")
    else:
        os.kill(pid, signal.SIGUSR1)


def quit_now(host, vmid, pid):
    """QMP quit."""
    if qmp.has_monitor(host, vmid):
        qmp.mon_cmd(host, vmid, "quit")
    else:
        os.kill(pid, signal.SIGTERM)


def control(host, vmid):
    """The folder in which a test tells the stand-in what the guest and the monitor do."""
    path = host.state("qemu", str(vmid))
    os.makedirs(path, exist_ok=True)
    return path


def wait_gone(host, vmid, count):
    """PVE's loop of one-second steps (shorter here: knob stop-step); did it end in time?"""
    step = host.knob("stop-step")
    end = time.monotonic() + count
    while time.monotonic() < end:
        if not running(host, vmid):
            return True
        time.sleep(step)
    return not running(host, vmid)
