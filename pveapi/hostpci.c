/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hostpciN value, part by part, as PVE reads it. */
#include "pveapi/hostpci.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pveapi/lines.h"
#include "pveapi/mapping.h"
#include "src/base/cleanup.h"

#define HOSTPCI_MAX_LEN 4096

void hostpci_clear(struct hostpci *h)
{
	free(h->raw);
	free(h->mapping);
	free(h->host);
	free(h->rest);
	*h = (struct hostpci){0};
}

/* One of the ids in a host= list: "[domain:]bus:dev[.fn]". */
static int parse_host_addr(struct span s, struct pci_addr *a, bool *whole_device)
{
	char text[32];

	if (!s.len || s.len > sizeof(text) - 3)
		return -EINVAL;
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	*whole_device = !strchr(text, '.');
	if (*whole_device)
		memcpy(text + s.len, ".0", 3);
	return pci_addr_parse(text, a);
}

int hostpci_each_addr(const struct hostpci *h,
		      int (*fn)(const struct pci_addr *a, bool whole_device, void *arg), void *arg)
{
	struct span rest = {h->host, h->host ? strlen(h->host) : 0};
	struct span part;

	while (span_cut(&rest, ';', &part)) {
		struct pci_addr a;
		bool whole;
		int r = parse_host_addr(part, &a, &whole);

		if (!r)
			r = fn(&a, whole, arg);
		if (r)
			return r;
	}
	return 0;
}

static int no_check(const struct pci_addr *a, bool whole_device, void *arg)
{
	(void)a;
	(void)whole_device;
	(void)arg;
	return 0;
}

static int set_once(char **to, struct span value, const char *key, struct error *err)
{
	if (*to)
		return fail(err, EINVAL, "%s is there twice", key);
	*to = strndup(value.p, value.len);
	return *to ? 0 : fail(err, ENOMEM, "out of memory");
}

/* The key of "key=value"; the part itself goes to rest, but not twice with the same key. */
static int take_other(struct span part, size_t key_len, struct str *rest, struct error *err)
{
	struct span seen = {str_get(rest), rest->len};
	struct span old;

	while (span_cut(&seen, ',', &old)) {
		if (old.len > key_len && !memcmp(old.p, part.p, key_len + 1)) {
			char buf[SPAN_CLEAN_LEN];

			return fail(err, EINVAL, "%s is there twice",
				    span_clean((struct span){part.p, key_len}, buf));
		}
	}
	if (rest->len)
		str_append(rest, ",");
	str_append_len(rest, part.p, part.len);
	return 0;
}

/* PVE/JSONSchema.pm: parse_property_string; "host" is the key that may be left out. */
static int take_part(struct span part, struct hostpci *h, struct str *rest, struct error *err)
{
	const char *eq = memchr(part.p, '=', part.len);
	struct span key;
	struct span value;

	if (!span_trim(part).len)
		return 0;
	if (!eq)
		return set_once(&h->host, part, "host", err);
	key = (struct span){part.p, (size_t)(eq - part.p)};
	value = (struct span){eq + 1, part.len - key.len - 1};
	if (!key.len || !value.len) {
		char buf[SPAN_CLEAN_LEN];

		return fail(err, EINVAL, "\"%s\" is no key=value", span_clean(part, buf));
	}
	if (span_is(key, "host"))
		return set_once(&h->host, value, "host", err);
	if (span_is(key, "mapping"))
		return set_once(&h->mapping, value, "mapping", err);
	h->keep_driver = h->keep_driver || (span_is(key, "driver") && span_is(value, "keep"));
	return take_other(part, key.len, rest, err);
}

static int check_device(const struct hostpci *h, struct error *err)
{
	char buf[SPAN_CLEAN_LEN];

	if (h->host && h->mapping)
		return fail(err, EINVAL, "both a host address and a mapping");
	if (!h->host && !h->mapping)
		return fail(err, EINVAL, "neither a host address nor a mapping");
	if (h->mapping && !mapping_id_valid(h->mapping))
		return fail(err, EINVAL, "\"%s\" is no mapping id",
			    span_clean((struct span){h->mapping, strlen(h->mapping)}, buf));
	if (h->host && hostpci_each_addr(h, no_check, NULL) < 0)
		return fail(err, EINVAL, "\"%s\" is no PCI address",
			    span_clean((struct span){h->host, strlen(h->host)}, buf));
	return 0;
}

static int hostpci_fill(struct span value, struct hostpci *h, struct error *err)
{
	CLEANUP(str_free) struct str rest = STR_INIT;
	struct span left = value;
	struct span part;
	int r;

	/* Real ones have some dozens; looking for keys that repeat takes the square of it. */
	if (value.len > HOSTPCI_MAX_LEN)
		return fail(err, EINVAL, "longer than %d bytes", HOSTPCI_MAX_LEN);
	while (span_cut(&left, ',', &part)) {
		r = take_part(part, h, &rest, err);
		if (r < 0)
			return r;
	}
	r = check_device(h, err);
	if (r < 0)
		return r;
	h->present = true;
	h->raw = strndup(value.p, value.len);
	h->rest = str_take(&rest);
	return h->raw && h->rest ? 0 : fail(err, ENOMEM, "out of memory");
}

int hostpci_parse_span(struct span value, struct hostpci *out, struct error *err)
{
	int r;

	*out = (struct hostpci){0};
	r = hostpci_fill(value, out, err);
	if (r < 0)
		hostpci_clear(out);
	return r;
}

int hostpci_parse(const char *value, struct hostpci *out, struct error *err)
{
	return hostpci_parse_span((struct span){value, strlen(value)}, out, err);
}
