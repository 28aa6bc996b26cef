/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's command line, read and edited; modprobe's lines; grub's. max_len=256 */
#include "src/host/cmdline.h"
#include "src/host/host_facts.h"
#include "tests/fuzz/fuzz.h"

static const char *const words[] = {"intel_iommu=on", "iommu=pt"};

static bool quotes_closed(const char *text)
{
	bool open = false;

	for (; *text && *text != '\n'; text++)
		open = open != (*text == '"');
	return !open;
}

static void edit(const char *text)
{
	CLEANUP(str_free) struct str added = STR_INIT;
	CLEANUP(str_free) struct str twice = STR_INIT;
	CLEANUP(str_free) struct str removed = STR_INIT;
	bool had = cmdline_has(text, words[0]) || cmdline_has(text, words[1]);

	cmdline_add(text, words, 2, &added);
	cmdline_remove(str_get(&added), words, 2, &removed);
	NEED(!cmdline_has(str_get(&removed), words[0]));
	NEED(!cmdline_has(str_get(&removed), words[1]));
	NEED(!strcmp(text + strcspn(text, "\n"),
		     str_get(&removed) + strcspn(str_get(&removed), "\n")));
	if (!quotes_closed(text))
		return;
	NEED(cmdline_has(str_get(&added), words[0]) && cmdline_has(str_get(&added), words[1]));
	NEED(cmdline_has_value(str_get(&added), "intel_iommu", "on"));
	cmdline_add(str_get(&added), words, 2, &twice);
	NEED(!strcmp(str_get(&added), str_get(&twice)));
	/* What was put behind a line is taken off again, blanks at its end apart. */
	if (!had)
		NEED(!strncmp(text, str_get(&removed), strcspn(str_get(&removed), "\n")));
}

static void no_leading_blank(const char *text)
{
	CLEANUP(str_free) struct str removed = STR_INIT;

	/* Only one blank goes with a word. */
	for (const char *at = text; *at; at++) {
		if (is_blank(*at) && (at == text || is_blank(at[-1])))
			return;
	}
	cmdline_remove(text, words, 2, &removed);
	NEED(!is_blank(str_get(&removed)[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = text_of(data, size);
	CLEANUP(str_free) struct str grub = STR_INIT;
	char value[16];

	edit(text);
	no_leading_blank(text);
	if (cmdline_get(text, "vfio-pci.ids", value, sizeof(value)))
		NEED(strlen(value) < sizeof(value));
	vfio_ids_have(text, "8086:10ca");
	grub_words(text, &grub);
	NEED(grub.len <= size);
	return 0;
}
