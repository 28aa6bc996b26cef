/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From an interface name, an altname or an address to the PF that is meant. */
#include "src/host/pf_name.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pveapi/reservations.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/host/host_facts.h"
#include "src/vf/card.h"
#include "src/vf/kernel.h"

#define NET_DIR		"sys/class/net"
#define PCI_DEVICES	"sys/bus/pci/devices"
#define ALTNAME_LEN	128 /* ALTIFNAMSIZ */
#define TYPE_INFINIBAND 32  /* ARPHRD_INFINIBAND */

/* As net/core/dev.c, dev_valid_name(), and nothing that a terminal would obey. */
static bool is_name(const char *s, size_t size)
{
	size_t len = strlen(s);

	if (!len || len >= size || !strcmp(s, ".") || !strcmp(s, ".."))
		return false;
	for (; *s; s++) {
		if (*s <= ' ' || *s > '~' || *s == '/' || *s == ':')
			return false;
	}
	return true;
}

static bool is_interface(struct hook *h, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), NET_DIR "/%s", name);
	return is_name(name, IFNAME_LEN) && path_exists(h->root, path);
}

char *pf_list_next(struct hook *h, char **rest)
{
	char *name = *rest;
	size_t first;

	if (!name)
		return NULL;
	first = strcspn(name, ",");
	for (size_t end = strlen(name); end > first; end--) {
		char saved = name[end];

		if (saved && saved != ',')
			continue;
		name[end] = '\0';
		if (is_interface(h, name)) {
			*rest = saved ? name + end + 1 : NULL;
			return name;
		}
		name[end] = saved;
	}
	*rest = name[first] ? name + first + 1 : NULL;
	name[first] = '\0';
	return name;
}

static unsigned net_number(struct hook *h, const char *ifname, const char *attr)
{
	unsigned long long n = 0;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), NET_DIR "/%s/%s", ifname, attr);
	attr_read_u64(h->root, path, UINT_MAX, &n);
	return (unsigned)n;
}

/* The interface's own name. */
static int find_interface(struct hook *h, const char *text, char ifname[IFNAME_LEN],
			  struct error *err)
{
	char clean[ALTNAME_LEN];
	struct error none = ERROR_INIT;

	text_clean(text, clean, sizeof(clean));
	if (!is_name(text, ALTNAME_LEN))
		return fail(err, EINVAL, "'%s' is neither an interface nor a PCI address", clean);
	if (is_interface(h, text)) {
		snprintf(ifname, IFNAME_LEN, "%s", text);
		return 0;
	}
	if (!hook_kernel(h, &none) && !kernel_link_find(h->kernel, text, ifname, &none) &&
	    is_interface(h, ifname))
		return 0;
	return fail(err, ENODEV, "there is no interface '%s' on this node (ip link)", clean);
}

int pf_name_resolve(struct hook *h, const char *text, struct pci_addr *out, char ifname[IFNAME_LEN],
		    struct error *err)
{
	char path[PATH_MAX];
	char addr[64];

	ifname[0] = '\0';
	if (!pci_addr_parse(text, out))
		return 0;
	if (find_interface(h, text, ifname, err) < 0)
		return error_code(err);
	snprintf(path, sizeof(path), NET_DIR "/%s/device", ifname);
	if (link_basename(h->root, path, addr, sizeof(addr)) < 0 || pci_addr_parse(addr, out) < 0)
		return fail(err, EOPNOTSUPP, "interface '%s' is no PCI device, so no SR-IOV PF",
			    ifname);
	return 0;
}

int pf_name_check(struct hook *h, const char *named, const struct pf_info *pf, struct error *err)
{
	char addr[PCI_ADDR_LEN];

	pci_addr_format(&pf->addr, addr);
	if (net_number(h, pf->ifname, "type") == TYPE_INFINIBAND)
		return fail(err, EOPNOTSUPP,
			    "PF %s (%s) is InfiniBand: its VFs have GUIDs in place of a MAC, and "
			    "no VLAN or spoof check; vfhook sets Ethernet only (a VPI card's port "
			    "can be Ethernet: mlxconfig -d %s set LINK_TYPE_P1=2)",
			    addr, pf->ifname, addr);
	if (!named[0] || !strcmp(named, pf->ifname))
		return 0;
	return fail(err, EINVAL,
		    "'%s' is port %u of PF %s: VFs are set through %s, its port %u, and what is "
		    "set there holds for that port of a VF. If that is the port: --pf %s; if not, "
		    "use the card's other port, or another card",
		    named, net_number(h, named, "dev_port") + 1, addr, pf->ifname,
		    net_number(h, pf->ifname, "dev_port") + 1, pf->ifname);
}

/* --- No interface --- */

static void read_attr(struct hook *h, const char *addr, const char *name, char *buf, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s", addr, name);
	if (attr_read(h->root, path, buf, size) < 0)
		buf[0] = '\0';
}

/* The VM that PVE has reserved it for; 0: none. */
static uint32_t reserved_for(struct hook *h, const struct pci_addr *pf)
{
	AUTO_FREE struct pci_reservation *list = NULL;
	size_t n = 0;

	if (pci_reservations(h->root, &list, &n, NULL) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (!pci_addr_cmp(&list[i].addr, pf) &&
		    pci_reservation_live(h->root, &list[i], (int64_t)time(NULL)))
			return list[i].vmid;
	}
	return 0;
}

/* Who gave it to vfio-pci. */
static void vfio_owner(struct hook *h, const struct pf_info *pf, const char *addr, char *buf,
		       size_t size)
{
	uint32_t vmid = reserved_for(h, &pf->addr);
	struct mention who = {0};
	char vendor[16];
	char device[16];
	char id[16] = "";

	read_attr(h, addr, "vendor", vendor, sizeof(vendor));
	read_attr(h, addr, "device", device, sizeof(device));
	if (strlen(vendor) == 6 && strlen(device) == 6)
		snprintf(id, sizeof(id), "%.4s:%.4s", vendor + 2, device + 2);
	if (vmid)
		snprintf(buf, size, "VM %u has it as hostpci", vmid);
	else if (id[0] && host_vfio_ids(h->root, id, &who))
		snprintf(buf, size, "%.100s gives every %s to vfio-pci", who.where, id);
	else
		snprintf(buf, size,
			 "a VM had it as hostpci, or somebody bound it (driverctl "
			 "list-overrides)");
}

/* What it lacks by that, in words: an interface, or for cards without a network just the driver. */
static void no_driver(struct hook *h, const struct pf_info *pf, const char *lack, char text[300],
		      char remedy[300])
{
	char addr[PCI_ADDR_LEN];
	char who[160];

	pci_addr_format(&pf->addr, addr);
	if (!strcmp(pf->driver, "vfio-pci")) {
		vfio_owner(h, pf, addr, who, sizeof(who));
		snprintf(text, 300, "vfio-pci has PF %s, so it has no %s: %s", addr, lack, who);
		snprintf(remedy, 300,
			 "take it from there, then: echo %s >/sys/bus/pci/drivers/vfio-pci/unbind; "
			 "echo %s >/sys/bus/pci/drivers_probe",
			 addr, addr);
	} else {
		snprintf(text, 300, "PF %s has no driver, so no %s", addr, lack);
		snprintf(remedy, 300,
			 "lspci -ks %s; is its driver's module blacklisted in /etc/modprobe.d, or "
			 "its firmware missing (dmesg | grep %s)?",
			 addr, addr);
	}
}

void pf_no_driver(struct hook *h, const struct pf_info *pf, char text[300], char remedy[300])
{
	no_driver(h, pf, "driver of its own that makes VFs", text, remedy);
}

void pf_no_netdev(struct hook *h, const struct pf_info *pf, char text[300], char remedy[300])
{
	char addr[PCI_ADDR_LEN];
	char kind[40];
	unsigned class;

	pci_addr_format(&pf->addr, addr);
	if (!card_class(h->root, &pf->addr, &class) && !card_is_network(class)) {
		snprintf(text, 300, "%s is no network card, but %s (class %06x)", addr,
			 card_kind(class, kind), class);
		snprintf(
			remedy, 300,
			"a pool of its own: vfhook pool add <name> --pf %s; by hand: `network off` "
			"in the pool",
			addr);
	} else if (!strcmp(pf->driver, "vfio-pci") || !pf->driver[0]) {
		no_driver(h, pf, "network interface", text, remedy);
	} else {
		snprintf(text, 300, "PF %s has no network interface (driver: %s)", addr,
			 pf->driver);
		snprintf(remedy, 300, "dmesg | grep %s", addr);
	}
}
