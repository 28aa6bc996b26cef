/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VF that is plugged into a running QEMU, or unplugged from it, as an object of a plan. */
#include <errno.h>
#include <string.h>

#include "pveapi/process.h"
#include "pveapi/qmp.h"
#include "src/base/clock.h"
#include "src/base/progress.h"
#include "src/base/text.h"
#include "src/port/context.h"
#include "src/port/device.h"
#include "src/port/objects.h"
#include "src/vf/sysfs.h"

/* PVE's own calls to the monitor take turns with ours. */
#define QMP_WAIT_MS 5000
/*
 * QEMU pins all of the VM's memory before it answers, if this is its only such device; PVE allows a
 * start half a minute and more for it.
 */
#define ADD_WAIT_MS 90000
/* Between two looks whether the guest has let go: each is a connection of some milliseconds. */
#define LOOK_NAP_MS 200
/*
 * A guest that was busy may have missed it. Not sooner: within five seconds a second press of the
 * attention button of a PCIe slot takes the first one back (hw/pci/pcie.c).
 */
#define ASK_AGAIN_MS 12000
/* To undo what went wrong is not worth a long wait. */
#define UNDO_WAIT_MS 5000
/* QEMU closes the VFIO group a moment after it has told that the device is gone. */
#define CLOSE_WAIT_MS 3000
#define CLOSE_NAP_MS  20

static void wait_until_closed(struct hook *h, const struct pci_addr *vf)
{
	struct deadline end = deadline_in(CLOSE_WAIT_MS);
	int group;

	if (sysfs_vf_group(h->root, vf, &group, NULL) < 0 || group < 0)
		return;
	while (vfio_group_busy(h->root, group) == ANSWER_YES && deadline_left(&end))
		nap_ms(CLOSE_NAP_MS);
}

/* Taking a device away. */
struct unplugging_device {
	const struct device_name *n;
	char id[16];
	struct deadline again; /* when the guest is asked again; at first at once */
	bool asked;	       /* it was, or may have been */
};

/*
 * 1: QEMU has it still, and the guest is asked, now or since before; 0: it is gone, whatever err
 * says.
 */
static int look_and_ask(struct hook *h, struct unplugging_device *u, struct error *err)
{
	enum answer has = qmp_has_device(h->root, u->n->vmid, u->id, QMP_WAIT_MS, err);
	int r;

	if (has != ANSWER_YES)
		return has == ANSWER_NO ? 0 : error_code(err);
	if (deadline_left(&u->again))
		return 1;
	u->again = deadline_in(ASK_AGAIN_MS);
	r = qmp_device_del(h->root, u->n->vmid, u->id, QMP_WAIT_MS, err);
	/* Only QEMU's own words say for sure that it was not. */
	u->asked = u->asked || (r != -EREMOTEIO && r != -ENODEV);
	return r == -ENODEV ? 0 : r < 0 ? r : 1;
}

/* A guest that was asked may yet let go: -ETIMEDOUT says that, and nothing else does. */
static int not_unplugged(const struct unplugging_device *u, int r, int wait_ms, struct error *err)
{
	if (r > 0)
		return fail(err, ETIMEDOUT,
			    "the guest has not let go of hostpci%u for %d s (does it take hotplug "
			    "of PCI devices?)",
			    u->n->slot, wait_ms / 1000);
	if (u->asked)
		fail_context(err, "the guest was asked to let go of %s", u->id);
	err->code = u->asked ? ETIMEDOUT : r == -ETIMEDOUT ? EBUSY : -r;
	return error_code(err);
}

static int unplug(struct hook *h, const struct device_name *n, int wait_ms, struct error *err)
{
	struct unplugging_device u = {.n = n};
	struct deadline end = deadline_in(wait_ms);
	AUTO_PROGRESS struct progress p = {0};
	int r;

	device_id(n->slot, u.id);
	progress_begin(&p, wait_ms, "waiting for the guest of VM %u to let go of %s", n->vmid,
		       u.id);
	for (;;) {
		r = look_and_ask(h, &u, err);
		if (!r)
			break;
		/* A monitor that is busy with others is no reason to give up what is begun. */
		if (!deadline_left(&end) || (r < 0 && !(u.asked && r == -ETIMEDOUT)))
			return not_unplugged(&u, r, wait_ms, err);
		nap_ms(LOOK_NAP_MS);
	}
	error_clear(err);
	wait_until_closed(h, &n->vf);
	return 0;
}

/* 1: QEMU has it as that device; 0: it has no such device. */
static int has_it(struct hook *h, const struct device_name *n, const char *id, struct error *err)
{
	struct pci_addr now;
	int r = qmp_device_host(h->root, n->vmid, id, QMP_WAIT_MS, &now, err);
	char addr[PCI_ADDR_LEN];

	if (r == 1 && pci_addr_cmp(&now, &n->vf) != 0)
		return fail(err, EBUSY, "QEMU has %s as its device %s", pci_addr_format(&now, addr),
			    id);
	return r;
}

static int plug(struct hook *h, const struct device_name *n, const char *words, struct error *err)
{
	struct error ignored = ERROR_INIT;
	char id[16];
	int r;

	device_id(n->slot, id);
	r = has_it(h, n, id, err);
	if (r)
		return r < 0 ? r : 0;
	r = qmp_device_add(h->root, n->vmid, words, ADD_WAIT_MS, err);
	/*
	 * QEMU's warnings come by the same way as its refusals (util/error-report.c:
	 * error_vprintf): what it has by now counts.
	 */
	if (r == -EREMOTEIO && has_it(h, n, id, &ignored) == 1) {
		error_clear(err);
		return 0;
	}
	if (r < 0)
		return r;
	r = has_it(h, n, id, err);
	return r ? (r < 0 ? r : 0) : fail(err, EIO, "QEMU has no device %s all the same", id);
}

static int device_set(struct hook *h, const char *name, enum object_how how, const char *from,
		      const char *to, struct error *err)
{
	int patience = h->unplug_ms ? h->unplug_ms : UNPLUG_WAIT_MS;
	struct device_name n;
	int r = device_name_parse(name, &n, err);

	(void)from;
	if (r < 0)
		return r;
	switch (proc_alive(h->root, &n.qemu)) {
	case ANSWER_NO:
		/* All that it had is gone with it. */
		return how == OBJECT_UNDO ? 0
					  : fail(err, ESRCH, "VM %u: its QEMU has ended", n.vmid);
	case ANSWER_UNKNOWN:
		return fail(err, EIO, "VM %u: whether its QEMU runs cannot be told", n.vmid);
	default:
		break;
	}
	r = to ? plug(h, &n, to, err)
	       : unplug(h, &n, how == OBJECT_UNDO ? UNDO_WAIT_MS : patience, err);
	if (r < 0 && how == OBJECT_UNDO && proc_alive(h->root, &n.qemu) == ANSWER_NO) {
		error_clear(err);
		return 0;
	}
	return r;
}

const struct object_kind object_device = {OBJECT_DEVICE, false, NULL, device_set, NULL};
