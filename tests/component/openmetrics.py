#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""openmetrics.py [FILE] - check OpenMetrics text: families, names, labels, values, # EOF.

Prints each sample as "name label=value ... = number", labels in their order, unescaped."""
import re
import sys

text = (open(sys.argv[1]) if len(sys.argv) > 1 else sys.stdin).read()
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')


def die(line, why):
    sys.exit(f"{why}: {line!r}")


def labels(line, inner):
    out, at = [], 0
    while at < len(inner):
        m = LABEL.match(inner, at)
        if not m:
            die(line, "bad labels")
        raw = m.group(2)
        out.append((m.group(1), re.sub(r"\\(.)", lambda e: "\n" if e[1] == "n" else e[1], raw)))
        at = m.end()
    if len({k for k, _ in out}) != len(out):
        die(line, "a label twice")
    return out


if not text.endswith("# EOF\n"):
    sys.exit("no # EOF at the end")
lines = text[: -len("# EOF\n")].splitlines()
helps, types, done, samples, current = set(), {}, set(), set(), None
for line in lines:
    if line.startswith("# "):
        kind, name, rest = line[2:].split(" ", 2)
        if kind not in ("HELP", "TYPE") or not rest:
            die(line, "not HELP or TYPE")
        if name != current:
            if name in done:
                die(line, "a family in two places")
            done.add(name)
            current = name
        seen = helps if kind == "HELP" else types
        if name in seen:
            die(line, "twice")
        if kind == "HELP":
            helps.add(name)
        else:
            types[name] = rest
        continue
    m = re.fullmatch(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[0-9]+(?:\.[0-9]+)?)", line)
    if not m:
        die(line, "not a sample")
    want = current + ("_total" if types.get(current) == "counter" else "")
    if m[1] != want or current not in helps:
        die(line, f"a sample of {want} wanted")
    pairs = labels(line, m[2] or "")
    key = (m[1], tuple(sorted(pairs)))
    if key in samples:
        die(line, "the same sample twice")
    samples.add(key)
    print(m[1], *(f"{k}={v}" for k, v in pairs), "=", m[3])
if set(types) != helps:
    sys.exit("HELP and TYPE do not match")
