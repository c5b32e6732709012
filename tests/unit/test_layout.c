/* test_layout.c: the arrangement of panes, for every size of a screen. No drawing.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "tui/layout.h"

static int overlap(struct rect a, struct rect b)
{
	return a.w && a.h && b.w && b.h && a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

static int inside(struct rect r, int w, int h)
{
	return r.x >= 0 && r.y >= 0 && r.w >= 0 && r.h >= 0 && r.x + r.w <= w && r.y + r.h <= h;
}

static void check(int w, int h, enum layout_kind wish, int zoom, const struct layout_moves *moved)
{
	struct layout l;
	struct rect all[PANE_N + 4];
	int n = 0;
	layout_make(&l, w, h, wish, zoom, moved);
	all[n++] = l.state;
	all[n++] = l.help;
	all[n++] = l.prompt;
	all[n++] = l.lines;
	for (int p = 0; p < PANE_N; p++) {
		struct rect in = layout_inside(&l, (enum pane)p);
		all[n++] = l.pane[p];
		if (l.pane[p].w && (in.w < 1 || in.h < 1 || l.pane[p].h < 1))
			fail_msg("%dx%d wish %d zoom %d: pane %d has no room (%dx%d)", w, h, wish, zoom, p, in.w, in.h);
		if (in.w && !inside(in, w, h))
			fail_msg("%dx%d wish %d zoom %d: inside of pane %d sticks out", w, h, wish, zoom, p);
	}
	for (int i = 0; i < n; i++) {
		if (!inside(all[i], w, h))
			fail_msg("%dx%d wish %d zoom %d: part %d sticks out: %d,%d %dx%d", w, h, wish, zoom, i, all[i].x, all[i].y, all[i].w, all[i].h);
		for (int k = 0; k < i; k++)
			if (overlap(all[i], all[k]))
				fail_msg("%dx%d wish %d zoom %d: parts %d and %d overlap", w, h, wish, zoom, i, k);
	}
	if (h >= 2 && (l.prompt.h != 1 || l.prompt.w != w))
		fail_msg("%dx%d: no prompt", w, h);
}

/* As they stand, and with boundaries moved further than there is room. */
static void test_every_size(void **s)
{
	(void)s;
	static struct layout_moves moves[4];
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < LAYOUT_BARE; k++)
			for (int b = 0; b < SPLITS; b++)
				moves[i].by[k][b] = (short)((b * 7 + i * 5 + k) % 3 == 0 ? 1000 : (b + i) % 2 ? -9 : 9 * i - 1000);
	for (int w = 1; w <= 300; w++)
		for (int h = 1; h <= 120; h++) {
			for (int k = LAYOUT_AUTO; k <= LAYOUT_TINY; k++)
				{
				check(w, h, (enum layout_kind)k, -1, NULL);
				check(w, h, (enum layout_kind)k, -1, &moves[(w + h) % 4]);
			}
			check(w, h, LAYOUT_AUTO, w % PANE_N, NULL);
		}
}

static void test_kinds(void **s)
{
	(void)s;
	static const struct { int w, h; enum layout_kind wish, want; } cases[] = {
		{200, 60, LAYOUT_AUTO, LAYOUT_WIDE}, {120, 40, LAYOUT_AUTO, LAYOUT_TALL}, {80, 24, LAYOUT_AUTO, LAYOUT_STRIPS}, {40, 10, LAYOUT_AUTO, LAYOUT_TINY},
		{20, 3, LAYOUT_AUTO, LAYOUT_TINY}, {1, 1, LAYOUT_AUTO, LAYOUT_BARE}, {20, 2, LAYOUT_AUTO, LAYOUT_BARE},
		{200, 60, LAYOUT_STRIPS, LAYOUT_STRIPS}, {130, 40, LAYOUT_WIDE, LAYOUT_WIDE}, {80, 24, LAYOUT_WIDE, LAYOUT_STRIPS}, {200, 60, LAYOUT_TINY, LAYOUT_TINY}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct layout l;
		layout_make(&l, cases[i].w, cases[i].h, cases[i].wish, -1, NULL);
		if (l.kind != cases[i].want)
			fail_msg("%dx%d wish %s: %s", cases[i].w, cases[i].h, layout_name(cases[i].wish), layout_name(l.kind));
	}
}

/* What each arrangement shows at its size. */
static void test_panes(void **s)
{
	(void)s;
	struct layout l;
	layout_make(&l, 200, 60, LAYOUT_AUTO, -1, NULL);
	for (int p = 0; p <= PANE_CURVES; p++)
		assert_true(l.pane[p].w > 0);
	layout_make(&l, 120, 40, LAYOUT_AUTO, -1, NULL);
	for (int p = 0; p < PANE_CURVES; p++)
		assert_true(l.pane[p].w > 0);
	layout_make(&l, 80, 24, LAYOUT_AUTO, -1, NULL);
	for (int p = 0; p < PANE_CURVES; p++)
		assert_true(l.pane[p].w > 0);
	layout_make(&l, 40, 10, LAYOUT_AUTO, -1, NULL);
	assert_int_equal(l.lines.h, 3);
	assert_true(l.pane[PANE_LOSS].h >= 4);
	layout_make(&l, 80, 24, LAYOUT_AUTO, PANE_SAMPLE, NULL);
	assert_int_equal(l.pane[PANE_SAMPLE].h, l.body.h);
	assert_int_equal(l.pane[PANE_LOSS].w, 0);
}

/* Each pane that can be made larger becomes so, and back. */
static void test_moves(void **s)
{
	(void)s;
	static const struct { int w, h; enum layout_kind kind; } cases[] = {{200, 60, LAYOUT_WIDE}, {120, 40, LAYOUT_TALL}, {80, 24, LAYOUT_STRIPS}, {120, 40, LAYOUT_STAGE}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (int p = 0; p < PANE_N; p++)
			for (int upright = 0; upright < 2; upright++) {
				struct layout_moves moves = {0};
				struct layout l, after;
				int sign, k;
				layout_make(&l, cases[i].w, cases[i].h, cases[i].kind, -1, &moves);
				assert_int_equal(l.kind, cases[i].kind);
				k = l.pane[p].w ? layout_split_of(&l, (enum pane)p, upright, &sign) : -1;
				if (k < 0)
					continue;
				moves.by[l.kind][k] = (short)sign;
				layout_make(&after, cases[i].w, cases[i].h, cases[i].kind, -1, &moves);
				int was = upright ? l.pane[p].w : l.pane[p].h, now = upright ? after.pane[p].w : after.pane[p].h;
				int room = upright ? 1 : 0;
				if (now != was + 1 && !(room == 0 && now == was))
					fail_msg("%dx%d: pane %s has %d, then %d", cases[i].w, cases[i].h, layout_pane_name((enum pane)p), was, now);
				assert_int_equal(layout_split_at(&after, upright ? after.split[k].at : after.split[k].span.x, upright ? after.split[k].span.y : after.split[k].at) >= 0, 1);
			}
}

static void test_names(void **s)
{
	(void)s;
	assert_int_equal(layout_find("tall"), LAYOUT_TALL);
	assert_int_equal(layout_find("bare"), -1);
	assert_int_equal(layout_find(""), -1);
	assert_int_equal(layout_find_pane("kernels"), PANE_KERNELS);
	assert_int_equal(layout_find_pane("x"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_size), cmocka_unit_test(test_kinds), cmocka_unit_test(test_panes), cmocka_unit_test(test_moves), cmocka_unit_test(test_names)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
