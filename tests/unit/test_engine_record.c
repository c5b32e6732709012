/* test_engine_record.c: what a run leaves behind, read back: the curve of a resumed run.
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
#include <unistd.h>

#include "base/file.h"
#include "engine.h"
#include "support/door.h"
#include "train/ckpt.h"

enum { STEPS = 100000, LEFT = 99000 };

/* A checkpoint as after `step` updates. */
static void pretend_step(const char *from, const char *to, uint64_t step)
{
	struct params *p;
	struct train_state s;
	struct tokenizer *t;
	struct err e;
	assert_int_equal(ckpt_load(from, &p, &s, &t, &e), 0);
	s.step = step;
	assert_int_equal(ckpt_save(to, p, &s, t, NULL, &e), 0);
	params_free(p);
	tokenizer_free(t);
}

static void put_step(FILE *f, int step, double loss)
{
	fprintf(f, "{\"t\":%g,\"step\":%d,\"event\":\"step\",\"loss\":%.9g,\"grad_norm\":1,\"lr\":0.001,\"tokens\":%d,\"ms\":2,\"micro_ms\":2,\"watts\":null}\n",
		step / 100.0, step, loss, step * 32);
}

/* 99,500 steps, back to 99,000, and on to 100,000: loss 9 is what was left. */
static void write_record(const char *path)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "{\"t\":0,\"step\":0,\"event\":\"start\"}\n{\"t\":0,\"step\":0,\"event\":\"eval\",\"loss\":8,\"bits_per_byte\":4}\n");
	for (int i = 1; i <= 99500; i++) {
		put_step(f, i, i > LEFT ? 9 : 1 + 1.0 / i);
		if (i % 50 == 0)
			fprintf(f, "{\"t\":0,\"step\":%d,\"event\":\"eval\",\"loss\":%g,\"bits_per_byte\":null}\n", i, i == 33350 ? 0.5 : i > LEFT ? 0.1 : 2.0);
		if (i % 500 == 0)
			fprintf(f, "{\"t\":0,\"step\":%d,\"event\":\"set\",\"key\":\"lr.max\",\"old\":0.001,\"new\":%g}\n", i, i * 1e-9);
	}
	fprintf(f, "{\"t\":0,\"step\":%d,\"event\":\"start\",\"resumed\":%d}\n", LEFT, LEFT);
	for (int i = LEFT + 1; i <= STEPS + 7; i++) /* the last ones are beyond the checkpoint */
		put_step(f, i, 1);
	fclose(f);
}

static void a_long_curve_is_thinned(void **state)
{
	(void)state;
	static struct door d;
	door_open(&d, "long", 0);
	door_small_model(&d);
	door_say(&d, CMD_TRAIN, "1", 0);
	door_close(&d, 1);
	pretend_step("long/step-00000001.ckpt", "long/step-00100000.ckpt", STEPS);
	write_record("long/metrics.jsonl");

	door_open(&d, "long", 1);
	door_say(&d, CMD_GET, "seq", 0);
	assert_in_range(d.nstep, 2000, 4100);
	double ms = 0;
	for (int i = 0; i < d.nstep; i++) {
		const struct step_obs *o = &d.step[i];
		assert_true(!i || o->step > d.step[i - 1].step);
		assert_true(o->loss <= 2 && o->tokens == o->step * 32 && isnan(o->watts));
		ms += o->ms;
	}
	assert_in_range(d.step[0].step, 1, 64);
	assert_int_equal(d.step[d.nstep - 1].step, STEPS);
	assert_true(fabs(ms - 2.0 * STEPS) < 4000); /* each stands for all that it replaces */
	assert_in_range(d.neval, 200, 512);
	assert_true(d.best_val == 0.5); /* the best one stays, what was left does not count */
	assert_int_equal(d.nmark, 128); /* the latest, none of what was left */
	struct engine_snapshot *s = malloc(sizeof *s);
	engine_snapshot(d.g, s);
	assert_int_equal(s->last.step, STEPS);
	assert_int_equal(s->step, STEPS);
	free(s);
	door_say(&d, CMD_TRAIN, "1", 0);
	assert_int_equal(d.step[d.nstep - 1].step, STEPS + 1);
	door_close(&d, 0);
}

/* Those up to the checkpoint: what was left behind it does not count. */
static void a_resumed_run_has_its_samples(void **state)
{
	(void)state;
	static struct door d;
	struct str told = {0};
	door_open(&d, "told", 0);
	door_small_model(&d);
	door_say(&d, CMD_TRAIN, "1", 0);
	for (int i = 0; i < 2; i++) {
		door_say(&d, CMD_SAMPLE, i ? "8 Twice" : "8 Once", 0);
		str_printf(&told, "%s%s", i ? "Twice" : "Once", d.sample.s);
	}
	door_close(&d, 1);
	FILE *f = fopen("told/metrics.jsonl", "a");
	assert_non_null(f);
	fputs("{\"t\":9,\"step\":9,\"event\":\"sample\",\"text\":\"left\"}\n", f);
	fclose(f);
	door_open(&d, "told", 1);
	door_say(&d, CMD_GET, "seq", 0);
	assert_int_equal(d.nbegin, 2);
	assert_string_equal(d.sample.s, told.s);
	door_close(&d, 0);
	str_done(&told);
}

static int count(const char *text, const char *what)
{
	int n = 0;
	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

static void read_metrics(struct str *m, const char *dir)
{
	char path[200];
	snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
	str_clear(m);
	assert_int_equal(file_read(m, path, "metrics", 1 << 24, NULL), 0);
}

/* A validation before the run begins is not in its record: the record begins with one of its own. Nothing is saved for it. */
static void a_record_begins_with_a_validation(void **state)
{
	(void)state;
	static struct door d;
	struct str m = {0};
	door_open(&d, "first", 0);
	door_small_model(&d);
	door_say(&d, CMD_EVAL, "", 0);
	door_say(&d, CMD_EVAL, "", 0);
	assert_int_equal(access("first", F_OK), -1);
	door_say(&d, CMD_TRAIN, "2", 0);
	door_say(&d, CMD_TRAIN, "2", 0);
	read_metrics(&m, "first");
	assert_int_equal(count(m.s, "\"event\":\"eval\""), 1);
	assert_non_null(strstr(m.s, "\"step\":0,\"event\":\"eval\",\"loss\":"));
	str_done(&m);
	door_close(&d, 0);
}

/* Setting what is set already changes nothing, and says nothing in the record. */
static void no_change_no_mark(void **state)
{
	(void)state;
	static struct door d;
	struct str m = {0};
	door_open(&d, "same", 0);
	door_small_model(&d);
	door_say(&d, CMD_LR, "1e-3", 0);
	door_say(&d, CMD_TRAIN, "1", 0);
	int marks = d.nmark;
	door_say(&d, CMD_LR, "0.001", 0);
	door_say(&d, CMD_SET, "batch 2", 0);
	assert_int_equal(d.nmark, marks);
	door_say(&d, CMD_LR, "2e-3", 0);
	assert_int_equal(d.nmark, marks + 1);
	read_metrics(&m, "same");
	assert_int_equal(count(m.s, "\"event\":\"set\""), 1);
	str_done(&m);
	door_close(&d, 0);
}

/* The trainer is made anew in the middle of training: the state says so, and then that training goes on. */
static void new_threads_while_training(void **state)
{
	(void)state;
	static struct door d;
	struct engine_snapshot *s = malloc(sizeof *s);
	door_open(&d, "threads", 0);
	door_small_model(&d);
	uint32_t id = door_send(&d, CMD_TRAIN, "", 1);
	door_say(&d, CMD_WAIT, "step 3", 0);
	for (int n = 1; n < 4; n++) {
		char line[32];
		snprintf(line, sizeof line, "threads %d", n);
		door_say(&d, CMD_SET, line, 0);
		snprintf(line, sizeof line, "step %d", 3 + 5 * n);
		door_say(&d, CMD_WAIT, line, 0);
		engine_snapshot(d.g, s);
		assert_int_equal(s->threads, n);
		assert_int_equal(s->state, ENGINE_TRAINING);
	}
	for (int i = 1; i < d.nstep; i++)
		assert_int_equal(d.step[i].step, d.step[i - 1].step + 1);
	door_say(&d, CMD_PAUSE, "", 0);
	assert_int_equal(door_await(&d, id), 0);
	free(s);
	door_close(&d, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		door_test(a_long_curve_is_thinned), door_test(a_resumed_run_has_its_samples), door_test(a_record_begins_with_a_validation), door_test(no_change_no_mark),
		door_test(new_threads_while_training),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
