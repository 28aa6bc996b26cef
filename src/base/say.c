/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines for a person: stdout for what is done, stderr for what is wrong. */
#include "src/base/say.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/progress.h"
#include "src/base/text.h"

/* What all lines of this process begin with: it has one reader. */
static const char *name = "vfhook: ";

/* A socket to syslog or journald, -1: lines go to stdout and stderr alone. */
static int syslog_fd = -1;

void say_into_migration(void)
{
	name = "QEMU: vfhook: ";
}

void say_to_syslog(int root)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	AUTO_CLOSE int log = openat(root, "dev/log", O_PATH | O_CLOEXEC);

	snprintf(to.sun_path, sizeof(to.sun_path), "/proc/self/fd/%d", log);
	syslog_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (syslog_fd >= 0 && connect(syslog_fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		close(syslog_fd);
		syslog_fd = -1;
	}
}

static void put_into_syslog(bool wrong, char *line, size_t len)
{
	char priority[8];
	int n = snprintf(priority, sizeof(priority), "<%d>",
			 LOG_DAEMON | (wrong ? LOG_ERR : LOG_INFO));
	struct iovec parts[] = {{priority, (size_t)n}, {line, len}};
	ssize_t sent = writev(syslog_fd, parts, 2);

	(void)sent; /* nobody waits for a journal that is full */
}

/* One write a line: lines of two VMs in one journal stay whole. */
static void put(FILE *f, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void put(FILE *f, const char *fmt, va_list ap)
{
	char raw[2048];
	char line[32 + sizeof(raw)];
	size_t len = strlen(name);

	vsnprintf(raw, sizeof(raw), fmt, ap);
	snprintf(line, sizeof(line), "%s", name);
	text_clean(raw, line + len, sizeof(raw));
	len = strlen(line);
	if (syslog_fd >= 0)
		put_into_syslog(f == stderr, line, len);
	line[len++] = '\n';
	/* Not through stdio's buffer: it asks what it writes to, and this is all that a start says.
	 */
	fflush(f);
	progress_clear();
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fileno(f), line + done, len - done);

		if (n < 0 && errno != EINTR)
			return;
		done += n > 0 ? (size_t)n : 0;
	}
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(stdout, fmt, ap);
	va_end(ap);
}

void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(stderr, fmt, ap);
	va_end(ap);
}

void say_to_nobody_too(void)
{
	signal(SIGPIPE, SIG_IGN);
}

void say_child(void)
{
	signal(SIGPIPE, SIG_DFL);
}

void say_line(void *arg, const char *line)
{
	(void)arg;
	say("%s", line);
}
