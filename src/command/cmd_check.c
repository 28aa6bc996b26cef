/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfhook check: is everything there that a VM with a VF needs? */
#include <stdio.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/json.h"
#include "src/base/say.h"
#include "src/check/check_all.h"
#include "src/check/report.h"
#include "src/command/command.h"
#include "src/port/context.h"

static void print_text(const struct report *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct finding *f = &r->list[i];

		printf("%s  %s%s%s\n", check_level_name(f->level), f->subject,
		       f->subject[0] ? ": " : "", f->text);
		if (f->remedy[0])
			printf("      -> %s\n", f->remedy);
	}
	printf("%zu passed, %zu warnings, %zu failed\n", check_count(r, CHECK_PASS),
	       check_count(r, CHECK_WARN), check_count(r, CHECK_FAIL));
	fflush(stdout);
}

static int print_json(const struct report *r, enum output_format format)
{
	AUTO_JSON json_t *list = json_array();
	AUTO_JSON json_t *all = NULL;

	for (size_t i = 0; i < r->n; i++) {
		const struct finding *f = &r->list[i];

		json_array_append_new(list, json_pack("{s:s s:s s:s s:s s:s}", "level",
						      check_level_name(f->level), "check", f->id,
						      "subject", f->subject, "text", f->text,
						      "remedy", f->remedy));
	}
	all = json_pack("{s:s s:O}", "worst", check_level_name(report_worst(r)), "findings", list);
	return output_json(all, format);
}

static int run(struct hook *h, int argc, char **argv)
{
	CLEANUP(report_free) struct report r = {0};
	const char *format_text = NULL;
	const struct opt opts[] = {{"output-format", &format_text, NULL}};
	enum output_format format;
	const char *args[1];
	size_t n_args;

	if (opts_parse(argc, argv, opts, ARRAY_SIZE(opts), args, 0, &n_args) ||
	    output_format_parse(format_text, &format))
		return EXIT_USAGE;
	check_all(h, &r);
	if (r.failed) {
		complain("out of memory: the report is not complete");
		return EXIT_REFUSED;
	}
	if (format == OUTPUT_TEXT)
		print_text(&r);
	else if (print_json(&r, format))
		return EXIT_REFUSED;
	return report_worst(&r) == CHECK_FAIL ? EXIT_REFUSED : EXIT_DONE;
}

const struct command cmd_check = {
	.name = "check",
	.summary = "is everything there that a VM with a VF needs?",
	.help = "Usage: vfhook check [--output-format text|json|json-pretty]\n"
		"\n"
		"Looks at the host, its PFs and Proxmox VE, and changes nothing. Each\n"
		"requirement is one line: PASS, WARN or FAIL, and below it how to mend it. Exit\n"
		"status 1 if anything FAILs.\n",
	.run = run,
	.without_pve = "",
};
