# SPDX-License-Identifier: GPL-2.0-or-later
"""High availability, as far as one VM's start goes: who starts a VM that HA manages, how often it
is tried, and what is done then (PVE/API2/Qemu.pm: vm_start; PVE/HA/LRM.pm: handle_service_exitcode,
exec_resource_agent; PVE/HA/Manager.pm: next_state_started)."""

import json
import os
import time

from .host import read_text, write_atomic

RESOURCES = "ha/resources.cfg"
STATUS = "ha/manager_status"


def _states(host):
    """vmid -> the state that is asked for"""
    res, vmid = {}, None
    for line in (read_text(host.pve(RESOURCES)) or "").split("\n"):
        if line.startswith("vm: "):
            vmid = int(line[4:])
            res[vmid] = "started"
        elif vmid and line.strip().startswith("state "):
            res[vmid] = line.split()[1]
    return res


def is_managed(host, vmid):
    return vmid in _states(host)


def ask_for(host, vmid, state):
    """ha-manager add, ha-manager set"""
    states = {**_states(host), vmid: state}
    os.makedirs(host.pve("ha"), exist_ok=True)
    write_atomic(host.pve(RESOURCES), "".join(
        f"vm: {key}\n\tstate {states[key]}\n\n" for key in sorted(states)))


def ask_to_migrate(host, vmid, node):
    """ha-manager migrate: only a wish, which the node's LRM carries out (pvesim ha migrate)."""
    print(f"Requesting HA migration for VM {vmid} to node {node}", flush=True)
    with open(host.pve("ha/crm_commands"), "a", encoding="utf-8") as fh:
        fh.write(f"migrate vm:{vmid} {node}\n")


def show_state(host, vmid, state):
    """What the master says in manager_status."""
    status = json.loads(read_text(host.pve(STATUS)) or "{}")
    status.setdefault("service_status", {})[f"vm:{vmid}"] = {
        "node": host.nodename, "state": state}
    os.makedirs(host.pve("ha"), exist_ok=True)
    write_atomic(host.pve(STATUS), json.dumps(status) + "\n")


def lrm(api, vmid, max_restart, interval):
    """The node's LRM until it has got somewhere with this VM; True if it runs."""
    sid, tries = f"vm:{vmid}", 0
    show_state(api.host, vmid, _states(api.host).get(vmid, "stopped"))
    while _states(api.host).get(vmid) == "started":
        if not api.configs.check_running(vmid):
            print(f"starting service {sid}", flush=True)
            api.init_request("root@pam")
            api.task("qmstart", vmid, lambda: api.vm.start(vmid))
        if api.configs.check_running(vmid):
            print(f"service status {sid} started", flush=True)
            return True
        if tries >= max_restart:
            print(f"unable to start service {sid} on local node after {tries} retries", flush=True)
            _relocate(api, vmid)
            return False
        tries += 1
        print(f"restart policy: retry number {tries} for service '{sid}'", flush=True)
        time.sleep(interval)
    return False


def _relocate(api, vmid):
    others = [node for node in api.nodes() if node != api.host.nodename]
    if not others:
        show_state(api.host, vmid, "error")
        print(f"service 'vm:{vmid}' is in an error state", flush=True)
        return
    print(f"relocate service 'vm:{vmid}' to node '{others[0]}'", flush=True)
    os.rename(api.configs.path(vmid), api.configs.path(vmid, others[0]))
