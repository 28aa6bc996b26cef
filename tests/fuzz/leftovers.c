/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scripts and units that set VFs by hand. max_len=512 */
#include "src/check/check_leftovers.c"
#include "tests/fuzz/fuzz.h"

/* It shows the line that it names, and nothing of the next one. */
static void check_finding(const struct finding *f, const char *text)
{
	const char *shown = strstr(f->text, "by hand: ");
	unsigned number;

	NEED(is_printable(f->text) && is_printable(f->remedy));
	/* Those that are too many are told in one sum. */
	if (sscanf(f->text, "/etc/rc.local:%u ", &number) != 1)
		return;
	while (--number)
		text += strcspn(text, "\n") + 1;
	NEED(shown && strlen(shown + 9) <= strcspn(text, "\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = text_of(data, size);
	struct leftover_file file = {.root = -1, .text = text};
	struct report r = {0};
	struct search s = {.root = -1, .r = &r};
	const struct place place = {.path = "etc/rc.local", .by = ""};
	const struct place caller = {.source = SOURCE_CALLER, .path = "etc/crontab", .by = ""};
	const struct place unit = {.source = SOURCE_UNIT, .path = "x", .by = "x.service"};
	unsigned number = 1;

	/* Without a root no file is found behind a path that a line names. */
	for (const char *line = text; *line; number++) {
		enum leftover what = leftover_of_line(line);

		if (what != LEFTOVER_NONE)
			tell(&s, &place, number, line, what);
		leftover_is_others(&file, line);
		follow_line(&s, line, &unit);
		follow_line(&s, line, &caller);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	for (size_t i = 0; i < r.n; i++)
		check_finding(&r.list[i], text);
	report_free(&r);
	return 0;
}
