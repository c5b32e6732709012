/* run_attention.c: attention by blocks of rows: the scores of a block stay in a cache, and keys that the mask hides from the whole
 * block are not looked at. Plans nothing.
 *
 * A key is hidden from a row when the mask is HIDDEN or less from there to the row's end: exp() of what it adds is 0 as long
 * as scores are smaller than some thousands. The mask is looked at in each run, since weights are live.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/mem.h"
#include "device/cpu/steps.h"

static const float HIDDEN = -9.9e3f;

struct run {
	const struct attention_step *s;
	const struct run_env *env;
	int64_t nblock;
};

static int64_t attention_row(const struct attention_step *s)
{
	return (s->n + 15) / 16 * 16 + 16; /* not a power of two: rows would share cache sets */
}

size_t attention_lane(const struct attention_step *s)
{
	return (size_t)(attention_row(s) * ATTENTION_ROWS);
}

int64_t attention_visible(const struct simd *simd, const float *mask, int64_t n, int64_t guess)
{
	if (guess > 0 && guess <= n && mask[guess - 1] > HIDDEN && simd->max(mask + guess, n - guess) <= HIDDEN)
		return guess;
	int64_t v = n;
	while (v > 0 && mask[v - 1] <= HIDDEN)
		v--;
	return v ? v : n; /* a row that sees nothing: its softmax is over what the mask adds */
}

void attention_probabilities(const struct simd *simd, float *row, const float *mask, const float *scale, int64_t seen, int64_t width)
{
	if (scale)
		simd->bin[EW_MUL][SIMD_VS](row, row, scale, seen);
	simd->bin[EW_ADD][SIMD_VV](row, row, mask, seen);
	simd->softmax(row, row, seen);
	memset(row + seen, 0, (size_t)(width - seen) * sizeof *row);
}

/* Rows [i, i + m) of one head: the addresses are those of the head. */
static void block(const struct attention_step *s, const float *q, const float *k, const float *v, const float *mask, float scale,
		  float *out, int64_t i, int64_t m, float *scores)
{
	int64_t seen[ATTENTION_ROWS], width = 0, ld = attention_row(s);
	for (int64_t r = 0; r < m; r++) {
		seen[r] = attention_visible(s->simd, mask + (i + r) * s->mask_row, s->n, r ? seen[r - 1] + 1 : 0);
		width = MAX(width, seen[r]);
	}
	gemm_here(s->tq, s->tk, m, width, s->e, 1, q + (s->tq ? i : i * s->ldq), s->ldq, k, s->ldk, 0, scores, ld);
	for (int64_t r = 0; r < m; r++)
		attention_probabilities(s->simd, scores + r * ld, mask + (i + r) * s->mask_row, s->scale < 0 ? NULL : &scale, seen[r], width);
	if (s->turned)
		gemm_here(!s->tv, 1, s->ev, m, width, 1, v, s->ldv, scores, ld, 0, out + i, s->ldo);
	else
		gemm_here(0, s->tv, m, s->ev, width, 1, scores, ld, v, s->ldv, 0, out + i * s->ldo, s->ldo);
}

static void task_fn(void *arg, int task, int thread)
{
	const struct run *run = arg;
	const struct attention_step *s = run->s;
	int64_t i = task % run->nblock * ATTENTION_ROWS, t = task / run->nblock, at[5];
	for (int o = 0; o < 5; o++)
		at[o] = s->off[o];
	for (int a = s->nbatch - 1; a >= 0; a--) {
		for (int o = 0; o < 5; o++)
			at[o] += t % s->batch[a] * s->stride[o][a];
		t /= s->batch[a];
	}
	float *const *base = run->env->base;
	float scale = s->scale < 0 ? 1 : base[s->scale][s->scale_off];
	block(s, base[s->buf[ATT_Q]] + at[ATT_Q], base[s->buf[ATT_K]] + at[ATT_K], base[s->buf[ATT_V]] + at[ATT_V],
	      base[s->buf[ATT_MASK]] + at[ATT_MASK], scale, base[s->buf[ATT_OUT]] + at[ATT_OUT], i, MIN(ATTENTION_ROWS, s->m - i),
	      run->env->lane + (size_t)thread * run->env->lane_floats);
}

void attention_run(const struct attention_step *s, const struct run_env *env)
{
	struct run run = {s, env, (s->m + ATTENTION_ROWS - 1) / ATTENTION_ROWS};
	int64_t n = run.nblock;
	for (int a = 0; a < s->nbatch; a++)
		n *= s->batch[a];
	pool_run(env->pool, (int)n, task_fn, &run);
}
