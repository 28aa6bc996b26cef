/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificates (PEM and DER) and /etc/default/pveproxy. max_len=2048 */
#include "pveapi/tls.c"
#include "tests/fuzz/fuzz.h"

static void check_name(int r, const char *name, const struct error *err)
{
	if (r < 0) {
		check_error(r, err);
		return;
	}
	NEED(name[0] && strlen(name) < TLS_NAME_LEN);
	NEED(strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") ==
	     strlen(name));
}

static void pem(const char *text, size_t len)
{
	char name[TLS_NAME_LEN] = "";
	struct error err = ERROR_INIT;
	int64_t end;

	check_name(tls_pick_name(text, len, "pve1", name, &err), name, &err);
	tls_not_after(text, len, &end);
}

/* The same without base64, which no mutation would get through. */
static void der(const uint8_t *data, size_t size)
{
	struct picked picked = {"", "", ""};
	struct der names;
	struct der one;
	unsigned tag;
	int64_t end;

	find_not_after((struct der){data, size}, &end);
	if (!find_alt_names((struct der){data, size}, &names))
		return;
	while (der_next(&names, &tag, &one)) {
		if (tag == DER_DNS_NAME)
			pick_dns(one, "pve1", &picked);
		else if (tag == DER_IP_ADDRESS)
			pick_ip(one, &picked);
	}
	NEED(strlen(picked.dns) <= DNS_MAX && strlen(picked.below) <= DNS_MAX);
}

static void defaults(const char *text, size_t len)
{
	struct error err = ERROR_INIT;
	char listen[64] = "";
	char address[64];
	int r;

	if (!shell_value(text, len, "LISTEN_IP", listen, sizeof(listen)))
		return;
	NEED(listen[0] && strlen(listen) < sizeof(listen));
	r = choose_address(listen, address, &err);
	if (r < 0)
		check_error(r, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = bytes_of(data, size);

	pem(text, size);
	der((uint8_t *)text, size);
	defaults(text, size);
	return 0;
}
