/* test_panes.c: whole screens as text, compared with tests/golden. No terminal.
 *
 * After a change that is meant to show: ANETUI_GOLDEN=write build/release/tests/test_panes, then look at each file that changed.
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

#include "base/mem.h"
#include "support/fakeview.h"
#include "tui/keys.h"
#include "tui/panes.h"
#include "tui/picture.h"
#include "tui/setlist.h"

static void path_of(char *out, size_t n, const char *name)
{
	const char *root = getenv("ANETUI_ROOT");
	snprintf(out, n, "%s/tests/golden/%s.txt", root ? root : ".", name);
}

static int in_colours;

static void draw(struct view *v, int w, int h, struct str *out)
{
	struct grid g = {0};
	struct layout l;
	assert_int_equal(grid_resize(&g, w, h), 0);
	/* The second drawing has measured the scroll bounds of the first. */
	frame_draw(&g, v, &l);
	frame_draw(&g, v, &l);
	if (in_colours)
		picture_ansi(&g, 0, out);
	else
		grid_dump(&g, out);
	grid_done(&g);
}

/* In colours the golden file is what a terminal gets (`cat` shows it). */
static void compare(struct view *v, int w, int h, const char *name)
{
	char path[512];
	struct str got = {0}, want = {0};
	path_of(path, sizeof path, name);
	draw(v, w, h, &got);
	const char *mode = getenv("ANETUI_GOLDEN");
	if (mode && !strcmp(mode, "write")) {
		FILE *f = fopen(path, "w");
		assert_non_null(f);
		fputs(got.s, f);
		fclose(f);
	}
	FILE *f = fopen(path, "r");
	if (!f)
		fail_msg("%s is missing (ANETUI_GOLDEN=write makes it)", path);
	char buf[4096];
	for (size_t n; (n = fread(buf, 1, sizeof buf, f)) > 0;)
		str_add(&want, buf, n);
	fclose(f);
	if (strcmp(got.s, want.s ? want.s : ""))
		fail_msg("%s differs; drawn was:\n%s", path, got.s);
	str_done(&got);
	str_done(&want);
}

static const struct { int w, h; } sizes[] = {{1, 1}, {20, 3}, {40, 10}, {80, 24}, {120, 40}, {200, 60}};

static void test_training(void **s)
{
	(void)s;
	static const char *const names[] = {"ascii", "block", "braille"};
	struct view v;
	assert_int_equal(fakeview_training(&v), 0);
	for (int gl = 0; gl < 3; gl++)
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			char name[64];
			v.glyphs = (enum glyphs)gl;
			snprintf(name, sizeof name, "train-%dx%d-%s", sizes[i].w, sizes[i].h, names[gl]);
			if (gl != GLYPHS_BLOCK || sizes[i].w == 80)
				compare(&v, sizes[i].w, sizes[i].h, name);
			in_colours = 1;
			snprintf(name, sizeof name, "train-%dx%d-%s-colour", sizes[i].w, sizes[i].h, names[gl]);
			if (gl != GLYPHS_BLOCK)
				compare(&v, sizes[i].w, sizes[i].h, name);
			in_colours = 0;
		}
	view_done(&v);
}

static void test_beginning(void **s)
{
	(void)s;
	struct view v;
	assert_int_equal(fakeview_empty(&v), 0);
	compare(&v, 80, 24, "preparing-80x24");
	compare(&v, 120, 40, "preparing-120x40");
	view_done(&v);
}

static void test_zoomed(void **s)
{
	(void)s;
	struct view v;
	assert_int_equal(fakeview_training(&v), 0);
	for (int p = 0; p < PANE_N; p++) {
		char name[64];
		v.zoom = p;
		snprintf(name, sizeof name, "zoom-%s-80x24", layout_pane_name((enum pane)p));
		compare(&v, 80, 24, name);
	}
	view_done(&v);
}

/* A record holds no kernels: waiting for them would be in vain. */
static void test_replayed_kernels(void **s)
{
	(void)s;
	struct view v;
	struct str got = {0};
	assert_int_equal(fakeview_empty(&v), 0);
	v.zoom = PANE_KERNELS;
	draw(&v, 80, 24, &got);
	assert_non_null(strstr(got.s, "fills with the first micro-step"));
	str_clear(&got);
	v.live->snap.view.kind = VIEW_REPLAY;
	draw(&v, 80, 24, &got);
	assert_non_null(strstr(got.s, "no kernels in a record"));
	str_done(&got);
	view_done(&v);
}

/* A chip's time beside ours: status line, now, kernels; and what is missing says so. */
static void test_chip(void **s)
{
	(void)s;
	struct view v;
	assert_int_equal(fakeview_training(&v), 0);
	struct engine_snapshot *snap = &v.live->snap;
	snap->chip = (struct chip_view){.name = "m4", .ms = 6.75, .forward_ms = 1.22, .backward_ms = 2.49, .watts = 1.54, .source = "single kernels"};
	for (int i = 0; i < snap->timing.n; i++)
		if (snap->timing.row[i].kind == TIMING_PROGRAM)
			snap->timing.row[i].last_chip_ns = 0.12e6 * (double)timing_mean_ms(&snap->timing, i, 16);
	compare(&v, 120, 40, "chip-120x40");
	compare(&v, 80, 24, "chip-80x24");
	compare(&v, 40, 10, "chip-40x10");
	v.zoom = PANE_KERNELS;
	compare(&v, 80, 24, "chip-kernels-80x24");
	v.zoom = -1;
	snap->chip = (struct chip_view){.name = "m1pro", .ms = 14.1, .watts = NAN};
	compare(&v, 120, 40, "chip-watts-120x40");
	snap->chip = (struct chip_view){.name = "m5max", .ms = NAN, .watts = NAN};
	for (int i = 0; i < snap->timing.n; i++)
		snap->timing.row[i].last_chip_ns = 0;
	compare(&v, 120, 40, "chip-later-120x40");
	view_done(&v);
}

/* Compiles that run out are shown whatever the room; where there is no limit there is no such line. */
static void test_compiles(void **s)
{
	(void)s;
	struct view v;
	assert_int_equal(fakeview_training(&v), 0);
	v.zoom = PANE_NOW;
	for (int h = 10; h <= 40; h += 2)
		for (int budget = 0; budget <= 119; budget += 119) {
			struct str got = {0};
			v.live->snap.compiles = budget ? 36 : 0;
			v.live->snap.compile_budget = budget;
			draw(&v, 80, h, &got);
			if ((strstr(got.s, "compiles  36         83 left") != NULL) != (budget > 0))
				fail_msg("%d lines, budget %d:\n%s", h, budget, got.s);
			str_done(&got);
		}
	view_done(&v);
}

/* Read from ten metres: digits as high as there is room for, with the cursor's step where it is set. */
static void test_stage(void **s)
{
	(void)s;
	struct view v;
	assert_int_equal(fakeview_training(&v), 0);
	v.layout = LAYOUT_STAGE;
	compare(&v, 80, 24, "stage-80x24");
	compare(&v, 120, 40, "stage-120x40");
	v.glyphs = GLYPHS_ASCII;
	compare(&v, 120, 40, "stage-120x40-ascii");
	v.layout = LAYOUT_AUTO;
	v.glyphs = GLYPHS_BRAILLE;
	v.cursor_on = 1;
	v.cursor = 11000;
	compare(&v, 80, 24, "cursor-80x24");
	compare(&v, 120, 40, "cursor-120x40");
	view_done(&v);
}

static void test_prompt(void **s)
{
	(void)s;
	struct view v;
	struct str help = {0};
	assert_int_equal(fakeview_training(&v), 0);
	v.prompt.open = 1;
	strcpy(v.prompt.line, "sa");
	v.prompt.cursor = 2;
	strcpy(v.prompt.cand[0], "sample");
	strcpy(v.prompt.cand[1], "set");
	strcpy(v.prompt.cand[2], "step");
	v.prompt.ncand = 3;
	compare(&v, 80, 24, "prompt-candidates-80x24");
	v.prompt.ncand = 0;
	strcpy(v.prompt.line, "sample ");
	strcpy(v.prompt.hint, "N [PROMPT]");
	v.prompt.cursor = 7;
	compare(&v, 40, 10, "prompt-hint-40x10");
	compare(&v, 20, 3, "prompt-hint-20x3");
	compare(&v, 6, 1, "prompt-hint-6x1");
	v.prompt.open = 0;
	keys_help(&help);
	view_answer_begin(&v, 0, "keys");
	view_answer_text(&v, help.s);
	view_answer_end(&v, "14:04:00");
	compare(&v, 80, 24, "answer-keys-80x24");
	view_answer_close(&v);
	v.ask = ASK_QUIT;
	compare(&v, 40, 10, "ask-40x10");
	str_done(&help);
	view_done(&v);
}

/* The settings screen: what differs is marked, the chosen row tells about itself; a short list leaves the panes to be seen; what is asked for says so until it is answered. */
static void test_settings(void **s)
{
	(void)s;
	static const struct { int w, h; } some[] = {{20, 3}, {40, 10}, {80, 24}, {120, 40}, {200, 60}};
	struct view v;
	struct str got = {0};
	assert_int_equal(fakeview_training(&v), 0);
	settings_set(&v.live->snap.settings, SET_CLIP, "0.5", NULL);
	settings_set(&v.live->snap.settings, SET_FREEZE, "embed* layers.0-1.*", NULL);
	v.live->snap.settings.num[SET_BATCH] = 2;
	setlist_open(&v, NULL);
	setlist_move(&v, SET_CLIP);
	for (size_t i = 0; i < ARRAY_LEN(some); i++) {
		char name[64];
		snprintf(name, sizeof name, "settings-%dx%d", some[i].w, some[i].h);
		compare(&v, some[i].w, some[i].h, name);
		in_colours = 1;
		snprintf(name, sizeof name, "settings-%dx%d-colour", some[i].w, some[i].h);
		compare(&v, some[i].w, some[i].h, name);
		in_colours = 0;
	}
	v.setlist.id = 7;
	v.setlist.what = SET_CLIP;
	strcpy(v.setlist.text, "0.25");
	draw(&v, 80, 24, &got);
	assert_non_null(strstr(got.s, "clip                 0.25 ?"));
	struct engine_event done = {.kind = EV_DONE, .id = 7};
	view_event(&v, &done, "1");
	str_clear(&got);
	draw(&v, 80, 24, &got);
	assert_non_null(strstr(got.s, "clip               < 0.5 >"));
	setlist_open(&v, "clip");
	v.glyphs = GLYPHS_ASCII;
	compare(&v, 80, 24, "settings-filter-80x24-ascii");
	setlist_open(&v, "nothing has this");
	str_clear(&got);
	draw(&v, 80, 24, &got);
	assert_non_null(strstr(got.s, "no setting with that"));
	setlist_close(&v);
	str_clear(&got);
	draw(&v, 80, 24, &got);
	assert_null(strstr(got.s, "settings ="));
	str_done(&got);
	view_done(&v);
}

/* No size, no layout, no zoom may crash or draw outside (the sanitizer build sees the latter). */
static void test_every_size(void **s)
{
	(void)s;
	struct view v;
	struct grid g = {0};
	struct layout l;
	assert_int_equal(fakeview_training(&v), 0);
	v.prompt.open = 1;
	strcpy(v.prompt.line, "sample 20 漢字かな交じり文");
	v.prompt.cursor = strlen(v.prompt.line);
	for (int w = 1; w <= 130; w += w < 30 ? 1 : 7)
		for (int h = 1; h <= 50; h += h < 12 ? 1 : 5)
			for (int z = -1; z < PANE_N; z += 2) {
				v.zoom = z;
				v.setlist.open = (w + h + z) % 2;
				v.setlist.at = (w * h) % SET_N;
				v.glyphs = (enum glyphs)((w + h) % 3);
				v.layout = (enum layout_kind)((w + z + 1) % LAYOUT_BARE);
				assert_int_equal(grid_resize(&g, w, h), 0);
				frame_draw(&g, &v, &l);
				if (g.cursor_x >= w || g.cursor_y >= h || g.cursor_x < 0)
					fail_msg("cursor %d,%d at %dx%d", g.cursor_x, g.cursor_y, w, h);
			}
	grid_done(&g);
	view_done(&v);
}

static void test_scrolling(void **s)
{
	(void)s;
	struct view v;
	struct str a = {0}, b = {0}, c = {0};
	assert_int_equal(fakeview_training(&v), 0);
	for (int i = 0; i < 60; i++) {
		char line[32];
		snprintf(line, sizeof line, "line %d", i);
		view_log(&v, LOG_INFO, "15:00:00", line);
	}
	v.zoom = PANE_LOG;
	draw(&v, 80, 24, &a);
	assert_non_null(strstr(a.s, "line 59"));
	view_scroll(&v, -5);
	draw(&v, 80, 24, &b);
	assert_null(strstr(b.s, "line 59"));
	assert_non_null(strstr(b.s, "line 54"));
	view_scroll(&v, 5);
	draw(&v, 80, 24, &c);
	assert_non_null(strstr(c.s, "line 59"));
	view_scroll(&v, -100000);
	view_scroll_page(&v, -1);
	assert_int_equal(v.scroll[PANE_LOG], v.most[PANE_LOG]);
	/* To the top of a small pane; in a larger one keys go on from what is seen there. */
	v.zoom = -1;
	v.focus = PANE_LOG;
	str_clear(&c);
	draw(&v, 80, 24, &c);
	view_scroll(&v, -100000);
	v.zoom = PANE_LOG;
	str_clear(&c);
	draw(&v, 80, 40, &c);
	assert_int_equal(v.scroll[PANE_LOG], v.most[PANE_LOG]);
	view_scroll_page(&v, 1);
	str_clear(&c);
	draw(&v, 80, 40, &c);
	assert_null(strstr(c.s, "line 5 "));
	assert_non_null(strstr(c.s, "line 59"));
	str_done(&a);
	str_done(&b);
	str_done(&c);
	view_done(&v);
}

/* A sample that is written shows its end, one that is done begins at its beginning, and scrolls on from there. */
static void test_sample_rests(void **s)
{
	(void)s;
	struct view v;
	struct str got = {0};
	struct engine_event b = {.kind = EV_SAMPLE_BEGIN, .obs = {.step = 12340}, .text = "FIRST"}, t = {.kind = EV_SAMPLE}, e = {.kind = EV_SAMPLE_END};
	assert_int_equal(fakeview_training(&v), 0);
	v.focus = PANE_SAMPLE;
	view_event(&v, &b, "1");
	for (int i = 0; i < 40; i++) {
		snprintf(t.text, sizeof t.text, "\nline %d", i);
		view_event(&v, &t, "1");
	}
	draw(&v, 80, 24, &got);
	assert_true(!strstr(got.s, "FIRST") && strstr(got.s, "line 39"));
	view_event(&v, &e, "1");
	str_clear(&got);
	draw(&v, 80, 24, &got);
	assert_true(strstr(got.s, "FIRST") && !strstr(got.s, "line 39"));
	view_scroll(&v, 2);
	str_clear(&got);
	draw(&v, 80, 24, &got);
	assert_true(!strstr(got.s, "FIRST") && strstr(got.s, "line 1\n"));
	view_scroll(&v, 1 << 20);
	str_clear(&got);
	draw(&v, 80, 24, &got);
	assert_non_null(strstr(got.s, "line 39"));
	str_done(&got);
	view_done(&v);
}

/* Without watts there is no column for them. */
static void test_kernels_without_watts(void **s)
{
	(void)s;
	struct view v;
	struct str got = {0};
	assert_int_equal(fakeview_training(&v), 0);
	v.zoom = PANE_KERNELS;
	draw(&v, 120, 40, &got);
	assert_non_null(strstr(got.s, "~mJ"));
	v.live->snap.power.watts = NAN;
	str_clear(&got);
	draw(&v, 120, 40, &got);
	assert_null(strstr(got.s, "~mJ"));
	str_done(&got);
	view_done(&v);
}

/* Where there is no room for all of it: whole words, and a sign that there are more; of a reason what it is, without its detail. */
static void test_no_room(void **s)
{
	(void)s;
	struct view v;
	struct str got = {0};
	assert_int_equal(fakeview_empty(&v), 0);
	v.live->snap.power.source[0] = (struct power_source_view){.name = "package", .kind = "powercap", .state = POWER_NO_SENSOR, .reason = "no zone (a virtual machine, or a module that is not loaded)"};
	draw(&v, 80, 24, &got);
	assert_true(strstr(got.s, "powercap: no") && !strstr(got.s, "(a virtual"));
	v.zoom = PANE_POWER;
	str_clear(&got);
	draw(&v, 80, 24, &got);
	assert_non_null(strstr(got.s, "no zone (a virtual machine"));
	v.prompt.open = 1;
	strcpy(v.prompt.line, "lr ");
	v.prompt.cursor = 3;
	strcpy(v.prompt.hint, "now 0.00182 of 0.002, cosine  [RATE] [constant|cosine|linear|wsd] [max=R] [min=FRACTION] [warmup=N]");
	str_clear(&got);
	draw(&v, 80, 24, &got);
	assert_non_null(strstr(got.s, "[max=R] …\n"));
	str_clear(&got);
	draw(&v, 120, 24, &got);
	assert_non_null(strstr(got.s, "[warmup=N]\n"));
	str_done(&got);
	view_done(&v);
}

static void test_answers(void **s)
{
	(void)s;
	struct view v;
	assert_int_equal(view_init(&v), 0);
	struct engine_event t = {.kind = EV_TEXT, .id = 7, .text = "one line\n"}, d = {.kind = EV_DONE, .id = 7};
	view_answer_begin(&v, 7, "lr");
	view_event(&v, &t, "1");
	view_event(&v, &d, "1");
	assert_false(v.answer.open);
	assert_string_equal(v.live->log[0].text, "one line");
	assert_string_equal(v.message, "one line");
	view_answer_begin(&v, 8, "info");
	t.id = d.id = 8;
	for (int i = 0; i < 3; i++)
		view_event(&v, &t, "1");
	assert_true(v.answer.open);
	view_event(&v, &d, "1");
	assert_true(v.answer.open);
	assert_int_equal(v.live->logged, 1);
	d.code = ERR_USAGE;
	strcpy(d.text, "lr: abc: not a number");
	view_event(&v, &d, "1");
	assert_string_equal(v.live->log[1].text, "lr: abc: not a number");
	assert_int_equal(v.live->log[1].level, LOG_ERROR);
	/* A watched command's answer that was under way when it was closed does not open it again. */
	view_answer_close(&v);
	view_answer_watch(&v, "watch", "1\n2\n3\n");
	assert_true(v.answer.open);
	view_answer_close(&v);
	view_answer_watch(&v, "watch", "1\n2\n3\n");
	assert_false(v.answer.open);
	view_done(&v);
}

static void test_freeze(void **s)
{
	(void)s;
	struct view v;
	struct str a = {0}, b = {0};
	assert_int_equal(fakeview_training(&v), 0);
	assert_true(view_freeze(&v));
	draw(&v, 80, 24, &a);
	struct engine_event ev = {.kind = EV_STEP, .obs = {.step = 12341, .loss = 9}};
	view_event(&v, &ev, "1");
	view_log(&v, LOG_INFO, "1", "something new");
	draw(&v, 80, 24, &b);
	assert_string_equal(a.s, b.s);
	assert_non_null(strstr(a.s, "FROZEN"));
	assert_false(view_freeze(&v));
	str_clear(&b);
	draw(&v, 80, 24, &b);
	assert_non_null(strstr(b.s, "something new"));
	str_done(&a);
	str_done(&b);
	view_done(&v);
}

static void test_keys(void **s)
{
	(void)s;
	int which;
	assert_int_equal(key_find("q", &which), KEYS_QUIT);
	assert_int_equal(key_find("3", &which), KEYS_PANE);
	assert_int_equal(which, 2);
	assert_int_equal(key_find("?", &which), KEYS_HELP);
	assert_int_equal(key_find("Sp", &which), KEYS_NONE);
	assert_int_equal(key_find("", &which), KEYS_NONE);
	struct str man = {0};
	keys_man(&man);
	assert_non_null(strstr(man.s, ".B F1, ?\nthis help\n"));
	assert_non_null(strstr(man.s, ".B \\(haC\n"));
	str_done(&man);
	/* No key stands in two rows. */
	for (int a = 1; a < KEYS_N; a++) {
		char keys[64], *save = NULL;
		snprintf(keys, sizeof keys, "%s", key_row((enum key_action)a)->keys);
		for (char *k = strtok_r(keys, " ", &save); k; k = strtok_r(NULL, " ", &save))
			assert_int_equal(key_find(k, &which), a);
	}
}

int main(void)
{
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		setlocale(LC_CTYPE, "en_US.UTF-8");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_training), cmocka_unit_test(test_beginning), cmocka_unit_test(test_zoomed), cmocka_unit_test(test_replayed_kernels), cmocka_unit_test(test_chip), cmocka_unit_test(test_compiles), cmocka_unit_test(test_stage), cmocka_unit_test(test_prompt), cmocka_unit_test(test_settings),
		cmocka_unit_test(test_every_size), cmocka_unit_test(test_scrolling), cmocka_unit_test(test_sample_rests), cmocka_unit_test(test_no_room), cmocka_unit_test(test_kernels_without_watts), cmocka_unit_test(test_answers), cmocka_unit_test(test_freeze), cmocka_unit_test(test_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
