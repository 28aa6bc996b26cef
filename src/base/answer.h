/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The answer to a question about the world. That it could not be found out is an answer of its
 * own, not a negative number that somebody compares with 1: whoever would take something away
 * stops at it.
 */
#ifndef VFHOOK_BASE_ANSWER_H
#define VFHOOK_BASE_ANSWER_H

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };

#endif
