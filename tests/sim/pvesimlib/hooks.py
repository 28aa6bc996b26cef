# SPDX-License-Identifier: GPL-2.0-or-later
"""PVE/GuestHelpers.pm: hookscripts; PVE/Cmd.pm: how PVE runs a command."""

import os
import re
import select
import sys

from .errors import PveError, error_text
from .lazy import subprocess

SNIPPETS = "/var/lib/vz/snippets"
SAFE = re.compile(r"[\w!%+,\-./:=@^]+", re.A)


def shell_quote(word):
    """String::ShellQuote, which decides how a command looks in an error text."""
    return word if SAFE.fullmatch(word) else "'" + word.replace("'", "'\\''") + "'"


def script_path(volid):
    """PVE::Storage::path for the 'local' storage: where the volume is, what it is."""
    match = re.fullmatch(r"([^:]+):(.+)", volid)
    if not match:
        raise PveError(f"unable to parse volume ID '{volid}'\n")
    if match[1] != "local":
        raise PveError(f"storage '{match[1]}' does not exist\n")
    if re.fullmatch(r"snippets/[^/]+", match[2]):
        return f"{SNIPPETS}/{match[2][9:]}", "snippets"
    if re.fullmatch(r"iso/[^/]+\.iso", match[2]):
        return f"/var/lib/vz/template/{match[2]}", "iso"
    raise PveError(f"unable to parse directory volume name '{match[2]}'\n")


def check_hookscript(host, volid):
    """check_hookscript: the path as PVE would show it."""
    shown, kind = script_path(volid)
    if kind != "snippets":
        raise PveError(f"'{volid}' is not in the snippets directory\n")
    path = host.path(shown)
    if not os.path.isfile(path):  # follows links: a symbolic link passes
        raise PveError(f"script '{volid}' does not exist\n")
    if not os.access(path, os.X_OK):
        raise PveError(f"script '{volid}' is not executable\n")
    return shown


def exec_hookscript(host, conf, vmid, phase, stop_on_error=False):
    """exec_hookscript: an error stops the start before it, and is only a warning elsewhere."""
    if not conf.get("hookscript"):
        return
    try:
        script = check_hookscript(host, conf["hookscript"])
        host.debug(f"HOOK {vmid} {phase}")
        run_command(host, [script, str(vmid), phase])
    except PveError as err:
        text = f"hookscript error for {vmid} on {phase}: {error_text(err)}\n"
        if stop_on_error:
            raise PveError(text) from err
        sys.stderr.write(text)
        sys.stderr.flush()


def hook_environment(host):
    env = dict(os.environ)
    env["LC_ALL"] = "C"
    env["LVM_SUPPRESS_FD_WARNINGS"] = "1"
    if host.prefix:
        env["PVESIM_ROOT"] = host.root
    env.update({key: str(value) for key, value in host.knob("hook-env").items()})
    return env


def run_command(host, shown):
    """run_command: stdin is a pipe that is closed at once, the output is passed on until
    every copy of stdout and stderr is closed - so a background child holds us up."""
    text = " ".join(shell_quote(word) for word in shown)
    try:
        proc = subprocess.Popen([host.path(shown[0])] + shown[1:], env=hook_environment(host),
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
    except OSError as err:
        raise PveError(f"command '{text}' failed: open3: exec of {' '.join(shown)} failed: "
                       f"{err.strerror} at /usr/share/perl5/PVE/Cmd.pm line 171.\n") from err
    proc.stdin.close()
    pump({proc.stdout.fileno(): 1, proc.stderr.fileno(): 2})
    code = proc.wait()
    proc.stdout.close()
    proc.stderr.close()
    if code < 0:
        raise PveError(f"command '{text}' failed: got signal {-code}\n")
    if code:
        raise PveError(f"command '{text}' failed: exit code {code}\n")


def pump_lines(funcs):
    """Give each line from a file descriptor to its function (None: drop it) until all end."""
    sys.stdout.flush()
    rest = {fd: b"" for fd in funcs}
    poll = select.poll()
    for fd in funcs:
        poll.register(fd, select.POLLIN)
    left = len(funcs)
    while left:
        for fd, _event in poll.poll():
            data = os.read(fd, 4096)
            *lines, rest[fd] = (rest[fd] + data).split(b"\n")
            if not data:
                poll.unregister(fd)
                left -= 1
                lines = [rest[fd]] if rest[fd] else []
            for line in lines if funcs[fd] else []:
                funcs[fd](line.decode("utf-8", "replace").rstrip("\r"))


def pump(pairs):
    """Copy from each file descriptor to its partner until all are at their end."""
    sys.stdout.flush()
    sys.stderr.flush()
    poll = select.poll()
    for fd in pairs:
        poll.register(fd, select.POLLIN)
    left = len(pairs)
    while left:
        for fd, _event in poll.poll():
            data = os.read(fd, 4096)
            if data:
                os.write(pairs[fd], data)
            else:
                poll.unregister(fd)
                left -= 1
