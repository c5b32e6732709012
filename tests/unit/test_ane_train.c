/* test_ane_train.c: whole training runs on the ane device, behind it the stand-in with sim: the losses must be those of sim itself, bit for bit.
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

#include "device/ane/ane.h"
#include "engine.h"
#include "support/ane_engine.h"
#include "support/door.h"

enum { MOST = 64 };

/* Trains `new` for n steps with one sequence a micro-step; the losses, and the log. */
static void train(const char *dir, const char *device, const char *model, const char *pipeline, int n, double *loss, double *norm)
{
	static struct door d;
	char steps[16];
	door_open(&d, dir, 0);
	door_say(&d, CMD_NEW, model, 0);
	door_say(&d, CMD_SET, "batch 1", 0);
	door_say(&d, CMD_SET, "seq 128", 0);
	door_say(&d, CMD_SET, "eval.every 0", 0);
	door_say(&d, CMD_DEVICE, device, 0);
	door_say(&d, CMD_PIPELINE, pipeline, 0);
	snprintf(steps, sizeof steps, "%d", n);
	door_say(&d, CMD_TRAIN, steps, 0);
	if (d.nstep != n)
		fail_msg("%s: %d steps instead of %d: %s\n%s", device, d.nstep, n, d.msg, d.log.s);
	for (int i = 0; i < n; i++) {
		loss[i] = d.step[i].loss;
		norm[i] = d.step[i].grad_norm;
	}
	door_close(&d, 0);
}

static void same_as_sim(const char *name, const char *brand, const char *model, const char *pipeline, int n)
{
	double on_ane[MOST], on_sim[MOST], norm_ane[MOST], norm_sim[MOST];
	char a[64], b[64];
	snprintf(a, sizeof a, "%s-ane", name);
	snprintf(b, sizeof b, "%s-sim", name);
	struct standin *s = ane_engine_begin("sim budget=1000000", NULL, 1000000);
	s->brand = brand;
	train(a, "ane", model, pipeline, n, on_ane, norm_ane);
	int compiles = s->calls[STANDIN_COMPILE], runs = s->calls[STANDIN_RUN];
	ane_engine_end(s);
	train(b, "sim budget=1000000", model, pipeline, n, on_sim, norm_sim);
	print_message("%s, %s, %s: loss %.6f to %.6f in %d steps, %d compiles, %d runs\n", brand, model, pipeline, on_ane[0], on_ane[n - 1], n,
		      compiles, runs);
	for (int i = 0; i < n; i++)
		if (!isfinite(on_ane[i]) || on_ane[i] != on_sim[i] || norm_ane[i] != norm_sim[i])
			fail_msg("step %d: loss %.9g, on sim %.9g; norm %.9g, %.9g", i + 1, on_ane[i], on_sim[i], norm_ane[i], norm_sim[i]);
	assert_true(on_ane[n - 1] < on_ane[0]);
}

static void demo_static(void **state)
{
	(void)state;
	same_as_sim("s", "Apple M4", "demo", "static", 50);
}

static void demo_dynamic(void **state)
{
	(void)state;
	same_as_sim("d", "Apple M4 Pro", "demo", "dynamic", 50);
}

/* The older dialect, and grouped queries. */
static void grouped_verbose(void **state)
{
	(void)state;
	same_as_sim("v", "Apple M1", "demo layers=1 dim=32 heads=4 kv_heads=2 head_dim=8 hidden=48", "static", 5);
}

/* Norms of q and k: a third kind of input, shorter than the rest. */
static void qk_norm(void **state)
{
	(void)state;
	const char *model = "qwen3-0.6b layers=2 dim=32 heads=4 kv_heads=2 head_dim=16 hidden=48 vocab=600";
	same_as_sim("q", "Apple M4", model, "static", 5);
	same_as_sim("qd", "Apple M4", model, "dynamic", 5);
}

/* What stops a stage while training goes on is told as it was said, and the engine lives. */
static void failures_are_told(void **state)
{
	static const struct { enum standin_stage stage; int nth; const char *says; } c[] = {
		{STANDIN_DESCRIBE, 3, "ane: describe: "}, {STANDIN_MODEL, 3, "ane: describe: "}, {STANDIN_COMPILE, 3, "ane: compile: [com.apple.appleneuralengine.compiler 1]"},
		{STANDIN_COMPILE, 9, "ane: compile: "}, {STANDIN_LOAD, 4, "ane: load: [com.apple.appleneuralengine 3] load failed"}, {STANDIN_SURFACE, 2, "ane: surface: "},
		{STANDIN_WRAP, 2, "ane: surface: "}, {STANDIN_REQUEST, 2, "ane: bind: "}, {STANDIN_RUN, 1, "status=0x1d"}, {STANDIN_RUN, 20, "status=0x1d"},
		{STANDIN_LOCK, 1, "ane: run: an input could not be written"}, {STANDIN_LOCK, 33, "IOSurfaceLock failed"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
		static struct door d;
		char dir[16];
		snprintf(dir, sizeof dir, "f%zu", i);
		struct standin *s = ane_engine_begin("sim budget=1000000", NULL, 1000);
		door_open(&d, dir, 0);
		door_say(&d, CMD_NEW, "demo layers=1 dim=32 heads=2 kv_heads=2 hidden=64 head_dim=16", 0);
		door_say(&d, CMD_SET, "batch 1", 0);
		door_say(&d, CMD_SET, "seq 32", 0);
		door_say(&d, CMD_SET, "eval.every 0", 0);
		door_say(&d, CMD_DEVICE, "ane", 0);
		s->fail[c[i].stage] = c[i].nth;
		int code = door_run(&d, CMD_TRAIN, "4");
		if (!code || !strstr(d.msg, c[i].says))
			fail_msg("stage %d, call %d: %d \"%s\" should say \"%s\"", c[i].stage, c[i].nth, code, d.msg, c[i].says);
		door_say(&d, CMD_TRAIN, "2", 0); /* the fault has passed */
		door_close(&d, 0);
		ane_engine_end(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		door_test(demo_static), door_test(demo_dynamic), door_test(grouped_verbose), door_test(qk_norm), door_test(failures_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
