/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What commands print in the same way: their help, and JSON. */
#include "src/command/command.h"

#include <stdio.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"

int command_help(const struct command *c)
{
	fputs(c->help, stdout);
	if (c->help_more)
		c->help_more(stdout);
	if (c->help_end)
		fputs(c->help_end, stdout);
	return fflush(stdout) ? EXIT_REFUSED : EXIT_DONE;
}

static const char *const formats[] = {[OUTPUT_TEXT] = "text",
				      [OUTPUT_JSON] = "json",
				      [OUTPUT_JSON_PRETTY] = "json-pretty",
				      [OUTPUT_SVG] = "svg"};

static bool format_find(const char *text, size_t n, enum output_format *out)
{
	*out = OUTPUT_TEXT;
	for (size_t i = 0; text && i < n; i++) {
		if (!strcmp(text, formats[i])) {
			*out = (enum output_format)i;
			return true;
		}
	}
	return !text;
}

int output_format_parse(const char *text, enum output_format *out)
{
	if (format_find(text, OUTPUT_SVG, out))
		return 0;
	complain("--output-format is text, json or json-pretty, not '%s'", text);
	return EXIT_USAGE;
}

int output_format_parse_svg(const char *text, enum output_format *out)
{
	if (format_find(text, ARRAY_SIZE(formats), out))
		return 0;
	complain("--output-format is text, json, json-pretty or svg, not '%s'", text);
	return EXIT_USAGE;
}

int output_json(const json_t *j, enum output_format format)
{
	size_t flags = JSON_ENCODE_ANY | JSON_SORT_KEYS;
	AUTO_FREE char *text = json_dumps(
		j, flags | (format == OUTPUT_JSON_PRETTY ? JSON_INDENT(3) : JSON_COMPACT));

	if (!text || puts(text) < 0 || fflush(stdout)) {
		complain("cannot write the output");
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}
