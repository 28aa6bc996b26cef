# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers in the random run: started, stopped, rebooted from inside, killed, given up by LXC, cloned,
destroyed; and VMs with a card's VF beside a NIC's."""

import os
import time

import lxc

MOST_CTS = 9
CT_RUNNING = ("ct_stop", "ct_poweroff", "ct_reboot", "ct_crash", "ct_kill_stop", "ct_late")
CT_ANYHOW = ("ct_set", "ct_clone")


def ct_text(vmid, *slots):
    return f"arch: amd64\nhostname: ct{vmid}\nhookscript: {lxc.SNIPPET}\n" + \
        "".join(lxc.raw_lines(vmid, slot, f"eth{slot + 1}") for slot in slots)


def new_ct(node, vmid, slots=(0,)):
    from model import Vm
    ct = Vm(vmid, node.name, is_ct=True)
    node.new_ct(vmid, ct_text(vmid, *slots))
    for slot in slots:
        ct.wishes[slot] = {"name": f"eth{slot + 1}", "mac": f"bc:24:11:{slot + 8:02x}:{vmid >> 8:02x}:{vmid & 255:02x}"}
    return ct


class Kinds:
    """The part of the random run that has to do with it."""

    def ct_start(self, ct, _x, _y, **how):
        return self.start(ct, **how)

    def ct_kill_start(self, ct, x, _y):
        self.start(ct, kill={"pre-start": x * x * 0.16})

    def ct_kill_post_start(self, ct, x, _y):
        self.start(ct, kill={"post-start": x * 0.02})

    def ct_fail(self, ct, _x, y):
        """LXC gives it up, and says so; systemd never starts it, and says nothing."""
        self.start(ct, fail="systemd" if y else "lxc")

    def node_of(self, ct):
        return self.by_name[ct.node]

    def ct_ends(self, ct, x, what, **how):
        """One that the kernel had to give another name comes back as dev<N>."""
        node = self.node_of(ct)
        self.stopped(ct, node, node.stop_ct(ct.vmid, back="dev" if x < 0.2 else "name", **how), what)

    def ct_stop(self, ct, x, _y):
        self.ct_ends(ct, x, "pct stop")

    def ct_poweroff(self, ct, x, _y):
        self.ct_ends(ct, x, "it ends by itself", by_itself=True)

    def ct_kill_stop(self, ct, x, _y):
        self.ct_ends(ct, x, "pct stop with a kill", kill_after=x * 0.03)

    def ct_crash(self, ct, _x, _y):
        node = self.node_of(ct)
        node.kill_ct(ct.vmid)
        self.tally("crashes of containers")
        self.stopped(ct, node, None, "its monitor is killed, nobody is told")
        ct.stale.add(node.name)

    def ct_reboot(self, ct, x, _y):
        """Nobody is to take its VF meanwhile, or to change its name, driver or settings."""
        from model import Violation
        node = self.node_of(ct)
        self.tally("reboots from inside")
        why = node.reboot_ct(ct.vmid, x * 0.15)
        self.note(ct, node, f"reboot from inside: {why or 'it runs again'}")
        if why:
            raise Violation(f"CT {ct.vmid} on {node.name} does not come back from a reboot: {why}", [ct.vmid])

    def ct_late(self, ct, x, _y):
        """A process outside of it has its network namespace: the VF is nobody's until that has ended."""
        from model import Violation
        node = self.node_of(ct)
        self.tally("stops with an interface that is not back")
        run = node.stop_ct(ct.vmid, back="lost")
        leases = node.leases()
        for addr, _ in ct.running[node.name].values():
            lease = leases.get(addr, {})
            if not run.code or lease.get("vmid") != ct.vmid or node.driver_of(addr) != lxc.DRIVER:
                raise Violation(f"{addr} of CT {ct.vmid} is not back, and: {run.code} {lease} {run.text}",
                                [ct.vmid], [addr])
        self.late_stop(ct, node, run)
        time.sleep(x * 0.1)
        node.back_again(ct.vmid)
        node.long_ago(ct.vmid)
        run = self.command(ct, node, "release", ct.vmid)
        if not run.code:
            ct.stale.discard(node.name)

    def late_stop(self, ct, node, run):
        """Told, and no violation."""
        self.note(ct, node, f"stop, and its interface is not back: post-stop {run.code}\n{run.text}")
        self.tally("stops")
        ct.running.pop(node.name, None)
        ct.forget(node)
        ct.stale.add(node.name)

    def ct_set(self, ct, x, _y):
        if ct.wishes and x < 0.8:
            self.set(ct, x, 0)

    # -- clones --

    def ct_clone(self, ct, x, _y):
        """It is not started on its origin's interface; attach gives it one of its own."""
        from minipve import Refused
        from model import Violation, read_ports
        node = self.node_of(ct)
        with self.guard:
            if sum(v.is_ct for v in self.vms.values()) >= MOST_CTS or not ct.wishes:
                return
            self.next_ct += 1
            vmid = self.next_ct
        with open(node.ct_conf(ct.vmid), encoding="utf-8") as fh:
            node.new_ct(vmid, fh.read())
        clone = self.new_guest(vmid, node)
        self.tally("clones of containers")
        try:
            node.start_ct(vmid)
            raise Violation(f"CT {vmid} starts, and has the lines of CT {ct.vmid}", [vmid, ct.vmid])
        except Refused as err:
            if err.where != "pre-start" or f"vfhook attach {vmid}" not in err.text and \
                    not self.excused(node, err.text):
                raise Violation(f"CT {vmid}, a clone, is refused otherwise: {err}", [vmid]) from err
        node.long_ago(vmid)
        for slot in sorted(ct.wishes):
            run = self.command(clone, node, "attach", vmid, "--pool", "wan", "--name", f"eth{slot + 1}", "--vlan",
                               1 + int(x * 4000))
            if run.code:
                break  # in trouble, and said so: all is as before
            with open(f"{self.pve.pve}/vfhook.cfg", encoding="utf-8") as fh:
                made = read_ports(fh.read()).get((vmid, slot), {})
            clone.wishes[slot] = {**ct.wishes[slot], "name": f"eth{slot + 1}", "mac": made.get("mac"),
                                  "vlan": 1 + int(x * 4000)}  # what its origin has but these
        with self.guard:
            self.busy[vmid] = len(clone.wishes)
        if set(clone.wishes) != set(ct.wishes):
            self.ct_destroy(clone, 0, 0)

    def new_guest(self, vmid, node):
        from model import Vm
        clone = Vm(vmid, node.name, is_ct=True)
        with self.guard:
            self.busy[vmid] = 2
            self.vms = {**self.vms, vmid: clone}
        return clone

    def ct_destroy(self, ct, _x, _y):
        """Its port goes with a repair."""
        node = self.node_of(ct)
        os.unlink(node.ct_conf(ct.vmid))
        self.tally("containers destroyed")
        self.note(ct, node, "destroyed")
        ct.gone = True

    def bury(self):
        """Those that are destroyed, and of which nothing is left."""
        from model import read_ports
        gone = [v for v in self.vms.values() if v.gone]
        if not gone:
            return
        with open(f"{self.pve.pve}/vfhook.cfg", encoding="utf-8") as fh:
            left = {vmid for vmid, _ in read_ports(fh.read())}
        for ct in gone:
            node = self.node_of(ct)
            held = any(lease["vmid"] == ct.vmid for lease in node.leases().values())
            if ct.vmid not in left and not held and str(ct.vmid) not in node.journals():
                self.vms = {vmid: v for vmid, v in self.vms.items() if v is not ct}

    def time_goes_by(self):
        """Between two rounds: no container is rebooting."""
        for node in self.nodes:
            node.long_ago()
