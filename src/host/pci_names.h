/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a PCI device is called, by the list that pciutils has of them: /usr/share/misc/pci.ids. */
#ifndef VFHOOK_HOST_PCI_NAMES_H
#define VFHOOK_HOST_PCI_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct pci_names {
	char *text; /* NULL: there is no such list on this node */
};

/* Release with pci_names_free(). */
void pci_names_read(int root, struct pci_names *out);
void pci_names_free(struct pci_names *n);

/*
 * "Intel 82576 Gigabit Network Connection" for "8086:10c9": the vendor in a word, then the device.
 * False, and buf is "": it is not in the list. Not fit to be shown yet: it is a file's text.
 */
bool pci_name(const struct pci_names *n, const char *model, char *buf, size_t size);

#endif
