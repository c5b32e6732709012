/* test_engine_stress.c: random commands, interrupts and looks at the engine: whatever comes, each command is answered once and training can go on.
 * Meant for the sanitizers too. SPDX-License-Identifier: MIT */
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
#include "support/door.h"

#define SMALL "demo layers=1 dim=32 hidden=48 heads=2 kv_heads=1 head_dim=16 vocab=300"

enum { COMMANDS = 400 };

static const struct { int op; const char *line; } table[] = {
	{CMD_TRAIN, "3"}, {CMD_TRAIN, "1000000"}, {CMD_TRAIN, ""}, {CMD_STEP, ""}, {CMD_PAUSE, ""}, {CMD_WAIT, "0.01"}, {CMD_WAIT, "step 5"},
	{CMD_WAIT, "loss<3"}, {CMD_SAMPLE, "30 once upon"}, {CMD_SAMPLE, "1000000"}, {CMD_EVAL, ""}, {CMD_CKPT, "here"}, {CMD_CKPT, ""},
	{CMD_LOAD, "here"}, {CMD_LOAD, "nowhere"}, {CMD_NEW, SMALL},
	{CMD_NEW, "demo layers=2 dim=16 hidden=24 heads=2 vocab=280"}, {CMD_NEW, "demo dim=0"}, {CMD_DATA, "stress.txt order=shuffle"},
	{CMD_DATA, "stress.txt val=0"}, {CMD_DATA, "missing.txt"}, {CMD_SET, "threads 1"}, {CMD_SET, "threads 3"},
	{CMD_SET, "threads 0"}, {CMD_SET, "seq 16"}, {CMD_SET, "seq 24"}, {CMD_SET, "batch 1"}, {CMD_SET, "batch 3"}, {CMD_SET, "accum 3"},
	{CMD_SET, "accum 1"}, {CMD_SET, "sample.every 0.02"}, {CMD_SET, "sample.every 0"}, {CMD_SET, "eval.every 4"}, {CMD_SET, "ckpt.every 6"},
	{CMD_SET, "data.order sequential"}, {CMD_LR, "1e-3 cosine"}, {CMD_LR, "3e-4"}, {CMD_UNDO, ""}, {CMD_GET, ""}, {CMD_INFO, ""},
	{CMD_KERNELS, ""}, {CMD_POWER, ""}, {CMD_MIL, "list"}, {CMD_MIL, "show fwdAttn"}, {CMD_RUNS, ""}, {CMD_TOKENIZE, "stress.txt out.bin"},
};

/* What a screen does between two keys. */
static void look_around(struct door *d, struct rng *r, struct engine_snapshot *s)
{
	for (uint64_t n = rng_below(r, 6); n; n--) {
		door_look(d);
		engine_snapshot(d->g, s);
		assert_true(s->queued >= 0 && s->queued <= 256);
		if (rng_below(r, 2))
			door_nap();
	}
	if (rng_below(r, 4) == 0)
		engine_cancel(d->g);
}

static void drive(const char *dir, uint64_t seed)
{
	static struct door d;
	static uint32_t id[COMMANDS];
	struct rng r;
	struct engine_snapshot *s = malloc(sizeof *s);
	rng_seed(&r, seed);
	door_open(&d, dir, 0);
	door_say(&d, CMD_NEW, SMALL, 0);
	door_say(&d, CMD_DATA, "stress.txt", 0); /* stays through new; the corpus would take its time under a sanitizer */
	for (int i = 0; i < COMMANDS; i++) {
		size_t k = (size_t)rng_below(&r, ARRAY_LEN(table));
		id[i] = door_send(&d, table[k].op, table[k].line, (int)rng_below(&r, 2));
		look_around(&d, &r, s);
		for (engine_snapshot(d.g, s); s->queued > 40; engine_snapshot(d.g, s)) { /* interrupted until the queue is short again */
			engine_cancel(d.g);
			door_look(&d);
			door_nap();
		}
	}
	uint32_t stop = door_send(&d, CMD_STOP_SAVE, "quit", 1);
	while (!d.stopped) {
		engine_cancel(d.g);
		door_look(&d);
		door_nap();
	}
	for (int i = 0; i < COMMANDS; i++)
		if (door_answers(&d, id[i]) != 1)
			fail_msg("seed %d: command %d was answered %d times", (int)seed, i, door_answers(&d, id[i]));
	assert_int_equal(door_answers(&d, stop), 1);
	free(s);
	door_free(&d);
}

static void random_commands(void **state)
{
	(void)state;
	door_text("stress.txt", 400);
	drive("s1", 1);
	drive("s2", 2);
}

/* After all that the run that was left can be gone on with. */
static void the_run_is_whole(void **state)
{
	(void)state;
	static struct door d;
	door_open(&d, "whole", 0);
	door_small_model(&d);
	door_say(&d, CMD_DATA, "stress.txt", 0);
	for (int i = 0; i < 5; i++) {
		uint32_t id = door_send(&d, CMD_TRAIN, "1000000", 1);
		for (int k = 0; k < 5; k++)
			door_nap();
		engine_cancel(d.g);
		door_await(&d, id);
	}
	uint64_t last = d.nstep ? d.step[d.nstep - 1].step : 0;
	door_close(&d, 1);
	door_open(&d, "whole", 1);
	door_say(&d, CMD_TRAIN, "1", 0);
	assert_int_equal(d.step[d.nstep - 1].step, last + 1);
	door_close(&d, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {door_test(random_commands), door_test(the_run_is_whole)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
