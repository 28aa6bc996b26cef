/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose VFs does a line make? Those of GPUs, NVMe and QAT cards are none of our business. */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/text.h"
#include "src/check/leftovers.h"

enum hint { HINT_NONE, HINT_NIC, HINT_OTHER };

/* PCI class 02xxxx; one that is not there is none: nothing is made of it. */
static enum hint class_hint(int root, const char *path)
{
	char class[16];

	return attr_read(root, path, class, sizeof(class)) > 0 && !strncmp(class, "0x02", 4)
		       ? HINT_NIC
		       : HINT_OTHER;
}

/* "0000:06:00.0" at this place, and nothing of a longer number around it. */
static enum hint address_hint(int root, const char *text, const char *at)
{
	char copy[13];
	char path[64];
	struct pci_addr a;
	char addr[PCI_ADDR_LEN];

	if ((at > text && isxdigit((unsigned char)at[-1])) || strnlen(at, 12) < 12 ||
	    isxdigit((unsigned char)at[12]))
		return HINT_NONE;
	snprintf(copy, sizeof(copy), "%.12s", at);
	if (copy[4] != ':' || pci_addr_parse(copy, &a) < 0)
		return HINT_NONE;
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/class", pci_addr_format(&a, addr));
	return class_hint(root, path);
}

/* The device with that id: ATTR{device}=="0x56c0" of a udev rule. */
static enum hint id_hint(int root, const char *id)
{
	AUTO_CLOSEDIR DIR *d = dir_open(root, "sys/bus/pci/devices");
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[PATH_MAX];
		char device[16];

		snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/device", e->d_name);
		if (attr_read(root, path, device, sizeof(device)) <= 0 ||
		    strncasecmp(device, id, 6) != 0)
			continue;
		snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/class", e->d_name);
		return class_hint(root, path);
	}
	return HINT_OTHER;
}

static enum hint udev_hint(int root, const char *line)
{
	static const char device[] = "ATTR{device}==\"";
	static const char class[] = "ATTR{class}==\"";
	const char *at = strstr(line, device);

	if (at)
		return id_hint(root, at + strlen(device));
	at = strstr(line, class);
	if (at)
		return !strncmp(at + strlen(class), "0x02", 4) ? HINT_NIC : HINT_OTHER;
	return HINT_NONE;
}

/* Drivers and classes of what is no NIC, as whole words. */
static bool has_other_word(const char *text)
{
	static const char *const words[] = {"i915",   "xe",    "drm",	  "amdgpu", "gim",
					    "nvidia", "nvme",  "qat",	  "4xxx",   "c6xx",
					    "c3xxx",  "420xx", "dh895xcc"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t len = strlen(words[i]);

		for (const char *at = text; (at = strstr(at, words[i])); at += len) {
			if ((at == text || !isalnum((unsigned char)at[-1])) &&
			    !isalnum((unsigned char)at[len]))
				return true;
		}
	}
	return false;
}

/* One that is a NIC counts more than others. */
static enum hint look_for_hint(int root, const char *text)
{
	enum hint best = udev_hint(root, text);

	if (strstr(text, "class/net/"))
		return HINT_NIC;
	for (const char *at = text; *at && best != HINT_NIC; at++) {
		enum hint h =
			isxdigit((unsigned char)*at) ? address_hint(root, text, at) : HINT_NONE;

		if (h != HINT_NONE)
			best = h;
	}
	if (best == HINT_NONE && has_other_word(text))
		best = HINT_OTHER;
	return best;
}

bool leftover_is_others(struct leftover_file *f, const char *line)
{
	char copy[1024];
	enum hint h;

	snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(line, "\n"), line);
	h = look_for_hint(f->root, copy);
	if (h != HINT_NONE)
		return h == HINT_OTHER;
	/* The device may stand in a variable, some lines before. */
	if (!f->asked)
		f->others = look_for_hint(f->root, f->text) == HINT_OTHER;
	f->asked = true;
	return f->others;
}
