# SPDX-License-Identifier: GPL-2.0-or-later
"""A made-up sysfs below a root folder: plain files, and what the kernel would do to them."""

import errno
import os
import re
import struct
import time

from .lazy import shutil

PCI = "/sys/bus/pci"

# PF driver -> vendor, PF device, subsystem device, VF device, VF driver, VF offset, stride
CARDS = {
    "igb": ("8086", "10c9", "a03c", "10ca", "igbvf", 0x80, 2),
    "ixgbe": ("8086", "10fb", "000c", "10ed", "ixgbevf", 0x80, 2),
    "i40e": ("8086", "1572", "0004", "154c", "iavf", 0x10, 1),
    "ice": ("8086", "1592", "0002", "1889", "iavf", 0x08, 1),
    "mlx5_core": ("15b3", "1017", "0020", "1018", "mlx5_core", 0x02, 1),
    "bnxt_en": ("14e4", "16d7", "1402", "16dc", "bnxt_en", 0x08, 1),
    # has no PCI functions of its own; these ids are nobody's
    "netdevsim": ("1d0f", "fff0", "0001", "fff1", "netdevsim", 0x10, 1),
    # no network cards, see CLASSES; the first VF is the next function
    "i915": ("8086", "a780", "0000", "a780", "i915", 1, 1),
    "xe": ("8086", "56c0", "4905", "56c0", "xe", 1, 1),
    "nvme": ("1b36", "0010", "1100", "0010", "nvme", 1, 1),
    "4xxx": ("8086", "4940", "0000", "4941", "4xxx", 0x10, 1),
    "nvidia": ("10de", "2236", "1482", "2236", "nvidia", 4, 1),
}

# PF driver -> class of PF and VFs
NETWORK = "0x020000"
CLASSES = {"i915": "0x030000", "xe": "0x038000", "nvme": "0x010802", "4xxx": "0x0b4000", "nvidia": "0x030200"}


class OutOfAddresses(Exception):
    """More VFs than the bus numbers left of the domain."""


def put(path, text):
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        fd = os.open(path, flags, 0o644)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path))
        fd = os.open(path, flags, 0o644)
    if text:
        os.write(fd, text.encode())
    os.close(fd)


def link(path, target):
    """A RELATIVE symbolic link at path to target, as sysfs has them. Both absolute and plain."""
    here = path.split("/")[:-1]
    there = target.split("/")
    same = 0
    while same < len(here) and same < len(there) and here[same] == there[same]:
        same += 1
    relative = "/".join([".."] * (len(here) - same) + there[same:])
    try:
        os.symlink(relative, path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path))
        os.symlink(relative, path)
    except FileExistsError:
        os.unlink(path)
        os.symlink(relative, path)


def config_space(vendor, device, serial):
    """4096 bytes of it, with nothing but the ids and a Device Serial Number, behind another extended
    capability. serial: "00-11-22-33-44-55-66-77", as lspci has it."""
    data = bytearray(4096)
    struct.pack_into("<HH", data, 0, int(vendor, 16), int(device, 16))
    struct.pack_into("<I", data, 0x100, 0x0010 | 1 << 16 | 0x148 << 20)  # SR-IOV
    number = int(serial.replace("-", ""), 16)
    struct.pack_into("<III", data, 0x148, 0x0003 | 1 << 16, number & 0xffffffff, number >> 32)
    return bytes(data)


def rid_to_addr(domain, rid):
    return f"{domain}:{rid >> 8:02x}:{rid >> 3 & 31:02x}.{rid & 7:x}"


def addr_to_rid(addr):
    domain, bus, rest = addr.split(":")
    slot, func = rest.split(".")
    return domain, int(bus, 16) << 8 | int(slot, 16) << 3 | int(func, 16)


class Tree:
    """Builds and changes the tree. The numbers it hands out live in the tree itself."""

    def __init__(self, host):
        self.host = host
        self.sys = os.path.normpath(host.path("/sys"))
        self._last_group = None
        self._last_ifindex = None

    def dev(self, addr):
        """The real folder of a device."""
        return os.path.realpath(f"{self.sys}/bus/pci/devices/{addr}")

    def skeleton(self):
        for name in ("bus/pci/devices", "bus/pci/drivers", "class/net", "class/iommu",
                     "kernel/iommu_groups", "devices/pci0000:00", "module"):
            os.makedirs(f"{self.sys}/{name}", exist_ok=True)
        dmar = f"{self.sys}/devices/virtual/iommu/dmar0"
        os.makedirs(f"{dmar}/devices", exist_ok=True)
        link(f"{self.sys}/class/iommu/dmar0", dmar)
        put(f"{self.sys}/bus/pci/drivers_probe", "")
        put(f"{self.sys}/bus/pci/rescan", "")
        self.driver("vfio-pci")
        os.makedirs(self.host.path("/dev/vfio"), exist_ok=True)
        put(self.host.path("/dev/vfio/vfio"), "")

    def driver(self, name):
        base = f"{self.sys}/bus/pci/drivers/{name}"
        for file in ("bind", "unbind", "new_id", "remove_id"):
            if not os.path.exists(f"{base}/{file}"):
                put(f"{base}/{file}", "")
        return base

    def device(self, addr, folder, vendor, device, sub, klass="0x020000", numa=-1):
        files = {
            "vendor": f"0x{vendor}", "device": f"0x{device}", "class": klass,
            "subsystem_vendor": f"0x{sub[0]}", "subsystem_device": f"0x{sub[1]}",
            "modalias": f"pci:v0000{vendor.upper()}d0000{device.upper()}"
                        f"sv0000{sub[0].upper()}sd0000{sub[1].upper()}"
                        f"bc{klass[2:4]}sc{klass[4:6]}i{klass[6:8]}",
            "numa_node": numa, "irq": 0, "driver_override": "(null)", "enable": 0,
        }
        for name, value in files.items():
            put(f"{folder}/{name}", f"{value}\n")
        put(f"{folder}/reset", "")
        link(f"{folder}/subsystem", f"{self.sys}/bus/pci")
        link(f"{self.sys}/bus/pci/devices/{addr}", folder)

    def bridge(self, addr):
        folder = f"{self.sys}/devices/pci0000:00/{addr}"
        if not os.path.isdir(folder):
            self.device(addr, folder, "8086", "3420", ("8086", "0000"), "0x060400")
            os.makedirs(f"{folder}/pci_bus", exist_ok=True)
            self.join_group(addr, self.next_group())
        return folder

    # -- IOMMU groups -------------------------------------------------------

    def next_group(self):
        if self._last_group is None:
            taken = [int(n) for n in os.listdir(f"{self.sys}/kernel/iommu_groups")]
            self._last_group = max(taken, default=0)
        self._last_group += 1
        return self._last_group

    def next_ifindex(self):
        if self._last_ifindex is None:
            base = f"{self.sys}/class/net"
            self._last_ifindex = 1
            for name in os.listdir(base):
                with open(f"{base}/{name}/ifindex", encoding="utf-8") as fh:
                    self._last_ifindex = max(self._last_ifindex, int(fh.read()))
        self._last_ifindex += 1
        return self._last_ifindex

    def join_group(self, addr, group, folder=None):
        base = f"{self.sys}/kernel/iommu_groups/{group}"
        folder = folder or self.dev(addr)
        link(f"{base}/devices/{addr}", folder)
        put(f"{base}/type", "DMA\n")
        link(f"{folder}/iommu_group", base)

    def group_of(self, addr):
        path = f"{self.dev(addr)}/iommu_group"
        return int(os.readlink(path).rsplit("/", 1)[1]) if os.path.islink(path) else None

    # -- network interfaces -------------------------------------------------

    def netdev(self, addr, name, mac, up=False, mtu=1500, port=0, port_name=None, index=None):
        base = f"{self.dev(addr)}/net/{name}"
        index = index or self.next_ifindex()
        files = {
            "ifindex": index, "iflink": index,
            "flags": "0x1003" if up else "0x1002", "operstate": "up" if up else "down",
            "address": mac, "addr_assign_type": 0, "dev_port": port, "dev_id": "0x0",
            "mtu": mtu, "type": 1, "carrier": int(up), "speed": 1000 if up else -1,
        }
        if port_name:
            files["phys_port_name"] = port_name
        for file, value in files.items():
            put(f"{base}/{file}", f"{value}\n")
        os.symlink(f"../../../{addr}", f"{base}/device")  # as the kernel has it
        link(f"{base}/subsystem", f"{self.sys}/class/net")
        link(f"{self.sys}/class/net/{name}", base)

    def drop_netdevs(self, addr):
        base = f"{self.dev(addr)}/net"
        if os.path.isdir(base):
            shutil.rmtree(base)
            for name in os.listdir(f"{self.sys}/class/net"):
                # All of its links: who renamed it may have been killed in between.
                path = f"{self.sys}/class/net/{name}"
                if os.path.islink(path) and not os.path.exists(path):
                    os.unlink(path)

    # -- PFs and VFs ----------------------------------------------------------

    def add_pf(self, addr, opts):
        driver = opts.get("driver", "igb")
        vendor, device, subdev, vfdev, _vfdrv, offset, stride = CARDS.get(driver, CARDS["igb"])
        _domain, rid = addr_to_rid(addr)
        bridge = self.bridge(opts.get("bridge", f"0000:00:1c.{(rid >> 8) & 7:x}"))
        folder = f"{bridge}/{addr}"
        klass = opts.get("class", CLASSES.get(driver, NETWORK))
        self.device(addr, folder, opts.get("vendor", vendor), opts.get("device", device),
                    (vendor, subdev), klass, numa=opts.get("numa", -1))
        self.identity(addr, folder, opts)
        sriov = {"sriov_totalvfs": opts.get("vfs", 7), "sriov_numvfs": 0,
                 "sriov_drivers_autoprobe": opts.get("autoprobe", 1),
                 "sriov_offset": opts.get("offset", offset),
                 "sriov_stride": opts.get("stride", stride),
                 "sriov_vf_device": opts.get("vfdevice", vfdev),
                 "sriov_vf_total_msix": 0}
        for name, value in sriov.items():
            put(f"{folder}/{name}", f"{value}\n")
        groups = opts.get("groups", "own")
        put(self.host.state("groups", addr), groups)  # for the VFs it'll have one day
        # without ACS the root port, the PF and its VFs are one group
        self.join_group(addr, self.group_of(os.path.basename(bridge)) if groups == "withpf"
                        else self.next_group())
        if opts.get("bound", "1") == "1":
            self.bind(addr, driver)
        if not klass.startswith("0x02"):
            self.set_numvfs(addr, int(opts.get("numvfs", 0)))
            return
        name = opts.get("ifname", f"enp{rid >> 8}s{rid >> 3 & 31}f{rid & 7}")
        self.netdev(addr, name, opts.get("mac", f"52:54:00:{rid >> 8:02x}:{rid & 255:02x}:01"),
                    opts.get("up", "0") == "1", port=rid & 7,
                    port_name=opts.get("phys_port_name"), index=opts.get("ifindex"))
        self.set_numvfs(addr, int(opts.get("numvfs", 0)))

    def identity(self, addr, folder, opts):
        """What a card is known again by: its serial number in config space, or an NVMe drive's, its slot."""
        if "serial" in opts:
            with open(f"{folder}/config", "wb") as fh:
                fh.write(config_space(self.attr(addr, "vendor"), self.attr(addr, "device"), opts["serial"]))
        if "nvme-serial" in opts:
            put(f"{folder}/nvme/nvme0/serial", f"{opts['nvme-serial']:<20}\n")
        if "slot" in opts:
            put(f"{self.sys}/bus/pci/slots/{opts['slot']}/address", f"{addr.split('.')[0]}\n")

    def attr(self, addr, name):
        with open(f"{self.dev(addr)}/{name}", encoding="utf-8") as fh:
            return fh.read().strip()

    def set_numvfs(self, pf, count):
        """What writing sriov_numvfs does."""
        old = int(self.attr(pf, "sriov_numvfs"))
        if count and old and count != old:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        if count > int(self.attr(pf, "sriov_totalvfs")):
            raise OSError(errno.ERANGE, os.strerror(errno.ERANGE))
        if old and not count:
            self.remove_vfs(pf)
        elif count and not old:
            self._add_vfs(pf, count)
        put(f"{self.dev(pf)}/sriov_numvfs", f"{count}\n")

    def vf_addrs(self, pf, count):
        domain, rid = addr_to_rid(pf)
        rid += int(self.attr(pf, "sriov_offset"))
        stride = int(self.attr(pf, "sriov_stride"))
        if rid + (count - 1) * stride > 0xffff:
            raise OutOfAddresses(f"{pf}: no address for VF {count - 1}")
        return [rid_to_addr(domain, rid + index * stride) for index in range(count)]

    def _add_vfs(self, pf, count):
        """What all of them have in common is looked up once: there may be hundreds."""
        pfdir = self.dev(pf)
        addresses = self.vf_addrs(pf, count)
        vendor = self.attr(pf, "vendor")[2:]
        klass = self.attr(pf, "class")
        ids = vendor, self.attr(pf, "sriov_vf_device"), (vendor, "0000"), klass
        numa = self.attr(pf, "numa_node")
        with open(self.host.state("groups", pf), encoding="utf-8") as fh:
            groups = fh.read()
        group = {"own": None, "shared": self.next_group(), "withpf": self.group_of(pf)}[groups]
        driver = None
        if self.attr(pf, "sriov_drivers_autoprobe") == "1":
            driver = CARDS.get(os.path.basename(os.readlink(f"{pfdir}/driver")), CARDS["igb"])[4]
        for index, addr in enumerate(addresses):
            folder = f"{os.path.dirname(pfdir)}/{addr}"
            self.device(addr, folder, *ids, numa=numa)
            link(f"{folder}/physfn", pfdir)
            self.join_group(addr, self.next_group() if group is None else group, folder)
            if driver:
                self.bind(addr, driver)
            if driver and klass.startswith("0x02"):
                self.netdev(addr, f"{os.listdir(f'{pfdir}/net')[0]}v{index}", "00:00:00:00:00:00")
            # Last: whoever waits for the VF finds all of it.
            link(f"{pfdir}/virtfn{index}", folder)

    def catch_up(self, pf):
        """Somebody may have written sriov_numvfs: have as many VFs as it says. To him that was
        one system call, so the file never says anything else meanwhile once there are VFs."""
        try:
            want = int(self.attr(pf, "sriov_numvfs"))
        except (OSError, ValueError):
            return
        have = sum(n.startswith("virtfn") for n in os.listdir(self.dev(pf)))
        if want == have:
            return
        if want and not have and self._makes_none(pf):
            put(f"{self.dev(pf)}/sriov_numvfs", "0\n")
            return
        if have:
            # Once VF 0 is gone the writer goes on, and may have written the next number.
            self.remove_vfs(pf, tell=False)
            if want:
                put(f"{self.dev(pf)}/sriov_numvfs", f"{want}\n")
        if want:
            self._add_vfs(pf, want)

    def _makes_none(self, pf):
        """As bnxt_sriov_configure: a number is accepted and makes no VF, as many times as the file
        makes-none/PF says ("ever": each time)."""
        path = self.host.state("makes-none", pf)
        try:
            with open(path, encoding="utf-8") as fh:
                left = fh.read().strip()
        except OSError:
            return False
        if left == "ever":
            return True
        if int(left) > 1:
            put(path, f"{int(left) - 1}\n")
        else:
            os.unlink(path)
        return True

    def play_kernel(self):
        """Watch every sriov_numvfs, and do what the kernel does at once when one is written."""
        base = f"{self.sys}/bus/pci/devices"
        while os.path.isdir(base):
            for pf in os.listdir(base):
                self.catch_up(pf)
            self.unbind_asked()
            self.probe_asked()
            time.sleep(0.02)

    def unbind_asked(self):
        """Somebody may have written a VF to its driver's unbind."""
        for driver in os.listdir(f"{self.sys}/bus/pci/drivers"):
            path = f"{self.sys}/bus/pci/drivers/{driver}/unbind"
            try:
                with open(path, encoding="utf-8") as fh:
                    addr = fh.read().strip()
            except OSError:  # its folder is being made, or goes
                continue
            if addr:
                put(path, "")
                self.unbind(addr)

    def probe_asked(self):
        """Somebody may have written a VF to drivers_probe: its network driver gets it. The kernel
        does that within the write, so sriov_drivers_autoprobe may be 0 again by now."""
        path = f"{self.sys}/bus/pci/drivers_probe"
        with open(path, encoding="utf-8") as fh:
            addr = fh.read().strip()
        if not addr:
            return
        put(path, "")
        self.probe(addr)

    def probe(self, addr, index=None):
        """index: of the interface that it gets."""
        folder = self.dev(addr)
        override = self.attr(addr, "driver_override")
        pfdir = os.path.realpath(f"{folder}/physfn")
        pf = os.path.basename(pfdir)
        driver = CARDS.get(os.path.basename(os.readlink(f"{pfdir}/driver")), CARDS["igb"])[4]
        if os.path.islink(f"{folder}/driver") or override not in ("", "(null)", driver):
            return
        if os.path.exists(self.host.state("probe-fails", addr)):
            return
        number = next(n[6:] for n in os.listdir(pfdir) if n.startswith("virtfn") and
                      os.path.realpath(f"{pfdir}/{n}") == folder)
        if self.attr(pf, "class").startswith("0x02"):
            self.netdev(addr, f"{os.listdir(f'{pfdir}/net')[0]}v{number}", "00:00:00:00:00:00", index=index)
        self.bind(addr, driver)

    def remove_vfs(self, pf, tell=True):
        """VF 0 goes last."""
        pfdir = self.dev(pf)
        for name in sorted(os.listdir(pfdir), reverse=True):
            if re.fullmatch(r"virtfn\d+", name):
                addr = os.path.basename(os.readlink(f"{pfdir}/{name}"))
                self.remove_device(addr)
                os.unlink(f"{pfdir}/{name}")
        if tell:
            put(f"{pfdir}/sriov_numvfs", "0\n")

    def remove_device(self, addr):
        self.unbind(addr)
        group = self.group_of(addr)
        folder = self.dev(addr)
        if group is not None:
            base = f"{self.sys}/kernel/iommu_groups/{group}"
            os.unlink(f"{base}/devices/{addr}")
            if not os.listdir(f"{base}/devices"):
                shutil.rmtree(base)
        os.unlink(f"{self.sys}/bus/pci/devices/{addr}")
        shutil.rmtree(folder)

    # -- drivers ----------------------------------------------------------------

    def bind(self, addr, driver):
        base = self.driver(driver)
        link(f"{self.dev(addr)}/driver", base)
        link(f"{base}/{addr}", self.dev(addr))
        if driver == "vfio-pci":
            put(self.host.path(f"/dev/vfio/{self.group_of(addr)}"), "")

    def unbind(self, addr):
        path = f"{self.dev(addr)}/driver"
        if not os.path.islink(path):
            return
        driver = os.path.basename(os.readlink(path))
        self.drop_netdevs(addr)
        os.unlink(path)
        os.unlink(f"{self.sys}/bus/pci/drivers/{driver}/{addr}")
        if driver == "vfio-pci":
            node = self.host.path(f"/dev/vfio/{self.group_of(addr)}")
            if os.path.exists(node):
                os.unlink(node)
        elif os.path.exists(f"{self.dev(addr)}/sriov_numvfs"):
            self.remove_vfs(addr)  # a PF's driver switches SR-IOV off when it goes

    def may_bind(self, addr, driver):
        """pci-driver.c: pci_match_device, pci_device_can_probe."""
        override = self.attr(addr, "driver_override")
        if override not in ("", "(null)"):
            return override == driver
        physfn = f"{self.dev(addr)}/physfn"
        if os.path.islink(physfn):
            pf = os.path.basename(os.readlink(physfn))
            return self.attr(pf, "sriov_drivers_autoprobe") != "0"
        return True


def written(host, shown, text):
    """Do what the kernel does when text is written to this file. OSError as it would."""
    tree = Tree(host)
    match = re.fullmatch(PCI + r"/drivers/([^/]+)/(bind|unbind)", shown)
    if match and match[2] == "bind":
        if not os.path.isdir(tree.dev(text)) or not tree.may_bind(text, match[1]):
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        tree.bind(text, match[1])
    elif match or shown.endswith("/driver/unbind"):
        tree.unbind(text)


def reboot(host):
    """After a power cycle: no VFs, no overrides, VFs' settings forgotten."""
    tree = Tree(host)
    base = f"{tree.sys}/bus/pci/devices"
    if host.is_real or not os.path.isdir(base):
        return
    for addr in os.listdir(base):
        if os.path.exists(f"{base}/{addr}/sriov_numvfs"):
            tree.remove_vfs(addr)
