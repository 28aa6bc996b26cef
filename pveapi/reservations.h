/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PVE's reservations of PCI functions: /run/qemu-server/pci-id-reservations. */
#ifndef VFHOOK_PVEAPI_RESERVATIONS_H
#define VFHOOK_PVEAPI_RESERVATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "src/base/error.h"
#include "src/base/text.h"

/* One line of /run/qemu-server/pci-id-reservations. */
struct pci_reservation {
	struct pci_addr addr;
	uint32_t vmid;
	pid_t pid;	 /* 0 for a timed one */
	int64_t expires; /* epoch seconds, 0 for one with a pid */
};

/*
 * All of PVE's reservations, live or not; a missing file is an empty list, a
 * line that PVE would skip is skipped. *list is the caller's to free().
 */
int pci_reservations(int root, struct pci_reservation **list, size_t *n, struct error *err);
/* The same out of the file's text. */
int pci_reservations_parse(const char *text, size_t len, struct pci_reservation **list, size_t *n,
			   struct error *err);

/*
 * PVE's lock on that file (flock). Every start with hostpci takes it before it touches a device,
 * and again once QEMU runs (PVE::QemuServer vm_start_nolock: reserve_pci_usage, waiting 5 s); every
 * stop does (remove_pci_reservation, 2 s). So it is to be held for moments only. Returns a
 * descriptor whose close() frees it, or a negative errno with err.
 */
int pci_reservations_lock(int root, int timeout_ms, struct error *err);

/*
 * What a container has is reserved so for as long as it has it: in PVE's list only a QEMU can be
 * told to be over, or a time. It is the year 2100.
 */
#define PCI_RESERVED_FOR_CT 4102444800

/*
 * As PVE judges it in reserve_pci_usage: not expired, or its pid is the VM's running QEMU; a
 * container's counts while it lives (ct_lives()). True as well if it cannot be told whether that
 * runs.
 */
bool pci_reservation_live(int root, const struct pci_reservation *r, int64_t now);

/*
 * Reserve a function for a guest as PVE does for the VMs that it starts (reserve_pci_usage), under
 * its lock, so that PVE starts no other VM on it. holder: "pid:<of a running VM's QEMU>", or
 * "time:<epoch>". 0; -EBUSY with err: it is reserved for another guest; another negative errno with
 * err.
 */
int pci_reserve(int root, const struct pci_addr *addr, uint32_t vmid, const char *holder,
		struct error *err);
/* Take back what is reserved of that function for that guest. 0 or a negative errno with err. */
int pci_unreserve(int root, const struct pci_addr *addr, uint32_t vmid, struct error *err);

#endif
