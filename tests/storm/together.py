# SPDX-License-Identifier: GPL-2.0-or-later
"""Many VMs that start at the same moment, and what nodes of the storm begin with."""

import concurrent.futures
import os
import threading
import time


def new_vm(pve, node, vmid, slots=(0,), live=False):
    from model import Vm
    vm = Vm(vmid, node.name)
    conf = f"name: vm{vmid}\nmemory: 512\nhookscript: local:snippets/vfhook\n"
    for slot in slots:
        conf += f"hostpci{slot}: mapping=vf-{vmid}-{slot}\n"
        vm.wishes[slot] = {"mac": f"bc:24:11:{slot:02x}:{vmid >> 8:02x}:{vmid & 255:02x}"}
        if live:
            vm.wishes[slot]["live-migration"] = True
    with open(pve.conf_path(node.name, vmid), "w", encoding="utf-8") as fh:
        fh.write(conf)
    return vm


def add_card_port(pve, vm, slot):
    """Beside its others."""
    vm.cards.add(slot)
    vm.wishes[slot] = {}
    with open(pve.conf_path(vm.node, vm.vmid), "a", encoding="utf-8") as fh:
        fh.write(f"hostpci{slot}: mapping=vf-{vm.vmid}-{slot}\n")


def write_config(pve, vms, vfs, card_vfs=0):
    with open(f"{pve.pve}/vfhook.cfg", "w", encoding="utf-8") as fh:
        fh.write("pool: wan\n")
        for name in pve.nodes:
            fh.write(f"\tpf node={name},path=0000:06:00.0\n")
        fh.write(f"\tvfs {vfs}\n\n")
        if card_vfs:
            fh.write("pool: disk\n\tnetwork off\n" + "".join(
                f"\tpf node={name},path=0000:08:00.0,id=1b36:0010,serial=S5GX\n" for name in pve.nodes) +
                     f"\tvfs {card_vfs}\n\n")
        for vm in vms.values():
            for slot, wish in vm.wishes.items():
                fh.write(f"port: {vm.vmid}-{slot}\n\tpool {'disk' if slot in vm.cards else 'wan'}\n" +
                         "".join(f"\t{key} {1 if value is True else value}\n" for key, value in wish.items()) + "\n")


# --- 64 at once ---

def start_together(node, vms):
    """Every hook waits at a gate until all of them are there. {vmid: devices or Refused}"""
    from minipve import Hang, Refused
    read_end, write_end = os.pipe()
    gated = threading.Barrier(len(vms) + 1)

    def one(vm):
        try:
            return node.start(vm.vmid, gate=read_end, gated=gated)[0]
        except (Refused, Hang) as err:
            return err

    with concurrent.futures.ThreadPoolExecutor(len(vms)) as pool:
        jobs = {vm.vmid: pool.submit(one, vm) for vm in vms.values()}
        gated.wait()
        time.sleep(0.1)  # the shells are at their gate
        began = time.monotonic()
        os.close(write_end)
        results = {vmid: job.result() for vmid, job in jobs.items()}
    os.close(read_end)
    return results, time.monotonic() - began


def judge_refusal(node, owners, err):
    """It must say of every VF who has it (as many as it shows), and nothing of locks."""
    shown = [line for line in err.text.splitlines() if line.startswith("vfhook:   0000:")]
    named = sum(any(f"leased by VM {o} " in line or f"for VM {o} " in line for o in owners)
                for line in shown)
    return (err.where == "pre-start" and "no VF of pool 'wan' is free" in err.text and
            named == len(shown) == min(len(node.addrs), 40))


def storm(tap, base, name, vfs, mapped=False):
    import minipve
    from model import Violation, check_node
    pve = minipve.Pve(f"{base}/{name}")
    node = pve.add_node("pve1", vfs)
    vms = {vmid: new_vm(pve, node, vmid) for vmid in range(100, 164)}
    write_config(pve, vms, vfs)
    if mapped:  # as after a restore of all of them from one backup
        group = node.tree.group_of(node.addrs[5])
        entry = (f"id=8086:10ca,iommugroup={group},node=pve1,path={node.addrs[5]},"
                 "subsystem-id=8086:0000")
        pve.write_mappings({"ids": {f"vf-{v}-0": {"type": "pci", "map": [entry]} for v in vms},
                            "order": {}})
    pve.serve()
    try:
        for again in ("", ", again"):
            pve.calls.clear()
            results, took = start_together(node, vms)
            good = judge_storm(tap, f"{name}{again}", node, vms, results, took, pve)
            if again and vfs >= len(vms):
                tap.ok(not pve.calls, f"{name}{again}: each kept its VF, without a REST call")
            if not good:
                break
            try:
                check_node(node, vms)
                stop_all(node, vms)
                leases = check_node(node, vms)
                tap.ok(not leases,
                       f"{name}{again}: all stopped: no lease is left, every VF is parked")
            except Violation as err:
                tap.ok(False, f"{name}{again}: {err.text}")
                break
    finally:
        pve.server.shutdown()
        pve.server.server_close()


def judge_storm(tap, name, node, vms, results, took, pve):
    from model import expected
    owners = {}
    refused = []
    for vmid, result in results.items():
        if isinstance(result, dict):
            owners[vmid] = result[0]
            vms[vmid].running = {node.name: {0: (result[0], expected(vms[vmid].wishes[0]))}}
        else:
            refused.append((vmid, result))
    settings, leases = node.settings(), node.leases()
    right = sum(leases.get(a, {}).get("vmid") == v and
                settings[a]["mac"] == vms[v].wishes[0]["mac"] for v, a in owners.items())
    want = min(len(vms), len(node.addrs))
    good = tap.ok(len(owners) == len(set(owners.values())) == right == want,
                  f"{name}: {len(vms)} VMs started at once on {len(node.addrs)} VFs: "
                  f"{len(owners)} run, each on its own VF with its own MAC")
    if len(vms) > want or not good:
        fair = [judge_refusal(node, owners, err) for _vmid, err in refused]
        good = tap.ok(all(fair) and len(fair) == len(vms) - want,
                      f"{name}: {len(refused)} are refused, each told who has each VF") and good
    if not good:
        for vmid, err in refused[:5]:
            tap.note(f"VM {vmid}: {err}")
    tap.note(f"{took:.1f} s, REST calls: "
             f"{', '.join(f'{m} {n}' for (m, _), n in sorted(pve.calls.items())) or 'none'}")
    return good


def stop_all(node, vms):
    from model import Violation
    for vm in vms.values():
        if not vm.running:
            continue
        run = node.stop(vm.vmid)
        if run.code:
            raise Violation(f"post-stop of VM {vm.vmid}: {run.text}", [vm.vmid])
        vm.running = {}
