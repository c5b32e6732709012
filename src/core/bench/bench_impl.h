/* bench_impl.h: what the files of this room share. The outside uses bench.h.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BENCH_IMPL_H
#define ANETUI_BENCH_IMPL_H

#include "bench/bench.h"

struct bench {
	const struct bench_options *o;
	const char *group;
	double sgemm;       /* FLOP/ms of sgemm(2048): the latest */
	double memory;      /* bytes/ms that memory gives; measured once */
	float *gemm_block;  /* the operands of sgemm(2048) */
};

typedef int bench_call(void *arg, struct err *e);

/* Median ms of one call: at least `least` calls, then more until `enough_ms` have gone by (at most 64). The first call is not counted. */
int bench_time(struct bench *b, bench_call *call, void *arg, int least, double enough_ms, double *ms, struct err *e);
/* Measures the two rates anew, or for the first time: call before and after what is compared with them. */
int bench_rates(struct bench *b, struct err *e);
/* The mean of the rates before and now: for what lay between. */
int bench_rates_again(struct bench *b, struct err *e);
void bench_row(struct bench *b, const char *name, double ms, double flops, double bytes, double tokens, const char *note);
/* The same with a floor that was measured as such: what else moves these bytes. NAN: none. */
void bench_row_beside(struct bench *b, const char *name, double ms, double floor_ms, double bytes, const char *note);
/* A figure that is not there. */
void bench_missing(struct bench *b, const char *name, const char *why);
int bench_cancelled(const struct bench *b, struct err *e);
/* Memory bytes/ms over long blocks: (1, 0) reads one, (1, 1) reads and writes it, (4, 3) reads four and writes three of them. 0: too little memory. */
double bench_streams(struct bench *b, int streams, int written, int reps);

#define BENCH(ID, name, function, all, what) int function(struct bench *b, struct err *e);
#include "bench/bench.def"
#undef BENCH

#endif
