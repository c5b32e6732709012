/* run_scores.c: attention's way back by blocks of rows, one task for each product of the batch: what is 0 behind the diagonal is left out of the
 * products, and the gradient of the scores never leaves a cache. Plans nothing.
 *
 * A column that is hidden takes no part even where the other factor is not finite: 0 times infinity is not seen.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/mem.h"
#include "device/cpu/steps.h"

struct run {
	const struct scores_step *s;
	const struct run_env *env;
};

/* The operands of one task and one group; scale: 1 where there is none. */
struct part {
	const struct scores_step *s;
	float *at[SCORES_N], scale, *lane;
};

static int64_t lane_row(const struct scores_step *s)
{
	return (s->n + 15) / 16 * 16 + 16; /* not a power of two: rows would share cache sets */
}

size_t scores_lane(const struct scores_step *s)
{
	return (size_t)(lane_row(s) * ATTENTION_ROWS);
}

/* All of row[result, n) is 0; `guess` is tried first: below a causal mask it is one more than the row before had. */
static int64_t used(const float *row, int64_t n, int64_t guess)
{
	if (guess > 0 && guess < n && row[guess] == 0 && !memcmp(row + guess, row + guess + 1, (size_t)(n - guess - 1) * sizeof *row))
		return guess;
	while (n > 1 && row[n - 1] == 0)
		n--;
	return n;
}

static float *row_of(const struct part *a, int o, int64_t i)
{
	return a->at[o] + (a->s->op[o].turned ? i : i * a->s->op[o].ld);
}

/* sum[n, ev] += X^T side; X is [m, width], rows of ldx. */
static void add_up(const struct part *a, const float *x, int64_t ldx, int64_t i, int64_t m, int64_t width)
{
	const struct scores_step *s = a->s;
	const struct scores_operand *side = &s->op[SCORES_SIDE], *sum = &s->op[SCORES_SUM];
	const float *y = row_of(a, SCORES_SIDE, i);
	if (sum->turned)
		gemm_here(!side->turned, 0, s->ev, width, m, 1, y, side->ld, x, ldx, 1, a->at[SCORES_SUM], sum->ld);
	else
		gemm_here(1, side->turned, width, s->ev, m, 1, x, ldx, y, side->ld, 1, a->at[SCORES_SUM], sum->ld);
}

/* Rows [i, i + m) of the probabilities, made where they are wanted. */
static void probs_block(const struct part *a, int64_t i, int64_t m, int64_t *guess)
{
	const struct scores_step *s = a->s;
	const struct scores_operand *q = &s->op[SCORES_IN], *k = &s->op[SCORES_K];
	int64_t seen[ATTENTION_ROWS], width = 0, ld = s->op[SCORES_P].ld;
	float *x = row_of(a, SCORES_P, i);
	for (int64_t r = 0; r < m; r++) {
		*guess = seen[r] = attention_visible(s->simd, row_of(a, SCORES_OTHER, i + r), s->n, *guess + 1);
		width = MAX(width, seen[r]);
	}
	gemm_here(q->turned, k->turned, m, width, s->e, 1, row_of(a, SCORES_IN, i), q->ld, a->at[SCORES_K], k->ld, 0, x, ld);
	for (int64_t r = 0; r < m; r++)
		attention_probabilities(s->simd, x + r * ld, row_of(a, SCORES_OTHER, i + r), s->scale < 0 ? NULL : &a->scale, seen[r], s->n);
	add_up(a, x, ld, i, m, width);
}

/* Rows [i, i + m) of the scores' gradient, in the thread's own memory, through both products. */
static void back_block(const struct part *a, int64_t i, int64_t m, int64_t *guess)
{
	const struct scores_step *s = a->s;
	const struct simd *simd = s->simd;
	const struct scores_operand *k = &s->op[SCORES_K], *dq = &s->op[SCORES_OTHER];
	int64_t seen[ATTENTION_ROWS], width = 0, ld = lane_row(s);
	for (int64_t r = 0; r < m; r++) {
		*guess = seen[r] = used(row_of(a, SCORES_P, i + r), s->n, *guess + 1);
		width = MAX(width, seen[r]);
	}
	for (int64_t r = 0; r < m; r++) {
		const float *probs = row_of(a, SCORES_P, i + r), *dp = row_of(a, SCORES_IN, i + r);
		float *x = a->lane + r * ld;
		simd->bin[EW_MUL][SIMD_VV](x, probs, dp, seen[r]);
		float sum = simd->sum(x, seen[r]);
		simd->bin[EW_SUB][SIMD_VS](x, dp, &sum, seen[r]);
		simd->bin[EW_MUL][SIMD_VV](x, x, probs, seen[r]);
		if (s->scale >= 0)
			simd->bin[EW_MUL][SIMD_VS](x, x, &a->scale, seen[r]);
		memset(x + seen[r], 0, (size_t)(width - seen[r]) * sizeof *x);
	}
	if (dq->turned)
		gemm_here(!k->turned, 1, s->e, m, width, 1, a->at[SCORES_K], k->ld, a->lane, ld, 0, row_of(a, SCORES_OTHER, i), dq->ld);
	else
		gemm_here(0, k->turned, m, s->e, width, 1, a->lane, ld, a->at[SCORES_K], k->ld, 0, row_of(a, SCORES_OTHER, i), dq->ld);
	add_up(a, a->lane, ld, i, m, width);
}

static void clear_sum(const struct part *a)
{
	const struct scores_operand *sum = &a->s->op[SCORES_SUM];
	int64_t rows = sum->turned ? a->s->ev : a->s->n, cols = sum->turned ? a->s->n : a->s->ev;
	for (int64_t r = 0; r < rows; r++)
		memset(a->at[SCORES_SUM] + r * sum->ld, 0, (size_t)cols * sizeof(float));
}

static void task_fn(void *arg, int task, int thread)
{
	const struct run *run = arg;
	const struct scores_step *s = run->s;
	float *const *base = run->env->base;
	struct part a = {.s = s, .scale = s->scale < 0 ? 1 : base[s->scale][s->scale_off], .lane = run->env->lane + (size_t)thread * run->env->lane_floats};
	for (int o = 0; o < SCORES_N; o++)
		a.at[o] = base[s->op[o].buf] + s->op[o].off;
	int64_t t = task;
	for (int b = s->nbatch - 1; b >= 0; b--) {
		for (int o = 0; o < SCORES_N; o++)
			a.at[o] += t % s->batch[b] * s->op[o].stride[b];
		t /= s->batch[b];
	}
	clear_sum(&a);
	for (int64_t g = 0; g < s->groups; g++) {
		int64_t guess = 0;
		for (int64_t i = 0; i < s->m; i += ATTENTION_ROWS) {
			int64_t m = MIN(ATTENTION_ROWS, s->m - i);
			if (s->how == SCORES_PROBS)
				probs_block(&a, i, m, &guess);
			else
				back_block(&a, i, m, &guess);
		}
		for (int o = 0; o < SCORES_N; o++)
			a.at[o] += s->op[o].group;
	}
}

void scores_run(const struct scores_step *s, const struct run_env *env)
{
	struct run run = {s, env};
	int64_t n = 1;
	for (int b = 0; b < s->nbatch; b++)
		n *= s->batch[b];
	pool_run(env->pool, (int)n, task_fn, &run);
}
