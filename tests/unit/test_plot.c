/* test_plot.c: series and plots: the average, thinning that keeps extremes, ranges, ticks, gaps. Compared with plain sums over all steps.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tui/plot.h"

static struct series *new_series(void)
{
	struct series *s = malloc(sizeof *s);
	assert_non_null(s);
	series_reset(s);
	return s;
}

static void add(struct series *s, uint64_t step, double loss)
{
	struct step_obs o = {.step = step, .tokens = step * 100, .ms = 10, .loss = loss, .grad_norm = 1, .lr = 1e-3, .watts = NAN};
	series_add(s, &o);
}

static void test_average(void **st)
{
	(void)st;
	struct series *s = new_series();
	double num[SERIES_EMAS] = {0}, den[SERIES_EMAS] = {0};
	for (int i = 1; i <= 1000; i++) {
		double x = 3 + sin(i * 0.7);
		add(s, (uint64_t)i, i % 100 == 50 ? NAN : x);
		/* The same average from its definition: weights d^(age), divided by their sum. */
		for (int k = 0; k < SERIES_EMAS; k++)
			if (i % 100 != 50) {
				num[k] = num[k] * (double)series_decay[k] + x;
				den[k] = den[k] * (double)series_decay[k] + 1;
			}
		for (int k = 0; k < SERIES_EMAS; k++)
			if (!(fabs((double)series_ema(s, k) - num[k] / den[k]) <= 1e-5))
				fail_msg("step %d, average %d: %g, wanted %g", i, k, (double)series_ema(s, k), num[k] / den[k]);
	}
	free(s);
}

/* A first value is its own average: no start from zero. */
static void test_first(void **st)
{
	(void)st;
	struct series *s = new_series();
	assert_true(isnan(series_ema(s, 1)));
	add(s, 1, 7.5);
	assert_true(fabsf(series_ema(s, 2) - 7.5f) <= 1e-5f);
	free(s);
}

static void test_thinning(void **st)
{
	(void)st;
	struct series *s = new_series();
	double sum = 0;
	int bad = 0;
	for (int i = 1; i <= 300000; i++) {
		double x = 2 + (i % 1000 * 919 % 1000) / 1000.0;
		if (i == 4)
			x = 99;
		if (i == 123456)
			x = -5;
		if (i == 200001)
			x = NAN;
		add(s, (uint64_t)i, x);
		if (isfinite(x))
			sum += x;
	}
	assert_true(s->n <= SERIES_CAP && s->n >= SERIES_CAP / 2);
	double all = 0, hi = -1e9, lo = 1e9;
	uint64_t n = 0, next = 1;
	for (int i = 0; i < s->n; i++) {
		assert_int_equal(s->b[i].first, next);
		next = s->b[i].last + 1;
		all += s->b[i].loss.sum;
		n += s->b[i].loss.n;
		bad += (int)s->b[i].bad;
		hi = fmax(hi, (double)s->b[i].loss.max);
		lo = fmin(lo, (double)s->b[i].loss.min);
	}
	assert_int_equal(next, 300001);
	assert_int_equal(n, 299999);
	assert_int_equal(bad, 1);
	assert_true(hi == 99 && lo == -5);
	assert_true(fabs(all - sum) <= 1e-6 * sum);
	free(s);
}

static void test_vals_and_marks(void **st)
{
	(void)st;
	struct series *s = new_series();
	assert_true(isnan(s->best.loss));
	for (int i = 0; i < 5000; i++)
		series_eval(s, (uint64_t)i, i == 777 ? 0.5 : 2 + i % 7, 1);
	assert_true(s->nval <= SERIES_VALS);
	int kept = 0;
	for (int i = 0; i < s->nval; i++)
		kept += s->val[i].step == 777;
	assert_int_equal(kept, 1);
	assert_int_equal(s->best.step, 777);
	series_eval(s, 6000, NAN, NAN);
	assert_int_equal(s->best.step, 777);
	for (int i = 0; i < 1000; i++)
		series_mark(s, (uint64_t)i, i % 10 == 3 ? MARK_SETTING : MARK_CKPT, i % 10 == 3 ? "a setting whose text is longer than a mark has room for, by far" : "x");
	int settings = 0;
	for (int i = 0; i < s->nmark; i++)
		settings += s->mark[i].kind == MARK_SETTING;
	assert_int_equal(settings, 100);
	free(s);
}

static void test_x_end(void **st)
{
	(void)st;
	assert_true(plot_x_end(0, 0) == 40);
	assert_true(plot_x_end(0, 40) == 40);
	assert_true(plot_x_end(0, 41) == 50);
	assert_true(plot_x_end(100, 141) == 150);
	double last = 0;
	int grown = 0;
	for (double x = 0; x < 1e6; x = x * 1.01 + 1) {
		double e = plot_x_end(0, x);
		assert_true(e >= x && e >= last && (x < 40 || e <= x * 1.3 + 10));
		grown += e > last;
		last = e;
	}
	assert_true(grown < 50);
}

static void test_ticks(void **st)
{
	(void)st;
	static const double ranges[][2] = {{0, 1}, {1.6, 8}, {0.001, 0.0013}, {-3, 17}, {0, 123456}, {2.01, 2.02}, {0, 3e-4}};
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		for (int max = 2; max < 12; max++) {
			double v[16], step;
			int n = plot_ticks(ranges[i][0], ranges[i][1], max, v, &step);
			assert_true(n >= 1 && n <= max);
			for (int k = 0; k < n; k++) {
				char b[12];
				assert_true(v[k] >= ranges[i][0] - 1e-9 * step && v[k] <= ranges[i][1] + 1e-6 * step);
				assert_true(strlen(plot_label(b, v[k], step)) < 12);
				assert_true(!strchr(b, '-') || v[k] < 0 || strchr(b, 'e'));
			}
		}
	double v[4], step;
	assert_int_equal(plot_ticks(1, 1, 4, v, &step), 0);
	assert_int_equal(plot_ticks(NAN, 1, 4, v, &step), 0);
	char b[12];
	assert_string_equal(plot_label(b, 2.5, 0.5), "2.5");
	assert_string_equal(plot_label(b, 3, 1), "3");
	assert_string_equal(plot_label(b, 40000, 10000), "40k");
	assert_string_equal(plot_label(b, 3e-4, 1e-4), "3.0e-4");
}

static void test_range(void **st)
{
	(void)st;
	double lo = 1.62, hi = 7.9;
	plot_round_range(&lo, &hi, 0);
	assert_true(lo <= 1.62 && hi >= 7.9 && lo > 1 && hi < 9);
	lo = 1.62, hi = 7.9;
	plot_round_range(&lo, &hi, 1);
	assert_true(lo <= 1.62 && hi >= 7.9 && lo > 1.3 && hi < 9);
	lo = hi = 3;
	plot_round_range(&lo, &hi, 0);
	assert_true(lo < 3 && hi > 3);
	lo = hi = 0;
	plot_round_range(&lo, &hi, 0);
	assert_true(lo < 0 && hi > 0);
}

static char *dump(const struct series *s, struct plot p, int w, int h)
{
	static struct str out;
	struct grid g = {0};
	assert_int_equal(grid_resize(&g, w, h), 0);
	plot_draw(&g, (struct rect){0, 0, w, h}, s, &p, NULL);
	str_clear(&out);
	grid_dump(&g, &out);
	grid_done(&g);
	return out.s;
}

static void test_drawn(void **st)
{
	(void)st;
	struct series *s = new_series();
	struct plot p = {.what = PLOT_LOSS, .ema = -1, .glyphs = GLYPHS_ASCII};
	for (int i = 0; i <= 40; i++)
		add(s, (uint64_t)i, 40 - i);
	/* A falling line on a 41 x 5 raster without axes: one cell a column, from the upper left to the lower right. */
	const char *t = dump(s, p, 41, 5);
	assert_int_equal(t[0], '#');
	assert_int_equal(t[strlen(t) - 2], '#');
	size_t cells = 0;
	for (const char *c = t; *c; c++)
		cells += *c == '#';
	assert_true(cells >= 41 && cells <= 46);
	free(s);
}

/* One spike among 300 000 steps is still drawn, in every raster, and so is a step without a number. */
static void test_spike_stays(void **st)
{
	(void)st;
	struct series *s = new_series();
	for (int i = 1; i <= 300000; i++)
		add(s, (uint64_t)i, i == 150000 ? 50 : i == 50000 ? NAN : 2 + 0.01 * (i % 10));
	for (int gl = 0; gl < 3; gl++) {
		struct plot p = {.what = PLOT_LOSS, .ema = 1, .glyphs = (enum glyphs)gl, .axes = 3};
		const char *t = dump(s, p, 80, 12), *spike = gl == GLYPHS_ASCII ? "^" : "▲", *bad = gl == GLYPHS_BRAILLE ? "×" : "x", *end = strchr(t, '\n');
		const char *at = strstr(t, spike), *x = strstr(t, bad);
		assert_true(at && at < end);
		assert_true(x && x < end);
	}
	free(s);
}

static void test_gap(void **st)
{
	(void)st;
	struct series *s = new_series();
	for (int i = 0; i <= 40; i++)
		add(s, (uint64_t)i, i > 10 && i < 30 ? NAN : 1 + i % 2);
	struct plot p = {.what = PLOT_LOSS, .ema = -1, .glyphs = GLYPHS_ASCII};
	const char *t = dump(s, p, 41, 5);
	for (int line = 1; line < 5; line++) {
		t = strchr(t, '\n') + 1;
		for (int x = 11; x < 30; x++)
			if (t[x] == '#')
				fail_msg("a line through the gap:\n%s", t);
	}
	free(s);
}

/* What is hostile: nothing finite, one point, huge and negative values, no room. */
static void test_hostile(void **st)
{
	(void)st;
	struct series *s = new_series();
	struct plot p = {.what = PLOT_LOSS, .ema = 1, .log = 1, .glyphs = GLYPHS_BRAILLE, .axes = 3, .marks = 1};
	dump(s, p, 40, 10);
	add(s, 5, NAN);
	dump(s, p, 40, 10);
	add(s, 6, -3);
	add(s, 7, 1e30);
	add(s, 8, 1e-30);
	add(s, 8, INFINITY);
	add(s, 2, 4);
	series_mark(s, 1, MARK_SETTING, "before");
	series_mark(s, 1000000, MARK_CKPT, "beyond");
	for (int w = 1; w < 60; w++)
		for (int h = 1; h < 12; h++)
			for (int what = PLOT_LOSS; what <= PLOT_RATE; what++) {
				p.what = (enum plot_what)what;
				p.glyphs = (enum glyphs)(w % 3);
				p.log = h % 2;
				dump(s, p, w, h);
			}
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_average), cmocka_unit_test(test_first), cmocka_unit_test(test_thinning), cmocka_unit_test(test_vals_and_marks),
		cmocka_unit_test(test_x_end), cmocka_unit_test(test_ticks), cmocka_unit_test(test_range), cmocka_unit_test(test_drawn),
		cmocka_unit_test(test_spike_stays), cmocka_unit_test(test_gap), cmocka_unit_test(test_hostile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
