/* test_engine.c: the engine through its one door: commands in, events and snapshots out.
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
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "device/gemm.h"
#include "engine.h"
#include "support/door.h"

extern char **environ;

/* The worker sets no variable: the screen's thread reads some at the same time. First of all tests: the environment is made once. */
static void environment_is_made_before_threads(void **state)
{
	(void)state;
	static struct door d;
	unsetenv("OPENBLAS_NUM_THREADS");
	door_open(&d, "r0", 0);
	char **made = environ;
	const char *threads = getenv("OPENBLAS_NUM_THREADS");
	assert_true(threads && !strcmp(threads, "1"));
	door_small_model(&d);
	door_say(&d, CMD_TRAIN, "1", 0);
	assert_ptr_equal(environ, made);
	assert_ptr_equal(getenv("OPENBLAS_NUM_THREADS"), threads);
	door_close(&d, 0);
}

static void trains_samples_saves(void **state)
{
	(void)state;
	static struct door d;
	door_open(&d, "r1", 0);
	door_small_model(&d);
	door_say(&d, CMD_TRAIN, "12", 0);
	assert_int_equal(d.nstep, 12);
	assert_int_equal(d.neval, 1); /* at step 0 */
	for (int i = 0; i < 12; i++) {
		assert_int_equal(d.step[i].step, i + 1);
		assert_int_equal(d.step[i].tokens, (i + 1) * 32);
		assert_true(d.step[i].loss > 0 && d.step[i].loss < 20 && d.step[i].grad_norm > 0);
	}
	door_say(&d, CMD_SAMPLE, "20", 0);
	assert_true(d.sample.len > 0);
	door_say(&d, CMD_CKPT, "", 0);
	assert_int_equal(access("r1/step-00000012.ckpt", R_OK), 0);
	assert_int_equal(access("r1/metrics.jsonl", R_OK), 0);
	assert_int_equal(access("r1/settings.cmd", R_OK), 0);
	door_say(&d, CMD_VERIFY, "r1/step-00000012.ckpt", 0);
	door_say(&d, CMD_KERNELS, "", 0);
	assert_non_null(strstr(d.out.s, "fwdAttn"));
	assert_non_null(strstr(d.out.s, "unaccounted"));
	door_say(&d, CMD_INFO, "", 0);
	door_say(&d, CMD_POWER, "", 0);
	door_say(&d, CMD_MIL, "list", 0);
	door_say(&d, CMD_MIL, "show sdpaBwd2", 0);
	assert_non_null(strstr(d.out.s, "program(1.3)"));
	door_say(&d, CMD_GET, "", 0);
	door_say(&d, CMD_RUNS, "", 0);
	struct engine_snapshot *s = malloc(sizeof *s);
	engine_snapshot(d.g, s);
	assert_int_equal(s->step, 12);
	assert_int_equal(s->state, ENGINE_PAUSED);
	assert_string_equal(s->run_dir, "r1");
	assert_true(s->timing.micro >= 12);
	free(s);
	door_close(&d, 1);
}

static void live_change(void **state)
{
	(void)state;
	static struct door d;
	door_open(&d, "r2", 0);
	door_small_model(&d);
	door_say(&d, CMD_LR, "1e-3 constant warmup=0", 0);
	door_say(&d, CMD_TRAIN, "3", 0);
	assert_true(d.step[2].lr == 1e-3);
	door_say(&d, CMD_LR, "3e-4", 0);
	assert_non_null(strstr(d.log.s, "0.001 -> 0.0003"));
	door_say(&d, CMD_TRAIN, "1", 0);
	assert_true(d.step[3].lr == 3e-4);
	assert_true(d.nmark >= 1);
	door_say(&d, CMD_UNDO, "", 0);
	door_say(&d, CMD_TRAIN, "1", 0);
	assert_true(d.step[4].lr == 1e-3);
	door_say(&d, CMD_SET, "batch 3", 0);
	door_say(&d, CMD_TRAIN, "1", 0);
	assert_int_equal(d.step[5].tokens - d.step[4].tokens, 48);
	struct str m = {0};
	assert_int_equal(file_read(&m, "r2/metrics.jsonl", "metrics", 1 << 20, NULL), 0);
	assert_non_null(strstr(m.s, "\"key\":\"lr.max\",\"old\":0.001,\"new\":0.0003"));
	str_done(&m);
	door_close(&d, 1);
}

static void wait_and_interrupt(void **state)
{
	(void)state;
	static struct door d;
	door_open(&d, "r3", 0);
	door_small_model(&d);
	door_say(&d, CMD_WAIT, "step 4", 0); /* trains until then, and pauses */
	assert_int_equal(d.step[d.nstep - 1].step, 4);
	uint32_t id = door_send(&d, CMD_TRAIN, "", 1); /* until interrupted */
	door_say(&d, CMD_WAIT, "step 8", 0);
	door_say(&d, CMD_GET, "seq", 0); /* answered meanwhile */
	engine_cancel(d.g);
	assert_int_equal(door_await(&d, id), 0); /* its regular end */
	id = door_send(&d, CMD_TRAIN, "1000000", 1);
	door_say(&d, CMD_GET, "seq", 0); /* it has begun */
	engine_cancel(d.g);
	assert_int_equal(door_await(&d, id), ERR_CANCEL);
	id = door_send(&d, CMD_WAIT, "100000", 1);
	door_say(&d, CMD_GET, "seq", 0);
	engine_cancel(d.g);
	assert_int_equal(door_await(&d, id), ERR_CANCEL);
	for (int i = 0; i < 200; i++) { /* wherever the command is when the interrupt comes */
		id = door_send(&d, CMD_TRAIN, "1000000", 1);
		if (i % 3 == 0)
			door_nap();
		engine_cancel(d.g);
		assert_int_equal(door_await(&d, id), ERR_CANCEL);
	}
	door_say(&d, CMD_WAIT, "0.01", 0);
	door_say(&d, CMD_TRAIN, "1", 0); /* goes on */
	door_close(&d, 0);
}

static void bad_input_is_one_line(void **state)
{
	(void)state;
	static const struct { int op; const char *line; int code; const char *words; } bad[] = {
		{CMD_NEW, "dmo", ERR_USAGE, "demo"},
		{CMD_NEW, "no/such/file.bin", ERR_IO, "No such file"},
		{CMD_NEW, "demo dim=7", 0, NULL},
		{CMD_DATA, "no-such.txt", ERR_IO, "No such file"},
		{CMD_DATA, "empty.txt", 0, "empty.txt"},
		{CMD_SET, "sqe 3", ERR_USAGE, "seq"},
		{CMD_SET, "lr.max 100", ERR_RANGE, "0 to 10"},
		{CMD_SET, "seq 100000", ERR_RANGE, "1 to 65536"},
		{CMD_LR, "fast", ERR_RANGE, "fast"},
		{CMD_LR, "1e-3 fast", ERR_USAGE, "fast"},
		{CMD_TRAIN, "-3", ERR_RANGE, "-3"},
		{CMD_TRAIN, "x", ERR_RANGE, "x"},
		{CMD_SAMPLE, "0", ERR_RANGE, "1 to 1000000"},
		{CMD_LOAD, "nothing", ERR_IO, "nothing"},
		{CMD_VERIFY, "empty.txt", 0, "empty.txt"},
		{CMD_MIL, "show nothing", ERR_USAGE, "nothing"},
		{CMD_DEVICE, "gpu", ERR_USAGE, "gpu"},
		{CMD_WAIT, "loss<x", ERR_RANGE, "loss<"},
		{CMD_UNDO, "", ERR_STATE, "nothing"},
	};
	static struct door d;
	fclose(fopen("empty.txt", "w"));
	door_open(&d, "r4", 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int code = door_run(&d, bad[i].op, bad[i].line);
		if (!(code < 0) || (bad[i].code && code != bad[i].code) || (bad[i].words && !strstr(d.msg, bad[i].words)) || strchr(d.msg, '\n'))
			fail_msg("%s: %d \"%s\"", bad[i].line, code, d.msg);
	}
	door_small_model(&d);
	door_say(&d, CMD_TRAIN, "1", 0);
	assert_true(door_run(&d, CMD_SET, "seq 2000") < 0); /* beyond the context */
	assert_true(door_run(&d, CMD_DATA, "empty.txt") < 0);
	door_say(&d, CMD_TRAIN, "1", 0); /* nothing was lost */
	door_close(&d, 1);
}

/* 12 steps straight and 5 + resume + 7 with samples on the way: the same step events and checkpoint bytes. */
static void resume_is_exact(void **state)
{
	(void)state;
	static struct door a, b, c;
	door_open(&a, "ra", 0);
	door_small_model(&a);
	door_say(&a, CMD_SET, "data.order shuffle", 0);
	door_say(&a, CMD_TRAIN, "12", 0);
	door_say(&a, CMD_CKPT, "end", 0);
	door_open(&b, "rb", 0);
	door_small_model(&b);
	door_say(&b, CMD_SET, "data.order shuffle", 0);
	door_say(&b, CMD_TRAIN, "5", 0);
	door_say(&b, CMD_SAMPLE, "8", 0);
	door_close(&b, 1);
	door_open(&c, "rb", 1);
	door_say(&c, CMD_SET, "data.order shuffle", 0); /* the same again: must not begin the data anew */
	door_say(&c, CMD_SAMPLE, "8", 0);
	door_say(&c, CMD_TRAIN, "7", 0);
	assert_true(c.nstep >= 12); /* 5 from the record, 7 new */
	for (int i = 0; i < 7; i++) {
		const struct step_obs *x = &a.step[5 + i], *y = &c.step[c.nstep - 7 + i];
		assert_int_equal(x->step, y->step);
		assert_true(x->loss == y->loss && x->grad_norm == y->grad_norm && x->lr == y->lr && x->tokens == y->tokens);
	}
	door_close(&a, 1);
	door_close(&c, 1);
}

/* What kernels are compared with was measured while others had the machine: the first of them that is faster shows it. A rate that none reaches stays. */
static void a_floor_that_is_beaten(void **state)
{
	(void)state;
	static struct door d;
	struct engine_snapshot *s = malloc(sizeof *s);
	static const double first[] = {1e-6, 1e9};
	for (int i = 0; i < 2; i++) {
		blas_measured(first[i]);
		door_open(&d, i ? "floor-1" : "floor-0", 0);
		door_small_model(&d);
		door_say(&d, CMD_TRAIN, "33", 0);
		engine_snapshot(d.g, s);
		assert_true(i ? s->blas_gflops == first[i] : s->blas_gflops > 100 * first[i]);
		assert_int_equal(strstr(d.log.s, "measured again") != NULL, !i);
		door_close(&d, 0);
	}
	blas_measured(0);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		door_test(environment_is_made_before_threads), door_test(trains_samples_saves), door_test(live_change), door_test(wait_and_interrupt),
		door_test(bad_input_is_one_line), door_test(resume_is_exact), door_test(a_floor_that_is_beaten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
