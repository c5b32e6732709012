/* test_engine_commands.c: what the commands promise beyond their answers: what stays, what comes back, what does not disturb training.
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
#include "engine.h"
#include "support/door.h"

/* The small model on a short text. */
static void open_small(struct door *d, const char *dir)
{
	door_open(d, dir, 0);
	door_small_model(d);
	door_text("birds.txt", 400);
	door_say(d, CMD_DATA, "birds.txt", 0);
}

static double value(struct door *d, const char *key)
{
	door_say(d, CMD_GET, key, 0);
	return atof(strchr(d->out.s, ' ') + 1);
}

static int count(const char *text, const char *what)
{
	int n = 0;
	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

static int exists(const char *path)
{
	return !access(path, F_OK);
}

/* --- runs --- */

static void a_run_and_its_record(void **state)
{
	(void)state;
	static struct door d;
	struct str m = {0};
	open_small(&d, "c1");
	door_say(&d, CMD_SET, "ckpt.every 2", 0);
	door_say(&d, CMD_SET, "eval.every 2", 0);
	door_say(&d, CMD_SET, "ckpt.keep 1", 0);
	door_say(&d, CMD_LR, "3e-3 constant warmup=0", 0);
	door_say(&d, CMD_TRAIN, "4", 0);
	door_say(&d, CMD_TRAIN, "2", 0);
	assert_true(exists("c1/best.ckpt") && exists("c1/step-00000006.ckpt"));
	assert_false(exists("c1/step-00000002.ckpt") || exists("c1/step-00000004.ckpt"));
	struct engine_snapshot *s = malloc(sizeof *s);
	engine_snapshot(d.g, s);
	assert_true(s->best_val == d.best_val && s->best_step == 6);
	assert_true(s->ckpt_step == 6 && s->ckpt_age >= 0 && s->ckpt_age < 100);
	int saved = d.nckpt;
	door_say(&d, CMD_STOP_SAVE, "SIGTERM", 0);
	assert_int_equal(d.nckpt, saved); /* there is nothing new to save */
	engine_snapshot(d.g, s);
	assert_string_equal(s->run_dir, "c1"); /* for the last words of a screen */
	free(s);
	door_free(&d);
	door_open(&d, "c1", 1);
	door_say(&d, CMD_TRAIN, "1", 0);
	door_say(&d, CMD_STOP_NOW, "quit", 0);
	door_free(&d);
	assert_int_equal(file_read(&m, "c1/metrics.jsonl", "metrics", 1 << 20, NULL), 0);
	assert_int_equal(count(m.s, "\"event\":\"start\""), 2);
	assert_int_equal(count(m.s, "\"resumed\":6"), 1);
	assert_int_equal(count(m.s, "\"resumed\""), 1);
	assert_int_equal(count(m.s, "\"event\":\"step\""), 7);
	assert_int_equal(count(m.s, "\"event\":\"eval\""), 4); /* 0, 2, 4, 6 */
	assert_non_null(strstr(m.s, "\"event\":\"stop\",\"reason\":\"SIGTERM\""));
	assert_non_null(strstr(m.s, "\"event\":\"stop\",\"reason\":\"quit, not saved\""));
	str_done(&m);
}

/* Without learning no validation is lower than the first: nothing is the best. */
static void nothing_better_nothing_best(void **state)
{
	(void)state;
	static struct door d;
	open_small(&d, "c2");
	door_say(&d, CMD_SET, "eval.every 1", 0);
	door_say(&d, CMD_LR, "0", 0);
	door_say(&d, CMD_TRAIN, "3", 0);
	assert_int_equal(d.neval, 4);
	assert_false(exists("c2/best.ckpt"));
	door_close(&d, 0);
}

/* best.ckpt can not be written for a while, and a numbered checkpoint of the same step is: the next evaluation that is as good makes it, here and in a session that goes on. */
static void a_best_that_was_not_kept_comes_back(void **state)
{
	(void)state;
	static struct door d;
	open_small(&d, "c12");
	door_say(&d, CMD_SET, "ckpt.every 2", 0);
	door_say(&d, CMD_SET, "eval.every 2", 0);
	door_say(&d, CMD_LR, "3e-3 constant warmup=0", 0);
	door_say(&d, CMD_TRAIN, "1", 0);
	assert_int_equal(mkdir("c12/best.ckpt", 0777), 0);
	door_say(&d, CMD_TRAIN, "3", 0);
	assert_int_equal(count(d.log.s, "best.ckpt: exists and is no file: training goes on"), 2);
	assert_true(exists("c12/step-00000004.ckpt"));
	door_close(&d, 0);
	door_open(&d, "c12", 1);
	assert_int_equal(rmdir("c12/best.ckpt"), 0);
	door_say(&d, CMD_EVAL, "", 0);
	door_say(&d, CMD_VERIFY, "c12/best.ckpt", 0);
	assert_int_equal(count(d.log.s, "best.ckpt: does not hold the best of step 4"), 1);
	/* The same without an end in between. */
	assert_true(!unlink("c12/best.ckpt") && !mkdir("c12/best.ckpt", 0777));
	door_say(&d, CMD_TRAIN, "2", 0);
	assert_int_equal(count(d.log.s, "best.ckpt: exists and is no file: training goes on"), 1);
	assert_int_equal(rmdir("c12/best.ckpt"), 0);
	door_say(&d, CMD_EVAL, "", 0);
	door_say(&d, CMD_VERIFY, "c12/best.ckpt", 0);
	door_close(&d, 0);
	/* What holds it is left alone. */
	door_open(&d, "c12", 1);
	door_say(&d, CMD_INFO, "", 0);
	assert_int_equal(count(d.log.s ? d.log.s : "", "does not hold"), 0);
	door_close(&d, 0);
}

static void load_keeps_what_was_set(void **state)
{
	(void)state;
	static struct door d;
	static const char *const bad[] = {"", ".hidden", "a/b", "best", "step-00000001", "..", "a\\b"};
	open_small(&d, "c3");
	door_say(&d, CMD_TRAIN, "2", 0);
	door_say(&d, CMD_CKPT, "two", 0);
	door_say(&d, CMD_SET, "accum 2", 0);
	door_say(&d, CMD_TRAIN, "1", 0);
	door_say(&d, CMD_LR, "5e-4", 0);
	door_say(&d, CMD_LOAD, "two", 0);
	assert_true(value(&d, "lr.max") == 5e-4 && value(&d, "accum") == 2);
	assert_int_equal(door_run(&d, CMD_UNDO, ""), ERR_STATE);
	door_say(&d, CMD_TRAIN, "1", 0);
	assert_int_equal(d.step[d.nstep - 1].step, 3);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(door_await(&d, door_send_words(&d, CMD_CKPT, &bad[i], 1, 1)), ERR_USAGE);
	door_close(&d, 0);
}

static void changed_data_are_noticed(void **state)
{
	(void)state;
	static struct door d;
	open_small(&d, "c4");
	door_say(&d, CMD_TRAIN, "1", 0);
	door_close(&d, 1);
	door_open(&d, "c4", 1);
	door_say(&d, CMD_INFO, "", 0);
	assert_true(!d.log.s || !strstr(d.log.s, "changed"));
	door_close(&d, 0);
	door_text("birds.txt", 500);
	door_open(&d, "c4", 1);
	door_say(&d, CMD_INFO, "", 0);
	assert_non_null(strstr(d.log.s, "birds.txt has changed"));
	door_say(&d, CMD_TRAIN, "1", 0);
	door_close(&d, 0);
}

/* --- settings and data --- */

static void undo_step_by_step(void **state)
{
	(void)state;
	static struct door d;
	open_small(&d, "c5");
	door_say(&d, CMD_NEW, "stories260k", 0);
	double preset = value(&d, "lr.max");
	door_say(&d, CMD_SET, "lr.max 0.5", 0);
	door_say(&d, CMD_SET, "clip 3", 0);
	door_say(&d, CMD_UNDO, "", 0);
	assert_true(value(&d, "clip") == 1 && value(&d, "lr.max") == 0.5);
	door_say(&d, CMD_UNDO, "", 0);
	assert_true(value(&d, "lr.max") == preset);
	assert_int_equal(door_run(&d, CMD_UNDO, ""), ERR_STATE);
	door_say(&d, CMD_NEW, "demo", 0); /* not set any more: the preset's own */
	assert_true(value(&d, "lr.max") != preset);
	door_close(&d, 0);
}

static void failed_data_change_nothing(void **state)
{
	(void)state;
	static struct door d;
	open_small(&d, "c6");
	double val = value(&d, "data.val");
	door_text("one-line.txt", 1);
	assert_true(door_run(&d, CMD_DATA, "missing.txt order=shuffle val=0.4") < 0);
	assert_true(door_run(&d, CMD_DATA, "one-line.txt order=shuffle val=0.4") < 0); /* a tokenizer is made, then it is too short */
	assert_true(value(&d, "data.val") == val);
	door_say(&d, CMD_GET, "data.order", 0);
	assert_non_null(strstr(d.out.s, "random"));
	door_say(&d, CMD_SAMPLE, "5 Line", 0);
	door_say(&d, CMD_TRAIN, "1", 0);
	assert_int_equal(d.neval, 1);
	door_close(&d, 0);
}

/* --- samples --- */

static void samples_differ_and_stop(void **state)
{
	(void)state;
	static struct door d;
	struct str a = {0};
	open_small(&d, "c7");
	door_say(&d, CMD_SAMPLE, "40 Line", 0);
	str_puts(&a, d.sample.s);
	door_say(&d, CMD_SAMPLE, "40 Line", 0);
	assert_string_not_equal(a.s, d.sample.s); /* another one each time */
	door_say(&d, CMD_SET, "sample.seed 9", 0);
	door_say(&d, CMD_SAMPLE, "40 Line", 0);
	str_clear(&a);
	str_puts(&a, d.sample.s);
	door_say(&d, CMD_SAMPLE, "40 Line", 0);
	assert_string_equal(a.s, d.sample.s);
	assert_true(a.len > 10);
	char stop[3] = {a.s[4], 0, 0}, set[64]; /* a byte of it; what comes before does not have it */
	size_t at = strcspn(a.s, stop);
	if (stop[0] > ' ' && stop[0] != '"') {
		const char *const word[] = {"sample.stop", stop};
		assert_int_equal(door_await(&d, door_send_words(&d, CMD_SET, word, 2, 1)), 0);
		door_say(&d, CMD_SAMPLE, "40 Line", 0);
		snprintf(set, sizeof set, "%.*s", (int)at, a.s);
		assert_string_equal(d.sample.s ? d.sample.s : "", set);
	}
	str_done(&a);
	door_close(&d, 0);
}

/* Samples that come by themselves, and asked-for ones, leave every number of training as it is. */
static void samples_do_not_disturb(void **state)
{
	(void)state;
	static struct door a, b;
	open_small(&a, "c8");
	door_say(&a, CMD_SET, "accum 2", 0);
	door_say(&a, CMD_TRAIN, "12", 0);
	open_small(&b, "c9");
	door_say(&b, CMD_SET, "accum 2", 0);
	door_say(&b, CMD_SET, "sample.every 0.0001", 0);
	uint32_t id = door_send(&b, CMD_TRAIN, "12", 1);
	door_say(&b, CMD_SAMPLE, "10 Line", 0);
	assert_int_equal(door_await(&b, id), 0);
	assert_true(b.nbegin >= 10);
	assert_true(a.nstep == 12 && b.nstep == 12);
	for (int i = 0; i < 12; i++) {
		assert_true(a.step[i].loss == b.step[i].loss && a.step[i].grad_norm == b.step[i].grad_norm);
		assert_true(a.step[i].lr == b.step[i].lr && a.step[i].tokens == b.step[i].tokens);
	}
	door_close(&a, 0);
	door_close(&b, 0);
}

/* --- training and looking --- */

/* An interrupt ends the sample; training, which was there before, goes on. */
static void interrupt_ends_one_thing(void **state)
{
	(void)state;
	static struct door d;
	open_small(&d, "c10");
	assert_int_equal(door_await(&d, door_send(&d, CMD_TRAIN, "", 0)), 0); /* not from a script: done at once */
	door_say(&d, CMD_WAIT, "step 2", 0);
	uint32_t id = door_send(&d, CMD_SAMPLE, "1000000", 1);
	while (!d.nbegin)
		door_look(&d);
	engine_cancel(d.g);
	assert_int_equal(door_await(&d, id), ERR_CANCEL);
	uint64_t step = d.step[d.nstep - 1].step;
	char line[40];
	snprintf(line, sizeof line, "step %d", (int)step + 3);
	door_say(&d, CMD_WAIT, line, 0);
	struct engine_snapshot *s = malloc(sizeof *s);
	engine_snapshot(d.g, s);
	assert_int_equal(s->state, ENGINE_TRAINING);
	engine_cancel(d.g);
	do {
		door_nap();
		engine_snapshot(d.g, s);
	} while (s->state != ENGINE_PAUSED);
	free(s);
	door_close(&d, 0);
}

static void numbers_fit_together(void **state)
{
	(void)state;
	static struct door d;
	struct engine_snapshot *s = malloc(sizeof *s);
	open_small(&d, "c11");
	engine_snapshot(d.g, s);
	assert_true(s->remaining < 0 && s->ckpt_age < 0 && isnan(s->best_val) && isnan(s->last.loss) && s->tokens_per_s == 0);
	door_say(&d, CMD_SET, "accum 3", 0);
	uint32_t id = door_send(&d, CMD_TRAIN, "1000000", 1);
	door_say(&d, CMD_WAIT, "step 5", 0);
	engine_snapshot(d.g, s);
	assert_true(s->step >= 5 && s->tokens == s->step * 3 * 32 && s->target == 1000000 && s->elapsed > 0);
	assert_true(fabs(s->tokens_per_s * s->step_ms / 1e3 - 3 * 32) <= 1e-6);
	assert_true(fabs(s->remaining - (double)(s->target - s->step) * s->step_ms / 1e3) <= 1e-6 * s->remaining);
	engine_cancel(d.g);
	door_await(&d, id);
	engine_snapshot(d.g, s);
	assert_true(s->remaining < 0);
	door_say(&d, CMD_KERNELS, "", 0);
	double before = INFINITY, share = 0;
	int rows = 0;
	for (char *rest, *line = strtok_r(d.out.s, "\n", &rest); line && strncmp(line, "micro-step", 10); line = strtok_r(NULL, "\n", &rest)) {
		int last = !strncmp(line, "unaccounted", 11);
		double ms, part;
		if (strlen(line) < 21 || sscanf(line + 20, last ? "%lf %lf" : "%*d %lf %lf", &ms, &part) != 2)
			continue;
		assert_true(last || ms <= before);
		before = ms;
		share += part;
		rows++;
	}
	assert_true(rows > 8);
	if (!(fabs(share - 100) <= 0.1 * rows))
		fail_msg("%d rows make %.2f %%", rows, share);
	free(s);
	door_close(&d, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		door_test(a_run_and_its_record), door_test(nothing_better_nothing_best), door_test(a_best_that_was_not_kept_comes_back), door_test(load_keeps_what_was_set),
		door_test(changed_data_are_noticed), door_test(undo_step_by_step), door_test(failed_data_change_nothing),
		door_test(samples_differ_and_stop), door_test(samples_do_not_disturb), door_test(interrupt_ends_one_thing),
		door_test(numbers_fit_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
