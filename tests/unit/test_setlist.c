/* test_setlist.c: the list of the settings screen: its rows, and the steps of every setting in the table. No drawing, no engine.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tui/setlist.h"

enum { PRESSES = 1000 };

static double number_of(enum setting_id id, const char *value)
{
	double num;
	char text[SETTING_TEXT_MAX];
	struct err e;
	if (setting_parse(id, value, &num, text, &e))
		fail_msg("a step leads to what `set` refuses: %s", e.msg);
	return num;
}

/* Presses from the default on: each value is legal, further than the one before, and there is an end; words come round instead. */
static void go(enum setting_id id, int by)
{
	const struct setting_row *r = setting_row(id);
	char value[SETTING_TEXT_MAX], next[SETTING_TEXT_MAX], first[SETTING_TEXT_MAX];
	int round = r->kind == SETTING_BOOL || r->kind == SETTING_CHOICE, named = r->max > 1e12, presses = 0;
	setlist_default(id, value);
	strcpy(first, value);
	while (setlist_step(id, value, by, next)) {
		double was = number_of(id, value), is = number_of(id, next);
		if (!round && !(by > 0 ? is > was : is < was))
			fail_msg("%s: %s is followed by %s", r->key, value, next);
		strcpy(value, next);
		if (round && !strcmp(value, first))
			break;
		if (++presses > PRESSES && !named)
			fail_msg("%s: %d presses lead to %s, and there is no end", r->key, presses, value);
		if (named && presses > 50)
			return;
	}
	if (round && presses + 1 != (int)(r->kind == SETTING_BOOL ? 2 : r->max + 1))
		fail_msg("%s: comes round after %d presses", r->key, presses + 1);
	double end = by > 0 ? r->max : r->kind == SETTING_AUTO ? SETTING_IS_AUTO : r->kind == SETTING_COUNT ? 0 : r->min;
	if (!round && !(number_of(id, value) == end))
		fail_msg("%s: ends at %s", r->key, value);
}

static void test_steps(void **s)
{
	(void)s;
	char out[SETTING_TEXT_MAX];
	for (int id = 0; id < SET_N; id++) {
		if (setting_row((enum setting_id)id)->kind == SETTING_TEXT) {
			assert_int_equal(setlist_step((enum setting_id)id, "a b", 1, out), 0);
			continue;
		}
		go((enum setting_id)id, 1);
		go((enum setting_id)id, -1);
	}
}

static void test_some_steps(void **s)
{
	(void)s;
	static const struct { enum setting_id id; const char *from; int by; const char *to; } cases[] = {
		{SET_LR_MAX, "0.0003", 1, "0.00035"}, {SET_LR_MAX, "0.0003", -1, "0.00025"}, {SET_LR_MAX, "0.001", -1, "0.0009"}, {SET_LR_MAX, "0.00031", 1, "0.00035"},
		{SET_LR_MAX, "0", 1, "0.0003"}, {SET_LR_MAX, "0.001", 10, "0.002"}, {SET_SEQ, "256", 1, "512"}, {SET_SEQ, "256", -2, "64"}, {SET_SEQ, "300", 1, "350"},
		{SET_BATCH, "1", 1, "2"}, {SET_ADAM_BETA2, "0.95", 1, "0.98"}, {SET_ADAM_BETA2, "0.95", -1, "0.9"}, {SET_ADAM_EPS, "1e-08", -1, "9e-09"},
		{SET_SEED, "1337", 1, "1338"}, {SET_THREADS, "auto", 1, "1"}, {SET_THREADS, "1", -1, "auto"}, {SET_LOSS_SCALE, "auto", 1, "off"}, {SET_LOSS_SCALE, "off", 1, "1"},
		{SET_LOSS_SCALE, "65536", 1, "131072"}, {SET_LR_SHAPE, "wsd", 1, "constant"}, {SET_LR_SHAPE, "constant", -1, "wsd"}, {SET_EXTRAS, "off", -1, "on"}, {SET_CKPT_EVERY, "500", 1, "600"}};
	char out[SETTING_TEXT_MAX];
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(setlist_step(cases[i].id, cases[i].from, cases[i].by, out), 1);
		assert_string_equal(out, cases[i].to);
	}
	assert_int_equal(setlist_step(SET_LR_MAX, "10", 1, out), 0);
	assert_int_equal(setlist_step(SET_LR_MAX, "no number", 1, out), 0);
}

static void test_rows(void **s)
{
	(void)s;
	static struct view v;
	int list[SET_N];
	char text[SETTING_TEXT_MAX];
	assert_int_equal(view_init(&v), 0);
	settings_init(&v.live->snap.settings);
	assert_int_equal(setlist_make(&v, list), SET_N);
	for (int id = 0; id < SET_N; id++) {
		assert_false(setlist_differs(&v.live->snap.settings, (enum setting_id)id));
		assert_true(setlist_range((enum setting_id)id, text)[0] && setlist_when((enum setting_id)id)[0]);
		/* The default is what `set` would take, and would change nothing. */
		assert_int_equal(settings_set(&v.live->snap.settings, (enum setting_id)id, setlist_default((enum setting_id)id, text), NULL), 0);
		assert_false(setlist_differs(&v.live->snap.settings, (enum setting_id)id));
	}
	settings_set(&v.live->snap.settings, SET_LORA_TARGETS, "q_proj", NULL);
	settings_set(&v.live->snap.settings, SET_CLIP, "2", NULL);
	assert_true(setlist_differs(&v.live->snap.settings, SET_LORA_TARGETS) && setlist_differs(&v.live->snap.settings, SET_CLIP));
	setlist_open(&v, "BETA");
	assert_int_equal(setlist_make(&v, list), 2);
	assert_int_equal(v.setlist.at, SET_ADAM_BETA1);
	setlist_move(&v, 5);
	assert_int_equal(v.setlist.at, SET_ADAM_BETA2);
	setlist_move(&v, -5);
	assert_int_equal(v.setlist.at, SET_ADAM_BETA1);
	/* A key is chosen, wherever others have it in their help. */
	setlist_open(&v, "seed");
	assert_int_equal(v.setlist.at, SET_SEED);
	setlist_open(&v, "there is none with this");
	assert_int_equal(setlist_make(&v, list), 0);
	setlist_move(&v, 1);
	assert_int_equal(v.setlist.at, SET_SEED);
	setlist_close(&v);
	assert_int_equal(setlist_make(&v, list), SET_N);
	assert_false(v.setlist.open);
	view_done(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps), cmocka_unit_test(test_some_steps), cmocka_unit_test(test_rows)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
