# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's monitor as PVE talks to it: one command a connection (PVE/QMPClient.pm,
PVE/QemuServer/Monitor.pm: mon_cmd)."""

import json
import os
import time

from .errors import PveError
from .lazy import socket

RUN = "/run/qemu-server"
# what most commands get, times this
SLOW = {"query-migrate": 720, "quit": 12, "device_add": 12, "device_del": 12}


class _Gone(Exception):
    """What went wrong, in QMPClient's words."""


def has_monitor(host, vmid):
    return os.path.exists(host.path(f"{RUN}/{vmid}.qmp"))


def mon_cmd(host, vmid, command, timeout=None, **arguments):
    """What the command returns. The knob qmp-timeout is for those PVE gives five seconds."""
    if timeout is None:
        timeout = SLOW.get(command, 1) * host.knob("qmp-timeout", vmid)
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            _connect(host, vmid, sock)
            with sock.makefile("rwb") as stream:
                return _ask(sock, stream, command, arguments, time.monotonic() + timeout)
    except (_Gone, OSError, ValueError) as err:
        words = "got timeout" if isinstance(err, TimeoutError) else str(err)
        raise PveError(f"VM {vmid} qmp command '{command}' failed - {words}\n") from err


def _ask(sock, stream, command, arguments, end):
    _answer(sock, stream, end, "QMP")
    for verb, args in (("qmp_capabilities", {}), (command, arguments)):
        stream.write(json.dumps({"execute": verb, "arguments": args}).encode() + b"\n")
        stream.flush()
        reply = _answer(sock, stream, end, "return", "error")
        if "error" in reply:
            raise _Gone(reply["error"].get("desc", "unknown error"))
    return reply["return"]


def _connect(host, vmid, sock):
    shown = f"{RUN}/{vmid}.qmp"
    folder = os.open(host.path(RUN), os.O_PATH | os.O_DIRECTORY)
    try:  # by the descriptor: the path may be too long for a socket's name
        sock.connect(f"/proc/self/fd/{folder}/{vmid}.qmp")
    except OSError as err:
        raise _Gone(f"unable to connect to VM {vmid} qmp socket - {err.strerror}"
                    if os.path.exists(host.path(shown)) else
                    f"unable to open monitor socket - {err.strerror}") from err
    finally:
        os.close(folder)


def _answer(sock, stream, end, *keys):
    """The next line with one of these keys; events come in between."""
    while True:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        line = stream.readline()
        if not line:
            raise _Gone("client closed connection")
        reply = json.loads(line)
        if any(key in reply for key in keys):
            return reply
