/* test_sim_model.c: gradients of whole models on the simulated device, with a loss scale, against the plain reference, tensor by tensor.
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
#include "base/rng.h"
#include "io/llama2c.h"
#include "model/model.h"
#include "model/plain.h"
#include "support/testdata.h"
#include "text/stories.h"
#include "text/tokenizer.h"

enum { BATCH = 1, SEQ = 128 };

static const struct model_options ways[] = {
	{.pipeline = PIPELINE_STATIC}, {.pipeline = PIPELINE_DYNAMIC}, {.pipeline = PIPELINE_DYNAMIC, .separate = 1},
	{.pipeline = PIPELINE_STATIC, .extras = 1}, {.pipeline = PIPELINE_DYNAMIC, .extras = 1},
	{.pipeline = PIPELINE_DYNAMIC, .separate = 1, .extras = 1},
};
static const char *const way_names[] = {"static", "dynamic", "separate inputs", "static, extras", "dynamic, extras", "separate inputs, extras"};

/* |g - want| / |want| and the cosine between them; g is divided by `scale`. */
static void nearness(const float *g, const double *want, size_t n, double scale, double *distance, double *cosine)
{
	double d = 0, a = 0, b = 0, dot = 0;
	for (size_t i = 0; i < n; i++) {
		double x = g[i] / scale;
		d += (x - want[i]) * (x - want[i]);
		a += x * x;
		b += want[i] * want[i];
		dot += x * want[i];
	}
	*distance = sqrt(d / b);
	*cosine = dot / sqrt(a * b);
}

/* Norms and the embedding add up products of all layers and may be further away. */
static void compare(const char *name, const char *way, const struct params *p, const double *want, double scale)
{
	double most = 0, most_wide = 0;
	for (int i = 0; i < p->n; i++) {
		const struct param *t = &p->table[i];
		int wide = t->rank == 1 || t->kind == PARAM_EMBED;
		double d, c, *top = wide ? &most_wide : &most;
		nearness(p->g + t->offset, want + t->offset, t->count, scale, &d, &c);
		if (!(d <= (wide ? 3e-2 : 1e-2)) || !(c > (wide ? 0.9995 : 0.9999)))
			fail_msg("%s, %s, loss scale %g: %s: relative distance %.4g, cosine %.7g", name, way, scale, t->name, d, c);
		*top = fmax(*top, d);
	}
	print_message("# %s, %s, loss scale %g: matrices within %.2e, norms and embedding within %.2e\n", name, way, scale, most, most_wide);
}

static void check_model(const char *name, struct params *p, const int *x, const int *y)
{
	struct err e = {0};
	double want_loss, loss, *w = mem_zalloc(p->total, sizeof *w), *want = mem_zalloc(p->total, sizeof *want);
	assert_true(w && want && !params_train(p, &e));
	for (size_t i = 0; i < p->total; i++)
		w[i] = p->w[i];
	assert_int_equal(plain_loss(p, w, want, x, y, BATCH, SEQ, &want_loss, NULL, &e), 0);
	struct pool *pool = pool_new(2, &e);
	for (size_t k = 0; k < ARRAY_LEN(ways); k++)
		for (float scale = 256; scale <= 4096; scale *= 16) {
			struct device *d = device_open("sim chip=m4 budget=1000", pool, &e);
			struct model *m = d ? model_new(d, p, pool, BATCH, SEQ, &ways[k], NULL, NULL, &e) : NULL;
			memset(p->g, 0, p->total * sizeof *p->g);
			if (!m || model_micro_step(m, x, y, scale, &loss, &e))
				fail_msg("%s, %s: %s", name, way_names[k], e.msg);
			if (model_overflowed(m))
				fail_msg("%s, %s: overflow in %s", name, way_names[k], model_seen(m)->where);
			if (!(fabs(loss - want_loss) <= 2e-3 * want_loss))
				fail_msg("%s, %s: loss %.6g, should be %.6g", name, way_names[k], loss, want_loss);
			compare(name, way_names[k], p, want, scale);
			model_free(m);
			device_close(d);
		}
	pool_free(pool);
	free(w);
	free(want);
}

static void check_random(const char *name, const struct model_config *c)
{
	struct err e = {0};
	int x[BATCH * SEQ], y[BATCH * SEQ];
	struct rng r;
	struct params *p = params_new(c, &e);
	assert_non_null(p);
	params_init(p, 5);
	rng_seed(&r, 9);
	for (int i = 0; i < BATCH * SEQ; i++) {
		x[i] = (int)rng_below(&r, (uint64_t)c->vocab);
		y[i] = (int)rng_below(&r, (uint64_t)c->vocab);
	}
	check_model(name, p, x, y);
	params_free(p);
}

static void test_demo(void **s)
{
	(void)s;
	struct model_config c;
	struct err e = {0};
	assert_int_equal(model_preset(&c, "demo", &e), 0);
	check_random("demo", &c);
}

/* Norms of q and k, grouped queries, a head size of its own. */
static void test_qk_norm(void **s)
{
	(void)s;
	static const struct { const char *key, *value; } set[] = {
		{"heads", "4"}, {"kv_heads", "2"}, {"head_dim", "64"}, {"qk_norm", "on"}, {"rope", "half"}, {"theta", "1e6"}, {"eps", "1e-6"}, {"layers", "2"},
	};
	struct model_config c;
	struct err e = {0};
	assert_int_equal(model_preset(&c, "demo", &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(set); i++)
		assert_int_equal(model_config_set(&c, set[i].key, set[i].value, &e), 0);
	check_random("demo with norms of q and k", &c);
}

/* A trained model on the text that it would go on training with. */
static void test_stories(void **s)
{
	(void)s;
	struct err e = {0};
	struct str text = {0};
	struct ids ids = {0};
	const char *path = testdata_path("stories260K.v0.bin");
	if (!path)
		skip();
	if (stories_generate(&text, 4000, 11, &e))
		fail_msg("%s", e.msg);
	struct params *p = llama2c_load(path, &e);
	struct tokenizer *t = p ? tokenizer_load(testdata_path("tok512.bin"), &e) : NULL;
	if (!t || tokenizer_encode(t, text.s, text.len, 1, &ids, &e))
		fail_msg("%s", e.msg);
	assert_true(ids.n > BATCH * SEQ);
	check_model("stories260k", p, ids.id, ids.id + 1);
	tokenizer_free(t);
	params_free(p);
	ids_done(&ids);
	str_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_demo), cmocka_unit_test(test_qk_norm), cmocka_unit_test(test_stories)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
