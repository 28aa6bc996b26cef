/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfhook check: what an admin set up by hand before: units, scripts, udev rules
 * and module options that make VFs or set them. They would undo what vfhook does.
 */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/check.h"
#include "hook/leftovers.h"

#define MAX_FILE     (64UL * 1024)
#define MAX_FILES    512 /* of one folder */
#define MAX_FINDINGS 20

/* --- One line --- */

static bool next_word(const char **at, char *word, size_t size)
{
	static const char blanks[] = " \t\"'();";
	size_t n;

	*at += strspn(*at, blanks);
	n = strcspn(*at, " \t\"'();\n");
	if (!n)
		return false;
	snprintf(word, size, "%.*s", (int)(n < size ? n : size - 1), *at);
	*at += n;
	return true;
}

/* "ip link set enp6s0f0 vf 0 mac ...", also "/sbin/ip -b x l s dev enp6s0f0 vf 0". */
static bool sets_vf(const char *line)
{
	bool ip = false;
	bool vf = false;
	char word[128];

	while (next_word(&line, word, sizeof(word))) {
		const char *base = strrchr(word, '/');

		if (vf && ip &&
		    (isdigit((unsigned char)word[0]) || word[0] == '$' || word[0] == '%'))
			return true;
		vf = !strcmp(word, "vf");
		ip = ip || !strcmp(base ? base + 1 : word, "ip");
	}
	return false;
}

enum leftover leftover_of_line(const char *line)
{
	char copy[1024];

	snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(line, "\n"), line);
	line = copy + strspn(copy, " \t");
	if (*line == '#' || *line == ';')
		return LEFTOVER_NONE;
	if (strstr(line, "sriov_numvfs"))
		return LEFTOVER_NUMVFS;
	/* igb and ixgbe of old made VFs by a module option. */
	if (!strncmp(line, "options", 7) && strstr(line, " max_vfs="))
		return LEFTOVER_NUMVFS;
	return sets_vf(line) ? LEFTOVER_VF_SET : LEFTOVER_NONE;
}

/* --- The files --- */

struct search {
	int root;
	struct report *r;
	unsigned found;
	char done[PATH_MAX]; /* the script looked into last: a unit may name it twice */
};

/* What a file is: that decides how to get rid of it. */
enum source { SOURCE_FILE, SOURCE_UNIT, SOURCE_DROP_IN, SOURCE_SCRIPT };

static const char *replacement(enum leftover what)
{
	return what == LEFTOVER_NUMVFS
		       ? "vfhook makes the VFs: vfhook pool add <name> --pf <interface> --vfs N"
		       : "vfhook sets its VFs at each VM's start: vfhook attach <vmid> --mac .. "
			 "--vlan ..";
}

static void tell(struct search *s, enum source source, const char *path, const char *unit,
		 unsigned number, const char *line, enum leftover what)
{
	char remedy[480];
	char how[256];
	char cut[100];

	if (s->found++ >= MAX_FINDINGS)
		return;
	line += strspn(line, " \t");
	snprintf(cut, sizeof(cut), "%.*s", (int)strcspn(line, "\n"), line);
	if (source == SOURCE_UNIT)
		snprintf(how, sizeof(how), "systemctl disable --now %.100s; rm /%.120s", unit,
			 path);
	else if (source == SOURCE_SCRIPT)
		snprintf(how, sizeof(how), "systemctl disable --now %.100s", unit);
	else if (source == SOURCE_DROP_IN)
		snprintf(how, sizeof(how), "rm /%.180s; systemctl daemon-reload", path);
	else
		snprintf(how, sizeof(how), "delete that line");
	snprintf(remedy, sizeof(remedy), "%s (%s)", how, replacement(what));
	report_add(s->r, CHECK_WARN, "leftover", "", remedy, "/%s:%u %s by hand%s%s: %s", path,
		   number, what == LEFTOVER_NUMVFS ? "makes VFs" : "sets VFs",
		   source == SOURCE_SCRIPT ? ", run by " : "", source == SOURCE_SCRIPT ? unit : "",
		   cut);
}

static void look_into(struct search *s, enum source source, const char *path, const char *unit);

/* "ExecStart=-/usr/local/sbin/vfs.sh arg": the script that a unit runs. */
static void follow_exec(struct search *s, const char *line, const char *unit)
{
	char word[PATH_MAX];
	const char *at;

	line += strspn(line, " \t");
	if (strncmp(line, "Exec", 4) != 0 || !(at = strchr(line, '=')))
		return;
	at++;
	while (next_word(&at, word, sizeof(word))) {
		const char *path = word + strspn(word, "-+!:@");

		/* Also what is behind an interpreter: "ExecStart=/bin/bash /root/vfs.sh". */
		if (path[0] != '/' || !strcmp(path + 1, s->done) || strstr(path, "/../"))
			continue;
		snprintf(s->done, sizeof(s->done), "%s", path + 1);
		look_into(s, SOURCE_SCRIPT, path + 1, unit);
	}
}

/* Not through symbolic links: what they lead to is the distribution's, or ours. */
static bool is_plain_file(int root, const char *path)
{
	struct stat st;

	return !fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode);
}

/* One finding of a kind for each file is enough to find the rest. */
static void look_into(struct search *s, enum source source, const char *path, const char *unit)
{
	AUTO_FREE char *text = NULL;
	bool seen[3] = {true, false, false};
	unsigned number = 1;
	ssize_t len;

	if (!is_plain_file(s->root, path))
		return;
	len = file_read(s->root, path, MAX_FILE, &text, NULL);
	if (len < 0 || memchr(text, '\0', (size_t)len)) /* too large for a script, or none */
		return;
	for (const char *line = text; *line; number++) {
		enum leftover what = leftover_of_line(line);

		if (!seen[what]) {
			seen[what] = true;
			tell(s, source, path, unit, number, line, what);
		}
		if (source == SOURCE_UNIT)
			follow_exec(s, line, unit);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
}

static bool is_candidate(const char *name, const char *suffix)
{
	size_t len = strlen(name);
	size_t n = strlen(suffix);

	return name[0] != '.' && strncmp(name, "vfhook", 6) != 0 && len > n &&
	       !strcmp(name + len - n, suffix);
}

static void look_into_dir(struct search *s, enum source source, const char *dir, const char *suffix)
{
	AUTO_CLOSEDIR DIR *d = dir_open(s->root, dir);
	const struct dirent *e;
	char path[PATH_MAX];

	for (int n = 0; d && n < MAX_FILES && (e = readdir(d)); n++) {
		if (!is_candidate(e->d_name, suffix))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		look_into(s, source, path, e->d_name);
	}
}

static void look_into_drop_ins(struct search *s)
{
	AUTO_CLOSEDIR DIR *d = dir_open(s->root, "etc/systemd/system");
	const struct dirent *e;
	char path[PATH_MAX];

	for (int n = 0; d && n < MAX_FILES && (e = readdir(d)); n++) {
		if (!is_candidate(e->d_name, ".service.d"))
			continue;
		snprintf(path, sizeof(path), "etc/systemd/system/%s", e->d_name);
		look_into_dir(s, SOURCE_DROP_IN, path, ".conf");
	}
}

void check_leftovers(struct hook *h, const struct config *c, struct report *r)
{
	static const char *const files[] = {"etc/rc.local", "etc/network/interfaces", "etc/crontab",
					    "etc/sysfs.conf"};
	static const struct {
		const char *path;
		const char *suffix;
	} dirs[] = {
		{"etc/network/interfaces.d", ""},
		{"etc/network/if-up.d", ""},
		{"etc/network/if-pre-up.d", ""},
		{"etc/udev/rules.d", ".rules"},
		{"etc/cron.d", ""},
		{"var/spool/cron/crontabs", ""},
		{"etc/modprobe.d", ".conf"},
		{"etc/sysfs.d", ".conf"},
		{"etc/tmpfiles.d", ".conf"},
		{"var/lib/vz/snippets", ""},
	};
	struct search s = {.root = h->root, .r = r};

	(void)c;
	look_into_dir(&s, SOURCE_UNIT, "etc/systemd/system", ".service");
	look_into_drop_ins(&s);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		look_into(&s, SOURCE_FILE, files[i], "");
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		look_into_dir(&s, SOURCE_FILE, dirs[i].path, dirs[i].suffix);
	if (s.found > MAX_FINDINGS)
		report_add(r, CHECK_WARN, "leftover", "", "mend those above, then check again",
			   "and %u more like them", s.found - MAX_FINDINGS);
	if (!s.found)
		report_add(r, CHECK_PASS, "leftover", "", "",
			   "nothing else makes or sets VFs on this host");
}
