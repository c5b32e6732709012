/* loop.c: runs a fused loop: tile by tile, instruction by instruction, on rows that stay in the first-level cache. Plans nothing.
 *
 * Tasks are cut by shape alone; sums are taken in one order: along a row by the kernel, over another axis in fixed blocks whose
 * partial sums are then added in order. SPDX-License-Identifier: MIT */
#include <math.h>

#include "base/mem.h"
#include "device/cpu/steps.h"

enum {
	CHUNK = 1024,        /* floats of a row at once: a few tiles fill the first-level cache */
	TASK = 16384,        /* elements that make a task worth handing out */
	COLUMN_TASKS = 16,
};

struct run {
	const struct ew *w;
	const struct run_env *env;
};

void ew_finish(struct ew *w)
{
	int row = w->rank - 1;
	int64_t n = w->dim[row];
	w->chunk = w->whole_rows ? n : MIN(n, CHUNK);
	w->nchunk = (n + w->chunk - 1) / w->chunk;
	w->rows = 1;
	for (int a = 0; a < row; a++)
		if (!w->column || a != w->axis)
			w->rows *= w->dim[a];
	if (w->column) {
		int64_t k = w->dim[w->axis];
		int64_t want = w->fixed_blocks ? MIN(COLUMN_TASKS, MAX(1, w->rows * k * n / TASK)) : MIN(MAX(1, COLUMN_TASKS / w->rows), MAX(1, k * n / TASK));
		w->block = (k + want - 1) / want;
		w->nblock = (k + w->block - 1) / w->block;
		w->ntask = w->rows * w->nblock;
		return;
	}
	w->per_task = MAX(1, TASK / w->chunk);
	w->ntask = (w->rows * w->nchunk + w->per_task - 1) / w->per_task;
}

static int64_t tile_floats(const struct ew *w)
{
	return (w->chunk + 15) / 16 * 16;
}

size_t ew_lane(const struct ew *w)
{
	return (size_t)(w->ntile * tile_floats(w));
}

/* Index r of the outer axes (and k of the reduced one) as an address. */
static float *locate(const struct run *run, const struct ew_ref *ref, const int64_t *index)
{
	int64_t off = ref->off;
	for (int a = 0; a + 1 < run->w->rank; a++)
		off += index[a] * ref->stride[a];
	return run->env->base[ref->buf] + off;
}

static void outer_index(const struct ew *w, int64_t r, int64_t k, int64_t *index)
{
	for (int a = w->rank - 2; a >= 0; a--) {
		if (w->column && a == w->axis) {
			index[a] = k;
			continue;
		}
		index[a] = r % w->dim[a];
		r /= w->dim[a];
	}
}

static void fill(float *d, float v, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		d[i] = v;
}

static void pick(float *d, const float *c, int cs, const float *a, int as, const float *b, int bs, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		d[i] = c[i * cs] != 0 ? a[i * as] : b[i * bs];
}

/* A row-wise instruction on one number stands for a row of equal ones. */
static void row_of_one(const struct ew_ins *s, float *d, float v, int64_t n)
{
	if (s->kind == INS_SOFTMAX)
		fill(d, 1 / (float)n + 0 * v, n);
	else
		*d = s->kind == INS_ROW_SUM ? v * (float)n : v;
}

/* One addition after the other, each rounded. */
static float narrow_sum(const struct simd *simd, const float *a, int64_t n, unsigned half)
{
	float s = 0;
	for (int64_t i = 0; i < n; i++) {
		s += a[i];
		simd->half(&s, &s, 1, half);
	}
	return s;
}

static void run_ins(const struct ew *w, const struct ew_ins *s, float **slot, int64_t n, float *const *acc, int64_t at)
{
	const float *a = slot[s->src[0]], *b = slot[s->src[1]];
	int one = w->scalar[s->dst] || s->fill, as = w->scalar[s->src[0]];
	float *d = slot[s->dst];
	int64_t m = one ? 1 : n;
	switch (s->kind) {
	case INS_BIN: s->bin(d, a, b, m); break;
	case INS_UN: s->un(d, a, m, s->p, s->q); break;
	case INS_SELECT:
		pick(d, a, !as, b, !w->scalar[s->src[1]], slot[s->src[2]], !w->scalar[s->src[2]], m);
		break;
	case INS_ROW_SUM:
	case INS_ROW_MAX:
	case INS_SOFTMAX:
		if (as)
			row_of_one(s, d, *a, n);
		else if (s->kind == INS_SOFTMAX)
			w->simd->softmax(d, a, n);
		else
			*d = s->kind == INS_ROW_MAX ? w->simd->max(a, n) : s->narrow ? narrow_sum(w->simd, a, n, s->narrow) : w->simd->sum(a, n);
		m = s->kind == INS_SOFTMAX ? n : 1;
		break;
	case INS_ACC:
		d = acc[s->acc] + at;
		w->simd->bin[s->reduce == REDUCE_SUM ? EW_ADD : EW_MAX][as ? SIMD_VS : SIMD_VV](d, d, a, n);
		if (s->narrow)
			w->simd->half(d, d, n, s->narrow);
		return;
	}
	if (s->half)
		w->simd->half(d, d, m, s->half);
	if (s->fill)
		fill(d, *d, n);
}

/* Elements [c0, c0 + n) of one row through all instructions. */
static void run_tile(const struct run *run, float *lane, const int64_t *index, int64_t c0, int64_t n, float *const *acc)
{
	const struct ew *w = run->w;
	int row = w->rank - 1;
	int64_t tile = tile_floats(w);
	float *slot[EW_SLOTS], number[EW_SLOTS];
	for (int i = 0; i < w->nload; i++) {
		int64_t s = w->load[i].stride[row];
		float *from = locate(run, &w->load[i], index) + c0 * s;
		slot[i] = from;
		if (w->tile[i] < 0)
			continue;
		slot[i] = lane + w->tile[i] * tile;
		for (int64_t j = 0; j < n; j++)
			slot[i][j] = from[j * s];
	}
	for (int i = 0; i < w->nins; i++) {
		int d = w->ins[i].dst;
		if (w->direct[d] >= 0)
			slot[d] = locate(run, &w->store[w->direct[d]].to, index) + c0;
		else
			slot[d] = w->tile[d] >= 0 ? lane + w->tile[d] * tile : &number[d];
		run_ins(w, &w->ins[i], slot, n, acc, c0);
	}
	for (int i = 0; i < w->nstore; i++) {
		int s = w->store[i].slot;
		if (w->direct[s] >= 0)
			continue;
		int64_t step = w->store[i].to.stride[row];
		float *to = locate(run, &w->store[i].to, index) + c0 * step;
		for (int64_t j = 0; j < (w->scalar[s] ? 1 : n); j++)
			to[j * step] = slot[s][j];
	}
}

static void rows_task(void *arg, int task, int thread)
{
	const struct run *run = arg;
	const struct ew *w = run->w;
	float *lane = run->env->lane + (size_t)thread * run->env->lane_floats;
	int64_t index[VIEW_RANK], end = MIN((task + 1) * w->per_task, w->rows * w->nchunk);
	for (int64_t t = task * w->per_task; t < end; t++) {
		int64_t c0 = t % w->nchunk * w->chunk;
		outer_index(w, t / w->nchunk, 0, index);
		run_tile(run, lane, index, c0, MIN(w->chunk, w->dim[w->rank - 1] - c0), NULL);
	}
}

/* --- over another axis than the row --- */

static float *partial(const struct run *run, int acc, int64_t r, int64_t block)
{
	const struct ew *w = run->w;
	return run->env->base[w->partial] + ((acc * w->rows + r) * w->nblock + block) * w->dim[w->rank - 1];
}

static void column_task(void *arg, int task, int thread)
{
	const struct run *run = arg;
	const struct ew *w = run->w;
	float *lane = run->env->lane + (size_t)thread * run->env->lane_floats, *acc[4] = {0};
	int64_t r = task / w->nblock, block = task % w->nblock, n = w->dim[w->rank - 1], index[VIEW_RANK];
	int64_t end = MIN((block + 1) * w->block, w->dim[w->axis]);
	for (int a = 0; a < w->nacc; a++) {
		acc[a] = partial(run, a, r, block);
		fill(acc[a], w->acc[a].op == REDUCE_SUM ? 0 : -INFINITY, n);
	}
	for (int64_t c0 = 0; c0 < n; c0 += w->chunk)
		for (int64_t k = block * w->block; k < end; k++) {
			outer_index(w, r, k, index);
			run_tile(run, lane, index, c0, MIN(w->chunk, n - c0), acc);
		}
}

static void combine_task(void *arg, int task, int thread)
{
	const struct run *run = arg;
	const struct ew *w = run->w;
	int64_t c0 = task % w->nchunk * w->chunk, r = task / w->nchunk % w->rows, a = task / w->nchunk / w->rows;
	int64_t n = MIN(w->chunk, w->dim[w->rank - 1] - c0), step = w->acc[a].to.stride[w->rank - 1], index[VIEW_RANK];
	(void)thread;
	float *sum = partial(run, (int)a, r, 0) + c0;
	for (int64_t b = 1; b < w->nblock; b++) {
		w->simd->bin[w->acc[a].op == REDUCE_SUM ? EW_ADD : EW_MAX][SIMD_VV](sum, sum, partial(run, (int)a, r, b) + c0, n);
		if (w->acc[a].narrow)
			w->simd->half(sum, sum, n, w->acc[a].narrow);
	}
	if (w->acc[a].half)
		w->simd->half(sum, sum, n, w->acc[a].half);
	outer_index(w, r, 0, index);
	float *to = locate(run, &w->acc[a].to, index) + c0 * step;
	for (int64_t i = 0; i < n; i++)
		to[i * step] = sum[i];
}

void ew_run(const struct ew *w, const struct run_env *env)
{
	struct run run = {w, env};
	if (!w->column) {
		pool_run(env->pool, (int)w->ntask, rows_task, &run);
		return;
	}
	pool_run(env->pool, (int)w->ntask, column_task, &run);
	int64_t small = w->nacc * w->rows * w->nblock * w->dim[w->rank - 1] < TASK;
	pool_run(small ? NULL : env->pool, (int)(w->nacc * w->rows * w->nchunk), combine_task, &run);
}
