/* test_trace.c: the timeline: its table, its JSON, and what a run puts into it. No duration is judged. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/trace.h"
#include "engine.h"
#include "model/dw.h"
#include "support/door.h"

/* --- reading --- */

struct seen {
	const char *name, *cat;
	int tid;
	int64_t begin, end, inside; /* ns; the spans directly inside it */
};

struct timeline {
	json_t *root;
	struct seen *span;
	size_t n;
};

static int64_t ns_of(const json_t *o, const char *key)
{
	return llround(json_number_value(json_object_get(o, key)) * 1000);
}

static int in_order(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;
	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return (x->end < y->end) - (x->end > y->end);
}

static struct timeline open_timeline(const char *path)
{
	json_error_t e;
	struct timeline t = {.root = json_load_file(path, 0, &e)};
	if (!t.root)
		fail_msg("%s: line %d: %s", path, e.line, e.text);
	const json_t *all = json_object_get(t.root, "traceEvents"), *o;
	size_t i;
	t.span = calloc(json_array_size(all) + 1, sizeof *t.span);
	assert_non_null(t.span);
	json_array_foreach(all, i, o) {
		if (strcmp(json_string_value(json_object_get(o, "ph")), "X"))
			continue;
		int64_t begin = ns_of(o, "ts");
		t.span[t.n++] = (struct seen){json_string_value(json_object_get(o, "name")), json_string_value(json_object_get(o, "cat")),
					      (int)json_integer_value(json_object_get(o, "tid")), begin, begin + ns_of(o, "dur"), 0};
	}
	qsort(t.span, t.n, sizeof *t.span, in_order);
	return t;
}

static void close_timeline(struct timeline *t)
{
	json_decref(t->root);
	free(t->span);
}

/* A span lies within the one that is open on its thread, or after it; never across its end. */
static void assert_nested(struct timeline *t)
{
	enum { DEPTH = 16 };
	struct seen *open[DEPTH];
	int n = 0;
	for (size_t i = 0; i < t->n; i++) {
		struct seen *s = &t->span[i];
		while (n && (open[n - 1]->tid != s->tid || open[n - 1]->end <= s->begin))
			n--;
		if (n && s->end > open[n - 1]->end)
			fail_msg("%s [%lld, %lld) ends after %s [%lld, %lld)", s->name, (long long)s->begin, (long long)s->end, open[n - 1]->name,
				 (long long)open[n - 1]->begin, (long long)open[n - 1]->end);
		if (n)
			open[n - 1]->inside += s->end - s->begin;
		assert_true(n < DEPTH);
		open[n++] = s;
	}
}

static size_t count(const struct timeline *t, const char *name)
{
	size_t n = 0;
	for (size_t i = 0; i < t->n; i++)
		n += !strcmp(t->span[i].name, name);
	return n;
}

static const char *thread_of(const struct timeline *t, int tid)
{
	const json_t *o;
	size_t i;
	json_array_foreach(json_object_get(t->root, "traceEvents"), i, o)
		if (!strcmp(json_string_value(json_object_get(o, "name")), "thread_name") && json_integer_value(json_object_get(o, "tid")) == tid)
			return json_string_value(json_object_get(json_object_get(o, "args"), "name"));
	return NULL;
}

/* --- the table --- */

static void off_costs_and_keeps_nothing(void **state)
{
	(void)state;
	assert_int_equal(trace_on(), 0);
	trace_span(TRACE_HOST, "nobody sees it", 1, 2, TRACE_NONE);
	assert_int_equal(trace_begin(100, NULL), 0);
	assert_int_equal(trace_begin(100, NULL), ERR_STATE);
	assert_int_equal(trace_count(), 0);
	uint64_t now = clock_ns();
	trace_span(TRACE_HOST, "too early", 1, now, TRACE_NONE);
	trace_span(TRACE_PROGRAM, "a \"name\" that is longer than its place", now, now + 1234567, 3);
	trace_end();
	trace_span(TRACE_HOST, "too late", now, now + 1, TRACE_NONE);
	assert_int_equal(trace_write("one.json", NULL), 0);
	trace_drop();
	struct timeline t = open_timeline("one.json");
	assert_int_equal(t.n, 1);
	assert_string_equal(t.span[0].name, "a \"name\" that is longer");
	assert_int_equal(t.span[0].end - t.span[0].begin, 1234567);
	assert_string_equal(t.span[0].cat, "program");
	close_timeline(&t);
}

static void a_full_table_stays_whole(void **state)
{
	(void)state;
	assert_int_equal(trace_begin(8, NULL), 0);
	for (int i = 0; i < 20; i++) {
		uint64_t now = clock_ns();
		trace_span(TRACE_HOST, "x", now, now, i);
	}
	trace_end();
	assert_int_equal(trace_count(), 8);
	assert_int_equal(trace_lost(), 12);
	assert_int_equal(trace_write("full.json", NULL), 0);
	assert_true(trace_write("no/such/folder.json", NULL) < 0);
	trace_drop();
	assert_int_equal(trace_lost() + trace_count(), 20);
	struct timeline t = open_timeline("full.json");
	assert_int_equal(t.n, 8);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(t.root, "otherData"), "lost")), 12);
	close_timeline(&t);
}

static atomic_int stop_writing;

static void *writes(void *arg)
{
	trace_thread(arg);
	while (!atomic_load(&stop_writing)) {
		uint64_t now = clock_ns();
		trace_span(TRACE_ASYNC, arg, now, clock_ns(), 1);
	}
	return NULL;
}

/* Ended and begun anew in the middle of other threads' spans: each file is whole, and nobody writes into freed memory. */
static void ends_in_the_middle(void **state)
{
	(void)state;
	static const char *const names[] = {"one", "two", "three"};
	pthread_t th[3];
	atomic_store(&stop_writing, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&th[i], NULL, writes, (void *)(uintptr_t)names[i]), 0);
	for (int k = 0; k < 40; k++) {
		assert_int_equal(trace_begin(300, NULL), 0);
		for (int i = 0; i < 1000 && trace_count() < 200; i++)
			usleep(10);
		trace_end();
		size_t n = trace_count();
		assert_int_equal(trace_write("middle.json", NULL), 0);
		trace_drop();
		struct timeline t = open_timeline("middle.json");
		assert_int_equal(t.n, n);
		for (size_t i = 0; i < t.n; i++)
			assert_string_equal(thread_of(&t, t.span[i].tid), t.span[i].name);
		assert_nested(&t);
		close_timeline(&t);
	}
	atomic_store(&stop_writing, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(th[i], NULL);
}

/* --- what is in it --- */

static void gradients_beside_the_device(void **state)
{
	(void)state;
	static float a[16 * 32], b[8 * 32], c[16 * 8];
	struct timing *tm = calloc(1, sizeof *tm);
	struct dw *q = dw_new(NULL, 1, tm, NULL);
	assert_non_null(q);
	assert_int_equal(trace_begin(100, NULL), 0);
	for (int i = 0; i < 5; i++)
		dw_add(q, 16, 8, 32, 1, a, b, c);
	dw_wait_all(q);
	trace_end();
	assert_int_equal(trace_write("dw.json", NULL), 0);
	trace_drop();
	dw_free(q);
	free(tm);
	struct timeline t = open_timeline("dw.json");
	assert_int_equal(count(&t, "dW"), 5);
	for (size_t i = 0; i < t.n; i++)
		if (!strcmp(t.span[i].name, "dW")) {
			assert_string_equal(t.span[i].cat, "async");
			assert_string_equal(thread_of(&t, t.span[i].tid), "gradients");
		}
	assert_nested(&t);
	close_timeline(&t);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* What is inside a micro-step makes up nearly all of it: the median, for a machine may stop us anywhere. */
static void assert_covered(const struct timeline *t)
{
	double share[64];
	size_t n = 0;
	for (size_t i = 0; i < t->n && n < ARRAY_LEN(share); i++)
		if (!strcmp(t->span[i].name, "micro-step"))
			share[n++] = (double)t->span[i].inside / (double)(t->span[i].end - t->span[i].begin);
	assert_true(n > 0);
	qsort(share, n, sizeof *share, by_size);
	if (!(share[n / 2] >= 0.95))
		fail_msg("%.3f of a micro-step is known", share[n / 2]);
}

static void a_run(void **state)
{
	(void)state;
	static struct door d;
	door_open(&d, "r", 0);
	door_say(&d, CMD_NEW, "demo", 0);
	door_say(&d, CMD_SET, "accum 2", 0);
	door_say(&d, CMD_TRACE, "stop", ERR_STATE);
	door_say(&d, CMD_TRACE, "no/such/folder/t.json", ERR_IO);
	door_say(&d, CMD_TRACE, "t.json steps=0", ERR_RANGE);
	door_say(&d, CMD_TRACE, "t.json step=3", ERR_USAGE);
	door_say(&d, CMD_TRACE, "t.json steps=4", 0);
	door_say(&d, CMD_TRACE, "u.json", ERR_STATE);
	door_say(&d, CMD_TRAIN, "3", 0);
	door_say(&d, CMD_CKPT, "", 0);
	door_say(&d, CMD_SAMPLE, "5 The", 0);
	assert_true(access("t.json", F_OK));
	door_say(&d, CMD_TRAIN, "2", 0);
	door_say(&d, CMD_TRACE, "stop", ERR_STATE); /* it has ended by itself */
	struct timeline t = open_timeline("t.json");
	assert_nested(&t);
	assert_covered(&t);
	assert_int_equal(count(&t, "step"), 4);
	assert_int_equal(count(&t, "micro-step"), 8);
	assert_int_equal(count(&t, "update"), 4);
	assert_int_equal(count(&t, "fwdAttn") % 4, 0);
	assert_int_equal(count(&t, "checkpoint"), 1);
	assert_int_equal(count(&t, "sample"), 1);
	assert_int_equal(count(&t, "decode"), 5);
	assert_int_equal(count(&t, "evaluation"), 1);
	for (size_t i = 0; i < t.n; i++)
		assert_non_null(thread_of(&t, t.span[i].tid));
	close_timeline(&t);
	door_close(&d, 0);
}

/* Ended while a step has begun, and by the end of the program. */
static void stopped_in_the_middle(void **state)
{
	(void)state;
	static struct door d;
	door_open(&d, "s", 0);
	door_small_model(&d);
	door_say(&d, CMD_SET, "accum 1000", 0);
	uint32_t train = door_send(&d, CMD_TRAIN, "100", 0);
	door_say(&d, CMD_TRACE, "m.json", 0);
	door_say(&d, CMD_SAMPLE, "3", 0);
	door_say(&d, CMD_TRACE, "stop", 0);
	struct timeline t = open_timeline("m.json");
	assert_nested(&t);
	assert_int_equal(count(&t, "sample"), 1);
	assert_int_equal(count(&t, "step"), 0);
	close_timeline(&t);
	door_say(&d, CMD_TRACE, "e.json", 0);
	door_close(&d, 0);
	(void)train;
	t = open_timeline("e.json");
	assert_nested(&t);
	close_timeline(&t);
}

/* One test's failure is not the next one's. */
static int nothing_is_left(void **state)
{
	trace_drop();
	return door_end_all(state);
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, nothing_is_left)
	static const struct CMUnitTest tests[] = {
		T(off_costs_and_keeps_nothing), T(a_full_table_stays_whole), T(ends_in_the_middle), T(gradients_beside_the_device), T(a_run), T(stopped_in_the_middle),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}
