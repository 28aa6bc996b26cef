# SPDX-License-Identifier: GPL-2.0-or-later
"""Start and stop of a VM, in PVE's order (PVE/QemuServer.pm, PVE/CLI/qm.pm: cleanup)."""

import contextlib
import os
import re
import signal
import sys
import time

from . import hooks, mapping, qemu, qmeventd, qmp, reservations, sysfs, tasks, vmconfig
from .errors import PveError, error_text
from .host import read_text
from .lazy import shutil
from .vmconfig import warn

RUN = "/run/qemu-server"


class Lifecycle:
    def __init__(self, host, cfs, configs):
        self.host = host
        self.cfs = cfs
        self.configs = configs

    # -- start -------------------------------------------------------------------

    def start(self, vmid, skiplock=False, skiptemplate=False, paused=False,
              migratedfrom=None, timeout=None, statefile=None):
        """vm_start: everything happens under the config lock."""
        with self.configs.lock(vmid):
            conf = self.configs.load(vmid, migratedfrom)
            if vmconfig.is_template(conf) and not skiptemplate:
                raise PveError("you can't start a vm if it's a template\n")
            running = self.configs.check_running(vmid, migratedfrom)
            if not skiplock:
                vmconfig.check_lock(conf)
            if running:
                raise PveError(f"VM {vmid} already running\n")
            self._start_nolock(vmid, conf, paused, migratedfrom, timeout, statefile)

    def _start_nolock(self, vmid, conf, paused, migratedfrom, timeout, statefile):
        self._clear_reboot_request(vmid)
        incoming = f"{RUN}/{vmid}.migrate" if statefile == "unix" else None
        if conf["pending"] and not migratedfrom:
            self.configs.apply_pending(vmid, conf)
            conf = self.configs.load(vmid)

        # set but empty for an ordinary start
        os.environ["PVE_MIGRATED_FROM"] = migratedfrom or ""
        hooks.exec_hookscript(self.host, conf, vmid, "pre-start", stop_on_error=True)

        # From here on PVE works on the copy of the config from before the hook. The
        # mapping file is read in _prepare, through this process's cache.
        try:
            cmd, addrs, conf = self._prepare(vmid, conf, paused, timeout, incoming)
        except PveError:
            self._cleanup_after_failure(vmid, conf)
            raise

        code = qemu.launch(self.host, vmid, cmd, "QEMU: " if migratedfrom else "")
        if code:
            self._cleanup_after_failure(vmid, conf)
            raise PveError(f"start failed: QEMU exited with code {code}\n")

        pid = qemu.running(self.host, vmid)
        if pid:
            qmeventd.register(self.host, vmid, pid)
        try:
            reservations.reserve(self.host, addrs, vmid, pid=pid)
        except PveError as err:
            warn(err.text)
        self._create_cleanup_flag(vmid)
        if incoming:
            print(f"migration listens on unix:{incoming}", flush=True)
        hooks.exec_hookscript(self.host, conf, vmid, "post-start")

    def _prepare(self, vmid, conf, paused, timeout, incoming):
        if self.host.knob("storage-error", vmid):
            raise PveError("storage 'local' is not online\n")
        if vmconfig.is_template(conf):
            # config_to_command: only the disks of a template are left, so its hookscript
            # runs before this point but not in post-start
            conf = {"template": "1", "name": conf.get("name", ""), "pending": {}}
        devices = mapping.choose_devices(
            self.host, mapping.parse_devices(self.host, self.cfs, conf), vmid)
        cmd = qemu.command(vmid, conf, mapping.device_arguments(conf, devices), paused,
                           incoming)
        addrs = [addr for device in devices.values() for addr in device["ids"]]
        if timeout is None:
            timeout = start_timeout(conf)
        reservations.reserve(self.host, addrs, vmid, timeout=timeout)
        for key in sorted(devices):
            for addr in devices[key]["ids"]:
                self._prepare_device(addr, devices[key])
        return cmd, addrs, conf

    def _prepare_device(self, addr, device):
        """prepare_pci_device"""
        info = sysfs.device_info(self.host, addr)
        if not sysfs.iommu_present(self.host):
            raise PveError("cannot prepare PCI pass-through, IOMMU not present\n")
        if not info:
            raise PveError(f"no pci device info for device '{addr}'\n")
        if device.get("driver") == "keep":
            return
        if not sysfs.bind_group_to_vfio(self.host, addr):
            raise PveError(f"can't unbind/bind PCI group to VFIO '{addr}'\n")
        if info["has_reset"] and not sysfs.reset(self.host, info):
            warn(f"failed to reset PCI device '{addr}', but trying to continue as not all "
                 "devices need a reset\n")

    def _cleanup_after_failure(self, vmid, conf):
        """No post-start and no post-stop here: the hook is not told."""
        try:
            self._cleanup_pci_devices(vmid, conf)
        except PveError as err:
            warn(error_text(err))

    def showcmd(self, vmid):
        """vm_commandline: a dry run, no hook, nothing reserved."""
        conf = self.configs.load(vmid)
        devices = mapping.choose_devices(
            self.host, mapping.parse_devices(self.host, self.cfs, conf), vmid, dry_run=True)
        return qemu.command(vmid, conf, mapping.device_arguments(conf, devices))

    # -- stop ----------------------------------------------------------------------

    def stop(self, vmid, skiplock=False, nocheck=False, timeout=None, shutdown=False,
             force=None, migratedfrom=None):
        """vm_stop"""
        if force is None:
            force = not shutdown
        if migratedfrom:  # a migration to here failed: no lock is taken
            pid = self.configs.check_running(vmid, migratedfrom)
            if pid:
                os.kill(pid, signal.SIGTERM)
            self._stop_cleanup(vmid, self.configs.load(vmid, migratedfrom), noerr=True)
            return
        with self.configs.lock(vmid):
            self._do_stop(vmid, skiplock, nocheck, timeout, shutdown, force)

    def _do_stop(self, vmid, skiplock, nocheck, timeout, shutdown, force):
        """_do_vm_stop"""
        conf = None
        pid = qemu.running(self.host, vmid) if nocheck else self.configs.check_running(vmid)
        if not pid:
            return
        if not nocheck:
            conf = self.configs.load(vmid)
            if not skiplock:
                vmconfig.check_lock(conf)
            hooks.exec_hookscript(self.host, conf, vmid, "pre-stop")
        if not self._ask_to_end(vmid, pid, timeout, shutdown, force):
            _kill(pid, signal.SIGTERM)
            if not qemu.wait_gone(self.host, vmid, 10):
                warn("VM still running - terminating now with SIGKILL\n")
                _kill(pid, signal.SIGKILL)
                qemu.wait_gone(self.host, vmid, 1)
        if conf:
            self._stop_cleanup(vmid, conf, apply_pending=True, noerr=True)

    def _ask_to_end(self, vmid, pid, timeout, shutdown, force):
        """Through the monitor; False: it is to be killed. The monitor may not answer."""
        try:
            (qemu.powerdown if shutdown else qemu.quit_now)(self.host, vmid, pid)
        except PveError as err:
            if not force:
                raise PveError("VM quit/powerdown failed\n") from err
            warn("VM quit/powerdown failed - terminating now with SIGTERM\n")
            return False
        if qemu.wait_gone(self.host, vmid, 60 if timeout is None else timeout):
            return True
        if not force:
            raise PveError("VM quit/powerdown failed - got timeout\n")
        warn("VM still running - terminating now with SIGTERM\n")
        return False

    def _stop_cleanup(self, vmid, conf, apply_pending=False, noerr=False, skip_hook=False):
        """vm_stop_cleanup. With noerr (a stop) a mapping that is gone only warns and
        post-stop runs; without (qm cleanup) it dies before post-stop. Either way the
        reservation stays and pending changes are not applied."""
        use_flag = not os.path.exists(self.host.path(f"{RUN}/force-legacy-cleanup"))
        if use_flag and not os.path.exists(self._flag(vmid)):
            return
        try:
            for ext in ("mon", "qmp", "pid", "vnc", "qga"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.host.path(f"{RUN}/{vmid}.{ext}"))
            self._cleanup_pci_devices(vmid, conf)
            if apply_pending:
                self.configs.apply_pending(vmid, conf)
        except PveError as err:
            if not noerr:
                raise
            warn(error_text(err))
        if use_flag and not skip_hook:
            self._post_stop(vmid, conf)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._flag(vmid))

    def _post_stop(self, vmid, conf):
        mode = self.host.knob("post-stop", vmid)
        for _ in range({"normal": 1, "twice": 2, "lost": 0}[mode]):
            hooks.exec_hookscript(self.host, conf, vmid, "post-stop")

    def _cleanup_pci_devices(self, vmid, conf):
        """cleanup_pci_devices: parses every hostpciN again, which may die."""
        if vmconfig.is_template(conf):
            return
        for key in conf:
            if re.fullmatch(r"hostpci\d+", key):
                mapping.parse_hostpci(self.host, self.cfs, conf[key])
        reservations.remove(self.host, vmid)

    def reboot(self, vmid, timeout=None):
        """vm_reboot: only a shutdown; qmeventd's 'qm cleanup' starts the VM again."""
        with self.configs.lock(vmid):
            if not self.configs.check_running(vmid):
                return
            with open(self._reboot_request(vmid), "w", encoding="utf-8"):
                pass
            try:
                self._do_stop(vmid, False, False, timeout, shutdown=True, force=False)
            except PveError:
                self._clear_reboot_request(vmid)
                raise

    def cleanup(self, vmid, clean, guest):
        """qm cleanup, which qmeventd runs; True if the VM is to be started again."""
        if not os.path.isfile(self.configs.path(vmid)):
            return False
        warn(f"Starting cleanup for {vmid}\n")
        with self.configs.lock(vmid, timeout=60):
            conf = self.configs.load(vmid)
            pid = qemu.running(self.host, vmid)
            if pid:
                if clean and conf.get("lock") == "backup":
                    raise PveError("skipping cleanup - 'backup' lock is present and vm is "
                                   "running again\n")
                newer = os.environ.get("PVESIM_DEAD_PID") not in (None, str(pid))
                if newer and not self.host.knob("cleanup-race", vmid):
                    raise PveError("aborting cleanup, VM was started again\n")
                wait = self.host.knob("cleanup-wait", vmid)
                if not qemu.wait_gone(self.host, vmid, wait):
                    raise PveError("aborting cleanup, VM is still running after 30 seconds\n")
            legacy = os.path.exists(self.host.path(f"{RUN}/force-legacy-cleanup"))
            if not clean or guest or not legacy:
                self._stop_cleanup(vmid, conf)
            if legacy:
                self._post_stop(vmid, conf)
            restart = self._clear_reboot_request(vmid)
        warn(f"Finished cleanup for {vmid}\n")
        return restart

    # -- migration ---------------------------------------------------------

    def cleanup_source(self, vmid, conf):
        """The end of a migration on the source, whose config is elsewhere by now: older
        qemu-server ran post-stop here (from qm cleanup, which found no config in newer ones)."""
        self._stop_cleanup(vmid, conf, skip_hook=not self.host.knob("source-post-stop", vmid))

    def resume(self, vmid, skiplock=False, nocheck=False):
        """vm_resume. With nocheck the config may still be the other node's."""
        with self.configs.lock(vmid):
            status = qmp.mon_cmd(self.host, vmid, "query-status", timeout=60)["status"]
            node = self.cfs.vmlist.get(vmid, {}).get("node") if nocheck else None
            conf = self.configs.load(vmid, node)
            if status == "running":
                return
            if not nocheck and not skiplock and conf.get("lock") != "backup":
                vmconfig.check_lock(conf)
            qmp.mon_cmd(self.host, vmid, "cont")

    def migrate_away(self, vmid, target):
        """The source side (PVE/QemuMigrate.pm: phase3_cleanup): the config goes first."""
        with self.configs.lock(vmid):
            conf = self.configs.load(vmid)
            os.rename(self.configs.path(vmid), self.configs.path(vmid, target))
            self._do_stop(vmid, True, True, None, False, True)
            self._stop_cleanup(vmid, conf,
                               skip_hook=not self.host.knob("source-post-stop", vmid))

    def migrate_here(self, vmid, source, fail=False):
        """The target side. The config is in the source's folder until all is done."""
        self.start(vmid, skiplock=True, migratedfrom=source)
        if fail:
            warn("migration aborted\n")
            self.stop(vmid, skiplock=True, migratedfrom=source)
            raise PveError("migration aborted\n")
        os.rename(self.configs.path(vmid, source), self.configs.path(vmid))

    # -- flags -------------------------------------------------------------------------

    def _flag(self, vmid):
        return self.host.path(f"{RUN}/{vmid}.cleanup")

    def _create_cleanup_flag(self, vmid):
        with open(self._flag(vmid), "w", encoding="utf-8") as fh:
            fh.write(str(int(time.time())))

    def _reboot_request(self, vmid):
        return self.host.path(f"{RUN}/{vmid}.reboot")

    def _clear_reboot_request(self, vmid):
        try:
            os.unlink(self._reboot_request(vmid))
        except FileNotFoundError:
            return False
        return True


def start_timeout(conf):
    """config_aware_timeout: four times as long with passed-through devices."""
    memory = int(conf.get("memory", "512"))
    timeout = memory // 1024 if memory > 30720 else 30
    if any(re.fullmatch(r"hostpci[0-9]+", key) for key in conf):
        timeout *= 4
    return timeout + 5 * sum(1 for key in conf if re.match(r"net\d+", key))


def _kill(pid, sig):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, sig)


def wipe_run(host):
    """What a hard reset does to /run; /etc/pve survives."""
    base = host.path(RUN)
    for name in os.listdir(base) if os.path.isdir(base) else []:
        with contextlib.suppress(IsADirectoryError):
            os.unlink(f"{base}/{name}")
    for name in ("/sys/fs/cgroup/lxc", "/sys/fs/cgroup/lxc.monitor"):
        if not host.is_real:
            shutil.rmtree(host.path(name), ignore_errors=True)
    shutil.rmtree(host.state("lxc"), ignore_errors=True)  # interfaces that were in containers
    locks = host.path("/var/lock/qemu-server")
    for name in os.listdir(locks) if os.path.isdir(locks) else []:
        os.unlink(f"{locks}/{name}")


def _processes(host):
    """What runs on this node beside its QEMUs and daemons: tasks with all that they began, what
    came by ssh, jobs that hooks left behind. Its root is in their environment."""
    mine = {os.getpid(), os.getppid()}
    serve = int(read_text(host.state("serve.pid")) or 0)
    for task in tasks.all_tasks(host):
        if tasks.is_running(task):
            yield task["pid"]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            env = read_text(f"/proc/{pid}/environ") or ""
            parent = int((read_text(f"/proc/{pid}/stat") or ") X 0").rpartition(")")[2].split()[1])
        except OSError:  # gone meanwhile
            continue
        if f"PVESIM_ROOT={host.root}" in env.split("\0") and serve not in (int(pid), parent) \
                and int(pid) not in mine:
            yield int(pid)


def crash_host(host):
    """A power failure: no hook is called, every process is simply gone."""
    from . import fakesys
    from .host import write_atomic
    pids = []
    for name in os.listdir(host.path(RUN)):
        if name.endswith(".pid"):
            pid = qemu.running(host, int(name[:-4]))
            if pid:
                pids.append(pid)
    write_atomic(host.state("boot-id"), f"{time.time()}\n")  # qmeventd forgets its VMs
    others = set(_processes(host)) - set(pids)
    for pid in others:
        _kill(pid, signal.SIGKILL)
    wipe_run(host)
    for pid in pids:
        _kill(pid, signal.SIGKILL)
    for pid in [*pids, *others]:
        while qemu.proc_start_time(pid) is not None:
            time.sleep(0.01)
    fakesys.reboot(host)
    sys.stdout.write(f"host crashed, {len(pids)} VMs gone\n")
