/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM's QEMU by its pid file, and what stands on its command line. */
#include "pveapi/vmstate.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/lines.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"

#define PVE_RUN_DIR "run/qemu-server"

static const char *next_arg(const char *arg, const char *end)
{
	arg += strlen(arg) + 1;
	return arg < end ? arg : NULL;
}

/* As PVE/QemuServer/Helpers.pm: parse_cmdline knows QEMU: ".../kvm" or "[.../]qemu-..." */
static bool is_qemu(const char *arg0)
{
	const char *slash = strrchr(arg0, '/');
	const char *base = slash ? slash + 1 : arg0;
	size_t len = strlen(base);

	return (len >= 3 && !strcmp(base + len - 3, "kvm")) ||
	       (!strncmp(base, "qemu-", 5) && base[5]);
}

static bool is_option(const char *arg, const char *name)
{
	if (arg[0] != '-')
		return false;
	arg += arg[1] == '-' ? 2 : 1;
	return !strcmp(arg, name);
}

/*
 * PVE goes by "-pidfile <its path>" (PVE/QemuServer/Helpers.pm:
 * instance_running_locally), which /var/run and /run spell differently; its
 * QEMU also has "-id <vmid>".
 */
static bool is_of_vm(const char *cmdline, size_t len, uint32_t vmid)
{
	const char *end = cmdline + len;
	char id[16];
	char pidfile[64];

	snprintf(id, sizeof(id), "%u", vmid);
	snprintf(pidfile, sizeof(pidfile), "/run/qemu-server/%u.pid", vmid);
	for (const char *arg = cmdline; arg; arg = next_arg(arg, end)) {
		const char *value = next_arg(arg, end);

		if (value && ((is_option(arg, "id") && !strcmp(value, id)) ||
			      (is_option(arg, "pidfile") && ends_with(value, pidfile))))
			return true;
	}
	return false;
}

static int pid_of_vm(int root, uint32_t vmid, pid_t *pid)
{
	char path[64];
	char text[64];
	uint32_t n;
	ssize_t len;

	snprintf(path, sizeof(path), "run/qemu-server/%u.pid", vmid);
	len = attr_read(root, path, text, sizeof(text));
	if (len == -ENOENT || len == -EFBIG)
		return 0;
	if (len < 0)
		return (int)len;
	text[strcspn(text, "\n")] = '\0';
	if (parse_u32(text, INT_MAX, &n) < 0 || !n)
		return 0;
	*pid = (pid_t)n;
	return 1;
}

enum answer vm_runs(int root, uint32_t vmid, struct proc_id *out, struct error *err)
{
	AUTO_FREE char *cmdline = NULL;
	struct proc_id id;
	pid_t pid = 0;
	ssize_t len;
	int r = pid_of_vm(root, vmid, &pid);

	*out = (struct proc_id){0};
	if (!r)
		return ANSWER_NO;
	if (r < 0) {
		fail_errno(err, -r, "read /run/qemu-server/%u.pid", vmid);
		return ANSWER_UNKNOWN;
	}
	r = proc_id_get(root, pid, &id);
	if (r == -ESRCH)
		return ANSWER_NO;
	if (r < 0) {
		fail_errno(err, -r, "read /proc/%d/stat", (int)pid);
		return ANSWER_UNKNOWN;
	}
	len = proc_cmdline(root, &id, &cmdline);
	if (len < 0) {
		fail_errno(err, (int)-len, "read /proc/%d/cmdline", (int)pid);
		return ANSWER_UNKNOWN;
	}
	if (!len || !is_qemu(cmdline) || !is_of_vm(cmdline, (size_t)len, vmid))
		return ANSWER_NO;
	*out = id;
	return ANSWER_YES;
}

/* The id of a device for slot N: PVE/QemuServer/PCI.pm: print_hostpci_devices. */
static bool is_slot(struct span id, unsigned slot)
{
	char want[16];
	size_t len = (size_t)snprintf(want, sizeof(want), "hostpci%u", slot);

	if (id.len < len || memcmp(id.p, want, len) != 0)
		return false;
	return id.len == len || (id.len == len + 2 && !memcmp(id.p + len, ".0", 2));
}

static bool device_property(const char *device, const char *key, struct span *out)
{
	struct span rest = {device, strlen(device)};
	size_t len = strlen(key);
	struct span part;

	while (span_cut(&rest, ',', &part)) {
		if (part.len > len && part.p[len] == '=' && !memcmp(part.p, key, len)) {
			*out = (struct span){part.p + len + 1, part.len - len - 1};
			return true;
		}
	}
	return false;
}

static int device_host(const char *device, unsigned slot, struct pci_addr *out, struct error *err)
{
	struct span value;
	char text[PCI_ADDR_LEN + 8];

	if (strncmp(device, "vfio-pci,", 9) != 0 || !device_property(device, "id", &value) ||
	    !is_slot(value, slot))
		return 0;
	if (!device_property(device, "host", &value))
		return 0; /* a mediated device has sysfsdev= */
	if (span_copy(value, text, sizeof(text)) && !pci_addr_parse(text, out))
		return 1;
	return fail(err, EINVAL, "QEMU has no known PCI address for hostpci%u", slot);
}

/* The same in a whole command line of that length, as proc_cmdline() gives it. */
static int cmdline_hostpci(const char *cmdline, size_t len, unsigned slot, struct pci_addr *out,
			   struct error *err)
{
	const char *end = cmdline + len;

	for (const char *arg = cmdline; arg; arg = next_arg(arg, end)) {
		const char *value = is_option(arg, "device") ? next_arg(arg, end) : NULL;
		int r = value ? device_host(value, slot, out, err) : 0;

		if (r)
			return r;
	}
	return 0;
}

/* The command line of a process that is to be there: *out is the caller's to free(). */
static ssize_t need_cmdline(int root, const struct proc_id *p, char **out, struct error *err)
{
	ssize_t len;

	if (proc_alive(root, p) == ANSWER_NO)
		return fail(err, ESRCH, "process %d is gone", (int)p->pid);
	len = proc_cmdline(root, p, out);
	if (len < 0)
		return fail_errno(err, (int)-len, "read /proc/%d/cmdline", (int)p->pid);
	return len ? len : fail(err, ESRCH, "process %d is gone", (int)p->pid);
}

int vm_hostpci_actual(int root, const struct proc_id *p, unsigned slot, struct pci_addr *out,
		      struct error *err)
{
	AUTO_FREE char *cmdline = NULL;
	ssize_t len = need_cmdline(root, p, &cmdline, err);

	return len < 0 ? (int)len : cmdline_hostpci(cmdline, (size_t)len, slot, out, err);
}

int vm_hostpci_all(int root, const struct proc_id *p, struct vm_hostpci *out, struct error *err)
{
	AUTO_FREE char *cmdline = NULL;
	ssize_t len = need_cmdline(root, p, &cmdline, err);

	*out = (struct vm_hostpci){0};
	if (len < 0)
		return (int)len;
	for (unsigned slot = 0; slot < PVE_HOSTPCI_MAX; slot++) {
		int r = cmdline_hostpci(cmdline, (size_t)len, slot, &out->vf[slot], err);

		if (r < 0)
			return r;
		out->has[slot] = r;
	}
	return 0;
}

/* A property of a device that is to be said anew. */
static void add_word(struct span part, const struct pci_addr *vf, struct str *out)
{
	char addr[PCI_ADDR_LEN];

	if (part.len > 5 && !memcmp(part.p, "host=", 5))
		str_printf(out, ",host=%s", pci_addr_format(vf, addr));
	else if (part.len < 17 || memcmp(part.p, "enable-migration=", 17) != 0)
		str_printf(out, "%s%.*s", out->len ? "," : "", (int)part.len, part.p);
}

int vm_hostpci_words(int root, const struct proc_id *p, unsigned slot, const struct pci_addr *vf,
		     struct str *out, struct error *err)
{
	AUTO_FREE char *cmdline = NULL;
	ssize_t len = need_cmdline(root, p, &cmdline, err);
	struct pci_addr was;

	if (len < 0)
		return (int)len;
	for (const char *arg = cmdline; arg; arg = next_arg(arg, cmdline + len)) {
		const char *value = is_option(arg, "device") ? next_arg(arg, cmdline + len) : NULL;
		int r = value ? device_host(value, slot, &was, err) : 0;
		struct span rest = {value, value ? strlen(value) : 0};
		struct span part;

		if (r < 0)
			return r;
		while (r && span_cut(&rest, ',', &part))
			add_word(part, vf, out);
		if (r)
			return str_ok(out) ? 1 : fail(err, ENOMEM, "out of memory");
	}
	return 0;
}

/* --- All VMs --- */

struct devices {
	struct vm_device *list;
	size_t n;
};

static int add_device(struct devices *d, uint32_t vmid, const struct pci_addr *addr,
		      struct error *err)
{
	struct vm_device *more = reallocarray(d->list, d->n + 1, sizeof(*more));

	if (!more)
		return fail(err, ENOMEM, "out of memory");
	d->list = more;
	d->list[d->n++] = (struct vm_device){vmid, *addr};
	return 0;
}

/* "vfio-pci" and its kin ("vfio-pci-nohotplug"); a mediated device has no host=. */
static int add_vfio_device(struct devices *d, uint32_t vmid, const char *device, struct error *err)
{
	char text[PCI_ADDR_LEN + 8];
	struct pci_addr addr;
	struct span value;

	if (strncmp(device, "vfio-pci", 8) != 0 || !device_property(device, "host", &value))
		return 0;
	if (!span_copy(value, text, sizeof(text)) || pci_addr_parse(text, &addr) < 0)
		return fail(err, EINVAL, "VM %u: QEMU has a PCI device of no known address", vmid);
	return add_device(d, vmid, &addr, err);
}

static int add_vm_devices(int root, uint32_t vmid, struct devices *d, struct error *err)
{
	AUTO_FREE char *cmdline = NULL;
	struct proc_id qemu;
	enum answer runs = vm_runs(root, vmid, &qemu, err);
	ssize_t len;

	if (runs != ANSWER_YES)
		return runs == ANSWER_NO ? 0 : error_code(err);
	len = need_cmdline(root, &qemu, &cmdline, err);
	if (len == -ESRCH) {
		error_clear(err);
		return 0;
	}
	if (len < 0)
		return (int)len;
	for (const char *arg = cmdline; arg; arg = next_arg(arg, cmdline + len)) {
		const char *value = is_option(arg, "device") ? next_arg(arg, cmdline + len) : NULL;

		if (value && add_vfio_device(d, vmid, value, err) < 0)
			return error_code(err);
	}
	return 0;
}

/* "100.pid" */
static bool is_pid_file(const char *name, uint32_t *vmid)
{
	size_t len = strlen(name);
	char text[16];

	if (len < 5 || len - 4 >= sizeof(text) || strcmp(name + len - 4, ".pid") != 0)
		return false;
	memcpy(text, name, len - 4);
	text[len - 4] = '\0';
	return !parse_u32(text, PVE_VMID_MAX, vmid);
}

int vm_devices(int root, struct vm_device **list, size_t *n, struct error *err)
{
	AUTO_CLOSEDIR DIR *dir = dir_open(root, PVE_RUN_DIR);
	struct devices d = {0};
	const struct dirent *e;
	uint32_t vmid;
	int r = 0;

	*list = NULL;
	*n = 0;
	if (!dir)
		return errno == ENOENT ? 0 : fail_errno(err, errno, "read /" PVE_RUN_DIR);
	for (errno = 0; !r && (e = readdir(dir)); errno = 0) {
		if (is_pid_file(e->d_name, &vmid))
			r = add_vm_devices(root, vmid, &d, err);
	}
	if (!r && errno)
		r = fail_errno(err, errno, "read /" PVE_RUN_DIR);
	if (r < 0) {
		free(d.list);
		return r;
	}
	*list = d.list;
	*n = d.n;
	return 0;
}
