/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Properties of hostpciN that a person asks for, held against what PVE takes, and put into a value.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pveapi/hostpci.h"
#include "src/base/cleanup.h"

enum form { FORM_SWITCH, FORM_ID, FORM_FILE, FORM_DRIVER, FORM_DEVICE, FORM_MDEV };

/* PVE::QemuServer::PCI: $hostpci_fmt; driver since 2025-11. */
static const struct option {
	const char *name;
	enum form form;
} options[] = {
	{"rombar", FORM_SWITCH}, {"romfile", FORM_FILE},      {"pcie", FORM_SWITCH},
	{"x-vga", FORM_SWITCH},	 {"legacy-igd", FORM_SWITCH}, {"vendor-id", FORM_ID},
	{"device-id", FORM_ID},	 {"sub-vendor-id", FORM_ID},  {"sub-device-id", FORM_ID},
	{"driver", FORM_DRIVER}, {"mapping", FORM_DEVICE},    {"host", FORM_DEVICE},
	{"mdev", FORM_MDEV},
};

#define KNOWN                                                                                      \
	"rombar, romfile, pcie, x-vga, legacy-igd, vendor-id, device-id, sub-vendor-id, "          \
	"sub-device-id, driver"

static const struct option *find_option(struct span key)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (span_is(key, options[i].name))
			return &options[i];
	}
	return NULL;
}

/* "0x8086" */
static bool is_id(const char *v)
{
	return !strncmp(v, "0x", 2) && strlen(v) == 6 &&
	       strspn(v + 2, "0123456789abcdefABCDEF") == 4;
}

static int check_value(const struct option *o, const char *v, bool *pcie, struct error *err)
{
	bool on = false;

	switch (o->form) {
	case FORM_SWITCH:
		if (parse_bool(v, &on) < 0)
			return fail(err, EINVAL, "'%s' is 1 or 0", o->name);
		if (on && !strcmp(o->name, "pcie"))
			*pcie = true;
		return 0;
	case FORM_ID:
		return is_id(v) ? 0 : fail(err, EINVAL, "'%s' is like 0x8086", o->name);
	case FORM_FILE:
		return strspn(v, "/") || strchr(v, ';') || strstr(v, "..")
			       ? fail(err, EINVAL, "'%s' is a file below /usr/share/kvm", o->name)
			       : 0;
	case FORM_DRIVER:
		return strcmp(v, "keep") != 0 && strcmp(v, "vfio") != 0
			       ? fail(err, EINVAL, "'%s' is keep or vfio", o->name)
			       : 0;
	case FORM_DEVICE:
		return fail(err, EINVAL,
			    "'%s' says which device it is, and that is the port's: vfhook writes "
			    "its mapping",
			    o->name);
	default:
		return fail(err, EINVAL,
			    "'%s' is for mediated devices, and a port is a VF of its own", o->name);
	}
}

static int check_part(struct span part, bool *pcie, struct error *err)
{
	const char *eq = memchr(part.p, '=', part.len);
	struct span key = {part.p, eq ? (size_t)(eq - part.p) : part.len};
	const struct option *o = find_option(key);
	char buf[SPAN_CLEAN_LEN];
	char value[128];
	size_t len;

	/* PVE takes a part without a name for the host's address. */
	if (!eq)
		return fail(err, EINVAL, "\"%s\" is no key=value", span_clean(part, buf));
	if (!o)
		return fail(err, EINVAL, "PVE's hostpci has no '%s' (it has " KNOWN ")",
			    span_clean(key, buf));
	len = part.len - key.len - 1;
	if (!len || len >= sizeof(value))
		return fail(err, EINVAL, "'%s' has no value, or too long a one", o->name);
	snprintf(value, sizeof(value), "%.*s", (int)len, eq + 1);
	for (const char *at = value; *at; at++) {
		if (*at <= ' ' || *at > '~')
			return fail(err, EINVAL, "'%s' has a character that PVE would not take",
				    o->name);
	}
	return check_value(o, value, pcie, err);
}

/* The part of the list that has the key of that part; {NULL}: none. */
static struct span same_key(struct span list, struct span part)
{
	const char *eq = memchr(part.p, '=', part.len);
	size_t len = eq ? (size_t)(eq - part.p) + 1 : part.len;
	struct span at;

	while (span_cut(&list, ',', &at)) {
		if (at.len >= len && !memcmp(at.p, part.p, len))
			return at;
	}
	return (struct span){NULL, 0};
}

int hostpci_options_check(const char *text, bool *pcie, struct error *err)
{
	struct span left = {text, strlen(text)};
	struct span part;

	*pcie = false;
	if (!left.len)
		return fail(err, EINVAL, "it is empty");
	while (span_cut(&left, ',', &part)) {
		char buf[SPAN_CLEAN_LEN];

		if (check_part(part, pcie, err) < 0)
			return error_code(err);
		if (same_key(left, part).p)
			return fail(err, EINVAL, "\"%s\" is there twice", span_clean(part, buf));
	}
	return 0;
}

bool hostpci_has_options(const char *value, const char *wanted)
{
	struct span left = {wanted, strlen(wanted)};
	struct span all = {value, strlen(value)};
	struct span part;

	while (span_cut(&left, ',', &part)) {
		struct span has = same_key(all, part);

		if (!has.p || has.len != part.len || memcmp(has.p, part.p, part.len) != 0)
			return false;
	}
	return true;
}

char *hostpci_with_options(const char *value, const char *wanted)
{
	struct span all = {wanted, strlen(wanted)};
	struct span left = {value, strlen(value)};
	struct str out = STR_INIT;
	struct span part;

	while (span_cut(&left, ',', &part)) {
		if (same_key(all, part).p)
			continue;
		str_append(&out, out.len ? "," : "");
		str_append_len(&out, part.p, part.len);
	}
	str_printf(&out, "%s%s", out.len ? "," : "", wanted);
	return str_take(&out);
}
