/* bench_train.c: a micro-step of a preset with random ids: its programs, its host work, and the update. No data, no run.
 * SPDX-License-Identifier: MIT */
#include "bench/bench_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/model.h"
#include "train/optim.h"

struct rig {
	struct model_config c;
	struct params *p;
	struct device *dev;
	struct model *m;
	struct timing timing;
	struct settings settings;
	struct pool *pool;
	int batch, seq, *x, *y;
	uint64_t updates;
};

static void rig_done(struct rig *r)
{
	model_free(r->m);
	device_close(r->dev);
	params_free(r->p);
	free(r->x);
}

/* A preset as it is, or another one like it: what is 0 is the preset's. */
struct shape {
	const char *preset;
	int batch, seq, layers, vocab;
};

static int rig_config(struct rig *r, const struct shape *s, struct err *e)
{
	if (model_preset(&r->c, s->preset, e))
		return e->code;
	r->batch = s->batch;
	r->seq = s->seq ? s->seq : r->c.seq;
	r->c.context = MAX(r->c.context, r->seq);
	r->c.layers = s->layers ? s->layers : r->c.layers;
	r->c.vocab = s->vocab ? s->vocab : r->c.vocab;
	return model_config_check(&r->c, e);
}

static int rig_init(struct bench *b, struct rig *r, const struct shape *s, struct err *e)
{
	struct rng rng;
	memset(r, 0, sizeof *r);
	if (rig_config(r, s, e) || !(r->p = params_new(&r->c, e)) || params_train(r->p, e))
		return e->code;
	params_init(r->p, 1);
	r->pool = b->o->pool;
	int batch = r->batch;
	size_t n = (size_t)batch * (size_t)r->seq;
	if (!(r->x = mem_zalloc(2 * n, sizeof *r->x)))
		return err_nomem(e, "bench: ids", 2 * n * sizeof *r->x);
	r->y = r->x + n;
	rng_seed(&rng, 1);
	for (size_t i = 0; i < n; i++) {
		r->x[i] = (int)rng_below(&rng, (uint64_t)r->c.vocab);
		r->y[i] = (int)rng_below(&rng, (uint64_t)r->c.vocab);
	}
	settings_init(&r->settings);
	if (!(r->dev = device_open("cpu", r->pool, e)))
		return e->code;
	r->m = model_new(r->dev, r->p, r->pool, batch, r->seq, NULL, &r->timing, b->o->cancel, e);
	return r->m ? 0 : e->code;
}

static int micro_call(void *arg, struct err *e)
{
	struct rig *r = arg;
	double loss;
	return model_micro_step(r->m, r->x, r->y, 1, &loss, e);
}

static int norm_call(void *arg, struct err *e)
{
	struct rig *r = arg;
	(void)e;
	return optim_grad_norm(r->p, r->pool) < 0;
}

static int update_call(void *arg, struct err *e)
{
	struct rig *r = arg;
	(void)e;
	optim_adamw(r->p, r->pool, &r->settings, 1e-6, 1, ++r->updates);
	return 0;
}

/* Bytes of host work that must move whatever is done: activations in and out once each. 0: its cost is not memory. */
static double host_bytes(const struct rig *r, const char *name)
{
	double tokens = (double)r->batch * r->seq, row = 4 * tokens * r->c.dim;
	static const struct { const char *name; int rows; } work[] = {{"embed", 2}, {"embed bwd", 3}, {"final norm", 2}, {"norm bwd", 0}};
	for (size_t i = 0; i < ARRAY_LEN(work); i++)
		if (!strcmp(name, work[i].name))
			return work[i].rows ? work[i].rows * row : 4 * row * (2 * r->c.layers + 1);
	return 0;
}

/* `before`: what the names begin with. */
static void rows_of(struct bench *b, const struct rig *r, const char *before)
{
	for (int i = 0; i < r->timing.n; i++) {
		const struct timing_row *t = &r->timing.row[i];
		double p50, p95;
		char name[64];
		timing_percentiles(&r->timing, i, &p50, &p95);
		if (!(p50 > 0))
			continue;
		snprintf(name, sizeof name, "%s%s%s", before, t->kind == TIMING_PROGRAM ? "" : "host: ", t->name);
		bench_row(b, name, p50, t->last_flops, t->last_flops > 0 ? 0 : host_bytes(r, t->name), 0, "");
	}
}

static int update_rows(struct bench *b, struct rig *r, const char *before, struct err *e)
{
	char name[64];
	double floats = (double)r->p->total, ms;
	int rc = bench_time(b, norm_call, r, 5, 100, &ms, e);
	if (rc)
		return rc;
	snprintf(name, sizeof name, "%sgradient norm", before);
	bench_row(b, name, ms, 0, 4 * floats, 0, "");
	if ((rc = bench_time(b, update_call, r, 5, 200, &ms, e)))
		return rc;
	/* Weights, gradients and both moments are read; gradients are zeroed, the others written. */
	snprintf(name, sizeof name, "%supdate (AdamW)", before);
	bench_row(b, name, ms, 0, 8 * 4 * floats, 0, "");
	return 0;
}

static int train(struct bench *b, const struct shape *s, const char *before, int parts, struct err *e)
{
	struct rig r;
	char name[64];
	double ms;
	int rc = rig_init(b, &r, s, e);
	if (!rc)
		rc = bench_rates(b, e);
	if (!rc)
		rc = bench_time(b, micro_call, &r, 5, 1500, &ms, e);
	if (!rc)
		rc = bench_rates_again(b, e);
	if (!rc) {
		snprintf(name, sizeof name, "%smicro-step, batch %d x %d", before, s->batch, r.seq);
		bench_row(b, name, ms, model_flops(&r.c, s->batch, r.seq), 0, (double)s->batch * r.seq, "");
		if (parts)
			rows_of(b, &r, before);
	}
	if (!rc && parts)
		rc = update_rows(b, &r, before, e);
	rig_done(&r);
	return rc;
}

int bench_demo(struct bench *b, struct err *e)
{
	return train(b, &(struct shape){"demo", 2, 0, 0, 0}, "", 1, e);
}

int bench_stories15m(struct bench *b, struct err *e)
{
	return train(b, &(struct shape){"stories15m", 8, 0, 0, 0}, "", 1, e);
}

int bench_stories110m(struct bench *b, struct err *e)
{
	int rc = train(b, &(struct shape){"stories110m", 1, 0, 0, 0}, "", 1, e);
	return rc ? rc : train(b, &(struct shape){"stories110m", 4, 0, 0, 0}, "", 0, e);
}

/* --- growth --- */

static int grow(struct bench *b, const char *what, int n, const struct shape *s, struct err *e)
{
	char before[32];
	snprintf(before, sizeof before, "%s %d: ", what, n);
	return train(b, s, before, 1, e);
}

/* With one thread all rates are one thread's. */
static int grow_one_thread(struct bench *b, const struct shape *s, struct err *e)
{
	struct bench_options o = *b->o;
	struct bench one = *b;
	o.pool = NULL;
	one.o = &o;
	one.memory = 0;
	int rc = bench_rates(&one, e);
	rc = rc ? rc : grow(&one, "threads", 1, s, e);
	b->gemm_block = one.gemm_block;
	return rc;
}

int bench_growth(struct bench *b, struct err *e)
{
	static const int seqs[] = {128, 256, 512, 1024}, layers[] = {2, 6, 12, 24}, vocabs[] = {2048, 8192, 32000, 64000}, batches[] = {1, 2, 4, 8, 16};
	const struct shape base = {"stories15m", 1, 256, 0, 0};
	struct shape s = base;
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(seqs) && !rc; i++, s = base)
		rc = (s.seq = seqs[i], grow(b, "seq", seqs[i], &s, e));
	for (size_t i = 0; i < ARRAY_LEN(layers) && !rc; i++, s = base)
		rc = (s.layers = layers[i], grow(b, "layers", layers[i], &s, e));
	for (size_t i = 0; i < ARRAY_LEN(vocabs) && !rc; i++, s = base)
		rc = (s.vocab = vocabs[i], grow(b, "vocab", vocabs[i], &s, e));
	for (size_t i = 0; i < ARRAY_LEN(batches) && !rc; i++, s = base)
		rc = (s.batch = batches[i], grow(b, "batch", batches[i], &s, e));
	rc = rc ? rc : grow_one_thread(b, &base, e);
	return rc ? rc : grow(b, "threads", pool_threads(b->o->pool), &base, e);
}

/* --- compiling --- */

struct compile {
	struct rig *r;
	struct bench *b;
};

static int compile_call(void *arg, struct err *e)
{
	struct compile *c = arg;
	struct model *m = model_new(c->r->dev, c->r->p, c->r->pool, c->r->batch, c->r->seq, NULL, NULL, c->b->o->cancel, e);
	model_free(m);
	return m ? 0 : e->code;
}

int bench_mil(struct bench *b, struct err *e)
{
	static const char *const presets[] = {"demo", "stories110m"};
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(presets) && !rc; i++) {
		struct rig r;
		struct compile c = {&r, b};
		char name[64];
		double ms;
		rc = rig_init(b, &r, &(struct shape){presets[i], 1, 0, 0, 0}, e);
		if (!rc)
			rc = bench_time(b, compile_call, &c, 5, 100, &ms, e);
		snprintf(name, sizeof name, "%s: all programs, compiled and bound", presets[i]);
		if (!rc)
			bench_row(b, name, ms, 0, 0, 0, "");
		rig_done(&r);
	}
	return rc;
}
