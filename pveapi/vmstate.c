/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pveapi/vmstate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "pveapi/limits.h"
#include "pveapi/lines.h"
#include "pveapi/section.h"

#define LOCK_DIR	 "var/lock/qemu-server"
#define PVE_RUN_DIR	 "run/qemu-server"
#define RESERVATION_PATH PVE_RUN_DIR "/pci-id-reservations"
#define CMDLINE_MAX	 262144

const char *vm_lock_path(uint32_t vmid, char buf[64])
{
	snprintf(buf, 64, LOCK_DIR "/lock-%u.conf", vmid);
	return buf;
}

int vm_lock(int root, uint32_t vmid, int timeout_ms, struct error *err)
{
	char path[64];

	if (vmid < PVE_VMID_MIN || vmid > PVE_VMID_MAX)
		return fail(err, EINVAL, "%u is no VM id", vmid);
	/* Not dir_make() at first: /var/lock is a symbolic link on Debian. */
	if (mkdirat(root, LOCK_DIR, 0755) < 0 && errno != EEXIST) {
		int r = errno == ENOENT ? dir_make(root, LOCK_DIR, 0755, err)
					: fail_errno(err, errno, "create directory /" LOCK_DIR);

		if (r < 0)
			return r;
	}
	return lock_take(root, vm_lock_path(vmid, path), timeout_ms, err);
}

/*
 * State and start time: fields 3 and 22. The name, field 2, stands in brackets and may itself
 * hold anything, brackets too.
 */
static int parse_stat(const char *text, char *state, unsigned long long *start)
{
	const char *p = strrchr(text, ')');
	char *end;

	if (!p || p[1] != ' ' || !p[2])
		return -EINVAL;
	*state = p[2];
	p += 2;
	for (int field = 3; p && field < 22; field++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	if (!p || *p < '0' || *p > '9')
		return -EINVAL;
	errno = 0;
	*start = strtoull(p, &end, 10);
	return errno || (*end && *end != ' ') ? -EINVAL : 0;
}

static int read_stat(int root, pid_t pid, char *state, unsigned long long *start)
{
	char path[64];
	char buf[2048];
	ssize_t n;

	if (pid <= 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	n = attr_read(root, path, buf, sizeof(buf));
	if (n == -ENOENT || n == -ESRCH || n == -ENOTDIR)
		return -ESRCH;
	return n < 0 ? (int)n : parse_stat(buf, state, start);
}

int proc_id_get(int root, pid_t pid, struct proc_id *out)
{
	unsigned long long start;
	char state;
	int r = read_stat(root, pid, &state, &start);

	if (r < 0)
		return r;
	if (state == 'Z' || state == 'X' || state == 'x')
		return -ESRCH;
	*out = (struct proc_id){pid, start};
	return 0;
}

enum answer proc_alive(int root, const struct proc_id *p)
{
	struct proc_id now;
	int r = proc_id_get(root, p->pid, &now);

	if (r < 0)
		return r == -ESRCH ? ANSWER_NO : ANSWER_UNKNOWN;
	return now.start == p->start ? ANSWER_YES : ANSWER_NO;
}

/*
 * The command line of that very process: NUL after each argument, and one more behind the last.
 * Returns its length, 0 if it is gone (or has none).
 */
static ssize_t read_cmdline(int root, const struct proc_id *p, char **out)
{
	AUTO_FREE char *buf = malloc(CMDLINE_MAX);
	struct proc_id now;
	char path[64];
	ssize_t n;
	int r;

	if (!buf)
		return -ENOMEM;
	snprintf(path, sizeof(path), "proc/%d/cmdline", (int)p->pid);
	n = attr_read(root, path, buf, CMDLINE_MAX);
	if (n == -ENOENT || n == -ESRCH)
		return 0;
	if (n < 0)
		return n;
	/* Read under the number of a process that ended meanwhile: it may be another's. */
	r = proc_id_get(root, p->pid, &now);
	if (r < 0 && r != -ESRCH)
		return r;
	if (r < 0 || now.start != p->start)
		return 0;
	*out = STEAL(buf);
	return n;
}

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
	len = read_cmdline(root, &id, &cmdline);
	if (len < 0) {
		fail_errno(err, (int)-len, "read /proc/%d/cmdline", (int)pid);
		return ANSWER_UNKNOWN;
	}
	if (!len || !is_qemu(cmdline) || !is_of_vm(cmdline, (size_t)len, vmid))
		return ANSWER_NO;
	*out = id;
	return ANSWER_YES;
}

/* Into a string, if it fits. */
static bool copy_span(struct span s, char *buf, size_t size)
{
	if (s.len >= size || memchr(s.p, '\0', s.len))
		return false;
	memcpy(buf, s.p, s.len);
	buf[s.len] = '\0';
	return true;
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
	if (copy_span(value, text, sizeof(text)) && !pci_addr_parse(text, out))
		return 1;
	return fail(err, EINVAL, "QEMU has no known PCI address for hostpci%u", slot);
}

/* The same in a whole command line of that length, as read_cmdline() gives it. */
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
	len = read_cmdline(root, p, out);
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
	if (!copy_span(value, text, sizeof(text)) || pci_addr_parse(text, &addr) < 0)
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

/* Reservations */

int pci_reservations_lock(int root, int timeout_ms, struct error *err)
{
	int fd = lock_take(root, RESERVATION_PATH ".lock", timeout_ms, err);

	if (fd != -ENOENT)
		return fd;
	/* Before PVE's first start of a VM. */
	error_clear(err);
	if (dir_make(root, PVE_RUN_DIR, 0755, err) < 0)
		return error_code(err);
	return lock_take(root, RESERVATION_PATH ".lock", timeout_ms, err);
}

static bool parse_device(struct span s, struct pci_addr *out, bool *whole_device)
{
	char text[32];

	if (!copy_span(s, text, sizeof(text) - 2) || strpbrk(text, "ABCDEF"))
		return false;
	*whole_device = !strchr(text, '.');
	if (*whole_device)
		memcpy(text + s.len, ".0", 3);
	return !pci_addr_parse(text, out);
}

/* "time:<epoch>" or "pid:<pid>" */
static bool parse_holder(struct span s, struct pci_reservation *out)
{
	char text[32];
	uint64_t n;

	if (!copy_span(s, text, sizeof(text)))
		return false;
	if (!strncmp(text, "time:", 5) && !parse_u64(text + 5, INT64_MAX, &n)) {
		out->expires = (int64_t)n;
		return true;
	}
	if (!strncmp(text, "pid:", 4) && !parse_u64(text + 4, INT_MAX, &n)) {
		out->pid = (pid_t)n;
		return true;
	}
	return false;
}

/*
 * "<pciid> <vmid> time:<epoch>" or "... pid:<pid>": PVE/QemuServer/PCI.pm:
 * $parse_pci_reservation_unlocked. A device without function stands for all eight.
 */
static bool parse_reservation(struct span line, struct pci_reservation *out, bool *whole_device)
{
	struct span device;
	struct span vmid;
	char text[16];

	*out = (struct pci_reservation){0};
	if (!span_cut(&line, ' ', &device) || !span_cut(&line, ' ', &vmid) || !line.p)
		return false;
	return parse_device(device, &out->addr, whole_device) &&
	       copy_span(vmid, text, sizeof(text)) && !parse_u32(text, PVE_VMID_MAX, &out->vmid) &&
	       parse_holder(line, out);
}

static int add_reservation(const struct pci_reservation *r, bool whole_device,
			   struct pci_reservation **list, size_t *n, size_t *cap)
{
	struct pci_reservation one = *r;

	if (*n + 8 > *cap) {
		size_t more = *cap ? *cap * 2 : 32;
		struct pci_reservation *bigger = reallocarray(*list, more, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		*list = bigger;
		*cap = more;
	}
	(*list)[(*n)++] = one;
	for (uint8_t fn = 1; whole_device && fn < 8; fn++) {
		one.addr.fn = fn;
		(*list)[(*n)++] = one;
	}
	return 0;
}

int pci_reservations_parse(const char *text, size_t len, struct pci_reservation **list, size_t *n,
			   struct error *err)
{
	AUTO_FREE struct pci_reservation *found = NULL;
	struct lines lines = lines_of(text, len);
	struct span line;
	size_t cap = 0;

	*list = NULL;
	*n = 0;
	while (lines_next(&lines, &line)) {
		struct pci_reservation r;
		bool whole;

		if (!parse_reservation(line, &r, &whole))
			continue;
		if (add_reservation(&r, whole, &found, n, &cap) < 0) {
			*n = 0;
			return fail(err, ENOMEM, "read /" RESERVATION_PATH ": out of memory");
		}
	}
	*list = STEAL(found);
	return 0;
}

int pci_reservations(int root, struct pci_reservation **list, size_t *n, struct error *err)
{
	AUTO_FREE char *text = NULL;
	ssize_t len = file_read(root, RESERVATION_PATH, PVE_FILE_MAX, &text, err);

	*list = NULL;
	*n = 0;
	if (len == -ENOENT) {
		error_clear(err);
		return 0;
	}
	return len < 0 ? (int)len : pci_reservations_parse(text, (size_t)len, list, n, err);
}

bool pci_reservation_live(int root, const struct pci_reservation *r, int64_t now)
{
	struct proc_id qemu;

	if (r->expires > now)
		return true;
	if (r->pid <= 0)
		return false;
	switch (vm_runs(root, r->vmid, &qemu, NULL)) {
	case ANSWER_YES:
		return qemu.pid == r->pid;
	case ANSWER_UNKNOWN:
		return true;
	default:
		return false;
	}
}
