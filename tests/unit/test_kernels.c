/* test_kernels.c: the table of the kernels pane: order, filter, baseline, the history of a step, and what is told about one row; filters of log and answers. No terminal.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "support/fakeview.h"
#include "tui/filter.h"
#include "tui/kernels.h"
#include "tui/panes.h"

static struct view v;
static struct kernel_table t;
static struct str text;

static int begin(void **s)
{
	(void)s;
	return fakeview_training(&v);
}

static int end(void **s)
{
	(void)s;
	view_done(&v);
	str_done(&text);
	return 0;
}

static const char *draw(int w, int h)
{
	struct grid g = {0};
	struct layout l;
	assert_int_equal(grid_resize(&g, w, h), 0);
	frame_draw(&g, &v, &l);
	str_clear(&text);
	grid_dump(&g, &text);
	grid_done(&g);
	return text.s;
}

static const struct kernel_line *line(const char *name)
{
	for (int i = 0; i < t.n; i++)
		if (!strcmp(t.line[i].name, name))
			return &t.line[i];
	fail_msg("no row %s", name);
	return NULL;
}

/* Every order, both ways round: rows of one kind stay together, their values only rise or only fall. */
static void test_sort(void **s)
{
	(void)s;
	for (int k = 0; k < SORT_N; k++)
		for (int turned = 0; turned < 2; turned++) {
			v.kernel_sort = k;
			v.kernel_turned = turned;
			kernels_make(&t, &v);
			assert_int_equal(t.n, 15);
			for (int i = 1; i < t.n; i++) {
				const struct kernel_line *a = &t.line[i - 1], *b = &t.line[i];
				assert_true(a->kind <= b->kind);
				if (a->kind != KERNEL_ROW || b->kind != KERNEL_ROW || k == SORT_CHANGE)
					continue;
				double d = k == SORT_NAME ? (strcmp(a->name, b->name) < 0 ? 1 : -1) : k == SORT_CALLS ? a->calls - b->calls : k == SORT_P95 ? a->p95 - b->p95
					 : k == SORT_GFLOPS ? a->gflops - b->gflops : a->ms - b->ms;
				if (turned ? d > 0 : d < 0)
					fail_msg("by %s%s: %s before %s", kernel_sort_name((enum kernel_sort)k), turned ? ", turned" : "", a->name, b->name);
			}
		}
	v.kernel_sort = SORT_NAME;
	v.kernel_turned = 0;
	kernels_make(&t, &v);
	assert_string_equal(t.line[0].name, "classifier");
}

/* Rows, work beside and what is unaccounted for add up to the whole. */
static void test_sum(void **s)
{
	(void)s;
	double sum = 0, share = 0;
	kernels_make(&t, &v);
	for (int i = 0; i < t.n; i++)
		if (t.line[i].kind == KERNEL_ROW || t.line[i].kind == KERNEL_REST) {
			sum += t.line[i].ms;
			share += t.line[i].share;
		}
	assert_true(fabs(sum - t.total) <= 1e-3 * t.total);
	assert_true(fabs(share - 1) <= 1e-3);
	assert_true(fabs(line("ffnBwd")->mj - 18.4 * 9.1) <= 0.1);
	assert_true(fabs(line("ffnBwd")->of_floor - 55.0 / 310) <= 1e-3);
	assert_true(isnan(line("weight grads")->mj));
	v.live->snap.power.watts = NAN;
	v.live->snap.blas_gflops = 0;
	kernels_make(&t, &v);
	assert_true(isnan(line("ffnBwd")->mj) && isnan(line("ffnBwd")->of_floor));
}

static void set_ms(const char *name, double ms)
{
	struct timing *m = &v.live->snap.timing;
	for (int i = 0; i < m->n; i++)
		if (!strcmp(m->row[i].name, name))
			for (int h = 0; h < TIMING_HIST; h++)
				m->row[i].hist_ns[h] = (float)(ms * 1e6);
}

static void test_baseline(void **s)
{
	(void)s;
	kernels_make(&t, &v);
	assert_true(isnan(line("fwdFFN")->change));
	split_take(&v.base, &v.live->snap.timing, 12340);
	v.have_base = 1;
	set_ms("fwdFFN", 6.0);
	set_ms("qkvBwd", 1.1);
	kernels_make(&t, &v);
	assert_true(fabs(line("fwdFFN")->change - 0.2) <= 1e-4);
	assert_true(fabs(line("qkvBwd")->change + 0.5) <= 1e-4);
	assert_true(fabs(line("ffnBwd")->change) <= 1e-6);
	v.zoom = PANE_KERNELS;
	assert_non_null(strstr(draw(120, 40), "+20%"));
	assert_non_null(strstr(text.s, "since step 12 340"));
	v.kernel_sort = SORT_CHANGE;
	kernels_make(&t, &v);
	assert_string_equal(t.line[0].name, "fwdFFN");
}

/* The history keeps its bounds, and the cursor finds what was near its step. */
static void test_history(void **s)
{
	(void)s;
	struct timing *m = &v.live->snap.timing;
	splits_reset(&v.live->splits);
	for (uint64_t i = 1; i <= 3000; i++) {
		set_ms("fwdFFN", i < 1500 ? 4 : 8);
		m->micro = i;
		splits_add(&v.live->splits, m, i * 4);
		splits_add(&v.live->splits, m, i * 4);
	}
	const struct splits *h = &v.live->splits;
	assert_true(h->n >= SPLIT_CAP / 2 - 1 && h->n <= SPLIT_CAP);
	for (int i = 1; i < h->n; i++)
		assert_true(h->at[i].step > h->at[i - 1].step);
	v.cursor_on = 1;
	v.cursor = 2000;
	kernels_make(&t, &v);
	assert_true(t.at >= 1900 && t.at <= 2100);
	assert_true(fabs(line("fwdFFN")->ms - 4) <= 1e-3);
	assert_true(isnan(line("fwdFFN")->p95));
	v.cursor = 12000;
	kernels_make(&t, &v);
	assert_true(fabs(line("fwdFFN")->ms - 8) <= 1e-3);
	assert_non_null(strstr(draw(120, 40), "near step 1"));
	struct str about = {0};
	kernels_tell(&about, &v, line("fwdFFN"), 100);
	assert_non_null(strstr(about.s, "4.00 to 8.00 ms"));
	assert_non_null(strstr(about.s, "a program"));
	assert_non_null(strstr(about.s, "\xe2\x96"));
	str_done(&about);
	/* A new run's micro-steps are counted anew. */
	m->micro = 5;
	splits_add(&v.live->splits, m, 5);
	assert_int_equal(v.live->splits.n, 1);
}

static void test_choice(void **s)
{
	(void)s;
	v.zoom = PANE_KERNELS;
	draw(80, 12);
	for (int i = 0; i < 30; i++)
		view_scroll(&v, 1);
	assert_int_equal(v.kernel_at, 14);
	assert_non_null(strstr(draw(80, 12), "adamw"));
	view_scroll(&v, -100);
	assert_int_equal(v.kernel_at, 0);
	assert_non_null(strstr(draw(80, 12), "ffnBwd"));
}

static void type(const char *what)
{
	for (; *what; what++)
		filter_key(&v, (wchar_t)*what, (const char[]){*what, 0});
}

static void test_filters(void **s)
{
	(void)s;
	v.focus = v.zoom = PANE_KERNELS;
	filter_begin(&v);
	type("BWDx");
	filter_key(&v, 127, "Back");
	filter_key(&v, '\r', "Enter");
	assert_int_equal(v.filtering, FILTER_NONE);
	const char *d = draw(80, 24);
	assert_non_null(strstr(d, "sdpaBwd1"));
	assert_null(strstr(d, "classifier"));
	assert_non_null(strstr(d, "unaccounted"));
	assert_non_null(strstr(d, "/BWD"));
	filter_begin(&v);
	filter_key(&v, 27, "Esc");
	assert_non_null(strstr(draw(80, 24), "classifier"));
	v.focus = v.zoom = PANE_LOG;
	filter_begin(&v);
	type("checkp");
	d = draw(80, 24);
	assert_non_null(strstr(d, "48.1 MB"));
	assert_null(strstr(d, "9000"));
	assert_non_null(strstr(d, "1 error"));
	type("zzz");
	assert_non_null(strstr(draw(80, 24), "no line with that"));
	filter_key(&v, 27, "Esc");
	/* Help: found by any word of a line, letters of either case. */
	struct str help = {0};
	keys_help(&help);
	view_answer_begin(&v, 0, "keys");
	view_answer_text(&v, help.s);
	filter_begin(&v);
	type("Compare WITH");
	d = draw(80, 24);
	assert_non_null(strstr(d, "compare with the times of this moment"));
	assert_null(strstr(d, "draw the whole screen anew"));
	view_answer_close(&v);
	assert_int_equal(v.filtering, FILTER_NONE);
	str_done(&help);
}

int main(void)
{
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		setlocale(LC_CTYPE, "en_US.UTF-8");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sort, begin, end), cmocka_unit_test_setup_teardown(test_sum, begin, end), cmocka_unit_test_setup_teardown(test_baseline, begin, end),
		cmocka_unit_test_setup_teardown(test_history, begin, end), cmocka_unit_test_setup_teardown(test_choice, begin, end), cmocka_unit_test_setup_teardown(test_filters, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
