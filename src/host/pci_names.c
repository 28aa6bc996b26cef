/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci.ids: a line for each vendor, "8086  Intel Corporation", and below it one for each of its
 * devices, "<tab>10c9  82576 Gigabit Network Connection"; two tabs are subsystems.
 */
#include "src/host/pci_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"

/* It has 1.4 MB by 2025. */
#define LIST_MAX 16777216 /* 16 MiB */
#define ID_LEN	 4

void pci_names_read(int root, struct pci_names *out)
{
	static const char *const paths[] = {"usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids"};

	*out = (struct pci_names){NULL};
	for (size_t i = 0; i < ARRAY_SIZE(paths) && !out->text; i++) {
		if (file_read(root, paths[i], LIST_MAX, &out->text, NULL) < 0)
			out->text = NULL;
	}
}

void pci_names_free(struct pci_names *n)
{
	free(n->text);
	n->text = NULL;
}

/* The name on the line of that id behind so many tabs, before any line with fewer. NULL: there is
 * none. */
static const char *find_line(const char *from, size_t tabs, const char *id)
{
	while (from && *from) {
		size_t depth = strspn(from, "\t");

		if (*from != '#' && *from != '\n' && depth < tabs)
			return NULL;
		if (*from != '#' && depth == tabs && !strncmp(from + depth, id, ID_LEN) &&
		    !strncmp(from + depth + ID_LEN, "  ", 2))
			return from + depth + ID_LEN + 2;
		from = strchr(from, '\n');
		from = from ? from + 1 : NULL;
	}
	return NULL;
}

/* "Intel" of "Intel Corporation", "AMD/ATI" of "Advanced Micro Devices, Inc. [AMD/ATI]". */
static const char *short_vendor(const char *line, size_t *len)
{
	size_t all = strcspn(line, "\n");
	const char *open = memchr(line, '[', all);
	const char *close = open ? memchr(open, ']', all - (size_t)(open - line)) : NULL;

	if (close && close > open + 1) {
		*len = (size_t)(close - open - 1);
		return open + 1;
	}
	*len = strcspn(line, " ,\n");
	return line;
}

bool pci_name(const struct pci_names *n, const char *model, char *buf, size_t size)
{
	const char *vendor;
	const char *device;
	size_t len;

	buf[0] = '\0';
	if (!n->text || strlen(model) != 2 * ID_LEN + 1)
		return false;
	vendor = find_line(n->text, 0, model);
	device = vendor ? strchr(vendor, '\n') : NULL;
	device = device ? find_line(device + 1, 1, model + ID_LEN + 1) : NULL;
	if (!device)
		return false;
	vendor = short_vendor(vendor, &len);
	snprintf(buf, size, "%.*s %.*s", (int)len, vendor, (int)strcspn(device, "\n"), device);
	return true;
}
