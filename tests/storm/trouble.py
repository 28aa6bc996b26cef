# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong around the hook: drivers that refuse, VFs and PFs that cannot be read, pid files
that cannot, leases that are gone, VFIO groups that stay open, and PVE with an old mapping."""

import errno
import json
import os
import re

# tests/fake/kernel.c: a refusal that is one, one that is done all the same, a VF or the PF that
# cannot be read for a while, a VF in reset.
DRIVER = ("fail-keeps:MAC", "fail-keeps:VLAN", "fail-keeps:spoofchk", "fail-keeps:trust",
          "fail-keeps:rate", "fail:MAC", "fail:VLAN", "fail-after:2", "fail-after:5", "busy:4",
          "hole:{vf}", "hole:{vf}", "hole:{vf}:2", "gone")
OF_NONE = {"vmid": 999, "qemu-pid": 0, "qemu-start": 0}
ENDS = ("stop", "poweroff", "crash", "kill_stop", "migrate")
RUNNING = (*ENDS, "lose_lease", "stop_busy", "stop_moment", "unplug", "plug", "kill_unplug",
           "kill_plug", "kill_job")
CALM = ("reattach", "kill_set", "power_failure", "evacuate")  # not while something is wrong


class Trouble:
    """The part of the random run that has to do with it."""

    # -- for a round --

    def make_trouble(self):
        rnd = self.random
        self.trouble, self.blind = {}, {}
        self.began = self.op
        for node in self.nodes:
            runs = [v for v in self.vms.values() if node.name in v.running and not v.odd() and
                    not v.moving and not v.is_ct]
            if rnd.random() < 0.12:
                quirk = rnd.choice(DRIVER).format(vf=rnd.randrange(len(node.addrs)))
                self.trouble[node.name] = quirk
                node.set_quirks([quirk])
                self.tally("rounds with a driver in trouble")
            if rnd.random() < 0.06 and runs:
                self.blind[node.name] = rnd.choice(runs)
                node.hide_pid(self.blind[node.name].vmid)
                self.tally("rounds with a pid file that cannot be read")
        self.log += [f"{n}:{q}" for n, q in self.trouble.items()]
        self.log += [f"{n}:blind:{v.vmid}" for n, v in self.blind.items()]

    def end_trouble(self):
        for name in self.trouble:
            self.by_name[name].set_quirks()
        for name, vm in self.blind.items():
            self.by_name[name].hide_pid(vm.vmid, hidden=False)

    def due(self):
        """What a person does about what was said: [(what, whom)]."""
        jobs = []
        for node in self.nodes:
            here = [v for v in self.vms.values() if node.name in v.running]
            jobs += [("stop", v) for v in here if node.name in v.cut and self.random.random() < 0.7]
            jobs += [("plug", v) for v in here if not v.moving and v.without.get(node.name) and
                     self.random.random() < 0.3]
            if any(node.name in v.beside or node.name in v.loose for v in here) or node.odd:
                jobs.append(("repair", node))
        return jobs

    def in_trouble(self, node):
        """May a run on that node say that something cannot be done?"""
        return bool(node.name in self.trouble or node.name in self.blind or node.odd or
                    node.name in self.groups or
                    any(node.name in v.cut or node.name in v.beside for v in self.vms.values()))

    def excused(self, node, text):
        return self.in_trouble(node) and "vfhook: " in text

    # -- PVE has an old mapping --

    def stale_start(self, vm, x, y):
        """The VM's mapping was changed by a person, as by a restore, and then PVE reads the old one."""
        node = self.by_name[vm.node]
        leased = [a for a in node.leases() if a in node.addrs]
        choice = leased if leased and y else node.addrs
        if x < 0.7:
            self.point_elsewhere(vm, node, choice[int(x * 1000) % len(choice)])
        self.tally("starts with an old mapping")
        self.start(vm, stale=True)

    def point_elsewhere(self, vm, node, addr):
        with self.pve.cfs_lock("file-mapping_pci_cfg"):
            cfg = self.pve.mappings()
            section = cfg["ids"].get(f"vf-{vm.vmid}-0", {"map": []})
            for i, text in enumerate(section["map"]):
                if f"node={node.name}," in text + ",":
                    text = re.sub(r"path=[^,]+", f"path={addr}", text)
                    section["map"][i] = re.sub(r"iommugroup=\d+",
                                               f"iommugroup={node.tree.group_of(addr)}", text)
            self.pve.write_mappings(cfg)

    # -- VMs beside their lease --

    def lose_lease(self, vm, x, y):
        """By hand: it is removed, or of a VM that is none, or no lease."""
        node = next(n for n in self.nodes if n.name in vm.running)
        # Of one that was plugged in the lease alone says that QEMU has it.
        has = [a for a, _ in vm.running[node.name].values() if a in node.qemus[vm.vmid][1]]
        if not has or vm.messy(node):
            return
        addr = has[0]
        path = f"{node.root}/run/vfhook/leases/{addr}"
        if x < 0.4:
            os.unlink(path)
        else:
            with open(path, encoding="utf-8") as fh:
                text = json.dumps({**json.load(fh), **OF_NONE}) if y else "rubbish"
            # Whole, as a program would write it.
            new = f"{node.root}/run/vfhook/leases/.tmp-{addr}"
            with open(new, "w", encoding="utf-8") as fh:
                fh.write(text)
            os.replace(new, path)
        vm.beside.add(node.name)
        node.odd[addr] = self.op
        self.tally("leases lost")
        self.note(vm, node, f"the lease of {addr} is lost")

    # -- VFIO groups that stay open --

    def stop_moment(self, vm, x, _y):
        """The kernel takes its time to close them."""
        self.stop(vm, 0, 0, what="stop with a late close", group=errno.EBUSY, lasts=x * 0.2)

    def stop_busy(self, vm, x, _y):
        """They stay open, or it cannot be told: nothing is given back, and that is said."""
        from model import Violation
        node = next(n for n in self.nodes if n.name in vm.running)
        addrs = [addr for addr, _ in vm.running[node.name].values()]
        code = errno.EBUSY if x < 0.1 else errno.EIO if x < 0.6 else errno.EACCES
        was = node.settings()
        run = node.stop(vm.vmid, group=code)
        leases, now = node.leases(), node.settings()
        self.tally("stops with a VFIO group open")
        for addr in addrs:
            if not run.code or not re.search(f"VF {addr} (is|may) still (be )?open", run.text):
                if node.name not in self.trouble:
                    raise Violation(f"{addr} of VM {vm.vmid} may be open, and: {run.code} "
                                    f"{run.text}", [vm.vmid], [addr])
            # Its link may be cut meanwhile: behind a VM that PVE started on it by an old mapping.
            changed = {k for k, v in now[addr].items() if v != was[addr].get(k)} - {"link-state"}
            if leases.get(addr, {}).get("vmid") != vm.vmid or changed:
                raise Violation(f"{addr} of VM {vm.vmid} may be open, and was given back: "
                                f"{run.text}", [vm.vmid], [addr])
        node.answer_group(addrs)
        self.stopped(vm, node, run, "stop with a VFIO group open")
