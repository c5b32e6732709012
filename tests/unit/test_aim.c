/* test_aim.c: the cursor over all panes, the window over the steps, the axes, another run behind, and what a suspension leaves. No terminal.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/fakeview.h"
#include "tui/aim.h"
#include "tui/panes.h"
#include "tui/ref.h"

static struct view v;
static struct grid g;
static struct layout l;
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
	grid_done(&g);
	str_done(&text);
	return 0;
}

static const char *draw(int w, int h)
{
	assert_int_equal(grid_resize(&g, w, h), 0);
	frame_draw(&g, &v, &l);
	str_clear(&text);
	grid_dump(&g, &text);
	return text.s;
}

/* The column of the first cell with this look in the lower half of the loss curve (the legend is above); -1: none. */
static int column_of(enum attr a)
{
	struct rect r = v.place.at;
	for (int y = r.y + r.h / 2; y < r.y + r.h; y++)
		for (int x = r.x; x < r.x + r.w; x++)
			if (g.cell[y * g.w + x].attr == a)
				return x - r.x;
	return -1;
}

/* Left and right go column by column, over any axis, and every pane tells the same step. */
static void test_cursor(void **s)
{
	(void)s;
	for (int x = X_STEP; x < X_N; x++) {
		v.x = (enum series_x)x;
		aim_off(&v);
		draw(120, 40);
		assert_int_equal(column_of(ATTR_CURSOR), -1);
		aim_move(&v, -1);
		assert_int_equal(v.cursor, 12340);
		draw(120, 40);
		int at = column_of(ATTR_CURSOR);
		assert_true(at > 0);
		for (int i = 1; i <= 20; i++) {
			uint64_t was = v.cursor;
			aim_move(&v, -1);
			draw(120, 40);
			if (column_of(ATTR_CURSOR) != at - i || !(v.cursor < was))
				fail_msg("axis %d: after %d columns back it stands in %d, not %d (step %d)", x, i, column_of(ATTR_CURSOR), at - i, (int)v.cursor);
		}
		aim_move(&v, 7);
		draw(120, 40);
		assert_int_equal(column_of(ATTR_CURSOR), at - 13);
	}
	v.x = X_STEP;
	aim_to(&v, 11000);
	const char *t = draw(120, 40);
	assert_non_null(strstr(t, "at step 11 000"));
	assert_non_null(strstr(t, "cursor at step 11 000"));
	assert_non_null(strstr(t, "The the a the dog dog"));
	assert_non_null(strstr(t, "ckpt      10 000"));
	assert_non_null(strstr(t, "val       1.716"));
	aim_off(&v);
	assert_null(strstr(draw(120, 40), "11 000"));
}

/* The values are those of the step, not of a neighbour: the latest steps are kept one by one. */
static void test_values(void **s)
{
	(void)s;
	for (uint64_t step = 12340; step > 12300; step -= 3) {
		aim_to(&v, step);
		const struct bucket *b = aim_bucket(&v);
		assert_int_equal(b->first, step);
		assert_int_equal(b->last, step);
		assert_int_equal(b->tokens, step * 1240);
	}
	aim_to(&v, 1u << 30);
	assert_int_equal(v.cursor, 12340);
	aim_to(&v, 0);
	assert_int_equal(v.cursor, 1);
}

/* A click: every column of the plot leads to a step that is drawn in it. */
static void test_click(void **s)
{
	(void)s;
	for (int x = X_STEP; x < X_N; x++)
		for (int span = 0; span < 2; span++) {
			v.x = (enum series_x)x;
			v.span = span ? 500 : 0;
			draw(120, 40);
			struct rect r = v.place.at;
			assert_false(aim_at(&v, r.x - 1, r.y));
			assert_false(aim_at(&v, r.x, r.y + r.h));
			for (int c = 0; c < r.w; c += 5) {
				aim_off(&v);
				draw(120, 40);
				assert_true(aim_at(&v, r.x + c, r.y + 2));
				draw(120, 40);
				int at = column_of(ATTR_CURSOR);
				if (v.cursor < 12340 && abs(at - c) > 1)
					fail_msg("axis %d, span %d: column %d leads to step %d in column %d", x, span, c, (int)v.cursor, at);
			}
			v.span = 0;
		}
}

static void test_window(void **s)
{
	(void)s;
	uint64_t from, to;
	aim_window(&v);
	assert_true(v.span >= 1000 && v.span <= 2500 && !v.to);
	draw(120, 40);
	from = v.place.from, to = v.place.to;
	assert_true(to > 12340 && to - from == v.span);
	/* It stands still until its edge is reached, then goes on by a quarter. */
	struct engine_event ev = {.kind = EV_STEP, .obs = {.loss = 2, .ms = 30}};
	for (uint64_t step = 12341; step < to + 2; step++) {
		ev.obs.step = step;
		view_event(&v, &ev, "1");
		draw(80, 24);
		assert_int_equal(v.place.from, step < to ? from : from + v.span / 4);
	}
	/* To earlier steps it no longer follows; back at the end it does. */
	aim_pan(&v, -1);
	assert_true(v.to > 0);
	uint64_t fixed = v.to;
	aim_pan(&v, -1);
	assert_true(v.to < fixed);
	for (int i = 0; i < 100; i++)
		aim_pan(&v, -1);
	assert_int_equal(v.to, v.span + 1);
	draw(120, 40);
	for (int i = 0; i < 100; i++)
		aim_pan(&v, 1);
	assert_int_equal(v.to, 0);
	/* Nearer and farther. */
	v.span = 0;
	for (int i = 0; i < 30; i++)
		aim_zoom(&v, 1);
	assert_int_equal(v.span, 16);
	assert_true(strlen(draw(120, 40)) > 100 && v.place.at.w);
	for (int i = 0; i < 30; i++)
		aim_zoom(&v, 0);
	assert_true(v.span == 0 && v.to == 0);
	/* Around the cursor, which stays in sight; what it leaves follows it. */
	aim_to(&v, 5200);
	for (int i = 0; i < 6; i++) {
		aim_zoom(&v, 1);
		draw(120, 40);
		assert_true(v.place.from <= 5200 && v.place.to >= 5200);
		assert_true(column_of(ATTR_CURSOR) >= 0);
	}
	for (int i = 0; i < 300; i++)
		aim_move(&v, -1);
	draw(120, 40);
	assert_true(v.cursor < 5200 && v.place.from <= v.cursor && v.place.to >= v.cursor);
	/* No spike vanishes, however wide the steps are. */
	aim_off(&v);
	v.span = v.to = 0;
}

static void test_axes(void **s)
{
	(void)s;
	static const char *const words[] = {"x:tokens", "x:time", "x:joules", "x:step"};
	for (int i = 0; i < 4; i++) {
		aim_axis(&v);
		assert_non_null(strstr(draw(120, 40), words[i]));
		assert_true(v.place.at.w > 20);
		assert_int_equal(v.place.x, v.x);
	}
	/* Joules are those of the watts over the steps' time, where no counter was read. */
	const struct bucket *last = &v.live->series.tail[v.live->series.ntail - 1];
	assert_true(last->joules > 0.95 * 12340 * 0.0301 * 18 && last->joules < 1.05 * 12340 * 0.0301 * 18);
	/* Without a source there is no such axis. */
	view_done(&v);
	assert_int_equal(view_init(&v), 0);
	struct engine_event ev = {.kind = EV_STEP, .obs = {.loss = 2, .ms = 30, .watts = NAN, .joules = NAN}};
	for (uint64_t i = 1; i < 50; i++) {
		ev.obs.step = i;
		ev.obs.tokens = i * 100;
		ev.obs.t = (double)i;
		view_event(&v, &ev, "1");
	}
	aim_axis(&v);
	aim_axis(&v);
	assert_int_equal(v.x, X_TIME);
	aim_axis(&v);
	assert_int_equal(v.x, X_STEP);
}

/* A suspension: a mark, no line across, and no speed from the time that passed. */
static void test_suspended(void **s)
{
	(void)s;
	struct series *r = &v.live->series;
	float low = INFINITY;
	struct engine_event ev = {.kind = EV_STEP, .obs = {.step = 12341, .tokens = 12341 * 1240, .loss = 1.9, .ms = NAN, .gap = 3600, .t = 4000}};
	view_event(&v, &ev, "1");
	const struct bucket *b = series_at(r, 12341);
	assert_int_equal(b->cut, 1);
	assert_int_equal(b->rate.n, 0);
	ev.obs.step = 12342;
	ev.obs.tokens += 1240;
	ev.obs.ms = 30;
	ev.obs.gap = 0;
	ev.obs.t += 0.03;
	view_event(&v, &ev, "1");
	for (int i = 0; i < r->n; i++)
		low = r->b[i].rate.n ? fminf(low, r->b[i].rate.min) : low;
	assert_true(low > 10000);
	assert_int_equal(series_at(r, 12342)->cut, 0);
	assert_non_null(strstr(draw(120, 40), "suspended 3600 s"));
	/* Over time: the columns in between have no line. */
	v.x = X_TIME;
	draw(120, 40);
	struct rect p = v.place.at;
	int empty = 0;
	for (int x = p.x; x < p.x + p.w; x++) {
		int line = 0;
		for (int y = p.y; y < p.y + p.h; y++)
			line |= g.cell[y * g.w + x].attr == ATTR_LINE;
		empty += !line;
	}
	assert_true(empty > p.w / 2);
}

static void write_record(const char *dir)
{
	char path[300];
	assert_int_equal(mkdir(dir, 0777), 0);
	snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("{\"t\":0,\"step\":0,\"event\":\"start\"}\n{\"t\":0.1,\"step\":0,\"event\":\"eval\",\"loss\":7,\"bits_per_byte\":3}\n", f);
	for (int i = 1; i <= 300; i++)
		fprintf(f, "{\"t\":%d,\"step\":%d,\"event\":\"step\",\"loss\":3,\"grad_norm\":1,\"lr\":1e-3,\"tokens\":%d,\"ms\":10,\"micro_ms\":10,\"watts\":null}\n", i, i, i * 64);
	/* It went back to step 200, and its last line is torn. */
	for (int i = 200; i <= 250; i++)
		fprintf(f, "{\"t\":%d,\"step\":%d,\"event\":\"step\",\"loss\":2,\"grad_norm\":1,\"lr\":1e-3,\"tokens\":%d,\"ms\":10,\"micro_ms\":10,\"watts\":null}\n", i + 200, i, i * 64);
	fputs("no line\n{\"t\":1,\"step\":251,\"event\":\"st", f);
	fclose(f);
}

static void test_ref(void **s)
{
	(void)s;
	char base[] = "/tmp/anetui-ref-XXXXXX", dir[64], path[320], got[256];
	struct err e = {0};
	assert_non_null(mkdtemp(base));
	snprintf(dir, sizeof dir, "%s/a", base);
	write_record(dir);
	struct series *r = ref_read(dir, got, sizeof got, &e);
	assert_non_null(r);
	assert_string_equal(got, dir);
	assert_int_equal(r->step, 250);
	assert_true(series_at(r, 199)->loss.max == 3 && series_at(r, 220)->loss.max == 2 && series_at(r, 220)->loss.n == 1);
	v.ref = r;
	snprintf(v.ref_name, sizeof v.ref_name, "a");
	assert_non_null(strstr(draw(200, 60), "ref a"));
	int seen = column_of(ATTR_REF);
	assert_true(seen >= 0 && seen < 12);
	assert_null(ref_read("no/such/run", got, sizeof got, &e));
	assert_non_null(strstr(e.msg, "ref: no/such/run: "));
	snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
	unlink(path);
	FILE *f = fopen(path, "w");
	fputs("{\"t\":0,\"step\":0,\"event\":\"start\"}\n", f);
	fclose(f);
	assert_null(ref_read(dir, got, sizeof got, &e));
	assert_non_null(strstr(e.msg, "no step in it"));
	unlink(path);
	rmdir(dir);
	rmdir(base);
}

int main(void)
{
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		setlocale(LC_CTYPE, "en_US.UTF-8");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cursor, begin, end), cmocka_unit_test_setup_teardown(test_values, begin, end), cmocka_unit_test_setup_teardown(test_click, begin, end),
		cmocka_unit_test_setup_teardown(test_window, begin, end), cmocka_unit_test_setup_teardown(test_axes, begin, end), cmocka_unit_test_setup_teardown(test_suspended, begin, end),
		cmocka_unit_test_setup_teardown(test_ref, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
