/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IOMMU groups: who is in one, and whether somebody has it open through VFIO. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/cleanup.h"
#include "src/vf/sysfs_impl.h"

/* More than that is no VF's group. */
#define GROUP_MAX 64

int sysfs_group_members(int root, int group, struct pci_addr *members, size_t max)
{
	AUTO_NAMES struct names d = NAMES_INIT;
	char path[64];
	const char *name;
	int bad = 0;
	int n = 0;

	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/devices", group);
	if (names_open(root, path, &d) < 0)
		return d.error;
	while ((name = next_name(&d, &bad))) {
		struct pci_addr a;

		if (pci_addr_parse(name, &a) < 0)
			continue;
		if ((size_t)n < max)
			members[n] = a;
		n++;
	}
	return bad ? bad : n;
}

/* -1: none. */
static int group_of(int root, const struct pci_addr *a, int *bad)
{
	unsigned group;
	char name[16];

	dev_link(root, a, "iommu_group", name, sizeof(name), bad);
	return parse_u32(name, INT_MAX, &group) < 0 ? -1 : (int)group;
}

int sysfs_vf_group(int root, const struct pci_addr *vf, int *group, struct error *err)
{
	char text[PCI_ADDR_LEN];
	int bad = 0;

	*group = group_of(root, vf, &bad);
	if (bad)
		return fail_errno(err, -bad, "read VF %s in sysfs", pci_addr_format(vf, text));
	if (*group < 0 && dev_has(root, vf, "physfn") == -ENOENT)
		return fail(err, ENODEV, "VF %s has gone from sysfs", pci_addr_format(vf, text));
	return 0;
}

/* --- All groups at once --- */

/* A function, its group, and where in `members` those of the group are. */
struct grouped {
	struct pci_addr addr;
	int group;
	size_t first;
	int n;
};

struct group_map {
	struct grouped *all; /* by address */
	struct pci_addr *members;
	size_t n;
};

static int by_group(const void *a, const void *b)
{
	const struct grouped *x = a;
	const struct grouped *y = b;

	return x->group != y->group ? (x->group > y->group) - (x->group < y->group)
				    : pci_addr_cmp(&x->addr, &y->addr);
}

static int by_address(const void *a, const void *b)
{
	return pci_addr_cmp(&((const struct grouped *)a)->addr, &((const struct grouped *)b)->addr);
}

static int add_grouped(struct group_map *m, const struct pci_addr *a, int group)
{
	if (m->n % 256 == 0) {
		struct grouped *more = reallocarray(m->all, m->n + 256, sizeof(*more));

		if (!more)
			return -ENOMEM;
		m->all = more;
	}
	m->all[m->n++] = (struct grouped){.addr = *a, .group = group};
	return 0;
}

static int sort_map(struct group_map *m)
{
	m->members = calloc(m->n + 1, sizeof(*m->members));
	if (!m->members)
		return -ENOMEM;
	if (m->n)
		qsort(m->all, m->n, sizeof(*m->all), by_group);
	for (size_t first = 0, end = 0; first < m->n; first = end) {
		while (end < m->n && m->all[end].group == m->all[first].group) {
			m->members[end] = m->all[end].addr;
			end++;
		}
		for (size_t i = first; i < end; i++) {
			m->all[i].first = first;
			m->all[i].n = end - first > GROUP_MAX ? GROUP_MAX + 1 : (int)(end - first);
		}
	}
	if (m->n)
		qsort(m->all, m->n, sizeof(*m->all), by_address);
	return 0;
}

static int fill_map(int root, struct group_map *m)
{
	AUTO_NAMES struct names d = NAMES_INIT;
	const char *name;
	int bad = 0;

	names_open(root, PCI_DEVICES, &d);
	while (!bad && (name = next_name(&d, &bad))) {
		struct pci_addr a;
		int group = pci_addr_parse(name, &a) < 0 ? -1 : group_of(root, &a, &bad);

		if (group >= 0 && !bad)
			bad = add_grouped(m, &a, group);
	}
	return bad ? bad : sort_map(m);
}

void group_map_free(struct group_map *m)
{
	if (!m)
		return;
	free(m->all);
	free(m->members);
	free(m);
}

struct group_map *group_map_read(int root)
{
	struct group_map *m = calloc(1, sizeof(*m));

	if (m && fill_map(root, m) < 0) {
		group_map_free(m);
		return NULL;
	}
	return m;
}

/* The members of a function's group, those of the map: how many, 0 if it is not in there. */
static int map_group(const struct group_map *m, const struct pci_addr *a, int *group,
		     const struct pci_addr **members)
{
	const struct grouped key = {.addr = *a};
	const struct grouped *g =
		m->n ? bsearch(&key, m->all, m->n, sizeof(*m->all), by_address) : NULL;

	if (!g)
		return 0;
	*group = g->group;
	*members = m->members + g->first;
	return g->n;
}

/* --- A VF's own --- */

/* PVE binds every member of the group to vfio-pci, except bridges: the PF would go too. */
static void judge_group(int root, const struct pci_addr *members, int n, struct vf_info *v,
			int *bad)
{
	v->group_alone = n == 1;
	v->group_pure = n > 0 && n <= GROUP_MAX;
	for (int i = 0; i < n && i < GROUP_MAX; i++) {
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

void read_group(int root, const struct group_map *groups, struct vf_info *v, int *bad)
{
	const struct pci_addr *members = NULL;
	struct pci_addr listed[GROUP_MAX];
	int n = groups ? map_group(groups, &v->addr, &v->iommu_group, &members) : 0;

	if (!n) {
		v->iommu_group = group_of(root, &v->addr, bad);
		if (v->iommu_group < 0)
			return;
		n = sysfs_group_members(root, v->iommu_group, listed, GROUP_MAX);
		members = listed;
	}
	note_trouble(n, bad);
	judge_group(root, members, n, v, bad);
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
