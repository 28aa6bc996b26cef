/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostpciN, a property string of a guest config: taken apart, and the PCI addresses in it. */
#ifndef VFHOOK_PVEAPI_HOSTPCI_H
#define VFHOOK_PVEAPI_HOSTPCI_H

#include <stdbool.h>

#include "pveapi/lines.h"
#include "src/base/error.h"
#include "src/base/text.h"

/* One hostpciN property string, taken apart. */
struct hostpci {
	bool present;
	char *raw;     /* the whole value as it stands in the file */
	char *mapping; /* id behind mapping=, or NULL */
	char *host;    /* "06:10.1;06:10.3" (host= or the bare first part), or NULL */
	char *rest;    /* every other property in its order: "pcie=1,rombar=0", or "" */
	/*
	 * driver=keep among them (qemu-server since 2025-11): PVE neither binds nor resets the
	 * function, and starts QEMU on whatever driver it has (PVE::QemuServer::PCI
	 * prepare_pci_device).
	 */
	bool keep_driver;
};

/*
 * Take a hostpciN value apart. Returns 0, or -EINVAL with err saying what is
 * wrong: neither host nor mapping, both, an unknown shape, a bad id or address.
 * Property keys that we do not know are kept in rest. On success release with
 * hostpci_clear().
 */
int hostpci_parse(const char *value, struct hostpci *out, struct error *err);
/* The same of a piece of a text. */
int hostpci_parse_span(struct span value, struct hostpci *out, struct error *err);
void hostpci_clear(struct hostpci *h);

/* Calls fn for every address in host ("06:10.1" or a whole device "06:10", then fn 0..7 are
 * meant: whole_device is true and a->fn is 0). Stops at and returns the first non-zero. */
int hostpci_each_addr(const struct hostpci *h,
		      int (*fn)(const struct pci_addr *a, bool whole_device, void *arg), void *arg);

/*
 * Properties of hostpciN beside the device, as a person gives them: "rombar=0,x-vga=1". -EINVAL
 * with err: one that PVE does not know or takes otherwise, or that says which device it is. *pcie:
 * it says pcie=1, which PVE starts on machines of type q35 alone.
 */
int hostpci_options_check(const char *text, bool *pcie, struct error *err);

/* Has the value all of these properties, as they are there? */
bool hostpci_has_options(const char *value, const char *options);

/*
 * A value of hostpciN with these properties, in place of those of the same name or behind the
 * others. The caller's to free(), NULL: out of memory.
 */
char *hostpci_with_options(const char *value, const char *options);

#endif
