/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes through each VF, as `vfhook status --watch` has seen it from one look to the next. */
#ifndef VFHOOK_SHOW_TRAFFIC_H
#define VFHOOK_SHOW_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>

#include "src/show/inventory.h"

#define TRAFFIC_KEPT 12

/* Rates of a VF in bits per second, as the VF's guest sees them. */
struct vf_traffic {
	struct pci_addr vf;
	bool known; /* of the last look; else rx and tx are 0 */
	double rx;
	double tx;
	double past[TRAFFIC_KEPT]; /* rx and tx together, the newest last */
	size_t n_past;
};

/* Begin with all zero, release with traffic_free(). Ordered by address. */
struct traffic {
	struct vf_traffic *rows;
	size_t n;
};

void traffic_free(struct traffic *t);

/*
 * Another look: from before (NULL: none) to now there were so many seconds. VFs that are gone are
 * forgotten. 0 or -ENOMEM, and then nothing has changed.
 */
int traffic_update(struct traffic *t, const struct inventory *before, const struct inventory *now,
		   double seconds);

/* NULL: nothing is known of it. */
const struct vf_traffic *traffic_of(const struct traffic *t, const struct pci_addr *vf);

/* A character for each look, in UTF-8. */
#define BAR_LEN	  3
#define SPARK_LEN (TRAFFIC_KEPT * BAR_LEN + 1)
/*
 * Its past as a line of small bars, the highest of them as high as the busiest look; nothing but
 * the lowest below 1 kbit/s. Returns buf.
 */
const char *traffic_spark(const struct vf_traffic *v, char buf[SPARK_LEN]);

#endif
