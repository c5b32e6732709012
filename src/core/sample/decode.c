/* decode.c: a model run forward for text: several ids at once as matrix products, one id as rows times a vector, both over one KV cache.
 * Picks nothing: sampler.c does.
 *
 * With an 8-bit copy of the matrices (int8.h) one id goes through that; several still go through the weights themselves, which a matrix product reads once for
 * all of them. The embedding's rows, norms and the cache are fp32 in both.
 *
 * The window holds the ids that the model sees, at most `context`. Appending to a full one keeps its last half and starts the cache
 * anew; positions count from 0 again, so the window's contents alone decide what comes out, not the way that led there. The cache is
 * [L, context, KV*HD], a row a position. Work is cut by shape, each row of a product is summed in one order: the bytes do not depend
 * on the number of threads. SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/pages.h"
#include "base/str.h"
#include "device/gemm.h"
#include "sample/int8.h"
#include "sample/rows.h"
#include "sample/sample.h"

enum {
	CHUNK_MAX = 128,        /* positions that are fed together */
	CHUNK_MIN = 8,
	ROOM_STEP = 1024,       /* positions of the cache for which memory is asked for at a time */
	SCORE_FLOATS = 1 << 19, /* what a thread's scores may take before chunks get shorter */
	TASK_BYTES = 1 << 17,   /* of weights that one task reads: some 2 us from cache. A quarter of it with 8-bit weights: 225 tokens/s of stories110m, not 340 */
	TASK_ROWS = 256,
	PACK_ROWS = 64,         /* of a matrix that one task packs */
	CACHED_FLOATS = 1 << 22, /* a model of this size stays in the caches: its weights come at 100 GB/s to one processor */
	POOL_CACHED = 1 << 19,   /* then less work than this is done before another thread is awake; demo: 5,700 tokens/s so, 3,600 with all dealt out */
	POOL_MEMORY = 1 << 16,   /* what comes from memory is worth dealing out much sooner; stories15m: 750 tokens/s, 600 with the bound above */
};

struct matrix {
	const float *w;
	struct int8_block *q; /* NULL: there is no 8-bit copy */
	int m, n;             /* [m, n] */
};

enum { WQ, WK, WV, WO, W1, W2, W3, MATRICES };

struct layer {
	struct matrix w[MATRICES];
	const float *norm_att, *norm_ffn;
	const float *norm_q, *norm_k; /* NULL without qk_norm */
};

struct decoder {
	struct model_config c;
	struct pool *pool;
	const struct rows *rows;
	int64_t worth;       /* multiplications from which on the pool pays */
	struct layer *layer;
	const float *embed, *norm_out;
	struct matrix head;

	const struct int8_rows *rows8;
	void *copy;          /* the 8-bit matrices one after another, then the vector they are multiplied with; NULL: none */
	size_t copy_bytes;
	struct int8_group *x8;

	int *id;             /* [context] the window */
	int len, cached;     /* ids in it; positions whose keys and values are in the cache */
	int slides;

	float *k, *v;        /* [L, context, KV*HD] */
	size_t cache_bytes;  /* of each */
	int room;            /* positions for which there was memory when it was looked at */
	double *freq;        /* [HD/2] */
	int chunk;
	/* Scratch for `chunk` positions. */
	float *x, *norm;     /* [chunk, D] */
	float *q, *att;      /* [chunk, H*HD] */
	float *gate, *up;    /* [chunk, F] */
	float *cos, *sin;    /* [chunk, HD/2] */
	float *score;        /* [threads, chunk, context] */
	float *logits;       /* [V] */
};

/* --- life --- */

static struct matrix matrix_of(const struct params *p, const struct param *row)
{
	return (struct matrix){p->w + row->offset, NULL, (int)row->dim[0], (int)row->dim[1]};
}

static int bind_weights(struct decoder *d, const struct params *p, struct err *e)
{
	d->layer = mem_zalloc((size_t)d->c.layers, sizeof *d->layer);
	if (!d->layer)
		return err_nomem(e, "sample", sizeof *d->layer * (size_t)d->c.layers);
	for (int l = 0; l < d->c.layers; l++) {
		static const enum param_kind kind[MATRICES] = {PARAM_WQ, PARAM_WK, PARAM_WV, PARAM_WO, PARAM_W1, PARAM_W2, PARAM_W3};
		struct layer *y = &d->layer[l];
		for (int i = 0; i < MATRICES; i++)
			y->w[i] = matrix_of(p, params_find(p, kind[i], l));
		y->norm_att = params_w(p, PARAM_NORM_ATT, l);
		y->norm_ffn = params_w(p, PARAM_NORM_FFN, l);
		y->norm_q = d->c.qk_norm ? params_w(p, PARAM_NORM_Q, l) : NULL;
		y->norm_k = d->c.qk_norm ? params_w(p, PARAM_NORM_K, l) : NULL;
	}
	d->embed = params_w(p, PARAM_EMBED, -1);
	d->norm_out = params_w(p, PARAM_NORM_OUT, -1);
	d->head = matrix_of(p, params_head(p));
	return 0;
}

static uint64_t cache_bytes(const struct model_config *c, int positions)
{
	return 2 * sizeof(float) * (uint64_t)c->layers * (uint64_t)positions * (uint64_t)model_kv_dim(c);
}

static int no_cache(const struct decoder *d, int positions, struct err *e)
{
	char need[16], have[16];
	return err_set(e, ERR_NOMEM, "sample: KV cache for a context of %d: %s needed, %s free (choose a smaller context)", positions,
		       str_bytes(need, cache_bytes(&d->c, positions)), str_bytes(have, mem_available()));
}

/* Is there memory for the first n positions, in steps of ROOM_STEP? */
static int ask_room(struct decoder *d, int n, struct err *e)
{
	if (n <= d->room)
		return 0;
	int want = (int)MIN(((int64_t)n + ROOM_STEP - 1) / ROOM_STEP * ROOM_STEP, d->c.context);
	uint64_t avail = mem_available();
	if (avail && cache_bytes(&d->c, want) - cache_bytes(&d->c, d->room) > avail)
		return no_cache(d, want, e);
	d->room = want;
	return 0;
}

/* All of the context has addresses, and zero pages until they are touched: a short sample does not pay for a long context, which may be more
 * than there is memory. Large pages: small ones, new with every token, took a third of the first sample's time. */
static int make_cache(struct decoder *d, struct err *e)
{
	size_t floats;
	if (mem_mul(&floats, (size_t)d->c.layers * (size_t)d->c.context, (size_t)model_kv_dim(&d->c)))
		return err_set(e, ERR_NOMEM, "sample: KV cache of %d layers, context %d: larger than any memory", d->c.layers, d->c.context);
	int r = ask_room(d, 1, e);
	if (r)
		return r;
	if (mem_mul(&d->cache_bytes, floats, sizeof(float)))
		return no_cache(d, d->c.context, e);
	d->k = pages_new(d->cache_bytes);
	d->v = pages_new(d->cache_bytes);
	return d->k && d->v ? 0 : no_cache(d, d->c.context, e);
}

static int make_scratch(struct decoder *d, struct err *e)
{
	const struct model_config *c = &d->c;
	size_t t = (size_t)d->chunk, half = (size_t)c->head_dim / 2, total = 0;
	const struct { float **p; size_t n; } part[] = {
		{&d->x, t * (size_t)c->dim}, {&d->norm, t * (size_t)c->dim}, {&d->q, t * (size_t)model_q_dim(c)},
		{&d->att, t * (size_t)model_q_dim(c)}, {&d->gate, t * (size_t)c->hidden}, {&d->up, t * (size_t)c->hidden},
		{&d->cos, t * half}, {&d->sin, t * half}, {&d->logits, (size_t)c->vocab},
		{&d->score, (size_t)pool_threads(d->pool) * t * (size_t)c->context}};
	for (size_t i = 0; i < ARRAY_LEN(part); i++) {
		total += part[i].n * sizeof(float);
		if (!(*part[i].p = mem_zalloc(part[i].n, sizeof(float))))
			return err_nomem(e, "sample: scratch", total);
	}
	d->id = mem_zalloc((size_t)c->context, sizeof *d->id);
	d->freq = mem_zalloc(half, sizeof *d->freq);
	if (!d->id || !d->freq)
		return err_nomem(e, "sample: scratch", (size_t)c->context * sizeof *d->id);
	for (size_t i = 0; i < half; i++)
		d->freq[i] = pow(c->rope_theta, -2.0 * (double)i / c->head_dim);
	return 0;
}

static int chunk_of(const struct model_config *c)
{
	return MIN(MIN(MAX(SCORE_FLOATS / c->context, CHUNK_MIN), CHUNK_MAX), c->context);
}

void decoder_bytes(uint64_t *cache, uint64_t *scratch, const struct model_config *c, int threads, int n)
{
	uint64_t t = (uint64_t)chunk_of(c), context = (uint64_t)c->context;
	uint64_t each = 2 * (uint64_t)c->dim + 2 * (uint64_t)model_q_dim(c) + 2 * (uint64_t)c->hidden + (uint64_t)c->head_dim;
	*cache = cache_bytes(c, MIN(n, c->context));
	*scratch = sizeof(float) * (t * each + (uint64_t)threads * t * context + context + (uint64_t)c->vocab);
}

struct decoder *decoder_new(const struct params *p, struct pool *pool, struct err *e)
{
	if (model_config_check(&p->config, e))
		return NULL;
	struct decoder *d = mem_zalloc(1, sizeof *d);
	if (!d) {
		err_nomem(e, "sample", sizeof *d);
		return NULL;
	}
	d->c = p->config;
	d->pool = pool;
	d->rows = rows_best();
	d->rows8 = int8_best();
	d->worth = p->total <= CACHED_FLOATS ? POOL_CACHED : POOL_MEMORY;
	d->chunk = chunk_of(&d->c);
	if (bind_weights(d, p, e) || make_cache(d, e) || make_scratch(d, e)) {
		decoder_free(d);
		return NULL;
	}
	return d;
}

void decoder_free(struct decoder *d)
{
	if (!d)
		return;
	void *part[] = {d->layer, d->id, d->freq, d->x, d->norm, d->q, d->att, d->gate, d->up, d->cos, d->sin, d->score,
			d->logits};
	for (size_t i = 0; i < ARRAY_LEN(part); i++)
		free(part[i]);
	pages_free(d->k, d->cache_bytes);
	pages_free(d->v, d->cache_bytes);
	pages_free(d->copy, d->copy_bytes);
	free(d);
}

/* --- the 8-bit copy --- */

static uint64_t blocks_of(int64_t m, int64_t n)
{
	return (uint64_t)(int8_tiles(m) * int8_groups(n));
}

static size_t vector_groups(const struct model_config *c)
{
	return (size_t)int8_groups(MAX(MAX(c->dim, c->hidden), model_q_dim(c)));
}

uint64_t decoder_int8_bytes(const struct model_config *c)
{
	int dim = c->dim, kv = model_kv_dim(c), qd = model_q_dim(c), f = c->hidden;
	uint64_t layer = blocks_of(qd, dim) + 2 * blocks_of(kv, dim) + blocks_of(dim, qd) + 2 * blocks_of(f, dim) + blocks_of(dim, f);
	return ((uint64_t)c->layers * layer + blocks_of(c->vocab, dim)) * sizeof(struct int8_block) + vector_groups(c) * sizeof(struct int8_group);
}

/* The i-th of 7 L + 1. */
static struct matrix *matrix_at(struct decoder *d, int i)
{
	return i < d->c.layers * MATRICES ? &d->layer[i / MATRICES].w[i % MATRICES] : &d->head;
}

static void pack_task(void *arg, int task, int thread)
{
	struct decoder *d = arg;
	(void)thread;
	for (int i = 0, have; i <= d->c.layers * MATRICES; i++, task -= have) {
		const struct matrix *a = matrix_at(d, i);
		have = (a->m + PACK_ROWS - 1) / PACK_ROWS;
		if (task < have) {
			int64_t r = (int64_t)task * PACK_ROWS;
			d->rows8->pack(a->q, a->w, a->m, a->n, r, MIN(r + PACK_ROWS, a->m));
			return;
		}
	}
}

static void drop_copy(struct decoder *d)
{
	for (int i = 0; i <= d->c.layers * MATRICES; i++)
		matrix_at(d, i)->q = NULL;
	pages_free(d->copy, d->copy_bytes);
	d->copy = NULL;
	d->copy_bytes = 0;
}

int decoder_int8(struct decoder *d, int on, struct err *e)
{
	if (!on) {
		drop_copy(d);
		return 0;
	}
	uint64_t bytes = decoder_int8_bytes(&d->c), have = mem_available();
	char need[16], there[16];
	if (!d->copy && ((have && bytes > have) || !(d->copy = pages_new((size_t)bytes))))
		return err_set(e, ERR_NOMEM, "sample: 8-bit copy of the weights: %s needed, %s free (set sample.int8 off)", str_bytes(need, bytes),
			       str_bytes(there, have));
	d->copy_bytes = (size_t)bytes;
	struct int8_block *at = d->copy;
	int tasks = 0;
	for (int i = 0; i <= d->c.layers * MATRICES; i++) {
		struct matrix *a = matrix_at(d, i);
		a->q = at;
		at += blocks_of(a->m, a->n);
		tasks += (a->m + PACK_ROWS - 1) / PACK_ROWS;
	}
	d->x8 = (struct int8_group *)at;
	pool_run(d->pool, tasks, pack_task, d);
	return 0;
}

/* --- place --- */

void decoder_reset(struct decoder *d)
{
	d->len = d->cached = d->slides = 0;
}

int decoder_slides(const struct decoder *d)
{
	return d->slides;
}

int decoder_position(const struct decoder *d)
{
	return d->len;
}

/* --- pieces of a layer, for T positions --- */

/* t vectors of n; out may be x. */
static void rms_norm(struct decoder *d, float *out, const float *x, const float *w, int t, int n)
{
	for (; t > 0; t--, out += n, x += n) {
		float sum;
		d->rows->times(&sum, x, n, x, 1, n);
		float scale = 1 / sqrtf(sum / (float)n + d->c.norm_eps);
		for (int i = 0; i < n; i++)
			out[i] = x[i] * scale * w[i];
	}
}

static float silu(float x)
{
	return x / (1 + expf(-x));
}

static void fill_angles(struct decoder *d, int from, int t)
{
	int half = d->c.head_dim / 2;
	for (int i = 0; i < t; i++)
		for (int j = 0; j < half; j++) {
			double a = (double)(from + i) * d->freq[j];
			d->cos[i * half + j] = (float)cos(a);
			d->sin[i * half + j] = (float)sin(a);
		}
}

/* Turns the pairs of each head of x [t, heads*HD]. */
static void rope(const struct decoder *d, float *x, int heads, int t)
{
	int hd = d->c.head_dim, half = hd / 2;
	int step = d->c.rope == ROPE_HALF ? 1 : 2, other = d->c.rope == ROPE_HALF ? half : 1;
	for (int i = 0; i < t; i++) {
		const float *c = d->cos + i * half, *s = d->sin + i * half;
		for (int h = 0; h < heads; h++, x += hd)
			for (int j = 0; j < half; j++) {
				float *a = x + j * step, *b = a + other, va = *a, vb = *b;
				*a = va * c[j] - vb * s[j];
				*b = va * s[j] + vb * c[j];
			}
	}
}

/* What q and k [t, heads*HD] go through before the scores. */
static void prepare(struct decoder *d, float *x, const float *norm, int heads, int t)
{
	if (norm)
		rms_norm(d, x, x, norm, t * heads, d->c.head_dim);
	rope(d, x, heads, t);
}

/* Scores to weights over the first n of a row; what follows becomes 0. */
static void softmax(float *s, int n, int width)
{
	float max = s[0], sum = 0;
	for (int i = 1; i < n; i++)
		max = s[i] > max ? s[i] : max;
	for (int i = 0; i < n; i++) {
		s[i] = expf(s[i] - max);
		sum += s[i];
	}
	float scale = 1 / sum;
	for (int i = 0; i < n; i++)
		s[i] *= scale;
	memset(s + n, 0, (size_t)(width - n) * sizeof *s);
}

static void add_scaled(float *x, const float *y, float alpha, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] += alpha * y[i];
}

/* --- attention: a task a query head --- */

struct attention {
	struct decoder *d;
	const float *k, *v; /* this layer's cache */
	int from, t;
};

static void attend_head(void *arg, int h, int thread)
{
	const struct attention *a = arg;
	struct decoder *d = a->d;
	const struct model_config *c = &d->c;
	int hd = c->head_dim, kv = model_kv_dim(c), qd = model_q_dim(c), n = a->from + a->t, kvh = h / (c->heads / c->kv_heads);
	float *s = d->score + (size_t)thread * (size_t)d->chunk * (size_t)c->context, scale = 1 / sqrtf((float)hd);
	const float *k = a->k + kvh * hd, *v = a->v + kvh * hd;
	if (a->t > 1) {
		gemm_here(0, 1, a->t, n, hd, scale, d->q + h * hd, qd, k, kv, 0, s, n);
		for (int i = 0; i < a->t; i++)
			softmax(s + (size_t)i * (size_t)n, a->from + i + 1, n);
		gemm_here(0, 0, a->t, hd, n, 1, s, n, v, kv, 0, d->att + h * hd, qd);
		return;
	}
	d->rows->times(s, k, kv, d->q + h * hd, n, hd);
	for (int i = 0; i < n; i++)
		s[i] *= scale;
	softmax(s, n, n);
	d->rows->weigh(d->att + h * hd, s, v, kv, n, hd);
}

static void attend(struct decoder *d, int l, int from, int t)
{
	size_t at = (size_t)l * (size_t)d->c.context * (size_t)model_kv_dim(&d->c);
	struct attention a = {d, d->k + at, d->v + at, from, t};
	int64_t work = 2 * (int64_t)t * (from + t) * model_q_dim(&d->c);
	pool_run(work < d->worth ? NULL : d->pool, d->c.heads, attend_head, &a);
}

/* --- products of one position --- */

/* y[m] = A x, or with b: y = silu(A x) * (B x). */
struct product {
	const struct matrix *a, *b;
	float *y;
};

struct stage {
	const struct decoder *d;
	const struct product *p;
	const float *x;
	int step;
};

/* Rows r to r + m of a matrix; r is a multiple of `step`, and so of a tile. */
static void rows_times(const struct stage *s, float *y, const struct matrix *a, int64_t r, int64_t m)
{
	int64_t groups = int8_groups(a->n);
	if (a->q)
		s->d->rows8->times(y, a->q + r / INT8_TILE * groups, s->d->x8, m, groups);
	else
		s->d->rows->times(y, a->w + r * a->n, a->n, s->x, m, a->n);
}

static void product_task(void *arg, int task, int thread)
{
	(void)thread;
	const struct stage *s = arg;
	const struct product *p = s->p;
	for (int have; task >= (have = (p->a->m + s->step - 1) / s->step); p++)
		task -= have;
	int64_t r = (int64_t)task * s->step, m = MIN(s->step, p->a->m - r);
	rows_times(s, p->y + r, p->a, r, m);
	if (!p->b)
		return;
	float up[TASK_ROWS];
	rows_times(s, up, p->b, r, m);
	for (int64_t i = 0; i < m; i++)
		p->y[r + i] = silu(p->y[r + i]) * up[i];
}

/* Several products with the same x [n], their rows dealt out together. */
static void products(struct decoder *d, const struct product *p, int count, const float *x)
{
	const int n = p->a->n, unit = d->copy ? INT8_TILE : 8, each = d->copy ? 1 : (int)sizeof(float);
	struct stage s = {d, p, x, MIN(MAX(TASK_BYTES / each / n / unit * unit, unit), TASK_ROWS)};
	int tasks = 0;
	int64_t work = 0;
	if (d->copy)
		d->rows8->vector(d->x8, x, n);
	for (int i = 0; i < count; i++) {
		tasks += (p[i].a->m + s.step - 1) / s.step;
		work += (int64_t)p[i].a->m * n * (p[i].b ? 2 : 1);
	}
	pool_run(work < d->worth ? NULL : d->pool, tasks, product_task, &s);
}

/* --- a layer --- */

static void layer_one(struct decoder *d, int l, int from)
{
	const struct layer *y = &d->layer[l];
	const struct matrix *w = y->w;
	const struct model_config *c = &d->c;
	size_t row = ((size_t)l * (size_t)c->context + (size_t)from) * (size_t)model_kv_dim(c);
	const struct product qkv[] = {{&w[WQ], NULL, d->q}, {&w[WK], NULL, d->k + row}, {&w[WV], NULL, d->v + row}};
	rms_norm(d, d->norm, d->x, y->norm_att, 1, c->dim);
	products(d, qkv, 3, d->norm);
	prepare(d, d->q, y->norm_q, c->heads, 1);
	prepare(d, d->k + row, y->norm_k, c->kv_heads, 1);
	attend(d, l, from, 1);
	products(d, &(struct product){&w[WO], NULL, d->norm}, 1, d->att);
	add_scaled(d->x, d->norm, c->alpha, (size_t)c->dim);
	rms_norm(d, d->norm, d->x, y->norm_ffn, 1, c->dim);
	products(d, &(struct product){&w[W1], &w[W3], d->gate}, 1, d->norm);
	products(d, &(struct product){&w[W2], NULL, d->norm}, 1, d->gate);
	add_scaled(d->x, d->norm, c->alpha, (size_t)c->dim);
}

/* y[t, m] = x[t, n] W[m, n]^T */
static void project(struct decoder *d, float *y, const float *x, const struct matrix *w, int t)
{
	gemm(d->pool, 0, 1, t, w->m, w->n, 1, x, w->n, w->w, w->n, 0, y, w->m);
}

static void layer_many(struct decoder *d, int l, int from, int t)
{
	const struct layer *y = &d->layer[l];
	const struct matrix *w = y->w;
	const struct model_config *c = &d->c;
	int dim = c->dim, f = c->hidden;
	size_t row = ((size_t)l * (size_t)c->context + (size_t)from) * (size_t)model_kv_dim(c);
	rms_norm(d, d->norm, d->x, y->norm_att, t, dim);
	project(d, d->q, d->norm, &w[WQ], t);
	project(d, d->k + row, d->norm, &w[WK], t);
	project(d, d->v + row, d->norm, &w[WV], t);
	prepare(d, d->q, y->norm_q, c->heads, t);
	prepare(d, d->k + row, y->norm_k, c->kv_heads, t);
	attend(d, l, from, t);
	project(d, d->norm, d->att, &w[WO], t);
	add_scaled(d->x, d->norm, c->alpha, (size_t)t * (size_t)dim);
	rms_norm(d, d->norm, d->x, y->norm_ffn, t, dim);
	project(d, d->gate, d->norm, &w[W1], t);
	project(d, d->up, d->norm, &w[W3], t);
	for (size_t i = 0; i < (size_t)t * (size_t)f; i++)
		d->gate[i] = silu(d->gate[i]) * d->up[i];
	project(d, d->norm, d->gate, &w[W2], t);
	add_scaled(d->x, d->norm, c->alpha, (size_t)t * (size_t)dim);
}

/* --- the window --- */

static void append(struct decoder *d, const int *id, int n)
{
	int context = d->c.context, keep = context / 2;
	for (int i = 0; i < n; i++) {
		if (d->len == context) {
			memmove(d->id, d->id + context - keep, (size_t)keep * sizeof *d->id);
			d->len = keep;
			d->cached = 0;
			d->slides++;
		}
		d->id[d->len++] = id[i];
	}
}

/* Feeds t ids of the window that are not yet in the cache. */
static int feed(struct decoder *d, int t, const atomic_int *cancel, struct err *e)
{
	int from = d->cached, dim = d->c.dim, r = ask_room(d, from + t, e);
	if (r)
		return r;
	for (int i = 0; i < t; i++)
		memcpy(d->x + (size_t)i * (size_t)dim, d->embed + (size_t)d->id[from + i] * (size_t)dim, (size_t)dim * sizeof(float));
	fill_angles(d, from, t);
	for (int l = 0; l < d->c.layers; l++) {
		if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
			return err_set(e, ERR_CANCEL, "sample: interrupted");
		if (t == 1)
			layer_one(d, l, from);
		else
			layer_many(d, l, from, t);
	}
	d->cached += t;
	return 0;
}

int decoder_next(struct decoder *d, const int *id, int n, float **logits, const atomic_int *cancel, struct err *e)
{
	for (int i = 0; i < n; i++)
		if (id[i] < 0 || id[i] >= d->c.vocab)
			return err_set(e, ERR_RANGE, "sample: id %d: outside the model's vocabulary of %d", id[i], d->c.vocab);
	append(d, id, MAX(n, 0));
	if (d->cached == d->len)
		return err_set(e, ERR_STATE, "sample: no id to go on from");
	int t = 0;
	while (d->cached < d->len) {
		t = MIN(d->chunk, d->len - d->cached);
		int rc = feed(d, t, cancel, e);
		if (rc)
			return rc;
	}
	if (!logits)
		return 0;
	rms_norm(d, d->norm, d->x + (size_t)(t - 1) * (size_t)d->c.dim, d->norm_out, 1, d->c.dim);
	products(d, &(struct product){&d->head, NULL, d->logits}, 1, d->norm);
	*logits = d->logits;
	return 0;
}
