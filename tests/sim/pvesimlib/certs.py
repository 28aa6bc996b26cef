# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster's CA, the node's certificate, and good and bad own ones (PVE/Cluster/Setup.pm)."""

import os

from .lazy import subprocess, tempfile

ISSUER = "/CN=Proxmox Virtual Environment/OU=pvesim/O=PVE Cluster Manager CA"


def _openssl(*args):
    done = subprocess.run(["openssl", *args], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {args[0]}: {done.stderr.decode(errors='replace')}")


def make_ca(cert, key, subject=ISSUER):
    _openssl("req", "-batch", "-days", "3650", "-new", "-x509", "-nodes", "-newkey", "ec",
             "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", key, "-out", cert,
             "-subj", subject, "-addext", "keyUsage=critical,keyCertSign,cRLSign")


def _ended_long_ago():
    """OpenSSL 3.4 can set dates and refuses negative days; before it is the other way round."""
    done = subprocess.run(["openssl", "version"], capture_output=True, check=True, text=True)
    number = done.stdout.split()[1].split(".")
    if (int(number[0]), int(number[1])) >= (3, 4):
        return ["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"]
    return ["-days", "-1"]


def issue(cert, key, names, ca=None, expired=False, days=730):
    """A certificate for these names. ca is (cert, key), or None for a self-signed one."""
    alt = ",".join(("IP:" if ":" in n or n.replace(".", "").isdigit() else "DNS:") + n
                   for n in names)
    with tempfile.TemporaryDirectory() as tmp:
        _openssl("req", "-batch", "-new", "-nodes", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:prime256v1", "-keyout", key, "-out", f"{tmp}/req",
                 "-subj", f"/OU=PVE Cluster Node/O=Proxmox Virtual Environment/CN={names[0]}")
        with open(f"{tmp}/ext", "w", encoding="utf-8") as fh:
            fh.write("basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n"
                     f"subjectAltName={alt}\n")
        valid = ["-days", str(days)]
        if expired:
            valid = _ended_long_ago()
        sign = (["-CA", ca[0], "-CAkey", ca[1], "-set_serial", "0x" + os.urandom(8).hex()]
                if ca else ["-signkey", key])
        _openssl("x509", "-req", "-in", f"{tmp}/req", "-out", cert, *valid,
                 "-extfile", f"{tmp}/ext", *sign)


def cluster(host, node):
    os.makedirs(host.pve("priv"), exist_ok=True)
    ca = (host.pve("pve-root-ca.pem"), host.pve("priv/pve-root-ca.key"))
    if not os.path.exists(ca[0]):
        make_ca(*ca)
    base = host.pve(f"nodes/{node}")
    issue(f"{base}/pve-ssl.pem", f"{base}/pve-ssl.key",
          [f"{node}.example.org", node, "localhost", "127.0.0.1", "::1"], ca)


def own(host, node, kind, name):
    """Install pveproxy-ssl.pem, which pveproxy prefers to pve-ssl.pem."""
    base = host.pve(f"nodes/{node}/pveproxy-ssl")
    for ext in (".pem", ".key"):
        if os.path.exists(base + ext):
            os.unlink(base + ext)
    cluster_ca = (host.pve("pve-root-ca.pem"), host.pve("priv/pve-root-ca.key"))
    other = (host.state("other-ca.pem"), host.state("other-ca.key"))
    if kind in ("other-ca", "expired-other-ca") and not os.path.exists(other[0]):
        make_ca(*other, subject="/CN=Some other CA")
    if kind == "none":
        return
    if kind == "self-signed":
        issue(base + ".pem", base + ".key", [name])
    elif kind == "other-ca":
        issue(base + ".pem", base + ".key", [name], other)
    elif kind == "cluster-ca":
        issue(base + ".pem", base + ".key", [name], cluster_ca)
    elif kind == "expired":
        issue(base + ".pem", base + ".key", [name, "localhost", "127.0.0.1", node],
              cluster_ca, expired=True)
    elif kind == "expiring":
        issue(base + ".pem", base + ".key", [name, node], cluster_ca, days=5)
    elif kind == "wrong-name":
        issue(base + ".pem", base + ".key", ["elsewhere.example.net"], cluster_ca)
    else:
        raise RuntimeError(f"unknown kind of certificate: {kind}")


def serving(host, node):
    """The pair pveproxy uses: the admin's own if there is one."""
    base = host.pve(f"nodes/{node}")
    if os.path.exists(f"{base}/pveproxy-ssl.pem"):
        return f"{base}/pveproxy-ssl.pem", f"{base}/pveproxy-ssl.key"
    return f"{base}/pve-ssl.pem", f"{base}/pve-ssl.key"
