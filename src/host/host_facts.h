/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this host is and how it was booted, read once for `check` and `host prepare`. */
#ifndef VFHOOK_HOST_HOST_FACTS_H
#define VFHOOK_HOST_HOST_FACTS_H

#include <stdbool.h>

enum cpu_vendor { CPU_OTHER, CPU_INTEL, CPU_AMD };
enum module_state { MODULE_MISSING, MODULE_LOADABLE, MODULE_LOADED };

/* The modules that give a device to a guest, by the kernel's names for them. */
enum { HOST_VFIO, HOST_VFIO_TYPE1, HOST_VFIO_PCI, HOST_MODULES };

/* One line of a file that says something; where "" is: there is none. */
struct mention {
	char where[160]; /* "/etc/modules:4" */
	char text[160];	 /* the line, or what of it counts */
};

struct host_facts {
	enum cpu_vendor vendor; /* of the IOMMU if the firmware shows one, else of the CPU */
	bool cpu_virt;		/* vmx or svm */
	bool virtual_machine;	/* this host is itself a guest */
	char release[72];	/* "6.8.12-4-pve" */
	unsigned major, minor;
	bool dmar; /* the firmware has an Intel IOMMU */
	bool ivrs; /* or an AMD one */
	bool iommu;
	bool intremap;
	bool unsafe_interrupts; /* vfio_iommu_type1 may do without */
	char cmdline[4096];	/* of the running kernel */
	enum module_state modules[HOST_MODULES];
	struct mention virqfd; /* who loads vfio_virqfd */
};

/* Everything that can be read; what cannot stays as in a zeroed struct. */
void host_facts_read(int root, struct host_facts *f);

/* The kernel is this old, or older. */
bool host_older_than(const struct host_facts *f, unsigned major, unsigned minor);

/*
 * Who gives every device with this id ("8086:1572") to vfio-pci: the kernel
 * command line or a file in /etc/modprobe.d. False if nobody does.
 */
bool host_vfio_ids(int root, const char *id, struct mention *out);
/* The same in one text: is id in a list of ids behind "ids="? */
bool vfio_ids_have(const char *line, const char *id);

#endif
