/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /run/vfhook made, with the rights that its folders are to have. */
#include "src/base/run_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "src/base/file.h"

/* A lock that anybody can open can be held by anybody. Versions before made it 0755. */
static int locks_dir_make(int root, struct error *err)
{
	struct stat st;

	if (mkdirat(root, LOCKS_DIR, 0700) < 0 && errno != EEXIST)
		return fail_errno(err, errno, "create directory /" LOCKS_DIR);
	if (fstatat(root, LOCKS_DIR, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno(err, errno, "open directory /" LOCKS_DIR);
	if (!S_ISDIR(st.st_mode))
		return fail(err, ENOTDIR, "/" LOCKS_DIR " is no directory");
	if ((st.st_mode & 077) && fchmodat(root, LOCKS_DIR, 0700, 0) < 0)
		return fail_errno(err, errno, "make /" LOCKS_DIR " root's alone");
	return 0;
}

int run_dirs_make(int root, struct error *err)
{
	int r = dir_make(root, LEASE_DIR, 0755, err);

	if (!r)
		r = dir_make(root, JOURNAL_DIR, 0755, err);
	return r ? r : locks_dir_make(root, err);
}

int run_file_create(int root, const char *path, const struct str *text, struct error *err)
{
	int r = file_create(root, path, 0644, str_get(text), text->len, err);

	if (r != -ENOENT)
		return r;
	/* Its folder is gone: somebody cleared up in /run. */
	error_clear(err);
	r = run_dirs_make(root, err);
	return r ? r : file_create(root, path, 0644, str_get(text), text->len, err);
}
