/* bench.c: which benchmarks there are, and how a figure is taken. The benchmarks are in the files beside.
 * SPDX-License-Identifier: MIT */
#include "bench/bench_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "device/gemm.h"

enum { CALLS_MAX = 64, GEMM_N = 2048, GEMM_CALLS = 3 };

static const struct {
	const char *name;
	int (*run)(struct bench *b, struct err *e);
	int all;
} benches[] = {
#define BENCH(ID, name, function, all, what) {name, function, all},
#include "bench/bench.def"
#undef BENCH
};

const char *bench_names(void)
{
	return
#define BENCH(ID, name, function, all, what) name " "
#include "bench/bench.def"
#undef BENCH
		;
}

int bench_cancelled(const struct bench *b, struct err *e)
{
	return b->o->cancel && atomic_load(b->o->cancel) ? err_set(e, ERR_CANCEL, "bench: interrupted") : 0;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof *v, by_size);
	return n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}

int bench_time(struct bench *b, bench_call *call, void *arg, int least, double enough_ms, double *ms, struct err *e)
{
	double took[CALLS_MAX], sum = 0;
	int n = 0, rc = call(arg, e);
	while (!rc && n < CALLS_MAX && (n < least || sum < enough_ms)) {
		uint64_t t = clock_ns();
		rc = call(arg, e);
		took[n] = (double)(clock_ns() - t) / 1e6;
		sum += took[n++];
		if (!rc)
			rc = bench_cancelled(b, e);
	}
	if (!rc)
		*ms = median(took, n);
	return rc;
}

/* --- the two rates --- */

static int gemm_call(void *arg, struct err *e)
{
	struct bench *b = arg;
	float *x = b->gemm_block, *y = x + GEMM_N * GEMM_N, *z = y + GEMM_N * GEMM_N;
	(void)e;
	gemm(b->o->pool, 0, 0, GEMM_N, GEMM_N, GEMM_N, 1, x, GEMM_N, y, GEMM_N, 0, z, GEMM_N);
	return 0;
}

int bench_rates(struct bench *b, struct err *e)
{
	size_t n = (size_t)GEMM_N * GEMM_N;
	double ms;
	if (!b->gemm_block && !(b->gemm_block = mem_aligned(3 * n, sizeof(float))))
		return err_nomem(e, "bench", 3 * n * sizeof(float));
	for (size_t i = 0; i < 2 * n && !b->sgemm; i++)
		b->gemm_block[i] = (float)(i % 13) - 6;
	int rc = bench_time(b, gemm_call, b, GEMM_CALLS, 0, &ms, e);
	if (!rc)
		b->sgemm = 2.0 * GEMM_N * GEMM_N * GEMM_N / ms;
	if (!rc && !b->memory)
		b->memory = MAX(bench_streams(b, 1, 0, 5), MAX(bench_streams(b, 1, 1, 5), bench_streams(b, 4, 3, 5)));
	return rc;
}

int bench_rates_again(struct bench *b, struct err *e)
{
	double before = b->sgemm;
	int rc = bench_rates(b, e);
	b->sgemm = 0.5 * (before + b->sgemm);
	return rc;
}

/* --- rows --- */

static double floor_of(const struct bench *b, double flops, double bytes)
{
	double by_flops = flops > 0 && b->sgemm > 0 ? flops / b->sgemm : 0, by_bytes = bytes > 0 && b->memory > 0 ? bytes / b->memory : 0;
	return by_flops > 0 || by_bytes > 0 ? MAX(by_flops, by_bytes) : NAN;
}

static void tell(struct bench *b, struct bench_row r, const char *name, const char *note)
{
	r.group = b->group;
	r.note = note ? note : "";
	snprintf(r.name, sizeof r.name, "%s", name);
	b->o->row(b->o->ctx, &r);
}

void bench_row(struct bench *b, const char *name, double ms, double flops, double bytes, double tokens, const char *note)
{
	tell(b, (struct bench_row){.ms = ms, .flops = flops, .bytes = bytes, .tokens = tokens, .floor_ms = floor_of(b, flops, bytes)}, name, note);
}

void bench_row_beside(struct bench *b, const char *name, double ms, double floor_ms, double bytes, const char *note)
{
	tell(b, (struct bench_row){.ms = ms, .bytes = bytes, .floor_ms = floor_ms}, name, note);
}

void bench_missing(struct bench *b, const char *name, const char *why)
{
	bench_row(b, name, NAN, 0, 0, 0, why);
}

static int find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(benches); i++)
		if (!strcmp(benches[i].name, name))
			return (int)i;
	return -1;
}

int bench_run(const struct bench_options *o, const char *name, struct err *e)
{
	struct bench b = {.o = o};
	int one = name ? find(name) : -1, rc = 0;
	if (name && one < 0)
		return err_set(e, ERR_USAGE, "bench: %s: no such benchmark (there are: %.*s)", name, (int)strlen(bench_names()) - 1, bench_names());
	for (int i = 0; i < (int)ARRAY_LEN(benches) && !rc; i++) {
		if (one >= 0 ? i != one : !benches[i].all)
			continue;
		struct err why = {0};
		b.group = benches[i].name;
		rc = bench_rates(&b, e);
		if (!rc && (rc = benches[i].run(&b, &why)) == ERR_NOMEM) {
			bench_missing(&b, "", why.msg);
			rc = 0;
		} else if (rc) {
			*e = why;
		}
	}
	free(b.gemm_block);
	return rc;
}
