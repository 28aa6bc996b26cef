# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults of the REST side, set by tests in faults.json and looked up for each request."""

import fcntl
import json
import os
import re
import time

from .host import read_text, write_atomic

# kind -> (meaning, is the request carried out first?)
KINDS = {
    "delay": ("wait SECONDS, then go on", False),
    "hang": ("take the request and never answer", False),
    "close": ("close the connection without an answer", False),
    "close-mid": ("close it in the middle of the body", True),
    "endless": ("a body that never ends", False),
    "huge": ("a valid reply with MEGABYTES of padding", False),
    "truncated": ("JSON cut in half, Content-Length right", True),
    "wrong-type": ("'data' of a type nobody expects (null, number, string, list, object)", True),
    "not-json": ("200 and text that is no JSON", False),
    "empty": ("200 without a body", False),
    "deep": ("lists nested DEPTH deep", False),
    "redirect": ("302 to a URL", False),
    "status": ("status N with BODY", False),
    "plain": ("plain HTTP on the TLS port (for any request)", False),
    "reset": ("TCP reset instead of a TLS handshake (for any request)", False),
}


class Faults:
    def __init__(self, host):
        self.host = host
        self.path = host.state("faults.json")

    def _locked(self, change):
        with open(self.path + ".lock", "a", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            items = json.loads(read_text(self.path) or "[]")
            res = change(items)
            write_atomic(self.path, json.dumps(items, indent=1) + "\n")
            return res

    def add(self, fault):
        self._locked(lambda items: items.append(fault))

    def clear(self):
        self._locked(lambda items: items.clear())

    def all(self):
        return json.loads(read_text(self.path) or "[]")

    def take(self, method, path, kinds=None):
        """The first fault that fits; one with a count is used up."""
        if not os.path.exists(self.path):
            return None

        def pick(items):
            for item in items:
                if kinds and item["kind"] not in kinds:
                    continue
                if not kinds and item["kind"] in ("plain", "reset"):
                    continue
                if item.get("method") and item["method"] != method:
                    continue
                if item.get("path") and not re.search(item["path"], path):
                    continue
                if item.get("skip", 0) > 0:
                    item["skip"] -= 1
                    continue
                if item.get("count") is not None:
                    if item["count"] <= 0:
                        continue
                    item["count"] -= 1
                return dict(item)
            return None

        return self._locked(pick)


def wants_request_done(fault):
    done = fault.get("perform")
    return KINDS[fault["kind"]][1] if done is None else done


def apply(fault, conn, reply):
    """Answer with the fault. True: the connection is done; False: send 'reply' as it is."""
    kind, arg = fault["kind"], fault.get("arg")
    if kind == "delay":
        time.sleep(float(arg or 1))
        return False
    if kind == "hang":
        conn.wait_for_close(float(arg) if arg else None)
    elif kind == "close-mid":
        conn.send(reply.head(len(reply.body)) + reply.body[:max(1, len(reply.body) // 2)])
    elif kind == "endless":
        _endless(conn)
    elif kind == "huge":
        body = b'{"data":[' + b'"' + b"x" * (int(float(arg or 64) * 1048576)) + b'"]}'
        conn.send(_head(200, "OK", len(body)) + body)
    elif kind == "truncated":
        body = reply.body[:len(reply.body) // 2]
        conn.send(reply.head(len(body)) + body)
    elif kind == "wrong-type":
        body = json.dumps({"data": json.loads(arg) if arg else "a string"}).encode()
        conn.send(_head(200, "OK", len(body)) + body)
    elif kind == "not-json":
        body = (arg or "<html><body>It works!</body></html>").encode()
        conn.send(_head(200, "OK", len(body)) + body)
    elif kind == "empty":
        conn.send(_head(200, "OK", 0))
    elif kind == "deep":
        depth = int(arg or 100000)
        body = b'{"data":' + b"[" * depth + b"]" * depth + b"}"
        conn.send(_head(200, "OK", len(body)) + body)
    elif kind == "redirect":
        conn.send(_head(302, "Found", 0, f"Location: {arg}\r\n"))
    elif kind == "status":
        code, _sep, reason = str(arg or "500").partition(" ")
        body = (fault.get("body") or "").encode()
        conn.send(_head(int(code), reason or "Some Reason", len(body)) + body)
    return True


def _head(code, reason, length, extra=""):
    return (f"HTTP/1.1 {code} {reason}\r\nConnection: close\r\nServer: pve-api-daemon/3.0\r\n"
            f"Content-Type: application/json;charset=UTF-8\r\n{extra}"
            f"Content-Length: {length}\r\n\r\n").encode()


def _endless(conn):
    """No Content-Length: the body goes on until the client has had enough."""
    conn.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
              b"Content-Type: application/json;charset=UTF-8\r\n\r\n" + b'{"data":"')
    while conn.send(b"x" * 65536):
        time.sleep(0.001)
