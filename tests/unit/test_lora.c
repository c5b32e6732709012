/* test_lora.c: low-rank adapters and the average of the weights: formulas, what stays as it was, and all of it through checkpoints.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/ema.h"
#include "model/lora.h"
#include "model/plain.h"
#include "model/select.h"
#include "support/tiny.h"
#include "support/train_rig.h"
#include "train/choose.h"
#include "train/ckpt.h"
#include "train/optim.h"

static void lora_on(struct rig *g, int rank, double alpha, const char *targets)
{
	g->set.num[SET_LORA_RANK] = rank;
	g->set.num[SET_LORA_ALPHA] = alpha;
	snprintf(g->set.text[SET_LORA_TARGETS], SETTING_TEXT_MAX, "%s", targets);
}

static float *low(struct params *p, int k, int which)
{
	return p->lora->low->w + p->lora->low->table[LORA_ROWS * k + which].offset;
}

/* --- gradients --- */

static const struct tiny shapes[] = {
	{"grouped, untied", 12, 10, 2, 4, 2, 4, 17, 0, ROPE_HALF, 0.7f, 2, 6}, {"tied", 9, 7, 1, 3, 1, 4, 11, 1, ROPE_INTERLEAVED, 1, 1, 9},
};

/* The plain model's loss with W = W0 + s B A put together in double, one entry of A or B moved by h. */
static double moved_loss(struct params *p, double *w, const int *x, const int *y, const struct tiny *t, int k, int which, size_t at, double h)
{
	const struct lora *l = p->lora;
	struct err e = {0};
	double loss;
	for (size_t i = 0; i < p->total; i++)
		w[i] = p->w[i];
	for (int j = 0; j < l->n; j++) {
		const struct param *r = &p->table[l->row[j]];
		const float *w0 = low(p, j, LORA_BASE), *a = low(p, j, LORA_A), *b = low(p, j, LORA_B);
		for (int64_t o = 0; o < r->dim[0]; o++)
			for (int64_t i = 0; i < r->dim[1]; i++) {
				double sum = 0;
				for (int q = 0; q < l->rank; q++) {
					size_t ia = (size_t)(q * r->dim[1] + i), ib = (size_t)(o * l->rank + q);
					sum += (b[ib] + (j == k && which == LORA_B && ib == at ? h : 0)) * (a[ia] + (j == k && which == LORA_A && ia == at ? h : 0));
				}
				w[r->offset + (size_t)(o * r->dim[1] + i)] = w0[o * r->dim[1] + i] + l->alpha / l->rank * sum;
			}
	}
	if (plain_loss(p, w, NULL, x, y, t->batch, t->seq, &loss, NULL, &e))
		fail_msg("%s", e.msg);
	return loss;
}

/* dW from the plain model, dA and dB from it by lora_gradients, against central differences of the loss. */
static void gradients(void **state)
{
	(void)state;
	for (size_t c = 0; c < ARRAY_LEN(shapes); c++) {
		const struct tiny *t = &shapes[c];
		struct err e = {0};
		struct rng r;
		struct params *p = tiny_params(t, 7, 1);
		unsigned char hit[64];
		int x[32], y[32];
		double loss, worst = 0;
		double *w = calloc(p->total, sizeof *w), *g = calloc(p->total, sizeof *g);
		assert_true(w && g && p->n < 64);
		tiny_tokens(t, 3, 1, x, y);
		select_rows(p, "*", hit); /* every matrix, the embedding too */
		must(lora_begin(p, hit, 3, 5, 11, 0, &e), &e);
		assert_int_equal(p->lora->n, 7 * t->layers + 1 + !t->tied);
		rng_seed(&r, 5);
		for (int k = 0; k < p->lora->n; k++) {
			const struct param *b = &p->lora->low->table[LORA_ROWS * k + LORA_B];
			for (size_t i = 0; i < b->count; i++)
				low(p, k, LORA_B)[i] = (float)rng_normal(&r) * 0.1f;
		}
		lora_merge(p, NULL);
		moved_loss(p, w, x, y, t, -1, 0, 0, 0);
		must(plain_loss(p, w, g, x, y, t->batch, t->seq, &loss, NULL, &e), &e);
		for (size_t i = 0; i < p->total; i++) {
			if (!(fabs(w[i] - p->w[i]) <= 1e-6))
				fail_msg("%s: merged weight %zu: %.9g, not %.9g", t->what, i, p->w[i], w[i]);
			p->g[i] = (float)g[i];
		}
		lora_gradients(p, NULL);
		for (int n = 0; n < 400; n++) {
			int k = (int)rng_below(&r, (uint32_t)p->lora->n), which = n % 2 ? LORA_A : LORA_B;
			const struct param *q = &p->lora->low->table[LORA_ROWS * k + which];
			size_t at = rng_below(&r, (uint32_t)q->count);
			double h = 1e-5, want = (moved_loss(p, w, x, y, t, k, which, at, h) - moved_loss(p, w, x, y, t, k, which, at, -h)) / (2 * h);
			double have = p->lora->low->g[q->offset + at];
			if (!(fabs(have - want) <= 1e-6 + 1e-4 * fabs(want)))
				fail_msg("%s: %s[%zu]: %.9g, not %.9g", t->what, q->name, at, have, want);
			worst = MAX(worst, fabs(want));
		}
		assert_true(worst > 1e-3);
		for (int k = 0; k < p->lora->n; k++)
			assert_true(p->g[p->table[p->lora->row[k]].offset] == 0);
		free(w);
		free(g);
		params_free(p);
	}
}

/* With A the unit matrix, B zero and alpha = rank = in, the first step moves B as it would have moved W. */
static void full_rank(void **state)
{
	(void)state;
	struct rig a, b;
	struct err e = {0};
	const char *targets = "layers.1.self_attn.o_proj";
	rig_start(&a, NULL, 2, 1200, 0);
	rig_start(&b, NULL, 2, 1200, 0);
	a.set.num[SET_ADAM_DECAY] = b.set.num[SET_ADAM_DECAY] = 0;
	a.set.num[SET_CLIP] = b.set.num[SET_CLIP] = 0;
	lora_on(&b, 32, 32, targets);
	rig_trainer(&a);
	rig_trainer(&b);
	char note[200] = "";
	must(choose_trained(b.p, &b.set, 0, note, sizeof note, &e), &e);
	assert_non_null(strstr(note, "rank 32 for 1 matri"));
	const struct param *o = params_find(a.p, PARAM_WO, 1);
	assert_true(o->dim[0] == 32 && o->dim[1] == 32);
	for (int i = 0; i < 32 * 32; i++)
		low(b.p, 0, LORA_A)[i] = i % 33 == 0;
	struct trainer_step sa = one_step(&a), sb = one_step(&b);
	assert_true(sa.loss == sb.loss && sb.grad_norm > 0 && sb.grad_norm < sa.grad_norm);
	double moved = 0;
	for (size_t i = 0; i < o->count; i++) {
		float x = a.p->w[o->offset + i], y = b.p->w[o->offset + i];
		if (!(fabsf(x - y) <= 1e-7f))
			fail_msg("weight %zu: %.9g with adapters, %.9g without", i, y, x);
		moved = MAX(moved, fabs((double)x - low(b.p, 0, LORA_BASE)[i]));
	}
	assert_true(moved > 1e-4);
	rig_stop(&a);
	rig_stop(&b);
}

/* --- what stays --- */

static void base_stays(void **state)
{
	(void)state;
	struct rig g;
	double first = 0, last = 0;
	rig_start(&g, NULL, 2, 1200, 0.2);
	lora_on(&g, 4, 8, "q_proj, mlp.* lm_head");
	g.set.num[SET_LR_MAX] = 2e-2;
	rig_trainer(&g);
	float *before = malloc(g.p->total * sizeof *before);
	assert_non_null(before);
	memcpy(before, g.p->w, g.p->total * sizeof *before);
	for (int i = 0; i < 25; i++) {
		struct trainer_step s = one_step(&g);
		first = i ? first : s.loss;
		last = s.loss;
		no_gradients(g.p);
	}
	if (!(last < first - 0.1))
		fail_msg("loss %.4f, then %.4f: nothing is learned", first, last);
	assert_int_equal(g.p->lora->n, 2 * 4 + 1);
	for (int i = 0, k = 0; i < g.p->n; i++) {
		const struct param *t = &g.p->table[i];
		int target = select_name("q_proj, mlp.* lm_head", t->name);
		assert_int_equal(t->frozen, !target);
		assert_int_equal(t->late, 25);
		if (!target)
			assert_memory_equal(before + t->offset, g.p->w + t->offset, t->count * sizeof *before);
		else
			assert_memory_not_equal(before + t->offset, g.p->w + t->offset, t->count * sizeof *before);
		k += target;
	}
	for (size_t i = 0; i < g.p->total; i++)
		assert_true(g.p->m[i] == 0 && g.p->v[i] == 0);
	/* Without what the adapters add it is the same to the bit. */
	for (int k = 0; k < g.p->lora->n; k++)
		memset(low(g.p, k, LORA_B), 0, g.p->lora->low->table[LORA_ROWS * k + LORA_B].count * sizeof(float));
	lora_merge(g.p, g.pool);
	assert_memory_equal(before, g.p->w, g.p->total * sizeof *before);
	free(before);
	rig_stop(&g);
}

static void first_a(void **state)
{
	(void)state;
	struct err e = {0};
	struct params *p = tiny_params(&rig_shape, 7, 1), *q = tiny_params(&rig_shape, 7, 1);
	unsigned char hit[64];
	select_rows(p, "q_proj v_proj", hit);
	must(lora_begin(p, hit, 16, 1, 3, 0, &e), &e);
	select_rows(q, "v_proj", hit);
	must(lora_begin(q, hit, 16, 1, 3, 0, &e), &e);
	/* A matrix has the same start whatever else is adapted; another seed or layer has another. */
	size_t n = 16 * 32;
	assert_memory_equal(low(p, 1, LORA_A), low(q, 0, LORA_A), n * sizeof(float));
	assert_memory_not_equal(low(p, 1, LORA_A), low(p, 3, LORA_A), n * sizeof(float));
	double bound = 1 / sqrt(32.0), top = 0, sum = 0, squares = 0;
	for (size_t i = 0; i < n; i++) {
		double a = low(p, 0, LORA_A)[i];
		top = MAX(top, fabs(a));
		sum += a;
		squares += a * a;
	}
	assert_true(top <= bound * (1 + 1e-6) && top > 0.97 * bound);
	assert_true(fabs(sum / (double)n) < 4 * bound / sqrt(3.0 * (double)n));
	assert_true(fabs(squares / (double)n / (bound * bound / 3) - 1) < 0.15);
	assert_string_equal(p->lora->low->table[LORA_A].name, "model.layers.0.self_attn.q_proj.lora_A.weight");
	memset(hit, 0, sizeof hit);
	lora_end(p);
	assert_int_equal(lora_begin(p, hit, 2, 1, 3, 0, &e), ERR_STATE);
	params_free(p);
	params_free(q);
}

/* --- the average --- */

static void average(void **state)
{
	(void)state;
	struct rig g;
	struct err e = {0};
	double loss, bpb, plain;
	rig_start(&g, NULL, 2, 1200, 0.2);
	g.set.num[SET_EMA_DECAY] = 0.75;
	rig_trainer(&g);
	size_t n = g.p->total;
	float *mean = malloc(n * sizeof *mean), *w = malloc(n * sizeof *w);
	assert_true(mean && w);
	memcpy(mean, g.p->w, n * sizeof *mean);
	for (int i = 0; i < 8; i++) {
		one_step(&g);
		for (size_t k = 0; k < n; k++)
			mean[k] += 0.25f * (g.p->w[k] - mean[k]);
		assert_memory_equal(mean, g.p->ema->w, n * sizeof *mean);
	}
	/* Its loss is that of a model with these weights, and looking changes nothing, in the middle of a step either. */
	memcpy(w, g.p->w, n * sizeof *w);
	struct trainer_step out;
	for (int begun = 0; begun < 2; begun++) {
		if (begun)
			must(trainer_micro(g.t, &out, &e), &e);
		must(trainer_eval(g.t, 3, &loss, &bpb, &e), &e);
		assert_int_equal(trainer_begun(g.t), begun);
		assert_memory_equal(w, g.p->w, n * sizeof *w);
		assert_memory_equal(mean, g.p->ema->w, n * sizeof *mean);
	}
	g.set.num[SET_EMA_DECAY] = 0;
	must(trainer_eval(g.t, 3, &plain, &bpb, &e), &e);
	trainer_drop(g.t);
	memcpy(g.p->w, mean, n * sizeof *w);
	double again;
	must(trainer_eval(g.t, 3, &again, &bpb, &e), &e);
	assert_true(loss == again && loss != plain);
	struct trainer_step s = {0};
	must(trainer_micro(g.t, &s, &e), &e);
	assert_non_null(strstr(s.note, "no longer kept"));
	assert_null(g.p->ema);
	free(mean);
	free(w);
	rig_stop(&g);
}

/* --- checkpoints --- */

enum { STEPS = 20, WAYS = 4 };

/* Adapters from the beginning; on, changed and off; with frozen layers and the average; the average alone. Every second step is looked at. */
static void one_more(struct rig *g, int way, int step, struct trainer_step *log)
{
	struct err e = {0};
	double loss, bpb;
	struct settings *s = &g->set;
	s->num[SET_EMA_DECAY] = way >= 2 ? 0.9 : 0;
	if (way == 0)
		lora_on(g, 4, 16, "q_proj v_proj");
	if (way == 1)
		lora_on(g, step < 3 ? 0 : step < 10 ? 4 : step < 16 ? 2 : 0, 8, step < 12 ? "q_proj embed*" : "mlp.*");
	if (way == 2) {
		lora_on(g, step < 5 ? 0 : 3, 8, "*_proj");
		snprintf(s->text[SET_FREEZE], SETTING_TEXT_MAX, "%s", step < 13 ? "layers.0.*" : "layers.0.* down_proj");
	}
	if (step % 2)
		must(trainer_eval(g->t, 2, &loss, &bpb, &e), &e);
	log[step] = one_step(g);
}

static void resumes(void **state)
{
	(void)state;
	static const int at[] = {1, 7, 19};
	for (int way = 0; way < WAYS; way++) {
		struct trainer_step straight[STEPS], parts[STEPS];
		struct rig a;
		rig_start(&a, NULL, 1, 1200, 0.2);
		rig_trainer(&a);
		for (int i = 0; i < STEPS; i++)
			one_more(&a, way, i, straight);
		for (size_t i = 0; i < ARRAY_LEN(at); i++) {
			struct rig b, c;
			struct err e = {0};
			struct params *p = NULL;
			struct tokenizer *tok;
			struct train_state s;
			rig_start(&b, NULL, 3, 1200, 0.2);
			rig_trainer(&b);
			for (int k = 0; k < at[i]; k++)
				one_more(&b, way, k, parts);
			b.state.settings = b.set;
			must(ckpt_save("lora.ckpt", b.p, &b.state, NULL, NULL, &e), &e);
			rig_stop(&b);
			must(ckpt_verify("lora.ckpt", &e), &e);
			must(ckpt_load("lora.ckpt", &p, &s, &tok, &e), &e);
			rig_start(&c, p, 2, 1200, 0.2);
			c.state = s;
			c.set = s.settings;
			rig_trainer(&c);
			for (int k = at[i]; k < STEPS; k++)
				one_more(&c, way, k, parts);
			for (int k = 0; k < STEPS; k++)
				if (!(parts[k].loss == straight[k].loss && parts[k].grad_norm == straight[k].grad_norm))
					fail_msg("way %d, resumed at %d: step %d: loss %.17g, not %.17g", way, at[i], k, parts[k].loss, straight[k].loss);
			same_params(a.p, c.p);
			assert_int_equal(a.p->lora != NULL, c.p->lora != NULL);
			if (a.p->lora)
				same_params(a.p->lora->low, c.p->lora->low);
			assert_int_equal(a.p->ema != NULL, way >= 2);
			if (a.p->ema)
				assert_memory_equal(a.p->ema->w, c.p->ema->w, a.p->total * sizeof(float));
			rig_stop(&c);
		}
		rig_stop(&a);
	}
}

/* Damaged where only this file looks. */
static void bad_files(void **state)
{
	(void)state;
	struct err e = {0};
	struct rig g;
	rig_start(&g, NULL, 1, 1200, 0);
	lora_on(&g, 4, 8, "q_proj");
	rig_trainer(&g);
	one_step(&g);
	g.state.settings = g.set;
	struct params *p = NULL;
	struct tokenizer *tok;
	struct train_state s;
	g.p->lora->rank = 60000; /* only the words of the file change: its tensors have the old shapes */
	must(ckpt_save("bad.ckpt", g.p, &g.state, NULL, NULL, &e), &e);
	assert_int_equal(ckpt_load("bad.ckpt", &p, &s, &tok, &e), ERR_FORMAT);
	assert_non_null(strstr(e.msg, "rank 60000"));
	g.p->lora->rank = 5;
	must(ckpt_save("bad.ckpt", g.p, &g.state, NULL, NULL, &e), &e);
	assert_int_equal(ckpt_load("bad.ckpt", &p, &s, &tok, &e), ERR_FORMAT);
	assert_non_null(strstr(e.msg, "lora_A.weight: F32 [4, 32], the model needs F32 [5, 32]"));
	g.p->lora->rank = 4;
	g.p->table[1].late = 7;
	must(ckpt_save("bad.ckpt", g.p, &g.state, NULL, NULL, &e), &e);
	assert_int_equal(ckpt_load("bad.ckpt", &p, &s, &tok, &e), ERR_FORMAT);
	assert_non_null(strstr(e.msg, "has missed 7 updates of 1"));
	rig_stop(&g);
}

/* A gradient that is not finite: nothing has changed, and the step after it is as if it had not been tried. */
static void not_finite(void **state)
{
	(void)state;
	struct rig g;
	struct err e = {0};
	struct trainer_step out;
	rig_start(&g, NULL, 1, 1200, 0);
	lora_on(&g, 4, 8, "q_proj");
	g.set.num[SET_EMA_DECAY] = 0.5;
	g.set.num[SET_NAN] = 1;
	rig_trainer(&g);
	one_step(&g);
	struct params *l = g.p->lora->low;
	float *before = malloc(l->total * sizeof *before), *mean = malloc(g.p->total * sizeof *mean);
	assert_true(before && mean);
	memcpy(before, l->w, l->total * sizeof *before);
	memcpy(mean, g.p->ema->w, g.p->total * sizeof *mean);
	must(trainer_micro(g.t, &out, &e), &e);
	g.p->g[params_find(g.p, PARAM_WQ, 1)->offset + 5] = INFINITY;
	must(trainer_micro(g.t, &out, &e), &e);
	assert_true(out.updated && out.skipped);
	assert_memory_equal(before, l->w, l->total * sizeof *before);
	assert_memory_equal(mean, g.p->ema->w, g.p->total * sizeof *mean);
	no_gradients(g.p);
	assert_true(isfinite(one_step(&g).grad_norm));
	free(before);
	free(mean);
	rig_stop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradients), cmocka_unit_test(full_rank), cmocka_unit_test(base_stays), cmocka_unit_test(first_a), cmocka_unit_test(average),
		cmocka_unit_test(resumes), cmocka_unit_test(bad_files), cmocka_unit_test(not_finite),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
