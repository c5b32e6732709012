/* blas_rate.c: how fast sgemm is here, within a given time. Chooses nothing: blas_choice.c does.
 * SPDX-License-Identifier: MIT */
#include "device/blas.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

enum { LARGEST = 768, BLOCKS = 8 };

struct probe {
	const struct blas *blas;
	int64_t n;
	float *a, *b, *c;
};

/* As training calls it: a block of rows, one single-threaded call each. */
static void rows(void *arg, int task, int thread)
{
	(void)thread;
	const struct probe *p = arg;
	int64_t m = p->n / BLOCKS, at = task * m * p->n;
	int n = (int)p->n;
	if (p->blas->sgemm)
		p->blas->sgemm(CBLAS_ROW_MAJOR, CBLAS_NO_TRANS, CBLAS_NO_TRANS, (int)m, n, n, 1, p->a + at, n, p->b, n, 0, p->c + at, n);
	else
		gemm_builtin(0, 0, m, n, n, 1, p->a + at, n, p->b, n, 0, p->c + at, n);
}

static void fill(float *x, size_t n, int turn)
{
	for (size_t i = 0; i < n; i++)
		x[i] = (float)(i % (size_t)turn) - (float)(turn / 2);
}

/* Small products first, so that a slow library or machine shows before it takes long; the largest that fits is repeated. The best
 * counts: the first of a size touches fresh memory, and others may use the machine. */
static double climb(struct probe *p, struct pool *pool, uint64_t ns)
{
	static const int64_t size[] = {128, 256, 512, LARGEST};
	double best = 0;
	uint64_t begin = clock_ns(), now = begin;
	for (size_t i = 0; now - begin < ns;) {
		uint64_t t = now;
		p->n = size[i];
		pool_run(pool, BLOCKS, rows, p);
		now = clock_ns();
		uint64_t took = now - t + 1;
		best = MAX(best, 2.0 * (double)p->n * (double)p->n * (double)p->n / (double)took);
		uint64_t left = ns - MIN(ns, now - begin);
		if (i + 1 < ARRAY_LEN(size) && took * 8 * 2 < left)
			i++;
		else if (took > left)
			break;
	}
	return best;
}

double blas_rate(const struct blas *b, int threads, uint64_t ns)
{
	size_t each = (size_t)LARGEST * LARGEST;
	struct pool *pool = threads > 1 ? pool_new(threads, NULL) : NULL;
	float *x = mem_aligned(each * 3, sizeof *x);
	double rate = 0;
	if (x && (pool || threads == 1)) {
		struct probe p = {.blas = b, .a = x, .b = x + each, .c = x + 2 * each};
		fill(p.a, each, 13);
		fill(p.b, each, 11);
		rate = climb(&p, pool, ns);
	}
	free(x);
	pool_free(pool);
	return rate;
}

double blas_measure(struct pool *p)
{
	enum { N = 1024 };
	float *x = mem_aligned((size_t)N * N * 3, sizeof *x);
	if (!x)
		return 0;
	float *y = x + N * N, *z = y + N * N;
	fill(x, (size_t)N * N, 13);
	fill(y, (size_t)N * N, 11);
	/* The best of a few, as above. */
	double best = 0;
	uint64_t begin = clock_ns(), took = 0;
	for (int i = 0; i < 8 && took < 70000000; i++) {
		uint64_t t = clock_ns();
		gemm(p, 0, 0, N, N, N, 1, x, N, y, N, 0, z, N);
		uint64_t end = clock_ns();
		best = MAX(best, 2.0 * N * N * N / (double)(end - t + 1));
		took = end - begin;
	}
	free(x);
	blas_measured(best);
	return best;
}
