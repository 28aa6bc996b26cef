/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A function's class, ids, serial number and slot, out of sysfs. */
#include "src/vf/card.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/names.h"
#include "src/vf/sysfs_impl.h"

/* Extended capabilities (PCIe 7.6): a list of 8 bytes at least each, behind the first 256. */
#define EXT_BEGIN      0x100
#define EXT_END	       0x1000
#define EXT_CAPS_MAX   ((EXT_END - EXT_BEGIN) / 8)
#define EXT_CAP_SERIAL 0x0003
#define ALL_ONES       0xffffffffU
#define CLASS_NVME     0x0108
#define SLOTS_DIR      "sys/bus/pci/slots"

int card_class(int root, const struct pci_addr *addr, unsigned *class)
{
	char text[16];
	ssize_t n = dev_attr(root, addr, "class", text, sizeof(text));
	char *end;

	if (n < 0)
		return (int)n;
	*class = (unsigned)strtoul(text, &end, 16);
	return end == text || *end ? -EINVAL : 0;
}

bool card_is_network(unsigned class)
{
	return class >> 16 == 0x02;
}

bool card_is_without_network(int root, const struct pci_addr *pf)
{
	unsigned class;

	return !card_class(root, pf, &class) && !card_is_network(class);
}

const char *card_kind(unsigned class, char buf[40])
{
	static const struct {
		unsigned base;
		const char *name;
	} kinds[] = {{0x01, "a storage controller"},
		     {0x02, "a network card"},
		     {0x03, "a graphics card"},
		     {0x0b, "a co-processor"},
		     {0x12, "an accelerator"}};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (class >> 16 == kinds[i].base) {
			snprintf(buf, 40, "%s", kinds[i].name);
			return buf;
		}
	}
	snprintf(buf, 40, "a device of class %06x", class & 0xffffff);
	return buf;
}

/* --- Serial number --- */

/* A word of config space. -ENODATA: it ends before that. -EIO: the device does not answer. */
static int read_word(int fd, off_t at, uint32_t *word)
{
	unsigned char b[4];
	ssize_t n = pread(fd, b, sizeof(b), at);

	if (n < 0)
		return -errno;
	if (n != sizeof(b))
		return -ENODATA;
	*word = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
	return 0;
}

static int read_pci_serial(int fd, char out[CARD_TEXT_LEN])
{
	uint32_t at = EXT_BEGIN;
	uint32_t low = 0;
	uint32_t high = 0;
	uint32_t head = 0;
	int r = read_word(fd, 0, &head);

	/* A function that is off, or gone, reads as ones. */
	if (!r && head == ALL_ONES)
		return -EIO;
	for (int i = 0; !r && i < EXT_CAPS_MAX && at >= EXT_BEGIN && at < EXT_END; i++) {
		r = read_word(fd, at, &head);
		if (r || !head || head == ALL_ONES)
			break;
		if ((head & 0xffff) != EXT_CAP_SERIAL) {
			at = head >> 20 & 0xffc;
			continue;
		}
		r = read_word(fd, at + 4, &low);
		if (!r)
			r = read_word(fd, at + 8, &high);
		/* What nobody has written is no number. */
		if (!r && (low || high) && (low != ALL_ONES || high != ALL_ONES))
			snprintf(out, CARD_TEXT_LEN, "%02x-%02x-%02x-%02x-%02x-%02x-%02x-%02x",
				 high >> 24, high >> 16 & 0xff, high >> 8 & 0xff, high & 0xff,
				 low >> 24, low >> 16 & 0xff, low >> 8 & 0xff, low & 0xff);
		break;
	}
	return r == -ENODATA ? 0 : r;
}

/* Letters, digits, '.', '-' and '_' stay: it is to stand in a property string. */
static void make_plain(char *text)
{
	for (; *text; text++) {
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_",
			    *text))
			*text = '_';
	}
}

/* That the drive's driver shows: drivers/nvme/host/sysfs.c, in ASCII and padded with blanks. */
static void read_nvme_serial(int root, const struct pci_addr *addr, char out[CARD_TEXT_LEN])
{
	AUTO_NAMES struct names d = NAMES_INIT;
	char dir[PATH_MAX];
	char path[PATH_MAX + 64];
	const char *name;
	size_t len;

	if (!dev_path(dir, addr, "nvme"))
		return;
	names_open(root, dir, &d);
	name = names_next(&d);
	if (!name || snprintf(path, sizeof(path), "%s/%.40s/serial", dir, name) >= PATH_MAX ||
	    attr_read(root, path, out, CARD_TEXT_LEN) < 0) {
		out[0] = '\0';
		return;
	}
	for (len = strlen(out); len && is_blank(out[len - 1]); len--)
		out[len - 1] = '\0';
	make_plain(out);
}

static int read_serial(int root, const struct pci_addr *addr, char out[CARD_TEXT_LEN])
{
	AUTO_CLOSE int fd = -1;
	char path[PATH_MAX];
	unsigned class;
	int r;

	if (!dev_path(path, addr, "config"))
		return -ENAMETOOLONG;
	fd = openat(root, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return -errno;
	r = fd < 0 ? 0 : read_pci_serial(fd, out);
	if (!r && !out[0] && !card_class(root, addr, &class) && class >> 8 == CLASS_NVME)
		read_nvme_serial(root, addr, out);
	return r;
}

/* --- Slot --- */

/* Is the function in the slot of that address ("0000:81:00"), by its own or of a bridge above it?
 */
static bool is_in(const char *way, const char *slot_addr)
{
	size_t len = strlen(slot_addr);

	for (const char *at = way; len && (at = strstr(at, slot_addr)); at += len) {
		if ((at == way || at[-1] == '/') && at[len] == '.')
			return true;
	}
	return false;
}

/* The innermost slot on the function's way through the bridges; "" if its firmware tells none. */
static void read_slot(int root, const struct pci_addr *addr, char out[CARD_TEXT_LEN])
{
	AUTO_NAMES struct names d = NAMES_INIT;
	char way[PATH_MAX] = "";
	char path[PATH_MAX];
	char best[32] = "";
	const char *name;
	ssize_t n = 0;

	if (dev_path(path, addr, "") && path[0])
		path[strlen(path) - (ends_with(path, "/") ? 1 : 0)] = '\0';
	n = readlinkat(root, path, way, sizeof(way) - 1);
	if (n < 0)
		pci_addr_format(addr, way);
	names_open(root, SLOTS_DIR, &d);
	while ((name = names_next(&d))) {
		char at[32];

		if (strlen(name) >= CARD_TEXT_LEN ||
		    snprintf(path, sizeof(path), SLOTS_DIR "/%s/address", name) >=
			    (int)sizeof(path) ||
		    attr_read(root, path, at, sizeof(at)) < 0 || !is_in(way, at))
			continue;
		/* Further down the way is closer to the card. */
		if (best[0] && strstr(way, at) < strstr(way, best))
			continue;
		snprintf(best, sizeof(best), "%s", at);
		snprintf(out, CARD_TEXT_LEN, "%s", name);
	}
	make_plain(out);
}

/* --- All of it --- */

int card_read(int root, const struct pci_addr *addr, struct card_id *out, struct error *err)
{
	char text[PCI_ADDR_LEN];
	char vendor[16];
	char device[16];
	ssize_t n;

	*out = (struct card_id){0};
	pci_addr_format(addr, text);
	n = dev_attr(root, addr, "vendor", vendor, sizeof(vendor));
	if (n >= 0)
		n = dev_attr(root, addr, "device", device, sizeof(device));
	if (n == -ENOENT || n == -ENOTDIR || n == -ENODEV)
		return fail(err, ENODEV, "there is no PCI device %s on this node", text);
	if (n < 0)
		return fail_errno(err, (int)-n, "read PF %s in sysfs", text);
	snprintf(out->model, sizeof(out->model), "%04lx:%04lx", strtoul(vendor, NULL, 16) & 0xffff,
		 strtoul(device, NULL, 16) & 0xffff);
	n = read_serial(root, addr, out->serial);
	if (n < 0)
		return fail_errno(err, (int)-n, "PF %s: read its serial number (config space)",
				  text);
	read_slot(root, addr, out->slot);
	return 0;
}

bool card_is(const struct card_id *known, const struct card_id *now)
{
	if (known->model[0] && strcmp(known->model, now->model) != 0)
		return false;
	if (known->serial[0])
		return !strcmp(known->serial, now->serial);
	return !known->slot[0] || !now->slot[0] || !strcmp(known->slot, now->slot);
}

bool card_is_nvidia_gpu(const struct card_id *c, unsigned class)
{
	return class >> 16 == 0x03 && !strncmp(c->model, "10de:", 5);
}

bool card_is_known(const struct card_id *c)
{
	return c->model[0] || c->serial[0];
}

const char *card_words(const struct card_id *c, char buf[CARD_WORDS_LEN])
{
	snprintf(buf, CARD_WORDS_LEN, "%s%s%s%s%s", c->model, c->serial[0] ? ", serial " : "",
		 c->serial, c->slot[0] ? ", slot " : "", c->slot);
	return buf;
}
