# SPDX-License-Identifier: GPL-2.0-or-later
"""prometheus.py DASHBOARD METRICS... - a Prometheus that has scraped these metrics for an hour, asked what
each panel of the dashboard asks. Prints a line for each query: how many series, a tab, the panel."""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

STEP, SCRAPES = 60, 60
VARIABLES = {"$instance": ".*", "$pool": ".*", "$__rate_interval": "5m"}


def scraped(files, begin):
    """OpenMetrics with time stamps: each file is another node."""
    families, samples, order = {}, {}, []
    for n, name in enumerate(files, 1):
        family = None
        with open(name, encoding="utf-8") as fh:
            for line in fh.read().splitlines():
                if line == "# EOF":
                    continue
                if line.startswith("#"):
                    family = line.split()[2]
                    if family not in families:
                        families[family] = []
                        order.append(family)
                    if line not in families[family]:
                        families[family].append(line)
                    continue
                metric, value = line.rsplit(" ", 1)
                metric = (metric[:-1] + "," if metric.endswith("}") else metric + "{") + f'instance="pve{n}",job="node"}}'
                samples.setdefault(family, []).append((metric, float(value)))
    out = []
    for family in order:
        out += families[family]
        for metric, value in samples.get(family, []):
            out += [f"{metric} {value} {begin + k * STEP}" for k in range(SCRAPES)]
    return "\n".join(out + ["# EOF", ""])


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(port, path, **words):
    url = f"http://127.0.0.1:{port}{path}?{urllib.parse.urlencode(words)}"
    with urllib.request.urlopen(url, timeout=30) as reply:
        return reply.read()


def wait_until_ready(port, server):
    for _ in range(600):
        try:
            ask(port, "/-/ready")
            return
        except (urllib.error.URLError, ConnectionError):
            if server.poll() is not None:
                raise
            time.sleep(0.1)
    raise TimeoutError("prometheus is not ready")


def queries(dashboard):
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            text = target["expr"]
            for name, value in VARIABLES.items():
                text = text.replace(name, value)
            yield panel["title"], text


def main(board, files):
    with open(board, encoding="utf-8") as fh:
        dashboard = json.load(fh)
    end = int(time.time()) // 7200 * 7200 - 1
    with tempfile.TemporaryDirectory() as folder:
        text, data = os.path.join(folder, "om"), os.path.join(folder, "data")
        with open(text, "w", encoding="utf-8") as fh:
            fh.write(scraped(files, end - STEP * SCRAPES))
        subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", text, data], check=True, stdout=subprocess.DEVNULL)
        config, port = os.path.join(folder, "prometheus.yml"), free_port()
        with open(config, "w", encoding="utf-8") as fh:
            fh.write("global: {scrape_interval: 1m}\n")
        with subprocess.Popen(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={data}", "--log.level=error",
                               "--storage.tsdb.retention.time=10y", f"--web.listen-address=127.0.0.1:{port}"]) as server:
            try:
                wait_until_ready(port, server)
                for title, query in queries(dashboard):
                    reply = json.loads(ask(port, "/api/v1/query", query=query, time=end - STEP))
                    print(len(reply["data"]["result"]), title, sep="\t")
                for variable in dashboard["templating"]["list"]:
                    found = re.match(r"label_values\((.*), (\w+)\)", variable.get("definition", ""))
                    if found:
                        query = found[1].replace("$instance", ".*")
                        reply = json.loads(ask(port, f"/api/v1/label/{found[2]}/values", **{"match[]": query, "start": end - 3600, "end": end}))
                        print(len(reply["data"]), "variable " + variable["name"], sep="\t")
            finally:
                server.terminate()


main(sys.argv[1], sys.argv[2:])
