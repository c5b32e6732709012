/* timing.h: where the milliseconds of a micro-step go: one row for each program and each piece of host work. Reads the clock for
 * host work; bindings time themselves and report here. SPDX-License-Identifier: MIT */
#ifndef ANETUI_METER_TIMING_H
#define ANETUI_METER_TIMING_H

#include <stdint.h>

#include "base/clock.h"

enum timing_kind {
	TIMING_PROGRAM, /* a binding's run */
	TIMING_HOST,    /* work of the worker and its pool between programs */
	TIMING_WAIT,    /* waiting for overlapped work */
	TIMING_OVERLAP, /* work that ran beside a device: shown in a column of its own, never added to the sum */
};

enum { TIMING_ROWS = 48, TIMING_NAME = 20, TIMING_HIST = 64 };

struct timing_row {
	char name[TIMING_NAME];
	enum timing_kind kind;
	uint64_t calls, ns;    /* since timing_reset (whole run) */
	double flops;          /* total, as asked for */
	/* The latest micro-steps, newest at (micro - 1) % TIMING_HIST. */
	float hist_ns[TIMING_HIST];
	uint64_t now_ns;       /* in the micro-step that is running */
	uint32_t now_calls, last_calls;
	double now_flops, last_flops;
	double now_chip_ns, last_chip_ns; /* what a chip would have taken, predicted; 0: nothing was predicted */
};

/* Belongs to the worker. A snapshot copies it whole. Update and host work outside micro-steps (optimizer, checkpoint) have
 * rows too; `micro` counts micro-steps, `total_ns` is measured from begin to end of each. */
struct timing {
	int n;
	struct timing_row row[TIMING_ROWS];
	uint64_t micro;               /* micro-steps ended */
	uint64_t start_ns;            /* of the one that is running */
	int depth;                    /* begins without their end: a micro-step of several passes is one */
	uint64_t total_ns;            /* of all ended ones */
	float hist_total[TIMING_HIST];
	struct clock_seen seen;       /* up to the latest begin or end */
	int turned;                   /* this pass has left the loss behind */
	double now_chip_ns[2], last_chip_ns[2]; /* predicted, of all programs: before and after the loss */
};

/* The row's number; makes it when it is new; -1 when the table is full (time then falls into "unaccounted"). */
int timing_row(struct timing *t, const char *name, enum timing_kind kind);
/* Adds one call, which has just ended. t NULL and row -1 are allowed. It is a span of the timeline too, when one is recorded (base/trace.h). */
void timing_add(struct timing *t, int row, uint64_t ns, double flops);
/* The same for one of several equal ones: `layer` stands beside it in the timeline. */
void timing_add_layer(struct timing *t, int row, uint64_t ns, double flops, int layer);
/* Adds one call to the row alone: of work in several pieces, done elsewhere, or with spans of its own within (theirs are told to the nanosecond by trace_span). */
void timing_count(struct timing *t, int row, uint64_t ns, double flops);
/* May be nested: the outermost pair counts. */
/* What a chip would have taken for that call: a prediction, never part of a sum of measured times. */
void timing_chip(struct timing *t, int row, double ns);
void timing_micro_begin(struct timing *t);
/* The loss is known: what follows is the way back. */
void timing_micro_turn(struct timing *t);
/* A micro-step in which the program was stopped, or the machine asleep, is left out, in the rows too: its times are nobody's. */
void timing_micro_end(struct timing *t);
void timing_reset(struct timing *t);

/* Median and 95th percentile over the kept micro-steps of one row, ms (row -1: of the totals); 0 when there are none. */
void timing_percentiles(const struct timing *t, int row, double *p50, double *p95);
/* Mean ms of a row over the last n kept micro-steps (row -1: totals; row -2: unaccounted = total - programs - host - waits). */
double timing_mean_ms(const struct timing *t, int row, int n);

#endif
