/* test_train.c: the trainer: learning, resuming bit for bit, and what a step that fails leaves behind. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "support/tiny.h"
#include "support/train_rig.h"
#include "train/ckpt.h"
#include "train/trainer.h"

/* --- learning --- */

static void initial_loss(void **state)
{
	(void)state;
	struct rig g;
	rig_start(&g, NULL, 1, 4000, 0);
	rig_trainer(&g);
	struct trainer_step s = one_step(&g);
	if (!(fabs(s.loss - log(RIG_VOCAB)) <= 0.1))
		fail_msg("initial loss %.6f, ln V is %.6f", s.loss, log(RIG_VOCAB));
	assert_true(s.grad_norm > 0 && s.ns >= s.micro_ns && s.micro_ns > 0);
	assert_int_equal(g.state.step, 1);
	assert_int_equal(g.state.tokens, 2 * 2 * 24);
	assert_true(g.state.seconds > 0);
	assert_int_equal(g.timing.micro, 2);
	rig_stop(&g);
}

static void overfits_one_batch(void **state)
{
	(void)state;
	struct rig g;
	double loss = NAN;
	rig_start(&g, NULL, 2, 2 * 64 + 1, 0);
	g.set.num[SET_SEQ] = 64;
	g.set.num[SET_ACCUM] = 1;
	g.set.num[SET_LR_MAX] = 1e-2;
	g.set.num[SET_LR_STEPS] = 200;
	g.set.num[SET_DATA_ORDER] = DATA_SEQUENTIAL;
	g.set.num[SET_ADAM_DECAY] = 0;
	rig_trainer(&g);
	for (int i = 0; i < 200; i++)
		loss = one_step(&g).loss;
	if (!(loss < 0.05))
		fail_msg("loss after 200 steps on one batch: %.6f", loss);
	rig_stop(&g);
}

/* --- the same bytes --- */

enum { STEPS = 20 };

/* Looks between steps must not disturb: an evaluation after every third, one of them inside a step. */
static void run_steps(struct rig *g, int from, int to, struct trainer_step *log, int looks)
{
	struct trainer_step out;
	struct err e = {0};
	for (int i = from; i < to; i++) {
		double loss, bpb;
		if (looks && i % 3 == 0) {
			must(trainer_micro(g->t, &out, &e), &e);
			assert_int_equal(trainer_begun(g->t), 1);
			must(trainer_eval(g->t, 3, &loss, &bpb, &e), &e);
			assert_true(isfinite(loss) && isnan(bpb));
		}
		log[i] = one_step(g);
		if (looks && i % 4 == 0)
			must(trainer_eval(g->t, 2, &loss, &bpb, &e), &e);
	}
}

static void same_log(const struct trainer_step *a, const struct trainer_step *b)
{
	for (int i = 0; i < STEPS; i++)
		if (a[i].loss != b[i].loss || a[i].grad_norm != b[i].grad_norm || a[i].lr != b[i].lr)
			fail_msg("step %d: loss %.17g %.17g norm %.17g %.17g lr %.17g %.17g", i, a[i].loss, b[i].loss, a[i].grad_norm,
				 b[i].grad_norm, a[i].lr, b[i].lr);
}

/* compact: 0, 1, or 2 for a model whose embedding is the classifier. */
static struct params *fresh_params(int compact)
{
	struct tiny t = rig_shape;
	t.tied = 1;
	return compact == 2 ? tiny_params(&t, 7, 0) : NULL;
}

static void resumes(void **state)
{
	(void)state;
	static const int at[] = {1, 7, 19};
	static const struct { enum data_order order; int compact; } cases[] = {
		{DATA_RANDOM, 0}, {DATA_SHUFFLE, 0}, {DATA_SEQUENTIAL, 0}, {DATA_SHUFFLE, 1}, {DATA_RANDOM, 2},
	};
	for (size_t o = 0; o < ARRAY_LEN(cases); o++) {
		rig_gaps = cases[o].compact > 0;
		struct trainer_step straight[STEPS], parts[STEPS];
		struct rig a;
		rig_start(&a, fresh_params(cases[o].compact), 1, 1200, 0.2); /* several epochs */
		a.set.num[SET_DATA_ORDER] = cases[o].order;
		a.set.num[SET_VOCAB_COMPACT] = rig_gaps;
		rig_trainer(&a);
		run_steps(&a, 0, STEPS, straight, 0);
		for (size_t i = 0; i < ARRAY_LEN(at); i++) {
			struct rig b, c;
			struct err e = {0};
			struct params *p = NULL;
			struct train_state s;
			struct tokenizer *tok;
			rig_start(&b, fresh_params(cases[o].compact), 1, 1200, 0.2);
			b.set.num[SET_DATA_ORDER] = cases[o].order;
			b.set.num[SET_VOCAB_COMPACT] = rig_gaps;
			rig_trainer(&b);
			run_steps(&b, 0, at[i], parts, 1);
			b.state.settings = b.set;
			must(ckpt_save("train.ckpt", b.p, &b.state, NULL, NULL, &e), &e);
			rig_stop(&b);
			must(ckpt_load("train.ckpt", &p, &s, &tok, &e), &e);
			rig_start(&c, p, 2, 1200, 0.2); /* other threads, too */
			c.state = s;
			c.set = s.settings;
			rig_trainer(&c);
			run_steps(&c, at[i], STEPS, parts, 1);
			same_log(straight, parts);
			same_params(a.p, c.p);
			assert_int_equal(a.state.step, c.state.step);
			assert_int_equal(a.state.tokens, c.state.tokens);
			assert_int_equal(a.state.cursor.index, c.state.cursor.index);
			assert_int_equal(a.state.cursor.epoch, c.state.cursor.epoch);
			rig_stop(&c);
		}
		assert_int_equal(a.active.n, rig_gaps ? RIG_VOCAB - 15 : 0);
		rig_stop(&a);
	}
	rig_gaps = 0;
}

/* Rows that never occur: no gradient, no moments; weight decay shrinks them as it does without compaction. */
static void compaction(void **state)
{
	(void)state;
	enum { ROW = 14, ACTIVE = RIG_VOCAB - 15 };
	struct rig g;
	struct err e = {0};
	double before, after, bpb;
	rig_gaps = 1;
	rig_start(&g, NULL, 2, 4000, 0.2);
	g.set.num[SET_LR_SHAPE] = 0;
	g.set.num[SET_LR_WARMUP] = 0;
	rig_trainer(&g);
	const struct param *head = params_head(g.p);
	size_t at = head->offset + ROW * (size_t)rig_shape.dim;
	one_step(&g);
	assert_true(g.p->m[at] != 0); /* all rows: pushed down by every target */
	must(trainer_eval(g.t, 4, &before, &bpb, &e), &e);
	g.set.num[SET_VOCAB_COMPACT] = 1;
	must(trainer_eval(g.t, 4, &after, &bpb, &e), &e);
	assert_int_equal(g.active.n, ACTIVE);
	assert_true(g.active.at[ROW] == -1 && g.active.at[ROW + 1] == g.active.at[ROW - 1] + 1);
	if (!(after < before - 0.5 * log(RIG_VOCAB / (double)ACTIVE)))
		fail_msg("loss over the rows that occur %g, over all %g", after, before);
	memset(g.p->m, 0, g.p->total * sizeof *g.p->m);
	memset(g.p->v, 0, g.p->total * sizeof *g.p->v);
	float w[3];
	memcpy(w, g.p->w + at, sizeof w);
	one_step(&g);
	float shrink = (float)g.set.num[SET_LR_MAX] * (float)g.set.num[SET_ADAM_DECAY];
	for (int i = 0; i < 3; i++) {
		assert_true(g.p->m[at + (size_t)i] == 0 && g.p->v[at + (size_t)i] == 0);
		assert_true(fabsf(g.p->w[at + (size_t)i] - w[i] * (1 - shrink)) <= 1e-7f && g.p->w[at + (size_t)i] != w[i]);
	}
	for (int i = 0; i < 200; i++)
		one_step(&g);
	must(trainer_eval(g.t, 4, &after, &bpb, &e), &e);
	assert_true(after < before - 0.7); /* it learns */
	rig_stop(&g);
	rig_gaps = 0;
}

static void threads(void **state)
{
	(void)state;
	struct trainer_step one[STEPS], more[STEPS];
	struct rig a, b;
	rig_start(&a, NULL, 1, 4000, 0);
	rig_trainer(&a);
	run_steps(&a, 0, STEPS, one, 0);
	for (int n = 2; n <= 3; n++) {
		rig_start(&b, NULL, n, 4000, 0);
		rig_trainer(&b);
		run_steps(&b, 0, STEPS, more, 0);
		same_log(one, more);
		same_params(a.p, b.p);
		rig_stop(&b);
	}
	rig_stop(&a);
}

/* 4 micro-steps of 2 sequences against 1 of 8: the same gradient, before any clipping. */
static void accumulation(void **state)
{
	(void)state;
	enum { SEQ = 24 };
	struct rig g;
	struct err e = {0};
	static int x[8 * SEQ], y[8 * SEQ];
	struct tiny eight = rig_shape;
	double loss, mean = 0, whole;
	rig_start(&g, NULL, 2, 4000, 0);
	must(params_train(g.p, &e), &e);
	eight.batch = 8;
	eight.seq = SEQ;
	tiny_tokens(&eight, 3, 0, x, y);
	struct model *two = model_new(g.dev, g.p, g.pool, 2, SEQ, NULL, NULL, NULL, &e);
	assert_non_null(two);
	for (int i = 0; i < 4; i++) {
		must(model_micro_step(two, x + i * 2 * SEQ, y + i * 2 * SEQ, 0.25f, &loss, &e), &e);
		mean += loss / 4;
	}
	model_free(two);
	double *sum = mem_zalloc(g.p->total, sizeof *sum);
	assert_non_null(sum);
	for (size_t i = 0; i < g.p->total; i++)
		sum[i] = g.p->g[i];
	memset(g.p->g, 0, g.p->total * sizeof *g.p->g);
	struct model *all = model_new(g.dev, g.p, g.pool, 8, SEQ, NULL, NULL, NULL, &e);
	assert_non_null(all);
	must(model_micro_step(all, x, y, 1, &whole, &e), &e);
	model_free(all);
	double d = tiny_distance(g.p->g, sum, g.p->total);
	if (!(d < 1e-6) || !(fabs(mean - whole) < 1e-6))
		fail_msg("gradients differ by %.3g, loss %.9g %.9g", d, mean, whole);
	free(sum);
	rig_stop(&g);
}

/* A step by hand: the gradients of its two micro-steps averaged, clipped to a norm, and AdamW's first update of them. Adam hides a wrong scale
 * in the weights (it divides by it), so the moments are looked at too. */
static void a_step_by_hand(void **state)
{
	(void)state;
	enum { SEQ = 24, N = 2 * SEQ };
	struct rig g;
	struct err e = {0};
	int x[N], y[N];
	double loss, norm = 0, clip = 0.05;
	rig_start(&g, NULL, 2, 4000, 0);
	g.set.num[SET_CLIP] = clip;
	g.set.num[SET_LR_WARMUP] = 0;
	rig_trainer(&g);
	struct params *p = params_new(&g.p->config, &e);
	assert_non_null(p);
	must(params_train(p, &e), &e);
	memcpy(p->w, g.p->w, p->total * sizeof *p->w);
	struct data_cursor c = g.state.cursor;
	struct model *m = model_new(g.dev, p, g.pool, 2, SEQ, NULL, NULL, NULL, &e);
	assert_non_null(m);
	for (int i = 0; i < 2; i++) {
		must(data_next(&g.data, &c, 2, SEQ, x, y, &e), &e);
		must(model_micro_step(m, x, y, 0.5f, &loss, &e), &e);
	}
	model_free(m);
	for (size_t i = 0; i < p->total; i++)
		norm += (double)p->g[i] * p->g[i];
	norm = sqrt(norm);
	assert_true(norm > 2 * clip);
	struct trainer_step out = one_step(&g);
	assert_true(fabs(out.grad_norm - norm) <= 1e-9 * norm && out.lr == 3e-3);
	for (int i = 0; i < p->n; i++) {
		const struct param *t = &p->table[i];
		for (size_t k = t->offset; k < t->offset + t->count; k++) {
			double gs = p->g[k] * clip / norm;
			double w = p->w[k] - 3e-3 * (gs / (fabs(gs) + 1e-8) + (t->decay ? 0.1 : 0) * p->w[k]);
			if (!(fabs(g.p->m[k] - 0.1 * gs) <= 1e-6 * fabs(gs) + 1e-14) || !(fabs(g.p->v[k] - 0.05 * gs * gs) <= 1e-6 * gs * gs + 1e-20) ||
			    !(fabs(g.p->w[k] - w) <= 2e-7 * fabs(w) + 3e-8))
				fail_msg("%s, element %zu: gradient %.9g: m %.9g v %.9g w %.9g, wanted w %.9g", t->name, k - t->offset, gs, g.p->m[k],
					 g.p->v[k], g.p->w[k], w);
		}
	}
	params_free(p);
	rig_stop(&g);
}

/* --- steps that fail --- */

static void not_finite_stops(void **state)
{
	(void)state;
	struct rig g;
	struct err e = {0};
	struct trainer_step out;
	rig_start(&g, NULL, 1, 4000, 0);
	rig_trainer(&g);
	one_step(&g);
	const struct param *w = params_find(g.p, PARAM_W2, 1);
	g.p->w[w->offset + 17] = NAN;
	size_t n = g.p->total * sizeof(float);
	float *copy = mem_zalloc(3 * g.p->total, sizeof(float));
	assert_non_null(copy);
	memcpy(copy, g.p->w, 3 * n);
	struct train_state before = g.state;
	assert_int_equal(trainer_micro(g.t, &out, &e), ERR_STATE);
	assert_int_equal(strncmp(e.msg, "train: loss is not finite at step 1; first bad tensor: weights of model.layers.1.mlp.down_proj.weight", 98), 0);
	assert_false(out.updated);
	assert_int_equal(trainer_begun(g.t), 0);
	assert_memory_equal(copy, g.p->w, 3 * n); /* w, m, v lie one after the other */
	assert_memory_equal(&before.cursor, &g.state.cursor, sizeof before.cursor);
	assert_true(before.step == g.state.step && before.tokens == g.state.tokens);
	no_gradients(g.p);
	assert_int_equal(ckpt_save("nan.ckpt", g.p, &g.state, NULL, NULL, &e), ERR_STATE);
	free(copy);
	rig_stop(&g);
}

static void not_finite_skips(void **state)
{
	(void)state;
	struct rig g;
	struct err e = {0};
	struct trainer_step out;
	rig_start(&g, NULL, 1, 4000, 0);
	g.set.num[SET_NAN] = 1;
	rig_trainer(&g);
	one_step(&g);
	float m = g.p->m[5], w5 = g.p->w[5];
	for (int i = 0; i < RIG_VOCAB; i++) /* some row of the embedding is always in the batch */
		g.p->w[(size_t)i * 32] += INFINITY;
	struct train_state before = g.state;
	must(trainer_micro(g.t, &out, &e), &e);
	assert_true(out.updated && out.skipped);
	assert_true(g.state.step == before.step && g.state.skipped == 1 && g.state.tokens > before.tokens);
	assert_memory_not_equal(&before.cursor, &g.state.cursor, sizeof before.cursor); /* other data next time */
	assert_true(g.p->m[5] == m && g.p->w[5] == w5);
	no_gradients(g.p);
	int rc = 0, n = 1;
	while (!(rc = trainer_micro(g.t, &out, &e)) && n < 1000)
		n++;
	assert_int_equal(rc, ERR_STATE);
	assert_int_equal(n, 99);
	assert_non_null(strstr(e.msg, "100 updates in a row were skipped"));
	rig_stop(&g);
}

static void interrupted(void **state)
{
	(void)state;
	struct trainer_step straight[STEPS], other[STEPS], out;
	struct rig a, b;
	struct err e = {0};
	rig_start(&a, NULL, 1, 4000, 0);
	rig_trainer(&a);
	run_steps(&a, 0, STEPS, straight, 0);
	rig_start(&b, NULL, 1, 4000, 0);
	rig_trainer(&b);
	run_steps(&b, 0, 5, other, 0);
	must(trainer_micro(b.t, &out, &e), &e);
	assert_int_equal(trainer_begun(b.t), 1);
	atomic_store(&b.cancel, 1);
	assert_int_equal(trainer_micro(b.t, &out, &e), ERR_CANCEL);
	assert_int_equal(trainer_begun(b.t), 0);
	no_gradients(b.p);
	atomic_store(&b.cancel, 0);
	run_steps(&b, 5, 9, other, 0);
	must(trainer_micro(b.t, &out, &e), &e);
	trainer_drop(b.t);
	no_gradients(b.p);
	run_steps(&b, 9, STEPS, other, 0);
	same_log(straight, other);
	same_params(a.p, b.p);
	assert_int_equal(a.state.tokens, b.state.tokens);
	rig_stop(&a);
	rig_stop(&b);
}

/* --- live changes --- */

static void changes_wait_for_the_step(void **state)
{
	(void)state;
	struct rig g;
	struct err e = {0};
	struct trainer_step out;
	rig_start(&g, NULL, 1, 4000, 0);
	g.set.num[SET_LR_SHAPE] = 0;
	g.set.num[SET_LR_WARMUP] = 0;
	rig_trainer(&g);
	assert_null(trainer_model(g.t));
	must(trainer_micro(g.t, &out, &e), &e);
	assert_false(out.updated);
	assert_non_null(trainer_model(g.t));
	g.set.num[SET_SAMPLE_TEMPERATURE] = 0.1; /* counts at once, for nothing that a step does */
	assert_false(trainer_waits_for_change(g.t));
	g.set.num[SET_LR_MAX] = 1e-4;
	assert_true(trainer_waits_for_change(g.t));
	g.set.num[SET_ACCUM] = 3;
	g.set.num[SET_SEQ] = 16;
	g.set.num[SET_BATCH] = 1;
	must(trainer_micro(g.t, &out, &e), &e);
	assert_true(out.updated && out.lr == 3e-3);
	assert_false(trainer_waits_for_change(g.t));
	assert_int_equal(g.state.tokens, 2 * 2 * 24);
	out = one_step(&g);
	assert_true(out.lr == 1e-4);
	assert_int_equal(g.state.tokens, 2 * 2 * 24 + 3 * 16);
	/* Longer than the context: said, and training goes on once it is put right. */
	g.set.num[SET_SEQ] = 65;
	assert_int_equal(trainer_micro(g.t, &out, &e), ERR_RANGE);
	assert_string_equal(e.msg, "seq: 65: must be 1 to 64, the model's context");
	g.set.num[SET_SEQ] = 64;
	one_step(&g);
	assert_int_equal(g.state.step, 3);
	rig_stop(&g);
}

static void evaluation(void **state)
{
	(void)state;
	struct rig g;
	struct err e = {0};
	double a, b, bpb;
	rig_start(&g, NULL, 1, 4000, 0.25);
	rig_trainer(&g);
	must(trainer_eval(g.t, 4, &a, &bpb, &e), &e);
	must(trainer_eval(g.t, 4, &b, &bpb, &e), &e);
	assert_true(a == b && fabs(a - log(RIG_VOCAB)) < 0.1);
	for (int i = 0; i < 60; i++)
		one_step(&g);
	must(trainer_eval(g.t, 4, &b, &bpb, &e), &e);
	if (!(b < a - 0.5))
		fail_msg("validation loss %.4f after 60 steps, %.4f before", b, a);
	rig_stop(&g);
	rig_start(&g, NULL, 1, 4000, 0);
	rig_trainer(&g);
	assert_int_equal(trainer_eval(g.t, 4, &a, &bpb, &e), ERR_STATE);
	assert_int_equal(strncmp(e.msg, "eval: no validation data", 24), 0);
	rig_stop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(initial_loss), cmocka_unit_test(overfits_one_batch), cmocka_unit_test(resumes), cmocka_unit_test(compaction), cmocka_unit_test(threads),
		cmocka_unit_test(accumulation), cmocka_unit_test(a_step_by_hand), cmocka_unit_test(not_finite_stops), cmocka_unit_test(not_finite_skips),
		cmocka_unit_test(interrupted), cmocka_unit_test(changes_wait_for_the_step), cmocka_unit_test(evaluation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
