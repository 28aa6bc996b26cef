/* SPDX-License-Identifier: GPL-2.0-or-later */
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

#define PCI_DEVICES "sys/bus/pci/devices/"

/* "sys/bus/pci/devices/<addr>/<name>" into path; false if it does not fit (it always does). */
static bool dev_path(char path[PATH_MAX], const struct pci_addr *a, const char *name)
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

static ssize_t dev_attr(int root, const struct pci_addr *a, const char *name, char *buf,
			size_t size)
{
	char path[PATH_MAX];

	return dev_path(path, a, name) ? attr_read(root, path, buf, size) : -ENAMETOOLONG;
}

static bool is_answer(ssize_t r)
{
	return r >= 0 || r == -ENOENT || r == -ENOTDIR || r == -ENODEV || r == -EINVAL ||
	       r == -ERANGE || r == -EFBIG;
}

/*
 * That something is not there, or nonsense, is an answer. Anything else (no descriptor or memory
 * left, say) is none, and must not be taken for one: *bad keeps the first.
 */
static void note_trouble(ssize_t r, int *bad)
{
	if (!is_answer(r) && !*bad)
		*bad = (int)r;
}

static unsigned dev_number(int root, const struct pci_addr *a, const char *name, int *bad)
{
	unsigned long long n = 0;
	char path[PATH_MAX];

	if (dev_path(path, a, name))
		note_trouble(attr_read_u64(root, path, UINT_MAX, &n), bad);
	return (unsigned)n;
}

static void dev_link(int root, const struct pci_addr *a, const char *name, char *buf, size_t size,
		     int *bad)
{
	char path[PATH_MAX];
	int r = dev_path(path, a, name) ? link_basename(root, path, buf, size) : -ENAMETOOLONG;

	note_trouble(r, bad);
	if (r < 0)
		buf[0] = '\0';
}

/* 0 or a negative errno, -ENOENT if it is not there. */
static int dev_has(int root, const struct pci_addr *a, const char *name)
{
	char path[PATH_MAX];

	if (!dev_path(path, a, name))
		return -ENAMETOOLONG;
	return faccessat(root, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* readdir(), with what keeps it from going on told apart from the end. */
static const struct dirent *next_entry(DIR *d, int *bad)
{
	const struct dirent *e;

	errno = 0;
	e = readdir(d);
	if (!e)
		note_trouble(-errno, bad);
	return e;
}

/* A representor of switchdev mode ("pf0vf3") is not the PF's own interface. */
static bool is_representor(int root, const char *net_dir, const char *ifname)
{
	char path[PATH_MAX];
	char name[32];

	if (snprintf(path, sizeof(path), "%s/%s/phys_port_name", net_dir, ifname) >=
	    (int)sizeof(path))
		return false;
	return attr_read(root, path, name, sizeof(name)) > 0 && strstr(name, "vf");
}

/* The function's own network interface: the one with the lowest index. False if it has none. */
static bool find_netdev(int root, const struct pci_addr *a, char ifname[IFNAME_LEN], int *ifindex,
			int *bad)
{
	char net[PATH_MAX];
	AUTO_CLOSEDIR DIR *d = NULL;
	const struct dirent *e;

	*ifindex = 0;
	ifname[0] = '\0';
	if (!dev_path(net, a, "net"))
		return false;
	d = dir_open(root, net);
	if (!d) {
		note_trouble(-errno, bad);
		return false;
	}
	while ((e = next_entry(d, bad))) {
		unsigned long long index;
		int r;
		char path[PATH_MAX];

		if (e->d_name[0] == '.' || strlen(e->d_name) >= IFNAME_LEN)
			continue;
		if (snprintf(path, sizeof(path), "%s/%s/ifindex", net, e->d_name) >=
		    (int)sizeof(path))
			continue;
		r = attr_read_u64(root, path, INT_MAX, &index);
		note_trouble(r, bad);
		if (r < 0 || !index)
			continue;
		if (is_representor(root, net, e->d_name))
			continue;
		if (!*ifindex || (int)index < *ifindex) {
			*ifindex = (int)index;
			memcpy(ifname, e->d_name, strlen(e->d_name) + 1);
		}
	}
	return *ifindex > 0;
}

/*
 * How many VFs there are, by their links. sriov_numvfs itself is not read: the kernel takes the
 * PF's lock for that, which a write to it holds for as long as the driver takes, and a driver may
 * never end (drivers/pci/iov.c: sriov_numvfs_show, device_lock).
 */
static unsigned count_vfs(int root, const struct pci_addr *pf, int *bad)
{
	char path[PATH_MAX];
	AUTO_CLOSEDIR DIR *d = dev_path(path, pf, "") ? dir_open(root, path) : NULL;
	const struct dirent *e;
	unsigned n = 0;

	if (!d)
		note_trouble(-errno, bad);
	while (d && (e = next_entry(d, bad))) {
		unsigned index;

		if (!strncmp(e->d_name, "virtfn", 6) &&
		    !parse_u32(e->d_name + 6, UINT16_MAX - 1, &index) && index >= n)
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

int sysfs_pf_read(int root, const struct pci_addr *addr, struct pf_info *out, struct error *err)
{
	unsigned long long total = 0;
	char text[PCI_ADDR_LEN];
	char path[PATH_MAX];
	bool has_netdev;
	char buf[32];
	int bad = 0;
	int r;

	*out = (struct pf_info){.addr = *addr, .numa_node = -1};
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
	if (dev_attr(root, addr, "numa_node", buf, sizeof(buf)) > 0 && buf[0] != '-')
		out->numa_node = (int)dev_number(root, addr, "numa_node", &bad);
	has_netdev = find_netdev(root, addr, out->ifname, &out->ifindex, &bad);
	if (bad)
		return fail_errno(err, -bad, "read PF %s in sysfs", text);
	if (!has_netdev)
		return fail(err, ENODEV,
			    "PF %s has no network interface (driver: %s): is its driver loaded?",
			    text, out->driver[0] ? out->driver : "none");
	return 0;
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

static bool vf_has_index(int root, const struct pci_addr *vf, const struct pci_addr *pf,
			 unsigned index)
{
	struct pci_addr at;

	return !sysfs_vf_addr(root, pf, index, &at) && !pci_addr_cmp(&at, vf);
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
	unsigned stride;
	unsigned guess;
	unsigned n;
	long delta;
	int bad = 0;
	int r = sysfs_vf_pf(root, vf, pf);

	if (r < 0)
		return r;
	/* PCIe SR-IOV 2.1.2: routing id of VF n = the PF's + offset + n * stride. */
	stride = dev_number(root, pf, "sriov_stride", &bad);
	delta = (long)(vf->bus << 8 | vf->dev << 3 | vf->fn) -
		(long)(pf->bus << 8 | pf->dev << 3 | pf->fn) -
		(long)dev_number(root, pf, "sriov_offset", &bad);
	if (stride && delta >= 0) {
		guess = (unsigned)delta / stride;
		if (vf_has_index(root, vf, pf, guess)) {
			*index = guess;
			return 0;
		}
	}
	n = count_vfs(root, pf, &bad);
	for (unsigned i = 0; i < n && i < 65536; i++) {
		if (vf_has_index(root, vf, pf, i)) {
			*index = i;
			return 0;
		}
	}
	return bad ? bad : -EINVAL;
}

/* "vendor:device" without the "0x" that sysfs puts in front. */
static void read_id(int root, const struct pci_addr *a, const char *first, const char *second,
		    char out[10], int *bad)
{
	char v[16];
	char d[16];
	ssize_t n = dev_attr(root, a, first, v, sizeof(v));
	ssize_t m = dev_attr(root, a, second, d, sizeof(d));

	note_trouble(n, bad);
	note_trouble(m, bad);
	out[0] = '\0';
	if (n == 6 && m == 6)
		snprintf(out, 10, "%.4s:%.4s", v + 2, d + 2);
}

int sysfs_group_members(int root, int group, struct pci_addr *members, size_t max)
{
	char path[PATH_MAX];
	AUTO_CLOSEDIR DIR *d = NULL;
	const struct dirent *e;
	int bad = 0;
	int n = 0;

	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/devices", group);
	d = dir_open(root, path);
	if (!d)
		return -errno;
	while ((e = next_entry(d, &bad))) {
		struct pci_addr a;

		if (pci_addr_parse(e->d_name, &a) < 0)
			continue;
		if ((size_t)n < max)
			members[n] = a;
		n++;
	}
	return bad ? bad : n;
}

/* PVE binds every member of the group to vfio-pci, except bridges: the PF would go too. */
static void read_group(int root, struct vf_info *v, int *bad)
{
	struct pci_addr members[64];
	unsigned group;
	char name[16];
	int n;

	v->iommu_group = -1;
	dev_link(root, &v->addr, "iommu_group", name, sizeof(name), bad);
	if (parse_u32(name, INT_MAX, &group) < 0)
		return;
	v->iommu_group = (int)group;
	n = sysfs_group_members(root, v->iommu_group, members, ARRAY_SIZE(members));
	note_trouble(n, bad);
	v->group_alone = n == 1;
	v->group_pure = n > 0 && n <= (int)ARRAY_SIZE(members);
	for (int i = 0; i < n && i < (int)ARRAY_SIZE(members); i++) {
		int r = pci_addr_cmp(&members[i], &v->addr) ? dev_has(root, &members[i], "physfn")
							    : 0;

		note_trouble(r, bad);
		if (!r)
			continue;
		v->group_pure = false;
		pci_addr_format(&members[i], v->group_intruder);
		/* A PF says more to a person than the bridge above it. */
		if (!pci_addr_cmp(&members[i], &v->pf))
			return;
	}
}

/* Who uses the VF's netdev on this host: a bridge, bond or anything stacked upon it. */
static void read_netdev_user(int root, struct vf_info *v, int *bad)
{
	char path[PATH_MAX];
	char name[IFNAME_LEN];
	AUTO_CLOSEDIR DIR *d = NULL;
	const struct dirent *e;
	int r;

	snprintf(path, sizeof(path), "sys/class/net/%s/master", v->ifname);
	r = link_basename(root, path, name, sizeof(name));
	note_trouble(r, bad);
	if (!r) {
		snprintf(v->netdev_user, sizeof(v->netdev_user), "%s", name);
		return;
	}
	snprintf(path, sizeof(path), "sys/class/net/%s", v->ifname);
	d = dir_open(root, path);
	if (!d)
		note_trouble(-errno, bad);
	while (d && (e = next_entry(d, bad))) {
		if (!strncmp(e->d_name, "upper_", 6)) {
			snprintf(v->netdev_user, sizeof(v->netdev_user), "%.40s", e->d_name + 6);
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

int sysfs_vf_read(int root, const struct pci_addr *vf, const struct pci_addr *pf, unsigned index,
		  struct vf_info *out, struct error *err)
{
	char text[PCI_ADDR_LEN];
	int bad = 0;

	*out = (struct vf_info){.addr = *vf, .pf = *pf, .index = index};
	read_id(root, vf, "vendor", "device", out->id, &bad);
	if (!out->id[0] && !bad)
		return fail(err, ENODEV, "VF %s has gone from sysfs", pci_addr_format(vf, text));
	read_id(root, vf, "subsystem_vendor", "subsystem_device", out->subsystem_id, &bad);
	dev_link(root, vf, "driver", out->driver, sizeof(out->driver), &bad);
	read_group(root, out, &bad);
	/* Only a network driver makes a netdev: most VFs need no look. */
	if (out->driver[0] && strcmp(out->driver, "vfio-pci") != 0)
		read_netdev(root, out, &bad);
	/* Half a picture is worse than none: a mapping without its ids, a VF that seems unused. */
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

enum answer vfio_group_busy(int root, int group)
{
	AUTO_CLOSE int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "dev/vfio/%d", group);
	fd = openat(root, path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0 || errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return ANSWER_NO;
	return errno == EBUSY ? ANSWER_YES : ANSWER_UNKNOWN;
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

static int by_addr(const void *a, const void *b)
{
	return pci_addr_cmp(&((const struct pf_info *)a)->addr, &((const struct pf_info *)b)->addr);
}

/* Class 02xxxx: "0x020000" is Ethernet. Other devices have VFs too (NVMe, GPUs). */
static bool is_network_pf(int root, const struct pci_addr *a)
{
	char path[PATH_MAX];
	char class[16];

	return dev_path(path, a, "sriov_totalvfs") && path_exists(root, path) &&
	       dev_attr(root, a, "class", class, sizeof(class)) > 0 && !strncmp(class, "0x02", 4);
}

int sysfs_pf_list(int root, struct pf_info **list, size_t *n, struct error *err)
{
	AUTO_CLOSEDIR DIR *d = dir_open(root, "sys/bus/pci/devices");
	AUTO_FREE struct pf_info *all = NULL;
	const struct dirent *e;
	int bad = 0;

	*list = NULL;
	*n = 0;
	if (!d)
		note_trouble(-errno, &bad);
	while (d && (e = next_entry(d, &bad))) {
		struct pci_addr a;
		struct pf_info *more;
		int r;

		if (pci_addr_parse(e->d_name, &a) < 0 || !is_network_pf(root, &a))
			continue;
		more = reallocarray(all, *n + 1, sizeof(*all));
		if (!more)
			return fail(err, ENOMEM, "out of memory");
		all = more;
		r = sysfs_pf_read(root, &a, &all[*n], err);
		/* Half read it would seem to have no VFs. */
		if (r < 0 && r != -ENODEV && r != -EOPNOTSUPP)
			return r;
		error_clear(err);
		++*n;
	}
	if (bad)
		return fail_errno(err, -bad, "read /sys/bus/pci/devices");
	if (all)
		qsort(all, *n, sizeof(*all), by_addr);
	*list = STEAL(all);
	return 0;
}

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
