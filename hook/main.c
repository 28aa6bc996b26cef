/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "hook/hook.h"
#include "hook/say.h"

#ifndef VFHOOK_VERSION
#define VFHOOK_VERSION "unknown"
#endif

#define EXIT_USAGE 2

struct word {
	const char *name;
	int (*run)(struct hook *h, uint32_t vmid);
};

static const struct word phases[] = {
	{"pre-start", phase_pre_start},
	{"post-start", phase_post_start},
	{"pre-stop", phase_pre_stop},
	{"post-stop", phase_post_stop},
};

static const char usage[] =
	"Usage: vfhook [--root DIR] <vmid> pre-start|post-start|pre-stop|post-stop\n"
	"       vfhook --help | --version\n"
	"\n"
	"Gives a VM of Proxmox VE its SR-IOV Virtual Function. PVE calls it, once it is\n"
	"the VM's hookscript:\n"
	"    qm set <vmid> --hookscript local:snippets/vfhook\n"
	"\n"
	"  pre-start   take a free VF of the port's pool, set MAC, VLAN, spoofchk ... on\n"
	"              it, let the VM's mapping vf-<vmid>-<N> name it\n"
	"  post-start  check that QEMU has that VF; mend it if not\n"
	"  pre-stop    nothing\n"
	"  post-stop   clear the VF and give it back\n"
	"\n"
	"  --root DIR  take every file below DIR instead of /\n"
	"\n"
	"Pools and ports are in /etc/pve/vfhook.cfg, see vfhook(8).\n"
	"Exit status: 0 done, 1 refused or failed (the lines say why), 2 wrong call.\n";

/*
 * PVE's daemons hand us their environment and we run as root: nothing of it is
 * needed but the source node of a migration. Standard descriptors must exist,
 * or a file that we open would become one of them.
 */
static bool clean_process(void)
{
	const char *from = getenv("PVE_MIGRATED_FROM");
	AUTO_FREE char *kept = from ? strdup(from) : NULL;
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_NOCTTY);
		if (fd < 0)
			return false;
	} while (fd <= 2);
	close(fd);
	if (clearenv() || setenv("PATH", "/sbin:/bin:/usr/sbin:/usr/bin", 1) ||
	    setenv("LC_ALL", "C", 1) || (kept && setenv("PVE_MIGRATED_FROM", kept, 1)))
		return false;
	umask(022);
#if !defined(__SANITIZE_ADDRESS__)
	/* No core files: a token may be in memory. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	return true;
}

static int wrong_call(const char *what, const char *arg)
{
	complain("%s '%s'; see vfhook --help", what, arg);
	return EXIT_USAGE;
}

static int parse_vmid(const char *s, uint32_t *vmid)
{
	return parse_u32(s, PVE_VMID_MAX, vmid) < 0 || *vmid < PVE_VMID_MIN ? -EINVAL : 0;
}

static int run(const char *root, const char *vmid_text, int (*what)(struct hook *h, uint32_t vmid))
{
	CLEANUP(hook_free) struct hook h = HOOK_INIT;
	struct error err = ERROR_INIT;
	uint32_t vmid;

	if (parse_vmid(vmid_text, &vmid) < 0)
		return wrong_call("not a VM id (100 to 999999999):", vmid_text);
	if (hook_init(&h, root, &err) < 0) {
		complain("VM %u: %s", vmid, err.text);
		return 1;
	}
	h.migrated_from = getenv("PVE_MIGRATED_FROM");
	return what(&h, vmid);
}

int main(int argc, char **argv)
{
	const char *root = NULL;
	int i = 1;

	if (!clean_process())
		return EXIT_FAILURE;
	if (argc > i + 1 && !strcmp(argv[i], "--root")) {
		root = argv[i + 1];
		i += 2;
	}
	if (argc == i + 1 && !strcmp(argv[i], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc == i + 1 && !strcmp(argv[i], "--version")) {
		puts("vfhook " VFHOOK_VERSION);
		return 0;
	}
	if (argc != i + 2) {
		complain("wanted: a VM id and a phase; see vfhook --help");
		return EXIT_USAGE;
	}
	if (!strcmp(argv[i], "job")) /* by ourselves, see handover.h */
		return run(root, argv[i + 1], run_job);
	for (size_t k = 0; k < ARRAY_SIZE(phases); k++) {
		if (!strcmp(argv[i + 1], phases[k].name))
			return run(root, argv[i], phases[k].run);
	}
	return wrong_call("unknown phase", argv[i + 1]);
}
