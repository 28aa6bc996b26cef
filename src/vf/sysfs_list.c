/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which PFs there are, of network cards and of others. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/names.h"
#include "src/vf/card.h"
#include "src/vf/sysfs_impl.h"

static int by_addr(const void *a, const void *b)
{
	return pci_addr_cmp(&((const struct pf_info *)a)->addr, &((const struct pf_info *)b)->addr);
}

static bool is_pf(int root, const struct pci_addr *a)
{
	char path[PATH_MAX];

	return dev_path(path, a, "sriov_totalvfs") && path_exists(root, path);
}

/* One whose class cannot be told is in no list: it may be any. */
static bool is_wanted(int root, const struct pci_addr *a, bool all, bool *no_net)
{
	unsigned class;

	if (!is_pf(root, a) || card_class(root, a, &class) < 0)
		return false;
	*no_net = !card_is_network(class);
	return all || !*no_net;
}

int sysfs_pf_list(int root, bool all, struct pf_info **list, size_t *n, struct error *err)
{
	AUTO_FREE struct pf_info *found = NULL;
	AUTO_NAMES struct names d = NAMES_INIT;
	const char *name;
	int bad = 0;

	*list = NULL;
	*n = 0;
	names_open(root, PCI_DEVICES, &d);
	while ((name = next_name(&d, &bad))) {
		struct pci_addr a;
		struct pf_info *more;
		bool no_net;
		int r;

		if (pci_addr_parse(name, &a) < 0 || !is_wanted(root, &a, all, &no_net))
			continue;
		more = reallocarray(found, *n + 1, sizeof(*found));
		if (!more)
			return fail(err, ENOMEM, "out of memory");
		found = more;
		r = sysfs_pf_read_as(root, &a, no_net, &found[*n], err);
		/* Half read it would seem to have no VFs. */
		if (r < 0 && r != -ENODEV && r != -EOPNOTSUPP)
			return r;
		error_clear(err);
		++*n;
	}
	if (bad)
		return fail_errno(err, -bad, "read /sys/bus/pci/devices");
	if (found)
		qsort(found, *n, sizeof(*found), by_addr);
	*list = STEAL(found);
	return 0;
}
