/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The script that PVE would run as hookscript if it were not for us, run after ours. */
#include "hook/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pveapi/storage.h"
#include "src/base/cleanup.h"
#include "src/base/say.h"
#include "src/port/config.h"
#include "src/port/config_load.h"
#include "src/port/events.h"
#include "src/port/guest_note.h"

int hookscript_path(int root, const char *volid, char *path, size_t size, struct error *err)
{
	char storage[NAME_LEN];
	char dir[PATH_MAX];
	char clean[VOLID_LEN];
	struct stat st;

	text_clean(volid, clean, sizeof(clean));
	if (!hookscript_valid(volid))
		return fail(err, EINVAL,
			    "'%s' is no hookscript: it wants <storage>:snippets/<name>", clean);
	snprintf(storage, sizeof(storage), "%.*s", (int)strcspn(volid, ":"), volid);
	if (storage_path(root, storage, dir, sizeof(dir), err) < 0)
		return fail_context(err, "hookscript %s", clean);
	if (snprintf(path, size, "%s/%s", dir + 1, strchr(volid, ':') + 1) >= (int)size)
		return fail(err, ENAMETOOLONG, "hookscript %s: its path is too long", clean);
	if (fstatat(root, path, &st, 0) < 0)
		return fail_errno(err, errno, "hookscript %s (/%s)", clean, path);
	if (!S_ISREG(st.st_mode) || faccessat(root, path, X_OK, 0) < 0)
		return fail(err, EACCES, "hookscript %s (/%s) is not executable: chmod +x /%s",
			    clean, path, path);
	return 0;
}

/* The child: PVE's environment is what we were left with, and nothing of ours stays open. */
static void run_script(struct hook *h, const char *path, uint32_t vmid, const char *phase)
{
	char full[PATH_MAX * 2];
	char vmid_text[16];

	snprintf(vmid_text, sizeof(vmid_text), "%u", vmid);
	if (!hook_host_path(h, path, full, sizeof(full)))
		_exit(127);
	close_range(3, UINT_MAX, 0);
	say_child();
	execl(full, full, vmid_text, phase, (char *)NULL);
	fprintf(stderr, "vfhook: cannot run /%s: %s\n", path, strerror(errno));
	_exit(127);
}

static int run_and_wait(struct hook *h, const char *path, uint32_t vmid, const char *phase)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		complain("%s %u: cannot run /%s: %s", hook_guest(h), vmid, path, strerror(errno));
		return 1;
	}
	if (!pid)
		run_script(h, path, vmid, phase);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return 1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int chain_run(struct hook *h, uint32_t vmid, const char *phase)
{
	CLEANUP(config_free) struct config c = {0};
	const struct guest_note *g;
	struct error err = ERROR_INIT;
	char path[PATH_MAX];
	int status;

	/* An ordinary start has read the file already, and need not do it twice. */
	if (h->nothing_chained)
		return 0;
	if (config_load_for(h->root, &vmid, 1, &c, &err) < 0) {
		complain("%s %u: whether another hookscript is to be run cannot be told: %s",
			 hook_guest(h), vmid, err.text);
		/* It may be what keeps the guest's network as it should be: no start without it. */
		return !strcmp(phase, "pre-start");
	}
	g = config_guest(&c, vmid);
	if (!g || (!g->bad && !g->chain[0]))
		return 0;
	if (g->bad) {
		complain("%s %u: its other hookscript is not run: %s", hook_guest(h), vmid, g->bad);
		return 1;
	}
	if (hookscript_path(h->root, g->chain, path, sizeof(path), &err) < 0) {
		complain("%s %u: its other hookscript is not run: %s", hook_guest(h), vmid,
			 err.text);
		return 1;
	}
	if (h->dry_run) {
		say("%s %u: would run %s: /%s %u %s", hook_guest(h), vmid, g->chain, path, vmid,
		    phase);
		return 0;
	}
	status = run_and_wait(h, path, vmid, phase);
	if (status)
		complain("%s %u: %s ended with exit status %d on %s", hook_guest(h), vmid, g->chain,
			 status, phase);
	if (status && !strcmp(phase, "pre-start"))
		event_add(h, vmid, EVENT_REFUSED, "%s ended with exit status %d", g->chain, status);
	return status;
}
