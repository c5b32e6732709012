/* plot.c: from a series to dots, ticks and labels. Reads the series, changes nothing.
 * SPDX-License-Identifier: MIT */
#include "tui/plot_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

double plot_x_end(double first, double last)
{
	double span = 40;
	while (first + span < last)
		span = ceil(span * 1.25);
	return first + span;
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

/* The k-th smallest of v[n], which is put into disorder (Hoare 1961). */
static float kth(float *v, int n, int k)
{
	for (int lo = 0, hi = n - 1; lo < hi;) {
		float pivot = v[(lo + hi) / 2];
		int i = lo, j = hi;
		while (i <= j) {
			while (v[i] < pivot)
				i++;
			while (v[j] > pivot)
				j--;
			if (i <= j) {
				float t = v[i];
				v[i++] = v[j];
				v[j--] = t;
			}
		}
		if (k <= j)
			hi = j;
		else if (k >= i)
			lo = i;
		else
			break;
	}
	return v[k];
}

static void widen(double *lo, double *hi, float v)
{
	if (!isfinite(v))
		return;
	*lo = isnan(*lo) ? (double)v : fmin(*lo, (double)v);
	*hi = isnan(*hi) ? (double)v : fmax(*hi, (double)v);
}

static int is_shown(const struct frame *f, const struct bucket *b)
{
	return b->last >= f->from && b->first <= f->to;
}

static void widen_by_ref(const struct frame *f, double *lo, double *hi)
{
	const struct series *r = f->p->ref;
	for (int i = 0; r && i < r->n; i++)
		if (series_x_of(&r->b[i], f->p->x) >= f->x0 && series_x_of(&r->b[i], f->p->x) <= f->x1)
			widen(lo, hi, bucket_line(f, &r->b[i]));
}

/* The y range: all of the line, the lowest, and the 98th percentile of the highest: a spike beyond is cut and marked, so it does not flatten the rest. */
static int find_range(struct frame *f)
{
	const struct series *s = f->s;
	struct spread one;
	double lo = NAN, hi = NAN;
	float *high = malloc((size_t)MAX(f->nb, 1) * sizeof *high);
	int n = 0;
	if (!high)
		return -1;
	for (int i = 0; i < f->nb; i++) {
		const struct spread *t = bucket_stat(&f->b[i], f->p->what, &one);
		if (!t->n || !is_shown(f, &f->b[i]))
			continue;
		widen(&lo, &hi, bucket_line(f, &f->b[i]));
		widen(&lo, &hi, fminf(t->min, (float)(t->sum / t->n)));
		high[n++] = t->max;
	}
	if (n)
		widen(&lo, &hi, kth(high, n, n < 50 ? n - 1 : n * 98 / 100));
	free(high);
	if (f->p->what == PLOT_LOSS) {
		for (int i = 0; i < s->nval; i++)
			if (s->val[i].step >= f->from && s->val[i].step <= f->to)
				widen(&lo, &hi, s->val[i].loss);
		widen_by_ref(f, &lo, &hi);
	}
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

int plot_x_dot(const struct frame *f, double x)
{
	double t = (x - f->x0) / (f->x1 - f->x0) * (f->cols - 1) + 0.5;
	return t >= 0 && t < f->cols ? (int)t : -1;
}

int plot_step_dot(const struct frame *f, uint64_t step)
{
	return step < f->from || step > f->to ? -1 : plot_x_dot(f, series_x_at(f->s, f->p->x, step));
}

int plot_y_dot(const struct frame *f, double v)
{
	double t = f->log ? (log(fmax(v, f->lo * 0.5)) - log(f->lo)) / (log(f->hi) - log(f->lo)) : (v - f->lo) / (f->hi - f->lo);
	return (int)lround((1 - fmin(fmax(t, 0), 1)) * (f->rows - 1));
}

static void gather(struct frame *f)
{
	struct spread one;
	for (int c = 0; c < f->cols; c++)
		f->col[c].line = NAN;
	for (int i = 0; i < f->nb; i++) {
		const struct bucket *b = &f->b[i];
		const struct spread *t = bucket_stat(b, f->p->what, &one);
		int c = is_shown(f, b) ? plot_x_dot(f, series_x_of(b, f->p->x)) : -1;
		if (c < 0)
			continue;
		struct column *k = &f->col[c];
		k->bad |= f->p->what == PLOT_LOSS && b->bad;
		k->gap |= !t->n;
		k->cut |= b->cut != 0;
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
		int top = plot_y_dot(f, f->col[c].hi), bottom = plot_y_dot(f, f->col[c].lo);
		for (int y = top; y <= bottom; y++)
			if (y == top || y == bottom || (c + y) % 2 == 0)
				raster_dot(&f->ras, RASTER_RAW, c, y);
	}
}

/* A line over columns whose place is in y[], < 0: none; where brk[] is set no line leads to it. */
static void draw_path(struct frame *f, enum raster_layer l, const int *y, const unsigned char *brk)
{
	int last = -1;
	for (int c = 0; c < f->cols; c++) {
		if (brk[c])
			last = -1;
		if (y[c] < 0)
			continue;
		if (last < 0)
			raster_dot(&f->ras, l, c, y[c]);
		for (int k = last + 1, y0 = last < 0 ? 0 : y[last], before = y0; last >= 0 && k <= c; k++) {
			int at = y0 + (int)lround((double)(y[c] - y0) * (k - last) / (c - last));
			for (int d = MIN(before, at); d <= MAX(before, at); d++)
				if (d != before || at == before)
					raster_dot(&f->ras, l, k, d);
			before = at;
		}
		last = c;
	}
}

/* An average that looks back hides where it began and ended: the other run's line is drawn from the same kind of average. */
static void place_ref(struct frame *f, int *y, unsigned char *brk)
{
	const struct series *r = f->p->ref;
	for (int c = 0; c < f->cols; c++)
		y[c] = -1, brk[c] = 0;
	for (int i = 0; i < r->n; i++) {
		int c = plot_x_dot(f, series_x_of(&r->b[i], f->p->x));
		float v = bucket_line(f, &r->b[i]);
		if (c >= 0 && isfinite(v))
			y[c] = plot_y_dot(f, (double)v);
	}
}

static void draw_lines(struct frame *f)
{
	int *y = mem_zalloc((size_t)MAX(f->cols, 1), sizeof *y);
	unsigned char *brk = mem_zalloc((size_t)MAX(f->cols, 1), 1);
	if (y && brk) {
		if (f->p->ref && f->p->what == PLOT_LOSS) {
			place_ref(f, y, brk);
			draw_path(f, RASTER_REF, y, brk);
		}
		for (int c = 0; c < f->cols; c++) {
			y[c] = isnan(f->col[c].line) ? -1 : plot_y_dot(f, (double)f->col[c].line);
			brk[c] = f->col[c].cut || (f->col[c].gap && !f->col[c].n);
		}
		draw_path(f, RASTER_LINE, y, brk);
	}
	free(y);
	free(brk);
}

/* --- what is shown --- */

void plot_range(const struct series *s, const struct plot *p, uint64_t *from, uint64_t *to)
{
	uint64_t first = s->n ? s->b[0].first : s->nval ? s->val[0].step : 0;
	if (s->nval)
		first = MIN(first, s->val[0].step);
	if (!p->span) {
		*from = first;
		*to = (uint64_t)plot_x_end((double)first, (double)s->step);
		return;
	}
	uint64_t span = MAX(p->span, 4), end = p->to;
	if (!end)
		end = (s->step / (span / 4) + 1) * (span / 4);
	*to = MAX(end, first + span);
	*from = *to - span;
}

static void find_x(struct frame *f)
{
	const struct plot *p = f->p;
	plot_range(f->s, p, &f->from, &f->to);
	f->b = series_since(f->s, f->from, &f->nb);
	f->x0 = series_x_at(f->s, p->x, f->from);
	if (p->x == X_STEP || p->span) {
		f->x1 = series_x_at(f->s, p->x, f->to);
	} else {
		/* The whole run: as far as it has come, in minutes, thousands of tokens or hundreds of joules. */
		double unit = p->x == X_TIME ? 1.5 : p->x == X_TOKENS ? 1000 : 10, last = f->s->n ? series_x_of(&f->s->b[f->s->n - 1], p->x) : 0;
		f->x0 = f->s->n ? series_x_of(&f->s->b[0], p->x) : 0;
		f->x1 = f->x0 + unit * plot_x_end(0, (last - f->x0) / unit);
	}
	if (!(f->x1 > f->x0))
		f->x1 = f->x0 + 1;
}

int plot_column_of(const struct plot_place *place, const struct series *s, uint64_t step)
{
	double t = (series_x_at(s, place->x, step) - place->x0) / (place->x1 - place->x0);
	return (int)floor((t * (place->at.w * place->dots - 1) + 0.5) / place->dots);
}

uint64_t plot_step_of(const struct plot_place *place, const struct series *s, int column)
{
	double x = place->x0 + (place->x1 - place->x0) * ((column + 0.5) * place->dots - 0.5) / MAX(place->at.w * place->dots - 1, 1);
	uint64_t lo = place->from, hi = MIN(place->to, s->step);
	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;
		if (series_x_at(s, place->x, mid) < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void plot_draw(struct grid *g, struct rect r, const struct series *s, const struct plot *p, struct plot_place *place)
{
	struct frame f = {.s = s, .p = p};
	if (place)
		*place = (struct plot_place){0};
	if (r.w < 1 || r.h < 1 || (!s->n && !s->nval))
		return;
	find_x(&f);
	if (find_range(&f))
		return;
	plot_axes(&f, g, r);
	if (f.col) {
		gather(&f);
		if (p->what != PLOT_LR)
			draw_raw(&f);
		draw_lines(&f);
		plot_marks_under(&f, g);
		raster_draw(&f.ras, g, f.at, ATTR_RAW, ATTR_LINE);
		plot_marks_over(&f, g);
		if (place)
			*place = (struct plot_place){f.at, f.ras.sx, f.from, f.to, f.x0, f.x1, p->x};
	}
	free(f.col);
	raster_done(&f.ras);
}
