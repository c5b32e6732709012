/* test_recompute.c: gradient checkpointing: the same bytes as without, less memory, every second run counted.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/model.h"
#include "model/model_state.h"
#include "support/tiny.h"

static const struct tiny shapes[] = {
	{"three layers, batch 3", 32, 48, 3, 4, 4, 8, 61, 1, ROPE_HALF, 1, 3, 7},
	{"grouped, untied, alpha", 24, 40, 4, 4, 2, 6, 47, 0, ROPE_INTERLEAVED, 0.5f, 1, 13},
	{"odd sizes, five layers, batch 2", 27, 35, 5, 3, 1, 14, 101, 1, ROPE_HALF, 0.2041f, 2, 33},
	{"two layers", 13, 11, 2, 3, 3, 10, 29, 0, ROPE_INTERLEAVED, 1, 1, 16},
	{"norms of q and k", 13, 11, 4, 4, 2, 6, 29, 1, ROPE_HALF + TINY_QK_NORM, 1, 2, 13},
	{"one layer", 9, 7, 1, 2, 1, 4, 11, 1, ROPE_INTERLEAVED, 1, 2, 16},
};

static const struct way {
	const char *what, *device;
	struct model_options o;
	int own_surfaces, overlaps, compact;
} ways[] = {
	{"static", "cpu", {.pipeline = PIPELINE_STATIC}, 0, 0, 0},
	{"dynamic", "cpu", {.pipeline = PIPELINE_DYNAMIC}, 0, 0, 0},
	{"separate inputs", "cpu", {.pipeline = PIPELINE_DYNAMIC, .separate = 1}, 0, 0, 0},
	{"static, overlapping", "cpu", {.pipeline = PIPELINE_STATIC}, 0, 1, 0},
	{"dynamic, own surfaces, overlapping", "cpu", {.pipeline = PIPELINE_DYNAMIC}, 1, 1, 0},
	{"extras", "cpu", {.pipeline = PIPELINE_STATIC, .extras = 1}, 0, 0, 0},
	{"dynamic extras, own surfaces, overlapping", "cpu", {.pipeline = PIPELINE_DYNAMIC, .extras = 1}, 1, 1, 0},
	{"compact", "cpu", {.pipeline = PIPELINE_STATIC}, 0, 0, 1},
	{"sim", "sim chip=m4 budget=1000", {.pipeline = PIPELINE_STATIC}, 0, 0, 0},
	{"sim, dynamic", "sim chip=m4 budget=1000", {.pipeline = PIPELINE_DYNAMIC}, 0, 0, 0},
	{"precise, own surfaces, overlapping", "cpu", {.pipeline = PIPELINE_STATIC, .precise = PRECISE_ON}, 1, 1, 0},
	{"dynamic, precise", "cpu", {.pipeline = PIPELINE_DYNAMIC, .precise = PRECISE_ON}, 0, 0, 0},
	{"sim, not precise", "sim chip=m4 budget=1000", {.pipeline = PIPELINE_STATIC, .precise = PRECISE_OFF}, 0, 0, 0},
	{"sim, extras", "sim chip=m4 budget=1000", {.pipeline = PIPELINE_STATIC, .extras = 1}, 0, 0, 0},
};

struct rig {
	struct tiny t;
	struct pool *pool;
	struct device *device;
	struct params *p;
	struct model *m;
	struct timing *timing;
	struct active_rows active;
	int *x, *y;
};

static void rig_open(struct rig *r, const struct tiny *t, const struct way *w, int recompute, int threads, atomic_int *cancel)
{
	struct err e = {0};
	struct model_options o = w->o;
	*r = (struct rig){.t = *t, .timing = calloc(1, sizeof *r->timing), .pool = pool_new(threads, &e)};
	r->device = r->pool ? device_open(w->device, r->pool, &e) : NULL;
	if (!r->device)
		fail_msg("%s: %s", w->what, e.msg);
	r->device->caps.host_memory &= !w->own_surfaces;
	r->device->caps.overlaps = w->overlaps;
	r->t.batch = device_caps(r->device)->batch ? t->batch : 1;
	size_t n = (size_t)(r->t.batch * t->seq);
	r->x = calloc(n, sizeof *r->x);
	r->y = calloc(n, sizeof *r->y);
	assert_true(r->timing && r->x && r->y);
	tiny_tokens(&r->t, 5, 1, r->x, r->y);
	r->p = tiny_params(t, 7, 1);
	unsigned char seen[128] = {0};
	for (int v = 0; v < t->vocab; v++)
		seen[v] = v % 3 != 1;
	for (size_t i = 0; w->compact && i < n; i++)
		r->y[i] -= r->y[i] % 3 == 1;
	assert_int_equal(active_init(&r->active, seen, t->vocab, &e), 0);
	o.active = w->compact ? &r->active : NULL;
	o.recompute = recompute;
	r->m = model_new(r->device, r->p, r->pool, r->t.batch, t->seq, &o, r->timing, cancel, &e);
	if (!r->m)
		fail_msg("%s, %s: %s", t->what, w->what, e.msg);
}

static void rig_close(struct rig *r)
{
	model_free(r->m);
	r->device->caps.overlaps = 0;
	device_close(r->device);
	pool_free(r->pool);
	params_free(r->p);
	active_done(&r->active);
	free(r->x);
	free(r->y);
	free(r->timing);
}

static double step(struct rig *r, float scale)
{
	struct err e = {0};
	double loss;
	if (model_micro_step(r->m, r->x, r->y, scale, &loss, &e))
		fail_msg("%s: %s", r->t.what, e.msg);
	return loss;
}

static void same(struct rig *a, struct rig *b, float scale, const char *how)
{
	double la = step(a, scale), lb = step(b, scale);
	if (!(la == lb))
		fail_msg("%s, %s: loss %.17g, not %.17g", a->t.what, how, lb, la);
	for (int i = 0; i < a->p->n; i++) {
		const struct param *t = &a->p->table[i];
		if (memcmp(a->p->g + t->offset, b->p->g + t->offset, t->count * sizeof(float)))
			fail_msg("%s, %s: %s: other bytes", a->t.what, how, t->name);
	}
	assert_int_equal(model_seen(a->m)->zeros, model_seen(b->m)->zeros);
	assert_int_equal(model_seen(a->m)->entries, model_seen(b->m)->entries);
}

/* Accumulated over micro-steps with other tokens, an evaluation between them, and other weights after that. */
static void same_bytes(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(shapes); k++)
		for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
			struct rig a, b;
			struct err e = {0};
			double la, lb;
			rig_open(&a, &shapes[k], &ways[i], 0, 1, NULL);
			rig_open(&b, &shapes[k], &ways[i], 1, 3, NULL);
			same(&a, &b, 0.5f, ways[i].what);
			assert_true(a.p->g[a.p->table[1].offset] != 0);
			for (int t = 0; t < a.t.batch * a.t.seq; t++)
				a.x[t] = b.x[t] = (a.x[t] + 1) % a.t.vocab;
			assert_int_equal(model_loss(a.m, a.x, a.y, &la, &e), 0);
			assert_int_equal(model_loss(b.m, b.x, b.y, &lb, &e), 0);
			assert_true(la == lb);
			same(&a, &b, 0.25f, ways[i].what);
			for (size_t w = 0; w < a.p->total; w++)
				a.p->w[w] = b.p->w[w] *= 1.25f;
			assert_int_equal(model_update(a.m, &e), 0);
			assert_int_equal(model_update(b.m, &e), 0);
			same(&a, &b, 1, "changed weights");
			rig_close(&a);
			rig_close(&b);
		}
}

static unsigned calls(const struct rig *r, const char *name, enum timing_kind kind)
{
	return r->timing->row[timing_row(r->timing, name, kind)].last_calls;
}

/* The taps of the last layer are still there; where two sets of scratch are, those of the last two. */
static void second_runs_are_counted(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, &shapes[2], &ways[0], 1, 1, NULL);
	step(&r, 1);
	assert_int_equal(calls(&r, "fwdAttn", TIMING_PROGRAM), 9);
	assert_int_equal(calls(&r, "fwdFFN", TIMING_PROGRAM), 9);
	assert_int_equal(calls(&r, "ffnBwd", TIMING_PROGRAM), 5);
	assert_int_equal(calls(&r, "keep inputs", TIMING_HOST), 8);
	rig_close(&r);
	rig_open(&r, &shapes[2], &ways[4], 1, 1, NULL);
	step(&r, 1);
	assert_int_equal(calls(&r, "sdpaFwd", TIMING_PROGRAM), 8);
	rig_close(&r);
	rig_open(&r, &shapes[2], &ways[0], 0, 1, NULL);
	step(&r, 1);
	assert_int_equal(calls(&r, "fwdAttn", TIMING_PROGRAM), 5);
	rig_close(&r);
}

/* Of one more layer a model keeps its input and nothing else; without, all its taps. */
static void memory(void **state)
{
	(void)state;
	for (int dynamic = 0; dynamic < 2; dynamic++) {
		struct model_options o = {.pipeline = dynamic ? PIPELINE_DYNAMIC : PIPELINE_STATIC};
		struct model_config c, d;
		uint64_t more, T = 3 * 7;
		tiny_config(&c, &shapes[0]);
		d = c;
		d.layers++;
		more = model_bytes(&d, 3, 7, 0, &o) - model_bytes(&c, 3, 7, 0, &o);
		assert_true(more >= T * (uint64_t)(7 * c.dim + 3 * c.hidden) * sizeof(float));
		o.recompute = 1;
		struct rig r; /* what is told is what is taken */
		rig_open(&r, &shapes[0], &ways[dynamic], 1, 1, NULL);
		assert_true(r.m->memory_bytes == model_bytes(&c, 3, 7, 0, &o));
		rig_close(&r);
		more = model_bytes(&d, 3, 7, 0, &o) - model_bytes(&c, 3, 7, 0, &o);
		assert_true(more >= T * (uint64_t)c.dim * sizeof(float) && more <= (T * (uint64_t)c.dim + 16) * sizeof(float));
	}
}

/* An interruption that comes while program number `at` runs. */
static atomic_int interrupt;
static int runs, at;
static int interrupting_run(struct binding *b, struct err *e)
{
	if (++runs == at)
		interrupt = 1;
	return device_cpu.run(b, e);
}

/* It is heard before the next program, those of the second forward among them, and leaves nothing behind. */
static void cancelled(void **state)
{
	(void)state;
	struct rig r, plain;
	struct err e = {0};
	struct device_ops ops = device_cpu;
	double loss;
	ops.run = interrupting_run;
	rig_open(&r, &shapes[0], &ways[0], 1, 1, &interrupt);
	r.device->ops = &ops;
	for (at = 1; at <= 3 * 6 + 2 * 2 - 1; at++) {
		runs = interrupt = 0;
		assert_int_equal(model_micro_step(r.m, r.x, r.y, 1, &loss, &e), ERR_CANCEL);
		assert_int_equal(runs, at);
	}
	interrupt = at = 0;
	memset(r.p->g, 0, r.p->total * sizeof(float));
	rig_open(&plain, &shapes[0], &ways[0], 0, 1, NULL);
	same(&plain, &r, 1, "after interruptions");
	rig_close(&plain);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_bytes), cmocka_unit_test(second_runs_are_counted), cmocka_unit_test(memory), cmocka_unit_test(cancelled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
