/* run.c: runs the steps that are no fused loops: products, gather, im2col. Plans nothing.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/mem.h"
#include "device/cpu/steps.h"
#include "device/gemm.h"

/* --- products --- */

struct batch_job {
	const struct gemm_step *g;
	const float *a, *b;
	float *c;
	int64_t rows, nrow;
};

/* Products of a batch are tasks; few and large ones are cut in rows as well. By shape alone. */
static void batch_task(void *arg, int task, int thread)
{
	const struct batch_job *j = arg;
	const struct gemm_step *g = j->g;
	int64_t i = task % j->nrow * j->rows, t = task / j->nrow, a = 0, b = 0, c = 0;
	(void)thread;
	for (int k = g->nbatch - 1; k >= 0; k--) {
		int64_t at = t % g->batch[k];
		t /= g->batch[k];
		a += at * g->abatch[k];
		b += at * g->bbatch[k];
		c += at * g->cbatch[k];
	}
	gemm_here(g->ta, g->tb, MIN(j->rows, g->m - i), g->n, g->k, 1, j->a + a + (g->ta ? i : i * g->lda), g->lda, j->b + b,
		  g->ldb, g->beta, j->c + c + i * g->ldc, g->ldc);
}

static void run_gemm(const struct gemm_step *g, const struct run_env *env)
{
	struct batch_job j = {g, env->base[g->a] + g->aoff, env->base[g->b] + g->boff, env->base[g->c] + g->coff, g->m, 1};
	if (!g->nbatch) {
		gemm(env->pool, g->ta, g->tb, g->m, g->n, g->k, 1, j.a, g->lda, j.b, g->ldb, g->beta, j.c, g->ldc);
		return;
	}
	int64_t count = 1;
	for (int i = 0; i < g->nbatch; i++)
		count *= g->batch[i];
	double flops = 2.0 * (double)g->m * (double)g->n * (double)g->k;
	int64_t cut = MIN((8 + count - 1) / count, (int64_t)(flops / 8e6) + 1);
	j.rows = MIN(g->m, ((g->m + cut - 1) / cut + 15) / 16 * 16);
	j.nrow = (g->m + j.rows - 1) / j.rows;
	pool_run(flops * (double)count < 1e5 ? NULL : env->pool, (int)(count * j.nrow), batch_task, &j);
}

/* --- gather --- */

static int64_t walk(const struct view *v, int from, int to, int64_t i)
{
	int64_t off = 0;
	for (int a = to - 1; a >= from; a--) {
		off += i % v->dim[a] * v->stride[a];
		i /= v->dim[a];
	}
	return off;
}

static int64_t count(const struct view *v, int from, int to)
{
	int64_t n = 1;
	for (int a = from; a < to; a++)
		n *= v->dim[a];
	return n;
}

/* out[batch, before, index.., after] = x[batch, before, index, after] */
static int run_gather(const struct gather_step *g, const struct run_env *env)
{
	const struct view *x = &g->x, *ix = &g->index, *o = &g->out;
	int bd = g->batch_dims, ax = g->axis, ni = ix->rank - bd;
	int64_t batches = count(x, 0, bd), before = count(x, bd, ax), n = count(ix, bd, ix->rank), after = count(x, ax + 1, x->rank);
	const float *xp = env->base[x->buf] + x->off, *ip = env->base[ix->buf] + ix->off;
	float *op = env->base[o->buf] + o->off;
	for (int64_t b = 0; b < batches; b++)
		for (int64_t i = 0; i < n; i++) {
			float f = ip[walk(ix, 0, bd, b) + walk(ix, bd, ix->rank, i)];
			int64_t at = f >= -1e9f && f <= 1e9f ? (int64_t)f : x->dim[ax];
			at += at < 0 ? x->dim[ax] : 0;
			if (at < 0 || at >= x->dim[ax])
				return err_set(env->err, ERR_DEVICE, "cpu: gather: index %g is outside of 0 to %lld", (double)f,
					       (long long)x->dim[ax] - 1);
			for (int64_t q = 0; q < before; q++) {
				const float *s = xp + walk(x, 0, bd, b) + walk(x, bd, ax, q) + at * x->stride[ax];
				float *d = op + walk(o, 0, bd, b) + walk(o, bd, ax, q) + walk(o, ax, ax + ni, i);
				for (int64_t k = 0; k < after; k++)
					d[walk(o, ax + ni, o->rank, k)] = s[walk(x, ax + 1, x->rank, k)];
			}
		}
	return 0;
}

/* --- im2col --- */

struct col_job {
	const struct im2col_step *s;
	const struct run_env *env;
};

/* One plane: all taps and places of one channel of one image. */
static void col_task(void *arg, int task, int thread)
{
	const struct col_job *j = arg;
	const struct view *x = &j->s->x, *o = &j->s->out;
	const struct im2col_shape *s = &j->s->s;
	int ns = s->nspatial;
	(void)thread;
	const float *from = j->env->base[x->buf] + x->off + walk(x, 0, 2, task);
	float *to = j->env->base[o->buf] + o->off + walk(o, 0, 2, task);
	int64_t taps = count(o, 2, 2 + ns), places = count(o, 2 + ns, o->rank);
	for (int64_t t = 0; t < taps; t++)
		for (int64_t q = 0; q < places; q++) {
			int64_t off = 0, tt = t, qq = q;
			int in = 1;
			for (int a = ns - 1; a >= 0; a--) {
				int64_t at = qq % s->out[a] * s->stride[a] - s->before[a] + tt % s->kernel[a] * s->dilation[a];
				in &= at >= 0 && at < x->dim[2 + a];
				off += at * x->stride[2 + a];
				qq /= s->out[a];
				tt /= s->kernel[a];
			}
			to[walk(o, 2, 2 + ns, t) + walk(o, 2 + ns, o->rank, q)] = in ? from[off] : 0;
		}
}

int step_run(const struct step *s, const struct run_env *env)
{
	struct col_job col;
	switch (s->kind) {
	case STEP_EW: ew_run(s->u.ew, env); break;
	case STEP_GEMM: run_gemm(&s->u.gemm, env); break;
	case STEP_GATHER: return run_gather(&s->u.gather, env);
	case STEP_IM2COL:
		col = (struct col_job){&s->u.im2col, env};
		pool_run(env->pool, (int)(s->u.im2col.x.dim[0] * s->u.im2col.x.dim[1]), col_task, &col);
		break;
	}
	return 0;
}

void step_done(struct step *s)
{
	if (s->kind == STEP_EW)
		free(s->u.ew);
}
