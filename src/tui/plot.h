/* plot.h: a curve with axes in a rectangle of cells: raw dots with their extremes, a smoothed line, validation, marks. Keeps nothing between frames.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_PLOT_H
#define ANETUI_TUI_PLOT_H

#include "tui/raster.h"
#include "tui/series.h"

enum plot_what { PLOT_LOSS, PLOT_LR, PLOT_GRAD, PLOT_RATE };

struct plot {
	enum plot_what what;
	int log;                  /* 1: logarithmic where all values are positive */
	int ema;                  /* index into series_decay, or -1: the mean of each column */
	enum glyphs glyphs;
	int axes;                 /* bits: 1 the y axis, 2 the x axis, where there is room for them */
	int marks;                /* 1: lines where a setting changed, checkpoints on the axis */
	int reserve_w, reserve_h; /* cells at the upper right that labels leave free (a legend) */
};

void plot_draw(struct grid *g, struct rect r, const struct series *s, const struct plot *p);

/* --- parts, for tests --- */
/* The right end of the x axis: at least 40 beyond `first`, growing by a quarter of the width whenever `last` has reached it. */
double plot_x_end(double first, double last);
/* Widens [lo, hi] to round numbers, so that it stands still while the data move a little. */
void plot_round_range(double *lo, double *hi, int log);
/* At most `max` round values within [lo, hi], evenly spaced; returns how many, and the spacing in *step. */
int plot_ticks(double lo, double hi, int max, double *out, double *step);
/* A value of an axis whose ticks are `step` apart; always fits 12 bytes. */
char *plot_label(char buf[12], double v, double step);

#endif
