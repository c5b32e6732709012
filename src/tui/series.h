/* series.h: the curves in bounded memory: every step goes in, neighbours are merged with their extremes kept. Draws nothing.
 *
 * A plain value without pointers, so that a frozen view is a copy of it.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_SERIES_H
#define ANETUI_TUI_SERIES_H

#include <stdint.h>

#include "engine.h"

/* Bounds: buckets of steps; latest steps that are kept one by one; validation points; marks. A multiple of two each. */
enum { SERIES_CAP = 4096, SERIES_TAIL = 2048, SERIES_VALS = 512, SERIES_MARKS = 128, SERIES_EMAS = 3 };

/* What a bucket keeps of one quantity; n == 0: no finite value, a gap. */
struct spread { float min, max; double sum; uint32_t n; };

struct bucket {
	uint64_t first, last;        /* steps */
	struct spread loss, grad, rate;  /* rate: tokens a second */
	float ema[SERIES_EMAS];      /* of the loss after `last`, NAN before the first finite one */
	float lr, watts;             /* latest; NAN: none */
	uint32_t bad;                /* steps whose loss was not finite: they stay visible */
	uint32_t cut;                /* 1: the program was suspended before it or in it: no line leads here, and no speed is told */
	double t, joules;            /* at its end: seconds of the run; energy since its beginning (as far as it was measured) */
	uint64_t tokens;
};

struct val_point { uint64_t step; float loss, bpb; };
enum mark_kind { MARK_SETTING, MARK_CKPT };
struct mark { uint64_t step; enum mark_kind kind; char text[48]; };

struct series {
	int n;                       /* buckets; the last one is being filled */
	uint32_t stride, fill;       /* steps of a full bucket, and in the last one */
	uint64_t step;               /* latest */
	uint64_t tokens;
	double joules, joules_raw;   /* energy so far; the engine's counter at the latest step (NAN: none) */
	int ntail;
	double ema_sum[SERIES_EMAS], ema_weight[SERIES_EMAS];
	int nval, nmark;
	struct val_point best;       /* loss NAN: none */
	struct bucket b[SERIES_CAP];
	struct bucket tail[SERIES_TAIL];  /* the latest steps, one each */
	struct val_point val[SERIES_VALS];
	struct mark mark[SERIES_MARKS];
};

/* Decay of the moving averages, weakest first. */
extern const float series_decay[SERIES_EMAS];

void series_reset(struct series *s);
/* Adds a step. One with a gap before it has no speed, and no line leads to it. A step that is not beyond the latest is merged into the last bucket. */
void series_add(struct series *s, const struct step_obs *o);
void series_eval(struct series *s, uint64_t step, double loss, double bpb);
void series_mark(struct series *s, uint64_t step, enum mark_kind kind, const char *text);
/* Latest finite values; NAN: none. */
float series_ema(const struct series *s, int which);
float series_last_val(const struct series *s);


/* --- reading --- */
/* What a curve can be drawn over. */
enum series_x { X_STEP, X_TOKENS, X_TIME, X_JOULES, X_N };
double series_x_of(const struct bucket *b, enum series_x x);
/* Of any step, between its neighbours; beyond the latest as things went lately. */
double series_x_at(const struct series *s, enum series_x x, uint64_t step);
/* The finest buckets that hold all of [from, latest]. */
const struct bucket *series_since(const struct series *s, uint64_t from, int *n);
/* The bucket that `step` is in, or the nearest; NULL: there are none. */
const struct bucket *series_at(const struct series *s, uint64_t step);
/* The latest validation, or mark of this kind, at or before `step`; NULL: none. */
const struct val_point *series_val_at(const struct series *s, uint64_t step);
const struct mark *series_mark_at(const struct series *s, enum mark_kind kind, uint64_t step);

#endif
