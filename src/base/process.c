/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process of ours gets rid of before anything else. */
#include "src/base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/cleanup.h"
#include "src/base/say.h"

/*
 * Two facts about who looks at our output outlive the environment: NO_COLOR is
 * set if colour is not wanted (https://no-color.org), TERM if it is a terminal that
 * only knows text.
 */
static bool keep_output_facts(bool no_colour, bool dumb)
{
	return (!no_colour || !setenv("NO_COLOR", "1", 1)) && (!dumb || !setenv("TERM", "dumb", 1));
}

/*
 * Standard descriptors must exist, or a file that we open would become one of them. poll(2) tells
 * of all three in one call: POLLNVAL for one that is not open, and then, or should there be
 * anything else to tell, /dev/null goes where there is none.
 */
static bool fill_standard_fds(void)
{
	struct pollfd fds[] = {{.fd = STDIN_FILENO}, {.fd = STDOUT_FILENO}, {.fd = STDERR_FILENO}};
	int fd;

	if (!poll(fds, ARRAY_SIZE(fds), 0))
		return true;
	do {
		fd = open("/dev/null", O_RDWR | O_NOCTTY);
		if (fd < 0)
			return false;
	} while (fd <= STDERR_FILENO);
	close(fd);
	return true;
}

/*
 * PVE's daemons hand us their environment and we run as root: nothing of it is
 * needed but the source node of a migration.
 */
bool process_clean(void)
{
	const char *from = getenv("PVE_MIGRATED_FROM");
	AUTO_FREE char *kept = from ? strdup(from) : NULL;
	const char *no_colour = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	bool plain = no_colour && no_colour[0];
	bool dumb = !term || !term[0] || !strcmp(term, "dumb");

	if (!fill_standard_fds())
		return false;
	if (clearenv() || setenv("PATH", "/sbin:/bin:/usr/sbin:/usr/bin", 1) ||
	    setenv("LC_ALL", "C", 1) || (kept && setenv("PVE_MIGRATED_FROM", kept, 1)) ||
	    !keep_output_facts(plain, dumb))
		return false;
	umask(022);
	say_to_nobody_too();
#if !defined(__SANITIZE_ADDRESS__)
	/* No core files: a token may be in memory. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	return true;
}
