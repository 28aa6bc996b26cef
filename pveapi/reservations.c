/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading them, and the lock they are written under. */
#include "pveapi/reservations.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pveapi/ct_state.h"
#include "pveapi/limits.h"
#include "pveapi/lines.h"
#include "pveapi/process.h"
#include "pveapi/section.h"
#include "pveapi/vmstate.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"

#define PVE_RUN_DIR	 "run/qemu-server"
#define RESERVATION_PATH PVE_RUN_DIR "/pci-id-reservations"

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

	if (!span_copy(s, text, sizeof(text) - 2) || text[strcspn(text, "ABCDEF")])
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

	if (!span_copy(s, text, sizeof(text)))
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
	       span_copy(vmid, text, sizeof(text)) && !parse_u32(text, PVE_VMID_MAX, &out->vmid) &&
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

	if (r->expires == PCI_RESERVED_FOR_CT)
		return ct_lives(root, r->vmid, &qemu, NULL) != ANSWER_NO;
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

/* --- Writing --- */

#define LOCK_WAIT_MS 5000

/* What becomes of the file: its lines but those of the function, and one more. */
struct change {
	int root;
	const struct pci_addr *addr;
	uint32_t vmid;
	const char *holder; /* NULL: none */
	int64_t now;
};

/* 1: the line stays; 0: it goes; -EBUSY: it is another guest's. */
static int judge_line(const struct change *c, struct span line, struct error *err)
{
	struct pci_reservation r;
	bool whole = false;
	char addr[PCI_ADDR_LEN];

	if (!parse_reservation(line, &r, &whole) || whole || pci_addr_cmp(&r.addr, c->addr) != 0)
		return 1;
	if (r.vmid == c->vmid)
		return 0;
	if (!c->holder || !pci_reservation_live(c->root, &r, c->now))
		return c->holder ? 0 : 1;
	return fail(err, EBUSY, "PVE has reserved VF %s for VM %u", pci_addr_format(c->addr, addr),
		    r.vmid);
}

static int write_change(const struct change *c, struct error *err)
{
	AUTO_CLOSE int lock = pci_reservations_lock(c->root, LOCK_WAIT_MS, err);
	CLEANUP(str_free) struct str out = STR_INIT;
	AUTO_FREE char *text = NULL;
	char addr[PCI_ADDR_LEN];
	struct lines lines;
	struct span line;
	ssize_t len;

	if (lock < 0)
		return fail_context(err, "PVE's lock on what it has reserved");
	len = file_read(c->root, RESERVATION_PATH, PVE_FILE_MAX, &text, err);
	if (len < 0 && len != -ENOENT)
		return (int)len;
	error_clear(err);
	lines = lines_of(text ? text : "", len < 0 ? 0 : (size_t)len);
	while (lines_next(&lines, &line)) {
		int r = judge_line(c, line, err);

		if (r < 0)
			return r;
		if (r)
			str_printf(&out, "%.*s\n", (int)line.len, line.p);
	}
	if (c->holder)
		str_printf(&out, "%s %u %s\n", pci_addr_format(c->addr, addr), c->vmid, c->holder);
	if (!str_ok(&out))
		return fail(err, ENOMEM, "out of memory");
	return file_replace(c->root, RESERVATION_PATH, 0644, str_get(&out), out.len, err);
}

int pci_reserve(int root, const struct pci_addr *addr, uint32_t vmid, const char *holder,
		struct error *err)
{
	const struct change c = {root, addr, vmid, holder, time(NULL)};
	struct pci_reservation r = {0};

	if (!parse_holder((struct span){holder, strlen(holder)}, &r) || (!r.pid && !r.expires))
		return fail(err, EINVAL, "'%.40s' holds no reservation", holder);
	return write_change(&c, err);
}

int pci_unreserve(int root, const struct pci_addr *addr, uint32_t vmid, struct error *err)
{
	const struct change c = {root, addr, vmid, NULL, time(NULL)};

	return write_change(&c, err);
}
