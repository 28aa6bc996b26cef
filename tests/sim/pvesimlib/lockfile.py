# SPDX-License-Identifier: GPL-2.0-or-later
"""PVE/Tools.pm: lock_file_full - flock(2) with a time-out."""

import contextlib
import fcntl
import os
import sys
import time

from .errors import PveError

_held = {}  # path -> depth, per process: PVE lets a process lock again what it holds


@contextlib.contextmanager
def lock_file(host, shown, timeout, shared=False):
    path = host.path(shown)
    key = (os.getpid(), path)
    if _held.get(key):
        yield
        return
    fd = _acquire(path, shown, timeout, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    _held[key] = 1
    try:
        yield
    finally:
        del _held[key]
        os.close(fd)


def _acquire(path, shown, timeout, mode):
    try:
        # os.open is close-on-exec: a hook must not inherit the lock
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as err:
        raise PveError(f"can't lock file '{shown}' - can't open file - {err.strerror}\n") from err
    end = time.monotonic() + timeout
    said = False
    while True:
        try:
            fcntl.flock(fd, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            break
        if not said:
            sys.stderr.write("trying to acquire lock...\n")
            sys.stderr.flush()
            said = True
        if time.monotonic() >= end:
            os.close(fd)
            raise PveError(f"can't lock file '{shown}' - got timeout\n")
        time.sleep(0.02)
    if said:
        sys.stderr.write(" OK\n")
        sys.stderr.flush()
    return fd
