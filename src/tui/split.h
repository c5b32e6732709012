/* split.h: where the milliseconds of a micro-step went, over the run: a bounded history of the timing table. Draws nothing, measures nothing.
 *
 * A plain value without pointers, so that a frozen view is a copy of it.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_SPLIT_H
#define ANETUI_TUI_SPLIT_H

#include "meter/timing.h"

/* A multiple of two. */
enum { SPLIT_CAP = 256 };

/* Means over the micro-steps before `step`: of each row of the table, the whole, and what no row accounts for. */
struct split { uint64_t step; float ms[TIMING_ROWS], total, rest; };

struct splits {
	int n;
	uint32_t stride, skip;   /* every so many offered are kept */
	uint64_t micro;          /* of the latest one that was offered */
	struct split at[SPLIT_CAP];
};

/* The means of the last micro-steps. */
void split_take(struct split *s, const struct timing *t, uint64_t step);
/* Offers what there is now; taken when micro-steps have been done since. Of two neighbours the later one stays when there are too many. */
void splits_add(struct splits *s, const struct timing *t, uint64_t step);
void splits_reset(struct splits *s);
/* The nearest to a step; NULL: there are none. */
const struct split *splits_at(const struct splits *s, uint64_t step);

#endif
