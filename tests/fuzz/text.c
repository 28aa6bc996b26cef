/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is shown of text from outside; numbers and addresses. max_len=256 */
#include "src/show/table.h"
#include "pveapi/mapping.h"
#include "pveapi/rest.h"
#include "tests/fuzz/fuzz.h"

static void clean(const char *text, size_t room)
{
	AUTO_FREE char *buf = malloc(room);
	AUTO_FREE char *again = malloc(room);

	NEED(buf && again);
	NEED(text_clean(text, buf, room) == buf);
	NEED(strlen(buf) < room && is_printable(buf));
	NEED(!strcmp(text_clean(buf, again, room), buf));
}

static void fit(const char *text, size_t width)
{
	CLEANUP(str_free) struct str out = STR_INIT;
	CLEANUP(str_free) struct str again = STR_INIT;
	size_t used = text_fit(text, width, &out);

	NEED(used <= width && is_printable(str_get(&out)));
	NEED(text_fit(str_get(&out), width, &again) == used);
	NEED(!strcmp(str_get(&out), str_get(&again)));
}

static void check_lines(const char *text, size_t width)
{
	for (const char *at = text; *at;) {
		size_t len = strcspn(at, "\n");
		AUTO_FREE char *line = text_of((const uint8_t *)at, len);
		CLEANUP(str_free) struct str out = STR_INIT;

		NEED(is_printable(line));
		NEED(text_fit(line, SIZE_MAX, &out) <= width);
		at += len + (at[len] == '\n');
	}
}

static void print(const char *text, size_t width)
{
	static const struct column columns[] = {{"A", 4, 0, 0, false, false},
						{"B", 3, 8, 1, true, false},
						{"C", 0, 0, 2, false, true}};
	CLEANUP(table_free) struct table t;
	CLEANUP(str_free) struct str out = STR_INIT;
	CLEANUP(str_free) struct str words = STR_INIT;

	table_init(&t, columns, ARRAY_SIZE(columns));
	table_row(&t);
	for (size_t c = 0; c < ARRAY_SIZE(columns); c++)
		table_cell(&t, c, STYLE_BAD, "%s", text);
	table_print(&t, width < 16 ? 16 : width, false, &out);
	NEED(!out.failed && out.len);
	check_lines(str_get(&out), width < 16 ? 16 : width);
	paragraph_print(text, 4, width, STYLE_PLAIN, false, &words);
	if (width >= 2)
		check_lines(str_get(&words), width);
}

static void parse(const char *text)
{
	struct pci_addr a;
	struct pci_addr b;
	char buf[64];
	uint8_t mac[6];
	uint8_t mac2[6];
	uint64_t n;
	bool flag;

	if (!pci_addr_parse(text, &a)) {
		NEED(!pci_addr_parse(pci_addr_format(&a, buf), &b) && !pci_addr_cmp(&a, &b));
		NEED(strlen(buf) < PCI_ADDR_LEN);
	}
	if (!mac_parse(text, mac))
		NEED(!mac_parse(mac_format(mac, buf), mac2) && !memcmp(mac, mac2, 6));
	if (!parse_u64(text, UINT64_MAX, &n)) {
		snprintf(buf, sizeof(buf), "%llu", (unsigned long long)n);
		NEED(!strcmp(buf, text + (text[0] == '0' ? strspn(text, "0") - !n : 0)));
	}
	parse_bool(text, &flag);
	NEED(!is_plain_name(text, 20) || (strlen(text) <= 20 && is_printable(text)));
	NEED(!mapping_id_valid(text) || is_printable(text));
}

static void escape(const char *text)
{
	CLEANUP(str_free) struct str out = STR_INIT;

	rest_escape(&out, text);
	NEED(strspn(str_get(&out), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "-._~%") == out.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned width = last_byte(data, &size);
	AUTO_FREE char *text = text_of(data, size);

	clean(text, width + 1);
	fit(text, width);
	print(text, width);
	parse(text);
	escape(text);
	return 0;
}
