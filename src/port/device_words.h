/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What -device would have for a port's VF: said of a running QEMU when its VF is plugged in again.
 */
#ifndef VFHOOK_PORT_DEVICE_WORDS_H
#define VFHOOK_PORT_DEVICE_WORDS_H

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/port/context.h"
#include "src/port/device.h"

/*
 * As QEMU's command line has it, so that the guest finds the device in the same place, or where the
 * VM was started without it, as PVE would have put it there. out is the caller's to str_free(). 0
 * or a negative errno with err.
 */
int device_words(struct hook *h, const struct device_name *n, struct str *out, struct error *err);

#endif
