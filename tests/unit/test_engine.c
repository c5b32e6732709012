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
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "engine.h"

#define SMALL "demo layers=1 dim=32 hidden=48 heads=2 kv_heads=1 head_dim=16 vocab=300"

/* One engine under test, and what it has said. */
struct door {
	struct engine *g;
	struct str out, log, sample;
	int code;              /* of the last command */
	char msg[EVENT_TEXT];
	struct step_obs step[2000];
	int nstep, neval, nmark, nckpt, nreset, stopped;
};

static void take(struct door *d, const struct engine_event *ev, uint32_t want, int *done)
{
	switch (ev->kind) {
	case EV_TEXT: str_puts(&d->out, ev->text); break;
	case EV_LOG: str_printf(&d->log, "%s\n", ev->text); break;
	case EV_SAMPLE: str_puts(&d->sample, ev->text); break;
	case EV_STEP: if (d->nstep < 2000) d->step[d->nstep++] = ev->obs; break;
	case EV_EVAL: d->neval++; break;
	case EV_MARK: d->nmark++; break;
	case EV_CKPT: d->nckpt++; break;
	case EV_RESET: d->nreset++; break;
	case EV_STOPPED: d->stopped = 1; break;
	case EV_DONE:
		if (ev->id == want) {
			d->code = ev->code;
			snprintf(d->msg, sizeof d->msg, "%s", ev->text);
			*done += 1;
		}
		break;
	default: break;
	}
}

static void nap(void)
{
	struct timespec t = {0, 1000000};
	nanosleep(&t, NULL);
}

static uint32_t send_words(struct door *d, int op, const char *const *word, int n, int scripted)
{
	struct engine_cmd c = {.id = engine_next_id(d->g), .op = op, .argc = n, .scripted = scripted};
	size_t at = 0;
	for (int i = 0; i < n; i++) {
		memcpy(c.words + at, word[i], strlen(word[i]) + 1);
		at += strlen(word[i]) + 1;
	}
	assert_int_equal(engine_send(d->g, &c, NULL), 0);
	return c.id;
}

/* Words of a line, by blanks. */
static uint32_t send_line(struct door *d, int op, const char *line, int scripted)
{
	char buf[512];
	const char *word[32];
	int n = 0;
	snprintf(buf, sizeof buf, "%s", line);
	for (char *p = strtok(buf, " "); p; p = strtok(NULL, " "))
		word[n++] = p;
	return send_words(d, op, word, n, scripted);
}

static int await(struct door *d, uint32_t id)
{
	struct engine_event ev;
	int done = 0;
	uint64_t end = clock_ns() + 120000000000u;
	while (!done && clock_ns() < end) {
		if (engine_event(d->g, &ev))
			take(d, &ev, id, &done);
		else
			nap();
	}
	assert_int_equal(done, 1);
	return d->code;
}

static int run(struct door *d, int op, const char *line)
{
	str_clear(&d->out);
	str_clear(&d->sample);
	return await(d, send_line(d, op, line, 1));
}

static void say(struct door *d, int op, const char *line, int want)
{
	if (run(d, op, line) != want)
		fail_msg("%s %s: %d %s", op < CMD_N ? command_row((enum command_id)op)->name : "?", line, d->code, d->msg);
}

static void open_door(struct door *d, const char *dir, int resume)
{
	struct engine_options o = {.run_dir = dir, .resume = resume};
	struct err e;
	memset(d, 0, sizeof *d);
	d->g = engine_start(&o, &e);
	assert_non_null(d->g);
}

static void close_door(struct door *d, int save)
{
	say(d, save ? CMD_STOP_SAVE : CMD_STOP_NOW, "quit", 0);
	engine_free(d->g);
	str_done(&d->out);
	str_done(&d->log);
	str_done(&d->sample);
}

static void small_model(struct door *d)
{
	say(d, CMD_SET, "seq 16", 0);
	say(d, CMD_SET, "batch 2", 0);
	say(d, CMD_SET, "eval.batches 2", 0);
	say(d, CMD_SET, "sample.every 0", 0);
	say(d, CMD_NEW, SMALL, 0);
}

static void trains_samples_saves(void **state)
{
	(void)state;
	static struct door d;
	open_door(&d, "r1", 0);
	small_model(&d);
	say(&d, CMD_TRAIN, "12", 0);
	assert_int_equal(d.nstep, 12);
	assert_int_equal(d.neval, 1); /* at step 0 */
	for (int i = 0; i < 12; i++) {
		assert_int_equal(d.step[i].step, i + 1);
		assert_int_equal(d.step[i].tokens, (i + 1) * 32);
		assert_true(d.step[i].loss > 0 && d.step[i].loss < 20 && d.step[i].grad_norm > 0);
	}
	say(&d, CMD_SAMPLE, "20", 0);
	assert_true(d.sample.len > 0);
	say(&d, CMD_CKPT, "", 0);
	assert_int_equal(access("r1/step-00000012.ckpt", R_OK), 0);
	assert_int_equal(access("r1/metrics.jsonl", R_OK), 0);
	assert_int_equal(access("r1/settings.cmd", R_OK), 0);
	say(&d, CMD_VERIFY, "r1/step-00000012.ckpt", 0);
	say(&d, CMD_KERNELS, "", 0);
	assert_non_null(strstr(d.out.s, "fwdAttn"));
	assert_non_null(strstr(d.out.s, "unaccounted"));
	say(&d, CMD_INFO, "", 0);
	say(&d, CMD_POWER, "", 0);
	say(&d, CMD_MIL, "list", 0);
	say(&d, CMD_MIL, "show sdpaBwd2", 0);
	assert_non_null(strstr(d.out.s, "program(1.3)"));
	say(&d, CMD_GET, "", 0);
	say(&d, CMD_RUNS, "", 0);
	struct engine_snapshot *s = malloc(sizeof *s);
	engine_snapshot(d.g, s);
	assert_int_equal(s->step, 12);
	assert_int_equal(s->state, ENGINE_PAUSED);
	assert_string_equal(s->run_dir, "r1");
	assert_true(s->timing.micro >= 12);
	free(s);
	close_door(&d, 1);
}

static void live_change(void **state)
{
	(void)state;
	static struct door d;
	open_door(&d, "r2", 0);
	small_model(&d);
	say(&d, CMD_LR, "1e-3 constant warmup=0", 0);
	say(&d, CMD_TRAIN, "3", 0);
	assert_true(d.step[2].lr == 1e-3);
	say(&d, CMD_LR, "3e-4", 0);
	assert_non_null(strstr(d.log.s, "0.001 -> 0.0003"));
	say(&d, CMD_TRAIN, "1", 0);
	assert_true(d.step[3].lr == 3e-4);
	assert_true(d.nmark >= 1);
	say(&d, CMD_UNDO, "", 0);
	say(&d, CMD_TRAIN, "1", 0);
	assert_true(d.step[4].lr == 1e-3);
	say(&d, CMD_SET, "batch 3", 0);
	say(&d, CMD_TRAIN, "1", 0);
	assert_int_equal(d.step[5].tokens - d.step[4].tokens, 48);
	struct str m = {0};
	assert_int_equal(file_read(&m, "r2/metrics.jsonl", "metrics", 1 << 20, NULL), 0);
	assert_non_null(strstr(m.s, "\"key\":\"lr.max\",\"old\":0.001,\"new\":0.0003"));
	str_done(&m);
	close_door(&d, 1);
}

static void wait_and_interrupt(void **state)
{
	(void)state;
	static struct door d;
	open_door(&d, "r3", 0);
	small_model(&d);
	say(&d, CMD_WAIT, "step 4", 0); /* trains until then, and pauses */
	assert_int_equal(d.step[d.nstep - 1].step, 4);
	uint32_t id = send_line(&d, CMD_TRAIN, "", 1); /* until interrupted */
	say(&d, CMD_WAIT, "step 8", 0);
	say(&d, CMD_GET, "seq", 0); /* answered meanwhile */
	engine_cancel(d.g);
	assert_int_equal(await(&d, id), 0); /* its regular end */
	id = send_line(&d, CMD_TRAIN, "1000000", 1);
	nap();
	engine_cancel(d.g);
	assert_int_equal(await(&d, id), ERR_CANCEL);
	id = send_line(&d, CMD_WAIT, "100000", 1);
	nap();
	engine_cancel(d.g);
	assert_int_equal(await(&d, id), ERR_CANCEL);
	say(&d, CMD_WAIT, "0.01", 0);
	say(&d, CMD_TRAIN, "1", 0); /* goes on */
	close_door(&d, 0);
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
	open_door(&d, "r4", 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int code = run(&d, bad[i].op, bad[i].line);
		if (!(code < 0) || (bad[i].code && code != bad[i].code) || (bad[i].words && !strstr(d.msg, bad[i].words)) || strchr(d.msg, '\n'))
			fail_msg("%s: %d \"%s\"", bad[i].line, code, d.msg);
	}
	small_model(&d);
	say(&d, CMD_TRAIN, "1", 0);
	assert_true(run(&d, CMD_SET, "seq 2000") < 0); /* beyond the context */
	assert_true(run(&d, CMD_DATA, "empty.txt") < 0);
	say(&d, CMD_TRAIN, "1", 0); /* nothing was lost */
	close_door(&d, 1);
}

/* 12 steps straight and 5 + resume + 7 with samples on the way: the same step events and checkpoint bytes. */
static void resume_is_exact(void **state)
{
	(void)state;
	static struct door a, b, c;
	open_door(&a, "ra", 0);
	small_model(&a);
	say(&a, CMD_SET, "data.order shuffle", 0);
	say(&a, CMD_TRAIN, "12", 0);
	say(&a, CMD_CKPT, "end", 0);
	open_door(&b, "rb", 0);
	small_model(&b);
	say(&b, CMD_SET, "data.order shuffle", 0);
	say(&b, CMD_TRAIN, "5", 0);
	say(&b, CMD_SAMPLE, "8", 0);
	close_door(&b, 1);
	open_door(&c, "rb", 1);
	say(&c, CMD_SET, "data.order shuffle", 0); /* the same again: must not begin the data anew */
	say(&c, CMD_SAMPLE, "8", 0);
	say(&c, CMD_TRAIN, "7", 0);
	assert_true(c.nstep >= 12); /* 5 from the record, 7 new */
	for (int i = 0; i < 7; i++) {
		const struct step_obs *x = &a.step[5 + i], *y = &c.step[c.nstep - 7 + i];
		assert_int_equal(x->step, y->step);
		assert_true(x->loss == y->loss && x->grad_norm == y->grad_norm && x->lr == y->lr && x->tokens == y->tokens);
	}
	close_door(&a, 1);
	close_door(&c, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trains_samples_saves), cmocka_unit_test(live_change), cmocka_unit_test(wait_and_interrupt),
		cmocka_unit_test(bad_input_is_one_line), cmocka_unit_test(resume_is_exact),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
