/* kernels.h: the table of the kernels pane: rows from the timing table, sorted and filtered, beside a baseline. Draws nothing, measures nothing.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_KERNELS_H
#define ANETUI_TUI_KERNELS_H

#include "tui/view.h"

enum kernel_kind { KERNEL_ROW, KERNEL_OVERLAP, KERNEL_REST, KERNEL_HEAD, KERNEL_STEP };

struct kernel_line {
	enum kernel_kind kind;
	int row;                   /* in the timing table; -1: none */
	const char *name;
	double ms, share, gflops, calls;
	double p50, p95;           /* NAN: not known */
	double mj;                 /* of the package, by its share of the time; NAN: no watts */
	double of_floor;           /* its rate beside that of a large matrix product; NAN: neither */
	double change;             /* of ms since the baseline, 0.1: ten percent slower; NAN: no baseline */
	double chip;               /* ms that the chip would take; NAN: not predicted; 0: no program */
};

struct kernel_table {
	struct kernel_line line[TIMING_ROWS + 4];
	int n;
	double total, rest;
	int overlap, hidden;       /* hidden: rows that the filter leaves out */
	const char *chip;
	uint64_t at;               /* the step of the history that is shown; 0: now */
};

/* In the order of the key that goes through them. */
enum kernel_sort { SORT_MS, SORT_NAME, SORT_CALLS, SORT_P95, SORT_GFLOPS, SORT_CHANGE, SORT_N };
const char *kernel_sort_name(enum kernel_sort s);

void kernels_make(struct kernel_table *t, const struct view *v);
/* What `Enter` tells about a row before its program's text: numbers and how they went over the run. */
void kernels_tell(struct str *out, const struct view *v, const struct kernel_line *l, int w);

#endif
