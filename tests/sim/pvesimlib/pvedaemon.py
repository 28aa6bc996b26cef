# SPDX-License-Identifier: GPL-2.0-or-later
"""pvedaemon's workers: long-lived, one request at a time, each with its own cache.

What a worker forks (a start, a stop) inherits its cache and the versions it knows.
"""

import json
import os
import select
import struct

from . import nodes
from .api import Api, Counted, find
from .errors import ApiError, PveError, error_text, param_error
from .lazy import socket


class Worker:
    """One pvedaemon worker. Its cwd, environment and signals are a daemon's."""

    def __init__(self, host, number):
        self.host = host
        self.number = number
        os.chdir(host.state())  # a relative name: the path may be too long for a socket
        name = f"worker-{number}.sock"
        if os.path.exists(name):
            os.unlink(name)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(name)
        self.listener.listen(64)
        os.chdir("/")
        self.conn = None
        self.api = Api(host)
        self.api.runner.at_fork.append(self._let_go)

    def _let_go(self):
        self.listener.close()
        if self.conn:
            self.conn.close()

    def run(self):
        while True:
            if select.select([self.listener], [], [], 0.1)[0]:
                self.conn, _peer = self.listener.accept()
                with self.conn:
                    self._serve()
                self.conn = None
            reap()

    def _serve(self):
        request = recv_message(self.conn)
        if request is None:
            return
        self.host.debug(f"WORKER {self.number} {request['method']} {request['path']}")
        result = handle(self.api, request["method"], request["path"], request["params"],
                        request["user"], trusted=True)
        send_message(self.conn, result)


def reap():
    """Tasks that ended. There is no other child while no request is being served."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def send_message(sock, obj):
    data = json.dumps(obj).encode()
    try:
        sock.sendall(struct.pack("!I", len(data)) + data)
    except OSError:
        pass


def recv_message(sock):
    head = _read_exact(sock, 4)
    if head is None:
        return None
    data = _read_exact(sock, struct.unpack("!I", head)[0])
    return None if data is None else json.loads(data)


def _read_exact(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            return None
        data += part
    return data


def handle(api, method, path, params, user, trusted):
    """rest_handler (PVE/HTTPServer.pm). 'proxy' in the result: not here, in pvedaemon."""
    try:
        api.init_request(user)
        entry, uri = find(method, path)
        if not entry:
            return {"status": 501, "message": f"Method '{method} {path}' not implemented"}
        param = dict(uri)
        for key in sorted(params):
            if key in param and param[key] != params[key]:
                raise param_error({key: "duplicate parameter (already defined in URI) with "
                                        "conflicting values!"})
            param[key] = params[key]
        api.check_permissions(entry, param)
        if not trusted:
            node = param.get(entry.proxyto, "localhost") if entry.proxyto else "localhost"
            if node not in ("localhost", api.host.nodename):
                return other_node(api, node)
            if entry.protected:
                return {"proxy": True}
        data = api.run(entry, param)
        result = {"status": 200, "data": data}
        if isinstance(data, Counted):
            result["total"] = data.total
        return result
    except ApiError as err:
        return {"status": err.code, "message": err.text, "errors": err.errors}
    except PveError as err:
        return {"status": 500, "message": err.text}
    except Exception as err:  # a mistake of ours must not look like PVE's silence
        import traceback
        api.host.journal(traceback.format_exc())
        return {"status": 500, "message": "pvesim: " + error_text(err)}


def other_node(api, node):
    if node not in api.nodes():
        return {"status": 500, "message":
                f"hostname lookup '{node}' failed - failed to get address info for: {node}: "
                "Name or service not known\n"}
    if nodes.peer(api.host, node):
        return {"peer": node}
    return {"status": 595, "bare": "No route to host"}
