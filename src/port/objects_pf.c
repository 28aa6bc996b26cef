/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a plan changes of a PF, as objects: that it is up, that its VFs come without a driver, and
 * how many there are. The last one only boot and repair may change (h->maker): how is theirs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/text.h"
#include "src/port/objects.h"
#include "src/port/vfs_maker.h"
#include "src/vf/sysfs.h"

#define CARD "card "

/* "card 8086:56c0 12-34-...": of one without a network. */
static int parse_card(const char *text, struct pf_id *pf)
{
	const char *serial = strchr(text, ' ');
	int len = serial ? (int)(serial - text) : (int)strlen(text);

	pf->no_net = true;
	if (len >= (int)sizeof(pf->card.model) ||
	    (serial && strlen(serial + 1) >= sizeof(pf->card.serial)))
		return -EINVAL;
	snprintf(pf->card.model, sizeof(pf->card.model), "%.*s", len, text);
	snprintf(pf->card.serial, sizeof(pf->card.serial), "%s", serial ? serial + 1 : "");
	return 0;
}

/* "0000:06:00.0", or "0000:06:00.0 52:54:00:aa:00:01": the MAC tells that it is the same card. */
static int parse_name(const char *name, struct pf_id *pf, struct error *err)
{
	const char *blank = strchr(name, ' ');
	char addr[PCI_ADDR_LEN + 1];
	int r;

	*pf = (struct pf_id){0};
	snprintf(addr, sizeof(addr), "%.*s", blank ? (int)(blank - name) : (int)strlen(name), name);
	r = pci_addr_parse(addr, &pf->addr);
	if (!r && blank && !strncmp(blank + 1, CARD, strlen(CARD))) {
		r = parse_card(blank + 1 + strlen(CARD), pf);
	} else if (!r && blank) {
		pf->has_mac = true;
		r = mac_parse(blank + 1, pf->mac);
	}
	return r < 0 ? fail(err, EINVAL, "this names no PF") : 0;
}

const char *pf_object_name(const struct pf_id *pf, char buf[PF_NAME_LEN])
{
	char addr[PCI_ADDR_LEN];
	char mac[MAC_LEN];

	if (pf->no_net)
		snprintf(buf, PF_NAME_LEN, "%s " CARD "%s%s%s", pci_addr_format(&pf->addr, addr),
			 pf->card.model, pf->card.serial[0] ? " " : "", pf->card.serial);
	else
		snprintf(buf, PF_NAME_LEN, "%s%s%s", pci_addr_format(&pf->addr, addr),
			 pf->has_mac ? " " : "", pf->has_mac ? mac_format(pf->mac, mac) : "");
	return buf;
}

/* --- Up --- */

static int link_set(struct hook *h, const char *name, enum object_how how, const char *from,
		    const char *to, struct error *err)
{
	struct pf_info info;
	struct pf_id pf;

	(void)how;
	(void)from;
	(void)to;
	if (parse_name(name, &pf, err) < 0 || sysfs_pf_read(h->root, &pf.addr, &info, err) < 0 ||
	    hook_kernel(h, err) < 0)
		return error_code(err);
	return kernel_link_up(h->kernel, info.ifindex, err);
}

const struct object_kind object_pf_link = {OBJECT_PF_LINK, false, NULL, link_set, NULL};

/* --- sriov_drivers_autoprobe --- */

static int autoprobe_set(struct hook *h, const char *name, enum object_how how, const char *from,
			 const char *to, struct error *err)
{
	struct pf_id pf;

	(void)how;
	(void)from;
	if (parse_name(name, &pf, err) < 0)
		return error_code(err);
	return sysfs_set_autoprobe(h->root, &pf.addr, to && *to == '1', err);
}

const struct object_kind object_autoprobe = {OBJECT_AUTOPROBE, false, NULL, autoprobe_set, NULL};

/* --- sriov_numvfs --- */

static int numvfs_read(struct hook *h, const char *name, char **text, struct error *err)
{
	struct pf_info info;
	struct pf_id pf;

	*text = NULL;
	if (parse_name(name, &pf, err) < 0 ||
	    sysfs_pf_read_as(h->root, &pf.addr, pf.no_net, &info, err) < 0)
		return error_code(err);
	if (asprintf(text, "%u", info.num_vfs) >= 0)
		return 0;
	*text = NULL;
	return fail(err, ENOMEM, "out of memory");
}

static int numvfs_set(struct hook *h, const char *name, enum object_how how, const char *from,
		      const char *to, struct error *err)
{
	struct pf_info now;
	uint32_t was = 0;
	uint32_t n = 0;
	struct pf_id pf;

	if (parse_u32(from ? from : "", UINT16_MAX, &was) < 0 ||
	    parse_u32(to ? to : "", UINT16_MAX, &n) < 0)
		return fail(err, EINVAL, "this is no number of VFs");
	if (parse_name(name, &pf, err) < 0 ||
	    sysfs_pf_read_as(h->root, &pf.addr, pf.no_net, &now, err) < 0)
		return error_code(err);
	/* What was written just now, and is over: then the number itself can be asked for. */
	if (how == OBJECT_UNDO && h->maker)
		sysfs_numvfs(h->root, &pf.addr, &now.num_vfs);
	if (now.num_vfs == n)
		return 0;
	if (now.num_vfs != was)
		return fail(err, EAGAIN, "somebody has changed its number of VFs, it is %u now",
			    now.num_vfs);
	if (!h->maker)
		return fail(err, ECANCELED, "only vfhook boot and repair make VFs");
	return h->maker->write(h, &pf, &now, n, err);
}

const struct object_kind object_numvfs = {OBJECT_NUMVFS, false, numvfs_read, numvfs_set, NULL};
