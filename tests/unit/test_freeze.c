/* test_freeze.c: tensors chosen by name, and what it means that some are frozen: no gradient, no norm, no update, all of it through checkpoints.
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
#include "model/select.h"
#include "support/tiny.h"
#include "support/train_rig.h"
#include "train/ckpt.h"
#include "train/optim.h"

/* --- names --- */

static void names(void **state)
{
	(void)state;
	static const char q3[] = "model.layers.3.self_attn.q_proj.weight", embed[] = "model.embed_tokens.weight", norm[] = "model.norm.weight";
	static const char norm3[] = "model.layers.3.input_layernorm.weight", q13[] = "model.layers.13.self_attn.q_proj.weight";
	static const struct { const char *patterns, *name; int want; } cases[] = {
		{"model.layers.3.self_attn.q_proj.weight", q3, 1}, {"layers.3.self_attn.q_proj", q3, 1}, {"q_proj", q3, 1}, {"q_proj.weight", q3, 1},
		{"k_proj", q3, 0}, {"_proj", q3, 0}, {"*_proj", q3, 1}, {"layers.3", q3, 0}, {"layers.3.*", q3, 1}, {"layers.3.*", q13, 0}, {"layers.*.q_proj", q3, 1},
		{"layers.0-3.*", q3, 1}, {"layers.0-2.*", q3, 0}, {"layers.4-9.*", q3, 0}, {"layers.3-3.*", q3, 1}, {"layers.2-13.*", q13, 1}, {"layers.1-3.*", q13, 0},
		{"layers.0-99999999999999999999.*", q3, 1}, {"layers.99999999999999999999-4.*", q3, 0}, {"layers.?.*", q3, 1}, {"layers.?.*", q13, 0}, {"*.self_attn.*", q3, 1}, {"*.mlp.*", q3, 0},
		{"embed*", embed, 1}, {"embed*", q3, 0}, {"*", q3, 1}, {"*", norm, 1}, {"norm", norm, 1}, {"norm", norm3, 0}, {"*norm*", norm3, 1},
		{"weight", q3, 0}, {"w*", q3, 0}, {"*.weight", q3, 1}, {"", q3, 0}, {" , ", q3, 0}, {"embed*, q_proj", q3, 1}, {"embed* k_proj", q3, 0}, {"-", q3, 0},
		{"layers.3-", q3, 0}, {"q_proj*", q3, 1}, {"q_projx", q3, 0}, {"self_attn", q3, 0}, {"**q**", q3, 1}, {"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", q3, 0},
		{"none", q3, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (select_name(cases[i].patterns, cases[i].name) != cases[i].want)
			fail_msg("'%s' on %s: not %d", cases[i].patterns, cases[i].name, cases[i].want);
}

static void refused(void **state)
{
	(void)state;
	struct err e = {0};
	struct params *p = tiny_params(&rig_shape, 7, 0);
	unsigned char hit[64];
	assert_true(p->n < 64);
	assert_int_equal(select_rows(p, "q_proj lm_head", hit), rig_shape.layers + 1);
	assert_int_equal(hit[p->n - 1], 1);
	assert_int_equal(select_check(p, "q_proj embed*", 0, "freeze", &e), 0);
	assert_int_equal(select_check(p, "q_proj nothing norm", 0, "freeze", &e), ERR_USAGE);
	assert_non_null(strstr(e.msg, "freeze: nothing: no tensor"));
	assert_int_equal(select_check(p, "*norm", 0, "freeze", &e), 0);
	assert_int_equal(select_check(p, "*norm", 1, "lora.targets", &e), ERR_USAGE);
	params_free(p);
}

/* --- gradients --- */

static const struct { const char *what, *patterns; int tied, extras, compact, pipeline; } ways[] = {
	{"one matrix", "layers.1.mlp.down_proj", 0, 0, 0, 0}, {"attention", "self_attn.*", 0, 0, 0, 0}, {"attention, dynamic", "self_attn.*", 0, 0, 0, 1},
	{"embedding", "embed*", 0, 0, 0, 0}, {"embedding of a tied model", "embed*", 1, 0, 0, 0}, {"head", "lm_head", 0, 0, 0, 0}, {"head, compact", "lm_head", 0, 0, 1, 0},
	{"tied, compact", "embed*", 1, 0, 1, 0}, {"head on the device", "lm_head", 0, 1, 0, 0}, {"norms", "*norm", 0, 0, 0, 0}, {"norms on the device", "*norm", 0, 1, 0, 0},
	{"below", "embed* layers.0.*", 0, 0, 0, 0}, {"all layers", "embed* layers.*", 0, 0, 0, 1}, {"all but a norm", "embed* layers.0.* layers.1.s* layers.1.mlp* layers.1.inp* norm lm_head", 0, 0, 0, 0},
};

static struct params *shape_params(int tied)
{
	struct tiny t = rig_shape;
	t.tied = tied;
	return tiny_params(&t, 7, 0);
}

/* The gradients of one step, as they are before its update: the last micro-step is not followed by one because accum is larger. */
static void gradients(struct rig *g, int k, const char *patterns)
{
	struct trainer_step out;
	struct err e = {0};
	rig_gaps = ways[k].compact;
	rig_start(g, shape_params(ways[k].tied), 2, 1200, 0);
	g->set.num[SET_ACCUM] = 3;
	g->set.num[SET_EXTRAS] = ways[k].extras;
	g->set.num[SET_VOCAB_COMPACT] = ways[k].compact;
	g->set.num[SET_PIPELINE] = ways[k].pipeline;
	snprintf(g->set.text[SET_FREEZE], SETTING_TEXT_MAX, "%s", patterns);
	rig_trainer(g);
	for (int i = 0; i < 2; i++)
		must(trainer_micro(g->t, &out, &e), &e);
	assert_int_equal(trainer_begun(g->t), 2);
}

static void no_gradient_work(void **state)
{
	(void)state;
	for (int k = 0; k < (int)ARRAY_LEN(ways); k++) {
		struct rig a, b;
		gradients(&a, k, "");
		gradients(&b, k, ways[k].patterns);
		int frozen = 0;
		for (int i = 0; i < a.p->n; i++) {
			const struct param *t = &a.p->table[i];
			const float *x = a.p->g + t->offset, *y = b.p->g + t->offset;
			int want = select_name(ways[k].patterns, t->name);
			assert_int_equal(b.p->table[i].frozen, want);
			frozen += want;
			for (size_t j = 0; j < t->count; j++)
				if (want ? y[j] != 0 : !(y[j] == x[j]))
					fail_msg("%s: %s: %g, not %g", ways[k].what, t->name, y[j], want ? 0 : x[j]);
		}
		assert_true(frozen > 0 && frozen < a.p->n);
		rig_stop(&a);
		rig_stop(&b);
	}
	rig_gaps = 0;
}

/* --- steps --- */

enum { STEPS = 20 };

/* What is frozen when: nothing at first, then more, then other tensors. Changes come in the middle of a step and count from the next one on. */
static const char *frozen_at(int step)
{
	return step < 3 ? "" : step < 6 ? "embed* layers.0.*" : step < 12 ? "embed* layers.0.* q_proj norm" : step < 16 ? "lm_head" : "";
}

static void one_more(struct rig *g, int step, struct trainer_step *log)
{
	struct trainer_step out;
	struct err e = {0};
	snprintf(g->set.text[SET_FREEZE], SETTING_TEXT_MAX, "%s", frozen_at(step));
	must(trainer_micro(g->t, &out, &e), &e);
	assert_int_equal(out.updated, 0);
	assert_false(trainer_waits_for_change(g->t));
	snprintf(g->set.text[SET_FREEZE], SETTING_TEXT_MAX, "%s", "mlp.*"); /* never seen by a step */
	assert_true(trainer_waits_for_change(g->t));
	must(trainer_micro(g->t, &out, &e), &e);
	assert_int_equal(out.updated, 1);
	log[step] = out;
}

/* AdamW written out for one tensor: m, v and the count begin when it takes part. */
static void frozen_stays(void **state)
{
	(void)state;
	struct rig g;
	struct trainer_step log[STEPS];
	rig_start(&g, NULL, 2, 1200, 0.2);
	rig_trainer(&g);
	const struct param *low = params_find(g.p, PARAM_W1, 0), *head = params_head(g.p), *q1 = params_find(g.p, PARAM_WQ, 1);
	float *before = malloc(g.p->total * sizeof *before);
	assert_non_null(before);
	for (int i = 0; i < STEPS; i++) {
		memcpy(before, g.p->w, g.p->total * sizeof *before);
		one_more(&g, i, log);
		no_gradients(g.p);
		for (int k = 0; k < g.p->n; k++) {
			const struct param *t = &g.p->table[k];
			int same = !memcmp(before + t->offset, g.p->w + t->offset, t->count * sizeof *before);
			assert_int_equal(same, select_name(frozen_at(i), t->name));
		}
		assert_int_equal(low->late, i < 3 ? 0 : i < 12 ? i - 2 : 9);
		assert_int_equal(head->late, i < 12 ? 0 : i < 16 ? i - 11 : 4);
		assert_int_equal(q1->late, i < 6 ? 0 : i < 12 ? i - 5 : 6);
	}
	free(before);
	rig_stop(&g);
}

static void all_is_refused(void **state)
{
	(void)state;
	struct rig g;
	struct trainer_step out;
	struct err e = {0};
	rig_start(&g, NULL, 1, 1200, 0);
	snprintf(g.set.text[SET_FREEZE], SETTING_TEXT_MAX, "*");
	rig_trainer(&g);
	assert_int_equal(trainer_micro(g.t, &out, &e), ERR_STATE);
	assert_non_null(strstr(e.msg, "frozen"));
	assert_int_equal(trainer_begun(g.t), 0);
	g.set.text[SET_FREEZE][0] = 0;
	one_step(&g);
	rig_stop(&g);
}

/* Bias correction of a tensor that comes late is as in a run of its own. */
static void comes_late(void **state)
{
	(void)state;
	struct tiny t = rig_shape;
	struct settings s;
	settings_init(&s);
	s.num[SET_ADAM_DECAY] = 0;
	struct params *a = tiny_params(&t, 7, 1), *b = tiny_params(&t, 7, 1);
	const struct param *q = params_find(a, PARAM_WQ, 0);
	a->table[q - a->table].frozen = 1;
	for (int i = 1; i <= 5; i++) {
		if (i == 4)
			a->table[q - a->table].frozen = 0;
		for (size_t k = 0; k < a->total; k++)
			a->g[k] = i < 4 && k >= q->offset && k < q->offset + q->count ? 0 : 0.1f * (float)(k % 7) - 0.2f;
		optim_adamw(a, NULL, &s, 1e-2, 1, (uint64_t)i);
	}
	for (int i = 1; i <= 2; i++) {
		for (size_t k = 0; k < b->total; k++)
			b->g[k] = 0.1f * (float)(k % 7) - 0.2f;
		optim_adamw(b, NULL, &s, 1e-2, 1, (uint64_t)i);
	}
	assert_int_equal(q->late, 3);
	assert_memory_equal(a->w + q->offset, b->w + q->offset, q->count * sizeof(float));
	assert_memory_equal(a->m + q->offset, b->m + q->offset, q->count * sizeof(float));
	const struct param *k1 = params_find(a, PARAM_WK, 0);
	assert_memory_not_equal(a->w + k1->offset, b->w + k1->offset, k1->count * sizeof(float));
	params_free(a);
	params_free(b);
}

/* --- checkpoints --- */

static void run_steps(struct rig *g, int from, int to, struct trainer_step *log)
{
	for (int i = from; i < to; i++)
		one_more(g, i, log);
}

static void resumes(void **state)
{
	(void)state;
	static const int at[] = {1, 5, 7, 12, 19};
	struct trainer_step straight[STEPS], parts[STEPS];
	struct rig a;
	rig_start(&a, NULL, 1, 1200, 0.2);
	rig_trainer(&a);
	run_steps(&a, 0, STEPS, straight);
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		struct rig b, c;
		struct err e = {0};
		struct params *p = NULL;
		struct tokenizer *tok;
		rig_start(&b, NULL, 3, 1200, 0.2);
		rig_trainer(&b);
		run_steps(&b, 0, at[i], parts);
		b.state.settings = b.set;
		must(ckpt_save("freeze.ckpt", b.p, &b.state, NULL, NULL, &e), &e);
		rig_stop(&b);
		struct train_state s;
		must(ckpt_verify("freeze.ckpt", &e), &e);
		must(ckpt_load("freeze.ckpt", &p, &s, &tok, &e), &e);
		rig_start(&c, p, 2, 1200, 0.2);
		c.state = s;
		c.set = s.settings;
		assert_string_equal(c.set.text[SET_FREEZE], "mlp.*");
		rig_trainer(&c);
		run_steps(&c, at[i], STEPS, parts);
		for (int k = 0; k < STEPS; k++)
			assert_true(parts[k].loss == straight[k].loss && parts[k].grad_norm == straight[k].grad_norm);
		same_params(a.p, c.p);
		for (int k = 0; k < a.p->n; k++)
			assert_int_equal(a.p->table[k].late, c.p->table[k].late);
		rig_stop(&c);
	}
	rig_stop(&a);
}

static long file_size(const char *path)
{
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	long n = ftell(f);
	fclose(f);
	return n;
}

/* Moments that never were are not written, and are zero again when read. */
static void no_more_than_needed(void **state)
{
	(void)state;
	struct err e = {0};
	long size[2];
	for (int k = 0; k < 2; k++) {
		struct rig g;
		rig_start(&g, NULL, 1, 1200, 0);
		if (k)
			snprintf(g.set.text[SET_FREEZE], SETTING_TEXT_MAX, "layers.* embed*");
		rig_trainer(&g);
		one_step(&g);
		g.state.settings = g.set;
		must(ckpt_save("freeze.ckpt", g.p, &g.state, NULL, NULL, &e), &e);
		size[k] = file_size("freeze.ckpt");
		if (k) {
			struct params *p;
			struct tokenizer *tok;
			struct train_state s;
			must(ckpt_load("freeze.ckpt", &p, &s, &tok, &e), &e);
			same_params(g.p, p);
			params_free(p);
		}
		rig_stop(&g);
	}
	if (!(size[1] < size[0] * 0.6))
		fail_msg("%ld bytes with most of it frozen, %ld without", size[1], size[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names), cmocka_unit_test(refused), cmocka_unit_test(no_gradient_work), cmocka_unit_test(frozen_stays),
		cmocka_unit_test(all_is_refused), cmocka_unit_test(comes_late), cmocka_unit_test(resumes), cmocka_unit_test(no_more_than_needed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
