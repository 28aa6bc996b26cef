/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spawn ROUNDS FILE [RAW] - the stopwatch: runs what FILE lists in turn (A B C A B C ...), once
 * to warm up and ROUNDS times more, and prints a line for each: name, median, 10th and 90th
 * percentile in microseconds, peak memory in KiB, rounds. RAW gets each round's name and
 * microseconds, warm-up too. A line of FILE, with tabs between:
 *
 *   NAME  HOW  BEFORE  COMMAND
 *
 * BEFORE is run before each round of this line and not timed; "-" for none. HOW is "one":
 * COMMAND is a command; or "row" or "together": COMMAND is a file with a command a line, run
 * one after the other, or started at once; the time is until the last has ended. BEFORE may
 * be such a file too, run one after the other: then it is written @FILE.
 *
 * Words are separated by blanks; no shell is between. A command that does not end with 0
 * ends all, with what it said.
 *
 * The peak memory of a child is never less than ours (exec counts what was there before),
 * so this program stays small.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINES_MAX    32
#define COMMANDS_MAX 256

struct list {
	char ***argv; /* commands, each with NULL at its end */
	size_t n;
};

struct line {
	char *name;
	bool together;
	struct list before;
	struct list commands;
	double *us; /* a time for each round */
	long max_kib;
};

extern char **environ;
static posix_spawn_file_actions_t to_log;
static int log_fd;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "spawn: %s: %s\n", what, why);
	exit(1);
}

static void *must(void *p)
{
	if (!p)
		die("memory", strerror(ENOMEM));
	return p;
}

/* --- What FILE says --- */

static char **split(char *text)
{
	size_t n = 0;
	size_t cap = 8;
	char **argv = must(malloc(cap * sizeof(*argv)));

	for (char *w = strtok(text, " \n"); w; w = strtok(NULL, " \n")) {
		if (n + 1 == cap) {
			cap *= 2;
			argv = must(realloc(argv, cap * sizeof(*argv)));
		}
		argv[n++] = w;
	}
	argv[n] = NULL;
	return argv;
}

static void add(struct list *l, const char *text)
{
	char **argv = split(must(strdup(text)));

	if (!argv[0])
		return;
	if (l->n == COMMANDS_MAX)
		die(text, "too many commands");
	if (!l->argv)
		l->argv = must(calloc(COMMANDS_MAX, sizeof(*l->argv)));
	l->argv[l->n++] = argv;
}

static void add_file(struct list *l, const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!f)
		die(path, strerror(errno));
	while (getline(&text, &size, f) > 0)
		add(l, text);
	free(text);
	fclose(f);
}

static void parse(char *text, struct line *l, size_t rounds)
{
	char *rest = text;
	char *name = strsep(&rest, "\t");
	char *how = strsep(&rest, "\t");
	char *before = strsep(&rest, "\t");
	char *command = strsep(&rest, "\n");

	if (!command)
		die(name, "wanted: NAME, HOW, BEFORE and COMMAND with tabs between");
	*l = (struct line){.name = must(strdup(name)), .together = !strcmp(how, "together")};
	l->us = must(calloc(rounds, sizeof(*l->us)));
	if (*before == '@')
		add_file(&l->before, before + 1);
	else if (strcmp(before, "-") != 0)
		add(&l->before, before);
	if (!strcmp(how, "one"))
		add(&l->commands, command);
	else
		add_file(&l->commands, command);
	if (!l->commands.n)
		die(name, "no command");
}

/* --- Runs --- */

static pid_t start(char **argv)
{
	pid_t pid;
	int r = posix_spawnp(&pid, argv[0], &to_log, NULL, argv, environ);

	if (r)
		die(argv[0], strerror(r));
	return pid;
}

static void tell_failure(char **argv, int status)
{
	static char text[65536];
	ssize_t n = pread(log_fd, text, sizeof(text), 0);

	fflush(stdout);
	for (; *argv; argv++)
		fprintf(stderr, "%s ", *argv);
	fprintf(stderr, "\n%.*s", n > 0 ? (int)n : 0, text);
	die("the command ended wrong",
	    WIFEXITED(status) ? "an exit code other than 0" : "a signal");
}

/* Waits for one; peak memory in *kib. */
static void finish(const struct list *l, const pid_t *pids, long *kib)
{
	struct rusage used;
	int status;
	pid_t pid = wait4(-1, &status, 0, &used);
	size_t i = 0;

	if (pid < 0)
		die("wait", strerror(errno));
	while (i + 1 < l->n && pids[i] != pid)
		i++;
	if (status)
		tell_failure(l->argv[i], status);
	if (used.ru_maxrss > *kib)
		*kib = used.ru_maxrss;
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double run(const struct list *l, bool together, long *kib)
{
	pid_t pids[COMMANDS_MAX];
	double began;

	if (ftruncate(log_fd, 0) < 0)
		die("log", strerror(errno));
	began = now_us();
	for (size_t i = 0; i < l->n; i++) {
		pids[i] = start(l->argv[i]);
		if (!together)
			finish(l, pids, kib);
	}
	for (size_t i = 0; together && i < l->n; i++)
		finish(l, pids, kib);
	return now_us() - began;
}

static void run_line(struct line *l, size_t round, FILE *raw)
{
	long ignored = 0;
	double us;

	run(&l->before, false, &ignored);
	us = run(&l->commands, l->together, &l->max_kib);
	if (round)
		l->us[round - 1] = us;
	if (raw)
		fprintf(raw, "%s\t%.0f\n", l->name, us);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The nearest rank. */
static double percentile(const struct line *l, size_t rounds, unsigned percent)
{
	return l->us[(rounds - 1) * percent / 100];
}

static void report(struct line *l, size_t rounds)
{
	qsort(l->us, rounds, sizeof(*l->us), compare);
	printf("%s\t%.0f\t%.0f\t%.0f\t%ld\t%zu\n", l->name, percentile(l, rounds, 50),
	       percentile(l, rounds, 10), percentile(l, rounds, 90), l->max_kib, rounds);
}

static void open_log(void)
{
	log_fd = open("/tmp", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	if (log_fd < 0)
		die("/tmp", strerror(errno));
	posix_spawn_file_actions_init(&to_log);
	posix_spawn_file_actions_addopen(&to_log, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&to_log, log_fd, 1);
	posix_spawn_file_actions_adddup2(&to_log, log_fd, 2);
}

int main(int argc, char **argv)
{
	static struct line lines[LINES_MAX];
	size_t rounds = argc >= 3 ? strtoul(argv[1], NULL, 10) : 0;
	FILE *raw = argc == 4 ? fopen(argv[3], "we") : NULL;
	char *text = NULL;
	size_t size = 0;
	size_t n = 0;
	FILE *f;

	if (!rounds)
		die("usage", "spawn ROUNDS FILE [RAW]");
	if (argc == 4 && !raw)
		die(argv[3], strerror(errno));
	f = fopen(argv[2], "re");
	if (!f)
		die(argv[2], strerror(errno));
	while (getline(&text, &size, f) > 0) {
		if (n == LINES_MAX)
			die(argv[2], "too many lines");
		parse(text, &lines[n++], rounds);
	}
	open_log();
	for (size_t r = 0; r <= rounds; r++) {
		for (size_t i = 0; i < n; i++)
			run_line(&lines[i], r, raw);
	}
	if (raw && fclose(raw))
		die(argv[3], strerror(errno));
	for (size_t i = 0; i < n; i++)
		report(&lines[i], rounds);
	return 0;
}
