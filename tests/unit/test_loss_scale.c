/* test_loss_scale.c: what the trainer does with a device that computes in fp16 and takes one sequence at a time: the loss scale, skipped updates, passes.
 * The `cpu` device says here that it is such a one; its numbers are fp32, so what the scale does to them is seen exactly.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/tiny.h"
#include "support/train_rig.h"
#include "train/ckpt.h"

static void fp16_rig(struct rig *g)
{
	rig_start(g, NULL, 1, 4000, 0.25);
	g->set.num[SET_ACCUM] = 1;
	g->dev->caps.fp16 = 1;
	rig_trainer(g);
}

/* A scale that is a power of two changes no digit of a sum, so what it goes in and out of is the same training. */
static void powers_of_two_change_nothing(void **state)
{
	static const char *const scales[] = {"auto", "off", "1024", "16"};
	struct rig plain;
	(void)state;
	rig_start(&plain, NULL, 1, 4000, 0);
	rig_trainer(&plain);
	for (int i = 0; i < 8; i++)
		one_step(&plain);
	for (size_t k = 0; k < ARRAY_LEN(scales); k++) {
		struct rig g;
		struct err e = {0};
		rig_start(&g, NULL, 1, 4000, 0);
		g.dev->caps.fp16 = 1;
		g.state.loss_scale = 256;
		must(settings_set(&g.set, SET_LOSS_SCALE, scales[k], &e), &e);
		must(settings_set(&g.set, SET_QK_PRECISE, "off", &e), &e); /* another sum, that the plain rig does not make */
		rig_trainer(&g);
		for (int i = 0; i < 8; i++) {
			struct trainer_step s = one_step(&g);
			assert_true(s.scale == (k == 0 ? 256 : k == 1 ? 1 : k == 2 ? 1024 : 16));
			assert_true(!s.skipped && s.flushed >= 0 && s.flushed < 0.1);
		}
		same_params(plain.p, g.p);
		rig_stop(&g);
	}
	rig_stop(&plain);
}

static void too_large_is_halved(void **state)
{
	struct rig g;
	(void)state;
	fp16_rig(&g);
	g.state.loss_scale = 16777216;
	g.state.scale_good = 7;
	size_t n = 3 * g.p->total;
	float *before = mem_zalloc(n, sizeof *before);
	assert_non_null(before);
	memcpy(before, g.p->w, n * sizeof *before);
	struct train_state was = g.state;
	struct trainer_step s = one_step(&g);
	assert_true(s.updated && s.skipped && s.overflow);
	assert_true(s.scale == 16777216 && s.next_scale == 8388608 && g.state.loss_scale == 8388608 && g.state.scale_good == 0);
	assert_non_null(strstr(s.where, " of layer "));
	/* Nothing was learned and the schedule stands; the data are passed over, and count. */
	assert_memory_equal(before, g.p->w, n * sizeof *before);
	no_gradients(g.p);
	assert_true(g.state.step == 0 && g.state.skipped == 1 && g.state.tokens == was.tokens + 2 * 24);
	assert_memory_not_equal(&was.cursor, &g.state.cursor, sizeof was.cursor);
	int skips = 1;
	while ((s = one_step(&g)).skipped)
		skips++;
	assert_true(skips > 1 && skips < 24);
	assert_true(g.state.loss_scale == ldexp(16777216, -skips) && g.state.scale_good == 1 && g.state.step == 1);
	free(before);
	rig_stop(&g);
}

static void grows_after_many_good_updates(void **state)
{
	struct rig g;
	(void)state;
	fp16_rig(&g);
	struct trainer_step s = one_step(&g);
	assert_true(s.scale == 65536 || s.skipped); /* where it begins */
	g.state.loss_scale = 64;
	g.state.scale_good = 1998;
	one_step(&g);
	assert_true(g.state.loss_scale == 64 && g.state.scale_good == 1999);
	one_step(&g);
	assert_true(g.state.loss_scale == 128 && g.state.scale_good == 0);
	s = one_step(&g);
	assert_true(s.scale == 128);
	g.state.loss_scale = 16777216; /* no further */
	g.state.scale_good = 1999;
	g.set.num[SET_LOSS_SCALE] = 8;
	one_step(&g);
	assert_true(g.state.loss_scale == 16777216 && g.state.scale_good == 1999); /* nor while a number is set */
	rig_stop(&g);
}

/* What overflows forward does so at any loss scale. */
static void forward_leaves_the_scale(void **state)
{
	struct rig g;
	struct err e = {0};
	struct trainer_step s;
	int rc, n = 0;
	(void)state;
	fp16_rig(&g);
	const struct param *w = params_find(g.p, PARAM_NORM_FFN, 1);
	for (size_t i = 0; i < w->count; i++)
		g.p->w[w->offset + i] = 1e6f;
	while (!(rc = trainer_micro(g.t, &s, &e))) {
		assert_true(s.skipped && s.overflow && s.next_scale == s.scale && g.state.loss_scale == 65536);
		assert_string_equal(s.where, "fwdFFN of layer 1");
		n++;
	}
	assert_true(rc == ERR_STATE && n == 99 && g.state.step == 0);
	assert_non_null(strstr(e.msg, "fwdFFN of layer 1 overflows in fp16 at step 0, loss scale 65536: 100 updates in a row were skipped"));
	rig_stop(&g);
}

static void fixed_scale_stays(void **state)
{
	struct rig g;
	struct err e = {0};
	struct trainer_step s;
	int rc, n = 0;
	(void)state;
	fp16_rig(&g);
	g.set.num[SET_LOSS_SCALE] = 16777216;
	while (!(rc = trainer_micro(g.t, &s, &e)))
		n += s.skipped && s.next_scale == 16777216;
	assert_true(rc == ERR_STATE && n == 99);
	assert_non_null(strstr(e.msg, "set loss_scale auto"));
	rig_stop(&g);
}

/* Another device does not care, and leaves the state for the one that does. */
static void fp32_needs_none(void **state)
{
	struct rig g;
	(void)state;
	rig_start(&g, NULL, 1, 4000, 0);
	rig_trainer(&g);
	struct trainer_step s = one_step(&g);
	assert_true(s.scale == 1 && isnan(s.flushed) && g.state.loss_scale == 0);
	rig_stop(&g);
}

static void saved_and_read_back(void **state)
{
	struct rig g;
	struct err e = {0};
	struct params *p = NULL;
	struct train_state s;
	struct tokenizer *t = NULL;
	(void)state;
	fp16_rig(&g);
	g.state.loss_scale = 16777216;
	for (int i = 0; i < 30; i++)
		one_step(&g);
	g.state.settings = g.set;
	must(ckpt_save("scale.ckpt", g.p, &g.state, NULL, NULL, &e), &e);
	must(ckpt_load("scale.ckpt", &p, &s, &t, &e), &e);
	assert_true(s.loss_scale == g.state.loss_scale && s.loss_scale < 16777216 && s.scale_good == g.state.scale_good && s.scale_good > 0);
	assert_true(s.settings.num[SET_LOSS_SCALE] == SETTING_IS_AUTO);
	/* Goes on as if nothing had been. */
	struct rig h;
	rig_start(&h, p, 1, 4000, 0.25);
	h.set = s.settings;
	h.state = s;
	h.dev->caps.fp16 = 1;
	rig_trainer(&h);
	for (int i = 0; i < 10; i++) {
		struct trainer_step a = one_step(&g), b = one_step(&h);
		assert_true(a.loss == b.loss && a.grad_norm == b.grad_norm && a.scale == b.scale && a.skipped == b.skipped);
	}
	same_params(g.p, h.p);
	rig_stop(&g);
	rig_stop(&h);
}

/* --- one sequence at a time --- */

static void near(double a, double b, double tol)
{
	if (!(fabs(a - b) <= tol * fabs(b)))
		fail_msg("%.9g, wanted %.9g", a, b);
}

/* Settings, rounding apart: the same losses, gradients and validation, and one micro-step in the timing. */
static void passes_make_the_batch(void **state)
{
	struct rig a, b;
	struct err e = {0};
	double la, lb, bpb;
	(void)state;
	rig_start(&a, NULL, 1, 4000, 0.25);
	rig_start(&b, NULL, 1, 4000, 0.25);
	b.dev->caps.batch = 0;
	a.set.num[SET_BATCH] = b.set.num[SET_BATCH] = 5;
	rig_trainer(&a);
	rig_trainer(&b);
	for (int i = 0; i < 10; i++) {
		struct trainer_step x = one_step(&a), y = one_step(&b);
		near(y.loss, x.loss, 1e-6);
		near(y.grad_norm, x.grad_norm, 1e-5);
	}
	assert_memory_equal(&a.state.cursor, &b.state.cursor, sizeof a.state.cursor);
	assert_true(a.state.tokens == b.state.tokens && a.timing.micro == b.timing.micro);
	double diff = 0, norm = 0;
	for (size_t i = 0; i < a.p->total; i++) {
		diff += pow((double)a.p->m[i] - b.p->m[i], 2);
		norm += pow((double)a.p->m[i], 2);
	}
	if (!(sqrt(diff) <= 1e-4 * sqrt(norm)))
		fail_msg("first moments: relative distance %g", sqrt(diff / norm));
	/* The last row of the validation set has holes: sequences do not count alike. */
	must(trainer_eval(a.t, 3, &la, &bpb, &e), &e);
	must(trainer_eval(b.t, 3, &lb, &bpb, &e), &e);
	near(lb, la, 1e-5);
	rig_stop(&a);
	rig_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(powers_of_two_change_nothing), cmocka_unit_test(too_large_is_halved), cmocka_unit_test(grows_after_many_good_updates),
		cmocka_unit_test(forward_leaves_the_scale), cmocka_unit_test(fixed_scale_stays), cmocka_unit_test(fp32_needs_none),
		cmocka_unit_test(saved_and_read_back), cmocka_unit_test(passes_make_the_batch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
