/* pane_loss.c: the loss and the three smaller curves. The drawing of a curve is in plot.c.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tui/aim.h"
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

static double mean_of(const struct spread *t)
{
	return t->n ? t->sum / t->n : NAN;
}

/* What the legend tells: of the latest step, or of the cursor's. */
struct told { const char *name[3]; double value[3]; enum attr attr[3]; int n; char more[3][64]; enum attr more_attr[3]; };

static void tell(struct told *t, const struct view *v)
{
	const struct series *s = &view_data(v)->series;
	const struct bucket *b = aim_bucket(v);
	const struct val_point *val = b ? series_val_at(s, b->last) : s->nval ? &s->val[s->nval - 1] : NULL;
	char a[FMT], c[FMT];
	int n = 0, bad = 0;
	*t = (struct told){{"raw", NULL, NULL}, {b ? mean_of(&b->loss) : raw_now(v), 0, 0}, {ATTR_RAW, ATTR_LINE, ATTR_VAL}, 1, {"", "", ""}, {ATTR_DIM, ATTR_DIM, ATTR_DIM}};
	if (view_ema(v) >= 0) {
		t->name[t->n] = "ema";
		t->attr[t->n] = ATTR_LINE;
		t->value[t->n++] = b ? (double)b->ema[view_ema(v)] : (double)series_ema(s, view_ema(v));
	}
	if (val) {
		t->name[t->n] = "val";
		t->attr[t->n] = ATTR_VAL;
		t->value[t->n++] = (double)val->loss;
	}
	if (b) {
		snprintf(t->more[n], sizeof t->more[n], "cursor at step %s", fmt_group(a, MIN(MAX(v->cursor, b->first), b->last)));
		t->more_attr[n++] = ATTR_CURSOR;
	}
	if (isfinite(s->best.loss)) {
		snprintf(t->more[n++], sizeof t->more[0], "best %.3f @ %s  %s bits/byte", (double)s->best.loss, fmt_group(a, s->best.step), fmt_fixed(c, (double)s->best.bpb, 2));
	}
	for (int i = 0; i < s->n; i++)
		bad += (int)s->b[i].bad;
	if (bad) {
		snprintf(t->more[n], sizeof t->more[n], "%d step%s without a number", bad, bad == 1 ? "" : "s");
		t->more_attr[n] = ATTR_BAD;
	}
}

/* At the upper right, where a falling curve leaves room. Returns the columns that it takes. */
static int legend(struct grid *g, const struct view *v, struct rect r, const struct told *t, int draw)
{
	char a[FMT];
	int w = 0, x;
	for (int i = 0; i < t->n; i++)
		w += 4 + text_width(fmt_fixed(a, t->value[i], 3)) + (i > 0) * 2;
	x = r.w - w;
	for (int i = 0; i < 3; i++)
		w = MAX(w, text_width(t->more[i]));
	if (!draw)
		return w;
	/* Lines of marks go on beside it, not through it. */
	grid_fill(g, (struct rect){r.x + x - 1, r.y, r.w - x + 1, 1}, ' ', ATTR_TEXT);
	for (int i = 0; i < 3; i++)
		if (t->more[i][0])
			grid_fill(g, (struct rect){r.x + r.w - text_width(t->more[i]) - 1, r.y + 1 + i, text_width(t->more[i]) + 1, 1}, ' ', ATTR_TEXT);
	for (int i = 0; i < t->n; i++) {
		if (t->attr[i] == ATTR_VAL && x > 0)
			grid_put(g, r, x - 1, 0, ATTR_VAL, glyph_set(v->glyphs)->val);
		grid_text(g, r, x, 0, t->attr[i], t->name[i]);
		x = grid_text(g, r, x + 4, 0, ATTR_VALUE, fmt_fixed(a, t->value[i], 3)) + 2;
	}
	for (int i = 0; i < 3; i++)
		grid_text(g, r, r.w - text_width(t->more[i]), 1 + i, t->more_attr[i], t->more[i]);
	return w;
}

static const char *axis_name(enum series_x x)
{
	static const char *const names[X_N] = {"step", "tokens", "time", "joules"};
	return names[x];
}

void pane_loss_note(const struct view *v, int values, int room, char note[NOTE])
{
	const struct series *s = &view_data(v)->series;
	const struct bucket *b = aim_bucket(v);
	struct told t;
	char a[FMT], range[80], smooth[16] = "off", ref[64] = "";
	const char *y = view_log_y(v) ? "log" : "linear";
	int n = 0;
	tell(&t, v);
	if (view_ema(v) >= 0)
		snprintf(smooth, sizeof smooth, ".%02.0f", (double)series_decay[view_ema(v)] * 100);
	if (v->ref)
		snprintf(ref, sizeof ref, "ref %.40s  ", v->ref_name);
	aim_words(v, range, sizeof range);
	if (values && s->n) {
		if (b)
			n = snprintf(note, NOTE, "@%s  ", fmt_group(a, MIN(MAX(v->cursor, b->first), b->last)));
		for (int i = 0; i < t.n; i++)
			n += snprintf(note + n, NOTE - (size_t)n, "%s%s %s", i ? "  " : "", t.name[i], fmt_fixed(a, t.value[i], 3));
		if (n + 7 + (int)strlen(y) <= room)
			n += snprintf(note + n, NOTE - (size_t)n, "  y:%s", y);
		if (v->x != X_STEP && n + 12 <= room)
			n += snprintf(note + n, NOTE - (size_t)n, "  x:%s", axis_name(v->x));
		if (v->span && n + 2 + (int)strlen(range) <= room)
			snprintf(note + n, NOTE - (size_t)n, "  %s", range);
		return;
	}
	snprintf(note, NOTE, "%sy:%s  x:%s  ema %s  %s", ref, y, axis_name(v->x), smooth, range);
	if ((int)strlen(note) > room)
		snprintf(note, NOTE, "y:%s  ema %s%s%s", y, smooth, v->span ? "  " : "", v->span ? range : "");
}

void pane_loss(struct grid *g, struct view *v, struct rect r, int roomy)
{
	const struct series *s = &view_data(v)->series;
	struct told t;
	if (!s->n && !s->nval) {
		draw_nothing(g, v, r);
		return;
	}
	tell(&t, v);
	int lw = roomy ? legend(g, v, r, &t, 0) : 0, with = roomy && r.w >= lw + 24 && r.h >= 8;
	struct plot p = {.what = PLOT_LOSS, .log = view_log_y(v), .ema = view_ema(v), .glyphs = v->glyphs, .axes = r.h >= 6 ? 3 : 0, .marks = 1, .x = v->x, .span = v->span, .to = v->to,
		.cursor = v->cursor, .cursor_on = v->cursor_on, .ref = v->ref};
	p.reserve_w = with ? lw + 1 : 0;
	for (int i = 0; i < 3 && with; i++)
		p.reserve_h = t.more[i][0] ? i + 2 : MAX(p.reserve_h, 1);
	plot_draw(g, r, s, &p, &v->place);
	if (with)
		legend(g, v, r, &t, 1);
	else if (s->n && v->place.at.w == 0)
		grid_text(g, r, 0, 0, ATTR_NOTE, "no step with a number here;  0 shows the whole run");
}

/* Learning rate, gradient norm and speed, each in a frame of its own, below one another. */
void pane_curves(struct grid *g, struct view *v, struct rect outer, int boxed)
{
	const struct data *d = view_data(v);
	static const char *const names[] = {"7 lr", "grad norm", "tok/s"};
	static const enum plot_what what[] = {PLOT_LR, PLOT_GRAD, PLOT_RATE};
	char note[3][FMT] = {"--", "--", "--"};
	int shown = MAX(MIN(outer.h / 4, 3), 1);
	const struct bucket *b = aim_bucket(v);
	if (b) {
		fmt_lr(note[0], (double)b->lr);
		fmt_short(note[1], mean_of(&b->grad));
		fmt_si(note[2], mean_of(&b->rate));
	} else if (d->series.n && d->have_snap) {
		fmt_lr(note[0], d->snap.lr_now);
		fmt_short(note[1], d->snap.last.grad_norm);
		fmt_si(note[2], d->snap.tokens_per_s);
	}
	for (int i = 0, y = outer.y; i < shown; i++) {
		int h = (outer.y + outer.h - y) / (shown - i);
		struct rect r = {outer.x, y, outer.w, h};
		draw_frame(g, r, names[i], note[i], v->focus == PANE_CURVES, boxed, v->glyphs);
		struct rect in = boxed ? (struct rect){r.x + 2, r.y + 1, r.w - 4, r.h - 2} : (struct rect){r.x, r.y + 1, r.w, r.h - 1};
		struct plot p = {.what = what[i], .ema = -1, .glyphs = v->glyphs, .axes = i == shown - 1 ? 3 : 1, .marks = 0, .x = v->x, .span = v->span, .to = v->to,
			.cursor = v->cursor, .cursor_on = v->cursor_on};
		plot_draw(g, in, &d->series, &p, NULL);
		y += h;
	}
}
