# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules of Python's that are loaded when something of them is used: each qm is a new process, a test runs
dozens of them, and a guest of the rig is twenty times slower than this machine."""

try:
    from _sha1 import sha1
except ImportError:
    from hashlib import sha1  # and with it OpenSSL  # noqa: F401


class Lazy:
    def __init__(self, name):
        self._name = name

    def __getattr__(self, item):
        return getattr(__import__(self._name, fromlist=["*"]), item)


ctypes, shlex, shutil = Lazy("ctypes"), Lazy("shlex"), Lazy("shutil")
socket, subprocess, tempfile = Lazy("socket"), Lazy("subprocess"), Lazy("tempfile")
urllib_parse = Lazy("urllib.parse")
