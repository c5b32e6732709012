/* series.h: the curves in bounded memory: every step goes in, neighbours are merged with their extremes kept. Draws nothing.
 *
 * A plain value without pointers, so that a frozen view is a copy of it.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_SERIES_H
#define ANETUI_TUI_SERIES_H

#include <stdint.h>

#include "engine.h"

/* Bounds: buckets of steps; validation points; marks. A multiple of two each. */
enum { SERIES_CAP = 4096, SERIES_VALS = 512, SERIES_MARKS = 128, SERIES_EMAS = 3 };

/* What a bucket keeps of one quantity; n == 0: no finite value, a gap. */
struct spread { float min, max; double sum; uint32_t n; };

struct bucket {
	uint64_t first, last;        /* steps */
	struct spread loss, grad, rate;  /* rate: tokens a second */
	float ema[SERIES_EMAS];      /* of the loss after `last`, NAN before the first finite one */
	float lr, watts;             /* latest; NAN: none */
	uint32_t bad;                /* steps whose loss was not finite: they stay visible */
};

struct val_point { uint64_t step; float loss, bpb; };
enum mark_kind { MARK_SETTING, MARK_CKPT };
struct mark { uint64_t step; enum mark_kind kind; char text[48]; };

struct series {
	int n;                       /* buckets; the last one is being filled */
	uint32_t stride, fill;       /* steps of a full bucket, and in the last one */
	uint64_t step;               /* latest */
	uint64_t tokens;
	double ema_sum[SERIES_EMAS], ema_weight[SERIES_EMAS];
	int nval, nmark;
	struct val_point best;       /* loss NAN: none */
	struct bucket b[SERIES_CAP];
	struct val_point val[SERIES_VALS];
	struct mark mark[SERIES_MARKS];
};

/* Decay of the moving averages, weakest first. */
extern const float series_decay[SERIES_EMAS];

void series_reset(struct series *s);
/* Adds a step. A step that is not beyond the latest is merged into the last bucket. */
void series_add(struct series *s, const struct step_obs *o);
void series_eval(struct series *s, uint64_t step, double loss, double bpb);
void series_mark(struct series *s, uint64_t step, enum mark_kind kind, const char *text);
/* Latest finite values; NAN: none. */
float series_ema(const struct series *s, int which);
float series_last_val(const struct series *s);

#endif
