/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A PF as a person names it, and why one that was named is none. */
#ifndef VFHOOK_HOST_PF_NAME_H
#define VFHOOK_HOST_PF_NAME_H

#include "src/port/context.h"
#include "src/vf/sysfs.h"

/*
 * The next name of a list with commas between, cut off *rest, which becomes NULL at its end; NULL:
 * there is none. An interface may have a comma in its name (cxgb4's "mgmtpf0,0"): where one of that
 * name is there, it is meant.
 */
char *pf_list_next(struct hook *h, char **rest);

/*
 * A PCI address, an interface's name or an alternative name of it. ifname becomes the interface's
 * name, "" for an address. Refused: what is not there, is no PCI device, or is InfiniBand.
 */
int pf_name_resolve(struct hook *h, const char *text, struct pci_addr *out, char ifname[IFNAME_LEN],
		    struct error *err);

/*
 * The interface that was named is the one through which VFs are set. A PF may have two: port 2 of a
 * ConnectX-3 (mlx4_core) is an interface of the same PF, and what is set through one holds for its
 * port (mlx4_set_vf_mac and its kin: mlx4_slaves_closest_port). 0 if named is "".
 */
int pf_name_check(struct hook *h, const char *named, const struct pf_info *pf, struct error *err);

/*
 * Why an SR-IOV PF has no network interface: it is another kind of device; vfio-pci has it, and
 * why; it has no driver. text is the fact, remedy what to do.
 */
void pf_no_netdev(struct hook *h, const struct pf_info *pf, char text[300], char remedy[300]);
/* The same for a card without a network, which vfio-pci has, or no driver. */
void pf_no_driver(struct hook *h, const struct pf_info *pf, char text[300], char remedy[300]);

#endif
