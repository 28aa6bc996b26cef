/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a PCI function is, and what a PF that is no network card's is known again by when its
 * address has moved: a network card is by its MAC.
 */
#ifndef VFHOOK_VF_CARD_H
#define VFHOOK_VF_CARD_H

#include <stdbool.h>

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/vf/sysfs.h"

/* Its class code, "0x030000" in sysfs. A negative errno without text: it cannot be told. */
int card_class(int root, const struct pci_addr *addr, unsigned *class);
/* Base class 02: Ethernet, InfiniBand, ... (PCI Code and ID Assignment Specification). */
bool card_is_network(unsigned class);
/* Is that PF one without a network, for who knows it by a lease's file name alone? No if unknown.
 */
bool card_is_without_network(int root, const struct pci_addr *pf);
/* "a graphics card", or "a device of class 1b0000". Returns buf. */
const char *card_kind(unsigned class, char buf[40]);

/*
 * What the function at addr is now. The serial number is that of its PCIe capability (Device Serial
 * Number, PCIe 7.9.3), of which a card with several functions shows the same in each, else an NVMe
 * drive's own, which its driver tells: while that is not loaded, none. -ENODEV: nothing is there;
 * any other error: it cannot be told now, which says nothing about the card.
 */
int card_read(int root, const struct pci_addr *addr, struct card_id *out, struct error *err);

/* Is it that card, as far as something is known of it? By the slot only where it has no number. */
bool card_is(const struct card_id *known, const struct card_id *now);

/* A GPU whose VFs are made by NVIDIA's own sriov-manage, and used by its vGPU driver. */
bool card_is_nvidia_gpu(const struct card_id *c, unsigned class);

/* Is anything known of it? */
bool card_is_known(const struct card_id *c);
/* "8086:56c0, serial 12-34": for a person. Returns buf. */
#define CARD_WORDS_LEN 96
const char *card_words(const struct card_id *c, char buf[CARD_WORDS_LEN]);

#endif
