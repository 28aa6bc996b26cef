# SPDX-License-Identifier: GPL-2.0-or-later
"""Tasks: PVE/UPID.pm and PVE/RESTEnvironment.pm (fork_worker)."""

import os
import re
import select
import signal
import sys
import time

from .errors import PveError, error_text
from .host import proc_start_time, read_text
from .title import set_title

FOLDER = "/var/log/pve/tasks"
UPID = re.compile(r"UPID:([a-zA-Z0-9](?:[a-zA-Z0-9\-]*[a-zA-Z0-9])?):([0-9A-Fa-f]{8}):"
                  r"([0-9A-Fa-f]{8,9}):([0-9A-Fa-f]{8}):([^:\s/]+):([^:\s/]*):([^:\s/]+):")


def decode(upid):
    """PVE::UPID::decode: None if this is no UPID."""
    match = UPID.fullmatch(upid)
    if not match:
        return None
    return {"node": match[1], "pid": int(match[2], 16), "pstart": int(match[3], 16),
            "starttime": int(match[4], 16), "type": match[5], "id": match[6],
            "user": match[7], "upid": upid}


def log_path(host, upid):
    """The log lies in a folder named after the last digit of the start time."""
    return host.path(f"{FOLDER}/{upid.split(':')[4][-1]}/{upid}")


def status(host, upid):
    """upid_read_status: what the last line of the log says."""
    text = read_text(log_path(host, upid)) or ""
    last = text.rstrip("\n").rsplit("\n", 1)[-1]
    if last == "TASK OK":
        return "OK"
    match = re.fullmatch(r"TASK (?:ERROR: (.+)|(WARNINGS: \d+))", last)
    return (match[1] or match[2]) if match else "unexpected status"


def is_error(text):
    return not (text == "OK" or re.fullmatch(r"WARNINGS: \d+", text))


def is_running(task):
    return proc_start_time(task["pid"]) == task["pstart"]


def all_tasks(host):
    """Every task there is a log of, oldest first."""
    found = []
    base = host.path(FOLDER)
    for digit in os.listdir(base) if os.path.isdir(base) else []:
        for name in os.listdir(f"{base}/{digit}"):
            task = decode(name)
            if task:
                task["order"] = os.stat(f"{base}/{digit}/{name}").st_mtime_ns
                found.append(task)
    return sorted(found, key=lambda t: (t["starttime"], t["order"]))


def stop(task, grace=5):
    """An aborted task: it says 'received interrupt', its hook is killed on the spot and
    gets to run no TERM handler (seen on the real one)."""
    try:
        os.kill(task["pid"], signal.SIGTERM)
        end = time.monotonic() + grace
        while is_running(task) and time.monotonic() < end:
            time.sleep(0.01)
        os.killpg(task["pid"], signal.SIGKILL)
    except ProcessLookupError:
        pass


class Runner:
    """Starts tasks for one environment: a daemon's worker, or a command on a terminal."""

    def __init__(self, host, cli):
        self.host = host
        self.cli = cli
        self.at_fork = []  # called in the child: let go of the daemon's sockets

    def fork_worker(self, kind, ident, user, func):
        """Returns the UPID; func() runs in a child that inherits our caches."""
        sys.stdout.flush()
        sys.stderr.flush()
        start = int(time.time())
        go_r, go_w = os.pipe()          # the child waits until its log exists
        out_r, out_w = os.pipe()        # what a command's task prints
        ctrl_r, ctrl_w = os.pipe()      # its last words
        pid = os.fork()
        if pid == 0:
            upid = self._upid(os.getpid(), start, kind, ident, user)
            for fd in (go_w, out_r, ctrl_r):
                os.close(fd)
            self._child(upid, func, go_r, out_w, ctrl_w)  # does not return
        for fd in (go_r, out_w, ctrl_w):
            os.close(fd)
        upid = self._upid(pid, start, kind, ident, user)
        path = log_path(self.host, upid)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o640))
        os.write(go_w, b"OK")
        os.close(go_w)
        if self.cli:
            self._tee(pid, path, out_r, ctrl_r)
        for fd in (out_r, ctrl_r):
            os.close(fd)
        return upid

    def _upid(self, pid, start, kind, ident, user):
        pstart = proc_start_time(pid) or 0
        return (f"UPID:{self.host.nodename}:{pid:08X}:{pstart:08X}:{start:08X}:"
                f"{kind}:{ident}:{user}:")

    def _child(self, upid, func, go_r, out_w, ctrl_w):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        for sig in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
            signal.signal(sig, _interrupted)
        os.setsid()
        for func_at_fork in self.at_fork:
            func_at_fork()
        os.read(go_r, 16)
        os.close(go_r)
        set_title(f"task {upid}")
        if self.cli:
            log, last_words = out_w, ctrl_w
        else:
            null = os.open("/dev/null", os.O_RDONLY)
            os.dup2(null, 0)
            log = os.open(log_path(self.host, upid), os.O_WRONLY | os.O_APPEND)
            last_words = os.dup(log)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = 0
        try:
            func()
            text = "TASK OK\n"
        except BaseException as err:  # whatever happens, the task must end with a line
            words = "received interrupt\n" if isinstance(err, _Interrupt) else error_text(err)
            if not isinstance(err, (PveError, _Interrupt)):
                import traceback
                self.host.journal(traceback.format_exc())
            if words.endswith("\n"):
                words = words[:-1]
            text = "TASK ERROR: " + words.replace("\n", " ") + "\n"
            code = 255
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(last_words, text.encode())
        os._exit(code)

    def _tee(self, pid, path, out_r, ctrl_r):
        """tee_worker: the command's output goes to the terminal and to the log."""
        def forward(signum, _frame):
            try:
                os.killpg(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass

        old = {s: signal.signal(s, forward)
               for s in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)}
        log = os.open(path, os.O_WRONLY | os.O_APPEND)
        # the task leads its own group; wait for its end, not for stray holders of the pipe
        while True:
            if not select.select([out_r], [], [], 0.2)[0]:
                if proc_start_time(pid) is None:
                    break
                continue
            data = os.read(out_r, 4096)
            if not data:
                break
            os.write(1, data)
            os.write(log, data)
        words = os.read(ctrl_r, 65536).decode()
        if words == "TASK OK\n":
            os.write(log, words.encode())
        elif words:
            sys.stderr.write(words.split(": ", 1)[1])
            os.write(log, ("\n" + words).encode())
        else:
            sys.stderr.write("got unexpected control message: \n")
            os.write(log, b"TASK ERROR: got unexpected control message: \n")
        os.close(log)
        sys.stderr.flush()
        try:
            os.killpg(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        os.waitpid(pid, 0)
        for sig, handler in old.items():
            signal.signal(sig, handler)


class _Interrupt(BaseException):
    """PVE's tasks die with 'received interrupt' on a signal."""


def _interrupted(_signum, _frame):
    raise _Interrupt()
