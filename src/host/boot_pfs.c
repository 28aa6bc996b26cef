/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the PFs of this node's pools are by now, and what vfhook.cfg calls them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/host/boot.h"
#include "src/host/pf_name.h"
#include "src/port/config.h"
#include "src/port/config_pools.h"
#include "src/port/pf_where.h"
#include "src/vf/card.h"

/* For drivers that are still being loaded, and for a cluster that is still coming together. */
#define NETDEV_WAIT_MS 30000
#define QUORUM_WAIT_MS 60000
#define NAP_MS	       200

/* --- Where are they? --- */

static int locate(struct boot *b, struct error *err)
{
	free(b->nics);
	free(b->where);
	b->nics = NULL;
	b->where = NULL;
	if (nics_read(b->h, has_card_pool(&b->config), &b->nics, &b->n_nics, err) < 0)
		return error_code(err);
	if (pfs_locate(&b->config, b->h->node, b->nics, b->n_nics, &b->where, &b->n_where) < 0)
		return fail(err, ENOMEM, "out of memory");
	return 0;
}

static bool some_may_appear(const struct boot *b)
{
	for (size_t i = 0; i < b->n_where; i++) {
		if (pf_may_appear(&b->where[i], b->nics, b->n_nics))
			return true;
	}
	return false;
}

int boot_locate(struct boot *b, struct error *err)
{
	struct deadline end = deadline_in(deadline_share(&b->until, NETDEV_WAIT_MS));

	for (;;) {
		if (locate(b, err) < 0)
			return error_code(err);
		if (!some_may_appear(b) || !deadline_left(&end) || b->h->dry_run)
			return 0;
		nap_ms(NAP_MS);
	}
}

void boot_give_up(struct boot *b, const struct pf_where *w, const char *fmt, ...)
{
	char addr[PCI_ADDR_LEN];
	char text[600];
	bool named;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	b->failed++;
	named = w->nic && w->nic->info.ifname[0] && !w->nic->info.no_net;
	complain("pool '%s': PF %s%s%s%s: %s", w->pool->name,
		 pci_addr_format(w->nic ? &w->nic->info.addr : &w->id.addr, addr),
		 named ? " (" : "", named ? w->nic->info.ifname : "", named ? ")" : "", text);
}

bool boot_is_found(const struct pf_where *w)
{
	return w->place == PF_HERE || w->place == PF_MOVED;
}

const struct pf_where *boot_same_pf_before(const struct boot *b, const struct pf_where *w)
{
	for (const struct pf_where *other = b->where; other < w; other++) {
		if (boot_is_found(other) && other->nic == w->nic)
			return other;
	}
	return NULL;
}

/* The same for a card without a network. */
static void tell_lost_card(struct boot *b, const struct pf_where *w)
{
	char was[CARD_WORDS_LEN];
	char is[CARD_WORDS_LEN];
	char text[300];
	char remedy[300];

	card_words(&w->id.card, was);
	switch (w->place) {
	case PF_MISSING:
		boot_give_up(b, w,
			     "there is no such card there, %s: if it was taken out, take it out of "
			     "the pool (/" VFHOOK_CFG "); if it is in another slot: vfhook pool "
			     "add %s --pf <its address>",
			     w->alike > 1		  ? "and several others may be it"
			     : card_is_known(&w->id.card) ? "and none that is known to be it"
							  : "and what it was is not known",
			     w->pool->name);
		break;
	case PF_NO_NETDEV:
		if (w->nic->card_why[0]) {
			boot_give_up(b, w, "which card it is cannot be told: %s", w->nic->card_why);
			break;
		}
		pf_no_driver(b->h, &w->nic->info, text, remedy);
		boot_give_up(b, w, "%s: %s", text, remedy);
		break;
	case PF_STRANGER:
		boot_give_up(b, w,
			     "it is another card than the pool's: it is %s, not %s. If VMs are to "
			     "have this one's VFs: vfhook pool add %s --pf %s",
			     card_words(&w->nic->card, is), was, w->pool->name,
			     w->nic->info.ifname);
		break;
	default:
		break;
	}
}

void boot_tell_lost(struct boot *b, const struct pf_where *w)
{
	char is[MAC_LEN];
	char was[MAC_LEN];
	char remedy[300];
	char text[300];

	if (w->id.no_net) {
		tell_lost_card(b, w);
		return;
	}
	switch (w->place) {
	case PF_MISSING:
		if (w->alike > 1)
			boot_give_up(
				b, w,
				"there is no such SR-IOV card there, and %u others have its "
				"MAC %s: which one is meant nobody can tell: vfhook pool add %s "
				"--pf <interface>, and take this one out of the pool "
				"(/" VFHOOK_CFG ")",
				w->alike, mac_format(w->id.mac, was), w->pool->name);
		else
			boot_give_up(b, w,
				     "there is no such SR-IOV card%s: if it was taken out, take it "
				     "out of the "
				     "pool (/" VFHOOK_CFG ")",
				     w->id.has_mac ? ", and none with its MAC" : "");
		break;
	case PF_NO_NETDEV:
		pf_no_netdev(b->h, &w->nic->info, text, remedy);
		boot_give_up(b, w, "%s: %s", text, remedy);
		break;
	case PF_STRANGER:
		boot_give_up(
			b, w,
			"it is another card than the pool's: its MAC is %s, not %s. If it leads to "
			"the same network: vfhook pool add %s --pf %s",
			mac_format(w->nic->mac, is), mac_format(w->id.mac, was), w->pool->name,
			w->nic->info.ifname);
		break;
	default:
		break;
	}
}

/* --- What the config calls them --- */

static int write_changes(struct boot *b, const struct pf_change *changes, size_t n,
			 struct error *err)
{
	int patience = deadline_share(&b->until, QUORUM_WAIT_MS);
	struct deadline end = deadline_in(patience);
	bool told = false;
	int r;

	for (;;) {
		error_clear(err);
		r = config_change_pfs(b->h->root, b->h->node, changes, n, err);
		if (r != -EROFS || !deadline_left(&end))
			return r;
		if (!told)
			say("/" VFHOOK_CFG " cannot be written yet (no quorum): waiting for up to "
			    "%d s",
			    patience / 1000);
		told = true;
		nap_ms(NAP_MS);
	}
}

static void tell_card(const struct boot *b, const struct pf_where *w)
{
	const char *would = b->h->dry_run ? "would be " : "";
	char words[CARD_WORDS_LEN];
	char from[PCI_ADDR_LEN];

	card_words(&w->nic->card, words);
	pci_addr_format(&w->id.addr, from);
	if (w->place == PF_MOVED)
		say("pool '%s': PF %s is at %s now (known by its %s): %schanged in /" VFHOOK_CFG,
		    w->pool->name, from, w->nic->info.ifname,
		    w->id.card.serial[0] ? "serial number" : "slot", would);
	else
		say("pool '%s': PF %s: %snoted in /" VFHOOK_CFG ": what to know it by: %s",
		    w->pool->name, from, would, words);
}

static void tell_change(const struct boot *b, const struct pf_where *w)
{
	const char *would = b->h->dry_run ? "would be " : "";
	char from[PCI_ADDR_LEN];
	char to[PCI_ADDR_LEN];
	char mac[MAC_LEN];

	if (w->id.no_net) {
		tell_card(b, w);
		return;
	}
	mac_format(w->nic->mac, mac);
	if (w->place == PF_MOVED)
		say("pool '%s': PF %s is at %s now (%s, known by its MAC %s): %schanged in "
		    "/" VFHOOK_CFG,
		    w->pool->name, pci_addr_format(&w->id.addr, from),
		    pci_addr_format(&w->nic->info.addr, to), w->nic->info.ifname, mac, would);
	else
		say("pool '%s': PF %s (%s): %snoted in /" VFHOOK_CFG ": its MAC %s, to know it by",
		    w->pool->name, pci_addr_format(&w->id.addr, from), w->nic->info.ifname, would,
		    mac);
}

int boot_follow_pfs(struct boot *b, struct error *err)
{
	AUTO_FREE struct pf_change *changes = calloc(b->n_where + 1, sizeof(*changes));
	size_t n = 0;

	if (!changes)
		return fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < b->n_where; i++) {
		const struct pf_where *w = &b->where[i];
		bool learns =
			w->place == PF_HERE && (w->id.no_net ? !card_is_known(&w->id.card)
							     : !w->id.has_mac && w->nic->has_mac);

		if ((w->place != PF_MOVED && !learns) || boot_same_pf_before(b, w))
			continue;
		tell_change(b, w);
		changes[n] = (struct pf_change){.from = w->id.addr,
						.to = {.addr = w->nic->info.addr,
						       .no_net = w->id.no_net,
						       .card = w->nic->card,
						       .has_mac = !w->id.no_net}};
		memcpy(changes[n++].to.mac, w->nic->mac, sizeof(w->nic->mac));
	}
	if (!n || b->h->dry_run)
		return 0;
	return write_changes(b, changes, n, err);
}
