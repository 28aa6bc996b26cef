# SPDX-License-Identifier: GPL-2.0-or-later
"""For tests in Python: one simulated node in a folder of its own, and its REST client."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.realpath(__file__))


class Sim:
    """One simulated node in a temporary folder of its own."""

    def __init__(self, node="pve1"):
        self.node = node
        # thousands of small files: memory if there is any
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.root = tempfile.mkdtemp(prefix="pvesim-", dir=os.environ.get("TMPDIR") or shm)
        self.env = dict(os.environ, PVESIM_ROOT=self.root)
        self.port = free_port()
        self.server = None
        self.tokens = {}

    def path(self, name):
        return self.root + name

    def run(self, tool, *args, check=False, **kwargs):
        done = subprocess.run([sys.executable, f"{HERE}/{tool}", *map(str, args)], env=self.env,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=50, check=False, stdin=subprocess.DEVNULL, **kwargs)
        if check and done.returncode:
            raise AssertionError(f"{tool} {' '.join(map(str, args))}: {done.stderr}")
        return done

    def sim(self, *args):
        return self.run("pvesim", *args, check=True).stdout.strip()

    def qm(self, *args, check=True):
        return self.run("qm", *args, check=check)

    def knob(self, key, value):
        self._settings(lambda settings: settings.update({key: value}))

    def unknob(self, *keys):
        self._settings(lambda settings: [settings.pop(key, None) for key in keys])

    def _settings(self, change):
        """What 'pvesim config' does, without starting it."""
        path = self.path("/var/lib/pvesim/config.json")
        settings = json.loads(read(path))
        change(settings)
        with open(path + ".new", "w", encoding="utf-8") as fh:
            json.dump(settings, fh)
        os.rename(path + ".new", path)

    def serve(self):
        self.server = subprocess.Popen([sys.executable, f"{HERE}/pvesim", "serve"], env=self.env,
                                       stdout=subprocess.PIPE, text=True)
        return self.server.stdout.readline()

    def token(self, name, *privs, privsep="1"):
        text = self.sim("token", "add", name, "--privsep", privsep, "--privs", *privs)
        self.tokens[name] = text
        return text

    def cleanup(self):
        """Everything that carries our folder in its environment is ours."""
        if self.server:
            self.server.terminate()
            try:
                self.server.wait(5)
            except subprocess.TimeoutExpired:
                self.server.kill()
        mark = f"PVESIM_ROOT={self.root}".encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as fh:
                    mine = mark in fh.read().split(b"\0")
                if mine and int(pid) != os.getpid():
                    os.kill(int(pid), signal.SIGKILL)
            except OSError:
                continue
        if f" {self.path('/etc/pve')} " in read("/proc/self/mountinfo"):
            subprocess.run(["umount", "--lazy", self.path("/etc/pve")], check=False)
        shutil.rmtree(self.root, ignore_errors=True)

    # -- REST ------------------------------------------------------------------

    def context(self):
        return ssl.create_default_context(cafile=self.path("/etc/pve/pve-root-ca.pem"))

    def api(self, method, path, params=None, token="root@pam!all", worker=None, body=None,
            headers=None, timeout=20):
        conn = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context(),
                                           timeout=timeout)
        head = {"Authorization": "PVEAPIToken=" + self.tokens.get(token, token)}
        if worker is not None:
            head["X-Pvesim-Worker"] = str(worker)
        if body is None and params is not None:
            body = urllib.parse.urlencode(params, doseq=True)
            head["Content-Type"] = "application/x-www-form-urlencoded"
        head.update(headers or {})
        conn.request(method, "/api2/json" + path, body, head)
        res = conn.getresponse()
        data = res.read()
        conn.close()
        return Answer(res.status, res.reason, res.headers, data)

    def wait(self, upid, timeout=30):
        return self.sim_wait(upid, timeout)

    def sim_wait(self, upid, timeout):
        return self.run("pvesim", "wait", upid, "--timeout", timeout).stdout.strip()

    def start(self, vmid=100, **kwargs):
        """Start through the API; what the task came to."""
        upid = self.api("POST", f"/nodes/{self.node}/qemu/{vmid}/status/start", {}, **kwargs).data
        return self.wait(upid)

    def log(self, what="last"):
        return self.sim("log", what)

    # -- things on the node --------------------------------------------------------

    def hook(self, text, name="hook"):
        path = self.path(f"/var/lib/vz/snippets/{name}")
        with open(path, "w", encoding="utf-8") as fh:
            fh.write("#!/bin/bash\n" + PRELUDE.format(root=self.root, port=self.port, node=self.node,
                                                      token=self.tokens["root@pam!all"]) + text)
        os.chmod(path, 0o755)

    def phases(self, clear=True):
        path = self.path("/phases")
        text = read(path)
        if clear and os.path.exists(path):
            os.unlink(path)
        return text.split("\n")[:-1]

    def mapping(self, name, *addrs):
        """Write pci.cfg as a PUT would, from outside."""
        maps = [self.map_entry(addr) for addr in addrs]
        params = {"map": maps}
        if self.api("GET", "/cluster/mapping/pci/" + name, worker=2).status == 500:
            return self.api("POST", "/cluster/mapping/pci", {"id": name, **params}, worker=2)
        return self.api("PUT", "/cluster/mapping/pci/" + name, params, worker=2)

    def map_entry(self, addr, node=None):
        group = os.path.basename(os.readlink(
            self.path(f"/sys/bus/pci/devices/{addr}/iommu_group")))
        return (f"id=8086:10ca,iommugroup={group},node={node or self.node},path={addr},"
                "subsystem-id=8086:0000")

    def vf_of(self, vmid=100):
        """What the running QEMU was given (None if there is none)."""
        pid = read(self.path(f"/run/qemu-server/{vmid}.pid")).strip()
        if not pid:
            return None
        match = re.search(r"host=([0-9a-f:.]+)", read(f"/proc/{pid}/cmdline"))
        return match[1] if match else ""

    def reservations(self):
        return read(self.path("/run/qemu-server/pci-id-reservations"))

    def conf(self, vmid=100):
        return read(self.path(f"/etc/pve/nodes/{self.node}/qemu-server/{vmid}.conf"))


PRELUDE = """\
R={root}
CONF=$R/etc/pve/nodes/{node}/qemu-server/$1.conf
echo "$2" >> $R/phases
api() {{ curl -s -i --cacert $R/etc/pve/pve-root-ca.pem \
  -H 'Authorization: PVEAPIToken={token}' -X "$1" "https://127.0.0.1:{port}/api2/json$2" \
  "${{@:3}}" | tr -d '\\r'; echo; }}
"""


def same(got, want):
    assert got == want, f"got {got!r}, want {want!r}"


def has(text, part):
    assert part in text, f"{part!r} is not in {text!r}"


def play(tests, nodes, prepare, before):
    """Run those of the tests, pairs of a name and a function of the nodes, that the command line
    asks for. prepare(nodes) returns the line of a node that serves, before(nodes, number) comes
    before each test."""
    wanted = sys.argv[1:]
    chosen = [(n, f) for n, f in tests if not wanted or any(w in n for w in wanted)]
    print(f"1..{len(chosen)}", flush=True)
    if os.getuid() != 0:
        print("Bail out! must run as root")
        return 1
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sig, lambda *_: sys.exit(1))
    # a test that hangs must not take the whole run with it
    threading.Thread(target=_watchdog, daemon=True).start()
    failed = 0
    try:
        line = prepare(*nodes)
        if not line.startswith("ready"):
            print(f"Bail out! no ready line: {line!r}")
            return 1
        for number, (name, func) in enumerate(chosen, 1):
            failed += not _play_one(number, name, func, nodes, before)
    finally:
        for node in reversed(nodes):
            node.cleanup()
    return int(failed > 0)


def _play_one(number, name, func, nodes, before):
    begin = time.monotonic()
    try:
        before(*nodes, number)
        func(*nodes)
        print(f"ok {number} - {name}", flush=True)
        return True
    except Exception as err:
        print(f"not ok {number} - {name}", flush=True)
        for text in f"{type(err).__name__}: {err}".split("\n"):
            print(f"# {text}", flush=True)
        return False
    finally:
        if os.environ.get("SELFTEST_TIMES"):
            print(f"# {time.monotonic() - begin:.2f} s", flush=True)


def _watchdog():
    time.sleep(300)
    os.kill(os.getpid(), signal.SIGTERM)


class Answer:
    def __init__(self, status, reason, headers, raw):
        self.status, self.reason, self.headers, self.raw = status, reason, headers, raw

    @property
    def json(self):
        return json.loads(self.raw)

    @property
    def data(self):
        return self.json["data"]

    @property
    def line(self):
        return f"{self.status} {self.reason}"


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as fh:
            return fh.read()
    except FileNotFoundError:
        return ""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def until(func, seconds=8):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if func():
            return True
        time.sleep(0.03)
    return False


def build_standin(sim):
    """A made one if there is one, else compile it into the temporary folder."""
    made = os.path.join(HERE, "../../build/tests/pvesim-standin")
    if os.environ.get("PVESIM_STANDIN") or os.access(made, os.X_OK):
        return
    target = sim.path("/pvesim-standin")
    sources = [f"{HERE}/{name}" for name in sorted(os.listdir(HERE))
               if name.startswith("standin") and name.endswith(".c")]
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-I", f"{HERE}/../..", "-o", target, *sources,
                    "-ljansson"], check=True)
    sim.env["PVESIM_STANDIN"] = target
