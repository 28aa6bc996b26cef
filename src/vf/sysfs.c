/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PFs and VFs in sysfs: who they are, what they have, and the few things that are set there. */
#include "src/vf/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/names.h"
#include "src/vf/sysfs_impl.h"
#include "src/vf/vf.h"

bool dev_path(char path[PATH_MAX], const struct pci_addr *a, const char *name)
{
	size_t len = strlen(name);
	char *at = stpcpy(path, PCI_DEVICES);

	pci_addr_format(a, at);
	at += strlen(at);
	if (len >= PATH_MAX - (size_t)(at - path) - 1)
		return false;
	*at++ = '/';
	memcpy(at, name, len + 1);
	return true;
}

ssize_t dev_attr(int root, const struct pci_addr *a, const char *name, char *buf, size_t size)
{
	char path[PATH_MAX];

	return dev_path(path, a, name) ? attr_read(root, path, buf, size) : -ENAMETOOLONG;
}

static bool is_answer(ssize_t r)
{
	return r >= 0 || r == -ENOENT || r == -ENOTDIR || r == -ENODEV || r == -EINVAL ||
	       r == -ERANGE || r == -EFBIG;
}

void note_trouble(ssize_t r, int *bad)
{
	if (!is_answer(r) && !*bad)
		*bad = (int)r;
}

void dev_link(int root, const struct pci_addr *a, const char *name, char *buf, size_t size,
	      int *bad)
{
	char path[PATH_MAX];
	int r = dev_path(path, a, name) ? link_basename(root, path, buf, size) : -ENAMETOOLONG;

	note_trouble(r, bad);
	if (r < 0)
		buf[0] = '\0';
}

int dev_has(int root, const struct pci_addr *a, const char *name)
{
	char path[PATH_MAX];

	if (!dev_path(path, a, name))
		return -ENAMETOOLONG;
	return faccessat(root, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

const char *next_name(struct names *d, int *bad)
{
	const char *name = names_next(d);

	if (!name)
		note_trouble(d->error, bad);
	return name;
}

/* A representor of switchdev mode ("pf0vf3") is not the PF's own interface. */
static bool is_representor(int root, const char *net_dir, const char *ifname)
{
	char path[PATH_MAX];
	char name[32];

	if (snprintf(path, sizeof(path), "%s/%s/phys_port_name", net_dir, ifname) >=
	    (int)sizeof(path))
		return false;
	return attr_read(root, path, name, sizeof(name)) > 0 && vf_is_representor(name);
}

bool sysfs_pf_is_switchdev(int root, const struct pci_addr *pf)
{
	AUTO_NAMES struct names d = NAMES_INIT;
	char net[PATH_MAX];
	const char *name;

	if (!dev_path(net, pf, "net"))
		return false;
	names_open(root, net, &d);
	while ((name = names_next(&d))) {
		if (is_representor(root, net, name))
			return true;
	}
	return false;
}

/* The function's own network interface: the one with the lowest index. False if it has none. */
static bool find_netdev(int root, const struct pci_addr *a, char ifname[IFNAME_LEN], int *ifindex,
			int *bad)
{
	char net[PATH_MAX];
	AUTO_NAMES struct names d = NAMES_INIT;
	const char *name;

	*ifindex = 0;
	ifname[0] = '\0';
	if (!dev_path(net, a, "net"))
		return false;
	names_open(root, net, &d);
	while ((name = next_name(&d, bad))) {
		unsigned long long index;
		int r;
		char path[PATH_MAX];

		if (strlen(name) >= IFNAME_LEN)
			continue;
		if (snprintf(path, sizeof(path), "%s/%s/ifindex", net, name) >= (int)sizeof(path))
			continue;
		r = attr_read_u64(root, path, INT_MAX, &index);
		note_trouble(r, bad);
		if (r < 0 || !index)
			continue;
		if (is_representor(root, net, name))
			continue;
		if (!*ifindex || (int)index < *ifindex) {
			*ifindex = (int)index;
			memcpy(ifname, name, strlen(name) + 1);
		}
	}
	return *ifindex > 0;
}

/*
 * The function's only network interface, whose port is not asked for: false if it has none, or
 * several.
 */
static bool find_only_netdev(int root, const struct pci_addr *a, char ifname[IFNAME_LEN],
			     int *ifindex)
{
	unsigned long long index = 0;
	AUTO_NAMES struct names d = NAMES_INIT;
	char net[PATH_MAX];
	char path[PATH_MAX];
	const char *name;

	if (!dev_path(net, a, "net"))
		return false;
	names_open(root, net, &d);
	name = names_next(&d);
	if (!name || strlen(name) >= IFNAME_LEN)
		return false;
	memcpy(ifname, name, strlen(name) + 1);
	if (names_next(&d) || d.error ||
	    snprintf(path, sizeof(path), "%s/%s/ifindex", net, ifname) >= (int)sizeof(path) ||
	    attr_read_u64(root, path, INT_MAX, &index) < 0)
		return false;
	*ifindex = (int)index;
	return index;
}

/*
 * How many VFs there are, by their links. sriov_numvfs itself is not read: the kernel takes the
 * PF's lock for that, which a write to it holds for as long as the driver takes, and a driver may
 * never end (drivers/pci/iov.c: sriov_numvfs_show, device_lock).
 */
static unsigned count_vfs(int root, const struct pci_addr *pf, int *bad)
{
	char path[PATH_MAX];
	AUTO_NAMES struct names d = NAMES_INIT;
	const char *name;
	unsigned n = 0;

	if (dev_path(path, pf, ""))
		names_open(root, path, &d);
	while ((name = next_name(&d, bad))) {
		unsigned index;

		if (!strncmp(name, "virtfn", 6) && !parse_u32(name + 6, UINT16_MAX - 1, &index) &&
		    index >= n)
			n = index + 1;
	}
	return n;
}

int sysfs_numvfs(int root, const struct pci_addr *pf, unsigned *n)
{
	unsigned long long value = 0;
	char path[PATH_MAX];
	int r = dev_path(path, pf, "sriov_numvfs") ? attr_read_u64(root, path, UINT_MAX, &value)
						   : -ENAMETOOLONG;

	*n = (unsigned)value;
	return r;
}

/*
 * A card shows the capability only if its firmware has it switched on; ConnectX cards come with it
 * off, and only their own tool changes that.
 */
static int no_capability(int root, const struct pci_addr *addr, struct error *err)
{
	char text[PCI_ADDR_LEN];
	char vendor[16];

	pci_addr_format(addr, text);
	if (dev_attr(root, addr, "vendor", vendor, sizeof(vendor)) > 0 &&
	    !strcmp(vendor, "0x15b3") && dev_has(root, addr, "physfn") < 0)
		return fail(err, EOPNOTSUPP,
			    "%s is no SR-IOV PF (no sriov_totalvfs in sysfs): switch it on in the "
			    "card with mlxconfig -d %s set SRIOV_EN=1 NUM_OF_VFS=8, then power off "
			    "and on",
			    text, text);
	return fail(err, EOPNOTSUPP, "%s is no SR-IOV PF (no sriov_totalvfs in sysfs)", text);
}

/* -1: unknown, or a machine without NUMA. */
static int numa_node(int root, const struct pci_addr *a)
{
	char buf[32];
	uint32_t node;

	if (dev_attr(root, a, "numa_node", buf, sizeof(buf)) < 0 ||
	    parse_u32(buf, INT_MAX, &node) < 0)
		return -1;
	return (int)node;
}

static int no_netdev(const struct pf_info *pf, struct error *err)
{
	char text[PCI_ADDR_LEN];

	return fail(err, ENODEV,
		    "PF %s has no network interface (driver: %s): is its driver loaded?",
		    pci_addr_format(&pf->addr, text), pf->driver[0] ? pf->driver : "none");
}

int sysfs_pf_read_as(int root, const struct pci_addr *addr, bool no_net, struct pf_info *out,
		     struct error *err)
{
	unsigned long long total = 0;
	char text[PCI_ADDR_LEN];
	char path[PATH_MAX];
	bool has_netdev;
	int bad = 0;
	int r;

	*out = (struct pf_info){.addr = *addr, .no_net = no_net, .numa_node = -1};
	pci_addr_format(addr, text);
	r = dev_path(path, addr, "sriov_totalvfs") ? attr_read_u64(root, path, UINT_MAX, &total)
						   : -ENAMETOOLONG;
	note_trouble(r, &bad);
	if (r == -ENOENT || r == -ENOTDIR)
		return dev_has(root, addr, "vendor") < 0
			       ? fail(err, ENODEV, "there is no PCI device %s on this node", text)
			       : no_capability(root, addr, err);
	out->total_vfs = (unsigned)total;
	out->num_vfs = count_vfs(root, addr, &bad);
	dev_link(root, addr, "driver", out->driver, sizeof(out->driver), &bad);
	out->numa_node = numa_node(root, addr);
	has_netdev = no_net || find_netdev(root, addr, out->ifname, &out->ifindex, &bad);
	if (no_net)
		snprintf(out->ifname, sizeof(out->ifname), "%.15s", text);
	if (bad)
		return fail_errno(err, -bad, "read PF %s in sysfs", text);
	return has_netdev ? 0 : no_netdev(out, err);
}

int sysfs_pf_read(int root, const struct pci_addr *addr, struct pf_info *out, struct error *err)
{
	return sysfs_pf_read_as(root, addr, false, out, err);
}

int sysfs_pf_glance(int root, const struct pci_addr *addr, bool no_net, struct pf_info *out,
		    struct error *err)
{
	char text[PCI_ADDR_LEN];
	int bad = 0;

	*out = (struct pf_info){.addr = *addr, .no_net = no_net, .numa_node = -1};
	dev_link(root, addr, "driver", out->driver, sizeof(out->driver), &bad);
	if (no_net)
		snprintf(out->ifname, sizeof(out->ifname), "%.15s", pci_addr_format(addr, text));
	if (!bad &&
	    (no_net || find_only_netdev(root, addr, out->ifname, &out->ifindex) ||
	     find_netdev(root, addr, out->ifname, &out->ifindex, &bad)) &&
	    !bad)
		return 0;
	return sysfs_pf_read_as(root, addr, no_net, out, err); /* which says what is amiss */
}

int sysfs_vf_addr(int root, const struct pci_addr *pf, unsigned index, struct pci_addr *out)
{
	char name[32];
	char target[PCI_ADDR_LEN];

	int bad = 0;

	snprintf(name, sizeof(name), "virtfn%u", index);
	dev_link(root, pf, name, target, sizeof(target), &bad);
	if (bad)
		return bad;
	return pci_addr_parse(target, out) < 0 ? -ENOENT : 0;
}

/* 0: it is that one; -ENOENT: it is not; others: unknown. */
static int is_vf_number(int root, const struct pci_addr *vf, const struct pci_addr *pf,
			unsigned index)
{
	struct pci_addr at;
	int r = sysfs_vf_addr(root, pf, index, &at);

	return r < 0 ? r : pci_addr_cmp(&at, vf) ? -ENOENT : 0;
}

static long routing_id(const struct pci_addr *a)
{
	return (long)a->bus << 8 | a->dev << 3 | a->fn;
}

int sysfs_vf_number(int root, const struct pci_addr *vf, const struct pci_addr *pf, unsigned *index)
{
	struct pci_addr at[2] = {{0}};
	long behind;
	long stride;
	int r = 0;

	for (unsigned i = 0; i < 2; i++) {
		r = sysfs_vf_addr(root, pf, i, &at[i]);
		if (r < 0)
			return r;
		if (!pci_addr_cmp(&at[i], vf)) {
			*index = i;
			return 0;
		}
	}
	behind = routing_id(vf) - routing_id(&at[0]);
	stride = routing_id(&at[1]) - routing_id(&at[0]);
	if (stride <= 0 || behind <= 0 || behind % stride)
		return -ENOENT;
	*index = (unsigned)(behind / stride);
	return is_vf_number(root, vf, pf, *index);
}

int sysfs_vf_pf(int root, const struct pci_addr *vf, struct pci_addr *pf)
{
	char name[PCI_ADDR_LEN];
	int bad = 0;
	int r;

	dev_link(root, vf, "physfn", name, sizeof(name), &bad);
	if (bad)
		return bad;
	if (!pci_addr_parse(name, pf))
		return 0;
	r = dev_has(root, vf, "vendor");
	note_trouble(r, &bad);
	if (bad)
		return bad;
	return r < 0 ? -ENODEV : -EINVAL;
}

int sysfs_vf_identify(int root, const struct pci_addr *vf, struct pci_addr *pf, unsigned *index)
{
	int bad = 0;
	unsigned n;
	int r = sysfs_vf_pf(root, vf, pf);

	if (r < 0 || !sysfs_vf_number(root, vf, pf, index))
		return r;
	n = count_vfs(root, pf, &bad);
	for (unsigned i = 0; i < n && i < 65536; i++) {
		r = is_vf_number(root, vf, pf, i);
		note_trouble(r, &bad);
		if (!r) {
			*index = i;
			return 0;
		}
	}
	return bad ? bad : -EINVAL;
}

/* The next number of a modalias, behind `key`: eight digits in base 16. */
static bool take_id(const char **at, const char *key, unsigned *id)
{
	size_t len = strlen(key);
	char digits[9];
	char *end;

	if (strncmp(*at, key, len) != 0)
		return false;
	snprintf(digits, sizeof(digits), "%s", *at + len);
	*id = (unsigned)strtoul(digits, &end, 16);
	*at += len + 8;
	return end == digits + 8 && *id <= UINT16_MAX;
}

int sysfs_vf_ids(int root, struct vf_info *vf, struct error *err)
{
	unsigned id[4];
	char text[PCI_ADDR_LEN];
	char alias[96];
	const char *at = alias;
	ssize_t n = dev_attr(root, &vf->addr, "modalias", alias, sizeof(alias));

	pci_addr_format(&vf->addr, text);
	if (n == -ENOENT || n == -ENOTDIR || n == -ENODEV)
		return fail(err, ENODEV, "VF %s has gone from sysfs", text);
	if (n < 0)
		return fail_errno(err, (int)-n, "read VF %s in sysfs", text);
	if (!take_id(&at, "pci:v", &id[0]) || !take_id(&at, "d", &id[1]) ||
	    !take_id(&at, "sv", &id[2]) || !take_id(&at, "sd", &id[3]))
		return fail(err, EINVAL, "VF %s: modalias '%.80s' is not understood", text, alias);
	snprintf(vf->id, sizeof(vf->id), "%04x:%04x", id[0] & 0xffff, id[1] & 0xffff);
	snprintf(vf->subsystem_id, sizeof(vf->subsystem_id), "%04x:%04x", id[2] & 0xffff,
		 id[3] & 0xffff);
	return 0;
}

/* Who uses the VF's netdev on this host: a bridge, bond or anything stacked upon it. */
static void read_netdev_user(int root, struct vf_info *v, int *bad)
{
	char path[PATH_MAX];
	char name[IFNAME_LEN];
	AUTO_NAMES struct names d = NAMES_INIT;
	const char *entry;
	int r;

	snprintf(path, sizeof(path), "sys/class/net/%s/master", v->ifname);
	r = link_basename(root, path, name, sizeof(name));
	note_trouble(r, bad);
	if (!r) {
		snprintf(v->netdev_user, sizeof(v->netdev_user), "%s", name);
		return;
	}
	snprintf(path, sizeof(path), "sys/class/net/%s", v->ifname);
	names_open(root, path, &d);
	while ((entry = next_name(&d, bad))) {
		if (!strncmp(entry, "upper_", 6)) {
			snprintf(v->netdev_user, sizeof(v->netdev_user), "%.40s", entry + 6);
			return;
		}
	}
}

static void read_netdev(int root, struct vf_info *v, int *bad)
{
	unsigned long long flags = 0;
	char path[PATH_MAX];

	if (!find_netdev(root, &v->addr, v->ifname, &v->ifindex, bad))
		return;
	snprintf(path, sizeof(path), "sys/class/net/%s/flags", v->ifname);
	note_trouble(attr_read_u64(root, path, UINT_MAX, &flags), bad);
	v->netdev_up = flags & IFF_UP;
	read_netdev_user(root, v, bad);
}

int sysfs_vf_read(int root, const struct group_map *groups, const struct pci_addr *vf,
		  const struct pci_addr *pf, unsigned index, struct vf_info *out, struct error *err)
{
	char text[PCI_ADDR_LEN];
	int bad = 0;

	*out = (struct vf_info){.addr = *vf, .pf = *pf, .index = index};
	dev_link(root, vf, "driver", out->driver, sizeof(out->driver), &bad);
	read_group(root, groups, out, &bad);
	if (out->iommu_group < 0 && !bad && dev_has(root, vf, "physfn") == -ENOENT)
		return fail(err, ENODEV, "VF %s has gone from sysfs", pci_addr_format(vf, text));
	/* Only a network driver makes a netdev: most VFs need no look. */
	if (out->driver[0] && strcmp(out->driver, "vfio-pci") != 0)
		read_netdev(root, out, &bad);
	/* Half a picture is worse than none: a VF that seems unused. */
	return bad ? fail_errno(err, -bad, "read VF %s in sysfs", pci_addr_format(vf, text)) : 0;
}

int sysfs_vf_override(int root, struct vf_info *vf, struct error *err)
{
	ssize_t n = dev_attr(root, &vf->addr, "driver_override", vf->driver_override,
			     sizeof(vf->driver_override));
	char text[PCI_ADDR_LEN];
	int bad = 0;

	note_trouble(n, &bad);
	if (n < 0 || !strcmp(vf->driver_override, "(null)"))
		vf->driver_override[0] = '\0';
	return bad ? fail_errno(err, -bad, "read VF %s in sysfs", pci_addr_format(&vf->addr, text))
		   : 0;
}

int sysfs_set_driver_override(int root, const struct pci_addr *vf, const char *driver,
			      struct error *err)
{
	char text[PCI_ADDR_LEN];
	char path[PATH_MAX];
	int r;

	pci_addr_format(vf, text);
	if (!dev_path(path, vf, "driver_override"))
		return fail(err, ENAMETOOLONG, "VF %s: path too long", text);
	r = attr_write(root, path, driver[0] ? driver : "\n");
	if (r < 0)
		return fail_errno(err, -r, "VF %s: write driver_override", text);
	return 0;
}

/* --- Making VFs --- */

enum answer sysfs_autoprobe(int root, const struct pci_addr *pf)
{
	char text[8];
	ssize_t n = dev_attr(root, pf, "sriov_drivers_autoprobe", text, sizeof(text));

	if (n < 0)
		return n == -ENOENT ? ANSWER_NO : ANSWER_UNKNOWN;
	return text[0] == '1' ? ANSWER_YES : ANSWER_NO;
}

int sysfs_set_autoprobe(int root, const struct pci_addr *pf, bool on, struct error *err)
{
	char path[PATH_MAX];
	int r = dev_path(path, pf, "sriov_drivers_autoprobe")
			? attr_write(root, path, on ? "1" : "0")
			: -ENAMETOOLONG;

	return r < 0 ? fail_errno(err, -r, "write sriov_drivers_autoprobe") : 0;
}
