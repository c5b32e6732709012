/* bench_machine.c: what the machine gives: products of several shapes, and memory. No model.
 * SPDX-License-Identifier: MIT */
#include "bench/bench_impl.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "device/gemm.h"

enum { STREAMS_MAX = 4, STREAM_FLOATS = 16 << 20, BLOCK = 8192, LANES = 16 };

/* --- products --- */

struct product {
	struct pool *pool;
	int64_t m, n, k;
	float *a, *b, *c;
};

static int product_call(void *arg, struct err *e)
{
	struct product *p = arg;
	(void)e;
	gemm(p->pool, 0, 1, p->m, p->n, p->k, 1, p->a, p->k, p->b, p->k, 0, p->c, p->n);
	return 0;
}

static int product(struct bench *b, int64_t m, int64_t n, int64_t k, const char *what, struct err *e)
{
	size_t na = (size_t)(m * k), nb = (size_t)(n * k), nc = (size_t)(m * n);
	float *mem = mem_aligned(na + nb + nc, sizeof *mem);
	char name[64];
	double ms;
	if (!mem)
		return err_nomem(e, "bench: sgemm", (na + nb + nc) * sizeof *mem);
	struct product p = {b->o->pool, m, n, k, mem, mem + na, mem + na + nb};
	for (size_t i = 0; i < na + nb; i++)
		mem[i] = (float)(i % 11) - 5;
	int rc = bench_time(b, product_call, &p, 5, 150, &ms, e);
	snprintf(name, sizeof name, "%lld x %lld x %lld%s%s", (long long)m, (long long)n, (long long)k, *what ? ", " : "", what);
	if (!rc)
		bench_row(b, name, ms, 2.0 * (double)m * (double)n * (double)k, 4.0 * (double)(na + nb + nc), 0, "");
	free(mem);
	return rc;
}

int bench_sgemm(struct bench *b, struct err *e)
{
	static const struct { int64_t m, n, k; const char *what; } shapes[] = {
		{256, 256, 256, ""}, {512, 512, 512, ""}, {1024, 1024, 1024, ""}, {2048, 2048, 2048, ""},
		{512, 384, 128, "demo w1"}, {2048, 768, 288, "stories15m w1"}, {256, 2048, 768, "stories110m w1"}, {256, 32000, 768, "stories110m classifier"},
	};
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(shapes) && !rc; i++)
		rc = product(b, shapes[i].m, shapes[i].n, shapes[i].k, shapes[i].what, e);
	return rc;
}

/* --- memory --- */

struct streams {
	float *at[STREAMS_MAX];
	int n, written;
	float sum[STREAM_FLOATS / BLOCK]; /* so that reading is not left out */
};

/* Each kind has its own loop of constant length, which is what makes it a loop over memory and not over instructions. */
static void read_block(float *restrict acc, const float *restrict a, size_t n)
{
	for (size_t i = 0; i < n; i += LANES)
		for (size_t j = 0; j < LANES; j++)
			acc[j] += a[i + j];
}

static void change_block(float *restrict a, size_t n)
{
	for (size_t i = 0; i < n; i += LANES)
		for (size_t j = 0; j < LANES; j++)
			a[i + j] = 0.5f * a[i + j] + 1e-3f;
}

/* Four streams read, three of them written: a plain update. */
static void update_block(float *restrict w, float *restrict m, float *restrict v, const float *restrict g, size_t n)
{
	for (size_t i = 0; i < n; i += LANES)
		for (size_t j = 0; j < LANES; j++) {
			float x = g[i + j];
			m[i + j] = 0.9f * m[i + j] + 0.1f * x;
			v[i + j] = 0.95f * v[i + j] + 0.05f * x;
			w[i + j] -= 1e-3f * m[i + j] + 1e-3f * v[i + j];
		}
}

static void streams_task(void *arg, int task, int thread)
{
	struct streams *s = arg;
	float acc[LANES] = {0};
	size_t from = (size_t)task * BLOCK;
	(void)thread;
	if (s->n == 4)
		update_block(s->at[0] + from, s->at[1] + from, s->at[2] + from, s->at[3] + from, BLOCK);
	else if (s->written)
		change_block(s->at[0] + from, BLOCK);
	else
		read_block(acc, s->at[0] + from, BLOCK);
	for (int j = 0; j < LANES; j++)
		s->sum[task] += acc[j];
}

double bench_streams(struct bench *b, int streams, int written, int reps)
{
	struct streams *s = mem_zalloc(1, sizeof *s);
	size_t n = STREAM_FLOATS;
	float *mem = s ? mem_aligned((size_t)streams * n, sizeof *mem) : NULL;
	double best = 0;
	if (mem) {
		s->n = streams;
		s->written = written;
		for (int k = 0; k < streams; k++) {
			s->at[k] = mem + (size_t)k * n;
			for (size_t i = 0; i < n; i++)
				s->at[k][i] = 1e-3f;
		}
		for (int i = 0; i < reps; i++) {
			uint64_t t = clock_ns();
			pool_run(b->o->pool, STREAM_FLOATS / BLOCK, streams_task, s);
			double ms = (double)(clock_ns() - t) / 1e6;
			best = MAX(best, (double)(streams + written) * (double)n * 4 / ms);
		}
	}
	free(mem);
	free(s);
	return best;
}

int bench_memory(struct bench *b, struct err *e)
{
	static const struct { int streams, written; const char *what; } kinds[] = {
		{1, 0, "read one stream"}, {1, 1, "read and write one stream"}, {4, 3, "read four, write three of them (an update)"},
	};
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(kinds) && !rc; i++) {
		double bytes = 4.0 * STREAM_FLOATS * (kinds[i].streams + kinds[i].written), rate = bench_streams(b, kinds[i].streams, kinds[i].written, 7);
		if (rate > 0)
			bench_row(b, kinds[i].what, bytes / rate, 0, bytes, 0, "");
		else
			bench_missing(b, kinds[i].what, "too little memory");
		rc = bench_cancelled(b, e);
	}
	return rc;
}
