/* test_sampler.c: what is picked, how often, and what never; and whole characters out of pieces. Fixed seeds throughout.
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

#include "sample/sample.h"
#include "sample/stream.h"

enum { MANY = 4096 };
static const struct sampler_settings off = {.temperature = 1, .top_p = 1, .repeat = 1};

static struct sampler sampler(struct sampler_settings set, int vocab, uint64_t seed)
{
	struct sampler s;
	struct err e = {0};
	if (sampler_init(&s, &set, vocab, seed, &e))
		fail_msg("%s", e.msg);
	return s;
}

static int pick(struct sampler *s, const float *logits, int limit)
{
	static float copy[MANY];
	memcpy(copy, logits, (size_t)s->vocab * sizeof *copy);
	return sampler_pick(s, copy, limit);
}

static void test_greedy(void **state)
{
	(void)state;
	struct sampler s = sampler((struct sampler_settings){.temperature = 0, .top_p = 1, .repeat = 1}, 5, 1);
	assert_int_equal(pick(&s, (float[]){1, 3, 2, 3, -1}, 0), 1); /* the lowest id on ties */
	assert_int_equal(pick(&s, (float[]){NAN, -3, NAN, -2, -9}, 0), 3);
	assert_int_equal(pick(&s, (float[]){NAN, -3, INFINITY, -2, INFINITY}, 0), 2);
	assert_int_equal(pick(&s, (float[]){0, 1, 2, 3, 4}, 3), 2);
	assert_int_equal(pick(&s, (float[]){NAN, NAN, -INFINITY, NAN, NAN}, 0), -1);
	assert_int_equal(pick(&s, (float[]){NAN, NAN, NAN, 1, 1}, 3), -1);
	sampler_done(&s);
	sampler_done(&s);
}

/* chi-square of `n` draws against probabilities, and none where the probability is 0. */
static void assert_distribution(struct sampler *s, const float *logits, const double *want, int vocab, int n)
{
	int count[64] = {0}, degrees = -1;
	double chi = 0;
	for (int i = 0; i < n; i++) {
		int id = pick(s, logits, 0);
		assert_true(id >= 0 && id < vocab);
		count[id]++;
	}
	for (int i = 0; i < vocab; i++) {
		if (want[i] == 0) {
			assert_int_equal(count[i], 0);
			continue;
		}
		degrees++;
		chi += (count[i] - n * want[i]) * (count[i] - n * want[i]) / (n * want[i]);
	}
	/* Mean `degrees`, deviation sqrt(2 degrees): five of them, with the seed fixed. */
	if (!(chi <= degrees + 5 * sqrt(2.0 * degrees + 1)))
		fail_msg("chi-square %.1f at %d degrees", chi, degrees);
}

static void softmax(double *p, const float *logits, int n, double temperature)
{
	double sum = 0;
	for (int i = 0; i < n; i++)
		sum += p[i] = exp(logits[i] / temperature);
	for (int i = 0; i < n; i++)
		p[i] /= sum;
}

static void test_temperature(void **state)
{
	(void)state;
	const float logits[8] = {0.5f, -1, 2, 0, 1.5f, -3, 0.1f, 1};
	const double temperature[] = {0.5, 0.8, 1, 3};
	double want[8];
	for (size_t i = 0; i < 4; i++) {
		struct sampler_settings set = off;
		set.temperature = (float)temperature[i];
		struct sampler s = sampler(set, 8, 40 + i);
		softmax(want, logits, 8, set.temperature);
		assert_distribution(&s, logits, want, 8, 20000);
		sampler_done(&s);
	}
	struct sampler_settings cold = off; /* as good as greedy, without overflow */
	cold.temperature = 1e-30f;
	struct sampler s = sampler(cold, 8, 1);
	for (int i = 0; i < 100; i++)
		assert_int_equal(pick(&s, logits, 0), 2);
	sampler_done(&s);
}

/* The rules, the plain way: sort, cut, renormalise. */
struct ranked { double p; int id; };
static int by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	return x->p != y->p ? (x->p < y->p) - (x->p > y->p) : x->id - y->id;
}

static void plain_rules(double *want, const float *logits, int n, const struct sampler_settings *set)
{
	struct ranked r[64];
	double all[64], sum = 0, seen = 0;
	softmax(all, logits, n, set->temperature);
	for (int i = 0; i < n; i++)
		r[i] = (struct ranked){all[i], i};
	qsort(r, (size_t)n, sizeof *r, by_rank);
	int keep = set->top_k > 0 && set->top_k < n ? set->top_k : n, i;
	for (i = 0; i < keep; i++)
		sum += r[i].p;
	for (i = 0; i < keep && (!i || seen < set->top_p * sum || set->top_p >= 1); i++)
		seen += r[i].p;
	keep = i;
	for (i = 0; i < keep && r[i].p >= set->min_p * r[0].p * (1 - 1e-7); i++)
		;
	keep = i;
	memset(want, 0, (size_t)n * sizeof *want);
	for (sum = 0, i = 0; i < keep; i++)
		sum += r[i].p;
	for (i = 0; i < keep; i++)
		want[r[i].id] = r[i].p / sum;
}

static void test_cuts(void **state)
{
	(void)state;
	static const struct { int k; float p, min; } row[] = {
		{1, 1, 0}, {3, 1, 0}, {20, 1, 0}, {40, 1, 0}, {41, 1, 0}, {1000000, 1, 0}, {0, 0, 0}, {0, 0.3f, 0}, {0, 0.9f, 0},
		{0, 0.999f, 0}, {0, 1, 0.05f}, {0, 1, 0.5f}, {0, 1, 1}, {10, 0.7f, 0}, {10, 0.95f, 0.2f}, {0, 0.8f, 0.3f}, {5, 0, 0.1f}};
	struct rng r;
	rng_seed(&r, 3);
	for (size_t i = 0; i < sizeof row / sizeof *row; i++)
		for (int kind = 0; kind < 3; kind++) {
			float logits[40];
			double want[40];
			for (int j = 0; j < 40; j++) /* spread, flat, in steps with ties */
				logits[j] = kind == 2 ? (float)rng_below(&r, 4) : (float)rng_normal(&r) * (kind ? 0.1f : 2.0f);
			struct sampler_settings set = {0.9f, row[i].k, row[i].p, row[i].min, 1};
			struct sampler s = sampler(set, 40, i);
			plain_rules(want, logits, 40, &set);
			assert_distribution(&s, logits, want, 40, 6000);
			sampler_done(&s);
		}
}

/* Large lists: the cut is where sorting puts it. The seeds make every id of the set come up or not; only membership is asserted. */
static void test_cut_of_many(void **state)
{
	(void)state;
	static float logits[MANY];
	static struct { float l; } sorted[MANY];
	struct rng r;
	rng_seed(&r, 8);
	for (int round = 0; round < 30; round++) {
		int n = 1 + (int)rng_below(&r, MANY), k = 1 + (int)rng_below(&r, (uint64_t)n);
		for (int i = 0; i < n; i++)
			sorted[i].l = logits[i] = round % 3 ? (float)rng_normal(&r) : (float)i / 100 * (round % 2 ? 1.0f : -1.0f);
		for (int i = 1; i < n; i++) { /* a partial insertion sort is enough: n log n is not needed here */
			float v = sorted[i].l;
			int j = i;
			for (; j > 0 && sorted[j - 1].l < v; j--)
				sorted[j].l = sorted[j - 1].l;
			sorted[j].l = v;
		}
		struct sampler_settings set = off;
		set.top_k = k;
		set.temperature = 5;
		struct sampler s = sampler(set, n, (uint64_t)round);
		for (int i = 0; i < 50; i++)
			assert_true(logits[pick(&s, logits, 0)] >= sorted[k - 1].l);
		sampler_done(&s);
		set = off;
		set.top_p = 0.37f;
		double sum = 0, seen = 0;
		for (int i = 0; i < n; i++)
			sum += exp((double)sorted[i].l);
		int last = 0;
		while (last < n && seen < 0.37 * sum)
			seen += exp((double)sorted[last++].l);
		s = sampler(set, n, (uint64_t)round);
		for (int i = 0; i < 50; i++)
			assert_true(logits[pick(&s, logits, 0)] >= sorted[last < n ? last : n - 1].l);
		sampler_done(&s);
	}
}

static void test_limit_and_nan(void **state)
{
	(void)state;
	float logits[20];
	for (int i = 0; i < 20; i++)
		logits[i] = i % 3 ? (float)(i % 5) : NAN;
	logits[7] = -INFINITY;
	const struct sampler_settings set[] = {off, {1, 4, 1, 0, 1}, {1, 0, 0.9f, 0, 1}, {1, 0, 1, 0.01f, 1}, {1, 0, 1, 0, 1.3f}, {0, 0, 1, 0, 1}};
	for (size_t k = 0; k < sizeof set / sizeof *set; k++) {
		struct sampler s = sampler(set[k], 20, k);
		for (int i = 0; i < 300; i++) {
			int id = pick(&s, logits, 12);
			assert_true(id >= 0 && id < 12 && id % 3 && id != 7);
		}
		for (int i = 0; i < 20; i++)
			assert_int_equal(pick(&s, (float[20]){NAN, NAN, 5}, 2), -1);
		float inf[20] = {0, 9, INFINITY, -4, INFINITY, NAN};
		for (int i = 0; i < 50; i++) {
			int id = pick(&s, inf, 6);
			assert_true(id == 2 || id == 4);
		}
		sampler_done(&s);
	}
	/* A poisoned model: all NaN. */
	for (int i = 0; i < 20; i++)
		logits[i] = NAN;
	struct sampler s = sampler(off, 20, 1);
	assert_int_equal(pick(&s, logits, 0), -1);
	assert_int_equal(s.nrecent, 0);
	sampler_done(&s);
}

static void test_repeat(void **state)
{
	(void)state;
	struct sampler_settings set = {0, 0, 1, 0, 2};
	struct sampler s = sampler(set, 4, 1);
	assert_int_equal(pick(&s, (float[]){4, 3, -1, -1.5f}, 0), 0);
	assert_int_equal(pick(&s, (float[]){4, 3, -1, -1.5f}, 0), 1); /* 4/2 is less than 3 */
	assert_int_equal(pick(&s, (float[]){4, 3, -1, -1.5f}, 0), 0); /* 2 against 1.5: once, though 0 came twice by now */
	assert_int_equal(pick(&s, (float[]){4, 3, -1, -1.5f}, 0), 0);
	sampler_note(&s, 2);
	sampler_note(&s, 99); /* an id of the prompt beyond the limit does no harm */
	assert_int_equal(pick(&s, (float[]){-9, -9, -1, -1.5f}, 0), 3); /* -1 becomes -2 */
	for (int i = 0; i < 64; i++)
		sampler_note(&s, 3);
	assert_int_equal(pick(&s, (float[]){4, 3, 0, 7.5f}, 0), 0); /* 0 is forgotten behind 64 others, 3 is not */
	for (int i = 0; i < 100000; i++)
		sampler_note(&s, i & 1);
	assert_true(s.nrecent >= 64 && s.nrecent < 128);
	sampler_done(&s);
}

static void test_determinism(void **state)
{
	(void)state;
	static float logits[1000];
	struct rng r;
	rng_seed(&r, 5);
	for (int i = 0; i < 1000; i++)
		logits[i] = (float)rng_normal(&r);
	struct sampler_settings set = {0.8f, 200, 0.95f, 0.001f, 1.1f};
	struct sampler a = sampler(set, 1000, 7), b = sampler(set, 1000, 7), c = sampler(set, 1000, 8);
	int differ = 0;
	for (int i = 0; i < 200; i++) {
		int x = pick(&a, logits, 0);
		assert_int_equal(x, pick(&b, logits, 0));
		differ += x != pick(&c, logits, 0);
	}
	assert_true(differ > 100);
	sampler_done(&a);
	sampler_done(&b);
	sampler_done(&c);
}

static void test_bad_settings(void **state)
{
	(void)state;
	static const struct { struct sampler_settings set; int vocab; const char *part; } row[] = {
		{{-1, 0, 1, 0, 1}, 5, "sample.temperature: -1: must be 0"}, {{NAN, 0, 1, 0, 1}, 5, "sample.temperature"},
		{{INFINITY, 0, 1, 0, 1}, 5, "sample.temperature"}, {{1, -1, 1, 0, 1}, 5, "sample.top_k: -1"},
		{{1, 0, 1.5f, 0, 1}, 5, "sample.top_p: 1.5: must be 0 to 1"}, {{1, 0, NAN, 0, 1}, 5, "sample.top_p"},
		{{1, 0, 1, 2, 1}, 5, "sample.min_p: 2"}, {{1, 0, 1, 0, 0}, 5, "sample.repeat: 0"}, {{1, 0, 1, 0, NAN}, 5, "sample.repeat"},
		{{1, 0, 1, 0, 1}, 0, "vocabulary of 0"}};
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		struct sampler s;
		struct err e = {0};
		assert_int_equal(sampler_init(&s, &row[i].set, row[i].vocab, 1, &e), ERR_RANGE);
		if (!strstr(e.msg, row[i].part))
			fail_msg("\"%s\" lacks \"%s\"", e.msg, row[i].part);
		sampler_done(&s);
	}
}

/* Feeds pieces (NULL-terminated) and returns what came out, '|' after every call; "!" when the stop text came. */
static const char *streamed(const char *stop, const char *const *piece)
{
	static struct str got;
	struct stream s;
	const char *out;
	size_t n;
	int rc = stream_init(&s, stop, NULL);
	assert_int_equal(rc, 0);
	str_clear(&got);
	str_puts(&got, "");
	for (; *piece && !rc; piece++) {
		rc = stream_put(&s, *piece, strlen(*piece), &out, &n, NULL);
		assert_true(rc >= 0);
		str_add(&got, out, n);
		str_putc(&got, rc ? '!' : '|');
	}
	assert_true(stream_end(&s, &out, &n, NULL) == rc);
	str_add(&got, out, n);
	assert_int_equal(got.failed, 0);
	stream_done(&s);
	return got.s;
}
#define STREAM(stop, ...) streamed(stop, (const char *const[]){__VA_ARGS__, NULL})

static void test_whole_characters(void **state)
{
	(void)state;
	assert_string_equal(STREAM(NULL, "Once", " upon", ""), "Once| upon||");
	assert_string_equal(STREAM("", "\xe6", "\xbc", "\xa2 x"), "||\xe6\xbc\xa2 x|");
	assert_string_equal(STREAM(NULL, "a\xf0\x9f", "\x98\x80" "b"), "a|\xf0\x9f\x98\x80" "b|");
	assert_string_equal(STREAM(NULL, "a\xf0\x9f"), "a|\xef\xbf\xbd");                 /* the end inside a character */
	assert_string_equal(STREAM(NULL, "\xe6", "z"), "|\xef\xbf\xbdz|");               /* can not become one any more */
	assert_string_equal(STREAM(NULL, "\xff\xfe", "ok"), "\xef\xbf\xbd\xef\xbf\xbd|ok|");
	assert_string_equal(STREAM(NULL, "\xc0\x80"), "\xef\xbf\xbd\xef\xbf\xbd|");        /* overlong */
}

static void test_stop(void **state)
{
	(void)state;
	assert_string_equal(STREAM("END", "one two", " E", "N", "D three"), "one two| ||!");
	assert_string_equal(STREAM("END", "one E", "NE", "ND"), "one |EN|!");
	assert_string_equal(STREAM("END", "one EN"), "one |EN");                          /* only begun: it is text after all */
	assert_string_equal(STREAM("aab", "a", "a", "a", "b", "c"), "||a|!");
	assert_string_equal(STREAM("END", "END"), "!");
	assert_string_equal(STREAM("\n\n", "tale.\n", "\nMore"), "tale.|!");
	assert_string_equal(STREAM("\xe6\xbc\xa2", "x\xe6", "\xbc", "\xa2y"), "x||!");
	assert_string_equal(STREAM("END", "a\xe6", "END"), "a|\xef\xbf\xbd!");            /* a broken character before the stop */
	assert_string_equal(STREAM("x", "abx", "never seen"), "ab!");
}

static void test_stream_random(void **state)
{
	(void)state;
	struct rng r;
	rng_seed(&r, 9);
	for (int round = 0; round < 300; round++) { /* any cut of a text gives the text */
		char text[80];
		size_t n = 0;
		static const char *const part[] = {"a", "b", "\xc3\xa9", "\xe6\xbc\xa2", "\xf0\x9f\x98\x80", "EN"};
		while (n + 8 < sizeof text)
			n += (size_t)snprintf(text + n, sizeof text - n, "%s", part[rng_below(&r, 6)]);
		struct stream s;
		struct str got = {0};
		const char *out;
		size_t nout;
		assert_int_equal(stream_init(&s, "END", NULL), 0);
		for (size_t at = 0; at < n;) {
			size_t k = 1 + (size_t)rng_below(&r, 4);
			k = k < n - at ? k : n - at;
			assert_int_equal(stream_put(&s, text + at, k, &out, &nout, NULL), 0);
			str_add(&got, out, nout);
			at += k;
		}
		assert_int_equal(stream_end(&s, &out, &nout, NULL), 0);
		str_add(&got, out, nout);
		assert_string_equal(got.s, text);
		str_done(&got);
		stream_done(&s);
	}
	stream_done(&(struct stream){0});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greedy),
		cmocka_unit_test(test_temperature),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_cut_of_many),
		cmocka_unit_test(test_limit_and_nan),
		cmocka_unit_test(test_repeat),
		cmocka_unit_test(test_determinism),
		cmocka_unit_test(test_bad_settings),
		cmocka_unit_test(test_whole_characters),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_stream_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
