/* test_plan.c: the memory that a plan tells beside the memory that the process has taken when everything is made.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/model_plan.h"
#include "sample/sample.h"
#include "support/tiny.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { COUNTS = 0 }; /* their own tables are in it */
#else
enum { COUNTS = 1 };
#endif

/* Private writable memory of this process, touched or not; 0: not told here. */
static uint64_t taken(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long long kb = 0;
	char line[256];
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "VmData: %llu", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return (uint64_t)kb * 1024;
}

static const struct {
	struct tiny t;
	const char *device;
	struct model_options o;
} cases[] = {
	{{"plain heads", 512, 1376, 8, 8, 8, 64, 32000, 1, ROPE_INTERLEAVED, 1, 4, 256}, "cpu", {.pipeline = PIPELINE_STATIC}},
	{{"dynamic", 512, 1376, 8, 8, 8, 64, 32000, 1, ROPE_INTERLEAVED, 1, 4, 256}, "cpu", {.pipeline = PIPELINE_DYNAMIC}},
	{{"norms of q and k", 384, 1024, 9, 8, 4, 96, 60000, 1, ROPE_HALF + TINY_QK_NORM, 1, 3, 384}, "cpu", {.pipeline = PIPELINE_STATIC}},
	{{"norms of q and k, dynamic", 384, 1024, 9, 8, 4, 96, 60000, 1, ROPE_HALF + TINY_QK_NORM, 1, 9, 128}, "cpu", {.pipeline = PIPELINE_DYNAMIC}},
	{{"grouped, untied, long", 192, 512, 6, 8, 2, 48, 32000, 0, ROPE_HALF, 0.5f, 2, 1024}, "cpu", {.pipeline = PIPELINE_STATIC}},
	{{"recompute", 256, 768, 40, 4, 4, 64, 32000, 1, ROPE_INTERLEAVED, 1, 16, 256}, "cpu", {.pipeline = PIPELINE_STATIC, .recompute = 1}},
	{{"extras", 512, 1376, 8, 8, 8, 64, 32000, 1, ROPE_INTERLEAVED, 1, 4, 256}, "cpu", {.pipeline = PIPELINE_STATIC, .extras = 1}},
	/* Matrices that fill the blocks of 4 MiB from which the device cuts: what is left over in others is never touched. */
	{{"sim", 1024, 4096, 3, 16, 16, 64, 8000, 1, ROPE_INTERLEAVED, 1, 1, 256}, "sim chip=m4 budget=1000", {.pipeline = PIPELINE_STATIC}},
	{{"sim, norms of q and k, dynamic", 1024, 4096, 3, 16, 8, 64, 8000, 1, ROPE_HALF + TINY_QK_NORM, 1, 1, 256}, "sim chip=m4 budget=1000", {.pipeline = PIPELINE_DYNAMIC}},
	{{"precise", 256, 768, 8, 16, 8, 16, 8000, 1, ROPE_INTERLEAVED, 1, 4, 256}, "cpu", {.pipeline = PIPELINE_STATIC, .precise = PRECISE_ON}},
	{{"sim, precise, dynamic", 1024, 4096, 3, 32, 16, 32, 8000, 1, ROPE_HALF, 1, 1, 256}, "sim chip=m4 budget=1000", {.pipeline = PIPELINE_DYNAMIC}},
};

static void planned_and_taken(void **state)
{
	(void)state;
	if (!COUNTS || !taken())
		skip();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct tiny *t = &cases[i].t;
		struct model_config c;
		struct model_plan plan;
		struct err e = {0};
		struct pool *pool = pool_new(2, &e);
		struct device *d = pool ? device_open(cases[i].device, pool, &e) : NULL;
		if (!d)
			fail_msg("%s", e.msg);
		tiny_config(&c, t);
		if (model_plan(&plan, device_caps(d), &c, t->batch, t->seq, 0, &cases[i].o, 1, &e))
			fail_msg("%s: %s", t->what, e.msg);
		uint64_t before = taken();
		struct params *p = params_new(&c, &e);
		if (!p || params_train(p, &e))
			fail_msg("%s: %s", t->what, e.msg);
		uint64_t weights = taken() - before;
		struct model *m = model_new(d, p, pool, t->batch, t->seq, &cases[i].o, NULL, NULL, &e);
		if (!m)
			fail_msg("%s: %s", t->what, e.msg);
		uint64_t got = taken() - before, want = model_plan_sum(&plan), all = plan.weights + plan.gradients + plan.moments;
		double rest = (double)(got - weights), planned = (double)(want - all);
		print_message("# %s: planned %.1f MB, taken %.1f; without weights, gradients and moments %.1f and %.1f (device %.1f)\n", t->what, (double)want / 1e6,
			      (double)got / 1e6, planned / 1e6, rest / 1e6, (double)plan.device / 1e6);
		/* Blocks of 2 MiB are not full, tables of programs and bindings are not planned. */
		if (!(fabs((double)got - (double)want) <= 0.03 * (double)got))
			fail_msg("%s: planned %.1f MB, taken %.1f", t->what, (double)want / 1e6, (double)got / 1e6);
		if (!(fabs(rest - planned) <= 0.06 * rest))
			fail_msg("%s: without weights planned %.1f MB, taken %.1f", t->what, planned / 1e6, rest / 1e6);
		model_free(m);
		params_free(p);
		device_close(d);
		pool_free(pool);
	}
}

static void decoders(void **state)
{
	(void)state;
	if (!COUNTS || !taken())
		skip();
	struct tiny t = {"decoder", 256, 768, 16, 8, 4, 64, 20000, 1, ROPE_HALF + TINY_QK_NORM, 1, 1, 4096};
	struct model_config c;
	struct err e = {0};
	tiny_config(&c, &t);
	struct pool *pool = pool_new(2, &e);
	struct params *p = params_new(&c, &e);
	assert_true(pool && p);
	uint64_t before = taken(), cache, scratch;
	struct decoder *d = decoder_new(p, pool, &e);
	if (!d)
		fail_msg("%s", e.msg);
	double got = (double)(taken() - before);
	decoder_bytes(&cache, &scratch, &c, 2, 4096);
	if (!(fabs(got - (double)(cache + scratch)) <= 0.03 * got))
		fail_msg("planned %.1f MB, taken %.1f", (double)(cache + scratch) / 1e6, got / 1e6);
	decoder_bytes(&cache, &scratch, &c, 2, 1024);
	assert_int_equal(cache, 16ull * 1024 * 256 * 2 * 4);
	decoder_free(d);
	params_free(p);
	pool_free(pool);
}

static void no_shape(void **state)
{
	(void)state;
	struct model_config c;
	struct model_plan plan;
	struct err e = {0};
	const struct device_caps cpu = {.host_memory = 1, .weights_live = 1, .batch = 1}, one = {.host_memory = 1, .weights_live = 1};
	tiny_config(&c, &cases[0].t);
	assert_int_equal(model_plan(&plan, &cpu, &c, 0, 256, 0, NULL, 1, &e), ERR_RANGE);
	assert_int_equal(model_plan(&plan, &cpu, &c, 1 << 20, 1 << 20, 0, NULL, 1, &e), ERR_RANGE);
	assert_int_equal(model_plan(&plan, &cpu, &c, 4, 256, 0, NULL, 1, &e), 0);
	uint64_t all = model_plan_sum(&plan), activations = plan.activations;
	assert_int_equal(plan.weights + plan.gradients + plan.moments, params_bytes(&c, 1));
	assert_int_equal(model_plan(&plan, &one, &c, 4, 256, 0, NULL, 1, &e), 0); /* the trainer goes sequence by sequence */
	assert_true(plan.activations < activations / 3);
	assert_int_equal(model_plan(&plan, &cpu, &c, 4, 256, 0, NULL, 0, &e), 0);
	assert_true(plan.gradients == 0 && plan.moments == 0 && model_plan_sum(&plan) < all / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(planned_and_taken), cmocka_unit_test(decoders), cmocka_unit_test(no_shape)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
