/* plot.h: a curve with axes in a rectangle of cells: raw dots with their extremes, a smoothed line, validation, marks, another run behind. Keeps nothing between frames.
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
	enum series_x x;
	/* What is shown: span 0: the whole run; to 0: the latest `span` steps, shifted by a quarter of them when they have come to the edge; else [to - span, to]. */
	uint64_t span, to;
	uint64_t cursor; int cursor_on;
	const struct series *ref; /* drawn behind; NULL: none */
};

/* Where the dots lie, to go from a place on the screen to a step. */
struct plot_place { struct rect at; int dots; /* of a cell, side by side */ uint64_t from, to; double x0, x1; enum series_x x; };

/* *place (may be NULL) is filled; at.w == 0: there was nothing to draw. */
void plot_draw(struct grid *g, struct rect r, const struct series *s, const struct plot *p, struct plot_place *place);
/* The column of cells in which a step is drawn, and the other way round (0: the leftmost; others are brought into the range). */
int plot_column_of(const struct plot_place *place, const struct series *s, uint64_t step);
uint64_t plot_step_of(const struct plot_place *place, const struct series *s, int column);

/* --- parts, for tests --- */
/* The right end of the x axis: at least 40 beyond `first`, growing by a quarter of the width whenever `last` has reached it. */
double plot_x_end(double first, double last);
/* The steps that are shown. */
void plot_range(const struct series *s, const struct plot *p, uint64_t *from, uint64_t *to);
/* Widens [lo, hi] to round numbers, so that it stands still while the data move a little. */
void plot_round_range(double *lo, double *hi, int log);
/* At most `max` round values within [lo, hi], evenly spaced; returns how many, and the spacing in *step. */
int plot_ticks(double lo, double hi, int max, double *out, double *step);
/* A value of an axis whose ticks are `step` apart; always fits 12 bytes. */
char *plot_label(char buf[12], double v, double step);

#endif
