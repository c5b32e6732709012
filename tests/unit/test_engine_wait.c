/* test_engine_wait.c: commands whose end lies ahead: every one is answered once, whatever comes in between.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine.h"
#include "support/door.h"

static void ended_by_what_comes_in_between(void **state)
{
	(void)state;
	static struct door d;
	door_open(&d, "w1", 0);
	door_small_model(&d);
	uint32_t far = door_send(&d, CMD_TRAIN, "1000000", 1), open_end = door_send(&d, CMD_TRAIN, "", 1);
	uint32_t loss = door_send(&d, CMD_WAIT, "loss<0.000001", 1), later = door_send(&d, CMD_WAIT, "1000000", 1);
	door_say(&d, CMD_STEP, "", 0); /* ends with a pause: those that wait for training can not be right any more */
	assert_int_equal(door_await(&d, far), ERR_STATE);
	assert_int_equal(door_await(&d, loss), ERR_STATE);
	assert_int_equal(door_await(&d, open_end), 0);
	assert_int_equal(door_answers(&d, later), 0);

	door_say(&d, CMD_CKPT, "here", 0);
	far = door_send(&d, CMD_TRAIN, "1000000", 1);
	door_say(&d, CMD_LOAD, "here", 0);
	assert_int_equal(door_await(&d, far), ERR_STATE);
	far = door_send(&d, CMD_TRAIN, "1000000", 1);
	door_say(&d, CMD_NEW, "demo layers=1 dim=32 hidden=48 heads=2 vocab=300", 0);
	assert_int_equal(door_await(&d, far), ERR_STATE);
	far = door_send(&d, CMD_TRAIN, "1000000", 1);
	door_say(&d, CMD_PAUSE, "", 0);
	assert_int_equal(door_await(&d, far), ERR_STATE);
	assert_non_null(strstr(d.msg, "before the end"));

	far = door_send(&d, CMD_TRAIN, "1000000", 1);
	uint32_t stop = door_send(&d, CMD_STOP_NOW, "quit", 1), behind = door_send(&d, CMD_GET, "", 1), again = door_send(&d, CMD_STOP_NOW, "quit", 1);
	while (!d.stopped)
		door_look(&d);
	assert_int_equal(door_await(&d, stop), 0);
	assert_int_equal(door_await(&d, again), 0);
	assert_int_equal(door_await(&d, far), ERR_CANCEL);
	assert_int_equal(door_await(&d, later), ERR_CANCEL);
	assert_int_equal(door_await(&d, behind), ERR_CANCEL);
	door_free(&d);
}

/* Answered in the order in which they came. */
static void order_of_answers(void **state)
{
	(void)state;
	static struct door d;
	uint32_t id[4];
	door_open(&d, "w2", 0);
	door_small_model(&d);
	id[3] = door_send(&d, CMD_TRAIN, "6", 1);
	for (int i = 0; i < 3; i++)
		id[i] = door_send(&d, CMD_WAIT, "step 4", 1);
	door_await(&d, id[3]);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(d.done[d.ndone - 4 + i].id, id[i]);
		assert_int_equal(d.done[d.ndone - 4 + i].code, 0);
	}
	assert_int_equal(door_run(&d, CMD_WAIT, "step 3.5"), ERR_RANGE);
	assert_int_equal(door_run(&d, CMD_WAIT, "0x10"), ERR_RANGE);
	door_close(&d, 0);
}

/* A step or a loss that lies too far ahead: the seconds behind it are enough, and are its regular end. */
static void no_longer_than_seconds(void **state)
{
	(void)state;
	static struct door d;
	door_open(&d, "w7", 0);
	door_small_model(&d);
	assert_int_equal(door_run(&d, CMD_WAIT, "step 1000000000 0.05"), 0);
	uint32_t train = door_send(&d, CMD_TRAIN, "1000000", 1);
	assert_int_equal(door_run(&d, CMD_WAIT, "loss<0.000001 0.05"), 0);
	assert_int_equal(door_answers(&d, train), 0); /* who had begun to train goes on */
	door_say(&d, CMD_PAUSE, "", 0);
	assert_int_equal(door_await(&d, train), ERR_STATE);
	assert_int_equal(door_run(&d, CMD_WAIT, "step 0 1000000"), 0);
	assert_int_equal(door_run(&d, CMD_WAIT, "step 5 soon"), ERR_RANGE);
	assert_int_equal(door_run(&d, CMD_WAIT, "loss<2 -1"), ERR_RANGE);
	assert_int_equal(door_run(&d, CMD_WAIT, "step"), ERR_RANGE);
	assert_int_equal(door_run(&d, CMD_WAIT, "5 6"), ERR_USAGE);
	assert_int_equal(door_run(&d, CMD_WAIT, "loss<2 3 4"), ERR_USAGE);
	door_close(&d, 0);
}

/* A queue that would take hours does not keep engine_free from coming back, and a save that was asked for is made. */
static void freed_with_a_full_queue(void **state)
{
	(void)state;
	static struct door d;
	door_open(&d, "w3", 0);
	door_small_model(&d);
	door_say(&d, CMD_TRAIN, "2", 0);
	for (int i = 0; i < 200; i++)
		door_send(&d, CMD_SAMPLE, "1000000", 1);
	door_send(&d, CMD_STOP_SAVE, "SIGTERM", 1);
	door_free(&d);
	assert_int_equal(access("w3/step-00000002.ckpt", R_OK), 0);
	door_open(&d, "w4", 0);
	for (int i = 0; i < 250; i++)
		door_send(&d, CMD_WAIT, "1000000", 1);
	door_free(&d);
	assert_int_equal(access("w4", F_OK), -1);
}

/* What can not be saved is not dropped. */
static void new_keeps_what_it_can_not_save(void **state)
{
	(void)state;
	static struct door d;
	door_open(&d, "w5", 0);
	door_small_model(&d);
	door_say(&d, CMD_TRAIN, "2", 0);
	assert_int_equal(mkdir("w5/step-00000002.ckpt", 0777), 0);
	assert_true(door_run(&d, CMD_NEW, "demo") < 0);
	assert_non_null(strstr(d.msg, "w5/step-00000002.ckpt"));
	door_say(&d, CMD_TRAIN, "1", 0);
	assert_int_equal(d.step[d.nstep - 1].step, 3);
	door_close(&d, 1);
	assert_int_equal(access("w5/step-00000003.ckpt", R_OK), 0);
}

static void wait_until_idle(struct door *d)
{
	struct engine_snapshot *s = malloc(sizeof *s);
	do {
		door_nap();
		engine_snapshot(d->g, s);
	} while (s->queued);
	free(s);
}

/* Nobody reads for a while: the event ring is full many times over. All answers are there afterwards, whole and in their order. */
static void asleep(void **state)
{
	(void)state;
	static struct door d;
	uint32_t id[60];
	struct str first = {0}, get = {0};
	door_open(&d, "w6", 0);
	door_small_model(&d);
	door_say(&d, CMD_SET, "sample.seed 5", 0);
	door_say(&d, CMD_SAMPLE, "12000 once", 0);
	str_puts(&first, d.sample.s);
	door_say(&d, CMD_GET, "", 0);
	str_puts(&get, d.out.s);
	str_clear(&d.sample);
	str_clear(&d.out);
	for (int i = 0; i < 60; i++)
		id[i] = i % 30 ? door_send(&d, CMD_GET, "", 1) : door_send(&d, CMD_SAMPLE, "12000 once", 1);
	uint32_t train = door_send(&d, CMD_TRAIN, "20", 1);
	wait_until_idle(&d);
	door_look(&d);
	door_await(&d, train);
	for (int i = 0; i < 60; i++)
		assert_int_equal(d.done[d.ndone - 61 + i].id, id[i]);
	assert_int_equal(d.sample.len, 2 * first.len);
	assert_memory_equal(d.sample.s, first.s, first.len);
	assert_memory_equal(d.sample.s + first.len, first.s, first.len);
	assert_int_equal(d.out.len, 58 * get.len);
	for (size_t i = 0; i < 58; i++)
		assert_memory_equal(d.out.s + i * get.len, get.s, get.len);
	str_done(&first);
	str_done(&get);
	door_close(&d, 0);
}

/* Bytes that are no UTF-8 have no end of a character to cut at: they come through all the same. */
static void long_and_broken_prompt(void **state)
{
	(void)state;
	static struct door d;
	static char prompt[2000];
	memset(prompt, 0x80, sizeof prompt - 1);
	const char *const word[] = {"3", prompt};
	door_open(&d, "w7", 0);
	door_small_model(&d);
	assert_int_equal(door_await(&d, door_send_words(&d, CMD_SAMPLE, word, 2, 1)), 0);
	assert_int_equal(d.nbegin, 1);
	door_close(&d, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		door_test(ended_by_what_comes_in_between), door_test(order_of_answers), door_test(no_longer_than_seconds), door_test(freed_with_a_full_queue),
		door_test(new_keeps_what_it_can_not_save), door_test(asleep), door_test(long_and_broken_prompt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
