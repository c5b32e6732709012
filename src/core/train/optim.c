/* optim.c: AdamW, the gradient norm, the schedule: plain loops that the compiler turns into vectors.
 *
 * Work is cut by the shape of the model alone, never by the number of threads, so the bytes are the same for any pool.
 * Inner loops have a constant length (16 floats, the alignment of tensors), which is what makes gcc vectorise at -O2;
 * the update is bound by memory (32 bytes a parameter), so wider instructions than the base set would not pay.
 * SPDX-License-Identifier: MIT */
#include "train/optim.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"

enum { LANES = 16, NORM_PARTS = 512, UPDATE_BLOCK = 32768 };

static const double pi = 3.14159265358979323846;

/* --- schedule --- */

/* How much of lr.max - lr.min is left at `step`, 1 at the end of warm-up, 0 at lr.steps. */
static double shape_at(const struct settings *s, double step, double warmup, double steps)
{
	enum { CONSTANT, COSINE, LINEAR, WSD };
	int shape = settings_int(s, SET_LR_SHAPE);
	double from = shape == WSD ? MAX(warmup, 0.8 * steps) : warmup;
	if (shape == CONSTANT)
		return 1;
	if (step >= steps)
		return 0;
	if (step <= from)
		return 1;
	double p = (step - from) / (steps - from);
	return shape == COSINE ? 0.5 * (1 + cos(pi * p)) : shape == LINEAR ? 1 - p : 1 - sqrt(p);
}

double optim_lr(const struct settings *s, uint64_t step)
{
	double max = s->num[SET_LR_MAX];
	double warmup = s->num[SET_LR_WARMUP], steps = s->num[SET_LR_STEPS], at = (double)step;
	if (at < warmup)
		return max * (at + 1) / warmup;
	double f = shape_at(s, at, warmup, steps);
	return max * (f + s->num[SET_LR_MIN] * (1 - f)); /* exactly lr.max where f is 1 */
}

/* --- norm --- */

/* The last row that begins at or before `at`; rows stand in the order of their offsets. */
static int row_at(const struct params *p, size_t at)
{
	int lo = 0, hi = p->n - 1;
	while (lo < hi) {
		int mid = (lo + hi + 1) / 2;
		if (p->table[mid].offset <= at)
			lo = mid;
		else
			hi = mid - 1;
	}
	return lo;
}

struct norm_job {
	const struct params *p;
	const float *g;
	size_t total, part; /* floats in all, floats of one part (a multiple of LANES) */
	double sum[NORM_PARTS];
};

static double sum_squares(const float *restrict g, size_t n)
{
	double acc[LANES] = {0}, sum = 0;
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (size_t j = 0; j < LANES; j++)
			acc[j] += (double)g[i + j] * g[i + j];
	for (; i < n; i++)
		acc[i % LANES] += (double)g[i] * g[i];
	for (size_t j = 0; j < LANES; j++)
		sum += acc[j];
	return sum;
}

static void norm_task(void *arg, int task, int thread)
{
	(void)thread;
	struct norm_job *j = arg;
	size_t lo = MIN((size_t)task * j->part, j->total), n = MIN(j->part, j->total - lo);
	const struct param *t = &j->p->table[row_at(j->p, lo)];
	/* Frozen gradients are zero: not even read where a whole part is. */
	int zero = t->frozen && lo + n <= t->offset + t->count;
	j->sum[task] = zero ? 0 : sum_squares(j->g + lo, n);
}

double optim_grad_norm(const struct params *p, struct pool *pool)
{
	struct norm_job j = {.p = p, .g = p->g, .total = p->total};
	j.part = (p->total / NORM_PARTS / LANES + 1) * LANES;
	pool_run(pool, NORM_PARTS, norm_task, &j);
	double sum = 0;
	for (int i = 0; i < NORM_PARTS; i++)
		sum += j.sum[i];
	return sqrt(sum);
}

/* --- AdamW --- */

struct adam {
	float b1, b2, a1, a2;   /* a1 = 1 - b1, rounded once (1 - 0.9f is 2e-7 off) */
	float c1, c2;           /* c1 = 1 / (1 - b1^t) */
	float lr, eps, scale;
};

struct adam_job {
	struct params *p;
	struct adam k;
	double b1, b2;
	uint64_t t;             /* updates with this one, for a tensor that was never frozen */
	float decay;            /* of tensors whose row says so */
	_Atomic uint32_t top;   /* largest sum of magnitudes written in one go, as bits */
	_Atomic int bad;        /* optim_check: the first row that is */
};

static void correct_bias(struct adam *k, double b1, double b2, uint64_t t)
{
	k->c1 = (float)(1 / (1 - pow(b1, (double)t)));
	k->c2 = (float)(1 / (1 - pow(b2, (double)t)));
}

static inline void adam_lanes(float *restrict w, float *restrict g, float *restrict m, float *restrict v, float *restrict sum,
			      const struct adam *k, float decay, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float gs = g[i] * k->scale;
		float mi = k->b1 * m[i] + k->a1 * gs;
		float vi = k->b2 * v[i] + k->a2 * gs * gs;
		m[i] = mi;
		v[i] = vi;
		g[i] = 0;
		w[i] -= k->lr * (mi * k->c1 / (sqrtf(vi * k->c2) + k->eps) + decay * w[i]);
		sum[i] += (fabsf(w[i]) + fabsf(mi)) + vi;
	}
}

/* Bits of a float without its sign: their order is that of magnitudes, with infinity and then NaN at the top. */
static void raise_top(struct adam_job *j, const float *sum)
{
	float all = 0;
	uint32_t bits, now = atomic_load(&j->top);
	for (int i = 0; i < LANES; i++)
		all += sum[i];
	memcpy(&bits, &all, sizeof bits);
	bits &= 0x7fffffff;
	while (bits > now && !atomic_compare_exchange_weak(&j->top, &now, bits))
		;
}

static void adam_range(struct adam_job *j, const struct param *t, size_t lo, size_t hi)
{
	struct params *p = j->p;
	float sum[LANES] = {0}; /* of magnitudes: no less than the largest; a sum costs less than a maximum, and NaN stays in it */
	struct adam k = j->k;
	float decay = t->decay ? j->decay : 0;
	size_t i = lo;
	if (t->late)
		correct_bias(&k, j->b1, j->b2, j->t - t->late);
	for (; i + LANES <= hi; i += LANES)
		adam_lanes(p->w + i, p->g + i, p->m + i, p->v + i, sum, &k, decay, LANES);
	adam_lanes(p->w + i, p->g + i, p->m + i, p->v + i, sum, &k, decay, hi - i);
	raise_top(j, sum);
}

/* The same numbers, written nowhere. */
static void check_range(struct adam_job *j, const struct param *t, size_t lo, size_t hi)
{
	const struct params *p = j->p;
	struct adam k = j->k;
	float decay = t->decay ? j->decay : 0;
	int bad = 0, row = (int)(t - p->table), now = atomic_load(&j->bad);
	if (t->late)
		correct_bias(&k, j->b1, j->b2, j->t - t->late);
	for (size_t i = lo; i < hi; i++) {
		float gs = p->g[i] * k.scale, w = p->w[i];
		float mi = k.b1 * p->m[i] + k.a1 * gs, vi = k.b2 * p->v[i] + k.a2 * gs * gs;
		bad |= !isfinite(vi) || !isfinite(w - k.lr * (mi * k.c1 / (sqrtf(vi * k.c2) + k.eps) + decay * w)) || !isfinite(mi);
	}
	while (bad && row < now && !atomic_compare_exchange_weak(&j->bad, &now, row))
		;
}

/* One block of the whole; padding between tensors is left alone. */
static void in_block(struct adam_job *j, int task, void (*range)(struct adam_job *, const struct param *, size_t, size_t))
{
	size_t begin = (size_t)task * UPDATE_BLOCK, end = MIN(begin + UPDATE_BLOCK, j->p->total);
	for (int r = row_at(j->p, begin); r < j->p->n && j->p->table[r].offset < end; r++) {
		const struct param *t = &j->p->table[r];
		size_t lo = MAX(begin, t->offset), hi = MIN(end, t->offset + t->count);
		if (lo < hi && !t->frozen)
			range(j, t, lo, hi);
	}
}

static void adam_task(void *arg, int task, int thread)
{
	(void)thread;
	in_block(arg, task, adam_range);
}

static void check_task(void *arg, int task, int thread)
{
	(void)thread;
	in_block(arg, task, check_range);
}

static struct adam_job job_of(struct params *p, const struct settings *s, double lr, double grad_scale, uint64_t t)
{
	double b1 = s->num[SET_ADAM_BETA1], b2 = s->num[SET_ADAM_BETA2], eps = s->num[SET_ADAM_EPS];
	struct adam_job j = {.p = p, .decay = (float)s->num[SET_ADAM_DECAY], .b1 = b1, .b2 = b2, .t = t, .bad = p->n};
	j.k = (struct adam){
		.b1 = (float)b1, .b2 = (float)b2, .a1 = (float)(1 - b1), .a2 = (float)(1 - b2), .lr = (float)lr, .scale = (float)grad_scale,
		/* With epsilon 0 a weight that never had a gradient would be 0/0. */
		.eps = (float)MAX(eps, (double)FLT_MIN),
	};
	correct_bias(&j.k, b1, b2, t);
	return j;
}

static int blocks_of(const struct params *p)
{
	return (int)((p->total + UPDATE_BLOCK - 1) / UPDATE_BLOCK);
}

uint32_t optim_adamw(struct params *p, struct pool *pool, const struct settings *s, double lr, double grad_scale, uint64_t t)
{
	struct adam_job j = job_of(p, s, lr, grad_scale, t);
	pool_run(pool, blocks_of(p), adam_task, &j);
	for (int i = 0; i < p->n; i++)
		p->table[i].late += p->table[i].frozen != 0;
	return atomic_load(&j.top);
}

int optim_check(const struct params *p, struct pool *pool, const struct settings *s, double lr, double grad_scale, uint64_t t)
{
	struct adam_job j = job_of((struct params *)(uintptr_t)p, s, lr, grad_scale, t); /* only read */
	pool_run(pool, blocks_of(p), check_task, &j);
	int row = atomic_load(&j.bad);
	return row < p->n ? row : -1;
}

/* With |w|, |m|, v <= 2^60 and |g'| <= 2^30: |m'|, v' <= 2^61, and what is taken from w is at most lr (c1 2^61 / eps + decay 2^60). A tensor that was frozen may have a
 * larger c1: at most 1 / (1 - beta1). */
int optim_is_safe(const struct settings *s, double lr, double norm, uint32_t top)
{
	static const uint32_t two_60 = (60 + 127) << 23;
	double eps = s->num[SET_ADAM_EPS], c1 = 1 / (1 - s->num[SET_ADAM_BETA1]);
	return top <= two_60 && norm <= 0x1p30 && eps > 0 && lr * (c1 * 0x1p61 / eps + s->num[SET_ADAM_DECAY] * 0x1p60) <= 0x1p120;
}

void optim_missed(struct params *p)
{
	for (int i = 0; i < p->n; i++)
		p->table[i].late++;
}

/* --- moving average --- */

struct ema_job {
	const float *w;
	float *mean, part;
	size_t total;
};

static void ema_task(void *arg, int task, int thread)
{
	(void)thread;
	const struct ema_job *j = arg;
	size_t lo = (size_t)task * UPDATE_BLOCK, hi = MIN(lo + UPDATE_BLOCK, j->total);
	const float *restrict w = j->w;
	float *restrict mean = j->mean;
	for (size_t i = lo; i < hi; i++)
		mean[i] += j->part * (w[i] - mean[i]); /* so that a weight that stays is not moved by rounding */
}

void optim_ema(struct params *p, struct pool *pool, double decay)
{
	struct ema_job j = {p->w, p->ema->w, (float)(1 - decay), p->total};
	pool_run(pool, (int)((p->total + UPDATE_BLOCK - 1) / UPDATE_BLOCK), ema_task, &j);
}
