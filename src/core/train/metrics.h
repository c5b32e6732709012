/* metrics.h: metrics.jsonl read back, line by line, also while another process writes it. Shows nothing.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TRAIN_METRICS_H
#define ANETUI_TRAIN_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum metrics_kind { METRICS_START, METRICS_STEP, METRICS_EVAL, METRICS_SET, METRICS_CKPT, METRICS_SAMPLE, METRICS_ERROR, METRICS_STOP };

struct metrics_row {
	enum metrics_kind kind;
	uint64_t step, tokens;
	double t;                /* seconds since the run began */
	double play;             /* the same without long gaps: what a replay goes by */
	float loss, grad_norm, lr, ms, micro_ms, watts; /* step; eval: loss, and bits per byte in grad_norm. NAN: not there */
	float gap;               /* step: seconds before its end in which nothing ran; 0: none */
	char *text;              /* start, set, ckpt, sample, error, stop: the whole line; else NULL */
};

/* Of a step that was made again (resumed, gone back) the last line counts; what came after it in the branch that was left is gone. */
struct metrics {
	struct metrics_row *row;
	size_t n, cap;
	uint64_t at;             /* bytes of the file that were read */
	int too_long;            /* the file goes on within a line that is passed over */
	char path[1100];
	int went_back;           /* set when rows were taken away; whoever shows them looks at it and clears it */
};

enum { METRICS_GAP_S = 5 };

/* The folder's metrics.jsonl as far as it goes. ERR_IO, ERR_FORMAT: no line of it is a run's. metrics_done also after a failure. */
int metrics_open(struct metrics *m, const char *dir, struct err *e);
void metrics_done(struct metrics *m);
/* What has been added since, whole lines only: the number of new rows, or an error. */
int metrics_more(struct metrics *m, struct err *e);
/* Index of the first row whose play is beyond `play`; n: none. */
size_t metrics_find(const struct metrics *m, double play);

#endif
