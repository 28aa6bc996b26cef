/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The terminal: its modes, what is on it, and its keys. */
#include "src/show/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/clock.h"
#include "src/base/text.h"

/* Another page than the one with the shell's own lines; no cursor. */
#define BEGIN "\033[?1049h\033[?25l\033[2J"
#define END   "\033[?25h\033[?1049l"

#define LEAST_COLUMNS 20
#define LEAST_LINES   4
/* The rest of what an arrow key sends comes at once, over a slow line within this. */
#define ESCAPE_MS 50

struct screen {
	struct termios was;
	char **lines; /* what is on it */
	size_t n;
	size_t columns;
};

static volatile sig_atomic_t ended;
static volatile sig_atomic_t stopped;
static volatile sig_atomic_t resized;
static volatile pid_t child;

static void on_signal(int number)
{
	if (number == SIGTSTP)
		stopped = 1;
	else if (number == SIGWINCH)
		resized = 1;
	else
		ended = 1;
}

static void pass_on(int number)
{
	if (child > 0)
		kill(child, number);
}

bool screen_possible(void)
{
	/* TERM is kept only for a terminal that knows nothing but text (src/base/process.c). */
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !getenv("TERM");
}

static bool put(const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, text, len);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static void forget(struct screen *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->lines[i]);
	free(s->lines);
	s->lines = NULL;
	s->n = 0;
}

static void begin(struct screen *s)
{
	struct termios now = s->was;

	now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	now.c_cc[VMIN] = 1;
	now.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &now);
	put(BEGIN, sizeof(BEGIN) - 1);
	forget(s);
}

static void end(struct screen *s)
{
	put(END, sizeof(END) - 1);
	tcsetattr(STDIN_FILENO, TCSANOW, &s->was);
}

static void on_signals(void (*handler)(int), const int *signals, size_t n)
{
	struct sigaction act = {.sa_handler = handler};

	for (size_t i = 0; i < n; i++)
		sigaction(signals[i], &act, NULL);
}

static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/* Blocked but while we wait: none gets lost between a look at a flag and the wait. */
static void block_signals(void)
{
	static const int others[] = {SIGTSTP, SIGWINCH};
	sigset_t all;

	sigemptyset(&all);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		sigaddset(&all, ends[i]);
	sigaddset(&all, SIGTSTP);
	sigaddset(&all, SIGWINCH);
	sigprocmask(SIG_BLOCK, &all, NULL);
	on_signals(on_signal, ends, ARRAY_SIZE(ends));
	on_signals(on_signal, others, ARRAY_SIZE(others));
}

static int draw_in_child(struct screen *s, int (*fn)(struct screen *, void *), void *arg)
{
	int r;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	block_signals();
	begin(s);
	r = fn(s, arg);
	end(s);
	return r;
}

/* Until the child has ended. It stops (Ctrl-Z) once the terminal is put back: then so do we. */
static int guard(void)
{
	int status = 0;

	for (;;) {
		if (waitpid(child, &status, WUNTRACED) < 0) {
			if (errno != EINTR)
				return status;
		} else if (WIFSTOPPED(status)) {
			raise(SIGSTOP);
			kill(child, SIGCONT);
		} else {
			return status;
		}
	}
}

int screen_run(int (*fn)(struct screen *s, void *arg), void *arg)
{
	struct screen s = {0};
	int status;

	if (tcgetattr(STDIN_FILENO, &s.was) < 0)
		return -1;
	child = fork();
	if (child < 0)
		return -1;
	if (!child)
		_exit(draw_in_child(&s, fn, arg));
	on_signals(pass_on, ends, ARRAY_SIZE(ends));
	signal(SIGTSTP, SIG_IGN);
	status = guard();
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	end(&s);
	return 1;
}

void screen_size(struct screen *s, size_t *columns, size_t *lines)
{
	struct winsize ws = {0};

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws);
	*columns = ws.ws_col ? ws.ws_col : 80;
	*lines = ws.ws_row ? ws.ws_row : 24;
	if (*columns < LEAST_COLUMNS)
		*columns = LEAST_COLUMNS;
	if (*lines < LEAST_LINES)
		*lines = LEAST_LINES;
	if (s->columns != *columns)
		forget(s);
	s->columns = *columns;
}

/* --- Drawing --- */

/* Line i becomes that, if it is not already. What was there is cleared first: behind a line as wide
 * as the screen the cursor stands on its last column. */
static bool draw_line(struct screen *s, size_t i, const char *text, size_t len, struct str *out)
{
	if (s->lines[i] && strlen(s->lines[i]) == len && !memcmp(s->lines[i], text, len))
		return true;
	free(s->lines[i]);
	s->lines[i] = strndup(text, len);
	str_printf(out, "\033[%zu;1H\033[2K", i + 1);
	str_append_len(out, text, len);
	return s->lines[i];
}

static bool make_room(struct screen *s, size_t lines, struct str *out)
{
	if (s->lines && s->n == lines)
		return true;
	forget(s);
	str_append(out, "\033[2J");
	s->lines = calloc(lines, sizeof(*s->lines));
	s->n = s->lines ? lines : 0;
	return s->lines;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

bool screen_draw(struct screen *s, const char *text, size_t *top, const char *footer)
{
	CLEANUP(str_free) struct str out = STR_INIT;
	size_t all = count_lines(text);
	size_t columns;
	size_t lines;
	bool good;

	screen_size(s, &columns, &lines);
	if (*top + lines - 1 > all)
		*top = all > lines - 1 ? all - (lines - 1) : 0;
	for (size_t i = 0; i < *top; i++)
		text = strchr(text, '\n') + 1;
	good = make_room(s, lines, &out);
	for (size_t i = 0; good && i < lines - 1; i++) {
		size_t len = strcspn(text, "\n");

		good = draw_line(s, i, text, len, &out);
		text += len + (text[len] == '\n');
	}
	return good && draw_line(s, lines - 1, footer, strlen(footer), &out) && str_ok(&out) &&
	       put(str_get(&out), out.len);
}

/* --- Keys --- */

/* Is there a byte within so many milliseconds? -1: a signal came. */
static int is_ready(int64_t ms)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	sigset_t none;
	int n;

	sigemptyset(&none);
	n = ppoll(&in, 1, &t, &none);
	return n < 0 ? -1 : n > 0;
}

static int next_byte(void)
{
	unsigned char c;

	return read(STDIN_FILENO, &c, 1) == 1 ? c : KEY_END;
}

/* ESC [ A, ESC O A, ESC [ 5 ~. */
static int escape_key(void)
{
	int c;

	if (is_ready(ESCAPE_MS) != 1)
		return KEY_ESCAPE;
	c = next_byte();
	if ((c != '[' && c != 'O') || is_ready(ESCAPE_MS) != 1)
		return KEY_NONE;
	c = next_byte();
	for (int i = 0; c >= '0' && c <= '9' && i < 4 && is_ready(ESCAPE_MS) == 1; i++) {
		int after = next_byte();

		if (after == '~')
			return c == '5' ? KEY_PAGE_UP : c == '6' ? KEY_PAGE_DOWN : KEY_HOME;
		c = after;
	}
	return c == 'A' ? KEY_UP : c == 'B' ? KEY_DOWN : c == 'H' ? KEY_HOME : KEY_NONE;
}

/* Signals first: KEY_NONE if there was none. */
static int signal_key(struct screen *s)
{
	if (ended)
		return KEY_END;
	if (stopped) {
		stopped = 0;
		end(s);
		raise(SIGSTOP);
		begin(s);
		return KEY_REDRAW;
	}
	if (resized) {
		resized = 0;
		forget(s);
		return KEY_REDRAW;
	}
	return KEY_NONE;
}

int screen_key(struct screen *s, int64_t ms)
{
	int n = is_ready(ms);
	int key = signal_key(s);

	if (key != KEY_NONE || n != 1)
		return key;
	key = next_byte();
	if (key == '\033')
		return escape_key();
	return key == 0x7f || key == '\b' ? KEY_BACK : key;
}
