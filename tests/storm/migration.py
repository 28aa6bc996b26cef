# SPDX-License-Identifier: GPL-2.0-or-later
"""A live migration in PVE's order (PVE/QemuMigrate.pm), a part at a time: between two of them the VM
is on its way, as long as the storm likes. tests/sim has all that PVE says about it."""

import os
import signal

from minipve import FLAG, Refused, flock, locked


class Migration:
    """Of one VM, from node to node.

    state: "flying": memory is transferred, both nodes have a QEMU; "orphan": and PVE's worker was
    killed; "left": it is over, without success, and the target's QEMU was left behind.
    """

    def __init__(self, pve, vmid, source, target):
        self.pve, self.vmid, self.source, self.target = pve, vmid, source, target
        self.lock = None
        self.state = "new"

    def prepare(self):
        """The worker's lock, PVE's own check, phase 1. Refused: PVE does not migrate it."""
        self.lock = flock(self.source.vm_lock_path(self.vmid))
        conf = self.pve.conf(self.source.name, self.vmid)
        cfg = self.pve.mappings()
        names = [value.split(",")[0].removeprefix("mapping=") for key, value in conf.items()
                 if key.startswith("hostpci")]
        stuck = [n for n in names if not cfg["ids"].get(n, {}).get(FLAG)]
        if stuck:
            self.unlock()
            raise Refused("pve", "can't live migrate running VM which uses following mapped "
                          f"devices: {', '.join(stuck)}")
        if not all(any(f"node={self.target.name}," in entry + "," for entry in
                       cfg["ids"][n]["map"]) for n in names):
            self.unlock()
            raise Refused("entry", f"missing mapped devices on {self.target.name}")
        self.pve.lock_conf(self.source.name, self.vmid, "migrate")

    def begin(self, **how):
        """Phase 2: the target's QEMU, and its memory. Returns and raises as Node.start()."""
        started = self.target.start(self.vmid, source=self.source.name, incoming=True, **how)
        self.transfer("active")
        self.state = "flying"
        return started

    def transfer(self, status, guest=None):
        monitor = self.source.monitors.get(self.vmid)
        if monitor:
            monitor.migration, monitor.status = {"status": status}, guest

    def unlock(self):
        """The worker ends, or is killed."""
        if self.lock is not None:
            os.close(self.lock)
        self.lock = None

    def cancel(self, stop=None):
        """phase2_cleanup. stop(): what becomes of the target's QEMU. Returns what that does."""
        self.transfer("cancelled")
        self.pve.lock_conf(self.source.name, self.vmid, None)
        done = stop() if stop else None
        self.unlock()
        return done

    def stop_target(self, hook=True):
        """`qm stop --skiplock --migratedfrom`: without a lock. Its post-stop's run."""
        return self.target.stop(self.vmid, hook=hook, pre_stop=False, held=True)

    def switch_over(self):
        """phase3_cleanup, its first part: the config goes over, and then the guest."""
        self.transfer("completed", "postmigrate")
        os.rename(self.pve.conf_path(self.source.name, self.vmid),
                  self.pve.conf_path(self.target.name, self.vmid))
        self.target.monitors[self.vmid].status = None

    def stop_source(self, hook):
        """And the rest. Older versions of PVE call post-stop here, newer ones do not."""
        run = self.source.stop(self.vmid, signal.SIGTERM, hook=hook, pre_stop=False, held=True)
        with locked(self.target.vm_lock_path(self.vmid)):
            if os.path.exists(self.pve.conf_path(self.target.name, self.vmid)):
                self.pve.lock_conf(self.target.name, self.vmid, None)
        self.unlock()
        return run
