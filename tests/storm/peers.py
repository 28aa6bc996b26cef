# SPDX-License-Identifier: GPL-2.0-or-later
"""What the two nodes have of each other: root's ssh, and the jobs that go on beside their VMs."""

import contextlib
import json
import os
import signal

from pvesimlib.host import write_atomic

# What PVE's call of ssh looks like here: `ssh -e none -o ... root@ADDRESS -- WORD...`. How one such
# call goes wrong is said by a file of the node that makes it, which is there for one call: ssh-VMID
# with "fails" (nobody is reached), "lost" (done, and the answer is lost), "late" (nobody waits for
# half a minute until that guest lets go), or the seconds after which the other node's run is killed.
SSH = """#!/bin/sh
for word; do
	case $word in
	root@*) to=${{word#root@}} ;;
	--) break ;;
	esac
	shift
done
shift 2 # "--" and the program's name
case $to in
{nodes}
esac
how=
[ ! -e "{root}/ssh-$2" ] || {{ how=$(cat "{root}/ssh-$2"); rm "{root}/ssh-$2"; }}
[ "$how" != fails ] || {{ echo "ssh: connect to host $to port 22: No route to host" >&2; exit 255; }}
wait=20
[ "$how" != late ] || wait=1
set -- /usr/bin/nsenter "--uts=$uts" "{program}" --root "$root" "$@" --wait "$wait"
case $how in
"" | late) exec "$@" ;;
lost) "$@"; exit 255 ;;
esac
"$@" &
/bin/sleep "$how"
kill -9 $!
wait $!
"""


def introduce(pve, program):
    """Each knows the others, as /etc/pve/.members tells of them."""
    nodes = list(pve.nodes.values())
    write_atomic(f"{pve.pve}/.members", json.dumps(
        {"nodelist": {n.name: {"ip": f"192.0.2.{i}"} for i, n in enumerate(nodes, 1)}}))
    cases = "".join(f"192.0.2.{i}) root={n.root} uts=/proc/{n.uts_of}/ns/uts ;;\n"
                    for i, n in enumerate(nodes, 1))
    for node in nodes:
        os.makedirs(f"{node.root}/usr/bin", exist_ok=True)
        write_atomic(f"{node.root}/usr/bin/ssh",
                     SSH.format(nodes=cases, root=node.root, program=program), 0o755)


def ssh_will(node, vmid, how):
    """The next call for that VM from this node."""
    write_atomic(f"{node.root}/ssh-{vmid}", how)


def ssh_may(node, vmid):
    """Well again, if there was no call."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{node.root}/ssh-{vmid}")


def runs():
    """Every run of vfhook that there is: (pid, its root, its words). Who has been forked and is no
    other program yet is told with the words of whoever forked it; who becomes one at this very
    moment has none, and a root of None."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as fh:
                argv = fh.read().split("\0")
            if argv == [""]:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as fh:
                    if fh.read().rpartition(")")[2].split()[0] not in ("Z", "X"):
                        yield int(pid), None, []
        except OSError:  # gone meanwhile
            continue
        if os.path.basename(argv[0]) in ("vfhook-plain", "hook-plain") and argv[1:2] == ["--root"]:
            yield int(pid), argv[2], argv[3:-1]


def kill_jobs(node, vmid):
    """Its live jobs, of one VM. How many there were."""
    killed = 0
    for pid, root, words in runs():
        if root == node.root and words == ["live-job", str(vmid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    return killed
