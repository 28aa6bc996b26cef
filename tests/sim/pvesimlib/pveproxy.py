# SPDX-License-Identifier: GPL-2.0-or-later
"""pveproxy: TLS and HTTP/1.1 as PVE::APIServer::AnyEvent speaks it.

Methods that are not 'protected' run here, with this process's own cache; the others go to
a pvedaemon worker.
"""

import json
import os
import random
import re
import select
import socket
import struct
import threading
import time
import urllib.parse

from . import certs, faults, nodes
from .api import Api
from .errors import PveError
from .pvedaemon import handle, recv_message, send_message

KNOWN_METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS")
MAX_POST = 512 * 1024  # AnyEvent.pm: limit_max_post
PREFIX = "/api2/json"


class Reply:
    """A status line, headers and a body, as PVE::APIServer::AnyEvent sends them."""

    def __init__(self, code, reason, body=b"", ctype=None, keep_alive=False, proto="HTTP/1.1"):
        self.code = code
        self.reason = reason.split("\n", 1)[0]  # the first line becomes the reason phrase
        self.body = body
        self.ctype = ctype
        self.keep_alive = keep_alive and code < 400
        self.proto = proto

    def head(self, length=None):
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        lines = [f"{self.proto} {self.code} {self.reason}", "Cache-Control: max-age=0",
                 f"Connection: {'Keep-Alive' if self.keep_alive else 'close'}", f"Date: {date}",
                 "Pragma: no-cache", "Server: pve-api-daemon/3.0"]
        if length is None:
            length = len(self.body)
        if self.body:
            lines.append(f"Content-Length: {length}")  # without a body there is none
        if self.ctype:
            lines.append(f"Content-Type: {self.ctype}")
        lines.append(f"Expires: {date}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def text_error(code, reason):
    """'error' of AnyEvent.pm: the reason is the body too, without a type."""
    return Reply(code, reason, reason.encode())


class Noise:
    """JSON as Perl writes it: keys in any order, a number now and then a string."""

    def __init__(self, host):
        self.on = bool(host.knob("json-noise"))

    def dump(self, obj):
        return json.dumps(self._shake(obj), separators=(",", ":"), ensure_ascii=False).encode()

    def _shake(self, obj):
        if isinstance(obj, dict):
            keys = list(obj)
            if self.on:
                random.shuffle(keys)
            return {key: self._shake(obj[key]) for key in keys}
        if isinstance(obj, list):
            return [self._shake(item) for item in obj]
        if isinstance(obj, bool):
            obj = int(obj)
        if self.on and isinstance(obj, int) and random.random() < 0.3:
            return str(obj)
        return obj


class Conn:
    """A client's connection: buffered reads, sends that tell whether they worked."""

    def __init__(self, sock, opening=0.0):
        self.sock = sock
        self.buffer = b""
        self.opening = opening  # seconds it took us to get here from the client's connect
        self.since = 0.0        # when the first bytes of a request came

    def line(self):
        while b"\n" not in self.buffer:
            if len(self.buffer) > 65536:
                return None
            data = self.sock.recv(65536)
            if not data:
                return None
            if not self.buffer:
                self.since = time.monotonic()
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("latin-1")

    def exactly(self, size):
        while len(self.buffer) < size:
            data = self.sock.recv(65536)
            if not data:
                return None
            self.buffer += data
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            return False
        return True

    def wait_for_close(self, seconds=None):
        self.sock.settimeout(seconds)
        try:
            while self.sock.recv(65536):
                pass
        except OSError:
            pass


def listen(port):
    """Loopback only, IPv6 too if there is any."""
    found = []
    for family, addr in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            sock = socket.socket(family)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((addr, port))
            sock.listen(128)
        except OSError:
            if family == socket.AF_INET:
                raise
            continue  # no IPv6 here
        found.append(sock)
    return found


class Proxy:
    def __init__(self, host, workers):
        self.host = host
        self.workers = workers
        self.api = Api(host)       # for methods that aren't protected
        self.lock = threading.Lock()
        self.busy = [threading.Lock() for _ in range(workers)]
        self.turn = 0
        self.faults = faults.Faults(host)
        self.tls = None
        self.tls_key = None
        os.chdir(host.state())

    def run(self, listeners):
        while True:
            for sock in select.select(listeners, [], [])[0]:
                conn, _peer = sock.accept()
                threading.Thread(target=self._client, args=(conn, time.monotonic()),
                                 daemon=True).start()

    def _context(self):
        """The certificate is looked at again when its file changes."""
        import ssl
        pair = certs.serving(self.host, self.host.nodename)
        key = (pair, os.stat(pair[0]).st_mtime_ns)
        with self.lock:
            if key != self.tls_key:
                self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self.tls.load_cert_chain(*pair)
                self.tls_key = key
            return self.tls

    def _client(self, raw, accepted):
        raw.settimeout(60)
        try:
            fault = self.faults.take("", "", kinds=("plain", "reset"))
            if fault:
                self._no_tls(raw, fault)
                return
            waited, cpu = time.monotonic() - accepted, time.thread_time()
            with self._context().wrap_socket(raw, server_side=True) as tls:
                # of the handshake what we do, not what the client does
                conn = Conn(tls, waited + time.thread_time() - cpu)
                while self._request(conn):
                    pass
                # A reply without a length ends with the connection: newer clients want to
                # see that this was meant.
                tls.settimeout(1)
                tls.unwrap()
        except OSError:
            pass  # a client that went away, or didn't like our certificate
        finally:
            raw.close()

    @staticmethod
    def _no_tls(raw, fault):
        if fault["kind"] == "reset":
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        raw.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n"
                    b"Content-Length: 11\r\n\r\n{\"data\":{}}")
        time.sleep(0.2)

    # -- requests -----------------------------------------------------------------

    def _request(self, conn):
        """Read and answer one request; is there another one on this connection?"""
        line = conn.line()
        if line is None:
            return False
        if line == "":
            return True
        since = conn.since
        match = re.fullmatch(r"(\S+) (\S+) HTTP/(\d+)\.(\d+)", line)
        if not match:
            conn.send(text_error(400, "bad request").head() + b"bad request")
            return False
        method, url, major, minor = match.groups()
        headers = {}
        while True:
            line = conn.line()
            if line is None:
                return False
            if not line:
                break
            name, _sep, value = line.partition(":")
            headers.setdefault(name.strip().lower(), value.strip())
        request = {"method": method, "url": url, "headers": headers, "conn": conn}
        record = {"time": time.time(), "method": method, "path": url.split("?")[0]}
        fault = self.faults.take(method, record["path"])
        if fault and not faults.wants_request_done(fault):
            self._swallow(request)
            record["fault"] = fault["kind"]
            if faults.apply(fault, conn, None):
                self.host.log_request(record)
                return False
            fault = None
        if major != "1":
            reply = text_error(506, f"http protocol version {major}.{minor} not supported")
        else:
            reply = self._answer(request, record)
        reply.proto = f"HTTP/{major}.{minor}" if major == "1" else "HTTP/1.1"
        wants = headers.get("connection", "").lower()
        reply.keep_alive = reply.code < 400 and wants != "close" and minor != "0"
        record["status"] = reply.code
        if fault:
            record["fault"] = fault["kind"]
        self.host.log_request(record)
        if fault and faults.apply(fault, conn, reply):
            return False
        sent = conn.send(reply.head() + reply.body)
        if self.host.knob("request-times"):
            self.host.log_time(method, record["path"], time.monotonic() - since, conn.opening)
            conn.opening = 0.0
        if sent and reply.code in (501, 506):
            conn.wait_for_close(0.2)  # closing with unread data would be a TCP reset
        return sent and reply.keep_alive

    @staticmethod
    def _swallow(request):
        """Take the body, so that closing is a close and no TCP reset."""
        length = request["headers"].get("content-length", "")
        if length.isdigit() and int(length) <= MAX_POST and "body" not in request:
            request["body"] = request["conn"].exactly(int(length))

    def _answer(self, request, record):
        method, headers = request["method"], request["headers"]
        if method not in KNOWN_METHODS:
            return Reply(501, f"method '{method}' not available")
        coding = headers.get("transfer-encoding")
        if coding:
            return text_error(501, "chunked transfer encoding not supported"
                              if coding.lower() == "chunked"
                              else f"Unknown transfer encoding '{coding}'")
        path, _sep, query = request["url"].partition("?")
        path = urllib.parse.unquote(path)
        if not path.startswith("/api2/"):
            return text_error(500, f"no such file '{path}'\n")
        if not path.startswith(PREFIX + "/"):
            return text_error(501, "no such uri")
        try:
            user = self._authenticate(headers)
        except PveError as err:
            time.sleep(float(self.host.knob("auth-delay")))
            return Reply(401, err.text)  # no body, no Content-Length
        record["user"] = user
        problem, body = self._body(request)
        if problem:
            return problem
        try:
            params = extract_params(method, headers, body, query)
        except ValueError as err:
            return text_error(500, str(err))
        record["params"] = params
        return self._dispatch(method, path[len(PREFIX):], params, user, headers, record)

    def _body(self, request):
        """(an error, None) or (None, the body)"""
        headers, method = request["headers"], request["method"]
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) == 0:
            return None, b""
        if method not in ("PUT", "POST"):
            return text_error(501, f"Unexpected content for method '{method}'"), None
        if int(length) > MAX_POST:
            return text_error(501, "for data too large"), None
        ctype = re.split(r"\s*[;,]\s*", headers.get("content-type", ""))[0]
        if ctype not in ("", "application/x-www-form-urlencoded", "application/json"):
            return text_error(506, f"upload 'Content-Type '{headers['content-type']}' "
                                   "not implemented"), None
        # an 'Expect: 100-continue' goes unanswered, as with pveproxy
        body = request.get("body")
        if body is None:
            body = request["conn"].exactly(int(length))
        return (text_error(400, "bad request"), None) if body is None else (None, body)

    def _authenticate(self, headers):
        from .acl import Access
        match = re.match(r"\s*PVEAPIToken[=\s]\s*(.*)", headers.get("authorization", ""))
        if not match:
            raise PveError("No ticket\n")
        try:
            return Access(self.host).verify_token(urllib.parse.unquote(match[1].strip()))
        except PveError as err:
            self.host.journal(f"authentication failure: {err.text}\n")
            raise PveError("Authentication failed!\n") from err

    def _dispatch(self, method, path, params, user, headers, record):
        with self.lock:
            result = handle(self.api, method, path, params, user, trusted=False)
        if result.get("peer"):
            result = self._ask_peer(result["peer"], method, path, params, user)
        if result.get("proxy"):
            state = self.host.knob("pvedaemon")
            if state == "down":
                return Reply(595, "Connection refused")
            if state == "hang":
                time.sleep(float(self.host.knob("proxy-timeout")))
                return Reply(596, "Connection timed out")
            result = self._ask_worker(method, path, params, user, headers, record)
            if result is None:
                return Reply(596, "Connection timed out")
            if result == "refused":
                return Reply(595, "Connection refused")
        if "bare" in result:
            return Reply(result["status"], result["bare"])
        return self._format(result)

    def _format(self, result):
        """Formatter/Standard.pm: data, errors and message beside each other."""
        out = {"data": result.get("data")}
        if result.get("errors"):
            out["errors"] = result["errors"]
        if result["status"] >= 400:
            out["message"] = result["message"]
        if result.get("total"):
            out["total"] = result["total"]
        return Reply(result["status"], result.get("message") or "OK", Noise(self.host).dump(out),
                     "application/json;charset=UTF-8")

    def _ask_peer(self, node, method, path, params, user):
        """proxy_request to another node of this machine: one of its workers does it."""
        other = nodes.peer(self.host, node)
        if other.knob("pvedaemon") != "up":
            return {"status": 595, "bare": "Connection refused"}
        folder = os.open(other.state(), os.O_PATH | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(float(self.host.knob("proxy-timeout")))
                sock.connect(f"/proc/self/fd/{folder}/worker-0.sock")
                send_message(sock, {"method": method, "path": path, "params": params,
                                    "user": user})
                return recv_message(sock) or {"status": 596, "bare": "Connection timed out"}
        except (ConnectionRefusedError, FileNotFoundError):
            return {"status": 595, "bare": "Connection refused"}
        except OSError:
            return {"status": 596, "bare": "Connection timed out"}
        finally:
            os.close(folder)

    # -- workers --------------------------------------------------------------------

    def _choose(self, headers):
        """In turn, past busy ones - unless the test says which."""
        wanted = headers.get("x-pvesim-worker")
        if wanted is None:
            with self.lock:
                settings = self.host.settings()
                queue = settings.get("worker-queue") or []
                if queue:
                    wanted = queue.pop(0)
                    settings["worker-queue"] = queue
                    self.host.save_settings(settings)
                elif settings.get("worker", "") != "":
                    wanted = settings["worker"]
        if wanted is not None and str(wanted) != "":
            number = int(wanted) % self.workers
            self.busy[number].acquire()
            return number
        with self.lock:
            order = [(self.turn + i) % self.workers for i in range(self.workers)]
            self.turn += 1
        while True:
            for number in order:
                if self.busy[number].acquire(blocking=False):
                    return number
            time.sleep(0.01)

    def _ask_worker(self, method, path, params, user, headers, record):
        number = self._choose(headers)
        record["worker"] = number
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(float(self.host.knob("proxy-timeout")))
        try:
            sock.connect(f"worker-{number}.sock")
            send_message(sock, {"method": method, "path": path, "params": params, "user": user})
            return recv_message(sock)
        except (ConnectionRefusedError, FileNotFoundError):
            return "refused"
        except OSError:
            # pveproxy gives up, the worker goes on and stays busy until it is done
            return None
        finally:
            sock.close()
            self.busy[number].release()


def extract_params(method, headers, body, query):
    params = {}
    if method in ("PUT", "POST"):
        if headers.get("content-type", "").split(";")[0].strip() == "application/json":
            try:
                params = json.loads(body)
            except ValueError as err:
                raise ValueError(
                    "malformed JSON string, neither tag, array, object, number, string or atom, "
                    f"at character offset {getattr(err, 'pos', 0)} (before "
                    f"\"{body[getattr(err, 'pos', 0):][:20].decode(errors='replace')}\") at "
                    "/usr/share/perl5/PVE/APIServer/AnyEvent.pm line 933.\n") from err
            if not isinstance(params, dict):
                raise ValueError("Not a HASH reference at "
                                 "/usr/share/perl5/PVE/APIServer/AnyEvent.pm line 942.\n")
        else:
            params = decode_urlencoded(body.decode("latin-1"))
    params.update(decode_urlencoded(query))
    params.pop("_dc", None)
    return params


def decode_urlencoded(text):
    """decode_urlencoded: ';' separates too, a key that comes again makes a list."""
    res = {}
    for pair in re.split("[&;]", text):
        if not pair:
            continue
        parts = pair.split("=")  # a second '=' cuts the value off, as in PVE
        key = urllib.parse.unquote_plus(parts[0])
        value = urllib.parse.unquote_plus(parts[1]) if len(parts) > 1 else None
        if value is not None and res.get(key) is not None:
            old = res[key]
            value = old + [value] if isinstance(old, list) else [old, value]
        res[key] = value
    return res
