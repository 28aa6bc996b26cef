# SPDX-License-Identifier: GPL-2.0-or-later
"""VFs that come and go while their VM runs: unplugged and plugged in by hand, and live migrations
that come to their end or not, some of them rounds later; and the jobs beside them."""

import random
import time

import minipve
import peers
from migration import Migration

MOST_MOVING = 3
REST = 90  # seconds in which jobs that nothing holds up come to their end
# What the guest, the way to the other node, or whoever kills does to a migration that begins.
TRICKS = {"": 55, "slow": 8, "late": 5, "never": 4, "deaf": 1, "closes": 3, "ssh fails": 3,
          "ssh lost": 3, "ssh kill": 6, "kill pre-start": 6, "kill post-start": 3, "bad QEMU": 3}
# How one that is under way goes on.
ENDS = {"complete": 50, "cancel": 9, "silent": 7, "left": 5, "poweroff": 5, "crash source": 4,
        "crash target": 4, "orphan": 4, "kill source's job": 6, "kill target's job": 6,
        "by hand": 4, "deaf": 2}
NO_END = ("orphan", "left", "kill source's job", "kill target's job", "by hand", "deaf")
UNPLUGS = ("unplug", "plug", "kill_unplug", "kill_plug", "kill_job")
HAND = {"": 60, "slow": 12, "late": 10, "never": 4, "closes": 6, "deaf": 1}


def choose(rnd, weights):
    return rnd.choices(list(weights), list(weights.values()))[0]


class Live:
    """The part of the random run that has to do with it."""

    def where(self, vm):
        """The node that it runs on; of a migration's two the source."""
        if vm.moving:
            return vm.moving.source
        return next(n for n in self.nodes if n.name in vm.running)

    def disturbed(self, vm, *nodes):
        """Whatever is done there may not be done."""
        for node in nodes:
            if node.name in self.trouble or node.name in self.blind:
                vm.loose.add(node.name)
                vm.flag_doubt = True

    # -- guests --

    def set_guest(self, node, vm, trick, x):
        monitor = node.monitors[vm.vmid]
        monitor.release = None if trick in ("late", "never") else x * 0.3 if trick == "slow" else 0
        monitor.hangs = "closes" if trick == "closes" else trick == "deaf"
        if monitor.hangs:
            self.deaf.append(monitor)

    def free_guest(self, node, vm, trick):
        """One that is late lets go now, and never is for good."""
        monitor = node.monitors.get(vm.vmid)
        if not monitor:
            return
        with monitor.guard:
            monitor.hangs, monitor.release = False, 0
            if trick == "never" and monitor.unplugging:
                vm.asked.add(node.name)
                monitor.unplugging.clear()
            monitor.unplugging = {slot: 0 for slot in monitor.unplugging}
            monitor.let_go()

    # -- by hand --

    def slots_of(self, vm, y):
        """All of them, or one."""
        slots = sorted(vm.wishes)
        return ([slots[-1]], ["--slot", slots[-1]]) if y and len(slots) > 1 else (slots, [])

    def unplug(self, vm, x, y, kill_after=None):
        node, rnd = self.where(vm), random.Random(x)
        slots, args = self.slots_of(vm, y)
        trick = choose(rnd, HAND) if kill_after is None else ""
        self.tally("unplugged by hand")
        self.set_guest(node, vm, trick, rnd.random())
        had = [s for s in slots if s in node.devices[vm.vmid]]
        wait = 1 if trick in ("late", "never") else 20
        run = self.judged(vm, node, ("unplug", vm.vmid, *args, "--wait", wait), kill_after,
                          may_fail=trick in ("late", "never", "closes", "deaf"))
        if run.killed or run.code and not had:
            self.in_doubt(vm, node, slots)
        elif not run.code:
            vm.without.setdefault(node.name, set()).update(slots)
            vm.asked.discard(node.name)
        elif run.code and vm.messy(node):
            self.in_doubt(vm, node, slots)
        elif trick and trick != "slow":
            # One of two may be out before the other one does not let go.
            gone = {s for s in had if s not in node.devices[vm.vmid]}
            vm.without.setdefault(node.name, set()).update(gone)
        self.free_guest(node, vm, trick)

    def plug(self, vm, _x, y, kill_after=None):
        node = self.where(vm)
        slots, args = self.slots_of(vm, y)
        self.tally("plugged in by hand")
        run = self.judged(vm, node, ("plug", vm.vmid, *args), kill_after)
        if run.killed or run.code:
            self.in_doubt(vm, node, slots)
            return
        vm.without.get(node.name, set()).difference_update(slots)
        vm.doubt.get(node.name, set()).difference_update(slots)
        vm.flag_doubt = node.name in vm.loose

    def judged(self, vm, node, args, kill_after, may_fail=False):
        """A command that is to succeed but for what is known."""
        from model import Violation
        run = node.vfhook(*args, kill_after=kill_after)
        self.note(vm, node, f"vfhook {' '.join(map(str, args))}: {run.code}\n{run.text}")
        self.tally("commands")
        self.disturbed(vm, node)
        if run.killed:
            self.tally("kills of the hook")
            vm.loose.add(node.name)
            vm.flag_doubt = True
        elif run.code and not may_fail and not self.excused(node, run.text) and \
                not vm.messy(node):
            raise Violation(f"{node.name}: vfhook {' '.join(map(str, args))} fails: {run.text}",
                            [vm.vmid])
        return run

    @staticmethod
    def in_doubt(vm, node, slots):
        vm.doubt.setdefault(node.name, set()).update(slots)

    def kill_unplug(self, vm, x, y):
        self.unplug(vm, x, y, kill_after=x * 1000 % 1 * 0.06)

    def kill_plug(self, vm, x, y):
        self.plug(vm, x, y, kill_after=x * 1000 % 1 * 0.03)

    def kill_job(self, vm, x, y):
        """The job that sees to its flag, and to what a guest let go of too late."""
        node = self.where(vm)
        if y:
            self.unplug(vm, x, 0)
        self.plug(vm, x, 0)
        time.sleep(x * 1000 % 1 * 0.03)
        self.killed_jobs(vm, node)

    def killed_jobs(self, vm, node):
        n = peers.kill_jobs(node, vm.vmid)
        for _ in range(n):
            self.tally("kills of a live job")
        if n:
            vm.loose.add(node.name)
            vm.jobless.add(node.name)
            vm.flag_doubt = True
        self.note(vm, node, f"{n} live jobs are killed")

    def evacuate(self, node, x):
        """Nothing else goes on."""
        from model import Violation
        self.tally("evacuations")
        here = [v for v in self.vms.values() if node.name in v.running]
        for ct in [v for v in here if v.is_ct]:  # which keep theirs
            self.stop(ct, 0, 0)
            here.remove(ct)
        run = node.vfhook("evacuate", minipve.IFNAME, "--wait", 20)
        self.note(None, node, f"evacuate: {run.code}\n{run.text}")
        odd = [v for v in here if v.odd() or v.moving or v.messy(node)]
        # A start that failed has left a lease: whether it is over evacuate cannot tell.
        left = odd or any(v.messy(node) for v in self.vms.values())
        if run.code and not left and not self.excused(node, run.text):
            raise Violation(f"{node.name}: evacuate fails: {run.text}")
        for vm in here:
            if vm in odd:
                self.in_doubt(vm, node, set(vm.wishes) - vm.cards)
                vm.loose.add(node.name)
                continue
            vm.without.setdefault(node.name, set()).update(set(vm.wishes) - vm.cards)
            vm.asked.discard(node.name)

    # -- a migration begins --

    def migrate_live(self, vm, x, y):
        from minipve import Refused
        from model import Violation
        rnd, source = random.Random(x), self.where(vm)
        m = Migration(self.pve, vm.vmid, source, self.other(source))
        self.tally("live migrations")
        try:
            m.prepare()
        except Refused as err:
            self.note(vm, source, f"PVE does not migrate it: {err}")
            self.tally(f"live migrations that PVE refuses ({err.where})")
            all_live = all("live-migration" in wish for wish in vm.wishes.values())
            if err.where == "pve" and all_live and not (vm.flag_doubt or vm.loose):
                raise Violation(f"PVE does not migrate VM {vm.vmid}: {err}", [vm.vmid]) from err
            return
        if not self.begin(vm, m, choose(rnd, TRICKS), rnd):
            return
        self.tally("live migrations under way")
        moving = sum(bool(v.moving) for v in self.vms.values())
        vm.moving = m
        if y and moving < MOST_MOVING:
            return  # for some rounds
        self.go_on(vm, rnd.random(), 0)

    def begin(self, vm, m, trick, rnd):
        """Does its QEMU wait for it on the target?"""
        from minipve import Refused
        source, target = m.source, m.target
        x = rnd.random()
        self.set_guest(source, vm, trick, x)
        if trick.startswith("ssh"):
            peers.ssh_will(target, vm.vmid, f"{x * 0.08:.3f}" if trick == "ssh kill" else trick[4:])
        if trick in ("late", "never"):
            peers.ssh_will(target, vm.vmid, "late")
        how = {"fail_qemu": True} if trick == "bad QEMU" else {}
        if trick.startswith("kill"):
            how = {"kill": {trick[5:]: x * x * (0.25 if trick == "kill pre-start" else 0.02)}}
        try:
            started = m.begin(**how)
        except Refused as err:
            m.cancel()
            self.refused(vm, m, err, trick)
            return False
        finally:
            peers.ssh_may(target, vm.vmid)
            self.free_guest(source, vm, trick)
            self.disturbed(vm, source, target)
        vm.node = target.name
        try:
            vm.moving = m
            self.started(vm, target, *started)
        finally:
            vm.node = source.name
        if target.name in vm.stale:  # its post-start did not come to its end: who begins the job?
            vm.jobless.add(target.name)
        return True

    def refused(self, vm, m, err, trick):
        from model import Violation
        self.note(vm, m.target, f"migration ({trick}): NOT at {err.where}: {err.text}")
        vm.stale.add(m.target.name)
        self.tally("live migrations refused")
        asks = "has not unplugged its VF" in err.text or "cannot be reached by ssh" in err.text
        excused = self.excused(m.target, err.text) or self.excused(m.source, err.text)
        if err.where == "killed":
            self.tally("kills of the hook")
        elif err.where == "qemu" and trick == "bad QEMU":
            self.tally("QEMUs that failed")
        elif err.where == "reserve" and m.target.name in self.stales:
            self.tally("starts that PVE refused with an old mapping")
        elif err.where == "pre-start" and asks and (
                trick not in ("", "slow", "bad QEMU") or m.source.name in vm.asked or excused or
                m.source.name in vm.loose):
            if "kill" in trick:
                self.tally("kills of an unplugging")
        elif err.where == "pre-start" and excused:
            self.tally("refusals in trouble")
        elif err.where == "pre-start" and "no VF of pool '" in err.text:
            self.judge_full(vm, m.target, err.text)
        else:
            raise Violation(f"VM {vm.vmid} is not migrated to {m.target.name} ({trick}): {err}",
                            [vm.vmid]) from err

    # -- and goes on --

    def go_on(self, vm, x, _y):
        rnd, m = random.Random(x), vm.moving
        how = choose(rnd, ENDS)
        if m.state == "left":
            self.end_left(vm, m)
            return
        if m.state == "orphan":
            self.end_orphan(vm, m, rnd.random() < 0.5)
            return
        self.note(vm, m.source, f"its migration to {m.target.name}: {how}")
        if how not in NO_END:
            vm.moving = None
        self.disturbed(vm, m.source, m.target)
        getattr(self, "goes_" + how.replace(" ", "_").replace("'", ""))(vm, m, rnd)
        if not vm.moving:
            self.over(vm, m)

    def over(self, vm, m):
        """Whose job was killed meanwhile is seen to by a repair."""
        for node in (m.source, m.target):
            if node.name in vm.jobless:
                (vm.loose if node.name in vm.running else vm.stale).add(node.name)
        vm.jobless.clear()

    def goes_complete(self, vm, m, rnd):
        self.tally("live migrations completed")
        m.switch_over()
        vm.node = m.target.name
        if rnd.random() < 0.2:
            time.sleep(rnd.random() * 0.1)
            self.killed_jobs(vm, m.target)
        hook = rnd.random() < 0.5
        self.ended(vm, m.source, m.stop_source(hook), f"migrated to {m.target.name}")
        for kept in (vm.without, vm.doubt):
            kept.pop(m.source.name, None)
        self.follow_up(vm, rnd)

    def follow_up(self, vm, rnd):
        """Before its job is done."""
        what = choose(rnd, {"": 70, "stop": 8, "crash": 5, "unplug": 7})
        self.disturbed(vm, *self.nodes)
        if what == "unplug":
            slots = self.slots_of(vm, 0)[0]
            run = self.judged(vm, self.where(vm), ("unplug", vm.vmid, "--wait", 20), None)
            if run.code:
                self.in_doubt(vm, self.where(vm), slots)
            else:
                vm.without.setdefault(self.where(vm).name, set()).update(slots)
        elif what in ("stop", "crash"):
            getattr(self, what)(vm, 0, 0)

    def ended(self, vm, node, run, what):
        """Its QEMU on that node has; without a post-stop its job gives back what is left."""
        self.stopped(vm, node, run, what)
        if not run and (node.name in vm.jobless or node.name in self.trouble):
            vm.stale.add(node.name)
        elif not run:
            vm.stale.discard(node.name)

    def goes_cancel(self, vm, m, _rnd):
        self.tally("live migrations failed")
        self.ended(vm, m.target, m.cancel(m.stop_target), "its migration is cancelled")

    def goes_silent(self, vm, m, _rnd):
        self.tally("live migrations failed")
        self.ended(vm, m.target, m.cancel(lambda: m.stop_target(hook=False)),
                   "its migration has failed, without a post-stop")

    def goes_left(self, vm, m, _rnd):
        self.tally("live migrations failed")
        m.cancel()
        m.state = "left"
        if m.source.name in vm.jobless:
            vm.loose.add(m.source.name)

    def end_left(self, vm, m):
        vm.moving = None
        self.disturbed(vm, m.target)
        self.ended(vm, m.target, m.stop_target(), "what was left of its migration is stopped")
        self.over(vm, m)

    def goes_poweroff(self, vm, m, _rnd, hook=True):
        self.tally("VMs that ended in a live migration")
        m.source.crash(vm.vmid)
        self.ended(vm, m.target, m.cancel(m.stop_target), "its guest is gone")
        run = m.source.stop(vm.vmid, hook=hook, pre_stop=False)
        self.ended(vm, m.source, run, "its guest has ended in a migration")
        if not hook:
            vm.flag_left = True

    def goes_crash_source(self, vm, m, rnd):
        self.goes_poweroff(vm, m, rnd, hook=False)

    def goes_crash_target(self, vm, m, rnd):
        self.tally("live migrations failed")
        m.target.crash(vm.vmid)
        hook = rnd.random() < 0.5
        self.ended(vm, m.target, m.cancel(lambda: m.stop_target(hook=hook)),
                   "its QEMU of the target is gone")

    def goes_orphan(self, _vm, m, _rnd):
        self.tally("live migrations whose worker was killed")
        m.unlock()
        m.state = "orphan"

    def end_orphan(self, vm, m, completed):
        """QEMU's part fails; or it is done, and a person has the guest go on where it was. The
        other QEMU ends by itself, and nobody tells the hook."""
        vm.moving = None
        self.disturbed(vm, m.source, m.target)
        m.transfer("completed" if completed else "failed")
        m.target.crash(vm.vmid)
        self.ended(vm, m.target, None, "nobody migrates it any more")
        self.pve.lock_conf(m.source.name, vm.vmid, None)
        self.over(vm, m)

    def goes_kill_sources_job(self, vm, m, _rnd):
        self.kill_moving(vm, m.source)

    def goes_kill_targets_job(self, vm, m, _rnd):
        self.kill_moving(vm, m.target)

    def kill_moving(self, vm, node):
        """What it leaves is no less right while the migration goes on."""
        loose = set(vm.loose)
        self.killed_jobs(vm, node)
        vm.loose = loose

    def goes_by_hand(self, vm, m, rnd):
        """PVE has it: not now."""
        from model import Violation
        words = ("unplug" if rnd.random() < 0.5 else "plug", vm.vmid)
        run = m.source.vfhook(*words)
        self.note(vm, m.source, f"vfhook {words}: {run.code}\n{run.text}")
        if not run.code:
            raise Violation(f"vfhook {words} in the middle of a migration", [vm.vmid])

    def goes_deaf(self, vm, m, rnd):
        """Until this round is over."""
        node = m.source if rnd.random() < 0.5 else m.target
        monitor = node.monitors[vm.vmid]
        monitor.hangs = "closes" if rnd.random() < 0.8 else True
        self.deaf.append(monitor)

    def lose_moving(self, node):
        """Before that node loses its power: what becomes of migrations from and to it."""
        for vm in [v for v in self.vms.values() if v.moving and node in (v.moving.source,
                                                                         v.moving.target)]:
            m, vm.moving = vm.moving, None
            self.tally("live migrations whose node died")
            if node is m.source:
                m.unlock()
                m.target.crash(vm.vmid)
                self.ended(vm, m.target, None, f"{node.name} dies, and its migration with it")
                self.pve.lock_conf(node.name, vm.vmid, None)
            elif m.state == "left":
                m.target.crash(vm.vmid)
                self.ended(vm, m.target, None, f"{node.name} dies")
            else:
                m.target.crash(vm.vmid)
                self.ended(vm, m.target, m.cancel(), f"{node.name} dies, the VM's target")
            self.over(vm, m)

    # -- rest --

    def hear_again(self):
        for monitor in self.deaf:
            monitor.hangs = False
        self.deaf = []

    def may_go_on(self, root, words):
        """A run that is not waited for: it sees to what is not over."""
        if not words:
            return False
        if words[0] in ("watch", "job", "write-job", "restart-job"):
            return True
        node = next((n for n in self.nodes if n.root == root), None)
        vm = self.vms.get(int(words[1])) if words[0] == "live-job" else None
        m = vm and vm.moving
        return bool(vm and (m and (m.state != "left" or node is m.target) or
                            node.name in vm.asked or vm.vmid in node.paused or self.may_be_asked(vm, node)))

    @staticmethod
    def may_be_asked(vm, node):
        """Killed between the note that its guest is asked, and asking: nobody can know whether it was. It has the
        VF all the same; what it has let go of is plugged in again."""
        has = set(node.devices.get(vm.vmid, {}).values())
        return any(lease.get("vmid") == vm.vmid and lease.get("asked") and addr in has
                   for addr, lease in node.leases().items())

    def rest(self):
        """Every job has done what it can."""
        from model import Violation
        end = time.monotonic() + REST
        while True:
            left = [(root, words) for _pid, root, words in peers.runs()
                    if not self.may_go_on(root, words)]
            if not left:
                return
            if time.monotonic() > end:
                vmids = [int(w) for _r, words in left for w in words if w.isdigit()]
                raise Violation(f"these runs do not end: {left}", vmids)
            time.sleep(0.005)

    def end_moving(self):
        """For the end: all of them fail."""
        for vm in self.vms.values():
            m, vm.moving = vm.moving, None
            if m and m.state == "left":
                self.end_left(vm, m)
            elif m and m.state == "orphan":
                self.end_orphan(vm, m, False)
            elif m:
                self.goes_cancel(vm, m, None)
                self.over(vm, m)
