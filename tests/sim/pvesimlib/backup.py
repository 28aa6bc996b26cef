# SPDX-License-Identifier: GPL-2.0-or-later
"""vzdump of a VM, as far as a hookscript sees it (PVE/VZDump.pm, PVE/VZDump/QemuServer.pm)."""

import os
import sys

from . import vmconfig
from .errors import PveError, error_text
from .lazy import subprocess

QM = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "qm")


def backup(vm, vmid, mode="snapshot"):
    """Marked with `lock: backup`, a VM that is off is started paused and stopped again; in stop
    mode one that runs is stopped before, and started again if that fails."""
    running = vm.configs.check_running(vmid)
    _set_lock(vm, vmid)
    try:
        if running and mode != "stop":
            print(f"INFO: VM {vmid} is running, backup of a snapshot", flush=True)
            return
        if running:
            print("INFO: stopping virtual guest", flush=True)
            vm.stop(vmid, skiplock=True, shutdown=True, force=True, timeout=10)
        try:
            _start_for_backup(vm, vmid, paused=not running)
        except PveError:
            if running:
                _restart(vm, vmid)
            raise
    finally:
        _set_lock(vm, vmid, None)


def _start_for_backup(vm, vmid, paused):
    print("INFO: starting kvm to execute backup task", flush=True)
    vm.start(vmid, skiplock=True, skiptemplate=True, paused=paused)
    if not paused:
        print("INFO: resuming VM again", flush=True)
        return
    print("INFO: stopping kvm after backup task", flush=True)
    try:
        vm.stop(vmid, skiplock=True)
    except PveError as err:
        vmconfig.warn(error_text(err))


def _restart(vm, vmid):
    print("INFO: restarting vm", flush=True)
    subprocess.run([sys.executable, QM, "--root", vm.host.root, "start", str(vmid), "--skiplock"],
                   env=dict(os.environ), check=False)


def _set_lock(vm, vmid, name="backup"):
    """set_lock, remove_lock"""
    with vm.configs.lock(vmid):
        conf = vm.configs.load(vmid)
        if name:
            vmconfig.check_lock(conf)
            conf["lock"] = name
        else:
            conf.pop("lock", None)
        vm.configs.write(vmid, conf)


def job(vm, vmids, mode):
    """Several guests in one worker: one that fails does not keep the others from theirs."""
    failed = 0
    for vmid in vmids:
        print(f"INFO: Starting Backup of VM {vmid} (qemu)", flush=True)
        try:
            backup(vm, vmid, mode)
            print(f"INFO: Finished Backup of VM {vmid}", flush=True)
        except PveError as err:
            failed += 1
            print(f"ERROR: Backup of VM {vmid} failed - {error_text(err)}", flush=True)
    if failed:
        raise PveError("job errors\n")
