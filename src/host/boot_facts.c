/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a host boots: which loader reads the kernel command line, and from which files. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/text.h"
#include "src/host/host_plan.h"

#define MAX_FILE  (64UL * 1024)
#define MAX_FILES 64
/* systemd's Boot Loader Interface: the boot loader's name and version. */
#define LOADER_INFO "sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

/* A file that may be missing; anything else that keeps us from reading it is an error. */
static int read_optional(int root, const char *path, char **out, struct error *err)
{
	ssize_t n = file_read(root, path, MAX_FILE, out, err);

	if (n == -ENOENT) {
		error_clear(err);
		*out = NULL;
		return 0;
	}
	if (n < 0)
		return (int)n;
	if (memchr(*out, '\0', (size_t)n))
		return fail(err, EINVAL, "/%s has NUL bytes in it: it is no text", path);
	return 0;
}

/* UTF-16LE behind 4 bytes of attributes; only plain ASCII is of interest. */
static void read_loader(int root, char *out, size_t size)
{
	AUTO_FREE char *raw = NULL;
	ssize_t n = file_read(root, LOADER_INFO, 512, &raw, NULL);
	size_t used = 0;

	for (ssize_t i = 4; i + 1 < n && used + 1 < size; i += 2) {
		if (raw[i + 1] || raw[i] < ' ' || raw[i] > '~')
			break;
		out[used++] = raw[i];
	}
	out[used] = '\0';
}

static int read_grub_dir(int root, char **out, struct error *err)
{
	CLEANUP(str_free) struct str all = STR_INIT;
	AUTO_CLOSEDIR DIR *d = dir_open(root, "etc/default/grub.d");
	const struct dirent *e;

	for (int n = 0; d && n < MAX_FILES && (e = readdir(d)); n++) {
		AUTO_FREE char *text = NULL;
		size_t len = strlen(e->d_name);
		char path[PATH_MAX];

		if (e->d_name[0] == '.' || len < 5 || strcmp(e->d_name + len - 4, ".cfg") != 0)
			continue;
		snprintf(path, sizeof(path), "etc/default/grub.d/%s", e->d_name);
		if (!strcmp(path, GRUB_OURS))
			continue;
		if (read_optional(root, path, &text, err) < 0)
			return error_code(err);
		str_printf(&all, "%s\n", text ? text : "");
	}
	*out = str_take(&all);
	if (!*out && all.failed)
		return fail(err, ENOMEM, "out of memory");
	return 0;
}

int boot_facts_read(int root, struct boot_facts *f, struct error *err)
{
	*f = (struct boot_facts){0};
	host_facts_read(root, &f->host);
	f->efi = path_exists(root, "sys/firmware/efi");
	f->pending = path_exists(root, BOOT_PENDING);
	f->boot_tool = path_exists(root, BOOT_UUIDS);
	read_loader(root, f->loader, sizeof(f->loader));
	if (read_optional(root, KERNEL_CMDLINE, &f->cmdline, err) < 0 ||
	    read_optional(root, KERNEL_CMDLINE_BACKUP, &f->backup, err) < 0 ||
	    read_optional(root, GRUB_DEFAULT, &f->grub, err) < 0 ||
	    read_optional(root, GRUB_OURS, &f->grub_ours, err) < 0 ||
	    read_optional(root, MODULES_OURS, &f->modules_ours, err) < 0)
		return error_code(err);
	return read_grub_dir(root, &f->grub_other, err);
}

void boot_facts_free(struct boot_facts *f)
{
	free(f->cmdline);
	free(f->backup);
	free(f->grub);
	free(f->grub_other);
	free(f->grub_ours);
	free(f->modules_ours);
	*f = (struct boot_facts){0};
}
