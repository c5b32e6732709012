/* test_screen_bytes.c: how many bytes a drawn frame takes on its way to the terminal, and that they show what was drawn. No clock, no engine.
 *
 * A run goes on with three new steps and other numbers in every frame, which is more than the program does (numbers change four times a second). The bars are
 * about twice what was seen, and a tenth and a fourth of what a screen full of dots that scrolls takes (4.9 KB at 80x24, 13.1 at 120x40, 33.8 at 200x60). SPDX-License-Identifier: MIT */
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
#include <unistd.h>
#include <vterm.h>

#include "base/mem.h"
#include "support/fakeview.h"
#include "tui/panes.h"
#include "tui/screen.h"

enum { FRAMES = 100, FIRST = 12340, PER_FRAME = 3 };

static const struct bar { int w, h; enum glyphs glyphs; int mean, most; } bars[] = {
	{80, 24, GLYPHS_ASCII, 500, 1500}, {80, 24, GLYPHS_BRAILLE, 500, 1500}, {120, 40, GLYPHS_ASCII, 1200, 3500}, {120, 40, GLYPHS_BRAILLE, 1200, 3500},
	{200, 60, GLYPHS_ASCII, 2500, 8000}, {200, 60, GLYPHS_BRAILLE, 2500, 8000},
};

/* A terminal that is a file: what it gets is counted by its length. */
struct rig { FILE *file; struct screen *screen; VTerm *vt; VTermScreen *vts; off_t read; };

static void open_rig(struct rig *r, int w, int h)
{
	struct err e = {0};
	char text[16];
	snprintf(text, sizeof text, "%d", w);
	setenv("COLUMNS", text, 1);
	snprintf(text, sizeof text, "%d", h);
	setenv("LINES", text, 1);
	*r = (struct rig){.file = tmpfile()};
	assert_non_null(r->file);
	r->screen = screen_open(fileno(r->file), -1, NULL, &e);
	if (!r->screen)
		fail_msg("%s", e.msg);
	r->vt = vterm_new(h, w);
	vterm_set_utf8(r->vt, 1);
	r->vts = vterm_obtain_screen(r->vt);
	vterm_screen_enable_altscreen(r->vts, 1);
	vterm_screen_reset(r->vts, 1);
}

static void close_rig(struct rig *r)
{
	screen_close(r->screen, 0);
	vterm_free(r->vt);
	fclose(r->file);
}

/* The bytes that came since the last call; libvterm gets them. */
static long take(struct rig *r)
{
	char block[4096];
	off_t before = r->read;
	for (ssize_t n; (n = pread(fileno(r->file), block, sizeof block, r->read)) > 0; r->read += n)
		vterm_input_write(r->vt, block, (size_t)n);
	return (long)(r->read - before);
}

/* What the run tells between two frames. */
static void go_on(struct view *v, int frame)
{
	struct engine_snapshot *s = &v->live->snap;
	for (int i = 1; i <= PER_FRAME; i++) {
		uint64_t step = FIRST + (uint64_t)frame * PER_FRAME + (uint64_t)i;
		double x = (double)step, loss = 1.62 + 0.02 * sin(x / 3) + 0.05 * sin(x * x);
		struct engine_event ev = {.kind = EV_STEP, .obs = {.step = step, .tokens = step * 1240, .t = x * 0.0301, .ms = 30 + sin(x), .micro_ms = 29 + sin(x), .loss = loss}};
		ev.obs.grad_norm = 0.8 + 0.2 * cos(x);
		ev.obs.lr = 2.8e-4 - 1e-9 * x;
		ev.obs.watts = 18 + sin(x / 5);
		ev.obs.joules = NAN;
		view_event(v, &ev, "14:03:12");
		s->last = ev.obs;
	}
	s->step = s->last.step;
	s->tokens = s->last.tokens;
	s->elapsed += 0.1;
	s->remaining -= 0.1;
	s->tokens_per_s = 41200 + 300 * sin(frame);
	s->step_ms = s->last.ms;
	s->micro_ms = s->last.micro_ms;
	s->lr_now = s->last.lr;
	s->power.watts = s->last.watts;
	for (int k = 0; k < s->timing.n; k++)
		s->timing.row[k].hist_ns[frame % TIMING_HIST] = (uint32_t)(1e6 * (3 + sin(frame + k)));
	if (frame % 10 == 0) {
		s->proc.cpu = 180 + 10 * (float)sin(frame);
		view_second(v);
	}
}

static void see_the_same(struct rig *r, const struct grid *g)
{
	for (int y = 0; y < g->h; y++)
		for (int x = 0; x < g->w; x++) {
			const struct cell *c = &g->cell[(size_t)y * (size_t)g->w + (size_t)x];
			VTermScreenCell seen;
			vterm_screen_get_cell(r->vts, (VTermPos){.row = y, .col = x}, &seen);
			if (c->width && c->ch != (seen.chars[0] ? seen.chars[0] : ' '))
				fail_msg("%dx%d: column %d of line %d: U+%04X was drawn, U+%04X is seen", g->w, g->h, x, y, (unsigned)c->ch, (unsigned)seen.chars[0]);
		}
}

static void one_size(const struct bar *b)
{
	struct rig r;
	struct view v;
	struct layout l;
	struct grid g = {0};
	long sum = 0, most = 0, all;
	open_rig(&r, b->w, b->h);
	assert_int_equal(grid_resize(&g, b->w, b->h), 0);
	assert_int_equal(fakeview_training(&v), 0);
	v.glyphs = b->glyphs;
	frame_draw(&g, &v, &l);
	frame_draw(&g, &v, &l);
	screen_show(r.screen, &g, 1);
	all = take(&r);
	for (int i = 0; i < FRAMES; i++) {
		go_on(&v, i);
		frame_draw(&g, &v, &l);
		screen_show(r.screen, &g, 0);
		long n = take(&r);
		sum += n;
		most = MAX(most, n);
	}
	see_the_same(&r, &g);
	print_message("%dx%d %s: %ld bytes for the first frame, then %ld a frame, %ld at most\n", b->w, b->h, b->glyphs == GLYPHS_ASCII ? "ascii" : "braille", all, sum / FRAMES, most);
	assert_true(sum > 20L * FRAMES); /* something was drawn */
	assert_in_range(sum / FRAMES, 1, b->mean);
	assert_in_range(most, 1, b->most);
	/* Nothing new: nothing is written. */
	screen_show(r.screen, &g, 0);
	assert_int_equal(take(&r), 0);
	view_done(&v);
	grid_done(&g);
	close_rig(&r);
}

static void test_bytes_of_a_frame(void **s)
{
	(void)s;
	int keys[2];
	/* No key ever waits: curses would cut a frame short for it. */
	assert_int_equal(pipe(keys), 0);
	assert_true(dup2(keys[0], STDIN_FILENO) == STDIN_FILENO);
	setenv("TERM", "xterm-256color", 1);
	unsetenv("NO_COLOR");
	for (size_t i = 0; i < ARRAY_LEN(bars); i++)
		one_size(&bars[i]);
}

int main(void)
{
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		setlocale(LC_CTYPE, "");
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_bytes_of_a_frame)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
