/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In the terms of drivers and of `vfhook pool`. */
#include "src/port/vf_advice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "src/base/text.h"
#include "src/port/config.h"
#include "src/vf/plan.h"
#include "src/vf/port_wish.h"

const char *firmware_words(const struct pf_info *pf, char *buf, size_t size)
{
	char addr[PCI_ADDR_LEN];
	char tool[120] = "";

	pci_addr_format(&pf->addr, addr);
	if (!strncmp(pf->driver, "mlx", 3))
		snprintf(tool, sizeof(tool), ", with mlxconfig -d %s set SRIOV_EN=1 NUM_OF_VFS=8",
			 addr);
	else if (!strcmp(pf->driver, "bnxt_en"))
		snprintf(tool, sizeof(tool), ", with Broadcom's niccli");
	snprintf(buf, size,
		 "turn SR-IOV on in the firmware (BIOS) of the board and of the card%s; "
		 "then power off and on",
		 tool);
	return buf;
}

/* drivers/pci/iov.c: sriov_enable() and what it calls; the rest is the driver's own. */
int numvfs_refused(const struct pf_info *pf, unsigned n, int code, struct error *err)
{
	char firmware[320];

	switch (code) {
	case ENOMEM:
	case ENOSPC:
	case EIO:
		return fail(
			err, code,
			"write %u to sriov_numvfs: %s. The firmware (BIOS) has left no address "
			"space or bus numbers for that many: switch on SR-IOV and 'Above 4G "
			"Decoding' there; if that does not help, pci=realloc on the kernel "
			"command line, or fewer VFs (`vfs` of the pool). dmesg says which it is",
			n, strerror(code));
	case EOPNOTSUPP:
	case ENOENT:
		return fail(err, code,
			    "write %u to sriov_numvfs: %s. The driver %s makes no VFs this way%s",
			    n, strerror(code), pf->driver[0] ? pf->driver : "(none)",
			    !strcmp(pf->driver, "mlx4_core")
				    ? ": options mlx4_core num_vfs=<N> in /etc/modprobe.d"
				    : ", or SR-IOV is off in the card: dmesg");
	case EINVAL:
	case ENODEV:
	case EPERM:
		return fail(err, code, "write %u to sriov_numvfs: %s. See dmesg; %s", n,
			    strerror(code), firmware_words(pf, firmware, sizeof(firmware)));
	default:
		return fail_errno(err, code, "write %u to sriov_numvfs", n);
	}
}

/* A PF of the wish that has fewer VFs than its pool wants, or none. */
static const struct pf_state *lacking(const struct snapshot *s, const struct port_wish *w,
				      unsigned vfs)
{
	for (size_t i = 0; i < s->n_pfs; i++) {
		const struct pf_state *pf = &s->pfs[i];

		if (!pf->broken && wish_allows_pf(w, &pf->info.addr) &&
		    (!pf->info.num_vfs || pf->info.num_vfs < vfs))
			return pf;
	}
	return NULL;
}

int no_vf_advice(const struct snapshot *s, const struct vm_ports *v, struct error *err)
{
	for (size_t i = 0; i < v->n_wishes; i++) {
		const struct port_wish *w = &v->wishes[i];
		const struct pool *pool = config_pool(&v->config, w->pool);
		const struct pf_state *pf = lacking(s, w, pool ? pool->vfs : 0);

		if (pf && pool && pool->vfs)
			return fail(
				err, ENOSPC,
				"PF %s has %u VFs, and its pool wants %u: vfhook boot makes them",
				pf->info.ifname, pf->info.num_vfs, pool->vfs);
		if (pf)
			return fail(err, ENOSPC,
				    "PF %s has no VFs: vfhook pool add %s --pf %s --vfs <N>, then: "
				    "vfhook boot",
				    pf->info.ifname, w->pool, pf->info.ifname);
	}
	return fail(err, ENOSPC, "stop one of these VMs, or give the pool more VFs");
}
