/* plot.c: from a series to dots, ticks and labels. Reads the series, changes nothing.
 * SPDX-License-Identifier: MIT */
#include "tui/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* What falls into one column of dots. */
struct column { float lo, hi, line; int n, bad, gap; };

struct frame {
	const struct series *s;
	const struct plot *p;
	struct rect at;        /* of the dots, in cells */
	struct raster ras;
	struct column *col;
	int cols, rows;        /* in dots */
	double x0, x1, lo, hi;
	int log;
};

double plot_x_end(double first, double last)
{
	double span = 40;
	while (first + span < last)
		span = ceil(span * 1.25);
	return first + span;
}

/* 1, 2 or 5 times a power of ten, at least v. */
static double nice_step(double v)
{
	double p = pow(10, floor(log10(v))), m = v / p;
	return p * (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10);
}

void plot_round_range(double *lo, double *hi, int log)
{
	if (!(*hi - *lo > 1e-9 * fmax(fabs(*hi), fabs(*lo)))) {
		double d = *lo ? fabs(*lo) * 0.1 : 1;
		*lo -= d;
		*hi += d;
	}
	if (log) {
		const double q = 0.05;
		*lo = pow(10, floor(log10(*lo) / q) * q);
		*hi = pow(10, ceil(log10(*hi) / q) * q);
		return;
	}
	double q = nice_step((*hi - *lo) / 10) / 2;
	*lo = floor(*lo / q) * q;
	*hi = ceil(*hi / q) * q;
}

int plot_ticks(double lo, double hi, int max, double *out, double *step)
{
	*step = 1;
	if (!(hi > lo) || max < 1)
		return 0;
	double q = nice_step((hi - lo) / max);
	double from = ceil(lo / q - 1e-9);
	if (floor(hi / q + 1e-9) - from + 1 > max)
		q = nice_step(q * 1.5), from = ceil(lo / q - 1e-9);
	int n = 0;
	for (double k = from; k * q <= hi + 1e-9 * q && n < max; k++)
		out[n++] = k * q + 0.0; /* no -0 */
	*step = q;
	return n;
}

/* Round values for a logarithmic axis: 1-2-5 a decade, then finer while there are few. */
static int log_ticks(double lo, double hi, int max, double *out)
{
	static const double fine[3][10] = {{1}, {1, 2, 5}, {1, 1.5, 2, 3, 4, 5, 6, 8}};
	int best = 0;
	for (int f = 0; f < 3; f++) {
		double v[64];
		int n = 0;
		for (double p = pow(10, floor(log10(lo))); p <= hi; p *= 10)
			for (int i = 0; i < 10 && fine[f][i] > 0 && n < 64; i++)
				if (p * fine[f][i] >= lo * (1 - 1e-9) && p * fine[f][i] <= hi * (1 + 1e-9))
					v[n++] = p * fine[f][i];
		if (n > max && best >= 2)
			break;
		best = MIN(n, max);
		memcpy(out, v, (size_t)best * sizeof *v);
	}
	return best;
}

char *plot_label(char buf[12], double v, double step)
{
	double a = fabs(v);
	if (a == 0)
		snprintf(buf, 12, "0");
	else if (a < 1e-3 || step < 1e-4) {
		snprintf(buf, 12, "%.1e", v);
		/* 5.0e-04: the exponent without its zero. */
		char *e = strchr(buf, 'e');
		if (e && e[2] == '0')
			memmove(e + 2, e + 3, strlen(e + 3) + 1);
	}
	else if (a >= 1e4)
		snprintf(buf, 12, a < 1e6 ? "%.4gk" : "%.4gM", a < 1e6 ? v / 1e3 : v / 1e6);
	else
		snprintf(buf, 12, "%.*f", step >= 1 ? 0 : (int)fmin(ceil(-log10(step) - 1e-9), 4), v);
	return buf;
}

static const struct spread *bucket_stat(const struct bucket *b, enum plot_what w, struct spread *one)
{
	if (w == PLOT_LOSS)
		return &b->loss;
	if (w == PLOT_GRAD)
		return &b->grad;
	if (w == PLOT_RATE)
		return &b->rate;
	*one = (struct spread){b->lr, b->lr, (double)b->lr, isfinite(b->lr)};
	return one;
}

static float bucket_line(const struct frame *f, const struct bucket *b)
{
	struct spread one;
	const struct spread *t = bucket_stat(b, f->p->what, &one);
	if (!t->n)
		return NAN;
	return f->p->what == PLOT_LOSS && f->p->ema >= 0 ? b->ema[f->p->ema] : (float)(t->sum / t->n);
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

static void widen(double *lo, double *hi, float v)
{
	if (!isfinite(v))
		return;
	*lo = isnan(*lo) ? (double)v : fmin(*lo, (double)v);
	*hi = isnan(*hi) ? (double)v : fmax(*hi, (double)v);
}

/* The y range: all of the line, the lowest, and the 98th percentile of the highest: a spike beyond is cut and marked, so it does not flatten the rest. */
static int find_range(struct frame *f)
{
	const struct series *s = f->s;
	struct spread one;
	double lo = NAN, hi = NAN;
	float *high = malloc((size_t)MAX(s->n, 1) * sizeof *high);
	int n = 0;
	if (!high)
		return -1;
	for (int i = 0; i < s->n; i++) {
		const struct spread *t = bucket_stat(&s->b[i], f->p->what, &one);
		if (!t->n)
			continue;
		widen(&lo, &hi, bucket_line(f, &s->b[i]));
		widen(&lo, &hi, fminf(t->min, (float)(t->sum / t->n)));
		high[n++] = t->max;
	}
	if (n) {
		qsort(high, (size_t)n, sizeof *high, by_value);
		widen(&lo, &hi, high[n < 50 ? n - 1 : n * 98 / 100]);
	}
	free(high);
	if (f->p->what == PLOT_LOSS)
		for (int i = 0; i < s->nval; i++)
			widen(&lo, &hi, s->val[i].loss);
	if (isnan(lo))
		return -1;
	/* Rates are read from zero: half the speed should look like half. */
	if (f->p->what == PLOT_RATE || f->p->what == PLOT_LR)
		lo = fmin(lo, 0);
	f->log = f->p->log && lo > 0;
	plot_round_range(&lo, &hi, f->log);
	f->lo = lo;
	f->hi = hi;
	return 0;
}

static int x_dot(const struct frame *f, double step)
{
	return (int)floor((step - f->x0) / (f->x1 - f->x0) * (f->cols - 1) + 0.5);
}

static int y_dot(const struct frame *f, double v)
{
	double t = f->log ? (log(fmax(v, f->lo * 0.5)) - log(f->lo)) / (log(f->hi) - log(f->lo)) : (v - f->lo) / (f->hi - f->lo);
	return (int)lround((1 - fmin(fmax(t, 0), 1)) * (f->rows - 1));
}

static void gather(struct frame *f)
{
	struct spread one;
	for (int c = 0; c < f->cols; c++)
		f->col[c].line = NAN;
	for (int i = 0; i < f->s->n; i++) {
		const struct bucket *b = &f->s->b[i];
		const struct spread *t = bucket_stat(b, f->p->what, &one);
		int c = x_dot(f, (double)b->last);
		if (c < 0 || c >= f->cols)
			continue;
		struct column *k = &f->col[c];
		k->bad |= f->p->what == PLOT_LOSS && b->bad;
		k->gap |= !t->n;
		if (!t->n)
			continue;
		k->lo = k->n ? fminf(k->lo, t->min) : t->min;
		k->hi = k->n ? fmaxf(k->hi, t->max) : t->max;
		float v = bucket_line(f, b);
		if (f->p->what == PLOT_LOSS && f->p->ema >= 0)
			k->line = v;
		else /* running mean over the buckets of this column */
			k->line = k->n ? k->line + (v - k->line) / (float)(k->n + 1) : v;
		k->n++;
	}
}

/* Both extremes always; between them every other dot, so that the cloud stays lighter than the line. */
static void draw_raw(struct frame *f)
{
	for (int c = 0; c < f->cols; c++) {
		if (!f->col[c].n)
			continue;
		int top = y_dot(f, f->col[c].hi), bottom = y_dot(f, f->col[c].lo);
		for (int y = top; y <= bottom; y++)
			if (y == top || y == bottom || (c + y) % 2 == 0)
				raster_dot(&f->ras, RASTER_RAW, c, y);
	}
}

static void draw_line(struct frame *f)
{
	int last = -1;
	for (int c = 0; c < f->cols; c++) {
		if (f->col[c].gap && !f->col[c].n)
			last = -1;
		if (isnan(f->col[c].line))
			continue;
		int y = y_dot(f, f->col[c].line);
		if (last < 0)
			raster_dot(&f->ras, RASTER_LINE, c, y);
		for (int k = last + 1, y0 = last < 0 ? y : y_dot(f, f->col[last].line), before = y0; last >= 0 && k <= c; k++) {
			int at = y0 + (int)lround((double)(y - y0) * (k - last) / (c - last));
			for (int d = MIN(before, at); d <= MAX(before, at); d++)
				if (d != before || at == before)
					raster_dot(&f->ras, RASTER_LINE, k, d);
			before = at;
		}
		last = c;
	}
}

static void draw_val(const struct frame *f, struct grid *g)
{
	const struct glyph_set *gs = glyph_set(f->p->glyphs);
	int last = 1 << 20;
	if (f->p->what != PLOT_LOSS)
		return;
	/* From the newest back, some cells apart: they must not hide the curve. */
	for (int i = f->s->nval - 1; i >= 0; i--) {
		const struct val_point *p = &f->s->val[i];
		int x = x_dot(f, (double)p->step) / f->ras.sx;
		if (!isfinite(p->loss) || last - x < 4)
			continue;
		grid_put(g, f->at, x, y_dot(f, p->loss) / f->ras.sy, ATTR_VAL, gs->val);
		last = x;
	}
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
		int x = x_dot(f, (double)f->s->mark[i].step) / f->ras.sx;
		if (f->s->mark[i].kind == MARK_SETTING)
			for (int y = 0; y < f->at.h; y++)
				grid_put(g, f->at, x, y, ATTR_MARK, gs->mark);
		else if (f->p->axes & 2 && f->s->mark[i].step >= (uint64_t)f->x0)
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
		if (m->kind != MARK_SETTING || (double)m->step < f->x0)
			continue;
		int line = x_dot(f, (double)m->step) / f->ras.sx, len = text_width(m->text), x = line + 1;
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

static int axis_ticks(const struct frame *f, double *v, double *step, int rows)
{
	int max = rows < 12 ? MAX(rows / 2, 3) : rows / 3, n;
	if (!f->log)
		return plot_ticks(f->lo, f->hi, max, v, step);
	n = log_ticks(f->lo, f->hi, MIN(max, 32), v);
	*step = n > 1 ? v[1] - v[0] : 1;
	for (int i = 2; i < n; i++)
		*step = fmin(*step, v[i] - v[i - 1]);
	/* Less than a decade of round values: halves and quarters of the range say more. */
	return n >= 3 ? n : plot_ticks(f->lo, f->hi, max, v, step);
}

static void y_axis(struct frame *f, struct grid *g, struct rect r, const double *v, int n, double step, int width)
{
	const struct glyph_set *gs = glyph_set(f->p->glyphs);
	char buf[12];
	for (int y = 0; y < f->at.h; y++)
		grid_put(g, r, width, y, ATTR_AXIS, gs->v);
	int last = 1 << 20;
	for (int i = 0; i < n; i++) {
		int y = y_dot(f, v[i]) / f->ras.sy;
		if (last - y < 2)
			continue;
		last = y;
		plot_label(buf, v[i], step);
		grid_text(g, r, width - text_width(buf), y, ATTR_TICK, buf);
		grid_put(g, r, width, y, ATTR_AXIS, gs->tick);
	}
}

/* 12 340, or 1.25M where that is too long. */
static char *step_label(char buf[48], double v, int short_form)
{
	if (short_form && v >= 1e5)
		snprintf(buf, 48, v < 1e6 ? "%gk" : "%gM", v < 1e6 ? v / 1e3 : v / 1e6);
	else if (v >= 1e4 && v < 1e9)
		snprintf(buf, 48, "%ld %03ld", (long)v / 1000, (long)v % 1000);
	else
		snprintf(buf, 48, "%.0f", v);
	return buf;
}

static void x_axis(const struct frame *f, struct grid *g, struct rect r, int width)
{
	const struct glyph_set *gs = glyph_set(f->p->glyphs);
	struct rect row = {r.x + width, r.y + f->at.h, r.w - width, 1};
	double v[32], step;
	char buf[48];
	for (int x = 0; x < row.w; x++)
		grid_put(g, row, x, 0, ATTR_AXIS, x ? gs->h : gs->corner);
	int n = plot_ticks(f->x0, f->x1, MIN(MAX(row.w / 14, 2), 32), v, &step), free_from = 1;
	for (int i = 0; i < n; i++) {
		step_label(buf, v[i], step >= 1e4);
		int len = text_width(buf), x = 1 + x_dot(f, v[i]) / f->ras.sx - len / 2;
		x = MIN(MAX(x, 1), row.w - len);
		if (x < free_from || x < 1)
			continue;
		grid_text(g, row, x, 0, ATTR_TICK, buf);
		free_from = x + len + 2;
	}
}

/* The axes' width depends on the labels, these on the range, which depends on the data only: so that comes first. */
static void place(struct frame *f, struct grid *g, struct rect r)
{
	double v[64], step = 1;
	char buf[12];
	int width = 0, n = 0;
	int room = r.w >= 20 && r.h >= 3, y = f->p->axes & 1 && room, x = f->p->axes & 2 && room && r.h >= 4;
	if (y) {
		n = axis_ticks(f, v, &step, r.h - x);
		for (int i = 0; i < n; i++)
			width = MAX(width, text_width(plot_label(buf, v[i], step)));
		width++;
	}
	f->at = (struct rect){r.x + width, r.y, r.w - width, r.h - x};
	if (raster_init(&f->ras, f->at.w, f->at.h, f->p->glyphs))
		return;
	f->cols = f->at.w * f->ras.sx;
	f->rows = f->at.h * f->ras.sy;
	f->col = mem_zalloc((size_t)MAX(f->cols, 1), sizeof *f->col);
	if (y)
		y_axis(f, g, r, v, n, step, width - 1);
	if (x)
		x_axis(f, g, r, MAX(width - 1, 0));
}

void plot_draw(struct grid *g, struct rect r, const struct series *s, const struct plot *p)
{
	struct frame f = {.s = s, .p = p};
	if (r.w < 1 || r.h < 1 || (!s->n && !s->nval) || find_range(&f))
		return;
	f.x0 = s->n ? (double)s->b[0].first : (double)s->val[0].step;
	if (s->nval)
		f.x0 = fmin(f.x0, (double)s->val[0].step);
	f.x1 = plot_x_end(f.x0, (double)s->step);
	place(&f, g, r);
	if (f.col) {
		gather(&f);
		if (p->what != PLOT_LR)
			draw_raw(&f);
		draw_line(&f);
		draw_mark_lines(&f, g);
		raster_draw(&f.ras, g, f.at, ATTR_RAW, ATTR_LINE);
		draw_val(&f, g);
		draw_edges(&f, g);
		draw_mark_labels(&f, g);
	}
	free(f.col);
	raster_done(&f.ras);
}
