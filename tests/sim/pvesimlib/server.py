# SPDX-License-Identifier: GPL-2.0-or-later
"""pvesim serve: forks pveproxy, pvedaemon's workers and qmeventd, and ends them."""

import os
import signal
import sys
import time

from . import qmeventd
from .api import load_routes
from .host import proc_start_time, write_atomic
from .pvedaemon import Worker
from .pveproxy import Proxy, listen


class Supervisor:
    def __init__(self, host, workers, port, qm, with_qmeventd=True):
        self.host = host
        self.workers = workers
        self.port = port
        self.qm = qm
        self.with_qmeventd = with_qmeventd
        self.children = {}   # pid -> name

    def _fork(self, name, func):
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            self.children[pid] = name
            return
        for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(sig, signal.SIG_DFL)
        journal = os.open(self.host.state("journal.log"),
                          os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(journal, 1)
        os.dup2(journal, 2)
        os.close(journal)
        code = 1
        try:
            func()
            code = 0
        except BaseException:
            import traceback
            self.host.journal(f"{name}: {traceback.format_exc()}")
        finally:
            os._exit(code)

    def _proxy(self, listeners):
        Proxy(self.host, self.workers).run(listeners)

    def start_workers(self):
        for number in range(self.workers):
            path = self.host.state(f"worker-{number}.sock")
            if os.path.exists(path):
                os.unlink(path)
            self._fork(f"worker-{number}", lambda n=number: self._worker(n))
        for number in range(self.workers):
            while not os.path.exists(self.host.state(f"worker-{number}.sock")):
                time.sleep(0.01)

    def _worker(self, number):
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        # as systemd starts pvedaemon: hardly any environment
        keep = {k: v for k, v in os.environ.items() if k.startswith("PVESIM_")}
        os.environ.clear()
        os.environ.update(keep, PATH="/sbin:/bin:/usr/sbin:/usr/bin", LANG="C.UTF-8")
        os.umask(0o022)
        Worker(self.host, number).run()

    def stop_children(self, prefix=""):
        chosen = [pid for pid, name in self.children.items() if name.startswith(prefix)]
        for pid in chosen:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        end = time.monotonic() + 3
        for pid in chosen:
            while proc_start_time(pid) is not None and time.monotonic() < end:
                time.sleep(0.01)
            if proc_start_time(pid) is not None:
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            del self.children[pid]

    def run(self):
        load_routes()
        for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(sig, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
        try:
            self.start_workers()
            if self.with_qmeventd:
                self._fork("qmeventd", lambda: self._unblocked(
                    lambda: qmeventd.main(self.host, self.qm)))
            listeners = listen(self.port)
            self._fork("proxy", lambda: self._unblocked(lambda: self._proxy(listeners)))
            for sock in listeners:
                sock.close()
            write_atomic(self.host.state("serve.pid"), f"{os.getpid()}\n")
            print(f"ready port={self.port} workers={self.workers}", flush=True)
            self._wait()
        finally:
            self.stop_children()
            for name in ["serve.pid"] + [f"worker-{n}.sock" for n in range(self.workers)]:
                if os.path.exists(self.host.state(name)):
                    os.unlink(self.host.state(name))

    @staticmethod
    def _unblocked(func):
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        func()

    def _wait(self):
        while True:
            sig = signal.sigtimedwait({signal.SIGTERM, signal.SIGINT, signal.SIGHUP}, 0.5)
            if sig and sig.si_signo == signal.SIGHUP:
                # a reload: new workers, empty caches
                self.stop_children("worker-")
                self.start_workers()
                write_atomic(self.host.state("reloaded"), f"{time.time()}\n")
            elif sig:
                return
