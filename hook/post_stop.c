/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pre-stop changes nothing: a shutdown that times out leaves the VM running.
 * post-stop gives every VF of the VM back. It goes by the leases alone, so
 * that no broken config and no dead API can keep a VF.
 */
#include <errno.h>

#include "hook/guest_off.h"
#include "hook/phases.h"
#include "pveapi/guest.h"
#include "src/base/bounded.h"
#include "src/base/cleanup.h"
#include "src/base/file.h"
#include "src/base/say.h"
#include "src/port/context.h"
#include "src/port/give_back.h"
#include "src/port/hook_lock.h"
#include "src/port/live_flag.h"
#include "src/vf/owner.h"

#define LOCK_WAIT_MS  15000
#define REST_LIMIT_MS 8000

int phase_pre_stop(struct hook *h, uint32_t vmid)
{
	if (h->dry_run)
		say("%s %u: pre-stop does nothing: a shutdown that times out leaves it running",
		    hook_guest(h), vmid);
	return 0;
}

static int complain_not_released(uint32_t vmid, const struct error *err)
{
	complain("%s; the next start that needs a VF tries again, or run: vfhook release %u",
		 err->text, vmid);
	return 1;
}

struct flag_off {
	struct hook *h;
	uint32_t vmid;
};

static void tell_flag_left(uint32_t vmid, const struct error *err)
{
	complain("VM %u: its mapping still says that it can be migrated live (%s): the next start "
		 "takes that back",
		 vmid, err->text);
}

static int put_flags_off(void *arg)
{
	const struct flag_off *f = arg;
	struct error err = ERROR_INIT;

	if (live_flags_set(f->h, f->vmid, false, &err) < 0)
		tell_flag_left(f->vmid, &err);
	return 0;
}

/*
 * A start with the flag on would be refused by QEMU. One that finds it on puts it off, too: this is
 * so that it need not. A VM that has gone to another node, or is still on the one that it should
 * have come from, needs it there.
 */
static void end_live_migration(struct hook *h, uint32_t vmid)
{
	struct flag_off off = {h, vmid};
	struct error err = ERROR_INIT;
	char path[GUEST_PATH_LEN];
	int r;

	if (!path_exists(h->root, guest_config_path(h->node, vmid, path)) ||
	    live_flags_are(h, vmid, false, &err) == ANSWER_YES)
		return;
	/* A pveproxy that hangs is no reason for a stop to take longer. */
	r = h->dry_run ? put_flags_off(&off)
		       : run_bounded(put_flags_off, &off, REST_LIMIT_MS, &err);
	if (r < 0)
		tell_flag_left(vmid, &err);
}

int phase_post_stop(struct hook *h, uint32_t vmid)
{
	AUTO_OWNER struct owner *o = NULL;
	struct error err = ERROR_INIT;
	size_t found = 0;
	int r = hook_lock_vm(h, vmid, LOCK_WAIT_MS, &o, &err);

	if (r < 0)
		return complain_not_released(vmid, &err);
	if (guest_off_for_release(h, vmid))
		return 1;
	r = give_back_vm(h, o, NULL, 0, &found, &err);
	if (r == -ETIMEDOUT)
		complain(
			"VM %u: %s; the stop goes on; clean it with vfhook release %u, or the next "
			"start that needs a VF does",
			vmid, err.text, vmid);
	else if (r < 0)
		return complain_not_released(vmid, &err);
	if (h->dry_run && !found)
		say("VM %u: nothing to release", vmid);
	end_live_migration(h, vmid);
	return r < 0;
}
