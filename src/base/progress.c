/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drawing it, in a process of its own. */
#include "src/base/progress.h"

#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/clock.h"
#include "src/base/text.h"

#define LINE_LEN 160

/* One standard error, one line on it. */
static bool is_drawn;

static void put(const char *text)
{
	/* A terminal that is gone is nobody's loss. */
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return;
}

static _Noreturn void draw(pid_t parent, const char *what, int limit_ms)
{
	struct deadline end = deadline_in(limit_ms);
	char line[LINE_LEN + 80];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Locks that are held would be held here as well. */
	close_range(3, UINT_MAX, 0);
	while (getppid() == parent) {
		nap_ms(1000);
		if (!limit_ms)
			snprintf(line, sizeof(line), "\r\033[Kvfhook: %s ...\r", what);
		else
			snprintf(line, sizeof(line), "\r\033[Kvfhook: %s, %d s left\r", what,
				 (deadline_left(&end) + 999) / 1000);
		put(line);
	}
	_exit(0);
}

void progress_begin(struct progress *p, int limit_ms, const char *fmt, ...)
{
	char what[LINE_LEN];
	char clean[LINE_LEN];
	pid_t self = getpid();
	va_list ap;

	p->drawer = 0;
	/* TERM is kept only for a terminal that knows nothing but text (src/base/process.c). */
	if (is_drawn || !isatty(STDERR_FILENO) || getenv("TERM"))
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	p->drawer = fork();
	if (!p->drawer)
		draw(self, text_clean(what, clean, sizeof(clean)), limit_ms);
	is_drawn = p->drawer > 0;
}

void progress_clear(void)
{
	if (is_drawn)
		put("\r\033[K");
}

void progress_end(struct progress *p)
{
	if (p->drawer <= 0)
		return;
	kill(p->drawer, SIGKILL);
	waitpid(p->drawer, NULL, 0);
	progress_clear();
	is_drawn = false;
	p->drawer = 0;
}
