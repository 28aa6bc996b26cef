/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading what this host is: processor, firmware tables, kernel, modules. */
#include "src/host/host_facts.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/text.h"
#include "src/host/cmdline.h"

#define SMALL_FILE (64UL * 1024)
#define LARGE_FILE (8UL * 1024 * 1024) /* modules.dep; /proc/interrupts of a large machine */
#define MAX_FILES  256		       /* of one folder */

bool host_older_than(const struct host_facts *f, unsigned major, unsigned minor)
{
	return f->major < major || (f->major == major && f->minor < minor);
}

/* "vendor_id : GenuineIntel" and the flags of the first CPU: all are alike. */
static void read_cpu(int root, struct host_facts *f)
{
	AUTO_FREE char *text = NULL;
	char *end;

	if (file_read(root, "proc/cpuinfo", LARGE_FILE, &text, NULL) < 0)
		return;
	end = strstr(text, "\n\n");
	if (end)
		*end = '\0';
	if (has_word(text, "GenuineIntel", BLANKS))
		f->vendor = CPU_INTEL;
	else if (has_word(text, "AuthenticAMD", BLANKS) || has_word(text, "HygonGenuine", BLANKS))
		f->vendor = CPU_AMD;
	f->cpu_virt = has_word(text, "vmx", BLANKS) || has_word(text, "svm", BLANKS);
	f->virtual_machine = has_word(text, "hypervisor", BLANKS);
}

static void read_kernel(int root, struct host_facts *f)
{
	char *end;

	if (attr_read(root, "proc/sys/kernel/osrelease", f->release, sizeof(f->release)) < 0)
		f->release[0] = '\0';
	f->major = (unsigned)strtoul(f->release, &end, 10);
	if (*end == '.')
		f->minor = (unsigned)strtoul(end + 1, NULL, 10);
	if (attr_read(root, "proc/cmdline", f->cmdline, sizeof(f->cmdline)) < 0)
		f->cmdline[0] = '\0';
}

static bool dir_has_entry(int root, const char *path)
{
	AUTO_CLOSEDIR DIR *d = dir_open(root, path);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] != '.')
			return true;
	}
	return false;
}

/*
 * The chips behind an interrupt remapper have "IR-" before their names
 * (drivers/iommu/intel/irq_remapping.c, drivers/iommu/amd/iommu.c: "IR-PCI-MSI",
 * arch/x86/kernel/apic/io_apic.c: "IR-IO-APIC").
 */
static bool read_intremap(int root)
{
	AUTO_FREE char *text = NULL;

	return file_read(root, "proc/interrupts", LARGE_FILE, &text, NULL) >= 0 &&
	       strstr(text, " IR-");
}

static bool module_in(int root, const char *release, const char *list, const char *file)
{
	AUTO_FREE char *text = NULL;
	char path[PATH_MAX];
	char name[64];

	if (strchr(release, '/') || !release[0])
		return false;
	snprintf(path, sizeof(path), "lib/modules/%s/%s", release, list);
	snprintf(name, sizeof(name), "/%s.ko", file);
	return file_read(root, path, LARGE_FILE, &text, NULL) >= 0 && strstr(text, name);
}

static void read_modules(int root, struct host_facts *f)
{
	static const struct {
		const char *loaded;
		const char *file;
	} modules[HOST_MODULES] = {
		[HOST_VFIO] = {"sys/module/vfio", "vfio"},
		[HOST_VFIO_TYPE1] = {"sys/module/vfio_iommu_type1", "vfio_iommu_type1"},
		[HOST_VFIO_PCI] = {"sys/module/vfio_pci", "vfio-pci"},
	};

	for (int i = 0; i < HOST_MODULES; i++) {
		if (path_exists(root, modules[i].loaded) ||
		    module_in(root, f->release, "modules.builtin", modules[i].file))
			f->modules[i] = MODULE_LOADED;
		else if (module_in(root, f->release, "modules.dep", modules[i].file))
			f->modules[i] = MODULE_LOADABLE;
	}
}

/* --- Lines of configuration files --- */

typedef bool line_test(const char *line, void *arg);

/* The first line of a file that passes; comments do not. */
static bool find_line(int root, const char *path, line_test *test, void *arg, struct mention *out)
{
	AUTO_FREE char *text = NULL;
	unsigned number = 0;
	char *rest;
	char *line;

	if (file_read(root, path, SMALL_FILE, &text, NULL) < 0)
		return false;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		number++;
		line += strspn(line, " \t");
		if (*line == '#' || *line == ';' || !test(line, arg))
			continue;
		snprintf(out->where, sizeof(out->where), "/%.140s:%u", path, number);
		snprintf(out->text, sizeof(out->text), "%s", line);
		return true;
	}
	return false;
}

static bool find_in_dir(int root, const char *dir, line_test *test, void *arg, struct mention *out)
{
	AUTO_CLOSEDIR DIR *d = dir_open(root, dir);
	const struct dirent *e;
	char path[PATH_MAX];

	for (int n = 0; d && n < MAX_FILES && (e = readdir(d)); n++) {
		size_t len = strlen(e->d_name);

		if (e->d_name[0] == '.' || len < 5 || strcmp(e->d_name + len - 5, ".conf") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (find_line(root, path, test, arg, out))
			return true;
	}
	return false;
}

static bool names_virqfd(const char *line, void *arg)
{
	(void)arg;
	return has_word(line, "vfio_virqfd", BLANKS) || has_word(line, "vfio-virqfd", BLANKS);
}

/* "10de:1c82,8086:1572:8086:0001": vendor and device count, the rest narrows it down. */
bool vfio_ids_have(const char *line, const char *id)
{
	const char *ids = strstr(line, "ids=");
	size_t n = strlen(id);

	while (ids) {
		const char *at = ids + 4;

		while (*at && !isspace((unsigned char)*at)) {
			size_t len = strcspn(at, ", \t\n\"");

			if (len >= n && !strncasecmp(at, id, n) && (len == n || at[n] == ':'))
				return true;
			at += len + (at[len] == ',' || at[len] == '"');
		}
		ids = strstr(at, "ids=");
	}
	return false;
}

static bool gives_id_to_vfio(const char *line, void *arg)
{
	return !strncmp(line, "options", 7) &&
	       (has_word(line, "vfio-pci", BLANKS) || has_word(line, "vfio_pci", BLANKS)) &&
	       vfio_ids_have(line, arg);
}

bool host_vfio_ids(int root, const char *id, struct mention *out)
{
	char cmdline[4096];
	char ids[1024];
	char option[1032];
	char copy[16];

	snprintf(copy, sizeof(copy), "%s", id);
	if (attr_read(root, "proc/cmdline", cmdline, sizeof(cmdline)) > 0 &&
	    cmdline_get(cmdline, "vfio-pci.ids", ids, sizeof(ids))) {
		snprintf(option, sizeof(option), "ids=%s", ids);
		if (vfio_ids_have(option, id)) {
			snprintf(out->where, sizeof(out->where), "the kernel command line");
			snprintf(out->text, sizeof(out->text), "vfio-pci.%.140s", option);
			return true;
		}
	}
	return find_in_dir(root, "etc/modprobe.d", gives_id_to_vfio, copy, out);
}

void host_facts_read(int root, struct host_facts *f)
{
	char flag[8];

	*f = (struct host_facts){0};
	read_cpu(root, f);
	read_kernel(root, f);
	f->dmar = path_exists(root, "sys/firmware/acpi/tables/DMAR");
	f->ivrs = path_exists(root, "sys/firmware/acpi/tables/IVRS");
	/* A virtual machine may have a CPU of one maker and an IOMMU of the other's kind. */
	if (f->dmar != f->ivrs)
		f->vendor = f->dmar ? CPU_INTEL : CPU_AMD;
	f->iommu = dir_has_entry(root, "sys/class/iommu");
	f->intremap = read_intremap(root);
	f->unsafe_interrupts =
		attr_read(root, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
			  flag, sizeof(flag)) > 0 &&
		flag[0] == 'Y';
	read_modules(root, f);
	if (!find_line(root, "etc/modules", names_virqfd, NULL, &f->virqfd))
		find_in_dir(root, "etc/modules-load.d", names_virqfd, NULL, &f->virqfd);
}
