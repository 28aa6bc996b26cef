/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judging the token's file and form, with no copy of the secret left in memory. */
#include "pveapi/rest_token.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/cleanup.h"

static int token_not_regular(struct error *err)
{
	return fail(err, EINVAL,
		    "/" VFHOOK_TOKEN_PATH " is not a regular file: remove it, make a token "
		    "with " REST_TOKEN_MAKE);
}

/* The file, not what a link there points to. A FIFO or a device does not hold us up. */
static int open_token(int root, struct error *err)
{
	int fd = openat(root, VFHOOK_TOKEN_PATH,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return fail(err, ENOENT,
			    "/" VFHOOK_TOKEN_PATH
			    " is not there: make a token with " REST_TOKEN_MAKE);
	if (errno == ELOOP || errno == ENXIO)
		return token_not_regular(err);
	return fail_errno(err, errno, "/" VFHOOK_TOKEN_PATH);
}

/* Asked of the open file: what is read is what was judged, whoever replaces it meanwhile. */
static int check_token_file(int fd, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_errno(err, errno, "/" VFHOOK_TOKEN_PATH);
	if (!S_ISREG(st.st_mode))
		return token_not_regular(err);
	if (st.st_uid && st.st_uid != geteuid())
		return fail(err, EPERM,
			    "/" VFHOOK_TOKEN_PATH " belongs to user %u: `chown root "
			    "/" VFHOOK_TOKEN_PATH "` (and make a new token: that user knows this "
			    "one)",
			    (unsigned)st.st_uid);
	if (st.st_mode & 077)
		return fail(err, EPERM,
			    "/" VFHOOK_TOKEN_PATH " has mode %04o, others may read it: `chmod 600 "
			    "/" VFHOOK_TOKEN_PATH "`",
			    st.st_mode & 07777);
	return 0;
}

static size_t run_of(const char *s, const char *more)
{
	size_t n = 0;

	while (s[n] && ((unsigned char)s[n] < 0x80) &&
	       (isalnum((unsigned char)s[n]) || strchr(more, s[n])))
		n++;
	return n;
}

/*
 * user@realm!tokenid=secret. Stricter than PVE about the user's name (PVE/AccessControl.pm), so
 * that nothing in it needs quoting anywhere.
 */
static bool is_token(const char *s)
{
	size_t n = run_of(s, "._-");

	if (!n || s[n] != '@')
		return false;
	s += n + 1;
	n = run_of(s, "._-");
	if (!n || s[n] != '!')
		return false;
	s += n + 1;
	n = run_of(s, "._-");
	if (!n || s[n] != '=')
		return false;
	s += n + 1;
	n = run_of(s, "-");
	return n >= 8 && !s[n];
}

/* Straight to the caller's memory: no copy of the secret is left in a buffer. */
static ssize_t read_token_text(int fd, char *token, struct error *err)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, token + len, REST_TOKEN_MAX - len);
		if (n > 0)
			len += (size_t)n;
	} while (len < REST_TOKEN_MAX && (n > 0 || (n < 0 && errno == EINTR)));
	if (n < 0)
		return fail_errno(err, errno, "read /" VFHOOK_TOKEN_PATH);
	if (len == REST_TOKEN_MAX)
		return fail(err, EFBIG, "/" VFHOOK_TOKEN_PATH " is larger than %d bytes",
			    (int)REST_TOKEN_MAX - 1);
	return (ssize_t)len;
}

int rest_token_read(int root, char *token, struct error *err)
{
	AUTO_CLOSE int fd = open_token(root, err);
	ssize_t len;
	int r;

	if (fd < 0)
		return fd;
	r = check_token_file(fd, err);
	if (r < 0)
		return r;
	len = read_token_text(fd, token, err);
	if (len < 0) {
		explicit_bzero(token, REST_TOKEN_MAX);
		return (int)len;
	}
	while (len && token[len - 1] && strchr("\r\n\t ", token[len - 1]))
		len--;
	token[len] = '\0';
	if (strlen(token) != (size_t)len || !is_token(token)) {
		explicit_bzero(token, REST_TOKEN_MAX);
		return fail(err, EINVAL,
			    "/" VFHOOK_TOKEN_PATH " has not the form user@realm!id=secret: make a "
			    "token with " REST_TOKEN_MAKE);
	}
	return 0;
}

int rest_token_check(int root, struct error *err)
{
	char token[REST_TOKEN_MAX];
	int r = rest_token_read(root, token, err);

	explicit_bzero(token, sizeof(token));
	return r;
}

int rest_token_name(int root, char *name, size_t size, struct error *err)
{
	char token[REST_TOKEN_MAX];
	size_t len;
	int r = rest_token_read(root, token, err);

	if (r < 0)
		return r;
	len = strcspn(token, "=");
	if (len < size)
		snprintf(name, size, "%.*s", (int)len, token);
	explicit_bzero(token, sizeof(token));
	return len < size
		       ? 0
		       : fail(err, EINVAL, "/" VFHOOK_TOKEN_PATH ": the token's name is too long");
}
