# SPDX-License-Identifier: GPL-2.0-or-later
"""Nodes and tasks (PVE/API2/Nodes.pm, PVE/API2/Tasks.pm)."""

import os

from . import nodes as cluster
from . import tasks
from .api import Counted, route
from .errors import ApiError
from .schema import node_name


@route("GET", "/nodes")
def nodes(api, _param):
    return [{"id": f"node/{n}", "node": n, "type": "node", "level": "",
             "status": "online" if cluster.peer(api.host, n) else "offline"} for n in api.nodes()]


UPID = {"node": {"format": node_name}, "upid": {}}


def _task(api, param, priv):
    """A task is seen by who started it, and by a token's user."""
    task = tasks.decode(param["upid"])
    if not task:
        raise ApiError("Parameter verification failed.\n", 400,
                       {"upid": "unable to parse worker upid"})
    if api.user not in (task["user"], task["user"].split("!")[0]):
        api.access.check(api.user, f"/nodes/{param['node']}", [priv])
    return task


def _must_exist(api, task):
    if not os.path.isfile(tasks.log_path(api.host, task["upid"])):
        raise ApiError("Parameter verification failed.\n", 400, {"upid": "no such task"})


@route("GET", "/nodes/{node}/tasks/{upid}/status", protected=True, proxyto="node", schema=UPID)
def task_status(api, param):
    task = _task(api, param, "Sys.Audit")
    _must_exist(api, task)
    if "!" in task["user"]:
        task["user"], task["tokenid"] = task["user"].split("!")
    task["status"] = "running" if tasks.is_running(task) else "stopped"
    if task["status"] == "stopped":
        task["exitstatus"] = tasks.status(api.host, task["upid"])
    return task


@route("GET", "/nodes/{node}/tasks/{upid}/log", protected=True, proxyto="node",
       schema={**UPID, "start": {"type": "integer", "optional": 1, "minimum": 0},
               "limit": {"type": "integer", "optional": 1, "minimum": 0}})
def task_log(api, param):
    """Fifty lines unless 'limit' says otherwise, 0 means all (dump_logfile)."""
    task = _task(api, param, "Sys.Audit")
    start, limit = int(param.get("start", 0)), int(param.get("limit", 50))
    try:
        with open(tasks.log_path(api.host, task["upid"]), encoding="utf-8",
                  errors="replace") as fh:
            lines = fh.read().split("\n")
    except OSError as err:
        return Counted([{"n": 1, "t": f"unable to open file - {err.strerror}"}], 1)
    if lines and lines[-1] == "":
        lines.pop()
    if not lines:
        return Counted([{"n": 1, "t": "no content"}], 1)
    chosen = list(enumerate(lines, 1))[start:start + limit if limit else None]
    return Counted([{"n": n, "t": t} for n, t in chosen], len(lines))


@route("DELETE", "/nodes/{node}/tasks/{upid}", protected=True, proxyto="node", schema=UPID)
def task_stop(api, param):
    task = _task(api, param, "Sys.Modify")
    _must_exist(api, task)
    if tasks.is_running(task):
        tasks.stop(task, api.host.knob("abort-grace"))


@route("GET", "/nodes/{node}/tasks", proxyto="node",
       schema={"node": {"format": node_name}, "vmid": {"type": "integer", "optional": 1},
               "limit": {"type": "integer", "optional": 1}, "typefilter": {"optional": 1},
               "source": {"optional": 1}})
def task_list(api, param):
    res = []
    for task in reversed(tasks.all_tasks(api.host)):
        if api.user not in (task["user"], task["user"].split("!")[0]) and not api.access.has(
                api.user, f"/nodes/{param['node']}", ["Sys.Audit"]):
            continue
        if param.get("vmid") and task["id"] != str(param["vmid"]):
            continue
        if param.get("typefilter") and task["type"] != param["typefilter"]:
            continue
        del task["order"]
        if not tasks.is_running(task):
            task["status"] = tasks.status(api.host, task["upid"])
        res.append(task)
    return res[:int(param.get("limit", 50))]
