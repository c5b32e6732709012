/* run.c: runs the steps that are no fused loops: products, gather, im2col. Plans nothing.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/mem.h"
#include "device/cpu/steps.h"
#include "device/gemm.h"

/* --- products --- */

/* Product number t of a batch. */
static void address(struct gemm_call *call, const struct gemm_step *g, int64_t t, const struct run_env *env)
{
	int64_t a = g->aoff, b = g->boff, c = g->coff;
	for (int k = g->nbatch - 1; k >= 0; k--) {
		int64_t at = t % g->batch[k];
		t /= g->batch[k];
		a += at * g->abatch[k];
		b += at * g->bbatch[k];
		c += at * g->cbatch[k];
	}
	*call = (struct gemm_call){.ta = g->ta, .tb = g->tb, .m = g->m, .n = g->n, .k = g->k, .alpha = 1, .beta = g->beta,
				   .a = env->base[g->a] + a, .b = env->base[g->b] + b, .c = env->base[g->c] + c,
				   .lda = g->lda, .ldb = g->ldb, .ldc = g->ldc, .half = g->half};
}

static int64_t batch_count(const struct gemm_step *g)
{
	int64_t n = 1;
	for (int i = 0; i < g->nbatch; i++)
		n *= g->batch[i];
	return n;
}

static void run_gemm(const struct gemm_group *all, const struct run_env *env)
{
	int n = 0;
	for (int i = 0; i < all->n; i++) {
		int64_t count = batch_count(&all->step[i]);
		for (int64_t t = 0; t < count; t++)
			address(&all->call[n++], &all->step[i], t, env);
	}
	gemm_many(env->pool, all->call, n);
}

int gemm_group_add(struct gemm_group *all, const struct gemm_step *g)
{
	struct gemm_step *s = realloc(all->step, (size_t)(all->n + 1) * sizeof *s);
	int64_t calls = all->ncall + batch_count(g);
	if (!s)
		return -1;
	all->step = s;
	if (calls > INT32_MAX / (int64_t)sizeof *all->call)
		return -1;
	struct gemm_call *c = realloc(all->call, (size_t)calls * sizeof *c);
	if (!c)
		return -1;
	all->call = c;
	all->ncall = (int)calls;
	all->step[all->n++] = *g;
	return 0;
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
	case STEP_ATTENTION: attention_run(&s->u.attention, env); break;
	case STEP_SCORES: scores_run(&s->u.scores, env); break;
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
	if (s->kind == STEP_GEMM) {
		free(s->u.gemm.step);
		free(s->u.gemm.call);
	}
}
