/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfhook check: what an admin set up by hand before: units, scripts, udev rules
 * and module options that make VFs or set them. They would undo what vfhook does.
 */
#include "src/check/check_leftovers.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/check/leftovers.h"
#include "src/host/host_plan.h"
#include "src/port/config.h"
#include "src/port/context.h"

#define MAX_FILE     (64UL * 1024)
#define MAX_FILES    2048 /* of one folder */
#define MAX_FINDINGS 20
#define GRUB_DIR     "etc/default/grub.d"

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

/* Network drivers that make VFs by an option of their module; GPUs have such options as well. */
static bool is_nic_module(const char *name, size_t len)
{
	static const char *const modules[] = {
		"igb",	   "ixgbe", "i40e", "ice",    "mlx4_core", "mlx5_core", "be2net",  "bnx2x",
		"bnxt_en", "cxgb4", "sfc",  "qlcnic", "qede",	   "enic",	"liquidio"};

	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		if (strlen(modules[i]) == len && !strncmp(name, modules[i], len))
			return true;
	}
	return false;
}

static bool is_vfs_option(const char *option)
{
	return !strncmp(option, "max_vfs=", 8) || !strncmp(option, "num_vfs=", 8) ||
	       !strncmp(option, "num_vf=", 7);
}

/* "options ixgbe max_vfs=8" */
static bool sets_module_option(const char *line)
{
	char word[128];

	if (!next_word(&line, word, sizeof(word)) || strcmp(word, "options") != 0 ||
	    !next_word(&line, word, sizeof(word)) || !is_nic_module(word, strlen(word)))
		return false;
	while (next_word(&line, word, sizeof(word))) {
		if (is_vfs_option(word))
			return true;
	}
	return false;
}

/* "ixgbe.max_vfs=8" of the kernel's command line, also inside quotes of /etc/default/grub. */
static bool sets_boot_option(const char *line)
{
	char word[128];

	while (next_word(&line, word, sizeof(word))) {
		const char *equals = strchr(word, '=');
		const char *start = equals ? strchr(word, '.') : NULL;

		if (start && is_vfs_option(start + 1) &&
		    is_nic_module(word, (size_t)(start - word)))
			return true;
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
	/* systemd.link(5), and netplan. */
	if (strstr(line, "sriov_numvfs") || !strncmp(line, "SR-IOVVirtualFunctions=", 23) ||
	    !strncmp(line, "virtual-function-count:", 23))
		return LEFTOVER_NUMVFS;
	if (sets_module_option(line) || sets_boot_option(line))
		return LEFTOVER_NUMVFS;
	return sets_vf(line) || !strncmp(line, "[SR-IOV]", 8) ? LEFTOVER_VF_SET : LEFTOVER_NONE;
}

/* --- The files --- */

struct search {
	int root;
	struct report *r;
	unsigned found;
	char done[PATH_MAX]; /* the script looked into last: a unit may name it twice */
};

/* What a file is: that decides how to get rid of it. */
enum source {
	SOURCE_FILE,
	SOURCE_CALLER,	/* a file whose lines may call scripts */
	SOURCE_CALLED,	/* such a script */
	SOURCE_CMDLINE, /* the kernel's command line */
	SOURCE_UNIT,
	SOURCE_PACKAGED, /* a unit that is not in /etc: of a package, maybe */
	SOURCE_DROP_IN,
	SOURCE_SCRIPT, /* that a unit runs */
};

/* One file: what it is, and for a script who runs it. */
struct place {
	enum source source;
	const char *path;
	const char *by; /* the unit, or the file that calls it */
	bool has_stop;	/* the unit does something when it is stopped */
};

static const char *replacement(enum leftover what)
{
	return what == LEFTOVER_NUMVFS
		       ? "vfhook makes the VFs: vfhook pool add <name> --pf <interface> --vfs N"
		       : "vfhook sets its VFs at each VM's start: vfhook attach <vmid> --mac .. "
			 "--vlan ..";
}

/*
 * Never with --now: stopping a unit runs its ExecStop, which takes the VFs from VMs that run
 * with them. It is over with the next boot.
 */
static void how_to_end(const struct place *p, char *how, size_t size)
{
	const char *stop =
		p->has_stop ? " (not --now: stopping it takes VFs from VMs that run)" : "";

	if (p->source == SOURCE_UNIT)
		snprintf(how, size, "systemctl disable %.100s; rm /%.120s%s", p->by, p->path, stop);
	else if (p->source == SOURCE_SCRIPT || p->source == SOURCE_PACKAGED)
		snprintf(how, size, "systemctl disable %.100s%s", p->by, stop);
	else if (p->source == SOURCE_DROP_IN)
		snprintf(how, size, "rm /%.180s; systemctl daemon-reload", p->path);
	else if (p->source == SOURCE_CALLED)
		snprintf(how, size, "take it out of /%.180s", p->by);
	else if (p->source == SOURCE_CMDLINE)
		snprintf(how, size,
			 "take that out of /etc/default/grub, then: update-grub; or out of "
			 "/etc/kernel/cmdline, then: proxmox-boot-tool refresh");
	else
		snprintf(how, size, "delete that line");
}

static void tell(struct search *s, const struct place *p, unsigned number, const char *line,
		 enum leftover what)
{
	char remedy[480];
	char how[300];
	char cut[100];
	bool called = p->source == SOURCE_SCRIPT || p->source == SOURCE_CALLED;

	if (s->found++ >= MAX_FINDINGS)
		return;
	line += strspn(line, " \t");
	snprintf(cut, sizeof(cut), "%.*s", (int)strcspn(line, "\n"), line);
	how_to_end(p, how, sizeof(how));
	snprintf(remedy, sizeof(remedy), "%s (%s)", how, replacement(what));
	report_add(s->r, CHECK_WARN, "leftover", "", remedy, "/%s:%u %s by hand%s%s%s: %s", p->path,
		   number, what == LEFTOVER_NUMVFS ? "makes VFs" : "sets VFs",
		   called ? ", run by " : "", p->source == SOURCE_CALLED ? "/" : "",
		   called ? p->by : "", cut);
}

static void look_into(struct search *s, const struct place *p);

/* Where people keep scripts of their own: the rest is the distribution's. */
static bool is_own_script(const char *path)
{
	static const char *const dirs[] = {"/usr/local/", "/opt/", "/root/", "/home/",
					   "/etc/",	  "/srv/", "/var/"};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		if (!strncmp(path, dirs[i], strlen(dirs[i])))
			return true;
	}
	return false;
}

/*
 * The scripts that a line names: "ExecStart=-/usr/local/sbin/vfs.sh arg", also behind an
 * interpreter ("/bin/bash /root/vfs.sh"), and of a file that calls some, "post-up /root/vfs.sh".
 */
static void follow(struct search *s, const char *at, const struct place *from)
{
	bool unit = from->source != SOURCE_CALLER;
	char word[PATH_MAX];

	while (next_word(&at, word, sizeof(word))) {
		const char *path = word + strspn(word, "-+!:@&|<>`$");
		const struct place called = {.source = unit ? SOURCE_SCRIPT : SOURCE_CALLED,
					     .path = path + 1,
					     .by = unit ? from->by : from->path,
					     .has_stop = from->has_stop};

		if (path[0] != '/' || !strcmp(path + 1, s->done) || strstr(path, "/../"))
			continue;
		if (from->source != SOURCE_UNIT && !is_own_script(path))
			continue;
		snprintf(s->done, sizeof(s->done), "%s", path + 1);
		look_into(s, &called);
	}
}

static void follow_line(struct search *s, const char *line, const struct place *from)
{
	const char *at;

	line += strspn(line, " \t");
	if (from->source == SOURCE_CALLER && *line != '#')
		follow(s, line, from);
	if ((from->source == SOURCE_UNIT || from->source == SOURCE_PACKAGED) &&
	    !strncmp(line, "Exec", 4) && (at = strchr(line, '=')))
		follow(s, at + 1, from);
}

/* Not through symbolic links: what they lead to is the distribution's, or ours. */
static bool is_plain_file(int root, const char *path)
{
	struct stat st;

	return !fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode);
}

/* One finding of a kind for each file is enough to find the rest. */
static void look_into(struct search *s, const struct place *place)
{
	AUTO_FREE char *text = NULL;
	bool seen[3] = {true, false, false};
	struct leftover_file file = {.root = s->root};
	struct place p = *place;
	unsigned number = 1;
	ssize_t len;

	if (!is_plain_file(s->root, p.path))
		return;
	len = file_read(s->root, p.path, MAX_FILE, &text, NULL);
	if (len < 0 || memchr(text, '\0', (size_t)len)) /* too large for a script, or none */
		return;
	file.text = text;
	p.has_stop = p.has_stop || strstr(text, "\nExecStop");
	for (const char *line = text; *line; number++) {
		enum leftover what = leftover_of_line(line);

		if (!seen[what] && !leftover_is_others(&file, line)) {
			seen[what] = true;
			tell(s, &p, number, line, what);
		}
		follow_line(s, line, &p);
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
		const struct place p = {.source = source, .path = path, .by = e->d_name};

		if (!is_candidate(e->d_name, suffix))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		look_into(s, &p);
	}
}

static void look_into_drop_ins(struct search *s, const char *dir)
{
	AUTO_CLOSEDIR DIR *d = dir_open(s->root, dir);
	const struct dirent *e;
	char path[PATH_MAX];

	for (int n = 0; d && n < MAX_FILES && (e = readdir(d)); n++) {
		if (!is_candidate(e->d_name, ".service.d"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		look_into_dir(s, SOURCE_DROP_IN, path, ".conf");
	}
}

/* /lib is a link to /usr/lib on what was installed in the last years: then it is looked into there.
 */
static bool is_link(int root, const char *path)
{
	struct stat st;

	return !fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode);
}

static void look_into_units(struct search *s)
{
	static const char *const dirs[] = {"usr/local/lib/systemd/system", "usr/lib/systemd/system",
					   "lib/systemd/system"};

	look_into_dir(s, SOURCE_UNIT, "etc/systemd/system", ".service");
	look_into_drop_ins(s, "etc/systemd/system");
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		if (!strncmp(dirs[i], "lib/", 4) && is_link(s->root, "lib"))
			continue;
		look_into_dir(s, i ? SOURCE_PACKAGED : SOURCE_UNIT, dirs[i], ".service");
		look_into_drop_ins(s, dirs[i]);
	}
}

/* A file of grub.d that is read behind ours and forgets what was set before it. */
static void check_grub_file(int root, const char *name, struct report *r)
{
	static const char key[] = "GRUB_CMDLINE_LINUX_DEFAULT=";
	AUTO_FREE char *text = NULL;
	char path[PATH_MAX];
	unsigned number = 1;

	snprintf(path, sizeof(path), GRUB_DIR "/%s", name);
	if (file_read(root, path, MAX_FILE, &text, NULL) < 0)
		return;
	for (const char *line = text; *line; number++) {
		size_t len = strcspn(line, "\n");
		char copy[1024];

		snprintf(copy, sizeof(copy), "%.*s", (int)len, line);
		if (!strncmp(copy, key, strlen(key)) &&
		    !strstr(copy + strlen(key), "GRUB_CMDLINE_LINUX_DEFAULT"))
			report_add(
				r, CHECK_WARN, "cmdline", "",
				"add \"$GRUB_CMDLINE_LINUX_DEFAULT ...\" to that value, or put its "
				"words into /etc/default/grub; then: update-grub",
				"/%s:%u undoes what /" GRUB_OURS " adds to the kernel's command "
				"line: it is read behind that",
				path, number);
		line += len;
		line += *line == '\n';
	}
}

/* grub-mkconfig reads grub.d in the shell's order of names. */
static void check_grub_order(int root, struct report *r)
{
	AUTO_CLOSEDIR DIR *d = path_exists(root, GRUB_OURS) ? dir_open(root, GRUB_DIR) : NULL;
	const char *ours = strrchr(GRUB_OURS, '/') + 1;
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		size_t len = strlen(e->d_name);

		if (len > 4 && !strcmp(e->d_name + len - 4, ".cfg") &&
		    strcasecmp(e->d_name, ours) > 0)
			check_grub_file(root, e->d_name, r);
	}
}

void check_leftovers(struct hook *h, const struct config *c, struct report *r)
{
	static const struct {
		enum source source;
		const char *path;
	} files[] = {
		{SOURCE_CALLER, "etc/rc.local"},	{SOURCE_CALLER, "etc/network/interfaces"},
		{SOURCE_CALLER, "etc/crontab"},		{SOURCE_FILE, "etc/sysfs.conf"},
		{SOURCE_CMDLINE, "proc/cmdline"},	{SOURCE_CMDLINE, "etc/default/grub"},
		{SOURCE_CMDLINE, "etc/kernel/cmdline"},
	};
	static const struct {
		enum source source;
		const char *path;
		const char *suffix;
	} dirs[] = {
		{SOURCE_CALLER, "etc/network/interfaces.d", ""},
		{SOURCE_CALLER, "etc/network/if-up.d", ""},
		{SOURCE_CALLER, "etc/network/if-pre-up.d", ""},
		{SOURCE_CALLER, "etc/udev/rules.d", ".rules"},
		{SOURCE_CALLER, "etc/cron.d", ""},
		{SOURCE_CALLER, "var/spool/cron/crontabs", ""},
		{SOURCE_FILE, "etc/modprobe.d", ".conf"},
		{SOURCE_FILE, "usr/lib/modprobe.d", ".conf"},
		{SOURCE_FILE, "etc/sysfs.d", ".conf"},
		{SOURCE_FILE, "etc/tmpfiles.d", ".conf"},
		{SOURCE_FILE, "etc/systemd/network", ".link"},
		{SOURCE_FILE, "etc/systemd/network", ".network"},
		{SOURCE_FILE, "usr/local/lib/systemd/network", ".link"},
		{SOURCE_FILE, "usr/lib/systemd/network", ".link"},
		{SOURCE_FILE, "etc/netplan", ".yaml"},
		{SOURCE_CMDLINE, "etc/default/grub.d", ".cfg"},
		{SOURCE_FILE, "var/lib/vz/snippets", ""},
	};
	struct search s = {.root = h->root, .r = r};

	(void)c;
	look_into_units(&s);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		look_into(&s, &(struct place){files[i].source, files[i].path, "", false});
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		look_into_dir(&s, dirs[i].source, dirs[i].path, dirs[i].suffix);
	check_grub_order(h->root, r);
	if (s.found > MAX_FINDINGS)
		report_add(r, CHECK_WARN, "leftover", "", "mend those above, then check again",
			   "and %u more like them", s.found - MAX_FINDINGS);
	if (!s.found)
		report_add(r, CHECK_PASS, "leftover", "", "",
			   "nothing else makes or sets VFs on this host");
}
