/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The value of hostpciN, and what is asked for of it (attach --hostpci). max_len=256 */
#include "pveapi/hostpci.h"
#include "pveapi/mapping.h"
#include "tests/fuzz/fuzz.h"

static int count(const struct pci_addr *a, bool whole_device, void *arg)
{
	NEED(a->dev < 32 && a->fn < 8 && (!whole_device || !a->fn));
	++*(size_t *)arg;
	return 0;
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* What was taken apart, put together again, is the same. */
static void check_again(const struct hostpci *h)
{
	CLEANUP(str_free) struct str text = STR_INIT;
	CLEANUP(hostpci_clear) struct hostpci again = {0};
	struct error err = ERROR_INIT;

	str_printf(&text, "%s=%s%s%s", h->mapping ? "mapping" : "host",
		   h->mapping ? h->mapping : h->host, h->rest[0] ? "," : "", h->rest);
	NEED(!hostpci_parse(str_get(&text), &again, &err));
	NEED(same(h->mapping, again.mapping) && same(h->host, again.host));
	NEED(same(h->rest, again.rest));
}

/* What attach takes goes into the value, which still names the port's mapping. */
static void check_options(const char *wanted)
{
	static const char value[] = "mapping=vf-100-0,pcie=1,driver=keep";
	CLEANUP(hostpci_clear) struct hostpci h = {0};
	AUTO_FREE char *with = NULL;
	AUTO_FREE char *again = NULL;
	struct error err = ERROR_INIT;
	bool pcie = false;
	int r = hostpci_options_check(wanted, &pcie, &err);

	if (r < 0) {
		check_error(r, &err);
		return;
	}
	NEED(is_printable(wanted));
	with = hostpci_with_options(value, wanted);
	NEED(with && hostpci_has_options(with, wanted));
	NEED(!hostpci_parse(with, &h, &err) && !strcmp(h.mapping, "vf-100-0") && !h.host);
	again = hostpci_with_options(with, wanted);
	NEED(again && !strcmp(with, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = text_of(data, size);
	CLEANUP(hostpci_clear) struct hostpci h = {0};
	struct error err = ERROR_INIT;
	size_t n = 0;
	int r = hostpci_parse(text, &h, &err);

	check_options(text);
	if (r < 0) {
		check_error(r, &err);
		NEED(!h.present);
		return 0;
	}
	NEED(!h.mapping != !h.host);
	NEED(!h.mapping || mapping_id_valid(h.mapping));
	NEED(!hostpci_each_addr(&h, count, &n));
	NEED(!h.host == !n);
	check_again(&h);
	return 0;
}
