/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A command line, taken apart; what is mistyped, and what was probably meant. */
#include "src/base/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/cleanup.h"
#include "src/base/exit_status.h"
#include "src/base/say.h"

#define MAX_WORD 32

/* Levenshtein's distance of two short words; long ones are far from everything. */
static size_t distance(const char *a, const char *b)
{
	size_t row[MAX_WORD + 1];
	size_t la = strlen(a);
	size_t lb = strlen(b);

	if (la > MAX_WORD || lb > MAX_WORD)
		return MAX_WORD;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t swap = diagonal + (a[i - 1] != b[j - 1]);
			size_t least = row[j] < row[j - 1] ? row[j] : row[j - 1];

			diagonal = row[j];
			row[j] = swap < least + 1 ? swap : least + 1;
		}
	}
	return row[lb];
}

const char *nearest_word(const char *text, const char *const *list, size_t n)
{
	const char *best = NULL;
	size_t least = strlen(text) / 2 + 1;

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(text, list[i]);

		if (d < least) {
			least = d;
			best = list[i];
		}
	}
	return best;
}

static const struct opt *find_opt(const struct opt *opts, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++) {
		if (strlen(opts[i].name) == len && !strncmp(opts[i].name, name, len))
			return &opts[i];
	}
	return NULL;
}

static int unknown_option(const char *command, const char *arg, const struct opt *opts, size_t n)
{
	AUTO_FREE const char **names = calloc(n + 1, sizeof(*names));
	const char *near;
	char word[64];

	for (size_t i = 0; names && i < n; i++)
		names[i] = opts[i].name;
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(arg + 2, "="), arg + 2);
	near = names ? nearest_word(word, names, n) : NULL;
	if (near)
		complain("%s: unknown option '%s', did you mean '--%s'?", command, arg, near);
	else
		complain("%s: unknown option '%s'; see vfhook %s --help", command, arg, command);
	return EXIT_USAGE;
}

/* argv[*i] is an option: takes it, and its value if that is the next word. */
static int take_option(int argc, char **argv, int *i, const struct opt *opts, size_t n)
{
	const char *arg = argv[*i];
	size_t len = strcspn(arg + 2, "=");
	const struct opt *o = find_opt(opts, n, arg + 2, len);
	const char *inline_value = arg[2 + len] ? arg + 2 + len + 1 : NULL;

	if (!o || strncmp(arg, "--", 2) != 0)
		return unknown_option(argv[0], arg, opts, n);
	if (o->flag) {
		if (inline_value) {
			complain("%s: option '--%s' takes no value", argv[0], o->name);
			return EXIT_USAGE;
		}
		*o->flag = true;
		return 0;
	}
	if (*o->value) {
		complain("%s: option '--%s' is there twice", argv[0], o->name);
		return EXIT_USAGE;
	}
	if (!inline_value && *i + 1 >= argc) {
		complain("%s: option '--%s' wants a value", argv[0], o->name);
		return EXIT_USAGE;
	}
	*o->value = inline_value ? inline_value : argv[++*i];
	return 0;
}

int opts_parse(int argc, char **argv, const struct opt *opts, size_t n_opts, const char **args,
	       size_t max, size_t *n_args)
{
	bool options = true;

	*n_args = 0;
	for (int i = 1; i < argc; i++) {
		if (options && !strcmp(argv[i], "--")) {
			options = false;
		} else if (options && argv[i][0] == '-' && argv[i][1]) {
			int r = take_option(argc, argv, &i, opts, n_opts);

			if (r)
				return r;
		} else if (*n_args == max) {
			complain("%s: one argument too many: '%s'; see vfhook %s --help", argv[0],
				 argv[i], argv[0]);
			return EXIT_USAGE;
		} else {
			args[(*n_args)++] = argv[i];
		}
	}
	return 0;
}
