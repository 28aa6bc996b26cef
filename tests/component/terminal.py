# SPDX-License-Identifier: GPL-2.0-or-later
"""terminal.py COLUMNSxLINES STEP... -- COMMAND... - a terminal with a program on it. Steps, in turn:
  until REGEX   wait until the screen has that (20 s), or end with 1
  gone REGEX    ... has it no more
  keys TEXT     type; \\e is Escape
  size CxL      another size
  signal NAME   to the program's processes: INT; to the one that draws: draws:KILL; to the other one: guards:KILL
  stopped       wait until it has stopped, as by Ctrl-Z; tell how the terminal is then
  continue      fg
  screen        print what is on the screen
  sent          print how many bytes came since the last time
  ended         wait until it has ended; print its exit status, and how the terminal is then
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

PATIENCE = 20
SEQUENCE = re.compile(rb"\x1b\[(\??)([0-9;]*)([A-Za-z])")


def be_shell(command):
    """What a shell does for a program that it starts: a process group of its own, the foreground one."""
    os.environ["TERM"] = "xterm"
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    pid = os.fork()
    if not pid:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        time.sleep(0.2)
        os.execvp(command[0], command)
    status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status) % 256


class Terminal:
    def __init__(self, columns, lines, command):
        shell, self.fd = pty.fork()
        if not shell:
            os._exit(be_shell(command))
        self.shell = shell
        self.before = termios.tcgetattr(self.fd)
        self.resize(columns, lines)
        self.rest, self.sent, self.alternate, self.cursor = b"", 0, False, True

    def resize(self, columns, lines):
        self.columns, self.lines = columns, lines
        self.grid, self.row, self.column = [""] * lines, 0, 0
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def text(self):
        return "\n".join(line.rstrip() for line in self.grid)

    def read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.sent += len(data)
        self.rest += data
        self.show()
        return bool(data)

    def show(self):
        while self.rest:
            if self.rest[0] == 0x1b:
                found = SEQUENCE.match(self.rest)
                if not found:
                    return
                self.rest = self.rest[found.end():]
                self.obey(found[1], found[2].decode(), found[3])
                continue
            plain = re.match(rb"[^\x1b]+", self.rest)[0]
            try:
                text = plain.decode()
            except UnicodeDecodeError as e:
                if e.start == 0:
                    return
                plain = plain[:e.start]
                text = plain.decode()
            self.rest = self.rest[len(plain):]
            for c in text:
                self.put(c)

    def put(self, c):
        if c == "\r":
            self.column = 0
        elif c == "\n":
            self.row = min(self.row + 1, self.lines - 1)
        elif self.column >= self.columns:
            raise SystemExit(f"a line is wider than {self.columns}: {self.grid[self.row]!r}")
        else:
            line = self.grid[self.row].ljust(self.column)
            self.grid[self.row] = line[:self.column] + c + line[self.column + 1:]
            self.column += 1

    def obey(self, private, numbers, what):
        if private:
            on = what == b"h"
            self.alternate = on if numbers == "1049" else self.alternate
            self.cursor = on if numbers == "25" else self.cursor
        elif what == b"H":
            row, column = (numbers.split(";") + ["1", "1"])[:2] if numbers else ("1", "1")
            self.row, self.column = min(int(row), self.lines) - 1, int(column) - 1
        elif what == b"J":
            self.grid = [""] * self.lines
        elif what == b"K":
            self.grid[self.row] = ""

    def state(self):
        now = termios.tcgetattr(self.fd)
        same = now[:4] == self.before[:4] and now[6] == self.before[6]
        return f"{'as before' if same and self.cursor and not self.alternate else 'in disorder'}"

    def children(self, of):
        found = []
        for p in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{p}/stat", encoding="utf-8") as fh:
                    words = fh.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(words[1]) == of:
                found.append((int(p), words[0]))
        return found

    def processes(self):
        guards = [p for p, _ in self.children(self.shell)]
        draws = [p for p, _ in self.children(guards[0])] if guards else []
        return {"draws": draws, "guards": guards, "": guards + draws}

    def is_stopped(self):
        return any(state == "T" for _, state in self.children(self.shell))

    def wait_for(self, test):
        end = time.monotonic() + PATIENCE
        while not test():
            if time.monotonic() > end:
                return False
            self.read(0.1)
        return True

    def end(self):
        status = []

        def gone():
            pid, code = os.waitpid(self.shell, os.WNOHANG)
            if pid:
                status.append(code)
            return bool(pid)
        if not self.wait_for(gone):
            return None
        while self.read(0.3):
            pass
        return os.waitstatus_to_exitcode(status[0])


def step(t, word, args):
    if word in ("until", "gone"):
        want = args.pop(0)
        if not t.wait_for(lambda: bool(re.search(want, t.text(), re.M)) == (word == "until")):
            print(f"not {word} {want!r}:\n{t.text()}")
            return False
    elif word == "keys":
        os.write(t.fd, args.pop(0).replace("\\e", "\x1b").encode())
    elif word == "size":
        t.resize(*map(int, args.pop(0).split("x")))
    elif word == "signal":
        who, _, name = args.pop(0).rpartition(":")
        for p in t.processes()[who]:
            os.kill(p, getattr(signal, "SIG" + name))
    elif word == "screen":
        print(t.text())
    elif word == "sent":
        while t.read(0.3):
            pass
        print(t.sent)
        t.sent = 0
    elif word == "continue":
        os.killpg(t.processes()["guards"][0], signal.SIGCONT)
    elif word == "stopped":
        found = t.wait_for(t.is_stopped)
        while t.read(0.3):
            pass
        print("stopped" if found else "not stopped", t.state())
    elif word == "ended":
        print(t.end(), t.state())
    else:
        raise SystemExit(f"unknown step {word}")
    return True


def main():
    size, *args = sys.argv[1:]
    cut = args.index("--")
    t = Terminal(*map(int, size.split("x")), args[cut + 1:])
    args = args[:cut]
    while args:
        if not step(t, args.pop(0), args):
            for p in t.processes()["guards"]:
                os.kill(p, signal.SIGKILL)
            sys.exit(1)


main()
