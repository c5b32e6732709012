/* plot_marks.c: what is marked on a curve: validations, changes, checkpoints, spikes that are cut, the cursor. Draws no curve.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tui/plot_impl.h"

static void draw_val(const struct frame *f, struct grid *g)
{
	const struct glyph_set *gs = glyph_set(f->p->glyphs);
	int last = 1 << 20;
	if (f->p->what != PLOT_LOSS)
		return;
	/* From the newest back, some cells apart: they must not hide the curve. */
	for (int i = f->s->nval - 1; i >= 0; i--) {
		const struct val_point *p = &f->s->val[i];
		int dot = plot_step_dot(f, p->step), x = dot / f->ras.sx;
		if (dot < 0 || !isfinite(p->loss) || last - x < 4)
			continue;
		grid_put(g, f->at, x, plot_y_dot(f, p->loss) / f->ras.sy, ATTR_VAL, gs->val);
		last = x;
	}
	int dot = isfinite(f->s->best.loss) ? plot_step_dot(f, f->s->best.step) : -1;
	if (dot >= 0)
		grid_put(g, f->at, dot / f->ras.sx, plot_y_dot(f, f->s->best.loss) / f->ras.sy, ATTR_GOOD, gs->best);
}

/* Spikes that were cut, and steps without a finite value: along the top edge. */
static void draw_edges(const struct frame *f, struct grid *g)
{
	const struct glyph_set *gs = glyph_set(f->p->glyphs);
	for (int c = 0; c < f->cols; c++) {
		if (f->col[c].n && f->col[c].hi > f->hi * (1 + 1e-6))
			grid_put(g, f->at, c / f->ras.sx, 0, ATTR_WARN, gs->spike);
		if (f->col[c].bad)
			grid_put(g, f->at, c / f->ras.sx, 0, ATTR_BAD, gs->bad);
	}
}

/* On the axis, but never over its labels. */
static void checkpoint_mark(const struct frame *f, struct grid *g, int x)
{
	const struct glyph_set *gs = glyph_set(f->p->glyphs);
	int ax = f->at.x + x, ay = f->at.y + f->at.h;
	if (ax < g->w && ay < g->h && g->cell[(size_t)ay * (size_t)g->w + (size_t)ax].ch == gs->h)
		grid_put(g, (struct rect){ax, ay, 1, 1}, 0, 0, ATTR_CKPT, gs->ckpt);
}

static void draw_mark_lines(const struct frame *f, struct grid *g)
{
	const struct glyph_set *gs = glyph_set(f->p->glyphs);
	for (int i = 0; f->p->marks && i < f->s->nmark; i++) {
		int dot = plot_step_dot(f, f->s->mark[i].step), x = dot / f->ras.sx;
		if (dot < 0)
			continue;
		if (f->s->mark[i].kind == MARK_SETTING)
			for (int y = 0; y < f->at.h; y++)
				grid_put(g, f->at, x, y, ATTR_MARK, gs->mark);
		else if (f->p->axes & 2)
			checkpoint_mark(f, g, x);
	}
}

/* Labels right of their line (left of it near the edge), newest first, each in the first row where it hides no other. */
static void draw_mark_labels(const struct frame *f, struct grid *g)
{
	enum { ROWS = 6 };
	struct { int from, to; } used[ROWS][8] = {0};
	int count[ROWS] = {0}, rows = MIN(ROWS, f->at.h - 2);
	for (int i = f->s->nmark - 1; f->p->marks && i >= 0; i--) {
		const struct mark *m = &f->s->mark[i];
		if (m->kind != MARK_SETTING || plot_step_dot(f, m->step) < 0)
			continue;
		int line = plot_step_dot(f, m->step) / f->ras.sx, len = text_width(m->text), x = line + 1;
		for (int row = 0; row < rows; row++) {
			int limit = f->at.w - (row < f->p->reserve_h ? f->p->reserve_w : 0);
			x = line + 1 + len <= limit ? line + 1 : line - len;
			int ok = x >= 0 && x + len <= limit && count[row] < 8;
			for (int k = 0; k < count[row]; k++)
				ok = ok && (x >= used[row][k].to + 1 || x + len + 1 <= used[row][k].from);
			if (!ok)
				continue;
			grid_text(g, f->at, x, row, ATTR_MARK, m->text);
			used[row][count[row]].from = x;
			used[row][count[row]++].to = x + len;
			break;
		}
	}
}

static int cursor_dot(const struct frame *f)
{
	const struct bucket *b = f->p->cursor_on ? series_at(f->s, f->p->cursor) : NULL;
	return b ? plot_step_dot(f, MIN(MAX(f->p->cursor, b->first), b->last)) : -1;
}

static void draw_cursor_line(const struct frame *f, struct grid *g)
{
	int dot = cursor_dot(f);
	for (int y = 0; dot >= 0 && y < f->at.h; y++)
		grid_put(g, f->at, dot / f->ras.sx, y, ATTR_CURSOR, glyph_set(f->p->glyphs)->cursor);
}

/* Where the cursor meets the curve; what the column holds, where it holds something. */
static void draw_cursor(const struct frame *f, struct grid *g)
{
	int dot = cursor_dot(f);
	for (int d = 0; dot >= 0 && d < 2 * f->ras.sx; d++) {
		int c = dot - d;
		if (c < 0 || isnan(f->col[c].line))
			continue;
		grid_put(g, f->at, dot / f->ras.sx, plot_y_dot(f, f->col[c].line) / f->ras.sy, ATTR_CURSOR, glyph_set(f->p->glyphs)->cross);
		return;
	}
}

void plot_marks_under(const struct frame *f, struct grid *g)
{
	draw_mark_lines(f, g);
	draw_cursor_line(f, g);
}

void plot_marks_over(const struct frame *f, struct grid *g)
{
	draw_val(f, g);
	draw_edges(f, g);
	draw_mark_labels(f, g);
	draw_cursor(f, g);
}
