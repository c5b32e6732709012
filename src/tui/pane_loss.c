/* pane_loss.c: the loss and the three smaller curves. The drawing of a curve is in plot.c.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tui/fmt.h"
#include "tui/panes.h"
#include "tui/plot.h"

int view_log_y(const struct view *v)
{
	if (v->log_y >= 0)
		return v->log_y;
	const struct series *s = &view_data(v)->series;
	float lo = INFINITY, hi = 0;
	for (int i = 0; i < s->n; i++)
		if (s->b[i].loss.n) {
			lo = fminf(lo, s->b[i].ema[0]);
			hi = fmaxf(hi, s->b[i].ema[0]);
		}
	return lo > 0 && hi > 4 * lo;
}

static const struct spread *last_loss(const struct series *s)
{
	return s->n ? &s->b[s->n - 1].loss : NULL;
}

static double raw_now(const struct view *v)
{
	const struct data *d = view_data(v);
	const struct spread *t = last_loss(&d->series);
	if (d->have_snap && d->snap.last.step == d->series.step && d->series.n)
		return d->snap.last.loss;
	return t && t->n ? t->sum / t->n : NAN;
}

/* The values at the upper right: where a falling curve leaves room. Returns the columns they take. */
static int legend(struct grid *g, const struct view *v, struct rect r, int draw)
{
	const struct series *s = &view_data(v)->series;
	char a[FMT], line[2][96] = {"", ""};
	char ema[FMT] = "";
	if (view_ema(v) >= 0)
		snprintf(ema, sizeof ema, "  ema %s", fmt_fixed(a, series_ema(s, view_ema(v)), 3));
	int n = snprintf(line[0], sizeof line[0], "raw %s%s", fmt_fixed(a, raw_now(v), 3), ema);
	if (s->nval && n > 0)
		snprintf(line[0] + n, sizeof line[0] - (size_t)n, "  val %s", fmt_fixed(a, series_last_val(s), 3));
	if (isfinite(s->best.loss)) {
		char step[FMT], bpb[FMT];
		snprintf(line[1], sizeof line[1], "best %s @ %s  %s bits/byte", fmt_fixed(a, s->best.loss, 3), fmt_group(step, s->best.step), fmt_fixed(bpb, s->best.bpb, 2));
	}
	int w = 0;
	for (int i = 0; i < 2; i++)
		w = MAX(w, (int)strlen(line[i]));
	if (!draw)
		return w;
	int x = r.w - text_width(line[0]);
	const struct glyph_set *gs = glyph_set(v->glyphs);
	grid_text(g, r, x, 0, ATTR_VALUE, line[0]);
	char *val = strstr(line[0], "val"), *mean = strstr(line[0], "ema");
	grid_textn(g, r, x, 0, ATTR_RAW, "raw", 3);
	if (mean)
		grid_textn(g, r, x + (int)(mean - line[0]), 0, ATTR_LINE, "ema", 3);
	if (val) {
		grid_textn(g, r, x + (int)(val - line[0]), 0, ATTR_VAL, "val", 3);
		grid_put(g, r, x + (int)(val - line[0]) - 1, 0, ATTR_VAL, gs->val);
	}
	grid_text(g, r, r.w - text_width(line[1]), 1, ATTR_DIM, line[1]);
	return w;
}

void pane_loss_note(const struct view *v, int values, char note[NOTE])
{
	const struct series *s = &view_data(v)->series;
	char a[FMT], b[FMT], c[FMT], smooth[16] = "off";
	if (view_ema(v) >= 0)
		snprintf(smooth, sizeof smooth, ".%02.0f", (double)series_decay[view_ema(v)] * 100);
	const char *y = view_log_y(v) ? "log" : "linear";
	if (values && s->n)
		snprintf(note, NOTE, "raw %s  ema %s  val %s  y:%s", fmt_fixed(a, raw_now(v), 3), fmt_fixed(b, view_ema(v) >= 0 ? series_ema(s, view_ema(v)) : NAN, 3),
			fmt_fixed(c, series_last_val(s), 3), y);
	else
		snprintf(note, NOTE, "y:%s  ema %s", y, smooth);
}

void pane_loss(struct grid *g, struct view *v, struct rect r, int roomy)
{
	const struct series *s = &view_data(v)->series;
	if (!s->n && !s->nval) {
		draw_nothing(g, v, r);
		return;
	}
	int lw = roomy ? legend(g, v, r, 0) : 0, with = roomy && r.w >= lw + 24 && r.h >= 8;
	struct plot p = {.what = PLOT_LOSS, .log = view_log_y(v), .ema = view_ema(v), .glyphs = v->glyphs, .axes = r.h >= 6 ? 3 : 0, .marks = 1};
	p.reserve_w = with ? lw + 1 : 0;
	p.reserve_h = with ? 2 : 0;
	plot_draw(g, r, s, &p);
	if (with)
		legend(g, v, r, 1);
}

/* Learning rate, gradient norm and speed, each in a frame of its own, below one another. */
void pane_curves(struct grid *g, struct view *v, struct rect outer, int boxed)
{
	const struct data *d = view_data(v);
	static const char *const names[] = {"7 lr", "grad norm", "tok/s"};
	static const enum plot_what what[] = {PLOT_LR, PLOT_GRAD, PLOT_RATE};
	char note[3][FMT] = {"--", "--", "--"};
	int shown = MAX(MIN(outer.h / 4, 3), 1);
	if (d->series.n && d->have_snap) {
		fmt_lr(note[0], d->snap.lr_now);
		fmt_short(note[1], d->snap.last.grad_norm);
		fmt_si(note[2], d->snap.tokens_per_s);
	}
	for (int i = 0, y = outer.y; i < shown; i++) {
		int h = (outer.y + outer.h - y) / (shown - i);
		struct rect r = {outer.x, y, outer.w, h};
		draw_frame(g, r, names[i], note[i], v->focus == PANE_CURVES, boxed, v->glyphs);
		struct rect in = boxed ? (struct rect){r.x + 2, r.y + 1, r.w - 4, r.h - 2} : (struct rect){r.x, r.y + 1, r.w, r.h - 1};
		struct plot p = {.what = what[i], .ema = -1, .glyphs = v->glyphs, .axes = i == shown - 1 ? 3 : 1, .marks = 0};
		plot_draw(g, in, &d->series, &p);
		y += h;
	}
}
