/* host.c: cutting host work into tasks, and choosing the loops that the processor can run. The loops are in host_loops.h.
 * SPDX-License-Identifier: MIT */
#include <stdatomic.h>
#include <stddef.h>

#include "base/mem.h"
#include "model/host.h"
#include "model/host_loops.h"

extern const struct host_loops host_loops_base;
#if defined(__x86_64__)
extern const struct host_loops host_loops_avx2, host_loops_avx512;
#endif

static const struct host_loops *loops(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
	    __builtin_cpu_supports("avx512vl"))
		return &host_loops_avx512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return &host_loops_avx2;
#endif
	return &host_loops_base;
}

const char *host_loops_name(void)
{
	return loops()->name;
}

static int blocks(int n, int size)
{
	return (n + size - 1) / size;
}

/* --- embedding --- */

struct embed_args {
	float *out;
	const float *in;
	const int *id;
	int T, D;
};

enum { EMBED_CHANNELS = 16 };

static void embed_task(void *arg, int task, int thread)
{
	const struct embed_args *a = arg;
	int t0 = task * BLOCK, t1 = MIN(a->T, t0 + BLOCK);
	(void)thread;
	for (int c = 0; c < a->D; c++)
		for (int t = t0; t < t1; t++)
			a->out[(size_t)c * a->T + t] = a->in[(size_t)a->id[t] * a->D + c];
}

void host_embed(struct pool *pool, float *x, const float *table, const int *id, int T, int D)
{
	struct embed_args a = {x, table, id, T, D};
	pool_run(pool, blocks(T, BLOCK), embed_task, &a);
}

/* A task owns some channels of every row, so no two tasks write the same element and tokens are added in order. */
static void embed_back_task(void *arg, int task, int thread)
{
	const struct embed_args *a = arg;
	int c0 = task * EMBED_CHANNELS, c1 = MIN(a->D, c0 + EMBED_CHANNELS);
	(void)thread;
	for (int t = 0; t < a->T; t++) {
		float *row = a->out + (size_t)a->id[t] * a->D;
		for (int c = c0; c < c1; c++)
			row[c] += a->in[(size_t)c * a->T + t];
	}
}

void host_embed_back(struct pool *pool, float *g, const float *dx, const int *id, int T, int D)
{
	struct embed_args a = {g, dx, id, T, D};
	pool_run(pool, blocks(D, EMBED_CHANNELS), embed_back_task, &a);
}

/* --- turning --- */

struct turn_args {
	float *out;
	const float *in;
	int n, D, T;
};

static void turn_task(void *arg, int task, int thread)
{
	const struct turn_args *a = arg;
	int t0 = task * BLOCK, t1 = MIN(a->n, t0 + BLOCK);
	(void)thread;
	for (int c = 0; c < a->D; c++)
		for (int t = t0; t < t1; t++)
			a->out[(size_t)c * a->T + t] = a->in[(size_t)t * a->D + c];
}

void host_turn(struct pool *pool, float *out, const float *in, int n, int D, int T)
{
	struct turn_args a = {out, in, n, D, T};
	pool_run(pool, blocks(n, BLOCK), turn_task, &a);
}

/* --- norms --- */

struct norm_args {
	const struct host_loops *loops;
	float *out, *partial;
	const float *dn, *x, *w, *res, *dx;
	int T, D;
	float eps;
};

static void norm_task(void *arg, int task, int thread)
{
	const struct norm_args *a = arg;
	int t0 = task * BLOCK;
	(void)thread;
	a->loops->norm(a->out, a->x, a->w, a->T, a->D, t0, MIN(BLOCK, a->T - t0), a->eps);
}

void host_norm(struct pool *pool, float *out, const float *x, const float *w, int T, int D, float eps)
{
	struct norm_args a = {.loops = loops(), .out = out, .x = x, .w = w, .T = T, .D = D, .eps = eps};
	pool_run(pool, blocks(T, BLOCK), norm_task, &a);
}

struct add_norm_args {
	const struct host_loops *loops;
	float *sum, *out;
	const float *x, *o, *w;
	float alpha, eps;
	int T, D;
};

static void add_norm_task(void *arg, int task, int thread)
{
	const struct add_norm_args *a = arg;
	int t0 = task * BLOCK;
	(void)thread;
	a->loops->add_norm(a->sum, a->out, a->x, a->o, a->alpha, a->w, a->T, a->D, t0, MIN(BLOCK, a->T - t0), a->eps);
}

void host_add_norm(struct pool *pool, float *sum, float *out, const float *x, const float *o, float alpha, const float *w, int T, int D,
		   float eps)
{
	struct add_norm_args a = {loops(), sum, out, x, o, w, alpha, eps, T, D};
	pool_run(pool, blocks(T, BLOCK), add_norm_task, &a);
}

static void norm_back_task(void *arg, int task, int thread)
{
	const struct norm_args *a = arg;
	int t0 = task * BLOCK;
	(void)thread;
	a->loops->norm_back(a->out, a->partial + (size_t)task * a->D, a->dn, a->x, a->w, a->res, a->T, a->D, t0,
			    MIN(BLOCK, a->T - t0), a->eps);
}

size_t host_norm_scratch(int T, int D)
{
	return (size_t)blocks(T, BLOCK) * (size_t)D;
}

static void add_partial(float *dw, const float *partial, int T, int D)
{
	for (int i = 0; i < blocks(T, BLOCK); i++)
		for (int c = 0; c < D; c++)
			dw[c] += partial[(size_t)i * D + c];
}

void host_norm_back(struct pool *pool, float *out, float *dw, const float *dn, const float *x, const float *w, const float *res,
		    float *scratch, int T, int D, float eps)
{
	struct norm_args a = {loops(), out, scratch, dn, x, w, res, NULL, T, D, eps};
	pool_run(pool, blocks(T, BLOCK), norm_back_task, &a);
	add_partial(dw, scratch, T, D);
}

static void norm_rest_task(void *arg, int task, int thread)
{
	const struct norm_args *a = arg;
	int t0 = task * BLOCK;
	(void)thread;
	a->loops->norm_rest(a->out, a->partial + (size_t)task * a->D, a->dn, a->x, a->dx, a->res, a->T, a->D, t0, MIN(BLOCK, a->T - t0),
			    a->eps);
}

void host_norm_rest(struct pool *pool, float *out, float *dw, const float *dn, const float *x, const float *dx, const float *res,
		    float *scratch, int T, int D, float eps)
{
	struct norm_args a = {loops(), out, scratch, dn, x, NULL, res, dx, T, D, eps};
	pool_run(pool, blocks(T, BLOCK), norm_rest_task, &a);
	add_partial(dw, scratch, T, D);
}

enum { SUM_LANES = 16 };

struct rows_args {
	float *out;
	const float *x;
	int T;
};

/* Lanes of a fixed number: the compiler may make vectors of them, and the sum stays the same. */
static void add_row_task(void *arg, int row, int thread)
{
	const struct rows_args *a = arg;
	const float *x = a->x + (size_t)row * (size_t)a->T;
	float lane[SUM_LANES] = {0}, sum = 0;
	int t = 0;
	(void)thread;
	for (; t + SUM_LANES <= a->T; t += SUM_LANES)
		for (int i = 0; i < SUM_LANES; i++)
			lane[i] += x[t + i];
	for (; t < a->T; t++)
		lane[t % SUM_LANES] += x[t];
	for (int i = 0; i < SUM_LANES; i++)
		sum += lane[i];
	a->out[row] += sum;
}

void host_add_rows(struct pool *pool, float *out, const float *x, int T, int D)
{
	struct rows_args a = {out, x, T};
	pool_run((int64_t)T * D < 1 << 16 ? NULL : pool, D, add_row_task, &a);
}

/* --- element by element --- */

enum { FLAT_BLOCK = 1 << 14 };

struct flat_args {
	const struct host_loops *loops;
	float *out, *out2;
	const float *x, *y, *z;
	size_t n;
};

static void swiglu_task(void *arg, int task, int thread)
{
	const struct flat_args *a = arg;
	size_t at = (size_t)task * FLAT_BLOCK;
	(void)thread;
	a->loops->swiglu_back(a->out + at, a->out2 + at, a->x + at, a->y + at, a->z + at, (int)MIN(FLAT_BLOCK, a->n - at));
}

void host_swiglu_back(struct pool *pool, float *dh1, float *dh3, const float *dgate, const float *h1, const float *h3, size_t n)
{
	struct flat_args a = {loops(), dh1, dh3, dgate, h1, h3, n};
	pool_run(pool, (int)((n + FLAT_BLOCK - 1) / FLAT_BLOCK), swiglu_task, &a);
}

static void add_task(void *arg, int task, int thread)
{
	const struct flat_args *a = arg;
	size_t at = (size_t)task * FLAT_BLOCK, end = MIN(at + FLAT_BLOCK, a->n);
	(void)thread;
	for (; at < end; at++)
		a->out[at] += a->x[at];
}

void host_add(struct pool *pool, float *out, const float *x, size_t n)
{
	struct flat_args a = {.out = out, .x = x, .n = n};
	pool_run(pool, (int)((n + FLAT_BLOCK - 1) / FLAT_BLOCK), add_task, &a);
}

/* --- looking --- */

enum { SCAN_BLOCK = 1 << 16 };

struct scan_args {
	const struct host_loops *loops;
	const float *x;
	size_t n;
	_Atomic uint32_t top;
	_Atomic uint64_t zeros;
};

static void scan_task(void *arg, int task, int thread)
{
	struct scan_args *a = arg;
	size_t at = (size_t)task * SCAN_BLOCK;
	uint32_t top, was = a->top;
	uint64_t zeros;
	(void)thread;
	a->loops->scan(a->x + at, MIN(SCAN_BLOCK, a->n - at), &top, &zeros);
	a->zeros += zeros;
	while (top > was && !atomic_compare_exchange_weak(&a->top, &was, top))
		;
}

struct host_scan host_scan(struct pool *pool, const float *x, size_t n)
{
	struct scan_args a = {.loops = loops(), .x = x, .n = n};
	pool_run(pool, (int)((n + SCAN_BLOCK - 1) / SCAN_BLOCK), scan_task, &a);
	return (struct host_scan){a.top, a.zeros};
}

/* --- loss --- */

struct loss_args {
	const struct host_loops *loops;
	double *loss;
	float *logits;
	const int *target;
	int n, V;
	float each;
	int grad;
};

enum { LOSS_ROWS = 4 };

static void loss_task(void *arg, int task, int thread)
{
	const struct loss_args *a = arg;
	(void)thread;
	for (int i = task * LOSS_ROWS; i < MIN(a->n, (task + 1) * LOSS_ROWS); i++)
		a->loss[i] = a->loops->cross_entropy(a->logits + (size_t)i * a->V, a->target[i], a->V, a->each, a->grad);
}

void host_cross_entropy(struct pool *pool, double *loss, float *logits, const int *target, int n, int V, float each, int grad)
{
	struct loss_args a = {loops(), loss, logits, target, n, V, each, grad};
	pool_run(pool, blocks(n, LOSS_ROWS), loss_task, &a);
}

/* --- loss after a softmax that a program has made --- */

struct probs_args {
	const struct host_loops *loops;
	double *sum;
	float *grad; /* the probabilities, when they are written over */
	const float *logits, *probs, *factor;
	const int *target;
	float each;
	int first, V, N;
};

static void log_sums_task(void *arg, int task, int thread)
{
	const struct probs_args *a = arg;
	int t0 = task * LANES;
	(void)thread;
	a->loops->log_sums(a->sum, a->logits, a->probs, a->V, a->N, t0, MIN(LANES, a->N - t0));
}

void host_log_sums(struct pool *pool, double *sum, const float *logits, const float *probs, int V, int N)
{
	struct probs_args a = {.loops = loops(), .sum = sum, .probs = probs, .logits = logits, .V = V, .N = N};
	pool_run(pool, blocks(N, LANES), log_sums_task, &a);
}

enum { GRAD_ROWS = 64 };

static void softmax_grad_task(void *arg, int task, int thread)
{
	const struct probs_args *a = arg;
	int v0 = task * GRAD_ROWS, v1 = MIN(a->V, v0 + GRAD_ROWS);
	(void)thread;
	for (int v = v0; v < v1; v++)
		a->loops->softmax_grad(a->grad + (size_t)v * (size_t)a->N, a->factor, a->N);
	for (int t = 0; t < a->N; t++) {
		int v = a->target[t] < 0 ? -1 : a->target[t] - a->first;
		if (v >= v0 && v < v1)
			a->grad[(size_t)v * (size_t)a->N + (size_t)t] -= a->each;
	}
}

void host_softmax_grad(struct pool *pool, float *probs, const float *factor, const int *target, float each, int first, int V, int N)
{
	struct probs_args a = {.loops = loops(), .grad = probs, .factor = factor, .target = target, .each = each, .first = first,
			       .V = V, .N = N};
	pool_run(pool, blocks(V, GRAD_ROWS), softmax_grad_task, &a);
}
