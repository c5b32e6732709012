/* bench.h: measures the machine and every part of a training step against it. Decides nothing, fails for no speed.
 *
 * A figure is the median of several calls. Beside it stands its floor: the time that its FLOPs would take at the rate of sgemm(2048),
 * measured just before and after it, or that its bytes would take at the best rate that memory has given (reading, changing, an update's seven streams), whichever is longer; beside
 * a checkpoint's saving, what a plain file of its size takes to be written and synced. The share is floor / time. FLOPs are those that are asked for (a masked half of attention is not), bytes are each input and output once.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BENCH_BENCH_H
#define ANETUI_BENCH_BENCH_H

#include <stdatomic.h>

#include "base/err.h"
#include "base/pool.h"

struct bench_row {
	const char *group;
	char name[64];
	double ms;          /* median of one call */
	double flops, bytes; /* of one call; 0: not counted */
	double tokens;      /* of one call; 0: none */
	double floor_ms;    /* NAN: nothing to compare with */
	const char *note;   /* why a figure is missing, or what is to be known; may be "" */
};

struct bench_options {
	struct pool *pool;
	const atomic_int *cancel;                            /* may be NULL; looked at between calls */
	void (*row)(void *ctx, const struct bench_row *r);   /* each figure, as soon as it is there */
	void *ctx;
};

/* Those of a usual round (bench.def), or the one called `name`. ERR_USAGE: no such; ERR_CANCEL: interrupted, the rows so far stand. What does not fit in memory is told as a row with a note. */
int bench_run(const struct bench_options *o, const char *name, struct err *e);
/* "sgemm, memory, ...": for messages and help. */
const char *bench_names(void);

#endif
