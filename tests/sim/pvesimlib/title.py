# SPDX-License-Identifier: GPL-2.0-or-later
"""A worker's title, "task UPID:...": what Perl makes of an assignment to $0. The kernel shows the
memory of the arguments as /proc/PID/cmdline, and what stands there may be changed."""

import os

from .lazy import ctypes


def set_title(text):
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as fh:
        fields = fh.read().rsplit(")", 1)[1].split()
    arg_start, arg_end, env_start, env_end = (int(field) for field in fields[45:49])
    if not arg_start:
        return
    # the environment's strings lie behind the arguments, and a long title goes over them
    for key, value in list(os.environ.items()):
        os.putenv(key, value)
    end = env_end if env_start == arg_end else arg_end
    data = text.encode()[:end - arg_start - 1]
    room = max(len(data) + 1, arg_end - arg_start)
    ctypes.memmove(arg_start, data.ljust(room, b"\0"), room)
