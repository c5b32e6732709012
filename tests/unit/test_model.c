/* test_model.c: the program path on the cpu device against the plain reference: loss and every gradient tensor.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/model.h"
#include "model/plain.h"
#include "model/programs.h"
#include "support/tiny.h"

static const struct tiny shapes[] = {
	{"plain heads", 32, 48, 2, 4, 4, 8, 61, 1, ROPE_INTERLEAVED, 1, 1, 16},
	{"half-split, batch 3, 7 tokens", 32, 48, 2, 4, 4, 8, 61, 1, ROPE_HALF, 1, 3, 7},
	{"grouped by 2, untied, 13 tokens", 24, 40, 2, 4, 2, 6, 47, 0, ROPE_INTERLEAVED, 1, 1, 13},
	{"grouped by 2, half-split, batch 3", 24, 40, 2, 4, 2, 6, 47, 1, ROPE_HALF, 1, 3, 13},
	{"grouped by 4, one kv head, alpha", 20, 28, 3, 4, 1, 10, 37, 1, ROPE_HALF, 0.5f, 2, 33},
	{"grouped by 4, untied, batch 3", 36, 28, 1, 8, 2, 6, 37, 0, ROPE_INTERLEAVED, 1, 3, 33},
	{"odd sizes, head size of its own, alpha", 13, 11, 2, 3, 3, 10, 29, 0, ROPE_INTERLEAVED, 0.37f, 1, 33},
	{"odd sizes, batch 3", 27, 35, 2, 3, 1, 14, 101, 1, ROPE_HALF, 0.2041f, 3, 13},
	{"one token", 9, 7, 1, 2, 1, 4, 11, 1, ROPE_INTERLEAVED, 1, 3, 1},
	{"norms of q and k, grouped by 2, head size of its own", 24, 40, 2, 4, 2, 10, 47, 1, ROPE_HALF + TINY_QK_NORM, 1, 1, 13},
	{"norms of q and k, odd sizes, one kv head, batch 3, alpha", 13, 11, 3, 3, 1, 14, 29, 0, ROPE_HALF + TINY_QK_NORM, 0.37f, 3, 7},
	{"norms of q and k, plain heads, batch 3, 33 tokens", 32, 48, 1, 4, 4, 8, 61, 1, ROPE_INTERLEAVED + TINY_QK_NORM, 1, 3, 33},
	{"norms of q and k, one head, one token", 9, 7, 2, 1, 1, 2, 11, 0, ROPE_HALF + TINY_QK_NORM, 1, 1, 1},
	{"one sequence of one token", 9, 7, 2, 1, 1, 2, 11, 0, ROPE_HALF, 1, 1, 1},
};

/* A model with everything that it needs. */
struct rig {
	const struct tiny *t;
	struct pool *pool;
	struct device *device;
	struct params *p;
	struct model *m;
	struct timing *timing;
	struct model_options o;
	int *x, *y;
};

/* The ways to have the programs. */
static const struct model_options ways[] = {
	{.pipeline = PIPELINE_STATIC}, {.pipeline = PIPELINE_DYNAMIC}, {.pipeline = PIPELINE_DYNAMIC, .separate = 1},
	{.pipeline = PIPELINE_STATIC, .precise = PRECISE_ON}, {.pipeline = PIPELINE_DYNAMIC, .precise = PRECISE_ON},
};
static const char *const way_names[] = {"static", "dynamic", "separate inputs", "static, precise", "dynamic, precise"};
enum { WAYS = sizeof ways / sizeof *ways };

static void rig_open(struct rig *r, const struct tiny *t, int threads, int train)
{
	struct err e = {0};
	*r = (struct rig){.t = t};
	size_t n = (size_t)(t->batch * t->seq);
	r->x = calloc(n, sizeof *r->x);
	r->y = calloc(n, sizeof *r->y);
	r->timing = calloc(1, sizeof *r->timing);
	assert_true(r->x && r->y && r->timing);
	tiny_tokens(t, 21, 1, r->x, r->y);
	r->y[0] = 1; /* at least one target */
	r->pool = pool_new(threads, &e);
	r->device = r->pool ? device_open("cpu", r->pool, &e) : NULL;
	if (!r->device)
		fail_msg("%s: %s", t->what, e.msg);
	r->p = tiny_params(t, 77, train);
}

static void rig_model(struct rig *r, atomic_int *cancel)
{
	struct err e = {0};
	r->m = model_new(r->device, r->p, r->pool, r->t->batch, r->t->seq, &r->o, r->timing, cancel, &e);
	if (!r->m)
		fail_msg("%s: %s", r->t->what, e.msg);
}

static void rig_close(struct rig *r)
{
	model_free(r->m);
	device_close(r->device);
	pool_free(r->pool);
	params_free(r->p);
	free(r->x);
	free(r->y);
	free(r->timing);
}

/* Loss and gradients of the plain reference; the caller frees the gradients. */
static double *reference(const struct rig *r, double *loss)
{
	struct err e = {0};
	double *w = calloc(r->p->total, sizeof *w), *g = calloc(r->p->total, sizeof *g);
	assert_true(w && g);
	for (size_t i = 0; i < r->p->total; i++)
		w[i] = r->p->w[i];
	assert_int_equal(plain_loss(r->p, w, g, r->x, r->y, r->t->batch, r->t->seq, loss, NULL, &e), 0);
	free(w);
	return g;
}

static void compare(const struct rig *r, double loss, double scale, const char *how)
{
	double want, *g = reference(r, &want);
	if (!(fabs(loss - want) <= 1e-6 * want + 1e-7))
		fail_msg("%s, %s: loss %.9g, not %.9g", r->t->what, how, loss, want);
	for (size_t i = 0; i < r->p->total; i++)
		g[i] *= scale;
	for (int i = 0; i < r->p->n; i++) {
		const struct param *t = &r->p->table[i];
		double d = tiny_distance(r->p->g + t->offset, g + t->offset, t->count);
		if (!(d <= 1e-5))
			fail_msg("%s, %s: %s: relative distance %g", r->t->what, how, t->name, d);
		size_t end = i + 1 < r->p->n ? t[1].offset : r->p->total;
		for (size_t k = t->offset + t->count; k < end; k++)
			assert_true(r->p->g[k] == 0); /* padding stays as it is */
	}
	free(g);
}

static void step(struct rig *r, float scale, double *loss)
{
	struct err e = {0};
	if (model_micro_step(r->m, r->x, r->y, scale, loss, &e))
		fail_msg("%s: %s", r->t->what, e.msg);
}

static void gradients(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
		for (int way = 0; way < WAYS; way++) {
			struct rig r;
			double loss;
			rig_open(&r, &shapes[k], 2, 1);
			r.o = ways[way];
			rig_model(&r, NULL);
			step(&r, 1, &loss);
			compare(&r, loss, 1, way_names[way]);
			/* A second one adds, and nothing of the first is left in the taps. */
			step(&r, 0.5f, &loss);
			compare(&r, loss, 1.5, way_names[way]);
			rig_close(&r);
		}
}

/* Devices that keep their own surfaces, and devices beside which the queue runs. */
static void other_devices(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
		for (int how = 0; how < 3 * WAYS; how++) {
			struct rig r;
			double loss;
			rig_open(&r, &shapes[k], 2, 1);
			r.o = ways[how / 3];
			r.device->caps.overlaps = how % 3 != 0;
			r.device->caps.host_memory = how % 3 == 1;
			rig_model(&r, NULL);
			step(&r, 1, &loss);
			compare(&r, loss, 1, way_names[how / 3]);
			/* What was put into surfaces of the device's own is put there again. */
			for (size_t i = 0; i < r.p->total; i++) {
				r.p->w[i] *= 1.25f;
				r.p->g[i] = 0;
			}
			struct err e = {0};
			assert_int_equal(model_update(r.m, &e), 0);
			step(&r, 1, &loss);
			compare(&r, loss, 1, "changed weights");
			r.device->caps.overlaps = 0;
			rig_close(&r);
		}
}

static void threads_do_not_matter(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2 * (sizeof shapes / sizeof *shapes); k++) {
		struct rig a, b;
		double la, lb;
		rig_open(&a, &shapes[k / 2], 1, 1);
		rig_open(&b, &shapes[k / 2], 3, 1);
		a.o = b.o = ways[k % 2];
		rig_model(&a, NULL);
		rig_model(&b, NULL);
		step(&a, 1, &la);
		step(&b, 1, &lb);
		assert_true(la == lb);
		assert_memory_equal(a.p->g, b.p->g, a.p->total * sizeof(float));
		rig_close(&a);
		rig_close(&b);
	}
}

/* --- vocab.compact: the plain reference of a model that has only those rows --- */

/* The rows that occur among a rig's tokens, and every third one; some are taken out: every third at least. With two or three rows alone a
 * probability gets so near to 1 that fp32 has few digits of what is missing. */
static void occurring(struct rig *r, struct active_rows *a)
{
	unsigned char seen[128] = {0};
	struct err e = {0};
	for (int v = 0; v < r->t->vocab; v += 3)
		seen[v] = 1;
	for (int i = 0; i < r->t->batch * r->t->seq; i++) {
		r->x[i] -= r->x[i] % 3 == 1;
		r->y[i] -= r->y[i] % 3 == 1;
		seen[r->x[i]] = 1;
		if (r->y[i] >= 0)
			seen[r->y[i]] = 1;
	}
	assert_int_equal(active_init(a, seen, r->t->vocab, &e), 0);
	for (int i = 0; i < a->n; i++)
		assert_true(seen[a->id[i]] && a->at[a->id[i]] == i && (i == 0 || a->id[i - 1] < a->id[i]));
}

static int has_vocabulary(const struct param *t)
{
	return t->kind == PARAM_EMBED || t->kind == PARAM_HEAD;
}

/* The model of the rows `a`, its weights and tokens. */
static void smaller(const struct rig *r, const struct active_rows *a, struct tiny *t, struct rig *s)
{
	int n = r->t->batch * r->t->seq;
	*t = *r->t;
	t->vocab = a->n;
	*s = (struct rig){.t = t, .p = tiny_params(t, 1, 0), .x = calloc((size_t)n, sizeof(int)), .y = calloc((size_t)n, sizeof(int))};
	assert_true(s->x && s->y);
	for (int i = 0; i < n; i++) {
		s->x[i] = a->at[r->x[i]];
		s->y[i] = r->y[i] < 0 ? -1 : a->at[r->y[i]];
	}
	for (int i = 0; i < r->p->n; i++) {
		const struct param *from = &r->p->table[i], *to = &s->p->table[i];
		size_t D = (size_t)t->dim;
		for (size_t k = 0; k < to->count; k++)
			s->p->w[to->offset + k] = r->p->w[from->offset + (has_vocabulary(to) ? (size_t)a->id[k / D] * D + k % D : k)];
	}
}

static void compare_smaller(const struct rig *r, const struct active_rows *a, double loss, const char *how)
{
	struct tiny t;
	struct rig s;
	double want;
	smaller(r, a, &t, &s);
	double *g = reference(&s, &want), *full = calloc(r->p->total, sizeof *full);
	assert_non_null(full);
	if (!(fabs(loss - want) <= 1e-6 * want + 1e-7))
		fail_msg("%s, %s: loss %.9g, not %.9g", t.what, how, loss, want);
	for (int i = 0; i < s.p->n; i++) {
		const struct param *from = &s.p->table[i], *to = &r->p->table[i];
		size_t D = (size_t)t.dim;
		for (size_t k = 0; k < from->count; k++)
			full[to->offset + (has_vocabulary(from) ? (size_t)a->id[k / D] * D + k % D : k)] = g[from->offset + k];
		double d = tiny_distance(r->p->g + to->offset, full + to->offset, to->count);
		if (!(d <= 1e-5))
			fail_msg("%s, %s: %s: relative distance %g", t.what, how, to->name, d);
		for (size_t k = 0; has_vocabulary(to) && k < to->count; k++)
			assert_true(a->at[k / D] >= 0 || r->p->g[to->offset + k] == 0);
	}
	free(full);
	free(g);
	free(s.x);
	free(s.y);
	params_free(s.p);
}

static void compacted(void **state)
{
	(void)state;
	static const char *const hows[] = {"compact", "compact, own surfaces", "compact, overlapping"};
	for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
		for (int how = 0; how < 3; how++) {
			struct rig r;
			struct active_rows a;
			struct err e = {0};
			double loss;
			rig_open(&r, &shapes[k], 2, 1);
			occurring(&r, &a);
			assert_true(a.n < r.t->vocab);
			r.o.active = &a;
			r.device->caps.host_memory = how != 1;
			r.device->caps.overlaps = how == 2;
			rig_model(&r, NULL);
			step(&r, 1, &loss);
			compare_smaller(&r, &a, loss, hows[how]);
			/* The copy follows the weights when it is told to. */
			for (size_t i = 0; i < r.p->total; i++) {
				r.p->w[i] *= 1.25f;
				r.p->g[i] = 0;
			}
			assert_int_equal(model_update(r.m, &e), 0);
			step(&r, 1, &loss);
			compare_smaller(&r, &a, loss, "compact, changed weights");
			r.device->caps.overlaps = 0;
			rig_close(&r);
			active_done(&a);
		}
}

/* Targets outside are refused, and every row is no compaction. */
static void compact_edges(void **state)
{
	(void)state;
	struct rig r, s;
	struct active_rows a, all;
	struct err e = {0};
	unsigned char seen[128] = {0}, every[128];
	double loss, other;
	memset(every, 1, sizeof every);
	assert_int_equal(active_init(&a, seen, 61, &e), ERR_RANGE);
	rig_open(&r, &shapes[0], 2, 1);
	occurring(&r, &a);
	r.o.active = &a;
	rig_model(&r, NULL);
	assert_true(model_bytes(&r.p->config, 1, 16, a.n, NULL) != model_bytes(&r.p->config, 1, 16, 0, NULL));
	for (int v = 0; v < 61; v++)
		if (a.at[v] < 0)
			r.y[5] = v;
	assert_int_equal(model_micro_step(r.m, r.x, r.y, 1, &loss, &e), ERR_RANGE);
	assert_non_null(strstr(e.msg, "not among the"));
	r.y[5] = -1;
	rig_open(&s, &shapes[0], 2, 1);
	s.y[5] = -1;
	assert_int_equal(active_init(&all, every, 61, &e), 0);
	s.o.active = &all;
	rig_model(&s, NULL);
	step(&s, 1, &loss);
	compare(&s, loss, 1, "all rows");
	step(&r, 1, &other);
	assert_true(other < loss); /* fewer rows to be wrong about */
	struct model_options o = {.active = &a};
	a.vocab = 60;
	assert_null(model_new(s.device, s.p, s.pool, 1, 16, &o, NULL, NULL, &e));
	assert_non_null(strstr(e.msg, "a vocabulary of 60, the model has 61"));
	rig_close(&r);
	rig_close(&s);
	active_done(&a);
	active_done(&all);
}

/* --- extras: the same gradients, whichever way the vocabulary is cut --- */

static const struct extras_case {
	const char *what;
	int host_memory, overlaps, max_channels, max_conv_in, compact;
	enum model_pipeline pipeline;
	int separate;
} extras_cases[] = {
	{"extras", 1, 0, 0, 0, 0, PIPELINE_STATIC, 0},
	{"extras, own surfaces", 0, 0, 0, 0, 0, PIPELINE_STATIC, 0},
	{"extras, overlapping", 1, 1, 0, 0, 0, PIPELINE_STATIC, 0},
	{"extras in parts", 1, 0, 10, 0, 0, PIPELINE_STATIC, 0},
	{"extras, products for convolutions", 1, 0, 0, 5, 0, PIPELINE_STATIC, 0},
	{"extras in parts, own surfaces, overlapping, products", 0, 1, 7, 6, 0, PIPELINE_STATIC, 0},
	{"extras, compact", 1, 0, 0, 0, 1, PIPELINE_STATIC, 0},
	{"extras, compact, in parts, own surfaces, overlapping", 0, 1, 3, 0, 1, PIPELINE_STATIC, 0},
	{"dynamic extras", 1, 0, 0, 0, 0, PIPELINE_DYNAMIC, 0},
	{"dynamic extras, own surfaces", 0, 0, 0, 0, 0, PIPELINE_DYNAMIC, 0},
	{"dynamic extras, separate inputs", 1, 1, 0, 0, 0, PIPELINE_DYNAMIC, 1},
	{"dynamic extras in parts, separate inputs, own surfaces", 0, 0, 10, 0, 0, PIPELINE_DYNAMIC, 1},
	{"dynamic extras, compact, in parts, own surfaces", 0, 1, 3, 0, 1, PIPELINE_DYNAMIC, 0},
	{"dynamic extras, compact", 1, 0, 0, 0, 1, PIPELINE_DYNAMIC, 0},
};

static void extras_step(struct rig *r, const struct active_rows *a, double scale, const char *how)
{
	double loss;
	step(r, (float)scale, &loss);
	if (a)
		compare_smaller(r, a, loss, how);
	else
		compare(r, loss, scale, how);
}

static void extras(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
		for (size_t i = 0; i < sizeof extras_cases / sizeof *extras_cases; i++) {
			const struct extras_case *x = &extras_cases[i];
			struct rig r;
			struct active_rows a = {0};
			struct err e = {0};
			rig_open(&r, &shapes[k], 2, 1);
			if (x->compact)
				occurring(&r, &a);
			r.o = (struct model_options){.extras = 1, .active = x->compact ? &a : NULL, .pipeline = x->pipeline, .separate = x->separate};
			r.device->caps.host_memory = x->host_memory;
			r.device->caps.overlaps = x->overlaps;
			r.device->caps.max_channels = x->max_channels;
			r.device->caps.max_conv_in = x->max_conv_in;
			rig_model(&r, NULL);
			assert_int_equal(model_program(r.m, PROGRAM_CLASSIFIER)->nweight, x->pipeline == PIPELINE_STATIC);
			extras_step(&r, x->compact ? &a : NULL, 1, x->what);
			/* Changed weights count, and nothing of the first micro-step is left. */
			for (size_t w = 0; w < r.p->total; w++) {
				r.p->w[w] *= 1.25f;
				r.p->g[w] = 0;
			}
			assert_int_equal(model_update(r.m, &e), 0);
			extras_step(&r, x->compact ? &a : NULL, x->compact ? 1 : 0.5, x->what);
			r.device->caps.overlaps = 0;
			rig_close(&r);
			active_done(&a);
		}
}

/* Blocks of tokens, the last one shorter; only the losses; threads. */
static void extras_blocks(void **state)
{
	(void)state;
	static const struct tiny wide = {"many rows", 16, 8, 1, 1, 1, 16, 400000, 1, ROPE_HALF, 1, 1, 50};
	for (int parts = 0; parts < 2; parts++) {
		struct rig r, s;
		struct err e = {0};
		double loss, plain, same;
		rig_open(&r, &wide, 2, 1);
		r.device->caps.max_channels = parts ? 150000 : 0;
		r.o.extras = 1;
		rig_model(&r, NULL);
		assert_int_equal(model_loss(r.m, r.x, r.y, &plain, &e), 0);
		step(&r, 1, &loss);
		assert_true(plain == loss);
		compare(&r, loss, 1, parts ? "blocks and parts" : "blocks");
		assert_int_equal(r.timing->row[timing_row(r.timing, "softmax", TIMING_PROGRAM)].last_calls, parts ? 6 : 2);
		rig_open(&s, &wide, 3, 1);
		s.device->caps.max_channels = r.device->caps.max_channels;
		s.o.extras = 1;
		rig_model(&s, NULL);
		step(&s, 1, &same);
		assert_true(loss == same);
		assert_memory_equal(r.p->g, s.p->g, r.p->total * sizeof(float));
		rig_close(&r);
		rig_close(&s);
	}
}

/* The programs are there to be looked at, copy nothing on the cpu device, and are none without extras. */
static void extras_programs(void **state)
{
	(void)state;
	static const char *const names[] = {"finalNorm", "classifier", "softmax", "classifierBwd", "normBwd"};
	static const unsigned calls[] = {1, 1, 1, 1, 5};
	struct rig r;
	double loss;
	for (int dynamic = 0; dynamic < 2; dynamic++) {
		rig_open(&r, &shapes[0], 1, 1);
		r.o = (struct model_options){.extras = 1, .pipeline = dynamic ? PIPELINE_DYNAMIC : PIPELINE_STATIC};
		rig_model(&r, NULL);
		step(&r, 1, &loss);
		for (int i = 0; i < PROGRAM_N - PROGRAM_EXTRAS; i++) {
			struct kernel_plan_info info;
			const struct program *p = model_program(r.m, PROGRAM_EXTRAS + i);
			assert_non_null(p);
			assert_string_equal(p->name, names[i]);
			kernel_plan(model_kernel(r.m, PROGRAM_EXTRAS + i), &info);
			if (info.ncopy)
				fail_msg("%s, %d: %d copies", p->name, dynamic, info.ncopy);
			assert_int_equal(r.timing->row[timing_row(r.timing, names[i], TIMING_PROGRAM)].last_calls, calls[i]);
		}
		assert_true(model_bytes(&r.p->config, 1, 16, 0, &r.o) > model_bytes(&r.p->config, 1, 16, 0, NULL));
		model_free(r.m);
		/* Weights that a program holds are compiled again with it; inputs are not. */
		r.device->caps.weights_live = 0;
		rig_model(&r, NULL);
		assert_int_equal(model_compiles(r.m), dynamic ? 0 : 2 * 5 + 1 + 2 + 5);
		model_free(r.m);
		r.o.extras = 0;
		rig_model(&r, NULL);
		assert_null(model_program(r.m, PROGRAM_CLASSIFIER));
		assert_null(model_kernel(r.m, PROGRAM_NORM_BWD));
		rig_close(&r);
	}
}

static void loss_only(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2 * (sizeof shapes / sizeof *shapes); k++) {
		struct rig r, s;
		struct err e = {0};
		double loss, want, other;
		rig_open(&r, &shapes[k / 2], 2, 0);
		r.o = ways[k % 2];
		rig_model(&r, NULL);
		assert_int_equal(model_loss(r.m, r.x, r.y, &loss, &e), 0);
		free(reference(&r, &want));
		if (!(fabs(loss - want) <= 1e-6 * want + 1e-7))
			fail_msg("%s: loss %.9g, not %.9g", r.t->what, loss, want);
		assert_int_equal(model_micro_step(r.m, r.x, r.y, 1, &loss, &e), ERR_STATE);
		/* With gradients the same, between micro-steps. */
		rig_open(&s, &shapes[k / 2], 2, 1);
		s.o = ways[k % 2];
		rig_model(&s, NULL);
		step(&s, 1, &other);
		assert_int_equal(model_loss(s.m, s.x, s.y, &other, &e), 0);
		assert_true(other == model_loss(r.m, r.x, r.y, &loss, &e) + loss);
		rig_close(&r);
		rig_close(&s);
	}
}

/* Weights are live: a changed one counts at the next micro-step. */
static void live_weights(void **state)
{
	(void)state;
	for (int way = 0; way < WAYS; way++) {
		struct rig r;
		double loss;
		rig_open(&r, &shapes[2], 1, 1);
		r.o = ways[way];
		rig_model(&r, NULL);
		step(&r, 1, &loss);
		for (size_t i = 0; i < r.p->total; i++) {
			r.p->w[i] *= 1.25f;
			r.p->g[i] = 0;
		}
		step(&r, 1, &loss);
		compare(&r, loss, 1, "changed weights");
		rig_close(&r);
	}
}

/* With surfaces over host memory no program of either pipeline copies a value or a weight; but grouped queries, whose gradient sums over
 * a group, cost a copy of their gradient in the programs of the scores (and short sequences one of heads: cheaper than many products). */
static void nothing_is_copied(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
		for (int way = 0; way < WAYS; way++) {
			struct rig r;
			int n = 0;
			if (shapes[k].seq < 16 || ways[way].precise == PRECISE_ON) /* these stack q and k up for their scores */
				continue;
			rig_open(&r, &shapes[k], 1, 1);
			r.o = ways[way];
			rig_model(&r, NULL);
			for (int id = 0; id < PROGRAM_N; id++) {
				struct kernel_plan_info info;
				if (!model_kernel(r.m, id))
					continue;
				kernel_plan(model_kernel(r.m, id), &info);
				int grouped = r.t->heads != r.t->kv_heads && !strncmp(program_name((enum program_id)id), "sdpaBwd", 7);
				if (info.ncopy > grouped)
					fail_msg("%s, %s: %s: %d copies", r.t->what, way_names[way], program_name((enum program_id)id), info.ncopy);
				n++;
			}
			assert_int_equal(n, way ? 10 : 6);
			rig_close(&r);
		}
}

/* A device that freezes weights and counts compiles. Frozen here means only counted: the cpu device below has them live. */
static int refrozen, refrozen_weights;
static int count_refreeze(struct kernel *k, const struct dev_weight *w, int nw, struct err *e)
{
	(void)w;
	(void)e;
	if (k->dev->caps.compiles_left == 0)
		return err_set(e, ERR_BUDGET, "no compiles left");
	k->dev->caps.compiles_left--;
	refrozen++;
	refrozen_weights += nw;
	return 0;
}

static void frozen_weights(void **state)
{
	(void)state;
	struct rig r;
	struct err e = {0};
	double loss;
	struct device_ops ops = device_cpu;
	ops.refreeze = count_refreeze;
	rig_open(&r, &shapes[4], 1, 1);
	rig_model(&r, NULL);
	assert_int_equal(model_compiles(r.m), 0);
	assert_int_equal(model_update(r.m, &e), 0);
	model_free(r.m);
	r.device->ops = &ops;
	r.device->caps.weights_live = 0;
	/* Five programs of three layers hold weights, one does not. */
	r.device->caps.compiles_left = 15;
	r.m = model_new(r.device, r.p, r.pool, r.t->batch, r.t->seq, NULL, r.timing, NULL, &e);
	assert_null(r.m);
	assert_int_equal(e.code, ERR_BUDGET);
	assert_non_null(strstr(e.msg, "16 compiles needed, the device cpu has 15 left"));
	r.device->caps.compiles_left = 16;
	rig_model(&r, NULL);
	assert_int_equal(model_compiles(r.m), 15);
	r.device->caps.compiles_left = 14;
	assert_int_equal(model_update(r.m, &e), ERR_BUDGET);
	assert_int_equal(refrozen, 0);
	r.device->caps.compiles_left = 15;
	assert_int_equal(model_update(r.m, &e), 0);
	assert_int_equal(refrozen, 15);
	assert_true(refrozen_weights > 15 * 3);
	assert_int_equal(r.device->caps.compiles_left, 0);
	step(&r, 1, &loss);
	compare(&r, loss, 1, "refrozen");
	rig_close(&r);
}

static void cancelled(void **state)
{
	(void)state;
	struct rig r;
	atomic_int cancel = 1;
	struct err e = {0};
	double loss;
	rig_open(&r, &shapes[0], 1, 1);
	rig_model(&r, &cancel);
	assert_int_equal(model_micro_step(r.m, r.x, r.y, 1, &loss, &e), ERR_CANCEL);
	assert_int_equal(model_loss(r.m, r.x, r.y, &loss, &e), ERR_CANCEL);
	cancel = 0;
	memset(r.p->g, 0, r.p->total * sizeof(float));
	step(&r, 1, &loss);
	compare(&r, loss, 1, "after an interruption");
	rig_close(&r);
}

static void refusals(void **state)
{
	(void)state;
	struct rig r;
	struct err e = {0};
	double loss;
	rig_open(&r, &shapes[0], 1, 1);
	assert_null(model_new(r.device, r.p, r.pool, 1, 17, NULL, NULL, NULL, &e));
	assert_non_null(strstr(e.msg, "seq 17: longer than the context of 16"));
	assert_null(model_new(r.device, r.p, r.pool, 0, 16, NULL, NULL, NULL, &e));
	assert_int_equal(e.code, ERR_RANGE);
	assert_null(model_new(r.device, r.p, r.pool, 1 << 24, 16, NULL, NULL, NULL, &e));
	assert_true(e.code < 0);
	if (model_bytes(&r.p->config, 1 << 20, 16, 0, NULL) > mem_available()) {
		assert_null(model_new(r.device, r.p, r.pool, 1 << 20, 16, NULL, NULL, NULL, &e));
		assert_int_equal(e.code, ERR_NOMEM);
		assert_non_null(strstr(e.msg, "needed for activations"));
	}
	r.device->caps.batch = 0;
	assert_null(model_new(r.device, r.p, r.pool, 2, 16, NULL, NULL, NULL, &e));
	assert_non_null(strstr(e.msg, "one sequence"));
	r.device->caps.batch = 1;
	rig_model(&r, NULL);
	r.x[3] = 61;
	assert_int_equal(model_micro_step(r.m, r.x, r.y, 1, &loss, &e), ERR_RANGE);
	assert_non_null(strstr(e.msg, "vocabulary of 61"));
	r.x[3] = 0;
	r.y[2] = -2;
	assert_int_equal(model_loss(r.m, r.x, r.y, &loss, &e), ERR_RANGE);
	rig_close(&r);
}

/* Every program and piece of host work has its row, and calls are counted. */
static void rows(void **state)
{
	(void)state;
	struct rig r;
	double loss;
	rig_open(&r, &shapes[0], 1, 1);
	rig_model(&r, NULL);
	step(&r, 1, &loss);
	static const struct { const char *name; enum timing_kind kind; unsigned calls; } want[] = {
		{"fwdAttn", TIMING_PROGRAM, 2}, {"qkvBwd", TIMING_PROGRAM, 2}, {"embed", TIMING_HOST, 1}, {"norm bwd", TIMING_HOST, 5},
		{"dW", TIMING_HOST, 10}, {"classifier", TIMING_HOST, 1},
	};
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		int row = timing_row(r.timing, want[i].name, want[i].kind);
		assert_true(row >= 0);
		assert_int_equal(r.timing->row[row].last_calls, want[i].calls);
	}
	assert_int_equal(r.timing->micro, 1);
	assert_non_null(model_program(r.m, PROGRAM_SDPA_BWD2));
	assert_non_null(model_kernel(r.m, PROGRAM_SDPA_BWD2));
	assert_null(model_program(r.m, PROGRAM_N));
	assert_null(model_kernel(r.m, -1));
	assert_true(model_bytes(&r.p->config, 1, 16, 0, &ways[1]) > model_bytes(&r.p->config, 1, 16, 0, NULL));
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradients), cmocka_unit_test(other_devices), cmocka_unit_test(threads_do_not_matter),
		cmocka_unit_test(loss_only), cmocka_unit_test(live_weights), cmocka_unit_test(nothing_is_copied), cmocka_unit_test(frozen_weights), cmocka_unit_test(cancelled), cmocka_unit_test(refusals),
		cmocka_unit_test(rows), cmocka_unit_test(compacted), cmocka_unit_test(compact_edges), cmocka_unit_test(extras),
		cmocka_unit_test(extras_blocks), cmocka_unit_test(extras_programs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
