/* plot_axis.c: the axes of a plot: round ranges, ticks, labels, and the place that they leave. Reads no curve.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tui/fmt.h"
#include "tui/plot_impl.h"

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
		int y = plot_y_dot(f, v[i]) / f->ras.sy;
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

static char *x_label(char buf[48], enum series_x x, double v, double step)
{
	char b[FMT];
	if (x == X_STEP)
		return step_label(buf, v, step >= 1e4);
	if (x == X_TIME)
		snprintf(buf, 48, "%s", fmt_time(b, v));
	if (x == X_TIME && step < 1)
		snprintf(buf, 48, "%.1f s", v);
	if (x == X_TOKENS)
		snprintf(buf, 48, v >= 1e9 ? "%gG" : v >= 1e6 ? "%gM" : v >= 1e3 ? "%gk" : "%g", v / (v >= 1e9 ? 1e9 : v >= 1e6 ? 1e6 : v >= 1e3 ? 1e3 : 1));
	if (x == X_JOULES)
		snprintf(buf, 48, v >= 1e6 ? "%g MJ" : v >= 1e3 ? "%g kJ" : "%g J", v / (v >= 1e6 ? 1e6 : v >= 1e3 ? 1e3 : 1));
	return buf;
}

/* Times are read in minutes and hours: 1, 2, 5, 10, 30 of a unit rather than powers of ten. */
static int time_ticks(double lo, double hi, int max, double *out, double *step)
{
	static const double steps[] = {1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400};
	for (size_t k = 0; k < ARRAY_LEN(steps) && hi - lo > 5; k++) {
		double q = steps[k], from = ceil(lo / q - 1e-9);
		if (floor(hi / q + 1e-9) - from + 1 > max)
			continue;
		int n = 0;
		for (double i = from; i * q <= hi + 1e-9 * q && n < max; i++)
			out[n++] = i * q;
		*step = q;
		return n;
	}
	return plot_ticks(lo, hi, max, out, step);
}

static void x_axis(const struct frame *f, struct grid *g, struct rect r, int width)
{
	const struct glyph_set *gs = glyph_set(f->p->glyphs);
	struct rect row = {r.x + width, r.y + f->at.h, r.w - width, 1};
	double v[32], step;
	char buf[48];
	for (int x = 0; x < row.w; x++)
		grid_put(g, row, x, 0, ATTR_AXIS, x ? gs->h : gs->corner);
	int max = MIN(MAX(row.w / 14, 2), 32), free_from = 1;
	int n = f->p->x == X_TIME ? time_ticks(f->x0, f->x1, max, v, &step) : plot_ticks(f->x0, f->x1, max, v, &step);
	for (int i = 0; i < n; i++) {
		x_label(buf, f->p->x, v[i], step);
		int len = text_width(buf), x = 1 + plot_x_dot(f, v[i]) / f->ras.sx - len / 2;
		x = MIN(MAX(x, 1), row.w - len);
		if (x < free_from || x < 1)
			continue;
		grid_text(g, row, x, 0, ATTR_TICK, buf);
		free_from = x + len + 2;
	}
}

/* The axes' width depends on the labels, these on the range, which depends on the data only: so that comes first. */
void plot_axes(struct frame *f, struct grid *g, struct rect r)
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
